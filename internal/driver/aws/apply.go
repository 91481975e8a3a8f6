package aws

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/identitystore"
	"github.com/aws/aws-sdk-go-v2/service/identitystore/types"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/aws/rules"
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
		{Kind: access.KindAccount, Op: plan.Create}: d.createUser,
		{Kind: access.KindBinding, Op: plan.Create}: d.createBinding,
		{Kind: access.KindBinding, Op: plan.Delete}: d.deleteBinding,
	}
}

// Apply implements driver.Driver.
func (d *Driver) Apply(ctx context.Context, scope driver.Scope, steps []plan.Step) []driver.Result {
	if !rules.AccountID(scope.ID) && !driver.TakesFromGroups(steps) {
		return driver.Refuse(steps, fmt.Errorf("aws: %w: %q is not the id of an account: it has twelve digits", fault.ErrInvalid, scope.ID))
	}
	return d.handlers.Apply(ctx, rules.Type, rules.Fit, scope, steps)
}

// createGroup tries first and looks second: a name is unique in the store, so
// AWS itself finds what a crash may have left, and nothing is a twin.
func (d *Driver) createGroup(ctx context.Context, scope driver.Scope, step plan.Step) (string, error) {
	const operation = "identitystore CreateGroup"
	want := step.Want.Group
	id, err := d.center.find(ctx)
	if err != nil {
		return "", err
	}
	input := &identitystore.CreateGroupInput{IdentityStoreId: &id.store, DisplayName: &want.Name}
	if mark := scope.Mark.Text(); mark != "" {
		input.Description = &mark
	}
	out, refused := ask(ctx, d.api, operation, func(ctx context.Context, with *clients) (*identitystore.CreateGroupOutput, error) {
		return with.store.CreateGroup(ctx, input)
	})
	switch {
	case errors.Is(refused, fault.ErrConflict):
		there, err := d.appeared(ctx, scope, want.Name, refused)
		if err == nil {
			d.made.Put(scope.Mark, want.Name, there)
		}
		return there, err
	case refused != nil:
		return "", refused
	case aws.ToString(out.GroupId) == "":
		return "", unreadable(operation)
	}
	d.made.Put(scope.Mark, want.Name, *out.GroupId)
	return *out.GroupId, nil
}

// appeared looks for our group of a name that is taken, for as long as AWS may
// take to show it. If it never does, the name was refused for another reason.
func (d *Driver) appeared(ctx context.Context, scope driver.Scope, name string, refused error) (string, error) {
	return eventually(ctx, refused, func() (string, error) { return d.ourGroup(ctx, scope, name) })
}

// eventually asks until the answer is no longer fault.ErrNotFound, for as long
// as a write may stay invisible, and then gives up with the error.
func eventually(ctx context.Context, otherwise error, look func() (string, error)) (string, error) {
	var wait backoff
	for left := rules.Profile().Settle; ; {
		id, err := look()
		if !errors.Is(err, fault.ErrNotFound) {
			return id, err
		}
		if left <= 0 {
			return "", otherwise
		}
		spent, err := wait.pause(ctx)
		if err != nil {
			return "", err
		}
		left -= spent
	}
}

// deleteGroup looks at the mark of the group just before it goes.
func (d *Driver) deleteGroup(ctx context.Context, scope driver.Scope, step plan.Step) (string, error) {
	have := step.Have.Group
	id, err := d.center.find(ctx)
	if err != nil {
		return "", err
	}
	ref := have.Ref
	if ref == "" {
		ref, err = d.ourGroup(ctx, scope, have.Name)
	} else {
		err = d.stillOurs(ctx, id, scope, ref)
	}
	if err == nil {
		_, err = ask(ctx, d.api, "identitystore DeleteGroup "+ref,
			func(ctx context.Context, with *clients) (*identitystore.DeleteGroupOutput, error) {
				return with.store.DeleteGroup(ctx, &identitystore.DeleteGroupInput{IdentityStoreId: &id.store, GroupId: &ref})
			})
	}
	if err != nil && !gone(err, types.ResourceTypeGroup) {
		return "", err
	}
	d.made.Forget(scope.Mark, have.Name)
	return have.Ref, nil
}

func (d *Driver) stillOurs(ctx context.Context, id identity, scope driver.Scope, groupID string) error {
	found, err := d.groupOf(ctx, id, groupID)
	if err != nil {
		return err
	}
	if found == nil {
		return noGroup(groupID)
	}
	return agrees(*found, scope)
}

