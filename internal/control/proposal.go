package control

import (
	"context"
	"errors"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// PlanDocumentsRequest asks what storing documents would change.
type PlanDocumentsRequest struct {
	Documents []document.Document `json:"documents"`
	// Prune removes the stored documents that Documents lacks.
	Prune bool `json:"prune,omitempty"`
	// Ordered reports the plans in the order of tenants, not as soon as each is planned.
	Ordered bool `json:"ordered,omitempty"`
}

// Validate reports a request without documents.
func (r PlanDocumentsRequest) Validate() error {
	return ApplyRequest{Documents: r.Documents}.Validate()
}

// DocumentsPlan is what storing documents would change.
type DocumentsPlan struct {
	// Changes are those of the documents. Its digest names the plan for ApplyPlan, for a week.
	Changes store.Changes `json:"changes"`
	// Summary counts the plans of the affected tenants.
	Summary PlanSummary `json:"summary"`
	// NewPlatforms are platforms that are not stored, with the affected tenants there. No
	// worker serves such a platform, so these tenants are not planned.
	NewPlatforms map[string]int `json:"new_platforms,omitempty"`
}

// PlanDocuments is that of Plans.
func (l *Local) PlanDocuments(ctx context.Context, r PlanDocumentsRequest, report func(Event)) (DocumentsPlan, error) {
	if err := r.Validate(); err != nil {
		return DocumentsPlan{}, err
	}
	s, err := l.Store(ctx)
	if err != nil {
		return DocumentsPlan{}, err
	}
	changes, err := s.Propose(ctx, store.ApplyRequest{
		Documents: r.Documents, Prune: r.Prune, Checks: store.Checks{Validate: l.validateNames},
	})
	if err != nil {
		return DocumentsPlan{}, err
	}
	result, events := DocumentsPlan{Changes: changes, NewPlatforms: map[string]int{}}, newReporter(report)
	events.send(Event{Type: EventChanged, Change: &ChangeResult{Changes: changes}})
	tenants := slices.DeleteFunc(slices.Clone(changes.Tenants), func(t access.TenantID) bool {
		isNew := slices.Contains(changes.Created, document.ID{Kind: document.KindPlatform, Name: t.Platform})
		if isNew {
			result.NewPlatforms[t.Platform]++
		}
		return isNew
	})
	if len(tenants) == 0 {
		return result, nil
	}
	result.Summary, err = l.planTenants(ctx, tenants, planOptions{ordered: r.Ordered, proposal: changes.Digest}, events)
	return result, err
}

// ApplyPlanRequest stores a change that was planned.
type ApplyPlanRequest struct {
	// Digest is that of DocumentsPlan.Changes.
	Digest string `json:"digest"`
	// By is the caller.
	By access.Actor `json:"by"`
	// DryRun tests whether the change would be stored.
	DryRun bool `json:"dry_run,omitempty"`
	// Replicate starts a run for each affected tenant.
	Replicate bool `json:"replicate,omitempty"`
}

// ApplyPlan is that of Documents.
func (l *Local) ApplyPlan(ctx context.Context, r ApplyPlanRequest, report func(Event)) (ChangeResult, error) {
	if r.Digest == "" {
		return ChangeResult{}, invalidField("digest", "the digest of the plan is missing")
	}
	o := ChangeOptions{By: r.By, DryRun: r.DryRun, Replicate: r.Replicate, Digest: r.Digest, AllowRemovals: true}
	result, err := l.change(ctx, o, report, func(s *store.Store, checks store.Checks) (store.Changes, error) {
		changes, err := s.ApplyProposal(ctx, r.Digest, checks)
		switch {
		case errors.Is(err, store.ErrNotFound):
			err = &Error{Code: NotFound, Name: r.Digest, cause: err, Message: "there is no plan " + r.Digest +
				": plans of documents are kept for a week"}
		case errors.Is(err, store.ErrUnconfirmed):
			err = &Error{Code: Conflict, Name: r.Digest, Message: "the documents have changed since the plan " + r.Digest +
				" was made: nothing was stored, plan them again"}
		}
		return changes, err
	})
	return result, err
}
