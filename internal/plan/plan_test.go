package plan_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

func TestGuardHolds(t *testing.T) {
	tests := []struct {
		reason        string
		guard         plan.Guard
		gone, present int
		want          bool
	}{
		{"nothing goes", plan.Guard{}, 0, 0, false},
		{"nothing goes from a full group", plan.Guard{}, 0, 9, false},
		{"the zero guard holds everything", plan.Guard{}, 1, 9, true},
		{"the last member, whom a caller named", plan.Guard{Most: 9, Percent: 100}, 1, 1, false},
		{"the last two members", plan.Guard{Most: 9, Percent: 100}, 2, 2, false},
		{"the last three members", plan.Guard{Most: 9, Percent: 100}, 3, 3, true},
		{"the last member, whom no one named", plan.Guard{Most: 9, Percent: 100, Unnamed: true}, 1, 1, true},
		{"not the last member, whom no one named", plan.Guard{Most: 9, Percent: 100, Unnamed: true}, 1, 2, false},
		{"all members, although the limit is higher", plan.Guard{Most: 9, Percent: 100}, 5, 5, true},
		{"all but one", plan.Guard{Most: 9}, 4, 5, false},
		{"exactly the number", plan.DefaultGuard(), 2, 5, false},
		{"one more than the number", plan.DefaultGuard(), 3, 5, true},
		{"the number is more than the share", plan.DefaultGuard(), 2, 9, false},
		{"exactly the share", plan.DefaultGuard(), 4, 20, false},
		{"one more than the share", plan.DefaultGuard(), 5, 20, true},
		{"the share is rounded down", plan.DefaultGuard(), 4, 19, true},
	}
	for _, test := range tests {
		if got := test.guard.Holds(test.gone, test.present); got != test.want {
			t.Errorf("%s: %+v.Holds(%d, %d) = %t, want %t", test.reason, test.guard, test.gone, test.present, got, test.want)
		}
	}
}

func TestStepAddsAndRemoves(t *testing.T) {
	people := func(refs ...string) []access.Member {
		var all []access.Member
		for _, ref := range refs {
			all = append(all, access.Member{Account: access.Account{Ref: ref}})
		}
		return all
	}
	members := func(refs ...string) plan.Object {
		return plan.Object{Members: &plan.Members{Group: "g", Accounts: people(refs...)}}
	}
	binding := func(refs ...string) plan.Object {
		return plan.Object{Binding: &access.Binding{Role: "edit", Subjects: people(refs...)}}
	}
	tests := []struct {
		reason        string
		step          plan.Step
		adds, removes []access.Member
		key           access.Key
	}{
		{
			"members list what comes and goes", plan.Step{Have: members("u3"), Want: members("u1", "u2")},
			people("u1", "u2"), people("u3"), access.Key{Kind: access.KindMembers, Group: "g"},
		},
		{
			"a binding lists all its subjects, before and after", plan.Step{Have: binding("u1", "u2"), Want: binding("u2", "u3")},
			people("u3"), people("u1"), access.Key{Kind: access.KindBinding, Role: "edit"},
		},
		{
			"in any order", plan.Step{Have: binding("u2", "u1"), Want: binding("u3", "u2")},
			people("u3"), people("u1"), access.Key{Kind: access.KindBinding, Role: "edit"},
		},
		{
			"a deleted binding takes from all", plan.Step{Have: binding("u1")},
			nil, people("u1"), access.Key{Kind: access.KindBinding, Role: "edit"},
		},
		{
			"a group is about nobody", plan.Step{Want: plan.Object{Group: &access.Group{Name: "g"}}},
			nil, nil, access.Key{Kind: access.KindGroup, Group: "g"},
		},
		{"an empty step", plan.Step{}, nil, nil, access.Key{}},
	}
	for _, test := range tests {
		if diff := cmp.Diff(test.adds, test.step.Adds()); diff != "" {
			t.Errorf("%s: Adds (-want +got):\n%s", test.reason, diff)
		}
		if diff := cmp.Diff(test.removes, test.step.Removes()); diff != "" {
			t.Errorf("%s: Removes (-want +got):\n%s", test.reason, diff)
		}
		if got := test.step.Key(); got != test.key {
			t.Errorf("%s: Key() = %v, want %v", test.reason, got, test.key)
		}
	}
}

func TestWithGroupRefKeepsTheID(t *testing.T) {
	in := plan.Input{Tenant: tenant, Rules: rules(), Desired: access.State{
		Groups:   []access.Group{{Name: "g", Members: []access.Member{{Account: access.Account{Ref: "u1"}}}}},
		Bindings: []access.Binding{{Role: "reader", Group: "g"}},
	}}
	p := plan.Make(in)
	for _, s := range p.Steps {
		lacks := s.Kind != access.KindGroup
		if s.LacksGroupRef() != lacks {
			t.Errorf("%s %q: LacksGroupRef() = %t, want %t", s.Kind, s.Object, !lacks, lacks)
		}
		known := s.WithGroupRef("ref-1")
		if known.LacksGroupRef() || known.ID != s.ID {
			t.Errorf("%s %q: WithGroupRef gave %+v", s.Kind, s.Object, known)
		}
	}
	if diff := cmp.Diff(plan.Make(in), p); diff != "" {
		t.Errorf("WithGroupRef changed the step it was called on:\n%s", diff)
	}
}

func TestPlanStep(t *testing.T) {
	p := plan.Plan{Steps: []plan.Step{{ID: "one", Object: "g"}}}
	if s, ok := p.Step("one"); !ok || s.Object != "g" {
		t.Errorf(`Step("one") = %v, %t`, s, ok)
	}
	if _, ok := p.Step("two"); ok {
		t.Error(`Step("two") found a step that is not there`)
	}
}

func TestWavesPerTenant(t *testing.T) {
	_, in := readCase(t, "testdata/001-new-tenant/input.json")
	var units []string
	for _, work := range plan.Make(in).Waves(plan.PerTenant)[1] {
		units = append(units, work.Unit)
	}
	if diff := cmp.Diff([]string{"group shop-admin", "group shop-reader", "bindings"}, units); diff != "" {
		t.Errorf("a platform that writes one policy has one unit of bindings (-want +got):\n%s", diff)
	}
}
