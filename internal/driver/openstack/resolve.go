package openstack

import (
	"context"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/calls"
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
	names := slices.Clone(accounts)
	slices.Sort(names)
	users, err := d.users(ctx, domain, slices.Compact(names))
	if err != nil {
		return nil, err
	}
	byName := map[string][]user{}
	for _, u := range users {
		byName[u.Name] = append(byName[u.Name], u)
	}
	answers := make([]access.Resolution, len(accounts))
	for i, name := range accounts {
		answers[i] = toResolution(byName[name])
	}
	return answers, nil
}

// users returns at least the domain's users of these names, each once.
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
		found[i] = slices.DeleteFunc(users, func(u user) bool { return u.Name != name })
		return err
	})
	return slices.Concat(found...), err
}
