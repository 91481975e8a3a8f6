package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// base is the role that every other rests on in these worlds, and shared the one
// that counts beyond the tenant; so does base.
const base, shared = "base", "shared"

// separateWorld draws a tenant of a platform where each person has a binding of
// their own, which is never without the one it rests on.
func separateWorld(t *rapid.T) plan.Input {
	w := drawing{T: t, in: plan.Input{Tenant: tenant, Rules: drawRules(t)}, owned: map[access.Key]bool{}}
	w.in.Rules.Separate, w.in.Rules.Shared, w.in.Rules.Base = true, []string{base, shared}, []string{base}
	var wanted []access.Member
	present := map[string]bool{}
	for _, role := range []string{"r1", "r2", shared} {
		if w.yes("desired") {
			people := w.members(true)
			wanted = append(wanted, people...)
			w.in.Desired.Bindings = append(w.in.Desired.Bindings, access.Binding{Role: role, Subjects: people})
		}
		for _, who := range w.members(false) {
			present[who.Ref] = true
			w.give(role, who)
		}
	}
	slices.SortFunc(wanted, access.CompareMembers)
	wanted = slices.CompactFunc(wanted, func(a, b access.Member) bool { return a.Ref == b.Ref })
	if len(wanted) > 0 {
		w.in.Desired.Bindings = append(w.in.Desired.Bindings, access.Binding{Role: base, Subjects: wanted})
	}
	for i := range 9 {
		ref := fmt.Sprintf("u%d", i+1)
		if present[ref] || w.yes("base alone") {
			w.give(base, access.Member{Account: access.Account{Ref: ref}})
		}
	}
	for _, role := range []string{base, shared} {
		subjects := w.members(rapid.Bool().Draw(t, "known by name"))
		for i := range subjects {
			if subjects[i].Name != "" {
				subjects[i].Ref, subjects[i].Name = "", strings.ToUpper(subjects[i].Name)
			}
		}
		w.in.Elsewhere = append(w.in.Elsewhere, access.Binding{Role: role, Subjects: subjects})
	}
	return w.in
}

// give draws an observed binding of one person, and what the ledger knows of it.
func (w *drawing) give(role string, who access.Member) {
	who.Name = who.Ref + "@example.com"
	b := access.Binding{Role: role, Name: who.Ref, Subjects: []access.Member{who}, Ref: w.ref(), Mark: access.Unread()}
	b.InUse = role == base && rapid.IntRange(0, 5).Draw(w.T, "in use") == 0
	w.own(b.Key(), b.Ref)
	if rapid.IntRange(0, 9).Draw(w.T, "keep") == 0 {
		w.in.Keep = append(w.in.Keep, access.Keep{Set: access.Key{Kind: access.KindBinding, Role: role}, Refs: []string{who.Ref}})
	}
	w.in.Observed.Bindings = append(w.in.Observed.Bindings, b)
}

// anyWorld draws a tenant of any sort of platform.
func anyWorld(t *rapid.T) plan.Input {
	if rapid.IntRange(0, 2).Draw(t, "separate") == 0 {
		return separateWorld(t)
	}
	return world(t)
}

// has reports whether the person has the role.
func (p *platform) has(role, ref string) bool {
	return slices.ContainsFunc(p.Bindings, func(b access.Binding) bool { return b.Role == role && b.Name == ref })
}

// TestSeparateInAnyOrder applies the units of each wave in any order and looks
// after every step: who is to have a role and has it keeps it, who moves has one
// at all times, and nobody ever has a role without the one it rests on.
func TestSeparateInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := separateWorld(t)
		p := plan.Make(in)
		before, now, end := newPlatform(in), newPlatform(in), newPlatform(in)
		for _, s := range p.Steps {
			end.apply(s)
		}
		for _, wave := range p.Waves(plan.PerObject) {
			for _, work := range rapid.Permutation(wave).Draw(t, "wave") {
				for _, id := range work.Steps {
					s, _ := p.Step(id)
					now.apply(s)
					checkBetween(t, in, before, now, end, s)
				}
			}
		}
		for _, want := range in.Desired.Bindings {
			for _, who := range want.Subjects {
				if !now.has(want.Role, who.Ref) {
					t.Errorf("in the end %s lacks the role %s", who.Ref, want.Role)
				}
			}
		}
	})
}

func checkBetween(t *rapid.T, in plan.Input, before, now, end *platform, s plan.Step) {
	for _, want := range in.Desired.Bindings {
		for _, who := range want.Subjects {
			if before.has(want.Role, who.Ref) && !now.has(want.Role, who.Ref) {
				t.Fatalf("after %s %q: %s is to have the role %s and lost it", s.Op, s.Object, who.Ref, want.Role)
			}
		}
	}
	for _, b := range now.Bindings {
		if !now.has(base, b.Name) {
			t.Fatalf("after %s %q: %s has the role %s without %s", s.Op, s.Object, b.Name, b.Role, base)
		}
	}
	holders := func(p *platform) map[string]bool {
		who := map[string]bool{}
		for _, b := range p.Bindings {
			if b.Role != base {
				who[b.Name] = true
			}
		}
		return who
	}
	had, has, will := holders(before), holders(now), holders(end)
	for who := range had {
		if will[who] && !has[who] {
			t.Fatalf("after %s %q: %s is without a role in between", s.Op, s.Object, who)
		}
	}
}

