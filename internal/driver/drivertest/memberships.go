package drivertest

import (
	"fmt"
	"slices"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// Revocations go by this list. A set that it leaves out keeps a revoked user.
func membershipsAreWhole(l *lab) {
	lister, lists := l.driver.(driver.MembershipLister)
	if !lists {
		l.Skip("by the driver: it does not list memberships")
	}
	t := l.tenant("memberships")
	people := l.people("memberships", 2)
	want := t.want(people, people[:1])
	t.sync(want)
	t.converges(want)
	others := t.createGroups(people[0])
	for _, who := range people {
		expected := setsWith(t.look(), who.Ref)
		if who.Ref == people[0].Ref {
			expected = append(expected, others...)
		}
		l.settles(func() string {
			got, err := lister.Memberships(l.Context(), who.Ref)
			if err != nil {
				return fmt.Sprintf("Memberships failed: %v", err)
			}
			return cmp.Diff(sortedRefs(expected), t.named(got))
		})
	}
	for _, account := range []string{"00000000-0000-4000-8000-000000000000", "nobody.laws@example.com", "no/such account", ""} {
		if got, err := lister.Memberships(l.Context(), account); err != nil || len(got) > 0 {
			l.Errorf("Memberships of the account %q, which does not exist = %v, %v; want none", account, got, err)
		}
	}
	t.leavesByID(lister, people[1].Ref)
}

// createGroups makes groups of another installation that have the member, on more than one
// page where there are pages, and returns their ids.
func (t *tenant) createGroups(member access.Member) []string {
	t.Helper()
	if !t.profile.Groups {
		return nil
	}
	var unmanaged access.State
	for i := range t.world.PageSize + 1 {
		g := access.Group{Name: fmt.Sprintf("laws-member-%04d", i), Members: []access.Member{member}}
		if t.profile.Marks {
			g.Mark = access.Mark{Installation: "another", Tenant: t.scope.Tenant.String()}
		}
		unmanaged.Groups = append(unmanaged.Groups, g)
	}
	var refs []string
	for _, g := range t.world.Plant(t, t.scope.ID, unmanaged).Groups {
		refs = append(refs, g.Ref)
	}
	return refs
}

// setsWith returns the ids of the groups and roles that have the account.
func setsWith(s access.State, account string) []string {
	has := func(members []access.Member) bool {
		return slices.ContainsFunc(members, func(m access.Member) bool { return m.Ref == account })
	}
	var refs []string
	for _, g := range s.Groups {
		if has(g.Members) {
			refs = append(refs, g.Ref)
		}
	}
	for _, b := range s.Bindings {
		if has(b.Subjects) {
			refs = append(refs, b.Ref)
		}
	}
	return refs
}

// named returns the ids of memberships, and checks what else they say.
func (t *tenant) named(all []driver.Membership) []string {
	t.Helper()
	seen := t.look()
	var refs []string
	for _, m := range all {
		refs = append(refs, m.Ref())
		for _, g := range seen.Groups {
			if m.Group != nil && g.Ref == m.Group.Ref && !m.Group.Mark.Unread && m.Group.Mark != g.Mark {
				t.Errorf("group %s is listed with the mark %+v, and observed with %+v", g.Ref, m.Group.Mark, g.Mark)
			}
		}
		for _, b := range seen.Bindings {
			if m.Binding != nil && b.Ref == m.Binding.Ref && m.Binding.Key() != b.Key() {
				t.Errorf("role %s is listed as %v, and observed as %v", b.Ref, m.Binding.Key(), b.Key())
			}
		}
		if (m.Group == nil) == (m.Binding == nil) {
			t.Errorf("the membership %+v is neither a group nor a role, or both", m)
		}
	}
	return sortedRefs(refs)
}

// leavesByID checks that the listed groups can be left without the tenant's id: it may be
// forgotten.
func (t *tenant) leavesByID(lister driver.MembershipLister, account string) {
	t.Helper()
	found, err := lister.Memberships(t.Context(), account)
	if err != nil {
		t.Fatalf("Memberships failed: %v", err)
	}
	scope := t.scope
	scope.ID, scope.Groups = "", nil
	left := 0
	for _, m := range found {
		if m.Group == nil {
			continue
		}
		left++
		step := plan.Step{ID: "leave-" + m.Ref(), Op: plan.Change, Kind: access.KindMembers, Have: plan.Object{Members: &plan.Members{
			Group: t.set(0), GroupRef: m.Ref(), Accounts: []access.Member{{Account: access.Account{Ref: account}}},
		}}}
		if r := t.driver.Apply(t.Context(), scope, []plan.Step{step}); len(r) != 1 || r[0].Err != nil {
			t.Errorf("removing a member of the group %s without the tenant's id: %+v", m.Ref(), r)
		}
	}
	if left == 0 {
		return
	}
	t.settles(func() string {
		got, err := lister.Memberships(t.Context(), account)
		if err != nil || len(got) > 0 {
			return fmt.Sprintf("after it was removed the account is listed in %v, %v", t.named(got), err)
		}
		return ""
	})
}

func sortedRefs(refs []string) []string {
	refs = append([]string{}, refs...)
	slices.Sort(refs)
	return refs
}
