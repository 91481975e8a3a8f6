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

// recordsRead is how many of a tenant's newest steps are searched for a user.
const recordsRead = 10_000

func explainCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "explain [USER] TENANT",
		Short: "Explain why a user has or lacks access to a tenant",
		Long: `explain shows why a user should have access to a tenant, and how far it has come: the
binding that gives the role, directly or through a group; the mapping of the role to a
group and to roles of the platform; the patterns that make the group's name and the
user's account; and the steps that runs applied, with their times. The user is named by
metadata.name, euid or email.

Access is granted when the membership and each role of its group are. Missing roles are
listed: refused, with the reason, or not granted yet, with the last answer of the platform.

It shows the reasons for missing access, each with a stable code: no-binding,
role-unmapped, the codes of warnings such as user-not-found, no-platform, no-tenant,
tenant-removed, tenant-failed and not-replicated. It shows access that no document asks
for any more and that stays: because a guard holds the removal, with the decision about
it, or because the platform or the landing zone forbids removals.

With a tenant alone it lists all users with access, and their roles. It reads the
documents and the ledger, and asks no platform.`,
		Example: `  rollcall explain jane-doe marketing.web/openstack.eu
  rollcall explain jane@example.com marketing.web/openstack.eu -o json
  rollcall explain marketing.web/openstack.eu`,
		Args:              between(1, 2, "name a tenant, or a user and a tenant"),
		ValidArgsFunction: c.completeExplain,
		RunE: func(cmd *cobra.Command, args []string) error {
			user := ""
			if len(args) > 1 {
				user = args[0]
			}
			return c.explain(cmd.Context(), user, args[len(args)-1])
		},
	}
}

// completeExplain offers users and tenants, then tenants.
func (c *cli) completeExplain(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	tenants, directive := c.completeTenants(cmd, nil, typed)
	if len(args) > 0 {
		return tenants, directive
	}
	users, directive := c.completeUsers(cmd, nil, typed)
	return append(users, tenants...), directive
}

func (c *cli) explain(ctx context.Context, user, tenant string) error {
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
		return c.explainNoTenant(ctx, user, id)
	}
	if err != nil {
		return err
	}
	e, err := c.facts(ctx, in)
	if err != nil {
		return err
	}
	if user != "" {
		if err := c.aboutUser(ctx, e, user); err != nil {
			return err
		}
	}
	out := e.explain()
	return c.print(out, func(w io.Writer) { c.writeExplanation(w, out) })
}

// facts gathers all facts about one tenant.
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

// lastRun adds the outcome of the tenant's last run, and its plan.
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

// aboutUser narrows the facts to one user. The ledger knows a user without a document by
// the access that they got.
func (c *cli) aboutUser(ctx context.Context, e *explainer, name string) error {
	user, known, err := c.user(ctx, name)
	if err != nil {
		return err
	}
	e.user = cmp.Or(user.Name, name)
	e.accounts = e.accountsOf(e.user)
	if account := accountOf(user, e.in.Platform); account != "" {
		e.accounts[account] = true
	}
	if !known && len(e.accounts) == 0 {
		return noUser(name)
	}
	return nil
}

// noUser is the mistake of naming a user that no document and no ledger entry has.
func noUser(name string) error {
	return invalid(fmt.Errorf("there is no user %q: rollcall get users lists the users", name))
}

// explainNoTenant says why a user has no access to a tenant that does not exist.
func (c *cli) explainNoTenant(ctx context.Context, name string, id access.TenantID) error {
	docs, err := c.documents.Documents(ctx, store.Filter{Kind: document.KindProject, Name: id.ProjectID()})
	if err != nil {
		return err
	}
	if len(docs) == 0 || name == "" {
		return noTenant(id)
	}
	user, known, err := c.user(ctx, name)
	if err != nil {
		return err
	}
	if !known {
		return noUser(name)
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
		why = reasonWhy{"no-platform", fmt.Sprintf(
			"there is no platform %q; the platforms are: %s", id.Platform, cmp.Or(quoted(names), "none at all"))}
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
