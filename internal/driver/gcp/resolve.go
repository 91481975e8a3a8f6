package gcp

import (
	"context"
	"slices"
	"strings"

	"golang.org/x/text/cases"
	admin "google.golang.org/api/admin/directory/v1"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
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
	compare := d.Profile().AccountNames
	var names []string
	for _, account := range accounts {
		if d.possible(account) {
			names = append(names, string(compare.Key(account)))
		}
	}
	slices.Sort(names)
	users, err := d.users(ctx, slices.Compact(names))
	if err != nil {
		return nil, err
	}
	known := driver.NewAccounts(compare)
	for _, u := range users {
		if !isMemberAddress(u.PrimaryEmail) {
			continue
		}
		for _, name := range d.namesOfUser(u) {
			known.Add(name, emailKey(u.PrimaryEmail), stateOf(u))
		}
	}
	answers := make([]access.Resolution, len(accounts))
	for i, account := range accounts {
		answers[i] = known.Find(account)
	}
	return answers, ctx.Err()
}

// namesOfUser are the names that a user is looked up by: the primary address, no alias; or
// every external id.
func (d *Driver) namesOfUser(u *admin.User) []string {
	if d.byExternal {
		return externalIDs(u)
	}
	return []string{u.PrimaryEmail}
}

// stateOf says whether the user may sign in.
func stateOf(u *admin.User) access.Found {
	if u.Suspended || u.Archived {
		return access.Disabled
	}
	return access.Yes
}

// possible reports whether there can be such an account: Google is not asked for others.
func (d *Driver) possible(account string) bool {
	if d.byExternal {
		return strings.TrimSpace(account) != ""
	}
	return isMemberAddress(account)
}

// isMemberAddress reports whether a text is an address by which one user is meant. Members are
// added by address, and Google documents no rule by which it compares addresses beyond the
// case of ASCII letters: one that full Unicode case folding changes, such as one with a long
// s, could be that of another user.
func isMemberAddress(email string) bool {
	key := emailKey(email)
	return address.MatchString(key) && cases.Fold().String(key) == key
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
