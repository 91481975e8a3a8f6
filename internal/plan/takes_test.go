package plan_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// crew is a tenant whose only group, bound to a role, has these members and is
// desired to have those.
func crew(have, want []string) plan.Input {
	g := access.Group{Name: "g", Ref: "g-1", Mark: mark, Serves: "user", Members: accounts(have...)}
	b := access.Binding{Role: "edit", Group: "g", GroupRef: "g-1", Ref: "b-1", Mark: access.Unread()}
	in := plan.Input{
		Tenant: tenant, Rules: rules(), Observed: access.State{Groups: []access.Group{g}, Bindings: []access.Binding{b}},
		Owned: []plan.Owned{{Key: g.Key(), Ref: "g-1", Serves: "user"}, {Key: b.Key(), Ref: "b-1"}},
	}
	if want != nil {
		in.Desired = access.State{
			Groups:   []access.Group{{Name: "g", Serves: "user", Members: accounts(want...)}},
			Bindings: []access.Binding{{Role: "edit", Group: "g"}},
		}
	}
	return in
}

func accounts(names ...string) []access.Member {
	var all []access.Member
	for _, n := range names {
		all = append(all, access.Member{Account: access.Account{Ref: n, Name: n}})
	}
	return all
}

func leaves(names ...string) []plan.Removal {
	var all []plan.Removal
	for _, n := range names {
		all = append(all, plan.Removal{Object: access.Key{Kind: access.KindMembers, Group: "g"}, Ref: n})
	}
	return all
}

// immovableRole is the end of the role of crew's group.
var immovableRole = plan.Removal{Object: access.Key{Kind: access.KindBinding, Group: "g", Role: "edit"}, Ref: "b-1"}

func TestTakes(t *testing.T) {
	five := []string{"a", "b", "c", "d", "e"}
	for _, tc := range []struct {
		reason string
		in     plan.Input
		with   func(*plan.Input)
		want   []plan.Removal
	}{
		{reason: "nothing goes", in: crew(five, five)},
		{reason: "who comes takes nothing", in: crew(five[:3], five)},
		{reason: "two of five go", in: crew(five, five[:3]), want: leaves("d", "e")},
		{reason: "what the guard holds is not taken", in: crew(five, five[:2])},
		{
			reason: "what is approved is agreed to", in: crew(five, five[:3]), want: leaves("e"),
			with: func(in *plan.Input) { in.Approved = leaves("d") },
		},
		{
			reason: "a revocation is no removal by the documents", in: crew(five, five[:3]), want: leaves("d"),
			with: func(in *plan.Input) { in.Revoked = []string{"e"} },
		},
		{
			reason: "a removed tenant's role is taken from five", in: crew(five, nil),
			with: func(in *plan.Input) { in.Rules.Gone = true },
			want: []plan.Removal{{Object: access.Key{Kind: access.KindBinding, Group: "g", Role: "edit"}, Ref: "b-1"}},
		},
		{
			reason: "so are five members, where the platform does not take the role", in: crew(five, nil),
			with: func(in *plan.Input) { in.Rules.Gone, in.Immovable = true, []plan.Removal{immovableRole} },
			want: append([]plan.Removal{immovableRole}, leaves(five...)...),
		},
		{
			reason: "members who leave because of a role whose end is approved are agreed to", in: crew(five, nil),
			with: func(in *plan.Input) {
				in.Rules.Gone, in.Immovable, in.Approved = true, []plan.Removal{immovableRole}, []plan.Removal{immovableRole}
			},
		},
		{
			reason: "nobody loses an empty group", in: crew(nil, nil),
			with: func(in *plan.Input) { in.Rules.Gone = true },
		},
		{
			reason: "a new name takes nothing from anybody", in: crew(five, five),
			with: func(in *plan.Input) {
				in.Desired.Groups[0].Name, in.Desired.Bindings[0].Group = "new", "new"
			},
		},
		{
			reason: "what others gave is not ours to count", in: crew(five, five),
			with: func(in *plan.Input) {
				in.Rules.Additional = plan.RemoveAdditional
				in.Observed.Bindings = append(in.Observed.Bindings,
					access.Binding{Role: "audit", Group: "g", GroupRef: "g-1", Ref: "b-2", Mark: access.Unread()})
			},
		},
	} {
		if tc.with != nil {
			tc.with(&tc.in)
		}
		made := plan.Compare(tc.in)
		p := made.Plan
		if diff := cmp.Diff(tc.want, made.Takes(), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s\n%s", tc.reason, diff, p)
		}
	}
}

// TestTakesEverybodyWhoLeaves: whoever a plan takes out of a set, and whom the
// documents name nowhere, is counted, but for the approved and the revoked; a
// closed guard lets nothing through that counts.
func TestTakesEverybodyWhoLeaves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := world(t)
		made := plan.Compare(in)
		p := made.Plan
		takes, named := made.Takes(), slices.Clone(in.Revoked)
		for _, g := range in.Desired.Groups {
			for _, who := range g.Members {
				named = append(named, who.Ref) // perhaps in the group that follows the one they leave
			}
		}
		for _, s := range p.Steps {
			if s.Op != plan.Change {
				continue
			}
			for _, r := range s.Removals() {
				if !slices.Contains(takes, r) && !slices.Contains(in.Approved, r) && !slices.Contains(named, r.Ref) {
					t.Fatalf("%+v goes and is not counted:\n%s", r, p)
				}
			}
		}
		closed := made.Closed("the limit is reached")
		if still := closed.Takes(); len(still) > 0 {
			t.Fatalf("a closed guard lets %+v go:\n%s", still, closed.Plan)
		}
		in.Rules.Guard.Closed = "the limit is reached"
		if diff := cmp.Diff(meaningOf(plan.Make(in)).text(), meaningOf(closed.Plan).text()); diff != "" {
			t.Fatalf("closing the guard later gives another plan (-before +later):\n%s", diff)
		}
	})
}
