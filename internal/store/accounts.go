package store

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-iam/rollcall/internal/access"
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

// OtherNames returns other names under which lookups of the last week found accounts, for ids
// by name. A name that a document still gives a user is looked up each day.
func (s *Store) OtherNames(ctx context.Context, key LookupKey, refs map[string]string) ([]access.Account, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	names := slices.Sorted(maps.Keys(refs))
	ids := make([]string, len(names))
	for i, name := range names {
		ids[i] = refs[name]
	}
	rows, err := s.pool.Query(ctx, `SELECT DISTINCT a.name, a.ref FROM unnest($3::text[], $4::text[]) AS found (name, ref)
		JOIN accounts a ON a.platform = $1 AND a.ref = found.ref
		WHERE a.attribute = $2 AND a.name <> found.name AND a.found_at > now() - interval '7 days' ORDER BY a.ref, a.name`,
		key.Platform, key.Attribute, names, ids)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	others, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (a access.Account, err error) {
		return a, row.Scan(&a.Name, &a.Ref)
	})
	return others, prefixed(err)
}

// LookupKey says by which attribute accounts of a platform are looked up.
type LookupKey struct{ Platform, Attribute string }

// LookupAge says how old an answer of a platform may be to count.
type LookupAge struct {
	// Found is how old an account that was found may be; 0 for none.
	Found time.Duration
	// Since is when a lookup of the run began, by the database's clock: its answers count,
	// also those about accounts that were not found, as long as they are younger than
	// Within. Zero for no lookup.
	Since  time.Time
	Within time.Duration
}

// Lookup is a stored answer about an account.
type Lookup struct {
	access.Resolution
	// Fresh is true for an answer since LookupAge.Since that is younger than
	// LookupAge.Within.
	Fresh bool
}

// Lookups returns the stored answers about accounts that count. Names without one are
// left out.
func (s *Store) Lookups(ctx context.Context, key LookupKey, names []string, age LookupAge) (map[string]Lookup, error) {
	var since *time.Time
	if !age.Since.IsZero() {
		since = &age.Since
	}
	rows, err := s.pool.Query(ctx, `
SELECT name, 'found', ARRAY[ref], '', coalesce(found_at >= $5 AND found_at > now() - $6::interval, false)
	FROM accounts WHERE platform = $1 AND attribute = $2 AND name = ANY($3)
	AND (found_at > now() - $4::interval OR found_at >= $5 AND found_at > now() - $6::interval)
UNION ALL
SELECT name, answer, refs, similar_by, true FROM lookups WHERE platform = $1 AND attribute = $2 AND name = ANY($3)
	AND answered_at >= $5 AND answered_at > now() - $6::interval`,
		key.Platform, key.Attribute, names, age.Found, since, age.Within)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	found := make(map[string]Lookup, len(names))
	var name string
	var answer Lookup
	_, err = pgx.ForEachRow(rows, []any{&name, &answer.Found, &answer.Refs, &answer.Similar, &answer.Fresh}, func() error {
		found[name] = answer
		answer.Refs = nil // the next row has refs of its own
		return nil
	})
	return found, prefixed(err)
}

// KeepLookups stores the answers of a platform about accounts, in place of earlier ones. Their
// age is the time since the platform was asked: an answer does not replace one to a later
// question, whichever arrives first.
func (s *Store) KeepLookups(ctx context.Context, key LookupKey, answers map[string]access.Resolution, age time.Duration) error {
	var found, ids, others, kinds, refs, similar []string
	// Sorted, so that two that store the same accounts wait for each other instead of for
	// ever.
	for _, name := range slices.Sorted(maps.Keys(answers)) {
		if answer := answers[name]; answer.Found == access.Yes {
			found, ids = append(found, name), append(ids, answer.Refs[0])
		} else {
			list, err := json.Marshal(append([]string{}, answer.Refs...))
			if err != nil {
				return fmt.Errorf("store: %w", err)
			}
			others, kinds, refs = append(others, name), append(kinds, string(answer.Found)), append(refs, string(list))
			similar = append(similar, string(answer.Similar))
		}
	}
	batch := &pgx.Batch{}
	if len(found) > 0 && len(others) > 0 { // two with opposite answers wait for each other
		batch.Queue("SELECT FROM accounts WHERE platform = $1 AND attribute = $2 AND name = ANY($3) ORDER BY name FOR UPDATE",
			key.Platform, key.Attribute, slices.Concat(found, others))
	}
	if len(found) > 0 {
		// PostgreSQL runs the insertion first: both statements take accounts before lookups.
		batch.Queue(`WITH gone AS (DELETE FROM lookups WHERE platform = $1 AND attribute = $2 AND name = ANY($3)
				AND answered_at <= now() - $5::interval)
			INSERT INTO accounts (platform, attribute, name, ref, found_at)
			SELECT $1, $2, name, ref, now() - $5::interval FROM unnest($3::text[], $4::text[]) AS found (name, ref)
				WHERE NOT EXISTS (SELECT FROM lookups l WHERE l.platform = $1 AND l.attribute = $2 AND l.name = found.name
					AND l.answered_at > now() - $5::interval)
			ON CONFLICT (platform, attribute, name) DO UPDATE SET ref = excluded.ref, found_at = excluded.found_at
				WHERE accounts.found_at <= excluded.found_at`,
			key.Platform, key.Attribute, found, ids, age)
	}
	if len(others) > 0 {
		batch.Queue(`DELETE FROM accounts WHERE platform = $1 AND attribute = $2 AND name = ANY($3)
			AND found_at <= now() - $4::interval`, key.Platform, key.Attribute, others, age)
		batch.Queue(`INSERT INTO lookups (platform, attribute, name, answer, refs, similar_by, answered_at)
			SELECT $1, $2, name, answer, ARRAY(SELECT jsonb_array_elements_text(refs::jsonb)), similar_by, now() - $7::interval
			FROM unnest($3::text[], $4::text[], $5::text[], $6::text[]) AS answered (name, answer, refs, similar_by)
				WHERE NOT EXISTS (SELECT FROM accounts a WHERE a.platform = $1 AND a.attribute = $2 AND a.name = answered.name)
			ON CONFLICT (platform, attribute, name) DO UPDATE SET answer = excluded.answer, refs = excluded.refs,
				similar_by = excluded.similar_by, answered_at = excluded.answered_at
				WHERE lookups.answered_at <= excluded.answered_at`,
			key.Platform, key.Attribute, others, kinds, refs, similar, age)
		// No run needs older ones; whoever else deletes now takes others.
		batch.Queue(`DELETE FROM lookups WHERE (platform, attribute, name) IN (SELECT platform, attribute, name FROM lookups
			WHERE answered_at < now() - interval '1 day' ORDER BY answered_at LIMIT 1000 FOR UPDATE SKIP LOCKED)`)
	}
	if batch.Len() == 0 {
		return nil
	}
	return prefixed(s.pool.SendBatch(ctx, batch).Close()) // in one implicit transaction
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
