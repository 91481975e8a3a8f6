package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/desired"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// recordsRead is how many of a tenant's newest steps are searched for the ones
// that concern somebody.
const recordsRead = 10_000

func explainCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "explain [USER] TENANT",
		Short: "Say why somebody has or lacks access, or who has any",
		Long: `explain says why a user has access on a tenant, as a chain of facts: which binding
gives them which role, directly or through a group, which mapping turns it into which
group and platform role, how the group's name came about, which account the euid
pattern makes of their euid, and what was done on the platform when, by which run. A
user is named by metadata.name, euid or email.

It says as well what is in the way of access they lack, each with a code that does not
change: no-binding, role-unmapped, the codes of warnings such as user-not-found,
no-platform, no-tenant, tenant-removed, tenant-failed and not-replicated. Access that
the documents no longer ask for, and that is held back by a guard, is shown as such,
with what was decided about it; so is access that stays because the platform or the
landing zone forbids removals.

With a tenant alone it lists everybody who can reach it, and with what. It answers
from the documents and the record of what was done, and asks no platform.`,
		Example: `  rollcall explain jane-doe marketing.web/openstack.eu
  rollcall explain jane@example.com marketing.web/openstack.eu -o json
  rollcall explain marketing.web/openstack.eu`,
		Args:              between(1, 2, "name a tenant, or a user and a tenant"),
		ValidArgsFunction: c.completeExplain,
		RunE: func(cmd *cobra.Command, args []string) error {
			who := ""
			if len(args) > 1 {
				who = args[0]
			}
			return c.explain(cmd.Context(), who, args[len(args)-1])
		},
	}
}

// completeExplain offers people and tenants, then tenants.
func (c *cli) completeExplain(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	tenants, directive := c.completeTenants(cmd, nil, typed)
	if len(args) > 0 {
		return tenants, directive
	}
	people, directive := c.completePeople(cmd, nil, typed)
	return append(people, tenants...), directive
}

func (c *cli) explain(ctx context.Context, who, tenant string) error {
	id, err := access.ParseTenantID(tenant)
	if err != nil {
		return invalid(fmt.Errorf("%q is not a tenant: write <workspace>.<project>/<platform>", tenant))
	}
	s, err := c.database(ctx)
	if err != nil {
		return err
	}
	in, err := s.TenantInput(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return c.explainNoTenant(ctx, who, id)
	}
	if err != nil {
		return err
	}
	e, err := c.facts(ctx, in)
	if err != nil {
		return err
	}
	if who != "" {
		if err := c.aboutPerson(ctx, e, who); err != nil {
			return err
		}
	}
	out := e.explain()
	return c.print(out, func(w io.Writer) { c.writeExplanation(w, out) })
}

// facts gathers what there is to know about one tenant.
func (c *cli) facts(ctx context.Context, in document.TenantInput) (*explainer, error) {
	rules, known := platformRules(in.Platform.Type)
	if !known {
		return nil, fmt.Errorf("no driver for platforms of the type %q", in.Platform.Type)
	}
	id := in.Tenant.TenantID
	e := &explainer{in: in, groups: rules.Options.Groups}
	var err error
	if e.wanted, err = desired.Compute(in, rules.Options); err != nil {
		return nil, err
	}
	l := ledger.New(c.documents)
	if e.records, err = l.Records(ctx, ledger.Filter{Tenant: id, Limit: recordsRead}); err != nil {
		return nil, err
	}
	if e.renamings, err = l.Renamings(ctx, id); err != nil {
		return nil, err
	}
	if e.owned, err = l.Owned(ctx, id); err != nil {
		return nil, err
	}
	if e.adoptions, err = c.documents.AllAdoptions(ctx, []access.TenantID{id}); err != nil {
		return nil, err
	}
	decisions, err := c.documents.Decisions(ctx, []access.TenantID{id})
	if err != nil {
		return nil, err
	}
	e.decisions = decisions[id]
	return e, c.lastRun(ctx, e)
}

// lastRun adds how the tenant's last run ended, and what its plan held back.
func (c *cli) lastRun(ctx context.Context, e *explainer) error {
	id := e.in.Tenant.TenantID
	last, err := c.lastStatuses(ctx, []access.TenantID{id})
	if err != nil {
		return err
	}
	e.last, e.looked = last[id]
	if e.last.Digest == "" {
		return nil
	}
	e.plan, _, err = c.documents.Plan(ctx, e.last.Digest)
	return err
}

// aboutPerson narrows the facts to one person. One whose document is gone is known
// by the record of what they were given.
func (c *cli) aboutPerson(ctx context.Context, e *explainer, who string) error {
	user, known, err := c.user(ctx, who)
	if err != nil {
		return err
	}
	e.person = cmp.Or(user.Name, who)
	e.accounts = e.accountsOf(e.person)
	if account := accountOf(user, e.in.Platform); account != "" {
		e.accounts[account] = true
	}
	if !known && len(e.accounts) == 0 {
		return invalid(fmt.Errorf("there is no user %q: rollcall get users lists those there are", who))
	}
	return nil
}

// explainNoTenant says why nobody can reach a tenant that is not there.
func (c *cli) explainNoTenant(ctx context.Context, who string, id access.TenantID) error {
	docs, err := c.documents.Documents(ctx, store.Filter{Kind: document.KindProject, Name: id.ProjectID()})
	if err != nil {
		return err
	}
	if len(docs) == 0 || who == "" {
		return invalid(fmt.Errorf("there is no tenant %q: rollcall get tenants lists those there are", id))
	}
	user, known, err := c.user(ctx, who)
	if err != nil {
		return err
	}
	if !known {
		return invalid(fmt.Errorf("there is no user %q: rollcall get users lists those there are", who))
	}
	platforms, err := c.documents.Platforms(ctx)
	if err != nil {
		return err
	}
	why := reasonWhy{"no-tenant", fmt.Sprintf(
		"the project %s has no tenant on the platform %s: apply a meshTenant, or name another platform", id.ProjectID(), id.Platform)}
	if !slices.ContainsFunc(platforms, func(p document.Platform) bool { return p.Identifier() == id.Platform }) {
		names := make([]string, len(platforms))
		for i, p := range platforms {
			names[i] = p.Identifier()
		}
		why = reasonWhy{"no-platform", fmt.Sprintf("there is no platform %q, but %s", id.Platform, cmp.Or(quoted(names), "none at all"))}
	}
	out := explanation{Tenant: id.ProjectID(), Platform: id.Platform, Person: user.Name, Reasons: []reasonWhy{why}}
	out = out.complete()
	return c.print(out, func(w io.Writer) { c.writeExplanation(w, out) })
}

// between requires from least to most arguments and says what they are for.
func between(least, most int, text string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) < least || len(args) > most {
			return invalid(errors.New(text))
		}
		return nil
	}
}
