package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// renamed is what the first pass found out about groups whose name differs from the
// desired one. A group is known by the project role that it grants: its name is an
// attribute of it.
type renamed struct {
	// before are groups that the platform renames, as observed, by their new name. All
	// passes know them by the new name only.
	before map[string]access.Group
	// refs are the ids of those groups by their old name.
	refs map[string]string
	// outOfBand are the names that the ledger knows, by those that another system gave.
	outOfBand map[string]string
	// aliases are unmanaged groups that take a desired name on a platform that ignores
	// case, by that name.
	aliases map[string]access.Group
	// preservedNames say which desired groups keep the names that they have on the platform
	// because removals are forbidden.
	preservedNames []string
	granting       map[string]int // the slot of the desired group of each project role
	// observedPlaces and desiredPlaces are the places of bindings by the group's name, as of the
	// last index. They are nil until a group gets another name.
	observedPlaces, desiredPlaces map[string][]int
}

// replacement is a desired group that replaces others: they grant the same project role
// under other names.
type replacement struct {
	to   int   // slot of the new group, which is its place among the desired ones, too
	olds []int // places of the old groups among the observed ones
	// ready is true where the new group is managed, or about to be.
	ready bool
}

// findMoved recognises managed groups to which another system gave another name, by the id
// that the ledger has of them. What the ledger says of the group and of its roles then
// counts under the name that it has on the platform.
func (f *facts) findMoved() {
	byRef, roles := map[string]Owned{}, map[string][]Owned{} // roles by the group's name
	known := make(map[string]bool, len(f.in.Owned))          // group names in the ledger
	for _, o := range f.in.Owned {
		switch o.Key.Kind {
		case access.KindBinding:
			roles[o.Key.Group] = append(roles[o.Key.Group], o)
			continue
		case access.KindGroup:
		default:
			continue
		}
		known[o.Key.Group] = true
		if o.Ref != "" {
			byRef[o.Ref] = o
		}
	}
	f.outOfBand = map[string]string{}
	for i := range f.in.Observed.Groups {
		have := &f.in.Observed.Groups[i]
		if known[have.Name] || !have.Mark.Agrees(f.in.Rules.Mark) {
			continue
		}
		o, recorded := byRef[have.Ref]
		if !recorded {
			continue
		}
		known[have.Name] = true
		f.outOfBand[have.Name] = o.Key.Group
		f.ledger = append(f.ledger, Owned{Key: have.Key(), Ref: o.Ref, Serves: o.Serves})
		for _, role := range roles[o.Key.Group] { // they count under the other name, too
			role.Key.Group = have.Name
			f.ledger = append(f.ledger, role)
		}
	}
}

// pairNames decides for each desired group of which no observed one has the name whether
// an observed one gets its name, it gets the name of an observed one, or it replaces some.
func (f *facts) pairNames() {
	f.before, f.refs = map[string]access.Group{}, map[string]string{}
	f.successor, f.former = map[int]int{}, map[int]int{}
	if f.nameBack() {
		f.index()
	}
	if f.in.Rules.IgnoreCase && f.pairCase() {
		f.index()
	}
	olds := f.pairGranting()
	if f.renameInPlace(olds) {
		f.index()
	}
	if f.forbids() && f.keepNames(olds) {
		f.index()
	}
	f.granting = f.grantedRoles()
	for slot, want := range f.in.Desired.Groups {
		if len(olds[want.Name]) > 0 {
			f.replace(slot, olds[want.Name])
		}
	}
}

// nameBack gives groups back the name that another system changed, where it is still the
// desired one and the platform can do it. It reports whether there are any. Other than a
// change of the documents this needs no second group, whatever Rules.Rename is: no
// document asked for that name.
func (f *facts) nameBack() bool {
	if len(f.outOfBand) == 0 || !f.in.Rules.CanRename {
		return false
	}
	found := false
	for at, have := range slices.Clone(f.in.Observed.Groups) {
		to, moved := f.outOfBand[have.Name]
		slot := f.groups[at].slot
		if !moved || f.isDesired(slot) || f.seen[slot] != at || !f.isDesired(f.slotOf(to)) {
			continue // of several groups of that name, another one is the ledger's
		}
		if _, taken := f.before[to]; !taken && f.seen[f.slotOf(to)] == none {
			f.rename(at, to)
			found = true
		}
	}
	return found
}

