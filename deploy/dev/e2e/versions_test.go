package e2e

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	"github.com/rollcall-iam/rollcall/internal/engine"
	"github.com/rollcall-iam/rollcall/workflows"
)

// secondBuild is the build id of workers that take over.
const secondBuild = "e2e-2"

// firstTenant is the first tenant of an organisation.
func firstTenant(org organisation) access.TenantID {
	return access.TenantID{Workspace: "acme", Project: tenantID(0), Platform: org.platform}
}

// versions are the builds that rollcall lists, by id.
func (s *stack) versions() map[string]engine.Build {
	s.t.Helper()
	var d engine.WorkerDeployment
	if err := json.Unmarshal([]byte(s.must(done, "worker", "versions", "-o", "json")), &d); err != nil {
		s.t.Fatal(err)
	}
	builds := map[string]engine.Build{}
	for _, b := range d.Builds {
		builds[b.ID] = b
	}
	return builds
}

// second starts a worker of the second build, which listens when this returns.
func (s *stack) second() *exec.Cmd {
	s.t.Helper()
	w := s.worker(engine.BuildVariable + "=" + secondBuild)
	s.eventually("a worker of the second build", func() bool { return s.versions()[secondBuild].Workers > 0 })
	return w
}

// hold replicates everything and has the platform fail, so that the runs stay open.
func (s *stack) hold(file string, fault memory.Fault) {
	s.t.Helper()
	breakPlatform(s.t, file, fault)
	s.must(done, "replicate", "--all")
	s.eventually("a failed write", func() bool { return world(s.t, file).Faults[0].Hits > 0 })
}

// history is all that Temporal keeps of the last run with that ID.
func (s *stack) history(workflowID string) []*historypb.HistoryEvent {
	s.t.Helper()
	events := s.client().GetWorkflowHistory(s.t.Context(), workflowID, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	var history []*historypb.HistoryEvent
	for events.HasNext() {
		e, err := events.Next()
		if err != nil {
			s.t.Fatal(err)
		}
		history = append(history, e)
	}
	return history
}

// doneBy checks that all steps of a run were done by one build, and all its
// activities by one process.
func (s *stack) doneBy(workflowID, build string, process *exec.Cmd) {
	s.t.Helper()
	steps, tasks := 0, 0
	for _, e := range s.history(workflowID) {
		if step := e.GetWorkflowTaskCompletedEventAttributes(); step != nil {
			steps++
			if got := step.GetDeploymentVersion().GetBuildId(); got != build {
				s.t.Errorf("%s: step %d was decided by build %q, want %q", workflowID, steps, got, build)
			}
		}
		if task := e.GetActivityTaskStartedEventAttributes(); task != nil {
			tasks++
			if who := fmt.Sprintf("%d@", process.Process.Pid); !strings.HasPrefix(task.GetIdentity(), who) {
				s.t.Errorf("%s: activity %d was done by %q, want %s...", workflowID, tasks, task.GetIdentity(), who)
			}
		}
	}
	if steps == 0 || tasks == 0 {
		s.t.Errorf("%s has %d steps and %d activities", workflowID, steps, tasks)
	}
}

// TestRunsEndOnTheBuildTheyBeganOn: a second build takes over while runs are open.
// Those end where they began, new ones begin on the new build, and the old build
// drains.
func TestRunsEndOnTheBuildTheyBeganOn(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	file, org := memoryWorld(s, 1, 3)
	tenant := firstTenant(org)
	first := s.worker()
	s.apply(org.documents())
	s.hold(file, memory.Fault{Op: "write:*", Class: "unavailable"})

	second := s.second()
	var routed struct {
		Current, Previous string
		Staying           int
	}
	out := s.must(done, "worker", "current", secondBuild, "--yes", "-o", "json")
	if err := json.Unmarshal([]byte(out), &routed); err != nil {
		t.Fatal(err)
	}
	if routed.Current != secondBuild || routed.Previous != firstBuild || routed.Staying != 2 {
		t.Errorf("rollcall worker current says %+v, want %s after %s, with the sweep and the tenant's run staying", routed, secondBuild, firstBuild)
	}
	s.must(done, "plan", tenant.String())
	s.doneBy(workflows.PlanTenantID(tenant), secondBuild, second)
	if old := s.versions()[firstBuild]; old.Status != engine.BuildDraining || old.OpenRuns != 2 || old.Workers != 1 {
		t.Errorf("the first build is %+v, want it draining, with two runs and one worker", old)
	}

	breakPlatform(t, file)
	s.eventually("the old runs to end", func() bool { return s.versions()[firstBuild].OpenRuns == 0 })
	for _, id := range []string{workflows.ReplicateTenantID(tenant), workflows.SweepID(org.platform)} {
		if status := s.status(id); status != enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED {
			t.Errorf("%s is %s, want it completed", id, status)
		}
		s.doneBy(id, firstBuild, first)
	}
	s.eventually("the first build to drain", func() bool { return s.versions()[firstBuild].Status == engine.BuildDrained })
	if code := s.terminate(first); code != 0 {
		t.Errorf("the old worker ended with %d, want 0", code)
	}
	if r := s.replicate(done); r.Converged != 1 {
		t.Errorf("on the second build: %+v, want the tenant converged", r)
	}
}

// TestTriggeredRunsHandOverToTheCurrentBuild: a run that has to look again does not
// keep its old workers for that.
func TestTriggeredRunsHandOverToTheCurrentBuild(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	file, org := memoryWorld(s, 1, 4)
	id := workflows.ReplicateTenantID(firstTenant(org))
	s.worker()
	s.apply(org.documents())
	s.hold(file, memory.Fault{Op: "write:*", Class: "unavailable"})
	began, err := s.client().DescribeWorkflowExecution(t.Context(), id, "")
	if err != nil {
		t.Fatal(err)
	}
	second := s.second()
	s.must(done, "worker", "current", secondBuild, "--yes")
	s.must(done, "replicate", firstTenant(org).String())
	breakPlatform(t, file)

	first := began.GetWorkflowExecutionInfo().GetExecution().GetRunId()
	s.eventually("the run to hand over", func() bool {
		old, err := s.client().DescribeWorkflowExecution(t.Context(), id, first)
		return err == nil && old.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW
	})
	s.eventually("the new run to end", func() bool { return s.status(id) == enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED })
	s.doneBy(id, secondBuild, second)
	s.endsWell(t, file)
}

// TestRunsWithoutWorkersAreMoved: the workers of a build are gone for good, and
// runs of it are open.
func TestRunsWithoutWorkersAreMoved(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		fault  memory.Fault
		leave  func(*stack, *exec.Cmd)
		force  []string
	}{
		"stopped": {
			"a worker that stops says so", memory.Fault{Op: "write:*", Class: "unavailable"},
			func(s *stack, w *exec.Cmd) { s.terminate(w) }, nil,
		},
		"killed in a write": {
			"a worker that crashed seems to be there for two minutes", memory.Fault{Op: "write:*", Skip: 2, Delay: memory.Duration(time.Hour)},
			func(_ *stack, w *exec.Cmd) { kill(w) }, []string{"--force"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // most of the time goes by until the death is noticed
			s := newStack(t)
			file, org := memoryWorld(s, 1, 4)
			first := s.worker()
			s.apply(org.documents())
			s.hold(file, c.fault)
			c.leave(s, first)
			s.movesHome(t, org, file, c.reason, c.force)
		})
	}
}

