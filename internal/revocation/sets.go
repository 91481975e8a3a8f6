package revocation

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/reconcile"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// tenantsAtOnce is how many tenants execute their removals at once.
const tenantsAtOnce = 16

// planned has the planned removals of one tenant.
type planned struct {
	plan     plan.Plan
	scope    driver.Scope
	revision int64
}

// listed plans the removals from all managed groups and roles that list the accounts.
func (r *removal) listed(ctx context.Context, lister driver.MembershipLister) ([]planned, error) {
	found := map[string][]driver.Membership{} // by account
	var refs []string
	for _, account := range r.refs {
		sets, err := lister.Memberships(ctx, account)
		if err != nil {
			return nil, fmt.Errorf("revocation: list the memberships of an account: %w", err)
		}
		found[account] = sets
		for _, m := range sets {
			refs = append(refs, m.Ref())
		}
	}
	managed, err := r.Ledger.ManagedSets(ctx, r.run.Platform, refs)
	if err != nil {
		return nil, fmt.Errorf("revocation: read the ledger: %w", err)
	}
	l := listing{removal: r, tenants: map[access.TenantID]*tenant{}}
	for _, account := range r.refs {
		l.add(account, found[account], managed)
	}
	for _, a := range r.recent {
		l.addRecent(a)
	}
	if err := errors.Join(l.document(ctx), l.name(ctx)); err != nil {
		return nil, err
	}
	return l.plan(ctx)
}

// listing gathers memberships by tenant.
type listing struct {
	*removal
	tenants map[access.TenantID]*tenant
	order   []access.TenantID
}

func (l *listing) tenantOf(id access.TenantID, scopeID string) *tenant {
	t, known := l.tenants[id]
	if !known {
		t = &tenant{document: document.TenantInput{Platform: l.doc, Tenant: document.Tenant{TenantID: id, LocalID: scopeID}}}
		l.tenants[id], l.order = t, append(l.order, id)
	}
	if scopeID != "" {
		t.document.Tenant.LocalID = scopeID
	}
	return t
}

// add adds the managed sets among the account's memberships.
func (l *listing) add(account string, sets []driver.Membership, managed []ledger.Set) {
	member := access.Member{Account: access.Account{Ref: account}}
	for _, m := range sets {
		for _, o := range managed {
			if o.Ref != m.Ref() {
				continue
			}
			switch {
			case m.Group != nil && o.Key.Kind == access.KindGroup:
				l.tenantOf(o.Tenant, "").group(*m.Group, o.Owned, member)
			case m.Binding != nil && o.Key.Kind == access.KindBinding:
				l.tenantOf(o.Tenant, m.ScopeID).binding(*m.Binding, o.Owned)
				l.inUse = l.inUse || m.Binding.InUse
			}
		}
	}
}

// addRecent adds a group whose new members the platform may not list yet.
func (l *listing) addRecent(a ledger.Addition) {
	key := a.Step.Key()
	if a.Open || key.Kind != access.KindMembers || a.Step.Want.Members.GroupRef == "" {
		return
	}
	for _, member := range a.Step.Adds() {
		if slices.Contains(l.refs, member.Ref) {
			g := access.Group{Ref: a.Step.Want.Members.GroupRef, Mark: access.Unread()}
			managed := plan.Owned{Key: access.Key{Kind: access.KindGroup, Group: key.Group}, Ref: g.Ref}
			l.tenantOf(a.Tenant, "").group(g, managed, access.Member{Account: access.Account{Ref: member.Ref}})
		}
	}
}

// group adds a member to a managed group of the tenant, by the ledger's name of the group.
func (t *tenant) group(g access.Group, managed plan.Owned, member access.Member) {
	at := slices.IndexFunc(t.observed.Groups, func(h access.Group) bool { return h.Ref == g.Ref })
	if at < 0 {
		g.Name, g.Members = managed.Key.Group, nil
		at = len(t.observed.Groups)
		t.observed.Groups, t.managed = append(t.observed.Groups, g), append(t.managed, managed)
	}
	members := &t.observed.Groups[at].Members
	if !slices.ContainsFunc(*members, func(m access.Member) bool { return m.Ref == member.Ref }) {
		*members = append(*members, member)
	}
}

