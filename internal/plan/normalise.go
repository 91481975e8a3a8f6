package plan

import (
	"cmp"
	"maps"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// ownership says whose an observed object is.
type ownership int

const (
	absent ownership = iota // there is no such object
	unmanaged
	unclear
	managed
)

// facts are the input of a plan, in one order and with every name resolved: which
// observed object each desired one is, whose it is, and what people decided about it.
// Nothing changes facts after normalise.
//
// Every group name has a slot, a small integer. The desired groups have the first ones,
// in their order; groups that are only observed, or only have a binding, follow.
type facts struct {
	in Input // sorted copies; no revoked account is desired
	// ledger is sorted by key up to sorted; the rest was added since.
	ledger []Owned
	sorted int
	kept   map[access.Key][]string
	decisions
	slots  map[string]int
	names  []string    // by slot
	seen   []int       // by slot: the observed group that counts, or none
	groups []seenGroup // by the place of the observed group
	wants  []int       // by the place of a desired binding: the observed one, or none
	roles  []seenRole  // by the place of the observed binding
	renamed
	replacements []replacement
	successor    map[int]int // by slot of the new group: its place in replacements
	former       map[int]int // by slot of an old group
}

// none is the place of what does not exist.
const none = -1

// decisions are what operators and the platform decided besides the documents.
type decisions struct {
	approved, refused, unmanagedMembers, adopted map[Removal]bool
	immovable                                    map[Removal]bool // roles that the platform does not take
	refusedMembers                               map[Removal]bool // members that the platform does not admit
	emptied                                      map[string]bool  // groups that all members left, by name
	revoked                                      map[string]bool  // by the account's id
	// ended says by which binding access ended.
	ended map[Removal]string
	// rejectedBy has the removals to which someone said no.
	rejectedBy map[Removal]Rejection
	// adoptions are the groups that an operator told Rollcall to take over, by name.
	adoptions map[string][]Owned
}

// seenGroup is what is known of an observed group.
type seenGroup struct {
	slot  int
	owned []Owned // what the ledger has under its name
	owner ownership
	// adopted is true where an operator told Rollcall to take over this very group.
	adopted bool
}

// seenRole is what is known of an observed binding.
type seenRole struct {
	slot  int // of its group; none where it lists its subjects
	owner ownership
	// second is true where another binding of that name counts.
	second bool
	want   int // the place of the desired binding of that name, or none
}

// normalise is the first pass.
func normalise(in Input) *facts {
	in.Desired, in.Observed = sorted(in.Desired), sorted(in.Observed)
	f := &facts{in: in, kept: make(map[access.Key][]string, len(in.Keep))}
	f.ledger = slices.Clone(in.Owned)
	for _, k := range in.Keep {
		f.kept[k.Set] = append(f.kept[k.Set], k.Refs...)
	}
	f.decide()
	f.findMoved()
	f.index()
	f.pairNames()
	if in.Rules.Separate {
		f.addObservedRoles()
	}
	return f
}

// decide notes what people decided, and leaves the revoked out of what is desired and
// kept. The documents leave them out, too; a plan must not depend on it.
func (f *facts) decide() {
	f.ended = make(map[Removal]string, len(f.in.Ended))
	for _, e := range f.in.Ended {
		if f.ended[e.Removal] == "" {
			f.ended[e.Removal] = e.Why
		}
	}
	f.approved, f.unmanagedMembers, f.immovable = removals(f.in.Approved), removals(f.in.Strangers), removals(f.in.Immovable)
	f.refusedMembers, f.emptied = removals(f.in.RefusedMembers), asSet(f.in.Emptied)
	f.refused = make(map[Removal]bool, len(f.in.Rejected))
	f.rejectedBy = map[Removal]Rejection{}
	for _, r := range f.in.Rejected {
		f.refused[r.Removal] = true
		if _, known := f.rejectedBy[r.Removal]; !known && r.By != "" {
			f.rejectedBy[r.Removal] = r
		}
	}
	f.adopted, f.adoptions = make(map[Removal]bool, len(f.in.Adopted)), map[string][]Owned{}
	for _, o := range f.in.Adopted {
		f.adopted[Removal{Object: o.Key, Ref: o.Ref}] = true
		f.adoptions[o.Key.Group] = append(f.adoptions[o.Key.Group], o)
	}
	if f.revoked = asSet(f.in.Revoked); len(f.revoked) == 0 {
		return
	}
	for key, refs := range f.kept {
		f.kept[key] = slices.DeleteFunc(refs, func(ref string) bool { return f.revoked[ref] })
	}
	for i, g := range f.in.Desired.Groups {
		f.in.Desired.Groups[i].Members = f.present(g.Members)
	}
	for i, b := range f.in.Desired.Bindings {
		f.in.Desired.Bindings[i].Subjects = f.present(b.Subjects)
	}
}

// sorted returns s in the one order, so that the plan does not depend on the order of the
// input. Sets in order are shared with s: no pass writes to them, and steps copy them.
func sorted(s access.State) access.State {
	s = access.State{Groups: slices.Clone(s.Groups), Bindings: slices.Clone(s.Bindings)}
	for i, g := range s.Groups {
		s.Groups[i].Members = byRef(g.Members)
	}
	for i, b := range s.Bindings {
		s.Bindings[i].Subjects = byRef(b.Subjects)
	}
	sortState(s)
	return s
}

// sortState sorts groups and bindings, whose sets are sorted, where they are not sorted
// yet.
func sortState(s access.State) {
	if !slices.IsSortedFunc(s.Groups, compareGroups) {
		slices.SortFunc(s.Groups, compareGroups)
	}
	if !slices.IsSortedFunc(s.Bindings, compareBindings) {
		slices.SortFunc(s.Bindings, compareBindings)
	}
}

func compareGroups(a, b access.Group) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Ref, b.Ref))
}

