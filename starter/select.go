package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/store"
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

// empty reports whether nothing was chosen.
func (s *selection) empty(args []string) bool {
	return len(args) == 0 && !s.all && s.workspace == "" && s.project == "" && s.platform == ""
}

// whole reports whether whole platforms were chosen, which a sweep serves best.
func (s *selection) whole(args []string) bool {
	return len(args) == 0 && s.workspace == "" && s.project == ""
}

// filter turns arguments and flags into a filter for the database.
func (s *selection) filter(args []string) (store.TenantFilter, error) {
	f := store.TenantFilter{Workspace: s.workspace, Platform: s.platform}
	if s.all && len(args) > 0 {
		return f, invalid(errors.New("name tenants or --all, not both"))
	}
	if s.project != "" {
		workspace, project, ok := strings.Cut(s.project, ".")
		if !ok || workspace == "" || project == "" {
			return f, invalid(fmt.Errorf("--project %q: write <workspace>.<project>", s.project))
		}
		if s.workspace != "" && s.workspace != workspace {
			return f, invalid(fmt.Errorf("the project %q is not of the workspace %q: leave --workspace out", s.project, s.workspace))
		}
		f.Workspace, f.Project = workspace, project
	}
	for _, arg := range args {
		id, err := access.ParseTenantID(arg)
		if err != nil {
			return f, invalid(fmt.Errorf("%q is not a tenant: write <workspace>.<project>/<platform>", arg))
		}
		f.IDs = append(f.IDs, id)
	}
	return f, nil
}

// tenants returns the chosen tenants. It is a mistake to choose none, or to name one that
// is not stored.
func (c *cli) tenants(ctx context.Context, s *selection, args []string) ([]access.TenantID, error) {
	if s.empty(args) {
		return nil, invalid(errors.New("choose tenants by name (<workspace>.<project>/<platform>), " +
			"or with --project, --workspace, --platform or --all"))
	}
	filter, err := s.filter(args)
	if err != nil {
		return nil, err
	}
	from, err := c.database(ctx)
	if err != nil {
		return nil, err
	}
	found, err := from.Tenants(ctx, filter)
	if err != nil {
		return nil, err
	}
	for _, id := range filter.IDs {
		if !slices.Contains(found, id) {
			return nil, noTenant(id)
		}
	}
	if len(found) == 0 && !s.all {
		return nil, invalid(errors.New("no tenant matches: rollcall get tenants lists the tenants"))
	}
	return found, nil
}

// noTenant is the mistake of naming a tenant that is not stored.
func noTenant(id access.TenantID) error {
	return invalid(fmt.Errorf("there is no tenant %q: rollcall get tenants lists the tenants", id))
}

// completeTenants offers the names of tenants to the shell.
func (c *cli) completeTenants(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	s, err := c.database(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	ids, err := s.Tenants(cmd.Context(), store.TenantFilter{})
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = id.String()
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
