package e2e

import (
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/workflows"
)

// called changes the name of the group of users, in a mode; leavers' bindings are
// left out.
func (r *recorder) called(alias, mode string, leavers ...string) {
	o := r.org
	o.config = strings.Replace(o.config, "groupAlias: user", "groupAlias: "+alias, 1)
	o.config = strings.Replace(o.config, "replication: {", "replication: {rename: "+mode+", ", 1)
	r.stack.apply(without(o.documents(), leavers...), "--prune", "--yes")
}

// all are the renamings that the ledger has, the last one first.
func (r *recorder) all() []ledger.Renaming {
	r.t.Helper()
	db, err := store.Open(r.t.Context(), r.database)
	if err != nil {
		r.t.Fatal(err)
	}
	defer db.Close()
	all, err := ledger.New(db).Renamings(r.t.Context(), r.tenant)
	if err != nil || len(all) == 0 {
		r.t.Fatalf("%d renamings, %v", len(all), err)
	}
	return all
}

// group is the ID of the last run that renamed a group.
func (r *recorder) group() string {
	r.t.Helper()
	return workflows.RecreateGroupID(r.all()[0].ID)
}

// renamed: a group gets another name, in each of the three ways.
func (r *recorder) renamed() {
	r.called("team", "recreate")
	r.run(done)
	r.keep("replaced", r.runs())
	r.keep("group-replaced", r.group())
	r.called("crew", "strict")
	r.run(done)
	r.keep("group-strict", r.group())
	r.called("staff", "in-place")
	r.run(done)
	r.keep("rename-in-place", r.runs())
}

// renamedBadly: something is held, the platform changes meanwhile, or refuses.
func (r *recorder) renamedBadly() {
	var leavers []string
	for n := range 4 {
		leavers = append(leavers, bindingName(0, "user", n))
	}
	r.called("team", "recreate", leavers...)
	r.run(waiting)
	r.keep("replace-waiting", r.runs())
	r.keep("group-waiting", r.group())
	r.called("team", "recreate")
	r.run(done)

	r.called("crew", "recreate")
	breakPlatform(r.t, r.file, memory.Fault{Op: "write:bindings.create", Class: "conflict", Times: 1})
	r.run(done)
	r.keepRun("group-replanned", ledger.Replanned)

	r.called("staff", "recreate")
	breakPlatform(r.t, r.file, memory.Fault{Op: "write:bindings.create", Class: "denied"})
	r.run(failed)
	r.keep("replace-compensated", r.runs())
	r.keep("group-compensated", r.group())
	breakPlatform(r.t, r.file)
	r.run(done)
}

// renamedAndStopped: somebody cancels a run, and somebody terminates one.
func (r *recorder) renamedAndStopped() {
	r.called("team", "recreate")
	breakPlatform(r.t, r.file, memory.Fault{Op: "write:bindings.create", Delay: memory.Duration(time.Hour)})
	r.must(done, "replicate", r.tenant.String())
	r.eventually("a write", func() bool { return world(r.t, r.file).Faults[0].Hits > 0 })
	breakPlatform(r.t, r.file)
	if err := r.client().CancelWorkflow(r.t.Context(), r.runs(), ""); err != nil {
		r.t.Fatal(err)
	}
	r.ended(r.runs(), "")
	r.keep("replace-cancelled", r.runs())
	r.keep("group-cancelled", r.group())
	r.orphaned()
	r.keep("replace-orphan", r.runs())
	r.wants()
	r.run(done)
}

// orphaned terminates a run while a group of its tenant is being renamed, and has
// the next run meet what it left behind.
func (r *recorder) orphaned() {
	// A role can be neither given nor taken, so what was made cannot be taken back.
	breakPlatform(r.t, r.file, memory.Fault{Op: "write:bindings.*", Class: "unavailable"})
	r.must(done, "replicate", r.tenant.String())
	r.eventually("a failed write", func() bool { return world(r.t, r.file).Faults[0].Hits > 0 })
	if err := r.client().TerminateWorkflow(r.t.Context(), r.runs(), "", "the test wants an orphan"); err != nil {
		r.t.Fatal(err)
	}
	r.must(done, "replicate", r.tenant.String())
	r.eventually("the new run to find the orphan", func() bool {
		for _, e := range r.history(r.runs()) {
			if e.GetEventType() == enumspb.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_FAILED {
				return true
			}
		}
		return false
	})
	breakPlatform(r.t, r.file)
	r.ended(r.runs(), "")
}

// keepRun keeps the history of the last renaming that came to a state.
func (r *recorder) keepRun(name string, state ledger.RenamingState) {
	r.t.Helper()
	for _, one := range r.all() {
		if one.State() == state {
			r.keep(name, workflows.RecreateGroupID(one.ID), one.RunID)
			return
		}
	}
	r.t.Fatalf("no renaming came to %s", state)
}
