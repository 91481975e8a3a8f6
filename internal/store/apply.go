package store

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
)

// applyLock is the advisory lock that every change of documents holds.
const applyLock = 0x726f6c6c // "roll"

// namesVersion is raised when stored names or links of documents are computed in another
// way: the first change after it reads all documents and stores these again.
const namesVersion = 1

// Checks are conditions of a change. All are tested under the lock, before anything is
// written.
type Checks struct {
	// By makes the change.
	By access.Actor
	// Source is what the changed objects and fields belong to.
	Source document.Source
	// DryRun computes the change and stores nothing.
	DryRun bool
	// Validate checks further what would be stored, and returns the names of the groups
	// of the tenants in Draft.Inputs. Its error is returned as it is. Nil accepts
	// everything.
	Validate func(Draft) ([]document.GroupName, error)
	// Review decides whether the caller may make the changes, removals by pruning among them. Its
	// error is returned as it is. Nil accepts all.
	Review func([]DocumentChange) error
	// Condition decides whether the documents are in the state that the caller has seen. Its error
	// is returned as it is. Nil accepts all.
	Condition func(CurrentState) error
	// Expected is the digest of the change that the caller has seen. Another change is not
	// stored and fails with ErrUnconfirmed.
	Expected string
	// ConfirmRemovals lets a change that removes documents fail with ErrUnconfirmed, unless it
	// is the Expected one.
	ConfirmRemovals bool
	// Starts returns the runs that the change starts, from the last statuses of the affected
	// tenants: those that never ran have none. The runs are stored with the change; nil starts
	// none. The change holds a connection and the lock: Starts must not use the store.
	Starts func(Changes, []Status) ([]Start, error)
}

// DocumentChange is a document as it is stored and as it will be: Before is nil for a new one,
// After for a removed one.
type DocumentChange struct{ Before, After *document.Document }

// CurrentState is the state of the documents before a change.
type CurrentState struct {
	// Revision is that of all documents.
	Revision int64
	// Requested are how many documents the change names, and Stored how many of them are stored.
	Requested, Stored int
	// Document is the stored document of a change that names one; nil without one.
	Document *document.Document
}

// Draft is what a change would store.
type Draft struct {
	// Set has the documents that the change creates and changes, and those that they refer
	// to or that refer to them.
	Set *document.Set
	// Inputs yields what the names of the groups depend on, of the tenants whose names the
	// change may change, in the order of their IDs. Users and bindings are not among it.
	Inputs iter.Seq[document.TenantInput]
	// Others returns the names of other tenants with one of the keys on the same platform.
	Others func([]document.GroupName) ([]document.GroupName, error)
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
// numbers gets those, unless it has its own already. If Checks.Expected names a proposal, new
// tenants get the numbers that it has shown. With ErrUnconfirmed it returns the changes that
// were not stored; none if a number of the proposal is another tenant's now.
func (s *Store) Apply(ctx context.Context, req ApplyRequest) (Changes, error) {
	e := edit{upsert: req.Documents, prune: req.Prune}
	if req.Expected != "" {
		var err error
		if e.allocated, err = s.proposedNumbers(ctx, req.Expected); err != nil {
			return Changes{}, err
		}
	}
	return s.change(ctx, e, req.Checks)
}

// Delete removes documents. It fails with ErrNotFound if one is not stored, and
// with document.Problems while others refer to one of them.
func (s *Store) Delete(ctx context.Context, ids []document.ID, checks Checks) (Changes, error) {
	return s.change(ctx, edit{remove: ids}, checks)
}

// change is the one way in which documents change.
func (s *Store) change(ctx context.Context, e edit, checks Checks) (Changes, error) {
	return s.write(ctx, e, checks, func(tx pgx.Tx, c *comparison, n *neighbours, d *draft, names []document.GroupName) error {
		return save(ctx, tx, c, n, d, names, checks)
	})
}

// write computes a change and, if it is confirmed, has do write it. The lock comes before any
// read, and the isolation level lets what follows see all that was committed
// while it was waited for.
func (s *Store) write(
	ctx context.Context, e edit, checks Checks,
	do func(pgx.Tx, *comparison, *neighbours, *draft, []document.GroupName) error,
) (Changes, error) {
	tx, err := s.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted})
	if err != nil {
		return Changes{}, fmt.Errorf("store: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // does nothing after a commit
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", applyLock); err != nil {
		return Changes{}, fmt.Errorf("store: waiting for another apply: %w", err)
	}
	e.source = checks.Source
	c, err := compare(ctx, tx, e)
	if err != nil {
		return Changes{}, err
	}
	// Problems of documents may name others: a caller without the right to the change sees none.
	if err := c.review(checks); err != nil {
		return Changes{}, err
	}
	if err := testCondition(ctx, tx, e, checks); err != nil {
		return Changes{}, err
	}
	n, err := readNeighbours(ctx, tx, c)
	if err != nil {
		return Changes{}, err
	}
	d, err := newDraft(ctx, tx, c, n)
	if err != nil {
		return Changes{}, err
	}
	names, err := d.validate(checks)
	if err != nil {
		return Changes{}, err
	}
	c.complete(n, d, e.prune || e.unnamed)
	if c.changes.Empty() {
		return c.changes, c.commitSources(ctx, tx, checks)
	}
	if checks.DryRun {
		return c.changes, Checks{Expected: checks.Expected}.confirm(c.changes)
	}
	if err := checks.confirm(c.changes); err != nil {
		return c.changes, err
	}
	if err := do(tx, c, n, d, names); err != nil {
		return Changes{}, err
	}
	if err := storeStarts(ctx, tx, c.changes, checks); err != nil {
		return Changes{}, err
	}
	if err := tx.Commit(ctx); err != nil {
		return Changes{}, fmt.Errorf("store: %w", err)
	}
	return c.changes, nil
}

