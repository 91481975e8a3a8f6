package authz

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/document"
)

// Change is one document as it is stored and as it will be. Before is nil for a new document,
// After for a removed one.
type Change struct {
	Before, After *document.Document
}

// ChangeRule says which callers may make one kind of change. A change needs all rules that it
// falls under.
type ChangeRule struct {
	// Change names it for people.
	Change string
	// Roles are those that allow it. The role admin does, too.
	Roles []document.PolicyRole
	// OfWorkspace is true if a role of single workspaces suffices: those of the document before
	// and after the change.
	OfWorkspace bool
	Reason      string

	match func(parsed) bool
}

// parsed is a change with the typed forms of its documents; nil for none.
type parsed struct {
	Change
	kind          document.Kind
	before, after any
}

// Changes returns the rules of all changes. A change that falls under none is denied.
func Changes() []ChangeRule {
	editor, operator, admin := document.RoleEditor, document.RoleOperator, document.RoleAdmin
	roles := func(others ...document.PolicyRole) []document.PolicyRole { return append(others, admin) }
	kind := func(kinds ...document.Kind) func(parsed) bool {
		return func(c parsed) bool { return slices.Contains(kinds, c.kind) }
	}
	return []ChangeRule{
		{"meshWorkspace", roles(operator), false, "a workspace is what editors are limited to", kind(document.KindWorkspace)},
		{"meshUser", roles(operator), false, "the euid decides whose account gets the access", kind(document.KindUser)},
		{
			"meshWorkspaceUserGroup of a workspace", roles(editor), true, "it can be bound in its own workspace only",
			func(c parsed) bool { return c.kind == document.KindUserGroup && !c.isGlobalGroup() },
		},
		{
			"meshWorkspaceUserGroup without a workspace", roles(operator), false, "its members gain access where it is bound",
			func(c parsed) bool { return c.kind == document.KindUserGroup && c.isGlobalGroup() },
		},
		{"meshProject", roles(editor), true, "a project belongs to its workspace", kind(document.KindProject)},
		{
			"meshProjectUserBinding, meshProjectGroupBinding", roles(editor), true, "it grants a role on one project of the workspace",
			kind(document.KindUserBinding, document.KindGroupBinding),
		},
		{
			"meshWorkspaceUserBinding, meshWorkspaceGroupBinding", roles(editor), true,
			"it gives rights in Rollcall that no more than an editor of the workspace has",
			kind(document.KindWorkspaceUserBinding, document.KindWorkspaceGroupBinding),
		},
		{"meshTenant", roles(editor, operator), true, "it puts a project of the workspace on a platform", kind(document.KindTenant)},
		{
			"meshTenant, whose ID on the platform or landing zone is set or changed", roles(operator), false,
			"the ID could be that of another workspace's place on the platform, and the landing zone says what roles mean there",
			parsed.places,
		},
		{"meshProjectRole", roles(), false, "a display name decides which role bindings mean", kind(document.KindProjectRole)},
		{"meshPlatform", roles(), false, "its mapping says which rights on the platform a role is", kind(document.KindPlatform)},
		{"meshLandingZone", roles(), false, "its mapping says which rights on the platform a role is", kind(document.KindLandingZone)},
		{"Guard", roles(), false, "it decides which removals need an approval; each change needs a second user", kind(document.KindGuard)},
		{"AccessPolicy", roles(), false, "it gives roles in Rollcall", kind(document.KindAccessPolicy)},
		{
			"Any new document that names its source or its fields' sources, and allocated numbers", roles(), false,
			"it restores an export: apply would no longer change the document, and the numbers decide names of groups", parsed.restores,
		},
		{
			"Any removal of a document of another source", roles(operator), false, "a directory or a sign-in still has the object",
			func(c parsed) bool { return c.After == nil && c.Before.Source != "" },
		},
	}
}

// isGlobalGroup reports whether one of the user groups has no workspace.
func (c parsed) isGlobalGroup() bool {
	for _, v := range []any{c.before, c.after} {
		if g, ok := v.(document.UserGroup); ok && g.Workspace == "" {
			return true
		}
	}
	return false
}

// places reports whether a tenant gets another place on its platform, or another meaning of
// roles there. A removal does not.
func (c parsed) places() bool {
	after, ok := c.after.(document.Tenant)
	before, _ := c.before.(document.Tenant)
	return ok && (after.LocalID != before.LocalID || after.LandingZone != before.LandingZone)
}

// restores reports whether a document comes with what apply and other sources decide.
func (c parsed) restores() bool {
	switch {
	case c.After == nil:
		return false
	case c.Before == nil:
		return c.After.Source != "" || len(c.After.Fields) > 0 || c.After.Drawn != nil
	default:
		return c.After.Drawn != nil && !reflect.DeepEqual(c.After.Drawn, c.Before.Drawn)
	}
}

