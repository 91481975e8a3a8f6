package plan_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// TestMakeReachesDesired applies plans to a model of a platform.
func TestMakeReachesDesired(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := world(t)
		p := plan.Make(in)
		end := newPlatform(in)
		for _, s := range p.Steps {
			end.apply(s)
		}
		for _, want := range in.Desired.Groups {
			checkSet(t, in, p, end, want.Key(), want.Members)
		}
		for _, want := range in.Desired.Bindings {
			if want.Group == "" {
				checkSet(t, in, p, end, want.Key(), want.Subjects)
				continue
			}
			group, isOurs := end.mine(want.Group)
			given := slices.ContainsFunc(end.Bindings, func(b access.Binding) bool {
				return b.Key() == want.Key() && b.GroupRef == group.Ref
			})
			if isOurs && !given {
				t.Errorf("the group %q is ours and lacks the role %q", want.Group, want.Role)
			}
		}
		checkLeftovers(t, in, p, end)
	})
}

// checkSet demands that a set of ours holds the desired, the kept who were
// there, and those whose removal is held.
func checkSet(t *rapid.T, in plan.Input, p plan.Plan, end *platform, key access.Key, desired []access.Member) {
	before, _ := newPlatform(in).set(key)
	after, isOurs := end.set(key)
	if !isOurs {
		return
	}
	if key.Kind == access.KindGroup { // which may have had another name, or another owner
		group, _ := end.mine(key.Group)
		before = newPlatform(in).members(group.Ref)
	}
	want := refs(desired)
	for _, k := range in.Keep {
		for _, ref := range k.Refs {
			if k.Set == key && slices.Contains(refs(before), ref) {
				want = append(want, ref)
			}
		}
	}
	for _, s := range p.Held {
		if s.Key().Group == key.Group && s.Key().Role == key.Role {
			want = append(want, refs(s.Removes())...)
		}
	}
	want = append(want, brought(p, key.Group)...)
	slices.Sort(want)
	if diff := cmp.Diff(slices.Compact(want), refs(after)); diff != "" {
		t.Errorf("%s %q (-want +got):\n%s%s", key.Kind, key, diff, p)
	}
}

// brought returns those who are kept in the group that this one replaces.
func brought(p plan.Plan, group string) []string {
	var all []string
	for _, s := range p.Steps {
		for _, who := range s.Adds() {
			if s.Key().Group == group && strings.HasPrefix(who.Why, "kept in ") {
				all = append(all, who.Ref)
			}
		}
	}
	return all
}

// checkLeftovers demands that what is ours and undesired is gone, held, or
// explained by cleanup being off.
func checkLeftovers(t *rapid.T, in plan.Input, p plan.Plan, end *platform) {
	desired := map[access.Key]bool{}
	for _, g := range in.Desired.Groups {
		desired[g.Key()] = true
	}
	for _, b := range in.Desired.Bindings {
		desired[b.Key()] = true
	}
	for _, s := range p.Held {
		desired[s.Key()] = true
	}
	for _, r := range p.Renames {
		for _, old := range append(r.Also, r.From) {
			for _, b := range end.Bindings {
				if r.Waits && b.Group == old.Name {
					desired[old.Key()], desired[b.Key()] = true, true
				}
			}
			desired[old.Key()] = desired[old.Key()] || r.Waits
		}
	}
	for _, name := range preservedNames(in) {
		for _, b := range end.Bindings {
			if b.Group == name && desired[access.Binding{Role: b.Role, Group: otherCase(in, name)}.Key()] {
				desired[b.Key()] = true
			}
		}
		desired[access.Group{Name: name}.Key()] = true
	}
	for _, g := range end.Groups {
		mine, isOurs := end.mine(g.Name)
		if isOurs && mine.Ref == g.Ref && in.Rules.Cleanup && !desired[g.Key()] {
			t.Errorf("group %q is ours, undesired and still there", g.Name)
		}
	}
	for _, b := range end.Bindings {
		mine, isOurs := end.mine(b.Group)
		onMine := b.Group == "" || isOurs && mine.Ref == b.GroupRef
		if onMine && end.ours(b.Key(), b.Ref, b.Mark) && end.ledgers(b.Key(), b.Ref) && !desired[b.Key()] {
			t.Errorf("binding %q is ours, undesired and still there", b.Key())
		}
	}
}

