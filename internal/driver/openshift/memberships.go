package openshift

import (
	"context"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/kubernetes"
)

var _ driver.MembershipLister = (*Driver)(nil)

// Memberships implements driver.MembershipLister with one list of the groups that have an
// ownership marker: the API server does not list them by user.
func (d *Driver) Memberships(ctx context.Context, account string) ([]driver.Membership, error) {
	all, err := d.api.list(ctx, kubernetes.LabelInstallation)
	if err != nil {
		return nil, err
	}
	var sets []driver.Membership
	for _, g := range all {
		if slices.Contains(g.Users, account) {
			group := toGroup(g)
			group.Members = nil
			sets = append(sets, driver.Membership{Group: &group})
		}
	}
	return sets, nil
}
