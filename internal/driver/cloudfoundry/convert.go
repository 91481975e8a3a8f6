package cloudfoundry

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cloudfoundry/go-cfclient/v3/resource"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/cloudfoundry/rules"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/identity"
)

// key is the canonical form of a user's name.
func key(name string) identity.Key { return rules.Profile().AccountNames.Key(name) }

// place is a tenant's space, and its organization where that is known.
type place struct{ org, space string }

// parse reads a tenant's id, "<space>" or "<organization>/<space>".
func parse(id string) (place, bool) {
	org, space, both := strings.Cut(id, "/")
	if !both {
		org, space = "", id
	}
	return place{org: org, space: space}, isGUID(space) && (!both || isGUID(org))
}

// isGUID reports whether the text can be an id: what the Cloud Controller makes
// itself has letters, digits and dashes. Anything else could be more than one
// entry of a filter, or more than one segment of a path.
func isGUID(text string) bool {
	const most = 200
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	return text != "" && len(text) <= most && strings.Trim(text, "-._") != "" && strings.Trim(text, letters+"-._") == "" &&
		!strings.ContainsFunc(text, func(r rune) bool { return !strings.ContainsRune(letters+"-._", r) })
}

// inventory is all that was read for some scopes.
type inventory struct {
	orgs map[string]string // by space; a space that is not in it does not exist
	// roles are those of a space or an organization, by its id, spaces those that
	// were read.
	roles map[string][]resource.Role
	// spaces are those of each organization, where all of them were read.
	spaces map[string][]string
	names  map[string]string // of users, by id
}

// guid returns the id of what a role relates to.
func guid(r resource.ToOneRelationship) string {
	if r.Data == nil {
		return ""
	}
	return r.Data.GUID
}

// add sorts in what a list of roles has.
func (in *inventory) add(roles []resource.Role, included resource.RoleIncluded) error {
	for _, r := range roles {
		space, org := guid(r.Relationships.Space), guid(r.Relationships.Org)
		if r.Type == "" || guid(r.Relationships.User) == "" || (space == "") == (org == "") {
			return unreadable("GET /v3/roles", "role")
		}
		in.roles[space+org] = append(in.roles[space+org], r)
	}
	for _, u := range included.Users {
		if u != nil && u.Username != nil {
			in.names[u.GUID] = *u.Username
		}
	}
	var spaces []resource.Space
	for _, s := range included.Spaces {
		if s != nil {
			spaces = append(spaces, *s)
		}
	}
	return in.addSpaces(spaces)
}

func (in *inventory) addSpaces(spaces []resource.Space) error {
	for _, s := range spaces {
		if s.Relationships == nil || s.Relationships.Organization == nil || guid(*s.Relationships.Organization) == "" {
			return unreadable("GET /v3/spaces", "organization of a space")
		}
		in.orgs[s.GUID] = guid(*s.Relationships.Organization)
	}
	return nil
}

// org returns the organization of a place, unless there is no such place.
func (in *inventory) org(at place) (string, bool) {
	org, exists := in.orgs[at.space]
	return org, exists && (at.org == "" || at.org == org)
}

// at returns what there is at one scope.
func (in *inventory) at(scope driver.Scope) driver.Observation {
	at, _ := parse(scope.ID)
	org, exists := in.org(at)
	if !exists {
		return driver.Observation{Missing: true}
	}
	var state access.State
	for _, r := range slices.Concat(in.roles[at.space], in.roles[org]) {
		b := roleBinding(r, in.names)
		b.InUse = scope.Marks && r.Type == rules.OrganizationUser && in.inUse(at.space, org, guid(r.Relationships.User))
		state.Bindings = append(state.Bindings, b)
	}
	state.Sort()
	return driver.Observation{State: state}
}

// inUse reports whether the user has a role in another space of the organization.
func (in *inventory) inUse(space, org, user string) bool {
	for _, other := range in.spaces[org] {
		if other != space && slices.ContainsFunc(in.roles[other], func(r resource.Role) bool {
			return guid(r.Relationships.User) == user
		}) {
			return true
		}
	}
	return false
}

// subject returns the one user whom a binding is about.
func subject(b access.Binding) (string, error) {
	if len(b.Subjects) != 1 || !isGUID(b.Subjects[0].Ref) {
		return "", fmt.Errorf("cloudfoundry: role %q: %w: a binding is about one user, known by id", b.Role, fault.ErrInvalid)
	}
	return b.Subjects[0].Ref, nil
}
