package document

import (
	"slices"
	"strconv"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// Set is all documents that count, ready to be asked. It does not change and is
// safe for use by many goroutines.
type Set struct {
	// docs are sorted.
	docs []*Document
	// typed holds the typed forms by the same index, of those kinds that the set does not parse
	// again.
	typed map[int]any
	// graph has a node of each document at the same index.
	graph *Graph
	// groups are the indices of the user groups with one name.
	groups map[string][]int
	// roleRefs are the indices of the roles that one reference may mean: by name
	// and by display name.
	roleRefs map[string][]int
}

// NewSet takes docs in. Two documents with one ID, and a body that is not of
// its kind, are Problems.
func NewSet(docs []Document) (*Set, error) { return newSet(entriesOf(docs), Parse, keepAll) }

// Entry is a document and, where it is known, the node that NewNode returns for it.
type Entry struct {
	*Document
	Known *Node
}

// NewDraftSet is NewSet for many documents that are validated once: the set refers to the
// documents and nodes, which must not change, and does not keep the typed forms of users,
// projects, tenants and bindings, which are most documents. It parses these each time.
func NewDraftSet(entries []Entry) (*Set, error) {
	return newSet(entries, Parse, func(kind Kind) bool {
		return !slices.Contains([]Kind{KindUser, KindProject, KindTenant, KindUserBinding, KindGroupBinding,
			KindWorkspaceUserBinding, KindWorkspaceGroupBinding}, kind)
	})
}

func keepAll(Kind) bool { return true }

func entriesOf(docs []Document) []Entry {
	docs = slices.Clone(docs)
	entries := make([]Entry, len(docs))
	for i := range docs {
		entries[i].Document = &docs[i]
	}
	return entries
}

// newSet sorts the entries. It keeps the typed forms of some kinds.
func newSet(entries []Entry, parse func(Document) (any, error), keep func(Kind) bool) (*Set, error) {
	slices.SortStableFunc(entries, func(a, b Entry) int { return a.ID.Compare(b.ID) })
	s := &Set{
		docs:     make([]*Document, len(entries)),
		typed:    map[int]any{},
		groups:   map[string][]int{},
		roleRefs: map[string][]int{},
	}
	nodes := make([]*Node, len(entries))
	c := &checker{set: s}
	first := 0
	for i, e := range entries {
		s.docs[i], nodes[i] = e.Document, e.Known
		if i > 0 && s.docs[first].ID == e.ID {
			c.clash(first, i, "", "is there twice; the other is in "+placeholder)
			continue
		}
		first = i
		var typed any
		if e.Known == nil || keep(e.ID.Kind) {
			var err error
			if typed, err = parse(*e.Document); err != nil {
				c.add(i, "", err.Error())
				continue
			}
		}
		if e.Known == nil {
			node := nodeOf(e.ID, typed)
			nodes[i] = &node
		}
		if !keep(e.ID.Kind) {
			typed = nil
		}
		s.index(i, typed)
	}
	if err := c.problems.err(); err != nil {
		return nil, err
	}
	s.graph = NewGraph(nodes)
	return s, nil
}

// Graph returns which of the documents depend on which.
func (s *Set) Graph() *Graph { return s.graph }

func (s *Set) index(i int, typed any) {
	if typed != nil {
		s.typed[i] = typed
	}
	switch v := typed.(type) {
	case ProjectRole:
		s.roleRefs[v.Name] = append(s.roleRefs[v.Name], i)
		if v.DisplayName != "" && v.DisplayName != v.Name {
			s.roleRefs[v.DisplayName] = append(s.roleRefs[v.DisplayName], i)
		}
	case UserGroup:
		s.groups[v.Name] = append(s.groups[v.Name], i)
	}
}

// typedAt returns the typed form of a document.
func (s *Set) typedAt(i int) any {
	if typed, ok := s.typed[i]; ok {
		return typed
	}
	typed, _ := Parse(*s.docs[i]) // without an error: its node was made of it
	return typed
}

// Len returns the number of documents.
func (s *Set) Len() int { return len(s.docs) }

// Documents returns all documents in the order of Kinds and by name.
func (s *Set) Documents() []Document {
	docs := make([]Document, len(s.docs))
	for i, doc := range s.docs {
		docs[i] = *doc
	}
	return docs
}

// Tenants returns all tenants in the order of access.TenantID.Compare.
func (s *Set) Tenants() []access.TenantID {
	ids := make([]access.TenantID, 0, len(s.graph.of[KindTenant]))
	for _, tenant := range all[Tenant](s, KindTenant) {
		ids = append(ids, tenant.TenantID)
	}
	slices.SortFunc(ids, access.TenantID.Compare)
	return ids
}

// Platforms returns all platforms by identifier, with the roles and aliases of
// their mappings as Input gives them.
func (s *Set) Platforms() []Platform {
	platforms := all[Platform](s, KindPlatform)
	for i := range platforms {
		platforms[i].Replication.RoleMappings = s.resolved(platforms[i].Replication.RoleMappings)
	}
	return platforms
}

// Input returns what id's desired access depends on, or false when the set has
// no such tenant. Everything in it is sorted by name.
//
// References to roles are the roles' names, whatever the documents write, and a
// mapping without an alias has the role's name for it. Input may be asked of a
// valid set only. Bindings that have ended by now grant nothing. Deleted and Generation are
// the caller's to set.
func (s *Set) Input(id access.TenantID, drawn Drawn, now time.Time) (TenantInput, bool) {
	needed, sameAccount := s.graph.inputs(id)
	if len(needed) == 0 {
		return TenantInput{}, false
	}
	slices.Sort(needed)
	slices.Sort(sameAccount)
	in := TenantInput{Drawn: drawn, Now: now, Guard: DefaultGuard(), Roles: []ProjectRole{}}
	for _, i := range needed {
		s.add(&in, i)
	}
	for _, i := range sameAccount {
		user, _ := s.typedAt(i).(User)
		in.SameAccount = append(in.SameAccount, user)
	}
	return in, true
}

// NamesInput returns what the names of a tenant's groups depend on: Input without users, user
// groups and bindings.
func (s *Set) NamesInput(id access.TenantID, drawn Drawn, now time.Time) (TenantInput, bool) {
	needed := s.graph.namesInputs(id)
	if len(needed) == 0 {
		return TenantInput{}, false
	}
	slices.Sort(needed)
	in := TenantInput{Drawn: drawn, Now: now, Guard: DefaultGuard(), Roles: []ProjectRole{}}
	for _, i := range needed {
		s.add(&in, i)
	}
	return in, true
}

// add adds a document to what a tenant depends on.
func (s *Set) add(in *TenantInput, i int) {
	switch v := s.typedAt(i).(type) {
	case Tenant:
		in.Tenant = v
	case Project:
		in.Project = v
	case Platform:
		v.Replication.RoleMappings = s.resolved(v.Replication.RoleMappings)
		in.Platform = v
	case LandingZone:
		v.RoleMappings = s.resolved(v.RoleMappings)
		in.LandingZone = &v
	case ProjectRole:
		in.Roles = append(in.Roles, v)
	case Guard:
		in.Guard = v
	case UserGroup:
		in.UserGroups = append(in.UserGroups, v)
	case User:
		in.Users = append(in.Users, v)
	case Binding:
		v.Role = s.roleName(v.Role)
		if s.docs[i].ID.Kind == KindUserBinding {
			in.UserBindings = append(in.UserBindings, v)
		} else {
			in.GroupBindings = append(in.GroupBindings, v)
		}
	}
}

// roleName returns the name of the role that ref means, or ref itself where
// that is not exactly one.
func (s *Set) roleName(ref string) string {
	if found := s.roleRefs[ref]; len(found) == 1 {
		return s.docs[found[0]].ID.Name
	}
	return ref
}

// resolved returns a copy of mappings with names for roles, and every alias.
func (s *Set) resolved(mappings []RoleMapping) []RoleMapping {
	mappings = slices.Clone(mappings)
	for i := range mappings {
		mappings[i].Role = s.roleName(mappings[i].Role)
		if mappings[i].GroupAlias == "" {
			mappings[i].GroupAlias = mappings[i].Role
		}
	}
	return mappings
}

// get returns one typed document.
func get[T any](s *Set, kind Kind, name string) (T, bool) {
	i, ok := s.graph.index(ID{Kind: kind, Name: name})
	if !ok {
		var none T
		return none, false
	}
	typed, ok := s.typedAt(i).(T)
	return typed, ok
}

// all returns the typed documents of a kind, by name.
func all[T any](s *Set, kind Kind) []T {
	out := make([]T, 0, len(s.graph.of[kind]))
	for _, i := range s.graph.of[kind] {
		if typed, ok := s.typedAt(i).(T); ok {
			out = append(out, typed)
		}
	}
	return out
}

// place returns where a document was read, for people.
func place(d *Document) string {
	if d.File == "" {
		return "the store"
	}
	if d.Line == 0 {
		return d.File
	}
	return d.File + ":" + strconv.Itoa(d.Line)
}
