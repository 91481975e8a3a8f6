package openshift

import (
	"context"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/openshift/rules"
)

// Resolve implements driver.Driver: one call for each name, or where they are many
// one list of all users. A name that no user can have is not asked for: the API
// would answer "~" with the caller.
func (d *Driver) Resolve(ctx context.Context, accounts []string) ([]access.Resolution, error) {
	compare := d.Profile().AccountNames
	var names []string
	for _, name := range accounts {
		if rules.Name(name) == "" {
			names = append(names, string(compare.Key(name)))
		}
	}
	there, err := d.api.users(ctx, unique(names))
	if err != nil {
		return nil, err
	}
	known := driver.NewAccounts(compare)
	for _, name := range there {
		known.Add(name, name, access.Yes)
	}
	answers := make([]access.Resolution, len(accounts))
	for i, name := range accounts {
		answers[i] = known.Find(name)
	}
	return answers, nil
}

// users returns those of the names, at least, that users have.
func (a *api) users(ctx context.Context, names []string) ([]string, error) {
	if len(names) > narrow {
		return a.cluster.Names(ctx, userAPI, users)
	}
	found := make([]bool, len(names))
	err := each(ctx, names, func(ctx context.Context, i int, name string) (err error) {
		found[i], err = a.cluster.Exists(ctx, "GET "+users+"/{name}", userAPI, users, name)
		return err
	})
	var there []string
	for i, name := range names {
		if found[i] {
			there = append(there, name)
		}
	}
	if err == nil {
		err = ctx.Err()
	}
	return there, err
}
