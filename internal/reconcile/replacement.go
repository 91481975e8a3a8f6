package reconcile

import (
	"context"
	"fmt"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// Stage is a group replacement, and how far it has come.
type Stage struct {
	ID    string
	State ledger.RenamingState
}

// Confirmed is how a group replacement goes on after a fresh plan.
type Confirmed struct {
	// State is what the replacement has come to.
	State ledger.RenamingState
	// Digest names the stored plan; empty where the state is ledger.Replanned.
	Digest string
}

// ConfirmReplacement decides from the fresh plan of a tenant how a group replacement goes on,
// and records that. From ledger.Passed on there is no way back.
func (r *Reconciler) ConfirmReplacement(ctx context.Context, t *Tenant, run ledger.Run, id string) (Confirmed, error) {
	c := Confirmed{State: replacementState(t.plan, id)}
	if c.State == ledger.Replanned {
		return c, nil
	}
	var err error
	if c.Digest, err = r.store.PutPlan(ctx, t.plan, t.document.Generation); err != nil {
		return c, fmt.Errorf("reconcile: store the plan of %s: %w", t.ID(), err)
	}
	return c, r.recordStage(ctx, run, t.plan, Stage{ID: id, State: c.State})
}

// RecordReplacement records how a run left a group replacement of the plan that Run.Digest
// names.
func (r *Reconciler) RecordReplacement(ctx context.Context, run ledger.Run, stage Stage) error {
	p, _, err := r.store.Plan(ctx, run.Digest)
	if err != nil {
		return fmt.Errorf("reconcile: read plan %s: %w", run.Digest, err)
	}
	return r.recordStage(ctx, run, p, stage)
}

// recordStage records how far the run has come with a group replacement of the plan; without
// an ID there is nothing to record.
func (r *Reconciler) recordStage(ctx context.Context, run ledger.Run, p plan.Plan, stage Stage) error {
	if stage.ID == "" {
		return nil
	}
	replacement, _ := p.Replacement(stage.ID)
	replacement.ID = stage.ID
	if err := r.ledger.Bring(ctx, run, replacement, stage.State); err != nil {
		return fmt.Errorf("reconcile: record how far a group replacement of %s is: %w", run.Tenant, err)
	}
	return nil
}

// replacementState returns the state of a group replacement according to a fresh plan.
func replacementState(p plan.Plan, id string) ledger.RenamingState {
	r, listed := p.Replacement(id)
	switch {
	case !listed:
		return ledger.Replanned
	case len(r.Build) > 0:
		return ledger.Building
	case r.Waits:
		return ledger.Waiting
	case len(r.Remove) == 0 || needsOthers(p, r):
		return ledger.Replanned
	default:
		return ledger.Passed
	}
}

// needsOthers reports whether the end of the old group needs steps that are not the
// replacement's own: a member may still be moving from it to another group.
func needsOthers(p plan.Plan, r plan.Renaming) bool {
	return slices.ContainsFunc(r.Remove, func(id string) bool {
		s, _ := p.Step(id)
		return slices.ContainsFunc(s.Needs, func(need plan.Need) bool { return !slices.Contains(r.Remove, need.ID) })
	})
}
