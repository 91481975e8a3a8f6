package activities

import (
	"cmp"
	"context"
	"fmt"

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
	ctx, meter := budget.WithMeter(ctx)
	ids, next, err := p.shard(ctx, in)
	if err != nil {
		return DetectDriftOutput{}, toTemporal(err)
	}
	info := activity.GetInfo(ctx)
	tenants, unread, err := p.tenants.CompareShard(ctx, ids, int(info.Attempt))
	measure(ctx, in.Platform, meter.Calls(), 0, err)
	out := DetectDriftOutput{Next: next}
	if err != nil && !permanent(err) {
		return DetectDriftOutput{}, toTemporal(err)
	}
	if err != nil { // a user or an operator has to act: each tenant says so
		unread = make(map[access.TenantID]error, len(ids))
		for _, id := range ids {
			unread[id] = err
		}
	}
	run := info.WorkflowExecution.RunID
	if err := p.tenants.RecordFailures(ctx, run, failuresOf(unread)); err != nil {
		return DetectDriftOutput{}, toTemporal(err)
	}
	for range unread {
		out.Totals.Count(Failed, 0, 1, 0)
	}
	recorded, err := p.tenants.Record(ctx, tenants, reconcile.Run{ID: run})
	if err != nil {
		return DetectDriftOutput{}, toTemporal(err)
	}
	for i, t := range tenants {
		if recorded[i].Outcome == Open {
			out.Drifted = append(out.Drifted, Drift{t.ID(), Prepared{recorded[i].Digest, t.DesiredDigest()}})
			continue
		}
		out.Totals.Count(recorded[i].Outcome, 0, len(t.Plan().Remarks), 0)
	}
	out.Totals.Calls = meter.Calls()
	return out, nil
}

// failuresOf returns the warnings about tenants that cannot be compared.
func failuresOf(unread map[access.TenantID]error) []reconcile.Failure {
	failures := make([]reconcile.Failure, 0, len(unread))
	for id, cause := range unread {
		code := refusalCode(typeOf(cause))
		failures = append(failures, reconcile.Failure{Tenant: id, Warning: access.Remark{
			Code: code, Object: id.Platform, Text: cause.Error() + ": " + advice(code),
		}})
	}
	return failures
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
