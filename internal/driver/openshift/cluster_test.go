package openshift_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sync/errgroup"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest/faultproxy"
	"github.com/rollcall-iam/rollcall/internal/driver/openshift"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

const (
	ada = "ada@example.com"
	bob = "bob@example.com"
	eve = "eve@example.com"
)

// tenant is one project with the ledger that a run would have of it.
type tenant struct {
	*world
	driver *openshift.Driver
	scope  driver.Scope
	owned  []plan.Owned
	rules  plan.Rules
}

func (w *world) newTenant(t testing.TB, name string) *tenant {
	t.Helper()
	of := access.TenantID{Workspace: "shop", Project: name, Platform: "openshift.test"}
	mark := access.Mark{Installation: "test", Tenant: of.String()}
	return &tenant{
		world: w, driver: w.open(t),
		scope: driver.Scope{Tenant: of, ID: w.tenant(t, name), Marks: true, Mark: mark},
		rules: plan.Rules{Mark: mark, Additional: plan.KeepAdditional, Cleanup: true, Guard: plan.Guard{Percent: 100}},
	}
}

// group is what the tenant's group of the role is called.
func (n *tenant) group(role string) string {
	return "shop." + n.scope.Tenant.Project + "-" + strings.ReplaceAll(role, ":", ".")
}

