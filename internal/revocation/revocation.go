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
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/reconcile"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// InFlight is how long additions that were on their way count as such: until a worker
// that died is noticed and another has taken over.
const InFlight = 45 * time.Second

// tenant is a tenant as far as it is known.
type tenant struct {
	document document.TenantInput
	observed access.State
	managed  []plan.Owned
	scope    driver.Scope
}

// Config is what a Remover works with.
type Config struct {
	Store  *store.Store
	Ledger *ledger.Ledger
	// Tenants opens platforms and observes tenants.
	Tenants *reconcile.Reconciler
	// Installation is in every ownership marker.
	Installation string
	// Records returns the ledger for the executor of one run.
	Records func(ledger.Run) reconcile.Ledger
	// InFlight is how long after the acceptance additions may be on their way.
	InFlight time.Duration
}

// Remover removes revoked users. It is safe for use by many goroutines.
type Remover struct{ Config }

// New returns a Remover.
func New(c Config) *Remover { return &Remover{c} }

// Run says on whose behalf a Remover works.
type Run struct {
	// ID is the revocation's.
	ID       string
	Platform string
	// WorkflowID and RunID are what the ledger records with each removal.
	WorkflowID, RunID string
	// Attempt counts the calls with the same purpose, from 1 on.
	Attempt int
}

// Removed is what Remove did, without people.
type Removed struct {
	// Tenants counts those that Verify looks at, Sets the groups and roles that lost the
	// user, Calls the calls to the platform.
	Tenants, Sets, Calls int
	// Done is true where there is nothing to verify: the user has nothing on the
	// platform, or the revocation was lifted.
	Done bool
}

// removal is one user being removed from everything on one platform.
type removal struct {
	*Remover
	run     Run
	meter   *budget.Meter
	revoked store.Revocation
	doc     document.Platform
	driver  driver.Driver // nil until there is anything to read
	delay   time.Duration // the platform's propagation delay
	// refs are the user's accounts.
	refs []string
	// tenants are those where the user may be in a set, affected those of them that
	// documents or tombstones have.
	tenants, affected []access.TenantID
	// unasked is why the platform could not be asked for accounts: those that are known
	// are removed all the same.
	unasked error
	// recent are additions that are on their way, or that the platform may not show yet.
	recent []ledger.Addition
	// done are the steps that were done, and when.
	done map[string]time.Time
	// out are places that others closed, and that the platform may show still.
	out    map[ledger.Place]bool
	passes int
	// changed is true where the last pass met something else than it had seen.
	changed bool
	// inUse is true where the last pass left a role that another one rests on.
	inUse    bool
	warnings []access.Remark
	before   store.RevokedPlatform // what earlier calls did
}

func (r *Remover) begin(ctx context.Context, run Run) (context.Context, *removal) {
	ctx, meter := budget.WithMeter(ctx)
	return ctx, &removal{Remover: r, run: run, meter: meter, done: map[string]time.Time{}}
}

// sets counts the groups and roles that lost the user.
func (r *removal) sets() int { return len(r.done) }

// calls returns how many calls to the platform the work with this context took.
func (r *removal) calls() int { return r.meter.Calls() }

// maxPasses is how many times Remove looks while the platform changes.
const maxPasses = 8

// Remove finds the user's accounts on the platform and removes them from every managed
// group and role. It returns when the platform has accepted the removals, whether or not
// it shows them already. No guard applies. Unmanaged groups and roles stay, with a warning.
func (r *Remover) Remove(ctx context.Context, run Run) (Removed, error) {
	ctx, w := r.begin(budget.Urgent(ctx), run)
	done, err := w.remove(ctx)
	if err != nil {
		err = errors.Join(err, w.fail(ctx, err))
	}
	return Removed{Tenants: len(w.affected), Sets: w.before.Sets + w.sets(), Calls: w.before.Calls + w.calls(), Done: done}, err
}

