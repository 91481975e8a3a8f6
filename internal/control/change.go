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
	By access.Actor `json:"by"`
	// DryRun computes the change and stores nothing.
	DryRun bool `json:"dry_run,omitempty"`
	// AllowRemovals confirms all removals of documents.
	AllowRemovals bool `json:"allow_removals,omitempty"`
	// Digest is that of the change that the caller has seen. Another change is not stored.
	Digest string `json:"digest,omitempty"`
	// Replicate starts a run for each affected tenant.
	Replicate bool `json:"replicate,omitempty"`
}

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
}

// Apply is that of Documents.
func (l *Local) Apply(ctx context.Context, r ApplyRequest, report func(Event)) (ChangeResult, error) {
	if err := r.Validate(); err != nil {
		return ChangeResult{}, err
	}
	return l.change(ctx, r.ChangeOptions, report, func(s *store.Store, checks store.Checks) (store.Changes, error) {
		return s.Apply(ctx, store.ApplyRequest{Documents: r.Documents, Prune: r.Prune, Checks: checks})
	})
}

// Delete is that of Documents.
func (l *Local) Delete(ctx context.Context, r DeleteRequest, report func(Event)) (ChangeResult, error) {
	return l.change(ctx, r.ChangeOptions, report, func(s *store.Store, checks store.Checks) (store.Changes, error) {
		checks.Source = r.Source
		changes, err := s.Delete(ctx, []document.ID{r.ID}, checks)
		return changes, deleteError(r.ID, err)
	})
}

// change stores documents, and starts the runs of the affected tenants if the options ask for
// that.
func (l *Local) change(
	ctx context.Context, o ChangeOptions, report func(Event), write func(*store.Store, store.Checks) (store.Changes, error),
) (ChangeResult, error) {
	s, err := l.Store(ctx)
	if err != nil {
		return ChangeResult{}, err
	}
	checks := store.Checks{
		By: o.By, DryRun: o.DryRun, Validate: l.validateNames, ConfirmRemovals: !o.AllowRemovals, Expected: o.Digest,
	}
	if o.Replicate {
		checks.Starts = func(c store.Changes, last []store.Status) ([]store.Start, error) {
			return statusesOf(last).starts(c.Tenants, "apply")
		}
	}
	changes, err := write(s, checks)
	if errors.Is(err, store.ErrUnconfirmed) {
		err = &Error{Code: Unconfirmed, Message: err.Error(), cause: err}
	}
	result := ChangeResult{Changes: changes, Stored: err == nil && !o.DryRun && !changes.Empty()}
	if err != nil {
		return result, err
	}
	events := newReporter(report)
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
	names, problems := desired.Check(d.Inputs(), func(platformType string) (desired.Rules, bool) {
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
