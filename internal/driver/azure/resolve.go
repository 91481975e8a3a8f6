package azure

import (
	"context"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/azure/rules"
)

// user is an account as it is asked for.
type user struct {
	ID   string `json:"id"`
	UPN  string `json:"userPrincipalName"`
	Mail string `json:"mail"`
	// OtherMails and Proxies are further addresses, these with "smtp:" before them. Only
	// guests are asked for by them.
	OtherMails []string `json:"otherMails"`
	Proxies    []string `json:"proxyAddresses"`
	Type       string   `json:"userType"`
	Enabled    *bool    `json:"accountEnabled"`
	// State is where the invitation of somebody invited stands, else empty.
	State string `json:"externalUserState"`
}

// guest reports whether the account belongs to another directory.
func (u user) guest() bool { return strings.EqualFold(u.Type, "Guest") || u.State != "" }

// state says whether the account may sign in. A guest may from when they have accepted.
func (u user) state() access.Found {
	switch {
	case !*u.Enabled:
		return access.Disabled
	case u.State != "" && !strings.EqualFold(u.State, "Accepted"):
		return access.Pending
	default:
		return access.Yes
	}
}

// Resolve looks up all the accounts at once, 15 of them to a filter and 20 filters
// to a call. Addresses that are not found are looked up once more, among the further
// addresses of guests.
func (d *Directory) Resolve(ctx context.Context, accounts []string) ([]access.Resolution, error) {
	if len(accounts) == 0 {
		return nil, ctx.Err()
	}
	compare := rules.Profile().AccountNames
	// Entra makes up another userPrincipalName for a guest.
	known, guests := driver.NewAccounts(compare), driver.NewAccounts(compare)
	users, err := d.users(ctx, userFields, d.filters(lookupKeys(accounts)))
	if err != nil {
		return nil, err
	}
	for _, u := range users {
		switch {
		case d.by == byMail:
			known.Add(u.Mail, u.ID, u.state())
		case u.guest():
			guests.Add(u.Mail, u.ID, u.state())
			fallthrough
		default:
			known.Add(u.UPN, u.ID, u.state())
		}
	}
	answers := make([]access.Resolution, len(accounts))
	for i, name := range accounts {
		answers[i] = known.Find(name)
		if guest := guests.Find(name); answers[i].Found == access.No && guest.Found != access.No {
			answers[i] = guest
		}
	}
	return d.otherAddresses(ctx, accounts, answers)
}

// otherAddresses looks those up among the further addresses of guests that were not found. A
// guest may have another mail than the address that the invitation went to: the directory
// that they belong to changes it.
func (d *Directory) otherAddresses(ctx context.Context, accounts []string, answers []access.Resolution) ([]access.Resolution, error) {
	var missing []string
	for i, name := range accounts {
		if answers[i].Found == access.No && strings.Contains(name, "@") {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return answers, nil
	}
	guests, err := d.guests(ctx, lookupKeys(missing))
	if err != nil {
		return nil, err
	}
	for i, name := range accounts {
		if guest := guests.Find(name); answers[i].Found == access.No && guest.Found != access.No {
			answers[i] = guest
		}
	}
	return answers, nil
}

// guests returns the guests that have these keys among their further addresses.
func (d *Directory) guests(ctx context.Context, addresses []string) (*driver.Accounts, error) {
	proxies := make([]string, len(addresses))
	for i, address := range addresses {
		proxies[i] = proxyScheme + address
	}
	filters := slices.Concat(anyFilters("otherMails", addresses), anyFilters("proxyAddresses", proxies))
	users, err := d.users(ctx, userFields+",otherMails,proxyAddresses", filters)
	if err != nil {
		return nil, err
	}
	guests := driver.NewAccounts(rules.Profile().AccountNames)
	for _, u := range users {
		if !u.guest() {
			continue
		}
		for _, address := range u.addresses() {
			guests.Add(address, u.ID, u.state())
		}
	}
	return guests, nil
}

// proxyScheme is what mail addresses among the proxyAddresses begin with, in capitals where
// the address is the primary one.
const proxyScheme = "smtp:"

// addresses are the further addresses of the account.
func (u user) addresses() []string {
	all := slices.Clone(u.OtherMails)
	for _, proxy := range u.Proxies {
		if scheme, address, is := strings.Cut(proxy, ":"); is && strings.EqualFold(scheme+":", proxyScheme) {
			all = append(all, address)
		}
	}
	return all
}

// lookupKeys returns the keys of names, each once, without the empty one.
func lookupKeys(names []string) []string {
	compare := rules.Profile().AccountNames
	var all []string
	for _, name := range names {
		if name != "" {
			all = append(all, string(compare.Key(name)))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// filters returns filters for the accounts of these names.
func (d *Directory) filters(names []string) []string {
	filters := among("mail", names)
	if d.by == byUsername {
		filters = append(filters, among("userPrincipalName", names)...)
	}
	return filters
}

// users returns these fields of the accounts that the filters let through.
func (d *Directory) users(ctx context.Context, fields string, filters []string) ([]user, error) {
	requests := make([]request, len(filters))
	for i, filter := range filters {
		requests[i] = askUsers(fields, filter)
	}
	lists, err := pages[user](ctx, d.graph, requests, nil)
	if err != nil {
		return nil, err
	}
	users := slices.Concat(lists...)
	for _, u := range users {
		if u.ID == "" || u.Enabled == nil {
			return nil, unreadable("GET /users", "accountEnabled")
		}
	}
	return users, nil
}

// userFields are the properties that are read of each user, see user.
const userFields = "id,userPrincipalName,mail,userType,accountEnabled,externalUserState"

// askUsers asks for the accounts that a filter lets through
// (https://learn.microsoft.com/graph/api/user-list).
func askUsers(fields, filter string) request {
	q := query{filter: filter, fields: fields, top: maxPageSize}
	return newRequest("GET /users", "/users"+q.String(), nil)
}

// maxPageSize is how many objects a page may have (https://learn.microsoft.com/graph/paging).
const maxPageSize = 999
