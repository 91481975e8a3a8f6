package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/fatih/color"
	"github.com/spf13/cobra"
	"go.temporal.io/sdk/temporal"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/engine"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/workflows"
)

func planCommand(c *cli) *cobra.Command {
	chosen := selection{}
	var exitCode bool
	cmd := &cobra.Command{
		Use:   "plan [TENANT ...]",
		Short: "Show what replicate would change, for whom and why",
		Long: `plan shows what replicate would change. It is the same run, stopped before
anything is applied, so it needs a worker.`,
		Example: `  rollcall plan --all
  rollcall plan marketing.web/openstack.eu
  rollcall plan --all --exit-code -o json`,
		ValidArgsFunction: c.completeTenants,
		RunE: func(cmd *cobra.Command, args []string) error {
			tenants, err := c.tenants(cmd.Context(), &chosen, args)
			if err != nil {
				return err
			}
			return c.plan(cmd.Context(), tenants, exitCode)
		},
	}
	chosen.add(cmd)
	cmd.Flags().BoolVar(&exitCode, "exit-code", false, "exit with 4 when there is something to change, with 3 when all of it is held")
	return cmd
}

func (c *cli) plan(ctx context.Context, tenants []access.TenantID, exitCode bool) error {
	began := time.Now()
	runs, err := c.planRuns(ctx, tenants)
	if err != nil {
		return err
	}
	bar := c.watch(len(runs), "planning")
	err = await(ctx, runs, bar.one)
	bar.end()
	if err != nil {
		return err
	}
	r, text, err := c.planReport(ctx, runs)
	if err != nil {
		return err
	}
	r.DurationMS = time.Since(began).Milliseconds()
	if err := c.print(r, func(w io.Writer) { c.writePlan(w, text, r) }); err != nil {
		return err
	}
	return planVerdict(r, exitCode)
}

// planVerdict is the exit code that a plan deserves; exitCode asks for more than
// whether it could be made.
func planVerdict(r report, exitCode bool) error {
	switch {
	case r.Failed > 0:
		return exitError{code: exitFailed}
	case exitCode && r.Steps > 0:
		return exitError{code: exitChanges}
	case exitCode && heldSteps(r.Items) > 0:
		return exitError{code: exitWaiting}
	default:
		return nil
	}
}

// planReport reads the plans that dry runs stored, and writes them for people.
// Tenants of which there is nothing to say are left out of the text.
func (c *cli) planReport(ctx context.Context, runs []*tenantRun) (report, string, error) {
	r := report{Items: []item{}}
	var text strings.Builder
	for _, run := range runs {
		p := plan.Plan{Tenant: run.tenant}
		if run.err != nil {
			fmt.Fprintf(c.err, "%s cannot be planned: %s\n", run.tenant, reason(run.tenant.String(), run.err))
		} else {
			var err error
			if p, _, err = c.documents.Plan(ctx, run.result.Digest); err != nil {
				return r, "", err
			}
		}
		r.Totals.Count(run.result.Outcome, len(p.Steps), len(p.Remarks), run.result.Calls)
		r.Items = append(r.Items, planItem(p, run))
		if len(p.Steps)+len(p.Held)+len(p.Remarks) > 0 {
			text.WriteString(p.String() + "\n")
		}
	}
	return r, text.String(), nil
}

// planRuns starts a dry run for every tenant.
func (c *cli) planRuns(ctx context.Context, tenants []access.TenantID) ([]*tenantRun, error) {
	temporalClient, err := c.engine(ctx)
	if err != nil {
		return nil, err
	}
	found, err := listening(ctx, temporalClient)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, errNoWorker
	}
	starts := make([]start, len(tenants))
	for i, t := range tenants {
		starts[i] = start{
			id: workflows.PlanTenantID(t), workflow: workflows.ReplicateTenantWorkflow, summary: "plan " + t.String(),
			input:      workflows.ReplicateInput{Tenant: t, DryRun: true, Cause: "plan"},
			attributes: engine.TenantAttributes(t, "", 0),
			priority:   temporal.Priority{PriorityKey: engine.PriorityPeople, FairnessKey: fairness(t.ProjectID())},
		}
	}
	return c.startTenants(ctx, starts, tenants, "plan")
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
	Held bool `json:"held,omitempty"`
}

func planItem(p plan.Plan, run *tenantRun) item {
	steps := []planStep{}
	for _, s := range p.Steps {
		steps = append(steps, planStep{s.Op, s.Kind, s.Object, s.Have, s.Want, s.Why, false})
	}
	for _, s := range p.Held {
		steps = append(steps, planStep{s.Op, s.Kind, s.Object, s.Have, s.Want, s.Why, true})
	}
	outcome := run.result.Outcome
	if run.err != nil {
		outcome = activities.Failed
	}
	return item{
		Tenant: run.tenant.ProjectID(), Platform: run.tenant.Platform, Outcome: outcome,
		Steps: steps, Remarks: list(p.Remarks),
	}
}

// writePlan colours the lines of a plan by their sign, and adds it up.
func (c *cli) writePlan(w io.Writer, text string, r report) {
	colours := map[byte]color.Attribute{
		'+': color.FgGreen, '-': color.FgRed, '~': color.FgYellow, '!': color.FgMagenta, '?': color.FgCyan,
	}
	for line := range strings.Lines(text) {
		line = visible(strings.TrimSuffix(line, "\n"))
		sign := strings.TrimLeft(line, " ")
		if sign == "" || sign == line || colours[sign[0]] == 0 {
			fmt.Fprintln(w, line)
			continue
		}
		fmt.Fprintln(w, c.paint(colours[sign[0]], line))
	}
	fmt.Fprintf(w, "%s: %s, ", count(r.Tenants, "tenant"), count(r.Steps, "step"))
	if n := heldSteps(r.Items); n > 0 {
		fmt.Fprintf(w, "%s, ", count(n, "held removal"))
	}
	if r.Failed > 0 {
		fmt.Fprintf(w, "%d failed, ", r.Failed)
	}
	fmt.Fprintf(w, "%s; %s in %s.\n",
		count(r.Remarks, "remark"), count(r.Calls, "call"), time.Duration(r.DurationMS)*time.Millisecond)
}

// heldSteps counts the removals that wait for an approval.
func heldSteps(items []item) int {
	n := 0
	for _, it := range items {
		steps, _ := it.Steps.([]planStep)
		for _, s := range steps {
			if s.Held {
				n++
			}
		}
	}
	return n
}
