package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// answerLifetime is how long the answers of requests with an idempotency key are kept.
	answerLifetime = 24 * time.Hour
	// attemptLifetime is how long an attempt counts as running after its last sign of life.
	attemptLifetime = 30 * time.Second
)

// BeginRequest begins an attempt of a request with an idempotency key. All of caller, key and
// request are digests. If the attempt runs, stored is nil; restarted tells that a former one
// has crashed. Otherwise stored is the digest of the request that the key has, and answer its
// answer; nil while an attempt of it runs.
func (s *Store) BeginRequest(
	ctx context.Context, caller, key, request []byte, attempt string,
) (stored, answer []byte, restarted bool, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		const old = `DELETE FROM idempotent_requests WHERE (caller, key) IN (
			SELECT caller, key FROM idempotent_requests WHERE created_at < now() - $1::interval
			ORDER BY created_at LIMIT 1000 FOR UPDATE SKIP LOCKED)`
		if _, err := tx.Exec(ctx, old, answerLifetime); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `INSERT INTO idempotent_requests AS r (caller, key, request, attempt, alive_until)
				VALUES ($1, $2, $3, $4, now() + $5::interval)
			ON CONFLICT (caller, key) DO UPDATE SET attempt = excluded.attempt, alive_until = excluded.alive_until
				WHERE r.answer IS NULL AND r.alive_until < now() AND r.request = excluded.request
			RETURNING xmax <> 0`, caller, key, request, attempt, attemptLifetime)
		if err != nil {
			return err
		}
		began, err := pgx.CollectRows(rows, pgx.RowTo[bool])
		if err != nil {
			return err
		}
		if len(began) == 1 {
			restarted = began[0]
			return nil
		}
		return tx.QueryRow(ctx, "SELECT request, answer FROM idempotent_requests WHERE caller = $1 AND key = $2", caller, key).
			Scan(&stored, &answer)
	})
	if err != nil {
		return nil, nil, false, fmt.Errorf("store: begin a request with an idempotency key: %w", err)
	}
	return stored, answer, restarted, nil
}

// HeartbeatRequest tells that an attempt still runs.
func (s *Store) HeartbeatRequest(ctx context.Context, caller, key []byte, attempt string) error {
	return s.exec(ctx, `UPDATE idempotent_requests SET alive_until = now() + $4::interval
		WHERE caller = $1 AND key = $2 AND attempt = $3 AND answer IS NULL`, caller, key, attempt, attemptLifetime)
}

// EndRequest stores the answer of an attempt; without one, the key can be used again.
func (s *Store) EndRequest(ctx context.Context, caller, key []byte, attempt string, answer []byte) error {
	if answer == nil {
		return s.exec(ctx, "DELETE FROM idempotent_requests WHERE caller = $1 AND key = $2 AND attempt = $3", caller, key, attempt)
	}
	return s.exec(ctx, "UPDATE idempotent_requests SET answer = $4 WHERE caller = $1 AND key = $2 AND attempt = $3",
		caller, key, attempt, answer)
}
