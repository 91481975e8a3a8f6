package aws

import (
	"context"
	"regexp"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/identitystore"
	storetypes "github.com/aws/aws-sdk-go-v2/service/identitystore/types"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
)

var _ driver.MembershipLister = (*Driver)(nil)

// resourceID is what ids of users look like (Identity Store API reference, UserId).
var resourceID = regexp.MustCompile(`^([0-9a-f]{10}-)?[A-Fa-f0-9]{8}(-[A-Fa-f0-9]{4}){3}-[A-Fa-f0-9]{12}$`)

// Memberships implements driver.MembershipLister with one call for each 100 groups. The
// list has ids only. It also has what a removal needs, which is then one call for each
// group.
func (d *Driver) Memberships(ctx context.Context, account string) ([]driver.Membership, error) {
	if !resourceID.MatchString(account) {
		return nil, nil // no user has such an id
	}
	id, err := d.center.find(ctx)
	if err != nil {
		return nil, err
	}
	const operation = "identitystore ListGroupMembershipsForMember"
	all, err := list(operation, func(token *string) (page[storetypes.GroupMembership], error) {
		out, err := ask(ctx, d.api, operation,
			func(ctx context.Context, with *clients) (*identitystore.ListGroupMembershipsForMemberOutput, error) {
				return with.store.ListGroupMembershipsForMember(ctx, &identitystore.ListGroupMembershipsForMemberInput{
					IdentityStoreId: &id.store, MemberId: &storetypes.MemberIdMemberUserId{Value: account},
					MaxResults: new(pageSize), NextToken: token,
				})
			})
		if err != nil {
			return page[storetypes.GroupMembership]{}, err
		}
		return page[storetypes.GroupMembership]{out.GroupMemberships, out.NextToken}, nil
	})
	if gone(err, storetypes.ResourceTypeUser) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	sets := make([]driver.Membership, len(all))
	for i, m := range all {
		group := aws.ToString(m.GroupId)
		if group == "" || m.MembershipId == nil {
			return nil, unreadable(operation)
		}
		d.joined.put(membership{group, account}, *m.MembershipId)
		sets[i] = driver.Membership{Group: &access.Group{Ref: group, Mark: access.Unread()}}
	}
	return sets, nil
}
