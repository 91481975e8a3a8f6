package activities

import (
	"context"
	"fmt"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// absent reports whether there is nothing to plan on the platform: it has no such
// tenant. Where the documents have none either, what our groups are to become is
// planned as ever: on many platforms they outlive the tenant.
func (v *view) absent() bool { return v.missing() && !v.input.Deleted }

// nowhere reports whether nothing of the tenant can be on its platform: it never
// had an id there. The groups of one that was removed may be there all the same,
// where the id was taken from the document before.
func (v *view) nowhere() bool {
	return v.input.Tenant.LocalID == "" && !(v.input.Deleted && slices.ContainsFunc(v.owned, func(o plan.Owned) bool {
		return o.Key.Kind == access.KindGroup
	}))
}

// lost are the objects of the ledger that the platform has no more. Of roles that
// tenants share it cannot be said: they are not this tenant's alone, and they may
// lie beside a tenant that is missing.
func (v *view) lost(profile driver.Profile) []access.Key {
	seen := map[access.Key]bool{}
	for _, g := range v.seen.State.Groups {
		seen[g.Key()] = true
	}
	for _, b := range v.seen.State.Bindings {
		seen[b.Key()] = true
	}
	var keys []access.Key
	for _, o := range v.owned {
		if !seen[o.Key] && !slices.Contains(profile.SharedRoles, o.Key.Role) {
			keys = append(keys, o.Key)
		}
	}
	return keys
}

// bury forgets a removed tenant of which nothing is left that is ours to remove.
// What the ledger has of objects that still exist stays.
func (p *Platform) bury(ctx context.Context, v *view) error {
	tenant := v.input.Tenant.TenantID
	if err := p.ledger.Forget(ctx, tenant, v.gone, v.settle); err != nil {
		return fmt.Errorf("activities: forget what %s had: %w", tenant, err)
	}
	if err := p.store.TombstoneDone(ctx, tenant); err != nil {
		return fmt.Errorf("activities: forget the removed tenant %s: %w", tenant, err)
	}
	return nil
}
