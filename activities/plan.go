package activities

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/reconcile"
)

// batchUnits is how many write units one activity applies: enough to keep the
// platform busy, few enough that a retry repeats little.
const batchUnits = 20

// Between looks at a platform that does not show yet what was written.
const (
	firstPause   = 500 * time.Millisecond
	longestPause = 15 * time.Second
)

// ResolveUsers looks up the accounts of a tenant's users, by their euids in the platform's
// pattern, and stores the answers for Plan.
func (p *Platform) ResolveUsers(ctx context.Context, in ResolveInput) (ResolveOutput, error) {
	ctx, meter := budget.WithMeter(ctx)
	found, err := p.tenants.Resolve(ctx, in.Tenant, reconcile.Options{Fresh: in.Fresh, Proposal: in.Proposal})
	measure(ctx, in.Tenant.Platform, meter.Calls(), 0, err)
	if err != nil {
		return ResolveOutput{}, toTemporal(err)
	}
	return ResolveOutput{
		At: found.At, Users: found.Users, Requested: found.Requested, Unresolved: found.Unresolved, Calls: meter.Calls(),
	}, nil
}

// Plan compares one tenant's documents with its platform and stores the plan.
// When nothing is left to do it stores the tenant's status too, so that an
// unchanged tenant costs no other activity but ResolveUsers.
func (p *Platform) Plan(ctx context.Context, in PlanInput) (PlanOutput, error) {
	ctx, meter := budget.WithMeter(ctx)
	out, found, err := p.prepared(ctx, in)
	if err != nil || found {
		return out, toTemporal(err)
	}
	return p.compared(ctx, in, meter, false, func(*reconcile.Tenant) error { return nil })
}

// Verify plans again after changes. While the platform may not show them yet, an attempt
// that finds a difference fails as pending and holds no slot until the next one.
func (p *Platform) Verify(ctx context.Context, in PlanInput) (PlanOutput, error) {
	ctx, meter := budget.WithMeter(ctx)
	return p.compared(ctx, in, meter, true, func(t *reconcile.Tenant) error { return unseen(ctx, in.Patience, t.InSync()) })
}

// unseen returns the error of an attempt that comes too early for the platform to show
// what was written: it is scheduled for less than patience, and does not see it.
func unseen(ctx context.Context, patience time.Duration, seen bool) error {
	info := activity.GetInfo(ctx)
	left := patience - elapsed(info)
	if seen || patience <= 0 || left <= 0 {
		return nil
	}
	pause := min(firstPause<<min(info.Attempt-1, 10), longestPause, left)
	return fault.Pending(errUnseen, pause)
}

// elapsed returns how long after the activity was scheduled this attempt began. Both times are
// the server's: the clock of a worker may be wrong by minutes.
func elapsed(info activity.Info) time.Duration {
	return max(0, info.StartedTime.Sub(info.ScheduledTime))
}

// errUnseen is the failure of a look that comes too early.
var errUnseen = errors.New("activities: the platform does not show yet all that was written")

// compared plans a tenant and stores what the workflow only refers to.
func (p *Platform) compared(
	ctx context.Context, in PlanInput, meter *budget.Meter, verify bool, check func(*reconcile.Tenant) error,
) (PlanOutput, error) {
	d, t, err := p.compare(ctx, in, verify)
	if err == nil {
		err = check(t)
	}
	measure(ctx, in.Tenant.Platform, meter.Calls(), 0, err)
	if err != nil {
		return PlanOutput{}, toTemporal(err)
	}
	out, err := p.record(ctx, t, d.Profile(), in, meter)
	activity.GetLogger(ctx).Info("tenant compared", "tenant", in.Tenant.String(), "outcome", out.Outcome,
		"steps", out.Steps, "pendingApproval", out.Held, "warnings", out.Remarks, "calls", out.Calls)
	return out, toTemporal(err)
}

