package openshift_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest/faultproxy"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// take is the step that puts our mark on the group of that name.
func (n *tenant) take(name, as string) plan.Step {
	return plan.Step{
		ID: "take", Op: plan.Change, Kind: access.KindGroup, Object: name,
		Have: plan.Object{Group: &access.Group{Name: name, Ref: name}},
		Want: plan.Object{Group: &access.Group{Name: as, Ref: name, Mark: n.scope.Mark}},
	}
}

// synced is a group as a sync from LDAP makes it.
func (n *tenant) synced(t *testing.T, name string, people ...string) {
	t.Helper()
	n.must(t, http.MethodPost, userAPI+"groups", object("user.openshift.io", "Group", name, map[string]any{
		"metadata": map[string]any{
			"name": name, "labels": map[string]any{"openshift.io/ldap.host": "ldap.example.com"},
			"annotations": map[string]any{"openshift.io/ldap.uid": "cn=" + name},
		},
		"users": people,
	}), nil)
}

// TestAdoption takes over a group that has labels, annotations and people of
// somebody else's, and finds it by the mark alone.
func TestAdoption(t *testing.T) {
	n := newWorld(t).newTenant(t, "adoption")
	n.synced(t, "synced", eve, ada, ada)
	before := n.world.group(t, "synced")
	ctx, meter := budget.WithMeter(t.Context())
	for i, calls := range []int{2, 3} { // a look and a write; the second time a look
		if got := n.driver.Apply(ctx, n.scope, []plan.Step{n.take("synced", "synced")})[0]; got.Err != nil || got.Ref != "synced" {
			t.Fatalf("%d. adoption = %+v", i+1, got)
		}
		if meter.Calls() != calls {
			t.Errorf("after adoption %d: %d calls, want %d", i+1, meter.Calls(), calls)
		}
	}
	after := n.world.group(t, "synced")
	if diff := cmp.Diff(before.Users, after.Users); diff != "" {
		t.Errorf("its users: %s", diff)
	}
	for key, value := range before.Metadata.Labels {
		if after.Metadata.Labels[key] != value {
			t.Errorf("the label %s is %q, it was %q", key, after.Metadata.Labels[key], value)
		}
	}
	for key, value := range before.Metadata.Annotations {
		if after.Metadata.Annotations[key] != value {
			t.Errorf("the annotation %s is %q, it was %q", key, after.Metadata.Annotations[key], value)
		}
	}
	n.driver, n.scope.Groups = n.open(t), nil
	if got := n.look(t).Groups; len(got) != 1 || got[0].Name != "synced" || got[0].Mark != n.scope.Mark {
		t.Errorf("by the mark there are found %+v", got)
	}
}

// TestAdoptionMeetsOthers: what moves between the look and the write, and what can
// never be.
func TestAdoptionMeetsOthers(t *testing.T) {
	n := newWorld(t).newTenant(t, "meets")
	n.synced(t, "synced", ada)
	other := access.Mark{Installation: "others", Tenant: n.scope.Mark.Tenant}
	for reason, meanwhile := range map[string]func(){
		"somebody joins":     func() { n.patch(t, "synced", map[string]any{"users": []string{ada, bob}}) },
		"another takes over": func() { n.remark(t, "synced", other) },
	} {
		var before groupOf
		n.proxy.Add(faultproxy.Rule{Times: 1, Match: func(r *http.Request) bool {
			if r.Method == http.MethodPatch {
				meanwhile()
				before = n.world.group(t, "synced")
			}
			return false
		}})
		if err := n.apply(t, n.take("synced", "synced")).Err; !errors.Is(err, fault.ErrConflict) {
			t.Errorf("%s: the adoption ends with %v, want ErrConflict", reason, err)
		}
		n.proxy.Clear()
		if diff := cmp.Diff(before, n.world.group(t, "synced")); diff != "" {
			t.Errorf("%s: the group was changed: %s", reason, diff)
		}
		n.patch(t, "synced", map[string]any{"metadata": map[string]any{
			"labels":      map[string]any{"rollcall-iam.github.io/installation": nil},
			"annotations": map[string]any{"rollcall-iam.github.io/tenant": nil},
		}})
	}
	calls := n.proxy.Count()
	if err := n.apply(t, n.take("synced", "another")).Err; !errors.Is(err, fault.ErrUnsupported) || n.proxy.Count() != calls {
		t.Errorf("a rename ends with %v after %d calls, want ErrUnsupported after none", err, n.proxy.Count()-calls)
	}
	if err := n.apply(t, n.take("nothing", "nothing")).Err; !errors.Is(err, fault.ErrNotFound) {
		t.Errorf("adopting what is not there ends with %v, want ErrNotFound", err)
	}
}

// TestRolesOfAProject carries a Role of the project itself, which no document can
// name, and takes it away as additionalPermissions asks for.
func TestRolesOfAProject(t *testing.T) {
	n := newWorld(t).newTenant(t, "local")
	want := n.give(lawRoles[0], ada)
	n.sync(t, want)
	local := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: "local"}} // of nothing, so that anybody may give it
	if _, err := n.rbac.Roles(n.scope.ID).Create(t.Context(), local, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	group := n.group(lawRoles[0])
	step := plan.Step{ID: "carry", Op: plan.Create, Kind: access.KindBinding, Want: plan.Object{
		Binding: &access.Binding{Role: "Role/local", Name: "theirs", Group: group, GroupRef: group, Carried: true},
	}}
	got := n.driver.Apply(t.Context(), n.scope, []plan.Step{step})[0]
	if got.Err != nil {
		t.Fatal(got.Err)
	}
	p := n.sync(t, want)
	if diff := cmp.Diff([]access.Code{access.ForeignPermissionKept}, remarks(p)); diff != "" || len(p.Steps) > 0 {
		t.Errorf("a role that was carried: %s, steps %v", diff, p.Steps)
	}
	n.rules.Additional = plan.RemoveAdditional
	n.sync(t, want)
	n.converged(t, want)
	if left, err := n.rbac.RoleBindings(n.scope.ID).List(t.Context(), metav1.ListOptions{}); err != nil || len(left.Items) != 1 {
		t.Errorf("besides ours there is something left: %+v, %v", left.Items, err)
	}
	step.Want.Binding.Carried, step.Want.Binding.Name = false, ""
	if err := n.apply(t, step).Err; !errors.Is(err, fault.ErrInvalid) {
		t.Errorf("giving a project's role as ours ends with %v, want ErrInvalid", err)
	}
}
