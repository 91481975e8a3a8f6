package aws

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/identitystore"
	"github.com/aws/aws-sdk-go-v2/service/identitystore/document"
	"github.com/aws/aws-sdk-go-v2/service/identitystore/types"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver/aws/rules"
)

// user is what is looked at of a user of the Identity Store.
type user struct {
	id, name string
	status   types.UserStatus
}

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
	names := slices.DeleteFunc(slices.Clone(accounts), func(name string) bool { return !rules.UserName(name) })
	slices.Sort(names)
	found, err := d.usersNamed(ctx, id, slices.Compact(names))
	if err != nil {
		return nil, err
	}
	answers := make([]access.Resolution, len(accounts))
	for i, name := range accounts {
		answers[i] = toResolution(found[name])
	}
	return answers, nil
}

// usersNamed returns the users of exactly these names, by name. A name has two
// only while somebody renames them.
func (d *Driver) usersNamed(ctx context.Context, id identity, names []string) (map[string][]user, error) {
	found := map[string][]user{}
	if most := d.users.affords(2 * len(names)); most > 0 {
		whole, err := d.listUsers(ctx, id, most, found)
		if whole || err != nil {
			return found, err
		}
	}
	rest := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return len(found[name]) > 0 })
	users := make([]*user, len(rest))
	err := each(ctx, rest, func(ctx context.Context, i int, name string) (err error) {
		users[i], err = d.userNamed(ctx, id, name)
		return err
	})
	for i, u := range users {
		if u != nil {
			found[rest[i]] = []user{*u}
		}
	}
	return found, err
}

// listUsers reads pages of all users into found, by name, and reports whether
// those were all.
func (d *Driver) listUsers(ctx context.Context, id identity, most int, found map[string][]user) (whole bool, err error) {
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
		name := aws.ToString(u.UserName)
		found[name] = append(found[name], user{aws.ToString(u.UserId), name, u.UserStatus})
	}
	return whole, nil
}

// userNamed returns the user of exactly that name, or nil.
func (d *Driver) userNamed(ctx context.Context, id identity, name string) (*user, error) {
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
	case *out.UserName != name:
		return nil, nil //nolint:nilnil // a likeness is no match
	default:
		return &user{*ref.UserId, name, out.UserStatus}, nil
	}
}

// attribute names a user or a group by a unique attribute.
func attribute(path, value string) types.AlternateIdentifier {
	return &types.AlternateIdentifierMemberUniqueAttribute{Value: types.UniqueAttribute{
		AttributePath: &path, AttributeValue: document.NewLazyDocument(value),
	}}
}

// toResolution is the answer for a name that these users have.
func toResolution(users []user) access.Resolution {
	var refs []string
	for _, u := range users {
		refs = append(refs, u.id)
	}
	slices.Sort(refs)
	switch {
	case len(users) == 0:
		return access.Resolution{Found: access.No}
	case len(users) > 1:
		return access.Resolution{Found: access.Ambiguous, Refs: refs}
	case users[0].status == types.UserStatusDisabled:
		return access.Resolution{Found: access.Disabled, Refs: refs}
	default:
		return access.Resolution{Found: access.Yes, Refs: refs}
	}
}
