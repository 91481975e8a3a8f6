package kubernetes_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest/faultproxy"
	"github.com/rollcall-iam/rollcall/internal/driver/kubernetes"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// Ids of groups as clouds make them, and a name.
const (
	admins  = "0b1f6471-1bf0-4dda-aec3-cb9272f09590"
	readers = "shop.prod-readers"
)

// connect returns the cluster behind the world's proxy.
func (w *world) connect(t testing.TB) *kubernetes.Cluster {
	t.Helper()
	connection := driver.Connection{
		Settings: json.RawMessage(`{"server":"` + w.proxy.URL() + `","auth":{"environment":{"prefix":"C"}}}`),
		Budget:   budget.New(budget.Limits{}),
	}
	cluster, err := kubernetes.Connect(connection, func(name string) string { return map[string]string{"C_TOKEN": w.token}[name] })
	if err != nil {
		t.Fatal(err)
	}
	return cluster
}

// given returns the namespace's bindings as those of groups, without versions.
func given(t testing.TB, cluster *kubernetes.Cluster, scope driver.Scope) []access.Binding {
	t.Helper()
	found, err := cluster.Look(t.Context(), []driver.Scope{scope})
	if err != nil || found[0].Missing {
		t.Fatalf("Look = %+v, %v", found, err)
	}
	return kubernetes.GroupBindings(scope, found[0].Bindings)
}

// shape leaves out of a comparison what the server draws.
func shape() cmp.Option { return cmpopts.IgnoreFields(access.Binding{}, "Ref", "Version") }

func TestGroupsAreGivenRoles(t *testing.T) {
	w := newWorld(t)
	n := w.newTenant(t, "groups")
	cluster := w.connect(t)
	if got := given(t, cluster, n.scope); len(got) > 0 {
		t.Fatalf("an empty namespace has %+v", got)
	}
	first, err := cluster.GiveGroup(t.Context(), n.scope, access.Binding{Role: lawRoles[0]}, admins)
	if err != nil {
		t.Fatal(err)
	}
	again, err := w.connect(t).GiveGroup(t.Context(), n.scope, access.Binding{Role: lawRoles[0]}, admins)
	if err != nil || again != first {
		t.Errorf("giving again = %q, %v, want %q as before", again, err, first)
	}
	if _, err := cluster.GiveGroup(t.Context(), n.scope, access.Binding{Role: lawRoles[0]}, readers); err != nil {
		t.Fatal(err)
	}
	ours := func(group string) access.Binding {
		return access.Binding{Role: lawRoles[0], Group: group, GroupRef: group, Mark: n.scope.Mark}
	}
	got := given(t, cluster, n.scope)
	if diff := cmp.Diff([]access.Binding{ours(admins), ours(readers)}, got, shape()); diff != "" {
		t.Errorf("two groups with a role: %s", diff)
	}
	for range 2 { // the second time it is gone
		if err := cluster.TakeGroup(t.Context(), n.scope, got[0]); err != nil {
			t.Errorf("taking the role: %v", err)
		}
	}
	unread := ours(readers) // as a plan has it that was made before the object was
	unread.GroupRef = ""
	if err := cluster.TakeGroup(t.Context(), n.scope, unread); err != nil {
		t.Errorf("taking by role and group alone: %v", err)
	}
	if got := given(t, cluster, n.scope); len(got) > 0 {
		t.Errorf("after all was taken there is %+v", got)
	}
}

// TestGroupBindingIsPutBack adds others to a binding of ours by hand, and replaces
// its subject.
func TestGroupBindingIsPutBack(t *testing.T) {
	w := newWorld(t)
	n := w.newTenant(t, "putback")
	cluster := w.connect(t)
	ref, err := cluster.GiveGroup(t.Context(), n.scope, access.Binding{Role: lawRoles[0]}, admins)
	if err != nil {
		t.Fatal(err)
	}
	name := kubernetes.GroupNames(lawRoles[0], admins)[0]
	group := func(name string) string {
		return `{"kind":"Group","apiGroup":"rbac.authorization.k8s.io","name":"` + name + `"}`
	}
	for reason, subjects := range map[string]string{
		"a second group": group(admins) + "," + group("others"),
		"a person":       group(admins) + `,{"kind":"User","apiGroup":"rbac.authorization.k8s.io","name":"` + eve + `"}`,
		"another group":  group("others"),
		"nobody":         "",
	} {
		n.patch(t, n.scope.ID, name, `{"subjects":[`+subjects+`]}`)
		for _, b := range given(t, cluster, n.scope) {
			if b.Name != name && reason != "another group" || b.Mark != (access.Mark{}) && reason != "another group" {
				t.Errorf("%s: what somebody else made of it is shown as ours: %+v", reason, b)
			}
		}
		back, err := cluster.GiveGroup(t.Context(), n.scope, access.Binding{Role: lawRoles[0]}, admins)
		if err != nil || back != ref {
			t.Errorf("%s: giving again = %q, %v, want %q", reason, back, err, ref)
		}
		want := []access.Binding{{Role: lawRoles[0], Group: admins, GroupRef: admins, Mark: n.scope.Mark}}
		if diff := cmp.Diff(want, given(t, cluster, n.scope), shape()); diff != "" {
			t.Errorf("%s is not put back: %s", reason, diff)
		}
	}
}

