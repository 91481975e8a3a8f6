package activities

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// batchUnits is how many write units one activity applies: enough to keep the
// platform busy, few enough that a retry repeats little.
const batchUnits = 20

// Between looks at a platform that does not show yet what was written.
const (
	firstPause   = 500 * time.Millisecond
	longestPause = 15 * time.Second
)

// Plan compares one tenant's documents with its platform and stores the plan.
// When nothing is left to do it stores the tenant's status too, so that an
// unchanged tenant costs a single activity.
func (p *Platform) Plan(ctx context.Context, in PlanInput) (PlanOutput, error) {
	defer beat(ctx)()
	ctx, meter := budget.WithMeter(ctx)
	out, found, err := p.prepared(ctx, in)
	if err != nil || found {
		return out, toTemporal(err)
	}
	d, views, err := p.patientLook(ctx, in, (*view).quiet)
	measure(ctx, in.Tenant.Platform, meter.Calls(), 0, err)
	if err != nil {
		return PlanOutput{}, toTemporal(err)
	}
	out, err = p.finish(ctx, views[0], d.Profile(), in, meter)
	activity.GetLogger(ctx).Info("tenant compared", "tenant", in.Tenant.String(), "outcome", out.Outcome,
		"steps", out.Steps, "pendingApproval", out.Held, "warnings", out.Remarks, "calls", out.Calls)
	return out, toTemporal(err)
}

// patientLook looks at one tenant until all that was written is seen, or for as
// long as it may stay unseen.
func (p *Platform) patientLook(ctx context.Context, in PlanInput, seen func(*view) bool) (driver.Driver, []*view, error) {
	began, o := time.Now(), observing{fresh: in.Fresh, adopt: in.Adopt}
	if in.RefusedSince > 0 {
		failed, err := p.failed(ctx, activity.GetInfo(ctx).WorkflowExecution.RunID)
		if err != nil {
			return nil, nil, err
		}
		o.immovable = immovable(failed, in.RefusedSince)
	}
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		d, views, err := p.look(ctx, []access.TenantID{in.Tenant}, o)
		if err == nil {
			err = p.guard(ctx, views, in.DryRun)
		}
		left := in.Patience - time.Since(began)
		if err != nil || seen(views[0]) || left <= 0 {
			return d, views, err
		}
		select {
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-time.After(min(pause, left)):
		}
	}
}

// quiet reports whether nothing differs. An object that is ours by its mark only
// may be one that this run removed and that the platform shows still.
func (v *view) quiet() bool {
	return len(v.plan.Steps) == 0 && !slices.ContainsFunc(v.plan.Remarks, func(r access.Remark) bool {
		return r.Code == access.OwnershipUnclear
	})
}

// prepared takes up a plan that a survey has just made, so that the platform is
// not asked again. It serves only while the documents still ask for the same;
// whether the platform moved meanwhile, each step finds out.
func (p *Platform) prepared(ctx context.Context, in PlanInput) (PlanOutput, bool, error) {
	if in.Prepared.Digest == "" {
		return PlanOutput{}, false, nil
	}
	made, _, err := p.store.Plan(ctx, in.Prepared.Digest)
	if err != nil {
		return PlanOutput{}, false, fmt.Errorf("activities: read plan %s: %w", in.Prepared.Digest, err)
	}
	input, err := p.store.TenantInput(ctx, in.Tenant)
	if err != nil {
		return PlanOutput{}, false, fmt.Errorf("activities: read the documents of %s: %w", in.Tenant, err)
	}
	d, connection, err := p.driver(ctx, input.Platform)
	if err != nil {
		return PlanOutput{}, false, err
	}
	now, err := desiredDigest(input, d.Profile())
	if err != nil || now != in.Prepared.Desired || made.Tenant != in.Tenant || made.Connection != connection {
		return PlanOutput{}, false, err
	}
	if wanted, err := p.takesWanted(ctx, d, input, made); err != nil || wanted {
		return PlanOutput{}, false, err
	}
	out := PlanOutput{
		Digest: in.Prepared.Digest, Desired: now, Steps: len(made.Steps), Held: len(made.Held), Remarks: len(made.Remarks),
		HeldDigest: made.HeldDigest(), Settle: d.Profile().Settle,
	}
	out.order(made, d.Profile().Unit)
	return out, true, nil
}

