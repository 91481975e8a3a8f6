package revocation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/store"
)

const (
	// window is how many tenants one check verifies.
	window = 100
	// shortly is the least pause before the next round. A removal or an addition may become
	// visible at any moment.
	shortly = time.Second
	// verificationTimeout is how long after the acceptance a verification goes on while the platform
	// shows the user.
	verificationTimeout = 24 * time.Hour
)

// Check selects the part of the tenants that one call of Verify checks.
type Check struct {
	// After is Verified.Next of the previous check of the round; empty for the first check.
	After string
	// Number counts the checks of a verification, from 0 on.
	Number int
	// First is true in the first round, which returns the tenants to replicate.
	First bool
	// Problem is Verified.Problem of the previous check of the round.
	Problem string
}

// Verified is the result of one check. It names no user.
type Verified struct {
	// Tenants are the tenants of a first round. The caller replicates each of them: a run
	// replaces the tenant's warnings and applies the remaining documents.
	Tenants []access.TenantID
	// Next is Check.After of the next check of the round; empty after the last check.
	Next string
	// Done is true if nothing is left to verify.
	Done bool
	// Wait is the least time before the next round.
	Wait time.Duration
	// Problem is the first failure of the round that needs an operator to act.
	Problem string
	// Sets counts the groups and roles from which this check removed the user, Calls the
	// calls to the platform.
	Sets, Calls int
}

// Verify checks a part of the tenants and, after the last part, the memberships of the
// accounts. It removes the user again from every set that has the user. If nothing is left
// to verify, the revocation is done on the platform. If only problems are left, the last
// check of the round returns a permanent error.
func (r *Remover) Verify(ctx context.Context, run Run, check Check) (Verified, error) {
	ctx, w := r.begin(ctx, run)
	w.observations = check.Number
	out, err := w.verify(ctx, check)
	out.Sets, out.Calls = w.sets(), w.calls()
	if err != nil {
		err = errors.Join(err, w.fail(ctx, err))
	}
	return out, err
}

func (r *removal) verify(ctx context.Context, check Check) (Verified, error) {
	active, err := r.load(ctx)
	if err != nil || !active {
		return Verified{Done: err == nil}, err
	}
	r.warnings = slices.Clone(r.before.Remarks)
	if opened, err := r.open(ctx); err != nil || !opened {
		return Verified{Done: err == nil}, err
	}
	if r.refs, err = r.Store.RevokedAccounts(ctx, r.run.ID, r.run.Platform); err != nil {
		return Verified{}, fmt.Errorf("revocation: read the accounts of %s: %w", r.run.ID, err)
	}
	open, err := r.additions(ctx)
	if err != nil {
		return Verified{}, err
	}
	if err := r.recentlyOut(ctx); err != nil {
		return Verified{}, err
	}
	out := Verified{Problem: check.Problem}
	tenants, err := r.Store.Unverified(ctx, r.run.ID, r.run.Platform, check.After, window)
	if err != nil {
		return out, fmt.Errorf("revocation: read the tenants to verify: %w", err)
	}
	if check.First {
		if out.Tenants, err = r.current(ctx, tenants); err != nil {
			return out, err
		}
	}
	if err := r.checkTenants(ctx, tenants, &out); err != nil {
		return out, err
	}
	if len(tenants) == window {
		out.Next = tenants[window-1].String()
		return out, r.recordState(ctx, store.RevocationAccepted, "")
	}
	return out, r.endRound(ctx, open, &out)
}

// current returns the tenants that have documents or tombstones.
func (r *removal) current(ctx context.Context, tenants []access.TenantID) ([]access.TenantID, error) {
	if len(tenants) == 0 {
		return nil, nil
	}
	found, err := r.Store.Tenants(ctx, store.TenantFilter{IDs: tenants})
	if err != nil {
		return nil, fmt.Errorf("revocation: read tenants: %w", err)
	}
	return found, nil
}

// checkTenants verifies tenants, and removes the user again from those that have the user.
func (r *removal) checkTenants(ctx context.Context, tenants []access.TenantID, out *Verified) error {
	others := slices.DeleteFunc(slices.Clone(r.warnings), func(m access.Remark) bool { return m.Code != access.UserRevoked })
	found, unread := r.observed(ctx, tenants)
	r.warnings = mergeWarnings(r.warnings, others)
	var verified []access.TenantID
	for _, p := range found {
		if len(p.plan.Steps) == 0 {
			verified = append(verified, p.plan.Tenant)
		}
	}
	if err := r.Store.Verified(ctx, r.run.ID, r.run.Platform, verified); err != nil {
		return fmt.Errorf("revocation: store the verified tenants: %w", err)
	}
	return r.note(out, r.apply(budget.Urgent(ctx), found), unread)
}

// note stores a permanent failure as the problem of the round, and returns a temporary one.
func (r *removal) note(out *Verified, errs ...error) error {
	err := r.selectError(errs...)
	if err != nil && fault.Permanent(err) {
		if out.Problem == "" {
			out.Problem = err.Error()
		}
		return nil
	}
	return err
}

