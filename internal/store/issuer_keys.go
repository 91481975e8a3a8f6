package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// LoadIssuerKeys returns the JWKS that was stored last for the issuer's URL, when it was
// fetched, and how long it is fresh. Without one, jwks is nil. It implements token.KeyStore.
func (s *Store) LoadIssuerKeys(ctx context.Context, issuer string) (jwks []byte, fetchedAt, freshUntil time.Time, err error) {
	err = s.pool.QueryRow(ctx, "SELECT jwks, fetched_at, fresh_until FROM issuer_keys WHERE issuer = $1", issuer).
		Scan(&jwks, &fetchedAt, &freshUntil)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, time.Time{}, time.Time{}, nil
	}
	if err != nil {
		return nil, time.Time{}, time.Time{}, fmt.Errorf("store: load keys of issuer %s: %w", issuer, err)
	}
	return jwks, fetchedAt, freshUntil, nil
}

// StoreIssuerKeys stores the JWKS of an issuer, unless one that was fetched later is stored:
// several servers fetch. It implements token.KeyStore.
func (s *Store) StoreIssuerKeys(ctx context.Context, issuer string, jwks []byte, fetchedAt, freshUntil time.Time) error {
	err := s.exec(ctx, `INSERT INTO issuer_keys AS stored (issuer, jwks, fetched_at, fresh_until)
			VALUES ($1, $2, $3, $4)
		ON CONFLICT (issuer) DO UPDATE
			SET jwks = excluded.jwks, fetched_at = excluded.fetched_at, fresh_until = excluded.fresh_until
			WHERE stored.fetched_at <= excluded.fetched_at`, issuer, jwks, fetchedAt, freshUntil)
	if err != nil {
		return fmt.Errorf("store: keep keys of issuer %s: %w", issuer, err)
	}
	return nil
}
