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
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// find looks up the user's accounts, and the tenants where they may be: where documents
// give the user something, where the ledger ever named them, and where they have an open
// place.
func (r *removal) find(ctx context.Context) error {
	if reached, err := r.open(ctx); err != nil || !reached {
		return err
	}
	euids, err := r.Store.RevokedEUIDs(ctx, r.revoked)
	if err != nil {
		return fmt.Errorf("revocation: read %s: %w", r.run.ID, err)
	}
	names, err := desired.AccountsOf(r.doc, euids)
	if err != nil {
		return fmt.Errorf("revocation: %w: %w", fault.ErrInvalid, err)
	}
	if err := r.known(ctx, names); err != nil {
		return err
	}
	if err := r.where(ctx, euids, names); err != nil {
		return err
	}
	ask, err := r.worthAsking(ctx)
	if err != nil {
		return err
	}
	if !ask {
		r.driver = nil
		return r.remember(ctx) // they may still be where nothing knows of
	}
	if r.unasked = r.lookUp(ctx, names); r.unasked != nil && len(r.refs) == 0 {
		return r.unasked
	}
	if err := r.remember(ctx); err != nil {
		return err
	}
	return r.where(ctx, euids, names)
}

// open opens the driver by the platform's document, or by the last one that is kept. It
// returns false where there is none and nothing to reach. Where there is something, that is
// an error.
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

// unreachable returns an error where the user has open places on a platform of which no
// document is left.
func (r *removal) unreachable(ctx context.Context) error {
	places, err := r.Ledger.Places(ctx, r.run.Platform, r.revoked.Person, nil)
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
	why := "its documents are removed"
	if abandoned != "" {
		why = "an operator had it forgotten"
	}
	return fmt.Errorf("revocation: %w: %d groups and roles of %s cannot be reached: %s: remove the user there by hand",
		fault.ErrInvalid, len(places), r.run.Platform, why)
}

// worthAsking reports whether the user may have anything on the platform. Where
// memberships are listed, that includes what removed tenants left there.
func (r *removal) worthAsking(ctx context.Context) (bool, error) {
	if _, lists := r.driver.(driver.MembershipLister); len(r.tenants) > 0 || !lists {
		return len(r.tenants) > 0, nil
	}
	former, err := r.Store.FormerTenants(ctx, r.run.Platform)
	if err != nil {
		return false, fmt.Errorf("revocation: read the removed tenants of %s: %w", r.run.Platform, err)
	}
	return len(former) > 0, nil
}

// remember stores which accounts are the user's: from then on no plan gives them anything,
// or holds what removes it.
func (r *removal) remember(ctx context.Context) error {
	if err := r.Store.RememberRevoked(ctx, r.run.ID, r.run.Platform, r.refs); err != nil {
		return fmt.Errorf("revocation: remember the accounts of %s: %w", r.run.ID, err)
	}
	return nil
}

// known finds the accounts that were the user's before: under the names that they have, or
// had when something was done for them.
func (r *removal) known(ctx context.Context, names []string) error {
	found, err := r.Store.KnownRefs(ctx, r.run.Platform, r.driver.Profile().LookupAttribute, names)
	if err != nil {
		return fmt.Errorf("revocation: read known accounts: %w", err)
	}
	recorded, err := r.Ledger.RefsOf(ctx, r.run.Platform, r.revoked.Person)
	if err != nil {
		return fmt.Errorf("revocation: read the ledger: %w", err)
	}
	recorded, err = r.notOthers(ctx, slices.DeleteFunc(recorded, func(ref string) bool { return slices.Contains(found, ref) }))
	if err != nil {
		return err
	}
	r.refs = slices.Concat(found, recorded)
	slices.Sort(r.refs)
	return nil
}

// notOthers leaves out the accounts that are another user's by the documents: they were
// the user's by a mistake that was corrected since.
func (r *removal) notOthers(ctx context.Context, refs []string) ([]string, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	named, err := r.Store.AccountNames(ctx, r.run.Platform, refs)
	if err != nil {
		return nil, fmt.Errorf("revocation: name accounts: %w", err)
	}
	euids, err := r.Store.OtherEUIDs(ctx, r.revoked.Person)
	if err != nil {
		return nil, fmt.Errorf("revocation: read the users: %w", err)
	}
	names, err := desired.AccountsOf(r.doc, euids)
	if err != nil {
		return nil, fmt.Errorf("revocation: %w: %w", fault.ErrInvalid, err)
	}
	others := make(map[string]bool, len(names))
	for _, name := range names {
		others[access.FoldCase(name)] = true
	}
	return slices.DeleteFunc(refs, func(ref string) bool { return others[access.FoldCase(named[ref])] }), nil
}

// where finds the tenants.
func (r *removal) where(ctx context.Context, euids, names []string) error {
	places, err := r.Ledger.Places(ctx, r.run.Platform, "", r.refs)
	if err != nil {
		return fmt.Errorf("revocation: read the ledger: %w", err)
	}
	found, err := r.Ledger.TenantsOf(ctx, r.run.Platform, r.revoked.Person, r.refs)
	if err != nil {
		return fmt.Errorf("revocation: read the ledger: %w", err)
	}
	for _, p := range places {
		found = append(found, p.Tenant)
	}
	pending, err := r.Store.HeldTenants(ctx, r.run.Platform, r.refs, names)
	if err != nil {
		return fmt.Errorf("revocation: read what is held: %w", err)
	}
	found = append(found, pending...)
	for _, euid := range append([]string{""}, euids...) {
		desired, err := r.Store.PersonTenants(ctx, r.revoked.Person, euid, r.run.Platform)
		if err != nil {
			return fmt.Errorf("revocation: read the documents: %w", err)
		}
		found = append(found, desired...)
	}
	return r.reachable(ctx, found)
}

// reachable keeps those of the tenants that documents, tombstones or former documents
// have, as affected.
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

// lookUp asks the platform for the accounts. Of several under one name only those that
// were found to be the user's before are theirs.
func (r *removal) lookUp(ctx context.Context, names []string) error {
	if len(names) == 0 {
		return nil
	}
	answers, err := r.driver.Resolve(ctx, names)
	if err != nil {
		return fmt.Errorf("revocation: look up accounts: %w", err)
	}
	for i, answer := range answers {
		if len(answer.Refs) == 1 {
			r.refs = append(r.refs, answer.Refs...)
			continue
		}
		if len(answer.Refs) > 1 {
			r.warnings = append(r.warnings, access.Remark{Code: access.UserAmbiguous, Object: r.revoked.Person, Text: fmt.Sprintf(
				"the platform has %d accounts named %q, and only those that Rollcall knew before were removed: check the others there",
				len(answer.Refs), names[i])})
		}
	}
	slices.Sort(r.refs)
	r.refs = slices.Compact(r.refs)
	return nil
}

// additions notes what is on its way to give the user something, and reports whether
// anything is. A run that read the documents before the revocation was stored had recorded
// its intent before that.
func (r *removal) additions(ctx context.Context) (open bool, err error) {
	if len(r.refs) == 0 {
		return false, nil
	}
	if r.recent, err = r.Ledger.Additions(ctx, r.run.Platform, r.refs, r.delay); err != nil {
		return false, fmt.Errorf("revocation: read the ledger: %w", err)
	}
	return slices.ContainsFunc(r.recent, func(a ledger.Addition) bool { return a.Open }), nil
}