// give is the wish that these people have the role, by a group.
func (n *tenant) give(role string, people ...string) access.State {
	return access.State{
		Groups:   []access.Group{{Name: n.group(role), Members: members(people...)}},
		Bindings: []access.Binding{{Role: role, Group: n.group(role)}},
	}
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
	for _, g := range desired.Groups {
		if !slices.ContainsFunc(n.scope.Groups, func(h access.Group) bool { return h.Name == g.Name }) {
			n.scope.Groups = append(n.scope.Groups, access.Group{Name: g.Name})
		}
	}
	return plan.Make(plan.Input{
		Tenant: n.scope.Tenant, Desired: desired, Observed: n.look(t), Owned: n.owned, Rules: n.rules,
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

// converged fails unless there is nothing left to do.
func (n *tenant) converged(t testing.TB, desired access.State) {
	t.Helper()
	if p := n.plan(t, desired); len(p.Steps)+len(p.Held) > 0 {
		t.Errorf("there is still something to do:\n%s", p)
	}
}

// remarks returns the codes of a plan's remarks.
func remarks(p plan.Plan) []access.Code {
	var codes []access.Code
	for _, r := range p.Remarks {
		codes = append(codes, r.Code)
	}
	return codes
}

// members returns who is in the tenant's group of the role, past the driver.
func (n *tenant) members(t testing.TB, role string) []string {
	t.Helper()
	return n.world.group(t, n.group(role)).Users
}

// TestNames signs people in under names that DNS would not have, and finds them to
// the letter.
func TestNames(t *testing.T) {
	w := newWorld(t)
	n := w.newTenant(t, "names")
	odd := []string{"Ada Lovelace", ada, "o'brien#1?x=y&z+", "ünï-名前", "x-openshift-1", "~ada", strings.Repeat("l", 253), `back\slash"quote`}
	for _, name := range odd {
		w.user(t, name)
	}
	impossible := []string{"~", "", ".", "..", "a/b", "system:admin", "100%", "ada\n", "\xff", strings.Repeat("l", 254)}
	before := w.proxy.Count()
	got, err := n.driver.Resolve(t.Context(), impossible)
	if err != nil || w.proxy.Count() != before {
		t.Errorf("names that nobody can have were asked for in %d calls: %v", w.proxy.Count()-before, err)
	}
	for i, r := range got {
		if r.Found != access.No {
			t.Errorf("%q is %s", impossible[i], r.Found)
		}
	}
	for _, all := range [][]string{odd, append(slices.Clone(odd), filler()...)} { // one by one, and by a list
		got, err := n.driver.Resolve(t.Context(), all)
		if err != nil {
			t.Fatal(err)
		}
		for i, name := range odd {
			if diff := cmp.Diff(access.Resolution{Found: access.Yes, Refs: []string{name}}, got[i]); diff != "" {
				t.Errorf("%q: %s", name, diff)
			}
		}
		for i, name := range all[len(odd):] {
			if got[len(odd)+i].Found != access.No {
				t.Errorf("%q, who is nobody, is %s", name, got[len(odd)+i].Found)
			}
		}
	}
	want := n.give(lawRoles[2], odd...)
	n.sync(t, want)
	n.converged(t, want)
	slices.Sort(odd)
	if diff := cmp.Diff(odd, n.members(t, lawRoles[2])); diff != "" {
		t.Errorf("the group has others: %s", diff)
	}
}

func filler() []string {
	var names []string
	for i := range 20 {
		names = append(names, fmt.Sprintf("nobody-%d@example.com", i))
	}
	return names
}

// TestMemberNobodyCanBe: one name that the API refuses must not cost the others
// theirs for ever without saying so.
func TestMemberNobodyCanBe(t *testing.T) {
	n := newWorld(t).newTenant(t, "nobody")
	n.sync(t, n.give(lawRoles[0], ada))
	step := n.plan(t, n.give(lawRoles[0], ada, "system:admin")).Steps[0]
	if err := n.apply(t, step).Err; !errors.Is(err, fault.ErrInvalid) || strings.Contains(err.Error(), "system:admin") {
		t.Errorf("adding a name that no user can have = %v, want ErrInvalid without the name", err)
	}
}

// TestOthersNotesStay edits a group of ours as people do, and expects only the
// members to be put back.
func TestOthersNotesStay(t *testing.T) {
	n := newWorld(t).newTenant(t, "notes")
	n.sync(t, n.give(lawRoles[0], ada))
	name := n.group(lawRoles[0])
	n.patch(t, name, map[string]any{
		"metadata": map[string]any{"labels": map[string]any{"team": "blue"}, "annotations": map[string]any{"note": "seen"}},
		"users":    []string{eve, eve, ada},
	})
	want := n.give(lawRoles[0], ada, bob)
	n.sync(t, want)
	n.converged(t, want)
	got := n.world.group(t, name)
	if diff := cmp.Diff([]string{ada, bob}, got.Users); diff != "" {
		t.Errorf("the members were not put back: %s", diff)
	}
	if got.Metadata.Labels["team"] != "blue" || got.Metadata.Annotations["note"] != "seen" {
		t.Errorf("somebody else's label or annotation is gone: %v %v", got.Metadata.Labels, got.Metadata.Annotations)
	}
	for _, nobody := range []any{nil, []string{}} {
		n.patch(t, name, map[string]any{"users": nobody})
		if got := n.look(t).Groups[0].Members; len(got) > 0 {
			t.Errorf("a group of nobody has %d members", len(got))
		}
		n.sync(t, want)
		n.converged(t, want)
	}
}

// TestSomebodyIsFaster changes the group between our look and our write: the step
// adds whom it names, and leaves the faster one's change alone.
func TestSomebodyIsFaster(t *testing.T) {
	n := newWorld(t).newTenant(t, "faster")
	n.sync(t, n.give(lawRoles[0], ada))
	step := n.plan(t, n.give(lawRoles[0], ada, bob)).Steps[0]
	n.patch(t, n.group(lawRoles[0]), map[string]any{"users": []string{ada, eve}})
	if err := n.apply(t, step).Err; err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{ada, bob, eve}, n.members(t, lawRoles[0])); diff != "" {
		t.Errorf("after both changes: %s", diff)
	}
	// Again and again: each of our writes meets a faster one. That is a conflict.
	step = n.plan(t, n.give(lawRoles[0], ada)).Steps[0]
	again := 0
	n.proxy.Add(faultproxy.Rule{Match: func(r *http.Request) bool {
		if r.Method == http.MethodPatch {
			again++
			n.patch(t, n.group(lawRoles[0]), map[string]any{"metadata": map[string]any{"annotations": map[string]any{"n": strconv.Itoa(again)}}})
		}
		return false
	}})
	if err := n.apply(t, step).Err; !errors.Is(err, fault.ErrConflict) || again != 2 {
		t.Errorf("beside somebody who is always faster: %v after %d writes, want ErrConflict after 2", err, again)
	}
	n.proxy.Clear()
	if err := n.apply(t, step).Err; err != nil {
		t.Error(err)
	}
}

// TestStaleMemory lets another worker change the group: what this one remembers must
// not pass for what is there.
func TestStaleMemory(t *testing.T) {
	n := newWorld(t).newTenant(t, "stale")
	n.sync(t, n.give(lawRoles[0], ada, bob)) // remembered with both
	n.patch(t, n.group(lawRoles[0]), map[string]any{"users": []string{ada}})
	step := plan.Step{ID: "s", Op: plan.Change, Kind: access.KindMembers}
	step.Want.Members = &plan.Members{Group: n.group(lawRoles[0]), GroupRef: n.group(lawRoles[0]), Accounts: members(bob)}
	if err := n.apply(t, step).Err; err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{ada, bob}, n.members(t, lawRoles[0])); diff != "" {
		t.Errorf("whom another worker took out is not back: %s", diff)
	}
}

// TestGroupIsGone deletes the group by hand in the middle of a run.
func TestGroupIsGone(t *testing.T) {
	n := newWorld(t).newTenant(t, "gone")
	want := n.give(lawRoles[0], ada)
	p := n.plan(t, want)
	if err := n.apply(t, p.Steps[0]).Err; err != nil {
		t.Fatal(err)
	}
	n.must(t, http.MethodDelete, userAPI+"groups/"+n.group(lawRoles[0]), nil, nil)
	for _, step := range p.Steps[1:] {
		if err := n.apply(t, step).Err; step.Kind == access.KindMembers && !errors.Is(err, fault.ErrNotFound) {
			t.Errorf("filling a group that is gone = %v, want ErrNotFound: plan again", err)
		}
	}
	n.sync(t, want)
	n.converged(t, want)
	// A namesake of somebody else's is not filled, also from memory.
	n.must(t, http.MethodDelete, userAPI+"groups/"+n.group(lawRoles[0]), nil, nil)
	n.plant(t, n.scope.ID, access.State{Groups: []access.Group{{Name: n.group(lawRoles[0]), Members: members(eve)}}})
	more := plan.Step{ID: "s", Op: plan.Change, Kind: access.KindMembers}
	more.Want.Members = &plan.Members{Group: n.group(lawRoles[0]), GroupRef: n.group(lawRoles[0]), Accounts: members(bob)}
	if err := n.apply(t, more).Err; !errors.Is(err, fault.ErrConflict) {
		t.Errorf("filling a stranger's group of our name = %v, want ErrConflict", err)
	}
	if diff := cmp.Diff([]string{eve}, n.members(t, lawRoles[0])); diff != "" {
		t.Errorf("the stranger's group was changed: %s", diff)
	}
	if p := n.plan(t, want); len(p.Steps) > 0 || !slices.Contains(remarks(p), access.OwnershipUnclear) {
		t.Errorf("a namesake gives the steps %v and the remarks %v", p.Steps, remarks(p))
	}
}

// TestMarkedGroupsAreSeen: what a crash left before it was recorded has the mark,
// and is found although nothing names it.
func TestMarkedGroupsAreSeen(t *testing.T) {
	w := newWorld(t)
	n, other := w.newTenant(t, "orphans"), w.newTenant(t, "bystander")
	n.sync(t, n.give(lawRoles[0], ada))
	other.sync(t, other.give(lawRoles[0], bob))
	n.scope.Groups = nil
	both, err := n.driver.Observe(t.Context(), []driver.Scope{n.scope, other.scope})
	if err != nil {
		t.Fatal(err)
	}
	for i, state := range []access.State{n.look(t), both[0].State} {
		if len(state.Groups) != 1 || state.Groups[0].Name != n.group(lawRoles[0]) || state.Groups[0].Mark != n.scope.Mark {
			t.Errorf("read %d shows the groups %+v, want the marked one of this tenant", i+1, state.Groups)
		}
	}
}

// TestRolesOfOthers gives a group of ours more roles by hand: alone, and beside
// another group.
func TestRolesOfOthers(t *testing.T) {
	n := newWorld(t).newTenant(t, "roles")
	want := n.give(lawRoles[0], ada)
	n.sync(t, want)
	ours, others := rbacv1.Subject{Kind: rbacv1.GroupKind, APIGroup: rbacv1.GroupName, Name: n.group(lawRoles[0])},
		rbacv1.Subject{Kind: rbacv1.GroupKind, APIGroup: rbacv1.GroupName, Name: "others"}
	n.bind(t, n.scope.ID, "alone", lawRoles[1], ours)
	n.bind(t, n.scope.ID, "beside", lawRoles[1], ours, others)
	p := n.sync(t, want)
	if diff := cmp.Diff([]access.Code{access.ForeignPermissionKept}, remarks(p)); diff != "" || len(p.Steps) > 0 {
		t.Errorf("roles that somebody else gave: %s, steps %v", diff, p.Steps)
	}
	n.rules.Additional = plan.RemoveAdditional
	n.sync(t, want)
	n.converged(t, want)
	left, err := n.rbac.RoleBindings(n.scope.ID).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string][]rbacv1.Subject{}
	for _, b := range left.Items {
		seen[b.Name] = b.Subjects
	}
	wanted := map[string][]rbacv1.Subject{"rollcall-laws-reader:" + n.group(lawRoles[0]): {ours}, "beside": {others}}
	if diff := cmp.Diff(wanted, seen); diff != "" {
		t.Errorf("what is left of the bindings: %s", diff)
	}
}

