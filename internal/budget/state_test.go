package budget

import (
	"encoding/json"
	"fmt"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// crowd is some workers that share a state, each as prudent as a gate: what it
// gives up it stops using before it says so, what it gets it uses after.
type crowd struct {
	state   state
	now     time.Time
	limits  Limits
	slots   map[string]lanes
	until   map[string]time.Time
	granted []leased
}

// leased is how many calls were leased when.
type leased struct {
	at    time.Time
	calls lanes
}

// TestSlotsAreNeverGivenTwice lets workers ask, give back, die and be late.
func TestSlotsAreNeverGivenTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := crowd{
			now: time.Unix(1e9, 0), slots: map[string]lanes{}, until: map[string]time.Time{},
			limits: Limits{Concurrent: rapid.IntRange(1, 12).Draw(t, "concurrent")},
		}
		slotsOf := everything
		if rapid.Bool().Draw(t, "reserved") {
			slotsOf = reserved
		}
		for range rapid.IntRange(1, 60).Draw(t, "claims") {
			c.now = c.now.Add(time.Duration(rapid.IntRange(0, 4000).Draw(t, "later")) * time.Millisecond)
			id := fmt.Sprint("w", rapid.IntRange(1, 4).Draw(t, "worker"))
			had := c.slots[id]
			if !c.now.Before(c.until[id]) {
				had = lanes{}
			}
			keep := lanes{Ordinary: rapid.IntRange(0, had.Ordinary).Draw(t, "keep")}
			keep.Urgent = rapid.IntRange(0, had.total()-keep.Ordinary).Draw(t, "keep urgent")
			ask := claim{worker: id, keep: keep, want: lanes{
				rapid.IntRange(keep.Ordinary, 20).Draw(t, "want"), rapid.IntRange(0, 5).Draw(t, "want urgent"),
			}}
			c.slots[id] = keep
			got, _ := c.state.claim(c.limits, slotsOf, c.now, ask)
			if rapid.IntRange(0, 9).Draw(t, "lost") > 0 { // else the answer never comes
				c.slots[id], c.until[id] = got.slots, c.now.Add(got.valid)
			}
			c.check(t, slotsOf)
		}
	})
}

func (c *crowd) check(t *rapid.T, slotsOf func(int) lanes) {
	t.Helper()
	var used lanes
	for id, s := range c.slots {
		if c.now.Before(c.until[id]) {
			used.Ordinary += s.Ordinary
			used.Urgent += s.Urgent
		}
	}
	if all := slotsOf(c.limits.Concurrent); used.Ordinary > all.Ordinary || used.total() > all.total() {
		t.Fatalf("of %d slots, %+v are given away", c.limits.Concurrent, used)
	}
}

// TestCallsKeepToTheRate: in no window more calls are leased than the rate and
// what may gather allow, to ordinary calls as to all.
func TestCallsKeepToTheRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := crowd{
			now:    time.Unix(1e9, 0),
			limits: Limits{CallsPerSecond: rapid.Float64Range(0.1, 100).Draw(t, "rate"), Vendor: rapid.Float64Range(0, 100).Draw(t, "vendor")},
		}
		for range rapid.IntRange(1, 60).Draw(t, "claims") {
			c.now = c.now.Add(time.Duration(rapid.IntRange(-50, 900).Draw(t, "later")) * time.Millisecond)
			got, _ := c.state.claim(c.limits, reserved, c.now, claim{
				worker: fmt.Sprint("w", rapid.IntRange(1, 4).Draw(t, "worker")),
				calls:  lanes{rapid.IntRange(0, 80).Draw(t, "calls"), rapid.IntRange(0, 80).Draw(t, "urgent")},
			})
			c.granted = append(c.granted, leased{c.now, got.calls})
		}
		f := sharedFlow(c.limits)
		for i, from := range c.granted {
			var all lanes
			end := from.at
			for _, g := range c.granted[i:] {
				all.Ordinary += g.calls.Ordinary
				all.Urgent += g.calls.Urgent
				if g.at.After(end) {
					end = g.at
				}
			}
			// A clock that goes back gives the time that it goes over again.
			over := backwards(c.granted[i:])
			seconds := (end.Sub(from.at) + over).Seconds()
			if got, most := float64(all.total()), f.most+seconds*f.rate+0.01; got > most {
				t.Fatalf("%v calls in %v seconds, want at most %v", got, seconds, most)
			}
			if got, most := float64(all.Ordinary), f.ordinate+seconds*f.ordinary+0.01; got > most {
				t.Fatalf("%v ordinary calls in %v seconds, want at most %v", got, seconds, most)
			}
		}
	})
}

