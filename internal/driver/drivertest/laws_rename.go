package drivertest

import (
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// These laws are about groups that are there and become something else: they
// get another name, or another owner. Whoever is in them must not notice.

// change is the step that gives a group a name, and our mark.
func (t *tenant) change(have access.Group, name string) plan.Step {
	have.Members = nil
	want := have
	want.Name, want.Mark = name, t.scope.Mark
	step := plan.Step{ID: "change-" + name, Op: plan.Change, Kind: access.KindGroup, Object: name}
	step.Have.Group, step.Want.Group = &have, &want
	return step
}

// changed applies such a step twice, by two drivers, and checks that the second
// one finds nothing to do.
func (t *tenant) changed(step plan.Step) {
	t.Helper()
	ref := step.Have.Group.Ref
	if got := t.must(step)[0].Ref; got != ref {
		t.Errorf("changing the group %q answers with the id %q, want its id %q", step.Object, got, ref)
	}
	t.settles(func() string {
		g, _ := groupNamed(t.look(), step.Want.Group.Name)
		return cmp.Diff([]any{ref, t.scope.Mark}, []any{g.Ref, g.Mark})
	})
	t.driver = t.world.Open(t)
	before := t.writes()
	if got := t.must(step)[0].Ref; got != ref {
		t.Errorf("changing the group %q again answers with the id %q, want its id %q", step.Object, got, ref)
	}
	if after := t.writes(); after != before {
		t.Errorf("changing a group that is as wanted made %d calls that write", after-before)
	}
}

// group is the n-th group as it is seen now.
func (t *tenant) group(n int) access.Group {
	t.Helper()
	g, there := groupNamed(t.look(), t.set(n))
	if !there {
		t.Fatalf("the group %q is not there", t.set(n))
	}
	return g
}

// called is a state in which the groups have other names.
func called(s access.State, names map[string]string) access.State {
	s = access.State{Groups: slices.Clone(s.Groups), Bindings: slices.Clone(s.Bindings)}
	for i, g := range s.Groups {
		if to := names[g.Name]; to != "" {
			s.Groups[i].Name = to
		}
	}
	for i, b := range s.Bindings {
		if to := names[b.Group]; to != "" {
			s.Bindings[i].Group = to
		}
	}
	s.Sort()
	return s
}

func renamesInPlace(l *lab) {
	t := l.tenant("rename")
	people := l.people("rename", 3)
	want := t.want(people[:2], people[1:])
	want.Bindings = slices.DeleteFunc(want.Bindings, func(b access.Binding) bool { return b.Group == t.set(1) })
	t.sync(want) // one group has roles, the other one nothing but members
	t.converges(want)
	before := t.look()
	bound, bare := t.group(0), t.group(1)
	names := map[string]string{bound.Name: "laws-renamed-bound", bare.Name: "laws-renamed-bare"}
	t.scope.Groups = []access.Group{{Name: bound.Name, Ref: bound.Ref}, {Name: bare.Name, Ref: bare.Ref}}
	for _, g := range []access.Group{bound, bare} {
		step := t.change(g, names[g.Name])
		t.changed(step)
		l.driver = l.world.Open(l)
	}
	after := called(before, names)
	l.settles(func() string { return cmp.Diff(after, t.look(), versions()) }) // by their ids, under their former names
	t.scope.Groups = []access.Group{{Name: names[bound.Name]}, {Name: names[bare.Name]}}
	l.settles(func() string { return cmp.Diff(after, t.look(), versions()) }) // by their names
	t.converges(called(want, names))
	t.cannotBeRenamed(bound, bare, names)
	t.formerNameIsFree(bound, names[bound.Name])
	l.renamesAsPlanned(people)
}

// renamesAsPlanned lets the planner find out that a group has another name now.
func (l *lab) renamesAsPlanned(people []access.Member) {
	l.Helper()
	t := l.tenant("planned")
	want := t.want(people[:2], people[1:])
	t.sync(want)
	t.converges(want)
	t.scope.Groups = []access.Group{{Name: t.set(0), Ref: t.group(0).Ref}, {Name: t.set(1)}}
	want = called(t.want(people, people[1:]), map[string]string{t.set(0): "laws-planned-renamed"}) // and somebody joins
	var done []string
	for _, s := range t.sync(want).Steps {
		done = append(done, string(s.Op)+" "+string(s.Kind))
	}
	if diff := cmp.Diff([]string{"change group", "change members"}, done); diff != "" {
		l.Errorf("the plan that renames a group has other steps: %s", diff)
	}
	t.converges(want)
	t.noTwins()
}

// cannotBeRenamed tries what has to fail. The groups are given as they were
// before they got the names.
func (t *tenant) cannotBeRenamed(bound, bare access.Group, names map[string]string) {
	t.Helper()
	before := t.look()
	t.fails("to rename a group from a name that it has no more", t.one(t.change(bound, "laws-renamed-late")), fault.ErrConflict)
	bound.Name = names[bound.Name]
	t.fails("to give a group the name of another one", t.one(t.change(bound, names[bare.Name])), fault.ErrConflict)
	if diff := cmp.Diff(before, t.look()); diff != "" {
		t.Errorf("a conflict changed something: %s", diff)
	}
	bare.Name = names[bare.Name]
	t.must(plan.Step{ID: "gone", Op: plan.Delete, Kind: access.KindGroup, Object: bare.Name, Have: plan.Object{Group: &bare}})
	t.settles(func() string {
		_, there := groupNamed(t.look(), bare.Name)
		return lacks(there, "the group that was deleted is still there")
	})
	t.fails("to rename a group that is gone", t.one(t.change(bare, "laws-renamed-gone")), fault.ErrNotFound)
}

// formerNameIsFree makes a group of the name that another one had, as a run does
// whose project has that name now, and the renamed one again, as after a crash.
func (t *tenant) formerNameIsFree(was access.Group, now string) {
	t.Helper()
	create := func(name string) string {
		step := plan.Step{ID: "create-" + name, Op: plan.Create, Kind: access.KindGroup, Object: name}
		step.Want.Group = &access.Group{Name: name, Mark: t.scope.Mark}
		return t.must(step)[0].Ref
	}
	ref := create(was.Name)
	if ref == was.Ref {
		t.Errorf("creating a group of a renamed group's former name answers with the renamed one")
	}
	t.driver = t.world.Open(t)
	if again := create(was.Name); again != ref {
		t.Errorf("creating a group of a former name again answers with the id %q, the first time it was %q", again, ref)
	}
	if again := create(now); again != was.Ref {
		t.Errorf("creating the group that has the name by a rename answers with the id %q, want %q", again, was.Ref)
	}
	t.know(access.Group{Name: was.Name})
	same := was
	same.Name = now
	t.settles(func() string {
		state := t.look()
		renamed, _ := groupNamed(state, now)
		created, _ := groupNamed(state, was.Name)
		return cmp.Diff([]any{same, ref, []string{}}, []any{renamed, created.Ref, refsOf(created.Members)})
	})
	t.noTwins()
}

// notice is what people write on a group.
const notice = "Ask the reception before you join."

func groupsAreAdopted(l *lab) {
	t := l.tenant("adopt")
	people := l.people("adopt", 2)
	planted := l.world.Plant(l, t.scope.ID, access.State{Groups: []access.Group{{Name: t.set(0), Members: people}}})
	t.know(planted.Groups...)
	l.world.Describe(l, planted.Groups[0].Ref, notice)
	l.settles(func() string {
		g, there := groupNamed(t.look(), t.set(0))
		return lacks(!there || g.Mark != access.Mark{}, "a group that somebody made is not seen as nobody's")
	})
	want := t.group(0)
	t.changed(t.change(want, want.Name))
	want.Mark = t.scope.Mark
	l.settles(func() string { return cmp.Diff(want, t.group(0)) })
	if now := l.world.Description(l, want.Ref); !strings.Contains(now, notice) {
		l.Errorf("what people wrote on a group went with its adoption: %q", now)
	}
	create := plan.Step{ID: "create", Op: plan.Create, Kind: access.KindGroup, Object: want.Name, Want: plan.Object{Group: &want}}
	if got := t.must(create)[0].Ref; got != want.Ref {
		l.Errorf("creating a group that was adopted answers with the id %q, want %q", got, want.Ref)
	}
	desired := t.want(people[:1])
	t.sync(desired)
	t.converges(desired)
	t.noTwins()
	t.staysTheirs()
}

// staysTheirs tries to take over a group that got another owner since the step
// was made.
func (t *tenant) staysTheirs() {
	t.Helper()
	have := t.group(0)
	have.Mark = access.Mark{}
	t.world.Remark(t, have.Ref, access.Mark{Installation: "others", Tenant: t.scope.Mark.Tenant})
	before := t.look()
	steps := []plan.Step{t.change(have, have.Name)}
	if t.profile.Renames {
		steps = append(steps, t.change(have, "laws-adopted"))
	}
	for _, step := range steps {
		t.fails("to take over a group that is marked as another installation's", t.one(step), fault.ErrConflict)
	}
	if diff := cmp.Diff(before, t.look()); diff != "" {
		t.Errorf("the group of another installation was changed: %s", diff)
	}
}

// A role that was carried over is as foreign as the one that it stands for. So
// it is compared with one that somebody else gives.
func carriedRolesAreNobodys(l *lab) {
	t := l.tenant("carried")
	people := l.people("carried", 2)
	want := t.want(people, people[1:])
	t.sync(want)
	t.converges(want)
	group := t.group(1)
	foreign := l.world.Plant(l, t.scope.ID, access.State{Bindings: []access.Binding{
		{Role: l.world.Roles[2], Group: group.Name, GroupRef: group.Ref},
	}}).Bindings[0]
	carried := access.Binding{Role: l.world.Roles[0], Group: group.Name, GroupRef: group.Ref, Carried: true, Mark: t.scope.Mark}
	if l.profile.Conditions {
		carried.Condition = l.world.Conditions[1]
	}
	step := plan.Step{ID: "carry", Op: plan.Create, Kind: access.KindBinding, Object: carried.Key().String()}
	step.Want.Binding = &carried
	ref := t.must(step)[0].Ref
	l.driver = l.world.Open(l)
	if again := t.must(step)[0].Ref; again != ref {
		l.Errorf("carrying a role again answers with the id %q, the first time it was %q", again, ref)
	}
	seen := func() string { return t.likeForeign(ref, foreign.Ref, carried) }
	l.settles(seen)
	t.sync(want)
	l.settles(seen)
	t.noTwins()
}

// likeForeign complains unless the carried binding is there and looks like the one
// that somebody else gave.
func (t *tenant) likeForeign(ref, foreignRef string, carried access.Binding) string {
	t.Helper()
	byRef := map[string]access.Binding{}
	for _, b := range t.look().Bindings {
		byRef[b.Ref] = b
	}
	got, foreign := byRef[ref], byRef[foreignRef]
	rest := cmpopts.IgnoreFields(access.Binding{}, "Carried", "Name", "Ref", "Version", "Mark", "InUse", "Shielded")
	if diff := cmp.Diff(carried, got, rest); diff != "" {
		return "the carried role is not what was asked for: " + diff
	}
	return cmp.Diff([]any{foreign.Mark, foreign.Name == ""}, []any{got.Mark, got.Name == ""})
}
