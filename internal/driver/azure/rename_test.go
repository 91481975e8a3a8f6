package azure_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
	simulated "github.com/rollcall-iam/rollcall/internal/simulate/azure"
)

// rename is the step that gives a group a name and our mark.
func (t *tenant) rename(from, ref, to string) plan.Step {
	return plan.Step{
		Op: plan.Change, Kind: access.KindGroup, Object: from,
		Have: plan.Object{Group: &access.Group{Name: from, Ref: ref}},
		Want: plan.Object{Group: &access.Group{Name: to, Ref: ref, Mark: t.scope.Mark}},
	}
}

// TestIncidentGroupNotYetVisibleToTheRoleAPI: Azure refuses a role for a group that
// it has not heard of with 400, and Graph refuses its members with 400, which would
// be an end. A group that is made anew under another name is filled and bound at
// once: both are tried again until they see it.
func TestIncidentGroupNotYetVisibleToTheRoleAPI(t *testing.T) {
	for name, late := range map[string]bool{"ARM is late": false, "Graph's writes are late, too": true} {
		t.Run(name, func(t *testing.T) {
			at := newClock()
			w := newWorld(t, simulated.Options{Stale: time.Minute, LateWrites: late, Clock: at.read})
			shop := w.newTenant(t, "prod")
			people := w.users("p", 2)
			at.advance(time.Hour)
			ref := shop.must(createGroup("anew"))
			role := give(access.Binding{Role: "Reader", Group: "anew", GroupRef: ref})
			if _, err := shop.apply(role); !errors.Is(err, fault.ErrUnavailable) {
				t.Errorf("a role before ARM sees the group: %v, want unavailable", err)
			}
			fill := change("anew", ref, people, nil)
			if _, err := shop.apply(fill); late && !errors.Is(err, fault.ErrUnavailable) || !late && err != nil {
				t.Errorf("members before all of Graph sees the group: %v", err)
			}
			at.advance(2 * time.Minute)
			shop.must(role)
			shop.must(fill)
			at.advance(2 * time.Minute)
			got := shop.look("anew")
			if len(got.Groups) != 1 || len(got.Groups[0].Members) != 2 || len(got.Bindings) != 1 || len(w.cloud.Groups(w.tenant)) != 1 {
				t.Errorf("in the end there is %+v", got)
			}
		})
	}
}

// TestFormerNameOfARenamedGroup: a uniqueName never changes, so that of the former
// name still leads to the renamed group. Who makes a group of that name must not get
// it, nor name it back, whatever reads show.
func TestFormerNameOfARenamedGroup(t *testing.T) {
	at := newClock()
	w := newWorld(t, simulated.Options{Stale: time.Minute, Clock: at.read})
	shop := w.newTenant(t, "prod")
	ref := shop.must(createGroup("admins"))
	at.advance(time.Hour)
	shop.must(shop.rename("admins", ref, "owners"))
	if got, err := shop.apply(createGroup("admins")); !errors.Is(err, fault.ErrUnavailable) {
		t.Errorf("before the rename is shown: %q, %v, want unavailable", got, err)
	}
	if g, _ := w.cloud.Group(w.tenant, ref); g.DisplayName != "owners" {
		t.Errorf("the renamed group is %q", g.DisplayName)
	}
	refs := map[string]string{"owners": ref}
	for _, former := range []string{"admins", "admins"} { // and the next one goes the same way
		at.advance(2 * time.Minute)
		shop.driver = w.open(t)
		made := shop.must(createGroup(former))
		for name, other := range refs {
			if made == other {
				t.Fatalf("creating %q answers with the group that is %q now", former, name)
			}
		}
		at.advance(2 * time.Minute)
		shop.driver = w.open(t)
		if again := shop.must(createGroup(former)); again != made {
			t.Fatalf("created twice: %s and %s", made, again)
		}
		shop.driver = w.open(t)
		name := former + strings.Repeat("-former", len(refs))
		shop.must(shop.rename(former, made, name))
		refs[name] = made
	}
	at.advance(2 * time.Minute)
	for name, want := range refs { // known by name and mark alone
		shop.driver = w.open(t)
		if got := shop.must(createGroup(name)); got != want {
			t.Errorf("creating %q, which is there by a rename: %s, want %s", name, got, want)
		}
		if got := shop.must(change(name, "", w.users(name, 1), nil)); got != want {
			t.Errorf("filling %q without its id: %s, want %s", name, got, want)
		}
	}
	if n := len(w.cloud.Groups(w.tenant)); n != len(refs) {
		t.Errorf("there are %d groups, want %d", n, len(refs))
	}
}

