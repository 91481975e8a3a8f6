package activities

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
// group leaves no room for. What the plans take is reserved for them, so that plans made
// elsewhere at the same time do not take it too; a dry look reserves nothing.
//
// Tenants are served in the order of views. Of a plan all is taken or nothing: a
// part of it could be the part that somebody would have noticed the mistake by.
func (p *Platform) guard(ctx context.Context, views []*view, dry bool) error {
	var takings []store.Taking
	for _, v := range views {
		if takes := v.compared.Takes(); len(takes) > 0 {
			takings = append(takings, store.Taking{Tenant: v.input.Tenant.TenantID, Removals: takes})
		}
	}
	if len(takings) == 0 {
		return nil
	}
	guard := views[0].input.Guard
	platform := views[0].input.Platform.Identifier()
	exceeded, err := p.store.ReserveRemovals(ctx, platform, limitsOf(guard), takings, dry)
	if err != nil {
		return fmt.Errorf("activities: count what is taken on %s: %w", platform, err)
	}
	for _, v := range views {
		if limit, full := exceeded[v.input.Tenant.TenantID]; full {
			v.use(v.compared.Closed(limitText(guard, limit)))
		}
	}
	return nil
}

func limitsOf(g document.Guard) store.RemovalLimits {
	return store.RemovalLimits{Change: g.ChangeMost, Hour: g.HourMost}
}

// limitText says which limit of which guard holds a plan, and what ends it.
func limitText(g document.Guard, e store.Exceeded) string {
	who, per := "the default guard", "on this platform within an hour"
	if g.Name != "" {
		who = fmt.Sprintf("the guard %q", g.Name)
	}
	if e.Span == store.PerChange {
		per = "on this platform by one change of the documents"
	}
	switch {
	case e.Most == 0:
		return fmt.Sprintf("%s lets nothing be taken from people %s", who, per)
	case e.Ends.IsZero():
		return fmt.Sprintf("%s lets %d be taken from people %s, and this plan takes %d", who, e.Most, per, e.Asked)
	default:
		return fmt.Sprintf("%s lets %d be taken from people %s, %d were, and this plan takes %d: "+
			"it goes on by itself with the first look after %s",
			who, e.Most, per, e.Taken, e.Asked, e.Ends.Format(time.DateOnly+" 15:04 MST"))
	}
}

// renew counts what the units are about to take as of now. It reports false where
// they were planned so long ago that a limit leaves no room for it any more.
func (p *Platform) renew(ctx context.Context, tenant access.TenantID, g document.Guard, units [][]plan.Step) (bool, error) {
	taking := store.Taking{Tenant: tenant}
	for _, steps := range units {
		for _, s := range steps {
			taking.Removals = append(taking.Removals, s.Removals()...)
		}
	}
	exceeded, err := p.renewTaking(ctx, g, taking)
	if err != nil || !exceeded {
		return err == nil, err
	}
	// Somebody may have agreed to it since it was reserved: that needs no room.
	asked := len(taking.Removals)
	if taking.Removals, err = p.unagreed(ctx, taking); err != nil || len(taking.Removals) == asked {
		return false, err
	}
	exceeded, err = p.renewTaking(ctx, g, taking)
	return err == nil && !exceeded, err
}

func (p *Platform) renewTaking(ctx context.Context, g document.Guard, taking store.Taking) (exceeded bool, err error) {
	if len(taking.Removals) == 0 {
		return false, nil
	}
	_, exceeded, err = p.store.RenewRemovals(ctx, taking.Tenant.Platform, limitsOf(g), taking)
	if err != nil {
		return false, fmt.Errorf("activities: count what is taken on %s: %w", taking.Tenant.Platform, err)
	}
	return exceeded, nil
}

// unagreed leaves out what somebody approved by now, and those whose access is
// revoked.
func (p *Platform) unagreed(ctx context.Context, taking store.Taking) ([]plan.Removal, error) {
	decided, err := p.store.Decisions(ctx, []access.TenantID{taking.Tenant})
	if err != nil {
		return nil, fmt.Errorf("activities: read what was decided: %w", err)
	}
	revoked, err := p.store.RevokedRefs(ctx, taking.Tenant.Platform)
	if err != nil {
		return nil, fmt.Errorf("activities: read whose access is revoked: %w", err)
	}
	return slices.DeleteFunc(slices.Clone(taking.Removals), func(r plan.Removal) bool {
		return slices.Contains(revoked, r.Ref) || slices.ContainsFunc(decided[taking.Tenant], func(d store.Decision) bool {
			return d.Verdict == store.Approved && d.Removal == r
		})
	}), nil
}
