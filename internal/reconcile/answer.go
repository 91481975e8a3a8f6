package reconcile

import (
	"context"
	"fmt"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/identity"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// answer answers what the plans do not know, and makes those again. Nothing leaves a set
// on remembered knowledge, so the ledger is asked about the leavers of fresh plans only.
func (r *Reconciler) answer(ctx context.Context, d driver.Driver, tenants []*Tenant, fresh bool) error {
	elsewhere, err := r.findElsewhere(ctx, d, tenants)
	if err != nil {
		return err
	}
	unmanaged, before := make([][]plan.Removal, len(tenants)), make([]earlier, len(tenants))
	if fresh {
		if unmanaged, err = r.findUnmanaged(ctx, tenants); err != nil {
			return err
		}
		if before, err = r.findEarlier(ctx, tenants); err != nil {
			return err
		}
	}
	for i, t := range tenants {
		t.answers = answers{elsewhere: elsewhere[i], unmanaged: unmanaged[i], earlier: before[i]}
		if len(t.elsewhere)+len(t.unmanaged)+len(t.earlier.refused)+len(t.earlier.emptied) > 0 {
			t.comparison = t.compare(d.Profile(), r.installation)
		}
	}
	return nil
}

// findUnmanaged asks the ledger which of the members that plans remove Rollcall never
// added. Another system did, and its operators need a warning.
func (r *Reconciler) findUnmanaged(ctx context.Context, tenants []*Tenant) ([][]plan.Removal, error) {
	unmanaged := make([][]plan.Removal, len(tenants))
	leavers := map[access.TenantID][]plan.Removal{}
	for _, t := range tenants {
		if of := t.compared.Unknowns().Leavers; len(of) > 0 {
			leavers[t.ID()] = of
		}
	}
	if len(leavers) == 0 {
		return unmanaged, nil
	}
	provenance, err := r.ledger.Given(ctx, leavers)
	if err != nil {
		return nil, fmt.Errorf("reconcile: ask the ledger for the members that Rollcall added: %w", err)
	}
	for i, t := range tenants {
		unmanaged[i] = slices.DeleteFunc(leavers[t.ID()], func(leaver plan.Removal) bool { return provenance[t.ID()][leaver] })
	}
	return unmanaged, nil
}

// findElsewhere finds out which of the shared roles that plans take other tenants desire.
func (r *Reconciler) findElsewhere(ctx context.Context, d driver.Driver, tenants []*Tenant) ([][]access.Binding, error) {
	elsewhere := make([][]access.Binding, len(tenants))
	var shared *sharedRoles
	for i, t := range tenants {
		removed := t.compared.Unknowns().Shared
		if len(removed) == 0 {
			continue
		}
		var err error
		if shared == nil {
			if shared, err = r.sharedRoles(ctx, d.Profile(), t.ID().Platform, t.proposal); err != nil {
				return nil, err
			}
		}
		if elsewhere[i], err = shared.desiredElsewhere(ctx, d, t.document, removed); err != nil {
			return nil, err
		}
	}
	return elsewhere, nil
}

// RemovesDesired reports whether the plan removes a shared role from a user for whom
// another tenant desires it now. It serves plans that have aged.
func (r *Reconciler) RemovesDesired(ctx context.Context, d driver.Driver, in document.TenantInput, p plan.Plan) (bool, error) {
	profile := d.Profile()
	removed := sharedRemovals(profile.SharedRoles, p.Steps)
	if len(removed) == 0 {
		return false, nil
	}
	shared, err := r.sharedRoles(ctx, profile, in.Platform.Identifier(), "")
	if err != nil {
		return false, err
	}
	elsewhere, err := shared.desiredElsewhere(ctx, d, in, removed)
	return len(elsewhere) > 0, err
}

// sharedRemovals are the bindings of shared roles that the steps take.
func sharedRemovals(roles []string, steps []plan.Step) []access.Binding {
	var removed []access.Binding
	for _, s := range steps {
		if s.Op == plan.Delete && s.Have.Binding != nil && slices.Contains(roles, s.Have.Binding.Role) {
			removed = append(removed, *s.Have.Binding)
		}
	}
	return removed
}

// sharedRoles are the accounts for which the tenants of a platform desire shared roles.
type sharedRoles struct {
	// tenants are those that desire it, by role and account.
	tenants map[sharedRole][]document.Tenant
}

// sharedRole is a shared role for an account, known by its id or by its name.
type sharedRole struct {
	role, ref string
	name      identity.Key
}

// sharedRoles reads what all tenants of the platform desire of its shared roles.
func (r *Reconciler) sharedRoles(ctx context.Context, profile driver.Profile, platform, proposal string) (*sharedRoles, error) {
	inputs, err := r.documentsOf(ctx, platform, proposal)
	if err != nil {
		return nil, err
	}
	s := &sharedRoles{tenants: map[sharedRole][]document.Tenant{}}
	var names []string
	for _, in := range inputs {
		want, err := desiredOf(in, profile)
		if err != nil {
			return nil, fmt.Errorf("reconcile: a tenant that shares roles: %w", err)
		}
		if in.Tenant.LocalID != "" {
			names = append(names, s.add(profile.SharedRoles, in.Tenant, want.State.Bindings)...)
		}
	}
	known, err := r.store.KnownAccounts(ctx, platform, profile.LookupAttribute, names)
	if err != nil {
		return nil, fmt.Errorf("reconcile: read known accounts: %w", err)
	}
	for name, ref := range known {
		for _, role := range profile.SharedRoles {
			byRef := sharedRole{role: role, ref: ref}
			s.tenants[byRef] = append(s.tenants[byRef], s.tenants[sharedRole{role: role, name: identity.IgnoreCase.Key(name)}]...)
		}
	}
	return s, nil
}

// add notes what a tenant desires of the roles, and returns for which accounts, by name.
func (s *sharedRoles) add(roles []string, of document.Tenant, bindings []access.Binding) []string {
	var names []string
	for _, b := range bindings {
		if !slices.Contains(roles, b.Role) {
			continue
		}
		for _, account := range b.Subjects {
			key := sharedRole{role: b.Role, name: identity.IgnoreCase.Key(account.Name)}
			s.tenants[key] = append(s.tenants[key], of)
			names = append(names, account.Name)
		}
	}
	return names
}

// documentsOf reads the documents of all tenants of a platform, as if the proposal was stored.
func (r *Reconciler) documentsOf(ctx context.Context, platform, proposal string) ([]document.TenantInput, error) {
	ids, err := r.store.Tenants(ctx, store.TenantFilter{Platform: platform})
	if err == nil && proposal != "" {
		ids, err = r.store.ProposedTenants(ctx, proposal, platform)
	}
	if err != nil {
		return nil, fmt.Errorf("reconcile: list the tenants of %s: %w", platform, err)
	}
	return r.inputs(ctx, proposal, ids)
}

// desiredElsewhere returns those of the bindings that another tenant desires which shares
// their roles with this one.
func (s *sharedRoles) desiredElsewhere(
	ctx context.Context, d driver.Driver, in document.TenantInput, removed []access.Binding,
) ([]access.Binding, error) {
	scopes := []string{in.Tenant.LocalID}
	others := make([][]string, len(removed))
	for i, b := range removed {
		for _, t := range s.tenantsFor(b) {
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
	for i, b := range removed {
		if slices.ContainsFunc(others[i], func(id string) bool { return within[id] == within[in.Tenant.LocalID] }) {
			elsewhere = append(elsewhere, access.Binding{Role: b.Role, Subjects: b.Subjects})
		}
	}
	return elsewhere, nil
}

// tenantsFor returns the tenants that desire the role for the binding's subjects.
func (s *sharedRoles) tenantsFor(b access.Binding) []document.Tenant {
	var tenants []document.Tenant
	for _, account := range b.Subjects {
		if account.Name != "" {
			tenants = append(tenants, s.tenants[sharedRole{role: b.Role, name: identity.IgnoreCase.Key(account.Name)}]...)
		}
		tenants = append(tenants, s.tenants[sharedRole{role: b.Role, ref: account.Ref}]...)
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
		return nil, fmt.Errorf("reconcile: find out which tenants share roles: %w", err)
	}
	of := make(map[string]string, len(scopes))
	for i, id := range scopes {
		of[id] = found[i]
	}
	return of, nil
}
