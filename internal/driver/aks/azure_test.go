package aks_test

import (
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/aks"
	"github.com/rollcall-iam/rollcall/internal/driver/aks/rules"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest/faultproxy"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
	simulated "github.com/rollcall-iam/rollcall/internal/simulate/azure"
)

const role = "laws-reader"

// shop is a tenant with one group that has all it needs, as a run would make it.
func shop(t *testing.T, w *world) (driver.Driver, driver.Scope, plan.Input) {
	t.Helper()
	of := access.TenantID{Workspace: "shop", Project: "prod", Platform: "aks.test"}
	scope := driver.Scope{
		Tenant: of, ID: w.tenant(t, "shop"), Marks: true, Mark: access.Mark{Installation: "test", Tenant: of.String()},
		Groups: []access.Group{{Name: "admins"}},
	}
	d := w.open(t)
	in := plan.Input{
		Tenant: of,
		Desired: access.State{
			Groups:   []access.Group{{Name: "admins"}},
			Bindings: []access.Binding{{Role: rules.ClusterUser, Group: "admins"}, {Role: role, Group: "admins"}},
		},
		Rules: plan.Rules{Mark: scope.Mark, MemberChunk: 20, Additional: plan.RemoveAdditional, Cleanup: true, Guard: plan.Guard{Percent: 100}},
	}
	for _, step := range plan.Make(in).Steps {
		got := d.Apply(t.Context(), scope, []plan.Step{step})
		if got[0].Err != nil {
			t.Fatal(got[0].Err)
		}
		in.Owned = append(in.Owned, plan.Owned{Key: step.Key(), Ref: got[0].Ref})
		if step.Kind == access.KindGroup {
			scope.Groups[0].Ref = got[0].Ref
		}
	}
	return d, scope, in
}

func look(t *testing.T, d driver.Driver, scope driver.Scope) access.State {
	t.Helper()
	got, err := d.Observe(t.Context(), []driver.Scope{scope})
	if err != nil {
		t.Fatal(err)
	}
	return got[0].State
}

// TestWhereRolesAre: the subject in the cluster is the group's object id, and the
// way into it is a role in Azure.
func TestWhereRolesAre(t *testing.T) {
	w := newWorld(t)
	d, scope, in := shop(t, w)
	group := scope.Groups[0].Ref
	in.Observed = look(t, d, scope)
	if p := plan.Make(in); len(p.Steps)+len(p.Held)+len(p.Remarks) > 0 {
		t.Errorf("there is something left to do:\n%s", p)
	}
	bindings, err := w.rbac.RoleBindings(scope.ID).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(bindings.Items) != 1 || len(bindings.Items[0].Subjects) != 1 || bindings.Items[0].Subjects[0].Name != group {
		t.Errorf("in the cluster there is %+v", bindings.Items)
	}
	given := w.cloud.Assignments(w.resource)
	if len(given) != 1 || given[0].Principal != group || given[0].Role != w.cloud.RoleID(strings.TrimPrefix(rules.ClusterUser, rules.OfAzure)) {
		t.Errorf("on the cluster there is %+v", given)
	}
}

