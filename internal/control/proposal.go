package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// PlanDocumentsRequest asks what storing documents would change.
type PlanDocumentsRequest struct {
	Documents []document.Document `json:"documents"`
	// By is the caller: another one can store a change that needs two users.
	By access.Actor `json:"-"`
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
	Effect
}

// Effect is what a change of documents that is not stored would do to platforms.
type Effect struct {
	// Summary counts the plans of the affected tenants.
	Summary PlanSummary `json:"summary"`
	// NewPlatforms are platforms that are not stored, with the affected tenants there. No
	// worker serves such a platform, so these tenants are not planned.
	NewPlatforms map[string]int `json:"new_platforms,omitempty"`
	// Failure is why a change that waits for a confirmation has no plans, or not those of all
	// tenants. PlanDocuments returns an error instead.
	Failure *Error `json:"failure,omitempty"`
}

// effectTimeout bounds the plans of a change that waits for a confirmation.
const effectTimeout = 30 * time.Second

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
		Documents: r.Documents, Prune: r.Prune, Checks: store.Checks{By: r.By, Validate: l.validateNames, Review: l.review},
	})
	if err != nil {
		return DocumentsPlan{}, err
	}
	events := newReporter(report)
	events.send(Event{Type: EventProposed, Change: &ChangeResult{Changes: changes}})
	effect, err := l.planProposal(ctx, changes, planOptions{ordered: r.Ordered}, events)
	return DocumentsPlan{Changes: changes, Effect: effect}, err
}

// planProposal plans the tenants that a proposal affects, but those on new platforms.
func (l *Local) planProposal(ctx context.Context, changes store.Changes, o planOptions, events *reporter) (Effect, error) {
	effect := Effect{NewPlatforms: map[string]int{}}
	tenants := slices.DeleteFunc(slices.Clone(changes.Tenants), func(t access.TenantID) bool {
		isNew := slices.Contains(changes.Created, document.ID{Kind: document.KindPlatform, Name: t.Platform})
		if isNew {
			effect.NewPlatforms[t.Platform]++
		}
		return isNew
	})
	if len(tenants) == 0 {
		return effect, nil
	}
	var err error
	o.proposal = changes.Digest
	effect.Summary, err = l.planTenants(ctx, tenants, o, events)
	return effect, err
}

// addEffect proposes the change of a result and adds its effect, within effectTimeout. The
// caller can confirm a change without plans: their failure is in the effect.
func (l *Local) addEffect(
	ctx context.Context, s *store.Store, e edit, by access.Actor, result *ChangeResult, events *reporter,
) error {
	if e.propose != nil {
		changes, err := e.propose(s, store.Checks{By: by, Validate: l.validateNames, Review: l.review})
		if err != nil {
			return err
		}
		result.Changes = changes
	}
	events.send(Event{Type: EventProposed, Change: &ChangeResult{Changes: result.Changes}})
	bounded, cancel := context.WithTimeout(ctx, effectTimeout)
	defer cancel()
	effect, err := l.planProposal(bounded, result.Changes, planOptions{activeOnly: true}, events)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case bounded.Err() != nil:
		effect.Failure = &Error{Code: Unavailable, cause: err, Message: fmt.Sprintf(
			"%d of %d tenants were planned within %s", effect.Summary.Tenants, len(result.Changes.Tenants), effectTimeout)}
	case err != nil:
		effect.Failure = AsError(err)
	}
	result.Effect = &effect
	return nil
}

// ApplyPlanRequest stores a change that was planned.
type ApplyPlanRequest struct {
	// Digest is that of DocumentsPlan.Changes.
	Digest string `json:"digest"`
	// By is the caller.
	By access.Actor `json:"-"`
	// IfMatch is the state that the change is for; nil for any.
	IfMatch *Precondition `json:"-"`
	// DryRun tests whether the change would be stored.
	DryRun bool `json:"dry_run,omitempty"`
	// Replicate starts a run for each affected tenant.
	Replicate bool `json:"replicate,omitempty"`
	// Effect plans the affected tenants in a dry run: see ChangeResult.Effect.
	Effect bool `json:"effect,omitempty"`
}

// ApplyPlan is that of Documents.
func (l *Local) ApplyPlan(ctx context.Context, r ApplyPlanRequest, report func(Event)) (ChangeResult, error) {
	if r.Digest == "" {
		return ChangeResult{}, invalidField("digest", "the digest of the plan is missing")
	}
	o := ChangeOptions{
		By: r.By, IfMatch: r.IfMatch, DryRun: r.DryRun, Replicate: r.Replicate, Digest: r.Digest, AllowRemovals: true, Effect: r.Effect,
	}
	return l.change(ctx, o, report, edit{write: func(s *store.Store, checks store.Checks) (store.Changes, error) {
		changes, err := s.ApplyProposal(ctx, r.Digest, checks)
		switch {
		case errors.Is(err, store.ErrNotFound):
			err = &Error{Code: NotFound, Name: r.Digest, cause: err, Message: "there is no plan " + r.Digest +
				": plans of documents are kept for a week"}
		case errors.Is(err, store.ErrUnconfirmed):
			err = &Error{Code: Conflict, Field: fieldDigest, Name: r.Digest, Message: "the documents have changed since the plan " +
				r.Digest + " was made: nothing was stored, plan them again"}
		}
		return changes, err
	}})
}
