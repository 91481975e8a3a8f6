package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/activity"
	"golang.org/x/sync/errgroup"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/desired"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/reconcile"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// revoking is one person being taken out of everything on one platform.
type revoking struct {
	platform *Platform
	driver   driver.Driver // nil until there is anything to look at
	in       RemoveUserInput
	meter    *budget.Meter
	who      store.Revocation
	// refs are the person's accounts, tenants those where they may be in a set.
	refs    []string
	tenants []access.TenantID
	settle  time.Duration
	// unasked is why the platform could not be asked for accounts: those that are
	// known lose what they have all the same.
	unasked error
	// recent are additions that are on their way, or that the platform may not
	// show yet.
	recent []ledger.Addition
	// taken are the steps that were done, and when.
	taken  map[string]time.Time
	passes int
	// moved is true where the last pass met something else than it had seen.
	moved    bool
	accepted time.Time
	remarks  []access.Remark
	before   store.RevokedPlatform // what earlier attempts did
	report   store.RevokedPlatform
}

// sets counts the groups and roles that lost the person.
func (r *revoking) sets() int { return len(r.taken) }

// find looks up the accounts, and where they may be: where documents give the
// person something, and wherever the ledger ever had them.
func (r *revoking) find(ctx context.Context) error {
	r.taken = map[string]time.Time{}
	p := r.platform
	living, err := p.store.Tenants(ctx, store.TenantFilter{Platform: r.in.Platform})
	if err != nil || len(living) == 0 {
		return err
	}
	one, err := p.store.TenantInput(ctx, living[0])
	if err != nil {
		return fmt.Errorf("activities: read the documents of %s: %w", living[0], err)
	}
	euids, err := p.store.RevokedEUIDs(ctx, r.who)
	if err != nil {
		return fmt.Errorf("activities: read revocation %s: %w", r.in.ID, err)
	}
	names, err := desired.AccountsOf(one.Platform, euids)
	if err != nil {
		return fmt.Errorf("activities: %w: %w", fault.ErrInvalid, err)
	}
	if r.driver, _, err = p.tenants.Driver(ctx, one.Platform); err != nil {
		return err
	}
	r.settle = r.driver.Profile().Settle
	if err := r.known(ctx, one.Platform, names); err != nil {
		return err
	}
	if err := r.where(ctx, euids, names, living); err != nil {
		return err
	}
	if len(r.tenants) == 0 {
		return r.remember(ctx) // and ask nobody: they may still be where nobody knows of
	}
	if r.unasked = r.lookUp(ctx, names); r.unasked != nil && len(r.refs) == 0 {
		return r.unasked
	}
	if err := r.remember(ctx); err != nil {
		return err
	}
	return r.where(ctx, euids, names, living)
}

// remember notes which accounts are the person's: no plan gives them anything, or
// holds what takes it, from now on.
func (r *revoking) remember(ctx context.Context) error {
	if err := r.platform.store.RememberRevoked(ctx, r.in.ID, r.in.Platform, r.refs); err != nil {
		return fmt.Errorf("activities: remember the accounts of revocation %s: %w", r.in.ID, err)
	}
	return nil
}

// known are the accounts that were found to be the person's before: under the names
// that they have, or had when something was done for them.
func (r *revoking) known(ctx context.Context, at document.Platform, names []string) error {
	p := r.platform
	found, err := p.store.KnownRefs(ctx, r.in.Platform, r.driver.Profile().LookupAttribute, names)
	if err != nil {
		return fmt.Errorf("activities: read known accounts: %w", err)
	}
	given, err := p.ledger.RefsOf(ctx, r.in.Platform, r.who.Person)
	if err != nil {
		return fmt.Errorf("activities: read the ledger: %w", err)
	}
	given, err = r.nobodyElses(ctx, at, slices.DeleteFunc(given, func(ref string) bool { return slices.Contains(found, ref) }))
	if err != nil {
		return err
	}
	r.refs = slices.Concat(found, given)
	slices.Sort(r.refs)
	return nil
}

