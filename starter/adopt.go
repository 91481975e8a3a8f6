package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rollcall-iam/rollcall/internal/control"
)

type adoptFlags struct {
	reason, as        string
	list              bool
	yes, dryRun, wait bool
}

func adoptCommand(c *cli) *cobra.Command {
	var flags adoptFlags
	cmd := &cobra.Command{
		Use:   "adopt [TENANT [GROUP ...]]",
		Short: "Take over groups that are on the platform already",
		Long: `adopt takes over groups that are on a tenant's platform under the names that its
documents want, and that Rollcall did not make, or made and forgot. From then on
they are like groups of its own: marked, with exactly the members and roles that
the documents ask for. Without a group it is about all of the tenant's that can be
taken over; without arguments it lists what was asked for and what came of it.

First it has a plan made and shows what changes, which needs a worker. Nothing is
taken over that was not shown: the group has to be the same one, by the platform's
id, when it is done. A group that another installation or tenant has marked is left
alone. What the guard holds stays held. Who asked is recorded as --as says; nobody
checks it yet.`,
		Example: `  rollcall adopt marketing.web/openstack.eu --dry-run
  rollcall adopt marketing.web/openstack.eu web-admin --reason "made by hand in 2024, CHG-77" --wait
  rollcall adopt`,
		ValidArgsFunction: c.completeAdoption,
		RunE:              func(cmd *cobra.Command, args []string) error { return c.adopt(cmd.Context(), args, flags) },
	}
	cmd.Flags().StringVar(&flags.reason, "reason", "", "why; kept for ever with the adoption")
	addAs(cmd, &flags.as)
	cmd.Flags().BoolVar(&flags.list, "list", false, "list all adoptions, also those that ended")
	cmd.Flags().BoolVar(&flags.dryRun, "dry-run", false, "show what it changes, and store nothing")
	cmd.Flags().BoolVarP(&flags.yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&flags.wait, "wait", false, "wait for the end of the run and report it")
	return cmd
}

func (c *cli) adopt(ctx context.Context, args []string, f adoptFlags) error {
	if len(args) == 0 || f.list {
		return c.listAdoptions(ctx)
	}
	request := control.AdoptRequest{
		Groups: args[1:], DryRun: f.dryRun, Reason: f.reason, By: actor(f.as), Wait: f.wait,
	}
	var err error
	if !f.dryRun {
		err = checkRecord(request.By, request.Reason)
	}
	if err == nil {
		request.Tenant, err = parseTenant(args[0])
	}
	if err != nil {
		return err
	}
	if !f.dryRun && !f.yes {
		agreed, err := c.agreeToAdopt(ctx, request)
		if err != nil || agreed == "" {
			return err
		}
		request.Digest = agreed
	}
	events := c.printEvents("replicating")
	events.adopting = func(a control.AdoptResult) {
		if f.yes && c.format == formatTable {
			c.writeAdoption(c.out, a)
		}
	}
	events.adopted = func(a control.AdoptResult) {
		fmt.Fprintf(c.err, "%s of %s to be taken over.\n", count(len(a.Adoption.Groups), "group"), request.Tenant)
	}
	result, err := c.service().Adopt(ctx, request, events.event)
	if err == nil && !result.Stored {
		return c.print(result.Adoption, func(w io.Writer) { c.writeAdoption(w, result) })
	}
	return c.replicated(events, result.Replication, err, tableFlags{named: true})
}

// agreeToAdopt shows what the adoption would change and asks. It returns the digest of the
// adoption that the user agrees to, or "" if no group can be adopted.
func (c *cli) agreeToAdopt(ctx context.Context, request control.AdoptRequest) (digest string, err error) {
	request.DryRun = true
	result, err := c.service().Adopt(ctx, request, nil)
	if err != nil {
		return "", err
	}
	n := len(result.Adoption.Groups)
	if n == 0 {
		return "", c.print(result.Adoption, func(w io.Writer) { c.writeAdoption(w, result) })
	}
	if c.format == formatTable {
		c.writeAdoption(c.out, result)
	}
	if !isTerminal(c.in) || c.format != formatTable {
		return "", invalid(fmt.Errorf("%s would be taken over: add --yes to do it, or --dry-run to see only", count(n, "group")))
	}
	fmt.Fprintf(c.err, "Take over %s? [y/N] ", count(n, "group"))
	answer, err := bufio.NewReader(c.in).ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("read the answer: %w", err)
	}
	if !strings.EqualFold(strings.TrimSpace(answer), "y") {
		return "", fmt.Errorf("adopt: %w", errDeclined)
	}
	return result.Adoption.Digest, nil
}

// completeAdoption offers tenants, then the groups that the tenant's documents
// want.
func (c *cli) completeAdoption(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return c.completeTenants(cmd, args, typed)
	}
	tenant, err := parseTenant(args[0])
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	names, err := c.service().ListAdoptable(cmd.Context(), tenant)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return slices.DeleteFunc(names, func(n string) bool { return slices.Contains(args[1:], n) }), cobra.ShellCompDirectiveNoFileComp
}