// pairCase pairs groups whose names differ in case only, which are one name to the
// platform. It reports whether anything got another name.
func (f *facts) pairCase() bool {
	wanted := map[string]string{} // desired and not there under that very name
	for slot, want := range f.in.Desired.Groups {
		if f.seen[slot] == none {
			wanted[access.FoldCase(want.Name)] = want.Name
		}
	}
	if len(wanted) == 0 {
		return false
	}
	best := map[string]int{}
	for _, name := range sortedNames(f.slots) {
		at := f.seen[f.slots[name]]
		want, ok := wanted[access.FoldCase(name)]
		if at == none || !ok || f.isDesired(f.slots[name]) {
			continue
		}
		other, taken := best[want]
		if !taken || f.claimAt(at) > f.claimAt(other) {
			best[want] = at
		}
	}
	f.aliases = map[string]access.Group{}
	for _, to := range sortedNames(best) {
		at := best[to]
		have := f.in.Observed.Groups[at]
		switch is := f.groups[at]; {
		case is.owner != managed && !is.adopted:
			f.aliases[to] = have // the name is taken
		case f.in.Rules.CanRename:
			f.rename(at, to)
		default:
			f.keepName(have.Name, to)
		}
	}
	return len(best) > 0
}

func (f *facts) claimAt(at int) int { return claim(f.groups[at], f.in.Observed.Groups[at].Ref) }

// pairGranting returns the old groups of each desired one, by its name: managed groups
// that no document asks for and that grant the same project role.
func (f *facts) pairGranting() map[string][]access.Group {
	olds := map[string][]access.Group{}
	f.granting = f.grantedRoles()
	for at, have := range f.in.Observed.Groups {
		if is := f.groups[at]; f.isDesired(is.slot) || is.owner != managed || f.isSecond(at) {
			continue
		}
		if slot := f.grantedBy(f.grants(at)); slot != none {
			name := f.in.Desired.Groups[slot].Name
			olds[name] = append(olds[name], have)
		}
	}
	return olds
}

// grantedRoles returns the slots of the desired groups by the project role that they
// grant.
func (f *facts) grantedRoles() map[string]int {
	granting := make(map[string]int, len(f.in.Desired.Groups))
	for slot, want := range f.in.Desired.Groups {
		if _, taken := granting[want.Serves]; !taken && want.Serves != "" {
			granting[want.Serves] = slot
		}
	}
	return granting
}

// grantedBy returns the slot of the desired group that grants a project role, or none.
func (f *facts) grantedBy(role string) int {
	if slot, ok := f.granting[role]; ok {
		return slot
	}
	return none
}

// isSecond reports whether another group of that name is the one that counts.
func (f *facts) isSecond(at int) bool {
	have := &f.in.Observed.Groups[at]
	if ref, renamed := f.refs[have.Name]; renamed {
		return ref != have.Ref
	}
	return have.Ref != f.in.Observed.Groups[f.seen[f.groups[at].slot]].Ref
}

// renameInPlace takes from olds those that the platform renames, and reports whether
// there are any. Of several old groups only one can get the name: the one with the most
// members.
func (f *facts) renameInPlace(olds map[string][]access.Group) bool {
	if f.in.Rules.Rename != InPlace || !f.in.Rules.CanRename {
		return false
	}
	found := false
	for _, to := range sortedNames(olds) {
		if f.seen[f.slotOf(to)] != none {
			continue
		}
		best := mostMembers(olds[to])
		f.rename(f.placeOf(olds[to][best]), to)
		olds[to] = slices.Delete(olds[to], best, best+1)
		found = true
	}
	return found
}

// placeOf returns the place of an observed group, which counts for its name.
func (f *facts) placeOf(g access.Group) int { return f.seen[f.slots[g.Name]] }

