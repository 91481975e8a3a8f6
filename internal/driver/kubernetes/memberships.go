package kubernetes

import (
	"context"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
)

var _ driver.MembershipLister = (*Driver)(nil)

// Memberships implements driver.MembershipLister with one list of the bindings in all
// namespaces that have an ownership marker: the API server does not list them by subject.
func (d *Driver) Memberships(ctx context.Context, account string) ([]driver.Membership, error) {
	all, err := d.cluster.labelled(ctx, "", LabelInstallation)
	if err != nil {
		return nil, err
	}
	var sets []driver.Membership
	for _, b := range all {
		binding := toBinding(driver.Scope{ID: b.Namespace, Mark: MarkOf(&b)}, b)
		if slices.ContainsFunc(binding.Subjects, func(m access.Member) bool { return m.Ref == account }) {
			sets = append(sets, driver.Membership{Binding: &binding, ScopeID: b.Namespace})
		}
	}
	return sets, nil
}
