package document

import (
	"slices"
	"strings"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/identity"
)

// Links are the names of other documents that a document holds. They are all that decides
// whom a binding reaches, and which tenants a change affects.
type Links struct {
	Workspace, Project, Platform, LandingZone string
	// Subject is the user or the user group of a binding, and the own name of a user group.
	// A user's is the search key of the euid, by which users of one account are found, a
	// tenant's that of its id on the platform.
	Subject string
	// Members are the users of a user group, or the platforms that a guard names.
	Members []string
}

// Node is a document as a Graph knows it.
type Node struct {
	ID ID
	Links
	// Ends is when a binding stops granting access; zero without an end.
	Ends time.Time
	// Removed is true for a tenant that was removed and is not cleaned up. No binding
	// reaches it.
	Removed bool
}

// Equal reports whether two nodes are the same.
func (n Node) Equal(other Node) bool {
	return n.ID == other.ID && n.Removed == other.Removed && n.Links.equal(other.Links)
}

func (l Links) equal(other Links) bool {
	return l.Workspace == other.Workspace && l.Project == other.Project && l.Platform == other.Platform &&
		l.LandingZone == other.LandingZone && l.Subject == other.Subject && slices.Equal(l.Members, other.Members)
}

// NewNode returns the node of a document. It fails where Parse fails.
func NewNode(d Document) (Node, error) {
	typed, err := Parse(d)
	return nodeOf(d.ID, typed), err
}

func nodeOf(id ID, typed any) Node {
	n := Node{ID: id}
	switch v := typed.(type) {
	case Workspace:
		n.Workspace = v.Name
	case Project:
		n.Workspace, n.Project = v.Workspace, v.Name
	case User:
		n.Subject = identity.SearchKey(v.EUID)
	case UserGroup:
		n.Workspace, n.Subject, n.Members = v.Workspace, v.Name, v.Members
	case Binding:
		n.Workspace, n.Project, n.Subject, n.Ends = v.Workspace, v.Project, v.Subject, v.Ends
	case Platform:
		n.Platform = v.Identifier()
	case Guard:
		n.Members = v.Platforms
	case LandingZone:
		n.Platform = v.Platform
	case Tenant:
		n.Workspace, n.Project, n.Platform, n.LandingZone = v.Workspace, v.Project, v.Platform, v.LandingZone
		n.Subject = localKey(v.LocalID)
	}
	return n
}

// localKey returns a text that is equal for all ids that can be one tenant's on a platform of
// any type: types compare the last part of a path at least, and some ignore its case.
func localKey(id string) string {
	last := id[strings.LastIndexByte(id, '/')+1:]
	if last == "" && id != "" {
		return "/"
	}
	return identity.SearchKey(last)
}

// References returns the documents that a document names, whether they exist or not. Roles
// are not among them: a document may name them by their display names. A binding of a user
// group names that of its workspace and the global one.
func (n Node) References() []ID {
	var ids []ID
	add := func(kind Kind, name string) {
		if name != "" {
			ids = append(ids, ID{kind, name})
		}
	}
	addAll := func(kind Kind, names []string) {
		for _, name := range names {
			add(kind, name)
		}
	}
	switch n.ID.Kind {
	case KindProject:
		add(KindWorkspace, n.Workspace)
	case KindUserGroup:
		add(KindWorkspace, n.Workspace)
		addAll(KindUser, n.Members)
	case KindGuard:
		addAll(KindPlatform, n.Members)
	case KindLandingZone:
		add(KindPlatform, n.Platform)
	case KindTenant:
		add(KindWorkspace, n.Workspace)
		add(KindProject, n.Workspace+"."+n.Project)
		add(KindPlatform, n.Platform)
		add(KindLandingZone, n.LandingZone)
	case KindUserBinding:
		add(KindWorkspace, n.Workspace)
		add(KindProject, n.Workspace+"."+n.Project)
		add(KindUser, n.Subject)
	case KindGroupBinding:
		add(KindWorkspace, n.Workspace)
		add(KindProject, n.Workspace+"."+n.Project)
		ids = append(ids, UserGroupID(n.Workspace, n.Subject), UserGroupID("", n.Subject))
	default:
	}
	return ids
}

// Tenant names the tenant of a node of that kind.
func (n Node) Tenant() access.TenantID {
	return access.TenantID{Workspace: n.Workspace, Project: n.Project, Platform: n.Platform}
}

// UserGroupID returns the ID of a user group; a global one has no workspace.
func UserGroupID(workspace, name string) ID {
	return ID{Kind: KindUserGroup, Name: workspace + "." + name}
}

// boundGroup returns the user group that a binding of a workspace's project means: the
// group of that workspace, else the global group. The groups of other workspaces are none
// of it.
func boundGroup(workspace, name string, exists func(ID) bool) (ID, bool) {
	for _, owner := range []string{workspace, ""} {
		if id := UserGroupID(owner, name); exists(id) {
			return id, true
		}
	}
	return ID{}, false
}

