package aws

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/identitystore"
	"github.com/aws/aws-sdk-go-v2/service/identitystore/types"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// changeMembers makes one call for each member, several at once: there is none
// for more.
func (d *Driver) changeMembers(ctx context.Context, scope driver.Scope, step plan.Step) (string, error) {
	id, err := d.center.find(ctx)
	if err != nil {
		return "", err
	}
	add, remove := step.Adds(), step.Removes()
	known := groupRef(step)
	groupID, err := d.withGroup(ctx, scope, known, step.Key().Group, func(groupID string) error {
		return each(ctx, slices.Concat(add, remove), func(ctx context.Context, i int, member access.Member) error {
			switch of := (membership{groupID, member.Ref}); {
			case member.Ref == "":
				return fmt.Errorf("aws: group %s: %w: a member without an id", groupID, fault.ErrInvalid)
			case i < len(add):
				return d.addMember(ctx, id, of)
			default:
				return d.removeMember(ctx, id, of)
			}
		})
	})
	if gone(err, types.ResourceTypeGroup) && len(add) == 0 {
		return known, nil // nobody is in a group that is gone
	}
	return groupID, err
}

func (d *Driver) addMember(ctx context.Context, id identity, of membership) error {
	operation := "identitystore CreateGroupMembership " + of.group
	out, err := ask(ctx, d.api, operation, func(ctx context.Context, with *clients) (*identitystore.CreateGroupMembershipOutput, error) {
		out, err := with.store.CreateGroupMembership(ctx, &identitystore.CreateGroupMembershipInput{
			IdentityStoreId: &id.store, GroupId: &of.group, MemberId: &types.MemberIdMemberUserId{Value: of.user},
		})
		refused, ok := errors.AsType[*types.ConflictException](err)
		if ok && refused.Reason == types.ConflictExceptionReasonUniquenessConstraintViolation {
			return &identitystore.CreateGroupMembershipOutput{}, nil // is there
		}
		return out, err
	})
	switch {
	case errors.Is(err, fault.ErrConflict):
		// Without a reason it may be either: a member who is there, or another change.
		there, lookup := d.membershipID(ctx, id, of)
		if lookup == nil && there != "" {
			return nil
		}
		return errors.Join(err, lookup)
	case err != nil:
		return err
	case aws.ToString(out.MembershipId) != "":
		d.joined.put(of, *out.MembershipId)
	}
	return nil
}

// removeMember names the membership that the last read has seen, and asks for it
// where that is not the one any more.
func (d *Driver) removeMember(ctx context.Context, id identity, of membership) error {
	remembered := d.joined.get(of)
	if remembered != "" {
		err := d.dropMembership(ctx, id, of, remembered)
		if !gone(err, types.ResourceTypeGroupMembership) {
			return err
		}
	}
	current, err := d.membershipID(ctx, id, of)
	if err != nil || current == "" || current == remembered {
		return err
	}
	if err := d.dropMembership(ctx, id, of, current); !gone(err, types.ResourceTypeGroupMembership) {
		return err
	}
	return nil
}

func (d *Driver) dropMembership(ctx context.Context, id identity, of membership, membershipID string) error {
	_, err := ask(ctx, d.api, "identitystore DeleteGroupMembership "+membershipID,
		func(ctx context.Context, with *clients) (*identitystore.DeleteGroupMembershipOutput, error) {
			return with.store.DeleteGroupMembership(ctx, &identitystore.DeleteGroupMembershipInput{
				IdentityStoreId: &id.store, MembershipId: &membershipID,
			})
		})
	if err == nil || gone(err, types.ResourceTypeGroupMembership) {
		d.joined.forget(of)
	}
	return err
}

// membershipID returns the id of the membership; "" where there is none.
func (d *Driver) membershipID(ctx context.Context, id identity, of membership) (string, error) {
	operation := "identitystore GetGroupMembershipId " + of.group
	out, err := ask(ctx, d.api, operation, func(ctx context.Context, with *clients) (*identitystore.GetGroupMembershipIdOutput, error) {
		return with.store.GetGroupMembershipId(ctx, &identitystore.GetGroupMembershipIdInput{
			IdentityStoreId: &id.store, GroupId: &of.group, MemberId: &types.MemberIdMemberUserId{Value: of.user},
		})
	})
	switch {
	case gone(err, types.ResourceTypeGroupMembership), gone(err, types.ResourceTypeUser), gone(err, types.ResourceTypeGroup):
		return "", nil
	case err != nil:
		return "", err
	case aws.ToString(out.MembershipId) == "":
		return "", unreadable(operation)
	default:
		return *out.MembershipId, nil
	}
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

// createUser makes a user of the Identity Store, which a directory had better
// do: nobody but Rollcall will ever change or remove it.
func (d *Driver) createUser(ctx context.Context, _ driver.Scope, step plan.Step) (string, error) {
	const operation = "identitystore CreateUser"
	who := step.Want.Account
	id, err := d.center.find(ctx)
	if err != nil {
		return "", err
	}
	input := toUser(id, *who)
	out, refused := ask(ctx, d.api, operation, func(ctx context.Context, with *clients) (*identitystore.CreateUserOutput, error) {
		return with.store.CreateUser(ctx, input)
	})
	switch {
	case errors.Is(refused, fault.ErrConflict):
		// The name is taken, by an earlier try of ours, or the address is.
		return eventually(ctx, refused, func() (string, error) {
			there, err := d.userNamed(ctx, id, who.Name)
			if err == nil && there == nil {
				err = fault.ErrNotFound // yet
			}
			if err != nil {
				return "", err
			}
			if !d.Profile().AccountNames.Same(aws.ToString(there.UserName), who.Name) {
				return "", refused // the account of somebody else
			}
			return aws.ToString(there.UserId), nil
		})
	case refused != nil:
		return "", refused
	case aws.ToString(out.UserId) == "":
		return "", unreadable(operation)
	default:
		return *out.UserId, nil
	}
}

// toUser fills in what Identity Center requires: a given name, a family name and
// a display name. Who has none is called by the account's name.
func toUser(id identity, who access.Newcomer) *identitystore.CreateUserInput {
	given, family := cmp.Or(who.FirstName, who.Name), cmp.Or(who.LastName, who.Name)
	display := cmp.Or(strings.TrimSpace(who.FirstName+" "+who.LastName), who.Name)
	input := &identitystore.CreateUserInput{
		IdentityStoreId: &id.store, UserName: &who.Name, DisplayName: &display,
		Name: &types.Name{GivenName: &given, FamilyName: &family},
	}
	if who.Email != "" {
		input.Emails = []types.Email{{Value: &who.Email, Type: new("work"), Primary: true}}
	}
	return input
}