// placesByGroup returns the places of the bindings of each group.
func placesByGroup(bindings []access.Binding) map[string][]int {
	places := map[string][]int{}
	for i, b := range bindings {
		places[b.Group] = append(places[b.Group], i)
	}
	return places
}

// mostMembers returns the place of the group with the most members.
func mostMembers(groups []access.Group) int {
	best := 0
	for i, have := range groups {
		if len(have.Members) > len(groups[best].Members) {
			best = i
		}
	}
	return best
}

// keepNames lets desired groups keep the names that they have on the platform, as a
// replacement would remove the old group. Where the new group exists already, the old
// ones stay beside it. It reports whether any desired group keeps its name.
func (f *facts) keepNames(olds map[string][]access.Group) bool {
	for _, to := range sortedNames(olds) {
		if len(olds[to]) == 0 {
			continue
		}
		if _, owner := f.found(f.slotOf(to)); owner == managed {
			continue
		}
		from := olds[to][mostMembers(olds[to])].Name
		f.keepName(from, to)
		f.preservedNames = append(f.preservedNames, fmt.Sprintf("the group %q in place of %q", from, to))
	}
	clear(olds)
	return len(f.preservedNames) > 0
}

// replace notes that a desired group replaces others.
func (f *facts) replace(slot int, olds []access.Group) {
	_, owner := f.found(slot)
	r := replacement{to: slot, ready: owner == managed || owner == absent}
	f.successor[slot] = len(f.replacements)
	for _, old := range olds {
		r.olds = append(r.olds, f.placeOf(old))
		f.former[f.slots[old.Name]] = len(f.replacements)
		f.kept[old.Key()] = f.kept[f.in.Desired.Groups[slot].Key()] // Input.Keep names desired groups
	}
	f.replacements = append(f.replacements, r)
}

// rename regroups all that is known of an observed group under its new name, until index
// sorts it there.
func (f *facts) rename(at int, to string) {
	have := f.in.Observed.Groups[at]
	from := have.Name
	f.before[to], f.refs[from] = have, have.Ref
	role, owned := f.grants(at), len(f.groups[at].owned) > 0
	f.in.Observed.Groups[at].Name = to
	if f.observedPlaces == nil {
		f.observedPlaces = placesByGroup(f.in.Observed.Bindings)
	}
	for _, i := range f.observedPlaces[from] {
		b := &f.in.Observed.Bindings[i]
		owned := ownedAs(f.ledger[:f.sorted], b.Key())
		b.Group = to
		for _, o := range owned {
			f.ledger = append(f.ledger, Owned{Key: b.Key(), Ref: o.Ref})
		}
	}
	if owned {
		f.ledger = append(f.ledger, Owned{Key: access.Group{Name: to}.Key(), Ref: have.Ref, Serves: role})
	}
	f.renameDecisions(from, to)
}

// renameDecisions lets what people decided about the group under its old name count under
// the new one.
func (f *facts) renameDecisions(from, to string) {
	for _, decided := range []map[Removal]bool{f.approved, f.refused, f.unmanagedMembers, f.adopted, f.immovable, f.refusedMembers} {
		for r := range maps.Clone(decided) {
			if r.Object.Group == from {
				r.Object.Group = to
				decided[r] = true
			}
		}
	}
	for removal, r := range maps.Clone(f.rejectedBy) {
		if removal.Object.Group == from {
			removal.Object.Group = to
			f.rejectedBy[removal] = cmp.Or(f.rejectedBy[removal], r)
		}
	}
}

// keepName lets the desired group have the name that it has on the platform.
func (f *facts) keepName(name, wanted string) {
	if f.desiredPlaces == nil {
		f.desiredPlaces = placesByGroup(f.in.Desired.Bindings)
	}
	f.in.Desired.Groups[f.slots[wanted]].Name = name
	for _, i := range f.desiredPlaces[wanted] {
		f.in.Desired.Bindings[i].Group = name
	}
	for _, kind := range []access.Kind{access.KindGroup, access.KindMembers} {
		key := access.Key{Kind: kind, Group: name}
		f.kept[key] = append(f.kept[key], f.kept[access.Key{Kind: kind, Group: wanted}]...)
	}
}
