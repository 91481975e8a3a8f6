package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/temporal"
	"golang.org/x/sync/errgroup"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/engine"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/workflows"
)

// planFlags are those of plan.
type planFlags struct {
	selection
	tableFlags

	exitCode bool
}

func planCommand(c *cli) *cobra.Command {
	var flags planFlags
	cmd := &cobra.Command{
		Use:   "plan [TENANT ...]",
		Short: "Show the changes that replicate would make, and their reasons",
		Long: `plan shows the changes that replicate would make. It is the same run, which ends before
it applies anything, so it needs a worker. Each plan is shown as soon as it is made; -o
json and -o yaml keep the order of tenants.

Tenants without changes are counted; --show-all and tenants named as arguments list every
tenant. Equal warnings of several tenants are one line, below the plans; --show-all shows
each warning in the plan of its tenant.`,
		Example: `  rollcall plan --all
  rollcall plan marketing.web/openstack.eu
  rollcall plan --all --exit-code -o json`,
		ValidArgsFunction: c.completeTenants,
		RunE: func(cmd *cobra.Command, args []string) error {
			flags.named = len(args) > 0
			tenants, err := c.tenants(cmd.Context(), &flags.selection, args)
			if err != nil {
				return err
			}
			return c.plan(cmd.Context(), tenants, flags)
		},
	}
	flags.selection.add(cmd)
	flags.tableFlags.add(cmd)
	cmd.Flags().BoolVar(&flags.exitCode, "exit-code", false, "exit with 4 if there are changes, with 3 if all of them wait for an approval")
	return cmd
}

// plan plans every tenant and shows each plan as soon as it is made: many tenants, or
// large plans, need no memory.
func (c *cli) plan(ctx context.Context, tenants []access.TenantID, flags planFlags) error {
	began := time.Now()
	if err := c.listening(ctx); err != nil {
		return err
	}
	if err := c.warnUnserved(ctx, tenants); err != nil {
		return err
	}
	ends, err := c.nextEnds(ctx, tenants)
	if err != nil {
		return err
	}
	bar := c.watch(len(tenants), "planning")
	shown := &planned{out: c.planWriter(bar, flags.tableFlags)}
	err = c.planEach(ctx, tenants, func(run *tenantRun) error {
		defer bar.one()
		run.nextEnd = ends[run.tenant]
		if run.err != nil {
			bar.aside(func() {
				fmt.Fprintf(c.err, "%s cannot be planned: %s\n", run.tenant, visible(reason(run.tenant.String(), run.err)))
			})
			return shown.add(plan.Plan{Tenant: run.tenant}, run)
		}
		p, _, err := c.documents.Plan(ctx, run.result.Digest)
		if err != nil {
			return err
		}
		return shown.add(p, run)
	})
	bar.end()
	if ctx.Err() != nil {
		fmt.Fprintf(c.err, "\n%d of %s were planned. No platform was changed.\n", shown.Tenants, count(len(tenants), "tenant"))
		return ctx.Err()
	}
	if err != nil {
		return err
	}
	if err := shown.out.end(shown.Totals, shown.held, time.Since(began)); err != nil {
		return err
	}
	return planVerdict(shown.Totals, shown.held, flags.exitCode)
}

// planned counts what was shown.
type planned struct {
	activities.Totals
	held int // steps that wait for an approval
	out  planWriter
}

func (s *planned) add(p plan.Plan, run *tenantRun) error {
	s.Count(run.result.Outcome, len(p.Steps), len(p.Remarks), run.result.Calls)
	s.held += len(p.Held)
	return s.out.tenant(p, run)
}

// planVerdict is the exit code that plans deserve of which so many steps are held;
// exitCode asks for more than whether they could be made.
func planVerdict(t activities.Totals, held int, exitCode bool) error {
	switch {
	case t.Failed > 0:
		return exitError{code: exitFailed}
	case exitCode && t.Steps > 0:
		return exitError{code: exitChanges}
	case exitCode && held > 0:
		return exitError{code: exitWaiting}
	default:
		return nil
	}
}

// planEach makes a dry run of every tenant, waiters of them at a time, and calls
// ready for each that ended: one at a time, for JSON and YAML in the order of
// tenants.
func (c *cli) planEach(ctx context.Context, tenants []access.TenantID, ready func(*tenantRun) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(waiters)
	turn := queue{ready: ready, ordered: c.format != formatTable, waiting: map[int]*tenantRun{}}
	for i, tenant := range tenants {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			run, err := c.planTenant(ctx, tenant)
			if err != nil {
				return err
			}
			return turn.put(i, run)
		})
	}
	return group.Wait()
}

// queue hands runs on, one at a time, where it is ordered by their numbers. A run
// that waits holds no plan.
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

// planTenant makes a dry run of one tenant and waits for it.
func (c *cli) planTenant(ctx context.Context, t access.TenantID) (*tenantRun, error) {
	run, err := c.start(ctx, start{
		id: workflows.PlanTenantID(t), workflow: workflows.ReplicateTenantWorkflow, summary: "plan " + t.String(),
		input:      workflows.ReplicateInput{Tenant: t, DryRun: true, Cause: "plan"},
		attributes: engine.TenantAttributes(t, "", 0),
		priority:   temporal.Priority{PriorityKey: engine.PriorityPeople, FairnessKey: fairness(t.ProjectID())},
	}, "plan")
	if err != nil {
		return nil, err
	}
	r := &tenantRun{tenant: t, run: run}
	return r, r.wait(ctx)
}

// planStep is a step as JSON shows it.
type planStep struct {
	Op     plan.Op     `json:"op"`
	Kind   access.Kind `json:"kind"`
	Object string      `json:"object"`
	Have   plan.Object `json:"have"`
	Want   plan.Object `json:"want"`
	Why    string      `json:"why"`
	// Held is true for a step that waits for an approval.
	Held bool `json:"pending_approval,omitempty"`
	// Forbidden is true for a removal that a document forbids.
	Forbidden bool `json:"forbidden,omitempty"`
}

func shownStep(s plan.Step, held bool) planStep {
	return planStep{Op: s.Op, Kind: s.Kind, Object: s.Object, Have: s.Have, Want: s.Want, Why: s.Why, Held: held}
}

func planItem(p plan.Plan, run *tenantRun) item {
	steps := []planStep{}
	for _, s := range p.Steps {
		steps = append(steps, shownStep(s, false))
	}
	for _, s := range p.Held {
		steps = append(steps, shownStep(s, true))
	}
	for _, s := range p.Forbidden {
		left := shownStep(s, false)
		left.Forbidden = true
		steps = append(steps, left)
	}
	outcome := run.result.Outcome
	if run.err != nil {
		outcome = activities.Failed
	}
	return item{
		Tenant: run.tenant.ProjectID(), Platform: run.tenant.Platform, Outcome: outcome,
		Steps: steps, Warnings: plain(p.Remarks), NextEnd: run.nextEnd,
	}
}