func TestMakeOfConvergedIsEmpty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := world(t)
		first := plan.Make(in)
		end := newPlatform(in)
		for _, s := range first.Steps {
			end.apply(s)
		}
		in.Observed, in.Owned = end.State, end.owned
		second := plan.Make(in)
		if goesOn(first) {
			for _, s := range second.Steps {
				end.apply(s)
			}
			in.Observed, in.Owned = end.State, end.owned
			second = plan.Make(in)
		}
		if len(second.Steps) > 0 {
			t.Errorf("a second plan finds more to do:\n%sfirst:\n%s", second, first)
		}
		if diff := cmp.Diff(keys(first.Held), keys(second.Held)); diff != "" {
			t.Errorf("a second plan holds something else (-first +second):\n%s\nfirst:\n%s\nsecond:\n%s", diff, first, second)
		}
	})
}

func TestMakeIgnoresOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := decidedWorld(anyWorld)(t)
		if diff := cmp.Diff(asJSON(t, plan.Make(in)), asJSON(t, plan.Make(shuffled(t, in)))); diff != "" {
			t.Errorf("the same input in another order gives another plan:\n%s", diff)
		}
	})
}

func TestMakeLeavesInputAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := shuffled(t, decidedWorld(anyWorld)(t))
		before := asJSON(t, in)
		p := plan.Make(in)
		text := asJSON(t, p)
		if diff := cmp.Diff(before, asJSON(t, in)); diff != "" {
			t.Fatalf("Make changed its input:\n%s", diff)
		}
		scribble(in)
		if diff := cmp.Diff(text, asJSON(t, p)); diff != "" {
			t.Errorf("the plan changed with the input it was made from:\n%s", diff)
		}
	})
}

// scribble overwrites every list of the input in place.
func scribble(in plan.Input) {
	for _, s := range []access.State{in.Desired, in.Observed} {
		for _, g := range s.Groups {
			clear(g.Members)
		}
		for _, b := range s.Bindings {
			clear(b.Subjects)
		}
		clear(s.Groups)
		clear(s.Bindings)
	}
	for _, b := range in.Elsewhere {
		clear(b.Subjects)
	}
	clear(in.Elsewhere)
	clear(in.Owned)
	clear(in.Keep)
}

func TestNeedsAreEarlier(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		done := map[string]bool{}
		for _, s := range plan.Make(decidedWorld(anyWorld)(t)).Steps {
			for _, need := range s.Needs {
				if !done[need.ID] {
					t.Errorf("%s %s %q needs %s, which is not before it", s.Op, s.Kind, s.Object, need)
				}
			}
			done[s.ID] = true
		}
	})
}

func TestWaves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := plan.Make(decidedWorld(anyWorld)(t))
		wave, place := map[string]int{}, map[string]int{}
		for i, units := range p.Waves(rapid.SampledFrom([]plan.Unit{plan.PerObject, plan.PerTenant}).Draw(t, "unit")) {
			seen := map[string]bool{}
			for _, work := range units {
				if seen[work.Unit] || len(work.Steps) == 0 {
					t.Errorf("wave %d has the unit %q twice, or empty", i, work.Unit)
				}
				seen[work.Unit] = true
				for _, id := range work.Steps {
					if _, again := wave[id]; again {
						t.Errorf("step %s is in two places", id)
					}
					wave[id], place[id] = i, len(place)
				}
			}
		}
		if len(wave) != len(p.Steps) {
			t.Errorf("the waves hold %d of %d steps", len(wave), len(p.Steps))
		}
		for _, s := range p.Steps {
			for _, need := range s.Needs {
				if wave[need.ID] >= wave[s.ID] {
					t.Errorf("%s %q is in wave %d and needs a step of wave %d", s.Kind, s.Object, wave[s.ID], wave[need.ID])
				}
			}
		}
	})
}