// TestRenamedGroupKeepsItsRoles: the subject in the cluster is the group's object
// id, and the RoleBinding's own name is made of it, so neither knows the name: a
// renamed group goes on counting, and nothing is left to do.
func TestRenamedGroupKeepsItsRoles(t *testing.T) {
	w := newWorld(t)
	d, scope, in := shop(t, w)
	bindings := func() []rbacv1.RoleBinding {
		t.Helper()
		all, err := w.rbac.RoleBindings(scope.ID).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return all.Items
	}
	before, given := bindings(), w.cloud.Assignments(w.resource)
	have := access.Group{Name: "admins", Ref: scope.Groups[0].Ref, Mark: scope.Mark}
	want := have
	want.Name = "owners"
	step := plan.Step{Op: plan.Change, Kind: access.KindGroup, Have: plan.Object{Group: &have}, Want: plan.Object{Group: &want}}
	if got := d.Apply(t.Context(), scope, []plan.Step{step})[0]; got.Err != nil || got.Ref != have.Ref {
		t.Fatalf("renaming answers %+v", got)
	}
	d = w.open(t)
	scope.Groups = []access.Group{{Name: "owners", Ref: have.Ref}}
	in.Desired = access.State{
		Groups:   []access.Group{{Name: "owners"}},
		Bindings: []access.Binding{{Role: rules.ClusterUser, Group: "owners"}, {Role: role, Group: "owners"}},
	}
	for i := range in.Owned { // as the ledger does
		in.Owned[i].Key.Group = "owners"
	}
	in.Observed = look(t, d, scope)
	if p := plan.Make(in); len(p.Steps)+len(p.Held)+len(p.Remarks) > 0 {
		t.Errorf("after the rename there is something left to do:\n%s", p)
	}
	again := plan.Step{Op: plan.Create, Kind: access.KindBinding}
	again.Want.Binding = &access.Binding{Role: role, Group: "owners"} // as after a crash: without its id
	if got := d.Apply(t.Context(), scope, []plan.Step{again})[0]; got.Err != nil {
		t.Errorf("giving the role again: %v", got.Err)
	}
	if diff := cmp.Diff(before, bindings()); diff != "" {
		t.Errorf("the cluster was changed: %s", diff)
	}
	if diff := cmp.Diff(given, w.cloud.Assignments(w.resource)); diff != "" {
		t.Errorf("the role on the cluster was changed: %s", diff)
	}
}

// TestGivenByOthers: in Azure it is removed, in the cluster it stays.
func TestGivenByOthers(t *testing.T) {
	w := newWorld(t)
	d, scope, in := shop(t, w)
	group := scope.Groups[0].Ref
	w.cloud.PlantAssignment(simulated.Assignment{Scope: w.resource, Role: "Reader", Principal: group})
	foreign := w.bind(t, scope.ID, "laws-operator", group)
	stranger := w.cloud.PlantGroup(w.tenantID, simulated.Group{DisplayName: "strangers"})
	w.cloud.PlantAssignment(simulated.Assignment{Scope: w.resource, Role: "Reader", Principal: stranger})
	in.Observed = look(t, d, scope)
	p := plan.Make(in)
	if len(p.Steps) != 1 || p.Steps[0].Op != plan.Delete || p.Steps[0].Have.Binding.Role != rules.OfAzure+"Reader" {
		t.Fatalf("the plan is\n%s", p)
	}
	if got := d.Apply(t.Context(), scope, p.Steps); got[0].Err != nil {
		t.Fatal(got[0].Err)
	}
	for _, a := range w.cloud.Assignments(w.resource) {
		if a.Principal == group && a.Role == w.cloud.RoleID("Reader") {
			t.Error("the role in Azure is still there")
		}
	}
	if len(w.cloud.Assignments(w.resource)) != 2 {
		t.Errorf("others lost something: %+v", w.cloud.Assignments(w.resource))
	}
	if _, err := w.rbac.RoleBindings(scope.ID).Get(t.Context(), foreign.Name, metav1.GetOptions{}); err != nil {
		t.Errorf("what somebody gave in the cluster is gone: %v", err)
	}
	codes := map[access.Code]int{}
	for _, r := range p.Remarks {
		codes[r.Code]++
	}
	if diff := cmp.Diff(map[access.Code]int{access.ForeignPermissionKept: 1, access.ForeignPermissionRemoved: 1}, codes); diff != "" {
		t.Errorf("remarks: %s", diff)
	}
}

// TestCalls: what a look costs when nothing is to be done.
func TestCalls(t *testing.T) {
	w := newWorld(t)
	d, scope, _ := shop(t, w)
	look(t, d, scope)
	before := w.proxy.Count()
	look(t, d, scope)
	if calls := w.proxy.Count() - before; calls != 3 {
		t.Errorf("verifying one tenant took %d calls, want 3", calls)
	}
	if n := w.proxy.CountIf(func(e faultproxy.Entry) bool { return e.Status >= 500 }); n > 0 {
		t.Errorf("%d calls failed", n)
	}
}

// TestNoCluster: a cluster that Azure does not know is a mistake in the document,
// not a platform without roles.
func TestNoCluster(t *testing.T) {
	w := newWorld(t)
	d, scope, _ := shop(t, w)
	w.cloud.RemoveScope(w.resource)
	if _, err := d.Observe(t.Context(), []driver.Scope{scope}); !errors.Is(err, fault.ErrInvalid) {
		t.Errorf("without its cluster: %v", err)
	}
}

