package e2e

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/connection/connectiontest"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	"github.com/rollcall-iam/rollcall/workflows"
)

func TestDocumentsBecomeAccess(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	file, org := memoryWorld(s, 2, 3)
	s.worker()
	s.apply(org.documents())

	first := s.replicate(done)
	if first.Tenants != 2 || first.Changed != 2 || first.Failed != 0 {
		t.Fatalf("first replication: %+v, want 2 tenants changed", first)
	}
	w := world(t, file)
	if len(w.Groups) != 6 || len(w.Bindings) != 6 {
		t.Fatalf("the platform has %d groups and %d bindings, want 6 of each", len(w.Groups), len(w.Bindings))
	}
	for _, g := range w.Groups {
		if len(g.Members) != 3 {
			t.Errorf("group %s has %d members, want 3", g.Name, len(g.Members))
		}
	}

	second := s.replicate(done)
	if second.Converged != 2 || second.Steps != 0 {
		t.Errorf("second replication: %+v, want 2 tenants converged and no steps", second)
	}
	if after := world(t, file); after.Revision != w.Revision {
		t.Errorf("the second replication made %d write calls, want none", after.Revision-w.Revision)
	}
}

func TestPlanShowsWhatForWhomAndWhy(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	file, org := memoryWorld(s, 1, 2)
	s.worker()
	s.apply(org.documents())
	before := world(t, file).Revision

	out := s.must(changes, "plan", "--all", "--exit-code")
	for _, want := range []string{
		"acme.project-00/sandbox.local", `+ group "project-00-admin"`,
		"+ admin-00@example.com", `binding "b-00-admin-00"`,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the plan lacks %q:\n%s", want, out)
		}
	}
	if after := world(t, file).Revision; after != before {
		t.Errorf("a plan made %d write calls, want none", after-before)
	}
}

func TestUnchangedTenantCostsFewEvents(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	_, org := memoryWorld(s, 1, 2)
	s.worker()
	s.apply(org.documents())
	tenant, run := firstTenant(org), workflows.ReplicateTenantID(firstTenant(org))
	s.must(done, "replicate", tenant.String(), "--wait")
	s.isAsLongAs("changed", run)
	s.must(done, "replicate", tenant.String(), "--wait")
	s.isAsLongAs("unchanged", run)
	if n := len(s.history(run)); n > 17 {
		t.Errorf("an unchanged tenant cost %d events, want at most 17", n)
	}
	s.must(done, "plan", tenant.String())
	s.isAsLongAs("dry-run", workflows.PlanTenantID(tenant))
	s.replicate(done)
	s.isAsLongAs("sweep-unchanged", workflows.SweepID(org.platform))
}

// isAsLongAs checks that the last run with that ID has as many events as the recorded
// history, whose length workflows/testdata/lengths.txt says.
func (s *stack) isAsLongAs(recorded, workflowID string) {
	s.t.Helper()
	file := filepath.Join("..", "..", "..", "workflows", "testdata", "lengths.txt")
	body, err := os.ReadFile(file)
	if err != nil {
		s.t.Fatal(err)
	}
	want := ""
	for line := range strings.Lines(string(body)) {
		if length, name, ok := strings.Cut(strings.TrimSpace(line), "  "); ok && name == recorded {
			want = length
		}
	}
	var types []string
	for _, e := range s.history(workflowID) {
		types = append(types, e.GetEventType().String())
	}
	if got := strconv.Itoa(len(types)); got != want {
		s.t.Errorf("%s has %s events, and the recorded %s has %s (%s):\n%s", workflowID, got, recorded, want, file, strings.Join(types, "\n"))
	}
}

func TestKilledWorkerLeavesNoTwinAndOneRecordAStep(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	file, org := memoryWorld(s, 1, 4)
	first := s.worker()
	s.apply(org.documents())
	breakPlatform(t, file, memory.Fault{Op: "write:*", Delay: memory.Duration(300 * time.Millisecond)})
	s.must(done, "replicate", "--all")

	s.eventually("a group on the platform", func() bool { return len(world(t, file).Groups) > 0 })
	kill(first)
	breakPlatform(t, file)
	s.worker()

	r := s.replicate(done)
	if r.Failed != 0 {
		t.Fatalf("after the crash: %+v, want no failure", r)
	}
	w := world(t, file)
	if len(w.Groups) != 3 || len(w.Bindings) != 3 {
		t.Errorf("after the crash the platform has %d groups and %d bindings, want 3 of each", len(w.Groups), len(w.Bindings))
	}
	s.oneRecordAStep()
}