// binding adds a managed role of the tenant.
func (t *tenant) binding(b access.Binding, managed plan.Owned) {
	if !slices.ContainsFunc(t.observed.Bindings, func(c access.Binding) bool { return c.Ref == b.Ref }) {
		t.observed.Bindings, t.managed = append(t.observed.Bindings, b), append(t.managed, managed)
	}
}

// document adds the documents of the tenants that have any. Tenants that only the platform
// lists are affected, too.
func (l *listing) document(ctx context.Context) error {
	if err := l.reachable(ctx, slices.Concat(l.removal.tenants, l.order)); err != nil {
		return err
	}
	documented := slices.DeleteFunc(slices.Clone(l.removal.tenants), func(id access.TenantID) bool { return l.tenants[id] == nil })
	if len(documented) == 0 {
		return nil
	}
	inputs, err := l.Store.TenantInputs(ctx, documented)
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("revocation: %w: a tenant of %s was forgotten just now", fault.ErrUnavailable, l.run.Platform)
	}
	if err != nil {
		return fmt.Errorf("revocation: read the documents of %d tenants: %w", len(documented), err)
	}
	for _, in := range inputs {
		t := l.tenants[in.Tenant.TenantID]
		if on := t.document.Tenant.LocalID; on != "" {
			in.Tenant.LocalID = on // where the platform lists the role
		}
		t.document = in
	}
	return nil
}

// name adds the names under which the accounts were looked up.
func (l *listing) name(ctx context.Context) error {
	names, err := l.Store.AccountNames(ctx, l.run.Platform, l.refs)
	if err != nil {
		return fmt.Errorf("revocation: name accounts: %w", err)
	}
	for _, t := range l.tenants {
		for i := range t.observed.Groups {
			for j, m := range t.observed.Groups[i].Members {
				t.observed.Groups[i].Members[j].Name = names[m.Ref]
			}
		}
	}
	return nil
}

// plan plans the removals. The list is complete, so it closes all other places of the
// accounts.
func (l *listing) plan(ctx context.Context) ([]planned, error) {
	places, err := l.Ledger.Places(ctx, l.run.Platform, "", l.refs)
	if err != nil {
		return nil, fmt.Errorf("revocation: read the ledger: %w", err)
	}
	slices.SortFunc(l.order, access.TenantID.Compare) // so that equal failures are reported alike
	answered := slices.Clone(l.order)
	for _, p := range places {
		answered = append(answered, p.Tenant)
	}
	tenants := make([]tenant, len(l.order))
	for i, id := range l.order {
		t := l.tenants[id]
		t.scope = driver.Scope{Tenant: id, ID: t.document.Tenant.LocalID, Mark: l.rules(t).Mark}
		tenants[i] = *t
	}
	return l.planAll(ctx, tenants, answered)
}

// planAll plans the removals from the tenants. In the ledger it records the places of the
// accounts in the answered tenants, which are those that the platform returned.
func (r *removal) planAll(ctx context.Context, tenants []tenant, answered []access.TenantID) ([]planned, error) {
	var all []planned
	var in, others []ledger.Place
	for _, t := range tenants {
		id := t.document.Tenant.TenantID
		p := plan.Revoke(plan.Input{
			Tenant: id, Observed: t.observed, Owned: t.managed, Rules: r.rules(&t),
		}, r.refs)
		r.warnings = append(r.warnings, p.Remarks...)
		for _, s := range p.Steps {
			if !r.unconfirmed(id, s) {
				in = append(in, placesOf(id, s)...)
			}
		}
		others = append(others, r.unmanagedPlaces(id, t.observed, p.Steps)...)
		all = append(all, planned{plan: p, scope: t.scope, revision: t.document.Generation})
	}
	withoutMarker, err := r.withoutOwnershipMarker(ctx, others)
	if err != nil {
		return nil, err
	}
	if err := r.Ledger.Seen(ctx, r.run.Platform, r.refs, answered, append(in, withoutMarker...), r.delay); err != nil {
		return nil, fmt.Errorf("revocation: record where the accounts are: %w", err)
	}
	return all, nil
}

