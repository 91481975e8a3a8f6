package kubernetes_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest/faultproxy"
	"github.com/rollcall-iam/rollcall/internal/driver/kubernetes"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/identity"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

const (
	ada = "ada@example.com"
	bob = "bob@example.com"
	eve = "eve@example.com"
)

// tenant is one namespace with the ledger that a run would have of it.
type tenant struct {
	*world
	driver *kubernetes.Driver
	scope  driver.Scope
	owned  []plan.Owned
}

func (w *world) newTenant(t testing.TB, name string) *tenant {
	t.Helper()
	of := access.TenantID{Workspace: "shop", Project: name, Platform: "kubernetes.test"}
	return &tenant{world: w, driver: w.open(t), scope: driver.Scope{
		Tenant: of, ID: w.tenant(t, name), Marks: true, Mark: access.Mark{Installation: "test", Tenant: of.String()},
	}}
}

// give is the wish that these people have the role.
func give(role string, people ...string) access.State {
	return access.State{Bindings: []access.Binding{{Role: role, Subjects: members(people...)}}}
}

func members(people ...string) []access.Member {
	all := []access.Member{}
	for _, name := range people {
		all = append(all, access.Member{Account: access.Account{Name: name, Ref: name}})
	}
	return all
}

func (n *tenant) look(t testing.TB) access.State {
	t.Helper()
	got, err := n.driver.Observe(t.Context(), []driver.Scope{n.scope})
	if err != nil {
		t.Fatal(err)
	}
	return got[0].State
}

func (n *tenant) plan(t testing.TB, desired access.State) plan.Plan {
	t.Helper()
	return plan.Make(plan.Input{
		Tenant: n.scope.Tenant, Desired: desired, Observed: n.look(t), Owned: n.owned,
		Rules: plan.Rules{Mark: n.scope.Mark, Additional: plan.KeepAdditional, Cleanup: true, Guard: plan.Guard{Percent: 100}},
	})
}

// sync plans and applies, what is held too, and returns the plan.
func (n *tenant) sync(t testing.TB, desired access.State) plan.Plan {
	t.Helper()
	p := n.plan(t, desired)
	for _, step := range slices.Concat(p.Steps, p.Held) {
		if result := n.apply(t, step); result.Err != nil {
			t.Fatalf("%s %s: %v", step.Op, step.Object, result.Err)
		}
	}
	return p
}

func (n *tenant) apply(t testing.TB, step plan.Step) driver.Result {
	t.Helper()
	result := n.driver.Apply(t.Context(), n.scope, []plan.Step{step})[0]
	if step.Op == plan.Create && result.Err == nil {
		n.owned = append(n.owned, plan.Owned{Key: step.Key(), Ref: result.Ref})
	}
	return result
}

// remarks returns the codes of a plan's remarks.
func remarks(p plan.Plan) []access.Code {
	var codes []access.Code
	for _, r := range p.Remarks {
		codes = append(codes, r.Code)
	}
	return codes
}

// users returns the names of the people a binding lists.
func users(b *rbacv1.RoleBinding) []string {
	names := []string{}
	for _, s := range b.Subjects {
		names = append(names, s.Kind+":"+s.Name)
	}
	return names
}

func TestResolve(t *testing.T) {
	d := newWorld(t).open(t)
	cases := []struct {
		reason, name string
		want         access.Resolution
	}{
		{"a cluster takes any name", ada, access.Resolution{Found: access.Yes, Refs: []string{ada}}},
		{"to the letter", "ADA@example.com", access.Resolution{Found: access.Yes, Refs: []string{"ADA@example.com"}}},
		{"a URL, as OIDC makes them", "https://id.example.com#42", access.Resolution{Found: access.Yes, Refs: []string{"https://id.example.com#42"}}},
		{"what looks like a group is a person here", "Group/admins", access.Resolution{Found: access.Yes, Refs: []string{"User/Group/admins"}}},
		{"a component of the cluster", "system:kube-scheduler", access.Resolution{Found: access.No}},
		{"a service account in a person's clothes", "system:serviceaccount:kube-system:default", access.Resolution{Found: access.No}},
		{"nobody", "", access.Resolution{Found: access.No}},
		{"no authenticator gives this", "ada\nbob", access.Resolution{Found: access.No}},
	}
	var names []string
	for _, c := range cases {
		names = append(names, c.name)
	}
	got, err := d.Resolve(t.Context(), names)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range cases {
		if diff := cmp.Diff(c.want, got[i]); diff != "" {
			t.Errorf("%s: %s", c.reason, diff)
		}
	}
}

