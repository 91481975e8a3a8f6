package drivertest

import (
	"github.com/google/go-cmp/cmp"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// These laws are about what few platforms can: conditions, and accounts that
// Rollcall makes.

// A condition that is lost gives more than was asked for, and nobody notices.
func conditionsAreKept(l *lab) {
	t := l.tenant("conditions")
	people := l.people("conditions", 1)
	for _, condition := range []string{l.world.Conditions[0], l.world.Conditions[1], ""} {
		want := t.want(people)
		want.Bindings[0].Condition = condition
		t.sync(want)
		t.converges(want)
		got, _ := bindingOf(t.look(), l.world.Roles[0], t.set(0))
		if diff := cmp.Diff(condition, got.Condition); diff != "" {
			l.Errorf("the role has another condition than was asked for: %s", diff)
		}
	}
	t.noTwins()
}

// A worker may die between making the account and saying so.
func newcomersAreBroughtIn(l *lab) {
	t := l.tenant("newcomers")
	who := access.Newcomer{
		Account: access.Account{Name: "newcomer@example.com"}, Person: "newcomer",
		Email: "newcomer@example.com", FirstName: "New", LastName: "Comer",
	}
	if got := l.resolve(who.Name)[0]; got.Found != access.No {
		l.Fatalf("an account that nobody made yet is %q", got.Found)
	}
	step := plan.Step{ID: "newcomer", Op: plan.Create, Kind: access.KindAccount, Object: who.Name, Want: plan.Object{Account: &who}}
	first := t.must(step)[0].Ref
	l.driver = l.world.Open(l)
	if again := t.must(step)[0].Ref; again != first {
		l.Errorf("bringing somebody in again answers with the id %q, the first time it was %q", again, first)
	}
	l.settles(func() string {
		got := l.resolve(who.Name)[0]
		if known := got.Found == access.Yes || got.Found == access.Pending; known && len(got.Refs) == 1 && got.Refs[0] == first {
			return ""
		}
		return "who was brought in as " + first + " is " + string(got.Found) + " with other ids, or not found"
	})
}
