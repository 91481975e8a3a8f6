package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// separation is what a plan needs to know where each subject of a role has a
// binding of its own. There the set of a role is what is ours of it and what is
// desired; other people's bindings satisfy a wish and are touched by nobody.
type separation struct {
	// roles are the observed bindings by role, one for each subject.
	roles map[string][]access.Binding
	// wanted are the subjects of shared roles that other tenants want, by role and
	// id, and by role and name in lower case.
	wanted map[[2]string]bool
	// base are the IDs of the steps that give people the roles they need first.
	base map[string][]string
}

// separate sorts the observed bindings by role. A role that nobody desires gets
// a desired set of nobody, so that what is left of it is compared like any other.
func (m *maker) separate() {
	m.apart = separation{roles: map[string][]access.Binding{}, wanted: map[[2]string]bool{}, base: map[string][]string{}}
	for _, b := range m.in.Observed.Bindings {
		if m.bindings[b.Key()].Ref != b.Ref {
			continue // a second one of the same name
		}
		m.apart.roles[b.Role] = append(m.apart.roles[b.Role], b)
		if key := roleKey(b.Role); !m.desired[key] {
			m.desired[key] = true
			m.in.Desired.Bindings = append(m.in.Desired.Bindings, access.Binding{Role: b.Role})
		}
	}
	m.in.Desired.Sort()
	for _, b := range m.in.Elsewhere {
		for _, who := range b.Subjects {
			m.apart.wanted[[2]string{b.Role, "ref " + who.Ref}] = who.Ref != ""
			m.apart.wanted[[2]string{b.Role, "name " + strings.ToLower(who.Name)}] = who.Name != ""
		}
	}
}

// roleKey names the set of all who have the role, as Input.Keep does.
func roleKey(role string) access.Key { return access.Key{Kind: access.KindBinding, Role: role} }

// isBase reports whether people need the role before any other.
func (m *maker) isBase(role string) bool { return slices.Contains(m.in.Rules.Base, role) }

// compareRoles works out the difference of every role, those last that others
// rest on: they stay as long as another stays.
func (m *maker) compareRoles() {
	m.subjectSets = make([]difference, len(m.in.Desired.Bindings))
	var staying []access.Member
	for i, want := range m.in.Desired.Bindings {
		m.subjectSets[i] = m.compareRole(want)
		if !m.isBase(want.Role) {
			staying = append(staying, m.subjectSets[i].stay...)
		}
	}
	rest := resting{stays: map[string]bool{}, held: map[string]bool{}, approved: map[string]bool{}}
	for i, want := range m.in.Desired.Bindings {
		if m.isBase(want.Role) {
			continue
		}
		set := &m.subjectSets[i]
		gone := set.removes
		if len(set.stay) == 0 {
			gone = without(gone, staying) // nobody has the role in the end: what counts is who has none at all
		}
		set.held = m.in.Rules.Guard.Holds(len(gone), m.present(want, *set))
		m.roleWaits(want.Role, set)
		for _, b := range m.apart.roles[want.Role] {
			m.note(rest, *set, b)
		}
	}
	for i, want := range m.in.Desired.Bindings {
		if m.isBase(want.Role) {
			m.keepBase(want, &m.subjectSets[i], rest)
		}
	}
}

// resting says, by account, what becomes of the roles that rest on others: one
// stays, one is held, or one goes because somebody approved it.
type resting struct{ stays, held, approved map[string]bool }

// note adds what becomes of one binding.
func (m *maker) note(rest resting, set difference, b access.Binding) {
	for _, who := range b.Subjects {
		switch {
		case !m.removes(set, b):
			rest.stays[who.Ref] = true
		case len(without(b.Subjects, set.waits)) == 0:
			rest.held[who.Ref] = true
		case m.approved[Removal{Object: b.Key(), Ref: b.Ref}]:
			rest.approved[who.Ref] = true
		}
	}
}

// keepBase leaves the role to those who keep another that rests on it, and holds
// it with those that are held. It goes with those that are approved, which the
// guard does not count again.
func (m *maker) keepBase(want access.Binding, set *difference, rest resting) {
	var removes, with []access.Member
	for _, who := range set.removes {
		switch {
		case rest.stays[who.Ref]:
			set.stay = append(slices.Clone(set.stay), who)
		case rest.held[who.Ref]:
			set.with = append(set.with, who)
		case rest.approved[who.Ref]:
			with = append(with, who)
		default:
			removes = append(removes, who)
		}
	}
	set.removes = removes
	set.held = m.in.Rules.Guard.Holds(len(set.removes), m.present(want, *set))
	m.roleWaits(want.Role, set)
	set.removes = slices.Concat(set.removes, with)
}

// roleWaits is waitFor where an approval is about a binding.
func (m *maker) roleWaits(role string, set *difference) {
	of := map[string]Removal{}
	for _, b := range m.apart.roles[role] {
		for _, who := range b.Subjects {
			of[who.Ref] = Removal{Object: b.Key(), Ref: b.Ref}
		}
	}
	m.waitFor(set, func(who access.Member) Removal { return of[who.Ref] })
}

