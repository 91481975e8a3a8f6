package control

import (
	"context"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/engine"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/workflows"
)

// PlanRequest asks for the changes that a replication would make.
type PlanRequest struct {
	Selection
	// Ordered reports the plans in the order of tenants, not as soon as each is planned.
	Ordered bool `json:"ordered,omitempty"`
}

// PlanSummary counts what was planned.
type PlanSummary struct {
	activities.Totals
	// Pending counts the steps that wait for an approval; Totals.Steps does not.
	Pending int `json:"pending_approval"`
}

// TenantPlan is the plan of one tenant.
type TenantPlan struct {
	Tenant  access.TenantID    `json:"tenant"`
	Outcome activities.Outcome `json:"outcome"`
	Plan    plan.Plan          `json:"plan"`
	// Failure is set if the tenant cannot be planned; Plan is empty then.
	Failure *Failure `json:"failure,omitempty"`
	// NextEnd is when the next users lose a role because bindings end; nil if none do.
	NextEnd *document.NextEnd `json:"next_end,omitempty"`

	calls int
}

// Step is a step of a plan.
type Step struct {
	Op     plan.Op     `json:"op"`
	Kind   access.Kind `json:"kind"`
	Object string      `json:"object"`
	Have   plan.Object `json:"have"`
	Want   plan.Object `json:"want"`
	Why    string      `json:"why"`
	// Pending is true for a step that waits for an approval.
	Pending bool `json:"pending_approval,omitempty"`
	// Forbidden is true for a removal that a document forbids.
	Forbidden bool `json:"forbidden,omitempty"`
}

func stepOf(s plan.Step, pending bool) Step {
	return Step{Op: s.Op, Kind: s.Kind, Object: s.Object, Have: s.Have, Want: s.Want, Why: s.Why, Pending: pending}
}

// StepsOf returns the steps of a plan: those that a run applies, those that wait for an
// approval, and those that documents forbid.
func StepsOf(p plan.Plan) []Step {
	steps := []Step{}
	for _, s := range p.Steps {
		steps = append(steps, stepOf(s, false))
	}
	for _, s := range p.Held {
		steps = append(steps, stepOf(s, true))
	}
	for _, s := range p.Forbidden {
		left := stepOf(s, false)
		left.Forbidden = true
		steps = append(steps, left)
	}
	return steps
}

// Plan is that of Plans. Each plan is read when it is reported: many tenants, or large
// plans, need no memory.
func (l *Local) Plan(ctx context.Context, r PlanRequest, report func(Event)) (PlanSummary, error) {
	tenants, err := l.ListTenants(ctx, r.Selection)
	if err != nil {
		return PlanSummary{}, err
	}
	s, err := l.Store(ctx)
	if err != nil {
		return PlanSummary{}, err
	}
	ends, err := nextEnds(ctx, s, tenants)
	if err != nil {
		return PlanSummary{}, err
	}
	return l.planTenants(ctx, tenants, planOptions{ordered: r.Ordered, ends: ends}, newReporter(report))
}

// planOptions are those of plans of tenants.
type planOptions struct {
	// ordered reports the plans in the order of tenants.
	ordered bool
	// proposal is the digest of a change of documents that is planned as if it was stored.
	proposal string
	// activeOnly leaves out the tenants on platforms that no worker serves, which wait for one.
	activeOnly bool
	ends       map[access.TenantID]*document.NextEnd
}

