package control

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/desired"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// ChangeOptions are those of every change of documents.
type ChangeOptions struct {
	// By is the caller.
	By access.Actor `json:"-"`
	// DryRun computes the change and stores nothing.
	DryRun bool `json:"dry_run,omitempty"`
	// AllowRemovals confirms all removals of documents.
	AllowRemovals bool `json:"allow_removals,omitempty"`
	// Digest is that of the change that the caller has seen. Another change is not stored.
	Digest string `json:"digest,omitempty"`
	// IfMatch is the state that the change is for; nil for any.
	IfMatch *Precondition `json:"-"`
	// Replicate starts a run for each affected tenant.
	Replicate bool `json:"replicate,omitempty"`
	// Effect plans the affected tenants where the caller has to confirm the change, and in a
	// dry run: see ChangeResult.Effect.
	Effect bool `json:"effect,omitempty"`
}

// fieldDigest is the field of requests that names a state.
const fieldDigest = "digest"

// ApplyRequest stores documents.
type ApplyRequest struct {
	Documents []document.Document `json:"documents"`
	// Prune removes the stored documents that Documents lacks.
	Prune bool `json:"prune,omitempty"`
	ChangeOptions
}

// Validate reports a request without documents, which would remove all with Prune.
func (r ApplyRequest) Validate() error {
	if len(r.Documents) == 0 {
		return invalidField("documents", "the input holds no document")
	}
	return nil
}

// DeleteRequest removes one document.
type DeleteRequest struct {
	ID document.ID `json:"id"`
	// Source is what the document has to belong to; empty stands for applied documents.
	Source document.Source `json:"source,omitempty"`
	ChangeOptions
}

// ChangeResult is the result of a change of documents.
type ChangeResult struct {
	Changes store.Changes `json:"changes"`
	// Stored is false for a dry run, for a change of nothing, and with an error.
	Stored bool `json:"stored"`
	// Effect is what the change would do to platforms; nil where it is not asked for. Events
	// have the change and the plans before.
	Effect *Effect `json:"effect,omitempty"`
}

// edit writes one change of documents, or proposes it.
type edit struct {
	write func(*store.Store, store.Checks) (store.Changes, error)
	// propose keeps the change as a proposal, which is named by its digest. It is nil for a
	// change that is one.
	propose func(*store.Store, store.Checks) (store.Changes, error)
}

// Apply is that of Documents.
func (l *Local) Apply(ctx context.Context, r ApplyRequest, report func(Event)) (ChangeResult, error) {
	if err := r.Validate(); err != nil {
		return ChangeResult{}, err
	}
	request := func(checks store.Checks) store.ApplyRequest {
		return store.ApplyRequest{Documents: r.Documents, Prune: r.Prune, Checks: checks}
	}
	return l.change(ctx, r.ChangeOptions, report, edit{
		write:   func(s *store.Store, c store.Checks) (store.Changes, error) { return s.Apply(ctx, request(c)) },
		propose: func(s *store.Store, c store.Checks) (store.Changes, error) { return s.Propose(ctx, request(c)) },
	})
}

// Delete is that of Documents.
func (l *Local) Delete(ctx context.Context, r DeleteRequest, report func(Event)) (ChangeResult, error) {
	of := func(do func(context.Context, []document.ID, store.Checks) (store.Changes, error), checks store.Checks) (store.Changes, error) {
		checks.Source = r.Source
		changes, err := do(ctx, []document.ID{r.ID}, checks)
		return changes, deleteError(r.ID, err)
	}
	return l.change(ctx, r.ChangeOptions, report, edit{
		write:   func(s *store.Store, c store.Checks) (store.Changes, error) { return of(s.Delete, c) },
		propose: func(s *store.Store, c store.Checks) (store.Changes, error) { return of(s.ProposeDelete, c) },
	})
}

// change stores documents, and starts the runs of the affected tenants if the options ask for
// that.
func (l *Local) change(ctx context.Context, o ChangeOptions, report func(Event), e edit) (ChangeResult, error) {
	s, err := l.Store(ctx)
	if err != nil {
		return ChangeResult{}, err
	}
	checks := store.Checks{
		By: o.By, DryRun: o.DryRun, Validate: l.validateNames, ConfirmRemovals: !o.AllowRemovals, Expected: o.Digest,
		Review: l.review,
	}
	if o.IfMatch != nil {
		checks.Condition = o.IfMatch.test
	}
	if o.Replicate {
		checks.Starts = func(c store.Changes, last []store.Status) ([]store.Start, error) {
			return statusesOf(last).starts(c.Tenants, "apply")
		}
	}
	changes, err := e.write(s, checks)
	if errors.Is(err, store.ErrUnconfirmed) {
		unconfirmed := &Error{Code: Unconfirmed, Message: err.Error(), cause: err}
		if o.Digest != "" {
			unconfirmed.Field = fieldDigest
		}
		err = unconfirmed
	}
	result := ChangeResult{Changes: changes, Stored: err == nil && !o.DryRun && !changes.Empty()}
	events := newReporter(report)
	if o.Effect && (err == nil && o.DryRun || CodeOf(err) == Unconfirmed) {
		if failed := l.addEffect(ctx, s, e, o.By, &result, events); failed != nil {
			return result, failed
		}
	}
	if err != nil {
		return result, err
	}
	events.send(Event{Type: EventChanged, Change: &result})
	if !o.Replicate || !result.Stored || len(changes.Tenants) == 0 {
		return result, nil
	}
	_, err = replication{local: l, cause: "apply", events: events}.startStored(ctx, changes.Tenants)
	return result, err
}

// validateNames refuses names of groups that a platform cannot have, or that two groups of one
// platform would share. It says where their documents were read.
func (l *Local) validateNames(d store.Draft) ([]document.GroupName, error) {
	names, problems := desired.CheckSorted(d.Inputs, func(platformType string) (desired.Rules, bool) {
		p, known := l.Platform(platformType)
		return p.Rules, known
	})
	others, err := d.Others(names)
	if err != nil {
		return nil, err
	}
	return names, d.Set.Locate(append(problems, desired.NameConflicts(names, others)...))
}

// deleteError says why a document cannot be deleted: it is not stored, or others refer to it.
func deleteError(id document.ID, err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return notFound(string(id.Kind), id.Name)
	}
	problems, ok := errors.AsType[document.Problems](err)
	for _, p := range problems {
		if p.Field == store.SourceField && p.Object == id.String() {
			return &Error{
				Code: Conflict, Kind: string(id.Kind), Name: id.Name, Field: "source", cause: err,
				Message: fmt.Sprintf("%s %s", p.Object, p.Text),
			}
		}
	}
	if !ok || slices.ContainsFunc(problems, func(p document.Problem) bool { return p.Field == "" }) {
		return err // another cause than a reference
	}
	return &Error{
		Code: Conflict, Kind: string(id.Kind), Name: id.Name, Problems: problems, cause: err,
		Message: fmt.Sprintf("%s is still referred to by other documents", id),
	}
}
