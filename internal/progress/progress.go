// Package progress tells whether work goes on.
//
// A Reporter is carried by a context. Code that calls other systems tells it when
// an operation starts, receives something and ends; code that computes tells it
// when a phase ends. Whoever started the work asks Stalled now and then:
//
//	ctx, reporter := progress.With(ctx)
//	go work(ctx)
//	...
//	if stall := reporter.Stalled(time.Now(), progress.Limits{Phase: time.Minute}); stall != nil {
//		cancel(stall)
//	}
//
// Without a Reporter in the context all functions do nothing.
package progress

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Limits say when work has stalled.
type Limits struct {
	// Phase is how long work may go on between two reports while no operation runs.
	Phase time.Duration
	// Grace is how long an operation may go on after its own limit, within which it
	// should have ended by itself.
	Grace time.Duration
}

// StallError is the error of work that does not go on.
type StallError struct {
	// Operation is what runs for too long, or the last phase that ended. It names no
	// user.
	Operation string
	// Running is true for an operation, and false for work after a phase.
	Running bool
	// Since is how long ago the last progress was.
	Since time.Duration
}

// Error implements error.
func (s *StallError) Error() string {
	since := s.Since.Round(time.Second)
	if s.Running {
		return fmt.Sprintf("no progress for %s in %q, which did not end by its deadline", since, s.Operation)
	}
	return fmt.Sprintf("no progress for %s after %q", since, s.Operation)
}

// Reporter collects the reports of one piece of work. It is safe for use by many
// goroutines.
type Reporter struct {
	mu      sync.Mutex
	last    time.Time
	phase   string
	running map[*Operation]struct{}
	joined  map[*Reporter]int // others whose progress this work waits for
}

type reporterKey struct{}

// With returns a context that carries a new Reporter.
func With(ctx context.Context) (context.Context, *Reporter) {
	r := &Reporter{
		last: time.Now(), phase: "start", running: map[*Operation]struct{}{}, joined: map[*Reporter]int{},
	}
	return context.WithValue(ctx, reporterKey{}, r), r
}

func of(ctx context.Context) *Reporter {
	r, _ := ctx.Value(reporterKey{}).(*Reporter)
	return r
}

// Without returns a context without a Reporter, for work that outlives what ctx is for.
func Without(ctx context.Context) context.Context {
	return context.WithValue(ctx, reporterKey{}, (*Reporter)(nil))
}

// Report tells that a phase of the work ended. The phase names no user.
func Report(ctx context.Context, phase string) {
	r := of(ctx)
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last, r.phase = time.Now(), phase
}

// Operation is a part of the work that another system has to end. A nil Operation
// belongs to a context without a Reporter.
type Operation struct {
	reporter *Reporter
	name     string
	limit    time.Duration
	last     time.Time
}

// Start tells that an operation starts, which has stalled when it makes no progress
// for longer than limit. With a limit of 0 it never stalls: queueing takes as long as
// it takes. The name names no user.
func Start(ctx context.Context, name string, limit time.Duration) *Operation {
	r := of(ctx)
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	o := &Operation{reporter: r, name: name, limit: limit, last: time.Now()}
	r.last = o.last
	r.running[o] = struct{}{}
	return o
}

// End tells that the operation ended, well or not. More than one End is one.
func (o *Operation) End() {
	if o == nil {
		return
	}
	r := o.reporter
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, running := r.running[o]; running {
		delete(r.running, o)
		r.last, r.phase = time.Now(), o.name
	}
}

// Join lets the context's work wait for the work of another Reporter: until stop is
// called, it stalls when and only when the other work does.
func Join(ctx context.Context, other *Reporter) (stop func()) {
	r := of(ctx)
	if r == nil || r == other {
		return func() {}
	}
	r.join(other, 1)
	return sync.OnceFunc(func() { r.join(other, -1) })
}

func (r *Reporter) join(other *Reporter, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = time.Now()
	if r.joined[other] += n; r.joined[other] == 0 {
		delete(r.joined, other)
	}
}

// Stalled returns what does not go on, nil while the work makes progress.
func (r *Reporter) Stalled(now time.Time, limits Limits) *StallError {
	r.mu.Lock()
	stall, waits := r.stalled(now, limits)
	others := make([]*Reporter, 0, len(r.joined))
	for other := range r.joined {
		others = append(others, other)
	}
	r.mu.Unlock()
	for _, other := range others {
		waits = true
		if found := other.Stalled(now, limits); found != nil && (stall == nil || found.Since > stall.Since) {
			stall = found
		}
	}
	if stall == nil && !waits {
		stall = r.idle(now, limits)
	}
	return stall
}

// stalled returns the operation that has stalled for longest, and whether any
// operation runs.
func (r *Reporter) stalled(now time.Time, limits Limits) (stall *StallError, running bool) {
	for o := range r.running {
		since := now.Sub(o.last)
		if o.limit > 0 && since > o.limit+limits.Grace && (stall == nil || since > stall.Since) {
			stall = &StallError{Operation: o.name, Running: true, Since: since}
		}
	}
	return stall, len(r.running) > 0
}

// idle returns the work after a phase that takes too long.
func (r *Reporter) idle(now time.Time, limits Limits) *StallError {
	r.mu.Lock()
	defer r.mu.Unlock()
	if since := now.Sub(r.last); len(r.running) == 0 && since > limits.Phase {
		return &StallError{Operation: r.phase, Since: since}
	}
	return nil
}
