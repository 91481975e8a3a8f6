package budget_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/budget"
)

// TestStatements counts the statements to the shared place for each call. Where calls were
// leased four times a second and every held key was renewed twice a second, the figures were
// 0.51, 0.99, 16.0 and 16.9, in the order of the table.
func TestStatements(t *testing.T) {
	limits := budget.Limits{CallsPerSecond: 20, Concurrent: 10}
	tests := map[string]struct {
		reason  string
		workers int
		enter   func(*budget.Budget, int) func(context.Context) (func(), error)
		callers int
		most    float64 // statements for each call
	}{
		"Rate":       {reason: "one worker wants more than the rate", workers: 1, callers: 30, enter: onlyCalls, most: 0.3},
		"RateShared": {reason: "two workers want more than the rate", workers: 2, callers: 30, enter: onlyCalls, most: 0.8},
		"Keys":       {reason: "tenants that hold keys while their calls wait", workers: 1, callers: 100, enter: withKeys, most: 5},
		"KeysShared": {reason: "the same on two workers", workers: 2, callers: 50, enter: withKeys, most: 6},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			workers(t, func(t *testing.T) {
				shelf, l := newShelf(), load{}
				ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
				defer cancel()
				var calls sync.WaitGroup
				for worker := range tc.workers {
					b := budget.Share(shelf.seen(), "p", limits)
					for caller := range tc.callers {
						l.run(ctx, &calls, worker, 1, 20*time.Millisecond, tc.enter(b, worker*tc.callers+caller))
					}
				}
				calls.Wait()
				reads, writes := float64(shelf.asked.Load()), float64(shelf.wrote.Load())
				got := (reads + writes) / float64(l.calls())
				t.Logf("%s: %d calls, %.0f reads and %.0f writes: %.2f statements for each call", tc.reason, l.calls(), reads, writes, got)
				if got > tc.most {
					t.Errorf("%s: %.2f statements for each call, want at most %v", tc.reason, got, tc.most)
				}
			})
		})
	}
}

// onlyCalls passes the rate limit.
func onlyCalls(b *budget.Budget, _ int) func(context.Context) (func(), error) { return b.Pass }

// withKeys holds the caller's key and one of ten turns for each call, as changes of
// assignments on AWS do.
func withKeys(b *budget.Budget, caller int) func(context.Context) (func(), error) {
	return func(ctx context.Context) (func(), error) {
		key, err := b.Hold(ctx, fmt.Sprint("account/", caller), 1)
		if err != nil {
			return nil, err
		}
		slot, err := b.Hold(ctx, "assignments", 10)
		if err != nil {
			key()
			return nil, err
		}
		done, err := b.Pass(ctx)
		if err != nil {
			slot()
			key()
			return nil, err
		}
		return func() { done(); slot(); key() }, nil
	}
}
