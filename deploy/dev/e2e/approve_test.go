package e2e

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// heldOn is what rollcall approve lists.
type heldOn struct {
	Tenant, Platform, Digest string
	Steps                    []struct{ Kind, Object string }
}

func (s *stack) held() []heldOn {
	s.t.Helper()
	var held []heldOn
	if err := json.Unmarshal([]byte(s.must(done, "approve", "-o", "json")), &held); err != nil {
		s.t.Fatal(err)
	}
	return held
}

// members counts the members of each group of the first tenant.
func membersOf(t *testing.T, file string) map[string]int {
	t.Helper()
	got := map[string]int{}
	for _, g := range world(t, file).Groups {
		got[g.Name] = len(g.Members)
	}
	return got
}

// TestApprovedRemovalsGoOn: what a guard holds waits, shows itself, and goes on
// when somebody approves exactly that.
func TestApprovedRemovalsGoOn(t *testing.T) {
	t.Parallel()
	const tenant = "acme.project-00/sandbox.local"
	s := newStack(t)
	file, org := memoryWorld(s, 1, 5)
	s.worker()
	s.apply(org.documents())
	s.replicate(done)

	var leavers []string
	for n := range 4 {
		leavers = append(leavers, bindingName(0, "user", n))
	}
	s.apply(without(org.documents(), leavers...), "--prune", "--yes")
	s.replicate(waiting)
	held := s.held()
	if len(held) != 1 || len(held[0].Steps) != 1 || held[0].Digest == "" {
		t.Fatalf("what waits is %+v, want one removal on one tenant", held)
	}
	digest := held[0].Digest

	if code, _, errs := s.rollcall("", "approve", tenant, "0123456789ab", "--reason", "r", "--as", "ada"); code != invalid || !strings.Contains(errs, digest) {
		t.Errorf("approving something else ended with %d and said %q, want %d and the digest %s", code, errs, invalid, digest)
	}
	s.must(done, "reject", tenant, digest, "--reason", "wrong export", "--as", "ada", "--only", person("user", 0)+"@example.com")
	out := s.must(waiting, "approve", tenant, digest, "--reason", "team was dissolved", "--as", "ada", "--wait",
		"--only", person("user", 1)+"@example.com", "--only", person("user", 2)+"@example.com")
	if want := map[string]int{"project-00-admin": 5, "project-00-user": 3, "project-00-reader": 5}; !cmp.Equal(want, membersOf(t, file)) {
		t.Errorf("two of four were approved (-want +got):\n%s\n%s", cmp.Diff(want, membersOf(t, file)), out)
	}

	rest := s.held()
	if len(rest) != 1 || rest[0].Digest == digest {
		t.Fatalf("what waits now is %+v, want the rest under another digest", rest)
	}
	if out := s.must(done, "status", "--warnings"); !strings.Contains(out, "wrong export") {
		t.Errorf("the remark does not say who rejected it and why:\n%s", out)
	}
	s.must(done, "approve", tenant, rest[0].Digest, "--reason", "it was right", "--as", "ada", "--wait")
	if want := map[string]int{"project-00-admin": 5, "project-00-user": 1, "project-00-reader": 5}; !cmp.Equal(want, membersOf(t, file)) {
		t.Errorf("all four were approved (-want +got):\n%s", cmp.Diff(want, membersOf(t, file)))
	}
	if held := s.held(); len(held) != 0 {
		t.Errorf("something still waits: %+v", held)
	}
	s.oneRecordAStep()
}

// TestRemovedTenantIsCleanedUpWhenApproved: its groups are held while people are
// in them, and gone without a trace when somebody says so.
func TestRemovedTenantIsCleanedUpWhenApproved(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	file, org := memoryWorld(s, 2, 3)
	s.worker()
	s.apply(org.documents())
	s.replicate(done)
	s.must(done, "delete", "meshTenant", "acme.project-01/sandbox.local", "--yes")
	s.replicate(waiting)
	held := s.held()
	if len(held) != 1 {
		t.Fatalf("what waits is %+v, want the removed tenant", held)
	}
	s.must(done, "approve", "acme.project-01/sandbox.local", held[0].Digest, "--reason", "project ended", "--as", "ada", "--wait")
	for _, g := range world(t, file).Groups {
		if strings.HasPrefix(g.Name, "project-01") {
			t.Errorf("the group %s of the removed tenant is still there", g.Name)
		}
	}
	if out := s.must(done, "status"); strings.Contains(out, "project-01") {
		t.Errorf("the removed tenant is not forgotten:\n%s", out)
	}
}
