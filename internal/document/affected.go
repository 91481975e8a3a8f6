package document

import (
	"slices"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// nodeSet is some of a graph's nodes, and of what these depend on: collections, and documents
// that are not in the graph.
type nodeSet struct {
	graph  *Graph
	nodes  []bool
	others map[ID]bool
}

func (g *Graph) nodeSet() nodeSet {
	return nodeSet{graph: g, nodes: make([]bool, len(g.nodes)), others: map[ID]bool{}}
}

// add adds a document, and the collection that it is in.
func (m nodeSet) add(id ID) {
	i, ok := m.graph.index(id)
	if !ok {
		m.others[id] = true
		return
	}
	m.nodes[i] = true
	if all, ok := collectionOf(m.graph.nodes[i]); ok && len(m.graph.collected[all]) > 0 {
		m.others[all] = true
	}
}

func (m nodeSet) has(id ID) bool {
	if i, ok := m.graph.index(id); ok {
		return m.nodes[i]
	}
	return m.others[id]
}

// addDependents adds the nodes of those kinds that depend on any of the set. No kind depends on
// a later one of the list.
func (m nodeSet) addDependents(kinds ...Kind) {
	for _, kind := range kinds {
		for _, i := range m.graph.of[kind] {
			n := m.graph.nodes[i]
			if !m.nodes[i] && slices.ContainsFunc(m.graph.dependencies(n), m.has) {
				m.add(n.ID)
			}
		}
	}
}

// Affected returns the tenants whose desired access depends on one of the documents,
// removed tenants among them, sorted. It takes time in proportion to the graph.
func (g *Graph) Affected(changed []ID) []access.TenantID {
	affected := g.nodeSet()
	for _, id := range changed {
		if g.exists(id) {
			affected.add(id)
		}
	}
	affected.addDependents(KindUser, KindUserGroup, KindUserBinding, KindGroupBinding, KindTenant)
	return g.tenants(func(n *Node) bool { return affected.has(n.ID) })
}

// TenantsOf returns the tenants with a binding that reaches one of the users, sorted.
func (g *Graph) TenantsOf(users ...string) []access.TenantID {
	bound := g.nodeSet()
	for _, name := range users {
		bound.add(ID{KindUser, name})
	}
	bound.addDependents(KindUserGroup, KindUserBinding, KindGroupBinding)
	return g.tenants(func(n *Node) bool { return !n.Removed && bound.has(bindingsOf(n.Workspace, n.Project)) })
}

// tenants returns some of the tenants, sorted.
func (g *Graph) tenants(include func(*Node) bool) []access.TenantID {
	var tenants []access.TenantID
	for _, i := range g.of[KindTenant] {
		if include(g.nodes[i]) {
			tenants = append(tenants, g.nodes[i].Tenant())
		}
	}
	slices.SortFunc(tenants, access.TenantID.Compare)
	return tenants
}

// Affected returns the tenants whose desired access depends on one of the changed documents,
// as the documents were or as they will be, sorted: a user who leaves a group is reached
// only before the change, one who joins only after it.
func Affected(before, after *Graph, changed []ID) []access.TenantID {
	tenants := slices.Concat(before.Affected(changed), after.Affected(changed))
	slices.SortFunc(tenants, access.TenantID.Compare)
	return slices.Compact(tenants)
}
