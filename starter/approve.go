package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// decisionLife is how long a decision counts unless told otherwise: over a weekend.
const decisionLife = 72 * time.Hour

type decideFlags struct {
	verdict store.Verdict
	only    []string
	reason  string
	as      string
	life    time.Duration
	list    bool
	wait    bool
}

func approveCommand(c *cli) *cobra.Command {
	flags := decideFlags{verdict: store.Approved}
	cmd := &cobra.Command{
		Use:   "approve [TENANT DIGEST]",
		Short: "Approve removals that a guard holds",
		Long: `approve approves removals that a guard holds, and copies of external grants from a
replaced group to the new one, where a platform asks for that. Without arguments it lists
the steps that wait for an approval, with the reason and one digest for each tenant. A
limit per change or per hour also ends by itself. With a tenant and its digest it approves
all steps, or with --only those of the given accounts or objects, and starts a run. If
other steps wait by the time of the command, it approves none.

An approval counts until the tenant has nothing left to remove, at most for --expires,
also when a later plan has fewer of the same removals. Every decision is kept for ever
with the operating system's user, and with the name that --as gives, which nothing
verifies. --list shows all of them, with how each ended.`,
		Example: `  rollcall approve
  rollcall approve marketing.web/openstack.eu 1f0c5b0716ed --reason "team was dissolved, CHG-1234" --wait
  rollcall approve marketing.web/openstack.eu 1f0c5b0716ed --only jdoe@example.com --reason CHG-1235
  rollcall approve --list`,
		Args:              atMost(2, "name a tenant and the digest of what is held there"),
		ValidArgsFunction: c.completeTenants,
		RunE:              func(cmd *cobra.Command, args []string) error { return c.decide(cmd.Context(), args, &flags) },
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&flags.list, "list", false,
		"list all decisions about removals, of the tenant if one is named, also those that ended")
	cmd.Flags().BoolVar(&flags.wait, "wait", false, "wait for the end of the run and report it")
	return cmd
}

func rejectCommand(c *cli) *cobra.Command {
	flags := decideFlags{verdict: store.Rejected}
	cmd := &cobra.Command{
		Use:   "reject TENANT DIGEST",
		Short: "Reject removals that a guard holds",
		Long: `reject rejects removals that a guard holds: they stay pending, and their warning names
the operator and the reason, until --expires. The documents still need a fix. With --only
it rejects those of the given accounts or objects.`,
		Example:           `  rollcall reject marketing.web/openstack.eu 1f0c5b0716ed --reason "wrong export, see INC-77"`,
		Args:              exactly(2, "name a tenant and the digest of what is held there: rollcall approve lists them"),
		ValidArgsFunction: c.completeTenants,
		RunE:              func(cmd *cobra.Command, args []string) error { return c.decide(cmd.Context(), args, &flags) },
	}
	flags.add(cmd)
	return cmd
}

func (f *decideFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringSliceVar(&f.only, "only", nil, "only removals of these accounts, groups or roles")
	cmd.Flags().StringVar(&f.reason, "reason", "", "why; kept for ever with the decision")
	addAs(cmd, &f.as)
	cmd.Flags().DurationVar(&f.life, "expires", decisionLife, "how long the decision counts: 1m to 720h (30 days)")
}

func (c *cli) decide(ctx context.Context, args []string, f *decideFlags) error {
	switch {
	case f.list:
		return c.listDecisions(ctx, args)
	case len(args) == 0:
		return c.listPending(ctx)
	case len(args) == 1:
		return invalid(errors.New("name the digest of what is held there, too: rollcall approve lists them"))
	}
	request := control.DecideRequest{
		Digest: args[1], Verdict: f.verdict, Only: f.only, Reason: f.reason, By: actor(f.as), ExpiresIn: f.life, Wait: f.wait,
	}
	err := checkRecord(request.By, request.Reason)
	if err == nil {
		err = request.Validate()
	}
	if err == nil {
		request.Tenant, err = parseTenant(args[0])
	}
	if err != nil {
		return inFlags(err, f.texts())
	}
	events := c.printEvents("replicating")
	events.decided = func(d control.Decided) {
		fmt.Fprintf(c.err, "%s %s on %s.\n", decidedText(d), f.verdict, request.Tenant)
	}
	result, err := c.service().Decide(ctx, request, events.event)
	return c.replicated(events, result, inFlags(withApprove(err), f.texts()), tableFlags{named: true})
}

// texts say which flag is wrong.
func (f *decideFlags) texts() map[string]string {
	return map[string]string{
		"expires_in": fmt.Sprintf("--expires %s: write how long the decision counts, from 1m to 720h (30 days), such as 72h", f.life),
		"only":       "--only %q: no step that waits for an approval names it",
	}
}

// withApprove adds the command to a conflict that shows the steps which wait now.
func withApprove(err error) error {
	if e, ok := errors.AsType[*control.Error](err); ok && e.Code == control.Conflict && e.Field == "digest" {
		return fmt.Errorf("%w: list them with rollcall approve", err)
	}
	return err
}

// listPending shows the steps that wait for an approval.
func (c *cli) listPending(ctx context.Context) error {
	items, err := c.service().ListPending(ctx)
	if err != nil {
		return err
	}
	return c.print(items, func(w io.Writer) {
		if len(items) == 0 {
			fmt.Fprintln(c.err, "Nothing waits for an approval.")
		}
		for _, item := range items {
			writePendingTenant(w, item)
		}
	})
}

// listDecisions shows all decisions about removals, the newest first. Tenants that are removed
// have decisions, too.
func (c *cli) listDecisions(ctx context.Context, args []string) error {
	var tenants []access.TenantID
	for _, arg := range args[:min(1, len(args))] {
		tenant, err := parseTenant(arg)
		if err != nil {
			return err
		}
		tenants = append(tenants, tenant)
	}
	items, err := c.service().ListDecisions(ctx, tenants)
	if err != nil {
		return err
	}
	return c.print(items, func(w io.Writer) {
		if len(items) == 0 {
			fmt.Fprintln(c.err, "No removal was approved or rejected.")
			return
		}
		lines := make([][]string, len(items))
		for i, it := range items {
			lines[i] = []string{
				it.Tenant, it.Platform, it.Object, it.Account, string(it.Verdict), string(it.State), stamp(it.At),
				actorText(it.By, it.Claim), it.Reason,
			}
		}
		rows(w, []string{"TENANT", "PLATFORM", "OBJECT", "ACCOUNT", "VERDICT", "STATE", "SINCE", "BY", "REASON"}, lines)
	})
}
