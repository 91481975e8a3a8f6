package activities_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// cleanupOff is the lab's documents with two users on a platform that keeps the groups of
// removed tenants.
func (l *lab) cleanupOff() string {
	return strings.ReplaceAll(l.text(2), "replication: {", "replication: {skipUserGroupPermissionCleanup: true, ")
}

// removeTenant deletes the tenant's document, has its run delete the tombstone, and checks
// that nothing but the ledger knows of the tenant.
func (l *lab) removeTenant() {
	l.t.Helper()
	gone := []document.ID{{Kind: document.KindTenant, Name: web.String()}}
	if _, err := l.store.Delete(l.t.Context(), gone, store.Checks{}); err != nil {
		l.t.Fatal(err)
	}
	l.converge() // takes the group's role
	if p, err := l.plan(activities.PlanInput{}); err != nil || p.Steps != 0 {
		l.t.Fatalf("plan %+v, %v; want nothing to do, as the platform keeps the groups", p, err)
	}
	if left, err := l.store.Tenants(l.t.Context(), store.TenantFilter{}); err != nil || len(left) != 0 {
		l.t.Fatalf("tenants %v, %v; want none", left, err)
	}
	if got := l.members(); len(got) == 0 {
		l.t.Fatal("the group is empty, although its platform keeps it")
	}
}

// TestRevokeReachesKeptGroups: what documents forget, platforms keep.
func TestRevokeReachesKeptGroups(t *testing.T) {
	t.Parallel()
	cases := []struct {
		reason  string
		arrange func(*lab)
	}{
		{"the tenant is removed, its platform keeps the group", func(l *lab) { l.removeTenant() }},
		{"the platform's document is removed, too", func(l *lab) {
			l.removeTenant()
			gone := []document.ID{{Kind: document.KindPlatform, Name: web.Platform}}
			if _, err := l.store.Delete(l.t.Context(), gone, store.Checks{}); err != nil {
				l.t.Fatal(err)
			}
		}},
		{"the user's documents are removed, too", func(l *lab) {
			l.removeTenant()
			gone := []document.ID{{Kind: document.KindUserBinding, Name: "b-adaline"}, {Kind: document.KindUser, Name: "adaline"}}
			if _, err := l.store.Delete(l.t.Context(), gone, store.Checks{}); err != nil {
				l.t.Fatal(err)
			}
		}},
		{"the tenant is gone from the platform, too", func(l *lab) {
			l.removeTenant()
			l.edit(func(w *memory.World) { w.Tenants, w.Bindings = nil, nil })
		}},
	}
	for _, c := range cases {
		t.Run(c.reason, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			l.put(l.cleanupOff())
			l.converge()
			c.arrange(l)
			r := l.revoke("adaline")
			out, err := l.takeOut(r)
			if err != nil {
				t.Fatal(err)
			}
			if got := l.members(); !slices.Equal(got, []string{"u-benedict"}) {
				t.Errorf("members %v, want the other user alone", got)
			}
			if p := l.stands(r); p.State != store.RevocationDone || p.Sets != 1 || len(p.Open) != 0 || out.Sets != 1 {
				t.Errorf("the revocation is %+v, want it done, with one group and no open place", p)
			}
		})
	}
}
