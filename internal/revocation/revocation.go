package revocation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/identity"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/reconcile"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// InFlight is how long after a revocation an addition that began before it may still reach
// the platform: the time until Temporal notices that a worker died, and another worker
// retries.
const InFlight = 45 * time.Second

// tenant is a tenant with its documents and the observed access of the user.
type tenant struct {
	document document.TenantInput
	observed access.State
	managed  []plan.Owned
	scope    driver.Scope
}

// Config configures a Remover.
type Config struct {
	Store  *store.Store
	Ledger *ledger.Ledger
	// Tenants opens platforms and observes tenants.
	Tenants *reconcile.Reconciler
	// Installation is in every ownership marker.
	Installation string
	// InFlight is how long after the acceptance earlier additions may reach the platform.
	InFlight time.Duration
}

// Remover removes revoked users. It is safe for concurrent use.
type Remover struct{ Config }

// New returns a Remover.
func New(c Config) *Remover { return &Remover{c} }

// Run identifies the caller of a Remover.
type Run struct {
	// ID is the revocation's.
	ID       string
	Platform string
	// WorkflowID and RunID go into the ledger with each removal.
	WorkflowID, RunID string
	// Attempt counts the calls with the same purpose, from 1 on.
	Attempt int
}

// Removed sums up a call of Remove. It names no user.
type Removed struct {
	// Tenants counts the tenants that Verify checks, Sets the groups and roles from which
	// the user was removed, Calls the calls to the platform.
	Tenants, Sets, Calls int
	// Done is true where there is nothing to verify: the user has nothing on the
	// platform, or the revocation was lifted.
	Done bool
}

// removal is the state of one call of Remove or Verify.
type removal struct {
	*Remover
	run        Run
	counter    *budget.Meter
	revocation store.Revocation
	doc        document.Platform
	driver     driver.Driver // nil if the platform cannot be read, or need not be
	delay      time.Duration // the platform's propagation delay
	// refs are the user's accounts, recorded those that the ledger recorded for the user.
	refs     []string
	recorded map[string]bool
	// shared are the keys of account names that other users have, too.
	shared map[identity.Key]bool
	// tenants are the tenants where the user may be in a set. affected are those of them
	// with documents or tombstones.
	tenants, affected []access.TenantID
	// resolveErr is the error of the account lookup. The known accounts are removed
	// nevertheless.
	resolveErr error
	// recent are additions without an outcome, and those that the platform may not show yet.
	recent []ledger.Addition
	// done has the time of each step that this call applied, by the step's ID.
	done map[string]time.Time
	// out are the recently closed places that the platform may still show.
	out          map[ledger.Place]bool
	observations int
	// changed is true if the platform changed between the last observation and its removals.
	changed bool
	// withoutMarker are places in sets that have lost the ownership marker, of the tenants that
	// this call observed.
	withoutMarker map[ledger.Place]bool
	// inUse is true if the last observation has a role that another role depends on.
	inUse    bool
	warnings []access.Remark
	before   store.RevokedPlatform // the report of earlier calls
}

func (r *Remover) begin(ctx context.Context, run Run) (context.Context, *removal) {
	ctx, counter := budget.WithMeter(ctx)
	return ctx, &removal{Remover: r, run: run, counter: counter, done: map[string]time.Time{}, withoutMarker: map[ledger.Place]bool{}}
}

// sets counts the groups and roles from which this call removed the user.
func (r *removal) sets() int { return len(r.done) }

// calls counts the calls to the platform with the context of begin.
func (r *removal) calls() int { return r.counter.Calls() }

// maxObservations is how many times Remove observes a platform that keeps changing.
const maxObservations = 8

// Remove finds the user's accounts on the platform and removes them from every managed
// group and role. It returns when the platform has accepted the removals, even if it does
// not show them yet. No guard applies. Unmanaged groups and roles stay, with a warning.
func (r *Remover) Remove(ctx context.Context, run Run) (Removed, error) {
	ctx, w := r.begin(budget.Urgent(ctx), run)
	done, err := w.remove(ctx)
	if err != nil {
		err = errors.Join(err, w.fail(ctx, err))
	}
	return Removed{Tenants: len(w.affected), Sets: w.before.Sets + w.sets(), Calls: w.before.Calls + w.calls(), Done: done}, err
}

