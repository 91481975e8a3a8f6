package simulate

import (
	"math"
	"sync"
	"time"
)

// Throttle is a token bucket as vendors document theirs. The zero Throttle lets
// everything through. It is safe for use by many goroutines.
type Throttle struct {
	// PerSecond is how many tokens come back each second, Burst how many there
	// are at most.
	PerSecond float64
	Burst     float64

	mu   sync.Mutex
	left float64
	last time.Time
}

// Take takes n tokens and reports whether they were there; if not, nothing is
// taken and wait is how long until they are.
func (t *Throttle) Take(now time.Time, n float64) (wait time.Duration, ok bool) {
	if t.PerSecond <= 0 {
		return 0, true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last.IsZero() {
		t.left = t.Burst
	} else if now.After(t.last) {
		t.left = math.Min(t.Burst, t.left+now.Sub(t.last).Seconds()*t.PerSecond)
	}
	t.last = now
	if t.left < n {
		return time.Duration((n - t.left) / t.PerSecond * float64(time.Second)), false
	}
	t.left -= n
	return 0, true
}
