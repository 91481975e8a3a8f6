package probe_test

import (
	"context"
	"errors"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/deploy/dev/probe"
)

// scripted is a platform on which rights come and go when a test says so.
type scripted struct {
	mu     sync.Mutex
	rights map[probe.Right]bool
	groups []string
	fail   error
	looks  int
}

func (s *scripted) Ask(context.Context, string, []probe.Right) (map[probe.Right]bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looks++
	return maps.Clone(s.rights), s.fail
}

func (s *scripted) Groups(context.Context, string) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.groups, nil
}

// change does something and returns when it has been looked at.
func (s *scripted) change(t *testing.T, do func()) {
	t.Helper()
	s.mu.Lock()
	do()
	want := s.looks + 2
	s.mu.Unlock()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		s.mu.Lock()
		enough := s.looks >= want
		s.mu.Unlock()
		if enough {
			return
		}
	}
	t.Fatal("nobody looks")
}

var (
	ada = probe.Right{Account: "ada", Role: "admin"}
	ben = probe.Right{Account: "ben", Role: "reader"}
)

func watched(t *testing.T) (*scripted, *probe.Watch) {
	t.Helper()
	s := &scripted{rights: map[probe.Right]bool{ada: true, ben: true}, groups: []string{"old"}}
	w, err := probe.Start(t.Context(), "lab", s, []string{"t1"}, time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	return s, w
}

func stop(t *testing.T, w *probe.Watch) probe.Report {
	t.Helper()
	r, err := w.Stop(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestNoGapWhereNothingWasMissing(t *testing.T) {
	s, w := watched(t)
	s.change(t, func() { s.groups = []string{"new", "old"} })
	r := stop(t, w)
	if r.Longest() != 0 || r.Rights != 2 || r.Looks < 2 || r.Probes != 2*r.Looks || r.Apart == 0 {
		t.Errorf("report %+v, want two rights, some looks and no gap", r)
	}
	if r.Renamed() != 1 {
		t.Errorf("%d groups were renamed, want 1: before %v, after %v", r.Renamed(), r.Before, r.After)
	}
}

func TestGapsAreMeasured(t *testing.T) {
	s, w := watched(t)
	began := time.Now()
	s.change(t, func() { s.rights[ada] = false })
	time.Sleep(20 * time.Millisecond)
	missing := time.Since(began)
	s.change(t, func() { s.rights[ada] = true })
	s.change(t, func() { delete(s.rights, ben) }) // and never comes back
	r := stop(t, w)
	got := map[probe.Right]bool{}
	for _, g := range r.Gaps {
		got[g.Right] = true
		if g.Right == ada && g.Length < missing-5*time.Millisecond {
			t.Errorf("the gap of %v is too short, it lasted at least %v", g.Length, missing)
		}
	}
	if diff := cmp.Diff(map[probe.Right]bool{ada: true, ben: true}, got); diff != "" || len(r.Gaps) != 2 {
		t.Errorf("gaps %+v (-want +got):\n%s", r.Gaps, diff)
	}
}

func TestNoAnswerIsNoGap(t *testing.T) {
	s, w := watched(t)
	s.change(t, func() { s.fail = errors.New("busy") })
	s.change(t, func() { s.fail = nil })
	r := stop(t, w)
	if r.Longest() != 0 || r.Failed == 0 {
		t.Errorf("report %+v, want looks that failed and no gap", r)
	}
}

func TestNothingToWatchIsAnError(t *testing.T) {
	_, err := probe.Start(t.Context(), "lab", &scripted{}, []string{"t1"}, time.Millisecond)
	if !errors.Is(err, probe.ErrNothing) {
		t.Errorf("got the error %v, want ErrNothing", err)
	}
	_, err = probe.Start(t.Context(), "lab", &scripted{fail: errors.New("down")}, []string{"t1"}, time.Millisecond)
	if err == nil {
		t.Error("a platform that does not answer can be watched")
	}
}

// TestSharedAnswersAreNeverOlderThanTheQuestion: many questions cost few calls, and
// nobody gets an answer that was begun before they asked.
func TestSharedAnswersAreNeverOlderThanTheQuestion(t *testing.T) {
	var s probe.Shared[int64]
	var clock, fetched atomic.Int64
	var askers sync.WaitGroup
	for range 8 {
		askers.Go(func() {
			for range 200 {
				asked := clock.Add(1)
				began, err := s.Ask(func() (int64, error) {
					fetched.Add(1)
					now := clock.Add(1)
					time.Sleep(100 * time.Microsecond)
					return now, nil
				})
				if err != nil || began < asked {
					t.Errorf("the answer was begun at %d, asked for at %d, %v", began, asked, err)
				}
			}
		})
	}
	askers.Wait()
	if n := fetched.Load(); n == 0 || n >= 8*200 {
		t.Errorf("%d answers were fetched for %d questions, want fewer", n, 8*200)
	}
}
