package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// ReadBudget returns what workers share of a budget, the version to replace it
// by, 0 where nothing is stored, and the database's time.
func (s *Store) ReadBudget(ctx context.Context, name string) (state []byte, version int64, now time.Time, err error) {
	err = s.pool.QueryRow(ctx, `SELECT clock_timestamp(), coalesce(version, 0), state
		FROM (VALUES (1)) AS always LEFT JOIN rate_limits ON name = $1`, name).Scan(&now, &version, &state)
	if err != nil {
		return nil, 0, time.Time{}, fmt.Errorf("store: %w", err)
	}
	return state, version, now, nil
}

// WriteBudget replaces a version of what workers share of a budget, and reports
// false if it is not the stored one any more. next is the version to replace it by. An
// empty state removes it, and with it those that dead workers left behind a day ago.
func (s *Store) WriteBudget(ctx context.Context, name string, state []byte, version int64) (next int64, ok bool, err error) {
	var sql string
	args := []any{name, version}
	switch {
	case len(state) == 0:
		sql = `WITH gone AS (DELETE FROM rate_limits WHERE name = $1 AND version = $2 OR at < now() - interval '1 day' RETURNING name)
			SELECT 0::bigint FROM gone WHERE name = $1`
	case version == 0:
		sql = `INSERT INTO rate_limits (name, state, version) SELECT $1, $3, nextval('rate_limit_versions') WHERE $2::bigint = 0
			ON CONFLICT DO NOTHING RETURNING version`
		args = append(args, state)
	default:
		sql = `UPDATE rate_limits SET state = $3, version = nextval('rate_limit_versions'), at = now()
			WHERE name = $1 AND version = $2 RETURNING version`
		args = append(args, state)
	}
	err = s.pool.QueryRow(ctx, sql, args...).Scan(&next)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, len(state) == 0 && version == 0, nil // nothing was, and nothing is
	}
	if err != nil {
		return 0, false, fmt.Errorf("store: %w", err)
	}
	return next, true, nil
}
