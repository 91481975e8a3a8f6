package aws

import (
	"maps"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/aws/rules"
)

// group is what is looked at of a group of the Identity Store. revision is another
// one after each change; only a group that was read by its id has it.
type group struct{ id, name, description, revision string }

// want is a group that one of the scopes asks for.
type want struct {
	scope     int
	name, ref string
}

// wants lists what the scopes ask for.
func wants(scopes []driver.Scope) []want {
	var all []want
	for i, scope := range scopes {
		for _, g := range scope.Groups {
			all = append(all, want{i, g.Name, g.Ref})
		}
	}
	return all
}

// at is a group on the account of a scope, or everywhere.
type at struct {
	scope int
	group string
}

// everywhere is the place of a group's members.
const everywhere = -1

// inventory is all that was read for some scopes, ready to be looked up in.
type inventory struct {
	identity identity
	// marks is true where descriptions are to be read.
	marks bool
	// groups are those that were read, by id, and byName their ids by name;
	// complete is true where these are all groups there are.
	groups   map[string]group
	byName   map[string]string
	complete bool
	// gone are ids of groups that do not exist.
	gone map[string]bool
	// members are users' ids by group, assigned permission sets' ARNs.
	members  map[string][]string
	assigned map[at][]string
	// names are permission sets' by ARN, absent accounts that do not exist.
	names  map[string]string
	absent map[string]bool
	// sought are groups that were asked for by name and id, with the id they have.
	sought map[want]string
}

func newInventory(id identity, marks bool) *inventory {
	return &inventory{
		identity: id, marks: marks, groups: map[string]group{}, byName: map[string]string{}, gone: map[string]bool{},
		members: map[string][]string{}, assigned: map[at][]string{}, names: map[string]string{}, absent: map[string]bool{},
		sought: map[want]string{},
	}
}

func (in *inventory) addGroup(g group) {
	in.groups[g.id] = g
	in.byName[g.name] = g.id
}

// unknown returns, sorted, the ids of groups whose mark is still to be read, and
// the names of those that are still to be found.
func (in *inventory) unknown(wanted []want) (ids, names []string) {
	wantIDs, wantNames := map[string]bool{}, map[string]bool{}
	for _, w := range wanted {
		_, read := in.groups[w.ref]
		switch {
		case w.ref == "" && w.name != "" && in.byName[w.name] == "" && !in.complete:
			wantNames[w.name] = true
		case w.ref != "" && in.marks && !read && in.complete:
			in.gone[w.ref] = true
		case w.ref != "" && in.marks && !read && !in.gone[w.ref]:
			wantIDs[w.ref] = true
		}
	}
	return slices.Sorted(maps.Keys(wantIDs)), slices.Sorted(maps.Keys(wantNames))
}

// idOf returns the id of a group that is wanted, or "", and keeps what was sought.
func (in *inventory) idOf(w want) string {
	id := w.ref
	if id == "" {
		id = in.byName[w.name]
	}
	in.sought[w] = id
	return id
}

// lists are what is to be read of the groups that are wanted: the members of
// each, and what is assigned to it on the account of the scope.
func (in *inventory) lists(scopes []driver.Scope, wanted []want) []at {
	var all []at
	planned := map[at]bool{}
	for _, w := range wanted {
		id := in.idOf(w)
		if id == "" || in.gone[id] {
			continue
		}
		for _, of := range []at{{everywhere, id}, {w.scope, id}} {
			if !planned[of] && (of.scope == everywhere || rules.AccountID(scopes[of.scope].ID)) {
				planned[of] = true
				all = append(all, of)
			}
		}
	}
	return all
}

// successors are the groups that are wanted under an id that is gone, to be
// looked for by name.
func (in *inventory) successors(wanted []want) []want {
	var again []want
	for _, w := range wanted {
		if w.ref != "" && in.gone[w.ref] {
			again = append(again, want{w.scope, w.name, ""})
		}
	}
	return again
}

// shown reports whether an assignment shows that the scope's account exists.
func (in *inventory) shown(scope int) bool {
	for a, sets := range in.assigned {
		if a.scope == scope && len(sets) > 0 {
			return true
		}
	}
	return false
}

// at returns what there is at one scope.
func (in *inventory) at(i int, scope driver.Scope) driver.Observation {
	missing := in.absent[scope.ID] // then nothing is assigned there
	names := map[string]string{}   // by id
	for w, id := range in.sought {
		if w.scope == i && id != "" && !in.gone[id] {
			names[id] = w.name
		}
	}
	var state access.State
	for id, name := range names {
		g, read := in.groups[id]
		if !read {
			g = group{id: id, name: name}
		}
		state.Groups = append(state.Groups, in.toGroup(g))
		for _, arn := range in.assigned[at{i, id}] {
			state.Bindings = append(state.Bindings, access.Binding{
				Role: in.names[arn], Group: g.name, GroupRef: id, Ref: bindingRef(scope.ID, id, arn), Mark: access.Unread(),
			})
		}
	}
	state.Sort()
	return driver.Observation{State: state, Missing: missing}
}

func (in *inventory) toGroup(g group) access.Group {
	found := access.Group{Name: g.name, Ref: g.id, Mark: in.mark(g)}
	for _, user := range in.members[g.id] {
		found.Members = append(found.Members, access.Member{Account: access.Account{Ref: user}})
	}
	return found
}

// bindingRef names an assignment, which has no id, by what it is made of, in the
// order in which the vendor's tools do.
func bindingRef(account, groupID, setARN string) string {
	return strings.Join([]string{groupID, "GROUP", account, "AWS_ACCOUNT", setARN}, ",")
}

// parseBindingRef reads what bindingRef wrote.
func parseBindingRef(ref string) (account, groupID, setARN string, ok bool) {
	parts := strings.Split(ref, ",")
	if len(parts) != 5 || parts[1] != "GROUP" || parts[3] != "AWS_ACCOUNT" || slices.Contains(parts, "") {
		return "", "", "", false
	}
	return parts[2], parts[0], parts[4], true
}