// planTenants plans tenants and reports each plan. It needs a worker.
func (l *Local) planTenants(ctx context.Context, tenants []access.TenantID, o planOptions, events *reporter) (PlanSummary, error) {
	s, t, err := l.connect(ctx)
	if err != nil {
		return PlanSummary{}, err
	}
	if err := l.requireWorker(ctx, t); err != nil {
		return PlanSummary{}, err
	}
	unserved, err := l.reportUnserved(ctx, tenants, events)
	if err != nil {
		return PlanSummary{}, err
	}
	if o.activeOnly {
		tenants = slices.DeleteFunc(slices.Clone(tenants), func(t access.TenantID) bool { return unserved[t.Platform] })
	}
	planTenant := t.planTenant
	if o.proposal != "" {
		planTenant = func(ctx context.Context, tenant access.TenantID) (*tenantRun, error) {
			return t.planProposal(ctx, tenant, o.proposal)
		}
	}
	events.start(len(tenants))
	var summary PlanSummary
	err = planEach(ctx, tenants, o.ordered, planTenant, func(run *tenantRun) error {
		run.nextEnd = o.ends[run.tenant]
		planned, err := readPlan(ctx, s, run)
		if err != nil {
			return err
		}
		summary.Count(run.result.Outcome, len(planned.Plan.Steps), len(planned.Plan.Remarks), planned.calls)
		summary.Pending += len(planned.Plan.Held)
		events.send(Event{Type: EventPlanned, Plan: &planned})
		events.one()
		return nil
	})
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return summary, err
}

// readPlan returns the plan that a dry run planned.
func readPlan(ctx context.Context, s *store.Store, run *tenantRun) (TenantPlan, error) {
	planned := TenantPlan{
		Tenant: run.tenant, Outcome: run.result.Outcome, Plan: plan.Plan{Tenant: run.tenant}, Failure: run.failure(),
		NextEnd: run.nextEnd, calls: run.result.Calls,
	}
	if planned.Failure != nil {
		planned.Outcome = activities.Failed
		return planned, nil
	}
	var err error
	planned.Plan, _, err = s.Plan(ctx, run.result.Digest)
	return planned, err
}

// planTenant makes a dry run of one tenant and waits for it.
func (t Temporal) planTenant(ctx context.Context, tenant access.TenantID) (*tenantRun, error) {
	return t.dryRun(ctx, workflows.PlanTenantID(tenant), "plan "+tenant.String(), workflows.ReplicateInput{Tenant: tenant, Cause: "plan"})
}

// planProposal makes a dry run of one tenant as if a change of documents was stored, and waits
// for it.
func (t Temporal) planProposal(ctx context.Context, tenant access.TenantID, proposal string) (*tenantRun, error) {
	return t.dryRun(ctx, workflows.PlanProposalID(tenant, proposal), "plan "+tenant.String()+" with documents that are not stored",
		workflows.ReplicateInput{Tenant: tenant, Cause: "plan", Proposal: proposal})
}

// dryRun makes a dry run of a tenant and waits for it.
func (t Temporal) dryRun(ctx context.Context, id, summary string, in workflows.ReplicateInput) (*tenantRun, error) {
	in.DryRun = true
	run, err := t.start(ctx, start{
		id: id, workflow: workflows.ReplicateTenantWorkflow, summary: summary, input: in, cause: in.Cause,
		attributes: engine.TenantAttributes(in.Tenant, "", 0),
		priority:   engine.Priority(engine.PriorityPeople, in.Tenant.ProjectID()),
	})
	if err != nil {
		return nil, err
	}
	r := &tenantRun{tenant: in.Tenant, run: run}
	return r, r.wait(ctx)
}

// planEach plans every tenant, maxPolls of them at a time, and calls ready for each, one at a
// time: in the order of tenants if ordered.
func planEach(
	ctx context.Context, tenants []access.TenantID, ordered bool,
	planTenant func(context.Context, access.TenantID) (*tenantRun, error), ready func(*tenantRun) error,
) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(maxPolls)
	next := queue{ready: ready, ordered: ordered, waiting: map[int]*tenantRun{}}
	for i, tenant := range tenants {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			run, err := planTenant(ctx, tenant)
			if err != nil {
				return err
			}
			return next.put(i, run)
		})
	}
	return group.Wait()
}

// queue passes runs on, one at a time, by their numbers if it is ordered. A run that waits
// has no plan in memory.
type queue struct {
	ready   func(*tenantRun) error
	ordered bool

	mu      sync.Mutex
	next    int
	waiting map[int]*tenantRun
}

func (q *queue) put(i int, run *tenantRun) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.ordered {
		return q.ready(run)
	}
	q.waiting[i] = run
	for ; q.waiting[q.next] != nil; q.next++ {
		if err := q.ready(q.waiting[q.next]); err != nil {
			return err
		}
		delete(q.waiting, q.next)
	}
	return nil
}
