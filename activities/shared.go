package activities

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/desired"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// findElsewhere finds out which of the shared roles that plans take other tenants desire.
func (p *Platform) findElsewhere(ctx context.Context, d driver.Driver, views []*view) error {
	var wishes *wishes
	for _, v := range views {
		taken := v.compared.Unknowns().Shared
		if len(taken) == 0 {
			continue
		}
		var err error
		if wishes == nil {
			if wishes, err = p.wishes(ctx, d.Profile(), v.input.Platform.Identifier()); err != nil {
				return err
			}
		}
		if v.elsewhere, err = wishes.of(ctx, d, v.input, taken); err != nil {
			return err
		}
	}
	return nil
}

// shareLedger adds to what each view owns the bindings of shared roles seen there
// that any tenant of the platform made, removed ones too.
func (p *Platform) shareLedger(ctx context.Context, roles []string, views []*view) error {
	var refs []string
	for _, v := range views {
		for _, b := range v.seen.State.Bindings {
			if slices.Contains(roles, b.Role) {
				refs = append(refs, b.Ref)
			}
		}
	}
	if len(refs) == 0 {
		return nil
	}
	slices.Sort(refs)
	made, err := p.ledger.OwnedBindings(ctx, views[0].input.Platform.Identifier(), slices.Compact(refs))
	if err != nil {
		return fmt.Errorf("activities: read the ledger: %w", err)
	}
	for _, v := range views {
		v.owned = slices.Clone(v.owned)
		for _, b := range v.seen.State.Bindings {
			o := plan.Owned{Key: b.Key(), Ref: b.Ref}
			if made[o] && !slices.Contains(v.owned, o) {
				v.owned = append(v.owned, o)
			}
		}
	}
	return nil
}

// sharedRemovals are the bindings of shared roles that the steps take.
func sharedRemovals(roles []string, steps []plan.Step) []access.Binding {
	var taken []access.Binding
	for _, s := range steps {
		if s.Op == plan.Delete && s.Have.Binding != nil && slices.Contains(roles, s.Have.Binding.Role) {
			taken = append(taken, *s.Have.Binding)
		}
	}
	return taken
}

// wishes are the accounts for which the tenants of a platform want shared roles.
type wishes struct {
	// tenants are those who want it, by role and account.
	tenants map[wish][]document.Tenant
}

// wish is a shared role for an account, known by its id or by its name.
type wish struct{ role, ref, name string }

// wishes reads what all tenants of the platform want of its shared roles.
func (p *Platform) wishes(ctx context.Context, profile driver.Profile, platform string) (*wishes, error) {
	inputs, err := p.inputsOf(ctx, platform)
	if err != nil {
		return nil, err
	}
	w := &wishes{tenants: map[wish][]document.Tenant{}}
	var names []string
	for _, in := range inputs {
		want, err := desired.Compute(in, DesiredOptions(profile))
		if err != nil {
			return nil, fmt.Errorf("activities: desired access of %s, which shares roles: %w", in.Tenant.TenantID, err)
		}
		if in.Tenant.LocalID != "" {
			names = append(names, w.add(profile.SharedRoles, in.Tenant, want.State.Bindings)...)
		}
	}
	known, err := p.store.KnownAccounts(ctx, platform, profile.LookupAttribute, names)
	if err != nil {
		return nil, fmt.Errorf("activities: read known accounts: %w", err)
	}
	for name, ref := range known {
		for _, role := range profile.SharedRoles {
			byRef := wish{role: role, ref: ref}
			w.tenants[byRef] = append(w.tenants[byRef], w.tenants[wish{role: role, name: strings.ToLower(name)}]...)
		}
	}
	return w, nil
}

// add notes what a tenant wants of the roles, and returns for whom, by name.
func (w *wishes) add(roles []string, of document.Tenant, wanted []access.Binding) []string {
	var names []string
	for _, b := range wanted {
		if !slices.Contains(roles, b.Role) {
			continue
		}
		for _, who := range b.Subjects {
			key := wish{role: b.Role, name: strings.ToLower(who.Name)}
			w.tenants[key] = append(w.tenants[key], of)
			names = append(names, who.Name)
		}
	}
	return names
}

// inputsOf reads the documents of all tenants of a platform.
func (p *Platform) inputsOf(ctx context.Context, platform string) ([]document.TenantInput, error) {
	ids, err := p.store.Tenants(ctx, store.TenantFilter{Platform: platform})
	if err != nil {
		return nil, fmt.Errorf("activities: list the tenants of %s: %w", platform, err)
	}
	inputs, err := p.store.TenantInputs(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("activities: read the documents of %d tenants: %w", len(ids), err)
	}
	return inputs, nil
}

// of returns those of the bindings that another tenant wants which shares their
// roles with this one.
func (w *wishes) of(
	ctx context.Context, d driver.Driver, in document.TenantInput, taken []access.Binding,
) ([]access.Binding, error) {
	scopes := []string{in.Tenant.LocalID}
	others := make([][]string, len(taken))
	for i, b := range taken {
		for _, t := range w.want(b) {
			if t.TenantID != in.Tenant.TenantID {
				others[i] = append(others[i], t.LocalID)
			}
		}
		scopes = append(scopes, others[i]...)
	}
	slices.Sort(scopes)
	within, err := within(ctx, d, slices.Compact(scopes))
	if err != nil {
		return nil, err
	}
	var elsewhere []access.Binding
	for i, b := range taken {
		if slices.ContainsFunc(others[i], func(id string) bool { return within[id] == within[in.Tenant.LocalID] }) {
			elsewhere = append(elsewhere, access.Binding{Role: b.Role, Subjects: b.Subjects})
		}
	}
	return elsewhere, nil
}

// want returns the tenants that want the role for the binding's subject.
func (w *wishes) want(b access.Binding) []document.Tenant {
	var tenants []document.Tenant
	for _, who := range b.Subjects {
		if who.Name != "" {
			tenants = append(tenants, w.tenants[wish{role: b.Role, name: strings.ToLower(who.Name)}]...)
		}
		tenants = append(tenants, w.tenants[wish{role: b.Role, ref: who.Ref}]...)
	}
	return tenants
}

// within asks what the shared roles of each scope count for. Where the driver
// does not tell, it is the whole platform.
func within(ctx context.Context, d driver.Driver, scopes []string) (map[string]string, error) {
	sharer, tells := d.(driver.Sharer)
	if !tells {
		return map[string]string{}, nil
	}
	found, err := sharer.Within(ctx, scopes)
	if err != nil {
		return nil, fmt.Errorf("activities: find out which tenants share roles: %w", err)
	}
	of := make(map[string]string, len(scopes))
	for i, id := range scopes {
		of[id] = found[i]
	}
	return of, nil
}

// takesWanted reports whether the plan takes a shared role from somebody for whom
// another tenant wants it by now. It serves plans that have aged.
func (p *Platform) takesWanted(ctx context.Context, d driver.Driver, in document.TenantInput, made plan.Plan) (bool, error) {
	profile := d.Profile()
	taken := sharedRemovals(profile.SharedRoles, made.Steps)
	if len(taken) == 0 {
		return false, nil
	}
	wishes, err := p.wishes(ctx, profile, in.Platform.Identifier())
	if err != nil {
		return false, err
	}
	elsewhere, err := wishes.of(ctx, d, in, taken)
	return len(elsewhere) > 0, err
}
