package openstack

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/roles"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/users"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/calls"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/openstack/rules"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// table is all that Apply can do. What is not in it is refused.
func (d *Driver) table() driver.Table {
	return driver.Table{
		{Kind: access.KindGroup, Op: plan.Create}:   d.createGroup,
		{Kind: access.KindGroup, Op: plan.Change}:   d.changeGroup,
		{Kind: access.KindGroup, Op: plan.Delete}:   d.deleteGroup,
		{Kind: access.KindMembers, Op: plan.Change}: d.changeMembers,
		{Kind: access.KindBinding, Op: plan.Create}: d.createBinding,
		{Kind: access.KindBinding, Op: plan.Delete}: d.deleteBinding,
	}
}

// Apply implements driver.Driver.
func (d *Driver) Apply(ctx context.Context, scope driver.Scope, steps []plan.Step) []driver.Result {
	if !segment(scope.ID) && !driver.TakesFromGroups(steps) {
		return driver.Refuse(steps, fmt.Errorf("openstack: %w: %q is not the id of a project", fault.ErrInvalid, scope.ID))
	}
	return d.handlers.Apply(ctx, rules.Type, rules.Fit, scope, steps)
}

// write makes one call that answers with nothing.
func (d *Driver) write(ctx context.Context, operation string, do func(context.Context, *gophercloud.ServiceClient) error) error {
	return d.api.call(ctx, operation, calls.Default(), do)
}

// createGroup tries first and looks second: a name is unique in the domain, so
// Keystone itself finds what a crash may have left, and nothing is a twin.
func (d *Driver) createGroup(ctx context.Context, scope driver.Scope, step plan.Step) (string, error) {
	want := step.Want.Group
	if want == nil {
		return "", missing(step)
	}
	domain, err := d.domain.lookup(ctx, d.api)
	if err != nil {
		return "", err
	}
	var made *groups.Group
	refused := d.write(ctx, "POST /v3/groups", func(ctx context.Context, c *gophercloud.ServiceClient) (err error) {
		made, err = groups.Create(ctx, c, groups.CreateOpts{Name: want.Name, DomainID: domain, Description: scope.Mark.Text()}).Extract()
		return err
	})
	if refused == nil {
		if made.ID == "" {
			return "", unreadable("POST /v3/groups", "group")
		}
		d.made.Put(scope.Mark, want.Name, made.ID)
		return made.ID, nil
	}
	if !errors.Is(refused, fault.ErrConflict) {
		return "", refused
	}
	there, err := d.ourGroup(ctx, scope, want.Name)
	if errors.Is(err, fault.ErrNotFound) {
		return "", refused // it is gone again, or the database takes another name for this one
	}
	return there, err
}

// changeGroup gives a group another name, our mark, or both, in one call. It reads
// the group before: Keystone has no way to say what one expects to change, and the
// text around a mark is kept.
func (d *Driver) changeGroup(ctx context.Context, scope driver.Scope, step plan.Step) (string, error) {
	have, want := step.Have.Group, step.Want.Group
	found, err := d.groupOf(ctx, have.Ref)
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		return "", fmt.Errorf("openstack: group %s: %w", have.Ref, fault.ErrNotFound)
	}
	change, differs, err := changeOf(found[0], scope, have.Name, want.Name)
	if err == nil && differs {
		d.made.Forget(scope.Mark, have.Name) // also where the answer is lost
		err = d.write(ctx, "PATCH /v3/groups/"+have.Ref, func(ctx context.Context, c *gophercloud.ServiceClient) error {
			return groups.Update(ctx, c, have.Ref, change).Err
		})
	}
	if err != nil {
		return "", err
	}
	return have.Ref, nil
}

