package memory

import (
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
)

// toGroup is a group of the platform as Rollcall sees it.
func toGroup(g groupEntry) access.Group {
	group := access.Group{Name: g.Name, Ref: g.ID, Mark: access.ParseMark(g.Description)}
	for _, u := range g.members {
		group.Members = append(group.Members, access.Member{Account: access.Account{Name: u.Name, Ref: u.ID}})
	}
	return group
}

// toBinding is a binding of the platform as Rollcall sees it. The platform has
// no place for a mark on it.
func toBinding(b bindingEntry) access.Binding {
	return access.Binding{
		Role: b.Role, Group: b.groupName, GroupRef: b.Group, Ref: b.ID, Mark: access.Unread(), Condition: b.Condition,
	}
}

// inventory is all that was read for some scopes, ready to be looked up in.
type inventory struct {
	tenants  map[string]bool
	bindings map[string][]bindingEntry // by tenant
	groups   []groupEntry
}

// at returns what there is at one scope: the bindings on it, and the groups
// that they name or that the scope asks for.
func (in inventory) at(scope driver.Scope) driver.Observation {
	var state access.State
	there := in.tenants[scope.ID]
	ids, names := wantedGroups(scope)
	for _, b := range in.bindings[scope.ID] {
		if !there {
			break // what is left of a tenant that is gone gives nothing
		}
		state.Bindings = append(state.Bindings, toBinding(b))
		ids[b.Group] = true
	}
	for _, g := range in.groups {
		if ids[g.ID] || names[g.Name] {
			state.Groups = append(state.Groups, toGroup(g))
		}
	}
	state.Sort()
	return driver.Observation{State: state, Missing: !there}
}

// wantedGroups returns the ids and the names of the groups a scope asks for.
func wantedGroups(scope driver.Scope) (ids, names map[string]bool) {
	ids, names = map[string]bool{}, map[string]bool{}
	for _, g := range scope.Groups {
		names[g.Name] = true
		if g.Ref != "" {
			ids[g.Ref] = true
		}
	}
	return ids, names
}

// refs returns the accounts' ids.
func refs(members []access.Member) []string {
	var ids []string
	for _, m := range members {
		ids = append(ids, m.Ref)
	}
	return ids
}
