package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// KnownAccounts returns the platform's ids of those names that were found there
// within the last day, by that attribute. It answers for grants only: a removal
// needs a fresh answer from the platform.
func (s *Store) KnownAccounts(ctx context.Context, platform, attribute string, names []string) (map[string]string, error) {
	return s.pairs(ctx, `SELECT name, ref FROM accounts WHERE platform = $1 AND attribute = $2
		AND name = ANY($3) AND found_at > now() - interval '1 day'`, platform, attribute, names)
}

// AccountNames returns the names under which ids were last found, however long
// ago, for showing whom a removal is about. Ids that never were are left out.
func (s *Store) AccountNames(ctx context.Context, platform string, refs []string) (map[string]string, error) {
	return s.pairs(ctx, `SELECT DISTINCT ON (ref) ref, name FROM accounts
		WHERE platform = $1 AND ref = ANY($2) ORDER BY ref, found_at DESC`, platform, refs)
}

// RememberAccounts keeps names that the platform has just found, with its ids.
func (s *Store) RememberAccounts(ctx context.Context, platform, attribute string, found map[string]string) error {
	names, refs := make([]string, 0, len(found)), make([]string, 0, len(found))
	for name, ref := range found {
		names, refs = append(names, name), append(refs, ref)
	}
	// Sorted, so that two that remember the same accounts wait for each other
	// instead of for ever.
	return s.exec(ctx, `INSERT INTO accounts (platform, attribute, name, ref)
		SELECT $1, $2, name, ref FROM unnest($3::text[], $4::text[]) AS found (name, ref) ORDER BY name
		ON CONFLICT (platform, attribute, name) DO UPDATE SET ref = excluded.ref, found_at = excluded.found_at`,
		platform, attribute, names, refs)
}

// ForgetAccounts drops names that the platform has contradicted.
func (s *Store) ForgetAccounts(ctx context.Context, platform, attribute string, names []string) error {
	return s.exec(ctx, "DELETE FROM accounts WHERE platform = $1 AND attribute = $2 AND name = ANY($3)",
		platform, attribute, names)
}

// pairs reads a query of two texts.
func (s *Store) pairs(ctx context.Context, sql string, args ...any) (map[string]string, error) {
	rows, err := s.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	pairs := map[string]string{}
	var key, value string
	_, err = pgx.ForEachRow(rows, []any{&key, &value}, func() error {
		pairs[key] = value
		return nil
	})
	return pairs, prefixed(err)
}
