package budget_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-iam/rollcall/internal/budget"
)

// TestSetLimits changes the limits while 40 calls of 100 ms each wait or begin without
// end, and counts those that began in the ten seconds from one second after.
func TestSetLimits(t *testing.T) {
	tests := map[string]struct {
		reason      string
		before      budget.Limits
		after       budget.Limits
		least, most int
	}{
		"RateRaised":        {"calls that wait for a slow rate", budget.Limits{CallsPerSecond: 0.01}, budget.Limits{CallsPerSecond: 100}, 750, 850},
		"RateLowered":       {"calls that begin at a fast rate", budget.Limits{CallsPerSecond: 100}, budget.Limits{CallsPerSecond: 2}, 14, 18},
		"RateLifted":        {"calls that wait although there is no limit any more", budget.Limits{CallsPerSecond: 0.01}, budget.Limits{}, 3900, 4050},
		"RateImposed":       {"calls without a limit", budget.Limits{}, budget.Limits{CallsPerSecond: 2}, 14, 18},
		"ConcurrentRaised":  {"calls that wait for a slot", budget.Limits{Concurrent: 1}, budget.Limits{Concurrent: 20}, 1500, 1650},
		"ConcurrentLowered": {"calls that have many slots", budget.Limits{Concurrent: 20}, budget.Limits{Concurrent: 1}, 90, 105},
		"ConcurrentImposed": {"calls that have as many slots as they like", budget.Limits{}, budget.Limits{Concurrent: 5}, 380, 420},
	}
	for name, tc := range tests {
		for place, shared := range map[string]budget.Shared{"Alone": nil, "Shared": newShelf().seen()} {
			t.Run(name+place, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := budget.Share(shared, "p", tc.before)
					var l load
					var calls sync.WaitGroup
					ctx, cancel := context.WithCancel(t.Context())
					l.run(ctx, &calls, 0, 40, 100*time.Millisecond, b.Pass)
					time.Sleep(5 * time.Second)
					b.SetLimits(tc.after)
					time.Sleep(time.Second)
					before := l.calls()
					time.Sleep(10 * time.Second)
					got := l.calls() - before
					cancel()
					calls.Wait()
					if got < tc.least || got > tc.most {
						t.Errorf("%s: %d calls began after the change, want %d to %d", tc.reason, got, tc.least, tc.most)
					}
					time.Sleep(time.Minute)
				})
			})
		}
	}
}

// calls returns how many calls began.
func (l *load) calls() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.began)
}