// TestOnlyOursIsTouched demands that no step, held or not, is about an object
// that is foreign or unclear; but for foreign roles on our groups where
// Additional is remove, and for groups that somebody told us to take over.
func TestOnlyOursIsTouched(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := world(t)
		before := newPlatform(in)
		p := plan.Make(in)
		for _, s := range slices.Concat(p.Steps, p.Held) {
			label := fmt.Sprintf("%s %s %q", s.Op, s.Kind, s.Object)
			name := formerName(p, s.Key().Group)
			group, groupOurs := before.mine(name)
			exists := slices.ContainsFunc(in.Observed.Groups, func(g access.Group) bool { return g.Name == name })
			have := s.Have.Binding
			if have != nil {
				earlier := *have
				earlier.Group = formerName(p, have.Group)
				have = &earlier
			}
			switch {
			case s.Op == plan.Create && s.Kind == access.KindGroup:
				if exists {
					t.Errorf("%s: there is one already", label)
				}
			case have != nil && before.ours(have.Key(), have.Ref, have.Mark):
			case have != nil && (name == "" || in.Rules.Additional == plan.KeepAdditional):
				t.Errorf("%s: it is not ours", label)
			case adoptable(in, name, groupRef(s)):
			case exists && (!groupOurs || groupRef(s) != group.Ref):
				t.Errorf("%s: the group is not ours", label)
			}
		}
	})
}

// TestNobodyIsWithoutARoleInBetween applies the units of each wave in any order
// and looks after every step.
func TestNobodyIsWithoutARoleInBetween(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := world(t)
		p := plan.Make(in)
		end := newPlatform(in)
		for _, s := range p.Steps {
			end.apply(s)
		}
		before, after := newPlatform(in).holders(), end.holders()
		for _, r := range p.Renames {
			for _, old := range append(r.Also, r.From) {
				members, _ := newPlatform(in).set(old.Key())
				for _, who := range members {
					after[who.Ref] = after[who.Ref] && r.Mode != plan.Strict
				}
			}
		}
		now := newPlatform(in)
		for _, wave := range p.Waves(plan.PerObject) {
			for _, work := range rapid.Permutation(wave).Draw(t, "wave") {
				for _, id := range work.Steps {
					s, _ := p.Step(id)
					now.apply(s)
					holders := now.holders()
					for who := range before {
						if after[who] && !holders[who] {
							t.Fatalf("%s has no role after %s %s %q:\n%s", who, s.Op, s.Kind, s.Object, p)
						}
					}
				}
			}
		}
	})
}

// TestGuard demands that no set loses more than the guard allows, nobody who is
// kept, and no group its last role.
func TestGuard(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := world(t)
		p := plan.Make(in)
		before, end := newPlatform(in), newPlatform(in)
		for _, s := range p.Steps {
			end.apply(s)
		}
		for _, g := range before.Groups {
			key, after := access.Group{Name: strings.ToLower(g.Name)}.Key(), end.members(g.Ref)
			next, renamed := replacement(in, g)
			if renamed {
				heirs, _ := end.set(access.Group{Name: keptName(in, next.Name)}.Key())
				key, after = access.Key{}, append(slices.Clone(after), minus(heirs, after)...)
			}
			checkLoss(t, in, key, g.Members, after)
			if stays := len(minus(g.Members, after)) < len(g.Members); !renamed && stays && before.roles(g.Ref) > 0 && end.roles(g.Ref) == 0 {
				t.Errorf("the group %q has members and loses its last role:\n%s", g.Name, p)
			}
		}
		for i, b := range end.Bindings {
			j := before.binding(plan.Step{Have: plan.Object{Binding: &end.Bindings[i]}})
			if j >= 0 {
				checkLoss(t, in, b.Key(), before.Bindings[j].Subjects, b.Subjects)
			}
		}
	})
}