// changeOf is what has to change about a group that is as it was read, and whether
// anything has to.
func changeOf(there group, scope driver.Scope, from, to string) (change groups.UpdateOpts, differs bool, err error) {
	if access.ParseMark(there.Description).Contradicts(scope.Mark) {
		return change, false, fmt.Errorf("openstack: group %q: %w: its mark is somebody else's", there.Name, fault.ErrConflict)
	}
	switch there.Name {
	case to:
	case from:
		change.Name, differs = to, true
	default:
		return change, false, fmt.Errorf("openstack: group %q: %w: somebody named it %q", from, fault.ErrConflict, there.Name)
	}
	if description := scope.Mark.AddTo(there.Description); description != there.Description {
		change.Description, differs = &description, true
	}
	return change, differs, nil
}

func (d *Driver) deleteGroup(ctx context.Context, scope driver.Scope, step plan.Step) (string, error) {
	have := step.Have.Group
	if have == nil {
		return "", missing(step)
	}
	id := have.Ref
	var err error
	if id == "" {
		id, err = d.ourGroup(ctx, scope, have.Name)
	} else {
		err = d.stillOurs(ctx, scope, id)
	}
	if err == nil {
		err = d.write(ctx, "DELETE /v3/groups/"+id, func(ctx context.Context, c *gophercloud.ServiceClient) error {
			return groups.Delete(ctx, c, id).ExtractErr()
		})
	}
	if err != nil && !errors.Is(err, fault.ErrNotFound) {
		return "", err
	}
	d.made.Forget(scope.Mark, have.Name)
	return have.Ref, nil
}

// stillOurs looks at the mark of a group just before it goes.
func (d *Driver) stillOurs(ctx context.Context, scope driver.Scope, id string) error {
	found, err := d.groupOf(ctx, id)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return fmt.Errorf("openstack: group %s: %w", id, fault.ErrNotFound)
	}
	return agrees(found[0], scope)
}

// changeMembers makes one call for each member, several at once.
func (d *Driver) changeMembers(ctx context.Context, scope driver.Scope, step plan.Step) (string, error) {
	add, remove := step.Adds(), step.Removes()
	known := groupRef(step)
	if id := known; id != "" && !segment(id) {
		return "", fmt.Errorf("openstack: %w: %q is not the id of a group", fault.ErrInvalid, id)
	}
	id, err := d.withGroup(ctx, scope, known, step.Key().Group, func(id string) error {
		return each(ctx, slices.Concat(add, remove), func(ctx context.Context, i int, member access.Member) error {
			if !segment(member.Ref) {
				return fmt.Errorf("openstack: group %s: %w: a member without an id", id, fault.ErrInvalid)
			}
			if i < len(add) {
				return d.addMember(ctx, id, member.Ref)
			}
			return d.removeMember(ctx, id, member.Ref)
		})
	})
	if errors.Is(err, fault.ErrNotFound) && len(add) == 0 {
		return known, nil // nobody is in a group that is gone
	}
	return id, err
}

func (d *Driver) addMember(ctx context.Context, groupID, userID string) error {
	return d.write(ctx, "PUT /v3/groups/"+groupID+"/users/{user}", func(ctx context.Context, c *gophercloud.ServiceClient) error {
		return users.AddToGroup(ctx, c, groupID, userID).ExtractErr()
	})
}

// removeMember takes "not found" for done: the member, the user or the group is
// gone.
func (d *Driver) removeMember(ctx context.Context, groupID, userID string) error {
	err := d.write(ctx, "DELETE /v3/groups/"+groupID+"/users/{user}", func(ctx context.Context, c *gophercloud.ServiceClient) error {
		return users.RemoveFromGroup(ctx, c, groupID, userID).ExtractErr()
	})
	if errors.Is(err, fault.ErrNotFound) {
		return nil
	}
	return err
}

func (d *Driver) createBinding(ctx context.Context, scope driver.Scope, step plan.Step) (string, error) {
	want := step.Want.Binding
	if want == nil {
		return "", missing(step)
	}
	role, err := d.roles.id(ctx, d.api, want.Role)
	if err != nil {
		return "", err
	}
	id, err := d.withGroup(ctx, scope, want.GroupRef, want.Group, func(id string) error {
		operation := "PUT /v3/" + bindingRef(scope.ID, id, role)
		return d.write(ctx, operation, func(ctx context.Context, c *gophercloud.ServiceClient) error {
			return roles.Assign(ctx, c, role, roles.AssignOpts{GroupID: id, ProjectID: scope.ID}).ExtractErr()
		})
	})
	if err != nil {
		return "", err
	}
	return bindingRef(scope.ID, id, role), nil
}

