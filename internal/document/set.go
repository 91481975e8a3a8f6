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
	// docs are sorted; typed holds the typed form of each at the same index.
	docs  []Document
	typed []any
	// at finds a document.
	at map[ID]int
	// graph has a node of each document at the same index.
	graph *Graph
	// groups are the indices of the user groups with one name.
	groups map[string][]int
	// roleRefs are the indices of the roles that one reference may mean: by name
	// and by display name.
	roleRefs map[string][]int
	// of are the indices of a kind's documents.
	of map[Kind][]int
}

// NewSet takes docs in. Two documents with one ID, and a body that is not of
// its kind, are Problems.
func NewSet(docs []Document) (*Set, error) { return newSet(docs, Parse) }

func newSet(docs []Document, parse func(Document) (any, error)) (*Set, error) {
	s := &Set{
		docs:     sorted(docs),
		typed:    make([]any, len(docs)),
		at:       make(map[ID]int, len(docs)),
		groups:   map[string][]int{},
		roleRefs: map[string][]int{},
		of:       map[Kind][]int{},
	}
	nodes := make([]Node, len(docs))
	c := &checker{set: s}
	for i, doc := range s.docs {
		if first, twice := s.at[doc.ID]; twice {
			c.clash(first, i, "", "is there twice; the other is in "+placeholder)
			continue
		}
		s.at[doc.ID] = i
		typed, err := parse(doc)
		if err != nil {
			c.add(i, "", err.Error())
			continue
		}
		s.index(i, typed)
		nodes[i] = nodeOf(doc.ID, typed)
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
	s.typed[i] = typed
	s.of[s.docs[i].ID.Kind] = append(s.of[s.docs[i].ID.Kind], i)
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

// Documents returns all documents in the order of Kinds and by name.
func (s *Set) Documents() []Document { return slices.Clone(s.docs) }

// Tenants returns all tenants in the order of access.TenantID.Compare.
func (s *Set) Tenants() []access.TenantID {
	ids := make([]access.TenantID, 0, len(s.of[KindTenant]))
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
		user, _ := s.typed[i].(User)
		in.SameAccount = append(in.SameAccount, user)
	}
	return in, true
}

// add adds a document to what a tenant depends on.
func (s *Set) add(in *TenantInput, i int) {
	switch v := s.typed[i].(type) {
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
	i, ok := s.at[ID{Kind: kind, Name: name}]
	if !ok {
		var none T
		return none, false
	}
	typed, ok := s.typed[i].(T)
	return typed, ok
}

// all returns the typed documents of a kind, by name.
func all[T any](s *Set, kind Kind) []T {
	out := make([]T, 0, len(s.of[kind]))
	for _, i := range s.of[kind] {
		if typed, ok := s.typed[i].(T); ok {
			out = append(out, typed)
		}
	}
	return out
}

// place returns where a document was read, for people.
func place(d Document) string {
	if d.File == "" {
		return "the store"
	}
	if d.Line == 0 {
		return d.File
	}
	return d.File + ":" + strconv.Itoa(d.Line)
}
