package e2e

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	"github.com/rollcall-iam/rollcall/internal/engine"
	"github.com/rollcall-iam/rollcall/workflows"
)

// record writes histories for the replay test instead of checking anything.
var record = flag.Bool("record", false, "record the histories that workflows/replay_test.go replays")

// TestRecordHistories runs the paths a workflow can take, and with -record
// keeps their histories. The people in them are made up.
func TestRecordHistories(t *testing.T) {
	if !*record {
		t.Skip("histories are recorded on demand: make histories")
	}
	r := newRecorder(t)
	for _, path := range []func(){
		r.ordinary, r.held, r.remarks, r.bindingEnds, r.replanned, r.contested, r.failed, r.revoked, r.renamed, r.renamedBadly, r.renamedAndStopped, r.resumed, r.renewed,
	} {
		path()
	}
}

// recorder keeps histories of one organisation with one tenant.
type recorder struct {
	*stack
	t      *testing.T
	file   string // of the platform
	org    organisation
	tenant access.TenantID
	first  *exec.Cmd // the worker that begins
}

func newRecorder(t *testing.T) *recorder {
	t.Helper()
	s := newStack(t)
	s.environ = append(s.environ, engine.KeyringVariable+"=") // to be replayed without the key
	file, org := memoryWorld(s, 1, 5)
	s.apply(org.documents())
	return &recorder{stack: s, t: t, file: file, org: org, tenant: firstTenant(org), first: s.worker()}
}

// wants changes the documents: the bindings are left out, all others are there.
func (r *recorder) wants(leavers ...string) {
	r.stack.apply(without(r.org.documents(), leavers...), "--prune", "--yes")
}

func (r *recorder) run(code int) {
	r.must(code, "replicate", r.tenant.String(), "--wait")
}

func (r *recorder) runs() string   { return workflows.ReplicateTenantID(r.tenant) }
func (r *recorder) sweeps() string { return workflows.SweepID(r.org.platform) }