// storeStarts stores the runs that a change starts.
func storeStarts(ctx context.Context, tx pgx.Tx, changes Changes, checks Checks) error {
	if checks.Starts == nil || len(changes.Tenants) == 0 { // a filter without IDs chooses all
		return nil
	}
	statuses, err := readStatuses(ctx, tx, TenantFilter{IDs: changes.Tenants})
	if err != nil {
		return err
	}
	starts, err := checks.Starts(changes, statuses)
	if err != nil {
		return err
	}
	batch := &pgx.Batch{}
	if err := queueStarts(batch, checks.By, starts); err != nil {
		return err
	}
	return prefixed(tx.SendBatch(ctx, batch).Close())
}

// confirm reports whether the change may be stored without a further question.
func (c Checks) confirm(changes Changes) error {
	switch {
	case c.Expected != "" && changes.Digest != c.Expected:
		return fmt.Errorf("store: %w: the documents changed meanwhile, so that another change would be stored", ErrUnconfirmed)
	case c.ConfirmRemovals && c.Expected == "" && len(changes.Removed) > 0:
		return fmt.Errorf("store: %w: documents would be removed", ErrUnconfirmed)
	default:
		return nil
	}
}

// each scans every row of a query into the same variables and calls do.
func each(ctx context.Context, tx pgx.Tx, sql string, args, into []any, do func() error) error {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if _, err = pgx.ForEachRow(rows, into, do); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

// review has the caller's rights to the change checked.
func (c *comparison) review(checks Checks) error {
	if checks.Review == nil || c.empty() {
		return nil
	}
	changes := make([]DocumentChange, 0, len(c.write)+len(c.removed))
	for _, r := range c.write {
		change := DocumentChange{After: r.Document}
		if old, existed := c.old[r.ID]; existed {
			change.Before = old.Document
		}
		changes = append(changes, change)
	}
	for _, r := range c.removed {
		changes = append(changes, DocumentChange{Before: r.Document})
	}
	return checks.Review(changes)
}

// testCondition has the condition of a change decide, under the lock.
func testCondition(ctx context.Context, tx pgx.Tx, e edit, checks Checks) error {
	if checks.Condition == nil {
		return nil
	}
	ids := slices.Clone(e.remove)
	for _, d := range e.upsert {
		ids = append(ids, d.ID)
	}
	slices.SortFunc(ids, document.ID.Compare)
	ids = slices.Compact(ids)
	kinds, names := make([]string, len(ids)), make([]string, len(ids))
	for i, id := range ids {
		kinds[i], names[i] = string(id.Kind), id.Name
	}
	const named = " FROM documents WHERE (kind, name) IN (SELECT kind, name FROM unnest($1::text[], $2::text[]) AS d (kind, name))"
	state := CurrentState{Requested: len(ids)}
	err := tx.QueryRow(ctx, "SELECT revision, (SELECT count(1)"+named+") FROM installation", kinds, names).
		Scan(&state.Revision, &state.Stored)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if state.Requested == 1 && state.Stored == 1 {
		rows, err := queryRows(ctx, tx, "SELECT "+columns+named, kinds, names)
		if err != nil {
			return err
		}
		for _, r := range rows {
			state.Document = r.Document
		}
	}
	return checks.Condition(state)
}
