package aws

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/identitystore"
	storetypes "github.com/aws/aws-sdk-go-v2/service/identitystore/types"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	orgtypes "github.com/aws/aws-sdk-go-v2/service/organizations/types"
	"github.com/aws/aws-sdk-go-v2/service/ssoadmin"
	ssotypes "github.com/aws/aws-sdk-go-v2/service/ssoadmin/types"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/aws/rules"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// Observe implements driver.Driver: two lists for each group, and a few calls
// for what those cannot show. See the package's comment.
func (d *Driver) Observe(ctx context.Context, scopes []driver.Scope) ([]driver.Observation, error) {
	if len(scopes) == 0 {
		return nil, ctx.Err()
	}
	id, err := d.center.find(ctx)
	if err != nil {
		return nil, err
	}
	in := newInventory(id, slices.ContainsFunc(scopes, func(s driver.Scope) bool { return s.Marks }))
	wanted := wants(scopes)
	// What has another id than the one that is known is looked for by name.
	for range 2 {
		if err := d.findGroups(ctx, in, wanted); err != nil {
			return nil, err
		}
		if err := d.readGroups(ctx, in, scopes, wanted); err != nil {
			return nil, err
		}
		wanted = in.successors(wanted)
	}
	if err := d.readNames(ctx, in); err != nil {
		return nil, err
	}
	if err := d.readAccounts(ctx, in, scopes); err != nil {
		return nil, err
	}
	observations := make([]driver.Observation, len(scopes))
	for i, scope := range scopes {
		observations[i] = in.at(i, scope)
	}
	return observations, nil
}

// findGroups finds the groups that are known by name only, and reads the marks
// of all where they are asked for: one by one, or with pages of all groups.
func (d *Driver) findGroups(ctx context.Context, in *inventory, wanted []want) error {
	ids, names := in.unknown(wanted)
	if most := d.groups.affords(len(ids) + 2*len(names)); most > 0 {
		if err := d.listGroups(ctx, in, most); err != nil {
			return err
		}
		ids, names = in.unknown(wanted)
	}
	found := make([]*group, len(ids)+len(names))
	err := each(ctx, slices.Concat(ids, names), func(ctx context.Context, i int, key string) (err error) {
		if i < len(ids) {
			found[i], err = d.groupOf(ctx, in.identity, key)
			return err
		}
		found[i], err = d.groupNamed(ctx, in.identity, key)
		return err
	})
	if err != nil {
		return err
	}
	for i, g := range found {
		switch {
		case g != nil:
			in.addGroup(*g)
		case i < len(ids):
			in.gone[ids[i]] = true
		}
	}
	return nil
}

// listGroups reads at most so many pages of all groups.
func (d *Driver) listGroups(ctx context.Context, in *inventory, most int) error {
	const operation = "identitystore ListGroups"
	all, whole, err := listUpTo(operation, most, func(token *string) (page[storetypes.Group], error) {
		out, err := ask(ctx, d.api, operation, func(ctx context.Context, with *clients) (*identitystore.ListGroupsOutput, error) {
			return with.store.ListGroups(ctx, &identitystore.ListGroupsInput{
				IdentityStoreId: &in.identity.store, MaxResults: new(pageSize), NextToken: token,
			})
		})
		if err != nil {
			return page[storetypes.Group]{}, err
		}
		return page[storetypes.Group]{out.Groups, out.NextToken}, nil
	})
	if err != nil {
		return err
	}
	d.groups.learn(most, whole)
	for _, g := range all {
		in.addGroup(group{id: aws.ToString(g.GroupId), name: aws.ToString(g.DisplayName), description: aws.ToString(g.Description)})
	}
	in.complete = whole
	return nil
}

// groupOf returns the group of that id, or nil.
func (d *Driver) groupOf(ctx context.Context, id identity, groupID string) (*group, error) {
	operation := "identitystore DescribeGroup " + groupID
	out, err := ask(ctx, d.api, operation, func(ctx context.Context, with *clients) (*identitystore.DescribeGroupOutput, error) {
		return with.store.DescribeGroup(ctx, &identitystore.DescribeGroupInput{IdentityStoreId: &id.store, GroupId: &groupID})
	})
	switch {
	case gone(err, storetypes.ResourceTypeGroup):
		return nil, nil //nolint:nilnil // there is no such group, and that is no error
	case err != nil:
		return nil, err
	case aws.ToString(out.GroupId) != groupID:
		return nil, unreadable(operation)
	default:
		return &group{
			id: groupID, name: aws.ToString(out.DisplayName),
			description: aws.ToString(out.Description), revision: aws.ToString(out.Revision),
		}, nil
	}
}

