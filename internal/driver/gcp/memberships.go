package gcp

import (
	"context"
	"fmt"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
)

var _ driver.MembershipLister = (*Driver)(nil)

// Memberships implements driver.MembershipLister with one call for each 1,000 groups.
// Google leaves out groups whose memberships the caller may not view; an account that may
// change the members of a group may view them.
func (d *Driver) Memberships(ctx context.Context, account string) ([]driver.Membership, error) {
	if !address.MatchString(account) {
		return nil, nil // no account has such an id
	}
	const operation = "groups.memberships.searchDirectGroups"
	text := fmt.Sprintf("member_key_id == '%s' && '%s' in labels", strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(account), forum)
	var sets []driver.Membership
	_, err := pages(ctx, operation, func(ctx context.Context, token string) (string, error) {
		answer, err := d.api.identity.Groups.Memberships.SearchDirectGroups("groups/-").Query(text).
			PageSize(memberPage).PageToken(token).Context(ctx).Do()
		if err != nil {
			return "", err
		}
		for _, m := range answer.Memberships {
			if m == nil || !isGroupRef(m.Group) || !strings.HasPrefix(m.Membership, m.Group+"/memberships/") {
				return "", unreadable(operation, "memberships")
			}
			d.names.add(m.Group, account, m.Membership)
			sets = append(sets, driver.Membership{Group: &access.Group{
				Name: m.DisplayName, Ref: m.Group, Mark: access.ParseMark(m.Description),
			}})
		}
		return answer.NextPageToken, nil
	})
	if isNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return sets, nil
}

// add caches one membership of a group whose others may be unknown.
func (m *membershipNames) add(group, member, name string) {
	m.mu.Lock()
	known := m.names[group] != nil
	m.mu.Unlock()
	if known {
		m.set(group, member, name)
		return
	}
	m.put(group, map[string]string{member: name})
}
