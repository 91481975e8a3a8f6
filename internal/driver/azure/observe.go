package azure

import (
	"context"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
)

// Observe implements driver.Driver: a list of role assignments for each scope, and
// the groups of all scopes together.
func (d *Driver) Observe(ctx context.Context, scopes []driver.Scope) ([]driver.Observation, error) {
	if len(scopes) == 0 {
		return nil, ctx.Err()
	}
	where := make([]string, len(scopes))
	for i, scope := range scopes {
		where[i] = scopeOf(scope.ID)
	}
	given, err := d.grants.Read(ctx, where)
	if err != nil {
		return nil, err
	}
	var bound []string
	for i := range given {
		bound = append(bound, given[i].Groups()...)
	}
	// Also those of a scope that is missing: they are in the directory.
	read, err := d.ReadGroups(ctx, scopes, bound)
	if err != nil {
		return nil, err
	}
	observations := make([]driver.Observation, len(scopes))
	for i, scope := range scopes {
		observations[i].Missing = given[i].Missing
		state := access.State{Groups: read.At(scope, read.Marked(scope.Mark, given[i].Groups())...)}
		if state.Bindings, err = d.grants.Bindings(ctx, given[i], read, state.Groups); err != nil {
			return nil, err
		}
		state.Sort()
		observations[i].State = state
	}
	return observations, nil
}
