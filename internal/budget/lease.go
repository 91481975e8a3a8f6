package budget

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	mathrand "math/rand/v2"
	"time"

	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/progress"
)

// Shared is a place that all workers of an installation see. It keeps a state
// by name, and says what time it is.
type Shared interface {
	// ReadBudget returns the state that is kept under a name, the version to
	// replace it by, 0 where nothing is kept, and the time.
	ReadBudget(ctx context.Context, name string) (state []byte, version int64, now time.Time, err error)
	// WriteBudget keeps a state in place of a version, and returns the version to
	// replace it by next, or false if somebody else did so since it was read. An empty
	// state is nothing kept.
	WriteBudget(ctx context.Context, name string, state []byte, version int64) (next int64, written bool, err error)
}

const (
	// interval is how often a busy worker asks anew.
	interval = 500 * time.Millisecond
	// answer is how long one question to the shared place may take.
	answer = 3 * time.Second
	// margin is taken off a lease's life, for clocks that do not run alike.
	margin = time.Second
	// endure is how long calls wait for a shared place that does not answer.
	endure = 30 * time.Second
	// soonest and latest bound how often a worker asks that lacks something.
	soonest = 25 * time.Millisecond
	latest  = 250 * time.Millisecond
	// refreshInterval is how often a worker asks that lacks nothing and has nothing to give, so
	// that others do not take it for dead.
	refreshInterval = 4 * time.Second
	// longest is the most that a worker waits for calls of a low rate before it asks
	// again. Others count it among those who wait for twice a chunk.
	longest = 750 * time.Millisecond
	// reuse is how long a worker that is alone relies on what it wrote last.
	reuse = ttl / 2
	// races is how often a worker tries to write before it waits a little.
	races = 8
)

// lease is a gate's part of what all workers share. But for what never changes,
// the gate's lock guards it.
type lease struct {
	shared Shared
	name   string
	worker string

	linger     time.Duration // how long slots stay that nobody uses
	slotsUntil time.Time     // the gate's slots are ours until then
	callsUntil time.Time     // and the calls in its bucket
	target     lanes
	used, peak lanes     // calls begun, and most open or waiting, since the last claim
	counted    time.Time // when that was

	tended  bool // somebody runs tend
	lacking bool // the last claim got less than it asked for: no use asking at once
	pause   time.Duration
	busy    time.Time // when somebody last was in or waited
	wake    chan struct{}
	err     error // of the last claim
	ended   func()
	last    written // used by claims only, one after another
}

// written is the state as a worker wrote it last.
type written struct {
	state   []byte
	version int64
	now, at time.Time // by the shared clock and by ours
	read    time.Time // when the shared clock was read
	single  bool      // no other worker is in it
}

// canReuse reports whether a claim need not read the state: one that is certain to write
// notices by the version whether somebody else wrote.
func (w written) canReuse(c claim) bool {
	return w.single && (c.calls != lanes{} || c.leaves()) && time.Since(w.read) < reuse
}

func leaseOf(shared Shared, name string, linger time.Duration) *lease {
	if shared == nil {
		return nil
	}
	return &lease{
		shared: shared, name: name, worker: rand.Text(), linger: linger,
		target: lanes{math.MaxInt32, math.MaxInt32}, wake: make(chan struct{}, 1),
	}
}

// call sees to it that somebody asks for what is lacking.
func (g *gate) call(ctx context.Context, urgent bool) {
	l := g.lease
	if !l.tended {
		l.tended, l.busy, l.pause, l.lacking = true, time.Now(), 0, false
		go g.tend(progress.Without(context.WithoutCancel(ctx)))
		return
	}
	if urgent || !l.lacking {
		l.wakeUp()
	}
}

func (l *lease) wakeUp() {
	select {
	case l.wake <- struct{}{}:
	default: // it is awake
	}
}

// giveBack stops using slots that are for others, as calls end in them, and has
// the others told. So it does when nobody needs a key here any more.
func (g *gate) giveBack() {
	kept := g.kept()
	less := kept != g.slots
	g.slots = kept
	if l := g.lease; l.tended && (less || l.linger == 0 && g.idle()) {
		l.wakeUp()
	}
}

