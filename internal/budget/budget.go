// Package budget bounds and counts the calls that reach a platform. Every
// driver's transport passes through one Budget, so that what a platform is
// asked per second, and how often at once, is decided in one place.
package budget

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"
)

// Limits is a platform's budget as its document states it. Zero means no limit.
type Limits struct {
	// CallsPerSecond is the sustained rate; bursts of one second are allowed.
	CallsPerSecond float64 `json:"callsPerSecond,omitempty"`
	// Concurrent is how many calls may be open at once.
	Concurrent int `json:"concurrent,omitempty"`
}

// Budget is passed by every call to one platform. A nil Budget has no limits.
type Budget struct {
	rate *rate.Limiter
	open *semaphore.Weighted

	mu   sync.Mutex
	held map[string]*semaphore.Weighted
}

// New returns a budget that holds to limits.
func New(limits Limits) *Budget {
	b := &Budget{}
	if limits.CallsPerSecond > 0 {
		b.rate = rate.NewLimiter(rate.Limit(limits.CallsPerSecond), max(1, int(limits.CallsPerSecond)))
	}
	if limits.Concurrent > 0 {
		b.open = semaphore.NewWeighted(int64(limits.Concurrent))
	}
	return b
}

// Pass waits until one more call fits the budget, counts it on the context's
// Meter and returns what to call when it ended. It fails only with ctx's error.
func (b *Budget) Pass(ctx context.Context) (done func(), err error) {
	done = func() {}
	if b != nil && b.open != nil {
		if err := b.open.Acquire(ctx, 1); err != nil {
			return nil, err
		}
		done = func() { b.open.Release(1) }
	}
	if b != nil && b.rate != nil {
		if err := b.rate.Wait(ctx); err != nil {
			done()
			return nil, contextError(ctx)
		}
	}
	if m, ok := ctx.Value(meterKey{}).(*Meter); ok {
		m.calls.Add(1)
	}
	return done, nil
}

// Hold waits until fewer than most others hold the key on this platform, and
// holds it until release is called: a platform that takes one change at a time
// for an account gets Hold(ctx, "account/…", 1). Keys name platform objects,
// never people. It fails only with ctx's error.
func (b *Budget) Hold(ctx context.Context, key string, most int) (release func(), err error) {
	if b == nil {
		return func() {}, nil
	}
	b.mu.Lock()
	if b.held == nil {
		b.held = map[string]*semaphore.Weighted{}
	}
	slot, known := b.held[key]
	if !known {
		slot = semaphore.NewWeighted(int64(most))
		b.held[key] = slot
	}
	b.mu.Unlock()
	if err := slot.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	return func() { slot.Release(1) }, nil
}

// contextError returns ctx's error, or the one it is going to have: a limiter
// does not wait when it sees that the deadline comes first.
func contextError(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return context.DeadlineExceeded
}

// Transport returns next behind the budget. A call counts until its response
// headers are there.
func (b *Budget) Transport(next http.RoundTripper) http.RoundTripper {
	return transport{budget: b, next: next}
}

type transport struct {
	budget *Budget
	next   http.RoundTripper
}

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	done, err := t.budget.Pass(r.Context())
	if err != nil {
		if r.Body != nil {
			_ = r.Body.Close() // a RoundTripper closes it in every case
		}
		return nil, err
	}
	defer done()
	return t.next.RoundTrip(r)
}

// Meter counts the calls made on behalf of one context.
type Meter struct{ calls atomic.Int64 }

// Calls returns how many calls were made.
func (m *Meter) Calls() int { return int(m.calls.Load()) }

type meterKey struct{}

// WithMeter returns a context whose calls are counted, and the counter.
func WithMeter(ctx context.Context) (context.Context, *Meter) {
	m := &Meter{}
	return context.WithValue(ctx, meterKey{}, m), m
}