// keep writes the history of the last run with that ID, or of a certain one.
func (r *recorder) keep(name, id string, run ...string) {
	r.t.Helper()
	events := r.client().GetWorkflowHistory(r.t.Context(), id, strings.Join(run, ""), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	history := &historypb.History{}
	for events.HasNext() {
		e, err := events.Next()
		if err != nil {
			r.t.Fatal(err)
		}
		history.Events = append(history.Events, e)
	}
	body, err := protojson.Marshal(history)
	if err != nil {
		r.t.Fatal(err)
	}
	path := filepath.Join("..", "..", "..", "workflows", "testdata", name+".json")
	if err := os.WriteFile(path, anonymous(r.t, body), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

// keepEnded keeps the history of a workflow when it has ended.
func (r *recorder) keepEnded(name, id string) {
	r.t.Helper()
	if err := r.client().GetWorkflow(r.t.Context(), id, "").Get(r.t.Context(), nil); err != nil {
		r.t.Fatal(err)
	}
	r.keep(name, id)
}

// ordinary: a plan, a change, nothing to do, and the same by sweeps.
func (r *recorder) ordinary() {
	r.must(done, "plan", r.tenant.String())
	r.keep("dry-run", workflows.PlanTenantID(r.tenant))
	r.run(done)
	r.keep("changed", r.runs())
	r.run(done)
	r.keep("unchanged", r.runs())
	r.must(done, "replicate", "--all", "--wait")
	r.keep("sweep-unchanged", r.sweeps())
	r.wants(bindingName(0, "admin", 0))
	r.must(done, "replicate", "--all", "--wait")
	r.keep("sweep-changed", r.sweeps())
}

// held: most of a group is to go, which somebody has to approve.
func (r *recorder) held() {
	var leavers []string
	for n := range 4 {
		leavers = append(leavers, bindingName(0, "user", n))
	}
	r.wants(leavers...)
	r.run(waiting)
	r.keep("pending-approval", r.runs())
	r.wants()
	r.run(done)
}

// remarks: somebody has no account on the platform.
func (r *recorder) remarks() {
	stranger := `---
{apiVersion: v2, kind: meshUser, metadata: {name: stranger}, spec: {email: s@example.com, firstName: A, lastName: B, euid: s@example.com}}
---
{apiVersion: v3, kind: meshProjectUserBinding, metadata: {name: b-stranger}, roleRef: {name: user}, targetRef: {name: ` + tenantID(0) +
		`, ownedByWorkspace: acme}, subject: {name: stranger}}
`
	r.stack.apply(r.org.documents() + stranger)
	r.run(done)
	r.keep("warnings", r.runs())
	r.wants()
	r.run(done)
}

// bindingEnds: a binding ends when its time comes. Then one ends before the end that the run
// waits for.
func (r *recorder) bindingEnds() {
	const id = workflows.EndBindingsID
	documents := r.org.documents()
	r.stack.apply(endsAt(r.t, documents, bindingName(0, "user", 0), time.Now().Add(15*time.Second)))
	r.eventually("a run that waits for the end", func() bool { return r.hasTimer(id) })
	first := r.runID(id)
	r.ended(id, first)
	r.keep("ends-waited", id, first)
	r.eventually("the last end", func() bool { return r.status(id) == enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED })
	r.keep("ends-started", id)

	later := endsAt(r.t, documents, bindingName(0, "user", 1), time.Now().Add(time.Hour))
	r.stack.apply(later)
	r.eventually("a run that waits for an hour", func() bool { return r.hasTimer(id) })
	first = r.runID(id)
	r.stack.apply(endsAt(r.t, later, bindingName(0, "user", 2), time.Now().Add(5*time.Second)))
	r.ended(id, first)
	r.keep("ends-triggered", id, first)
	r.wants()
	r.run(done)
	r.eventually("a run that waits for an hour", func() bool { return r.hasTimer(id) })
	if err := r.client().SignalWorkflow(r.t.Context(), id, "", workflows.TriggerSignal, workflows.Trigger{Cause: "end"}); err != nil {
		r.t.Fatal(err)
	}
	r.eventually("no more ends", func() bool { return r.status(id) == enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED })
}

// hasTimer reports whether the open run with that ID has started a timer.
func (r *recorder) hasTimer(id string) bool {
	if described, err := r.client().DescribeWorkflowExecution(r.t.Context(), id, ""); err != nil ||
		described.GetWorkflowExecutionInfo().GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
		return false
	}
	events := r.client().GetWorkflowHistory(r.t.Context(), id, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		e, err := events.Next()
		if err != nil {
			return false
		}
		if e.GetEventType() == enumspb.EVENT_TYPE_TIMER_STARTED {
			return true
		}
	}
	return false
}

// replanned: the platform changed under a plan, once.
func (r *recorder) replanned() {
	r.wants(bindingName(0, "user", 0))
	breakPlatform(r.t, r.file, memory.Fault{Op: "write:*", Class: "conflict", Times: 1})
	r.run(done)
	r.keep("replanned", r.runs())
	r.mend()
}

// contested: the platform changes under every plan.
func (r *recorder) contested() {
	r.wants(bindingName(0, "user", 0))
	breakPlatform(r.t, r.file, memory.Fault{Op: "write:*", Class: "conflict"})
	r.run(failed)
	r.keep("drifting", r.runs())
	r.mend()
}

// failed: the platform refuses all changes.
func (r *recorder) failed() {
	r.wants(bindingName(0, "reader", 0))
	breakPlatform(r.t, r.file, memory.Fault{Op: "write:*", Class: "denied"})
	r.must(failed, "replicate", "--all", "--wait")
	r.keep("failed", r.runs())
	r.keep("sweep-failed", r.sweeps())
	r.mend()
}

// mend has everything as the whole organisation wants it.
func (r *recorder) mend() {
	breakPlatform(r.t, r.file)
	r.wants()
	r.run(done)
}

// resumed: the worker is killed in a write, and another one goes on.
func (r *recorder) resumed() {
	r.wants(bindingName(0, "user", 1))
	breakPlatform(r.t, r.file, memory.Fault{Op: "write:*", Delay: memory.Duration(time.Hour)})
	r.must(done, "replicate", r.tenant.String())
	r.eventually("a write", func() bool { return world(r.t, r.file).Faults[0].Hits > 0 })
	kill(r.first)
	breakPlatform(r.t, r.file)
	r.worker()
	r.ended(r.runs(), "")
	r.keep("resumed", r.runs())
}

// renewed: a run that is triggered while newer workers take over continues as new
// on those. The sweep that triggers it leaves it to itself.
func (r *recorder) renewed() {
	r.wants(bindingName(0, "user", 2))
	breakPlatform(r.t, r.file, memory.Fault{Op: "write:*", Class: "unavailable"})
	r.must(done, "replicate", r.tenant.String())
	r.eventually("a failed write", func() bool { return world(r.t, r.file).Faults[0].Hits > 0 })
	first := r.runID(r.runs())
	r.must(done, "replicate", "--all")
	r.ended(r.sweeps(), "")
	r.keep("sweep-busy", r.sweeps())
	r.second()
	r.must(done, "worker", "current", secondBuild, "--yes")
	breakPlatform(r.t, r.file)
	r.ended(r.runs(), first)
	r.keep("continued-as-new", r.runs(), first)
	r.eventually("the new run", func() bool { return r.status(r.runs()) == enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED })
	r.keep("continued", r.runs())
}

// ended waits for the end of the last run with that ID, or of a certain one.
func (r *recorder) ended(id, run string) {
	r.t.Helper()
	r.eventually(id+" to end", func() bool {
		described, err := r.client().DescribeWorkflowExecution(r.t.Context(), id, run)
		return err == nil && described.GetWorkflowExecutionInfo().GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
	})
}

// runID identifies the last run with that ID.
func (r *recorder) runID(id string) string {
	r.t.Helper()
	described, err := r.client().DescribeWorkflowExecution(r.t.Context(), id, "")
	if err != nil {
		r.t.Fatal(err)
	}
	return described.GetWorkflowExecutionInfo().GetExecution().GetRunId()
}

// anonymous takes out what names the machine that recorded.
func anonymous(t *testing.T, history []byte) []byte {
	t.Helper()
	var tree any
	if err := json.Unmarshal(history, &tree); err != nil {
		t.Fatal(err)
	}
	hide(tree)
	body, err := json.MarshalIndent(tree, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return append(body, '\n')
}

func hide(node any) {
	switch n := node.(type) {
	case map[string]any:
		// A worker's own queue is called after its machine.
		if n["kind"] == "TASK_QUEUE_KIND_STICKY" {
			n["name"] = "recorder"
		}
		for name, value := range n {
			if _, text := value.(string); text && name == "identity" {
				n[name] = "recorder"
				continue
			}
			hide(value)
		}
	case []any:
		for _, value := range n {
			hide(value)
		}
	}
}
