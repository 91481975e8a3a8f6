// Package budget bounds and counts the calls that reach a platform. Every
// driver's transport passes through one Budget, so that what a platform is
// asked per second, and how often at once, is decided in one place.
//
// A budget made by Share is one for all workers of an installation. What a
// worker may do of it is leased in chunks from a place that all of them see, so
// that no call costs a look there. A part of each budget is left to calls that
// cannot wait, such as revocations: those of a context made by Urgent.
package budget

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/rollcall-iam/rollcall/internal/progress"
)

// Limits is a platform's budget as its document states it. Zero means no limit.
type Limits struct {
	// CallsPerSecond is the sustained rate; bursts of one second are allowed.
	// Above 1, four fifths of it are for ordinary calls. Urgent ones have the rest and
	// at least 1, which exceeds the rate where that is below 5.
	CallsPerSecond float64 `json:"callsPerSecond,omitempty"`
	// Concurrent is how many calls may be open at once. Ordinary calls get four
	// fifths of it, rounded down, but at least 1. Urgent ones have the rest and at
	// least 1, which makes two of one.
	Concurrent int `json:"concurrent,omitempty"`
	// Vendor is the rate that the vendor documents, 0 where none is known. Urgent calls
	// do not exceed it: where their reserve would, ordinary calls leave it to them, but
	// keep half. A CallsPerSecond above it counts as it is.
	Vendor float64 `json:"-"`
}

// rates returns how many ordinary calls a second there may be, and how many are for
// urgent ones alone.
func (l Limits) rates() (ordinary, urgent float64) {
	ordinary, urgent = l.CallsPerSecond, max(1, l.CallsPerSecond/5)
	if l.CallsPerSecond > 1 {
		ordinary = l.CallsPerSecond * 4 / 5
	}
	if vendor := max(l.Vendor, l.CallsPerSecond); l.Vendor > 0 && ordinary+urgent > vendor {
		urgent = min(urgent, vendor/2)
		ordinary = min(ordinary, vendor-urgent)
	}
	return ordinary, urgent
}

// Budget is passed by every call to one platform. A nil Budget has no limits.
type Budget struct {
	calls *gate

	shared Shared
	name   string

	mu   sync.Mutex
	keys map[string]*keyGate
}

// keyGate is the gate of one key, kept while anybody here holds or awaits it.
type keyGate struct {
	*gate
	users int
}

// New returns a budget that holds to limits, for this process alone.
func New(limits Limits) *Budget { return Share(nil, "", limits) }

// Share returns a budget that holds to limits together with all others of the
// same name that lease from shared; the name is the platform's identifier.
// Where shared cannot be reached, what was leased serves until it expires,
// after seconds; then calls wait.
func Share(shared Shared, name string, limits Limits) *Budget {
	return &Budget{
		calls:  newGate(limits, reserved, leaseOf(shared, name, linger)),
		shared: shared, name: name, keys: map[string]*keyGate{},
	}
}

// SetLimits changes the limits. Calls that wait follow the new ones at once, and calls
// that are open stay open.
func (b *Budget) SetLimits(limits Limits) { b.calls.setLimits(limits) }

// Pass waits until one more call fits the budget, counts it on the context's
// Meter and returns what to call when it ended. It fails with ctx's error, or
// with fault.ErrUnavailable when the place where a shared budget is kept has not
// answered for half a minute.
func (b *Budget) Pass(ctx context.Context) (done func(), err error) {
	meter, _ := ctx.Value(meterKey{}).(*Meter)
	done = func() {}
	if b != nil {
		waited, err := b.calls.enter(ctx)
		meter.wait(waited)
		if err != nil {
			return nil, err
		}
		done = b.calls.leaver(urgent(ctx))
	}
	meter.call()
	progress.Report(ctx, "pass the rate limit")
	return done, nil
}

// Hold waits until fewer than most others hold the key on this platform, and
// holds it until release is called: a platform that takes one change at a time
// for an account gets Hold(ctx, "account/…", 1). Others are those of all
// workers where the budget is shared. Keys name platform objects, never people.
// It fails as Pass does.
//
// A holder that loses its connection to the shared place loses the key after
// seconds, and cannot know: what a key protects has to bear that, as it bears a
// worker that dies.
func (b *Budget) Hold(ctx context.Context, key string, most int) (release func(), err error) {
	if b == nil {
		return func() {}, nil
	}
	gate := b.keyGate(key, most)
	waited, err := gate.enter(ctx)
	meter, _ := ctx.Value(meterKey{}).(*Meter)
	meter.wait(waited)
	if err != nil {
		b.dropKey(key, gate, 1)
		return nil, err
	}
	leave := gate.leaver(urgent(ctx))
	return sync.OnceFunc(func() {
		leave()
		b.dropKey(key, gate, 1)
	}), nil
}

// keyGate returns the gate of a key, for one more user.
func (b *Budget) keyGate(key string, most int) *keyGate {
	b.mu.Lock()
	defer b.mu.Unlock()
	known := b.keys[key]
	if known == nil {
		l := leaseOf(b.shared, b.name+" "+key, 0)
		known = &keyGate{gate: newGate(Limits{Concurrent: most}, everything, l)}
		if l != nil {
			gate := known
			l.ended = func() { b.dropKey(key, gate, 0) }
		}
		b.keys[key] = known
	}
	known.users++
	return known
}

// dropKey takes users off a key's gate, and forgets one that nobody uses any
// more and that leases nothing.
func (b *Budget) dropKey(key string, gate *keyGate, users int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	gate.users -= users
	if gate.users == 0 && b.keys[key] == gate && !gate.tending() {
		delete(b.keys, key)
	}
}

// Close gives back what this process leases of a shared budget, so that others
// need not wait until it expires, and ends with ctx if that takes longer. Calls
// that are open keep what they use. The budget can still be passed.
func (b *Budget) Close(ctx context.Context) {
	if b == nil {
		return
	}
	b.mu.Lock()
	gates := []*gate{b.calls}
	for _, key := range b.keys {
		gates = append(gates, key.gate)
	}
	b.mu.Unlock()
	for _, g := range gates {
		g.close(ctx)
	}
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

// linger is how long a worker keeps the slots it does not use.
const linger = 1500 * time.Millisecond
