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
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/progress"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// Drivers opens platforms; connection.Drivers is one.
type Drivers interface {
	// Driver returns the driver of a platform and the digest of the connection that
	// it was opened with, which is another after the connection changed.
	Driver(ctx context.Context, platform document.Platform) (driver.Driver, string, error)
}

// Reconciler compares tenants with their platform and records how they stand. It is safe
// for use by many goroutines.
type Reconciler struct {
	store   *store.Store
	ledger  *ledger.Ledger
	drivers Drivers
	// installation is in every ownership marker.
	installation string
	// wrapCheck returns what Apply calls in place of its check before each unit; nil for the
	// check itself.
	wrapCheck func(Check) Check
}

// NewReconciler returns the Reconciler of an installation.
func NewReconciler(s *store.Store, l *ledger.Ledger, installation string, drivers Drivers) *Reconciler {
	return &Reconciler{store: s, ledger: l, installation: installation, drivers: drivers}
}

// Options say how tenants are compared.
type Options struct {
	// Fresh trusts no answer about accounts and no ownership marker that was read before.
	Fresh bool
	// Resolved is when the accounts of the tenants were looked up, by the database's
	// clock: the answers of then serve as fresh ones. Zero for no such lookup.
	Resolved time.Time
	// Verify is true after steps were applied. Where the platform provisions users, accounts
	// that were not found are looked up again: the steps may have created them.
	Verify bool
	// Adopt are names of groups to plan as if a user had asked to adopt them.
	Adopt []string
	// Refused are runs whose refusals the plan takes into account, for one tenant.
	Refused []RefusedRun
	// DryRun reserves no removals.
	DryRun bool
	// Proposal is the digest of a change of documents to plan as if it was stored, see
	// store.Propose. Only for a dry run.
	Proposal string
}

// inputs reads the documents of tenants, as if the proposal was stored.
func (r *Reconciler) inputs(ctx context.Context, proposal string, ids []access.TenantID) ([]document.TenantInput, error) {
	read := r.store.TenantInputs
	if proposal != "" {
		read = func(ctx context.Context, ids []access.TenantID) ([]document.TenantInput, error) {
			return r.store.ProposedInputs(ctx, proposal, ids)
		}
	}
	documents, err := read(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("reconcile: read the documents of %d tenants: %w", len(ids), err)
	}
	return documents, nil
}

// Driver returns the driver of a platform and the digest of its connection.
func (r *Reconciler) Driver(ctx context.Context, platform document.Platform) (driver.Driver, string, error) {
	opened, connection, err := r.drivers.Driver(ctx, platform)
	if err != nil {
		return nil, "", fmt.Errorf("reconcile: %w", err)
	}
	return opened, connection, nil
}

// Compare plans tenants of one platform together, with as few calls as it allows, and
// holds what the guards hold. It returns the driver, and the tenants in the order of ids.
//
// What is remembered about accounts and ownership markers serves a first plan only. A
// plan that removes anything, finds an object of unclear ownership, or adds an account whose
// name is another account's now, is made again from fresh answers: remembered knowledge
// removes nothing and grants nothing.
func (r *Reconciler) Compare(ctx context.Context, ids []access.TenantID, o Options) (driver.Driver, []*Tenant, error) {
	d, tenants, err := r.load(ctx, ids, o)
	if err != nil || len(tenants) == 0 {
		return d, nil, err
	}
	if o.Verify && tenants[0].document.Platform.Replication.BringIn {
		o.Resolved = time.Time{}
	}
	if err := r.plan(ctx, d, tenants, o.since(o.Fresh), o.Fresh); err != nil {
		return nil, nil, err
	}
	if !o.Fresh {
		stale, err := r.staleAdditions(ctx, d, tenants)
		if err != nil {
			return nil, nil, err
		}
		needsFresh := slices.DeleteFunc(slices.Clone(tenants), func(t *Tenant) bool { return !t.needsFresh() && !stale[t] })
		if len(needsFresh) > 0 {
			if err := r.plan(ctx, d, needsFresh, o.since(true), true); err != nil {
				return nil, nil, err
			}
		}
	}
	return d, tenants, r.guard(ctx, tenants, o.DryRun)
}

// plan looks up, observes, compares, and answers what the plans do not know, which makes
// those again.
func (r *Reconciler) plan(ctx context.Context, d driver.Driver, tenants []*Tenant, since answersSince, fresh bool) error {
	if err := r.resolve(ctx, d, tenants, since); err != nil {
		return err
	}
	if err := r.observe(ctx, d, tenants, fresh); err != nil {
		return err
	}
	profile := d.Profile()
	for _, t := range tenants {
		t.answers = answers{}
		t.comparison = t.compare(profile, r.installation)
		progress.Report(ctx, "compare")
	}
	return r.answer(ctx, d, tenants, fresh)
}

// load reads what the documents and the database say of tenants.
func (r *Reconciler) load(ctx context.Context, ids []access.TenantID, o Options) (driver.Driver, []*Tenant, error) {
	if o.Proposal != "" && !o.DryRun {
		return nil, nil, fmt.Errorf("reconcile: a proposal is planned in a dry run only: %w", fault.ErrInvalid)
	}
	documents, err := r.inputs(ctx, o.Proposal, ids)
	if err != nil || len(documents) == 0 {
		return nil, nil, err
	}
	d, connection, err := r.Driver(ctx, documents[0].Platform)
	if err != nil {
		return nil, nil, err
	}
	decisions, err := r.store.Decisions(ctx, ids)
	if err != nil {
		return nil, nil, fmt.Errorf("reconcile: read the decisions: %w", err)
	}
	adoptions, err := r.store.Adoptions(ctx, ids)
	if err != nil {
		return nil, nil, fmt.Errorf("reconcile: read the adoptions: %w", err)
	}
	immovable, err := r.immovable(ctx, o.Refused)
	if err != nil {
		return nil, nil, err
	}
	tenants := make([]*Tenant, len(documents))
	for i, in := range documents {
		want, err := desiredOf(in, d.Profile())
		if err != nil {
			return nil, nil, err
		}
		progress.Report(ctx, "compute desired access")
		id := in.Tenant.TenantID
		tenants[i] = &Tenant{inputs: inputs{
			document: in, desired: want, decisions: decisions[id], adoptions: adoptions[id], adopt: o.Adopt,
			immovable: immovable, connection: connection, proposal: o.Proposal,
		}}
	}
	return d, tenants, nil
}
