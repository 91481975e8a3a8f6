package cloudfoundry

import (
	"context"

	"github.com/cloudfoundry/go-cfclient/v3/resource"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/cloudfoundry/rules"
)

var _ driver.MembershipLister = (*Driver)(nil)

// Memberships implements driver.MembershipLister with one call for each 5,000 roles. The
// role that every user needs in an organization is in use while the user has a role in a
// space of it.
func (d *Driver) Memberships(ctx context.Context, account string) ([]driver.Membership, error) {
	if !isGUID(account) {
		return nil, nil // no user has such an id
	}
	in := &inventory{
		orgs: map[string]string{}, roles: map[string][]resource.Role{},
		spaces: map[string][]string{}, names: map[string]string{},
	}
	if err := d.readRoles(ctx, in, "user_guids", []string{account}, "user,space"); err != nil {
		return nil, err
	}
	used := map[string]bool{} // organizations
	for space, org := range in.orgs {
		used[org] = used[org] || len(in.roles[space]) > 0
	}
	d.orgs.put(in.orgs)
	var sets []driver.Membership
	for _, roles := range in.roles {
		for _, r := range roles {
			b := roleBinding(r, in.names)
			b.InUse = r.Type == rules.OrganizationUser && used[guid(r.Relationships.Org)]
			sets = append(sets, driver.Membership{Binding: &b, ScopeID: guid(r.Relationships.Space)})
		}
	}
	return sets, ctx.Err()
}

// roleBinding is a role as Rollcall sees it.
func roleBinding(r resource.Role, names map[string]string) access.Binding {
	user := guid(r.Relationships.User)
	return access.Binding{
		Role: r.Type, Name: user, Ref: r.GUID, Mark: unread(),
		Subjects: []access.Member{{Account: access.Account{Ref: user, Name: names[user]}}},
	}
}
