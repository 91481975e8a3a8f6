package main

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/rollcall-iam/rollcall/internal/control"
)

func explainCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "explain [USER] TENANT",
		Short: "Explain why a user has or lacks access to a tenant",
		Long: `explain shows why a user should have access to a tenant, and how far it has come: the
binding that gives the role, directly or through a group; the mapping of the role to a
group and to roles of the platform; the patterns that make the group's name and the
user's account; and the steps that runs applied, with their times. The user is named by
metadata.name, euid or email.

Access is granted if the last observation of the platform shows the membership and each
role of its group; each is listed with the time of that observation. What the platform
accepted after it is written, and not seen yet. Missing roles are listed: refused, with the
reason, or not granted yet, with the last answer of the platform.

It shows the reasons for missing access, each with a stable code: no-binding,
role-unmapped, the codes of warnings such as user-not-found, no-platform, no-tenant,
tenant-removed, tenant-failed, removal-waiting, removal-not-effective, role-shared and
not-replicated. It shows access that no document asks
for any more and that is still there, since when and why: a guard holds the removal, the
platform or the landing zone forbids removals, the platform refuses the removal, it fails,
or it waits. After a removal it shows when access really ends, by the vendor's documents.

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
	id, err := parseTenant(tenant)
	if err != nil {
		return err
	}
	answer, err := c.service().Explain(ctx, control.ExplainRequest{User: user, Tenant: id})
	if err != nil {
		return err
	}
	return c.print(answer, func(w io.Writer) { c.writeExplanation(w, answer) })
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
