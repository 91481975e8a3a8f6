package azure_test

import (
	"fmt"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// tenant is a subscription under one driver.
type tenant struct {
	testing.TB
	driver driver.Driver
	scope  driver.Scope
}

func (w *world) newTenant(t testing.TB, name string) *tenant {
	t.Helper()
	of := access.TenantID{Workspace: "shop", Project: name, Platform: "azure.test"}
	return &tenant{TB: t, driver: w.open(t), scope: driver.Scope{
		Tenant: of, ID: "/subscriptions/" + w.cloud.AddSubscription(w.tenant, ""), Marks: true,
		Mark: access.Mark{Installation: "test", Tenant: of.String()},
	}}
}

// apply does one step.
func (t *tenant) apply(s plan.Step) (string, error) {
	t.Helper()
	got := t.driver.Apply(t.Context(), t.scope, []plan.Step{s})
	return got[0].Ref, got[0].Err
}

// must does one step that has to succeed.
func (t *tenant) must(s plan.Step) string {
	t.Helper()
	ref, err := t.apply(s)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// look reads the tenant, with the groups of these names.
func (t *tenant) look(names ...string) access.State {
	t.Helper()
	scope := t.scope
	for _, name := range names {
		scope.Groups = append(scope.Groups, access.Group{Name: name})
	}
	got, err := t.driver.Observe(t.Context(), []driver.Scope{scope})
	if err != nil {
		t.Fatal(err)
	}
	return got[0].State
}

func (t *tenant) resolve(name string) access.Resolution {
	t.Helper()
	got, err := t.driver.Resolve(t.Context(), []string{name})
	if err != nil {
		t.Fatal(err)
	}
	return got[0]
}

func createGroup(name string) plan.Step {
	return plan.Step{Op: plan.Create, Kind: access.KindGroup, Object: name, Want: plan.Object{Group: &access.Group{Name: name}}}
}

func deleteGroup(name, ref string) plan.Step {
	return plan.Step{Op: plan.Delete, Kind: access.KindGroup, Object: name, Have: plan.Object{Group: &access.Group{Name: name, Ref: ref}}}
}

func members(refs []string) []access.Member {
	var all []access.Member
	for _, ref := range refs {
		all = append(all, access.Member{Account: access.Account{Ref: ref}})
	}
	return all
}

func change(name, group string, add, remove []string) plan.Step {
	s := plan.Step{Op: plan.Change, Kind: access.KindMembers, Object: name}
	if len(add) > 0 {
		s.Want.Members = &plan.Members{Group: name, GroupRef: group, Accounts: members(add)}
	}
	if len(remove) > 0 {
		s.Have.Members = &plan.Members{Group: name, GroupRef: group, Accounts: members(remove)}
	}
	return s
}

func give(b access.Binding) plan.Step {
	return plan.Step{Op: plan.Create, Kind: access.KindBinding, Object: b.Role, Want: plan.Object{Binding: &b}}
}

func take(b access.Binding) plan.Step {
	return plan.Step{Op: plan.Delete, Kind: access.KindBinding, Object: b.Role, Have: plan.Object{Binding: &b}}
}

func invite(name string) plan.Step {
	return plan.Step{Op: plan.Create, Kind: access.KindAccount, Object: name, Want: plan.Object{Account: &access.Newcomer{
		Account: access.Account{Name: name}, Person: "somebody", Email: name, FirstName: "Some", LastName: "Body",
	}}}
}

// users makes n accounts and returns their ids.
func (w *world) users(prefix string, n int) []string {
	var refs []string
	for i := range n {
		name := fmt.Sprintf("%s-%d@example.com", prefix, i)
		refs = append(refs, w.cloud.AddUser(w.tenant, name, name, true))
	}
	return refs
}

// memberRefs are the ids of an observed group's members.
func memberRefs(g access.Group) []string {
	var refs []string
	for _, m := range g.Members {
		refs = append(refs, m.Ref)
	}
	return refs
}