// TestResolve_AttackNames: RBAC takes any text, so that the driver alone keeps subjects out
// that look like other users.
func TestResolve_AttackNames(t *testing.T) {
	d := newWorld(t).open(t)
	for _, h := range drivertest.AttackNames(t) {
		got, err := d.Resolve(t.Context(), []string{"amoreno", h.Name})
		if err != nil {
			t.Fatalf("%s: %v", h.Reason, err)
		}
		want := access.Resolution{Found: access.Yes, Refs: []string{identity.Normalize(h.Name)}}
		if identity.Check(h.Name) != nil || strings.HasPrefix(h.Name, "system:") {
			want = access.Resolution{Found: access.No}
		}
		if diff := cmp.Diff([]access.Resolution{{Found: access.Yes, Refs: []string{"amoreno"}}, want}, got); diff != "" {
			t.Errorf("%s: %s: %s", identity.Quote(h.Name), h.Reason, diff)
		}
	}
}

// TestEditIsPutBack edits a binding of ours as kubectl does, with people, a group
// and a service account, and expects the next run to restore it.
func TestEditIsPutBack(t *testing.T) {
	n := newWorld(t).newTenant(t, "edited")
	n.sync(t, give(lawRoles[0], ada, bob))
	n.patch(t, n.scope.ID, readerName, `{"subjects":[
		{"kind":"User","apiGroup":"rbac.authorization.k8s.io","name":"eve@example.com"},
		{"kind":"Group","apiGroup":"rbac.authorization.k8s.io","name":"ada@example.com"},
		{"kind":"ServiceAccount","name":"bob","namespace":"default"}]}`)
	seen := refs(n.look(t).Bindings[0].Subjects)
	if diff := cmp.Diff([]string{"Group/ada@example.com", "ServiceAccount/default/bob", eve}, seen); diff != "" {
		t.Errorf("the edited subjects are seen as: %s", diff)
	}
	n.sync(t, give(lawRoles[0], ada, bob))
	if diff := cmp.Diff([]string{"User:" + ada, "User:" + bob}, users(n.reader(t, n.scope.ID))); diff != "" {
		t.Errorf("the edit was not put back: %s", diff)
	}
	if p := n.plan(t, give(lawRoles[0], ada, bob)); len(p.Steps)+len(p.Held) > 0 {
		t.Errorf("there is still something to do:\n%s", p)
	}
	// Nobody left: the subjects are gone although somebody else set them once.
	n.patch(t, n.scope.ID, readerName, `{"subjects":[{"kind":"User","apiGroup":"rbac.authorization.k8s.io","name":"eve@example.com"}]}`)
	n.sync(t, give(lawRoles[0]))
	if got := users(n.reader(t, n.scope.ID)); len(got) > 0 {
		t.Errorf("an emptied binding still lists %d subjects", len(got))
	}
}

// TestHeldGuestsStay writes a binding in which somebody else's subject has to
// stay for now, because its removal is held.
func TestHeldGuestsStay(t *testing.T) {
	n := newWorld(t).newTenant(t, "guests")
	n.sync(t, give(lawRoles[0], ada))
	n.patch(t, n.scope.ID, readerName, `{"subjects":[
		{"kind":"User","apiGroup":"rbac.authorization.k8s.io","name":"User/odd"},
		{"kind":"Group","apiGroup":"rbac.authorization.k8s.io","name":"guests"},
		{"kind":"ServiceAccount","name":"robot","namespace":"default"}]}`)
	have := n.look(t).Bindings[0]
	want := have
	want.Subjects = append(members(ada), have.Subjects...)
	step := plan.Step{ID: "s", Op: plan.Change, Kind: access.KindBinding, Have: plan.Object{Binding: &have}, Want: plan.Object{Binding: &want}}
	if result := n.apply(t, step); result.Err != nil {
		t.Fatal(result.Err)
	}
	wanted := []string{"User:" + ada, "Group:guests", "ServiceAccount:robot", "User:User/odd"}
	if diff := cmp.Diff(wanted, users(n.reader(t, n.scope.ID))); diff != "" {
		t.Errorf("the subjects became others: %s", diff)
	}
}