// TestForeignGroupBindings takes a group off a binding that lists others, and lets
// a stranger have our name.
func TestForeignGroupBindings(t *testing.T) {
	w := newWorld(t)
	n := w.newTenant(t, "foreigngroups")
	cluster := w.connect(t)
	w.bind(t, n.scope.ID, "others", lawRoles[1], ada)
	n.patch(t, n.scope.ID, "others", `{"subjects":[{"kind":"Group","apiGroup":"rbac.authorization.k8s.io","name":"`+admins+`"},
		{"kind":"Group","apiGroup":"rbac.authorization.k8s.io","name":"others"},
		{"kind":"User","apiGroup":"rbac.authorization.k8s.io","name":"`+ada+`"}]}`)
	seen := given(t, cluster, n.scope)
	want := []access.Binding{
		{Role: lawRoles[1], Name: "others", Group: admins, GroupRef: admins},
		{Role: lawRoles[1], Name: "others", Group: "others", GroupRef: "others"},
		{Role: lawRoles[1], Name: "others", Subjects: members(ada)},
	}
	if diff := cmp.Diff(want, seen, shape()); diff != "" {
		t.Fatalf("a binding with subjects of all sorts: %s", diff)
	}
	for reason, have := range map[string]access.Binding{
		"observed before it moved": func() access.Binding { b := seen[0]; b.Version = "1"; return b }(),
		"another of its name":      func() access.Binding { b := seen[0]; b.Ref = "others/x"; return b }(),
	} {
		if err := cluster.TakeGroup(t.Context(), n.scope, have); !errors.Is(err, fault.ErrConflict) {
			t.Errorf("taking a group off a binding %s = %v, want ErrConflict", reason, err)
		}
	}
	if err := cluster.TakeGroup(t.Context(), n.scope, seen[0]); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want[1:], given(t, cluster, n.scope), shape()); diff != "" {
		t.Errorf("the others of the binding: %s", diff)
	}
	strange := kubernetes.GroupNames(lawRoles[0], admins)[0]
	w.bind(t, n.scope.ID, strange, lawRoles[0], eve)
	if _, err := cluster.GiveGroup(t.Context(), n.scope, access.Binding{Role: lawRoles[0]}, admins); err != nil {
		t.Errorf("giving beside a stranger of our name: %v", err)
	}
	got := given(t, cluster, n.scope)
	if i := 0; len(got) != 4 || got[i+2].Subjects == nil && got[i+3].Subjects == nil {
		t.Errorf("the stranger's binding is gone, or ours: %+v", got)
	}
}

// TestGroupBindingFails: what can be told before the API server is asked, and after.
func TestGroupBindingFails(t *testing.T) {
	w := newWorld(t)
	n := w.newTenant(t, "groupfails")
	cluster := w.connect(t)
	elsewhere := n.scope
	elsewhere.ID = "no-such-namespace"
	nowhere := n.scope
	nowhere.ID = ""
	for reason, c := range map[string]struct {
		scope       driver.Scope
		role, group string
		want        error
	}{
		"no namespace":           {nowhere, lawRoles[0], admins, fault.ErrInvalid},
		"no group":               {n.scope, lawRoles[0], "", fault.ErrInvalid},
		"no such role":           {n.scope, "laws-never", admins, fault.ErrInvalid},
		"a namespace not there":  {elsewhere, lawRoles[0], admins, fault.ErrNotFound},
		"a role we may not give": {n.scope, "cluster-admin", admins, fault.ErrDenied},
	} {
		if _, err := cluster.GiveGroup(t.Context(), c.scope, access.Binding{Role: c.role}, c.group); !errors.Is(err, c.want) {
			t.Errorf("%s: GiveGroup = %v, want %v", reason, err, c.want)
		}
	}
	if err := cluster.TakeGroup(t.Context(), nowhere, access.Binding{}); !errors.Is(err, fault.ErrInvalid) {
		t.Errorf("taking in no namespace = %v, want ErrInvalid", err)
	}
}