func checkLoss(t *rapid.T, in plan.Input, key access.Key, before, after []access.Member) {
	gone := minus(before, after)
	present := len(before) + len(minus(after, before))
	limit := max(in.Rules.Guard.Most, present*in.Rules.Guard.Percent/100)
	few := !in.Rules.Guard.Unnamed && len(gone) <= 2
	if len(gone) > limit || len(gone) > 0 && len(after) == 0 && !few {
		t.Errorf("%s %q loses %d of %d, the limit is %d: %v to %v", key.Kind, key, len(gone), present, limit, before, after)
	}
	for _, k := range in.Keep {
		for _, m := range gone {
			if k.Set == key && slices.Contains(k.Refs, m.Ref) {
				t.Errorf("%s %q loses %s, who is kept", key.Kind, key, m.Ref)
			}
		}
	}
}

func TestStepIDs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := decidedWorld(anyWorld)(t)
		p := plan.Make(in)
		all := slices.Concat(p.Steps, p.Held)
		seen := map[string]bool{}
		for _, s := range all {
			if s.ID == "" || seen[s.ID] {
				t.Errorf("%s %s %q: the ID %q is empty or taken", s.Op, s.Kind, s.Object, s.ID)
			}
			seen[s.ID] = true
		}
		for _, s := range plan.Make(otherReasons(in)).Steps {
			if !seen[s.ID] {
				t.Errorf("%s %s %q: another reason gives another ID", s.Op, s.Kind, s.Object)
			}
		}
		in.Tenant.Project = "zoo"
		for _, s := range plan.Make(in).Steps {
			if seen[s.ID] {
				t.Errorf("%s %s %q: two tenants share the ID", s.Op, s.Kind, s.Object)
			}
		}
	})
}

// otherReasons returns the same input with every reason in it changed.
func otherReasons(in plan.Input) plan.Input {
	in.Desired = access.State{Groups: slices.Clone(in.Desired.Groups), Bindings: slices.Clone(in.Desired.Bindings)}
	reason := func(members []access.Member) []access.Member {
		members = slices.Clone(members)
		for i := range members {
			members[i].Why += ", since Monday"
		}
		return members
	}
	for i, g := range in.Desired.Groups {
		in.Desired.Groups[i].Why, in.Desired.Groups[i].Members = "another reason", reason(g.Members)
	}
	for i, b := range in.Desired.Bindings {
		in.Desired.Bindings[i].Why, in.Desired.Bindings[i].Subjects = "another reason", reason(b.Subjects)
	}
	return in
}

func TestPlanSurvivesJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := plan.Make(decidedWorld(anyWorld)(t))
		var back plan.Plan
		if err := json.Unmarshal([]byte(asJSON(t, p)), &back); err != nil {
			t.Fatal(err)
		}
		if p.Digest() == "" || p.Digest() != back.Digest() {
			t.Errorf("digest %q became %q", p.Digest(), back.Digest())
		}
		if p.String() != back.String() {
			t.Error(cmp.Diff(p.String(), back.String()))
		}
	})
}

// TestEveryHeldStepIsRemarked demands a remark for every held step.
func TestEveryHeldStepIsRemarked(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := plan.Make(decidedWorld(anyWorld)(t))
		for _, s := range p.Held {
			if !slices.ContainsFunc(p.Remarks, func(r access.Remark) bool {
				return r.Code == access.RemovalHeld && r.Object == s.Object
			}) {
				t.Errorf("%s %s %q is held without a remark", s.Op, s.Kind, s.Object)
			}
		}
		if len(p.Held) > 0 && !p.Removes() {
			t.Error("a plan that holds removals says that it removes nothing")
		}
	})
}

func keys(steps []plan.Step) []access.Key {
	var keys []access.Key
	for _, s := range steps {
		keys = append(keys, s.Key())
	}
	return keys
}

func asJSON(t *rapid.T, v any) string {
	t.Helper()
	body, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