// TestBindingIsPutBack adds people to a binding of ours by hand.
func TestBindingIsPutBack(t *testing.T) {
	n := newWorld(t).newTenant(t, "putback")
	want := n.give(lawRoles[0], ada)
	n.sync(t, want)
	name := "rollcall-laws-reader:" + n.group(lawRoles[0])
	change := `{"subjects":[{"kind":"User","apiGroup":"rbac.authorization.k8s.io","name":"` + eve + `"},` +
		`{"kind":"Group","apiGroup":"rbac.authorization.k8s.io","name":"` + n.group(lawRoles[0]) + `"}]}`
	_, err := n.rbac.RoleBindings(n.scope.ID).Patch(t.Context(), name, types.MergePatchType, []byte(change), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	n.sync(t, want)
	n.converged(t, want)
	b, err := n.rbac.RoleBindings(n.scope.ID).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil || len(b.Subjects) != 1 || b.Subjects[0].Name != n.group(lawRoles[0]) {
		t.Errorf("the binding lists %v, want the group alone (%v)", b.Subjects, err)
	}
}

// TestForbiddenIsNotEmpty reads with credentials that lack one permission each.
func TestForbiddenIsNotEmpty(t *testing.T) {
	w := newWorld(t)
	n := w.newTenant(t, "forbidden")
	n.sync(t, n.give(lawRoles[0], ada))
	empty := w.newTenant(t, "empty")
	for i, rule := range allowed()[:4] {
		rules := slices.Delete(allowed(), i, i+1)
		d := w.openAs(t, w.account(t, rules...))
		for _, scopes := range [][]driver.Scope{{empty.scope}, {n.scope, empty.scope}} {
			got, err := d.Observe(t.Context(), scopes)
			if rule.Resources[0] != "users" && (!errors.Is(err, fault.ErrDenied) || len(got) > 0) {
				t.Errorf("without %s Observe of %d = %d answers and %v, want none and ErrDenied", rule.Resources[0], len(scopes), len(got), err)
			}
		}
		for _, names := range [][]string{{ada}, filler(), append(filler(), ada)} {
			if got, err := d.Resolve(t.Context(), names); rule.Resources[0] == "users" && (!errors.Is(err, fault.ErrDenied) || len(got) > 0) {
				t.Errorf("without users Resolve = %d answers and %v, want none and ErrDenied", len(got), err)
			}
		}
	}
}

// TestNotOpenShift: a cluster without the types must not look like one without
// groups and people.
func TestNotOpenShift(t *testing.T) {
	n := newWorld(t).newTenant(t, "plain")
	n.proxy.Add(faultproxy.Rule{Match: faultproxy.To("", userAPI+"*"), Fault: faultproxy.Fault{
		Status: http.StatusNotFound, Body: "404 page not found\n", Header: http.Header{"Content-Type": {"text/plain"}},
	}})
	if got, err := n.driver.Observe(t.Context(), []driver.Scope{n.scope}); !errors.Is(err, fault.ErrUnavailable) || len(got) > 0 {
		t.Errorf("Observe = %d answers and %v, want none and ErrUnavailable", len(got), err)
	}
	if got, err := n.driver.Resolve(t.Context(), append(filler(), ada)); !errors.Is(err, fault.ErrUnavailable) || len(got) > 0 {
		t.Errorf("Resolve of many = %d answers and %v, want none and ErrUnavailable", len(got), err)
	}
	if got, err := n.driver.Resolve(t.Context(), []string{ada}); !errors.Is(err, fault.ErrUnavailable) || len(got) > 0 {
		t.Errorf("Resolve of one = %d answers and %v, want none and ErrUnavailable", len(got), err)
	}
}

// TestCalls holds the driver to what its profile says that it costs.
func TestCalls(t *testing.T) {
	w := newWorld(t)
	const many = 100
	tenants := make([]*tenant, many)
	var running errgroup.Group
	running.SetLimit(8)
	for i := range tenants {
		tenants[i] = w.newTenant(t, fmt.Sprintf("calls%03d", i))
	}
	for _, n := range tenants {
		running.Go(func() error {
			n.sync(t, n.give(lawRoles[0], ada, bob))
			return nil
		})
	}
	_ = running.Wait()
	n := tenants[0]
	var scopes []driver.Scope
	for _, n := range tenants {
		scopes = append(scopes, n.scope)
	}
	// counted are the calls that do makes, which also have to pass the budget.
	counted := func(t *testing.T, want int, do func(context.Context) error) {
		t.Helper()
		ctx, meter := budget.WithMeter(t.Context())
		before := w.proxy.Count()
		if err := do(ctx); err != nil {
			t.Error(err)
		}
		if got := w.proxy.Count() - before; got != want || meter.Calls() != want {
			t.Errorf("%d calls, of which %d passed the budget, want %d", got, meter.Calls(), want)
		}
	}
	verify := func(scopes []driver.Scope) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := n.driver.Observe(ctx, scopes)
			return err
		}
	}
	change := func(step plan.Step) func(context.Context) error {
		return func(ctx context.Context) error { return n.driver.Apply(ctx, n.scope, []plan.Step{step})[0].Err }
	}
	t.Run("VerifyOne", func(t *testing.T) { counted(t, 2, verify(scopes[:1])) })
	t.Run("VerifyAHundred", func(t *testing.T) { counted(t, 2, verify(scopes)) })
	t.Run("ChangeOnePerson", func(t *testing.T) {
		counted(t, 1, change(n.plan(t, n.give(lawRoles[0], ada, bob, eve)).Steps[0]))
	})
	t.Run("ChangeOnePersonElsewhere", func(t *testing.T) { // in another worker, which has not read the group
		step := n.plan(t, n.give(lawRoles[0], ada, eve)).Steps[0]
		n.driver = w.open(t)
		counted(t, 2, change(step))
	})
	n.converged(t, n.give(lawRoles[0], ada, eve))
}