// compare compares one tenant.
func (p *Platform) compare(ctx context.Context, in PlanInput, verify bool) (driver.Driver, *reconcile.Tenant, error) {
	o := reconcile.Options{
		Fresh: in.Fresh, Resolved: in.Resolved, Adopt: in.Adopt, DryRun: in.DryRun, Verify: verify, Proposal: in.Proposal,
	}
	if in.RefusedSince > 0 {
		o.Refused = append(o.Refused, reconcile.RefusedRun{RunID: activity.GetInfo(ctx).WorkflowExecution.RunID, Since: in.RefusedSince})
	}
	for _, id := range in.RefusedRuns {
		o.Refused = append(o.Refused, reconcile.RefusedRun{RunID: id})
	}
	d, tenants, err := p.tenants.Compare(ctx, []access.TenantID{in.Tenant}, o)
	if err != nil {
		return nil, nil, err
	}
	return d, tenants[0], nil
}

// prepared returns a plan that a sweep has just made, so that the platform is not asked
// again. It reports false where there is none, or it must be made again.
func (p *Platform) prepared(ctx context.Context, in PlanInput) (PlanOutput, bool, error) {
	if in.Prepared.Digest == "" {
		return PlanOutput{}, false, nil
	}
	made, profile, valid, err := p.tenants.Prepared(ctx, in.Tenant, in.Prepared.Digest, in.Prepared.Desired)
	if err != nil || !valid {
		return PlanOutput{}, false, err
	}
	out := PlanOutput{
		Digest: in.Prepared.Digest, Desired: in.Prepared.Desired, Steps: len(made.Steps), Held: len(made.Held), Remarks: len(made.Remarks),
		HeldDigest: made.HeldDigest(), Settle: profile.Settle,
	}
	out.order(made, profile.Unit)
	return out, true, nil
}

// record stores the plan or, if nothing is left to apply, how the tenant stands.
func (p *Platform) record(
	ctx context.Context, t *reconcile.Tenant, profile driver.Profile, in PlanInput, meter *budget.Meter,
) (PlanOutput, error) {
	out := PlanOutput{Calls: meter.Calls(), Desired: t.DesiredDigest(), Settle: profile.Settle}
	run := reconcile.Run{
		ID: activity.GetInfo(ctx).WorkflowExecution.RunID, DryRun: in.DryRun,
		Steps: in.Done.Steps, Calls: in.Done.Calls + out.Calls, RefusedSince: in.RefusedSince,
	}
	recorded, err := p.tenants.Record(ctx, []*reconcile.Tenant{t}, func(access.TenantID) reconcile.Run { return run })
	made := t.Plan()
	out.Steps, out.Held, out.Remarks, out.HeldDigest = len(made.Steps), len(made.Held), len(made.Remarks), made.HeldDigest()
	if err != nil {
		return out, err
	}
	out.Outcome, out.Digest = recorded[0].Outcome, recorded[0].Digest
	if out.Outcome == Open {
		out.order(made, profile.Unit)
	}
	if out.Outcome == Changed {
		p.measureChange(ctx, in.Tenant.Platform, t.Document().Generation, 1)
	}
	return out, nil
}

// order says in which activities the plan's steps are applied.
func (out *PlanOutput) order(made plan.Plan, unit plan.Unit) {
	s := made.Schedule(unit)
	out.Batches, out.After = batches(s.Now, batchUnits), batches(s.After, batchUnits)
	for i, r := range s.Renamings {
		if len(r.Build)+len(r.Remove) == 0 {
			continue // it only waits
		}
		out.Renamings = append(out.Renamings, Renaming{
			ID: r.ID, Mode: made.Renames[i].Mode, Waits: made.Renames[i].Waits, Needs: r.Needs,
			Build: batches(r.Build, batchUnits), Remove: batches(r.Remove, batchUnits),
		})
	}
}

// batches packs waves into parts of at most size units. A part holds whole
// waves, or a slice of one wave that is larger than a part.
func batches(waves [][]plan.Work, size int) []Batch {
	var packed []Batch
	room := 0
	for _, wave := range waves {
		if len(wave) <= room {
			last := &packed[len(packed)-1]
			last.Waves = append(last.Waves, wave)
			room -= len(wave)
			continue
		}
		for len(wave) > 0 {
			n := min(size, len(wave))
			packed = append(packed, Batch{Waves: [][]plan.Work{wave[:n]}})
			wave, room = wave[n:], size-n
		}
	}
	return packed
}