func compareBindings(a, b access.Binding) int {
	return cmp.Or(compareNames(&a, &b), cmp.Compare(a.Ref, b.Ref), cmp.Compare(a.GroupRef, b.GroupRef))
}

// compareNames orders bindings by their keys.
func compareNames(a, b *access.Binding) int {
	return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Role, b.Role), cmp.Compare(a.Name, b.Name))
}

// index sorts everything by name and finds the observed object of each desired one.
func (f *facts) index() {
	sortState(f.in.Desired)
	sortState(f.in.Observed)
	if !slices.IsSortedFunc(f.ledger, compareLedger) {
		slices.SortStableFunc(f.ledger, compareLedger)
	}
	f.sorted, f.observedPlaces, f.desiredPlaces = len(f.ledger), nil, nil
	f.slots = make(map[string]int, len(f.in.Desired.Groups)+len(f.in.Observed.Groups))
	f.names, f.seen = f.names[:0], f.seen[:0]
	for i := range f.in.Desired.Groups {
		f.slot(f.in.Desired.Groups[i].Name)
	}
	f.indexGroups()
	f.indexBindings()
	for name, g := range f.aliases {
		if at := f.slot(name); f.seen[at] == none && name != g.Name {
			if place, found := slices.BinarySearchFunc(f.in.Observed.Groups, g, compareGroups); found {
				f.seen[at] = place
			}
		}
	}
}

func compareLedger(a, b Owned) int { return a.Key.Compare(b.Key) }

// slot returns the slot of a group's name.
func (f *facts) slot(name string) int {
	at, known := f.slots[name]
	if !known {
		at = len(f.names)
		f.slots[name] = at
		f.names, f.seen = append(f.names, name), append(f.seen, none)
	}
	return at
}

// indexGroups finds the observed group of each name: of several, the one that is most
// likely managed.
func (f *facts) indexGroups() {
	ledger := iterator{rest: f.ledger}
	f.groups = make([]seenGroup, len(f.in.Observed.Groups))
	for i := range f.in.Observed.Groups {
		g := &f.in.Observed.Groups[i]
		key := g.Key()
		is := seenGroup{slot: f.slot(g.Name), owned: ledger.of(key), adopted: f.adopts(key, g.Ref, g.Mark)}
		is.owner = f.whose(is.owned, g.Ref, g.Mark)
		f.groups[i] = is
		if other := f.seen[is.slot]; other == none || claim(is, g.Ref) > claim(f.groups[other], f.in.Observed.Groups[other].Ref) {
			f.seen[is.slot] = i
		}
	}
}

