package store_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/engines/postgres"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// twoWorkers returns two stores on one database, each with connections of its own.
func twoWorkers(t testing.TB) [2]*store.Store {
	t.Helper()
	url := postgres.ForTest(t)
	if _, err := store.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	var workers [2]*store.Store
	for i := range workers {
		s, err := store.Open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		workers[i] = s
	}
	return workers
}

// calls counts what workers do at once, and when.
type calls struct {
	mu                sync.Mutex
	began, open, most int
	by                [3]int // the workers, and urgent calls
}

func (c *calls) note(worker, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open += n
	c.most = max(c.most, c.open)
	if n > 0 {
		c.began++
		c.by[worker]++
	}
}

// saturate has n callers of a worker make calls until ctx ends.
func (c *calls) saturate(ctx context.Context, group *sync.WaitGroup, worker, n int, enter func(context.Context) (func(), error)) {
	for range n {
		group.Go(func() {
			for {
				leave, err := enter(ctx)
				if err != nil {
					return
				}
				c.note(worker, 1)
				time.Sleep(5 * time.Millisecond)
				c.note(worker, -1)
				leave()
			}
		})
	}
}

// TestWorkersShareABudget on a real database: the rate, the slots and the keys
// hold for both workers together, both get their part, and urgent calls get
// through meanwhile.
func TestWorkersShareABudget(t *testing.T) {
	const seconds = 4
	for _, tc := range []struct {
		reason string
		limits budget.Limits
		hold   int
		most   int // calls open at once
		total  int // calls in all
	}{
		{"rate", budget.Limits{CallsPerSecond: 50}, 0, 200, 50*(seconds+1) + 1},
		{"slots", budget.Limits{Concurrent: 5}, 0, 5, 1 << 30},
		{"keys", budget.Limits{}, 2, 2, 1 << 30},
	} {
		t.Run(tc.reason, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), seconds*time.Second)
			defer cancel()
			var c calls
			var group sync.WaitGroup
			var budgets []*budget.Budget
			for i, s := range twoWorkers(t) {
				b := budget.Share(s, "p", tc.limits)
				budgets = append(budgets, b)
				enter := b.Pass
				if tc.hold > 0 {
					enter = func(ctx context.Context) (func(), error) { return b.Hold(ctx, "account/1", tc.hold) }
				}
				c.saturate(ctx, &group, i, 50, enter)
			}
			for ctx.Err() == nil {
				for _, b := range budgets {
					done, err := b.Pass(budget.Urgent(t.Context()))
					if err != nil {
						t.Fatal(err)
					}
					if tc.limits.CallsPerSecond > 0 {
						c.note(2, 1)
						c.note(2, -1)
					}
					done()
				}
				time.Sleep(300 * time.Millisecond)
			}
			group.Wait()
			if c.most > tc.most {
				t.Errorf("%d at once, want at most %d", c.most, tc.most)
			}
			if c.began > tc.total {
				t.Errorf("%d calls in %d seconds, want at most %d", c.began, seconds, tc.total)
			}
			if c.by[0] < c.began/10 || c.by[1] < c.began/10 {
				t.Errorf("calls by worker %v: one has too few", c.by)
			}
			t.Logf("%d calls, %d at once, by worker %v", c.began, c.most, c.by)
		})
	}
}

// dying is a database that a worker cannot reach any more; later is one whose
// clock is ahead, which is how a test waits for a lease to expire.
type (
	dying struct {
		*store.Store
		dead *atomic.Bool
	}
	later struct {
		*store.Store
		by time.Duration
	}
)

func (d dying) WriteBudget(ctx context.Context, name string, state []byte, version int64) (int64, bool, error) {
	if d.dead.Load() {
		return 0, false, fmt.Errorf("dead: %w", context.DeadlineExceeded)
	}
	return d.Store.WriteBudget(ctx, name, state, version)
}

func (l later) ReadBudget(ctx context.Context, name string) (state []byte, version int64, now time.Time, err error) {
	state, version, now, err = l.Store.ReadBudget(ctx, name)
	return state, version, now.Add(l.by), err
}

