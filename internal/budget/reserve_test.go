package budget_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-iam/rollcall/internal/budget"
)

// ordinaryLoad is ordinary calls without end on some workers, on a clock that stands still but
// for waiting.
type ordinaryLoad struct {
	limits  budget.Limits
	workers int           // 0 for a limit of one process
	length  time.Duration // of a call
}

// reservedWaits has urgent calls arrive in bursts during that load, and returns how long
// each waited, shortest first, and how many ordinary calls were made in how many seconds.
func (f ordinaryLoad) reservedWaits(t *testing.T, bursts, size int) (waits []time.Duration, ordinary int, seconds float64) {
	t.Helper()
	workers(t, func(t *testing.T) {
		var l load
		var calls sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		shelf := newShelf()
		var budgets []*budget.Budget
		for worker := range max(1, f.workers) {
			b := budget.New(f.limits)
			if f.workers > 0 {
				b = budget.Share(shelf.seen(), "p", f.limits)
			}
			budgets = append(budgets, b)
			l.run(ctx, &calls, worker, 30, f.length, b.Pass)
		}
		began := time.Now()
		for i := range bursts {
			time.Sleep(7300 * time.Millisecond)
			waits = append(waits, burst(t, budgets[i%len(budgets)], size, f.length)...)
		}
		seconds = time.Since(began).Seconds()
		cancel()
		calls.Wait()
		ordinary = len(l.began)
	})
	slices.Sort(waits)
	return waits, ordinary, seconds
}

// burst makes urgent calls at once and returns how long each waited.
func burst(t *testing.T, b *budget.Budget, size int, length time.Duration) []time.Duration {
	t.Helper()
	var mu sync.Mutex
	var waits []time.Duration
	var calls sync.WaitGroup
	for range size {
		calls.Go(func() {
			began := time.Now()
			done, err := b.Pass(budget.Urgent(t.Context()))
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			waits = append(waits, time.Since(began))
			mu.Unlock()
			time.Sleep(length)
			done()
		})
	}
	calls.Wait()
	return waits
}

// TestReservedCapacity: at every limit an urgent call begins at once, and further ones follow
// at one a second at least, however many ordinary calls there are.
func TestReservedCapacity(t *testing.T) {
	const size = 3
	for _, rate := range []float64{0.5, 1, 2, 5, 20} {
		for _, workers := range []int{0, 2} {
			for _, concurrent := range []int{1, 10} {
				t.Run(fmt.Sprintf("%v calls a second, %d at once, %d workers", rate, concurrent, workers), func(t *testing.T) {
					f := ordinaryLoad{
						limits: budget.Limits{CallsPerSecond: rate, Concurrent: concurrent}, workers: workers, length: 20 * time.Millisecond,
					}
					single, ordinary, seconds := f.reservedWaits(t, 10, 1)
					group, _, _ := f.reservedWaits(t, 10, size)
					first, last := single[len(single)-1], group[len(group)-1]
					t.Logf("one urgent call waited %s at most, one of %d %s; %.2f ordinary calls a second",
						first, size, last, float64(ordinary)/seconds)
					if first > 300*time.Millisecond {
						t.Errorf("an urgent call waited for %s", first)
					}
					if most := size * time.Second; last > most {
						t.Errorf("one of %d urgent calls waited for %s, want at most %s", size, last, most)
					}
					want := 0.9 * rate
					if rate > 1 {
						want *= 0.8
					}
					if concurrent < workers {
						want *= 0.3 // the one slot goes around, and leased calls expire meanwhile
					}
					if got := float64(ordinary) / seconds; got < want {
						t.Errorf("%v ordinary calls a second, want %v: the reserve takes more than its part", got, want)
					}
				})
			}
		}
	}
}

// TestReservedCapacity_VendorsLimit: nobody exceeds what the vendor documents.
func TestReservedCapacity_VendorsLimit(t *testing.T) {
	for _, rate := range []float64{0.5, 1, 2, 5, 20} {
		t.Run(fmt.Sprintf("%v calls a second", rate), func(t *testing.T) {
			var l load
			synctest.Test(t, func(t *testing.T) {
				b := budget.New(budget.Limits{CallsPerSecond: rate, Vendor: rate})
				ctx, cancel := context.WithTimeout(t.Context(), 100*time.Second+time.Millisecond)
				defer cancel()
				var calls sync.WaitGroup
				l.run(ctx, &calls, 0, 20, time.Millisecond, b.Pass)
				l.run(budget.Urgent(ctx), &calls, 1, 20, time.Millisecond, b.Pass)
				calls.Wait()
			})
			if got, most := len(l.began), int(rate*100+max(2, rate))+1; got > most {
				t.Errorf("%d calls in 100 s, want at most %d", got, most)
			}
			if l.by[1] == 0 {
				t.Error("no urgent call was made")
			}
		})
	}
}