// indexBindings finds the observed binding of each name. Bindings of a second group of
// the same name are not Rollcall's to judge: they are dropped.
func (f *facts) indexBindings() {
	f.in.Observed.Bindings = slices.DeleteFunc(f.in.Observed.Bindings, func(b access.Binding) bool {
		at, known := f.slots[b.Group]
		return known && f.seen[at] != none && b.GroupRef != "" && b.GroupRef != f.in.Observed.Groups[f.seen[at]].Ref
	})
	f.roles, f.wants = make([]seenRole, len(f.in.Observed.Bindings)), make([]int, len(f.in.Desired.Bindings))
	for i := range f.wants {
		f.wants[i] = none
	}
	f.pairBindings()
	desired := f.in.Desired.Bindings
	for i := range desired {
		if at := i - 1; at >= 0 && compareNames(&desired[at], &desired[i]) == 0 {
			f.wants[i] = f.wants[at]
		}
		if desired[i].Group != "" {
			f.slot(desired[i].Group)
		}
	}
}

// pairBindings walks through observed and desired bindings and the ledger, all of which
// are in the order of their keys.
func (f *facts) pairBindings() {
	observed, desired := f.in.Observed.Bindings, f.in.Desired.Bindings
	ledger, next := iterator{rest: f.ledger}, 0
	for lo := 0; lo < len(observed); {
		b := &observed[lo]
		is := seenRole{slot: none, want: none}
		if b.Group != "" {
			is.slot = f.slot(b.Group)
		}
		for next < len(desired) && compareNames(&desired[next], b) < 0 {
			next++
		}
		if next < len(desired) && compareNames(&desired[next], b) == 0 {
			is.want = next
		}
		owned := ledger.of(b.Key())
		hi := lo
		for ; hi < len(observed) && compareNames(&observed[hi], b) == 0; hi++ {
			is.owner = f.whose(owned, observed[hi].Ref, observed[hi].Mark)
			f.roles[hi] = is
		}
		f.prefer(lo, hi, owned)
		lo = hi
	}
}

// prefer decides which of the observed bindings from lo to hi, which have one name, counts:
// the one that is most likely managed.
func (f *facts) prefer(lo, hi int, owned []Owned) {
	observed, best := f.in.Observed.Bindings, lo
	claimOf := func(at int) int { return claim(seenGroup{owner: f.roles[at].owner, owned: owned}, observed[at].Ref) }
	for at := lo + 1; at < hi; at++ {
		if claimOf(at) > claimOf(best) {
			best = at
		}
	}
	for at := lo; at < hi; at++ {
		f.roles[at].second = observed[at].Ref != observed[best].Ref
	}
	if want := f.roles[best].want; want != none {
		f.wants[want] = best
	}
}

// iterator walks through the ledger beside objects in the order of their keys.
type iterator struct{ rest []Owned }

// of returns what the ledger has of the object. Keys are asked in order.
func (c *iterator) of(key access.Key) []Owned {
	for len(c.rest) > 0 && c.rest[0].Key.Compare(key) < 0 {
		c.rest = c.rest[1:]
	}
	n := 0
	for n < len(c.rest) && c.rest[n].Key == key {
		n++
	}
	return c.rest[:n:n]
}

// ownedAs returns what a sorted ledger has of an object.
func ownedAs(ledger []Owned, key access.Key) []Owned {
	first, _ := slices.BinarySearchFunc(ledger, key, func(o Owned, key access.Key) int { return o.Key.Compare(key) })
	found := iterator{rest: ledger[first:]}
	return found.of(key)
}

// claim orders the objects of one name: managed ones first, and the ledger's own first
// among those; then what an operator told Rollcall to take over.
func claim(is seenGroup, ref string) int {
	switch {
	case is.owner < managed && is.adopted:
		return 3*int(managed) - 1
	case slices.ContainsFunc(is.owned, func(o Owned) bool { return o.Ref == ref }):
		return 3*int(is.owner) + 1
	default:
		return 3 * int(is.owner)
	}
}

// whose compares the ledger with the object's own mark. An id other than the ledger's is
// another object, unless its mark says that it is managed.
func (f *facts) whose(owned []Owned, ref string, mark access.Mark) ownership {
	marked := mark == f.in.Rules.Mark && mark != access.Mark{}
	known := len(owned) > 0
	if known && ref != "" && !slices.ContainsFunc(owned, func(o Owned) bool { return o.Ref == "" || o.Ref == ref }) {
		known = marked
	}
	switch {
	case known && mark.Agrees(f.in.Rules.Mark):
		return managed
	case known || marked:
		return unclear
	default:
		return unmanaged
	}
}

// adopts reports whether an operator told Rollcall to take over this very group, and no
// mark on it names another owner.
func (f *facts) adopts(key access.Key, ref string, mark access.Mark) bool {
	return len(f.adopted) > 0 && f.adopted[Removal{Object: key, Ref: ref}] && (mark == access.Mark{} || mark.Agrees(f.in.Rules.Mark))
}

