package cloudfoundry

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/cloudfoundry/go-cfclient/v3/resource"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// Resolve implements driver.Driver: one call for as many names as fit into an
// address, and one of UAA for up to 90 users that are found. A name with a comma, which the filter would take apart, is nobody's.
func (d *Driver) Resolve(ctx context.Context, accounts []string) ([]access.Resolution, error) {
	if len(accounts) == 0 {
		return nil, ctx.Err()
	}
	byName := map[string][]string{}
	for _, names := range batches(accounts) {
		users, err := d.users(ctx, names, d.origin)
		if err != nil {
			return nil, err
		}
		for _, u := range users {
			name := fold(*u.Username)
			byName[name] = append(byName[name], u.GUID)
		}
	}
	disabled, err := d.disabled(ctx, byName)
	if err != nil {
		return nil, err
	}
	answers := make([]access.Resolution, len(accounts))
	for i, name := range accounts {
		answers[i] = toResolution(byName[fold(name)], disabled)
	}
	return answers, ctx.Err()
}

// disabled asks UAA which of the users found may not sign in: the Cloud
// Controller does not say. Credentials that may not read UAA's users, for want of
// scim.read, see none of them.
func (d *Driver) disabled(ctx context.Context, byName map[string][]string) (map[string]bool, error) {
	disabled := map[string]bool{}
	if len(byName) == 0 {
		return disabled, nil
	}
	uaa, err := d.api.session.address(ctx)
	if err != nil {
		return nil, err
	}
	for part := range slices.Chunk(unique(slices.Concat(slices.Collect(maps.Values(byName))...)), mostSCIM) {
		filter := `id eq "` + strings.Join(part, `" or id eq "`) + `"`
		found, err := d.accounts(ctx, uaa, filter)
		if _, may := refusedWith(err, http.StatusForbidden); may {
			return disabled, nil
		}
		if err != nil {
			return nil, err
		}
		for _, a := range found {
			disabled[a.ID] = a.Active != nil && !*a.Active
		}
	}
	return disabled, nil
}

// accounts returns the users of UAA that a filter gives, fewer than a page has.
func (d *Driver) accounts(ctx context.Context, uaa, filter string) ([]account, error) {
	const operation = "GET /Users"
	var found struct {
		Resources *[]account `json:"resources"`
		Total     int        `json:"totalResults"`
	}
	query := url.Values{"filter": {filter}, "count": {strconv.Itoa(mostSCIM)}}
	ask := request{operation: operation, method: http.MethodGet, url: uaa + "/Users?" + query.Encode()}
	if err := d.api.call(ctx, ask, &found); err != nil {
		return nil, err
	}
	switch {
	case found.Resources == nil:
		return nil, unreadable(operation, "list of users")
	case len(*found.Resources) != found.Total:
		return nil, fmt.Errorf("cloudfoundry: %s: %w: %d of %d users", operation, fault.ErrTruncated, len(*found.Resources), found.Total)
	}
	return *found.Resources, nil
}

// users returns the users with these names, of one origin or of any. The Cloud
// Controller may find more than was asked for; what is not named so is left out.
func (d *Driver) users(ctx context.Context, names []string, origin string) ([]resource.User, error) {
	query := url.Values{"usernames": {strings.Join(names, ",")}}
	if origin != "" {
		query.Set("origins", origin)
	}
	users, _, err := list(ctx, d.api, "users", query, func(u resource.User) string { return u.GUID })
	if err != nil {
		return nil, err
	}
	asked := map[string]bool{}
	for _, name := range names {
		asked[fold(name)] = true
	}
	return slices.DeleteFunc(users, func(u resource.User) bool {
		return u.Username == nil || !asked[fold(*u.Username)] || origin != "" && (u.Origin == nil || *u.Origin != origin)
	}), nil
}

// batches parts the names, each once, into as many as fit into an address.
func batches(accounts []string) [][]string {
	names := make([]string, 0, len(accounts))
	for _, name := range accounts {
		if name != "" && !strings.Contains(name, ",") {
			names = append(names, fold(name))
		}
	}
	slices.Sort(names)
	var all [][]string
	size := mostNames
	for _, name := range slices.Compact(names) {
		length := len(url.QueryEscape(name)) + len("%2C")
		if size+length > mostNames {
			all, size = append(all, nil), 0
		}
		size += length
		all[len(all)-1] = append(all[len(all)-1], name)
	}
	return all
}
