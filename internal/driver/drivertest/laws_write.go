package drivertest

import (
	"slices"
	"sync"

	"github.com/google/go-cmp/cmp"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// These laws write. Every worker can be killed after any call, so each step
// must bear to be done again, by a process that knows nothing of the first.

func roundTrip(l *lab) {
	t := l.tenant("round")
	people := l.people("round", 4)
	for _, want := range []access.State{
		t.want(people[:2]),                      // from nothing
		t.want(people[1:], people[:1]),          // one leaves, two join, a second role
		t.want(people, people[2:], people[1:2]), // a third one
		t.want(people[3:], people[:1]),          // and gone again
	} {
		t.sync(want)
		t.converges(want)
	}
	l.settles(func() string { // what is gone from the ledger may be seen for a while
		if _, there := bindingOf(t.look(), l.world.Roles[2], t.set(2)); there {
			return "after four runs the role that was taken away is still there"
		}
		return ""
	})
	state := t.look()
	if diff := cmp.Diff(refsOf(people[3:]), t.members(state, 0)); diff != "" {
		l.Errorf("after four runs the members are others: %s", diff)
	}
	if g, _ := groupNamed(state, t.set(0)); l.profile.Groups && l.profile.Marks && g.Mark != t.scope.Mark {
		l.Errorf("the group carries the mark %+v, want %+v", g.Mark, t.scope.Mark)
	}
	l.complete(state)
}

func fixpoint(l *lab) {
	t := l.tenant("fixpoint")
	people := l.people("fixpoint", 3)
	want := t.want(people, people[:2])
	t.sync(want)
	t.converges(want)
	before := l.writes()
	if p := t.sync(want); len(p.Steps)+len(p.Held) > 0 {
		l.Errorf("a second run has steps:\n%s", p)
	}
	if after := l.writes(); after != before {
		l.Errorf("a second run made %d calls that write", after-before)
	}
}

// Here each unit is applied by two drivers, one after the other, as when the
// first worker died before it could tell.
func applyTwice(l *lab) {
	t := l.tenant("twice")
	people := l.people("twice", 3)
	for _, want := range []access.State{t.want(people[:2]), t.want(people[1:], people[:1])} {
		p := t.plan(want)
		for _, wave := range p.Waves(l.profile.Unit) {
			for _, work := range wave {
				steps := t.steps(p, work)
				first := t.must(steps...)
				l.driver = l.world.Open(l)
				if diff := cmp.Diff(first, t.must(steps...)); diff != "" {
					l.Errorf("a step done again answers something else: %s", diff)
				}
			}
		}
		t.converges(want)
		t.noTwins()
	}
}

// noTwins checks that there is one object of each name.
func (t *tenant) noTwins() {
	t.Helper()
	seen := map[access.Key]bool{}
	state := t.look()
	for _, g := range state.Groups {
		if seen[g.Key()] {
			t.Errorf("there are two groups named %q", g.Name)
		}
		seen[g.Key()] = true
	}
	for _, b := range state.Bindings {
		if seen[b.Key()] {
			t.Errorf("there are two bindings %q", b.Key())
		}
		seen[b.Key()] = true
	}
}

// The ledger's record of what was made is lost, so the next run makes it anew.
func createExisting(l *lab) {
	t := l.tenant("existing")
	people := l.people("existing", 2)
	want := t.want(people)
	p := t.plan(want)
	first := t.must(p.Steps...)
	t.converges(want)
	before := t.look()
	l.driver = l.world.Open(l)
	again := t.must(p.Steps...)
	for i, step := range p.Steps {
		if step.Op == plan.Create && again[i].Ref != first[i].Ref {
			l.Errorf("creating %s %q again answers with the id %q, the first time it was %q",
				step.Kind, step.Object, again[i].Ref, first[i].Ref)
		}
	}
	l.settles(func() string { return cmp.Diff(before, t.look(), versions()) })
	t.noTwins()
}

func deleteMissing(l *lab) {
	t := l.tenant("missing")
	people := l.people("missing", 2)
	want := t.want(people)
	t.sync(want)
	t.converges(want)
	fewer := t.plan(t.want(people[:1])) // somebody to remove, from a group that will be gone
	removal := t.sync(access.State{})
	t.converges(access.State{})
	steps := slices.Concat(removal.Steps, removal.Held)
	if len(steps) == 0 {
		l.Fatal("the plan that empties a tenant has no steps")
	}
	l.driver = l.world.Open(l)
	t.must(steps...)
	if l.profile.Groups {
		t.must(slices.Concat(fewer.Steps, fewer.Held)...)
	}
	t.converges(access.State{})
}

func updateOnlyThat(l *lab) {
	t, bystander := l.tenant("update"), l.tenant("bystander")
	people := l.people("update", 4)
	a, b := people[:2], people[2:]
	for _, t := range []*tenant{t, bystander} {
		t.sync(t.want(a, b))
		t.converges(t.want(a, b))
	}
	before, beside := t.look(), bystander.look()
	want := t.want(people[1:3], b) // the first leaves, the third joins
	p := t.plan(want)
	expected := refsOf(people[1:3])
	if l.profile.Groups && l.profile.MemberChunk > 0 {
		// Somebody adds one more meanwhile. The step does not name them.
		t.must(t.plan(t.want(slices.Concat(a, people[3:]), b)).Steps...)
		expected = refsOf(people[1:])
	}
	t.must(slices.Concat(p.Steps, p.Held)...)
	l.settles(func() string { return cmp.Diff(expected, t.members(t.look(), 0)) })
	if diff := cmp.Diff(t.without(before, 0), t.without(t.look(), 0), versions()); diff != "" {
		l.Errorf("changing one set changed something else: %s", diff)
	}
	if diff := cmp.Diff(beside, bystander.look(), inUse()); diff != "" {
		l.Errorf("changing one tenant changed another: %s", diff)
	}
}

// without is the state but for the people of the n-th set.
func (t *tenant) without(s access.State, n int) access.State {
	s = access.State{Groups: slices.Clone(s.Groups), Bindings: slices.Clone(s.Bindings)}
	for i, g := range s.Groups {
		if g.Name == t.set(n) {
			s.Groups[i].Members = nil
		}
	}
	for i, b := range s.Bindings {
		if b.Role == t.world.Roles[n] && b.Group == "" {
			s.Bindings[i].Subjects = nil
		}
	}
	if t.profile.Separate { // there its people are bindings, and so is what they need for it
		s.Bindings = slices.DeleteFunc(s.Bindings, func(b access.Binding) bool {
			return b.Role == t.world.Roles[n] || slices.Contains(t.profile.EveryPerson, b.Role)
		})
	}
	return s
}

// versions leaves out of a comparison what moves with every write.
func versions() cmp.Option {
	return cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Version" }, cmp.Ignore())
}

// inUse leaves out of a comparison what other tenants need of a tenant's objects.
func inUse() cmp.Option {
	return cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".InUse" }, cmp.Ignore())
}

