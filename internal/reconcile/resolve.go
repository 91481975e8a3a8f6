package reconcile

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/progress"
	"github.com/rollcall-iam/rollcall/internal/store"
)

const (
	// remembered is how long an account that was found serves plans that remove nothing.
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
// still are, it asks only for accounts that were not found within a day.
func (r *Reconciler) Resolve(ctx context.Context, id access.TenantID, fresh bool) (Lookup, error) {
	documents, err := r.store.TenantInput(ctx, id)
	if err != nil {
		return Lookup{}, fmt.Errorf("reconcile: read the documents of %s: %w", id, err)
	}
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
	found, requested, err := r.lookUp(ctx, d, id.Platform, names, Options{}.since(fresh || !unchanged))
	if err != nil {
		return lookup, err
	}
	lookup.Users, lookup.Requested = len(names), requested
	for _, answer := range found {
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
	found, _, err := r.lookUp(ctx, d, tenants[0].ID().Platform, slices.Compact(names), since)
	if err != nil {
		return err
	}
	revoked, err := r.revokedRefs(ctx, tenants)
	if err != nil {
		return err
	}
	known := make(map[string]bool, len(revoked))
	for _, ref := range revoked {
		known[ref] = true
	}
	for _, t := range tenants {
		resolved, err := t.desired.Settle(found, revoked...)
		if err != nil {
			return fmt.Errorf("reconcile: %s: %w", t.ID(), err)
		}
		for _, ref := range resolved.Revoked {
			known[ref] = true
		}
		t.accounts = accounts{resolved: resolved, revoked: known}
		progress.Report(ctx, "resolve accounts")
	}
	return nil
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

// lookUp answers for every account, and returns how many it asked the platform for. It
// stores all answers and forgets those that the platform contradicts.
func (r *Reconciler) lookUp(
	ctx context.Context, d driver.Driver, platform string, names []string, since answersSince,
) (found map[string]access.Resolution, requested int, err error) {
	key := store.LookupKey{Platform: platform, Attribute: d.Profile().LookupAttribute}
	found, err = r.store.Lookups(ctx, key, names, store.LookupAge{Found: since.found, Since: since.lookup, Within: freshFor})
	if err != nil {
		return nil, 0, fmt.Errorf("reconcile: read known accounts: %w", err)
	}
	unknown := slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		_, known := found[name]
		return known
	})
	if len(unknown) == 0 {
		return found, 0, nil
	}
	answers, err := d.Resolve(ctx, unknown)
	if err != nil {
		return nil, 0, fmt.Errorf("reconcile: look up accounts: %w", err)
	}
	fresh := make(map[string]access.Resolution, len(unknown))
	for i, answer := range answers {
		found[unknown[i]], fresh[unknown[i]] = answer, answer
	}
	if err := r.store.KeepLookups(ctx, key, fresh); err != nil {
		return nil, 0, fmt.Errorf("reconcile: store %d lookups: %w", len(fresh), err)
	}
	return found, len(unknown), nil
}
