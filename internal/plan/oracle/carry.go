package oracle

import (
	"fmt"

	"github.com/rollcall-iam/rollcall/internal/plan/oracle/access"
)

// lose notes a role that somebody else gave to an old group and that goes with
// it, or offers to carry it over: that grants what no document asks for, so it
// is for somebody to decide.
func (r *renaming) lose(m *maker, have access.Binding, given string) {
	switch given, ends := m.givesRole(r.to, have.Role); {
	case ends:
		r.wait(fmt.Sprintf("the end of our own role %q on %q; the next plan goes on", have.Role, r.to))
		return
	case given:
		return // nobody loses it
	}
	object := have.Key().String()
	goes := given + fmt.Sprintf("goes with the group, which %q replaces", r.to)
	if !m.in.Rules.Carry || m.in.Rules.Additional == RemoveAdditional || have.Shielded || r.offered[have.Role] {
		r.loses = append(r.loses, have)
		m.remark(access.ForeignPermissionRemoved, object, goes+": give it to that group to keep it")
		return
	}
	r.offered[have.Role] = true
	s := carrying(have, access.Group{Name: r.to, Ref: m.groups[r.to].Ref})
	atom := s.Removals()[0]
	switch {
	case m.approved[atom] && !m.refused[atom]:
		s.Needs = m.at(r.to).created
		m.build(r.to, s)
		m.remark(access.ForeignPermissionKept, object, given+fmt.Sprintf("is carried over to %q, as somebody approved", r.to))
	case m.saidNo(atom):
		r.loses = append(r.loses, have)
		m.remark(access.ForeignPermissionRemoved, object, goes+m.rejected(s))
	default:
		r.loses = append(r.loses, have)
		r.asked++
		m.holdFor(s, fmt.Sprintf("somebody else gave the role %q to %q, which goes: carrying it over to %q waits for an approval, "+
			"as it grants what no document asks for; rejected, it goes with the group", have.Role, have.Group, r.to))
		m.remark(access.ForeignPermissionRemoved, object, goes+", unless somebody approves that it is carried over")
	}
}

// carrying returns the step that gives a group what another one has.
func carrying(have access.Binding, to access.Group) Step {
	s := Step{Op: Create, Carries: have.Ref, Why: fmt.Sprintf("somebody else gave it to %q, which this group replaces", have.Group)}
	if s.Carries == "" {
		s.Carries = "carry"
	}
	s.Want.Binding = &access.Binding{Role: have.Role, Group: to.Name, GroupRef: to.Ref, Condition: have.Condition, Carried: true}
	return s
}

// givesRole reports whether the group has the role, or is to have it, and whether
// the one that it has is ours and about to end.
func (m *maker) givesRole(group, role string) (given, ends bool) {
	if m.desired[access.Binding{Role: role, Group: group}.Key()] {
		return true, false
	}
	if m.roles == nil {
		m.roles = map[[2]string]bool{}
		for _, b := range m.in.Observed.Bindings {
			at := [2]string{b.Group, b.Role}
			m.roles[at] = m.roles[at] || m.whose(b.Key(), b.Ref, b.Mark) == ours
		}
	}
	ends, given = m.roles[[2]string{group, role}]
	return given, ends
}

// saidNo reports whether somebody rejected just that, by name.
func (m *maker) saidNo(r Removal) bool {
	for _, no := range m.in.Rejected {
		if no.Removal == r && no.By != "" {
			return true
		}
	}
	return false
}
