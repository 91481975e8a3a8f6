package document

import (
	"cmp"
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
	// Ends is when a binding stops granting access; nil without an end.
	Ends *time.Time
	// Removed is true for a tenant that was removed and is not cleaned up. No binding
	// reaches it.
	Removed bool
	// text is the euid of a user, or the role that a binding names: what a set checks of the
	// kinds with most documents. A node that no document was parsed for has none.
	text string
}

// Equal reports whether two nodes are the same.
func (n Node) Equal(other Node) bool {
	return n.ID == other.ID && n.Removed == other.Removed && n.Links.equal(other.Links)
}

// Names are names that many nodes have: each is in memory once.
type Names map[string]string

// Share lets a node refer to the names.
func (names Names) Share(n *Node) {
	share := []*string{&n.Workspace, &n.Project, &n.Platform, &n.LandingZone}
	if isBinding(n.ID.Kind) {
		share = append(share, &n.Subject, &n.text)
	}
	for _, text := range share {
		if shared, ok := names[*text]; ok {
			*text = shared
		} else {
			names[*text] = *text
		}
	}
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
		n.Subject, n.text = identity.SearchKey(v.EUID), v.EUID
	case UserGroup:
		n.Workspace, n.Subject, n.Members = v.Workspace, v.Name, v.Members
	case Binding:
		n.Workspace, n.Project, n.Subject, n.text = v.Workspace, v.Project, v.Subject, v.Role
		if !v.Ends.IsZero() {
			ends := v.Ends
			n.Ends = &ends
		}
	case WorkspaceBinding:
		n.Workspace, n.Subject, n.text = v.Workspace, v.Subject, string(v.Role)
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
	case KindWorkspaceUserBinding:
		add(KindWorkspace, n.Workspace)
		add(KindUser, n.Subject)
	case KindWorkspaceGroupBinding:
		add(KindWorkspace, n.Workspace)
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
	nodes []*Node
	// at is the index of a node, by its kind and name.
	at map[Kind]map[string]int
	// of are the nodes of a kind.
	of map[Kind][]int
	// collected are the nodes that a tenant depends on all of, by collectionOf. A user that no
	// other may have the same account as is not among them.
	collected map[ID][]int
	// guards are the guards by the platforms that they name; the guard of all other
	// platforms is under no name.
	guards map[string]ID
}

// NewGraph returns the graph of documents. Of two nodes with one ID, the first counts. The
// graph refers to the nodes, which must not change.
func NewGraph(nodes []*Node) *Graph {
	g := &Graph{
		nodes: nodes, at: map[Kind]map[string]int{}, of: map[Kind][]int{},
		collected: map[ID][]int{}, guards: map[string]ID{},
	}
	for i, n := range nodes {
		if g.exists(n.ID) {
			continue
		}
		g.place(n.ID, i)
		g.of[n.ID.Kind] = append(g.of[n.ID.Kind], i)
		switch n.ID.Kind {
		case KindUser:
		case KindGuard:
			g.addGuard(n)
		default:
			if all, ok := collectionOf(n); ok {
				g.collected[all] = append(g.collected[all], i)
			}
		}
	}
	g.collectUsers()
	return g
}

// collectUsers collects the users of the search keys that several have: most users are the only
// one of theirs.
func (g *Graph) collectUsers() {
	users := slices.Clone(g.of[KindUser])
	slices.SortFunc(users, func(a, b int) int {
		return cmp.Or(cmp.Compare(g.nodes[a].Subject, g.nodes[b].Subject), cmp.Compare(a, b))
	})
	for len(users) > 0 {
		key := g.nodes[users[0]].Subject
		same := 1
		for same < len(users) && g.nodes[users[same]].Subject == key {
			same++
		}
		if all, ok := collectionOf(g.nodes[users[0]]); ok && same > 1 {
			g.collected[all] = slices.Clone(users[:same])
		}
		users = users[same:]
	}
}

func (g *Graph) addGuard(n *Node) {
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
func collectionOf(n *Node) (ID, bool) {
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
func (g *Graph) dependencies(n *Node) []ID {
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

func (g *Graph) tenantDependencies(n *Node) []ID {
	ids := g.nameDependencies(n)
	if !n.Removed {
		ids = append(ids, bindingsOf(n.Workspace, n.Project))
	}
	return ids
}

// nameDependencies are the dependencies of a tenant without the bindings.
func (g *Graph) nameDependencies(n *Node) []ID {
	ids := append(make([]ID, 0, 6), projectRoles(), ID{KindPlatform, n.Platform})
	if n.LandingZone != "" {
		ids = append(ids, ID{KindLandingZone, n.LandingZone})
	}
	if guard, ok := g.guard(n.Platform); ok {
		ids = append(ids, guard)
	}
	if !n.Removed {
		ids = append(ids, ID{KindProject, n.Workspace + "." + n.Project})
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

// index returns the index of a document's node.
func (g *Graph) index(id ID) (int, bool) {
	i, ok := g.at[id.Kind][id.Name]
	return i, ok
}

func (g *Graph) place(id ID, i int) {
	of := g.at[id.Kind]
	if of == nil {
		of = map[string]int{}
		g.at[id.Kind] = of
	}
	of[id.Name] = i
}

func (g *Graph) exists(id ID) bool {
	_, ok := g.index(id)
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
	first, ok := g.index(ID{KindTenant, tenant.String()})
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

// namesInputs are the indices of the documents that the names of a tenant's groups depend on.
func (g *Graph) namesInputs(tenant access.TenantID) []int {
	first, ok := g.index(ID{KindTenant, tenant.String()})
	if !ok {
		return nil
	}
	needed := []int{first}
	for _, id := range g.nameDependencies(g.nodes[first]) {
		needed = append(needed, g.nodesOf(id)...)
	}
	return needed
}

// nodesOf returns the nodes of a collection, or the node of a document.
func (g *Graph) nodesOf(id ID) []int {
	if i, ok := g.index(id); ok {
		return []int{i}
	}
	return g.collected[id]
}