// finish stores what the workflow only refers to.
func (p *Platform) finish(
	ctx context.Context, v *view, profile driver.Profile, in PlanInput, meter *budget.Meter,
) (PlanOutput, error) {
	out := PlanOutput{
		Steps: len(v.plan.Steps), Held: len(v.plan.Held), Remarks: len(v.plan.Remarks),
		Calls: meter.Calls(), Desired: v.desiredDigest(), Settle: profile.Settle,
		HeldDigest: v.plan.HeldDigest(),
	}
	if in.DryRun || out.Steps+out.Held+len(v.plan.Forbidden) > 0 {
		var err error
		if out.Digest, err = p.store.PutPlan(ctx, v.plan, v.input.Generation); err != nil {
			return out, fmt.Errorf("activities: store the plan of %s: %w", in.Tenant, err)
		}
	}
	switch {
	case in.DryRun:
		out.Outcome = Planned
		return out, nil
	case out.Steps > 0:
		out.order(v.plan, profile.Unit)
		return out, nil
	}
	if in.Done.Steps > 0 {
		if err := p.addHappened(ctx, v); err != nil {
			return out, err
		}
		out.Remarks = len(v.plan.Remarks)
	}
	out.Outcome = v.outcome(in.Done.Steps)
	done := Tally{Steps: in.Done.Steps, Calls: in.Done.Calls + out.Calls}
	return out, p.close(ctx, v, out, done)
}

// close stores how things stand with a tenant that has no steps left. A removed
// tenant that is cleaned up is forgotten. One with removals that wait or are forbidden
// stays, and so does what was decided about them. Both stay for a tenant that the platform
// does not have, as the removals are not known.
func (p *Platform) close(ctx context.Context, v *view, out PlanOutput, done Tally) error {
	tenant := v.input.Tenant.TenantID
	if err := p.endAdoptions(ctx, v); err != nil {
		return err
	}
	if err := p.serve(ctx, v); err != nil {
		return err
	}
	left := out.Held + len(v.plan.Forbidden)
	if left == 0 && v.input.Unnamed && v.knowsRemovals() {
		if err := p.store.EndUnnamed(ctx, tenant, v.input.Generation); err != nil {
			return fmt.Errorf("activities: end the unnamed removals of %s: %w", tenant, err)
		}
	}
	if left == 0 && len(v.decisions) > 0 && !v.absent() {
		if err := p.store.Forget(ctx, tenant); err != nil {
			return fmt.Errorf("activities: end the decisions on %s: %w", tenant, err)
		}
	}
	if v.input.Deleted && left == 0 {
		return p.bury(ctx, v)
	}
	if err := p.store.PutStatus(ctx, v.status(ctx, out, done)); err != nil {
		return fmt.Errorf("activities: store the status of %s: %w", tenant, err)
	}
	if out.Outcome == Changed {
		p.measureChange(ctx, tenant, v.input.Generation)
	}
	return nil
}

// knowsRemovals reports whether the plan has every removal that the documents ask for: the
// platform has the tenant, and each object there is known to be managed or not. Else some
// come up later.
func (v *view) knowsRemovals() bool {
	return !v.absent() && !slices.ContainsFunc(v.plan.Remarks, func(r access.Remark) bool { return r.Code == access.OwnershipUnclear })
}

// outcome judges a tenant that has no steps left.
func (v *view) outcome(applied int) Outcome {
	switch {
	case v.absent():
		return Failed
	case len(v.plan.Held) > 0:
		return Waiting
	case applied > 0:
		return Changed
	default:
		return Converged
	}
}

func (v *view) status(ctx context.Context, out PlanOutput, done Tally) store.Status {
	info := activity.GetInfo(ctx)
	return store.Status{
		Tenant: v.input.Tenant.TenantID, Outcome: string(out.Outcome), RunID: info.WorkflowExecution.RunID,
		Digest: out.Digest, Steps: done.Steps, Held: out.Held, Removals: len(v.plan.HeldRemovals()), Calls: done.Calls,
		Generation: v.input.Generation, Remarks: v.plan.Remarks, Seen: v.began,
	}
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
