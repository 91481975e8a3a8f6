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

// change is a sort of step.
type change struct {
	kind access.Kind
	op   plan.Op
}

// handler makes one step true and returns the id of what it made or changed.
type handler func(context.Context, driver.Scope, plan.Step) (ref string, err error)

// table is all that Apply can do. What is not in it is refused.
func (d *Driver) table() map[change]handler {
	return map[change]handler{
		{access.KindGroup, plan.Create}:   d.createGroup,
		{access.KindGroup, plan.Delete}:   d.deleteGroup,
		{access.KindMembers, plan.Change}: d.changeMembers,
		{access.KindBinding, plan.Create}: d.createBinding,
		{access.KindBinding, plan.Delete}: d.deleteBinding,
	}
}

// Apply implements driver.Driver. Each step is one write, and a look at the
// group before it where the step asks for one. A step that fails does not stop
// the next: what depends on it is in a later wave.
func (d *Driver) Apply(ctx context.Context, scope driver.Scope, steps []plan.Step) []driver.Result {
	results := make([]driver.Result, len(steps))
	for i, step := range steps {
		results[i].Ref, results[i].Err = d.apply(ctx, scope, step)
	}
	return results
}

func (d *Driver) apply(ctx context.Context, scope driver.Scope, step plan.Step) (string, error) {
	handle, ok := d.handlers[change{step.Kind, step.Op}]
	if !ok {
		return "", fmt.Errorf("memory: %w: to %s a %s", fault.ErrUnsupported, step.Op, step.Kind)
	}
	if err := rules.Fit(step.Want); err != nil {
		return "", err
	}
	if step.Key().Kind != step.Kind {
		return "", fmt.Errorf("memory: %w: a step on a %s that names none", fault.ErrInvalid, step.Kind)
	}
	return handle(ctx, scope, step)
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
	return d.api.createBinding(ctx, Binding{Tenant: scope.ID, Role: want.Role, Group: id})
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
