package plan

import (
	"fmt"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// difference is how a group's members, or a binding's subjects, are to change.
type difference struct {
	adds, removes []access.Member
	// stay are all who are in the set in the end.
	stay []access.Member
	// held is true where the guard keeps removals for an approval, those in waits.
	held  bool
	waits []access.Member
	// with are removals that are held because others of theirs are.
	with []access.Member
}

// compareSets works out the difference of every set that is ours, or about to be.
func (m *maker) compareSets() {
	m.memberSets = make([]difference, len(m.in.Desired.Groups))
	for i, want := range m.in.Desired.Groups {
		have, whose := m.found(want.Name)
		if whose == ours || whose == nobodys {
			m.memberSets[i] = m.compare(want.Key(), want.Members, have.Members, "nothing gives this account the group")
		}
	}
	if m.in.Rules.Separate {
		m.compareRoles()
		return
	}
	m.subjectSets = make([]difference, len(m.in.Desired.Bindings))
	for i, want := range m.in.Desired.Bindings {
		have, found := m.bindings[want.Key()]
		if want.Group == "" && (!found || m.whose(have.Key(), have.Ref, have.Mark) == ours) {
			m.subjectSets[i] = m.compare(want.Key(), want.Subjects, have.Subjects, "nothing gives this account the role")
		}
	}
}

// compare protects who is kept by wanting them. Who comes counts as present for
// the guard: they come first, and the next plan counts them too.
func (m *maker) compare(key access.Key, want, have []access.Member, why string) difference {
	if kept := set(m.kept[key]); len(kept) > 0 {
		want = slices.Clone(want)
		for _, h := range without(have, want) {
			if kept[h.Ref] {
				want = append(want, h)
			}
		}
	}
	d := difference{adds: without(want, have), removes: reasoned(without(have, want), why), stay: want}
	d.held = m.in.Rules.Guard.Holds(len(d.removes), len(have)+len(d.adds))
	if key.Kind == access.KindGroup {
		key.Kind = access.KindMembers
	}
	m.waitFor(&d, func(who access.Member) Removal { return Removal{Object: key, Ref: who.Ref} })
	if d.held {
		d.stay = slices.Concat(want, d.waits)
	}
	return d
}

// members plans the members of a group that is ours, or about to be.
func (m *maker) members(have access.Group, set difference) {
	needs := m.at(have.Name).created
	if set.held {
		text := fmt.Sprintf("removing %d of the %d members of %q", len(set.waits), len(have.Members), have.Name)
		for _, s := range m.memberSteps(have, nil, set.waits) {
			m.hold(s, text)
		}
	}
	leave, move := m.split(set.removes)
	for _, s := range m.memberSteps(have, set.adds, leave) {
		s.Needs = needs
		m.step(s)
	}
	m.moving = append(m.moving, m.memberSteps(have, nil, move)...)
}

// memberSteps cuts the changes of a group's members into what one step takes,
// additions first.
func (m *maker) memberSteps(group access.Group, adds, removes []access.Member) []Step {
	size := m.in.Rules.MemberChunk
	if size <= 0 {
		size = len(adds) + len(removes)
	}
	var steps []Step
	for len(adds)+len(removes) > 0 {
		a := min(size, len(adds))
		r := min(size-a, len(removes))
		s := Step{Op: Change, Why: fmt.Sprintf("%d to add, %d to remove", a, r)}
		if a > 0 {
			s.Want.Members = &Members{Group: group.Name, GroupRef: group.Ref, Accounts: adds[:a:a]}
		}
		if r > 0 {
			s.Have.Members = &Members{Group: group.Name, GroupRef: group.Ref, Accounts: removes[:r:r]}
		}
		steps = append(steps, s)
		adds, removes = adds[a:], removes[r:]
	}
	return steps
}

// reasoned returns the members with their reason to go.
func reasoned(gone []access.Member, why string) []access.Member {
	gone = slices.Clone(gone)
	for i := range gone {
		gone[i].Why = why
	}
	return gone
}
