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
	"github.com/rollcall-iam/rollcall/internal/reconcile"
	"github.com/rollcall-iam/rollcall/internal/store"
)

const (
	// window is how many tenants one look verifies.
	window = 100
	// shortly is how long to wait before the next look where a removal or an addition may
	// show up at any moment.
	shortly = time.Second
	// verifyTimeout is how long after the acceptance a verification goes on while the platform
	// shows the user.
	verifyTimeout = 24 * time.Hour
)

// Observation is one look at a part of what a revocation has to verify.
type Observation struct {
	// After is Verified.Next of the look before in the same round; empty for the first one.
	After string
	// Number counts the looks of a verification, from 0 on.
	Number int
	// First is true in the first round, whose tenants need a run each.
	First bool
	// Problem is Verified.Problem of the looks before in the same round.
	Problem string
}

// Verified is what one look found, without people.
type Verified struct {
	// Tenants were looked at for the first time. Each needs a run: it grants what is left
	// of the documents and warns of them.
	Tenants []access.TenantID
	// Next is where the next look of the round begins; empty after the last one.
	Next string
	// Done is true where nothing is left to verify.
	Done bool
	// Wait is the least time before the next round.
	Wait time.Duration
	// Problem is why a part cannot be verified until an operator acts.
	Problem string
	// Sets counts the groups and roles that lost the user in this observation.
	Sets, Calls int
}

// Verify looks once at a part of the tenants and, after the last part, at the memberships
// of the accounts. It removes the user again from what has them. Where all is verified the
// revocation is done on the platform. Where only problems are left, the last look of the
// round fails for good.
func (r *Remover) Verify(ctx context.Context, run Run, observation Observation) (Verified, error) {
	ctx, w := r.begin(ctx, run)
	w.passes = observation.Number
	out, err := w.verify(ctx, observation)
	out.Sets, out.Calls = w.sets(), w.calls()
	if err != nil {
		err = errors.Join(err, w.fail(ctx, err))
	}
	return out, err
}

func (r *removal) verify(ctx context.Context, observation Observation) (Verified, error) {
	standing, err := r.load(ctx)
	if err != nil || !standing {
		return Verified{Done: err == nil}, err
	}
	r.warnings = slices.Clone(r.before.Remarks)
	if reached, err := r.open(ctx); err != nil || !reached {
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
	out := Verified{Problem: observation.Problem}
	tenants, err := r.Store.Unverified(ctx, r.run.ID, r.run.Platform, observation.After, window)
	if err != nil {
		return out, fmt.Errorf("revocation: read what to verify: %w", err)
	}
	if observation.First {
		if out.Tenants, err = r.current(ctx, tenants); err != nil {
			return out, err
		}
	}
	if err := r.verifyTenants(ctx, tenants, &out); err != nil {
		return out, err
	}
	if len(tenants) == window {
		out.Next = tenants[window-1].String()
		return out, r.store(ctx, store.RevocationAccepted, "")
	}
	return out, r.endRound(ctx, open, &out)
}

// current keeps those of the tenants that documents or tombstones have.
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

// verifyTenants verifies tenants, and removes the user again from those that have them.
func (r *removal) verifyTenants(ctx context.Context, tenants []access.TenantID, out *Verified) error {
	kept := slices.DeleteFunc(slices.Clone(r.warnings), func(m access.Remark) bool { return m.Code != access.UserRevoked })
	found, unread := r.observed(ctx, tenants)
	r.warnings = mergeWarnings(r.warnings, kept)
	var clean []access.TenantID
	for _, p := range found {
		if len(p.plan.Steps) == 0 {
			clean = append(clean, p.plan.Tenant)
		}
	}
	if err := r.Store.Verified(ctx, r.run.ID, r.run.Platform, clean); err != nil {
		return fmt.Errorf("revocation: store what is verified: %w", err)
	}
	return r.note(out, r.apply(budget.Urgent(ctx), found), unread)
}

// note keeps a failure that only an operator can end for the end of the round.
func (r *removal) note(out *Verified, errs ...error) error {
	err := r.worst(errs...)
	if err != nil && reconcile.Permanent(err) {
		if out.Problem == "" {
			out.Problem = err.Error()
		}
		return nil
	}
	return err
}

// endRound looks at the memberships of the accounts and decides how the verification goes
// on.
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
		return fmt.Errorf("revocation: read what to verify: %w", err)
	}
	age := time.Duration(0)
	if !r.before.AcceptedAt.IsZero() {
		age = time.Since(r.before.AcceptedAt)
	}
	switch {
	case open && age < r.InFlight:
		out.Wait = shortly
		return r.store(ctx, store.RevocationAccepted, "")
	case out.Problem != "":
		return fmt.Errorf("revocation: %w: %s", fault.ErrDenied, out.Problem)
	case left == 0 && len(remaining) == 0 && !r.changed:
		return r.end(ctx, out)
	case age > verifyTimeout:
		return fmt.Errorf("revocation: %w: %s shows the user a day after it accepted the removals: find out there what adds the user again",
			fault.ErrDenied, r.run.Platform)
	}
	out.Wait = max(shortly, r.delay-age)
	problem := ""
	if age > r.delay+r.InFlight {
		problem = r.run.Platform + " takes the removals and still shows what was removed"
	}
	return r.store(ctx, store.RevocationAccepted, problem)
}

// end ends the verification, unless places opened meanwhile: those are looked at again. A
// place that no document reaches stays open.
func (r *removal) end(ctx context.Context, out *Verified) error {
	places, err := r.Ledger.Places(ctx, r.run.Platform, "", r.refs)
	if err != nil {
		return fmt.Errorf("revocation: read the ledger: %w", err)
	}
	if len(places) == 0 {
		out.Done = true
		return r.store(ctx, store.RevocationDone, "")
	}
	tenants := make([]access.TenantID, len(places))
	for i, p := range places {
		tenants[i] = p.Tenant
	}
	if err := r.reachable(ctx, tenants); err != nil {
		return err
	}
	if len(r.tenants) == 0 {
		return fmt.Errorf("revocation: %w: %d groups and roles of %s cannot be reached: the documents of their tenants are gone: "+
			"remove the user there by hand", fault.ErrInvalid, len(places), r.run.Platform)
	}
	if err := r.Store.ExpectVerification(ctx, r.run.ID, r.run.Platform, r.tenants); err != nil {
		return fmt.Errorf("revocation: store what to verify: %w", err)
	}
	out.Wait = shortly
	return r.store(ctx, store.RevocationAccepted, "")
}

// recentlyOut notes the removals that the platform may not show yet, whoever made them.
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
		r.out[p] = true
	}
	return nil
}

// mergeWarnings adds to fresh warnings those of earlier looks, of other tenants.
func mergeWarnings(fresh, before []access.Remark) []access.Remark {
	for _, w := range before {
		if !slices.Contains(fresh, w) {
			fresh = append(fresh, w)
		}
	}
	return fresh
}