// groupNamed returns the group of exactly that name, or nil.
func (d *Driver) groupNamed(ctx context.Context, id identity, name string) (*group, error) {
	found, err := d.groupLike(ctx, id, name)
	if found != nil && found.name != name {
		return nil, nil //nolint:nilnil // a likeness is no match
	}
	return found, err
}

// groupLike returns the group that AWS finds by that name, which may be written
// in another case, or nil.
func (d *Driver) groupLike(ctx context.Context, id identity, name string) (*group, error) {
	const operation = "identitystore GetGroupId"
	ref, err := ask(ctx, d.api, operation, func(ctx context.Context, with *clients) (*identitystore.GetGroupIdOutput, error) {
		return with.store.GetGroupId(ctx, &identitystore.GetGroupIdInput{
			IdentityStoreId: &id.store, AlternateIdentifier: attribute("displayName", name),
		})
	})
	if gone(err, storetypes.ResourceTypeGroup) {
		return nil, nil //nolint:nilnil // there is no such group, and that is no error
	}
	if err != nil {
		return nil, err
	}
	if aws.ToString(ref.GroupId) == "" {
		return nil, unreadable(operation)
	}
	return d.groupOf(ctx, id, *ref.GroupId)
}

// readGroups reads members and assignments of the groups that are wanted.
func (d *Driver) readGroups(ctx context.Context, in *inventory, scopes []driver.Scope, wanted []want) error {
	lists := in.lists(scopes, wanted)
	found, absent := make([][]string, len(lists)), make([]bool, len(lists))
	err := each(ctx, lists, func(ctx context.Context, i int, of at) (err error) {
		if of.scope == everywhere {
			found[i], absent[i], err = d.membersOf(ctx, in.identity, of.group)
			return err
		}
		found[i], err = d.assignedTo(ctx, in.identity, scopes[of.scope].ID, of.group)
		return err
	})
	if err != nil {
		return err
	}
	for i, of := range lists {
		switch {
		case absent[i]:
			in.gone[of.group] = true
		case of.scope == everywhere:
			in.members[of.group] = found[i]
		default:
			in.assigned[of] = found[i]
		}
	}
	return nil
}

// membersOf returns the ids of a group's users, and whether there is no such
// group.
func (d *Driver) membersOf(ctx context.Context, id identity, groupID string) (users []string, absent bool, err error) {
	operation := "identitystore ListGroupMemberships " + groupID
	all, err := list(operation, func(token *string) (page[storetypes.GroupMembership], error) {
		out, err := ask(ctx, d.api, operation, func(ctx context.Context, with *clients) (*identitystore.ListGroupMembershipsOutput, error) {
			return with.store.ListGroupMemberships(ctx, &identitystore.ListGroupMembershipsInput{
				IdentityStoreId: &id.store, GroupId: &groupID, MaxResults: new(pageSize), NextToken: token,
			})
		})
		if err != nil {
			return page[storetypes.GroupMembership]{}, err
		}
		return page[storetypes.GroupMembership]{out.GroupMemberships, out.NextToken}, nil
	})
	if gone(err, storetypes.ResourceTypeGroup) {
		return nil, true, nil
	}
	if err != nil {
		return nil, false, err
	}
	for _, m := range all {
		member, ok := m.MemberId.(*storetypes.MemberIdMemberUserId)
		if !ok || member.Value == "" || m.MembershipId == nil {
			return nil, false, unreadable(operation)
		}
		d.joined.put(membership{groupID, member.Value}, *m.MembershipId)
		users = append(users, member.Value)
	}
	return users, false, nil
}

// assignedTo returns the ARNs of the permission sets that the group has on the
// account.
func (d *Driver) assignedTo(ctx context.Context, id identity, accountID, groupID string) (sets []string, err error) {
	operation := "sso-admin ListAccountAssignmentsForPrincipal " + groupID
	all, err := list(operation, func(token *string) (page[ssotypes.AccountAssignmentForPrincipal], error) {
		out, err := ask(ctx, d.api, operation,
			func(ctx context.Context, with *clients) (*ssoadmin.ListAccountAssignmentsForPrincipalOutput, error) {
				return with.sso.ListAccountAssignmentsForPrincipal(ctx, &ssoadmin.ListAccountAssignmentsForPrincipalInput{
					InstanceArn: &id.arn, PrincipalId: &groupID, PrincipalType: ssotypes.PrincipalTypeGroup,
					Filter: &ssotypes.ListAccountAssignmentsFilter{AccountId: &accountID}, MaxResults: new(pageSize), NextToken: token,
				})
			})
		if err != nil {
			return page[ssotypes.AccountAssignmentForPrincipal]{}, err
		}
		return page[ssotypes.AccountAssignmentForPrincipal]{out.AccountAssignments, out.NextToken}, nil
	})
	if gone(err, "") {
		// A group that is gone has nothing; an Identity Center that is not found says nothing.
		if found, lookup := d.groupOf(ctx, id, groupID); lookup != nil || found == nil {
			return nil, lookup
		}
		return nil, fmt.Errorf("aws: %s: %w: Identity Center does not know what is in the store: check instanceArn",
			operation, fault.ErrUnavailable)
	}
	if err != nil {
		return nil, err
	}
	for _, a := range all {
		if a.PermissionSetArn == nil || aws.ToString(a.PrincipalId) != groupID || aws.ToString(a.AccountId) != accountID {
			return nil, unreadable(operation)
		}
		sets = append(sets, *a.PermissionSetArn)
	}
	return sets, nil
}

