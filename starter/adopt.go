package main

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/temporal"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/desired"
	"github.com/rollcall-iam/rollcall/internal/engine"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/workflows"
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
	by := actor(f.as)
	if !f.dryRun {
		if err := checkRecord(by, f.reason); err != nil {
			return err
		}
	}
	tenants, err := c.tenants(ctx, &selection{}, args[:1])
	if err != nil {
		return err
	}
	wanted, err := c.adoptable(ctx, tenants[0], args[1:])
	if err != nil {
		return err
	}
	found, err := c.planAdoption(ctx, tenants[0], wanted)
	if err != nil {
		return err
	}
	if err := found.check(args[1:]); err != nil {
		return err
	}
	if f.dryRun || len(found.Groups) == 0 {
		return c.print(found, func(w io.Writer) { c.writeAdoption(w, found) })
	}
	if err := c.agreeToAdopt(ctx, found, wanted, f.yes); err != nil {
		return err
	}
	starts, err := c.tenantStarts(ctx, tenants, "adopt")
	if err != nil {
		return err
	}
	if err := c.documents.Adopt(ctx, tenants[0], found.adoptions(by, f.reason), starts...); err != nil {
		return err
	}
	fmt.Fprintf(c.err, "%s of %s to be taken over.\n", count(len(found.Groups), "group"), tenants[0])
	return c.startAndWait(ctx, tenants, replicateFlags{wait: f.wait, cause: "adopt", tableFlags: tableFlags{named: true}})
}

// adoptable returns the names of the groups that the tenant's documents want:
// those that are asked for, or all.
func (c *cli) adoptable(ctx context.Context, tenant access.TenantID, asked []string) ([]string, error) {
	in, err := c.documents.TenantInput(ctx, tenant)
	if err != nil {
		return nil, err
	}
	rules, known := platformRules(in.Platform.Type)
	switch {
	case !known:
		return nil, fmt.Errorf("no driver for platforms of the type %q", in.Platform.Type)
	case !rules.Options.Groups:
		return nil, invalid(fmt.Errorf("platforms of the type %q have no groups: there is nothing to adopt on %s",
			in.Platform.Type, tenant))
	}
	want, err := desired.Compute(in, rules.Options)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, g := range want.State.Groups {
		names = append(names, g.Name)
	}
	for _, name := range asked {
		if !slices.Contains(names, name) {
			return nil, invalid(fmt.Errorf("the documents want no group %q on %s, but %s",
				name, tenant, cmp.Or(quoted(names), "none at all")))
		}
	}
	if len(asked) > 0 {
		names = slices.Compact(slices.Sorted(slices.Values(asked)))
	}
	return names, nil
}

func quoted(names []string) string {
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = fmt.Sprintf("%q", name)
	}
	return strings.Join(all, ", ")
}

// planAdoption has the tenant planned as if those of the groups that are on the
// platform were taken over.
func (c *cli) planAdoption(ctx context.Context, t access.TenantID, groups []string) (adoption, error) {
	if err := c.listening(ctx); err != nil {
		return adoption{}, err
	}
	run, err := c.start(ctx, start{
		id: adoptionPlanID(t, groups), workflow: workflows.ReplicateTenantWorkflow, summary: "plan an adoption on " + t.String(),
		input:      workflows.ReplicateInput{Tenant: t, DryRun: true, Cause: "adopt", Adopt: groups},
		attributes: engine.TenantAttributes(t, "", 0),
		priority:   temporal.Priority{PriorityKey: engine.PriorityPeople, FairnessKey: fairness(t.ProjectID())},
	}, "adopt")
	if err != nil {
		return adoption{}, err
	}
	r := &tenantRun{tenant: t, run: run}
	if err := r.wait(ctx); err != nil {
		return adoption{}, err
	}
	if r.err != nil {
		return adoption{}, fmt.Errorf("%s cannot be planned: %s", t, reason(t.String(), r.err))
	}
	p, _, err := c.documents.Plan(ctx, r.result.Digest)
	if err != nil {
		return adoption{}, err
	}
	return newAdoption(p, r.result.Digest, groups), nil
}

// adoptionPlanID names a dry run after the groups it is about, so that two people
// who ask about different ones do not get each other's plan.
func adoptionPlanID(t access.TenantID, groups []string) string {
	sum := sha256.Sum256([]byte(strings.Join(groups, "\x00")))
	return workflows.PlanTenantID(t) + "/adopt-" + hex.EncodeToString(sum[:4])
}

// agreeToAdopt shows what would be done and asks. Since answers take their time,
// what was shown is looked at once more after one.
func (c *cli) agreeToAdopt(ctx context.Context, a adoption, wanted []string, yes bool) error {
	if c.format == formatTable {
		c.writeAdoption(c.out, a)
	}
	if yes {
		return nil
	}
	if !isTerminal(c.in) || c.format != formatTable {
		return invalid(fmt.Errorf("%s would be taken over: add --yes to do it, or --dry-run to see only", count(len(a.Groups), "group")))
	}
	fmt.Fprintf(c.err, "Take over %s? [y/N] ", count(len(a.Groups), "group"))
	answer, err := bufio.NewReader(c.in).ReadString('\n')
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if !strings.EqualFold(strings.TrimSpace(answer), "y") {
		return fmt.Errorf("adopt: %w", errDeclined)
	}
	again, err := c.planAdoption(ctx, a.tenant, wanted)
	if err != nil {
		return err
	}
	if again.Digest != a.Digest {
		return fmt.Errorf("%s has changed since it was shown: nothing was taken over, look at it again", a.tenant)
	}
	return nil
}

// completeAdoption offers tenants, then the groups that the tenant's documents
// want.
func (c *cli) completeAdoption(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return c.completeTenants(cmd, args, typed)
	}
	tenants, err := c.tenants(cmd.Context(), &selection{}, args[:1])
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	names, err := c.adoptable(cmd.Context(), tenants[0], nil)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return slices.DeleteFunc(names, func(n string) bool { return slices.Contains(args[1:], n) }), cobra.ShellCompDirectiveNoFileComp
}

// adoptions are what is stored of an adoption that was agreed to.
func (a adoption) adoptions(by access.Actor, reason string) []store.Adoption {
	all := make([]store.Adoption, len(a.Groups))
	for i, g := range a.Groups {
		all[i] = store.Adoption{Group: g.Group, Ref: g.Ref, By: by, Reason: reason, Digest: a.Digest}
	}
	return all
}

// isAdoption reports whether the step takes a group over under the name it has.
func isAdoption(s plan.Step) bool {
	return s.Op == plan.Change && s.Kind == access.KindGroup && s.Have.Group != nil && s.Want.Group != nil &&
		s.Have.Group.Name == s.Want.Group.Name && s.Have.Group.Ref != ""
}
