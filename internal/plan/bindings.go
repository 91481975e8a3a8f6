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
	switch m.whose(have.Key(), have.Ref, have.Mark) {
	case unclear:
		m.unclear(have.Key())
	case foreign:
		m.remark(access.ObjectForeign, want.Key().String(), fmt.Sprintf(
			"somebody else gave %q under another condition, so it stays as it is: remove it there", want.Key()))
	default:
		changed := have
		changed.Condition, changed.Version = want.Condition, ""
		at := m.at(want.Group)
		at.given = append(at.given, m.step(Step{
			Op: Change, Have: Object{Binding: &have}, Want: Object{Binding: &changed}, Why: "the condition differs",
		}))
	}
}

func (m *maker) createBinding(want access.Binding) {
	want.GroupRef, want.Mark = m.groups[want.Group].Ref, m.in.Rules.Mark
	at := m.at(want.Group)
	at.given = append(at.given, m.step(Step{Op: Create, Want: Object{Binding: &want}, Why: want.Why, Needs: at.created}))
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
		m.moving = append(m.moving, s)
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

// leftoverBinding plans an observed binding that nobody desires.
func (m *maker) leftoverBinding(have access.Binding) {
	key := have.Key()
	whose := m.whose(key, have.Ref, have.Mark)
	second := have.Ref != m.bindings[key].Ref
	switch {
	case m.desired[key] && (whose == foreign || !second):
	case whose == foreign:
		m.foreignBinding(have)
	case whose == unclear, second:
		m.unclear(key)
	default:
		m.deleteBinding(have, "no role mapping asks for this role")
	}
}

// foreignBinding plans a role that somebody else gave to a group of ours. One
// on any other group, or to people, is nobody's business here.
func (m *maker) foreignBinding(have access.Binding) {
	group, whose := m.found(have.Group)
	if whose != ours {
		return
	}
	given := fmt.Sprintf("the role %q was given to the group %q by somebody else and ", have.Role, have.Group)
	object := have.Key().String()
	switch {
	case m.in.Rules.Additional == RemoveAdditional && !have.Shielded:
		if m.deleteBinding(have, "additionalPermissions is remove, and Rollcall did not give this role") {
			m.remark(access.ForeignPermissionRemoved, object, given+"is removed: put it into a role mapping to keep it")
		}
	case m.goes(group):
		m.remark(access.ForeignPermissionRemoved, object, given+"goes with the group: give it to another group to keep it")
	case have.Shielded:
		m.remark(access.ForeignPermissionKept, object, given+"is kept, as this platform asks for: put it into a role mapping")
	default:
		m.remark(access.ForeignPermissionKept, object, given+
			"is kept: put it into a role mapping, or set additionalPermissions to remove")
	}
}

// deleteBinding takes a role away, unless it is the last role of people: that is
// held, as if their group were emptied. It reports whether the role goes.
func (m *maker) deleteBinding(have access.Binding, why string) bool {
	at := m.at(have.Group)
	s := Step{Op: Delete, Have: Object{Binding: &have}, Why: why, Needs: at.given}
	if have.Group == "" {
		s.Needs = m.arrivals(have.Subjects)
	}
	if people := m.losers(have); m.waits(Removal{Object: have.Key(), Ref: have.Ref}, people > 0) {
		m.hold(s, fmt.Sprintf("taking the role %q takes access from %d people", have.Role, people))
		return false
	}
	at.taken = append(at.taken, m.step(s))
	return true
}

// losers counts the people who would be left without any role on the tenant, as
// far as the guard cares: the members of a group that keeps no other role, or the
// subjects whom no other binding of ours lists.
func (m *maker) losers(have access.Binding) int {
	if have.Group != "" {
		if m.at(have.Group).roles > 0 {
			return 0
		}
		return len(m.groups[have.Group].Members)
	}
	var elsewhere []access.Member
	for i, want := range m.in.Desired.Bindings {
		if want.Group == "" {
			elsewhere = append(elsewhere, m.subjectSets[i].stay...)
		}
	}
	gone := len(without(have.Subjects, elsewhere))
	if !m.in.Rules.Guard.Holds(gone, len(have.Subjects)) {
		return 0
	}
	return gone
}
