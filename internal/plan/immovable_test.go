package plan_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// TestMembersLeaveWhereARoleStays: the platform refuses to take roles from groups that no
// document asks for. After the next plan no account has such a role through such a group,
// and no other step is there than before.
func TestMembersLeaveWhereARoleStays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := world(t)
		in.Rules.Gone, in.Desired, in.Newcomers = true, access.State{}, nil
		before := plan.Make(in)
		refused := map[string]bool{} // IDs of steps
		groups := map[string]bool{}
		for _, s := range before.Steps {
			managed := slices.ContainsFunc(in.Owned, func(o plan.Owned) bool { return o.Key == s.Key() })
			if s.Op != plan.Delete || s.Kind != access.KindBinding || s.Key().Group == "" || !managed {
				continue
			}
			refused[s.ID], groups[s.Key().Group] = true, true
			in.Immovable = append(in.Immovable, plan.Removal{Object: s.Key(), Ref: s.Have.Binding.Ref})
		}
		if len(refused) == 0 {
			t.Skip("no role of a leftover group goes")
		}
		after := plan.Make(in)
		end := newPlatform(in)
		fates := execute(after, func(s plan.Step) bool { return refused[s.ID] })
		for _, s := range after.Steps {
			if fates[s.ID] == plan.Done {
				end.apply(s)
			}
			if _, known := before.Step(s.ID); !known && (!groups[s.Key().Group] || s.Kind != access.KindMembers || len(s.Adds()) > 0) {
				t.Errorf("%s %s %q was not planned before the refusal:\n%s", s.Op, s.Kind, s.Object, after)
			}
		}
		for group := range groups {
			if members, _ := end.set(access.Key{Kind: access.KindMembers, Group: group}); len(members) > 0 {
				t.Errorf("%d members of %q still have a role that should go:\n%s", len(members), group, after)
			}
		}
	})
}
