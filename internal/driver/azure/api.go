package azure

import (
	"context"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// atOnce is how many calls of one read or one step are open together.
const atOnce = 8

// each calls do for every item, several at once, and starts no more when one has
// failed. It lets those that are under way end: a write that is given up may
// arrive after the write that follows it.
func each[T any](ctx context.Context, items []T, do func(context.Context, int, T) error) error {
	var running errgroup.Group
	running.SetLimit(atOnce)
	var failed atomic.Bool
	for i, item := range items {
		running.Go(func() error {
			if failed.Load() {
				return nil
			}
			err := do(ctx, i, item)
			if err != nil {
				failed.Store(true)
			}
			return err
		})
	}
	return running.Wait()
}
