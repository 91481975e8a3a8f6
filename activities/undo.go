package activities

import (
	"context"

	"go.temporal.io/sdk/activity"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/reconcile"
)

// UndoInput asks to take away again what this run has made for a renaming.
type UndoInput struct {
	Tenant access.TenantID `json:"tenant"`
	ID     string          `json:"id"`
	// Digest names a plan that has the renaming.
	Digest string `json:"digest"`
	// Pass is one more than those of this run that made something.
	Pass  int    `json:"pass"`
	Cause string `json:"cause,omitempty"`
}

// UndoOutput says what became of it.
type UndoOutput struct {
	ApplyOutput
	// Passed is true where the old group is about to go, or gone: then nothing is
	// undone, and the only way is on.
	Passed bool `json:"cutOver,omitempty"`
}

// CompensateReplacement removes what this run has made for the new group: see
// reconcile.Reconciler.Compensate.
func (p *Platform) CompensateReplacement(ctx context.Context, in UndoInput) (UndoOutput, error) {
	ctx, meter := budget.WithMeter(ctx)
	run := thisRun(ctx, in.Tenant)
	run.Pass, run.Digest, run.Cause = in.Pass, in.Digest, in.Cause
	attempt := thisAttempt(ctx)
	compensated, err := p.tenants.Compensate(ctx, reconcile.CompensateRequest{Run: run, ID: in.ID, Attempt: attempt})
	if err == nil && compensated.CutOver {
		return UndoOutput{Passed: true}, nil
	}
	out := outputOf(compensated.Applied, attempt, meter)
	measure(ctx, in.Tenant.Platform, out.Calls, out.Done, err)
	activity.GetLogger(ctx).Info("group replacement compensated", "tenant", in.Tenant.String(), "replacement", in.ID, "done", out.Done,
		"refused", out.Refused, "replan", out.Replan, "calls", out.Calls)
	if err != nil {
		return UndoOutput{}, toTemporal(err)
	}
	return UndoOutput{ApplyOutput: out}, nil
}
