package oracle

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/plan/oracle/access"
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
		if m.bindings[b.Key()].Ref != b.Ref || len(b.Subjects) != 1 {
			continue // a second one of the same name, or not one person's
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
		if len(set.stay) == 0 && !m.closed() {
			gone = without(gone, staying) // nobody has the role in the end: what counts is who has none at all
		}
		set.held = m.holds(len(m.present(gone)), m.havers(want, *set))
		m.roleWaits(want.Role, set)
		m.note(rest, want.Role, *set)
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

// note adds what becomes of the bindings of one role.
func (m *maker) note(rest resting, role string, set difference) {
	leaves, waits := refSet(set.removes, set.waits), refSet(set.waits)
	for _, b := range m.apart.roles[role] {
		who := b.Subjects[0].Ref
		switch {
		case !leaves[who] || m.whose(b.Key(), b.Ref, b.Mark) != ours:
			rest.stays[who] = true
		case waits[who]:
			rest.held[who] = true
		case m.approved[Removal{Object: b.Key(), Ref: b.Ref}]:
			rest.approved[who] = true
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
	set.held = m.holds(len(m.present(set.removes)), m.havers(want, *set))
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
	m.waitFor(set, nil, func(who access.Member) Removal { return of[who.Ref] })
}

// compareRole is compare for a role whose subjects have bindings of their own.
func (m *maker) compareRole(want access.Binding) difference {
	kept, desired := set(m.kept[roleKey(want.Role)]), refSet(want.Subjects)
	var have, others []access.Member
	stay := slices.Clone(want.Subjects)
	for _, b := range m.apart.roles[want.Role] {
		if m.whose(b.Key(), b.Ref, b.Mark) != ours {
			others = append(others, b.Subjects...)
			continue
		}
		have = append(have, b.Subjects...)
		who := b.Subjects[0]
		if !desired[who.Ref] && (kept[who.Ref] || b.InUse || m.wantedElsewhere(b.Role, who)) {
			stay = append(stay, who)
		}
	}
	return difference{
		adds:    without(want.Subjects, slices.Concat(have, others)),
		removes: m.giveReasons(roleKey(want.Role), without(have, stay), "nothing gives this account the role"),
		stay:    stay,
	}
}

// wantedElsewhere reports whether another tenant wants the shared role for the
// account. Where only its name is known there, the name decides.
func (m *maker) wantedElsewhere(role string, who access.Member) bool {
	return slices.Contains(m.in.Rules.Shared, role) && (m.apart.wanted[[2]string{role, "ref " + who.Ref}] ||
		m.apart.wanted[[2]string{role, "name " + strings.ToLower(who.Name)}])
}

// havers counts, for the guard, who has the role of us or gets it.
func (m *maker) havers(want access.Binding, set difference) int {
	n, desired := len(set.adds), refSet(want.Subjects)
	for _, b := range m.apart.roles[want.Role] {
		if m.revoked[b.Subjects[0].Ref] {
			continue
		}
		if desired[b.Subjects[0].Ref] || m.whose(b.Key(), b.Ref, b.Mark) == ours {
			n++
		}
	}
	return n
}

// refSet returns the ids of all these people.
func refSet(lists ...[]access.Member) map[string]bool {
	in := map[string]bool{}
	for _, list := range lists {
		for _, who := range list {
			in[who.Ref] = true
		}
	}
	return in
}

// giveRoles plans the new bindings, and the end of old ones but for the roles
// that others rest on.
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
	const why = "nothing gives this account the role"
	desired, leaves := refSet(want.Subjects), refSet(set.removes, set.waits, set.with)
	waits, with := refSet(set.waits), refSet(set.with)
	for _, have := range m.apart.roles[want.Role] {
		who, whose := have.Subjects[0].Ref, m.whose(have.Key(), have.Ref, have.Mark)
		if whose == unclear && !desired[who] {
			m.unclear(have.Key())
		}
		if whose != ours || !leaves[who] {
			continue
		}
		have.Subjects = m.giveReasons(roleKey(have.Role), have.Subjects, why)
		s := Step{Op: Delete, Have: Object{Binding: &have}, Why: why, Needs: after[who]}
		switch {
		case waits[who]:
			m.hold(s, fmt.Sprintf("taking the role %q from %d people", have.Role, len(set.waits)+len(set.with)))
		case with[who]:
			m.hold(s, fmt.Sprintf("taking the role %q from people whose other roles are held", have.Role))
		case m.moves[who] != nil:
			m.moving = append(m.moving, moving{Step: s})
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
