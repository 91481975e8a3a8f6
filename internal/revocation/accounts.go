package revocation

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/desired"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/identity"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// find looks up the user's accounts and the tenants where they may have access: tenants
// whose documents name the user, tenants for which the ledger has a step with an account,
// and tenants with an open place.
func (r *removal) find(ctx context.Context) error {
	if opened, err := r.open(ctx); err != nil || !opened {
		return err
	}
	euids, err := r.Store.RevokedEUIDs(ctx, r.revocation)
	if err != nil {
		return fmt.Errorf("revocation: read %s: %w", r.run.ID, err)
	}
	names, err := desired.AccountsOf(r.doc, euids)
	if err != nil {
		return fmt.Errorf("revocation: %w: %w", fault.ErrInvalid, err)
	}
	if err := r.known(ctx, euids, names); err != nil {
		return err
	}
	if err := r.where(ctx, euids, names); err != nil {
		return err
	}
	possible, err := r.mayHaveAccess(ctx)
	if err != nil {
		return err
	}
	if !possible {
		r.driver = nil
		return r.remember(ctx) // later plans need the accounts
	}
	if r.resolveErr = r.lookUp(ctx, names); r.resolveErr != nil && len(r.refs) == 0 {
		return r.resolveErr
	}
	if err := r.remember(ctx); err != nil {
		return err
	}
	return r.where(ctx, euids, names)
}

// open opens the driver with the platform's document, or with the last document that the
// store had. Without any document it returns false, or an error if the user has open places
// on the platform.
func (r *removal) open(ctx context.Context) (bool, error) {
	doc, err := r.Store.RememberedPlatform(ctx, r.run.Platform)
	if errors.Is(err, store.ErrNotFound) {
		return false, r.unreachable(ctx)
	}
	if err != nil {
		return false, fmt.Errorf("revocation: read the document of %s: %w", r.run.Platform, err)
	}
	r.doc = doc
	if r.driver, _, err = r.Tenants.Driver(ctx, doc); err != nil {
		return false, err
	}
	r.delay = r.driver.Profile().Settle
	return true, nil
}

// unreachable returns an error if the user has open places on a platform without documents.
func (r *removal) unreachable(ctx context.Context) error {
	places, err := r.Ledger.Places(ctx, r.run.Platform, r.revocation.Person, nil)
	if err != nil {
		return fmt.Errorf("revocation: read the ledger: %w", err)
	}
	if len(places) == 0 {
		return nil
	}
	abandoned, err := r.Store.AbandonReason(ctx, r.run.Platform)
	if err != nil {
		return fmt.Errorf("revocation: read why %s was forgotten: %w", r.run.Platform, err)
	}
	reason := "its documents are removed"
	if abandoned != "" {
		reason = "an operator had it forgotten"
	}
	return fmt.Errorf("revocation: %w: %d groups and roles of %s cannot be opened: %s: remove the user there by hand",
		fault.ErrInvalid, len(places), r.run.Platform, reason)
}

// mayHaveAccess reports whether the user may have access on the platform. A list of
// memberships includes the groups and roles of removed tenants.
func (r *removal) mayHaveAccess(ctx context.Context) (bool, error) {
	if _, lists := r.driver.(driver.MembershipLister); len(r.tenants) > 0 || !lists {
		return len(r.tenants) > 0, nil
	}
	former, err := r.Store.FormerTenants(ctx, r.run.Platform)
	if err != nil {
		return false, fmt.Errorf("revocation: read the removed tenants of %s: %w", r.run.Platform, err)
	}
	return len(former) > 0, nil
}

// remember stores the user's accounts. Later plans grant them no access, and hold none of
// their removals.
func (r *removal) remember(ctx context.Context) error {
	if err := r.Store.RememberRevoked(ctx, r.run.ID, r.run.Platform, r.refs); err != nil {
		return fmt.Errorf("revocation: remember the accounts of %s: %w", r.run.ID, err)
	}
	return nil
}

// known finds the user's earlier accounts: those with one of the names, and those that the
// ledger recorded for the user. An account whose name another user has, too, is the user's
// only if the ledger recorded it so.
func (r *removal) known(ctx context.Context, euids, names []string) error {
	found, err := r.Store.KnownRefs(ctx, r.run.Platform, r.driver.Profile().LookupAttribute, names)
	if err != nil {
		return fmt.Errorf("revocation: read known accounts: %w", err)
	}
	recorded, err := r.Ledger.RefsOf(ctx, r.run.Platform, r.revocation.Person)
	if err != nil {
		return fmt.Errorf("revocation: read the ledger: %w", err)
	}
	others, err := r.Store.EUIDsOfSameAccount(ctx, r.revocation.Person, euids)
	if err != nil {
		return fmt.Errorf("revocation: read the users: %w", err)
	}
	if r.shared, err = r.keys(others); err != nil {
		return err
	}
	current := make(map[identity.Key]bool, len(names))
	for _, name := range names {
		current[r.key(name)] = true
	}
	named, err := r.Store.AccountNames(ctx, r.run.Platform, slices.Concat(found, recorded))
	if err != nil {
		return fmt.Errorf("revocation: name accounts: %w", err)
	}
	r.recorded = make(map[string]bool, len(recorded))
	var former []string // since they were recorded
	for _, ref := range recorded {
		if r.recorded[ref] = true; !current[r.key(named[ref])] {
			former = append(former, ref)
		}
	}
	if former, err = r.notOthers(ctx, former, named); err != nil {
		return err
	}
	r.refs = former
	for _, ref := range slices.Concat(found, recorded) {
		if key := r.key(named[ref]); current[key] && (r.recorded[ref] || !r.shared[key]) {
			r.refs = append(r.refs, ref)
		}
	}
	slices.Sort(r.refs)
	r.refs = slices.Compact(r.refs)
	return nil
}

