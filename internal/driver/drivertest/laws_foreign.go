package drivertest

import (
	"errors"
	"slices"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// These laws are about what others made. A platform that Rollcall joins late is
// full of it, and nobody forgives a tool that takes it away.

func foreignIsSacred(l *lab) {
	t := l.tenant("foreign")
	people := l.people("foreign", 3)
	planted := access.State{Bindings: []access.Binding{{Role: l.world.Roles[2], Subjects: people[:1]}}}
	if l.profile.Groups {
		planted = access.State{
			Groups: []access.Group{{
				Name: "laws-others", Members: people[:1],
				Mark: access.Mark{Installation: "others", Tenant: t.scope.Mark.Tenant},
			}},
			Bindings: []access.Binding{{Role: l.world.Roles[0], Group: "laws-others"}},
		}
	}
	if l.profile.NoBindings {
		planted.Bindings = nil
	}
	planted = l.world.Plant(l, t.scope.ID, planted)
	t.know(planted.Groups...)
	foreign := t.only(planted)
	if len(foreign.Bindings) != len(planted.Bindings) || len(foreign.Groups) != len(planted.Groups) {
		l.Fatalf("Observe does not show what others made at the scope: %+v", foreign)
	}
	want := t.want(people, people[1:])
	t.sync(want)
	t.converges(want)
	if l.profile.Groups && !l.profile.NoBindings {
		t.keepsForeignRole(want)
	}
	if diff := cmp.Diff(foreign, t.only(planted)); diff != "" {
		l.Errorf("a sync changed what others made: %s", diff)
	}
	t.sync(access.State{})
	t.converges(access.State{})
	if diff := cmp.Diff(foreign, t.only(planted)); diff != "" {
		l.Errorf("the sync that removes all of ours changed what others made: %s", diff)
	}
}

// keepsForeignRole gives another role to a group of ours and sees it stay.
func (t *tenant) keepsForeignRole(want access.State) {
	t.Helper()
	ours, _ := groupNamed(t.look(), t.set(0))
	t.world.Plant(t, t.scope.ID, access.State{Bindings: []access.Binding{
		{Role: t.world.Roles[2], Group: ours.Name, GroupRef: ours.Ref},
	}})
	t.settles(func() string {
		if _, there := bindingOf(t.look(), t.world.Roles[2], ours.Name); !there {
			return "Observe does not show a role that somebody else gave to a group of ours"
		}
		return ""
	})
	t.sync(want)
	if _, there := bindingOf(t.look(), t.world.Roles[2], ours.Name); !there {
		t.Error("a sync took a role that somebody else gave to a group of ours")
	}
}

// only is what is observed of the planted objects, by id.
func (t *tenant) only(planted access.State) access.State {
	t.Helper()
	state := t.look()
	state.Groups = slices.DeleteFunc(state.Groups, func(g access.Group) bool {
		return !slices.ContainsFunc(planted.Groups, func(h access.Group) bool { return h.Ref == g.Ref })
	})
	state.Bindings = slices.DeleteFunc(state.Bindings, func(b access.Binding) bool {
		return !slices.ContainsFunc(planted.Bindings, func(c access.Binding) bool { return c.Key() == b.Key() })
	})
	return state
}

// A name pattern can produce a name that somebody chose years ago. The planner
// says so; a driver that sees it first must not fill the stranger's group.
func foreignNamesAreTaken(l *lab) {
	people := l.people("taken", 2)
	for name, mark := range map[string]access.Mark{
		"unmarked": {},
		"marked":   {Installation: "others", Tenant: "laws.unmarked/platform.test"},
	} {
		t := l.tenant(name)
		want := t.want(people)
		p := t.plan(want) // made before the stranger came
		planted := l.world.Plant(l, t.scope.ID, access.State{
			Groups: []access.Group{{Name: t.set(0), Mark: mark, Members: people[:1]}},
		})
		foreign := t.only(planted)
		for _, step := range p.Steps {
			result := t.apply(t.Context(), step)[0]
			if step.Op == plan.Create && step.Kind == access.KindGroup && result.Err == nil && result.Ref != planted.Groups[0].Ref {
				break // the platform allows two groups of one name: what follows is ours
			}
			if !errors.Is(result.Err, fault.ErrConflict) && !errors.Is(result.Err, fault.ErrNotFound) {
				l.Errorf("%s group: %s %s answered %+v, want a conflict", name, step.Op, step.Kind, result)
			}
		}
		if diff := cmp.Diff(foreign, t.only(planted), cmpopts.EquateEmpty()); diff != "" {
			l.Errorf("the %s group of somebody else was changed: %s", name, diff)
		}
	}
}

// Between plan and apply, somebody may have taken the group over.
func conflictIsSeen(l *lab) {
	t := l.tenant("conflict")
	want := t.want(l.people("conflict", 2))
	t.sync(want)
	t.converges(want)
	ours, _ := groupNamed(t.look(), t.set(0))
	removal := t.plan(access.State{})
	steps := slices.Concat(removal.Steps, removal.Held)
	i := slices.IndexFunc(steps, func(s plan.Step) bool { return s.Op == plan.Delete && s.Kind == access.KindGroup })
	if i < 0 {
		l.Fatalf("the plan that empties a tenant deletes no group:\n%s", removal)
	}
	l.world.Remark(l, ours.Ref, access.Mark{Installation: "others", Tenant: t.scope.Mark.Tenant})
	before := t.look()
	l.fails("deleting a group whose mark has changed", t.one(steps[i]), fault.ErrConflict)
	if diff := cmp.Diff(before, t.look()); diff != "" {
		l.Fatalf("a conflict changed something: %s", diff)
	}
	l.world.Remark(l, ours.Ref, t.scope.Mark)
	t.must(steps[i])
}

func versionsAreCompared(l *lab) {
	t := l.tenant("versions")
	people := l.people("versions", 2)
	t.sync(t.want(people[:1]))
	t.converges(t.want(people[:1]))
	b, _ := bindingOf(t.look(), l.world.Roles[0], "")
	if b.Version == "" {
		l.Skip("by the platform: bindings have no version")
	}
	more, none := t.plan(t.want(people)), t.plan(access.State{})
	l.world.Touch(l, t.scope.ID, b)
	before := t.look()
	for _, step := range slices.Concat(more.Steps, none.Steps, none.Held) {
		l.fails("to "+string(step.Op)+" a binding that moved", t.one(step), fault.ErrConflict)
	}
	if diff := cmp.Diff(before, t.look()); diff != "" {
		l.Errorf("a conflict changed something: %s", diff)
	}
}
