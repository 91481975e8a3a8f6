package document

import (
	"slices"
	"strconv"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/identity"
)

// Set is all documents that count, ready to be asked. It does not change and is
// safe for use by many goroutines.
type Set struct {
	// docs are sorted; typed holds the typed form of each at the same index.
	docs  []Document
	typed []any
	// at finds a document.
	at map[ID]int
	// bindings are the indices of a project's bindings, by "<workspace>.<name>".
	bindings map[string][]int
	// groups are the indices of the user groups with one name.
	groups map[string][]int
	// euids are the indices of the users with one identity.SearchKey.
	euids map[string][]int
	// roleRefs are the indices of the roles that one reference may mean: by name
	// and by display name.
	roleRefs map[string][]int
	// guards are the indices of the guards by the platforms they name; that of the
	// one for all others is under no name.
	guards map[string]int
	// of are the indices of a kind's documents.
	of map[Kind][]int
}

// NewSet takes docs in. Two documents with one ID, and a body that is not of
// its kind, are Problems.
func NewSet(docs []Document) (*Set, error) {
	s := &Set{
		docs:     sorted(docs),
		typed:    make([]any, len(docs)),
		at:       make(map[ID]int, len(docs)),
		bindings: map[string][]int{},
		groups:   map[string][]int{},
		euids:    map[string][]int{},
		roleRefs: map[string][]int{},
		guards:   map[string]int{},
		of:       map[Kind][]int{},
	}
	c := &checker{set: s}
	for i, doc := range s.docs {
		if first, twice := s.at[doc.ID]; twice {
			c.clash(first, i, "", "is there twice; the other is in "+placeholder)
			continue
		}
		s.at[doc.ID] = i
		typed, err := Parse(doc)
		if err != nil {
			c.add(i, "", err.Error())
			continue
		}
		s.index(i, typed)
	}
	if err := c.problems.err(); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Set) index(i int, typed any) {
	s.typed[i] = typed
	s.of[s.docs[i].ID.Kind] = append(s.of[s.docs[i].ID.Kind], i)
	switch v := typed.(type) {
	case ProjectRole:
		s.roleRefs[v.Name] = append(s.roleRefs[v.Name], i)
		if v.DisplayName != "" && v.DisplayName != v.Name {
			s.roleRefs[v.DisplayName] = append(s.roleRefs[v.DisplayName], i)
		}
	case User:
		if v.EUID != "" {
			key := identity.SearchKey(v.EUID)
			s.euids[key] = append(s.euids[key], i)
		}
	case UserGroup:
		s.groups[v.Name] = append(s.groups[v.Name], i)
	case Guard:
		s.indexGuard(i, v)
	case Binding:
		project := dotted(v.Workspace, v.Project)
		s.bindings[project] = append(s.bindings[project], i)
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
// valid set only. Deleted and Generation are the caller's to set.
func (s *Set) Input(id access.TenantID, drawn Drawn) (TenantInput, bool) {
	tenant, ok := get[Tenant](s, KindTenant, id.String())
	if !ok {
		return TenantInput{}, false
	}
	project, _ := get[Project](s, KindProject, id.ProjectID())
	platform, _ := get[Platform](s, KindPlatform, id.Platform)
	platform.Replication.RoleMappings = s.resolved(platform.Replication.RoleMappings)
	in := TenantInput{
		Tenant: tenant, Project: project, Platform: platform, Drawn: drawn,
		Roles: all[ProjectRole](s, KindProjectRole), Guard: s.Guard(id.Platform),
	}
	if zone, ok := get[LandingZone](s, KindLandingZone, tenant.LandingZone); ok {
		zone.RoleMappings = s.resolved(zone.RoleMappings)
		in.LandingZone = &zone
	}
	s.people(&in, id.ProjectID())
	return in, true
}

// people adds the bindings of a project, and whom they reach.
func (s *Set) people(in *TenantInput, project string) {
	groups, users := map[int]bool{}, map[int]bool{}
	for _, i := range s.bindings[project] {
		binding, _ := s.typed[i].(Binding)
		binding.Role = s.roleName(binding.Role)
		if s.docs[i].ID.Kind == KindUserBinding {
			in.UserBindings = append(in.UserBindings, binding)
			s.mark(users, KindUser, binding.Subject)
			continue
		}
		in.GroupBindings = append(in.GroupBindings, binding)
		if found := s.group(binding); len(found) == 1 {
			groups[found[0]] = true
		}
	}
	in.UserGroups = pick[UserGroup](s, groups)
	for _, group := range in.UserGroups {
		for _, member := range group.Members {
			s.mark(users, KindUser, member)
		}
	}
	in.Users, in.SameAccount = pick[User](s, users), pick[User](s, s.sameAccount(users))
}

// sameAccount returns the users, besides these, whose euids may end in the account of one of
// these.
func (s *Set) sameAccount(users map[int]bool) map[int]bool {
	others := map[int]bool{}
	for i := range users {
		user, _ := s.typed[i].(User)
		if user.EUID == "" {
			continue
		}
		for _, other := range s.euids[identity.SearchKey(user.EUID)] {
			if !users[other] {
				others[other] = true
			}
		}
	}
	return others
}

func (s *Set) mark(set map[int]bool, kind Kind, name string) {
	if i, ok := s.at[ID{Kind: kind, Name: name}]; ok {
		set[i] = true
	}
}

// group returns the user groups that a binding's subject may mean: that of the
// project's own workspace, else all that are called so.
func (s *Set) group(b Binding) []int {
	if i, ok := s.at[ID{Kind: KindUserGroup, Name: dotted(b.Workspace, b.Subject)}]; ok {
		return []int{i}
	}
	return s.groups[b.Subject]
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

// pick returns the typed documents at the indices, by name.
func pick[T any](s *Set, indices map[int]bool) []T {
	sortedIndices := make([]int, 0, len(indices))
	for i := range indices {
		sortedIndices = append(sortedIndices, i)
	}
	slices.Sort(sortedIndices)
	var out []T
	for _, i := range sortedIndices {
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
