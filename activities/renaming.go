package activities

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/reconcile"
)

// RenamingState says how far a renaming has come.
type RenamingState = ledger.RenamingState

// The states, as the ledger has them.
const (
	RenamingBuilding    = ledger.Building
	RenamingPassed      = ledger.Passed
	RenamingDone        = ledger.Finished
	RenamingCompensated = ledger.Compensated
	RenamingWaiting     = ledger.Waiting
	RenamingReplanned   = ledger.Replanned
)

// Stage says which renaming a batch of steps belongs to, and how far the renaming
// comes by them: that is recorded before the first step.
type Stage struct {
	ID    string        `json:"id"`
	State RenamingState `json:"state"`
}

// ConfirmInput asks whether a renaming's new group is complete, for all that the
// platform shows.
type ConfirmInput struct {
	Tenant access.TenantID `json:"tenant"`
	ID     string          `json:"id"`
	// Patience is how long what was written may stay unseen.
	Patience time.Duration `json:"visibilityTimeout,omitempty"`
	// Cause is the run's.
	Cause string `json:"cause,omitempty"`
}

// ConfirmOutput says how a renaming goes on.
type ConfirmOutput struct {
	// State is what the renaming has come to:
	//
	//   - RenamingPassed: the new group is complete, and Remove is to be applied.
	//     That is recorded by now: there is no way back.
	//   - RenamingBuilding: it is not, and Build is what is missing.
	//   - RenamingWaiting: it is, but the old group has to stay for something held.
	//   - RenamingReplanned: there is no such renaming any more, or it needs something
	//     besides its own steps.
	State RenamingState `json:"state"`
	// Digest and Desired are those of the plan that the batches belong to.
	Digest  string  `json:"digest,omitempty"`
	Desired string  `json:"desired,omitempty"`
	Build   []Batch `json:"build,omitempty"`
	Remove  []Batch `json:"remove,omitempty"`
	Calls   int     `json:"calls,omitempty"`
}

// RecordReplacementInput says how a run left a renaming.
type RecordReplacementInput struct {
	Tenant access.TenantID `json:"tenant"`
	ID     string          `json:"id"`
	// Digest names the plan that has the renaming.
	Digest string        `json:"digest"`
	State  RenamingState `json:"state"`
}

// ConfirmReplacement looks at the platform. Until the new group is complete or patience
// runs out, an attempt fails as pending. No remembered answer counts here: what comes next
// takes the old group away.
func (p *Platform) ConfirmReplacement(ctx context.Context, in ConfirmInput) (ConfirmOutput, error) {
	ctx, meter := budget.WithMeter(ctx)
	d, t, err := p.compare(ctx, PlanInput{Tenant: in.Tenant, Fresh: true})
	if err == nil {
		r, listed := t.Plan().Replacement(in.ID)
		err = unseen(ctx, in.Patience, !listed || len(r.Build) == 0)
	}
	measure(ctx, in.Tenant.Platform, meter.Calls(), 0, err)
	if err != nil {
		return ConfirmOutput{}, toTemporal(err)
	}
	out, err := p.confirmed(ctx, t, d.Profile(), in)
	out.Calls = meter.Calls()
	activity.GetLogger(ctx).Info("group replacement checked", "tenant", in.Tenant.String(), "replacement", in.ID,
		"state", out.State, "calls", out.Calls)
	return out, toTemporal(err)
}

// confirmed decides how the renaming goes on, and records it.
func (p *Platform) confirmed(ctx context.Context, t *reconcile.Tenant, profile driver.Profile, in ConfirmInput) (ConfirmOutput, error) {
	made := t.Plan()
	out := ConfirmOutput{State: reconcile.ReplacementState(made, in.ID), Desired: t.DesiredDigest()}
	if out.State == ledger.Replanned {
		return out, nil
	}
	var err error
	if out.Digest, err = p.store.PutPlan(ctx, made, t.Document().Generation); err != nil {
		return out, fmt.Errorf("activities: store the plan of %s: %w", in.Tenant, err)
	}
	var parts PlanOutput
	parts.order(made, profile.Unit)
	for _, r := range parts.Renamings {
		if r.ID == in.ID {
			out.Build, out.Remove = r.Build, r.Remove
		}
	}
	return out, p.bring(ctx, thisRun(ctx, in.Tenant), made, Stage{ID: in.ID, State: out.State})
}

// RecordReplacement records how a run left a renaming.
func (p *Platform) RecordReplacement(ctx context.Context, in RecordReplacementInput) error {
	made, _, err := p.store.Plan(ctx, in.Digest)
	if err != nil {
		return toTemporal(fmt.Errorf("activities: read plan %s: %w", in.Digest, err))
	}
	return toTemporal(p.bring(ctx, thisRun(ctx, in.Tenant), made, Stage{ID: in.ID, State: in.State}))
}

// thisRun identifies the run that the activity belongs to.
func thisRun(ctx context.Context, tenant access.TenantID) ledger.Run {
	execution := activity.GetInfo(ctx).WorkflowExecution
	return ledger.Run{Tenant: tenant, WorkflowID: execution.ID, RunID: execution.RunID}
}

// bring records how far the run has come with a renaming of the plan; without one
// there is nothing to record.
func (p *Platform) bring(ctx context.Context, run ledger.Run, made plan.Plan, stage Stage) error {
	if stage.ID == "" {
		return nil
	}
	r, _ := made.Replacement(stage.ID)
	r.ID = stage.ID
	if err := p.ledger.Bring(ctx, run, r, stage.State); err != nil {
		return fmt.Errorf("activities: record how far a renaming of %s is: %w", run.Tenant, err)
	}
	return nil
}
