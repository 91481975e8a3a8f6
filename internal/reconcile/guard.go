package reconcile

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// guard has the last word on the plans of one platform: it holds what a limit beyond one
// group leaves no room for. What the plans remove is reserved for them, so that plans made
// elsewhere at the same time do not remove it too; a dry run reserves nothing.
//
// Tenants are served in order. Of a plan all removals are held or none: a part of them
// could be the part that would have shown the mistake.
func (r *Reconciler) guard(ctx context.Context, tenants []*Tenant, dry bool) error {
	var all []store.Taking
	for _, t := range tenants {
		if removals := t.compared.Takes(); len(removals) > 0 {
			all = append(all, store.Taking{Tenant: t.ID(), Removals: removals})
		}
	}
	if len(all) == 0 {
		return nil
	}
	guard, platform := tenants[0].document.Guard, tenants[0].ID().Platform
	exceeded, err := r.store.ReserveRemovals(ctx, platform, limitsOf(guard), all, dry)
	if err != nil {
		return fmt.Errorf("reconcile: count the removals on %s: %w", platform, err)
	}
	for _, t := range tenants {
		if limit, full := exceeded[t.ID()]; full {
			t.comparison = t.with(t.compared.Closed(limitText(guard, limit)))
		}
	}
	return nil
}

func limitsOf(g document.Guard) store.RemovalLimits {
	return store.RemovalLimits{Change: g.ChangeMost, Hour: g.HourMost}
}

// limitText says which limit of which guard holds a plan, and what ends it.
func limitText(g document.Guard, e store.Exceeded) string {
	guard, per := "the default guard", "on this platform within an hour"
	if g.Name != "" {
		guard = fmt.Sprintf("the guard %q", g.Name)
	}
	if e.Span == store.PerChange {
		per = "on this platform by one change of the documents"
	}
	switch {
	case e.Most == 0:
		return fmt.Sprintf("%s lets nothing be taken from people %s", guard, per)
	case e.Ends.IsZero():
		return fmt.Sprintf("%s lets %d be taken from people %s, and this plan takes %d", guard, e.Most, per, e.Asked)
	default:
		return fmt.Sprintf("%s lets %d be taken from people %s, %d were, and this plan takes %d: "+
			"it goes on by itself with the first look after %s",
			guard, e.Most, per, e.Taken, e.Asked, e.Ends.Format(time.DateOnly+" 15:04 MST"))
	}
}

// ReserveUnits counts what the units are about to remove as of now. It reports false
// where they were planned so long ago that a limit leaves no room for it any more.
func (r *Reconciler) ReserveUnits(ctx context.Context, tenant access.TenantID, g document.Guard, units [][]plan.Step) (bool, error) {
	removals := store.Taking{Tenant: tenant}
	for _, steps := range units {
		for _, s := range steps {
			removals.Removals = append(removals.Removals, s.Removals()...)
		}
	}
	exceeded, err := r.reserve(ctx, g, removals)
	if err != nil || !exceeded {
		return err == nil, err
	}
	// What was approved since it was reserved needs no room.
	before := len(removals.Removals)
	if removals.Removals, err = r.unapproved(ctx, removals); err != nil || len(removals.Removals) == before {
		return false, err
	}
	exceeded, err = r.reserve(ctx, g, removals)
	return err == nil && !exceeded, err
}

func (r *Reconciler) reserve(ctx context.Context, g document.Guard, removals store.Taking) (exceeded bool, err error) {
	if len(removals.Removals) == 0 {
		return false, nil
	}
	_, exceeded, err = r.store.RenewRemovals(ctx, removals.Tenant.Platform, limitsOf(g), removals)
	if err != nil {
		return false, fmt.Errorf("reconcile: count the removals on %s: %w", removals.Tenant.Platform, err)
	}
	return exceeded, nil
}

// unapproved leaves out removals that are approved now, and those of revoked accounts.
func (r *Reconciler) unapproved(ctx context.Context, removals store.Taking) ([]plan.Removal, error) {
	decided, err := r.store.Decisions(ctx, []access.TenantID{removals.Tenant})
	if err != nil {
		return nil, fmt.Errorf("reconcile: read the decisions: %w", err)
	}
	revoked, err := r.store.RevokedRefs(ctx, removals.Tenant.Platform)
	if err != nil {
		return nil, fmt.Errorf("reconcile: read which accounts are revoked: %w", err)
	}
	return slices.DeleteFunc(slices.Clone(removals.Removals), func(removal plan.Removal) bool {
		return slices.Contains(revoked, removal.Ref) || slices.ContainsFunc(decided[removals.Tenant], func(d store.Decision) bool {
			return d.Verdict == store.Approved && d.Removal == removal
		})
	}), nil
}
