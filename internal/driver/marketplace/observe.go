package marketplace

import (
	"context"

	"github.com/rollcall-iam/rollcall/internal/driver"
)

// Observe implements driver.Driver: the groups of all scopes together.
func (d *Driver) Observe(ctx context.Context, scopes []driver.Scope) ([]driver.Observation, error) {
	if len(scopes) == 0 {
		return nil, ctx.Err()
	}
	read, err := d.ReadGroups(ctx, scopes, nil)
	if err != nil {
		return nil, err
	}
	observations := make([]driver.Observation, len(scopes))
	for i, scope := range scopes {
		observations[i] = toObservation(read.At(scope))
	}
	return observations, nil
}
