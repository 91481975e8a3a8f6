package azure_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
	simulated "github.com/rollcall-iam/rollcall/internal/simulate/azure"
)

// TestRolesAreWrittenAsInDocuments: by name in any case, or by id, also for a worker
// that never saw the document.
func TestRolesAreWrittenAsInDocuments(t *testing.T) {
	w := newWorld(t, simulated.Options{Stale: -1})
	w.mappings = nil
	for _, role := range []string{"Reader", "contributor", w.cloud.RoleID("Owner"), strings.ToUpper(w.cloud.RoleID("User Access Administrator"))} {
		shop := w.newTenant(t, "prod")
		ref := shop.must(createGroup("admins"))
		id := shop.must(give(access.Binding{Role: role, Group: "admins", GroupRef: ref}))
		if again := shop.must(give(access.Binding{Role: role, Group: "admins", GroupRef: ref})); again != id {
			t.Errorf("given twice, %q has the ids %s and %s", role, id, again)
		}
		shop.driver = w.open(t)
		want := []access.Binding{{Role: role, Group: "admins", GroupRef: ref, Ref: id, Mark: shop.scope.Mark}}
		if diff := cmp.Diff(want, shop.look("admins").Bindings); diff != "" {
			t.Errorf("%q: %s", role, diff)
		}
		shop.must(take(access.Binding{Role: role, Group: "admins"})) // known by names only
		if got := shop.look("admins").Bindings; len(got) > 0 {
			t.Errorf("%q was not taken: %v", role, got)
		}
	}
}

// TestNoSuchRole says what is wrong, for a name and an id.
func TestNoSuchRole(t *testing.T) {
	w := newWorld(t, simulated.Options{Stale: -1})
	shop := w.newTenant(t, "prod")
	ref := shop.must(createGroup("admins"))
	for _, role := range []string{"No such role", "00000000-1111-2222-3333-444444444444"} {
		_, err := shop.apply(give(access.Binding{Role: role, Group: "admins", GroupRef: ref}))
		if !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), "role mapping") {
			t.Errorf("giving %q: %v", role, err)
		}
	}
}

// TestGivenByOthers: a role that somebody else gave is no second one, and under
// another condition it is a conflict.
func TestGivenByOthers(t *testing.T) {
	w := newWorld(t, simulated.Options{Stale: -1})
	shop := w.newTenant(t, "prod")
	ref := shop.must(createGroup("admins"))
	name := w.cloud.PlantAssignment(simulated.Assignment{Scope: shop.scope.ID, Role: "Reader", Principal: ref})
	id := shop.must(give(access.Binding{Role: "Reader", Group: "admins", GroupRef: ref}))
	if !strings.HasSuffix(id, "/"+name) {
		t.Errorf("the role has the id %s, it was given as %s", id, name)
	}
	_, err := shop.apply(give(access.Binding{Role: "Reader", Group: "admins", GroupRef: ref, Condition: "@Resource[x] StringEquals 'y'"}))
	if !errors.Is(err, fault.ErrConflict) {
		t.Errorf("the same role under a condition: %v", err)
	}
}

// TestConditionMoved: somebody changed it since it was read.
func TestConditionMoved(t *testing.T) {
	w := newWorld(t, simulated.Options{Stale: -1})
	shop := w.newTenant(t, "prod")
	ref := shop.must(createGroup("admins"))
	have := access.Binding{Role: "Reader", Group: "admins", GroupRef: ref, Condition: "one"}
	have.Ref = shop.must(give(have))
	to := func(from, to string) plan.Step {
		h, w := have, have
		h.Condition, w.Condition = from, to
		return plan.Step{Op: plan.Change, Kind: access.KindBinding, Have: plan.Object{Binding: &h}, Want: plan.Object{Binding: &w}}
	}
	if _, err := shop.apply(to("another", "two")); !errors.Is(err, fault.ErrConflict) {
		t.Errorf("changing a condition that moved: %v", err)
	}
	shop.must(to("one", "two"))
	shop.must(to("one", "two")) // done before
	if got := shop.look("admins").Bindings[0]; got.Condition != "two" || got.Mark != shop.scope.Mark {
		t.Errorf("the binding is %+v", got)
	}
}

