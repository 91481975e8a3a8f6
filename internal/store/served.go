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
	rows, err := s.pool.Query(ctx, `SELECT name FROM documents WHERE kind = 'meshPlatform'
		UNION SELECT platform FROM tombstones ORDER BY 1`)
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
