package budget

import (
	"container/list"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/rollcall-iam/rollcall/internal/progress"
)

// gate lets calls through as its slots and its bucket allow: urgent ones first,
// else in the order in which they came.
type gate struct {
	slotsOf func(int) lanes // the slots of Concurrent
	lease   *lease          // nil where the limits are this process's own

	mu     sync.Mutex
	limits Limits
	flow   flow // where it is not leased
	// slots may be open here; urgent calls may use those of both lanes.
	slots, open lanes
	bucket      bucket
	waiting     [2]list.List // of *waiter: ordinary and urgent ones
	timer       *time.Timer
}

// waiter is a call that waits. err is set before ready is closed.
type waiter struct {
	urgent bool
	since  time.Time
	ready  chan struct{}
	err    error
	place  *list.Element
}

func newGate(limits Limits, slotsOf func(int) lanes, l *lease) *gate {
	g := &gate{limits: limits, slotsOf: slotsOf, lease: l}
	if l == nil {
		g.flow, g.slots = newFlow(limits, time.Second, 0), slotsOf(limits.Concurrent)
	}
	return g
}

// setLimits changes the limits and lets those begin who may now. What is leased by the old
// limits is not used any more.
func (g *gate) setLimits(limits Limits) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if limits == g.limits {
		return
	}
	now := time.Now()
	if g.lease == nil {
		g.bucket.fill(g.flow, now) // by the old rate until now
		g.flow, g.slots = newFlow(limits, time.Second, 0), g.slotsOf(limits.Concurrent)
	} else {
		g.lease.callsUntil = time.Time{}
		g.lease.wakeUp()
	}
	g.limits = limits
	g.serve(now)
}

// enter waits until a call may begin, and returns how long that took.
func (g *gate) enter(ctx context.Context) (time.Duration, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	first := urgent(ctx)
	now := time.Now()
	g.mu.Lock()
	if g.lane(true).Len() == 0 && (first || g.lane(false).Len() == 0) && g.admit(now, first) {
		g.note()
		g.mu.Unlock()
		return 0, nil
	}
	w := &waiter{urgent: first, since: now, ready: make(chan struct{})}
	w.place = g.lane(first).PushBack(w)
	g.note()
	g.serve(now)
	if w.place != nil && g.lease != nil {
		g.call(ctx, first)
	}
	g.mu.Unlock()
	defer progress.Start(ctx, "wait for the rate limit", 0).End()
	select {
	case <-w.ready:
		return time.Since(now), w.err
	case <-ctx.Done():
		return time.Since(now), g.desert(w, ctx.Err())
	}
}

func (g *gate) lane(urgent bool) *list.List {
	if urgent {
		return &g.waiting[1]
	}
	return &g.waiting[0]
}

// admit lets a call begin if it may.
func (g *gate) admit(now time.Time, urgent bool) bool {
	if !g.room(now, urgent) || !g.due(now, urgent) {
		return false
	}
	*g.open.of(urgent)++
	if g.limits.CallsPerSecond > 0 {
		g.bucket.take(urgent, 1)
	}
	if g.lease != nil {
		*g.lease.used.of(urgent)++
	}
	return true
}

// room reports whether one more call may be open.
func (g *gate) room(now time.Time, urgent bool) bool {
	if g.limits.Concurrent == 0 {
		return true
	}
	if g.lease != nil && !now.Before(g.lease.slotsUntil) {
		return false
	}
	return g.open.total() < g.slots.total() && (urgent || g.open.Ordinary < g.slots.Ordinary)
}

// due reports whether the rate allows one more call.
func (g *gate) due(now time.Time, urgent bool) bool {
	if g.limits.CallsPerSecond == 0 {
		return true
	}
	if g.lease == nil {
		g.bucket.fill(g.flow, now)
	} else if !now.Before(g.lease.callsUntil) {
		return false
	}
	return g.bucket.has(urgent)
}

// serve lets those begin who may, and sees to it that the rest is not forgotten.
func (g *gate) serve(now time.Time) {
	for _, urgent := range []bool{true, false} {
		for g.lane(urgent).Len() > 0 {
			if !g.admit(now, urgent) {
				g.comeBack(now, urgent)
				return
			}
			g.dismiss(g.lane(urgent).Front(), nil)
		}
	}
}

// comeBack serves again when the next call is due. Slots come back by themselves,
// with the calls that end, and leases with those who tend them.
func (g *gate) comeBack(now time.Time, urgent bool) {
	if g.lease != nil || g.due(now, urgent) {
		return
	}
	if g.timer != nil {
		g.timer.Stop()
	}
	g.timer = time.AfterFunc(g.bucket.until(g.flow, urgent), func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.serve(time.Now())
	})
}

// dismiss ends the waiting of one.
func (g *gate) dismiss(place *list.Element, err error) {
	w, _ := place.Value.(*waiter)
	g.lane(w.urgent).Remove(place)
	w.place, w.err = nil, err
	close(w.ready)
}

// leaver returns what ends a call.
func (g *gate) leaver(urgent bool) func() {
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.leave(urgent)
	}
}

func (g *gate) leave(urgent bool) {
	*g.open.of(urgent)--
	if g.lease != nil {
		g.giveBack()
	}
	if g.waiters() > 0 {
		g.serve(time.Now())
	}
}

func (g *gate) waiters() int { return g.lane(true).Len() + g.lane(false).Len() }

// desert ends the waiting of one whose context ended. If its turn came in the
// same moment, the turn goes to the next.
func (g *gate) desert(w *waiter, cause error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if w.place == nil {
		if w.err != nil {
			return w.err
		}
		if g.limits.CallsPerSecond > 0 {
			g.bucket.take(w.urgent, -1)
		}
		g.leave(w.urgent)
		return cause
	}
	g.dismiss(w.place, cause)
	g.serve(time.Now()) // an urgent one that left may have been in the way
	if g.lease != nil && g.lease.err != nil {
		return fmt.Errorf("budget: %w while it waited for the database that keeps %s: %w", cause, g.lease.name, g.lease.err)
	}
	return cause
}

// note remembers how many calls wanted to be open at once.
func (g *gate) note() {
	if l := g.lease; l != nil {
		l.peak.Ordinary = max(l.peak.Ordinary, g.open.Ordinary+g.lane(false).Len())
		l.peak.Urgent = max(l.peak.Urgent, g.open.Urgent+g.lane(true).Len())
	}
}

// idle reports whether nobody is in and nobody waits.
func (g *gate) idle() bool {
	return g.open == lanes{} && g.waiters() == 0
}