// TestSeparateTakesOnlyItsOwn demands that nothing is taken, not even held, that
// is somebody else's, kept, in use, desired, or a shared role wanted elsewhere.
func TestSeparateTakesOnlyItsOwn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := separateWorld(t)
		before := newPlatform(in)
		p := plan.Make(in)
		for _, s := range slices.Concat(p.Steps, p.Held) {
			if s.Op == plan.Create {
				if before.has(s.Want.Binding.Role, s.Want.Binding.Name) {
					t.Errorf("%s is given to %s, who has it", s.Object, s.Want.Binding.Name)
				}
				continue
			}
			b := s.Have.Binding
			switch {
			case s.Op != plan.Delete || len(b.Subjects) != 1 || b.Subjects[0].Ref != b.Name:
				t.Errorf("%s %s %q is not about one person", s.Op, s.Kind, s.Object)
			case !before.ours(b.Key(), b.Ref, b.Mark):
				t.Errorf("%s of %s is taken and not ours", b.Role, b.Name)
			case b.InUse:
				t.Errorf("%s of %s is taken and in use", b.Role, b.Name)
			case names(in.Desired.Bindings, b.Role, b.Name):
				t.Errorf("%s of %s is taken and desired", b.Role, b.Name)
			case names(in.Elsewhere, b.Role, b.Name):
				t.Errorf("%s of %s is taken and wanted elsewhere", b.Role, b.Name)
			case slices.ContainsFunc(in.Keep, func(k access.Keep) bool { return k.Set.Role == b.Role && slices.Contains(k.Refs, b.Name) }):
				t.Errorf("%s of %s is taken and kept", b.Role, b.Name)
			}
		}
	})
}

// names reports whether the bindings give the role to the person, by id or name.
func names(bindings []access.Binding, role, ref string) bool {
	return slices.ContainsFunc(bindings, func(b access.Binding) bool {
		return b.Role == role && slices.ContainsFunc(b.Subjects, func(m access.Member) bool {
			return m.Ref == ref || strings.EqualFold(m.Name, ref+"@example.com")
		})
	})
}

// TestSeparateConverges demands that a second plan has nothing to do, holds the
// same, and that what is ours and undesired is gone, held, or has a reason to stay.
func TestSeparateConverges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := separateWorld(t)
		first := plan.Make(in)
		end := newPlatform(in)
		for _, s := range first.Steps {
			end.apply(s)
		}
		again := in
		again.Observed, again.Owned = end.State, end.owned
		second := plan.Make(again)
		if len(second.Steps) > 0 {
			t.Errorf("a second plan finds more to do:\n%sfirst:\n%s", second, first)
		}
		if diff := cmp.Diff(keys(first.Held), keys(second.Held)); diff != "" {
			t.Errorf("a second plan holds something else (-first +second):\n%s", diff)
		}
		for _, b := range end.Bindings {
			kept := slices.ContainsFunc(in.Keep, func(k access.Keep) bool { return k.Set.Role == b.Role && slices.Contains(k.Refs, b.Name) })
			rests := b.Role == base && slices.ContainsFunc(end.Bindings, func(c access.Binding) bool { return c.Name == b.Name && c.Role != base })
			reason := kept || rests || b.InUse || names(in.Desired.Bindings, b.Role, b.Name) ||
				names(in.Elsewhere, b.Role, b.Name) || slices.Contains(keys(first.Held), b.Key())
			if end.ours(b.Key(), b.Ref, b.Mark) && !reason {
				t.Errorf("%s of %s is ours, undesired and still there", b.Role, b.Name)
			}
		}
	})
}

// TestSeparateGuard demands that no role loses more people than the guard allows,
// unless nobody is to have it and those who had it have another.
func TestSeparateGuard(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := separateWorld(t)
		before := newPlatform(in)
		p := plan.Make(in)
		taken := map[string][]string{}
		for _, s := range p.Steps {
			if s.Op == plan.Delete {
				taken[s.Have.Binding.Role] = append(taken[s.Have.Binding.Role], s.Have.Binding.Name)
			}
		}
		for role, people := range taken {
			present, stays := map[string]bool{}, 0
			for _, b := range before.Bindings {
				if b.Role == role && (before.ours(b.Key(), b.Ref, b.Mark) || names(in.Desired.Bindings, role, b.Name)) {
					present[b.Name] = true
				}
			}
			for _, b := range in.Desired.Bindings {
				for _, who := range b.Subjects {
					if b.Role == role {
						present[who.Ref] = true
					}
				}
			}
			for who := range present {
				if !slices.Contains(people, who) {
					stays++
				}
			}
			if stays > 0 && in.Rules.Guard.Holds(len(people), len(present)) {
				t.Errorf("%s is taken from %d of %d, above the limit", role, len(people), len(present))
			}
		}
	})
}

// BenchmarkSeparate plans people with a binding each: the same time per person at
// a tenth of the size.
func BenchmarkSeparate(b *testing.B) {
	for _, people := range []int{1000, 10_000} {
		in := plan.Input{Tenant: tenant, Rules: rules()}
		in.Rules.Separate, in.Rules.Base, in.Rules.Shared = true, []string{base}, []string{base}
		desired := map[string][]access.Member{}
		for i := range people {
			ref := fmt.Sprintf("%032x", i)
			who := access.Member{Account: access.Account{Name: ref + "@example.com", Ref: ref}}
			for _, role := range []string{base, "r1"} {
				if i%10 > 0 { // every tenth leaves, another tenth comes
					desired[role] = append(desired[role], who)
				}
				if i%10 < 9 {
					have := access.Binding{Role: role, Name: ref, Subjects: []access.Member{who}, Ref: role + ref, Mark: access.Unread()}
					in.Observed.Bindings = append(in.Observed.Bindings, have)
					in.Owned = append(in.Owned, plan.Owned{Key: have.Key(), Ref: have.Ref})
				}
			}
		}
		for role, subjects := range desired {
			in.Desired.Bindings = append(in.Desired.Bindings, access.Binding{Role: role, Subjects: subjects})
		}
		b.Run(fmt.Sprintf("%d people", people), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				plan.Make(in)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*people), "ns/person")
		})
	}
}
