package activities

import (
	"context"
	"fmt"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// serve tells the ledger which project role each group of ours is for, where it
// does not know yet: by that a group is known again under another name. It is for
// a tenant that has no steps left, and costs nothing where the ledger knows. Where
// removals are forbidden the ledger keeps the role whose members are in the group.
func (p *Platform) serve(ctx context.Context, v *view) error {
	roles := v.unserved()
	if len(roles) == 0 || v.input.RemovalsForbiddenBy() != "" {
		return nil
	}
	if err := p.ledger.Serve(ctx, v.input.Tenant.TenantID, roles); err != nil {
		return fmt.Errorf("activities: record what the groups of %s are for: %w", v.input.Tenant.TenantID, err)
	}
	return nil
}

// unserved are the roles of our groups seen under their desired names, where the
// ledger has another role, or the group under another name, too.
func (v *view) unserved() map[string]string {
	refs := map[string]string{} // observed ids by name
	for _, g := range v.seen.State.Groups {
		refs[g.Name] = g.Ref
	}
	wants, ids := map[string]string{}, map[string]bool{} // of groups seen under their names
	for _, g := range v.settled.State.Groups {
		if ref, seen := refs[g.Name]; seen {
			wants[g.Name], ids[ref] = g.Serves, true
		}
	}
	differs := false
	for _, o := range v.owned {
		if o.Key.Kind != access.KindGroup {
			continue
		}
		serves, seen := wants[o.Key.Group]
		differs = differs || seen && o.Serves != serves || !seen && ids[o.Ref]
	}
	if !differs {
		return nil
	}
	return wants
}
