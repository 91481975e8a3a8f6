package memory

import (
	"context"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/driver"
)

var _ driver.MembershipLister = (*Driver)(nil)

// Memberships implements driver.MembershipLister with one list of the user's groups.
func (d *Driver) Memberships(ctx context.Context, account string) ([]driver.Membership, error) {
	found, err := d.api.groupsOf(ctx, account)
	if err != nil {
		return nil, err
	}
	sets := make([]driver.Membership, len(found))
	for i, g := range found {
		group := toGroup(groupEntry{Group: g})
		sets[i] = driver.Membership{Group: &group}
	}
	return sets, nil
}

// groupsOf lists the groups that have a user, without their members.
func (c *client) groupsOf(ctx context.Context, user string) ([]Group, error) {
	return list(ctx, c, "read:memberships", func(w World) []Group {
		return keep(w.Groups, func(g Group) bool { return slices.Contains(g.Members, user) })
	}, func(g Group) string { return g.ID })
}
