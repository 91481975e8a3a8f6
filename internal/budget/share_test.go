package budget_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

var errDown = errors.New("connection refused")

// shelf is the place that the workers of a test share.
type shelf struct {
	mu    sync.Mutex
	kept  map[string]entry
	last  int64
	asked atomic.Int64 // questions, of one read and at most one write each
	wrote atomic.Int64
}

type entry struct {
	state   string
	version int64
}

// seen is the shelf as one worker sees it, whose own clock means nothing.
type seen struct {
	*shelf
	down *atomic.Bool
}

func newShelf() *shelf { return &shelf{kept: map[string]entry{}} }

// state is what is kept under a name.
func (s *shelf) state(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kept[name].state
}

func (s *shelf) seen() seen { return seen{s, &atomic.Bool{}} }

func (s seen) ReadBudget(_ context.Context, name string) (state []byte, version int64, now time.Time, err error) {
	time.Sleep(time.Millisecond)
	s.asked.Add(1)
	if s.down.Load() {
		return nil, 0, time.Time{}, errDown
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.kept[name]
	return []byte(e.state), e.version, time.Now(), nil
}

func (s seen) WriteBudget(_ context.Context, name string, state []byte, version int64) (int64, bool, error) {
	time.Sleep(time.Millisecond)
	s.wrote.Add(1)
	if s.down.Load() {
		return 0, false, errDown
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept[name].version != version {
		return 0, false, nil
	}
	s.last++
	s.kept[name] = entry{string(state), s.last}
	if len(state) == 0 {
		delete(s.kept, name)
	}
	return s.kept[name].version, true, nil
}

// workers runs a test on a clock that stands still but for waiting, and waits
// for its workers to come to rest.
func workers(t *testing.T, test func(*testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		test(t)
		time.Sleep(time.Minute)
	})
}

// load is calls that workers make without end, and what came of them.
type load struct {
	mu    sync.Mutex
	began []time.Time
	by    map[int]int // calls by worker
	open  int
	most  int // open at once
}

// run has n callers of a worker make calls until ctx ends.
func (l *load) run(ctx context.Context, calls *sync.WaitGroup, worker, n int, length time.Duration, enter func(context.Context) (func(), error)) {
	for range n {
		calls.Go(func() {
			for {
				leave, err := enter(ctx)
				if err != nil {
					return
				}
				l.note(worker, 1)
				time.Sleep(length)
				l.note(worker, -1)
				leave()
			}
		})
	}
}

func (l *load) note(worker, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open += n
	l.most = max(l.most, l.open)
	if n > 0 {
		l.began = append(l.began, time.Now())
		if l.by == nil {
			l.by = map[int]int{}
		}
		l.by[worker]++
	}
}

// busiest returns how many calls began in any window of that length.
func (l *load) busiest(window time.Duration) int {
	most, from := 0, 0
	for i, t := range l.began {
		for t.Sub(l.began[from]) >= window {
			from++
		}
		most = max(most, i-from+1)
	}
	return most
}

// TestOneWorkerReachesTheRate: what is left in the bucket while a worker waits is not lost,
// also where it is a fraction of a call.
func TestOneWorkerReachesTheRate(t *testing.T) {
	for _, rate := range []float64{1.5, 2, 3, 5, 20} {
		workers(t, func(t *testing.T) {
			l := load{}
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			var calls sync.WaitGroup
			b := budget.Share(newShelf().seen(), "p", budget.Limits{CallsPerSecond: rate})
			l.run(ctx, &calls, 0, 30, time.Millisecond, b.Pass)
			calls.Wait()
			if got, want := float64(len(l.began)), 0.8*rate*300; got < 0.98*want || got > want+2*rate+2 {
				t.Errorf("%v calls in five minutes at %v a second, want %v", got, rate, want)
			}
		})
	}
}

// TestWorkersShareARate: two that want all of it get half of it each, and never
// more than it allows.
func TestWorkersShareARate(t *testing.T) {
	for _, rate := range []float64{0.5, 3, 20, 400} {
		workers(t, func(t *testing.T) {
			shelf, l := newShelf(), load{}
			ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
			defer cancel()
			var calls sync.WaitGroup
			for worker := range 2 {
				b := budget.Share(shelf.seen(), "p", budget.Limits{CallsPerSecond: rate})
				l.run(ctx, &calls, worker, 30, time.Millisecond, b.Pass)
			}
			calls.Wait()
			ordinary := rate
			if rate > 1 {
				ordinary *= 0.8
			}
			for _, seconds := range []int{1, 5, 30} {
				most := int(ordinary*float64(seconds+1)) + 1
				if got := l.busiest(time.Duration(seconds) * time.Second); got > most {
					t.Errorf("%d calls began within %d s at %v a second, want at most %d", got, seconds, rate, most)
				}
			}
			if got := float64(len(l.began)); got < 0.9*60*ordinary-1 {
				t.Errorf("%v calls in a minute at %v a second: much of the budget is lost", got, rate)
			}
			if l.by[0] < len(l.began)/4 || l.by[1] < len(l.began)/4 {
				t.Errorf("at %v a second the workers made %v calls: one has too few", rate, l.by)
			}
			if asked := shelf.asked.Load(); asked > 2*60*20 {
				t.Errorf("the shared place was asked %d times in a minute", asked)
			}
		})
	}
}

// TestWorkersShareSlots: together they never have more calls open than allowed,
// and each gets its part.
func TestWorkersShareSlots(t *testing.T) {
	for _, tc := range []struct{ limit, ordinary, workers int }{{1, 1, 2}, {2, 1, 3}, {8, 6, 2}, {8, 6, 3}, {100, 80, 3}} {
		workers(t, func(t *testing.T) {
			shelf, l := newShelf(), load{}
			ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
			defer cancel()
			var calls sync.WaitGroup
			for worker := range tc.workers {
				b := budget.Share(shelf.seen(), "p", budget.Limits{Concurrent: tc.limit})
				l.run(ctx, &calls, worker, 100, 50*time.Millisecond, b.Pass)
			}
			calls.Wait()
			if l.most > tc.ordinary {
				t.Errorf("%d calls of %d workers were open at once, want at most %d", l.most, tc.workers, tc.ordinary)
			}
			if got, all := len(l.began), tc.ordinary*60*20; got < all*6/10 {
				t.Errorf("%d calls were made where %d fit: much of the budget is lost", got, all)
			}
			for worker := range tc.workers {
				if l.by[worker] < len(l.began)/tc.workers/2 {
					t.Errorf("%d slots, calls by worker %v: worker %d has too few", tc.limit, l.by, worker)
				}
			}
			if asked := shelf.asked.Load(); asked > int64(tc.workers)*60*20 {
				t.Errorf("the shared place was asked %d times in a minute", asked)
			}
		})
	}
}

// TestAnIdleWorkerLeavesAll: who needs nothing keeps nothing, and is not heard of.
func TestAnIdleWorkerLeavesAll(t *testing.T) {
	workers(t, func(t *testing.T) {
		shelf := newShelf()
		b := budget.Share(shelf.seen(), "p", budget.Limits{Concurrent: 4, CallsPerSecond: 50})
		if _, err := pass(t.Context(), b, 10); err != nil {
			t.Fatal(err)
		}
		release, err := b.Hold(t.Context(), "account/1", 1)
		if err != nil {
			t.Fatal(err)
		}
		release()
		time.Sleep(5 * time.Second)
		shelf.mu.Lock()
		if len(shelf.kept) > 0 {
			t.Errorf("idle workers leave behind %v", shelf.kept)
		}
		shelf.mu.Unlock()
		asked := shelf.asked.Load()
		time.Sleep(time.Hour)
		if again := shelf.asked.Load(); again != asked {
			t.Errorf("an idle worker asked %d times", again-asked)
		}
	})
}

// TestAWorkerThatStopsLeavesAllAtOnce, but for what an open call uses.
func TestAWorkerThatStopsLeavesAllAtOnce(t *testing.T) {
	workers(t, func(t *testing.T) {
		stopping, other := newShelf(), newShelf()
		b := budget.Share(stopping.seen(), "p", budget.Limits{Concurrent: 4})
		if _, err := pass(t.Context(), b, 10); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		b.Close(t.Context())
		if took := time.Since(began); took > 100*time.Millisecond || len(stopping.state("p")) > 0 {
			t.Errorf("%s after it stopped, a worker leaves %s", took, stopping.state("p"))
		}
		b = budget.Share(other.seen(), "p", budget.Limits{Concurrent: 4})
		done, err := b.Pass(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		b.Close(ctx)
		if ctx.Err() == nil || other.state("p") == "" {
			t.Error("what an open call uses is given back")
		}
		done()
		var none *budget.Budget
		none.Close(t.Context())
		budget.New(budget.Limits{Concurrent: 1}).Close(t.Context())
	})
}

// TestUrgentCallsGetThrough while workers want all there is for ordinary ones.
func TestUrgentCallsGetThrough(t *testing.T) {
	workers(t, func(t *testing.T) {
		shelf, l := newShelf(), load{}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		var calls sync.WaitGroup
		var budgets []*budget.Budget
		for worker := range 2 {
			b := budget.Share(shelf.seen(), "p", budget.Limits{Concurrent: 5, CallsPerSecond: 20})
			budgets = append(budgets, b)
			l.run(ctx, &calls, worker, 30, 200*time.Millisecond, b.Pass)
		}
		for _, b := range budgets {
			time.Sleep(7 * time.Second)
			began := time.Now()
			done, err := b.Pass(budget.Urgent(t.Context()))
			if err != nil {
				t.Fatal(err)
			}
			if waited := time.Since(began); waited > 200*time.Millisecond {
				t.Errorf("an urgent call waited %s", waited)
			}
			done()
		}
		calls.Wait()
	})
}

// TestUrgentHoldsGoFirst: keys that others want without end are had soon by who
// takes access away.
func TestUrgentHoldsGoFirst(t *testing.T) {
	workers(t, func(t *testing.T) {
		shelf, l := newShelf(), load{}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		var calls sync.WaitGroup
		var budgets []*budget.Budget
		for worker := range 2 {
			b := budget.Share(shelf.seen(), "p", budget.Limits{})
			budgets = append(budgets, b)
			l.run(ctx, &calls, worker, 20, 200*time.Millisecond, func(ctx context.Context) (func(), error) {
				return b.Hold(ctx, "account/1", 1)
			})
		}
		for _, b := range budgets {
			time.Sleep(7 * time.Second)
			began := time.Now()
			release, err := b.Hold(budget.Urgent(t.Context()), "account/1", 1)
			if err != nil {
				t.Fatal(err)
			}
			if waited := time.Since(began); waited > time.Second {
				t.Errorf("an urgent hold waited %s", waited)
			}
			release()
		}
		calls.Wait()
	})
}

// TestKeysAreHeldByMostAtOnce lets workers hold keys in all ways.
func TestKeysAreHeldByMostAtOnce(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		most := rapid.IntRange(1, 3).Draw(r, "most")
		n := rapid.IntRange(1, 3).Draw(r, "workers")
		callers := rapid.IntRange(1, 5).Draw(r, "callers")
		length := time.Duration(rapid.IntRange(20, 2000).Draw(r, "ms")) * time.Millisecond
		workers(t, func(t *testing.T) {
			shelf, l := newShelf(), load{}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			var calls sync.WaitGroup
			for worker := range n {
				b := budget.Share(shelf.seen(), "p", budget.Limits{})
				l.run(ctx, &calls, worker, callers, length, func(ctx context.Context) (func(), error) {
					return b.Hold(ctx, "account/1", most)
				})
			}
			calls.Wait()
			if l.most > most || l.most == 0 {
				t.Errorf("%d hold a key that %d may", l.most, most)
			}
			for worker := range n {
				if l.by[worker] < len(l.began)/n/3 {
					t.Errorf("%d at once for %s each, holds by worker %v: worker %d has too few", most, length, l.by, worker)
				}
			}
		})
	})
}

