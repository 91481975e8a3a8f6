package e2e

import (
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/driver/drivertest/faultproxy"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	"github.com/rollcall-iam/rollcall/internal/engines/keystone"
	"github.com/rollcall-iam/rollcall/internal/engines/postgres"
	"github.com/rollcall-iam/rollcall/internal/engines/temporal"
)

// keystoneFaultsTakeNothing lets one person come and another go
// while Keystone fails in one way after the other. Each time it ends as the
// documents say, without a twin and without a removal that nobody asked for.
func keystoneFaultsTakeNothing(t *testing.T) {
	s := newStack(t)
	server := keystone.ForTest(t, keystone.Options{})
	target, err := url.Parse(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	target.Path = ""
	proxy := faultproxy.New(t, target)
	c := newCloud(t, server, proxy.URL()+"/v3", 1, 5)
	s.connect(c.connection)
	s.worker(c.environ()...)
	s.apply(c.documents())
	s.replicate(done)

	faults := []struct {
		name  string
		fault faultproxy.Fault
	}{
		{"500", faultproxy.Fault{Status: http.StatusInternalServerError}},
		{"503", faultproxy.Fault{Status: http.StatusServiceUnavailable}},
		{"429 with Retry-After", faultproxy.Fault{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"1"}}}},
		{"token expired", faultproxy.Fault{Status: http.StatusUnauthorized}},
		{"connection dropped", faultproxy.Fault{Drop: true}},
		{"answer lost", faultproxy.Fault{Lose: true}},
		{"answer cut", faultproxy.Fault{Cut: true}},
		{"half a list", faultproxy.Fault{Truncate: true}},
		{"web page", faultproxy.Fault{Garbage: true}},
		{"slow", faultproxy.Fault{Delay: 300 * time.Millisecond}},
	}
	gone := bindingName(0, "user", 0)
	for i, f := range faults {
		documents := c.documents()
		want := map[string]int{"project-00-admin": 5, "project-00-user": 5, "project-00-reader": 5}
		if i%2 == 0 {
			documents, want["project-00-user"] = without(documents, gone), 4
		}
		s.apply(documents, "--prune", "--yes")
		times := 4
		if f.fault.Status == http.StatusUnauthorized {
			times = 1 // a second refusal is an answer
		}
		hits := proxy.Add(faultproxy.Rule{Match: calls, Skip: 1, Times: times, Fault: f.fault})
		r := s.replicate(done)
		if hits() == 0 && f.fault.Delay == 0 { // a delay is no failure, and not counted
			t.Errorf("%s: the fault struck nothing", f.name)
		}
		proxy.Clear()
		if r.Changed != 1 {
			t.Errorf("%s: %+v, want the tenant changed", f.name, r)
		}
		got := c.members(t.Context(), t)
		for group, n := range want {
			if got[group] != n || len(got) != len(want) {
				t.Errorf("%s: groups and members %v, want %v", f.name, got, want)
				break
			}
		}
	}
}

// calls are all but signing in, which has faults of its own.
func calls(r *http.Request) bool { return r.URL.Path != "/v3/auth/tokens" }

// slowly makes every write of a memory platform take a while, so that there is a
// middle of an apply.
func slowly(t *testing.T, file string) {
	t.Helper()
	breakPlatform(t, file, memory.Fault{Op: "write:*", Delay: memory.Duration(200 * time.Millisecond)})
}

// endsWell checks that the one tenant of a memory world with four people a role
// is complete.
func (s *stack) endsWell(t *testing.T, file string) {
	t.Helper()
	breakPlatform(t, file)
	if r := s.replicate(done); r.Failed != 0 {
		t.Errorf("in the end: %+v, want no failure", r)
	}
	w := world(t, file)
	if len(w.Groups) != 3 || len(w.Bindings) != 3 {
		t.Errorf("the platform has %d groups and %d bindings, want 3 of each", len(w.Groups), len(w.Bindings))
	}
	for _, g := range w.Groups {
		if len(g.Members) != 4 {
			t.Errorf("group %s has %d members, want 4", g.Name, len(g.Members))
		}
	}
	s.oneRecordAStep()
}

func TestDatabaseRestartsInTheMiddleOfAnApply(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts a real server: run without -short")
	}
	server, err := postgres.Start(t.Context(), postgres.Options{Dir: reachable(t), Fast: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop() })
	if err := server.CreateDatabase(t.Context(), "rollcall"); err != nil {
		t.Fatal(err)
	}
	s := stackOn(t, server.URL("rollcall"), temporal.Options{})
	file, org := memoryWorld(s, 1, 4)
	s.worker()
	s.apply(org.documents())
	slowly(t, file)
	s.must(done, "replicate", "--all")
	s.eventually("a group on the platform", func() bool { return len(world(t, file).Groups) > 0 })
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.endsWell(t, file)
}

func TestTemporalRestartsInTheMiddleOfAnApply(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := stackOn(t, postgres.ForTest(t), temporal.Options{Dir: dir})
	file, org := memoryWorld(s, 1, 4)
	s.worker()
	s.apply(org.documents())
	slowly(t, file)
	s.must(done, "replicate", "--all")
	s.eventually("a group on the platform", func() bool { return len(world(t, file).Groups) > 0 })
	s.restartTemporal(dir)
	s.endsWell(t, file)
}

func TestTwoWorkersAndTwoClientsAtOnce(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	file, org := memoryWorld(s, 1, 4)
	s.worker()
	s.worker()
	s.apply(org.documents())
	slowly(t, file)
	var clients sync.WaitGroup
	for _, args := range [][]string{
		{"replicate", "--all", "--wait"}, {"replicate", "acme.project-00/sandbox.local", "--wait"},
	} {
		clients.Go(func() {
			if code, out, errs := s.rollcall("", args...); code != done {
				t.Errorf("rollcall %v ended with %d\n%s%s", args, code, out, errs)
			}
		})
	}
	clients.Wait()
	s.endsWell(t, file)
}

func TestWaitingForAllWaitsForRunsOfOthersToo(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	file, org := memoryWorld(s, 1, 4)
	s.worker()
	s.apply(org.documents())
	breakPlatform(t, file, memory.Fault{Op: "write:*", Delay: memory.Duration(time.Second)})
	s.must(done, "replicate", "acme.project-00/sandbox.local")
	s.eventually("a group on the platform", func() bool { return len(world(t, file).Groups) > 0 })

	r := s.replicate(done)
	if r.Tenants != 1 || r.Failed != 0 {
		t.Errorf("replicate --all --wait: %+v, want the tenant that another run had in hand", r)
	}
	w := world(t, file)
	if len(w.Groups) != 3 || len(w.Bindings) != 3 {
		t.Errorf("it did not wait: the platform has %d groups and %d bindings, want 3 of each", len(w.Groups), len(w.Bindings))
	}
}