// movesHome has a second build go on with what the first one left.
func (s *stack) movesHome(t *testing.T, org organisation, file, reason string, force []string) {
	t.Helper()
	second := s.second()
	s.must(done, "worker", "current", secondBuild, "--yes")
	breakPlatform(t, file)
	tell := "rollcall worker move --from " + firstBuild
	if out := s.must(done, "worker", "versions"); force == nil && !strings.Contains(out, tell) {
		t.Errorf("%s, runs of it wait, and nothing tells of %q:\n%s", reason, tell, out)
	}
	command := []string{"worker", "move", "--from", firstBuild, "--yes", "-o", "json"}
	if force != nil {
		if code, _, errs := s.rollcall("", command...); code != failed || !strings.Contains(errs, "--force") {
			t.Errorf("%s: without --force, move ends with %d and %q", reason, code, errs)
		}
	}
	var result struct{ Moved int }
	if err := json.Unmarshal([]byte(s.must(done, append(command, force...)...)), &result); err != nil {
		t.Fatal(err)
	}
	if result.Moved != 2 {
		t.Errorf("%s: %d runs were moved, want 2: the sweep and the tenant's", reason, result.Moved)
	}
	for _, id := range []string{workflows.ReplicateTenantID(firstTenant(org)), workflows.SweepID(org.platform)} {
		s.eventually(id+" to end", func() bool { return s.status(id) == enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED })
	}
	s.endsWell(t, file)
	s.doneBy(workflows.PlanTenantID(s.planned(firstTenant(org))), secondBuild, second)
	if n := s.versions()[firstBuild].OpenRuns; n != 0 {
		t.Errorf("%s: %d runs are still open on the first build", reason, n)
	}
}

// planned makes a plan of the tenant.
func (s *stack) planned(tenant access.TenantID) access.TenantID {
	s.t.Helper()
	s.must(done, "plan", tenant.String())
	return tenant
}

