package cloudfoundry

import (
	"context"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/cloudfoundry/go-cfclient/v3/resource"

	"github.com/rollcall-iam/rollcall/internal/driver"
)

// orgs remembers the organizations of spaces, which never change.
type orgs struct {
	mu      sync.Mutex
	bySpace map[string]string
}

func (o *orgs) get(space string) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.bySpace[space]
}

func (o *orgs) put(bySpace map[string]string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	maps.Copy(o.bySpace, bySpace)
}

// Observe implements driver.Driver: one list of roles in spaces and one of roles
// in organizations, see the package comment for what else it may take.
func (d *Driver) Observe(ctx context.Context, scopes []driver.Scope) ([]driver.Observation, error) {
	if len(scopes) == 0 {
		return nil, ctx.Err()
	}
	in := &inventory{
		orgs: map[string]string{}, roles: map[string][]resource.Role{},
		spaces: map[string][]string{}, names: map[string]string{},
	}
	marks := false
	var places []place
	var spaces []string
	for _, scope := range scopes {
		if at, ok := parse(scope.ID); ok {
			places, spaces = append(places, at), append(spaces, at.space)
		}
		marks = marks || scope.Marks
	}
	if err := d.readSpaces(ctx, in, spaces); err != nil {
		return nil, err
	}
	var within []string
	for _, at := range places {
		if org, exists := in.org(at); exists {
			within = append(within, org)
		}
	}
	if err := d.readRoles(ctx, in, "organization_guids", within, "user"); err != nil {
		return nil, err
	}
	if marks {
		if err := d.readOthers(ctx, in, within); err != nil {
			return nil, err
		}
	}
	observed := make([]driver.Observation, len(scopes))
	for i, scope := range scopes {
		observed[i] = in.at(scope)
	}
	return observed, ctx.Err()
}

// readSpaces reads the roles in spaces, and finds out which of those that have
// none exist.
func (d *Driver) readSpaces(ctx context.Context, in *inventory, spaces []string) error {
	if err := d.readRoles(ctx, in, "space_guids", spaces, "user,space"); err != nil {
		return err
	}
	var unseen []string
	for _, space := range spaces {
		if in.orgs[space] == "" {
			unseen = append(unseen, space)
		}
	}
	if err := d.findSpaces(ctx, in, "guids", unseen); err != nil {
		return err
	}
	d.orgs.put(in.orgs)
	return nil
}

// readOthers reads the roles in the other spaces of the organizations.
func (d *Driver) readOthers(ctx context.Context, in *inventory, within []string) error {
	read := maps.Clone(in.orgs)
	if err := d.findSpaces(ctx, in, "organization_guids", within); err != nil {
		return err
	}
	var others []string
	for space, org := range in.orgs {
		in.spaces[org] = append(in.spaces[org], space)
		if _, known := read[space]; !known {
			others = append(others, space)
		}
	}
	return d.readRoles(ctx, in, "space_guids", others, "")
}

// readRoles reads the roles that a filter by ids gives.
func (d *Driver) readRoles(ctx context.Context, in *inventory, filter string, ids []string, include string) error {
	for part := range slices.Chunk(unique(ids), mostGUIDs) {
		query := url.Values{filter: {strings.Join(part, ",")}}
		if include != "" {
			query.Set("include", include)
		}
		roles, included, err := list(ctx, d.api, "roles", query, func(r resource.Role) string { return r.GUID })
		if err != nil {
			return err
		}
		if err := in.add(roles, included); err != nil {
			return err
		}
	}
	return nil
}

// findSpaces reads the spaces that a filter by ids gives.
func (d *Driver) findSpaces(ctx context.Context, in *inventory, filter string, ids []string) error {
	for part := range slices.Chunk(unique(ids), mostGUIDs) {
		spaces, _, err := list(ctx, d.api, "spaces", url.Values{filter: {strings.Join(part, ",")}},
			func(s resource.Space) string { return s.GUID })
		if err != nil {
			return err
		}
		if err := in.addSpaces(spaces); err != nil {
			return err
		}
	}
	return nil
}

// unique returns the texts sorted and each once.
func unique(texts []string) []string { return slices.Compact(slices.Sorted(slices.Values(texts))) }

// Within implements driver.Sharer: roles in an organization are shared by its
// spaces.
func (d *Driver) Within(ctx context.Context, scopeIDs []string) ([]string, error) {
	in := &inventory{orgs: map[string]string{}}
	var unknown []string
	for _, id := range scopeIDs {
		at, ok := parse(id)
		if !ok {
			continue
		}
		if in.orgs[at.space] = d.orgs.get(at.space); in.orgs[at.space] == "" {
			delete(in.orgs, at.space)
			unknown = append(unknown, at.space)
		}
	}
	if err := d.findSpaces(ctx, in, "guids", unknown); err != nil {
		return nil, err
	}
	d.orgs.put(in.orgs)
	found := make([]string, len(scopeIDs))
	for i, id := range scopeIDs {
		at, _ := parse(id)
		if org, exists := in.org(at); exists {
			found[i] = org
		}
	}
	return found, ctx.Err()
}