// A wave runs as parallel as the profile allows, so nothing may depend on who
// comes first.
func wavesCommute(l *lab) {
	people := l.people("waves", max(3, min(l.profile.MemberChunk, 40)+1)) // more than one step for a set
	for _, way := range []struct {
		name string
		run  func(*tenant, plan.Plan, []plan.Work)
	}{
		{"forward", inOrder},
		{"backward", func(t *tenant, p plan.Plan, wave []plan.Work) {
			wave = slices.Clone(wave)
			slices.Reverse(wave)
			inOrder(t, p, wave)
		}},
		{"at-once", atOnce},
	} {
		t := l.tenant(way.name)
		for _, want := range []access.State{t.want(people, people[:2], people[1:]), t.want(people[1:], people[:3], people)} {
			p := t.plan(want)
			for _, wave := range p.Waves(l.profile.Unit) {
				way.run(t, p, wave)
			}
			t.converges(want)
			t.noTwins()
		}
	}
}

func inOrder(t *tenant, p plan.Plan, wave []plan.Work) {
	for _, work := range wave {
		t.must(t.steps(p, work)...)
	}
}

func atOnce(t *tenant, p plan.Plan, wave []plan.Work) {
	var running sync.WaitGroup
	free := make(chan struct{}, t.profile.Parallel)
	for _, work := range wave {
		steps := t.steps(p, work)
		running.Go(func() {
			free <- struct{}{}
			defer func() { <-free }()
			for i, r := range t.apply(t.Context(), steps...) {
				if r.Err != nil {
					t.Errorf("beside other units, %s %s %q failed: %v", steps[i].Op, steps[i].Kind, steps[i].Object, r.Err)
				}
			}
		})
	}
	running.Wait()
}

func tearDown(l *lab) {
	t := l.tenant("teardown")
	people := l.people("teardown", 3)
	t.sync(t.want(people, people[:2], people[1:]))
	t.converges(t.want(people, people[:2], people[1:]))
	t.sync(access.State{})
	t.converges(access.State{})
	l.settles(func() string {
		state := t.look()
		for n := range 3 {
			if _, there := groupNamed(state, t.set(n)); there && l.profile.Groups {
				return "a group of ours is left: " + t.set(n)
			}
			if _, there := bindingOf(state, l.world.Roles[n], t.set(n)); there {
				return "a role of ours is left: " + l.world.Roles[n]
			}
		}
		return ""
	})
}