// nobodyElses leaves out the accounts that are somebody else's by the documents: they
// were the person's by a mistake that was mended since.
func (r *revoking) nobodyElses(ctx context.Context, at document.Platform, refs []string) ([]string, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	named, err := r.platform.store.AccountNames(ctx, r.in.Platform, refs)
	if err != nil {
		return nil, fmt.Errorf("activities: name accounts: %w", err)
	}
	euids, err := r.platform.store.OtherEUIDs(ctx, r.who.Person)
	if err != nil {
		return nil, fmt.Errorf("activities: read the people: %w", err)
	}
	names, err := desired.AccountsOf(at, euids)
	if err != nil {
		return nil, fmt.Errorf("activities: %w: %w", fault.ErrInvalid, err)
	}
	others := make(map[string]bool, len(names))
	for _, name := range names {
		others[access.FoldCase(name)] = true
	}
	return slices.DeleteFunc(refs, func(ref string) bool { return others[access.FoldCase(named[ref])] }), nil
}

// where finds the tenants. Those that are forgotten have nothing left.
func (r *revoking) where(ctx context.Context, euids, names []string, living []access.TenantID) error {
	found, err := r.platform.ledger.TenantsOf(ctx, r.in.Platform, r.who.Person, r.refs)
	if err != nil {
		return fmt.Errorf("activities: read the ledger: %w", err)
	}
	held, err := r.platform.store.HeldTenants(ctx, r.in.Platform, r.refs, names)
	if err != nil {
		return fmt.Errorf("activities: read what is held: %w", err)
	}
	found = append(found, held...)
	for _, euid := range append([]string{""}, euids...) {
		wanted, err := r.platform.store.PersonTenants(ctx, r.who.Person, euid, r.in.Platform)
		if err != nil {
			return fmt.Errorf("activities: read the documents: %w", err)
		}
		found = append(found, wanted...)
	}
	is := make(map[access.TenantID]bool, len(found))
	for _, t := range found {
		is[t] = true
	}
	r.tenants = slices.DeleteFunc(slices.Clone(living), func(t access.TenantID) bool { return !is[t] })
	return nil
}

// lookUp asks the platform for the accounts. Of several under one name only those
// that were found to be the person's before are theirs.
func (r *revoking) lookUp(ctx context.Context, names []string) error {
	if len(names) == 0 {
		return nil
	}
	answers, err := r.driver.Resolve(ctx, names)
	if err != nil {
		return fmt.Errorf("activities: look up accounts: %w", err)
	}
	for i, answer := range answers {
		if len(answer.Refs) == 1 {
			r.refs = append(r.refs, answer.Refs...)
			continue
		}
		if len(answer.Refs) > 1 {
			r.remarks = append(r.remarks, access.Remark{Code: access.UserAmbiguous, Object: r.who.Person, Text: fmt.Sprintf(
				"the platform has %d accounts named %q, and only those that Rollcall knew before were taken out: look at the others there",
				len(answer.Refs), names[i])})
		}
	}
	slices.Sort(r.refs)
	r.refs = slices.Compact(r.refs)
	return nil
}

// additions notes what is on its way to give the person something, and reports
// whether anything is. Whoever looked at the documents before the revocation was
// stored had written their intent before that.
func (r *revoking) additions(ctx context.Context) (open bool, err error) {
	if len(r.refs) == 0 {
		return false, nil
	}
	if r.recent, err = r.platform.ledger.Additions(ctx, r.in.Platform, r.refs, r.settle); err != nil {
		return false, fmt.Errorf("activities: read the ledger: %w", err)
	}
	return slices.ContainsFunc(r.recent, func(a ledger.Addition) bool { return a.Open }), nil
}

// pass looks at all tenants together and takes the person out of what is seen. It
// returns how many sets had them.
func (r *revoking) pass(ctx context.Context) (int, error) {
	r.passes++
	r.moved = false
	if len(r.refs) == 0 || len(r.tenants) == 0 {
		return 0, nil
	}
	views, unread := r.look(ctx)
	left := 0
	applications := make([]*application, len(views))
	errs := make([]error, len(views), len(views)+2)
	var group errgroup.Group
	group.SetLimit(revokedAtOnce)
	for i, v := range views {
		left += len(v.plan.Steps)
		v.plan.Steps = slices.DeleteFunc(v.plan.Steps, r.settling)
		if len(v.plan.Steps) > 0 {
			group.Go(func() error {
				applications[i], errs[i] = r.take(ctx, v)
				return nil
			})
		}
	}
	_ = group.Wait() // they answer through errs
	for _, a := range applications {
		r.note(a)
	}
	errs = append(errs, unread, r.unasked)
	if errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil }); len(errs) > 0 {
		return left, worstOf(errs)
	}
	return left, nil
}

