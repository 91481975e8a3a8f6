package store

import (
	"context"
	"crypto/sha256"
	"time"
)

// hasNoPolicy is true while no document gives rights to callers of the server.
const hasNoPolicy = "NOT EXISTS (SELECT FROM documents WHERE kind = 'AccessPolicy')"

// AddBootstrap keeps the digest of a token that gives all rights until the first policy is
// stored, for a time. It reports false, and keeps nothing, if a policy is stored already.
func (s *Store) AddBootstrap(ctx context.Context, token string, lifetime time.Duration) (bool, error) {
	digest := sha256.Sum256([]byte(token))
	var added bool
	err := s.one(ctx, &added, `
WITH removed AS (DELETE FROM bootstrap_tokens WHERE expires_at < now()),
added AS (INSERT INTO bootstrap_tokens SELECT $1, now() + $2::interval WHERE `+hasNoPolicy+` RETURNING 1)
SELECT EXISTS (SELECT FROM added)`, digest[:], lifetime)
	return added, err
}

// CheckBootstrap reports whether a token is one of AddBootstrap that counts still. It compares
// digests, so the time that it takes tells nothing about the token.
func (s *Store) CheckBootstrap(ctx context.Context, token string) (bool, error) {
	digest := sha256.Sum256([]byte(token))
	var counts bool
	err := s.one(ctx, &counts, `SELECT EXISTS (SELECT FROM bootstrap_tokens WHERE digest = $1 AND expires_at > now()) AND `+hasNoPolicy,
		digest[:])
	return counts, err
}
