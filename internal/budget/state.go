package budget

import (
	"cmp"
	"math"
	"slices"
	"time"
)

const (
	// ttl is how long a worker that is not heard of keeps its slots.
	ttl = 10 * time.Second
	// chunk is how long leased calls may be begun, and how much of the rate
	// gathers where it is shared: together with it, bursts are those of a second.
	chunk = 500 * time.Millisecond
	// turn is how long a slot stays with a worker while another lacks it.
	turn = time.Second
)

// state is what all workers share of one budget, or of one key. It changes by
// claims only, and time in it is that of the shared clock.
type state struct {
	Bucket  bucket             `json:"bucket,omitzero"`
	Workers map[string]*worker `json:"workers,omitempty"`
}

// worker is what the others know of one worker.
type worker struct {
	Slots lanes `json:"slots,omitzero"`     // its own until Expires
	Want  lanes `json:"requested,omitzero"` // how many it could use
	// Turn is since when it has as many slots as it has.
	Turn time.Time `json:"turn"`
	// Hungry is when it last got fewer calls than it asked for.
	Hungry time.Time `json:"denied,omitzero"`
	// Served is when it last got any.
	Served  time.Time `json:"granted,omitzero"`
	Expires time.Time `json:"expires"`
}

// claim is what a worker asks for.
type claim struct {
	worker string
	// keep are slots that it has and holds on to, want those that it could use.
	keep, want lanes
	// calls are those that it wants to begin now.
	calls lanes
}

// leaves reports whether the worker gives everything back.
func (c claim) leaves() bool {
	return c.keep == lanes{} && c.want == lanes{} && c.calls == lanes{}
}

// grant is what it gets.
type grant struct {
	slots lanes
	// target is its fair share: slots beyond it are for others, as soon as no call
	// is open in them.
	target lanes
	calls  lanes
	// wait is how long it is until more calls can be had, where some were refused.
	wait time.Duration
	// valid is how long the slots are its own.
	valid time.Duration
}

// claim grants what is free of what a worker asks for, and reports whether the
// state changed. Slots that others have are never granted.
func (s *state) claim(limits Limits, slotsOf func(int) lanes, now time.Time, c claim) (g grant, changed bool) {
	s.expire(now)
	was, known := s.Workers[c.worker]
	if c.leaves() {
		delete(s.Workers, c.worker)
		return grant{}, known
	}
	me := &worker{Turn: now}
	if known {
		copied := *was
		me = &copied
	}
	if s.Workers == nil {
		s.Workers = map[string]*worker{}
	}
	s.Workers[c.worker] = me
	me.Want = c.want
	if limits.Concurrent > 0 {
		g.target = s.slots(me, c, slotsOf(limits.Concurrent), now)
	}
	if limits.Concurrent > 0 && me.Slots.Ordinary == 0 {
		c.calls.Ordinary = 0 // they would expire before there is a slot to begin them in
	}
	if c.calls != (lanes{}) {
		g.calls, g.wait = s.calls(me, c.calls, limits, now)
	}
	fresh := ttl * 3 / 4
	if me.Slots.Ordinary < g.target.Ordinary {
		fresh = ttl - chunk // others wait for those who wait and were heard of lately
	}
	changed = !known || g.calls != lanes{} || !me.like(*was) || was.Expires.Sub(now) < fresh
	if changed {
		me.Expires = now.Add(ttl)
	}
	g.slots, g.valid = me.Slots, me.Expires.Sub(now)
	return g, changed
}

// like reports whether others see no difference.
func (w worker) like(o worker) bool {
	return w.Slots == o.Slots && w.Want == o.Want && w.Turn.Equal(o.Turn) && w.Hungry.Sub(o.Hungry) < chunk/2
}

// expire forgets workers that were not heard of. Where the clock went back,
// nobody keeps anything longer for it.
func (s *state) expire(now time.Time) {
	for id, w := range s.Workers {
		if w == nil || min(w.Slots.Ordinary, w.Slots.Urgent) < 0 || !now.Before(w.Expires) {
			delete(s.Workers, id)
		} else if last := now.Add(ttl); w.Expires.After(last) {
			copied := *w
			copied.Expires = last
			s.Workers[id] = &copied
		}
	}
}

