package activities

import (
	"context"
	"fmt"
	"slices"

	"go.temporal.io/sdk/activity"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// DetectDrift reads a shard of a platform's tenants together and tells which of them
// need a run of their own. For all others it stores the status.
func (p *Platform) DetectDrift(ctx context.Context, in DetectDriftInput) (DetectDriftOutput, error) {
	defer beat(ctx)()
	ctx, meter := budget.WithMeter(ctx)
	ids, next, err := p.shard(ctx, in)
	if err != nil {
		return DetectDriftOutput{}, toTemporal(err)
	}
	views, unread, err := p.lookAll(ctx, ids)
	measure(ctx, in.Platform, meter.Calls(), 0, err)
	out := DetectDriftOutput{Next: next}
	if err != nil && permanent(err) {
		// Only people can mend it: each tenant says so, and none waits for it.
		out.Totals, err = p.failAll(ctx, ids, err)
		out.Totals.Calls = meter.Calls()
		return out, toTemporal(err)
	}
	if err != nil {
		return DetectDriftOutput{}, toTemporal(err)
	}
	if out.Totals, err = p.setApart(ctx, unread); err != nil {
		return DetectDriftOutput{}, toTemporal(err)
	}
	var settled []*view
	for _, v := range views {
		if len(v.plan.Steps) > 0 {
			digest, err := p.store.PutPlan(ctx, v.plan, v.input.Generation)
			if err != nil {
				return DetectDriftOutput{}, toTemporal(fmt.Errorf("activities: store the plan of %s: %w", v.input.Tenant.TenantID, err))
			}
			out.Drifted = append(out.Drifted, Drift{v.input.Tenant.TenantID, Prepared{digest, v.desiredDigest()}})
			continue
		}
		settled = append(settled, v)
		out.Totals.Count(v.outcome(0), 0, len(v.plan.Remarks), 0)
	}
	out.Totals.Calls = meter.Calls()
	return out, toTemporal(p.closeAll(ctx, settled))
}

// failAll stores for each tenant why its platform cannot be replicated.
func (p *Platform) failAll(ctx context.Context, ids []access.TenantID, cause error) (Totals, error) {
	var totals Totals
	generation, err := p.store.Generation(ctx)
	if err != nil {
		return totals, fmt.Errorf("activities: read the generation of the documents: %w", err)
	}
	code := refusalCode(typeOf(cause))
	for _, id := range ids {
		err := p.store.PutStatus(ctx, store.Status{
			Tenant: id, Outcome: string(Failed), RunID: activity.GetInfo(ctx).WorkflowExecution.RunID, Generation: generation, Blind: true,
			Remarks: []access.Remark{{Code: code, Object: id.Platform, Text: cause.Error() + ": " + advice(code)}},
		})
		if err != nil {
			return totals, fmt.Errorf("activities: store the status of %s: %w", id, err)
		}
		totals.Count(Failed, 0, 1, 0)
	}
	return totals, nil
}

// shard returns the tenants to read, and where the next shard begins.
func (p *Platform) shard(ctx context.Context, in DetectDriftInput) (ids []access.TenantID, next string, err error) {
	ids, err = p.store.Tenants(ctx, store.TenantFilter{Platform: in.Platform})
	if err != nil {
		return nil, "", fmt.Errorf("activities: list the tenants of %s: %w", in.Platform, err)
	}
	if in.After != "" {
		after, err := access.ParseTenantID(in.After)
		if err != nil {
			return nil, "", fmt.Errorf("activities: survey of %s: %w", in.Platform, err)
		}
		ids = slices.DeleteFunc(ids, func(id access.TenantID) bool { return id.Compare(after) <= 0 })
	}
	if in.Limit > 0 && len(ids) > in.Limit {
		ids = ids[:in.Limit]
		next = ids[in.Limit-1].String()
	}
	return ids, next, nil
}

// closeAll stores the status of tenants that need nothing.
func (p *Platform) closeAll(ctx context.Context, views []*view) error {
	for _, v := range views {
		out := PlanOutput{Outcome: v.outcome(0), Held: len(v.plan.Held)}
		if out.Held+len(v.plan.Forbidden) > 0 {
			var err error
			if out.Digest, err = p.store.PutPlan(ctx, v.plan, v.input.Generation); err != nil {
				return fmt.Errorf("activities: store the plan of %s: %w", v.input.Tenant.TenantID, err)
			}
		}
		if err := p.close(ctx, v, out, Tally{}); err != nil {
			return err
		}
	}
	return nil
}
