package openstack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/calls"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// Observe implements driver.Driver: two calls for any number of scopes, one more
// for marks, and a few for what those cannot show. See the package's comment.
func (d *Driver) Observe(ctx context.Context, scopes []driver.Scope) ([]driver.Observation, error) {
	if len(scopes) == 0 {
		return nil, ctx.Err()
	}
	domain, err := d.domain.lookup(ctx, d.api)
	if err != nil {
		return nil, err
	}
	marks := slices.ContainsFunc(scopes, func(s driver.Scope) bool { return s.Marks })
	in := newInventory(domain, marks)
	// Each step looks only for what those before have not shown.
	for _, read := range []func(context.Context, []driver.Scope, *inventory) error{
		d.readAssignments, d.readGroups, d.readMembers, d.readRoles, d.readProjects,
	} {
		if err := read(ctx, scopes, in); err != nil {
			return nil, err
		}
	}
	observations := make([]driver.Observation, len(scopes))
	for i, scope := range scopes {
		observations[i] = in.at(scope)
	}
	return observations, nil
}

// readAssignments reads both lists: of one project, or of all there are.
func (d *Driver) readAssignments(ctx context.Context, scopes []driver.Scope, in *inventory) error {
	plain, effective := url.Values{}, url.Values{"effective": {"true"}}
	if !in.listed(scopes) {
		// Otherwise the list of groups has the names, at a fraction of the cost:
		// here Keystone looks up each name in each row.
		plain.Set("include_names", "true")
	}
	if len(scopes) == 1 {
		if !segment(scopes[0].ID) {
			return nil // there are none on what cannot be
		}
		plain.Set("scope.project.id", scopes[0].ID)
		effective.Set("scope.project.id", scopes[0].ID)
	}
	var rows [2][]assignment
	err := each(ctx, []url.Values{plain, effective}, func(ctx context.Context, i int, query url.Values) (err error) {
		rows[i], err = d.assignments(ctx, query)
		return err
	})
	if err != nil {
		return err
	}
	return errors.Join(in.addPlain(rows[0]), in.addEffective(rows[1]))
}

// assignments reads one list of assignments.
func (d *Driver) assignments(ctx context.Context, query url.Values) ([]assignment, error) {
	const path = "role_assignments"
	rows, err := list[assignment](ctx, d.api, path, path, query, wholeList())
	if !errors.Is(err, fault.ErrNotFound) {
		return rows, err
	}
	if query.Has("scope.project.id") {
		return nil, nil // readProjects finds out whether it is the project
	}
	return nil, fmt.Errorf("openstack: GET /v3/%s: %w: something on the list was deleted while it was read", path, fault.ErrUnavailable)
}

// readGroups reads the groups that belong to the answer and whose names or, if
// they are asked for, descriptions are not known yet.
func (d *Driver) readGroups(ctx context.Context, scopes []driver.Scope, in *inventory) error {
	if in.listed(scopes) {
		if err := d.listGroups(ctx, in); err != nil {
			return err
		}
	}
	ids, names, later := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, scope := range scopes {
		if in.marks {
			for _, id := range in.bound(scope) {
				ids[id] = true
			}
		}
		for _, g := range scope.Groups {
			if id := cmp.Or(g.Ref, in.byName[g.Name]); id != "" {
				ids[id], later[g.Name] = true, true
				continue
			}
			names[g.Name] = true
		}
	}
	if err := d.findGroups(ctx, in, ids, names); err != nil {
		return err
	}
	// A group that is gone, or has another name now, may have a successor.
	maps.DeleteFunc(later, func(name string, _ bool) bool { return names[name] })
	return d.findGroups(ctx, in, nil, later)
}

// findGroups reads the groups of these ids and names that are not known: one by
// one, or where they are many with one list of the domain.
func (d *Driver) findGroups(ctx context.Context, in *inventory, ids, names map[string]bool) error {
	rest, unnamed := in.unknown(ids, names)
	if len(rest)+len(unnamed) > narrow {
		if err := d.listGroups(ctx, in); err != nil {
			return err
		}
		rest, unnamed = in.unknown(ids, names) // those of other domains, and those that are gone
	}
	found := make([][]group, len(rest)+len(unnamed))
	err := each(ctx, slices.Concat(rest, unnamed), func(ctx context.Context, i int, key string) (err error) {
		if i < len(rest) {
			found[i], err = d.groupOf(ctx, key)
			return err
		}
		found[i], err = d.groupNamed(ctx, in.domain, key)
		return err
	})
	if err != nil {
		return err
	}
	for _, g := range slices.Concat(found...) {
		in.addGroup(g, true)
	}
	return nil
}