// key returns the canonical key of an account name on the platform.
func (r *removal) key(name string) identity.Key { return r.driver.Profile().AccountNames.Key(name) }

// keys returns the keys of the accounts that users with those euids have on the platform.
func (r *removal) keys(euids []string) (map[identity.Key]bool, error) {
	names, err := desired.AccountsOf(r.doc, euids)
	if err != nil {
		return nil, fmt.Errorf("revocation: %w: %w", fault.ErrInvalid, err)
	}
	keys := make(map[identity.Key]bool, len(names))
	for _, name := range names {
		keys[r.key(name)] = true
	}
	return keys, nil
}

// notOthers leaves out the accounts that the documents assign to another user: a
// correction of the documents took them from the revoked user.
func (r *removal) notOthers(ctx context.Context, refs []string, named map[string]string) ([]string, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	euids, err := r.Store.OtherEUIDs(ctx, r.revocation.Person)
	if err != nil {
		return nil, fmt.Errorf("revocation: read the users: %w", err)
	}
	others, err := r.keys(euids)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(refs, func(ref string) bool { return others[r.key(named[ref])] }), nil
}

// where finds the tenants where the accounts may have access.
func (r *removal) where(ctx context.Context, euids, names []string) error {
	places, err := r.Ledger.Places(ctx, r.run.Platform, "", r.refs)
	if err != nil {
		return fmt.Errorf("revocation: read the ledger: %w", err)
	}
	found, err := r.Ledger.TenantsOf(ctx, r.run.Platform, r.revocation.Person, r.refs)
	if err != nil {
		return fmt.Errorf("revocation: read the ledger: %w", err)
	}
	for _, p := range places {
		found = append(found, p.Tenant)
	}
	pending, err := r.Store.HeldTenants(ctx, r.run.Platform, r.refs, names)
	if err != nil {
		return fmt.Errorf("revocation: read the removals pending approval: %w", err)
	}
	found = append(found, pending...)
	for _, euid := range append([]string{""}, euids...) {
		desired, err := r.Store.PersonTenants(ctx, r.revocation.Person, euid, r.run.Platform)
		if err != nil {
			return fmt.Errorf("revocation: read the documents: %w", err)
		}
		found = append(found, desired...)
	}
	return r.reachable(ctx, found)
}

// reachable sets tenants to those of the found ones with documents, tombstones or former
// documents, and affected to those without the last group.
func (r *removal) reachable(ctx context.Context, found []access.TenantID) error {
	current, err := r.Store.Tenants(ctx, store.TenantFilter{Platform: r.run.Platform})
	if err != nil {
		return fmt.Errorf("revocation: read the tenants of %s: %w", r.run.Platform, err)
	}
	former, err := r.Store.FormerTenants(ctx, r.run.Platform)
	if err != nil {
		return fmt.Errorf("revocation: read the removed tenants of %s: %w", r.run.Platform, err)
	}
	is := make(map[access.TenantID]bool, len(found))
	for _, t := range found {
		is[t] = true
	}
	other := func(t access.TenantID) bool { return !is[t] }
	r.affected = slices.DeleteFunc(current, other)
	r.tenants = slices.Concat(r.affected, slices.DeleteFunc(former, other))
	return nil
}

// lookUp asks the platform for the accounts. If several accounts have one name, it adds
// none of them: only the known ones are the user's. The same holds for an account whose name
// another user has, too. A warning says so.
func (r *removal) lookUp(ctx context.Context, names []string) error {
	if len(names) == 0 {
		return nil
	}
	answers, err := r.driver.Resolve(ctx, names)
	if err != nil {
		return fmt.Errorf("revocation: look up accounts: %w", err)
	}
	for i, answer := range answers {
		switch {
		case len(answer.Refs) == 0:
		case len(answer.Refs) > 1:
			r.warnings = append(r.warnings, access.Remark{Code: access.UserAmbiguous, Object: r.revocation.Person, Text: fmt.Sprintf(
				"the platform has %d accounts named %q, and Rollcall removed only those that it knew before: check the others there",
				len(answer.Refs), names[i])})
		case r.recorded[answer.Refs[0]] || !r.shared[r.key(names[i])]:
			r.refs = append(r.refs, answer.Refs...)
		default:
			r.warnings = append(r.warnings, access.Remark{Code: access.AccountCollision, Object: r.revocation.Person, Text: fmt.Sprintf(
				"another user has the account %s too, and Rollcall never gave it to this one, so it keeps its access: "+
					"correct the euid of one of them and revoke again, or remove the account there", identity.Quote(names[i]))})
		}
	}
	slices.Sort(r.refs)
	r.refs = slices.Compact(r.refs)
	return nil
}

// additions reads the recent additions of the user's accounts, and reports whether any has
// no outcome yet. A run that read the documents before the revocation was stored recorded
// its intents before that, too, so the ledger has all of them.
func (r *removal) additions(ctx context.Context) (open bool, err error) {
	if len(r.refs) == 0 {
		return false, nil
	}
	if r.recent, err = r.Ledger.Additions(ctx, r.run.Platform, r.refs, r.delay); err != nil {
		return false, fmt.Errorf("revocation: read the ledger: %w", err)
	}
	return slices.ContainsFunc(r.recent, func(a ledger.Addition) bool { return a.Open }), nil
}