// TestOpenRefuses settings and connections that cannot work, without a call.
func TestOpenRefuses(t *testing.T) {
	const resource = "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/rg" +
		"/providers/Microsoft.ContainerService/managedClusters/prod"
	variables := map[string]string{"AZ_CLIENT_ID": clientID, "AZ_CLIENT_SECRET": secret, "CLUSTER_TOKEN": "token"}
	auth := func(prefix string) map[string]any {
		return map[string]any{"environment": map[string]any{"prefix": prefix}}
	}
	good := func() (directory, cluster, own map[string]any) {
		directory = map[string]any{"tenantId": "contoso.example", "auth": auth("AZ"), "redirectUrls": []string{"https://portal.example.com"}}
		cluster = map[string]any{"server": "https://cluster.example.com:6443", "auth": auth("CLUSTER")}
		return directory, cluster, map[string]any{
			"clusterResourceId": resource, "uses": map[string]any{"directory": directory, "cluster": cluster},
			"replication": leadingTo("https://portal.example.com"),
		}
	}
	none := map[string]any{}
	cases := map[string]struct {
		reason                  string
		directory, cluster, own map[string]any // changes
		class                   error
		says                    string
	}{
		"Good":     {reason: "as documented"},
		"Resource": {"the id is that of a cluster", nil, nil, map[string]any{"clusterResourceId": "/subscriptions/x"}, fault.ErrInvalid, "clusterResourceId"},
		"Inside":   {"and nothing below it", nil, nil, map[string]any{"clusterResourceId": resource + "/x"}, fault.ErrInvalid, "clusterResourceId"},
		"Tenant":   {"Entra's part is checked", map[string]any{"tenantId": ""}, nil, nil, fault.ErrInvalid, "tenantId"},
		"Server":   {"the cluster's part is checked", nil, map[string]any{"server": "http://cluster.example.com"}, nil, fault.ErrInvalid, "server"},
		"Entra":    {"a missing variable is named", map[string]any{"auth": auth("B")}, nil, nil, fault.ErrDenied, "B_CLIENT_ID"},
		"EntraAuth": {
			"each part has credentials, also Entra's", map[string]any{"auth": none}, nil, nil, fault.ErrInvalid, "auth needs exactly one",
		},
		"ClusterAuth": {
			"each part has credentials, also the cluster's", nil, map[string]any{"auth": none}, nil, fault.ErrInvalid, `connection "cluster": invalid: auth needs exactly one`,
		},
		"NoParts": {
			"both parts are needed", nil, nil, map[string]any{"uses": none}, fault.ErrInvalid, "uses.directory is missing",
		},
		"NoCluster": {
			"also the cluster", nil, nil,
			map[string]any{"uses": map[string]any{"directory": map[string]any{"tenantId": "contoso.example", "auth": auth("AZ")}}},
			fault.ErrInvalid, "uses.cluster is missing",
		},
		"Flat": {
			"fields of the parts are not the connection's own", nil, nil,
			map[string]any{"uses": nil, "tenantId": "contoso.example", "server": "https://cluster.example.com:6443", "auth": auth("AZ")},
			fault.ErrInvalid, "uses.directory is missing",
		},
		"Redirect": {
			"invitations lead where the operator of the directory allows", nil, nil,
			map[string]any{"replication": leadingTo("https://evil.example")}, fault.ErrDenied, `redirectUrls of connection "directory"`,
		},
		"NoRedirect": {"none are allowed by default", map[string]any{"redirectUrls": nil}, nil, nil, fault.ErrDenied, "redirectUrls"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			directory, cluster, own := good()
			maps.Copy(directory, c.directory)
			maps.Copy(cluster, c.cluster)
			maps.Copy(own, c.own)
			body, err := json.Marshal(own)
			if err != nil {
				t.Fatal(err)
			}
			_, err = aks.Open(t.Context(), drivertest.Config(
				"aks.test", body, budget.New(budget.Limits{}), func(name string) string { return variables[name] }))
			if !errors.Is(err, c.class) || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: %v", c.reason, err)
			}
		})
	}
}

// leadingTo returns a document's replication whose invitations lead to the address.
func leadingTo(to string) map[string]any {
	return map[string]any{"b2bUserInvitation": map[string]any{"redirectUrl": to}}
}