// TestCreationChangesNothing that is there: what people wrote beside the mark, and
// the mark of somebody who has taken the group over.
func TestCreationChangesNothing(t *testing.T) {
	w := newWorld(t, simulated.Options{Stale: -1})
	shop := w.newTenant(t, "prod")
	ref := shop.must(createGroup("admins"))
	for text, want := range map[string]error{
		"Ask first. " + shop.scope.Mark.Text():                                    nil,
		(access.Mark{Installation: "others", Tenant: "shop.prod/azure.x"}).Text(): fault.ErrConflict,
		"": fault.ErrConflict,
	} {
		w.cloud.SetGroup(w.tenant, ref, func(g *simulated.Group) { g.Description = text })
		shop.driver = w.open(t)
		if _, err := shop.apply(createGroup("admins")); !errors.Is(err, want) {
			t.Errorf("creating a group that is described as %q: %v, want %v", text, err, want)
		}
		if g, _ := w.cloud.Group(w.tenant, ref); g.Description != text {
			t.Errorf("creating it again made %q of its description %q", g.Description, text)
		}
	}
}

// TestNamesThatAreTaken: Graph allows twins. Two of ours could not be told apart;
// others' do not matter.
func TestNamesThatAreTaken(t *testing.T) {
	w := newWorld(t, simulated.Options{Stale: -1})
	shop := w.newTenant(t, "prod")
	for text, want := range map[string]error{
		shop.scope.Mark.Text(): fault.ErrConflict,
		(access.Mark{Installation: "test", Tenant: "shop.dev/azure.test"}).Text():    fault.ErrConflict,
		(access.Mark{Installation: "others", Tenant: "shop.prod/azure.test"}).Text(): nil,
		"a company's own group": nil,
	} {
		ref := shop.must(createGroup("former"))
		other := w.cloud.PlantGroup(w.tenant, simulated.Group{DisplayName: "taken", Description: text})
		if _, err := shop.apply(shop.rename("former", ref, "taken")); !errors.Is(err, want) {
			t.Errorf("beside a group that is described as %q: %v, want %v", text, err, want)
		}
		w.cloud.DeleteGroup(w.tenant, ref)
		w.cloud.DeleteGroup(w.tenant, other)
	}
	ref := w.cloud.PlantGroup(w.tenant, simulated.Group{DisplayName: "full", Description: strings.Repeat("ä", 1000)})
	if _, err := shop.apply(shop.rename("full", ref, "full")); !errors.Is(err, fault.ErrInvalid) {
		t.Errorf("a description without room for a mark: %v, want invalid", err)
	}
}

// TestCarriedBelow: a role that somebody gave to the old group on a part of the
// tenant is carried over to that part, not to all of the tenant.
func TestCarriedBelow(t *testing.T) {
	w := newWorld(t, simulated.Options{Stale: -1})
	shop := w.newTenant(t, "prod")
	part := w.cloud.AddResourceGroup(strings.TrimPrefix(shop.scope.ID, "/subscriptions/"), "Data")
	former, latter := shop.must(createGroup("former")), shop.must(createGroup("latter"))
	const condition = "((!(ActionMatches{'Microsoft.Storage/a'})))"
	w.cloud.PlantAssignment(simulated.Assignment{Scope: part, Role: "Reader", Principal: former, Condition: condition})
	seen := shop.look("former", "latter").Bindings
	if len(seen) != 1 || seen[0].Name == "" {
		t.Fatalf("what others gave looks like %+v", seen)
	}
	carried := seen[0]
	carried.Group, carried.GroupRef, carried.Ref, carried.Carried, carried.Mark = "latter", latter, "", true, shop.scope.Mark
	ref := shop.must(give(carried))
	if again := shop.must(give(carried)); again != ref {
		t.Errorf("carried twice: %s and %s", ref, again)
	}
	want := seen[0]
	want.Group, want.GroupRef, want.Ref = "latter", latter, ref
	for _, b := range shop.look("former", "latter").Bindings {
		if diff := cmp.Diff(want, b); b.Group == "latter" && diff != "" {
			t.Errorf("the carried role is not as the other: %s", diff)
		}
	}
	if n := len(w.cloud.Assignments(shop.scope.ID)); n != 0 {
		t.Errorf("%d roles were given on the whole tenant", n)
	}
	for name, spoil := range map[string]func(*access.Binding){
		"ours":        func(b *access.Binding) { b.Carried = false },
		"outside":     func(b *access.Binding) { b.Name = "../" + b.Name },
		"back inside": func(b *access.Binding) { b.Name += "/../.." },
		"no path":     func(b *access.Binding) { b.Name = "resourcegroups" },
		"a query":     func(b *access.Binding) { b.Name += "?x=y" },
	} {
		b := carried
		spoil(&b)
		if _, err := shop.apply(give(b)); !errors.Is(err, fault.ErrInvalid) && !errors.Is(err, fault.ErrUnsupported) {
			t.Errorf("%s: %v, want it refused", name, err)
		}
	}
}