// compareRole is compare for a role whose subjects have bindings of their own.
func (m *maker) compareRole(want access.Binding) difference {
	kept := set(m.kept[roleKey(want.Role)])
	var have, others []access.Member
	stay := slices.Clone(want.Subjects)
	for _, b := range m.apart.roles[want.Role] {
		if m.whose(b.Key(), b.Ref, b.Mark) != ours {
			others = append(others, b.Subjects...)
			continue
		}
		have = append(have, b.Subjects...)
		for _, who := range without(b.Subjects, want.Subjects) {
			if kept[who.Ref] || b.InUse || m.wantedElsewhere(b.Role, who) {
				stay = append(stay, who)
			}
		}
	}
	return difference{
		adds:    without(want.Subjects, slices.Concat(have, others)),
		removes: reasoned(without(have, stay), "nothing gives this account the role"),
		stay:    stay,
	}
}

// wantedElsewhere reports whether another tenant wants the shared role for the
// account. Where only its name is known there, the name decides.
func (m *maker) wantedElsewhere(role string, who access.Member) bool {
	return slices.Contains(m.in.Rules.Shared, role) && (m.apart.wanted[[2]string{role, "ref " + who.Ref}] ||
		m.apart.wanted[[2]string{role, "name " + strings.ToLower(who.Name)}])
}

// present counts, for the guard, who has the role of us or gets it.
func (m *maker) present(want access.Binding, set difference) int {
	all := slices.Clone(set.adds)
	for _, b := range m.apart.roles[want.Role] {
		if m.whose(b.Key(), b.Ref, b.Mark) == ours || len(without(b.Subjects, want.Subjects)) == 0 {
			all = append(all, b.Subjects...)
		}
	}
	return len(all)
}

// removes reports whether the set takes the binding, now or once it is approved.
func (m *maker) removes(set difference, b access.Binding) bool {
	return m.whose(b.Key(), b.Ref, b.Mark) == ours && len(without(b.Subjects, slices.Concat(set.removes, set.waits, set.with))) == 0
}

// giveRoles plans the new bindings, and the end of others' but for the roles they rest on.
func (m *maker) giveRoles() {
	for _, base := range []bool{true, false} {
		for i, want := range m.in.Desired.Bindings {
			if m.isBase(want.Role) == base {
				m.give(want, m.subjectSets[i], base)
			}
		}
	}
	for i, want := range m.in.Desired.Bindings {
		if !m.isBase(want.Role) {
			m.take(want, m.subjectSets[i], nil)
		}
	}
}

func (m *maker) give(want access.Binding, set difference, base bool) {
	for _, who := range set.adds {
		b := want
		b.Name, b.Subjects, b.Mark = who.Ref, []access.Member{who}, m.in.Rules.Mark
		s := Step{Op: Create, Want: Object{Binding: &b}, Why: want.Why}
		if base {
			m.apart.base[who.Ref] = append(m.apart.base[who.Ref], m.step(s))
			continue
		}
		s.Needs = m.apart.base[who.Ref]
		m.step(s)
	}
}

// take plans the end of our bindings of people who are to lose the role. after
// are the IDs of steps, by account, that come first.
func (m *maker) take(want access.Binding, set difference, after map[string][]string) {
	desired := want.Subjects
	for _, have := range m.apart.roles[want.Role] {
		if len(without(have.Subjects, desired)) == 0 {
			continue
		}
		if m.whose(have.Key(), have.Ref, have.Mark) == unclear {
			m.unclear(have.Key())
		}
		if !m.removes(set, have) {
			continue
		}
		who := have.Subjects[0]
		have.Subjects = reasoned(have.Subjects, "nothing gives this account the role")
		s := Step{Op: Delete, Have: Object{Binding: &have}, Why: "nothing gives this account the role", Needs: after[who.Ref]}
		switch {
		case len(without(have.Subjects, set.waits)) == 0:
			m.hold(s, fmt.Sprintf("taking the role %q from %d people", have.Role, len(set.waits)+len(set.with)))
		case len(without(have.Subjects, set.with)) == 0:
			m.hold(s, fmt.Sprintf("taking the role %q from people whose other roles are held", have.Role))
		case m.moves[who.Ref] != nil:
			m.moving = append(m.moving, s)
		default:
			m.step(s)
		}
	}
}

// takeBase plans the end of roles that others rested on, after those.
func (m *maker) takeBase() {
	after := map[string][]string{}
	for _, s := range m.out.Steps {
		if s.Op == Delete {
			for _, who := range s.Removes() {
				after[who.Ref] = append(after[who.Ref], s.ID)
			}
		}
	}
	m.moving = nil
	for i, want := range m.in.Desired.Bindings {
		if m.isBase(want.Role) {
			m.take(want, m.subjectSets[i], after)
		}
	}
	m.finishMoves()
}
