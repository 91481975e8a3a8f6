package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// URLVariable is the environment variable that names the database.
const URLVariable = "ROLLCALL_DATABASE_URL"

// ServedPlatforms returns the identifiers of all platforms that runs may need,
// sorted: the stored ones, and those of removed tenants that are not cleaned up.
func (s *Store) ServedPlatforms(ctx context.Context) ([]string, error) {
	rows, err := s.pool.Query(ctx, "SELECT name FROM "+served+" ORDER BY name")
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return names, prefixed(err)
}

// Now returns the time by the database's clock, which statuses carry.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	var now time.Time
	err := s.one(ctx, &now, "SELECT now()")
	return now, err
}

// StatusesSince counts the tenants whose status was stored at or after t.
func (s *Store) StatusesSince(ctx context.Context, t time.Time) (int, error) {
	var n int
	err := s.one(ctx, &n, "SELECT count(*) FROM statuses WHERE at >= $1", t)
	return n, err
}

// SinceGeneration returns how long ago a generation of the documents was stored.
func (s *Store) SinceGeneration(ctx context.Context, generation int64) (time.Duration, error) {
	var since time.Duration
	err := s.one(ctx, &since, "SELECT now() - at FROM revisions WHERE revision = $1", generation)
	return since, err
}

// OutcomeCount is how many tenants of a platform ended their last run alike.
type OutcomeCount struct {
	Platform, Outcome string
	Tenants           int64
}

// CountOutcomes counts all statuses, by platform and outcome.
func (s *Store) CountOutcomes(ctx context.Context) ([]OutcomeCount, error) {
	rows, err := s.pool.Query(ctx, "SELECT platform, outcome, count(*) FROM statuses GROUP BY platform, outcome ORDER BY platform, outcome")
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	counts, err := pgx.CollectRows(rows, pgx.RowToStructByPos[OutcomeCount])
	return counts, prefixed(err)
}

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.pool.Ping(ctx); err != nil {
		return unreachable(s.pool.Config().ConnConfig, err)
	}
	return nil
}
