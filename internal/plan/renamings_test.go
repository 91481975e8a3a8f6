package plan_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// TestNobodyLosesARoleByARename is the promise of the modes recreate and
// in-place: whoever may do something before and after may do it at every moment
// in between, whatever the order of what may run at once.
func TestNobodyLosesARoleByARename(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := renameWorld(t)
		if in.Rules.Rename == plan.Strict {
			in.Rules.Rename = plan.Recreate
		}
		if rapid.Bool().Draw(t, "approved") {
			in = approved(in)
		}
		p := plan.Make(in)
		end := newPlatform(in)
		for _, s := range p.Steps {
			end.apply(s)
		}
		before, after := newPlatform(in).can(), end.can()
		now := newPlatform(in)
		now.run(t, p, func(s plan.Step) bool {
			can := now.can()
			for what := range before {
				desired := strings.Contains(what, " r") // the others are not ours to promise
				if desired && after[what] && !can[what] {
					t.Fatalf("%q is gone after %s %s %q:\n%s", what, s.Op, s.Kind, s.Object, p)
				}
			}
			return true
		})
		if diff := cmp.Diff(end.picture(), now.picture()); diff != "" {
			t.Errorf("the order of the schedule leads elsewhere (-steps in order +schedule):\n%s", diff)
		}
	})
}

// settle plans and applies, with everything approved, until nothing is left to do.
func settle(t *rapid.T, in plan.Input) (*platform, plan.Plan) {
	var last plan.Plan
	const rounds = 3
	for range rounds {
		in = approved(in)
		last = plan.Make(in)
		if len(last.Steps) == 0 {
			return newPlatform(in), last
		}
		now := newPlatform(in)
		now.run(t, last, func(plan.Step) bool { return true })
		in = now.seen(in)
	}
	t.Fatalf("after %d plans there is still something to do:\n%s", rounds, last)
	return nil, last
}

// TestRenamesEnd demands that all is as desired once what was held is approved:
// the old groups are gone, or without our roles where cleanup is off, and the new
// ones hold whom they are to hold. One plan does it, or two where people move
// between groups that both change their names.
func TestRenamesEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := approved(renameWorld(t))
		first := plan.Make(in)
		now := newPlatform(in)
		now.run(t, first, func(plan.Step) bool { return true })
		second := plan.Make(approved(now.seen(in)))
		if len(second.Steps) > 0 && !goesOn(first) {
			t.Fatalf("a second plan finds more to do:\n%sfirst:\n%s", second, first)
		}
		end, last := settle(t, in)
		for _, want := range in.Desired.Groups {
			group, isOurs := end.mine(keptName(in, want.Name))
			if !isOurs {
				continue // somebody else has the name
			}
			for _, who := range want.Members {
				if !slices.Contains(refs(group.Members), who.Ref) {
					t.Errorf("%s is not in %q", who.Ref, want.Name)
				}
			}
			for _, who := range minus(group.Members, want.Members) {
				if !kept(in, want.Key(), who.Ref) {
					t.Errorf("%s is in %q and not to be", who.Ref, want.Name)
				}
			}
		}
		checkOldsEnd(t, in, end, last)
	})
}

// checkOldsEnd demands that no group of ours is left that nobody desires.
func checkOldsEnd(t *rapid.T, in plan.Input, end *platform, last plan.Plan) {
	waits := map[string]bool{} // somebody else has the new name
	for _, r := range last.Renames {
		for _, old := range append(r.Also, r.From) {
			waits[old.Name] = r.Waits
		}
	}
	for _, g := range end.Groups {
		wanted := slices.ContainsFunc(in.Desired.Groups, func(want access.Group) bool { return keptName(in, want.Name) == g.Name })
		if wanted || g.Mark != mark || waits[g.Name] {
			continue
		}
		if in.Rules.Cleanup {
			t.Errorf("the group %q is still there", g.Name)
		}
		for _, b := range end.Bindings {
			if b.GroupRef == g.Ref && end.ledgers(b.Key(), "") {
				t.Errorf("the group %q has our role %q still", g.Name, b.Role)
			}
		}
	}
}

func kept(in plan.Input, key access.Key, ref string) bool {
	return slices.ContainsFunc(in.Keep, func(k access.Keep) bool { return k.Set == key && slices.Contains(k.Refs, ref) })
}

// TestRenameCutShort stops a run after any step, between the platform and the
// ledger, too: the next one ends where an undisturbed one does.
func TestRenameCutShort(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := renameWorld(t)
		if in.Rules.Rename == plan.Strict {
			in.Keep, in.Rules.Carry = nil, false // once the old group is gone, nobody knows what it had
		}
		whole, _ := settle(t, in)
		cut := approved(in)
		p := plan.Make(cut)
		if len(p.Steps) == 0 {
			t.Skip("nothing to do")
		}
		left := rapid.IntRange(0, len(p.Steps)-1).Draw(t, "cut after")
		now := newPlatform(cut)
		var torn *platform
		now.run(t, p, func(s plan.Step) bool {
			left--
			if left == 0 {
				torn = now.clone()
			}
			if left < 0 && torn != nil {
				now.tear(torn, s, rapid.Bool().Draw(t, "the platform did it"))
			}
			return left >= 0
		})
		in.Approved = cut.Approved
		end, _ := settle(t, now.seen(in))
		if diff := cmp.Diff(whole.picture(), end.picture()); diff != "" {
			t.Errorf("a run that was cut short ends elsewhere (-undisturbed +cut short):\n%splan:\n%s", diff, p)
		}
	})
}

