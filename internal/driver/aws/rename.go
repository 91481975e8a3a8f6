package aws

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/identitystore"
	"github.com/aws/aws-sdk-go-v2/service/identitystore/document"
	"github.com/aws/aws-sdk-go-v2/service/identitystore/types"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// maxDescription is how many characters a group's description may have
// (SensitiveStringType in the model of CreateGroup).
const maxDescription = 1024

// changeGroup gives a group another name, our mark, or both, in one call. It finds
// fault.ErrConflict where another group has the name, which AWS keeps unique.
func (d *Driver) changeGroup(ctx context.Context, scope driver.Scope, step plan.Step) (string, error) {
	have, want := step.Have.Group, step.Want.Group
	id, err := d.center.find(ctx)
	if err != nil {
		return "", err
	}
	there, err := d.groupOf(ctx, id, have.Ref)
	if err == nil && there == nil {
		err = noGroup(have.Name)
	}
	if err != nil {
		return "", err
	}
	wanted, err := changed(*there, scope.Mark, *have, *want)
	if err != nil {
		return "", err
	}
	if wanted != *there {
		err = d.updateGroup(ctx, id, *there, wanted)
	}
	if errors.Is(err, errMoved) {
		err = d.changedBefore(ctx, id, *there, wanted, err)
	}
	if err != nil {
		return "", err
	}
	d.made.Forget(scope.Mark, have.Name)
	d.made.Put(scope.Mark, want.Name, have.Ref)
	return have.Ref, nil
}

// changed is the group as it is to be. It may be named as before, or as wanted
// where the step was done already; any other name is somebody else's decision.
func changed(there group, mark access.Mark, have, want access.Group) (group, error) {
	switch {
	case access.ParseMark(there.description).Contradicts(mark):
		return group{}, fmt.Errorf("aws: group %q: %w: the mark in its description is not ours", there.name, fault.ErrConflict)
	case there.name != have.Name && there.name != want.Name:
		return group{}, fmt.Errorf("aws: group %q: %w: somebody gave it the name %q", have.Name, fault.ErrConflict, there.name)
	}
	there.name, there.description = want.Name, mark.AddTo(there.description)
	if len([]rune(there.description)) > maxDescription {
		return group{}, fmt.Errorf("aws: group %q: %w: its description leaves no room for our mark: shorten it",
			have.Name, fault.ErrInvalid)
	}
	return there, nil
}

// updateGroup writes what is to be different, unless the group was changed since
// it was read: that is errMoved.
func (d *Driver) updateGroup(ctx context.Context, id identity, there, wanted group) error {
	input := &identitystore.UpdateGroupInput{IdentityStoreId: &id.store, GroupId: &there.id}
	if there.revision != "" {
		input.Revision = &there.revision
	}
	for _, attribute := range []struct{ path, from, to string }{
		{"displayName", there.name, wanted.name}, {"description", there.description, wanted.description},
	} {
		if attribute.from != attribute.to {
			input.Operations = append(input.Operations, types.AttributeOperation{
				AttributePath: &attribute.path, AttributeValue: document.NewLazyDocument(attribute.to),
			})
		}
	}
	_, err := ask(ctx, d.api, "identitystore UpdateGroup "+there.id,
		func(ctx context.Context, with *clients) (*identitystore.UpdateGroupOutput, error) {
			return with.store.UpdateGroup(ctx, input)
		})
	if gone(err, types.ResourceTypeGroup) {
		return noGroup(there.id)
	}
	return err
}

// changedBefore waits until reads show the change that was in the way, and accepts
// it where it is the wanted one: ours, of which nobody heard.
func (d *Driver) changedBefore(ctx context.Context, id identity, there, wanted group, refused error) error {
	_, err := eventually(ctx, refused, func() (string, error) {
		now, err := d.groupOf(ctx, id, there.id)
		switch {
		case err != nil:
			return "", err
		case now == nil:
			return "", refused // it goes, or is not shown: planned again
		case now.revision == there.revision:
			return "", noGroup(there.id) // not shown yet
		case now.name == wanted.name && now.description == wanted.description:
			return there.id, nil
		default:
			return "", refused
		}
	})
	return err
}
