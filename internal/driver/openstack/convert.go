package openstack

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
)

// assignment is one row of GET /v3/role_assignments. Names are there only where
// they were asked for, and empty where the object is gone.
type assignment struct {
	Role  *actor `json:"role"`
	User  *actor `json:"user"`
	Group *actor `json:"group"`
	Scope struct {
		Project   *reference `json:"project"`
		Inherited string     `json:"OS-INHERIT:inherited_to"`
	} `json:"scope"`
	Links struct {
		// Membership is ".../groups/G/users/U" in a row that expands a group.
		Membership string `json:"membership"`
	} `json:"links"`
}

// actor is an object that an assignment names.
type actor struct {
	ID     string    `json:"id"`
	Name   string    `json:"name"`
	Domain reference `json:"domain"`
}

// membership returns the group of which a row of the effective list is a part,
// and whether it is one.
func (a assignment) membership() (groupID string, expanded bool, err error) {
	if a.Links.Membership == "" {
		return "", false, nil
	}
	_, tail, found := strings.Cut(a.Links.Membership, "/v3/groups/")
	groupID, userID, paired := strings.Cut(tail, "/users/")
	if !found || !paired || groupID == "" || a.User == nil || a.User.ID != userID {
		return "", false, unreadable("GET /v3/role_assignments", "links.membership")
	}
	return groupID, true, nil
}

// foreignName is how an object of another domain is shown.
func foreignName(name, domain string) string {
	if domain == "" {
		return name
	}
	return name + "@" + domain
}

// bindingRef names an assignment by its path: it has no id.
func bindingRef(project, group, role string) string {
	return "projects/" + project + "/groups/" + group + "/roles/" + role
}

// parseBindingRef reads what bindingRef wrote.
func parseBindingRef(ref string) (project, group, role string, ok bool) {
	parts := strings.Split(ref, "/")
	if len(parts) != 6 || parts[0] != "projects" || parts[2] != "groups" || parts[4] != "roles" || slices.Contains(parts, "") {
		return "", "", "", false
	}
	return parts[1], parts[3], parts[5], true
}

// segment refuses an id that would be more than one segment of a path.
func segment(id string) bool { return id != "" && id != "." && id != ".." && url.PathEscape(id) == id }

// inventory is all that was read for some scopes, ready to be looked up in.
type inventory struct {
	domain string
	// marks is true where descriptions were read.
	marks bool
	// rows are the assignments made on a project itself, by project.
	rows map[string][]assignment
	// seen are the projects that any assignment names, missing those that do
	// not exist.
	seen, missing map[string]bool
	// groups are those that exist, by id, and byName the domain's own.
	groups map[string]group
	byName map[string]string
	// described are the groups whose description is known, and complete is true
	// where all groups of the domain are.
	described map[string]bool
	complete  bool
	// members are users' ids by group. A group that is not in it was not read.
	members map[string]map[string]bool
	// roles are names by id.
	roles map[string]string
}

func newInventory(domain string, marks bool) *inventory {
	return &inventory{
		domain: domain, marks: marks,
		rows: map[string][]assignment{}, seen: map[string]bool{}, missing: map[string]bool{},
		groups: map[string]group{}, byName: map[string]string{}, described: map[string]bool{},
		members: map[string]map[string]bool{}, roles: map[string]string{},
	}
}

// listed reports whether one list of all groups is read in any case: many scopes
// at once ask for the marks of all their groups.
func (in *inventory) listed(scopes []driver.Scope) bool { return in.marks && len(scopes) > 1 }

// addGroup remembers a group that exists, with or without its description.
func (in *inventory) addGroup(g group, described bool) {
	in.groups[g.ID] = g
	in.described[g.ID] = described
	if g.DomainID == in.domain {
		in.byName[g.Name] = g.ID
	}
}

// addPlain sorts in the list of assignments as they were made.
func (in *inventory) addPlain(rows []assignment) error {
	for _, row := range rows {
		if row.Role == nil || (row.User == nil) == (row.Group == nil) {
			return unreadable("GET /v3/role_assignments", "role_assignments")
		}
		if g := row.Group; g != nil && g.Name != "" {
			in.addGroup(group{ID: g.ID, Name: g.Name, DomainID: g.Domain.ID}, false)
		}
		if row.Role.Name != "" {
			in.roles[row.Role.ID] = foreignName(row.Role.Name, row.Role.Domain.ID)
		}
		if row.Scope.Project == nil {
			continue
		}
		in.seen[row.Scope.Project.ID] = true
		if row.Scope.Inherited == "" {
			in.rows[row.Scope.Project.ID] = append(in.rows[row.Scope.Project.ID], row)
		}
	}
	return nil
}