// tending reports whether something is leased, or asked for.
func (g *gate) tending() bool {
	if g.lease == nil {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.lease.tended
}

// close lets the lease end as soon as nobody is in, and waits for that.
func (g *gate) close(ctx context.Context) {
	if !g.tending() {
		return
	}
	g.mu.Lock()
	g.lease.linger = 0
	g.lease.wakeUp()
	g.mu.Unlock()
	for g.tending() {
		select {
		case <-ctx.Done():
			return
		case <-time.After(soonest):
		}
	}
}

// tend leases what the gate needs until nobody needs it any more.
func (g *gate) tend(ctx context.Context) {
	for {
		asked := time.Now()
		c, limits := g.prepare(asked)
		got, err := g.lease.claim(ctx, limits, g.slotsOf, c)
		again, ok := g.accept(c, got, err, asked)
		if !ok {
			break
		}
		select {
		case <-g.lease.wake:
		case <-time.After(again):
		}
	}
	if g.lease.ended != nil {
		g.lease.ended()
	}
}

// prepare gives up the slots that are for others, and says what to ask for by which
// limits.
func (g *gate) prepare(now time.Time) (claim, Limits) {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.lease
	c := claim{worker: l.worker}
	if !g.idle() {
		l.busy = now
	} else if now.Sub(l.busy) >= l.linger {
		g.slots = lanes{}
		return c, g.limits
	}
	g.slots = g.kept()
	c.keep, c.want = g.slots, l.peak
	if l.linger > 0 && c.want.Ordinary > 0 {
		c.want.Ordinary++ // so that the next call need not ask
	}
	if c.want == (lanes{}) {
		c.want = lanes{Ordinary: 1} // it lingers
	}
	c.calls = g.calls(now)
	l.peak, l.used, l.counted = lanes{}, lanes{}, now
	g.note()
	return c, g.limits
}

// kept are the slots to hold on to: the fair share, and those with open calls,
// whichever lane's they began in.
func (g *gate) kept() lanes {
	k := lanes{Ordinary: max(g.open.Ordinary, min(g.slots.Ordinary, g.lease.target.Ordinary))}
	k.Ordinary = min(k.Ordinary, g.slots.Ordinary)
	k.Urgent = max(g.open.total()-k.Ordinary, min(g.slots.Urgent, g.lease.target.Urgent))
	k.Urgent = max(0, min(k.Urgent, g.slots.total()-k.Ordinary))
	return k
}

// calls says how many calls to ask for: what waits for them now and, so that one
// question serves for a while, what would begin in an interval as before.
func (g *gate) calls(now time.Time) (ask lanes) {
	if g.limits.CallsPerSecond == 0 {
		return ask
	}
	for _, urgent := range []bool{true, false} {
		if n := g.lane(urgent).Len(); n > 0 && !g.due(now, urgent) {
			per := min(interval, max(time.Millisecond, now.Sub(g.lease.counted)))
			*ask.of(urgent) = n + int(float64(*g.lease.used.of(urgent))*float64(interval)/float64(per))
		}
	}
	return ask
}

// accept takes what was granted, and says when to ask again, or false when
// nobody needs to.
func (g *gate) accept(c claim, got grant, err error, asked time.Time) (again time.Duration, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	l, now := g.lease, time.Now()
	if l.err = err; err != nil {
		return g.fail(now)
	}
	if c.leaves() {
		l.tended = !g.idle()
		l.slotsUntil, l.target, l.pause = time.Time{}, lanes{math.MaxInt32, math.MaxInt32}, 0
		return 0, l.tended
	}
	g.slots, l.target, l.slotsUntil = got.slots, got.target, asked.Add(got.valid-margin)
	if c.calls != (lanes{}) {
		g.bucket.Calls, g.bucket.Ordinary = float64(got.calls.total()), float64(got.calls.Ordinary)
		l.callsUntil = now.Add(chunk)
	}
	g.slots = g.kept()
	g.serve(now)
	if !g.idle() {
		l.busy = now
	}
	return g.next(got), true
}

// next says when to ask again.
func (g *gate) next(got grant) time.Duration {
	l := g.lease
	switch l.lacking = g.waiters() > 0; {
	case g.slots != got.slots, l.linger == 0 && g.idle():
		l.pause = soonest // others may wait for what is given back
	case l.lacking && got.wait > 0:
		l.pause = 0
		wait := min(longest, max(soonest, got.wait))
		return wait + mathrand.N(wait/4) //nolint:gosec // nothing is to be kept from being guessed
	case l.lacking:
		l.pause = min(latest, max(soonest, l.pause*2))
	case l.linger == 0 && g.open.total() >= g.slots.total():
		l.pause = 0
		return jitter(refreshInterval) // the key is told to be free when it is
	default:
		l.pause = 0
		return jitter(interval)
	}
	return jitter(l.pause)
}

// fail counts what did not work: calls wait for a while, then they fail too.
func (g *gate) fail(now time.Time) (again time.Duration, ok bool) {
	l := g.lease
	if g.idle() {
		l.tended = false // what is leased expires
		l.slotsUntil = time.Time{}
		return 0, false
	}
	for _, urgent := range []bool{true, false} {
		for place := g.lane(urgent).Front(); place != nil; place = g.lane(urgent).Front() {
			w, _ := place.Value.(*waiter)
			if now.Sub(w.since) < endure {
				break
			}
			g.dismiss(place, fmt.Errorf("budget: %w: the database that keeps %s has not answered for %s: %w",
				fault.ErrUnavailable, l.name, endure, l.err))
		}
	}
	l.lacking = true
	l.pause = min(8*latest, max(latest, l.pause*2))
	return jitter(l.pause), true
}

// claim asks the shared place, anew while others are faster.
func (l *lease) claim(ctx context.Context, limits Limits, slotsOf func(int) lanes, c claim) (grant, error) {
	for range races {
		got, written, err := l.try(ctx, limits, slotsOf, c)
		if err != nil || written {
			return got, err
		}
		time.Sleep(jitter(2 * time.Millisecond))
	}
	return grant{}, errRaces
}

// errRaces is no outage: it passes.
var errRaces = errors.New("others are always faster")

func (l *lease) try(ctx context.Context, limits Limits, slotsOf func(int) lanes, c claim) (grant, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, answer)
	defer cancel()
	base, err := l.base(ctx, c)
	if err != nil {
		return grant{}, false, err
	}
	now := base.now.Add(time.Since(base.at))
	var s state
	if len(base.state) > 0 {
		if err := json.Unmarshal(base.state, &s); err != nil {
			return grant{}, false, fmt.Errorf("budget: what is kept of %s: %w", l.name, err)
		}
	}
	got, changed := s.claim(limits, slotsOf, now, c)
	if !changed {
		return got, !base.single, nil // others are noticed by reading
	}
	next := written{now: now, at: time.Now(), read: base.read, single: len(s.Workers) < 2}
	if !s.empty(limits, now) {
		if next.state, err = json.Marshal(s); err != nil {
			return grant{}, false, fmt.Errorf("budget: what is kept of %s: %w", l.name, err)
		}
	}
	var ok bool
	if next.version, ok, err = l.shared.WriteBudget(ctx, l.name, next.state, base.version); ok {
		l.last = next
	}
	return got, ok, err
}

// base returns the state to change: that of the last claim if it may be reused, once, else
// what is kept. It is single only where it is reused.
func (l *lease) base(ctx context.Context, c claim) (written, error) {
	last := l.last
	l.last = written{}
	if last.canReuse(c) {
		return last, nil
	}
	state, version, now, err := l.shared.ReadBudget(ctx, l.name)
	read := time.Now()
	return written{state: state, version: version, now: now, at: read, read: read}, err
}

// jitter keeps workers from asking in step.
func jitter(d time.Duration) time.Duration {
	return d*3/4 + mathrand.N(max(1, d/2)) //nolint:gosec // nothing is to be kept from being guessed
}
