package activities

import (
	"cmp"
	"context"

	"go.temporal.io/sdk/activity"

	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/reconcile"
)

// Apply applies a part of a stored plan: see reconcile.Reconciler.Apply.
//
// While steps fail for now, Apply returns an error, so that Temporal shows the attempt and
// the cause, and tries them again. The last attempt returns ApplyOutput.Unfinished instead.
func (p *Platform) Apply(ctx context.Context, in ApplyInput) (ApplyOutput, error) {
	ctx, meter := budget.WithMeter(ctx)
	run := thisRun(ctx, in.Tenant)
	run.Pass, run.Digest, run.Cause = in.Pass, in.Digest, in.Cause
	attempt := thisAttempt(ctx)
	applied, err := p.tenants.Apply(ctx, reconcile.Batch{
		Run: run, Desired: in.Desired, Waves: in.Batch.Waves, RefusedSince: in.Since, WaitExpired: in.WaitExpired,
		Repeated: in.Repeated, Attempts: in.Attempts, Stage: reconcile.Stage(in.Stage), Attempt: attempt,
	})
	out := outputOf(applied, attempt, meter)
	measure(ctx, in.Tenant.Platform, out.Calls, out.Done, cmp.Or(err, applied.Deferred))
	activity.GetLogger(ctx).Info("plan applied", "tenant", in.Tenant.String(), "done", out.Done,
		"refused", out.Refused, "unfinished", out.Unfinished, "replan", out.Replan, "calls", out.Calls)
	if err != nil {
		return ApplyOutput{}, toTemporal(err)
	}
	return out, nil
}

// outputOf returns the output of a batch.
func outputOf(a reconcile.Applied, attempt reconcile.Attempt, meter *budget.Meter) ApplyOutput {
	out := ApplyOutput{
		Done: a.Done, Calls: meter.Calls(), Replan: a.Replan, Refused: a.Refused, RefusedAccounts: a.RefusedAccounts,
		Blocked: a.Blocked, Immovable: a.Immovable, Pending: a.Pending, PendingAfter: a.PendingAfter, Unfinished: a.Unfinished,
	}
	if a.Deferred != nil {
		out.UnfinishedAfter, _ = fault.RetryAfter(a.Deferred)
		out.Reason, out.Type, out.Attempts = a.Deferred.Error(), fault.Name(a.Deferred), attempt.Number
	}
	return out
}

// thisAttempt returns the attempt of the activity.
func thisAttempt(ctx context.Context) reconcile.Attempt {
	info := activity.GetInfo(ctx)
	return reconcile.Attempt{Number: int(info.Attempt), Elapsed: elapsed(info)}
}
