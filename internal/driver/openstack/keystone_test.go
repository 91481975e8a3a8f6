package openstack_test

import (
	order "cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/osinherit"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/roles"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/users"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/engines/keystone"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// group makes a group of the world with these members.
func (w *world) group(t testing.TB, name string, members ...string) string {
	t.Helper()
	id, err := w.seed.Group(t.Context(), name, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range members {
		w.join(t, id, m)
	}
	return id
}

// asked returns the members that GET /v3/groups/{id}/users gives.
func (w *world) asked(t testing.TB, group string) []string {
	t.Helper()
	page, err := users.ListInGroup(w.seed.Client, group, nil).AllPages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all, err := users.ExtractUsers(page)
	if err != nil {
		t.Fatal(err)
	}
	ids := []string{}
	for _, u := range all {
		ids = append(ids, u.ID)
	}
	slices.Sort(ids)
	return ids
}

// assorted makes a group for every way in which one can be bound to a project,
// or not, and returns their ids by name.
func (w *world) assorted(t testing.TB, project, other string) map[string]string {
	t.Helper()
	ada, bob, gone := w.user(t, "ada@example.com"), w.user(t, "bob@example.com"), w.user(t, "gone@example.com")
	w.disable(t, gone)
	elsewhere := newWorld(t)
	eve := elsewhere.user(t, "eve@example.com")
	groups := map[string]string{
		"bound":          w.group(t, "bound", ada, bob),
		"disabled":       w.group(t, "disabled", ada, gone),
		"other-domain":   w.group(t, "other-domain", bob, eve),
		"empty":          w.group(t, "empty"),
		"unbound":        w.group(t, "unbound", ada, gone),
		"unbound-empty":  w.group(t, "unbound-empty"),
		"bound-there":    w.group(t, "bound-there", ada),
		"two-roles":      w.group(t, "two-roles", ada, bob),
		"only-inherited": w.group(t, "only-inherited", bob),
		"domain-role":    w.group(t, "domain-role", ada, bob),
	}
	for _, name := range []string{"bound", "disabled", "other-domain", "empty", "two-roles"} {
		w.assign(t, lawRoles[0], roles.AssignOpts{ProjectID: project, GroupID: groups[name]})
	}
	w.assign(t, lawRoles[1], roles.AssignOpts{ProjectID: project, GroupID: groups["two-roles"]})
	w.assign(t, lawRoles[0], roles.AssignOpts{ProjectID: other, GroupID: groups["bound-there"]})
	inherit := osinherit.AssignOpts{DomainID: w.seed.Domain, GroupID: groups["only-inherited"]}
	if err := osinherit.Assign(t.Context(), w.seed.Client, w.roles[lawRoles[2]], inherit).ExtractErr(); err != nil {
		t.Fatal(err)
	}
	// The effective list leaves roles of a domain out.
	local, err := roles.Create(t.Context(), w.seed.Client, roles.CreateOpts{Name: "local", DomainID: w.seed.Domain}).Extract()
	if err != nil {
		t.Fatal(err)
	}
	w.roles["local"] = local.ID
	w.assign(t, "local", roles.AssignOpts{ProjectID: project, GroupID: groups["domain-role"]})
	return groups
}

// TestMembersAreComplete compares the members that Observe shows with those that
// Keystone lists for each group, for every way in which a group can be bound or
// not, alone and beside another tenant.
func TestMembersAreComplete(t *testing.T) {
	w := newWorld(t)
	project, other := w.tenant(t, "complete"), w.tenant(t, "other")
	groups := w.assorted(t, project, other)
	scope := driver.Scope{ID: project}
	for name, id := range groups {
		asked := access.Group{Name: name}
		if len(name)%2 == 0 { // known by id, or by name alone
			asked.Ref = id
		}
		scope.Groups = append(scope.Groups, asked)
	}
	for _, marks := range []bool{false, true} {
		for _, scopes := range [][]driver.Scope{{scope}, {{ID: other}, scope}} {
			scopes[len(scopes)-1].Marks = marks
			t.Run(fmt.Sprintf("marks=%v,scopes=%d", marks, len(scopes)), func(t *testing.T) {
				got, err := w.open(t).Observe(t.Context(), scopes)
				if err != nil {
					t.Fatal(err)
				}
				state := got[len(got)-1].State
				for name, id := range groups {
					if diff := cmp.Diff(w.asked(t, id), membersOf(state, name)); diff != "" {
						t.Errorf("members of the group %q: %s", name, diff)
					}
				}
				if diff := cmp.Diff([]string{
					"laws-operator → two-roles",
					"laws-reader → bound", "laws-reader → disabled", "laws-reader → empty", "laws-reader → other-domain",
					"laws-reader → two-roles",
					"local@" + w.seed.Domain + " → domain-role",
				}, keysOf(state)); diff != "" {
					t.Errorf("bindings, without the inherited ones: %s", diff)
				}
			})
		}
	}
}

func membersOf(s access.State, name string) []string {
	i := slices.IndexFunc(s.Groups, func(g access.Group) bool { return g.Name == name })
	if i < 0 {
		return nil
	}
	ids := []string{}
	for _, m := range s.Groups[i].Members {
		ids = append(ids, m.Ref)
	}
	return ids
}

func keysOf(s access.State) []string {
	var keys []string
	for _, b := range s.Bindings {
		keys = append(keys, b.Key().String())
	}
	slices.Sort(keys)
	return keys
}

// TestObserveShowsForeignObjects has what nobody should mistake for ours.
func TestObserveShowsForeignObjects(t *testing.T) {
	w, elsewhere := newWorld(t), newWorld(t)
	project := w.tenant(t, "foreign")
	ada, bob := w.user(t, "ada@example.com"), w.user(t, "bob@example.com")
	namesake := elsewhere.group(t, "admins", ada)
	w.assign(t, lawRoles[0], roles.AssignOpts{ProjectID: project, GroupID: namesake})
	w.assign(t, lawRoles[1], roles.AssignOpts{ProjectID: project, UserID: ada})
	w.assign(t, lawRoles[1], roles.AssignOpts{ProjectID: project, UserID: bob})
	renamed := w.group(t, "new-name", bob)

	got, err := w.open(t).Observe(t.Context(), []driver.Scope{{
		ID: project, Marks: true,
		Groups: []access.Group{{Name: "admins"}, {Name: "old-name", Ref: renamed}, {Name: "removed", Ref: "0123456789abcdef0123456789abcdef"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	people := []access.Member{{Account: access.Account{Ref: ada}}, {Account: access.Account{Ref: bob}}}
	slices.SortFunc(people, access.CompareMembers)
	foreign := "admins@" + elsewhere.seed.Domain
	want := access.State{
		Groups: []access.Group{
			{Name: foreign, Ref: namesake, Members: []access.Member{{Account: access.Account{Ref: ada}}}},
			{Name: "new-name", Ref: renamed, Members: []access.Member{{Account: access.Account{Ref: bob}}}},
		},
		Bindings: []access.Binding{
			{Role: lawRoles[1], Ref: "projects/" + project + "/users/roles/" + w.roles[lawRoles[1]], Subjects: people, Mark: access.Unread()},
			{
				Role: lawRoles[0], Group: foreign, GroupRef: namesake, Mark: access.Unread(),
				Ref: "projects/" + project + "/groups/" + namesake + "/roles/" + w.roles[lawRoles[0]],
			},
		},
	}
	if diff := cmp.Diff(want, got[0].State); diff != "" {
		t.Error(diff)
	}
}

// TestConvergedCalls: two calls, however many tenants.
func TestConvergedCalls(t *testing.T) {
	w := newWorld(t)
	ada := w.user(t, "ada@example.com")
	d := w.open(t)
	var scopes []driver.Scope
	for i := range 5 {
		scope := driver.Scope{ID: w.tenant(t, fmt.Sprintf("calls-%d", i))}
		for k := range 3 {
			name := fmt.Sprintf("calls-%d-%d", i, k)
			id := w.group(t, name, ada)
			w.assign(t, lawRoles[k], roles.AssignOpts{ProjectID: scope.ID, GroupID: id})
			scope.Groups = append(scope.Groups, access.Group{Name: name, Ref: id})
		}
		scopes = append(scopes, scope)
	}
	if _, err := d.Observe(t.Context(), scopes[:1]); err != nil { // signs in, and finds the domain
		t.Fatal(err)
	}
	for _, n := range []int{1, 5} {
		ctx, meter := budget.WithMeter(t.Context())
		if _, err := d.Observe(ctx, scopes[:n]); err != nil {
			t.Fatal(err)
		}
		if meter.Calls() != 2 {
			t.Errorf("Observe of %d tenants that are as they should be made %d calls, want 2", n, meter.Calls())
		}
	}
}

// TestTruncatedIsNoAnswer reads through a Keystone whose list_limit is low.
func TestTruncatedIsNoAnswer(t *testing.T) {
	w := newWorld(t)
	limited := proxyTo(t, keystone.ForTest(t, keystone.Options{ListLimit: 3}))
	d := openAt(t, limited.URL(), w.name, w.server.Admin().Environ("CLOUD"))
	project := w.tenant(t, "truncated")
	var people, names []string
	for i := range 25 {
		names = append(names, fmt.Sprintf("user-%d@example.com", i))
		people = append(people, w.user(t, names[i]))
	}
	bound := w.group(t, "bound", people[:5]...)
	w.assign(t, lawRoles[0], roles.AssignOpts{ProjectID: project, GroupID: bound})
	w.group(t, "unbound", people[:4]...)
	w.group(t, "third")
	w.group(t, "fourth")

	got, err := d.Observe(t.Context(), []driver.Scope{{ID: project}})
	if err != nil {
		t.Fatalf("lists of assignments are never cut, and the project's has no other: %v", err)
	}
	if n := len(membersOf(got[0].State, "bound")); n != 5 {
		t.Errorf("the effective list shows %d of 5 members", n)
	}
	for name, read := range map[string]func() error{
		"the list of groups, for marks": func() error {
			_, err := d.Observe(t.Context(), []driver.Scope{{ID: project, Marks: true}, {ID: project}})
			return err
		},
		"the list of a group's members": func() error {
			_, err := d.Observe(t.Context(), []driver.Scope{{ID: project, Groups: []access.Group{{Name: "unbound"}}}})
			return err
		},
		"the list of users": func() error {
			_, err := d.Resolve(t.Context(), names)
			return err
		},
	} {
		if err := read(); !errors.Is(err, fault.ErrTruncated) {
			t.Errorf("%s is cut: got the error %v, want ErrTruncated", name, err)
		}
	}
}

// TestResolveMany takes the one list, and must say the same as one by one.
func TestResolveMany(t *testing.T) {
	w := newWorld(t)
	d := w.open(t)
	var names []string
	for i := range 30 {
		names = append(names, fmt.Sprintf("many-%d@example.com", i))
		ref := w.user(t, names[i])
		if i%7 == 0 {
			w.disable(t, ref)
		}
	}
	names = append(names, "nobody@example.com", "MANY-1@example.com", "", names[3])
	ctx, meter := budget.WithMeter(t.Context())
	all, err := d.Resolve(ctx, names)
	if err != nil {
		t.Fatal(err)
	}
	if meter.Calls() > 3 { // with signing in and finding the domain
		t.Errorf("%d names cost %d calls", len(names), meter.Calls())
	}
	for i, name := range names {
		single, err := d.Resolve(t.Context(), []string{name})
		if err != nil {
			t.Fatal(err)
		}
		want := single[0]
		if name == "MANY-1@example.com" {
			want.Similar = access.DiffersByCase // only a list of all users shows that
		}
		if diff := cmp.Diff(want, all[i]); diff != "" {
			t.Errorf("the account number %d among many: %s", i, diff)
		}
	}
}

// TestRemovedGroupIsLookedForAgain removes a group between two steps, so that
// what the driver remembers of it is wrong.
func TestRemovedGroupIsLookedForAgain(t *testing.T) {
	w := newWorld(t)
	d := w.open(t)
	scope := driver.Scope{ID: w.tenant(t, "again"), Mark: access.Mark{Installation: "test", Tenant: "a.b/c"}}
	create, bind := createGroup("again"), bindGroup("again", lawRoles[0])
	first := d.Apply(t.Context(), scope, create)[0]
	if first.Err != nil {
		t.Fatal(first.Err)
	}
	if _, err := w.seed.Client.Delete(t.Context(), w.seed.Client.ServiceURL("groups", first.Ref), nil); err != nil {
		t.Fatal(err)
	}
	if got := d.Apply(t.Context(), scope, bind)[0]; !errors.Is(got.Err, fault.ErrNotFound) {
		t.Errorf("binding a group that is gone: got %+v, want ErrNotFound", got)
	}
	again, err := w.seed.Group(t.Context(), "again", scope.Mark.Text()) // another worker made it
	if err != nil {
		t.Fatal(err)
	}
	if got := d.Apply(t.Context(), scope, bind)[0]; got.Err != nil || !strings.Contains(got.Ref, again) {
		t.Errorf("binding the new group: got %+v", got)
	}
}

// TestRenameTakesTwoCalls: one to see what is there, and one to write it. What
// people wrote around our mark stays.
func TestRenameTakesTwoCalls(t *testing.T) {
	w := newWorld(t)
	d := w.open(t)
	scope := driver.Scope{ID: w.tenant(t, "rename"), Mark: access.Mark{Installation: "test", Tenant: "a.b/c"}}
	made := d.Apply(t.Context(), scope, createGroup("before"))[0]
	if made.Err != nil {
		t.Fatal(made.Err)
	}
	text := "READ ME\n" + scope.Mark.Text() + "\nask the reception"
	w.describe(t, made.Ref, text)
	step := renameGroup(access.Group{Name: "before", Ref: made.Ref, Mark: scope.Mark}, "after")
	for i, want := range []int{2, 1} {
		ctx, meter := budget.WithMeter(t.Context())
		if got := d.Apply(ctx, scope, step)[0]; got.Err != nil || got.Ref != made.Ref || meter.Calls() != want {
			t.Errorf("%d. rename: got %+v after %d calls, want %d", i+1, got, meter.Calls(), want)
		}
	}
	if got := w.description(t, made.Ref); got != text {
		t.Errorf("the description became %q, want %q", got, text)
	}
	bind := d.Apply(t.Context(), scope, bindGroup("before", lawRoles[0]))[0]
	if !errors.Is(bind.Err, fault.ErrNotFound) {
		t.Errorf("binding a group that has another name now: got %+v, want ErrNotFound", bind)
	}
}

// TestRenameMeetsOthers: names are unique, whoever has them, and what moves between
// the plan and the call is left alone.
func TestRenameMeetsOthers(t *testing.T) {
	w := newWorld(t)
	d := w.open(t)
	scope := driver.Scope{ID: w.tenant(t, "meets"), Mark: access.Mark{Installation: "test", Tenant: "a.b/c"}}
	w.group(t, "strangers")
	other := access.Mark{Installation: "others", Tenant: "a.b/c"}
	for reason, c := range map[string]struct {
		mark     access.Mark
		from, to string
		want     error
	}{
		"a stranger has the name":         {scope.Mark, "", "strangers", fault.ErrConflict},
		"it is another installation's":    {other, "", "free", fault.ErrConflict},
		"it has got a third name":         {scope.Mark, "long ago", "free", fault.ErrConflict},
		"a name that Keystone would bend": {scope.Mark, "", "free ", fault.ErrInvalid},
		"nothing in the way":              {access.Mark{}, "", "free", nil},
	} {
		id, err := w.seed.Group(t.Context(), reason, c.mark.Text())
		if err != nil {
			t.Fatal(err)
		}
		step := renameGroup(access.Group{Name: order.Or(c.from, reason), Ref: id}, c.to)
		if got := d.Apply(t.Context(), scope, step)[0]; !errors.Is(got.Err, c.want) {
			t.Errorf("%s: got %+v, want %v", reason, got, c.want)
		}
		if left := w.description(t, id); c.want != nil && left != c.mark.Text() {
			t.Errorf("%s: the description became %q", reason, left)
		}
	}
}

// TestUnknownRoleIsNamed: the documents are wrong, and only a person can help.
func TestUnknownRoleIsNamed(t *testing.T) {
	w := newWorld(t)
	d := w.open(t)
	scope := driver.Scope{ID: w.tenant(t, "role"), Mark: access.Mark{Installation: "test", Tenant: "a.b/c"}}
	got := d.Apply(t.Context(), scope, bindGroup("any", "no-such-role"))[0]
	if !errors.Is(got.Err, fault.ErrInvalid) || !strings.Contains(got.Err.Error(), `"no-such-role"`) {
		t.Errorf("got the error %v, want ErrInvalid naming the role", got.Err)
	}
	made, err := roles.Create(t.Context(), w.seed.Client, roles.CreateOpts{Name: "late-" + w.name}).Extract()
	if err != nil {
		t.Fatal(err)
	}
	results := slices.Concat(
		d.Apply(t.Context(), scope, createGroup("late")), d.Apply(t.Context(), scope, bindGroup("late", made.Name)))
	for _, r := range results {
		if r.Err != nil {
			t.Errorf("a role that was made since: %v", r.Err)
		}
	}
}

func renameGroup(have access.Group, name string) []plan.Step {
	want := have
	want.Name = name
	return []plan.Step{{
		ID: "rename", Op: plan.Change, Kind: access.KindGroup, Have: plan.Object{Group: &have}, Want: plan.Object{Group: &want},
	}}
}

func createGroup(name string) []plan.Step {
	return []plan.Step{{ID: "create", Op: plan.Create, Kind: access.KindGroup, Want: plan.Object{Group: &access.Group{Name: name}}}}
}

func bindGroup(group, role string) []plan.Step {
	return []plan.Step{{
		ID: "bind", Op: plan.Create, Kind: access.KindBinding,
		Want: plan.Object{Binding: &access.Binding{Group: group, Role: role}},
	}}
}
