package oracle

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/plan/oracle/access"
)

// renaming is a Renaming while the plan is made.
type renaming struct {
	to    string
	olds  []access.Group
	ready bool // the new group is ours, or about to be
	// leavers say, of each old group, who is in it and not in the new one.
	leavers []difference
	// leaving are the IDs of the steps that take the leavers out.
	leaving []string
	// takes end the old groups' roles, once nothing waits.
	takes   []Step
	build   []string
	waits   []string // what the old groups stay for
	asked   int      // roles that could be carried over
	offered map[string]bool
	loses   []access.Binding
}

// addRenaming notes that a desired group replaces others.
func (m *maker) addRenaming(want access.Group, olds []access.Group) {
	_, whose := m.found(want.Name)
	r := &renaming{to: want.Name, olds: olds, ready: whose == ours || whose == nobodys, offered: map[string]bool{}}
	if !r.ready {
		r.wait(fmt.Sprintf("the name %q, which a group has that is not ours", want.Name))
	}
	m.renamings = append(m.renamings, r)
	m.successors[want.Name] = r
	for _, have := range olds {
		m.former[have.Name] = r
		m.kept[have.Key()] = m.kept[want.Key()] // Input.Keep names desired groups
	}
	for _, b := range m.in.Observed.Bindings {
		if m.former[b.Group] == r && m.whose(b.Key(), b.Ref, b.Mark) == ours {
			m.at(b.Group).roles++
		}
	}
}

// wait keeps the old groups, and says for what.
func (r *renaming) wait(what string) { r.waits = append(r.waits, what) }

// wanted returns whom the new group is to hold: also those who are kept and in an
// old group. One that cleanup left without our roles gives them nothing any more.
func (r *renaming) wanted(m *maker, want access.Group) []access.Member {
	people := want.Members
	for _, old := range r.olds {
		if !m.in.Rules.Cleanup && m.at(old.Name).roles == 0 && m.hasRole(want.Name) {
			continue
		}
		kept := set(m.kept[want.Key()])
		for _, who := range without(old.Members, people) {
			if kept[who.Ref] {
				who.Why = fmt.Sprintf("kept in %q, which this group replaces", old.Name)
				people = append(slices.Clip(people), who)
			}
		}
	}
	return byRef(people)
}

// compareLeavers works out who is in an old group and not to be in the new one.
// The guard counts nobody else: they have the new group.
func (r *renaming) compareLeavers(m *maker, want access.Group) {
	for _, old := range r.olds {
		people := want.Members
		if !r.ready { // nobody comes
			people = without(old.Members, without(old.Members, people))
		}
		d := m.compare(comparison{
			set: old.Key(), want: people, have: old.Members, why: "nothing gives this account the group, under either name",
		})
		d.adds = nil
		r.leavers = append(r.leavers, d)
	}
}

// letLeave takes the leavers out of the old groups.
func (r *renaming) letLeave(m *maker) {
	for i, old := range r.olds {
		d := r.leavers[i]
		m.holdMembers(old, d)
		if d.held {
			r.wait(fmt.Sprintf("a decision on %d people who leave it", len(d.waits)))
		}
		leave, move := m.split(d.removes)
		for _, s := range m.memberSteps(old, nil, leave) {
			r.leaving = append(r.leaving, m.step(s))
		}
		for _, s := range m.memberSteps(old, nil, move) {
			m.moving = append(m.moving, moving{Step: s, from: r})
		}
	}
}

// left notes a step that takes out those who move elsewhere. If they move to a
// group that replaces another, too, they arrive only with that renaming, so the
// end of their old group is for the next plan.
func (r *renaming) left(m *maker, id string, needs []string) {
	r.leaving = append(r.leaving, id)
	if slices.ContainsFunc(needs, func(need string) bool { return m.parts[need] }) {
		r.wait("people who move to another group that changes its name; the next plan goes on")
	}
}

// build adds a step about a group, and to its renaming if it replaces another.
func (m *maker) build(group string, s Step) string {
	id := m.step(s)
	if r := m.successors[group]; r != nil {
		r.build = append(r.build, id)
		m.parts[id] = true
	}
	return id
}

// take plans the end of a role of ours on an old group. Those who stay have it
// through the new one; if that is not to have it, and they would be left with no
// role or a limit is reached, the end of it waits.
func (r *renaming) take(m *maker, have access.Binding) {
	if !r.ready {
		return
	}
	s := Step{Op: Delete, Have: Object{Binding: &have}, Why: fmt.Sprintf("the group %q has the role now", r.to)}
	people := 0
	if !m.desired[access.Binding{Role: have.Role, Group: r.to}.Key()] {
		s.Why = "no role mapping asks for this role"
		if m.closed() || !m.hasRole(r.to) {
			people = len(m.present(r.staying(have.Group)))
		}
	}
	if m.waits(Removal{Object: have.Key(), Ref: have.Ref}, people > 0) {
		m.hold(s, fmt.Sprintf("taking the role %q takes access from %d people", have.Role, people))
		r.wait(fmt.Sprintf("a decision on its role %q", have.Role))
		return
	}
	r.takes = append(r.takes, s)
}

