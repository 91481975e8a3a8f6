package openstack

import (
	"context"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/calls"
	"github.com/rollcall-iam/rollcall/internal/driver"
)

// Resolve implements driver.Driver: one call for each name, or where they are
// many one list of the domain's users.
func (d *Driver) Resolve(ctx context.Context, accounts []string) ([]access.Resolution, error) {
	if len(accounts) == 0 {
		return nil, ctx.Err()
	}
	domain, err := d.domain.lookup(ctx, d.api)
	if err != nil {
		return nil, err
	}
	compare := d.Profile().AccountNames
	names := make([]string, len(accounts))
	for i, name := range accounts {
		names[i] = string(compare.Key(name))
	}
	slices.Sort(names)
	users, err := d.users(ctx, domain, slices.Compact(names))
	if err != nil {
		return nil, err
	}
	known := driver.NewAccounts(compare)
	for _, u := range users {
		state := access.Yes
		if !u.Enabled {
			state = access.Disabled
		}
		known.Add(u.Name, u.ID, state)
	}
	answers := make([]access.Resolution, len(accounts))
	for i, name := range accounts {
		answers[i] = known.Find(name)
	}
	return answers, nil
}

// users returns at least the domain's users of these names. Databases that compare names
// by a collation answer others, too.
func (d *Driver) users(ctx context.Context, domain string, names []string) ([]user, error) {
	if len(names) > narrow {
		return list[user](ctx, d.api, "users", "users", named(domain, ""), wholeList())
	}
	found := make([][]user, len(names))
	err := each(ctx, names, func(ctx context.Context, i int, name string) error {
		if name == "" {
			return nil // an empty filter would list everybody
		}
		users, err := list[user](ctx, d.api, "users", "users", named(domain, name), calls.Default())
		found[i] = users
		return err
	})
	return slices.Concat(found...), err
}