// Grant is one way in which a user holds a role on a project.
type Grant struct {
	Binding Binding
	User    string
	// Group is the name of the user group that is bound; empty if the user is.
	Group string
}

// Grants returns what the bindings grant to users at the time Now, the bindings of users first,
// and the group bindings whose user group is missing. Bindings that have ended grant nothing.
func (in TenantInput) Grants() (grants []Grant, orphans []Binding) {
	groups := make(map[ID]UserGroup, len(in.UserGroups))
	for _, g := range in.UserGroups {
		groups[UserGroupID(g.Workspace, g.Name)] = g
	}
	exists := func(id ID) bool {
		_, ok := groups[id]
		return ok
	}
	for _, b := range in.UserBindings {
		if b.HasEnded(in.Now) {
			continue
		}
		grants = append(grants, Grant{Binding: b, User: b.Subject})
	}
	for _, b := range in.GroupBindings {
		if b.HasEnded(in.Now) {
			continue
		}
		id, ok := boundGroup(b.Workspace, b.Subject, exists)
		if !ok {
			orphans = append(orphans, b)
			continue
		}
		for _, user := range groups[id].Members {
			grants = append(grants, Grant{Binding: b, User: user, Group: groups[id].Name})
		}
	}
	return grants, orphans
}

// Graph knows which documents depend on which. It answers which users a binding reaches,
// which tenants a change affects, and which documents a tenant's desired access depends on.
// Any part of all documents makes a Graph; its answers are those of the whole as far as the
// documents that they depend on are in the part. It does not change and is safe for
// concurrent use.
type Graph struct {
	nodes []Node
	// at is the index of a node.
	at map[ID]int
	// of are the nodes of a kind.
	of map[Kind][]int
	// collected are the nodes that a tenant depends on all of, by collectionOf.
	collected map[ID][]int
	// guards are the guards by the platforms that they name; the guard of all other
	// platforms is under no name.
	guards map[string]ID
}

// NewGraph returns the graph of documents. Of two nodes with one ID, the first counts.
func NewGraph(nodes []Node) *Graph {
	g := &Graph{
		nodes: nodes, at: make(map[ID]int, len(nodes)), of: map[Kind][]int{},
		collected: map[ID][]int{}, guards: map[string]ID{},
	}
	for i, n := range nodes {
		if _, repeated := g.at[n.ID]; repeated {
			continue
		}
		g.at[n.ID] = i
		g.of[n.ID.Kind] = append(g.of[n.ID.Kind], i)
		if all, ok := collectionOf(n); ok {
			g.collected[all] = append(g.collected[all], i)
		}
		if n.ID.Kind == KindGuard {
			g.addGuard(n)
		}
	}
	return g
}

func (g *Graph) addGuard(n Node) {
	platforms := n.Members
	if len(platforms) == 0 {
		platforms = []string{""}
	}
	for _, platform := range platforms {
		if _, taken := g.guards[platform]; !taken {
			g.guards[platform] = n.ID
		}
	}
}

// projectRoles stands for all project roles: the mappings of any platform may name any role.
func projectRoles() ID { return ID{Kind: KindProjectRole} }

// bindingsOf stands for all bindings of a project. No document is of the empty kind.
func bindingsOf(workspace, project string) ID { return ID{Name: workspace + "." + project} }

// usersOf stands for all users of one search key. No document is of that kind.
func usersOf(searchKey string) ID { return ID{Kind: "search key", Name: searchKey} }

// collectionOf returns what stands for all nodes like this one, if a tenant depends on all
// of them.
func collectionOf(n Node) (ID, bool) {
	switch n.ID.Kind {
	case KindUser:
		return usersOf(n.Subject), n.Subject != ""
	case KindUserBinding, KindGroupBinding:
		return bindingsOf(n.Workspace, n.Project), true
	case KindProjectRole:
		return projectRoles(), true
	default:
		return ID{}, false
	}
}

// dependencies returns what a document depends on directly: documents, in the graph or not,
// and collections. Only users, bindings, user groups and tenants depend on anything that
// matters for access. A user depends on those who may have the same account: it gains nothing
// while there are any.
func (g *Graph) dependencies(n Node) []ID {
	switch n.ID.Kind {
	case KindUser:
		if all, ok := collectionOf(n); ok {
			return []ID{all}
		}
	case KindUserBinding:
		return []ID{{KindUser, n.Subject}}
	case KindGroupBinding:
		if group, ok := g.Group(n.Workspace, n.Subject); ok {
			return []ID{group}
		}
	case KindUserGroup:
		ids := make([]ID, len(n.Members))
		for i, user := range n.Members {
			ids[i] = ID{KindUser, user}
		}
		return ids
	case KindTenant:
		return g.tenantDependencies(n)
	default:
	}
	return nil
}

