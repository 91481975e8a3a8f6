package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/workflows"
)

func TestOpenRunText(t *testing.T) {
	t.Parallel()
	const minute = 60_000
	for _, tc := range []struct {
		reason string
		run    control.OpenRun
		want   string
	}{
		{"what a worker does is named", control.OpenRun{State: control.StateRunning, Doing: "comparing", Attempt: 1}, "comparing"},
		{"a plan is no replication", control.OpenRun{Workflow: "plan/x", State: control.StateRunning, Doing: "comparing", Attempt: 1}, "comparing for a plan"},
		{"all workers of the platform are busy", control.OpenRun{State: control.StateQueued, Doing: "comparing", Attempt: 1}, "waiting for a worker"},
		{
			"the platform is down", control.OpenRun{State: control.StatePlatform, Doing: "applying", Attempt: 4, Error: "Unavailable", NextTryMS: 12_000},
			"waiting for the platform, attempt 4, Unavailable, next try in 12s",
		},
		{
			"the reason follows", control.OpenRun{State: control.StatePlatform, Doing: "applying", Attempt: 2, Error: "Unavailable", Reason: "list groups: 503"},
			"waiting for the platform, attempt 2, Unavailable, next try in 0s: list groups: 503",
		},
		{"it is not known yet how it ends", control.OpenRun{State: control.StateRunning, Doing: "comparing all tenants", Attempt: 2, Error: "Throttled"}, "comparing all tenants, attempt 2, Throttled"},
		{"a timer of the run ends the wait", control.OpenRun{State: control.StatePlatform, Error: "Unavailable", SinceMS: minute}, "waiting for the platform, Unavailable"},
		{"a replacement is named", control.OpenRun{Workflow: "group/1", State: control.StateRunning, Doing: "checking the new group", Attempt: 1}, "checking the new group for a group replacement"},
		{"a revocation is named", control.OpenRun{Workflow: "revoke/1", State: control.StatePlatform, Doing: "removing a user", Attempt: 3, Error: "Unavailable", NextTryMS: 12_000}, "waiting for the platform for a revocation, attempt 3, Unavailable, next try in 12s"},
		{"a run decides, or sleeps", control.OpenRun{State: control.StateRunning}, "running"},
	} {
		if got := openRunText(tc.run); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.reason, got, tc.want)
		}
	}
}

// TestStatus_ListsOpenRuns: the table has the tenants that wait for an approval among the
// tenants.
func TestStatus_ListsOpenRuns(t *testing.T) {
	t.Parallel()
	all := []control.OpenRun{
		{Workflow: workflows.ReplicateTenantID(tenant()), Tenant: "marketing.shop", Platform: "sandbox.local", State: control.StateRunning, SinceMS: 5000},
		{Tenant: "marketing.web", Platform: "sandbox.local", State: control.StateApproval, Pending: 2},
	}
	var out bytes.Buffer
	writeLive(&out, all, 3)
	want := `
Open runs:
TENANT          PLATFORM       AGE  STATE
marketing.shop  sandbox.local  5s   running
... and 3 more.
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestStatusWithoutTemporal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	c := &cli{out: &out, format: formatTable}
	s := control.StatusResult{Report: control.StatusReport{LiveError: "temporal cannot be reached\x1b[2J"}}
	if err := c.showStatus(s, &statusFlags{watch: true}); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.Contains(got, "The open runs are unknown: temporal cannot be reached") || strings.Contains(got, "\x1b") {
		t.Errorf("the status without Temporal is\n%q", got)
	}
}
