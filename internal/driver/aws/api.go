package aws

import (
	"context"
	"fmt"
	"time"

	"github.com/rollcall-iam/rollcall/internal/calls"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// atOnce is how many calls of one read or one step are open together.
const atOnce = 8

// pageSize is the longest page of Identity Store and SSO Admin, accountPage that
// of Organizations.
const (
	pageSize    int32 = 100
	accountPage int32 = 20
)

// api makes calls to AWS.
type api struct{ session *session }

// ask makes one call, and once more with credentials read again where the first
// ones have expired. That is the only retry there is.
func ask[O any](ctx context.Context, a *api, operation string, do func(context.Context, *clients) (*O, error)) (*O, error) {
	with, err := a.session.current(ctx)
	if err != nil {
		return nil, fmt.Errorf("aws: %w", err)
	}
	named := calls.WithDeadline(ctx, operation, calls.Default())
	answer, err := do(named, with)
	if err != nil && ctx.Err() == nil && a.session.stale(err) {
		if with, err = a.session.renew(ctx, with); err != nil {
			return nil, fmt.Errorf("aws: %w", err)
		}
		answer, err = do(named, with)
	}
	if err != nil {
		return nil, failure(ctx, operation, err)
	}
	if answer == nil {
		return nil, unreadable(operation)
	}
	return answer, nil
}

// page is a part of a list, and where it goes on.
type page[T any] struct {
	entries []T
	next    *string
}

// list reads all pages: all of it or an error. A list that is missing in an
// answer is no empty one.
func list[T any](operation string, read func(token *string) (page[T], error)) ([]T, error) {
	all, _, err := listUpTo(operation, 0, read)
	return all, err
}

// listUpTo reads at most so many pages, 0 for all of them, and reports whether
// the list ended there.
func listUpTo[T any](operation string, most int, read func(token *string) (page[T], error)) (all []T, whole bool, err error) {
	seen := map[string]bool{}
	var token *string
	for n := 1; ; n++ {
		p, err := read(token)
		switch {
		case err != nil:
			return nil, false, err
		case p.entries == nil:
			return nil, false, unreadable(operation)
		}
		all = append(all, p.entries...)
		if p.next == nil || *p.next == "" {
			return all, true, nil
		}
		if seen[*p.next] {
			return nil, false, fmt.Errorf("aws: %s: %w: a list that does not go on", operation, fault.ErrTruncated)
		}
		if n == most {
			return all, false, nil
		}
		seen[*p.next], token = true, p.next
	}
}

// each calls do for every item, several at once, and starts no more when one has
// failed. It lets those that are under way end: a write that is given up may
// arrive after the write that follows it.
func each[T any](ctx context.Context, items []T, do func(context.Context, int, T) error) error {
	return calls.Each(ctx, atOnce, items, do)
}

// pause waits, unless the caller leaves before.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return failure(ctx, "waiting", ctx.Err())
	case <-timer.C:
		return nil
	}
}

// backoff is the time between looks at something that takes its time: 0.1 s, and
// twice as long each time, up to 2 s.
type backoff struct{ next time.Duration }

// pause waits and returns how long that was.
func (b *backoff) pause(ctx context.Context) (time.Duration, error) {
	const first, most = 100 * time.Millisecond, 2 * time.Second
	if b.next == 0 {
		b.next = first
	}
	d := b.next
	b.next = min(2*d, most)
	return d, pause(ctx, d)
}