// TestBelowTheTenant: what our groups are given inside the tenant is seen, and can
// be taken; what is above it is not ours to see.
func TestBelowTheTenant(t *testing.T) {
	w := newWorld(t, simulated.Options{Stale: -1})
	shop := w.newTenant(t, "prod")
	ref := shop.must(createGroup("admins"))
	stranger := w.cloud.PlantGroup(w.tenant, simulated.Group{DisplayName: "strangers"})
	inner := w.cloud.AddResourceGroup(strings.TrimPrefix(shop.scope.ID, "/subscriptions/"), "Inner")
	w.cloud.PlantAssignment(simulated.Assignment{Scope: inner, Role: "Reader", Principal: ref})
	w.cloud.PlantAssignment(simulated.Assignment{Scope: inner, Role: "Reader", Principal: stranger})
	got := shop.look("admins").Bindings
	if len(got) != 1 || got[0].Name != "resourcegroups/inner" || got[0].Group != "admins" {
		t.Fatalf("seen are %+v", got)
	}
	shop.must(take(got[0]))
	if left := w.cloud.Assignments(inner); len(left) != 1 || left[0].Principal != stranger {
		t.Errorf("left are %+v", left)
	}
	scoped := *shop
	scoped.scope.ID = inner
	w.cloud.PlantAssignment(simulated.Assignment{Scope: shop.scope.ID, Role: "Reader", Principal: ref})
	for _, b := range scoped.look("admins").Bindings {
		if b.Group == "admins" {
			t.Errorf("a role on the subscription shows in a resource group: %+v", b)
		}
	}
	outside := access.Binding{Role: "Reader", Ref: shop.scope.ID + "/providers/Microsoft.Authorization/roleAssignments/" + strings.Repeat("0", 8) + "-0000-0000-0000-000000000000"}
	outside.Group = "admins"
	if _, err := scoped.apply(take(outside)); !errors.Is(err, fault.ErrConflict) {
		t.Errorf("taking a role outside the tenant: %v", err)
	}
}

// TestScopes: a tenant is a subscription or a resource group, in any spelling.
func TestScopes(t *testing.T) {
	w := newWorld(t, simulated.Options{Stale: -1})
	sub := w.cloud.AddSubscription(w.tenant, "")
	w.cloud.AddResourceGroup(sub, "Shop-Prod")
	d := w.open(t)
	cases := map[string]bool{
		sub: true, "/subscriptions/" + sub: true, "/SUBSCRIPTIONS/" + strings.ToUpper(sub): true,
		"/subscriptions/" + sub + "/resourceGroups/Shop-Prod": true, "/subscriptions/" + sub + "/resourcegroups/shop-prod": true,
		"/subscriptions/" + sub + "/resourceGroups/other": false, "": false, "/": false, "/subscriptions": false,
		"/subscriptions/" + sub + "/../" + sub: false, "/subscriptions/" + sub + "?x=y": false,
	}
	for id, there := range cases {
		got, err := d.Observe(t.Context(), []driver.Scope{{ID: id}})
		if err != nil || got[0].Missing == there {
			t.Errorf("%q: missing is %v, %v", id, got, err)
		}
	}
}

// TestWhatADeletedGroupLeaves is shown by the group's id, and as nobody's.
func TestWhatADeletedGroupLeaves(t *testing.T) {
	w := newWorld(t, simulated.Options{Stale: -1})
	shop := w.newTenant(t, "prod")
	ref := shop.must(createGroup("admins"))
	shop.must(give(access.Binding{Role: "Reader", Group: "admins", GroupRef: ref}))
	w.cloud.DeleteGroup(w.tenant, ref)
	got := shop.look("admins")
	if len(got.Groups) != 0 {
		t.Fatalf("the group is still seen: %+v", got)
	}
	for _, b := range got.Bindings {
		if b.Group != ref || !b.Mark.Unread {
			t.Errorf("what is left is %+v", b)
		}
	}
}
