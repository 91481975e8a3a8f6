package reconcile

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// TenantOutcome is how a run ended for a tenant.
type TenantOutcome string

// The outcomes. Open means that there is still something to do.
const (
	Open      TenantOutcome = ""
	Planned   TenantOutcome = "planned"   // a dry run: the plan is stored, nothing else happened
	Converged TenantOutcome = "converged" // the platform already was as desired
	Changed   TenantOutcome = "changed"   // it is now
	Waiting   TenantOutcome = "waiting"   // everything but removals that need an approval is done
	Drifting  TenantOutcome = "drifting"  // another system keeps reverting our changes
	Failed    TenantOutcome = "failed"    // a user or an operator has to act
)

// Run says on whose behalf a tenant is recorded.
type Run struct {
	ID string
	// DryRun stores plans and nothing else.
	DryRun bool
	// Steps and Calls count what the run has done for the tenant.
	Steps, Calls int
	// RefusedSince is the first pass of the run whose refusals count; 0 for none. If all steps
	// of the plan are about accounts that the platform refused in these passes, the tenant
	// counts as desired, with a warning about each.
	RefusedSince int
}

// Recorded says what is stored of a tenant.
type Recorded struct {
	// Outcome is Open for a tenant with steps to apply: its plan is stored, its status is not.
	Outcome TenantOutcome
	// Digest names the stored plan; empty if none was stored, as it holds nothing.
	Digest string
}

// Record stores the plans of tenants, and the statuses of those that have no steps left,
// with a number of statements that does not depend on that of the tenants without refused
// steps. It returns what is stored in the order of the tenants. The function of returns a
// tenant's run.
func (r *Reconciler) Record(ctx context.Context, tenants []*Tenant, of func(access.TenantID) Run) ([]Recorded, error) {
	all := make([]Recorded, len(tenants))
	if err := r.putPlans(ctx, tenants, of, all); err != nil {
		return nil, err
	}
	refused, err := r.refusedAccounts(ctx, tenants, of)
	if err != nil {
		return nil, err
	}
	var closed []*Tenant
	runs := map[access.TenantID]string{}
	for i, t := range tenants {
		run := of(t.ID())
		switch {
		case run.DryRun:
			all[i].Outcome = Planned
			continue
		case len(t.plan.Steps) > 0 && len(refused[t.ID()]) == 0:
			continue
		case run.Steps > 0:
			runs[t.ID()] = run.ID
		}
		all[i].Outcome = t.Outcome(run.Steps)
		closed = append(closed, t)
	}
	events, err := r.Events(ctx, runs)
	if err != nil {
		return nil, err
	}
	for _, t := range closed {
		t.plan.Remarks = WithEvents(slices.Concat(t.plan.Remarks, refused[t.ID()]), events[t.ID()])
	}
	if err := r.close(ctx, closed); err != nil {
		return nil, err
	}
	return all, r.putStatuses(ctx, tenants, of, all)
}

// refusedAccounts returns the warnings about refused accounts, by the tenants whose steps
// are all about such accounts.
func (r *Reconciler) refusedAccounts(
	ctx context.Context, tenants []*Tenant, of func(access.TenantID) Run,
) (map[access.TenantID][]access.Remark, error) {
	all := map[access.TenantID][]access.Remark{}
	for _, t := range tenants {
		run := of(t.ID())
		if run.DryRun || run.RefusedSince == 0 || len(t.plan.Steps) == 0 {
			continue
		}
		failed, err := r.failed(ctx, ledger.Run{RunID: run.ID})
		if err != nil {
			return nil, err
		}
		all[t.ID()] = refusedAccountWarnings(t.plan.Steps, failed, run.RefusedSince)
	}
	return all, nil
}

// putStatuses stores the statuses of tenants that have an outcome, but for those that are
// forgotten.
func (r *Reconciler) putStatuses(
	ctx context.Context, tenants []*Tenant, of func(access.TenantID) Run, recorded []Recorded,
) error {
	var statuses []store.Status
	for i, t := range tenants {
		if recorded[i].Outcome != Open && recorded[i].Outcome != Planned && !t.cleanupDone() {
			statuses = append(statuses, t.status(of(t.ID()), recorded[i]))
		}
	}
	if err := r.store.PutStatuses(ctx, statuses); err != nil {
		return fmt.Errorf("reconcile: store %d statuses: %w", len(statuses), err)
	}
	return nil
}

// putPlans stores the plans that have anything, or all in a dry run.
func (r *Reconciler) putPlans(ctx context.Context, tenants []*Tenant, run func(access.TenantID) Run, recorded []Recorded) error {
	var plans []store.DatedPlan
	var of []int
	for i, t := range tenants {
		if run(t.ID()).DryRun || len(t.plan.Steps)+len(t.plan.Held)+len(t.plan.Forbidden) > 0 {
			plans, of = append(plans, store.DatedPlan{Plan: t.plan, Revision: t.document.Generation}), append(of, i)
		}
	}
	digests, err := r.store.PutPlans(ctx, plans)
	if err != nil {
		return fmt.Errorf("reconcile: store %d plans: %w", len(plans), err)
	}
	for i, digest := range digests {
		recorded[of[i]].Digest = digest
	}
	return nil
}

