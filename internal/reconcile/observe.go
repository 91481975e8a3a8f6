package reconcile

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// Observe returns tenants of one platform with what is there and what of it is managed,
// from markers read now, and without a plan: for one that asks about accounts, not about
// documents.
func (r *Reconciler) Observe(ctx context.Context, d driver.Driver, ids []access.TenantID) ([]*Tenant, error) {
	documents, err := r.store.TenantInputs(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("reconcile: read the documents of %d tenants: %w", len(ids), err)
	}
	tenants := make([]*Tenant, len(documents))
	for i, in := range documents {
		tenants[i] = &Tenant{inputs: inputs{document: in, everyGroup: true}}
	}
	return tenants, r.observe(ctx, d, tenants, true)
}

// observe reads what is on the platform, many tenants at a time. With markers it reads all
// ownership markers, and names the accounts.
func (r *Reconciler) observe(ctx context.Context, d driver.Driver, tenants []*Tenant, markers bool) error {
	if len(tenants) == 0 {
		return nil
	}
	ids := make([]access.TenantID, len(tenants))
	for i, t := range tenants {
		ids[i] = t.ID()
	}
	managed, err := r.ledger.OwnedMany(ctx, ids)
	if err != nil {
		return fmt.Errorf("reconcile: read the ledger: %w", err)
	}
	var known []*Tenant
	for _, t := range tenants {
		t.observed = observed{managed: managed[t.ID()], at: time.Now()}
		t.seen.Missing = t.neverExisted()
		if !t.NotFound() {
			known = append(known, t)
		}
	}
	for part := range slices.Chunk(known, max(1, d.Profile().ScopesPerObserve)) {
		if err := r.observeTogether(ctx, d, part, markers); err != nil {
			return err
		}
	}
	if markers {
		if err := r.nameAccounts(ctx, tenants); err != nil {
			return err
		}
	}
	return r.addShared(ctx, d.Profile().SharedRoles, tenants)
}

// observeTogether reads what is on the platform in one call of its driver.
func (r *Reconciler) observeTogether(ctx context.Context, d driver.Driver, tenants []*Tenant, markers bool) error {
	scopes := make([]driver.Scope, len(tenants))
	for i, t := range tenants {
		scopes[i], t.at = r.Scope(t, markers), time.Now()
	}
	seen, err := d.Observe(ctx, scopes)
	if err != nil {
		return fmt.Errorf("reconcile: read the platform: %w", err)
	}
	for i, t := range tenants {
		t.seen = seen[i]
	}
	return nil
}

// neverExisted reports whether nothing of the tenant can be on its platform: it never
// had an id there. The groups of one that was removed may be there all the same,
// where the id was taken from the document before. They count for a tenant that stays, too,
// where it is asked for every group.
func (t *Tenant) neverExisted() bool {
	if t.document.Tenant.LocalID != "" {
		return false
	}
	groups := slices.ContainsFunc(t.managed, func(o plan.Owned) bool { return o.Key.Kind == access.KindGroup })
	return !groups || !t.document.Deleted && !t.everyGroup
}

// Scope says where to observe a tenant, and which groups besides those bound there.
func (r *Reconciler) Scope(t *Tenant, markers bool) driver.Scope {
	refs := map[string]string{}
	for _, g := range t.resolved.State.Groups {
		refs[g.Name] = ""
	}
	for _, o := range t.managed {
		if o.Key.Kind == access.KindGroup {
			refs[o.Key.Group] = o.Ref
		}
	}
	s := driver.Scope{
		Tenant: t.ID(), ID: t.document.Tenant.LocalID, Marks: markers,
		Mark: access.Mark{Installation: r.installation, Tenant: t.ID().String()},
	}
	for name, ref := range refs {
		s.Groups = append(s.Groups, access.Group{Name: name, Ref: ref})
	}
	slices.SortFunc(s.Groups, func(a, b access.Group) int { return cmp.Compare(a.Name, b.Name) })
	return s
}

// nameAccounts adds to the ids of observed members the names under which they were last
// looked up, so that a removal can say which user it is about.
func (r *Reconciler) nameAccounts(ctx context.Context, tenants []*Tenant) error {
	var nameless []*access.Member
	for _, t := range tenants {
		for i := range t.seen.State.Groups {
			nameless = append(nameless, withoutName(t.seen.State.Groups[i].Members)...)
		}
		for i := range t.seen.State.Bindings {
			nameless = append(nameless, withoutName(t.seen.State.Bindings[i].Subjects)...)
		}
	}
	if len(nameless) == 0 {
		return nil
	}
	refs := make([]string, len(nameless))
	for i, m := range nameless {
		refs[i] = m.Ref
	}
	names, err := r.store.AccountNames(ctx, tenants[0].ID().Platform, refs)
	if err != nil {
		return fmt.Errorf("reconcile: name accounts: %w", err)
	}
	for _, m := range nameless {
		m.Name = names[m.Ref]
	}
	return nil
}

// withoutName returns pointers to the members of which only the id is known.
func withoutName(members []access.Member) []*access.Member {
	var found []*access.Member
	for i := range members {
		if members[i].Name == "" {
			found = append(found, &members[i])
		}
	}
	return found
}

// addShared adds to what each tenant owns the bindings of shared roles seen there
// that any tenant of the platform made, removed ones too.
func (r *Reconciler) addShared(ctx context.Context, roles []string, tenants []*Tenant) error {
	var refs []string
	for _, t := range tenants {
		for _, b := range t.seen.State.Bindings {
			if slices.Contains(roles, b.Role) {
				refs = append(refs, b.Ref)
			}
		}
	}
	if len(refs) == 0 {
		return nil
	}
	slices.Sort(refs)
	managed, err := r.ledger.OwnedBindings(ctx, tenants[0].ID().Platform, slices.Compact(refs))
	if err != nil {
		return fmt.Errorf("reconcile: read the ledger: %w", err)
	}
	for _, t := range tenants {
		t.managed = slices.Clone(t.managed)
		for _, b := range t.seen.State.Bindings {
			o := plan.Owned{Key: b.Key(), Ref: b.Ref}
			if managed[o] && !slices.Contains(t.managed, o) {
				t.managed = append(t.managed, o)
			}
		}
	}
	return nil
}