// slots takes back what the worker gave up, gives it what is free of its share,
// and returns that share.
func (s *state) slots(me *worker, c claim, all lanes, now time.Time) lanes {
	total := min(me.Slots.total(), c.keep.total())
	had := me.Slots.Ordinary
	me.Slots.Ordinary = min(me.Slots.Ordinary, c.keep.Ordinary)
	me.Slots.Urgent = total - me.Slots.Ordinary
	var used, wanted lanes
	for _, w := range s.Workers {
		used.Ordinary += w.Slots.Ordinary
		used.Urgent += w.Slots.Urgent
		wanted.Urgent += w.Want.Urgent
	}
	free := max(0, all.total()-used.total())
	more := min(max(0, c.want.Urgent-me.Slots.Urgent), free)
	me.Slots.Urgent += more
	free -= more
	if me.Slots.Ordinary < had {
		me.Turn = now
	}
	shares := s.fair(min(all.Ordinary, max(0, all.total()-wanted.Urgent)), now)
	target := lanes{Urgent: c.want.Urgent, Ordinary: shares[c.worker]}
	free = min(free, all.Ordinary-used.Ordinary) - s.ahead(me, shares, now)
	if more = min(target.Ordinary-me.Slots.Ordinary, free); more > 0 {
		me.Slots.Ordinary += more
		me.Turn = now
	}
	return target
}

// ahead counts the slots that others lack of their shares who have lacked them
// for longer.
func (s *state) ahead(me *worker, shares map[string]int, now time.Time) int {
	n := 0
	for id, w := range s.Workers {
		if w != me && w.Turn.Before(me.Turn) && w.Expires.Sub(now) > ttl-3*chunk {
			n += max(0, shares[id]-w.Slots.Ordinary)
		}
	}
	return n
}

// fair divides n ordinary slots: nobody gets more than they want, nobody who
// wants more gets less than another, and what cannot be divided goes around.
func (s *state) fair(n int, now time.Time) map[string]int {
	ids := make([]string, 0, len(s.Workers))
	for id := range s.Workers {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b string) int {
		return cmp.Or(cmp.Compare(s.Workers[a].Want.Ordinary, s.Workers[b].Want.Ordinary), cmp.Compare(a, b))
	})
	shares := make(map[string]int, len(ids))
	for i, id := range ids {
		share := n / (len(ids) - i)
		if want := s.Workers[id].Want.Ordinary; want <= share {
			shares[id] = want
			n -= want
			continue
		}
		s.around(ids[i:], n, now, shares)
		break
	}
	return shares
}

// around divides n slots among workers that each want more than their part. The
// odd ones stay for a turn with those who have them, and then go to those who
// lack one, longest first. Who has had one for longest loses it first.
func (s *state) around(ids []string, n int, now time.Time, shares map[string]int) {
	part, odd := n/len(ids), n%len(ids)
	rank := func(w *worker) int {
		switch {
		case w.Slots.Ordinary <= part:
			return 1
		case now.Sub(w.Turn) < turn:
			return 0
		default:
			return 2
		}
	}
	slices.SortFunc(ids, func(a, b string) int {
		x, y := s.Workers[a], s.Workers[b]
		longest := x.Turn.Compare(y.Turn)
		if rank(x) != 1 {
			longest = -longest
		}
		return cmp.Or(cmp.Compare(rank(x), rank(y)), longest, cmp.Compare(a, b))
	})
	for i, id := range ids {
		shares[id] = part
		if i < odd {
			shares[id]++
		}
	}
}

// calls leases calls to a worker. While several lack calls, each gets its part
// of what came since it got some: who asks more often gets no more.
func (s *state) calls(me *worker, ask lanes, limits Limits, now time.Time) (got lanes, wait time.Duration) {
	f := sharedFlow(limits)
	filled := s.Bucket
	filled.fill(f, now)
	fair, hungry := f.ordinate, 1.0
	for _, w := range s.Workers {
		if w != me && now.Sub(w.Hungry) < 2*chunk {
			hungry++
		}
	}
	if hungry > 1 {
		fair = min(f.ordinate, f.ordinary*now.Sub(me.Served).Seconds()) / hungry
	}
	got = filled.lease(ask, max(1, int(math.Ceil(fair))))
	me.Hungry = time.Time{}
	if got.total() < ask.total() {
		me.Hungry = now
		wait = filled.untilShare(f, got, ask, hungry)
	}
	if got != (lanes{}) {
		s.Bucket, me.Served = filled, now
	}
	return got, wait
}

// empty reports whether nothing is lost when the state is forgotten.
func (s *state) empty(limits Limits, now time.Time) bool {
	if len(s.Workers) > 0 {
		return false
	}
	return limits.CallsPerSecond == 0 || s.Bucket.At.IsZero() || s.Bucket.full(sharedFlow(limits), now)
}