// oneRecordAStep checks that the ledger has every step once, and done.
func (s *stack) oneRecordAStep() {
	s.t.Helper()
	seen := map[string]int{}
	for _, r := range s.records() {
		seen[r.Step.ID]++
		if r.DoneAt.IsZero() || r.Err != "" {
			s.t.Errorf("the ledger leaves step %q open: done at %v, error %q", r.Step.Object, r.DoneAt, r.Err)
		}
	}
	if len(seen) == 0 {
		s.t.Error("the ledger has no step")
	}
	for id, n := range seen {
		if n != 1 {
			s.t.Errorf("the ledger has step %s %d times, want once", id, n)
		}
	}
}

func TestOutageIsWaitedFor(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	file, org := memoryWorld(s, 1, 2)
	s.worker()
	s.apply(org.documents())
	s.replicate(done)

	breakPlatform(t, file, memory.Fault{Op: "*", Class: "unavailable"})
	s.apply(without(org.documents(), bindingName(0, "admin", 0)), "--prune", "--yes")
	s.must(done, "replicate", "--all")
	s.eventually("a failed call", func() bool { return world(t, file).Faults[0].Hits > 1 })
	if n := len(world(t, file).Groups); n != 3 {
		t.Fatalf("during the outage the platform has %d groups, want 3: a failed read is no empty world", n)
	}
	breakPlatform(t, file)
	if r := s.replicate(done); r.Failed != 0 {
		t.Errorf("after the outage: %+v, want no failure", r)
	}
}

func TestRemovalAboveTheLimitIsHeld(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	file, org := memoryWorld(s, 1, 5)
	s.worker()
	s.apply(org.documents())
	s.replicate(done)

	var leavers []string
	for n := range 4 {
		leavers = append(leavers, bindingName(0, "user", n))
	}
	s.apply(without(org.documents(), append(leavers, bindingName(0, "admin", 0))...), "--prune", "--yes")
	r := s.replicate(waiting)
	if len(r.Items) != 1 || len(r.Items[0].Warnings) != 1 || r.Items[0].Warnings[0].Code != string(access.RemovalHeld) {
		t.Errorf("remarks %+v, want one %s", r.Items, access.RemovalHeld)
	}
	got := map[string]int{}
	for _, g := range world(t, file).Groups {
		got[g.Name] = len(g.Members)
	}
	want := map[string]int{"project-00-admin": 4, "project-00-user": 5, "project-00-reader": 5}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("one of five goes, four of five are held (-want +got):\n%s", diff)
	}
}

func TestForeignObjectsAreUntouched(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	file, org := memoryWorld(s, 1, 2)
	foreign := memory.World{
		Groups:   []memory.Group{{ID: "g-foreign", Name: "platform-team", Members: []string{"u-admin-00"}}},
		Bindings: []memory.Binding{{ID: "b-foreign", Tenant: tenantID(0), Role: "owner", Group: "g-foreign"}},
	}
	if err := memory.Seed(file, foreign); err != nil {
		t.Fatal(err)
	}
	s.worker()
	s.apply(org.documents())
	s.replicate(done)
	w := world(t, file)
	var groups []memory.Group
	for _, g := range w.Groups {
		if g.ID == "g-foreign" {
			groups = append(groups, g)
		}
	}
	if diff := cmp.Diff(foreign.Groups, groups); diff != "" {
		t.Errorf("the foreign group changed (-want +got):\n%s", diff)
	}
}

func TestMissingCredentialsAreNamed(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	org := organisation{platform: "cloud.lab", tenants: []string{tenantID(0)}, people: 1}
	org.config = `{openstack: {replication: {groupNamePattern: "#{projectIdentifier}-#{platformGroupAlias}", roleMappings: ` +
		roleMappings("admin", "member", "reader") + `}}}`
	s.connect(connectiontest.Of("cloud.lab", "openstack", map[string]string{
		"url": "http://127.0.0.1:1/v3", "auth": "{environment: {prefix: NOBODY_SET}}",
	}))
	s.worker()
	s.apply(org.documents())
	r := s.replicate(failed)
	if len(r.Items) != 1 || len(r.Items[0].Warnings) != 1 || !strings.Contains(r.Items[0].Warnings[0].Text, "NOBODY_SET_") {
		t.Errorf("remarks %+v, want one that names the variables to set", r.Items)
	}
}
