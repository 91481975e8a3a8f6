package activities

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/reconcile"
)

// defaultShard is how many tenants are read together where the input does not say.
const defaultShard = 1000

// DetectDrift reads a shard of a platform's tenants together and tells which of them
// need a run of their own. For all others it stores the status.
func (p *Platform) DetectDrift(ctx context.Context, in DetectDriftInput) (DetectDriftOutput, error) {
	ids, next, err := p.shard(ctx, in)
	if err != nil {
		return DetectDriftOutput{}, toTemporal(err)
	}
	run := reconcile.Run{ID: activity.GetInfo(ctx).WorkflowExecution.RunID}
	out, err := p.together(ctx, in.Platform, ids, func(access.TenantID) reconcile.Run { return run }, 0)
	out.Next = next
	return out, err
}

// VerifyTenants reads the tenants together that runs have changed, and stores their
// statuses. While the platform may not show a change yet, an attempt fails as pending; the
// output tells which tenants differ after that.
func (p *Platform) VerifyTenants(ctx context.Context, in VerifyTenantsInput) (DetectDriftOutput, error) {
	runs := make(map[access.TenantID]reconcile.Run, len(in.Changed))
	ids := make([]access.TenantID, len(in.Changed))
	for i, c := range in.Changed {
		ids[i], runs[c.Tenant] = c.Tenant, reconcile.Run{ID: c.RunID, Steps: c.Done.Steps, Calls: c.Done.Calls}
	}
	return p.together(ctx, in.Platform, ids, func(id access.TenantID) reconcile.Run { return runs[id] }, in.Patience)
}

// together compares tenants together and records how they stand.
func (p *Platform) together(
	ctx context.Context, platform string, ids []access.TenantID, of func(access.TenantID) reconcile.Run, patience time.Duration,
) (DetectDriftOutput, error) {
	ctx, meter := budget.WithMeter(ctx)
	info := activity.GetInfo(ctx)
	startedAt, err := p.store.Now(ctx)
	if err != nil {
		return DetectDriftOutput{}, toTemporal(fmt.Errorf("activities: read the time: %w", err))
	}
	tenants, unread, err := p.tenants.CompareShard(ctx, ids, startedAt, int(info.Attempt))
	if err == nil {
		inSync := !slices.ContainsFunc(tenants, func(t *reconcile.Tenant) bool { return !t.InSync() })
		if err := unseen(ctx, patience, inSync); err != nil {
			return DetectDriftOutput{}, toTemporal(err)
		}
	}
	measure(ctx, platform, meter.Calls(), 0, err)
	if err != nil {
		return DetectDriftOutput{}, toTemporal(err)
	}
	if err := p.tenants.RecordFailures(ctx, unread, startedAt, of); err != nil {
		return DetectDriftOutput{}, toTemporal(err)
	}
	recorded, err := p.tenants.Record(ctx, tenants, of)
	if err != nil {
		return DetectDriftOutput{}, toTemporal(err)
	}
	out := p.count(ctx, platform, tenants, recorded, of)
	for id := range unread {
		out.Totals.Count(Failed, of(id).Steps, 1, of(id).Calls)
	}
	if len(out.Drifted) > 0 {
		d, _, err := p.tenants.Driver(ctx, tenants[0].Document().Platform)
		if err != nil {
			return DetectDriftOutput{}, toTemporal(err)
		}
		out.Settle = d.Profile().Settle
	}
	out.Totals.Calls += meter.Calls()
	return out, nil
}

// count counts tenants by outcome, and lists those that have steps to apply.
func (p *Platform) count(
	ctx context.Context, platform string, tenants []*reconcile.Tenant, recorded []reconcile.Recorded,
	of func(access.TenantID) reconcile.Run,
) (out DetectDriftOutput) {
	changed := map[int64]int{}
	for i, t := range tenants {
		if recorded[i].Outcome == Open {
			out.Drifted = append(out.Drifted, Drift{t.ID(), Prepared{recorded[i].Digest, t.DesiredDigest()}})
			continue
		}
		run := of(t.ID())
		out.Totals.Count(recorded[i].Outcome, run.Steps, len(t.Plan().Remarks), run.Calls)
		if recorded[i].Outcome == Changed {
			changed[t.Document().Generation]++
		}
	}
	for revision, n := range changed {
		p.measureChange(ctx, platform, revision, n)
	}
	return out
}

// shard returns the tenants to read, and where the next shard begins.
func (p *Platform) shard(ctx context.Context, in DetectDriftInput) (ids []access.TenantID, next string, err error) {
	var after access.TenantID
	if in.After != "" {
		if after, err = access.ParseTenantID(in.After); err != nil {
			return nil, "", fmt.Errorf("activities: sweep of %s: %w", in.Platform, err)
		}
	}
	limit := cmp.Or(in.Limit, defaultShard)
	ids, err = p.store.TenantsAfter(ctx, in.Platform, after, limit+1)
	if err != nil {
		return nil, "", fmt.Errorf("activities: list the tenants of %s: %w", in.Platform, err)
	}
	if len(ids) > limit {
		ids = ids[:limit]
		next = ids[limit-1].String()
	}
	return ids, next, nil
}
