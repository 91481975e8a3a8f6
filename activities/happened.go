package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// addHappened adds to the remarks of a plan with no steps left what the plans
// before it in this run said about things that were then done: a look that comes
// after finds nothing to remark. They hold until the next run.
func (p *Platform) addHappened(ctx context.Context, v *view) error {
	tenant := v.input.Tenant.TenantID
	digests, err := p.store.AppliedSince(ctx, tenant)
	if err != nil {
		return fmt.Errorf("activities: read what was done on %s: %w", tenant, err)
	}
	for _, digest := range digests {
		applied, _, err := p.store.Plan(ctx, digest)
		if errors.Is(err, store.ErrNotFound) {
			continue // only a remark is lost over it
		}
		if err != nil {
			return fmt.Errorf("activities: read plan %s: %w", digest, err)
		}
		for _, r := range applied.Remarks {
			if happens(r.Code) && !v.remarked(r) {
				v.plan.Remarks = append(v.plan.Remarks, r)
			}
		}
	}
	v.plan.Remarks = access.SortRemarks(v.plan.Remarks)
	return nil
}

// happens reports whether a remark is about something that a run does, and not
// about how things are.
func happens(code access.Code) bool {
	return code == access.ForeignPermissionRemoved || code == access.ForeignMemberRemoved
}

// remarked reports whether the plan says something of this sort on this object.
func (v *view) remarked(r access.Remark) bool {
	return slices.ContainsFunc(v.plan.Remarks, func(s access.Remark) bool { return s.Code == r.Code && s.Object == r.Object })
}
