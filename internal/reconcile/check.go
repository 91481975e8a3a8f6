package reconcile

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// Check returns an error where the steps of a plan must not be applied any more.
type Check func(ctx context.Context) error

// WithCheck returns a Reconciler that calls the result of wrap in place of the check that
// Apply makes before each unit. Tests delay, watch or disable the check with it.
func (r *Reconciler) WithCheck(wrap func(Check) Check) *Reconciler {
	before, c := r.checkOf, *r
	c.wrapCheck = func(check Check) Check { return wrap(before(check)) }
	return &c
}

// checkOf returns the check to call in place of check.
func (r *Reconciler) checkOf(check Check) Check {
	if r.wrapCheck == nil {
		return check
	}
	return r.wrapCheck(check)
}

// matched is what the documents are known to match the plan for.
type matched struct {
	// revision is the one of the documents.
	revision int64
	// until is when the next binding ends, which changes what they ask for; zero for never.
	until time.Time
}

// matches reports whether a plan matches the documents at a revision and a time.
func (m *matched) matches(revision int64, now time.Time) bool {
	return m != nil && revision == m.revision && (m.until.IsZero() || now.Before(m.until))
}

// check compares the documents with those of the plan right before a change: a plan that
// has aged restores no access that was removed meanwhile, or that ended.
func (e *batchExecutor) check(ctx context.Context) error {
	r, run := e.reconciler, e.batch.Run
	revision, now, err := r.store.RevisionAt(ctx)
	if err != nil {
		return fmt.Errorf("reconcile: read the revision of the documents: %w", err)
	}
	if e.matched.Load().matches(revision, now) {
		return nil
	}
	current, err := r.store.TenantInput(ctx, run.Tenant)
	if err != nil {
		return fmt.Errorf("reconcile: read the documents of %s: %w", run.Tenant, err)
	}
	digest, err := DesiredDigest(current, e.driver.Profile())
	if err != nil {
		return err
	}
	if digest != e.batch.Desired {
		return fmt.Errorf("reconcile: %w: the documents of %s changed after plan %s", fault.ErrConflict, run.Tenant, run.Digest)
	}
	desired, err := r.RemovesDesired(ctx, e.driver, current, e.plan)
	if err != nil {
		return err
	}
	if desired {
		return fmt.Errorf("reconcile: %w: another tenant now desires what plan %s removes", fault.ErrConflict, run.Digest)
	}
	if err := e.checkRemovals(ctx, current); err != nil {
		return err
	}
	e.matched.Store(&matched{revision: revision, until: current.NextEndOfBinding()})
	return nil
}

// checkRemovals returns an error where a document forbids removals since the plan was made,
// and the plan has any.
func (e *batchExecutor) checkRemovals(ctx context.Context, current document.TenantInput) error {
	by := current.RemovalsForbiddenBy()
	if by == "" {
		return nil
	}
	tenant := e.batch.Run.Tenant
	revoked, err := e.reconciler.store.RevokedRefs(ctx, tenant.Platform)
	if err != nil {
		return fmt.Errorf("reconcile: read which accounts are revoked: %w", err)
	}
	if slices.ContainsFunc(e.plan.Steps, func(s plan.Step) bool { return s.RemovesAccess(revoked) }) {
		return fmt.Errorf("reconcile: %w: %s forbids removals, and plan %s has some", fault.ErrConflict, by, e.batch.Run.Digest)
	}
	return nil
}

// Prepared returns a stored plan of a tenant that was made for the desired access with the
// digest desired, with the profile of its driver. It reports false where the plan must be
// made again: the documents ask for something else, another tenant desires what the plan
// removes, or the platform has another connection. The platform is not asked: whether it
// changed meanwhile, each step finds out.
func (r *Reconciler) Prepared(ctx context.Context, id access.TenantID, digest, desired string) (plan.Plan, driver.Profile, bool, error) {
	s, err := r.loadPlan(ctx, id, digest)
	if err != nil {
		return plan.Plan{}, driver.Profile{}, false, err
	}
	profile := s.driver.Profile()
	now, err := DesiredDigest(s.document, profile)
	if err != nil || now != desired || s.plan.Tenant != id || s.plan.Connection != s.connection {
		return plan.Plan{}, profile, false, err
	}
	if elsewhere, err := r.RemovesDesired(ctx, s.driver, s.document, s.plan); err != nil || elsewhere {
		return plan.Plan{}, profile, false, err
	}
	return s.plan, profile, true, nil
}