// clone returns a copy that later steps leave alone.
func (p *platform) clone() *platform {
	return &platform{
		State: access.State{Groups: slices.Clone(p.Groups), Bindings: slices.Clone(p.Bindings)},
		owned: slices.Clone(p.owned), made: p.made,
	}
}

// tear leaves p as a worker does that dies during the step: the ledger has the
// intent and not the answer, and the platform did it or not.
func (p *platform) tear(before *platform, s plan.Step, done bool) {
	p.owned = slices.Clone(before.owned)
	switch {
	case s.Op == plan.Create && (s.Want.Binding == nil || !s.Want.Binding.Carried):
		if !slices.ContainsFunc(p.owned, func(o plan.Owned) bool { return o.Key == s.Key() }) {
			p.owned = append(p.owned, plan.Owned{Key: s.Key()})
		}
	case s.Op == plan.Change && s.Kind == access.KindGroup:
		have, want := s.Have.Group, s.Want.Group
		p.owned = append(p.owned, plan.Owned{Key: want.Key(), Ref: have.Ref, Serves: want.Serves})
		for _, o := range before.owned {
			if o.Key.Kind == access.KindBinding && o.Key.Group == have.Name {
				o.Key.Group = want.Name
				p.owned = append(p.owned, o)
			}
		}
	}
	if !done {
		p.State = before.State
	}
}

// TestRenamesTouchNothingForeign demands that what others made stays as it is,
// but for roles on groups of ours.
func TestRenamesTouchNothingForeign(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := world(t)
		if rapid.Bool().Draw(t, "renames") {
			in = renameWorld(t)
		}
		in = approved(in)
		in.Adopted = nil
		p := plan.Make(in)
		before, end := newPlatform(in), newPlatform(in)
		end.run(t, p, func(plan.Step) bool { return true })
		for _, g := range before.Groups {
			mine, isOurs := before.mine(g.Name)
			if isOurs && mine.Ref == g.Ref {
				continue
			}
			i := slices.IndexFunc(end.Groups, func(h access.Group) bool { return h.Ref == g.Ref })
			if i < 0 || !cmp.Equal(g, end.Groups[i]) {
				t.Errorf("the group %q (%s) is not ours and was touched:\n%s", g.Name, g.Ref, p)
			}
			for _, b := range before.Bindings {
				if b.GroupRef == g.Ref && !before.ours(b.Key(), b.Ref, b.Mark) && !slices.ContainsFunc(end.Bindings, func(c access.Binding) bool { return cmp.Equal(b, c) }) {
					t.Errorf("the role %q on the group %q is not ours and was touched:\n%s", b.Role, b.Group, p)
				}
			}
		}
	})
}

// TestScheduleHoldsEveryStepOnce demands that each step is in one place, after
// all that it needs.
func TestScheduleHoldsEveryStepOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := renameWorld(t)
		if rapid.IntRange(0, 3).Draw(t, "any") == 0 {
			in = anyWorld(t)
		}
		p := plan.Make(in)
		done := map[string]bool{}
		p2 := newPlatform(in)
		p2.run(t, p, func(s plan.Step) bool {
			for _, need := range s.Needs {
				if !done[need.ID] {
					t.Errorf("%s %s %q comes before a step that it needs:\n%s", s.Op, s.Kind, s.Object, p)
				}
			}
			if done[s.ID] {
				t.Errorf("%s %s %q is in two places", s.Op, s.Kind, s.Object)
			}
			done[s.ID] = true
			return true
		})
		if len(done) != len(p.Steps) {
			t.Errorf("the schedule holds %d of %d steps", len(done), len(p.Steps))
		}
	})
}

// TestStrictRemovesFirst demands that in mode strict nothing of the new group is
// made before the old one is gone; and in the others that it is complete before.
func TestStrictRemovesFirst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := plan.Make(approved(renameWorld(t)))
		for _, r := range p.Renames {
			first, then := r.Build, r.Remove
			if r.Mode == plan.Strict {
				first, then = then, first
			}
			if r.Waits && len(r.Remove) > 0 || !r.Waits && len(r.Remove) == 0 {
				t.Errorf("a renaming that waits: %t, and removes %d", r.Waits, len(r.Remove))
			}
			for _, id := range then {
				s, _ := p.Step(id)
				for _, need := range first {
					if !slices.Contains(each(s.Needs, needID), need) && r.Mode == plan.Strict {
						t.Errorf("%s %s %q does not need all that comes before", s.Op, s.Kind, s.Object)
					}
				}
			}
		}
	})
}

// TestRemovalsHaveReasons demands a reason for every step, and for everybody who
// is taken out.
func TestRemovalsHaveReasons(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := world(t)
		if rapid.Bool().Draw(t, "renames") {
			in = renameWorld(t)
		}
		if rapid.Bool().Draw(t, "approved") {
			in = approved(in)
		}
		p := plan.Make(in)
		for _, s := range slices.Concat(p.Steps, p.Held) {
			if s.Op != plan.Create && s.Why == "" {
				t.Errorf("%s %s %q has no reason", s.Op, s.Kind, s.Object)
			}
			for _, who := range s.Removes() {
				if s.Kind == access.KindMembers && who.Why == "" {
					t.Errorf("%s leaves %q without a reason", who.Ref, s.Object)
				}
			}
		}
	})
}

func TestRenamesIgnoreOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := renameWorld(t)
		if diff := cmp.Diff(asJSON(t, plan.Make(in)), asJSON(t, plan.Make(shuffled(t, in)))); diff != "" {
			t.Errorf("the same input in another order gives another plan:\n%s", diff)
		}
	})
}
