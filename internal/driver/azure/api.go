package azure

import (
	"context"

	"github.com/rollcall-iam/rollcall/internal/calls"
)

// atOnce is how many calls of one read or one step are open together.
const atOnce = 8

// each calls do for every item, several at once, and starts no more when one has
// failed. It lets those that are under way end: a write that is given up may
// arrive after the write that follows it.
func each[T any](ctx context.Context, items []T, do func(context.Context, int, T) error) error {
	return calls.Each(ctx, atOnce, items, do)
}
