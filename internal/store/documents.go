package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-iam/rollcall/internal/document"
)

// Filter chooses documents; empty fields choose all.
type Filter struct {
	Kind document.Kind
	Name string
}

// ordered is the order of document.ID.Compare; its argument is kindOrder.
const ordered = " ORDER BY array_position($1::text[], kind), name"

func kindOrder() []string {
	var names []string
	for _, kind := range document.Kinds() {
		names = append(names, string(kind))
	}
	return names
}

// Documents returns stored documents in the order of document.ID.Compare.
func (s *Store) Documents(ctx context.Context, f Filter) ([]document.Document, error) {
	rows, err := queryRows(ctx, s.pool, "SELECT "+columns+` FROM documents
		WHERE ($2 = '' OR kind = $2) AND ($3 = '' OR name = $3)`+ordered, kindOrder(), string(f.Kind), f.Name)
	if err != nil {
		return nil, err
	}
	return documentsOf(rows), nil
}

// Export returns all documents, the tenants' with their drawn numbers, so that
// an empty database to which they are applied gives every object its old name.
func (s *Store) Export(ctx context.Context) ([]document.Document, error) {
	var documents []document.Document
	err := s.snapshot(ctx, func(tx pgx.Tx) error {
		rows, err := queryRows(ctx, tx, "SELECT "+columns+" FROM documents"+ordered, kindOrder())
		if err != nil {
			return err
		}
		drawn := make(map[string]document.Drawn)
		var tenant string
		var d document.Drawn
		err = each(ctx, tx, "SELECT tenant, number, random FROM allocations", nil, []any{&tenant, &d.Number, &d.Random}, func() error {
			drawn[tenant] = d
			return nil
		})
		if err != nil {
			return err
		}
		for _, r := range rows {
			if numbers, ok := drawn[r.ID.Name]; ok && r.ID.Kind == document.KindTenant {
				r.Drawn = &numbers
			}
			documents = append(documents, *r.Document)
		}
		return nil
	})
	return documents, err
}

// Platforms returns all that workers serve, sorted by identifier: the stored
// ones, and those removed ones on which a tombstone is not done yet.
func (s *Store) Platforms(ctx context.Context) ([]document.Platform, error) {
	// Roles come along because mappings refer to them.
	rows, err := queryRows(ctx, s.pool, "SELECT "+columns+` FROM documents WHERE kind IN ('meshPlatform', 'meshProjectRole')
		UNION ALL (SELECT DISTINCT ON (platform) `+rememberedPlatform+`
			FROM tombstones t WHERE NOT EXISTS (SELECT FROM documents WHERE kind = 'meshPlatform' AND name = t.platform)
			ORDER BY platform, removed_at DESC)`)
	if err != nil {
		return nil, err
	}
	set, err := document.NewSet(documentsOf(rows))
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return set.Platforms(), nil
}

func documentsOf(rows []row) []document.Document {
	documents := make([]document.Document, len(rows))
	for i, r := range rows {
		documents[i] = *r.Document
	}
	return documents
}

// snapshot runs read-only queries that see one state of the database.
func (s *Store) snapshot(ctx context.Context, do func(pgx.Tx) error) error {
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	return prefixed(pgx.BeginTxFunc(ctx, s.pool, options, do))
}
