package reconcile

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/desired"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/progress"
	"github.com/rollcall-iam/rollcall/internal/store"
)

const (
	// remembered is how long an account that was found serves plans that neither add nor
	// remove it.
	remembered = 24 * time.Hour
	// freshFor is how long the answers of a lookup serve as fresh ones.
	freshFor = 10 * time.Minute
)

// answersSince says which answers about accounts a plan may rest on.
type answersSince struct {
	// found is how old an account that was found may be; 0 asks for all.
	found time.Duration
	// lookup is when a lookup of the run stored its answers: those since then count,
	// also of accounts that were not found. Zero for no lookup.
	lookup time.Time
}

// since returns which answers count.
func (o Options) since(fresh bool) answersSince {
	s := answersSince{lookup: o.Resolved}
	if !fresh {
		s.found = remembered
	}
	return s
}

// Lookup counts the accounts of a lookup, by what the platform answered.
type Lookup struct {
	// At is when the lookup startedAt, by the database's clock.
	At time.Time
	// Users are all accounts, Requested those that the platform was asked for, and Unresolved
	// those that cannot be granted anything now: not found, ambiguous, disabled or invited.
	Users, Requested, Unresolved int
}

// Resolve looks up the accounts of one tenant and stores the answers, so that a
// comparison soon after it need not ask. If the last run left the tenant as the documents
// still are, it asks only for accounts that were not found within a day. The documents are
// those of Options.Proposal.
func (r *Reconciler) Resolve(ctx context.Context, id access.TenantID, o Options) (Lookup, error) {
	inputs, err := r.inputs(ctx, o.Proposal, []access.TenantID{id})
	if err != nil {
		return Lookup{}, err
	}
	documents := inputs[0]
	d, _, err := r.Driver(ctx, documents.Platform)
	if err != nil {
		return Lookup{}, err
	}
	want, err := desiredOf(documents, d.Profile())
	if err != nil {
		return Lookup{}, err
	}
	unchanged, err := r.store.Unchanged(ctx, id)
	if err != nil {
		return Lookup{}, fmt.Errorf("reconcile: read the status of %s: %w", id, err)
	}
	lookup := Lookup{}
	if lookup.At, err = r.store.Now(ctx); err != nil {
		return lookup, fmt.Errorf("reconcile: read the time: %w", err)
	}
	names := want.Accounts()
	answers, err := r.lookUp(ctx, d, id.Platform, names, Options{}.since(o.Fresh || !unchanged || o.Proposal != ""))
	if err != nil {
		return lookup, err
	}
	lookup.Users, lookup.Requested = len(names), answers.requested
	for _, answer := range answers.found {
		if answer.Found != access.Yes {
			lookup.Unresolved++
		}
	}
	return lookup, nil
}

// resolve finds out which accounts the platform has.
func (r *Reconciler) resolve(ctx context.Context, d driver.Driver, tenants []*Tenant, since answersSince) error {
	var names []string
	for _, t := range tenants {
		names = append(names, t.desired.Accounts()...)
	}
	slices.Sort(names)
	answers, err := r.lookUp(ctx, d, tenants[0].ID().Platform, slices.Compact(names), since)
	if err != nil {
		return err
	}
	revoked, err := r.revokedRefs(ctx, tenants)
	if err != nil {
		return err
	}
	users, err := r.otherUsers(ctx, d, tenants[0].document.Platform, answers.found)
	if err != nil {
		return err
	}
	known := make(map[string]bool, len(revoked))
	for _, ref := range revoked {
		known[ref] = true
	}
	for _, t := range tenants {
		resolved, err := t.desired.Settle(answers.found, desired.Known{Revoked: revoked, Users: users})
		if err != nil {
			return fmt.Errorf("reconcile: %s: %w", t.ID(), err)
		}
		for _, ref := range resolved.Revoked {
			known[ref] = true
		}
		t.accounts = accounts{resolved: resolved, revoked: known, remembered: answers.remembered}
		progress.Report(ctx, "resolve accounts")
	}
	return nil
}

// otherUsers returns the users whose lookups, for any tenant of the platform, found one of the
// accounts under another name, by the account's id. The lookups are those that are stored, so
// that of two runs that find one account at the same time at least one knows of the other.
func (r *Reconciler) otherUsers(
	ctx context.Context, d driver.Driver, platform document.Platform, found map[string]access.Resolution,
) (map[string][]access.Member, error) {
	refs := make(map[string]string, len(found))
	for name, answer := range found {
		if answer.Found == access.Yes {
			refs[name] = answer.Refs[0]
		}
	}
	key := store.LookupKey{Platform: platform.Identifier(), Attribute: d.Profile().LookupAttribute}
	others, err := r.store.OtherNames(ctx, key, refs)
	if err != nil {
		return nil, fmt.Errorf("reconcile: read other names of accounts: %w", err)
	}
	euids, err := desired.EUIDs(platform, others)
	if err != nil || len(euids) == 0 {
		return nil, err
	}
	users, err := r.store.UsersOfSameAccount(ctx, euids)
	if err != nil {
		return nil, fmt.Errorf("reconcile: read the users of %d other names: %w", len(euids), err)
	}
	return desired.UsersOf(platform, d.Profile().AccountNames, others, users)
}