// TestADeadWorkersLeasesComeBack: what a worker held that is not heard of any
// more is free again when its lease is over, by the database's clock.
func TestADeadWorkersLeasesComeBack(t *testing.T) {
	t.Parallel()
	workers, dead := twoWorkers(t), &atomic.Bool{}
	dies := budget.Share(dying{workers[0], dead}, "p", budget.Limits{Concurrent: 1})
	if _, err := dies.Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := dies.Hold(t.Context(), "account/1", 1); err != nil {
		t.Fatal(err)
	}
	dead.Store(true)
	for _, tc := range []struct {
		reason string
		shared budget.Shared
		free   bool
	}{
		{"a lease that is not over is respected", later{workers[1], 5 * time.Second}, false},
		{"one that is over counts no more", later{workers[1], 11 * time.Second}, true},
	} {
		b := budget.Share(tc.shared, "p", budget.Limits{Concurrent: 1})
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		if tc.free {
			ctx = t.Context()
		}
		_, err := b.Pass(ctx)
		_, held := b.Hold(ctx, "account/1", 1)
		cancel()
		if (err == nil) != tc.free || (held == nil) != tc.free {
			t.Errorf("%s: %v, %v", tc.reason, err, held)
		}
	}
}

func TestVersionsOfABudget(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	write := func(reason, state string, version int64, want bool) {
		t.Helper()
		_, got, err := s.WriteBudget(t.Context(), "p", []byte(state), version)
		if err != nil || got != want {
			t.Errorf("%s: %v, %v, want %v", reason, got, err, want)
		}
	}
	read := func(want string) int64 {
		t.Helper()
		state, version, now, err := s.ReadBudget(t.Context(), "p")
		if err != nil || string(state) != want || now.IsZero() {
			t.Fatalf("read %q at %s, %v, want %q", state, now, err, want)
		}
		return version
	}
	if v := read(""); v != 0 {
		t.Errorf("what is not there has version %d", v)
	}
	write("the first", `{"a": 1}`, 0, true)
	write("somebody was faster", `{"a": 2}`, 0, false)
	first := read(`{"a": 1}`)
	write("the next", `{"a": 3}`, first, true)
	write("somebody was faster", `{"a": 4}`, first, false)
	write("somebody was faster than the removal", "", first, false)
	second := read(`{"a": 3}`)
	write("removed", "", second, true)
	write("anew", `{"a": 5}`, 0, true)
	if third := read(`{"a": 5}`); third == first || third == second {
		t.Errorf("version %d comes again", third)
	}
}

// TestForgottenBudgetsGo: what workers left behind that died long ago goes when
// anybody gives something back.
func TestForgottenBudgetsGo(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	for _, name := range []string{"p dead", "p alive", "p"} {
		if _, _, err := s.WriteBudget(t.Context(), name, []byte(`{}`), 0); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Pool().Exec(t.Context(), "UPDATE rate_limits SET at = now() - interval '25 hours' WHERE name = 'p dead'"); err != nil {
		t.Fatal(err)
	}
	_, version, _, err := s.ReadBudget(t.Context(), "p")
	if err != nil {
		t.Fatal(err)
	}
	if _, removed, err := s.WriteBudget(t.Context(), "p", nil, version); err != nil || !removed {
		t.Fatalf("removed: %v, %v", removed, err)
	}
	for name, want := range map[string]bool{"p dead": false, "p alive": true, "p": false} {
		if _, version, _, err := s.ReadBudget(t.Context(), name); err != nil || (version != 0) != want {
			t.Errorf("%q is kept: %v, %v, want %v", name, version != 0, err, want)
		}
	}
}

// BenchmarkSharedPass is what a call pays whose budget a database keeps.
func BenchmarkSharedPass(b *testing.B) {
	limits := budget.Share(twoWorkers(b)[0], "p", budget.Limits{Concurrent: 8, CallsPerSecond: 1e9})
	for b.Loop() {
		done, err := limits.Pass(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		done()
	}
}