// readNames finds the names of the permission sets that are assigned.
func (d *Driver) readNames(ctx context.Context, in *inventory) error {
	arns := map[string]bool{}
	for _, sets := range in.assigned {
		for _, arn := range sets {
			arns[arn] = true
		}
	}
	sorted := slices.Sorted(maps.Keys(arns))
	names := make([]string, len(sorted))
	err := each(ctx, sorted, func(ctx context.Context, i int, arn string) (err error) {
		names[i], err = d.sets.name(ctx, arn)
		return err
	})
	for i, arn := range sorted {
		in.names[arn] = names[i]
	}
	return err
}

// readAccounts finds out which of the accounts on which nothing is assigned
// exist.
func (d *Driver) readAccounts(ctx context.Context, in *inventory, scopes []driver.Scope) error {
	var unseen []string
	for i, scope := range scopes {
		if in.shown(i) {
			continue
		}
		in.absent[scope.ID] = true
		if rules.AccountID(scope.ID) {
			unseen = append(unseen, scope.ID)
		}
	}
	slices.Sort(unseen)
	unseen = slices.Compact(unseen)
	if most := d.accounts.affords(len(unseen)); most > 0 {
		whole, err := d.listAccounts(ctx, in, most)
		if whole || err != nil {
			return err
		}
		unseen = slices.DeleteFunc(unseen, func(id string) bool { return !in.absent[id] })
	}
	found := make([]bool, len(unseen))
	err := each(ctx, unseen, func(ctx context.Context, i int, id string) (err error) {
		found[i], err = d.accountExists(ctx, id)
		return err
	})
	for i, id := range unseen {
		in.absent[id] = !found[i]
	}
	return err
}

// listAccounts reads at most so many pages of all accounts.
func (d *Driver) listAccounts(ctx context.Context, in *inventory, most int) (whole bool, err error) {
	const operation = "organizations ListAccounts"
	all, whole, err := listUpTo(operation, most, func(token *string) (page[orgtypes.Account], error) {
		out, err := ask(ctx, d.api, operation, func(ctx context.Context, with *clients) (*organizations.ListAccountsOutput, error) {
			return with.org.ListAccounts(ctx, &organizations.ListAccountsInput{MaxResults: new(accountPage), NextToken: token})
		})
		if err != nil {
			return page[orgtypes.Account]{}, err
		}
		return page[orgtypes.Account]{out.Accounts, out.NextToken}, nil
	})
	if err != nil {
		return false, err
	}
	d.accounts.learn(most, whole)
	for _, a := range all {
		if a.State != orgtypes.AccountStateClosed {
			in.absent[aws.ToString(a.Id)] = false
		}
	}
	return whole, nil
}

func (d *Driver) accountExists(ctx context.Context, accountID string) (bool, error) {
	state, there, err := d.accountState(ctx, accountID)
	return there && state != orgtypes.AccountStateClosed, err
}

// accountState returns the state of an account, and whether the organization has it.
func (d *Driver) accountState(ctx context.Context, accountID string) (state orgtypes.AccountState, there bool, err error) {
	operation := "organizations DescribeAccount " + accountID
	out, err := ask(ctx, d.api, operation, func(ctx context.Context, with *clients) (*organizations.DescribeAccountOutput, error) {
		return with.org.DescribeAccount(ctx, &organizations.DescribeAccountInput{AccountId: &accountID})
	})
	switch {
	case gone(err, ""):
		return "", false, nil
	case err != nil:
		return "", false, err
	case out.Account == nil || aws.ToString(out.Account.Id) != accountID:
		return "", false, unreadable(operation)
	default:
		return out.Account.State, true, nil
	}
}

// mark is a group's mark, where marks were read.
func (in *inventory) mark(g group) access.Mark {
	if !in.marks {
		return access.Unread()
	}
	return access.ParseMark(g.description)
}