func (r *removal) remove(ctx context.Context) (done bool, err error) {
	standing, err := r.load(ctx)
	if err != nil || !standing {
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
		if r.passes == maxPasses {
			return false, fmt.Errorf("revocation: %w: %s changes while the user is removed", fault.ErrUnavailable, r.run.Platform)
		}
		if err := r.pass(ctx); err != nil {
			return false, err
		}
	}
	if err := r.Store.ExpectVerification(ctx, r.run.ID, r.run.Platform, r.toVerify()); err != nil {
		return false, fmt.Errorf("revocation: store what to verify: %w", err)
	}
	if len(r.tenants)+r.sets() == 0 && !open {
		return true, r.store(ctx, store.RevocationDone, "")
	}
	return false, r.store(ctx, store.RevocationAccepted, "")
}

// pass removes the user from what the platform shows now.
func (r *removal) pass(ctx context.Context) error {
	r.passes++
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
	err := r.worst(r.apply(ctx, found), unread, r.unasked)
	r.changed = r.changed || r.inUse && r.sets() > before
	return err
}

// toVerify returns the tenants that Verify has to read. Where memberships are listed, they
// answer for tenants that no document has any more.
func (r *removal) toVerify() []access.TenantID {
	if _, lists := r.driver.(driver.MembershipLister); lists {
		return r.affected
	}
	return r.tenants
}

// load reads the revocation, and reports whether it stands.
func (r *removal) load(ctx context.Context) (bool, error) {
	found, err := r.Store.Revocations(ctx, store.RevocationFilter{ID: r.run.ID, Lifted: true})
	if err != nil {
		return false, fmt.Errorf("revocation: read %s: %w", r.run.ID, err)
	}
	if len(found) == 0 {
		return false, fmt.Errorf("revocation: %w: there is no revocation %s", fault.ErrInvalid, r.run.ID)
	}
	r.revoked = found[0]
	i := slices.IndexFunc(r.revoked.Platforms, func(p store.RevokedPlatform) bool { return p.Platform == r.run.Platform })
	if i >= 0 && r.revoked.Platforms[i].State != store.RevocationDone {
		r.before = r.revoked.Platforms[i]
	}
	if r.revoked.LiftedAt.IsZero() {
		return true, nil
	}
	if err := r.Store.EndVerification(ctx, r.run.ID, r.run.Platform); err != nil {
		return false, fmt.Errorf("revocation: end the verification: %w", err)
	}
	return false, r.store(ctx, store.RevocationDone, "")
}

// store stores how far the revocation is on the platform.
func (r *removal) store(ctx context.Context, state store.RevocationState, problem string) error {
	report := store.RevokedPlatform{
		Platform: r.run.Platform, State: state, Problem: problem, Settle: r.delay,
		Tenants: max(r.before.Tenants, len(r.affected)), Sets: r.before.Sets + r.sets(), Calls: r.before.Calls + r.calls(),
		Remarks: access.SortRemarks(slices.Clone(r.warnings)),
	}
	if err := r.Store.RevokedOn(ctx, r.run.ID, report); err != nil {
		return fmt.Errorf("revocation: store how far %s is: %w", r.run.ID, err)
	}
	return nil
}

// fail stores what is in the way.
func (r *removal) fail(ctx context.Context, cause error) error {
	state := store.RevocationWaiting
	switch {
	case reconcile.Permanent(cause):
		state = store.RevocationFailed
	case !r.before.AcceptedAt.IsZero():
		state = store.RevocationAccepted
	}
	return r.store(context.WithoutCancel(ctx), state, cause.Error())
}

// worst returns the first error that may pass by itself, else the first one: what does not
// depend on it goes on meanwhile.
func (r *removal) worst(errs ...error) error {
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	if len(errs) == 0 {
		return nil
	}
	if passing := slices.DeleteFunc(slices.Clone(errs), reconcile.Permanent); len(passing) > 0 {
		return reconcile.MaxRetryAfter(passing)
	}
	return errs[0]
}