// staleAdditions looks up the accounts again that plans add on remembered answers. It
// returns the tenants whose plans rest on an answer that the platform does not give any more:
// the name may be another account's now.
func (r *Reconciler) staleAdditions(ctx context.Context, d driver.Driver, tenants []*Tenant) (map[*Tenant]bool, error) {
	added, stale := make(map[*Tenant][]access.Member, len(tenants)), map[*Tenant]bool{}
	var names []string
	for _, t := range tenants {
		if t.needsFresh() {
			continue // the whole plan is made again
		}
		added[t] = t.rememberedAdditions()
		for _, m := range added[t] {
			names = append(names, m.Name)
		}
	}
	slices.Sort(names)
	if names = slices.Compact(names); len(names) == 0 {
		return stale, nil
	}
	found, err := r.request(ctx, d, tenants[0].ID().Platform, names)
	if err != nil {
		return nil, err
	}
	for t, members := range added {
		stale[t] = slices.ContainsFunc(members, func(m access.Member) bool {
			answer := found[m.Name]
			return answer.Found != access.Yes || answer.Refs[0] != m.Ref
		})
	}
	return stale, nil
}

// revokedRefs are the accounts that a revocation has found on the platform, of all
// revocations that are in force.
func (r *Reconciler) revokedRefs(ctx context.Context, tenants []*Tenant) ([]string, error) {
	if !slices.ContainsFunc(tenants, func(t *Tenant) bool { return len(t.document.Revoked) > 0 }) {
		return nil, nil
	}
	refs, err := r.store.RevokedRefs(ctx, tenants[0].ID().Platform)
	if err != nil {
		return nil, fmt.Errorf("reconcile: read which accounts are revoked: %w", err)
	}
	return refs, nil
}

// rememberedAdditions returns the accounts that the plan adds on remembered answers.
func (t *Tenant) rememberedAdditions() []access.Member {
	var added []access.Member
	for _, s := range t.plan.Steps {
		for _, m := range s.Adds() {
			if t.remembered[m.Name] {
				added = append(added, m)
			}
		}
	}
	return added
}

// lookups are the answers about some accounts.
type lookups struct {
	found map[string]access.Resolution
	// remembered are the names of which the answer is older than this run's lookups.
	remembered map[string]bool
	// requested is of how many the platform was asked.
	requested int
}

// lookUp answers for every account. It stores all answers of the platform and forgets those
// that the platform contradicts.
func (r *Reconciler) lookUp(
	ctx context.Context, d driver.Driver, platform string, names []string, since answersSince,
) (lookups, error) {
	key := store.LookupKey{Platform: platform, Attribute: d.Profile().LookupAttribute}
	known, err := r.store.Lookups(ctx, key, names, store.LookupAge{Found: since.found, Since: since.lookup, Within: freshFor})
	if err != nil {
		return lookups{}, fmt.Errorf("reconcile: read known accounts: %w", err)
	}
	out := lookups{found: make(map[string]access.Resolution, len(names)), remembered: map[string]bool{}}
	var unknown []string
	for _, name := range names {
		answer, is := known[name]
		switch {
		case !is:
			unknown = append(unknown, name)
			continue
		case !answer.Fresh:
			out.remembered[name] = true
		}
		out.found[name] = answer.Resolution
	}
	if len(unknown) == 0 {
		return out, nil
	}
	answers, err := r.request(ctx, d, platform, unknown)
	if err != nil {
		return lookups{}, err
	}
	out.requested = len(unknown)
	maps.Copy(out.found, answers)
	return out, nil
}

// request asks the platform for accounts and stores the answers.
func (r *Reconciler) request(ctx context.Context, d driver.Driver, platform string, names []string) (map[string]access.Resolution, error) {
	key := store.LookupKey{Platform: platform, Attribute: d.Profile().LookupAttribute}
	requestedAt := time.Now()
	answers, err := d.Resolve(ctx, names)
	if err != nil {
		return nil, fmt.Errorf("reconcile: look up accounts: %w", err)
	}
	fresh := make(map[string]access.Resolution, len(names))
	for i, answer := range answers {
		fresh[names[i]] = answer
	}
	if err := r.store.KeepLookups(ctx, key, fresh, time.Since(requestedAt)); err != nil {
		return nil, fmt.Errorf("reconcile: store %d lookups: %w", len(fresh), err)
	}
	return fresh, nil
}
