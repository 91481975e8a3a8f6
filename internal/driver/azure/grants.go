package azure

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// Grants is the part of the driver that is about roles given in Azure. Platforms
// that give roles there build on it.
type Grants struct {
	api       *resources
	roles     *roleNames
	directory *Directory
}

// Given are the roles that were read at one scope.
type Given struct {
	// Missing is true where there is no such scope.
	Missing bool
	scope   string
	rows    []assignment
}

// Read reads the roles given at each scope and below it. A scope is in the form
// that ARM gives it, in lower case; "" is missing.
func (g *Grants) Read(ctx context.Context, scopes []string) ([]Given, error) {
	all := make([]Given, len(scopes))
	err := each(ctx, scopes, func(ctx context.Context, i int, scope string) error {
		all[i].scope = scope
		if scope == "" {
			all[i].Missing = true
			return ctx.Err()
		}
		rows, err := g.api.list(ctx, scope)
		if all[i].Missing = isGone(err); all[i].Missing {
			return nil
		}
		for _, row := range rows { // those from above are not the tenant's
			if row.scope == scope || strings.HasPrefix(row.scope, scope+"/") {
				all[i].rows = append(all[i].rows, row)
			}
		}
		return err
	})
	return all, err
}

// isGone reports whether ARM says that there is no such scope. Any other "not
// found" may come from something in between.
func isGone(err error) bool {
	switch codeOf(err) {
	case "SubscriptionNotFound", "ResourceGroupNotFound", "ResourceNotFound":
		return errors.Is(err, fault.ErrNotFound)
	default:
		return false
	}
}

// groupKind is how ARM calls a group.
const groupKind = "Group"

// Groups returns the ids of the groups that have a role at the scope itself.
func (g Given) Groups() []string {
	var ids []string
	for _, row := range g.rows {
		if row.kind == groupKind && row.scope == g.scope {
			ids = append(ids, row.principal)
		}
	}
	return ids
}

// Bindings returns the roles given at the scope, and those that the shown groups
// have below it. Every one but a group's own at the scope has a name.
func (g *Grants) Bindings(ctx context.Context, given Given, read Groups, shown []access.Group) ([]access.Binding, error) {
	asked := map[string]bool{}
	for _, group := range shown {
		asked[group.Ref] = true
	}
	var all []access.Binding
	for _, row := range given.rows {
		if row.scope != given.scope && !asked[row.principal] {
			continue
		}
		b := access.Binding{Ref: row.id, Condition: row.condition, Mark: markOf(row.description)}
		var err error
		if b.Role = writtenIn(row.description); b.Role == "" {
			if b.Role, err = g.roles.name(ctx, g.api, given.scope, row.role); err != nil {
				return nil, err
			}
		}
		name, exists := read.Name(row.principal)
		switch {
		case exists:
			b.Group, b.GroupRef = name, row.principal
		case row.kind == groupKind: // it was deleted, and this is left of it
			b.Group, b.GroupRef, b.Mark = row.principal, row.principal, access.Unread()
		default:
			b.Name, b.Subjects = row.principal, []access.Member{{Account: access.Account{Ref: row.principal}}}
		}
		if row.scope != given.scope {
			b.Name = strings.TrimPrefix(row.scope, given.scope+"/")
		}
		all = append(all, b)
	}
	return all, nil
}

// Give makes an assignment and returns its id. where is a scope as Read wants it.
// One that is carried over may be below it, as its name says, and has no mark.
func (g *Grants) Give(ctx context.Context, scope driver.Scope, where string, want access.Binding) (string, error) {
	role, err := g.roles.id(ctx, g.api, where, want.Role)
	if err != nil {
		return "", err
	}
	if where, err = place(where, want); err != nil {
		return "", err
	}
	name, _ := g.roles.look(g.roles.byID, role)
	mark := scope.Mark
	if want.Carried {
		mark = access.Mark{}
	}
	var ref string
	_, err = g.directory.WithGroup(ctx, scope, want.GroupRef, want.Group, func(group string) error {
		a := assignment{
			id: assignmentID(where, role, group), scope: where, role: role, principal: strings.ToLower(group),
			condition: want.Condition, description: describe(mark, want.Role, name),
		}
		ref, err = g.give(ctx, a, want)
		return err
	})
	return ref, err
}

