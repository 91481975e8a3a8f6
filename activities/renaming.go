package activities

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/budget"
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
	d, t, err := p.compare(ctx, PlanInput{Tenant: in.Tenant, Fresh: true}, true)
	if err == nil {
		r, listed := t.Plan().Replacement(in.ID)
		err = unseen(ctx, in.Patience, !listed || len(r.Build) == 0)
	}
	measure(ctx, in.Tenant.Platform, meter.Calls(), 0, err)
	if err != nil {
		return ConfirmOutput{}, toTemporal(err)
	}
	c, err := p.tenants.ConfirmReplacement(ctx, t, thisRun(ctx, in.Tenant), in.ID)
	out := ConfirmOutput{State: c.State, Digest: c.Digest, Desired: t.DesiredDigest(), Calls: meter.Calls()}
	if c.Digest != "" {
		out.Build, out.Remove = batchesOf(t.Plan(), d.Profile().Unit, in.ID)
	}
	activity.GetLogger(ctx).Info("group replacement checked", "tenant", in.Tenant.String(), "replacement", in.ID,
		"state", out.State, "calls", out.Calls)
	return out, toTemporal(err)
}

// batchesOf returns the batches of a group replacement.
func batchesOf(p plan.Plan, unit plan.Unit, id string) (build, remove []Batch) {
	var parts PlanOutput
	parts.order(p, unit)
	for _, r := range parts.Renamings {
		if r.ID == id {
			build, remove = r.Build, r.Remove
		}
	}
	return build, remove
}

// RecordReplacement records how a run left a renaming.
func (p *Platform) RecordReplacement(ctx context.Context, in RecordReplacementInput) error {
	run := thisRun(ctx, in.Tenant)
	run.Digest = in.Digest
	return toTemporal(p.tenants.RecordReplacement(ctx, run, reconcile.Stage{ID: in.ID, State: in.State}))
}

// thisRun identifies the run that the activity belongs to.
func thisRun(ctx context.Context, tenant access.TenantID) ledger.Run {
	execution := activity.GetInfo(ctx).WorkflowExecution
	return ledger.Run{Tenant: tenant, WorkflowID: execution.ID, RunID: execution.RunID}
}
