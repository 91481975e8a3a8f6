package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/control"
)

type replicateFlags struct {
	selection
	tableFlags

	wait bool
}

func replicateCommand(c *cli) *cobra.Command {
	var flags replicateFlags
	cmd := &cobra.Command{
		Use:   "replicate [TENANT ...]",
		Short: "Replicate the desired access to platforms",
		Long: `replicate gives the chosen tenants the access that the documents ask for. A tenant is
written <workspace>.<project>/<platform>. A tenant with an open run is compared once more
by that run. Whole platforms are compared in few calls, and only tenants that differ get
a run of their own.

With --wait it ends with the work and reports it: the tenants that changed, wait or
failed, and the number of unchanged ones. --show-all and tenants named as arguments list
every tenant. Equal warnings of several tenants are one line. The exit code is 0 when all
tenants are done, 1 when a tenant failed, 3 when a removal waits for an approval. Ctrl-C
leaves the work running.`,
		Example: `  rollcall replicate --all --wait
  rollcall replicate marketing.web/openstack.eu --wait -o json
  rollcall replicate --project marketing.web`,
		ValidArgsFunction: c.completeTenants,
		RunE: func(cmd *cobra.Command, args []string) error {
			flags.named = len(args) > 0
			chosen, err := flags.request(args)
			if err != nil {
				return err
			}
			request := control.ReplicateRequest{Selection: chosen, By: actor(""), Wait: flags.wait}
			return c.replicate(cmd.Context(), request, flags.tableFlags)
		},
	}
	flags.selection.add(cmd)
	flags.tableFlags.add(cmd)
	cmd.Flags().BoolVar(&flags.wait, "wait", false, "wait for the end and report it")
	return cmd
}

// replicate replicates tenants, and reports the result if the request waits for it.
func (c *cli) replicate(ctx context.Context, request control.ReplicateRequest, table tableFlags) error {
	f := c.printEvents("replicating")
	result, err := c.service().Replicate(ctx, request, f.event)
	return c.replicated(f, result, err, table)
}

// replicated shows the result of a replication.
func (c *cli) replicated(f *eventPrinter, result control.ReplicateResult, err error, table tableFlags) error {
	f.end()
	switch {
	case errors.Is(err, context.Canceled) && f.total > 0:
		c.following()
		return err
	case err != nil:
		return err
	case result.Report == nil:
		return c.started(result.Tenants)
	}
	c.writeFailures(result.Failures)
	return c.report(result, table)
}

// writeFailures writes on the error stream why work failed, so that results stay results.
func (c *cli) writeFailures(failures []control.Failure) {
	for i, failure := range failures {
		if i == shownAtMost {
			fmt.Fprintf(c.err, "... and %d more\n", len(failures)-i)
			return
		}
		name := "platform " + failure.Platform
		if failure.Tenant != (access.TenantID{}) {
			name = failure.Tenant.String()
		}
		fmt.Fprintln(c.err, visible(name+": "+failure.Reason))
	}
}

// started says that the work on n tenants goes on without the command.
func (c *cli) started(n int) error {
	if c.format != formatTable {
		return c.print(startedReport{Tenants: n, Started: true}, nil)
	}
	fmt.Fprintf(c.err, "Started %s. Follow the work with:  rollcall status\n", count(n, "tenant"))
	return nil
}

// startedReport says in JSON that work goes on without the command.
type startedReport struct {
	Tenants int  `json:"tenants"`
	Started bool `json:"started"`
}
