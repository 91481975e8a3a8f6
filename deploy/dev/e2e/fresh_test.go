package e2e

import (
	"testing"

	"github.com/rollcall-iam/rollcall/internal/engines/temporal"
)

// TestFreshNamespaceIsMadeReady starts on a Temporal that nobody prepared: the
// search attributes are Rollcall's to register. Which build is current is people's to
// say, once.
func TestFreshNamespaceIsMadeReady(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	bare, err := temporal.Start(t.Context(), temporal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bare.Stop() })
	s.environ = append(s.environ, "TEMPORAL_ADDRESS="+bare.Address(), "TEMPORAL_NAMESPACE="+bare.Namespace())
	_, org := memoryWorld(s, 1, 1)
	s.apply(org.documents())
	if code, out, errs := s.rollcall("", "replicate", "--all"); code != done {
		t.Errorf("before any worker: exit code %d, want the work stored\n%s%s", code, out, errs)
	}
	s.worker()
	s.eventually("a worker to become current", func() bool {
		code, _, _ := s.rollcall("", "worker", "current", firstBuild, "--yes")
		return code == done
	})
	if r := s.replicate(done); r.Failed != 0 || r.Tenants != 1 {
		t.Errorf("%+v, want one tenant and no failure", r)
	}
}
