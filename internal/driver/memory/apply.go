package memory

import (
	"context"
	"fmt"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/memory/rules"
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
		{Kind: access.KindAccount, Op: plan.Create}: d.createAccount,
		{Kind: access.KindBinding, Op: plan.Create}: d.createBinding,
		{Kind: access.KindBinding, Op: plan.Change}: d.changeBinding,
		{Kind: access.KindBinding, Op: plan.Delete}: d.deleteBinding,
	}
}

// Apply implements driver.Driver. Each step is one write, and a look at the
// group before it where the step asks for one.
func (d *Driver) Apply(ctx context.Context, scope driver.Scope, steps []plan.Step) []driver.Result {
	return d.handlers.Apply(ctx, rules.Type, rules.Fit, scope, steps)
}

func (d *Driver) createGroup(ctx context.Context, scope driver.Scope, step plan.Step) (string, error) {
	want := step.Want.Group
	if want == nil {
		return "", missing(step)
	}
	// A crash may have come between an earlier create and its record.
	there, err := d.group(ctx, scope, "", want.Name)
	if err == nil {
		return there.ID, nil
	}
	if !gone(err) {
		return "", err
	}
	return d.api.createGroup(ctx, want.Name, scope.Mark.Text())
}

// changeGroup gives a group another name, our mark, or both. It looks first: the
// platform cannot be told what to expect, and the text around a mark is kept.
func (d *Driver) changeGroup(ctx context.Context, scope driver.Scope, step plan.Step) (string, error) {
	have, want := step.Have.Group, step.Want.Group
	found, err := d.api.groups(ctx, map[string]bool{have.Ref: true}, nil)
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		return "", fmt.Errorf("memory: group %q: %w", have.Name, fault.ErrNotFound)
	}
	there := found[0]
	if toGroup(there).Mark.Contradicts(scope.Mark) {
		return "", fmt.Errorf("memory: group %q: %w: its mark is somebody else's", there.Name, fault.ErrConflict)
	}
	if there.Name != have.Name && there.Name != want.Name {
		return "", fmt.Errorf("memory: group %q: %w: somebody named it %q", have.Name, fault.ErrConflict, there.Name)
	}
	description := scope.Mark.AddTo(there.Description)
	if there.Name == want.Name && there.Description == description {
		return there.ID, nil
	}
	return there.ID, d.api.changeGroup(ctx, there.ID, want.Name, description)
}

func (d *Driver) deleteGroup(ctx context.Context, scope driver.Scope, step plan.Step) (string, error) {
	have := step.Have.Group
	if have == nil {
		return "", missing(step)
	}
	there, err := d.group(ctx, scope, have.Ref, have.Name)
	if gone(err) {
		return have.Ref, nil
	}
	if err != nil {
		return "", err
	}
	if err := d.api.deleteGroup(ctx, there.ID); err != nil && !gone(err) {
		return "", err
	}
	return there.ID, nil
}

func (d *Driver) changeMembers(ctx context.Context, scope driver.Scope, step plan.Step) (string, error) {
	group := step.Key().Group
	add, remove := refs(step.Adds()), refs(step.Removes())
	id, err := d.groupID(ctx, scope, groupRef(step), group)
	if err == nil {
		err = d.api.changeMembers(ctx, id, add, remove)
	}
	if gone(err) && len(add) == 0 {
		return groupRef(step), nil // nobody is in a group that is gone
	}
	return id, err
}

func (d *Driver) createBinding(ctx context.Context, scope driver.Scope, step plan.Step) (string, error) {
	want := step.Want.Binding
	if want == nil {
		return "", missing(step)
	}
	id, err := d.groupID(ctx, scope, want.GroupRef, want.Group)
	if err != nil {
		return "", err
	}
	return d.api.createBinding(ctx, Binding{Tenant: scope.ID, Role: want.Role, Group: id, Condition: want.Condition})
}

// changeBinding changes a role's condition, which is all that can change.
func (d *Driver) changeBinding(ctx context.Context, scope driver.Scope, step plan.Step) (string, error) {
	want := step.Want.Binding
	if want == nil {
		return "", missing(step)
	}
	id, err := d.groupID(ctx, scope, want.GroupRef, want.Group)
	if err != nil {
		return "", err
	}
	return d.api.changeCondition(ctx, Binding{Tenant: scope.ID, Role: want.Role, Group: id, Condition: want.Condition})
}

func (d *Driver) createAccount(ctx context.Context, _ driver.Scope, step plan.Step) (string, error) {
	return d.api.createUser(ctx, step.Want.Account.Name)
}

func (d *Driver) deleteBinding(ctx context.Context, scope driver.Scope, step plan.Step) (string, error) {
	have := step.Have.Binding
	if have == nil {
		return "", missing(step)
	}
	id, err := d.groupID(ctx, scope, have.GroupRef, have.Group)
	if gone(err) {
		return have.Ref, nil // its roles went with the group
	}
	if err != nil {
		return "", err
	}
	return have.Ref, d.api.deleteBinding(ctx, Binding{Tenant: scope.ID, Role: have.Role, Group: id})
}

// groupID returns the group's id: the one that is known, else that of our group
// of the name.
func (d *Driver) groupID(ctx context.Context, scope driver.Scope, ref, name string) (string, error) {
	if ref != "" {
		return ref, nil
	}
	there, err := d.group(ctx, scope, "", name)
	return there.ID, err
}

// group looks for a group of ours, by id where one is known, else by name. It
// fails with fault.ErrConflict where the group's mark says it is not ours, and
// with fault.ErrNotFound where there is none.
func (d *Driver) group(ctx context.Context, scope driver.Scope, ref, name string) (groupEntry, error) {
	ids, names := map[string]bool{ref: true}, map[string]bool{}
	if ref == "" {
		ids, names = names, map[string]bool{name: true}
	}
	found, err := d.api.groups(ctx, ids, names)
	if err != nil {
		return groupEntry{}, err
	}
	if len(found) == 0 {
		return groupEntry{}, fmt.Errorf("memory: group %q: %w", name, fault.ErrNotFound)
	}
	if !toGroup(found[0]).Mark.Agrees(scope.Mark) {
		return groupEntry{}, fmt.Errorf("memory: group %q: %w: its mark is not ours", name, fault.ErrConflict)
	}
	return found[0], nil
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
	return fmt.Errorf("memory: %w: a step to %s a %s that names none", fault.ErrInvalid, step.Op, step.Kind)
}
