package budget

import (
	"math"
	"time"
)

// lanes are two quantities of one kind: what ordinary calls may use, and what
// only urgent ones may use beyond it.
type lanes struct {
	Ordinary int `json:"ordinary,omitempty"`
	Urgent   int `json:"reserved,omitempty"`
}

func (l *lanes) total() int { return l.Ordinary + l.Urgent }

// of returns a pointer to the quantity of a lane.
func (l *lanes) of(urgent bool) *int {
	if urgent {
		return &l.Urgent
	}
	return &l.Ordinary
}

// everything divides n slots where all are for ordinary calls, and reserved where some
// are for urgent ones alone: a fifth, and at least 1, which comes on top where ordinary
// calls have only 1.
func everything(n int) lanes { return lanes{Ordinary: n} }

func reserved(n int) lanes {
	if n == 0 {
		return lanes{}
	}
	ordinary := max(1, n*4/5)
	return lanes{Ordinary: ordinary, Urgent: max(1, n-ordinary)}
}

// flow is how calls come into a bucket.
type flow struct {
	rate, most         float64 // a second; how many fit
	ordinary, ordinate float64 // the same of what ordinary calls may use
}

// newFlow lets calls come at the limits' rates, and as many gather as come within burst,
// and some more. At least one call of the reserve gathers, so that the next urgent call
// finds it however many ordinary ones came before.
func newFlow(limits Limits, burst time.Duration, more float64) flow {
	ordinary, urgent := limits.rates()
	share := ordinary / (ordinary + urgent)
	if limits.CallsPerSecond <= 1 {
		share = 1
	}
	f := flow{rate: ordinary + urgent, ordinary: ordinary, ordinate: max(1, ordinary*burst.Seconds()+more*share)}
	f.most = f.ordinate + max(1, urgent*burst.Seconds()+more*(1-share))
	return f
}

// sharedFlow is the flow where chunks are leased. The one call more is for those
// that come while nobody looks, which is much of a small rate.
func sharedFlow(limits Limits) flow { return newFlow(limits, chunk, 1) }

// bucket holds the calls that may begin. The zero bucket is full.
type bucket struct {
	Calls    float64 `json:"calls"`
	Ordinary float64 `json:"ordinary"` // how many of them may be ordinary ones
	// At is when it was filled last.
	At time.Time `json:"at"`
}

// almost forgives what adding fractions of calls loses.
const almost = 1e-6

// fill adds what came since the bucket was filled last. A clock that went back
// adds nothing.
func (b *bucket) fill(f flow, now time.Time) {
	if b.At.IsZero() {
		b.Calls, b.Ordinary = f.most, f.ordinate
	}
	since := max(0, now.Sub(b.At).Seconds())
	b.Calls = min(f.most, b.Calls+since*f.rate)
	b.Ordinary = min(f.ordinate, b.Ordinary+since*f.ordinary)
	b.At = now
}

// full reports whether the bucket is as good as a new one.
func (b *bucket) full(f flow, now time.Time) bool {
	copied := *b
	copied.fill(f, now)
	return copied.Calls >= f.most && copied.Ordinary >= f.ordinate
}

// has reports whether a call may begin.
func (b *bucket) has(urgent bool) bool {
	return b.Calls >= 1-almost && (urgent || b.Ordinary >= 1-almost)
}

// take lets a call begin; a negative n takes it back.
func (b *bucket) take(urgent bool, n float64) {
	b.Calls -= n
	if !urgent {
		b.Ordinary -= n
	}
}

// until returns how long it is until a call may begin.
func (b *bucket) until(f flow, urgent bool) time.Duration {
	wait := (1 - b.Calls) / f.rate
	if !urgent {
		wait = max(wait, (1-b.Ordinary)/f.ordinary)
	}
	return max(time.Microsecond, time.Duration(math.Ceil(min(wait, 1e6)*1e9)))
}

// untilShare returns how long it is until it is worth asking again for calls of which only
// some were granted: for one urgent call, or for the share of four fifths of a chunk that
// one of several workers has in ordinary ones.
func (b *bucket) untilShare(f flow, got, ask lanes, workers float64) time.Duration {
	if got.Urgent < ask.Urgent {
		return b.until(f, true)
	}
	share := max(1, f.ordinary*chunk.Seconds()*0.8/workers)
	wait := max((share-b.Calls)/f.rate, (share-b.Ordinary)/f.ordinary)
	if workers > 1 { // the others take what is left; one alone would lose it, as it never catches up
		wait = max(wait, min(share, float64(got.Ordinary))*workers/f.ordinary)
	}
	return max(time.Microsecond, time.Duration(min(wait, 1e6)*1e9))
}

// lease takes as many calls as are asked for and there, urgent ones first, and
// of the ordinary ones at most fair.
func (b *bucket) lease(ask lanes, fair int) lanes {
	whole := func(calls float64) int { return int(max(0, calls+almost)) }
	got := lanes{Urgent: min(ask.Urgent, whole(b.Calls))}
	got.Ordinary = min(ask.Ordinary, fair, whole(b.Ordinary), whole(b.Calls)-got.Urgent)
	b.take(true, float64(got.Urgent))
	b.take(false, float64(got.Ordinary))
	return got
}