// deleteBinding takes away exactly the assignment that was observed.
func (d *Driver) deleteBinding(ctx context.Context, scope driver.Scope, step plan.Step) (string, error) {
	have := step.Have.Binding
	if have == nil {
		return "", missing(step)
	}
	project, group, role, ok := parseBindingRef(have.Ref)
	var err error
	if !ok || project != scope.ID {
		if group, role, err = d.findBinding(ctx, scope, *have); errors.Is(err, fault.ErrNotFound) || errors.Is(err, fault.ErrInvalid) {
			return have.Ref, nil // without its group, or its role, it is gone
		}
		if err != nil {
			return "", err
		}
	}
	operation := "DELETE /v3/" + bindingRef(scope.ID, group, role)
	err = d.write(ctx, operation, func(ctx context.Context, c *gophercloud.ServiceClient) error {
		return roles.Unassign(ctx, c, role, roles.UnassignOpts{GroupID: group, ProjectID: scope.ID}).ExtractErr()
	})
	if err != nil && !errors.Is(err, fault.ErrNotFound) {
		return "", err
	}
	return have.Ref, nil
}

// findBinding returns the ids of a binding that is known by names only.
func (d *Driver) findBinding(ctx context.Context, scope driver.Scope, b access.Binding) (group, role string, err error) {
	if role, err = d.roles.id(ctx, d.api, b.Role); err != nil {
		return "", "", err
	}
	if b.GroupRef != "" {
		return b.GroupRef, role, nil
	}
	group, err = d.ourGroup(ctx, scope, b.Group)
	return group, role, err
}

// withGroup calls do with the group's id: the one that the step knows, else the
// one this driver made, else that of our group of the name. It returns the id.
func (d *Driver) withGroup(ctx context.Context, scope driver.Scope, known, name string, do func(id string) error) (string, error) {
	if known != "" {
		return known, do(known)
	}
	if id := d.made.Get(scope.Mark, name); id != "" {
		err := do(id)
		if !errors.Is(err, fault.ErrNotFound) {
			return id, err
		}
		d.made.Forget(scope.Mark, name) // somebody may have removed it since
	}
	id, err := d.ourGroup(ctx, scope, name)
	if err != nil {
		return "", err
	}
	return id, do(id)
}

// ourGroup returns the id of our group of that name. It fails with
// fault.ErrConflict where the group's mark says that it is not ours, and with
// fault.ErrNotFound where there is none.
func (d *Driver) ourGroup(ctx context.Context, scope driver.Scope, name string) (string, error) {
	domain, err := d.domain.lookup(ctx, d.api)
	if err != nil {
		return "", err
	}
	found, err := d.groupNamed(ctx, domain, name)
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		return "", fmt.Errorf("openstack: group %q: %w", name, fault.ErrNotFound)
	}
	return found[0].ID, agrees(found[0], scope)
}

// agrees refuses a group whose description does not say that it is ours.
func agrees(g group, scope driver.Scope) error {
	if !access.ParseMark(g.Description).Agrees(scope.Mark) {
		return fmt.Errorf("openstack: group %q: %w: the mark in its description is not ours", g.Name, fault.ErrConflict)
	}
	return nil
}

// groupRef is the id of the group whose members the step changes, if known.
func groupRef(step plan.Step) string {
	for _, o := range []plan.Object{step.Want, step.Have} {
		if o.Members != nil && o.Members.GroupRef != "" {
			return o.Members.GroupRef
		}
	}
	return ""
}

func missing(step plan.Step) error {
	return fmt.Errorf("openstack: %w: a step to %s a %s that names none", fault.ErrInvalid, step.Op, step.Kind)
}
