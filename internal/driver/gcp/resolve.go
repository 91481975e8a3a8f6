package gcp

import (
	"context"
	"slices"
	"strings"

	admin "google.golang.org/api/admin/directory/v1"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// manyAccounts is how many accounts are asked for one by one at most: beyond, a
// list of all users costs one call for each 500 of them.
const manyAccounts = 100

// Resolve implements driver.Driver: one call for each account, or where they are
// many one list of the customer's users. A list, unlike a read, is empty and not
// forbidden for an address of somebody else's domain.
func (d *Driver) Resolve(ctx context.Context, accounts []string) ([]access.Resolution, error) {
	if len(accounts) == 0 {
		return nil, ctx.Err()
	}
	var names []string
	for _, account := range accounts {
		if d.possible(account) {
			names = append(names, d.lookupKey(account))
		}
	}
	slices.Sort(names)
	users, err := d.users(ctx, slices.Compact(names))
	if err != nil {
		return nil, err
	}
	byKey := map[string][]*admin.User{}
	for _, u := range users {
		for _, key := range d.keysOf(u) {
			byKey[key] = append(byKey[key], u)
		}
	}
	answers := make([]access.Resolution, len(accounts))
	for i, account := range accounts {
		answers[i] = access.Resolution{Found: access.No}
		if d.possible(account) {
			answers[i] = resolution(byKey[d.lookupKey(account)])
		}
	}
	return answers, ctx.Err()
}

// possible reports whether there can be such an account: nobody is asked for what
// is no address.
func (d *Driver) possible(account string) bool {
	if d.byExternal {
		return strings.TrimSpace(account) != ""
	}
	return address.MatchString(account)
}

// lookupKey is how two accounts are compared: addresses without regard to case,
// external ids to the letter.
func (d *Driver) lookupKey(account string) string {
	if d.byExternal {
		return account
	}
	return strings.ToLower(account)
}

// keysOf are the keys that a user has: the primary address, no alias; or every
// external id, once.
func (d *Driver) keysOf(u *admin.User) []string {
	if !d.byExternal {
		return []string{strings.ToLower(u.PrimaryEmail)}
	}
	keys := externalIDs(u)
	slices.Sort(keys)
	return slices.Compact(keys)
}

// externalIDs reads a field that the client leaves as it came.
func externalIDs(u *admin.User) []string {
	var ids []string
	rows, _ := u.ExternalIds.([]any)
	for _, row := range rows {
		fields, _ := row.(map[string]any)
		if id, ok := fields["value"].(string); ok && id != "" {
			ids = append(ids, id)
		}
	}
	return ids
}

// resolution is the answer for an account that these users have.
func resolution(users []*admin.User) access.Resolution {
	var refs []string
	for _, u := range users {
		refs = append(refs, strings.ToLower(u.PrimaryEmail))
	}
	slices.Sort(refs)
	refs = slices.Compact(refs) // somebody may be on two pages of a list that changes
	switch {
	case len(refs) == 0:
		return access.Resolution{Found: access.No}
	case len(refs) > 1:
		return access.Resolution{Found: access.Ambiguous, Refs: refs}
	case users[0].Suspended || users[0].Archived:
		return access.Resolution{Found: access.Disabled, Refs: refs}
	default:
		return access.Resolution{Found: access.Yes, Refs: refs}
	}
}

// users returns at least the users of these keys.
func (d *Driver) users(ctx context.Context, keys []string) ([]*admin.User, error) {
	if len(keys) > manyAccounts {
		return d.api.users(ctx, "")
	}
	field := "email"
	if d.byExternal {
		field = "externalId"
	}
	found := make([][]*admin.User, len(keys))
	err := each(ctx, keys, func(ctx context.Context, i int, key string) (err error) {
		found[i], err = d.api.users(ctx, field+"="+quoted(key))
		return err
	})
	return slices.Concat(found...), err
}

// quoted is a value in the language of the Directory API's searches
// (https://developers.google.com/workspace/admin/directory/v1/guides/search-users).
func quoted(value string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value) + "'"
}

// users lists the customer's users that the query finds; all without one.
func (a *api) users(ctx context.Context, query string) ([]*admin.User, error) {
	var all []*admin.User
	_, err := pages(ctx, "users.list", func(ctx context.Context, token string) (string, error) {
		list := a.directory.Users.List().Customer(a.customer).MaxResults(userPage).PageToken(token).Context(ctx)
		if query != "" {
			list = list.Query(query)
		}
		answer, err := list.Do()
		if err != nil {
			return "", err
		}
		for _, u := range answer.Users {
			if u.PrimaryEmail == "" {
				return "", unreadable("users.list", "primaryEmail")
			}
		}
		all = append(all, answer.Users...)
		return answer.NextPageToken, nil
	})
	return all, err
}
