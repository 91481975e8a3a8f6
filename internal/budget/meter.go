package budget

import (
	"context"
	"sync/atomic"
	"time"
)

// Meter counts the calls made on behalf of one context.
type Meter struct {
	calls, waited atomic.Int64
	outer         *Meter // counts the same calls; nil where there is none
}

// Calls returns how many calls were made.
func (m *Meter) Calls() int { return int(m.calls.Load()) }

// Waited returns how long calls waited for the budget, all of them together.
func (m *Meter) Waited() time.Duration { return time.Duration(m.waited.Load()) }

// Waited returns how long the calls of a context with a Meter waited, else zero.
func Waited(ctx context.Context) time.Duration {
	if m, ok := ctx.Value(meterKey{}).(*Meter); ok {
		return m.Waited()
	}
	return 0
}

func (m *Meter) call() {
	for ; m != nil; m = m.outer {
		m.calls.Add(1)
	}
}

func (m *Meter) wait(d time.Duration) {
	for ; m != nil && d > 0; m = m.outer {
		m.waited.Add(int64(d))
	}
}

type (
	meterKey  struct{}
	urgentKey struct{}
)

// WithMeter returns a context whose calls are counted, and the counter. A Meter that ctx has
// counts them, too.
func WithMeter(ctx context.Context) (context.Context, *Meter) {
	m := &Meter{}
	m.outer, _ = ctx.Value(meterKey{}).(*Meter)
	return context.WithValue(ctx, meterKey{}, m), m
}

// Urgent returns a context whose calls go first and may use all of a budget,
// the part too that ordinary calls leave. It is for taking access away by name.
func Urgent(ctx context.Context) context.Context {
	return context.WithValue(ctx, urgentKey{}, true)
}

func urgent(ctx context.Context) bool {
	is, _ := ctx.Value(urgentKey{}).(bool)
	return is
}
