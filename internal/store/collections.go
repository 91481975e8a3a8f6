package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-iam/rollcall/internal/document"
)

// Collection is a collection of imported objects.
type Collection struct {
	Name, Owner, Description string
	// Actor is the caller who created it.
	Actor string
}

// ErrCollection reports a collection that exists already, or that is not empty.
var ErrCollection = errors.New("collection exists or has objects")

// CreateCollection stores an empty collection. It fails with ErrCollection if there is one of
// the name.
func (s *Store) CreateCollection(ctx context.Context, c Collection) error {
	tag, err := s.pool.Exec(ctx, `INSERT INTO mesh_collections (name, owner, description, actor) VALUES ($1, $2, $3, $4)
		ON CONFLICT DO NOTHING`, c.Name, c.Owner, c.Description, c.Actor)
	if err == nil && tag.RowsAffected() == 0 {
		err = ErrCollection
	}
	return prefixed(err)
}

// Collection returns a collection; ErrNotFound if there is none of the name.
func (s *Store) Collection(ctx context.Context, name string) (Collection, error) {
	c := Collection{Name: name}
	err := s.pool.QueryRow(ctx, "SELECT owner, description, actor FROM mesh_collections WHERE name = $1", name).
		Scan(&c.Owner, &c.Description, &c.Actor)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrNotFound
	}
	return c, prefixed(err)
}

// collected selects the objects of the collection $1 that are stored.
const collected = ` FROM mesh_collection_objects o WHERE collection = $1
	AND EXISTS (SELECT FROM documents d WHERE d.kind = o.kind AND d.name = o.name)`

// CollectionObjects returns the objects of a collection that are stored.
func (s *Store) CollectionObjects(ctx context.Context, name string) ([]document.ID, error) {
	rows, err := s.pool.Query(ctx, "SELECT kind, name"+collected, name)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowToStructByPos[document.ID])
	return ids, prefixed(err)
}

// AddToCollection puts objects into a collection, out of any other.
func (s *Store) AddToCollection(ctx context.Context, name string, ids []document.ID) error {
	kinds, names := split(ids)
	return s.exec(ctx, `INSERT INTO mesh_collection_objects (kind, name, collection)
		SELECT DISTINCT k, n, $3 FROM unnest($1::text[], $2::text[]) AS g (k, n)
		ON CONFLICT (kind, name) DO UPDATE SET collection = excluded.collection`, kinds, names, name)
}

// DeleteCollection removes a collection. It fails with ErrCollection if objects of it are stored.
func (s *Store) DeleteCollection(ctx context.Context, name string) error {
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		// The lock keeps an import from adding objects meanwhile.
		if _, err := tx.Exec(ctx, "SELECT FROM mesh_collections WHERE name = $1 FOR UPDATE", name); err != nil {
			return err
		}
		var full bool
		if err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT"+collected+")", name).Scan(&full); err != nil {
			return err
		}
		if full {
			return ErrCollection
		}
		if _, err := tx.Exec(ctx, "DELETE FROM mesh_collection_objects WHERE collection = $1", name); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "DELETE FROM mesh_collections WHERE name = $1", name)
		return err
	})
	return prefixed(err)
}