func (g *Graph) tenantDependencies(n Node) []ID {
	ids := append(make([]ID, 0, 6), projectRoles(), ID{KindPlatform, n.Platform})
	if n.LandingZone != "" {
		ids = append(ids, ID{KindLandingZone, n.LandingZone})
	}
	if guard, ok := g.guard(n.Platform); ok {
		ids = append(ids, guard)
	}
	if !n.Removed {
		ids = append(ids, ID{KindProject, n.Workspace + "." + n.Project}, bindingsOf(n.Workspace, n.Project))
	}
	return ids
}

// guard returns the guard in force on a platform.
func (g *Graph) guard(platform string) (ID, bool) {
	for _, key := range []string{platform, ""} {
		if id, ok := g.guards[key]; ok {
			return id, true
		}
	}
	return ID{}, false
}

func (g *Graph) exists(id ID) bool {
	_, ok := g.at[id]
	return ok
}

// Group returns the user group that a binding of a workspace's project means by a name: the
// group of that workspace, else the global group.
func (g *Graph) Group(workspace, name string) (ID, bool) {
	return boundGroup(workspace, name, g.exists)
}

// Inputs returns the documents that a tenant's desired access depends on, itself first. It
// is empty for a tenant that is not in the graph.
func (g *Graph) Inputs(tenant access.TenantID) []ID {
	var ids []ID
	for _, i := range slices.Concat(g.inputs(tenant)) {
		ids = append(ids, g.nodes[i].ID)
	}
	return ids
}

// inputs are the indices of Inputs: the documents that decide which users the tenant's
// bindings reach, with these users, and the other users who may have an account of one of
// these.
func (g *Graph) inputs(tenant access.TenantID) (needed, sameAccount []int) {
	first, ok := g.at[ID{KindTenant, tenant.String()}]
	if !ok {
		return nil, nil
	}
	needed = []int{first}
	known := map[int]bool{first: true}
	add := func(to []int, ids []ID) []int {
		for _, id := range ids {
			for _, i := range g.nodesOf(id) {
				if !known[i] {
					known[i] = true
					to = append(to, i)
				}
			}
		}
		return to
	}
	var keys []ID
	for next := 0; next < len(needed); next++ {
		switch n := g.nodes[needed[next]]; n.ID.Kind {
		case KindUser:
			keys = append(keys, g.dependencies(n)...)
		default:
			needed = add(needed, g.dependencies(n))
		}
	}
	slices.SortFunc(keys, ID.Compare) // each once: many users may have one
	return needed, add(nil, slices.Compact(keys))
}

// nodesOf returns the nodes of a collection, or the node of a document.
func (g *Graph) nodesOf(id ID) []int {
	if i, ok := g.at[id]; ok {
		return []int{i}
	}
	return g.collected[id]
}

// addDependents adds to the documents, and to the collections, the nodes of those kinds that
// depend on any. No kind depends on a later one of the list.
func (g *Graph) addDependents(on map[ID]bool, kinds ...Kind) {
	for _, kind := range kinds {
		for _, i := range g.of[kind] {
			n := g.nodes[i]
			if slices.ContainsFunc(g.dependencies(n), func(id ID) bool { return on[id] }) {
				add(on, n)
			}
		}
	}
}

// add adds a node and the collection that it is in.
func add(to map[ID]bool, n Node) {
	to[n.ID] = true
	if all, ok := collectionOf(n); ok {
		to[all] = true
	}
}

// Affected returns the tenants whose desired access depends on one of the documents,
// removed tenants among them, sorted. It takes time in proportion to the graph.
func (g *Graph) Affected(changed []ID) []access.TenantID {
	affected := make(map[ID]bool, 2*len(changed))
	for _, id := range changed {
		if i, ok := g.at[id]; ok {
			add(affected, g.nodes[i])
		}
	}
	g.addDependents(affected, KindUser, KindUserGroup, KindUserBinding, KindGroupBinding, KindTenant)
	return g.tenants(func(n Node) bool { return affected[n.ID] })
}

// TenantsOf returns the tenants with a binding that reaches one of the users, sorted.
func (g *Graph) TenantsOf(users ...string) []access.TenantID {
	bound := make(map[ID]bool, len(users))
	for _, name := range users {
		bound[ID{KindUser, name}] = true
	}
	g.addDependents(bound, KindUserGroup, KindUserBinding, KindGroupBinding)
	return g.tenants(func(n Node) bool { return !n.Removed && bound[bindingsOf(n.Workspace, n.Project)] })
}

// tenants returns some of the tenants, sorted.
func (g *Graph) tenants(include func(Node) bool) []access.TenantID {
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
