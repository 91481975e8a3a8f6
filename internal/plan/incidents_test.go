package plan_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// people returns members with these ids.
func people(refs ...string) []access.Member {
	var all []access.Member
	for _, ref := range refs {
		all = append(all, access.Member{Account: access.Account{Ref: ref}})
	}
	return all
}

// granted returns a group with its roles as they are after Rollcall made them.
func granted(name, serves string, members []access.Member, roles ...string) (access.State, []plan.Owned) {
	g := access.Group{Name: name, Ref: "ref-" + name, Mark: mark, Members: members}
	state := access.State{Groups: []access.Group{g}}
	owned := []plan.Owned{{Key: g.Key(), Ref: g.Ref, Serves: serves}}
	for _, role := range roles {
		b := access.Binding{Role: role, Group: name, GroupRef: g.Ref, Mark: access.Unread()}
		state.Bindings = append(state.Bindings, b)
		owned = append(owned, plan.Owned{Key: b.Key()})
	}
	return state, owned
}

// wanted returns the same as the documents would ask for it.
func wanted(name, serves string, members []access.Member, roles ...string) access.State {
	state := access.State{Groups: []access.Group{{Name: name, Members: members, Serves: serves}}}
	for _, role := range roles {
		state.Bindings = append(state.Bindings, access.Binding{Role: role, Group: name})
	}
	return state
}

// TestIncidentRoleOrderNeverSettles: a tool compared lists of roles by place, and
// a platform that returned them in another order was changed at every run.
func TestIncidentRoleOrderNeverSettles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		roles := []string{"admin", "audit", "billing", "edit", "view"}
		members := people("u1", "u2", "u3")
		in := plan.Input{Tenant: tenant, Rules: rules(), Desired: wanted("readers", "reader", members, roles...)}
		in.Observed, in.Owned = granted("readers", "reader", members, roles...)
		if p := plan.Make(shuffled(t, in)); len(p.Steps)+len(p.Held) > 0 {
			t.Errorf("nothing but the order differs, and the plan is not empty:\n%s", p)
		}
	})
}

// TestIncidentTwoNamesThatDifferInCaseOnly: a platform for which two names are
// one refused the second group at every run, or gave back the first.
func TestIncidentTwoNamesThatDifferInCaseOnly(t *testing.T) {
	tests := []struct {
		reason     string
		ignoreCase bool
		canRename  bool
		mark       access.Mark
		steps      []string
		code       access.Code
	}{
		{"one name, and the platform renames: the group gets it", true, true, mark, []string{"change group Readers"}, ""},
		{"one name, and it cannot: the group keeps what it has", true, false, mark, nil, ""},
		{"one name, which somebody else's group has: never a second one", true, true, alien, nil, access.ObjectForeign},
		{
			"two names: one group replaces the other", false, true, mark,
			[]string{
				"create group Readers", "change members Readers", "create binding view → Readers",
				"delete binding view → readers", "delete group readers",
			}, "",
		},
		{
			"two names, and the other is somebody else's: it is left alone", false, true, alien,
			[]string{"create group Readers", "change members Readers", "create binding view → Readers"}, "",
		},
	}
	for _, test := range tests {
		in := plan.Input{Tenant: tenant, Rules: rules(), Desired: wanted("Readers", "reader", people("u1"), "view")}
		in.Rules.IgnoreCase, in.Rules.CanRename = test.ignoreCase, test.canRename
		in.Observed, in.Owned = granted("readers", "reader", people("u1"), "view")
		if in.Observed.Groups[0].Mark = test.mark; test.mark != mark {
			in.Owned = nil
		}
		p := plan.Make(in)
		var steps []string
		for _, s := range p.Steps {
			steps = append(steps, string(s.Op)+" "+string(s.Kind)+" "+s.Object)
		}
		if diff := cmp.Diff(test.steps, steps); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.reason, diff)
		}
		if has := slices.ContainsFunc(p.Remarks, func(r access.Remark) bool { return r.Code == test.code }); has != (test.code != "") {
			t.Errorf("%s: remarks %v", test.reason, p.Remarks)
		}
		end := newPlatform(in)
		for _, s := range p.Steps {
			end.apply(s)
		}
		if again := plan.Make(end.seen(in)); len(again.Steps) > 0 {
			t.Errorf("%s: the next plan finds more to do:\n%s", test.reason, again)
		}
	}
}

// TestIncidentEmptySourceTakesNothing: a directory that answered with nobody was
// believed, and everything was deleted and made anew.
func TestIncidentEmptySourceTakesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := anyWorld(t)
		in.Desired = access.State{}
		in.Adopted = nil
		before, end := newPlatform(in), newPlatform(in)
		p := plan.Make(in)
		end.run(t, p, func(plan.Step) bool { return true })
		for _, g := range before.Groups {
			if _, isOurs := before.mine(g.Name); isOurs && !cmp.Equal(refs(g.Members), refs(end.members(g.Ref))) {
				t.Errorf("nobody is desired, and the group %q loses members:\n%s", g.Name, p)
			}
		}
	})
}

// TestIncidentRecreationLostAssignments: a tool deleted groups and made them
// anew, and what they had been given was lost without a word.
func TestIncidentRecreationLostAssignments(t *testing.T) {
	members := people("u1", "u2")
	in := plan.Input{Tenant: tenant, Rules: rules(), Desired: wanted("viewers", "reader", members, "view")}
	in.Observed, in.Owned = granted("readers", "reader", members, "view")
	given := access.Binding{Role: "billing", Group: "readers", GroupRef: "ref-readers", Ref: "b-1", Mark: access.Unread()}
	in.Observed.Bindings = append(in.Observed.Bindings, given)

	p := plan.Make(in)
	if len(p.Renames) != 1 {
		t.Fatalf("a renaming is missing:\n%s", p)
	}
	if diff := cmp.Diff([]access.Binding{given}, p.Renames[0].Loses); diff != "" {
		t.Errorf("what is lost (-want +got):\n%s", diff)
	}
	if !slices.ContainsFunc(p.Remarks, func(r access.Remark) bool {
		return r.Code == access.ForeignPermissionRemoved && r.Object == given.Key().String()
	}) {
		t.Errorf("no remark says what is lost: %v", p.Remarks)
	}
	if now := p.Schedule(plan.PerObject).Now; len(now) > 0 {
		t.Errorf("something runs before the new group is complete: %v", now)
	}

	in.Rules.Carry = true
	asked := plan.Make(in)
	atom := plan.Removal{Object: access.Key{Kind: access.KindBinding, Role: "billing", Group: "viewers"}, Ref: "b-1"}
	if diff := cmp.Diff([]plan.Removal{atom}, asked.HeldRemovals()); diff != "" {
		t.Errorf("what somebody is asked (-want +got):\n%s", diff)
	}
	if asked.HeldDigest() == "" || !asked.Renames[0].Waits || len(asked.Renames[0].Remove) > 0 {
		t.Errorf("the old group does not wait for the answer:\n%s", asked)
	}
}
