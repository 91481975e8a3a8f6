package e2e

import (
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	enumspb "go.temporal.io/api/enums/v1"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	"github.com/rollcall-iam/rollcall/workflows"
)

// TestStoppedWorkerFinishesItsSteps sends SIGTERM to a worker in the middle of
// an apply. It ends by itself, with every step that it began finished and
// recorded, and another worker completes the run.
func TestStoppedWorkerFinishesItsSteps(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	file, org := memoryWorld(s, 1, 4)
	first := s.worker()
	s.apply(org.documents())
	breakPlatform(t, file, memory.Fault{Op: "write:*", Delay: memory.Duration(300 * time.Millisecond)})
	s.must(done, "replicate", "--all")

	s.eventually("a group on the platform", func() bool { return len(world(t, file).Groups) > 0 })
	if code := s.terminate(first); code != 0 {
		t.Errorf("the worker ended with %d after SIGTERM, want 0", code)
	}
	s.oneRecordAStep()
	tenant := access.TenantID{Workspace: "acme", Project: tenantID(0), Platform: org.platform}
	if status := s.status(workflows.ReplicateTenantID(tenant)); status != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
		t.Fatalf("the run is %s when its worker is gone, want it open for another worker", status)
	}
	left := world(t, file)
	breakPlatform(t, file)

	s.worker()
	if r := s.replicate(done); r.Failed != 0 {
		t.Fatalf("with another worker: %+v, want no failure", r)
	}
	s.oneRecordAStep()
	got := map[string]int{}
	now := world(t, file)
	for _, g := range now.Groups {
		got[g.Name] = len(g.Members)
	}
	if diff := cmp.Diff(map[string]int{"project-00-admin": 4, "project-00-user": 4, "project-00-reader": 4}, got); diff != "" {
		t.Errorf("members of the groups (-want +got):\n%s", diff)
	}
	if len(now.Bindings) != 3 {
		t.Errorf("the platform has %d bindings, want 3", len(now.Bindings))
	}
	for _, before := range left.Groups {
		if !hasGroup(now, before.ID) {
			t.Errorf("group %s, made before the stop, was made anew", before.Name)
		}
	}
}

// terminate sends SIGTERM and returns the code with which the worker ends.
func (s *stack) terminate(worker *exec.Cmd) int {
	s.t.Helper()
	if err := worker.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = worker.Wait() // its code says what there is to say
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(patience):
		_ = worker.Process.Kill()
		<-ended
		s.t.Fatalf("the worker did not end within %s of SIGTERM", patience)
	}
	return worker.ProcessState.ExitCode()
}

// status asks Temporal how a run stands.
func (s *stack) status(workflowID string) enumspb.WorkflowExecutionStatus {
	s.t.Helper()
	run, err := s.client().DescribeWorkflowExecution(s.t.Context(), workflowID, "")
	if err != nil {
		s.t.Fatal(err)
	}
	return run.GetWorkflowExecutionInfo().GetStatus()
}

func hasGroup(w memory.World, id string) bool {
	for _, g := range w.Groups {
		if g.ID == id {
			return true
		}
	}
	return false
}