func parse(c Change) (parsed, error) {
	p := parsed{Change: c}
	var err error
	if c.Before != nil {
		p.kind = c.Before.ID.Kind
		if p.before, err = document.Parse(*c.Before); err != nil {
			return p, err
		}
	}
	if c.After != nil {
		if c.Before != nil && c.Before.ID != c.After.ID {
			return p, fmt.Errorf("authz: %s does not become %s: a change is of one document", c.Before.ID, c.After.ID)
		}
		p.kind = c.After.ID.Kind
		if err = c.After.CheckID(); err != nil {
			return p, err
		}
		if p.after, err = document.Parse(*c.After); err != nil {
			return p, err
		}
	}
	return p, nil
}

func (c parsed) id() document.ID {
	if c.After != nil {
		return c.After.ID
	}
	return c.Before.ID
}

// workspace returns the workspace of the document as it will be, or as it was if it goes.
func (c parsed) workspace() string {
	if c.after != nil {
		return workspaceOf(c.after)
	}
	return workspaceOf(c.before)
}

// in reports whether the document is one of the workspaces, before and after the change. A
// document that belongs to no workspace is in none, even of all: its rules need other roles.
func (c parsed) in(w Workspaces) bool {
	for _, v := range []any{c.before, c.after} {
		if v != nil && !w.Has(workspaceOf(v)) {
			return false
		}
	}
	return true
}

// workspaceOf returns the workspace that a document belongs to, or "".
func workspaceOf(typed any) string {
	switch v := typed.(type) {
	case document.Project:
		return v.Workspace
	case document.UserGroup:
		return v.Workspace
	case document.Binding:
		return v.Workspace
	case document.WorkspaceBinding:
		return v.Workspace
	case document.Tenant:
		return v.Workspace
	default:
		return ""
	}
}

// AllowChanges decides whether the caller may make all of the changes, by an operation of the
// limit OfChanges. Give every change, removals by pruning among them, as it will be stored:
// under the lock of the commit, or before it with the digest that the commit compares.
// PlanDocuments needs documents that the caller may read; it stores none.
func (r Rights) AllowChanges(op Operation, changes []Change) Decision {
	rule, ok := r.rule(op)
	d := r.Allow(op)
	if ok && rule.Limit != OfChanges {
		return Decision{Reason: fmt.Sprintf("the operation %s changes no documents", op)}
	}
	if !d.Allowed {
		return d
	}
	var denied []Decision
	for _, change := range changes {
		if change.Before == nil && change.After == nil {
			continue
		}
		c, err := parse(change)
		if err != nil {
			return Decision{Reason: err.Error()}
		}
		decide := r.change
		if op == "PlanDocuments" {
			decide = r.planning
		}
		if d = decide(c); !d.Allowed {
			denied = append(denied, d)
		}
	}
	if len(denied) == 0 {
		return d
	}
	if len(denied) > 1 {
		denied[0].Reason += fmt.Sprintf("; %d more of the documents are denied as well", len(denied)-1)
	}
	return denied[0]
}

// change decides about one change.
func (r Rights) change(c parsed) Decision {
	d := Decision{Reason: fmt.Sprintf("Rollcall has no rule for documents of the kind %q and denies their change", c.kind)}
	for _, rule := range r.tables.changes {
		if !rule.match(c) {
			continue
		}
		if d = r.changeBy(rule, c); !d.Allowed {
			return d
		}
	}
	return d
}

// changeBy decides about one change by one rule. Roles of several workspaces count together.
func (r Rights) changeBy(rule ChangeRule, c parsed) Decision {
	grants := r.by(rule.Roles)
	if i := slices.IndexFunc(grants, func(g grant) bool { return g.in.All() }); i >= 0 {
		return allow(grants[i])
	}
	if rule.OfWorkspace && len(grants) > 0 && c.in(r.in(rule.Roles)) {
		i := slices.IndexFunc(grants, func(g grant) bool { return g.in.Has(c.workspace()) })
		return allow(grants[max(i, 0)])
	}
	return r.missing(fmt.Sprintf("a change of %s (%s)", c.id(), rule.Reason), rule.Roles)
}

// planning decides about one document of a plan: the caller must be able to read it, as it is
// and as it would be. A plan of a tenant at another place shows the members there, which a
// reader of single workspaces may not see.
func (r Rights) planning(c parsed) Decision {
	rule, _ := r.rule("PlanDocuments")
	roles := rule.Roles
	switch {
	case c.restores():
		roles = nil // numbers and sources would show what is taken: see Changes
	case c.kind == document.KindAccessPolicy:
		roles = policyReaders()
	}
	if len(roles) > 0 && !slices.ContainsFunc(r.by(roles), func(g grant) bool { return g.in.All() }) {
		// A plan shows the accounts of all users and groups that the documents would bind, which
		// a reader of single workspaces does not see.
		roles = []document.PolicyRole{document.RoleEditor, document.RoleOperator}
	}
	of := ChangeRule{Roles: roles, OfWorkspace: !c.places(), Reason: "a plan shows the document, and who has access at its place"}
	return r.changeBy(of, c)
}
