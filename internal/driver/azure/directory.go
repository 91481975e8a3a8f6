package azure

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/calls"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// Directory is the part of the driver that is about people and groups in Entra.
// Platforms whose groups are there build on it.
type Directory struct {
	graph  *graph
	by     lookUp
	unit   string // the administrative unit; empty for none
	invite *invitation
	made   *calls.Made
}

// group is a group as it is asked for.
type group struct {
	ID          string  `json:"id"`
	Name        string  `json:"displayName"`
	Description string  `json:"description"`
	Members     []entry `json:"members"`
	// complete is true where Members are all there are.
	complete bool
}

// entry is a member of any kind.
type entry struct {
	ID string `json:"id"`
}

// expanded is how many members a list of groups shows with each at most
// (https://learn.microsoft.com/graph/query-parameters, expand).
const expanded = 20

// Groups is what was read of the groups for some scopes.
type Groups struct {
	byID   map[string]group
	byName map[string][]string
}

func newGroups() Groups { return Groups{byID: map[string]group{}, byName: map[string][]string{}} }

// add takes over what was read.
func (g Groups) add(rows []group) error {
	for _, row := range rows {
		if row.ID == "" || row.Name == "" {
			return unreadable("GET /groups", "displayName")
		}
		if _, seen := g.byID[row.ID]; seen {
			continue
		}
		// A list that is full, or not there, says nothing about the rest.
		row.complete = row.Members != nil && len(row.Members) < expanded
		g.byID[row.ID] = row
		g.byName[row.Name] = append(g.byName[row.Name], row.ID)
	}
	return nil
}

// Name returns the name of a group, and whether it exists.
func (g Groups) Name(id string) (string, bool) {
	found, exists := g.byID[id]
	return found.Name, exists
}

// Marked returns the ids of the groups among these whose mark is the given one.
func (g Groups) Marked(mark access.Mark, ids []string) []string {
	var marked []string
	for _, id := range ids {
		if found, exists := g.byID[id]; exists && mark != (access.Mark{}) && access.ParseMark(found.Description) == mark {
			marked = append(marked, id)
		}
	}
	return marked
}

// At returns the groups that a scope asks for, and besides those of these ids.
// Two groups may have one name: both are there.
func (g Groups) At(scope driver.Scope, besides ...string) []access.Group {
	ids := slices.Clone(besides)
	for _, wanted := range scope.Groups {
		ids = append(ids, wanted.Ref)
		ids = append(ids, g.byName[wanted.Name]...)
	}
	slices.Sort(ids)
	var all []access.Group
	for _, id := range slices.Compact(ids) {
		found, exists := g.byID[id]
		if !exists || !found.complete {
			continue
		}
		shown := access.Group{Name: found.Name, Ref: id, Mark: access.ParseMark(found.Description)}
		for _, m := range found.Members {
			shown.Members = append(shown.Members, access.Member{Account: access.Account{Ref: m.ID}})
		}
		all = append(all, shown)
	}
	return all
}

// question is what the scopes ask for.
type question struct {
	ids, names map[string]bool
	marks      map[access.Mark]bool
}

func newQuestion(scopes []driver.Scope) question {
	q := question{ids: map[string]bool{}, names: map[string]bool{}, marks: map[access.Mark]bool{}}
	for _, scope := range scopes {
		if scope.Mark != (access.Mark{}) {
			q.marks[scope.Mark] = true
		}
		for _, wanted := range scope.Groups {
			if isGUID(wanted.Ref) {
				q.ids[wanted.Ref] = true
			} else if wanted.Name != "" {
				q.names[wanted.Name] = true
			}
		}
	}
	return q
}

