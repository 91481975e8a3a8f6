package plan

import (
	"fmt"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// holds reports whether the guard keeps the removal of so many people for an
// approval. A removed tenant's access goes whatever the limit per set.
func (m *maker) holds(gone, present int) bool {
	switch {
	case gone == 0:
		return false
	case m.closed():
		return true
	case m.in.Rules.Gone:
		return false
	default:
		return m.in.Rules.Guard.Holds(gone, present)
	}
}

// closed reports whether a limit beyond this plan is reached.
func (m *maker) closed() bool { return m.in.Rules.Guard.Closed != "" }

// counting returns those whose removal the guard counts: not the revoked, and
// not the free, who lose nothing by it.
func (m *maker) counting(gone []access.Member, free map[string]bool) []access.Member {
	if len(m.revoked)+len(free) == 0 {
		return gone
	}
	return slices.DeleteFunc(slices.Clone(gone), func(who access.Member) bool { return m.revoked[who.Ref] || free[who.Ref] })
}

// present returns those of the members who are not revoked.
func (m *maker) present(members []access.Member) []access.Member { return m.counting(members, nil) }

// giveReasons says of each who leaves why that is. Somebody whom Rollcall never
// put there gets a remark, as whoever did so should know.
func (m *maker) giveReasons(set access.Key, gone []access.Member, why string) []access.Member {
	gone = reasoned(gone, why)
	for i, who := range gone {
		switch {
		case m.revoked[who.Ref]:
			gone[i].Why = "access is revoked by name"
		case m.strangers[Removal{Object: set, Ref: who.Ref}]:
			gone[i].Why = "somebody else put this account there"
			if m.forbids() {
				continue
			}
			m.remark(access.ForeignMemberRemoved, set.String(), fmt.Sprintf(
				"somebody else put %s into %q, which holds exactly whom the documents name, so it goes: "+
					"bind the person to the project to give them access", AccountName(who), set))
		}
	}
	return gone
}

// reasoned returns the members with their reason to go.
func reasoned(gone []access.Member, why string) []access.Member {
	gone = slices.Clone(gone)
	for i := range gone {
		gone[i].Why = why
	}
	return gone
}

// hold keeps s for an approval, because of the limit that is reached.
func (m *maker) hold(s Step, text string) {
	if m.closed() {
		m.holdFor(s, text+": "+m.in.Rules.Guard.Closed+"; it waits for an approval")
		return
	}
	m.holdFor(s, text+": above the guard's limit, it waits for an approval")
}

// holdFor keeps s for an approval, and says why; where removals are forbidden it
// leaves s out.
func (m *maker) holdFor(s Step, text string) {
	if m.forbids() {
		m.forbid(s)
		return
	}
	s.Needs = nil
	s = named(m.in.Tenant, s)
	m.out.Held = append(m.out.Held, s)
	m.remark(access.RemovalHeld, s.Object, text+m.rejected(s))
}

// expel takes those whose access is revoked by name out of a group that stays
// although nobody desires it.
func (m *maker) expel(have access.Group) {
	if len(m.revoked) == 0 {
		return
	}
	gone := without(have.Members, m.present(have.Members))
	key := access.Key{Kind: access.KindMembers, Group: have.Name}
	for _, s := range m.memberSteps(have, nil, m.giveReasons(key, gone, "")) {
		m.step(s)
	}
}

// letGoRevoked returns the desired state without those whose access is revoked.
// The documents leave them out, too; a plan must not depend on it.
func (m *maker) letGoRevoked() {
	for i, g := range m.in.Desired.Groups {
		m.in.Desired.Groups[i].Members = m.present(g.Members)
	}
	for i, b := range m.in.Desired.Bindings {
		m.in.Desired.Bindings[i].Subjects = m.present(b.Subjects)
	}
}
