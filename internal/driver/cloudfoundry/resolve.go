package cloudfoundry

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/cloudfoundry/go-cfclient/v3/resource"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/identity"
)

// Resolve implements driver.Driver: one call for as many names as fit into an
// address, and one of UAA for up to 90 users that are found. It asks for the names in all
// origins, so that the answer for a user of another origin says so. A name with a comma,
// which the filter would split, is not found.
func (d *Driver) Resolve(ctx context.Context, accounts []string) ([]access.Resolution, error) {
	if len(accounts) == 0 {
		return nil, ctx.Err()
	}
	known := driver.NewAccounts(d.Profile().AccountNames)
	var found []resource.User
	for _, names := range batches(accounts) {
		users, err := d.users(ctx, names)
		if err != nil {
			return nil, err
		}
		for _, u := range users {
			if d.has(u) {
				found = append(found, u)
			} else {
				known.AddOfOtherOrigin(*u.Username)
			}
		}
	}
	disabled, err := d.disabled(ctx, found)
	if err != nil {
		return nil, err
	}
	for _, u := range found {
		state := access.Yes
		if disabled[u.GUID] {
			state = access.Disabled
		}
		known.Add(*u.Username, u.GUID, state)
	}
	answers := make([]access.Resolution, len(accounts))
	for i, name := range accounts {
		answers[i] = known.Find(name)
	}
	return answers, ctx.Err()
}

// disabled asks UAA which of the users found may not sign in: the Cloud
// Controller does not say. Credentials that may not read UAA's users, for want of
// scim.read, see none of them.
func (d *Driver) disabled(ctx context.Context, users []resource.User) (map[string]bool, error) {
	disabled := map[string]bool{}
	if len(users) == 0 {
		return disabled, nil
	}
	ids := make([]string, len(users))
	for i, u := range users {
		ids[i] = u.GUID
	}
	uaa, err := d.api.session.address(ctx)
	if err != nil {
		return nil, err
	}
	for part := range slices.Chunk(unique(ids), mostSCIM) {
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

// users returns the users with these names, of all origins. The Cloud Controller may find
// more than was asked for: users with other names are left out.
func (d *Driver) users(ctx context.Context, names []string) ([]resource.User, error) {
	query := url.Values{"usernames": {strings.Join(names, ",")}}
	users, _, err := list(ctx, d.api, "users", query, func(u resource.User) string { return u.GUID })
	if err != nil {
		return nil, err
	}
	asked := map[identity.Key]bool{}
	for _, name := range names {
		asked[key(name)] = true
	}
	return slices.DeleteFunc(users, func(u resource.User) bool { return u.Username == nil || !asked[key(*u.Username)] }), nil
}

// has reports whether the user is of the platform's origin.
func (d *Driver) has(u resource.User) bool { return u.Origin != nil && *u.Origin == d.origin }

// batches parts the names, each once, into as many as fit into an address.
func batches(accounts []string) [][]string {
	names := make([]string, 0, len(accounts))
	for _, name := range accounts {
		if name != "" && !strings.Contains(name, ",") {
			names = append(names, string(key(name)))
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