// withGroup calls do with the group's id: the one that the step knows, else the
// one this driver made, else that of our group of the name. It returns the id.
func (d *Driver) withGroup(ctx context.Context, scope driver.Scope, known, name string, do func(id string) error) (string, error) {
	if known != "" {
		return known, do(known)
	}
	remembered := d.made.Get(scope.Mark, name)
	if remembered != "" {
		err := do(remembered)
		if !errors.Is(err, fault.ErrNotFound) {
			return remembered, err
		}
		// Somebody may have removed it since. It is not forgotten: reads may only
		// not show it yet.
	}
	id, err := d.ourGroup(ctx, scope, name)
	if err != nil {
		return "", err
	}
	if id != remembered {
		d.made.Forget(scope.Mark, name)
	}
	return id, do(id)
}

// ourGroup returns the id of our group of that name. It fails with
// fault.ErrConflict where the group's mark says that it is not ours, and with
// fault.ErrNotFound where there is none.
func (d *Driver) ourGroup(ctx context.Context, scope driver.Scope, name string) (string, error) {
	id, err := d.center.find(ctx)
	if err != nil {
		return "", err
	}
	found, err := d.groupLike(ctx, id, name)
	switch {
	case err != nil:
		return "", err
	case found == nil:
		return "", noGroup(name)
	case found.name != name:
		return "", fmt.Errorf("aws: group %q: %w: AWS takes it for the group %q", name, fault.ErrConflict, found.name)
	default:
		return found.id, agrees(*found, scope)
	}
}

// agrees refuses a group whose description does not say that it is ours.
func agrees(g group, scope driver.Scope) error {
	if !access.ParseMark(g.description).Agrees(scope.Mark) {
		return fmt.Errorf("aws: group %q: %w: the mark in its description is not ours", g.name, fault.ErrConflict)
	}
	return nil
}

// createBinding gives the permission set to the group. One that is assigned
// already stays as it is.
func (d *Driver) createBinding(ctx context.Context, scope driver.Scope, step plan.Step) (string, error) {
	want := step.Want.Binding
	arn, err := d.sets.arn(ctx, want.Role)
	if err != nil {
		return "", err
	}
	if arn == "" {
		return "", fmt.Errorf("aws: %w: there is no permission set named %q: create it, or change the role mapping",
			fault.ErrInvalid, want.Role)
	}
	id, err := d.withGroup(ctx, scope, want.GroupRef, want.Group, func(id string) error {
		return d.change(ctx, assignment{account: scope.ID, set: arn, group: id})
	})
	if err != nil {
		return "", err
	}
	return bindingRef(scope.ID, id, arn), nil
}

// deleteBinding takes away exactly the assignment that was observed.
func (d *Driver) deleteBinding(ctx context.Context, scope driver.Scope, step plan.Step) (string, error) {
	have := step.Have.Binding
	account, groupID, arn, ok := parseBindingRef(have.Ref)
	if !ok || account != scope.ID {
		var err error
		groupID, arn, err = d.findBinding(ctx, scope, *have)
		if gone(err, types.ResourceTypeGroup) || err == nil && arn == "" {
			return have.Ref, nil // without its group, or its permission set, it is gone
		}
		if err != nil {
			return "", err
		}
	}
	err := d.change(ctx, assignment{account: scope.ID, set: arn, group: groupID, remove: true})
	if errors.Is(err, fault.ErrNotFound) {
		err = d.isGone(ctx, err, scope.ID, groupID, arn)
	}
	if err != nil {
		return "", err
	}
	return have.Ref, nil
}

// isGone looks whether what SSO Admin does not find is the assignment: the answer
// does not say whether it is that, or all of Identity Center.
func (d *Driver) isGone(ctx context.Context, refused error, account, groupID, arn string) error {
	id, err := d.center.find(ctx)
	if err != nil {
		return err
	}
	left, err := d.assignedTo(ctx, id, account, groupID)
	if err == nil && slices.Contains(left, arn) {
		return refused
	}
	return err
}

// findBinding returns the ids of a binding that is known by names only; none
// where there is no such permission set.
func (d *Driver) findBinding(ctx context.Context, scope driver.Scope, b access.Binding) (groupID, arn string, err error) {
	if arn, err = d.sets.arn(ctx, b.Role); err != nil || arn == "" {
		return "", "", err
	}
	if b.GroupRef != "" {
		return b.GroupRef, arn, nil
	}
	groupID, err = d.ourGroup(ctx, scope, b.Group)
	return groupID, arn, err
}