// TestNameIsTaken puts somebody else's binding where ours would be.
func TestNameIsTaken(t *testing.T) {
	n := newWorld(t).newTenant(t, "taken")
	early := n.plan(t, give(lawRoles[0], ada))          // made before the stranger came
	n.bind(t, n.scope.ID, readerName, lawRoles[0], ada) // the very same content
	before := n.reader(t, n.scope.ID)
	p := n.plan(t, give(lawRoles[0], ada, bob))
	if diff := cmp.Diff([]access.Code{access.ObjectForeign}, remarks(p)); diff != "" || len(p.Steps) > 0 {
		t.Errorf("a binding of somebody else under our name: %s, steps %v", diff, p.Steps)
	}
	for _, step := range early.Steps {
		if err := n.apply(t, step).Err; !errors.Is(err, fault.ErrConflict) {
			t.Errorf("an early plan against a stranger's binding = %v, want ErrConflict", err)
		}
	}
	if diff := cmp.Diff(before, n.reader(t, n.scope.ID)); diff != "" {
		t.Errorf("the stranger's binding was changed: %s", diff)
	}
}

// TestRaceForTheName lets a stranger come between our look and our write: only
// the conflict of field managers is left to see it.
func TestRaceForTheName(t *testing.T) {
	n := newWorld(t).newTenant(t, "race")
	p := n.plan(t, give(lawRoles[0], ada))
	n.proxy.Add(faultproxy.Rule{
		Match: func(r *http.Request) bool {
			if r.Method == http.MethodPatch {
				n.bind(t, n.scope.ID, readerName, lawRoles[0], eve)
			}
			return false
		},
	})
	if err := n.apply(t, p.Steps[0]).Err; !errors.Is(err, fault.ErrConflict) {
		t.Errorf("creating beside a faster one = %v, want ErrConflict", err)
	}
	if diff := cmp.Diff([]string{"User:" + eve}, users(n.reader(t, n.scope.ID))); diff != "" {
		t.Errorf("the faster one's binding was changed: %s", diff)
	}
}

