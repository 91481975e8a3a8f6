package plan_test

import (
	"fmt"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// renameWorld draws a tenant whose groups get other names, in every state that a
// run which was cut short leaves. Each project role has the same platform roles
// before and after, so that who keeps a project role is to keep all of them.
func renameWorld(t *rapid.T) plan.Input {
	w := drawing{T: t, in: plan.Input{Tenant: tenant, Rules: drawRules(t)}, owned: map[access.Key]bool{}}
	if !w.in.Rules.CanRename && w.in.Rules.Rename == plan.InPlace && w.yes("can it after all") {
		w.in.Rules.CanRename = true
	}
	names := rapid.Permutation([]string{"a1", "a2", "a3"}).Draw(t, "names")
	for i, serves := range []string{"s1", "s2", "s3"} {
		w.renamed(serves, fmt.Sprintf("a%d", i+1), names[i], w.someRoles())
	}
	return w.in
}

// someRoles draws at least one role.
func (w *drawing) someRoles() []string {
	return rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"r1", "r2", "r3"}), 1, 3, rapid.ID[string]).Draw(w.T, "roles")
}

// renamed draws what is there of one project role, and the name it is to have.
func (w *drawing) renamed(serves, old, other string, roles []string) {
	to := rapid.SampledFrom([]string{old, other, "b" + old, "b" + old, strings.ToUpper(old), ""}).Draw(w.T, "new name")
	taken := slices.ContainsFunc(w.in.Desired.Groups, func(g access.Group) bool { return strings.EqualFold(g.Name, to) })
	if to != "" && !taken {
		w.in.Desired.Groups = append(w.in.Desired.Groups, access.Group{Name: to, Members: w.members(true), Serves: serves})
		for _, role := range roles {
			w.in.Desired.Bindings = append(w.in.Desired.Bindings, access.Binding{Role: role, Group: to})
		}
	}
	for _, name := range rapid.SampledFrom([][]string{{}, {old}, {old}, {old}, {old, "c" + old}}).Draw(w.T, "there") {
		w.there(name, serves, roles, true)
	}
	if !strings.HasPrefix(to, "b") {
		return
	}
	switch rapid.IntRange(0, 5).Draw(w.T, "half built") {
	case 0:
		w.there(to, serves, roles[:rapid.IntRange(0, len(roles)).Draw(w.T, "given")], true)
	case 1:
		w.there(to, "", []string{"f1"}, false)
	}
}

// there draws a group on the platform, with roles that others gave to it.
func (w *drawing) there(name, serves string, roles []string, isOurs bool) {
	if slices.ContainsFunc(w.in.Observed.Groups, func(g access.Group) bool { return strings.EqualFold(g.Name, name) }) {
		return
	}
	g := access.Group{Name: name, Ref: w.ref(), Members: w.members(false)}
	if isOurs {
		g.Mark = mark
		w.in.Owned = append(w.in.Owned, plan.Owned{Key: g.Key(), Ref: g.Ref, Serves: serves})
	}
	w.in.Observed.Groups = append(w.in.Observed.Groups, g)
	for _, role := range roles {
		b := access.Binding{Role: role, Group: name, GroupRef: g.Ref, Mark: access.Unread()}
		w.in.Observed.Bindings = append(w.in.Observed.Bindings, b)
		if isOurs {
			w.in.Owned = append(w.in.Owned, plan.Owned{Key: b.Key()})
		}
	}
	for i := range rapid.SampledFrom([]int{0, 0, 1, 2}).Draw(w.T, "foreign roles") {
		b := access.Binding{Role: fmt.Sprintf("f%d", i+2), Group: name, GroupRef: g.Ref, Mark: access.Unread()}
		b.Shielded = rapid.IntRange(0, 3).Draw(w.T, "shielded") == 0
		w.in.Observed.Bindings = append(w.in.Observed.Bindings, b)
	}
	for _, want := range w.in.Desired.Groups {
		if want.Serves == serves {
			w.keep(want.Key(), minus(g.Members, want.Members))
		}
	}
}

// approved returns the input with everything approved that is held, and what
// that holds in turn.
func approved(in plan.Input) plan.Input {
	const rounds = 6
	in.Approved = slices.Clone(in.Approved)
	for range rounds {
		held := plan.Make(in).HeldRemovals()
		if len(held) == 0 {
			break
		}
		in.Approved = append(in.Approved, held...)
	}
	return in
}

// run applies a plan in an order that its schedule allows: units of a wave in any
// order, renamings in any order among each other. After each step it asks whether
// to go on.
func (p *platform) run(t *rapid.T, todo plan.Plan, goOn func(plan.Step) bool) {
	schedule := todo.Schedule(plan.PerObject)
	apply := func(wave []plan.Work) bool {
		for _, work := range rapid.Permutation(wave).Draw(t, "wave") {
			for _, id := range work.Steps {
				s, _ := todo.Step(id)
				p.apply(s)
				if !goOn(s) {
					return false
				}
			}
		}
		return true
	}
	all := func(waves [][]plan.Work) bool {
		for _, wave := range waves {
			if !apply(wave) {
				return false
			}
		}
		return true
	}
	if !all(schedule.Now) {
		return
	}
	var queues [][][]plan.Work
	for i, r := range schedule.Renamings {
		queue := slices.Concat(r.Build, r.Remove)
		if todo.Renames[i].Mode == plan.Strict {
			queue = slices.Concat(r.Remove, r.Build)
		}
		if len(queue) > 0 {
			queues = append(queues, queue)
		}
	}
	for len(queues) > 0 {
		i := rapid.IntRange(0, len(queues)-1).Draw(t, "renaming")
		if !apply(queues[i][0]) {
			return
		}
		if queues[i] = queues[i][1:]; len(queues[i]) == 0 {
			queues = slices.Delete(queues, i, i+1)
		}
	}
	all(schedule.After)
}

// can returns what each person may do, as "person role".
func (p *platform) can() map[string]bool {
	who := map[string]bool{}
	for _, b := range p.Bindings {
		people := b.Subjects
		if b.Group != "" {
			people = p.members(b.GroupRef)
		}
		for _, m := range people {
			who[m.Ref+" "+b.Role] = true
		}
	}
	return who
}

// picture is what people see of a platform, without ids.
func (p *platform) picture() []string {
	var lines []string
	for _, g := range p.Groups {
		lines = append(lines, fmt.Sprintf("group %s %v %v", g.Name, g.Mark, refs(g.Members)))
	}
	for _, b := range p.Bindings {
		lines = append(lines, fmt.Sprintf("binding %s %v", b.Key(), refs(b.Subjects)))
	}
	slices.Sort(lines)
	return lines
}

// seen returns the input as it is once the platform looks like that.
func (p *platform) seen(in plan.Input) plan.Input {
	in.Observed = access.State{Groups: slices.Clone(p.Groups), Bindings: slices.Clone(p.Bindings)}
	in.Owned = slices.Clone(p.owned)
	return in
}
