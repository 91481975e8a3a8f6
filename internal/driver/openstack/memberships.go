package openstack

import (
	"context"
	"errors"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/calls"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

var _ driver.MembershipLister = (*Driver)(nil)

// Memberships implements driver.MembershipLister with one call.
func (d *Driver) Memberships(ctx context.Context, account string) ([]driver.Membership, error) {
	if !segment(account) {
		return nil, nil // no user has such an id
	}
	found, err := list[group](ctx, d.api, "users/"+account+"/groups", "groups", nil, calls.Default())
	if errors.Is(err, fault.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	sets := make([]driver.Membership, len(found))
	for i, g := range found {
		if g.ID == "" {
			return nil, unreadable("GET /v3/users/{user}/groups", "id")
		}
		sets[i] = driver.Membership{Group: &access.Group{Name: g.Name, Ref: g.ID, Mark: access.ParseMark(g.Description)}}
	}
	return sets, nil
}
