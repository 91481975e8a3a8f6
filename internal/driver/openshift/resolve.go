package openshift

import (
	"context"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver/openshift/rules"
)

// Resolve implements driver.Driver: one call for each name, or where they are many
// one list of all users. A name that no user can have is not asked for: the API
// would answer "~" with the caller.
func (d *Driver) Resolve(ctx context.Context, accounts []string) ([]access.Resolution, error) {
	names := slices.DeleteFunc(unique(accounts), func(name string) bool { return rules.Name(name) != "" })
	there, err := d.api.users(ctx, names)
	if err != nil {
		return nil, err
	}
	answers := make([]access.Resolution, len(accounts))
	for i, name := range accounts {
		answers[i].Found = access.No
		if there[name] {
			answers[i] = access.Resolution{Found: access.Yes, Refs: []string{name}}
		}
	}
	return answers, nil
}

// users returns the set of those names, at least, that users have.
func (a *api) users(ctx context.Context, names []string) (map[string]bool, error) {
	there := map[string]bool{}
	if len(names) > narrow {
		all, err := a.cluster.Names(ctx, userAPI, users)
		for _, name := range all {
			there[name] = true
		}
		return there, err
	}
	found := make([]bool, len(names))
	err := each(ctx, names, func(ctx context.Context, i int, name string) (err error) {
		found[i], err = a.cluster.Exists(ctx, "GET "+users+"/{name}", userAPI, users, name)
		return err
	})
	for i, name := range names {
		there[name] = found[i]
	}
	if err == nil {
		err = ctx.Err()
	}
	return there, err
}
