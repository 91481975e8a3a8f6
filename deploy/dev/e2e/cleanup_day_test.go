package e2e

import (
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/connection/connectiontest"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	"github.com/rollcall-iam/rollcall/internal/engines/postgres"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/workflows"
)

// long is a database, a memory platform and the workflows, on a clock that skips
// what nobody needs to wait for.
type long struct {
	t       *testing.T
	store   *store.Store
	drivers activities.Drivers
}

// newLong has the activities reach platforms by the connections.
func newLong(t *testing.T, connections ...string) long {
	t.Helper()
	database := postgres.ForTest(t)
	if _, err := store.Migrate(t.Context(), database); err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return long{
		t: t, store: db,
		drivers: connectiontest.Drivers(t, db, map[string]driver.Open{"memory": memory.Open}, connections...),
	}
}

// apply stores documents in place of those that are there.
func (l long) apply(text string) {
	l.t.Helper()
	docs, _, err := document.Decode(strings.NewReader(text), "long")
	if err != nil {
		l.t.Fatal(err)
	}
	if _, err := l.store.Apply(l.t.Context(), store.ApplyRequest{Documents: docs, Prune: true}); err != nil {
		l.t.Fatal(err)
	}
}

// run replicates a tenant from begin to end. The clock gives up on an activity
// after ten tries, where Temporal does so after a day.
func (l long) run(id access.TenantID) (result workflows.ReplicateResult, err error) {
	l.t.Helper()
	env := (&testsuite.WorkflowTestSuite{}).NewTestWorkflowEnvironment()
	env.SetTestTimeout(5 * time.Minute)
	// A busy machine is no deadlock.
	env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: 5 * time.Minute})
	platform := activities.NewPlatform(l.store, ledger.New(l.store), "lab", l.drivers)
	platform.Register(env)
	workflows.Register(env)
	env.ExecuteWorkflow(workflows.ReplicateTenantWorkflow, workflows.ReplicateInput{Tenant: id})
	if !env.IsWorkflowCompleted() {
		l.t.Fatal("the run did not end")
	}
	if err = env.GetWorkflowError(); err == nil {
		err = env.GetWorkflowResult(&result)
	}
	return result, err
}

// TestCleanupOutlastsADaysOutage: a platform that is away for longer than a run
// waits costs the run, and not the removal: its tombstone stays, and the next run
// takes up where the first one gave up. It fails where a run that gives up forgets
// the tenant, or counts what it could not read as gone.
func TestCleanupOutlastsADaysOutage(t *testing.T) {
	t.Parallel()
	file, org := memoryOrganisation(t, "sandbox.local", 1, 2)
	l := newLong(t, org.connection)
	documents := zoneApproves(org.documents())
	tenant := access.TenantID{Workspace: "acme", Project: tenantID(0), Platform: "sandbox.local"}
	l.apply(documents)
	if result, err := l.run(tenant); err != nil || result.Outcome != activities.Changed {
		t.Fatalf("the first run: %+v, %v", result, err)
	}
	before := world(t, file)

	l.apply(lacking(documents, "kind: meshTenant", "kind: meshLandingZone", "kind: meshPlatform"))
	breakPlatform(t, file, memory.Fault{Op: "*", Class: "unavailable"})
	_, err := l.run(tenant)
	if err == nil {
		t.Error("with the platform away for so long the run did not give up")
	}
	left, err := l.store.Tenants(t.Context(), store.TenantFilter{})
	if err != nil || len(left) != 1 {
		t.Errorf("after that there are the tenants %v, %v; want the removed one remembered", left, err)
	}
	breakPlatform(t, file)
	if after := world(t, file); len(after.Groups) != len(before.Groups) || len(after.Bindings) != len(before.Bindings) {
		t.Errorf("the outage cost %d groups and %d roles", len(before.Groups)-len(after.Groups), len(before.Bindings)-len(after.Bindings))
	}

	if result, err := l.run(tenant); err != nil || result.Steps == 0 {
		t.Errorf("when it is back: %+v, %v; want the cleanup", result, err)
	}
	if after := world(t, file); len(after.Groups)+len(after.Bindings) > 0 {
		t.Errorf("when it is back there are still %d groups and %d roles", len(after.Groups), len(after.Bindings))
	}
	left, err = l.store.Tenants(t.Context(), store.TenantFilter{})
	if err != nil || len(left) > 0 {
		t.Errorf("in the end there are the tenants %v, %v; want none", left, err)
	}
}
