package plan

import (
	"fmt"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// binding plans one desired binding.
func (m *maker) binding(want access.Binding, set difference) {
	if want.Group != "" && !m.at(want.Group).ready {
		return // a remark on the group says so
	}
	m.at(want.Group).roles++
	have, found := m.bindings[want.Key()]
	switch {
	case !found:
		m.createBinding(want)
	case want.Group == "":
		m.subjects(want, have, set)
	case want.Condition != have.Condition:
		m.condition(want, have)
	}
}

// condition changes when a role of a group counts.
func (m *maker) condition(want, have access.Binding) {
	whose := m.whose(have.Key(), have.Ref, have.Mark)
	replace := whose == foreign && m.in.Rules.Additional == RemoveAdditional && !have.Shielded
	switch {
	case whose == unclear:
		m.unclear(have.Key())
	case whose == foreign && !replace:
		m.remark(access.ObjectForeign, want.Key().String(), fmt.Sprintf(
			"another system granted %q under another condition, so Rollcall leaves it as it is: remove it there", want.Key()))
	default:
		changed := have
		changed.Condition, changed.Version = want.Condition, ""
		at := m.at(want.Group)
		s := Step{
			Op: Change, Have: Object{Binding: &have}, Want: Object{Binding: &changed}, Why: "the condition differs", Needs: at.created,
		}
		if m.forbids() && restricts(want, have) {
			m.forbid(s)
			return
		}
		at.given = append(at.given, m.build(want.Group, s))
	}
}

func (m *maker) createBinding(want access.Binding) {
	want.GroupRef, want.Mark = m.groups[want.Group].Ref, m.in.Rules.Mark
	at := m.at(want.Group)
	at.given = append(at.given, m.build(want.Group, Step{Op: Create, Want: Object{Binding: &want}, Why: want.Why, Needs: at.created}))
}

// subjects plans the people of a binding that lists them itself.
func (m *maker) subjects(want, have access.Binding, set difference) {
	switch m.whose(have.Key(), have.Ref, have.Mark) {
	case unclear:
		m.unclear(have.Key())
	case foreign:
		m.remark(access.ObjectForeign, want.Key().String(), fmt.Sprintf(
			"the platform has a binding %q that Rollcall did not make, so its subjects stay as they are: "+
				"remove or rename it there", want.Key()))
	default:
		m.changeSubjects(have, set)
	}
}

// changeSubjects writes the list, which platforms only write whole: in one step,
// or in two where somebody moves or the guard holds a removal.
func (m *maker) changeSubjects(have access.Binding, set difference) {
	leave, move := m.split(set.removes)
	var needs []string
	if len(set.adds)+len(leave) > 0 {
		s, next := rewrite(have, set.adds, leave)
		needs, have = []string{m.step(s)}, next
	}
	if len(move) > 0 {
		s, _ := rewrite(have, nil, move)
		s.Needs = needs
		m.moving = append(m.moving, moving{Step: s})
	}
	if set.held {
		s, _ := rewrite(have, nil, set.waits)
		m.hold(s, fmt.Sprintf("removing %d of the %d subjects of %q", len(set.waits), len(have.Subjects), have.Key()))
	}
}

// rewrite returns the step that changes the subjects, and the binding after it,
// whose version nobody knows before.
func rewrite(have access.Binding, adds, removes []access.Member) (Step, access.Binding) {
	want, stay := have, without(have.Subjects, removes)
	have.Subjects = slices.SortedFunc(slices.Values(slices.Concat(stay, removes)), access.CompareMembers)
	want.Subjects = slices.SortedFunc(slices.Values(slices.Concat(stay, adds)), access.CompareMembers)
	want.Version = ""
	return Step{Op: Change, Have: Object{Binding: &have}, Want: Object{Binding: &want}, Why: "subjects differ"}, want
}

// deleteBinding takes a role of ours away, unless the guard holds that: it is the
// last role of people, as if their group were emptied. It reports whether the
// role goes.
func (m *maker) deleteBinding(have access.Binding, why string) bool {
	return m.endBinding(have, why, m.losers(have, m.closed()))
}

// deleteForeign is deleteBinding for a role that somebody else gave: no limit
// beyond the plan counts it.
func (m *maker) deleteForeign(have access.Binding, why string) bool {
	return m.endBinding(have, why, m.losers(have, false))
}

func (m *maker) endBinding(have access.Binding, why string, losers int) bool {
	s := Step{Op: Delete, Have: Object{Binding: &have}, Why: why, Needs: m.beforeEnd(have)}
	if m.waits(Removal{Object: have.Key(), Ref: have.Ref}, losers > 0) {
		m.expelSubjects(have)
		m.hold(s, fmt.Sprintf("taking the role %q takes access from %d people", have.Role, losers))
		return false
	}
	at := m.at(have.Group)
	at.taken = append(at.taken, m.step(s))
	return true
}

// beforeEnd are the IDs of the steps that come before a role is taken: what its
// group gets instead, and what its people get elsewhere.
func (m *maker) beforeEnd(have access.Binding) []string {
	switch {
	case have.Group == "":
		return m.arrivals(have.Subjects)
	case m.former[have.Group] != nil: // it goes before its group does
		return nil
	}
	group := m.groups[have.Group]
	at := m.at(have.Group)
	needs := slices.Concat(at.created, m.arrivals(group.Members))
	if !m.repurposed(group) || m.whose(have.Key(), have.Ref, have.Mark) != ours {
		// Else whoever comes would have the old role for a while.
		needs = slices.Concat(needs, at.given)
	}
	return sortedSet(needs)
}

// expelSubjects takes those whose access is revoked by name out of a binding
// whose end is held.
func (m *maker) expelSubjects(have access.Binding) {
	gone := without(have.Subjects, m.present(have.Subjects))
	if len(gone) == 0 || m.in.Rules.Separate {
		return
	}
	s, _ := rewrite(have, nil, m.giveReasons(have.Key(), gone, ""))
	m.step(s)
}

// staying returns the members of a group who do not leave it now.
func (m *maker) staying(group string) []access.Member {
	set, _ := m.membersOf(group)
	return without(m.groups[group].Members, set.removes)
}

// membersOf returns how the members of a desired group are to change.
func (m *maker) membersOf(group string) (difference, bool) {
	i, desired := slices.BinarySearchFunc(m.in.Desired.Groups, group, compareName)
	if !desired {
		return difference{}, false
	}
	return m.memberSets[i], true
}

// losers counts from how many people the end of a role takes what the guard
// minds. That is all of it while a limit beyond the plan is reached; else it is
// their last role on the tenant: the members of a group that keeps no other, or
// the subjects whom no other binding of ours lists.
func (m *maker) losers(have access.Binding, closed bool) int {
	if have.Group != "" {
		people := len(m.present(m.staying(have.Group)))
		if !closed && (m.in.Rules.Gone || m.at(have.Group).roles > 0) {
			return 0
		}
		return people
	}
	subjects := m.present(have.Subjects)
	if closed {
		return len(subjects)
	}
	var elsewhere []access.Member
	for i, want := range m.in.Desired.Bindings {
		if want.Group == "" {
			elsewhere = append(elsewhere, m.subjectSets[i].stay...)
		}
	}
	gone := len(without(subjects, elsewhere))
	if !m.holds(gone, len(subjects)) {
		return 0
	}
	return gone
}