func backwards(all []leased) (sum time.Duration) {
	for i, l := range all[1:] {
		sum += max(0, all[i].at.Sub(l.at))
	}
	return sum
}

// TestFairShares: nobody gets more than they want, all is given to those who
// want it, and nobody gets less than somebody who has more than they need.
func TestFairShares(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := state{Workers: map[string]*worker{}}
		n, wanted := rapid.IntRange(0, 20).Draw(t, "slots"), 0
		for i := range rapid.IntRange(1, 6).Draw(t, "workers") {
			w := &worker{Want: lanes{Ordinary: rapid.IntRange(0, 12).Draw(t, "want")}}
			w.Slots.Ordinary = rapid.IntRange(0, 4).Draw(t, "has")
			w.Turn = time.Unix(rapid.Int64Range(0, 9).Draw(t, "turn"), 0)
			wanted += w.Want.Ordinary
			s.Workers[strconv.Itoa(i)] = w
		}
		shares, sum := s.fair(n, time.Unix(5, 0)), 0
		for id, w := range s.Workers {
			sum += shares[id]
			if shares[id] > w.Want.Ordinary {
				t.Fatalf("worker %s gets %d and wants %d", id, shares[id], w.Want.Ordinary)
			}
			for other := range s.Workers {
				if shares[id] < w.Want.Ordinary && shares[other] > shares[id]+1 {
					t.Fatalf("worker %s gets %d and wants %d, while %s gets %d", id, shares[id], w.Want.Ordinary, other, shares[other])
				}
			}
		}
		if sum != min(n, wanted) {
			t.Fatalf("%d of %d slots are given to workers that want %d", sum, n, wanted)
		}
	})
}

// TestTheOddSlotGoesAround: of three workers that all want more, each has its
// turn.
func TestTheOddSlotGoesAround(t *testing.T) {
	var s state
	now := time.Unix(1e9, 0)
	target, turns := map[string]int{}, map[string]int{}
	for range 100 {
		for _, id := range []string{"a", "b", "c"} {
			now = now.Add(100 * time.Millisecond)
			had := 0
			if w := s.Workers[id]; w != nil {
				had = w.Slots.Ordinary
			}
			got, _ := s.claim(Limits{Concurrent: 2}, everything, now, claim{
				worker: id, keep: lanes{Ordinary: min(had, target[id])}, want: lanes{Ordinary: 9},
			})
			target[id] = got.target.Ordinary
			turns[id] += min(got.slots.Ordinary, target[id])
		}
	}
	for _, id := range []string{"a", "b", "c"} {
		if turns[id] < 45 {
			t.Errorf("the turns are %v: worker %s has too few", turns, id)
		}
	}
}

// FuzzState: whatever is kept under a budget's name, a claim neither panics nor
// gives more than there is.
func FuzzState(f *testing.F) {
	for _, text := range []string{
		`{}`, `{"workers":{"a":null}}`, `{"bucket":{"calls":10,"at":"2001-09-09T01:47:00Z"}}`,
		`{"workers":{"a":{"slots":{"ordinary":-9},"expires":"2001-09-09T01:46:45Z"}}}`, `{"bucket":{"calls":1e300,"ordinary":-1,"at":"2001-09-09T01:46:40Z"}}`,
		`{"workers":{"w":{"slots":{"ordinary":9,"urgent":-3},"expires":"2001-09-09T01:46:45Z"}}}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var s state
		if json.Unmarshal(text, &s) != nil {
			return
		}
		limits := Limits{Concurrent: 4, CallsPerSecond: 10}
		got, _ := s.claim(limits, reserved, time.Unix(1e9, 0), claim{
			worker: "w", keep: lanes{Ordinary: 1}, want: lanes{9, 9}, calls: lanes{99, 99},
		})
		if got.slots.total() > 4 || got.calls.total() > 6 {
			t.Errorf("%s: %+v", text, got)
		}
		if _, err := json.Marshal(s); err != nil {
			t.Error(err)
		}
	})
}
