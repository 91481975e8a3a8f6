package oracle

import (
	"fmt"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/plan/oracle/access"
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
		next := m.successors[want.Name]
		if next != nil {
			want.Members = next.wanted(m, want)
		}
		if whose == ours || whose == nobodys {
			m.memberSets[i] = m.compare(comparison{
				set: want.Key(), want: want.Members, have: have.Members, why: "nothing gives this account the group",
				group: have,
			})
		}
		if next != nil {
			next.compareLeavers(m, want)
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
			m.subjectSets[i] = m.compare(comparison{
				set: want.Key(), want: want.Subjects, have: have.Subjects, why: "nothing gives this account the role",
			})
		}
	}
}

// comparison is what is known of one set.
type comparison struct {
	set        access.Key // the group's, or the binding's
	want, have []access.Member
	why        string // those leave who are in have only
	// group is the desired group as it is; its name is empty for any other set.
	group access.Group
}

// compare protects who is kept by wanting them. Who comes counts as present for
// the guard: they come first, and the next plan counts them too.
func (m *maker) compare(c comparison) difference {
	want := c.want
	if kept := set(m.kept[c.set]); len(kept) > 0 {
		want = slices.Clone(want)
		for _, h := range without(c.have, want) {
			if kept[h.Ref] {
				want = append(want, h)
			}
		}
	}
	d := difference{adds: without(want, c.have), removes: without(c.have, want), stay: want}
	if len(d.removes) == 0 {
		return d
	}
	if c.set.Kind == access.KindGroup {
		c.set.Kind = access.KindMembers
	}
	d.removes = m.giveReasons(c.set, d.removes, c.why)
	free := m.elsewhere(c.group)
	counted := len(m.counting(d.removes, free))
	d.held = m.holds(counted, len(c.have)+len(d.adds)-(len(d.removes)-counted))
	m.waitFor(&d, free, func(who access.Member) Removal { return Removal{Object: c.set, Ref: who.Ref} })
	if d.held {
		d.stay = slices.Concat(want, d.waits)
	}
	return d
}

// members plans the members of a group that is ours, or about to be. Whoever
// comes to one that replaces another comes before that one goes, in steps of
// their own; who leaves has nothing to do with it.
func (m *maker) members(have access.Group, set difference) {
	needs := m.at(have.Name).created
	m.holdMembers(have, set)
	leave, move := m.split(set.removes)
	adds := set.adds
	if m.successors[have.Name] != nil {
		for _, s := range m.memberSteps(have, adds, nil) {
			s.Needs = needs
			m.build(have.Name, s)
		}
		adds = nil
	}
	for _, s := range m.memberSteps(have, adds, leave) {
		s.Needs = needs
		m.step(s)
	}
	for _, s := range m.memberSteps(have, nil, move) {
		s.Needs = needs
		m.moving = append(m.moving, moving{Step: s})
	}
}

// holdMembers holds the removals of a set that wait.
func (m *maker) holdMembers(have access.Group, set difference) {
	if !set.held {
		return
	}
	text := fmt.Sprintf("removing %d of the %d members of %q", len(set.waits), len(have.Members), have.Name)
	for _, s := range m.memberSteps(have, nil, set.waits) {
		m.hold(s, text)
	}
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