func (r *removal) remove(ctx context.Context) (done bool, err error) {
	active, err := r.load(ctx)
	if err != nil || !active {
		return true, err
	}
	if err := r.find(ctx); err != nil {
		return false, err
	}
	open, err := r.additions(ctx)
	if err != nil {
		return false, err
	}
	for r.changed = true; r.changed; {
		if r.observations == maxObservations {
			return false, fmt.Errorf("revocation: %w: %s changes while the user is removed", fault.ErrUnavailable, r.run.Platform)
		}
		if err := r.removeOnce(ctx); err != nil {
			return false, err
		}
	}
	if err := r.Store.RequireVerification(ctx, r.run.ID, r.run.Platform, r.toVerify()); err != nil {
		return false, fmt.Errorf("revocation: store the tenants to verify: %w", err)
	}
	if len(r.tenants)+r.sets() == 0 && !open {
		return true, r.recordState(ctx, store.RevocationDone, "")
	}
	return false, r.recordState(ctx, store.RevocationAccepted, "")
}

// removeOnce observes the platform and removes the user from every set that has the user.
func (r *removal) removeOnce(ctx context.Context) error {
	r.observations++
	r.changed, r.inUse = false, false
	before := r.sets()
	if len(r.refs) == 0 || r.driver == nil {
		return nil
	}
	var found []planned
	var unread error
	if lister, lists := r.driver.(driver.MembershipLister); lists {
		if found, unread = r.listed(ctx, lister); unread != nil {
			return unread
		}
	} else {
		found, unread = r.observed(ctx, r.tenants)
	}
	err := r.selectError(r.apply(ctx, found), unread, r.resolveErr)
	r.changed = r.changed || r.inUse && r.sets() > before
	return err
}

// toVerify returns the tenants that Verify must read. A list of memberships makes reading
// tenants without documents unnecessary.
func (r *removal) toVerify() []access.TenantID {
	if _, lists := r.driver.(driver.MembershipLister); lists {
		return r.affected
	}
	return r.tenants
}

// load reads the revocation. It returns false if the revocation was lifted.
func (r *removal) load(ctx context.Context) (bool, error) {
	found, err := r.Store.Revocations(ctx, store.RevocationFilter{ID: r.run.ID, Lifted: true})
	if err != nil {
		return false, fmt.Errorf("revocation: read %s: %w", r.run.ID, err)
	}
	if len(found) == 0 {
		return false, fmt.Errorf("revocation: %w: there is no revocation %s", fault.ErrInvalid, r.run.ID)
	}
	r.revocation = found[0]
	i := slices.IndexFunc(r.revocation.Platforms, func(p store.RevokedPlatform) bool { return p.Platform == r.run.Platform })
	if i >= 0 && r.revocation.Platforms[i].State != store.RevocationDone {
		r.before = r.revocation.Platforms[i]
	}
	if r.revocation.LiftedAt.IsZero() {
		return true, nil
	}
	if err := r.Store.EndVerification(ctx, r.run.ID, r.run.Platform); err != nil {
		return false, fmt.Errorf("revocation: end the verification: %w", err)
	}
	return false, r.recordState(ctx, store.RevocationDone, "")
}

// recordState stores the state of the revocation on the platform.
func (r *removal) recordState(ctx context.Context, state store.RevocationState, problem string) error {
	report := store.RevokedPlatform{
		Platform: r.run.Platform, State: state, Problem: problem, Settle: r.delay,
		Tenants: max(r.before.Tenants, len(r.affected)), Sets: r.before.Sets + r.sets(), Calls: r.before.Calls + r.calls(),
		Remarks: access.SortRemarks(slices.Clone(r.warnings)),
	}
	if err := r.Store.RevokedOn(ctx, r.run.ID, report); err != nil {
		return fmt.Errorf("revocation: store the state of %s: %w", r.run.ID, err)
	}
	return nil
}

// fail stores the cause of a failed call.
func (r *removal) fail(ctx context.Context, cause error) error {
	state := store.RevocationWaiting
	switch {
	case fault.Permanent(cause):
		state = store.RevocationFailed
	case !r.before.AcceptedAt.IsZero():
		state = store.RevocationAccepted
	}
	return r.recordState(context.WithoutCancel(ctx), state, cause.Error())
}

// selectError returns the first temporary error, else the first error: retries go on as
// long as a part of the work can still succeed.
func (r *removal) selectError(errs ...error) error {
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	if len(errs) == 0 {
		return nil
	}
	if temporary := slices.DeleteFunc(slices.Clone(errs), fault.Permanent); len(temporary) > 0 {
		return reconcile.MaxRetryAfter(temporary)
	}
	return errs[0]
}
