package oracle

import "github.com/rollcall-iam/rollcall/internal/plan/oracle/access"

// findMoved knows groups of ours again to which somebody else gave another name:
// by the id that the ledger has of them. What the ledger says of the group and of
// its roles then counts under the name that it has on the platform.
func (m *maker) findMoved() {
	byRef := map[string]Owned{}
	for _, o := range m.in.Owned {
		if o.Key.Kind == access.KindGroup && o.Ref != "" {
			byRef[o.Ref] = o
		}
	}
	m.moved = map[string]string{}
	for _, have := range m.in.Observed.Groups {
		o, known := byRef[have.Ref]
		if !known || o.Key == have.Key() || len(m.owned[have.Key()]) > 0 || !have.Mark.Agrees(m.in.Rules.Mark) {
			continue
		}
		m.moved[have.Name] = o.Key.Group
		m.owned[have.Key()] = []Owned{{Key: have.Key(), Ref: o.Ref, Serves: o.Serves}}
		m.ownMoved(o.Key.Group, have.Name)
	}
}

// ownMoved lets the roles that the ledger has of a group count under another name.
func (m *maker) ownMoved(from, to string) {
	for _, o := range m.in.Owned {
		if o.Key.Kind == access.KindBinding && o.Key.Group == from {
			o.Key.Group = to
			m.owned[o.Key] = append(m.owned[o.Key], o)
		}
	}
}

// nameBack gives groups back the name that somebody else changed, where it is
// still the desired one and the platform can do it. It reports whether there are
// any. Other than a change of the documents this needs no second group, whatever
// Rules.Rename is: nobody asked for that name.
func (m *maker) nameBack() bool {
	found := false
	for _, have := range m.in.Observed.Groups {
		to, moved := m.moved[have.Name]
		if !moved || !m.in.Rules.CanRename || m.desired[have.Key()] || !m.desired[access.Group{Name: to}.Key()] {
			continue
		}
		if _, taken := m.groups[to]; !taken {
			m.rename(have, to)
			found = true
		}
	}
	return found
}
