package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/control"
)

// selection says which tenants a command is about.
type selection struct {
	all                          bool
	workspace, project, platform string
}

func (s *selection) add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&s.all, "all", false, "all tenants")
	cmd.Flags().StringVar(&s.workspace, "workspace", "", "the tenants of one workspace")
	cmd.Flags().StringVar(&s.project, "project", "", "the tenants of one project, as <workspace>.<project>")
	cmd.Flags().StringVar(&s.platform, "platform", "", "the tenants on one platform")
}

// request turns arguments and flags into a selection of the service.
func (s *selection) request(args []string) (control.Selection, error) {
	chosen := control.Selection{All: s.all, Workspace: s.workspace, Platform: s.platform}
	if s.project != "" {
		workspace, project, ok := strings.Cut(s.project, ".")
		if !ok || workspace == "" || project == "" {
			return chosen, invalid(fmt.Errorf("--project %q: write <workspace>.<project>", s.project))
		}
		if s.workspace != "" && s.workspace != workspace {
			return chosen, invalid(fmt.Errorf("the project %q is not of the workspace %q: leave --workspace out", s.project, s.workspace))
		}
		chosen.Workspace, chosen.Project = workspace, project
	}
	for _, arg := range args {
		id, err := parseTenant(arg)
		if err != nil {
			return chosen, err
		}
		chosen.Tenants = append(chosen.Tenants, id)
	}
	return chosen, inFlags(chosen.Validate(), map[string]string{
		"tenants": "choose tenants by name (<workspace>.<project>/<platform>), or with --project, --workspace, --platform or --all",
		"all":     "name tenants or --all, not both",
	})
}

// parseTenant reads the name of a tenant.
func parseTenant(name string) (access.TenantID, error) {
	id, err := access.ParseTenantID(name)
	if err != nil {
		return id, invalid(fmt.Errorf("%q is not a tenant: write <workspace>.<project>/<platform>", name))
	}
	return id, nil
}

// tenants returns the chosen tenants. It is a mistake to choose none, or to name one that
// is not stored.
func (c *cli) tenants(ctx context.Context, s *selection, args []string) ([]access.TenantID, error) {
	chosen, err := s.request(args)
	if err != nil {
		return nil, err
	}
	return c.service().ListTenants(ctx, chosen)
}

// completeTenants offers the names of tenants to the shell.
func (c *cli) completeTenants(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	ids, err := c.service().ListTenants(cmd.Context(), control.Selection{All: true})
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = id.String()
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