// TestCarriedRole gives a role for somebody else: beside ours, under no mark, and
// as whatever they make of it.
func TestCarriedRole(t *testing.T) {
	w := newWorld(t)
	n := w.newTenant(t, "carried")
	cluster := w.connect(t)
	theirs := access.Binding{Role: lawRoles[0], Name: "theirs", Carried: true}
	first, err := cluster.GiveGroup(t.Context(), n.scope, theirs, admins)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := w.connect(t).GiveGroup(t.Context(), n.scope, theirs, admins); err != nil || again != first {
		t.Errorf("carrying again = %q, %v, want %q as before", again, err, first)
	}
	if _, err := cluster.GiveGroup(t.Context(), n.scope, access.Binding{Role: lawRoles[0]}, admins); err != nil {
		t.Errorf("giving ours beside it: %v", err)
	}
	name, _, _ := strings.Cut(first, "/")
	want := []access.Binding{
		{Role: lawRoles[0], Name: name, Group: admins, GroupRef: admins},
		{Role: lawRoles[0], Group: admins, GroupRef: admins, Mark: n.scope.Mark},
	}
	if diff := cmp.Diff(want, given(t, cluster, n.scope), shape()); diff != "" {
		t.Errorf("theirs and ours: %s", diff)
	}
	made, err := w.rbac.RoleBindings(n.scope.ID).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil || len(made.Labels)+len(made.Annotations) > 0 {
		t.Errorf("what is nobody's is labelled %v %v (%v)", made.Labels, made.Annotations, err)
	}
	n.patch(t, n.scope.ID, name, `{"subjects":[{"kind":"User","apiGroup":"rbac.authorization.k8s.io","name":"`+eve+`"}]}`)
	if _, err := cluster.GiveGroup(t.Context(), n.scope, theirs, admins); !errors.Is(err, fault.ErrConflict) {
		t.Errorf("carrying what somebody has changed since = %v, want ErrConflict", err)
	}
}

// TestCarriedRoleFails: the same permissions are needed as for any other role.
func TestCarriedRoleFails(t *testing.T) {
	w := newWorld(t)
	n := w.newTenant(t, "carriedfails")
	cluster := w.connect(t)
	local := &rbacv1.Role{
		ObjectMeta: metav1.ObjectMeta{Name: "local"},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get"}}},
	}
	if _, err := w.rbac.Roles(n.scope.ID).Create(t.Context(), local, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for reason, c := range map[string]struct {
		role string
		want error
	}{
		"no such role":                     {"laws-never", fault.ErrInvalid},
		"a role we may not give":           {"cluster-admin", fault.ErrDenied},
		"one of the namespace, we may not": {"Role/local", fault.ErrDenied},
		"one of the namespace, not there":  {"Role/never", fault.ErrNotFound},
	} {
		if _, err := cluster.GiveGroup(t.Context(), n.scope, access.Binding{Role: c.role, Carried: true}, admins); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", reason, err, c.want)
		}
	}
}

// TestRetryAfterADate answers as proxies do in front of an API server: with a date,
// or with seconds beside a body that says nothing of them.
func TestRetryAfterADate(t *testing.T) {
	w := newWorld(t)
	n := w.newTenant(t, "later")
	cluster := w.connect(t)
	sent := time.Now().Add(-5 * time.Minute).UTC()
	for _, header := range []http.Header{
		{"Date": {sent.Format(http.TimeFormat)}, "Retry-After": {sent.Add(9 * time.Second).Format(http.TimeFormat)}},
		{"Retry-After": {"9"}},
	} {
		for _, body := range []string{"", `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"TooManyRequests","code":429}`} {
			w.proxy.Clear()
			w.proxy.Add(faultproxy.Rule{Fault: faultproxy.Fault{Status: http.StatusTooManyRequests, Header: header, Body: body}})
			_, err := cluster.Look(t.Context(), []driver.Scope{n.scope})
			if after, _ := fault.RetryAfter(err); !errors.Is(err, fault.ErrThrottled) || after != 9*time.Second {
				t.Errorf("with %v and the body %q: %v after %s, want ErrThrottled after 9s", header, body, err, after)
			}
		}
	}
}

// TestNamesOfGroupBindings: each role and group have a name of their own.
func TestNamesOfGroupBindings(t *testing.T) {
	seen := map[string]string{}
	for _, role := range []string{"a", "a:b", "a.b", "a:b:c"} {
		for _, group := range []string{"c", "b.c", "b", "a"} {
			for _, name := range kubernetes.GroupNames(role, group) {
				pair := fmt.Sprintf("%q %q", role, group)
				if other, taken := seen[name]; taken && other != pair {
					t.Errorf("%s and %s share the name %q", pair, other, name)
				}
				seen[name] = pair
			}
		}
	}
}
