package plan

import (
	"cmp"
	"maps"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// renames is what a plan knows about groups that get another name.
type renames struct {
	renamings []*renaming
	// successors are the renamings by the new group's name, former by the names of
	// old groups.
	successors, former map[string]*renaming
	// inPlace are groups, by their new name, as they are observed: the platform
	// renames them, and the rest of the plan knows them by the new name only.
	inPlace map[string]access.Group
	// moved are the names that the ledger knows, by those that somebody else gave.
	moved map[string]string
	// renamed are the ids of those groups by their old name.
	renamed map[string]string
	serving map[string]int // the desired group of each project role
	// oldNames say which desired groups keep the names that they have on the
	// platform because removals are forbidden.
	oldNames []string
	roles    map[[2]string]bool
	parts    map[string]bool // the IDs of all steps that build a successor
}

// findRenamings pairs groups of ours that nobody desires any more with desired
// ones that serve the same project role. What a platform can rename itself is
// regrouped under its new name; the rest are renamings.
func (m *maker) findRenamings() {
	m.renames = renames{
		moved: m.moved, successors: map[string]*renaming{}, former: map[string]*renaming{}, inPlace: map[string]access.Group{},
		renamed: map[string]string{}, parts: map[string]bool{},
	}
	if m.nameBack() {
		m.reindex()
	}
	if m.in.Rules.IgnoreCase && m.pairCase() {
		m.reindex()
	}
	olds := m.pairServing()
	if m.renameInPlace(olds) {
		m.reindex()
	}
	if m.forbids() && m.keepNames(olds) {
		m.reindex()
	}
	for _, want := range m.in.Desired.Groups {
		if len(olds[want.Name]) > 0 {
			m.addRenaming(want, olds[want.Name])
		}
	}
}

// pairCase pairs groups whose names differ in case only, which are one name to
// the platform. It reports whether anything got another name.
func (m *maker) pairCase() bool {
	wanted := map[string]access.Group{} // desired and not there under that very name
	for _, want := range m.in.Desired.Groups {
		if _, there := m.groups[want.Name]; !there {
			wanted[access.FoldCase(want.Name)] = want
		}
	}
	if len(wanted) == 0 {
		return false
	}
	best := map[string]access.Group{}
	for _, name := range slices.Sorted(maps.Keys(m.groups)) {
		have := m.groups[name]
		want, ok := wanted[access.FoldCase(name)]
		if !ok || m.desired[have.Key()] {
			continue
		}
		other, taken := best[want.Name]
		if !taken || m.claim(have.Key(), have.Ref, have.Mark) > m.claim(other.Key(), other.Ref, other.Mark) {
			best[want.Name] = have
		}
	}
	for _, to := range slices.Sorted(maps.Keys(best)) {
		have := best[to]
		isOurs := m.whose(have.Key(), have.Ref, have.Mark) == ours || m.adopts(have.Key(), have.Ref, have.Mark)
		switch {
		case !isOurs:
			m.groups[to] = have // the name is taken
		case m.in.Rules.CanRename:
			m.rename(have, to)
		default:
			m.keepName(have.Name, to)
		}
	}
	return len(best) > 0
}

// pairServing returns the old groups of each desired one.
func (m *maker) pairServing() map[string][]access.Group {
	olds := map[string][]access.Group{}
	for _, have := range m.in.Observed.Groups {
		if m.desired[have.Key()] || m.isSecond(have) || m.whose(have.Key(), have.Ref, have.Mark) != ours {
			continue
		}
		if want, ok := m.serves(m.ledgerServes(have)); ok {
			olds[want.Name] = append(olds[want.Name], have)
		}
	}
	return olds
}

// renameInPlace takes from olds those that the platform renames, and reports
// whether there are any. Of several old groups only one can get the name: the
// one with the most members.
func (m *maker) renameInPlace(olds map[string][]access.Group) bool {
	if m.in.Rules.Rename != InPlace || !m.in.Rules.CanRename {
		return false
	}
	renamed := false
	for _, to := range slices.Sorted(maps.Keys(olds)) {
		if _, taken := m.groups[to]; taken {
			continue
		}
		best := mostMembers(olds[to])
		m.rename(olds[to][best], to)
		olds[to] = slices.Delete(olds[to], best, best+1)
		renamed = true
	}
	return renamed
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

// serves returns the desired group that holds the people of that project role.
func (m *maker) serves(role string) (access.Group, bool) {
	if m.serving == nil {
		m.serving = map[string]int{}
		for i, want := range m.in.Desired.Groups {
			if _, taken := m.serving[want.Serves]; !taken && want.Serves != "" {
				m.serving[want.Serves] = i
			}
		}
	}
	i, ok := m.serving[role]
	if !ok {
		return access.Group{}, false
	}
	return m.in.Desired.Groups[i], true
}

// ledgerServes returns the project role that the ledger knows of the group.
func (m *maker) ledgerServes(have access.Group) string {
	serves := ""
	for _, o := range m.owned[have.Key()] {
		if o.Serves != "" && (serves == "" || o.Ref == have.Ref) {
			serves = o.Serves
		}
	}
	return serves
}

// elsewhere returns whom it costs nothing to leave the group: it stood for another
// project role until now, whose people have, or get, a group of their own.
func (m *maker) elsewhere(have access.Group) map[string]bool {
	if !m.repurposed(have) {
		return nil
	}
	next, ok := m.serves(m.ledgerServes(have))
	if !ok {
		return nil
	}
	if _, whose := m.found(next.Name); whose != ours && whose != nobodys || m.closed() && !m.hasRolesOf(next, have) {
		return nil
	}
	return refSet(next.Members)
}

// hasRolesOf reports whether a desired group gets every role of ours that another
// one has.
func (m *maker) hasRolesOf(next, have access.Group) bool {
	return !slices.ContainsFunc(m.in.Observed.Bindings, func(b access.Binding) bool {
		return b.Group == have.Name && m.whose(b.Key(), b.Ref, b.Mark) == ours &&
			!m.desired[access.Binding{Role: b.Role, Group: next.Name}.Key()]
	})
}

// repurposed reports whether a desired group stood for another project role until
// now.
func (m *maker) repurposed(have access.Group) bool {
	role := m.ledgerServes(have)
	i, desired := slices.BinarySearchFunc(m.in.Desired.Groups, have.Name, compareName)
	return desired && role != "" && role != m.in.Desired.Groups[i].Serves
}

func compareName(g access.Group, name string) int { return cmp.Compare(g.Name, name) }

// rename regroups all that is known of the group under its new name.
func (m *maker) rename(have access.Group, to string) {
	from := have.Name
	m.inPlace[to], m.renamed[from] = have, have.Ref
	serves := m.ledgerServes(have)
	for i, g := range m.in.Observed.Groups {
		if g.Name == from && g.Ref == have.Ref {
			m.in.Observed.Groups[i].Name = to
		}
	}
	for i, b := range m.in.Observed.Bindings {
		if b.Group != from {
			continue
		}
		m.in.Observed.Bindings[i].Group = to
		old, key := b.Key(), m.in.Observed.Bindings[i].Key()
		for _, o := range m.owned[old] {
			m.owned[key] = append(m.owned[key], Owned{Key: key, Ref: o.Ref})
		}
	}
	key := access.Group{Name: to}.Key()
	if len(m.owned[have.Key()]) > 0 {
		m.owned[key] = append(m.owned[key], Owned{Key: key, Ref: have.Ref, Serves: serves})
	}
	m.renameOrders(from, to)
}

// renameOrders lets what people decided about the group under its old name count
// under the new one.
func (m *maker) renameOrders(from, to string) {
	for _, orders := range []map[Removal]bool{m.approved, m.refused, m.strangers, m.adopted} {
		for r := range maps.Clone(orders) {
			if r.Object.Group == from {
				r.Object.Group = to
				orders[r] = true
			}
		}
	}
	for _, r := range m.in.Rejected {
		if r.Object.Group == from {
			r.Object.Group = to
			m.in.Rejected = append(slices.Clip(m.in.Rejected), r)
		}
	}
}

// keepName lets the desired group have the name that it has on the platform.
func (m *maker) keepName(name, wanted string) {
	for i, g := range m.in.Desired.Groups {
		if g.Name == wanted {
			m.in.Desired.Groups[i].Name = name
		}
	}
	for i, b := range m.in.Desired.Bindings {
		if b.Group == wanted {
			m.in.Desired.Bindings[i].Group = name
		}
	}
	for _, kind := range []access.Kind{access.KindGroup, access.KindMembers} {
		key := access.Key{Kind: kind, Group: name}
		m.kept[key] = append(m.kept[key], m.kept[access.Key{Kind: kind, Group: wanted}]...)
	}
}

// reindex puts all in order again after names have changed.
func (m *maker) reindex() {
	taken := maps.Clone(m.groups)
	m.in.Desired.Sort()
	m.in.Observed.Sort()
	m.noteDesired()
	m.index()
	for name, g := range taken { // of somebody else, under a name that is one to the platform
		if _, there := m.groups[name]; !there && name != g.Name {
			m.groups[name] = g
		}
	}
}
