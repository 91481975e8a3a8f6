package oracle

import (
	"fmt"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/plan/oracle/access"
)

// leftoverGroup plans an observed group that nobody desires.
func (m *maker) leftoverGroup(have access.Group) {
	whose := m.whose(have.Key(), have.Ref, have.Mark)
	second := m.isSecond(have)
	switch {
	case whose == foreign, m.desired[have.Key()] && !second:
	case whose == unclear, second:
		m.unclear(have.Key())
	case m.former[have.Name] != nil: // its renaming does the rest
	case !m.in.Rules.Cleanup:
		m.cleanupOff(have)
		m.expel(have)
	default:
		m.deleteGroup(have)
	}
}

// isSecond reports whether another group of that name is the one that counts.
func (m *maker) isSecond(have access.Group) bool {
	if ref, renamed := m.renamed[have.Name]; renamed {
		return ref != have.Ref
	}
	return have.Ref != m.groups[have.Name].Ref
}

func (m *maker) cleanupOff(have access.Group) {
	m.remark(access.CleanupOff, have.Name, fmt.Sprintf(
		"no role mapping asks for the group %q any more, and cleanup is off on this platform: "+
			"remove it there, or set skipUserGroupPermissionCleanup to false", have.Name))
}

// goes reports whether the plan deletes this group of ours.
func (m *maker) goes(have access.Group) bool {
	return !m.desired[have.Key()] && m.in.Rules.Cleanup && !m.groupWaits(have)
}

// groupWaits reports whether the deletion of a group that nobody desires waits
// for an approval: always with members, but for a removed tenant whose landing
// zone gave it beforehand.
func (m *maker) groupWaits(have access.Group) bool {
	held := len(m.present(have.Members)) > 0 && (m.closed() || !m.in.Rules.Gone || !m.in.Rules.AutoDelete)
	return m.waits(Removal{Object: have.Key(), Ref: have.Ref}, held)
}

func (m *maker) deleteGroup(have access.Group) {
	people := len(m.present(have.Members))
	s := deletion(have, m.unwanted("group"))
	if !m.groupWaits(have) {
		s.Needs = sortedSet(slices.Concat(m.at(have.Name).taken, m.arrivals(have.Members)))
		m.step(s)
		return
	}
	m.expel(have)
	if m.in.Rules.Gone && !m.closed() {
		m.holdFor(s, fmt.Sprintf("the tenant is removed; deleting its group %q with %d members waits for an approval: "+
			"automateDeletionApproval on the landing zone gives it beforehand", have.Name, people))
		return
	}
	m.hold(s, fmt.Sprintf("deleting the group %q takes access from its %d members", have.Name, people))
}

// deletion returns the step that deletes the group.
func deletion(have access.Group, why string) Step {
	have.Members = nil
	return Step{Op: Delete, Have: Object{Group: &have}, Why: why}
}

// unwanted says why a group or a role goes.
func (m *maker) unwanted(what string) string {
	if m.in.Rules.Gone {
		return "the tenant is removed"
	}
	return "no role mapping asks for this " + what
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
	case m.former[have.Group] != nil:
		m.former[have.Group].take(m, have)
	default:
		m.deleteBinding(have, m.unwanted("role"))
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
	renaming := m.former[have.Group]
	switch {
	case m.in.Rules.Additional == RemoveAdditional && !have.Shielded:
		if m.removeForeign(have, renaming) {
			m.remark(access.ForeignPermissionRemoved, object, given+"is removed: put it into a role mapping to keep it")
		}
	case renaming != nil && renaming.ready && m.in.Rules.Cleanup:
		renaming.lose(m, have, given)
	case m.goes(group):
		m.remark(access.ForeignPermissionRemoved, object, given+"goes with the group: give it to another group to keep it")
	case have.Shielded:
		m.remark(access.ForeignPermissionKept, object, given+"is kept, as this platform asks for: put it into a role mapping")
	default:
		m.remark(access.ForeignPermissionKept, object, given+
			"is kept: put it into a role mapping, or set additionalPermissions to remove")
	}
}

// removeForeign takes a role that somebody else gave. From a group that is
// replaced it is taken at once, but where the new group is to have it, or where
// it is the last one there: then it goes with the group's own.
func (m *maker) removeForeign(have access.Binding, renaming *renaming) bool {
	const why = "additionalPermissions is remove, and Rollcall did not give this role"
	if renaming != nil && (m.at(have.Group).roles == 0 || m.desired[access.Binding{Role: have.Role, Group: renaming.to}.Key()]) {
		renaming.takes = append(renaming.takes, Step{Op: Delete, Have: Object{Binding: &have}, Why: why})
		return true
	}
	return m.deleteForeign(have, why)
}