func TestNoNamespaceIsNotAll(t *testing.T) {
	n := newWorld(t).newTenant(t, "some")
	n.sync(t, n.give(lawRoles[0], ada))
	for _, id := range []string{"", ".", "a/b", "Upper", n.scope.ID + "/x"} {
		scope := driver.Scope{ID: id, Groups: n.scope.Groups, Mark: n.scope.Mark}
		got, err := n.driver.Observe(t.Context(), []driver.Scope{scope})
		if err != nil || !got[0].Missing || len(got[0].State.Bindings) > 0 || len(got[0].State.Groups) != 1 {
			t.Errorf("Observe of the project %q = %+v, %v, want it missing, with its group and no bindings", id, got, err)
		}
		step := plan.Step{ID: "s", Op: plan.Create, Kind: access.KindGroup, Want: plan.Object{Group: &access.Group{Name: "g"}}}
		if err := n.driver.Apply(t.Context(), scope, []plan.Step{step})[0].Err; !errors.Is(err, fault.ErrInvalid) {
			t.Errorf("Apply in the project %q = %v, want ErrInvalid", id, err)
		}
	}
}

func TestOpenRefusesBadSettings(t *testing.T) {
	const credentials = `"auth":{"environment":{"prefix":"P"}}`
	for reason, c := range map[string]struct {
		settings string
		want     error
	}{
		"no JSON":              {`server: x`, fault.ErrInvalid},
		"no server":            {`{` + credentials + `}`, fault.ErrInvalid},
		"a password in it":     {`{"server":"https://me:hunter2@k.example.com",` + credentials + `}`, fault.ErrInvalid},
		"no TLS":               {`{"server":"http://k.example.com",` + credentials + `}`, fault.ErrInvalid},
		"no TLS to a network":  {`{"server":"http://10.0.0.1:8001",` + credentials + `}`, fault.ErrInvalid},
		"no credentials named": {`{"server":"https://k.example.com","replication":{}}`, fault.ErrInvalid},
		"those of a document":  {`{"server":"https://k.example.com","replication":{"credentials":{"environment":{"prefix":"P"}}}}`, fault.ErrInvalid},
		"a device as file":     {`{"server":"https://k.example.com","auth":{"file":"/dev/zero"}}`, fault.ErrDenied},
		"none there":           {`{"server":"https://k.example.com",` + credentials + `}`, fault.ErrDenied},
		"outside of a pod":     {`{"server":"https://k.example.com","auth":{"workloadIdentity":{}}}`, fault.ErrDenied},
	} {
		_, err := openshift.Open(t.Context(), drivertest.Config("openshift.test", []byte(c.settings), nil, func(string) string { return "" }))
		if !errors.Is(err, c.want) || strings.Contains(fmt.Sprint(err), "hunter2") {
			t.Errorf("with %s Open = %v, want %v and no secret", reason, err, c.want)
		}
	}
}

