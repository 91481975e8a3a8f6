package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/document"
)

// planFlags are those of plan.
type planFlags struct {
	selection
	tableFlags

	exitCode bool
	// files are those with documents that are not stored; prune plans the removal of what
	// they lack.
	files []string
	prune bool
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
each warning in the plan of its tenant.

With --file it plans documents that are not stored, and stores none of them: it shows what
changes in the documents, and the plans of the tenants that they affect. rollcall apply
--plan DIGEST stores exactly that, within a week. -o markdown is for a pull request.`,
		Example: `  rollcall plan --all
  rollcall plan marketing.web/openstack.eu
  rollcall plan --file organisation/ --prune -o markdown
  rollcall plan --all --exit-code -o json`,
		ValidArgsFunction: c.completeTenants,
		RunE: func(cmd *cobra.Command, args []string) error {
			flags.named = len(args) > 0
			switch {
			case len(flags.files) > 0 && (len(args) > 0 || flags.selection != selection{}):
				return invalid(errors.New("--file plans the tenants that the documents affect: choose no others"))
			case len(flags.files) > 0:
				return c.planDocuments(cmd.Context(), cmd.InOrStdin(), flags)
			case flags.prune:
				return invalid(errors.New("--prune is about documents that are not stored: add --file"))
			}
			chosen, err := flags.request(args)
			if err != nil {
				return err
			}
			return c.plan(cmd.Context(), chosen, flags)
		},
	}
	flags.selection.add(cmd)
	flags.tableFlags.add(cmd)
	cmd.Flags().StringArrayVarP(&flags.files, "file", "f", nil,
		"plan the documents of a file, a directory, or - for standard input, which are not stored; may be repeated")
	cmd.Flags().BoolVar(&flags.prune, "prune", false, "with --file: as if the stored documents that the input lacks were removed")
	cmd.Flags().BoolVar(&flags.exitCode, "exit-code", false, "exit with 4 if there are changes, with 3 if all of them wait for an approval")
	return cmd
}

// plan plans the chosen tenants and shows each plan as soon as it is made. A plan that cannot
// be written ends it.
func (c *cli) plan(ctx context.Context, chosen control.Selection, flags planFlags) error {
	p := c.newPlanPrinter(flags)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p.watch(cancel)
	summary, err := c.service().Plan(ctx, control.PlanRequest{Selection: chosen, Ordered: c.format != formatTable}, p.events.event)
	return p.end(ctx, summary, nil, err)
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

// planItem is one tenant's plan as JSON.
type planItem struct {
	Tenant   string             `json:"tenant"` // <workspace>.<project>
	Platform string             `json:"platform"`
	Outcome  activities.Outcome `json:"outcome"`
	Steps    []control.Step     `json:"steps"`
	Warnings []access.Remark    `json:"warnings"`
	// NextEnd is when the next users lose a role because bindings end; nil if none do.
	NextEnd *document.NextEnd `json:"next_end,omitempty"`
}

func planItemOf(p control.TenantPlan) planItem {
	return planItem{
		Tenant: p.Tenant.ProjectID(), Platform: p.Tenant.Platform, Outcome: p.Outcome,
		Steps: control.StepsOf(p.Plan), Warnings: list(p.Plan.Remarks), NextEnd: p.NextEnd,
	}
}