// unmanagedPlaces returns the places of the accounts in observed sets of which no step removes
// them: the sets are unmanaged.
func (r *removal) unmanagedPlaces(of access.TenantID, seen access.State, steps []plan.Step) []ledger.Place {
	removed := map[ledger.Place]bool{}
	for _, s := range steps {
		for _, p := range placesOf(of, s) {
			removed[p.Identity()] = true
		}
	}
	var places []ledger.Place
	add := func(key access.Key, ref string, members []access.Member) {
		for _, m := range members {
			p := ledger.Place{Tenant: of, Key: key, Ref: ref, Account: m.Ref}
			if slices.Contains(r.refs, m.Ref) && !removed[p.Identity()] {
				places = append(places, p)
			}
		}
	}
	for _, g := range seen.Groups {
		add(access.Key{Kind: access.KindMembers, Group: g.Name}, g.Ref, g.Members)
	}
	for _, b := range seen.Bindings {
		add(b.Key(), b.Ref, b.Subjects)
	}
	return places
}

// withoutOwnershipMarker returns those of the places in unmanaged sets in which Rollcall put the
// account: the sets were managed, and another system has removed their ownership marker.
// They stay open, because no step removes the user from them.
func (r *removal) withoutOwnershipMarker(ctx context.Context, others []ledger.Place) ([]ledger.Place, error) {
	if len(others) == 0 {
		return nil, nil
	}
	open, err := r.Ledger.Places(ctx, r.run.Platform, "", r.refs)
	if err != nil {
		return nil, fmt.Errorf("revocation: read the ledger: %w", err)
	}
	put := map[ledger.Place]bool{}
	for _, p := range open {
		if !p.Found {
			put[p.Identity()] = true
		}
	}
	var withoutMarker []ledger.Place
	for _, p := range others {
		if put[p.Identity()] {
			withoutMarker, r.withoutMarker[p.Identity()] = append(withoutMarker, p), true
		}
	}
	return withoutMarker, nil
}

// rules returns the rules of plans for a tenant.
func (r *removal) rules(t *tenant) plan.Rules {
	return reconcile.Rules(r.driver.Profile(), t.document, r.Installation)
}

// placesOf returns the places of the accounts that a step removes.
func placesOf(of access.TenantID, s plan.Step) []ledger.Place {
	key, ref := s.Key(), ""
	switch {
	case s.Have.Members != nil:
		key, ref = access.Key{Kind: access.KindMembers, Group: key.Group}, s.Have.Members.GroupRef
	case s.Have.Binding != nil:
		ref = s.Have.Binding.Ref
	}
	var places []ledger.Place
	for _, member := range s.Removes() {
		places = append(places, ledger.Place{Tenant: of, Key: key, Ref: ref, Account: member.Ref, Found: true})
	}
	return places
}

// observed observes tenants and plans the removals from them. If some tenants make it
// impossible to read all of them together, it returns the plans of the others and the
// error, so that one broken tenant does not keep the user in the sets of others.
func (r *removal) observed(ctx context.Context, tenants []access.TenantID) ([]planned, error) {
	r.warnings = slices.DeleteFunc(r.warnings, func(m access.Remark) bool { return m.Code == access.UserRevoked })
	if len(tenants) == 0 {
		return nil, nil
	}
	found, err := r.observe(ctx, tenants)
	if err == nil || len(tenants) < 2 || !fault.Permanent(err) && r.run.Attempt < 2 {
		return found, err
	}
	read, unread, complete := reconcile.Isolate(ctx, tenants, r.observe)
	errs := make([]error, 0, len(unread))
	for _, id := range slices.SortedFunc(maps.Keys(unread), access.TenantID.Compare) {
		errs = append(errs, fmt.Errorf("revocation: %s: %w", id, unread[id]))
	}
	switch {
	case complete && len(unread) == 0:
		return read, nil // the platform recovered meanwhile
	case len(read) > 0 && len(unread) > 0:
		return read, r.selectError(errs...)
	default:
		return read, err
	}
}

// observe observes tenants together and plans the removals from them.
func (r *removal) observe(ctx context.Context, tenants []access.TenantID) ([]planned, error) {
	found, err := r.Tenants.Observe(ctx, r.driver, tenants)
	if errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("revocation: %w: a tenant of %s was forgotten just now", fault.ErrUnavailable, r.run.Platform)
	}
	if err != nil {
		return nil, err
	}
	seen := make([]tenant, len(found))
	for i, t := range found {
		seen[i] = tenant{document: t.Document(), observed: t.Observed(), managed: t.Managed(), scope: r.Tenants.Scope(t, true)}
		r.includeRecent(&seen[i])
	}
	return r.planAll(ctx, seen, tenants)
}

