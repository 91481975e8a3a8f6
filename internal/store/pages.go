package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-iam/rollcall/internal/document"
)

// ErrChanged reports another state than the caller has seen.
var ErrChanged = errors.New("the state has changed")

// PageRequest asks for a part of the documents.
type PageRequest struct {
	Filter
	// After is the ID of the last document of the page before; the zero ID begins.
	After document.ID
	// Limit is how many documents the page has at most; 0 for all.
	Limit int
	// Revision is that of the first page; 0 for any.
	Revision int64
	// Numbers adds the numbers that apply allocated, as Export does.
	Numbers bool
}

// DocumentPage returns documents in the order of document.ID.Compare, and the revision that
// they are of. It reads one row more than it returns: hasNext tells that there is a next page. It
// fails with ErrChanged if the revision is not the requested one, as older states are not stored.
func (s *Store) DocumentPage(ctx context.Context, r PageRequest) (page []document.Document, revision int64, hasNext bool, err error) {
	err = s.snapshot(ctx, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, "SELECT revision FROM installation").Scan(&revision); err != nil {
			return fmt.Errorf("store: %w", err)
		}
		if r.Revision != 0 && r.Revision != revision {
			return fmt.Errorf("store: read the documents of revision %d: %w", r.Revision, ErrChanged)
		}
		rows, err := r.rows(ctx, tx)
		if err != nil {
			return err
		}
		if hasNext = r.Limit > 0 && len(rows) > r.Limit; hasNext {
			rows = rows[:r.Limit]
		}
		page = documentsOf(rows)
		if r.Numbers {
			return addNumbers(ctx, tx, page)
		}
		return nil
	})
	return page, revision, hasNext, err
}

// rows reads the rows of a page, and one more. Within a kind they are read in the order of the
// primary key, as many as are returned.
func (r PageRequest) rows(ctx context.Context, tx pgx.Tx) ([]row, error) {
	var rows []row
	for _, kind := range document.Kinds() {
		after := ""
		switch order := (document.ID{Kind: kind}).Compare(document.ID{Kind: r.After.Kind}); {
		case r.Kind != "" && kind != r.Kind, r.After.Kind != "" && order < 0:
			continue
		case order == 0:
			after = r.After.Name
		}
		var limit *int // NULL is no limit
		if r.Limit > 0 {
			left := r.Limit + 1 - len(rows)
			if limit = &left; left == 0 {
				break
			}
		}
		found, err := queryRows(ctx, tx, "SELECT "+columns+` FROM documents
			WHERE kind = $1 AND name > $2 AND ($3 = '' OR name = $3) ORDER BY name LIMIT $4`, string(kind), after, r.Name, limit)
		if err != nil {
			return nil, err
		}
		rows = append(rows, found...)
	}
	return rows, nil
}

// addNumbers gives tenants their allocated numbers.
func addNumbers(ctx context.Context, tx pgx.Tx, documents []document.Document) error {
	tenants := map[string]int{}
	var names []string
	for i, d := range documents {
		if d.ID.Kind == document.KindTenant {
			tenants[d.ID.Name], names = i, append(names, d.ID.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	var tenant string
	var d document.Drawn
	return each(ctx, tx, "SELECT tenant, number, random FROM allocations WHERE tenant = ANY($1)", []any{names},
		[]any{&tenant, &d.Number, &d.Random}, func() error {
			numbers := d
			documents[tenants[tenant]].Drawn = &numbers
			return nil
		})
}

// ServerKey returns the 32 random bytes of a name, which all servers share. The first call
// makes them.
func (s *Store) ServerKey(ctx context.Context, name string) ([]byte, error) {
	fresh := make([]byte, 32)
	_, _ = rand.Read(fresh) // it does not fail
	if err := s.exec(ctx, "INSERT INTO server_keys (name, key) VALUES ($1, $2) ON CONFLICT DO NOTHING", name, fresh); err != nil {
		return nil, err
	}
	var key []byte
	err := s.one(ctx, &key, "SELECT key FROM server_keys WHERE name = $1", name)
	return key, err
}

// The bounds on lists that are kept.
const (
	// ListLifetime is how long a list is kept.
	ListLifetime = 15 * time.Minute
	// maxLists is how many lists of one caller are kept: a further one replaces the oldest.
	maxLists = 4
)

// StoreList keeps a list for its next pages. caller is a digest: PageOfList needs the same one.
func (s *Store) StoreList(ctx context.Context, caller, rest []byte, items [][]byte) (id string, err error) {
	id = rand.Text()
	return id, prefixed(pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		batch := &pgx.Batch{}
		batch.Queue("DELETE FROM lists WHERE created_at < now() - $1::interval", ListLifetime)
		batch.Queue(`DELETE FROM lists WHERE id IN (SELECT id FROM lists WHERE caller = $1
			ORDER BY created_at DESC, id OFFSET $2)`, caller, maxLists-1)
		batch.Queue("INSERT INTO lists (id, caller, rest) VALUES ($1, $2, $3)", id, caller, rest)
		if err := tx.SendBatch(ctx, batch).Close(); err != nil {
			return err
		}
		_, err := tx.CopyFrom(ctx, pgx.Identifier{"list_items"}, []string{"list", "n", "item"},
			pgx.CopyFromSlice(len(items), func(i int) ([]any, error) { return []any{id, i, items[i]}, nil }))
		return err
	}))
}

// PageOfList returns at most limit items of a kept list, from an index on, and what the answer
// has beside the items. It fails with ErrNotFound for a list that is not kept any more, or that
// is another caller's.
func (s *Store) PageOfList(ctx context.Context, id string, caller []byte, from, limit int) (rest []byte, items [][]byte, err error) {
	err = s.snapshot(ctx, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, "SELECT rest FROM lists WHERE id = $1 AND caller = $2 AND created_at >= now() - $3::interval",
			id, caller, ListLifetime).Scan(&rest)
		if errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("store: the list of a page: %w", ErrNotFound)
		}
		if err != nil {
			return err
		}
		rows, err := tx.Query(ctx, "SELECT item FROM list_items WHERE list = $1 AND n >= $2 ORDER BY n LIMIT $3", id, from, limit)
		if err != nil {
			return err
		}
		items, err = pgx.CollectRows(rows, pgx.RowTo[[]byte])
		return err
	})
	return rest, items, err
}

// IsNotFound reports whether an error wraps ErrNotFound.
func (*Store) IsNotFound(err error) bool { return errors.Is(err, ErrNotFound) }
