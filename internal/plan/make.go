package plan

import (
	"fmt"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// Make returns the steps that turn what is observed into what is desired, in
// order. It neither keeps nor changes its input.
func Make(in Input) Plan {
	m := newMaker(in)
	m.compareSets()
	m.findMoves()
	for _, who := range m.in.Newcomers {
		m.step(Step{Op: Create, Want: Object{Account: &who}, Why: fmt.Sprintf(
			"the platform has no account for %s, and its settings let Rollcall bring people in", who.Person)})
	}
	for i, want := range m.in.Desired.Groups {
		m.group(want, m.memberSets[i])
		if next := m.successors[want.Name]; next != nil {
			next.letLeave(m)
		}
	}
	m.allBindings()
	for _, have := range m.in.Observed.Groups {
		m.leftoverGroup(have)
	}
	m.finishRenamings()
	m.warnForbidden()
	m.out.Remarks = access.SortRemarks(m.out.Remarks)
	return m.out
}

// allBindings plans the bindings, and the end of those that nobody desires.
func (m *maker) allBindings() {
	if m.in.Rules.Separate {
		m.giveRoles()
		m.finishMoves()
		m.takeBase()
		return
	}
	for i, want := range m.in.Desired.Bindings {
		m.binding(want, m.subjectSets[i])
	}
	m.finishMoves()
	for _, have := range m.in.Observed.Bindings {
		m.leftoverBinding(have)
	}
}

// maker holds the input, regrouped so that every decision is a lookup.
type maker struct {
	in    Input
	owned map[access.Key][]Owned // several where tenants made the same shared object
	kept  map[access.Key][]string
	// approved are the removals that the guard does not hold, refused those that
	// are held in any case.
	approved, refused map[Removal]bool
	// revoked are the accounts, by id, whose access is revoked by name, strangers
	// those in sets of ours that others put there, adopted the groups to take over.
	revoked            map[string]bool
	strangers, adopted map[Removal]bool
	// groups and bindings are the observed ones; of several with one name, the
	// one that is most likely ours.
	groups   map[string]access.Group
	bindings map[access.Key]access.Binding
	// desired holds the keys of desired groups and bindings.
	desired map[access.Key]bool
	// memberSets and subjectSets say how the set of each desired group and
	// binding is to change, by its place in the desired state.
	memberSets, subjectSets []difference
	moves                   map[string]*move // by the account's ref
	moving                  []moving         // takes movers away, once they have arrived
	withRole                map[string]bool  // groups for which somebody desires a role
	progress                map[string]*progress
	renames
	apart separation // with Rules.Separate
	out   Plan
}

// progress is how far the plan has come with one group.
type progress struct {
	// ready is true for a desired group that is ours, or about to be.
	ready bool
	// roles is how many desired roles it has or gets.
	roles int
	// The IDs of the steps that create the group, give it roles and take them.
	created, given, taken []string
}

func newMaker(in Input) *maker {
	in.Desired, in.Observed = sorted(in.Desired), sorted(in.Observed)
	m := &maker{
		in:       in,
		owned:    make(map[access.Key][]Owned, len(in.Owned)),
		kept:     make(map[access.Key][]string, len(in.Keep)),
		approved: removals(in.Approved),
		refused:  make(map[Removal]bool, len(in.Rejected)),
		groups:   make(map[string]access.Group, len(in.Observed.Groups)),
		bindings: make(map[access.Key]access.Binding, len(in.Observed.Bindings)),
		desired:  make(map[access.Key]bool, len(in.Desired.Groups)+len(in.Desired.Bindings)),
		progress: make(map[string]*progress, len(in.Desired.Groups)),
		out:      Plan{Tenant: in.Tenant},
	}
	for _, o := range in.Owned {
		m.owned[o.Key] = append(m.owned[o.Key], o)
	}
	for _, r := range in.Rejected {
		m.refused[r.Removal] = true
	}
	for _, k := range in.Keep {
		m.kept[k.Set] = append(m.kept[k.Set], k.Refs...)
	}
	m.readOrders()
	m.noteDesired()
	m.findMoved()
	m.index()
	m.findRenamings()
	if in.Rules.Separate {
		m.separate()
	}
	return m
}

// readOrders notes what people decided besides the documents.
func (m *maker) readOrders() {
	m.strangers, m.adopted = removals(m.in.Strangers), make(map[Removal]bool, len(m.in.Adopted))
	for _, o := range m.in.Adopted {
		m.adopted[Removal{Object: o.Key, Ref: o.Ref}] = true
	}
	if m.revoked = set(m.in.Revoked); len(m.revoked) == 0 {
		return
	}
	for key, refs := range m.kept {
		m.kept[key] = slices.DeleteFunc(refs, func(ref string) bool { return m.revoked[ref] })
	}
	m.letGoRevoked()
}

// noteDesired notes the names of what is desired.
func (m *maker) noteDesired() {
	clear(m.desired)
	for _, g := range m.in.Desired.Groups {
		m.desired[g.Key()] = true
	}
	for _, b := range m.in.Desired.Bindings {
		m.desired[b.Key()] = true
	}
}

// index finds the observed group and binding of each name. Bindings of a second
// group of the same name are not ours to judge: they are dropped.
func (m *maker) index() {
	clear(m.groups)
	clear(m.bindings)
	for _, g := range m.in.Observed.Groups {
		other, taken := m.groups[g.Name]
		if !taken || m.claim(g.Key(), g.Ref, g.Mark) > m.claim(g.Key(), other.Ref, other.Mark) {
			m.groups[g.Name] = g
		}
	}
	m.in.Observed.Bindings = slices.DeleteFunc(m.in.Observed.Bindings, func(b access.Binding) bool {
		g, found := m.groups[b.Group]
		return found && b.GroupRef != "" && b.GroupRef != g.Ref
	})
	for _, b := range m.in.Observed.Bindings {
		other, taken := m.bindings[b.Key()]
		if !taken || m.claim(b.Key(), b.Ref, b.Mark) > m.claim(b.Key(), other.Ref, other.Mark) {
			m.bindings[b.Key()] = b
		}
	}
}

// claim orders the objects of one name: ours first, and the ledger's own first
// among those; then what somebody told us to take over.
func (m *maker) claim(key access.Key, ref string, mark access.Mark) int {
	whose := m.whose(key, ref, mark)
	claim := 3 * int(whose)
	switch {
	case whose < ours && m.adopts(key, ref, mark):
		claim = 3*int(ours) - 1
	case slices.ContainsFunc(m.owned[key], func(o Owned) bool { return o.Ref == ref }):
		claim++
	}
	return claim
}

// at returns the progress of the group.
func (m *maker) at(group string) *progress {
	p, ok := m.progress[group]
	if !ok {
		p = &progress{}
		m.progress[group] = p
	}
	return p
}

// sorted returns a copy of s in the one order, so that the plan depends on
// neither the order of the input nor on what becomes of it later.
func sorted(s access.State) access.State {
	s = access.State{Groups: slices.Clone(s.Groups), Bindings: slices.Clone(s.Bindings)}
	for i, g := range s.Groups {
		s.Groups[i].Members = slices.Clone(g.Members)
	}
	for i, b := range s.Bindings {
		s.Bindings[i].Subjects = slices.Clone(b.Subjects)
	}
	s.Sort()
	return s
}

// ownership says to whom an observed object belongs.
type ownership int

const (
	nobodys ownership = iota // there is no such object
	foreign
	unclear
	ours
)

// whose compares the ledger with the object's own mark. An id other than the
// ledger's is another object, unless its mark says that it is ours.
func (m *maker) whose(key access.Key, ref string, mark access.Mark) ownership {
	marked := mark == m.in.Rules.Mark && mark != access.Mark{}
	known := len(m.owned[key]) > 0
	if known && ref != "" && !slices.ContainsFunc(m.owned[key], func(o Owned) bool { return o.Ref == "" || o.Ref == ref }) {
		known = marked
	}
	switch {
	case known && mark.Agrees(m.in.Rules.Mark):
		return ours
	case known || marked:
		return unclear
	default:
		return foreign
	}
}

// found returns the observed group of that name, and whose it is. One that is to
// be taken over is ours already.
func (m *maker) found(name string) (access.Group, ownership) {
	g, ok := m.groups[name]
	if !ok {
		return access.Group{Name: name}, nobodys
	}
	if m.desired[g.Key()] && m.adopts(g.Key(), g.Ref, g.Mark) {
		return g, ours
	}
	return g, m.whose(g.Key(), g.Ref, g.Mark)
}

// group plans one desired group with its members.
func (m *maker) group(want access.Group, set difference) {
	have, whose := m.found(want.Name)
	switch whose {
	case nobodys:
		m.createGroup(want)
		m.members(have, set)
	case ours:
		if m.forbids() && m.repurposed(have) {
			m.keepRole(want, have, set)
			return
		}
		m.at(want.Name).ready = true
		m.takeOver(want, have)
		m.members(have, set)
	case unclear:
		m.unclear(have.Key())
		m.cannotAdopt(have)
	case foreign:
		m.remark(access.ObjectForeign, want.Name, fmt.Sprintf(
			"the platform has a group %q that Rollcall did not make, so it gets no members and no roles: "+
				"take it over with rollcall adopt, remove or rename it there, or change the name pattern", have.Name))
		m.cannotAdopt(have)
	}
}

func (m *maker) createGroup(want access.Group) {
	want.Members, want.Mark = nil, m.in.Rules.Mark
	at := m.at(want.Name)
	at.ready = true
	at.created = []string{m.build(want.Name, Step{Op: Create, Want: Object{Group: &want}, Why: want.Why})}
}

// unclear remarks that ledger and mark disagree about the object.
func (m *maker) unclear(key access.Key) {
	m.remark(access.OwnershipUnclear, key.String(), fmt.Sprintf(
		"%s %q: the ledger and the mark on the object do not agree on who made it, so Rollcall leaves it as it is: "+
			"restore the mark in its description, or remove the object if nobody needs it", key.Kind, key))
}

// step adds s to the plan and returns its ID.
func (m *maker) step(s Step) string {
	s = named(m.in.Tenant, s)
	m.out.Steps = append(m.out.Steps, s)
	m.arrive(s)
	return s.ID
}

func (m *maker) remark(code access.Code, object, text string) {
	m.out.Remarks = append(m.out.Remarks, access.Remark{Code: code, Object: object, Text: text})
}

// removals returns them as a set.
func removals(all []Removal) map[Removal]bool {
	in := make(map[Removal]bool, len(all))
	for _, r := range all {
		in[r] = true
	}
	return in
}

// set returns refs as a set.
func set(refs []string) map[string]bool {
	in := make(map[string]bool, len(refs))
	for _, r := range refs {
		in[r] = true
	}
	return in
}
