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
			s, err := c.database(cmd.Context())
			if err != nil {
				return err
			}
			tenants, err := chosen.tenants(cmd.Context(), s, args)
			if err != nil {
				return err
			}
			return c.plan(cmd.Context(), tenants, exitCode)
		},
	}
	chosen.add(cmd)
	cmd.Flags().BoolVar(&exitCode, "exit-code", false, "exit with 4 when there is something to change")
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
	if err := c.print(r, func(w io.Writer) { writePlan(w, text, r) }); err != nil {
		return err
	}
	if r.Failed > 0 {
		return exitError{code: exitFailed}
	}
	if exitCode && r.Steps > 0 {
		return exitError{code: exitChanges}
	}
	return nil
}

// planReport reads the plans that dry runs stored, and writes them for people.
// Tenants of which there is nothing to say are left out of the text.
func (c *cli) planReport(ctx context.Context, runs []*tenantRun) (report, string, error) {
	r := report{Items: []item{}}
	var text strings.Builder
	for _, run := range runs {
		p := plan.Plan{Tenant: run.tenant}
		if run.err != nil {
			fmt.Fprintf(&text, "%s: cannot be planned: %s\n", run.tenant, workflows.Reason(run.err))
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

// writePlan colours the lines of a plan by their sign.
func writePlan(w io.Writer, text string, r report) {
	paint := map[byte]*color.Color{
		'+': color.New(color.FgGreen), '-': color.New(color.FgRed), '~': color.New(color.FgYellow),
		'!': color.New(color.FgMagenta), '?': color.New(color.FgCyan),
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if sign := strings.TrimLeft(line, " "); sign != "" && sign != line && paint[sign[0]] != nil {
			line = paint[sign[0]].Sprint(line)
		}
		fmt.Fprintln(w, line)
	}
	fmt.Fprintf(w, "%d tenants: %d steps, %d remarks; %d calls in %s.\n",
		r.Tenants, r.Steps, r.Remarks, r.Calls, time.Duration(r.DurationMS)*time.Millisecond)
}
