package plan_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// people lists who is in each set of a platform, by the set's kind, name and id.
func (p *platform) people() map[string][]string {
	sets := map[string][]string{}
	for _, g := range p.Groups {
		sets[fmt.Sprintf("%v %s", g.Key(), g.Ref)] = refs(g.Members)
	}
	for _, b := range p.Bindings {
		sets[fmt.Sprintf("%v %s %s", b.Key(), b.Ref, b.GroupRef)] = refs(b.Subjects)
	}
	return sets
}

// TestRevokeTakesThemOutAndNothingElse demands of any world that afterwards none
// of the accounts is in a set of ours, and that nobody else lost or got anything.
func TestRevokeTakesThemOutAndNothingElse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := world(t)
		gone := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"u1", "u2", "u3", "u4"}), 1, 3, rapid.ID[string]).Draw(t, "gone")
		p := plan.Revoke(in, gone)
		if len(p.Held) > 0 {
			t.Errorf("a revocation is held:\n%s", p)
		}
		before, end := newPlatform(in), newPlatform(in)
		for _, s := range p.Steps {
			if len(s.Adds()) > 0 || s.Op == plan.Create || s.Kind == access.KindGroup {
				t.Errorf("%s %s %q: a revocation only takes accounts away", s.Op, s.Kind, s.Object)
			}
			for _, who := range s.Removes() {
				if !slices.Contains(gone, who.Ref) {
					t.Errorf("%s %s %q takes %s away, who is not revoked", s.Op, s.Kind, s.Object, who.Ref)
				}
			}
			end.apply(s)
		}
		want := before.people()
		for _, g := range in.Observed.Groups {
			if before.ours(g.Key(), g.Ref, g.Mark) {
				key := fmt.Sprintf("%v %s", g.Key(), g.Ref)
				want[key] = refs(minusRefs(g.Members, gone))
			}
		}
		for _, b := range in.Observed.Bindings {
			key := fmt.Sprintf("%v %s %s", b.Key(), b.Ref, b.GroupRef)
			if b.Group != "" || !before.ours(b.Key(), b.Ref, b.Mark) {
				continue
			}
			want[key] = refs(minusRefs(b.Subjects, gone))
			if len(want[key]) == 0 && len(b.Subjects) > 0 {
				delete(want, key)
			}
		}
		if diff := cmp.Diff(want, end.people()); diff != "" {
			t.Errorf("who is in which set (-want +got):\n%s", diff)
		}
	})
}

func minusRefs(all []access.Member, gone []string) []access.Member {
	return slices.DeleteFunc(slices.Clone(all), func(m access.Member) bool { return slices.Contains(gone, m.Ref) })
}

func TestRevokeIgnoresOrderAndLeavesInputAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := anyWorld(t)
		before := asJSON(t, in)
		one := plan.Revoke(in, []string{"u1", "u2"})
		if diff := cmp.Diff(before, asJSON(t, in)); diff != "" {
			t.Errorf("Revoke changed its input:\n%s", diff)
		}
		if diff := cmp.Diff(asJSON(t, one), asJSON(t, plan.Revoke(shuffled(t, in), []string{"u2", "u1"}))); diff != "" {
			t.Errorf("the same input in another order gives another plan:\n%s", diff)
		}
	})
}

func TestRevokeOfNobodyIsEmpty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		if p := plan.Revoke(anyWorld(t), []string{"nobody"}); len(p.Steps)+len(p.Remarks) > 0 {
			t.Errorf("somebody who is nowhere is taken out:\n%s", p)
		}
	})
}

// TestRevokeTakesBaseRolesLast: the platform refuses to take a role that others
// rest on before those.
func TestRevokeTakesBaseRolesLast(t *testing.T) {
	of := func(role, who, ref string) access.Binding {
		return access.Binding{
			Role: role, Name: who, Ref: ref, Mark: access.Unread(),
			Subjects: []access.Member{{Account: access.Account{Ref: who}}},
		}
	}
	in := plan.Input{Tenant: tenant, Rules: rules()}
	in.Rules.Separate, in.Rules.Base = true, []string{"base"}
	in.Observed.Bindings = []access.Binding{of("base", "u1", "b1"), of("edit", "u1", "b2"), of("view", "u1", "b3"), of("edit", "u2", "b4")}
	inUse := of("root", "u1", "b5")
	inUse.InUse = true
	foreign := of("other", "u1", "b6")
	in.Observed.Bindings = append(in.Observed.Bindings, inUse, foreign)
	for _, b := range in.Observed.Bindings[:5] {
		in.Owned = append(in.Owned, plan.Owned{Key: b.Key(), Ref: b.Ref})
	}
	p := plan.Revoke(in, []string{"u1"})
	var order []string
	for _, s := range p.Steps {
		order = append(order, fmt.Sprintf("%s %s %s, after %d", s.Op, s.Key().Role, s.Key().Name, len(s.Needs)))
	}
	want := []string{"delete edit u1, after 0", "delete view u1, after 0", "delete base u1, after 2"}
	if diff := cmp.Diff(want, order); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	if len(p.Remarks) != 1 || p.Remarks[0].Code != access.UserRevoked || p.Remarks[0].Object != "other" {
		t.Errorf("remarks %+v, want one about the role that somebody else gave", p.Remarks)
	}
}