// Outcome judges a tenant that has no steps left, of a run that applied so many.
func (t *Tenant) Outcome(applied int) TenantOutcome {
	switch {
	case t.absent():
		return Failed
	case len(t.plan.Held) > 0:
		return Waiting
	case applied > 0:
		return Changed
	default:
		return Converged
	}
}

func (t *Tenant) status(run Run, recorded Recorded) store.Status {
	changed := t.document.Unnamed || t.document.HasAuthors
	applied := changed && t.removalsDone() && t.removalsKnown()
	return store.Status{
		Tenant: t.ID(), Outcome: string(recorded.Outcome), RunID: run.ID,
		Digest: recorded.Digest, Steps: run.Steps, Held: len(t.plan.Held), Removals: len(t.plan.HeldRemovals()), Calls: run.Calls,
		Applied: applied, Decided: applied && !t.needsAdoption(), Generation: t.document.Generation,
		Remarks: t.plan.Remarks, Seen: t.startedAt,
		Age: max(time.Since(t.at), 1), Desired: t.DesiredDigest(),
	}
}

// removalsDone reports whether no removals wait or are forbidden.
func (t *Tenant) removalsDone() bool { return len(t.plan.Held)+len(t.plan.Forbidden) == 0 }

// needsAdoption reports whether an unmanaged object stands where the documents desire one.
func (t *Tenant) needsAdoption() bool {
	return slices.ContainsFunc(t.plan.Remarks, func(r access.Remark) bool {
		return r.Code == access.ObjectForeign || r.Code == access.OwnershipUnclear
	})
}

// cleanupDone reports whether a removed tenant has nothing left to remove.
func (t *Tenant) cleanupDone() bool { return t.document.Deleted && t.removalsDone() }

// close ends what lasts until a tenant has no steps left. A removed tenant that is cleaned
// up is forgotten. One with removals that wait or are forbidden stays, and so do the
// decisions about them. Both stay for a tenant that the platform does not have, as the
// removals are not known.
func (r *Reconciler) close(ctx context.Context, tenants []*Tenant) error {
	if err := r.endAdoptions(ctx, tenants); err != nil {
		return err
	}
	if err := r.recordGrants(ctx, tenants); err != nil {
		return err
	}
	var decided, finished []access.TenantID
	var missing []ledger.Missing
	for _, t := range tenants {
		if t.removalsDone() && len(t.decisions) > 0 && !t.absent() {
			decided = append(decided, t.ID())
		}
		if t.cleanupDone() {
			finished = append(finished, t.ID())
			missing = append(missing, ledger.Missing{Tenant: t.ID(), Keys: t.missing, Propagation: t.propagation})
		}
	}
	if err := r.store.EndDecisions(ctx, decided); err != nil {
		return fmt.Errorf("reconcile: end the decisions on %d tenants: %w", len(decided), err)
	}
	// What the ledger has of objects that still exist stays.
	if err := r.ledger.Forget(ctx, missing); err != nil {
		return fmt.Errorf("reconcile: forget the objects of %d removed tenants: %w", len(missing), err)
	}
	if err := r.store.TombstonesDone(ctx, finished); err != nil {
		return fmt.Errorf("reconcile: forget %d removed tenants: %w", len(finished), err)
	}
	return nil
}

// endAdoptions ends those that are done, and those that can never be.
func (r *Reconciler) endAdoptions(ctx context.Context, tenants []*Tenant) error {
	var ended []store.Adoption
	for _, t := range tenants {
		for _, a := range t.adoptions {
			if end, over := t.adoptionEnd(a, r.installation); over {
				a.End = end
				ended = append(ended, a)
			}
		}
	}
	if err := r.store.EndAdoptions(ctx, ended); err != nil {
		return fmt.Errorf("reconcile: end %d adoptions: %w", len(ended), err)
	}
	return nil
}

// adoptionEnd says how an adoption has ended, if it has. One of a group with the marker of
// another owner stays open, until the marker is gone.
func (t *Tenant) adoptionEnd(a store.Adoption, installation string) (store.AdoptionEnd, bool) {
	if t.absent() {
		return "", false
	}
	desired := slices.ContainsFunc(t.resolved.State.Groups, func(g access.Group) bool { return g.Name == a.Group })
	if !desired {
		return store.Unwanted, true
	}
	seen := t.groupsNamed(a.Group)
	at := slices.IndexFunc(seen, func(g access.Group) bool { return g.Ref == a.Ref })
	if at < 0 {
		return store.Gone, true
	}
	marker := access.Mark{Installation: installation, Tenant: a.Tenant.String()}
	managed := slices.ContainsFunc(t.managed, func(o plan.Owned) bool { return o.Key == seen[at].Key() && o.Ref == a.Ref })
	return store.Adopted, managed && seen[at].Mark.Agrees(marker)
}