// worstOf prefers what may come right by itself to what people have to mend: all
// else goes on meanwhile.
func worstOf(errs []error) error {
	passing := slices.DeleteFunc(slices.Clone(errs), permanent)
	if len(passing) > 0 {
		return reconcile.MaxRetryAfter(passing)
	}
	return errs[0]
}

// revokedTenant is a tenant with the plan of what the person loses there.
type revokedTenant struct {
	*reconcile.Tenant
	plan plan.Plan
}

// lookAt plans the removals of some tenants, from marks read anew.
func (r *revoking) lookAt(ctx context.Context, tenants []access.TenantID) ([]*revokedTenant, error) {
	p := r.platform
	seen, err := p.tenants.Observe(ctx, r.driver, tenants)
	if errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("activities: %w: a tenant of %s was forgotten just now", fault.ErrUnavailable, r.in.Platform)
	}
	if err != nil {
		return nil, err
	}
	profile := r.driver.Profile()
	var views []*revokedTenant
	for _, t := range seen {
		state := t.Observed()
		if t.NotFound() && len(state.Groups) == 0 {
			continue
		}
		v := &revokedTenant{Tenant: t, plan: plan.Revoke(plan.Input{
			Tenant: t.ID(), Observed: r.expect(t.ID(), state), Owned: t.Managed(),
			Rules: reconcile.Rules(profile, t.Document(), p.installation),
		}, r.refs)}
		r.remarks = append(r.remarks, v.plan.Remarks...)
		views = append(views, v)
	}
	return views, nil
}

// expect adds to what is seen the members that the platform may not show yet.
// Removing who is not there is no mistake.
func (r *revoking) expect(tenant access.TenantID, seen access.State) access.State {
	for _, a := range r.recent {
		key := a.Step.Key()
		if a.Tenant != tenant || a.Open || key.Kind != access.KindMembers {
			continue
		}
		for i, g := range seen.Groups {
			if g.Name == key.Group {
				seen.Groups[i].Members = r.with(g.Members, a.Step.Adds())
			}
		}
	}
	return seen
}

// with returns the members and those of the people that are the person's accounts.
func (r *revoking) with(members, people []access.Member) []access.Member {
	members = slices.Clone(members)
	for _, who := range people {
		there := slices.ContainsFunc(members, func(m access.Member) bool { return m.Ref == who.Ref })
		if !there && slices.Contains(r.refs, who.Ref) {
			members = append(members, who)
		}
	}
	return members
}

// settling reports whether the step was done and the platform may not show it yet.
func (r *revoking) settling(s plan.Step) bool {
	done, is := r.taken[s.ID]
	return is && time.Since(done) < r.settle
}

// take takes the person out of the sets of one tenant.
func (r *revoking) take(ctx context.Context, v *revokedTenant) (*application, error) {
	p, tenant := r.platform, v.ID()
	digest, err := p.store.PutPlan(ctx, v.plan, v.Document().Generation)
	if err != nil {
		return nil, fmt.Errorf("activities: store the plan of %s: %w", tenant, err)
	}
	info := activity.GetInfo(ctx)
	a := &application{
		platform: p, driver: r.driver, plan: v.plan, scope: p.tenants.Scope(v.Tenant, true),
		in: ApplyInput{Tenant: tenant, Digest: digest},
		run: ledger.Run{
			Tenant: tenant, WorkflowID: info.WorkflowExecution.ID, RunID: info.WorkflowExecution.RunID,
			Pass: int(info.Attempt)<<8 + r.passes, Digest: digest, Actor: r.who.By, Cause: "revoke",
		},
	}
	c := a.config()
	// No check: the revocation was read, and lifting it replicates the tenant. No limit
	// holds a revocation.
	c.IgnoreNeeds, c.Limit = true, nil
	e := reconcile.New(c)
	for _, wave := range v.plan.Waves(r.driver.Profile().Unit) {
		err := e.Wave(ctx, wave)
		a.note(e.Report())
		a.done = e.Done()
		if err != nil || a.out.Replan {
			return a, err
		}
	}
	if a.out.Refused > 0 {
		return a, fmt.Errorf("activities: %w: %s refuses to take the person out of %d sets of %s",
			fault.ErrDenied, r.in.Platform, a.out.Refused, tenant)
	}
	return a, nil
}

// note counts what an application did.
func (r *revoking) note(a *application) {
	if a == nil {
		return
	}
	r.moved = r.moved || a.out.Replan
	for id := range a.done {
		r.taken[id] = time.Now()
	}
}
