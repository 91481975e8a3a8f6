package calls

import (
	"context"
	"sync"

	"github.com/rollcall-iam/rollcall/internal/progress"
)

// Shared lets all who need one answer at the same time share one call. The call goes
// on when a caller leaves, and those who wait for it make the progress that it makes.
// The zero Shared is ready. It is safe for use by many goroutines.
type Shared[T any] struct {
	mu      sync.Mutex
	running map[string]*sharedCall[T]
}

type sharedCall[T any] struct {
	done     chan struct{}
	reporter *progress.Reporter
	value    T // set before done is closed
	err      error
}

// Do returns what fetch returns, for the key, or ctx's error if that ends first. The
// context of fetch has the values of the first caller's, and never ends.
func (s *Shared[T]) Do(ctx context.Context, key string, fetch func(context.Context) (T, error)) (T, error) {
	var none T
	if err := ctx.Err(); err != nil {
		return none, err
	}
	c := s.call(ctx, key, fetch)
	defer progress.Join(ctx, c.reporter)()
	select {
	case <-ctx.Done():
		return none, ctx.Err()
	case <-c.done:
		return c.value, c.err
	}
}

// call returns the call that runs for the key, and starts it where none does.
func (s *Shared[T]) call(ctx context.Context, key string, fetch func(context.Context) (T, error)) *sharedCall[T] {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.running[key]; c != nil {
		return c
	}
	if s.running == nil {
		s.running = map[string]*sharedCall[T]{}
	}
	c := &sharedCall[T]{done: make(chan struct{})}
	ctx, c.reporter = progress.With(context.WithoutCancel(ctx))
	s.running[key] = c
	go func() {
		c.value, c.err = fetch(ctx)
		s.mu.Lock()
		delete(s.running, key)
		s.mu.Unlock()
		close(c.done)
	}()
	return c
}