// isDesired reports whether the slot has a desired group.
func (f *facts) isDesired(slot int) bool { return slot >= 0 && slot < len(f.in.Desired.Groups) }

// found returns the observed group of a slot, and whose it is. One that is adopted and
// desired is managed already. Without one the group has its name only.
func (f *facts) found(slot int) (access.Group, ownership) {
	if slot == none {
		return access.Group{}, absent
	}
	at := f.seen[slot]
	if at == none {
		return access.Group{Name: f.names[slot]}, absent
	}
	is := f.groups[at]
	if is.adopted && f.isDesired(is.slot) {
		return f.in.Observed.Groups[at], managed
	}
	return f.in.Observed.Groups[at], is.owner
}

// group returns the observed group of a slot; an empty one where there is none.
func (f *facts) group(slot int) access.Group {
	if slot == none || f.seen[slot] == none {
		return access.Group{}
	}
	return f.in.Observed.Groups[f.seen[slot]]
}

// slotOf returns the slot of a group's name, or none.
func (f *facts) slotOf(name string) int {
	if at, known := f.slots[name]; known {
		return at
	}
	return none
}

// wantsRole reports whether a document gives the role to the group.
func (f *facts) wantsRole(group, role string) bool {
	want := access.Binding{Role: role, Group: group}
	_, found := slices.BinarySearchFunc(f.in.Desired.Bindings, &want, func(b access.Binding, want *access.Binding) int {
		return compareNames(&b, want)
	})
	return found
}

// hasRole reports whether a document gives any role to the group.
func (f *facts) hasRole(group string) bool {
	at, _ := slices.BinarySearchFunc(f.in.Desired.Bindings, group, func(b access.Binding, group string) int {
		return cmp.Compare(b.Group, group)
	})
	return at < len(f.in.Desired.Bindings) && f.in.Desired.Bindings[at].Group == group
}

// rolesOf returns the place of a group's first observed binding, and that after its last.
func (f *facts) rolesOf(group string) (first, end int) {
	observed := f.in.Observed.Bindings
	first, _ = slices.BinarySearchFunc(observed, group, func(b access.Binding, group string) int { return cmp.Compare(b.Group, group) })
	for end = first; end < len(observed) && observed[end].Group == group; end++ {
	}
	return first, end
}

// grants returns the project role that the ledger knows of an observed group.
func (f *facts) grants(at int) string {
	role, ref := "", f.in.Observed.Groups[at].Ref
	for _, o := range f.groups[at].owned {
		if o.Serves != "" && (role == "" || o.Ref == ref) {
			role = o.Serves
		}
	}
	return role
}

// repurposed reports whether the desired group of a slot granted another project role
// until now.
func (f *facts) repurposed(slot int) bool {
	if !f.isDesired(slot) || f.seen[slot] == none {
		return false
	}
	role := f.grants(f.seen[slot])
	return role != "" && role != f.in.Desired.Groups[slot].Serves
}

// present returns those of the members who are not revoked.
func (f *facts) present(members []access.Member) []access.Member {
	if len(f.revoked) == 0 {
		return members
	}
	return slices.DeleteFunc(slices.Clone(members), func(who access.Member) bool { return f.revoked[who.Ref] })
}

// forbids reports whether a document forbids removals.
func (f *facts) forbids() bool { return f.in.Rules.ForbiddenBy != "" }

// removals returns them as a set.
func removals(all []Removal) map[Removal]bool {
	in := make(map[Removal]bool, len(all))
	for _, r := range all {
		in[r] = true
	}
	return in
}

// asSet returns refs as a set.
func asSet(refs []string) map[string]bool {
	in := make(map[string]bool, len(refs))
	for _, r := range refs {
		in[r] = true
	}
	return in
}

// refSet returns the ids of all these members.
func refSet(lists ...[]access.Member) map[string]bool {
	in := map[string]bool{}
	for _, list := range lists {
		for _, who := range list {
			in[who.Ref] = true
		}
	}
	return in
}

// notIn returns those of the members whose ids are not in the set.
func notIn(members []access.Member, refs map[string]bool) []access.Member {
	return slices.DeleteFunc(slices.Clone(members), func(who access.Member) bool { return refs[who.Ref] })
}

// sortedNames returns the keys of a map in order.
func sortedNames[V any](of map[string]V) []string { return slices.Sorted(maps.Keys(of)) }