// give puts the assignment, or finds the same one that somebody made before.
func (g *Grants) give(ctx context.Context, a assignment, want access.Binding) (string, error) {
	err := g.api.put(ctx, a)
	switch codeOf(err) {
	case "RoleAssignmentExists":
		return g.existing(ctx, a, err)
	case "PrincipalNotFound":
		return "", g.unseen(ctx, a, want.Group, err)
	case "RoleDefinitionDoesNotExist":
		return "", unknownRole(want.Role)
	}
	if err != nil {
		return "", err
	}
	return a.id, nil
}

// existing returns the assignment of the same role to the same group, which has
// another id. Under another condition it is a conflict.
func (g *Grants) existing(ctx context.Context, a assignment, refused error) (string, error) {
	rows, err := g.api.list(ctx, a.scope)
	if err != nil {
		return "", err
	}
	for _, row := range rows {
		if row.scope == a.scope && row.role == a.role && row.principal == a.principal && row.condition == a.condition {
			return row.id, nil
		}
	}
	return "", refused
}

// unseen says whether a group that ARM does not know is only too new for it.
func (g *Grants) unseen(ctx context.Context, a assignment, name string, refused error) error {
	read := newGroups()
	if err := g.directory.find(ctx, read, []string{a.principal}, nil); err != nil {
		return err
	}
	if _, exists := read.Name(a.principal); !exists && g.directory.made.By(a.principal) == "" {
		return gone(name)
	}
	made, err := g.directory.createdAt(ctx, a.principal)
	if err != nil && !errors.Is(err, fault.ErrNotFound) { // reads may not show it either
		return err
	}
	return ageError(fmt.Errorf("azure: group %q: Azure does not know the group", name), fault.Answer{Code: codeOf(refused)}, made)
}

// Limit changes the condition of an assignment that is as the step expects it.
func (g *Grants) Limit(ctx context.Context, scope driver.Scope, where string, have, want access.Binding) (string, error) {
	id, err := g.locate(ctx, scope, where, have)
	if err != nil {
		return "", err
	}
	there, err := g.api.get(ctx, id)
	if err != nil {
		return "", err
	}
	switch there.condition {
	case want.Condition:
		return id, nil
	case have.Condition:
		there.condition = want.Condition
		return id, g.api.put(ctx, there)
	default:
		return "", fmt.Errorf("azure: role %q of group %q: %w: its condition has changed since it was read",
			have.Role, have.Group, fault.ErrConflict)
	}
}

// Take removes exactly the assignment that was observed.
func (g *Grants) Take(ctx context.Context, scope driver.Scope, where string, have access.Binding) (string, error) {
	id, err := g.locate(ctx, scope, where, have)
	if err == nil {
		err = g.api.remove(ctx, id)
	}
	if errors.Is(err, fault.ErrNotFound) || id == "" && errors.Is(err, fault.ErrInvalid) {
		return have.Ref, nil // without its group, or its role, it is gone
	}
	return have.Ref, err
}

// locate returns the id of an assignment: as its ref says, else as it is made.
func (g *Grants) locate(ctx context.Context, scope driver.Scope, where string, b access.Binding) (string, error) {
	if b.Ref != "" {
		if id := strings.ToLower(b.Ref); isAt(where, id) {
			return id, nil
		}
		return "", fmt.Errorf("azure: role %q: %w: the assignment is not at this scope", b.Role, fault.ErrConflict)
	}
	role, err := g.roles.id(ctx, g.api, where, b.Role)
	if err != nil {
		return "", err
	}
	var id string
	_, err = g.directory.WithGroup(ctx, scope, b.GroupRef, b.Group, func(group string) error {
		id = assignmentID(where, role, group)
		return nil
	})
	return id, err
}

// RoleNames returns the id and the name of the role that is written so and can be
// given at a scope, which is a path of Azure.
func (g *Grants) RoleNames(ctx context.Context, where, role string) ([]string, error) {
	id, err := g.roles.id(ctx, g.api, where, role)
	if err != nil {
		return nil, err
	}
	name, err := g.roles.azureName(ctx, g.api, where, id)
	const definitions = "/providers/Microsoft.Authorization/roleDefinitions/"
	names := []string{role, id, name, definitions + id, where + definitions + id}
	if parts := strings.SplitN(where, "/", 4); len(parts) > 2 { // "", "subscriptions", its id
		names = append(names, strings.Join(parts[:3], "/")+definitions+id)
	}
	return names, err
}
