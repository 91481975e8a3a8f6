package azure

import (
	"context"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// user is an account as it is asked for.
type user struct {
	ID      string `json:"id"`
	UPN     string `json:"userPrincipalName"`
	Mail    string `json:"mail"`
	Type    string `json:"userType"`
	Enabled *bool  `json:"accountEnabled"`
	// State is where the invitation of somebody invited stands, else empty.
	State string `json:"externalUserState"`
}

// guest reports whether the account belongs to another directory.
func (u user) guest() bool { return strings.EqualFold(u.Type, "Guest") || u.State != "" }

// Resolve looks up all the accounts at once, 15 of them to a filter and 20 filters
// to a call.
func (d *Directory) Resolve(ctx context.Context, accounts []string) ([]access.Resolution, error) {
	if len(accounts) == 0 {
		return nil, ctx.Err()
	}
	names := make([]string, len(accounts))
	for i, name := range accounts {
		names[i] = access.FoldCase(name)
	}
	byUPN, byMail, err := d.users(ctx, names)
	if err != nil {
		return nil, err
	}
	answers := make([]access.Resolution, len(names))
	for i, name := range names {
		matches := byMail[name]
		if d.by == byUsername {
			matches = byUPN[name]
			if len(matches) == 0 { // Entra makes up another name for a guest
				matches = slices.DeleteFunc(slices.Clone(byMail[name]), func(u user) bool { return !u.guest() })
			}
		}
		answers[i] = toResolution(matches)
	}
	return answers, nil
}

// users returns the accounts of these names, which are folded, by name and by
// mail. What Graph takes for equal is compared here again.
func (d *Directory) users(ctx context.Context, names []string) (byUPN, byMail map[string][]user, err error) {
	wanted := slices.DeleteFunc(slices.Compact(slices.Sorted(slices.Values(names))), func(name string) bool { return name == "" })
	filters := among("mail", wanted)
	if d.by == byUsername {
		filters = append(filters, among("userPrincipalName", wanted)...)
	}
	requests := make([]request, len(filters))
	for i, filter := range filters {
		requests[i] = askUsers(filter)
	}
	lists, err := pages[user](ctx, d.graph, requests, nil)
	if err != nil {
		return nil, nil, err
	}
	byUPN, byMail = map[string][]user{}, map[string][]user{}
	seen := map[string]bool{}
	for _, u := range slices.Concat(lists...) {
		if u.ID == "" || u.Enabled == nil {
			return nil, nil, unreadable("GET /users", "accountEnabled")
		}
		if seen[u.ID] {
			continue
		}
		seen[u.ID] = true
		upn, mail := access.FoldCase(u.UPN), access.FoldCase(u.Mail)
		byUPN[upn] = append(byUPN[upn], u)
		byMail[mail] = append(byMail[mail], u)
	}
	return byUPN, byMail, nil
}

// askUsers asks for the accounts that a filter lets through
// (https://learn.microsoft.com/graph/api/user-list).
func askUsers(filter string) request {
	q := query{filter: filter, fields: "id,userPrincipalName,mail,userType,accountEnabled,externalUserState", top: maxPageSize}
	return newRequest("GET /users", "/users"+q.String(), nil)
}

// maxPageSize is how many objects a page may have (https://learn.microsoft.com/graph/paging).
const maxPageSize = 999

// toResolution is the answer for a name that these accounts have. Somebody
// invited counts only once they have accepted.
func toResolution(matches []user) access.Resolution {
	var refs []string
	for _, u := range matches {
		refs = append(refs, u.ID)
	}
	slices.Sort(refs)
	switch {
	case len(matches) == 0:
		return access.Resolution{Found: access.No}
	case len(matches) > 1:
		return access.Resolution{Found: access.Ambiguous, Refs: refs}
	case !*matches[0].Enabled:
		return access.Resolution{Found: access.Disabled, Refs: refs}
	case matches[0].State != "" && !strings.EqualFold(matches[0].State, "Accepted"):
		return access.Resolution{Found: access.Pending, Refs: refs}
	default:
		return access.Resolution{Found: access.Yes, Refs: refs}
	}
}