// listGroups reads all groups of the domain.
func (d *Driver) listGroups(ctx context.Context, in *inventory) error {
	all, err := list[group](ctx, d.api, "groups", "groups", named(in.domain, ""), wholeList())
	if err != nil {
		return err
	}
	for _, g := range all {
		in.addGroup(g, true)
	}
	in.complete = true
	return nil
}

// groupOf returns the group of that id, if it exists.
func (d *Driver) groupOf(ctx context.Context, id string) ([]group, error) {
	if !segment(id) {
		return nil, nil
	}
	found, err := one[group](ctx, d.api, "groups/"+id, "group")
	if errors.Is(err, fault.ErrNotFound) {
		return nil, nil
	}
	return []group{found}, err
}

// groupNamed returns the domain's group of exactly that name, if it exists.
func (d *Driver) groupNamed(ctx context.Context, domain, name string) ([]group, error) {
	found, err := list[group](ctx, d.api, "groups", "groups", named(domain, name), calls.Default())
	return slices.DeleteFunc(found, func(g group) bool { return g.Name != name || g.DomainID != domain }), err
}

// readMembers reads the members of groups that the effective list does not
// show: they have none, or no role, or only a domain's role.
func (d *Driver) readMembers(ctx context.Context, scopes []driver.Scope, in *inventory) error {
	unread := map[string]bool{}
	for _, scope := range scopes {
		for _, id := range in.reported(scope) {
			unread[id] = in.members[id] == nil
		}
	}
	ids := slices.DeleteFunc(slices.Sorted(maps.Keys(unread)), func(id string) bool { return !unread[id] })
	found, gone := make([][]user, len(ids)), make([]bool, len(ids))
	err := each(ctx, ids, func(ctx context.Context, i int, id string) (err error) {
		found[i], err = list[user](ctx, d.api, "groups/"+id+"/users", "users", nil, calls.Default())
		if gone[i] = errors.Is(err, fault.ErrNotFound); gone[i] {
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	for i, id := range ids {
		if gone[i] {
			delete(in.groups, id)
			continue
		}
		in.members[id] = map[string]bool{}
		for _, u := range found[i] {
			in.members[id][u.ID] = true
		}
	}
	return nil
}

// readRoles finds the names of the roles that are given at the scopes.
func (d *Driver) readRoles(ctx context.Context, scopes []driver.Scope, in *inventory) error {
	for _, scope := range scopes {
		for _, row := range in.rows[scope.ID] {
			if in.roles[row.Role.ID] != "" {
				continue
			}
			name, err := d.roles.name(ctx, d.api, row.Role.ID)
			if err != nil {
				return err
			}
			in.roles[row.Role.ID] = name
		}
	}
	return nil
}

// readProjects finds out which of the scopes without any assignment exist.
func (d *Driver) readProjects(ctx context.Context, scopes []driver.Scope, in *inventory) error {
	var unseen []string
	for _, scope := range scopes {
		in.missing[scope.ID] = !in.seen[scope.ID]
		if in.missing[scope.ID] && segment(scope.ID) {
			unseen = append(unseen, scope.ID)
		}
	}
	if len(unseen) > narrow {
		all, err := list[project](ctx, d.api, "projects", "projects", nil, wholeList())
		for _, p := range all {
			in.missing[p.ID] = false
		}
		return err
	}
	found := make([]bool, len(unseen))
	err := each(ctx, unseen, func(ctx context.Context, i int, id string) error {
		_, err := one[project](ctx, d.api, "projects/"+id, "project")
		if errors.Is(err, fault.ErrNotFound) {
			return nil
		}
		found[i] = err == nil
		return err
	})
	for i, id := range unseen {
		in.missing[id] = !found[i]
	}
	return err
}