// recordGrants tells the ledger which project role each managed group grants, where it
// does not know: by that a group is known again under another name. Where removals are
// forbidden the ledger keeps the role whose members are in the group.
func (r *Reconciler) recordGrants(ctx context.Context, tenants []*Tenant) error {
	all := map[access.TenantID]map[string]string{}
	for _, t := range tenants {
		if roles := t.unknownGrants(); len(roles) > 0 && t.document.RemovalsForbiddenBy() == "" {
			all[t.ID()] = roles
		}
	}
	if err := r.ledger.Serve(ctx, all); err != nil {
		return fmt.Errorf("reconcile: record the project roles of the groups of %d tenants: %w", len(all), err)
	}
	return nil
}

// unknownGrants are the roles of managed groups seen under their desired names, where the
// ledger has another role, or the group under another name, too.
func (t *Tenant) unknownGrants() map[string]string {
	refs := map[string]string{} // observed ids by name
	for _, g := range t.seen.State.Groups {
		refs[g.Name] = g.Ref
	}
	grants, ids := map[string]string{}, map[string]bool{} // of groups seen under their names
	for _, g := range t.resolved.State.Groups {
		if ref, seen := refs[g.Name]; seen {
			grants[g.Name], ids[ref] = g.Serves, true
		}
	}
	differs := false
	for _, o := range t.managed {
		if o.Key.Kind != access.KindGroup {
			continue
		}
		role, seen := grants[o.Key.Group]
		differs = differs || seen && o.Serves != role || !seen && ids[o.Ref]
	}
	if !differs {
		return nil
	}
	return grants
}

// Events returns the warnings of earlier plans of runs, by their tenants, about changes that
// were then made: the last observation finds nothing of them. They hold until the next run.
func (r *Reconciler) Events(ctx context.Context, runs map[access.TenantID]string) (map[access.TenantID][]access.Remark, error) {
	if len(runs) == 0 {
		return map[access.TenantID][]access.Remark{}, nil
	}
	codes := slices.DeleteFunc(access.Codes(), func(c access.Code) bool { return !c.IsEvent() })
	events, err := r.store.AppliedWarnings(ctx, runs, codes)
	if err != nil {
		return nil, fmt.Errorf("reconcile: read what %d runs have done: %w", len(runs), err)
	}
	return events, nil
}

// WithEvents returns the warnings and those of the events that they do not have yet.
func WithEvents(warnings, events []access.Remark) []access.Remark {
	all := slices.Clone(warnings)
	for _, e := range events {
		if !warned(all, e) {
			all = append(all, e)
		}
	}
	return access.SortRemarks(all)
}

// warned reports whether there is a warning about the same event. An unmanaged member is
// known by the text alone: warnings about two members of one group have the same object.
// What becomes of an external role changes from plan to plan of one run, and the last plan
// has it right.
func warned(warnings []access.Remark, event access.Remark) bool {
	return slices.ContainsFunc(warnings, func(w access.Remark) bool {
		return w == event || event.Code != access.ForeignMemberRemoved && w.Code == event.Code && w.Object == event.Object
	})
}

// RecordFailures stores why tenants could not be compared, and keeps the warnings that only
// an observation of the platform can end, and those about changes that their runs have made.
// A status that was stored after startedAt, by the database's clock, stays.
func (r *Reconciler) RecordFailures(
	ctx context.Context, failures map[access.TenantID]error, startedAt time.Time, of func(access.TenantID) Run,
) error {
	if len(failures) == 0 {
		return nil
	}
	revision, err := r.store.Generation(ctx)
	if err != nil {
		return fmt.Errorf("reconcile: read the revision of the documents: %w", err)
	}
	runs := map[access.TenantID]string{}
	for id := range failures {
		if run := of(id); run.Steps > 0 {
			runs[id] = run.ID
		}
	}
	events, err := r.Events(ctx, runs)
	if err != nil {
		return err
	}
	statuses := make([]store.Status, 0, len(failures))
	for id, cause := range failures {
		run, warning := of(id), failureWarning(id.Platform, fault.Name(cause), cause.Error())
		statuses = append(statuses, store.Status{
			Tenant: id, Outcome: string(Failed), RunID: run.ID, Steps: run.Steps, Calls: run.Calls, Generation: revision,
			Blind: true, Seen: startedAt, Remarks: WithEvents([]access.Remark{warning}, events[id]),
		})
	}
	if err := r.store.PutStatuses(ctx, statuses); err != nil {
		return fmt.Errorf("reconcile: store %d statuses: %w", len(statuses), err)
	}
	return nil
}
