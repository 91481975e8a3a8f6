package openshift

import (
	"context"
	"errors"
	"fmt"
	"slices"

	userv1 "github.com/openshift/api/user/v1"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/kubernetes"
	"github.com/rollcall-iam/rollcall/internal/driver/openshift/rules"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// table is all that Apply can do. What is not in it is refused.
func (d *Driver) table() driver.Table {
	return driver.Table{
		{Kind: access.KindGroup, Op: plan.Create}:   d.createGroup,
		{Kind: access.KindGroup, Op: plan.Change}:   d.adoptGroup,
		{Kind: access.KindGroup, Op: plan.Delete}:   d.deleteGroup,
		{Kind: access.KindMembers, Op: plan.Change}: d.changeMembers,
		{Kind: access.KindBinding, Op: plan.Create}: d.createBinding,
		{Kind: access.KindBinding, Op: plan.Delete}: d.deleteBinding,
	}
}

// Apply implements driver.Driver.
func (d *Driver) Apply(ctx context.Context, scope driver.Scope, steps []plan.Step) []driver.Result {
	if !kubernetes.IsNamespace(scope.ID) && !driver.TakesFromGroups(steps) {
		return driver.Refuse(steps, fmt.Errorf("openshift: %w: %q is not the name of a project", fault.ErrInvalid, scope.ID))
	}
	return d.handlers.Apply(ctx, rules.Type, rules.Fit, scope, steps)
}

// createGroup tries first and looks second: a name is unique, so the API itself
// finds what a crash may have left, and nothing is a twin.
func (d *Driver) createGroup(ctx context.Context, scope driver.Scope, step plan.Step) (string, error) {
	name := step.Want.Group.Name
	made, refused := d.api.create(ctx, newGroup(name, scope.Mark))
	if refused == nil {
		d.api.seen.put(made)
		return name, nil
	}
	if !errors.Is(refused, fault.ErrConflict) {
		return "", refused
	}
	switch _, err := d.ourGroup(ctx, scope, name); {
	case errors.Is(err, fault.ErrNotFound):
		return "", refused // it is gone again, or the refusal was about something else
	case err != nil:
		return "", err
	default:
		return name, nil
	}
}

// adoptGroup puts our mark on a group that somebody made, if it is still as it was
// read: a group that moves meanwhile is a conflict.
func (d *Driver) adoptGroup(ctx context.Context, scope driver.Scope, step plan.Step) (string, error) {
	name := step.Want.Group.Name
	if have := *step.Have.Group; have.Name != name || have.Ref != name {
		return "", fmt.Errorf("openshift: group %q: %w: to give it another name, which is its key", have.Name, fault.ErrUnsupported)
	}
	there, err := d.api.group(ctx, name)
	if err != nil {
		return "", err
	}
	if kubernetes.MarkOf(there).Contradicts(scope.Mark) {
		return "", fmt.Errorf("openshift: group %q: %w: the mark on it is somebody else's", name, fault.ErrConflict)
	}
	labels, annotations := marks(scope.Mark)
	if !holds(there.Labels, labels) || !holds(there.Annotations, annotations) {
		if there, err = d.api.setMark(ctx, there, labels, annotations); err != nil {
			return "", err
		}
	}
	d.api.seen.put(there)
	return name, nil
}

// deleteGroup looks at the group's mark just before it goes.
func (d *Driver) deleteGroup(ctx context.Context, scope driver.Scope, step plan.Step) (string, error) {
	have := step.Have.Group
	there, err := d.ourGroup(ctx, scope, have.Name)
	if err == nil {
		err = d.api.remove(ctx, there)
	}
	if err != nil && !errors.Is(err, fault.ErrNotFound) {
		return "", err
	}
	d.api.seen.forget(have.Name)
	return have.Name, nil
}

// changeMembers writes the users of a group, whole: as they were seen last, with
// this change. Where the group is not as it was seen, it is read.
func (d *Driver) changeMembers(ctx context.Context, scope driver.Scope, step plan.Step) (string, error) {
	name := step.Key().Group
	add, remove := accounts(step.Want), accounts(step.Have)
	if err := areUsers(name, add); err != nil {
		return "", err
	}
	if known := d.api.seen.get(name); known != nil && agrees(known, scope.Mark) == nil {
		// That nothing is to be done is only believed of what has just been read.
		if users, differs := changed(known, add, remove); differs {
			err := d.write(ctx, known, users)
			if !errors.Is(err, fault.ErrConflict) && !errors.Is(err, fault.ErrNotFound) {
				return name, err
			}
		}
	}
	there, err := d.ourGroup(ctx, scope, name)
	if err == nil {
		if users, differs := changed(there, add, remove); differs {
			err = d.write(ctx, there, users)
		}
	}
	if errors.Is(err, fault.ErrNotFound) && len(add) == 0 {
		return name, nil // nobody is in a group that is gone
	}
	if err != nil {
		return "", err
	}
	return name, nil
}

// write sets the users of a group that is as it was seen.
func (d *Driver) write(ctx context.Context, group *userv1.Group, users []string) error {
	made, err := d.api.setUsers(ctx, group, users)
	if err != nil {
		d.api.seen.forget(group.Name)
		return err
	}
	d.api.seen.put(made)
	return nil
}

func accounts(o plan.Object) []access.Member {
	if o.Members == nil {
		return nil
	}
	return o.Members.Accounts
}

// areUsers refuses members that the API would refuse together with all others.
func areUsers(group string, members []access.Member) error {
	if slices.ContainsFunc(members, func(m access.Member) bool { return rules.Name(m.Ref) != "" }) {
		return fmt.Errorf("openshift: group %q: %w: a member whose name no user can have", group, fault.ErrInvalid)
	}
	return nil
}

// createBinding gives the role to a group of ours only.
func (d *Driver) createBinding(ctx context.Context, scope driver.Scope, step plan.Step) (string, error) {
	want := step.Want.Binding
	known := d.api.seen.get(want.Group)
	if want.GroupRef == "" && (known == nil || agrees(known, scope.Mark) != nil) {
		if _, err := d.ourGroup(ctx, scope, want.Group); err != nil {
			return "", err
		}
	}
	return d.api.cluster.GiveGroup(ctx, scope, *want, want.Group)
}

func (d *Driver) deleteBinding(ctx context.Context, scope driver.Scope, step plan.Step) (string, error) {
	return step.Have.Binding.Ref, d.api.cluster.TakeGroup(ctx, scope, *step.Have.Binding)
}

// ourGroup reads our group of that name. It fails with fault.ErrConflict where its
// mark says that it is not ours, and with fault.ErrNotFound where there is none.
func (d *Driver) ourGroup(ctx context.Context, scope driver.Scope, name string) (*userv1.Group, error) {
	there, err := d.api.group(ctx, name)
	if err != nil {
		return nil, err
	}
	if err := agrees(there, scope.Mark); err != nil {
		d.api.seen.forget(name)
		return nil, err
	}
	d.api.seen.put(there)
	return there, nil
}
