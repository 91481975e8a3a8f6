package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
)

// applyLock is the advisory lock that every change of documents holds.
const applyLock = 0x726f6c6c // "roll"

// Checks are the caller's say in a change. All of them are called under the
// lock, before anything is written; each may be nil.
type Checks struct {
	// DryRun works everything out and stores nothing.
	DryRun bool
	// Validate checks further what would be stored then: set holds stored and
	// new documents together, inputs works out each tenant's part of it. Its
	// error is returned as it is.
	Validate func(set *document.Set, inputs func() []document.TenantInput) error
	// Confirm sees changes that are about to be stored. False stores nothing and
	// the change fails with ErrDeclined. A dry run does not ask, nor does a
	// change that is none.
	Confirm func(Changes) (bool, error)
}

// ApplyRequest is what to store.
type ApplyRequest struct {
	Documents []document.Document
	// Prune removes every stored document that Documents lacks.
	Prune bool
	Checks
}

// Apply stores the documents: all of them, or on any error none. Documents that
// may not stand beside each other are document.Problems. A tenant with Drawn
// numbers gets those, unless it has its own already.
func (s *Store) Apply(ctx context.Context, req ApplyRequest) (Changes, error) {
	return s.change(ctx, edit{upsert: req.Documents, prune: req.Prune}, req.Checks)
}

// Delete removes documents. It fails with ErrNotFound if one is not stored, and
// with document.Problems while others refer to one of them.
func (s *Store) Delete(ctx context.Context, ids []document.ID, checks Checks) (Changes, error) {
	return s.change(ctx, edit{remove: ids}, checks)
}

// change is the one way in which documents change. The lock comes before any
// read, and the isolation level lets what follows see all that was committed
// while it was waited for.
func (s *Store) change(ctx context.Context, e edit, checks Checks) (Changes, error) {
	tx, err := s.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted})
	if err != nil {
		return Changes{}, fmt.Errorf("store: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // does nothing after a commit
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", applyLock); err != nil {
		return Changes{}, fmt.Errorf("store: waiting for another apply: %w", err)
	}
	w, err := load(ctx, tx)
	if err != nil {
		return Changes{}, err
	}
	m, err := merge(w, e)
	if err != nil {
		return Changes{}, err
	}
	d, err := validate(w, m, checks)
	if err != nil {
		return Changes{}, err
	}
	if checks.DryRun || m.changes.Empty() {
		return m.changes, nil
	}
	if err := confirm(checks, m.changes); err != nil {
		return Changes{}, err
	}
	if err := save(ctx, tx, w, &m, d); err != nil {
		return Changes{}, err
	}
	if err := tx.Commit(ctx); err != nil {
		return Changes{}, fmt.Errorf("store: %w", err)
	}
	return m.changes, nil
}

// validate checks all documents that would be stored, together, and draws the
// numbers that new tenants need to be checked.
func validate(w world, m merged, checks Checks) (draws, error) {
	set, err := document.NewSet(m.next)
	if err == nil {
		err = set.Validate()
	}
	if err != nil {
		return draws{}, err
	}
	d, err := draw(w, set.Tenants(), m.given)
	if err != nil || checks.Validate == nil {
		return d, err
	}
	err = checks.Validate(set, func() []document.TenantInput {
		var inputs []document.TenantInput
		for _, id := range set.Tenants() {
			if input, ok := set.Input(id, d.all[id]); ok {
				input.Generation = m.changes.Generation
				inputs = append(inputs, input)
			}
		}
		return inputs
	})
	return d, err
}

func confirm(checks Checks, changes Changes) error {
	if checks.Confirm == nil {
		return nil
	}
	yes, err := checks.Confirm(changes)
	if err != nil {
		return err
	}
	if !yes {
		return fmt.Errorf("store: %w: nothing was stored", ErrDeclined)
	}
	return nil
}

// load reads all that is stored.
func load(ctx context.Context, tx pgx.Tx) (world, error) {
	w := world{
		drawn: map[access.TenantID]document.Drawn{},
		last:  map[string]int{},
		tombs: map[access.TenantID]document.Node{},
	}
	var err error
	if err = tx.QueryRow(ctx, "SELECT revision FROM installation").Scan(&w.generation); err != nil {
		return w, fmt.Errorf("store: %w", err)
	}
	if w.rows, err = queryRows(ctx, tx, "SELECT "+columns+" FROM documents"); err != nil {
		return w, err
	}
	var tenant, platform, zone string
	var drawn document.Drawn
	var number int
	return w, errors.Join(
		each(ctx, tx, "SELECT tenant, number, random FROM allocations", []any{&tenant, &drawn.Number, &drawn.Random}, func() error {
			id, err := access.ParseTenantID(tenant)
			w.drawn[id] = drawn
			return err
		}),
		each(ctx, tx, "SELECT platform, last FROM counters", []any{&platform, &number}, func() error {
			w.last[platform] = number
			return nil
		}),
		each(ctx, tx, "SELECT tenant, landing_zone FROM tombstones", []any{&tenant, &zone}, func() error {
			id, err := access.ParseTenantID(tenant)
			w.tombs[id] = document.Node{
				ID:      document.ID{Kind: document.KindTenant, Name: tenant},
				Links:   document.Links{Workspace: id.Workspace, Project: id.Project, Platform: id.Platform, LandingZone: zone},
				Removed: true,
			}
			return err
		}),
	)
}

// each scans every row of a query into the same variables and calls do.
func each(ctx context.Context, tx pgx.Tx, sql string, into []any, do func() error) error {
	rows, err := tx.Query(ctx, sql)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if _, err = pgx.ForEachRow(rows, into, do); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}
