package azure_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	simulated "github.com/rollcall-iam/rollcall/internal/simulate/azure"
)

// TestNestedGroupsAreObserved: a group is a member as any other, in groups of any size.
func TestNestedGroupsAreObserved(t *testing.T) {
	for reason, users := range map[string]int{"a group that one answer shows": 2, "a large group": 25} {
		t.Run(reason, func(t *testing.T) {
			w := newWorld(t, simulated.Options{Stale: -1, PageSize: pageSize})
			shop := w.newTenant(t, "prod")
			group, nested := shop.must(createGroup("admins")), shop.must(createGroup("nested"))
			for _, ref := range append(w.users("u", users), nested) {
				w.cloud.AddMember(w.tenant, group, ref)
			}
			if got := memberRefs(shop.look("admins").Groups[0]); len(got) != users+1 || !slices.Contains(got, nested) {
				t.Fatalf("the nested group is not observed among %d members", len(got))
			}
			shop.must(change("admins", group, nil, []string{nested}))
			if got := memberRefs(shop.look("admins").Groups[0]); len(got) != users || slices.Contains(got, nested) {
				t.Errorf("the nested group that was removed is still a member, or others are not: %v", got)
			}
		})
	}
}

// TestServicePrincipalsAreObserved: Graph's list of a group's members leaves service
// principals out, and $expand shows 20 members only. An app in a group of any size is a
// member as any other, and can be removed.
func TestServicePrincipalsAreObserved(t *testing.T) {
	for reason, c := range map[string]struct{ users, apps int }{
		"a group that one answer shows":            {2, 1},
		"a group of the size of an answer":         {19, 1},
		"a large group":                            {22, 1},
		"a large group with several pages of apps": {22, 2*pageSize + 1},
		"a large group of apps only":               {0, 25},
	} {
		t.Run(reason, func(t *testing.T) {
			w := newWorld(t, simulated.Options{Stale: -1, PageSize: pageSize})
			shop := w.newTenant(t, "prod")
			group := shop.must(createGroup("admins"))
			want := w.users("u", c.users)
			for i := range c.apps {
				want = append(want, w.cloud.AddApp(w.tenant, fmt.Sprintf("22222222-2222-3333-4444-%012d", i), ""))
			}
			for _, ref := range want {
				w.cloud.AddMember(w.tenant, group, ref)
			}
			got := memberRefs(shop.look("admins").Groups[0])
			if diff := cmp.Diff(slices.Sorted(slices.Values(want)), slices.Sorted(slices.Values(got))); diff != "" {
				t.Fatalf("other members are observed: %s", diff)
			}
			app := want[len(want)-1]
			shop.must(change("admins", group, nil, []string{app}))
			if got := memberRefs(shop.look("admins").Groups[0]); slices.Contains(got, app) || len(got) != len(want)-1 {
				t.Errorf("the app that was removed is still a member, or others are not: %v", got)
			}
		})
	}
}
