package store

import (
	"slices"

	"github.com/rollcall-iam/rollcall/internal/document"
)

// addAffected notes the tenants whose input depends on what the edit changes. A change of a
// guard affects tenants: what it held may go now, or the other way round. It is no cause of
// a removal: if it were, each change of a guard would give the removals of another change a
// new limit.
func (m *merged) addAffected(w world, prune bool) {
	var changed, causes, removed []document.ID
	for _, r := range slices.Concat(m.write, m.gone) {
		changed = append(changed, r.ID)
		if !isGuard(r) {
			causes = append(causes, r.ID)
		}
	}
	for _, r := range m.gone {
		if !isGuard(r) {
			removed = append(removed, r.ID)
		}
	}
	before, after := m.graphs(w)
	m.changes.Tenants = document.Affected(before, after, changed)
	m.causes = m.changes.Tenants
	if len(causes) < len(changed) {
		m.causes = document.Affected(before, after, causes)
	}
	if prune && len(m.gone) > 0 {
		m.unnamed = document.Affected(before, after, removed)
	}
}

func isGuard(r row) bool { return r.ID.Kind == document.KindGuard }

// graphs returns the graphs of the documents as they are and as they will be, each with the
// tenants that tombstones remember.
func (m *merged) graphs(w world) (before, after *document.Graph) {
	changed := make(map[document.ID]bool, len(m.write)+len(m.gone))
	future := make([]document.Node, 0, len(w.rows)+len(m.write)+len(w.tombs))
	for _, r := range m.write {
		changed[r.ID] = true
		future = append(future, r.node())
	}
	for _, r := range m.gone {
		changed[r.ID] = true
	}
	current := make([]document.Node, 0, len(w.rows)+len(w.tombs))
	for _, r := range w.rows {
		current = append(current, r.node())
		if !changed[r.ID] {
			future = append(future, r.node())
		}
	}
	for _, removed := range w.tombs { // a tenant that comes back has a document, which counts
		current, future = append(current, removed), append(future, removed)
	}
	return document.NewGraph(current), document.NewGraph(future)
}
