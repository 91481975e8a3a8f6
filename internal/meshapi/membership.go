package meshapi

import (
	"slices"

	"github.com/rollcall-iam/rollcall/internal/document"
)

// membership is a role of a user in a workspace, or on a project of it.
type membership struct {
	workspace, workspaceRole string
	project, projectRole     string
	platforms                []string
}

// membershipFilters are the filters of users by their roles. All of a request have to match one
// membership.
func membershipFilters() []string {
	return []string{"platformIdentifier", "projectIdentifier", "projectRole", "workspaceIdentifier", "workspaceRole"}
}

func (c *call) filtersMemberships() bool {
	return slices.ContainsFunc(membershipFilters(), c.query.Has)
}

// hasMembership reports whether a membership matches the filters of the request.
func (c *call) hasMembership(m membership) bool {
	for name, has := range map[string]string{
		"workspaceIdentifier": m.workspace, "workspaceRole": m.workspaceRole, "projectIdentifier": m.project, "projectRole": m.projectRole,
	} {
		if c.query.Has(name) && c.query.Get(name) != has {
			return false
		}
	}
	return !c.query.Has("platformIdentifier") || slices.Contains(m.platforms, c.query.Get("platformIdentifier"))
}

// membershipsOf returns the memberships by user, directly and through user groups.
func membershipsOf(docs []document.Document) (map[string][]membership, error) {
	set, err := document.NewSet(docs)
	if err != nil {
		return nil, err
	}
	groups := map[document.ID][]string{}
	platforms := map[[2]string][]string{}
	parsed := make([]any, len(docs))
	for i, d := range docs {
		if parsed[i], err = document.Parse(d); err != nil {
			return nil, err
		}
		switch v := parsed[i].(type) {
		case document.UserGroup:
			groups[d.ID] = v.Members
		case document.Tenant:
			of := [2]string{v.Workspace, v.Project}
			platforms[of] = append(platforms[of], v.Platform)
		}
	}
	members := map[string][]membership{}
	add := func(workspace, subject string, ofGroup bool, m membership) {
		names := []string{subject}
		if ofGroup {
			group, _ := set.Graph().Group(workspace, subject)
			names = groups[group]
		}
		for _, name := range names {
			members[name] = append(members[name], m)
		}
	}
	for i, d := range docs {
		switch v := parsed[i].(type) {
		case document.Binding:
			add(v.Workspace, v.Subject, d.ID.Kind == document.KindGroupBinding, membership{
				workspace: v.Workspace, project: v.Project, projectRole: v.Role, platforms: platforms[[2]string{v.Workspace, v.Project}],
			})
		case document.WorkspaceBinding:
			add(v.Workspace, v.Subject, d.ID.Kind == document.KindWorkspaceGroupBinding, membership{
				workspace: v.Workspace, workspaceRole: string(v.Role),
			})
		}
	}
	return members, nil
}