// TestOpen_AllowsPlainAddressesOfThisMachine: without TLS a token may only stay here.
func TestOpen_AllowsPlainAddressesOfThisMachine(t *testing.T) {
	for _, server := range []string{"http://localhost:8001", "http://127.0.0.1:8001", "http://[::1]:8001"} {
		text := []byte(`{"server":"` + server + `","auth":{"environment":{"prefix":"P"}}}`)
		_, err := openshift.Open(t.Context(), drivertest.Config("openshift.test", text, nil, func(name string) string {
			return map[string]string{"P_TOKEN": "token"}[name]
		}))
		if err != nil {
			t.Errorf("with the server %s Open = %v", server, err)
		}
	}
}

// TestOpen_RefusesPlugins: package kubernetes tests all forms, and that no file makes a
// worker run a program.
func TestOpen_RefusesPlugins(t *testing.T) {
	dir := t.TempDir()
	text := strings.ReplaceAll(`{"apiVersion":"v1","kind":"Config","current-context":"c",
		"contexts":[{"name":"c","context":{"cluster":"c","user":"u"}}],
		"clusters":[{"name":"c","cluster":{"server":"https://k.example.com"}}],
		"users":[{"name":"u","user":{"exec":{"apiVersion":"client.authentication.k8s.io/v1","interactiveMode":"Never",
			"command":"/bin/sh","args":["-c","id > DIR/mark"]}}}]}`, "DIR", dir)
	if err := os.WriteFile(filepath.Join(dir, "kubeconfig"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	config := drivertest.Config("openshift.test", []byte(`{"server":"https://127.0.0.1:1","auth":{"file":"kubeconfig"}}`), nil, nil)
	config.Connection.Dir = dir
	if _, err := openshift.Open(t.Context(), config); !errors.Is(err, fault.ErrUnsupported) {
		t.Errorf("with a program Open = %v, want ErrUnsupported", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "mark")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the program ran: %v", err)
	}
}

// TestResolve_Similar: a list of all users says how an account differs, and finds one whose
// name the cluster stores decomposed. Its ref is the name as the cluster has it.
func TestResolve_Similar(t *testing.T) {
	w := newWorld(t)
	w.user(t, "Ada")
	formD := w.user(t, "jose\u0301")
	names := []string{"ada", "jos\u00e9", "jose"}
	for i := range 30 { // so many are listed
		names = append(names, fmt.Sprintf("absent-%d", i))
	}
	got, err := w.open(t).Resolve(t.Context(), names)
	if err != nil {
		t.Fatal(err)
	}
	want := []access.Resolution{
		{Found: access.No, Similar: access.DiffersByCase}, {Found: access.Yes, Refs: []string{formD}}, {Found: access.No},
	}
	if diff := cmp.Diff(want, got[:3], cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
}