// includeRecent adds the members that the platform may not show yet. Removing an account
// that is no member is harmless.
func (r *removal) includeRecent(t *tenant) {
	for _, a := range r.recent {
		key := a.Step.Key()
		if a.Tenant != t.document.Tenant.TenantID || a.Open || key.Kind != access.KindMembers {
			continue
		}
		for i, g := range t.observed.Groups {
			if g.Name == key.Group {
				t.observed.Groups[i].Members = r.with(g.Members, a.Step.Adds())
			}
		}
	}
}

// with returns the members, with those of the added ones that are the user's accounts.
func (r *removal) with(members, added []access.Member) []access.Member {
	members = slices.Clone(members)
	for _, member := range added {
		present := slices.ContainsFunc(members, func(m access.Member) bool { return m.Ref == member.Ref })
		if !present && slices.Contains(r.refs, member.Ref) {
			members = append(members, member)
		}
	}
	return members
}

// apply removes the user from the sets of many tenants.
func (r *removal) apply(ctx context.Context, all []planned) error {
	reports := make([]executed, len(all))
	var group errgroup.Group
	group.SetLimit(tenantsAtOnce)
	for i, p := range all {
		if p.plan.Steps = slices.DeleteFunc(slices.Clone(p.plan.Steps), func(s plan.Step) bool {
			return r.unconfirmed(p.plan.Tenant, s)
		}); len(p.plan.Steps) == 0 {
			continue
		}
		group.Go(func() error {
			reports[i] = r.execute(ctx, p)
			return nil
		})
	}
	_ = group.Wait() // the errors are in the reports
	errs := make([]error, len(reports))
	for i, e := range reports {
		r.changed, errs[i] = r.changed || e.replan, e.err
		for _, id := range e.done {
			r.done[id] = time.Now()
		}
	}
	return r.selectError(errs...)
}

// unconfirmed reports whether the step was applied and the platform may not show that yet.
func (r *removal) unconfirmed(of access.TenantID, s plan.Step) bool {
	if done, is := r.done[s.ID]; is && time.Since(done) < r.delay {
		return true
	}
	return !slices.ContainsFunc(placesOf(of, s), func(p ledger.Place) bool {
		return !r.out[p.Identity()]
	})
}

// executed is the outcome of the removals from one tenant.
type executed struct {
	done   []string
	replan bool
	err    error
}

// execute removes the user from the sets of one tenant.
func (r *removal) execute(ctx context.Context, p planned) executed {
	id := p.plan.Tenant
	digest, err := r.Store.PutPlan(ctx, p.plan, p.revision)
	if err != nil {
		return executed{err: fmt.Errorf("revocation: store the plan of %s: %w", id, err)}
	}
	attempts := make(map[string]int, len(p.plan.Steps))
	for _, s := range p.plan.Steps {
		attempts[s.ID] = r.run.Attempt - 1
	}
	// The executor needs no check: load has read the revocation, and the end of a revocation
	// replicates the tenant. No guard holds a revocation.
	e := reconcile.New(reconcile.Config{
		Plan: p.plan, Driver: r.driver, Scope: p.scope, Attempts: attempts, IgnoreNeeds: true,
		Ledger: reconcile.NewLedger(r.Ledger, ledger.Run{
			Tenant: id, WorkflowID: r.run.WorkflowID, RunID: r.run.RunID, Pass: r.run.Attempt<<8 + r.observations,
			Digest: digest, Actor: r.revocation.By.ID(), Cause: "revoke",
		}),
	})
	var out executed
	for _, wave := range p.plan.Waves(r.driver.Profile().Unit) {
		if out.err = e.Wave(ctx, wave); out.err != nil || e.Report().Replan {
			break
		}
	}
	done := e.Done()
	for _, s := range p.plan.Steps {
		if done[s.ID] {
			out.done = append(out.done, s.ID)
		}
	}
	report := e.Report()
	out.replan = report.Replan
	if out.err == nil && !out.replan && report.Refused > 0 {
		out.err = fmt.Errorf("revocation: %w: %s refuses to remove the user from %d sets of %s",
			fault.ErrDenied, r.run.Platform, report.Refused, id)
	}
	return out
}