// endRound checks the memberships of the accounts. It ends the verification, or sets the
// pause before the next round.
func (r *removal) endRound(ctx context.Context, open bool, out *Verified) error {
	left := 0
	if lister, lists := r.driver.(driver.MembershipLister); lists && len(r.refs) > 0 {
		found, err := r.listed(budget.Urgent(ctx), lister)
		if err != nil {
			return err
		}
		for _, p := range found {
			left += len(p.plan.Steps)
		}
		if err := r.note(out, r.apply(budget.Urgent(ctx), found)); err != nil {
			return err
		}
	}
	remaining, err := r.Store.Unverified(ctx, r.run.ID, r.run.Platform, "", 1)
	if err != nil {
		return fmt.Errorf("revocation: read the tenants to verify: %w", err)
	}
	age, err := r.sinceAccepted(ctx)
	if err != nil {
		return err
	}
	switch {
	case open && age < r.InFlight:
		out.Wait = shortly
		return r.recordState(ctx, store.RevocationAccepted, "")
	case out.Problem != "":
		return fmt.Errorf("revocation: %w: %s", fault.ErrDenied, out.Problem)
	case left == 0 && len(remaining) == 0 && !r.changed:
		return r.end(ctx, age, out)
	case age > verificationTimeout:
		return fmt.Errorf("revocation: %w: %s shows the user a day after it accepted the removals: find out there what adds the user again",
			fault.ErrDenied, r.run.Platform)
	}
	out.Wait = max(shortly, r.delay-age)
	problem := ""
	if age > r.delay+r.InFlight {
		problem = r.run.Platform + " accepts the removals and still shows the user"
	}
	return r.recordState(ctx, store.RevocationAccepted, problem)
}

// sinceAccepted returns how long ago the platform accepted the removals. Both times are the
// database's: the clock of a worker may be wrong by minutes.
func (r *removal) sinceAccepted(ctx context.Context) (time.Duration, error) {
	if r.before.AcceptedAt.IsZero() {
		return 0, nil
	}
	now, err := r.Store.Now(ctx)
	if err != nil {
		return 0, fmt.Errorf("revocation: read the time: %w", err)
	}
	return now.Sub(r.before.AcceptedAt), nil
}

// end ends the verification, unless places opened meanwhile: the next round checks their
// tenants. Places that no check can close stay open and are an error: those whose tenants have
// no documents, and those in sets that have lost the ownership marker.
func (r *removal) end(ctx context.Context, age time.Duration, out *Verified) error {
	places, err := r.Ledger.Places(ctx, r.run.Platform, "", r.refs)
	if err != nil {
		return fmt.Errorf("revocation: read the ledger: %w", err)
	}
	if len(places) == 0 {
		out.Done = true
		return r.recordState(ctx, store.RevocationDone, "")
	}
	tenants := make([]access.TenantID, len(places))
	for i, p := range places {
		tenants[i] = p.Tenant
	}
	if err := r.reachable(ctx, tenants); err != nil {
		return err
	}
	withoutMarker, withoutDocuments := 0, 0
	for _, p := range places {
		switch {
		case r.withoutMarker[p.Identity()]:
			withoutMarker++
		case !slices.Contains(r.tenants, p.Tenant):
			withoutDocuments++
		}
	}
	if withoutMarker+withoutDocuments == len(places) || age > verificationTimeout {
		return fmt.Errorf("revocation: %w: the user is still in %d groups and roles of %s, of which %d have lost "+
			"Rollcall's ownership marker and %d belong to tenants without documents: remove the user there by hand",
			fault.ErrDenied, len(places), r.run.Platform, withoutMarker, withoutDocuments)
	}
	if err := r.Store.RequireVerification(ctx, r.run.ID, r.run.Platform, r.tenants); err != nil {
		return fmt.Errorf("revocation: store the tenants to verify: %w", err)
	}
	out.Wait = shortly
	return r.recordState(ctx, store.RevocationAccepted, "")
}

// recentlyOut reads the places that any run closed and that the platform may still show.
func (r *removal) recentlyOut(ctx context.Context) error {
	if r.delay == 0 || len(r.refs) == 0 {
		return nil
	}
	places, err := r.Ledger.RecentlyOut(ctx, r.run.Platform, r.refs, r.delay)
	if err != nil {
		return fmt.Errorf("revocation: read the ledger: %w", err)
	}
	r.out = make(map[ledger.Place]bool, len(places))
	for _, p := range places {
		r.out[p.Identity()] = true
	}
	return nil
}

// mergeWarnings adds the warnings of earlier checks to fresh ones, each once.
func mergeWarnings(fresh, before []access.Remark) []access.Remark {
	for _, w := range before {
		if !slices.Contains(fresh, w) {
			fresh = append(fresh, w)
		}
	}
	return fresh
}