// TestRoleOfABindingIsFixed replaces our binding by one to another role. Ours is
// made anew beside it, and what carries our mark is left for people to judge.
func TestRoleOfABindingIsFixed(t *testing.T) {
	n := newWorld(t).newTenant(t, "replaced")
	n.sync(t, give(lawRoles[0], ada))
	ours := n.reader(t, n.scope.ID)
	if err := n.rbac.RoleBindings(n.scope.ID).Delete(t.Context(), readerName, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		reason string
		marked bool
		want   []access.Code
	}{
		{"a stranger's is nobody's business", false, nil},
		{"one with our mark is remarked", true, []access.Code{access.OwnershipUnclear}},
	} {
		replaced := n.bind(t, n.scope.ID, readerName, lawRoles[1], eve)
		if c.marked {
			replaced.Labels, replaced.Annotations = ours.Labels, ours.Annotations
			if _, err := n.rbac.RoleBindings(n.scope.ID).Update(t.Context(), replaced, metav1.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		p := n.sync(t, give(lawRoles[0], ada))
		if diff := cmp.Diff(c.want, remarks(p)); diff != "" {
			t.Errorf("%s: %s", c.reason, diff)
		}
		if diff := cmp.Diff([]string{"User:" + eve}, users(n.reader(t, n.scope.ID))); diff != "" {
			t.Errorf("%s: the other binding was changed: %s", c.reason, diff)
		}
		if p := n.plan(t, give(lawRoles[0], ada)); len(p.Steps)+len(p.Held) > 0 {
			t.Errorf("%s: there is still something to do:\n%s", c.reason, p)
		}
		if err := n.rbac.RoleBindings(n.scope.ID).Delete(t.Context(), readerName, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestNewRoleFirst maps people to another role and looks in between: they have
// one role or the other all the time.
func TestNewRoleFirst(t *testing.T) {
	n := newWorld(t).newTenant(t, "remapped")
	n.sync(t, give(lawRoles[0], ada))
	p := n.plan(t, give(lawRoles[1], ada))
	steps := slices.Concat(p.Steps, p.Held)
	if len(steps) != 2 || steps[0].Op != plan.Create || steps[1].Op != plan.Delete {
		t.Fatalf("want the new binding first and the old one after:\n%s", p)
	}
	for _, step := range steps {
		if result := n.apply(t, step); result.Err != nil {
			t.Fatal(result.Err)
		}
		if len(n.look(t).Bindings) == 0 {
			t.Errorf("after %s there is no binding left", step.Op)
		}
	}
}

// TestRoleIsMissing: a role that does not exist could be bound, and would give
// nothing.
func TestRoleIsMissing(t *testing.T) {
	w := newWorld(t)
	n := w.newTenant(t, "norole")
	step := n.plan(t, give("laws-none", ada)).Steps[0]
	err := n.apply(t, step).Err
	if !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), `"laws-none"`) {
		t.Errorf("binding a role that does not exist = %v, want ErrInvalid and its name", err)
	}
	w.role(t, "laws-none", rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get"}})
	n.driver = w.openAs(t, w.token)
	err = n.apply(t, step).Err
	if !errors.Is(err, fault.ErrDenied) || !strings.Contains(err.Error(), "bind") {
		t.Errorf("binding a role without the verb bind = %v, want ErrDenied that says so", err)
	}
	if len(n.look(t).Bindings) > 0 {
		t.Error("a refused binding is there")
	}
}

// TestNamespaceIsGoing binds in a namespace that is being deleted.
func TestNamespaceIsGoing(t *testing.T) {
	n := newWorld(t).newTenant(t, "going")
	step := n.plan(t, give(lawRoles[0], ada)).Steps[0]
	// Without controllers it stays in this state for ever.
	if err := n.core.Namespaces().Delete(t.Context(), n.scope.ID, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := n.apply(t, step).Err; !errors.Is(err, fault.ErrNotFound) {
		t.Errorf("binding in a namespace that goes = %v, want ErrNotFound", err)
	}
}

// TestNoNamespaceIsNotAll: an empty id must not read, nor write, all namespaces.
func TestNoNamespaceIsNotAll(t *testing.T) {
	n := newWorld(t).newTenant(t, "some")
	n.sync(t, give(lawRoles[0], ada))
	for _, id := range []string{"", ".", "a/b", "Upper", n.scope.ID + "/x"} {
		got, err := n.driver.Observe(t.Context(), []driver.Scope{{ID: id}})
		if err != nil || !got[0].Missing || len(got[0].State.Bindings) > 0 {
			t.Errorf("Observe of the namespace %q = %+v, %v, want it missing", id, got, err)
		}
		scope := n.scope
		scope.ID = id
		step := plan.Step{ID: "s", Op: plan.Create, Kind: access.KindBinding, Want: plan.Object{Binding: &access.Binding{Role: lawRoles[0]}}}
		if err := n.driver.Apply(t.Context(), scope, []plan.Step{step})[0].Err; !errors.Is(err, fault.ErrInvalid) {
			t.Errorf("Apply in the namespace %q = %v, want ErrInvalid", id, err)
		}
	}
}

// crowd makes so many namespaces with one binding each, of which the first two
// have none, and returns their scopes.
func (w *world) crowd(t testing.TB, size int) []driver.Scope {
	t.Helper()
	var running errgroup.Group
	running.SetLimit(16)
	scopes := make([]driver.Scope, size)
	for i := range scopes {
		scopes[i].ID = fmt.Sprintf("%s-crowd-%04d", w.name, i)
		running.Go(func() error {
			w.namespace(t, scopes[i].ID)
			if i >= 2 {
				w.bind(t, scopes[i].ID, "others", lawRoles[0], fmt.Sprintf("person-%d@example.com", i))
			}
			return nil
		})
	}
	_ = running.Wait()
	t.Cleanup(func() { w.disperse(t, scopes[2:]) })
	return scopes
}

// disperse removes what crowd has made but for the namespaces, so that other
// tests' lists fit into one page.
func (w *world) disperse(t testing.TB, scopes []driver.Scope) {
	var running errgroup.Group
	running.SetLimit(16)
	for _, scope := range scopes {
		running.Go(func() error {
			return w.rbac.RoleBindings(scope.ID).Delete(context.Background(), "others", metav1.DeleteOptions{})
		})
	}
	if err := running.Wait(); err != nil {
		t.Error(err)
	}
}

// TestManyNamespaces reads a thousand namespaces, on three pages or as many as
// other tests have left behind, and lets the list break in the middle.
func TestManyNamespaces(t *testing.T) {
	w := newWorld(t)
	scopes := append(w.crowd(t, 1001), driver.Scope{ID: "no-such-namespace"})
	d := w.open(t)
	complete := func(t *testing.T, got []driver.Observation, err error) {
		t.Helper()
		if err != nil || len(got) != len(scopes) {
			t.Fatalf("%d answers and the error %v, want %d", len(got), err, len(scopes))
		}
		for i, o := range got {
			want := 1
			if i < 2 || i == len(scopes)-1 {
				want = 0
			}
			if len(o.State.Bindings) != want || o.Missing != (i == len(scopes)-1) {
				t.Fatalf("namespace %d has %d bindings, missing %v", i, len(o.State.Bindings), o.Missing)
			}
		}
	}
	t.Run("Pages", func(t *testing.T) {
		ctx, meter := budget.WithMeter(t.Context())
		got, err := d.Observe(ctx, scopes)
		complete(t, got, err)
		if meter.Calls() < 6 {
			t.Errorf("%d calls, want at least three pages each of bindings and of namespaces", meter.Calls())
		}
	})
	gone := faultproxy.Fault{Status: http.StatusGone, Body: `{"kind":"Status","apiVersion":"v1","metadata":{"continue":"x"},` +
		`"status":"Failure","message":"The provided continue parameter is too old","reason":"Expired","code":410}`}
	later := func(r *http.Request) bool { return r.URL.Query().Has("continue") }
	t.Run("SnapshotIsGone", func(t *testing.T) {
		defer w.proxy.Clear()
		hits := w.proxy.Add(faultproxy.Rule{Match: later, Skip: 1, Fault: gone})
		got, err := d.Observe(t.Context(), scopes)
		complete(t, got, err)
		if hits() == 0 {
			t.Error("no page was refused, the test tests nothing")
		}
	})
	t.Run("SnapshotIsGoneForGood", func(t *testing.T) {
		defer w.proxy.Clear()
		w.proxy.Add(faultproxy.Rule{Match: later, Fault: gone})
		w.proxy.Add(faultproxy.Rule{
			Match: func(r *http.Request) bool { return !r.URL.Query().Has("limit") }, Fault: gone,
		})
		if got, err := d.Observe(t.Context(), scopes); !errors.Is(err, fault.ErrTruncated) || len(got) > 0 {
			t.Errorf("%d answers and the error %v, want none and ErrTruncated", len(got), err)
		}
	})
	t.Run("SecondPageFails", func(t *testing.T) {
		defer w.proxy.Clear()
		w.proxy.Add(faultproxy.Rule{Match: later, Times: 1, Fault: faultproxy.Fault{Cut: true}})
		if got, err := d.Observe(t.Context(), scopes); !errors.Is(err, fault.ErrUnavailable) || len(got) > 0 {
			t.Errorf("%d answers and the error %v, want none and ErrUnavailable", len(got), err)
		}
	})
	t.Run("NotAnAPI", func(t *testing.T) {
		defer w.proxy.Clear()
		w.proxy.Add(faultproxy.Rule{Fault: faultproxy.Fault{Status: http.StatusNotFound, Body: "404 page not found"}})
		for _, some := range [][]driver.Scope{scopes, scopes[:1]} {
			if got, err := d.Observe(t.Context(), some); !errors.Is(err, fault.ErrUnavailable) || len(got) > 0 {
				t.Errorf("%d answers and the error %v, want none and ErrUnavailable", len(got), err)
			}
		}
		w.proxy.Clear()
		w.proxy.Add(faultproxy.Rule{ // as a proxy does that knows some paths only
			Match: faultproxy.To("", "/api/v1/*"), Fault: faultproxy.Fault{Status: http.StatusNotFound, Body: "404 page not found"},
		})
		if got, err := d.Observe(t.Context(), scopes[:1]); !errors.Is(err, fault.ErrUnavailable) || len(got) > 0 {
			t.Errorf("an empty namespace: %d answers and the error %v, want none and ErrUnavailable", len(got), err)
		}
	})
	t.Run("NotAList", func(t *testing.T) {
		defer w.proxy.Clear()
		for _, body := range []string{`{}`, `{"kind":"Status","apiVersion":"v1","status":"Success"}`,
			`{"kind":"RoleBindingList","apiVersion":"rbac.authorization.k8s.io/v1","items":[]}`} {
			w.proxy.Clear()
			w.proxy.Add(faultproxy.Rule{Fault: faultproxy.Fault{Status: http.StatusOK, Body: body}})
			if got, err := d.Observe(t.Context(), scopes); !errors.Is(err, fault.ErrUnavailable) || len(got) > 0 {
				t.Errorf("%s: %d answers and the error %v, want none and ErrUnavailable", body, len(got), err)
			}
		}
	})
}
