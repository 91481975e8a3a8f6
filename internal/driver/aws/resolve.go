package aws

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/identitystore"
	"github.com/aws/aws-sdk-go-v2/service/identitystore/document"
	"github.com/aws/aws-sdk-go-v2/service/identitystore/types"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/aws/rules"
)

// Resolve implements driver.Driver: two calls for each name, or where they are
// many pages of all users, but never more of these.
func (d *Driver) Resolve(ctx context.Context, accounts []string) ([]access.Resolution, error) {
	if len(accounts) == 0 {
		return nil, ctx.Err()
	}
	id, err := d.center.find(ctx)
	if err != nil {
		return nil, err
	}
	compare := d.Profile().AccountNames
	var names []string
	for _, name := range accounts {
		if rules.UserName(name) {
			names = append(names, string(compare.Key(name)))
		}
	}
	slices.Sort(names)
	known := driver.NewAccounts(compare)
	if err := d.addUsers(ctx, id, slices.Compact(names), known); err != nil {
		return nil, err
	}
	answers := make([]access.Resolution, len(accounts))
	for i, name := range accounts {
		answers[i] = known.Find(name)
	}
	return answers, nil
}

// addUsers adds at least the users of these names. A name has two users only while one of
// them is renamed.
func (d *Driver) addUsers(ctx context.Context, id identity, names []string, known *driver.Accounts) error {
	if most := d.users.affords(2 * len(names)); most > 0 {
		whole, err := d.listUsers(ctx, id, most, known)
		if whole || err != nil {
			return err
		}
	}
	rest := slices.DeleteFunc(names, func(name string) bool { return known.Find(name).Found != access.No })
	users := make([]*types.User, len(rest))
	err := each(ctx, rest, func(ctx context.Context, i int, name string) (err error) {
		users[i], err = d.userNamed(ctx, id, name)
		return err
	})
	for _, u := range users {
		if u != nil {
			add(known, *u)
		}
	}
	return err
}

// add adds a user of the Identity Store.
func add(known *driver.Accounts, u types.User) {
	state := access.Yes
	if u.UserStatus == types.UserStatusDisabled {
		state = access.Disabled
	}
	known.Add(aws.ToString(u.UserName), aws.ToString(u.UserId), state)
}

// listUsers adds pages of all users, and reports whether those were all.
func (d *Driver) listUsers(ctx context.Context, id identity, most int, known *driver.Accounts) (whole bool, err error) {
	const operation = "identitystore ListUsers"
	all, whole, err := listUpTo(operation, most, func(token *string) (page[types.User], error) {
		out, err := ask(ctx, d.api, operation, func(ctx context.Context, with *clients) (*identitystore.ListUsersOutput, error) {
			return with.store.ListUsers(ctx, &identitystore.ListUsersInput{
				IdentityStoreId: &id.store, MaxResults: new(pageSize), NextToken: token,
			})
		})
		if err != nil {
			return page[types.User]{}, err
		}
		return page[types.User]{out.Users, out.NextToken}, nil
	})
	if err != nil {
		return false, err
	}
	d.users.learn(most, whole)
	for _, u := range all {
		add(known, u)
	}
	return whole, nil
}

// userNamed returns the user whom the Identity Store finds by the name, or nil. The user may
// have another spelling of it.
func (d *Driver) userNamed(ctx context.Context, id identity, name string) (*types.User, error) {
	const operation = "identitystore GetUserId"
	ref, err := ask(ctx, d.api, operation, func(ctx context.Context, with *clients) (*identitystore.GetUserIdOutput, error) {
		return with.store.GetUserId(ctx, &identitystore.GetUserIdInput{
			IdentityStoreId: &id.store, AlternateIdentifier: attribute("userName", name),
		})
	})
	if gone(err, types.ResourceTypeUser) {
		return nil, nil //nolint:nilnil // there is no such user, and that is no error
	}
	if err != nil {
		return nil, err
	}
	if aws.ToString(ref.UserId) == "" {
		return nil, unreadable(operation)
	}
	describe := "identitystore DescribeUser " + *ref.UserId
	out, err := ask(ctx, d.api, describe, func(ctx context.Context, with *clients) (*identitystore.DescribeUserOutput, error) {
		return with.store.DescribeUser(ctx, &identitystore.DescribeUserInput{IdentityStoreId: &id.store, UserId: ref.UserId})
	})
	switch {
	case gone(err, types.ResourceTypeUser):
		return nil, nil //nolint:nilnil // removed in between
	case err != nil:
		return nil, err
	case aws.ToString(out.UserName) == "":
		return nil, unreadable(describe)
	default:
		return &types.User{UserId: ref.UserId, UserName: out.UserName, UserStatus: out.UserStatus}, nil
	}
}

// attribute names a user or a group by a unique attribute.
func attribute(path, value string) types.AlternateIdentifier {
	return &types.AlternateIdentifierMemberUniqueAttribute{Value: types.UniqueAttribute{
		AttributePath: &path, AttributeValue: document.NewLazyDocument(value),
	}}
}