// addEffective takes the members of groups from the list of assignments as they
// work out. A group has all its members there or none. A row that a role implies
// is as true about them as any other.
func (in *inventory) addEffective(rows []assignment) error {
	for _, row := range rows {
		if row.Scope.Project != nil {
			in.seen[row.Scope.Project.ID] = true
		}
		groupID, expanded, err := row.membership()
		if err != nil {
			return err
		}
		if !expanded {
			continue
		}
		if in.members[groupID] == nil {
			in.members[groupID] = map[string]bool{}
		}
		in.members[groupID][row.User.ID] = true
	}
	return nil
}

// bound returns the ids of the groups that have a role at the scope.
func (in *inventory) bound(scope driver.Scope) []string {
	var ids []string
	for _, row := range in.rows[scope.ID] {
		if row.Group != nil {
			ids = append(ids, row.Group.ID)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// unknown returns, sorted, which of the ids and names of groups are still to be
// read.
func (in *inventory) unknown(ids, names map[string]bool) (restIDs, restNames []string) {
	for id := range ids {
		if _, exists := in.groups[id]; !exists || in.marks && !in.described[id] {
			restIDs = append(restIDs, id)
		}
	}
	for name := range names {
		if in.byName[name] == "" && !in.complete && name != "" {
			restNames = append(restNames, name)
		}
	}
	slices.Sort(restIDs)
	slices.Sort(restNames)
	return restIDs, restNames
}

// reported returns the ids of the groups that belong to the scope's answer: those
// with a role, and those the scope asks for, by id or by name.
func (in *inventory) reported(scope driver.Scope) []string {
	ids := in.bound(scope)
	for _, g := range scope.Groups {
		ids = append(ids, g.Ref, in.byName[g.Name])
	}
	slices.Sort(ids)
	return slices.DeleteFunc(slices.Compact(ids), func(id string) bool {
		_, exists := in.groups[id]
		return !exists
	})
}

// at returns what there is at one scope.
func (in *inventory) at(scope driver.Scope) driver.Observation {
	missing := in.missing[scope.ID] // then it has no rows, and its groups are all there is
	state := access.State{Bindings: in.bindings(scope)}
	for _, id := range in.reported(scope) {
		state.Groups = append(state.Groups, in.group(id))
	}
	state.Sort()
	return driver.Observation{State: state, Missing: missing}
}

// group is a group as Rollcall sees it.
func (in *inventory) group(id string) access.Group {
	g := access.Group{Name: in.groupName(id), Ref: id, Mark: access.Unread()}
	if in.marks {
		g.Mark = access.ParseMark(in.groups[id].Description)
	}
	for member := range in.members[id] {
		g.Members = append(g.Members, access.Member{Account: access.Account{Ref: member}})
	}
	return g
}

// groupName returns the group's name: its id where the group is gone and only
// its assignments are left.
func (in *inventory) groupName(id string) string {
	g, exists := in.groups[id]
	switch {
	case !exists:
		return id
	case g.DomainID == in.domain:
		return g.Name
	default:
		return foreignName(g.Name, g.DomainID)
	}
}

// bindings are the roles given at the scope. Those given to people are one
// binding for each role, as access.Key wants it.
func (in *inventory) bindings(scope driver.Scope) []access.Binding {
	var bindings []access.Binding
	people := map[string]*access.Binding{}
	for _, row := range in.rows[scope.ID] {
		role := in.roles[row.Role.ID]
		if row.Group != nil {
			bindings = append(bindings, access.Binding{
				Role: role, Group: in.groupName(row.Group.ID), GroupRef: row.Group.ID,
				Ref: bindingRef(scope.ID, row.Group.ID, row.Role.ID), Mark: access.Unread(),
			})
			continue
		}
		if people[role] == nil {
			people[role] = &access.Binding{
				Role: role, Ref: fmt.Sprintf("projects/%s/users/roles/%s", scope.ID, row.Role.ID), Mark: access.Unread(),
			}
		}
		people[role].Subjects = append(people[role].Subjects, access.Member{Account: access.Account{Ref: row.User.ID}})
	}
	for _, b := range people {
		bindings = append(bindings, *b)
	}
	return bindings
}