// staying returns who is in the old group and does not leave it now.
func (r *renaming) staying(old string) []access.Member {
	i := slices.IndexFunc(r.olds, func(g access.Group) bool { return g.Name == old })
	return without(r.olds[i].Members, r.leavers[i].removes)
}

// finishRenamings plans the end of the old groups that nothing holds.
func (m *maker) finishRenamings() {
	strict := false
	for _, r := range m.renamings {
		strict = r.finish(m) || strict
	}
	if strict {
		m.out.Steps = inOrder(m.out.Steps)
	}
}

// finish lists the renaming, if there is something to remove or to wait for, and
// reports whether its steps are to be put in another order.
func (r *renaming) finish(m *maker) bool {
	ends := r.ends(m)
	if !r.pending(m) {
		return false
	}
	if r.asked > 0 {
		r.wait(fmt.Sprintf("a decision on %d roles that somebody else gave to it and that could be carried over", r.asked))
	}
	from := slices.Clone(r.olds)
	for i := range from {
		from[i].Members = nil
	}
	out := Renaming{
		ID: r.id(m.in.Tenant), Mode: cmp.Or(m.in.Rules.Rename, Recreate), From: from[0], Also: from[1:], To: r.to,
		Build: r.build, Waits: len(r.waits) > 0, Loses: r.loses,
	}
	if out.Mode == InPlace {
		out.Mode = Recreate
	}
	if len(out.Also) == 0 {
		out.Also = nil
	}
	switch {
	case out.Waits:
		for _, old := range r.olds {
			m.remark(access.RenameWaiting, old.Name, fmt.Sprintf(
				"the group %q is to be replaced by %q and stays for now, with its roles: it waits for %s",
				old.Name, r.to, strings.Join(r.waits, ", and for ")))
		}
	case len(r.takes)+len(ends) == 0:
		return false
	default:
		out.Remove = r.remove(m, out.Mode, ends)
	}
	m.out.Renames = append(m.out.Renames, out)
	return out.Mode == Strict && !out.Waits && m.afterRemoval(out)
}

// pending reports whether something is left to take from the old groups.
func (r *renaming) pending(m *maker) bool {
	return m.in.Rules.Cleanup || slices.ContainsFunc(r.olds, func(old access.Group) bool { return m.at(old.Name).roles > 0 })
}

// ends returns the steps that delete the old groups.
func (r *renaming) ends(m *maker) []Step {
	var ends []Step
	for _, old := range r.olds {
		s := deletion(old, fmt.Sprintf("the group has the name %q now", r.to))
		switch {
		case !m.in.Rules.Cleanup:
			m.cleanupOff(old)
		case !r.ready:
		case m.waits(Removal{Object: old.Key(), Ref: old.Ref}, false):
			m.holdFor(s, fmt.Sprintf("deleting the group %q, which %q replaces", old.Name, r.to))
			r.wait("the end of the rejection of its deletion")
		default:
			ends = append(ends, s)
		}
	}
	return ends
}

// remove adds the steps that end the old groups: their roles first.
func (r *renaming) remove(m *maker, mode Rename, ends []Step) []string {
	first := sortedSet(slices.Clone(r.leaving))
	if mode == Recreate {
		first = sortedSet(slices.Concat(r.leaving, r.build))
	}
	var all []string
	taken := map[string][]string{}
	for _, s := range r.takes {
		s.Needs = first
		id := m.step(s)
		all, taken[s.Have.Binding.Group] = append(all, id), append(taken[s.Have.Binding.Group], id)
	}
	for _, s := range ends {
		name := s.Have.Group.Name
		if s.Needs = slices.Concat(taken[name], m.at(name).taken); len(taken[name]) == 0 {
			s.Needs = slices.Concat(first, m.at(name).taken)
		}
		all = append(all, m.step(s))
	}
	return all
}

// afterRemoval lets what builds the new group come after the old one's end. It
// reports whether that puts steps out of order.
func (m *maker) afterRemoval(r Renaming) bool {
	build := set(r.Build)
	for i, s := range m.out.Steps {
		if build[s.ID] {
			m.out.Steps[i].Needs = sortedSet(slices.Concat(s.Needs, r.Remove))
		}
	}
	return len(build) > 0
}

// id derives the renaming's ID from the tenant and the groups.
func (r *renaming) id(t access.TenantID) string {
	sig := make(signature, 0, 512)
	sig.text("renaming", t.Workspace, t.Project, t.Platform, r.olds[0].Name, r.olds[0].Ref, r.to)
	return digest(sig)
}

// inOrder sorts steps so that each comes after those that it needs, and stays
// where it is otherwise.
func inOrder(steps []Step) []Step {
	place := make(map[string]int, len(steps))
	for i, s := range steps {
		place[s.ID] = i
	}
	sorted := make([]Step, 0, len(steps))
	done := make([]bool, len(steps))
	var add func(i int)
	add = func(i int) {
		if done[i] {
			return
		}
		done[i] = true
		for _, need := range steps[i].Needs {
			add(place[need])
		}
		sorted = append(sorted, steps[i])
	}
	for i := range steps {
		add(i)
	}
	return sorted
}
