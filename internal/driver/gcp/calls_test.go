package gcp_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/simulate/google"
)

const (
	readPolicy  = "cloudresourcemanager.projects.getIamPolicy"
	writePolicy = "cloudresourcemanager.projects.setIamPolicy"
	listMembers = "cloudidentity.groups.memberships.list"
	addMember   = "cloudidentity.groups.memberships.create"
	dropMember  = "cloudidentity.groups.memberships.delete"
	listGroups  = "cloudidentity.groups.list"
	makeGroup   = "cloudidentity.groups.create"
)

// crowd makes tenants with three groups each, as Rollcall would have left them.
func (w *world) crowd(n int) []driver.Scope {
	var scopes []driver.Scope
	for i := range n {
		project := w.project(fmt.Sprintf("crowd-%d", i))
		of := access.TenantID{Workspace: "laws", Project: fmt.Sprintf("crowd-%d", i), Platform: "gcp.test"}
		scope := driver.Scope{Tenant: of, ID: project, Mark: access.Mark{Installation: "here", Tenant: of.String()}}
		for r, role := range lawRoles() {
			name := fmt.Sprintf("crowd-%d-%d", i, r)
			id := w.server.AddGroup(email(name), scope.Mark.Text(), "somebody@elsewhere.example.org")
			w.server.Bind(project, google.Binding{Role: role, Members: []string{"group:" + email(name)}})
			scope.Groups = append(scope.Groups, access.Group{Name: name, Ref: "groups/" + id})
		}
		scopes = append(scopes, scope)
	}
	return scopes
}

// TestCallsOfAVerification counts what a look at converged tenants costs. The
// floor is a policy for each project and a list for each group.
func TestCallsOfAVerification(t *testing.T) {
	w := newWorld(t, calm())
	scopes := w.crowd(100)
	cases := []struct {
		reason string
		scopes int
		marks  bool
		want   map[string]int
	}{
		{"one tenant", 1, false, map[string]int{readPolicy: 1, listMembers: 3}},
		{"one tenant with its marks", 1, true, map[string]int{readPolicy: 1, listMembers: 3, "cloudidentity.groups.get": 3}},
		{"a hundred", 100, false, map[string]int{readPolicy: 100, listMembers: 300}},
		{"a hundred with their marks", 100, true, map[string]int{readPolicy: 100, listMembers: 300, listGroups: 1}},
	}
	for _, c := range cases {
		d := w.open(t)
		asked := append([]driver.Scope{}, scopes[:c.scopes]...)
		for i := range asked {
			asked[i].Marks = c.marks
		}
		got := w.counted(func() {
			seen, err := d.Observe(t.Context(), asked)
			if err != nil || len(seen) != c.scopes || len(seen[0].State.Groups) != 3 || len(seen[0].State.Groups[0].Members) != 1 {
				t.Fatalf("%s: Observe = %d observations, %v", c.reason, len(seen), err)
			}
		})
		delete(got, "oauth2.token")
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s costs other calls: %s", c.reason, diff)
		}
	}
}

// TestCallsOfAChange counts what a run writes: one call for each person, and one
// policy for all roles.
func TestCallsOfAChange(t *testing.T) {
	w := newWorld(t, calm())
	tenant := w.tenant(t, "change")
	people := w.people("ada", "bob", "eve")
	three := lawRoles()
	all := tenant.plan(tenant.roles(three, people[:2]...))
	first := w.counted(func() { tenant.run(all) })
	if first[makeGroup] != 1 || first[addMember] != 2 || first[writePolicy] != 1 {
		t.Errorf("a new tenant with three roles took %v, want one group, two memberships and one policy", first)
	}
	tenant.sync(tenant.roles(three, people[:2]...))
	cases := []struct {
		reason string
		people []access.Member
		want   map[string]int
	}{
		{"one person more", people, map[string]int{addMember: 1}},
		{"one person less", people[1:], map[string]int{dropMember: 1}},
	}
	for _, c := range cases {
		p := tenant.plan(tenant.roles(three, c.people...))
		if got := w.counted(func() { tenant.run(p) }); cmp.Diff(c.want, got) != "" {
			t.Errorf("%s costs other calls: %s", c.reason, cmp.Diff(c.want, got))
		}
		tenant.sync(tenant.roles(three, c.people...))
		tenant.has(c.people...)
	}
	less := w.counted(func() { tenant.run(tenant.plan(tenant.roles(three[:1], people[1:]...))) })
	if less[writePolicy] != 1 {
		t.Errorf("two roles less took %d writes of the policy, want one: %v", less[writePolicy], less)
	}
}

// TestManyPeopleAreAskedForTogether is about the list that is cheaper than a
// search for each.
func TestManyPeopleAreAskedForTogether(t *testing.T) {
	w := newWorld(t, calm())
	var names []string
	for i := range 120 {
		names = append(names, fmt.Sprintf("person-%d@%s", i, domain))
		w.user(names[i])
	}
	got := w.counted(func() {
		answers, err := w.open(t).Resolve(t.Context(), append([]string{"Nobody@" + domain}, names...))
		if err != nil || answers[0].Found != access.No {
			t.Fatalf("Resolve = %v, %v", answers, err)
		}
		for i, a := range answers[1:] {
			if a.Found != access.Yes || a.Refs[0] != strings.ToLower(names[i]) {
				t.Fatalf("%s resolves to %v", names[i], a)
			}
		}
	})
	if got["directory.users.list"] != 1 {
		t.Errorf("120 people took %d lists, want one page of 500", got["directory.users.list"])
	}
}
