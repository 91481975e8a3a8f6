package activities_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/connection"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// TestRevocationReachesTenantsInScope: tenants that the connection may not touch do not
// keep a revoked user in those that it may, however many they are.
func TestRevocationReachesTenantsInScope(t *testing.T) {
	for _, n := range []int{1, 12, 31} {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			l := newLab(t)
			l.want(2)
			l.converge()
			var text strings.Builder
			for i := range n {
				fmt.Fprintf(&text, `
{apiVersion: v2, kind: meshProject, metadata: {name: p%[1]d, ownedByWorkspace: acme}, spec: {displayName: Shop}}
---
{apiVersion: v4, kind: meshTenant, metadata: {ownedByWorkspace: acme, ownedByProject: p%[1]d}, spec: {platformIdentifier: sandbox.local, platformTenantId: outside-%[1]d}}
---
{apiVersion: v3, kind: meshProjectUserBinding, metadata: {name: b-%[1]d}, roleRef: {name: user}, targetRef: {name: p%[1]d, ownedByWorkspace: acme}, subject: {name: adaline}}
---
`, i)
			}
			docs, _, err := document.Decode(strings.NewReader(text.String()), "lab")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := l.store.Apply(t.Context(), store.ApplyRequest{Documents: docs}); err != nil {
				t.Fatal(err)
			}
			l.platform = activities.NewPlatform(l.store, l.ledger, "lab", l.drivers(func(ctx context.Context, c driver.Config) (driver.Driver, error) {
				d, err := memory.Open(ctx, c)
				return connection.Limit(d, connection.Limits{Name: "main", Scopes: [][]string{{"t1"}}}), err
			}))
			r := l.revoke("adaline")
			_, _ = l.removeUser(r) // it says which tenants could not be read
			if diff := cmp.Diff([]string{"u-benedict"}, l.members()); diff != "" {
				t.Errorf("%d tenants outside of the scopes keep the revoked user in (-want +got):\n%s", n, diff)
			}
		})
	}
}

// TestNoMemberJoinsAGroupWithADeniedRole: the group got the role before it was denied.
func TestNoMemberJoinsAGroupWithADeniedRole(t *testing.T) {
	l := newLab(t)
	l.want(1)
	l.converge()
	before := l.members()
	l.platform = activities.NewPlatform(l.store, l.ledger, "lab", l.drivers(func(ctx context.Context, c driver.Config) (driver.Driver, error) {
		d, err := memory.Open(ctx, c)
		return connection.Limit(d, connection.Limits{Name: "main", Deny: []string{"developer"}}), err
	}))
	l.register()
	l.want(2)
	p, err := l.plan(activities.PlanInput{})
	if err != nil {
		t.Fatal(err)
	}
	out, err := l.apply(p)
	if err != nil || out.Refused == 0 {
		t.Errorf("apply: %+v, %v; want the step refused", out, err)
	}
	if diff := cmp.Diff(before, l.members()); diff != "" {
		t.Errorf("a new member gets the denied role through the group (-want +got):\n%s", diff)
	}
}
