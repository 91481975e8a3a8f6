package e2e

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/connection/connectiontest"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// TestWorkersShareARate: two worker processes together make no more calls than
// the connection allows. Alone each would be done in half the time.
func TestWorkersShareARate(t *testing.T) {
	t.Parallel()
	const rate, ordinary = 20, 16 // calls a second; the rest is for revocations
	s := newStack(t)
	file, org := memoryWorld(s, 12, 1)
	s.connect(limited(org.platform, file, rate))
	s.apply(org.documents())
	workers := []*exec.Cmd{s.worker(), s.worker()}
	began := time.Now()
	r := s.replicate(done)
	took := time.Since(began)
	if r.Changed != 12 || r.Failed > 0 {
		t.Fatalf("%+v, want 12 tenants changed", r)
	}
	// A second's worth may go at once.
	if least := time.Duration(float64(r.Calls-rate-1) / ordinary * float64(time.Second)); took < least {
		t.Errorf("%d calls took %s, want at least %s", r.Calls, took, least)
	}
	t.Logf("%d calls in %s", r.Calls, took)
	for i, log := range s.logs {
		if !strings.Contains(log.text(), "plan applied") {
			t.Errorf("worker %d applied no plan", i)
		}
	}
	for _, w := range workers {
		if err := w.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		_ = w.Wait() // how it ends is another test's
	}
	if left := s.budget("connection/sandbox.local"); strings.Contains(left, "workers") {
		t.Errorf("workers that stopped leave leases behind: %s", left)
	}
}

// limited returns the connection of a memory platform that takes so many calls a
// second.
func limited(platform, file string, rate int) string {
	return connectiontest.Of(platform, "memory", map[string]string{
		"file": strconv.Quote(file), "limits": fmt.Sprintf("{callsPerSecond: %d}", rate),
	})
}

// budget returns what workers share of a rate limit.
func (s *stack) budget(name string) string {
	s.t.Helper()
	db, err := store.Open(s.t.Context(), s.database)
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	state, _, _, err := db.ReadBudget(s.t.Context(), name)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(state)
}