// TestWithoutCurrentBuildWorkWaits: workers listen, but nobody said that new runs
// are theirs.
func TestWithoutCurrentBuildWorkWaits(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.begins("")
	file, org := memoryWorld(s, 1, 2)
	s.worker()
	s.apply(org.documents())
	s.eventually("the worker", func() bool { return s.versions()[firstBuild].Workers > 0 })

	advice := "rollcall worker current " + firstBuild
	if code, _, errs := s.rollcall("", "plan", "--all"); code != failed || !strings.Contains(errs, advice) {
		t.Errorf("plan: exit code %d, %q, want %d and %q", code, errs, failed, advice)
	}
	if code, _, errs := s.rollcall("", "replicate", "--all"); code != done || !strings.Contains(errs, "waits") || !strings.Contains(errs, advice) {
		t.Errorf("replicate: exit code %d, %q, want %d, that the work waits, and %q", code, errs, done, advice)
	}
	if code, _, errs := s.rollcall("", "worker", "current", firstBuild); code != invalid || !strings.Contains(errs, "--yes") {
		t.Errorf("without a terminal: exit code %d, %q, want %d and --yes", code, errs, invalid)
	}
	s.must(done, "worker", "current", firstBuild, "--yes")
	s.eventually("the waiting work", func() bool { return len(world(t, file).Groups) == 3 })
	if again := s.must(done, "worker", "current", firstBuild, "--yes"); !strings.Contains(again, "already") {
		t.Errorf("making a current build current says %q", again)
	}
}

func TestRampingBuildTakesItsPart(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	_, org := memoryWorld(s, 1, 2)
	tenant := firstTenant(org)
	first := s.worker()
	s.apply(org.documents())
	s.replicate(done)
	second := s.second()

	s.must(done, "worker", "ramp", secondBuild, "100", "--yes")
	if b := s.versions()[secondBuild]; b.Status != engine.BuildRamping || b.RampPercent != 100 {
		t.Errorf("the second build is %+v, want it ramping with 100 %%", b)
	}
	s.doneBy(workflows.PlanTenantID(s.planned(tenant)), secondBuild, second)
	s.must(done, "worker", "ramp", secondBuild, "0", "--yes")
	if b := s.versions()[firstBuild]; b.Status != engine.BuildCurrent {
		t.Errorf("the first build is %+v, want it current", b)
	}
	s.doneBy(workflows.PlanTenantID(s.planned(tenant)), firstBuild, first)
}

func TestWorkerMistakesAreNamed(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.worker()
	s.eventually("the worker", func() bool { return s.versions()[firstBuild].Workers > 0 })
	cases := map[string]struct {
		reason string
		args   []string
		code   int
		says   []string
	}{
		"unknown build":      {"those that there are, are named", []string{"current", "nothere", "--yes"}, failed, []string{"no such build", "nothere", firstBuild}},
		"unknown deployment": {"a way on is named", []string{"versions", "--deployment", "nothere"}, failed, []string{"nothere", "--deployment"}},
		"bad deployment":     {"Temporal keeps dots for itself", []string{"versions", "--deployment", "a.b"}, invalid, []string{"a.b"}},
		"ramping current":    {"it gets the rest anyhow", []string{"ramp", firstBuild, "10", "--yes"}, invalid, []string{"is current"}},
		"bad percentage":     {"the range is told", []string{"ramp", firstBuild, "110", "--yes"}, invalid, []string{"0 to 100"}},
		"no percentage":      {"NaN is a number to some", []string{"ramp", firstBuild, "nan", "--yes"}, invalid, []string{"0 to 100"}},
		"move from nowhere":  {"a typo moves nothing", []string{"move", "--from", "nothere", "--yes"}, failed, []string{"no such build"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			code, out, errs := s.rollcall("", append([]string{"worker"}, c.args...)...)
			if code != c.code {
				t.Errorf("%s: exit code %d, want %d\n%s%s", c.reason, code, c.code, out, errs)
			}
			for _, want := range c.says {
				if !strings.Contains(errs, want) {
					t.Errorf("%s: the message lacks %q:\n%s", c.reason, want, errs)
				}
			}
		})
	}
	// Forced, new runs may go to a build that is still to come; back again only so too.
	s.must(done, "worker", "current", "to-come", "--yes", "--force")
	_, org := memoryWorld(s, 1, 1)
	s.apply(org.documents())
	if code, _, errs := s.rollcall("", "plan", "--all"); code != failed || !strings.Contains(errs, "to-come") {
		t.Errorf("with a current build that has no workers, plan ends with %d and %q; want %d and the build", code, errs, failed)
	}
}