// later adds the names of groups that were not found by their ids, and returns
// them: a group that is gone, or has another name now, may have a successor.
func (q question) later(scopes []driver.Scope, read Groups) []string {
	var names []string
	for _, scope := range scopes {
		for _, wanted := range scope.Groups {
			if len(read.byName[wanted.Name]) == 0 && !q.names[wanted.Name] && wanted.Name != "" {
				q.names[wanted.Name] = true
				names = append(names, wanted.Name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// asks reports whether a group's members belong to the answer.
func (q question) asks(g group) bool {
	return q.ids[g.ID] || q.names[g.Name] || q.marks[access.ParseMark(g.Description)]
}

// ReadGroups reads the groups that the scopes ask for, and those of the ids
// besides, without the members of what only the latter name and no scope owns.
func (d *Directory) ReadGroups(ctx context.Context, scopes []driver.Scope, besides []string) (Groups, error) {
	q := newQuestion(scopes)
	ids := maps.Clone(q.ids)
	for _, id := range besides {
		if isGUID(id) {
			ids[id] = true
		}
	}
	read := newGroups()
	if err := d.find(ctx, read, slices.Sorted(maps.Keys(ids)), slices.Sorted(maps.Keys(q.names))); err != nil {
		return Groups{}, err
	}
	if err := d.find(ctx, read, nil, q.later(scopes, read)); err != nil {
		return Groups{}, err
	}
	var unread []string
	for id, g := range read.byID {
		if !g.complete && q.asks(g) {
			unread = append(unread, id)
		}
	}
	slices.Sort(unread)
	return read, d.readMembers(ctx, read, unread)
}

// find reads the groups of these ids and names, 15 to a filter and 20 filters to a
// call, each with up to 20 members.
func (d *Directory) find(ctx context.Context, into Groups, ids, names []string) error {
	var requests []request
	for _, filter := range append(among("id", ids), among("displayName", names)...) {
		requests = append(requests, askGroups(filter))
	}
	lists, err := pages[group](ctx, d.graph, requests, nil)
	if err != nil {
		return err
	}
	return into.add(slices.Concat(lists...))
}

// readMembers reads all members of the groups of these ids. A group that is gone
// meanwhile is gone (https://learn.microsoft.com/graph/api/group-list-members).
func (d *Directory) readMembers(ctx context.Context, into Groups, ids []string) error {
	requests := make([]request, 2*len(ids))
	for i, id := range ids {
		requests[i], requests[len(ids)+i] = listMembers(id), listPrincipals(id)
	}
	lists, err := pages[entry](ctx, d.graph, requests, isMissing)
	if err != nil {
		return err
	}
	for i, id := range ids {
		if lists[i] == nil {
			delete(into.byID, id)
			continue
		}
		g := into.byID[id]
		// The index of service principals may not know a new group yet: it has none then.
		g.Members, g.complete = union(lists[i], lists[len(ids)+i]), true
		if slices.ContainsFunc(g.Members, func(m entry) bool { return m.ID == "" }) {
			return unreadable("GET /groups/"+id+"/members", "id")
		}
		into.byID[id] = g
	}
	return nil
}

// listMembers asks for the members of a group: v1.0 of Graph leaves service principals out
// (https://learn.microsoft.com/graph/api/group-list-members, known issue).
func listMembers(id string) request {
	return newRequest("GET /groups/"+id+"/members", groupPath(id)+"/members"+query{fields: "id", top: maxPageSize}.String(), nil)
}

// listPrincipals asks for the service principals in a group. A cast is an advanced query,
// which an index answers that may lag: it shows the new ones later, and those that have
// left for longer (https://learn.microsoft.com/graph/aad-advanced-queries).
func listPrincipals(id string) request {
	const suffix = "/members/microsoft.graph.servicePrincipal"
	r := newRequest("GET /groups/"+id+suffix, groupPath(id)+suffix+query{fields: "id", top: maxPageSize, count: true}.String(), nil)
	r.headers["consistencylevel"] = "eventual"
	return r
}

// union returns the entries of both lists, each once.
func union(a, b []entry) []entry {
	seen, all := map[string]bool{}, []entry{}
	for _, e := range slices.Concat(a, b) {
		if !seen[e.ID] {
			seen[e.ID] = true
			all = append(all, e)
		}
	}
	return all
}

// groupFields are the properties of a group that are read, see group.
const groupFields = "id,displayName,description"

// askGroups asks for the groups that a filter lets through
// (https://learn.microsoft.com/graph/api/group-list).
func askGroups(filter string) request {
	q := query{filter: filter, fields: groupFields, expand: "members($select=id)"}
	return newRequest("GET /groups", "/groups"+q.String(), nil)
}

// groupPath returns the path of the group of that id.
func groupPath(id string) string { return "/groups/" + url.PathEscape(id) }

// ours returns the id of our group of that name: by the key that it was made
// under, else by its name and mark.
func (d *Directory) ours(ctx context.Context, scope driver.Scope, name string) (string, error) {
	id, err := d.withKey(ctx, scope, name, keyOf(scope.Mark, name, 0))
	if !errors.Is(err, errNoKey) && !errors.Is(err, errTaken) {
		return id, err
	}
	read := newGroups()
	if err := d.find(ctx, read, nil, []string{name}); err != nil {
		return "", err
	}
	id, err = d.marked(scope, name, read)
	switch {
	case !errors.Is(err, errNoKey):
		return id, err
	case len(read.byName[name]) > 0:
		return "", notOurs(name)
	default:
		return "", gone(name)
	}
}

// named finds our group of that name by its mark: groups that were renamed or
// adopted have no key that says so.
func (d *Directory) named(ctx context.Context, scope driver.Scope, name string) (string, error) {
	read := newGroups()
	if err := d.find(ctx, read, nil, []string{name}); err != nil {
		return "", err
	}
	return d.marked(scope, name, read)
}

// marked returns the id of the one group of that name with our mark: errNoKey
// where none has it, fault.ErrConflict where several do.
func (d *Directory) marked(scope driver.Scope, name string, read Groups) (string, error) {
	found := read.Marked(scope.Mark, read.byName[name])
	switch len(found) {
	case 0:
		return "", errNoKey
	case 1:
		return found[0], d.notRenamed(name, found[0])
	default:
		return "", fmt.Errorf("azure: group %q: %w: %d groups have this name and our mark", name, fault.ErrConflict, len(found))
	}
}

// notRenamed refuses a group that this driver has given another name, of which the
// read that found it does not know yet: taking it for the one that is asked for
// would give its members what somebody else is to have.
func (d *Directory) notRenamed(name, id string) error {
	if now := d.made.By(id); now != "" && now != name {
		return fmt.Errorf("azure: group %q: %w: it was renamed, and that is not shown yet", name, fault.ErrUnavailable)
	}
	return nil
}
