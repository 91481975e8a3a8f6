package plan_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// TestGuardKnowsEarlierAnswers: accounts that the platform refused do not raise the limit
// for those who leave, and a group that was emptied is deleted like one with members.
func TestGuardKnowsEarlierAnswers(t *testing.T) {
	five := []string{"a", "b", "c", "d", "e"}
	var comers []string
	for i := range 100 {
		comers = append(comers, fmt.Sprintf("new-%d", i))
	}
	deletion := plan.Removal{Object: access.Key{Kind: access.KindGroup, Group: "g"}, Ref: "g-1"}
	emptied := func(change func(*plan.Input)) plan.Input {
		in := crew(nil, nil)
		in.Rules.Gone, in.Emptied = true, []string{"g"}
		change(&in)
		return in
	}
	refused := func(names ...string) plan.Input {
		in := crew(five, comers)
		in.RefusedMembers = leaves(names...)
		return in
	}
	for _, c := range []struct {
		reason string
		in     plan.Input
		held   []plan.Removal
	}{
		{"all comers may join: five of 105 leave", refused(), nil},
		{"half of them were refused: five of 55 leave", refused(comers[:50]...), nil},
		{"all of them were refused: five of five leave", refused(comers...), leaves(five...)},
		{"an empty group of a removed tenant goes", removedTenant(), nil},
		{"one that its members left waits, as it did with them", emptied(func(*plan.Input) {}), []plan.Removal{deletion}},
		{"so does one that no mapping asks for", emptied(func(in *plan.Input) { in.Rules.Gone = false }), []plan.Removal{deletion}},
		{"it is approved", emptied(func(in *plan.Input) { in.Approved = []plan.Removal{deletion} }), nil},
		{"the landing zone approves it beforehand", emptied(func(in *plan.Input) { in.Rules.AutoDelete = true }), nil},
		{"another group was emptied", emptied(func(in *plan.Input) { in.Emptied = []string{"h"} }), nil},
	} {
		p := plan.Make(c.in)
		if diff := cmp.Diff(c.held, p.HeldRemovals(), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: held (-want +got):\n%s\n%s", c.reason, diff, p)
		}
	}
}

// removedTenant is crew for a removed tenant without members.
func removedTenant() plan.Input {
	in := crew(nil, nil)
	in.Rules.Gone = true
	return in
}