// TestADeadWorkersLeasesComeBack after the seconds that they live.
func TestADeadWorkersLeasesComeBack(t *testing.T) {
	workers(t, func(t *testing.T) {
		shelf := newShelf()
		dying, other := shelf.seen(), shelf.seen()
		dead := budget.Share(dying, "p", budget.Limits{Concurrent: 1})
		alive := budget.Share(other, "p", budget.Limits{Concurrent: 1})
		done, err := dead.Pass(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		release, err := dead.Hold(t.Context(), "account/1", 1)
		if err != nil {
			t.Fatal(err)
		}
		dying.down.Store(true)
		began := time.Now()
		if _, err := pass(t.Context(), alive, 1); err != nil {
			t.Fatal(err)
		}
		again, err := alive.Hold(t.Context(), "account/1", 1)
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < 5*time.Second || took > 15*time.Second {
			t.Errorf("what a dead worker had leased came back after %s, want 10 s or so", took)
		}
		again()
		done()
		release()
	})
}

// TestAnOutageOfTheSharedPlace: what is leased serves for some seconds, then
// calls wait, then they fail and say why; and all is well when it is over.
func TestAnOutageOfTheSharedPlace(t *testing.T) {
	workers(t, func(t *testing.T) {
		place := newShelf().seen()
		b := budget.Share(place, "p", budget.Limits{Concurrent: 4})
		stay, err := b.Pass(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer stay()
		time.Sleep(time.Second)
		place.down.Store(true)
		began := time.Now()
		for err == nil && time.Since(began) < time.Minute {
			short, cancel := context.WithTimeout(t.Context(), time.Second)
			_, err = pass(short, b, 1)
			cancel()
			time.Sleep(100 * time.Millisecond)
		}
		if lasted := time.Since(began); lasted < 5*time.Second || lasted > 12*time.Second {
			t.Errorf("the lease served for %s, want until it expires", lasted)
		}
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, errDown) {
			t.Errorf("the error is %v, want the context's and the cause", err)
		}
		if _, err = pass(t.Context(), b, 1); !errors.Is(err, fault.ErrUnavailable) || !errors.Is(err, errDown) {
			t.Errorf("the error is %v, want %v with the cause", err, fault.ErrUnavailable)
		}
		place.down.Store(false)
		ctx, meter := budget.WithMeter(t.Context())
		if _, err := pass(ctx, b, 1); err != nil {
			t.Errorf("after the outage: %v", err)
		}
		if meter.Waited() == 0 {
			t.Error("nobody counts how long calls waited")
		}
	})
}

// TestACanceledWaiterLosesNothing: places that come to somebody who has just
// left go to the next.
func TestACanceledWaiterLosesNothing(t *testing.T) {
	workers(t, func(t *testing.T) {
		b := budget.Share(newShelf().seen(), "p", budget.Limits{Concurrent: 2, CallsPerSecond: 100})
		var calls sync.WaitGroup
		for i := range 200 {
			calls.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*time.Millisecond)
				defer cancel()
				_, _ = pass(ctx, b, 3)
			})
		}
		calls.Wait()
		if got, err := pass(t.Context(), b, 5); got != 5 {
			t.Errorf("%d of 5 calls passed after many were canceled: %v", got, err)
		}
	})
}

// BenchmarkPass is what a call pays that need not wait.
func BenchmarkPass(b *testing.B) {
	shelf := newShelf()
	for name, limits := range map[string]*budget.Budget{
		"none":   nil,
		"alone":  budget.New(budget.Limits{Concurrent: 8, CallsPerSecond: 1e9}),
		"shared": budget.Share(shelf.seen(), "p", budget.Limits{Concurrent: 8}),
	} {
		b.Run(name, func(b *testing.B) {
			shelf.asked.Store(0)
			b.ReportAllocs()
			for b.Loop() {
				done, err := limits.Pass(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				done()
			}
			b.ReportMetric(float64(shelf.asked.Load())/b.Elapsed().Seconds(), "questions/s")
		})
	}
}

func ExampleBudget_Hold() {
	b := budget.New(budget.Limits{})
	release, err := b.Hold(context.Background(), "account/1234", 1)
	if err != nil {
		return
	}
	defer release()
	fmt.Println("nobody else changes the account now")
	// Output: nobody else changes the account now
}
