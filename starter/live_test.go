package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/engine"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/workflows"
)

// refused is the failure of an attempt, of which only the class can be read.
func refused(class string) *failurepb.Failure {
	return &failurepb.Failure{Message: "Encoded failure", FailureInfo: &failurepb.Failure_ApplicationFailureInfo{
		ApplicationFailureInfo: &failurepb.ApplicationFailureInfo{Type: class},
	}}
}

func TestWhatARunDoes(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	activity := func(name string, state enumspb.PendingActivityState, attempt int32, failure *failurepb.Failure) []*workflowpb.PendingActivityInfo {
		return []*workflowpb.PendingActivityInfo{{
			ActivityType: &commonpb.ActivityType{Name: name}, State: state, Attempt: attempt, LastFailure: failure,
			NextAttemptScheduleTime: timestamppb.New(now.Add(12 * time.Second)),
		}}
	}
	const started, scheduled = enumspb.PENDING_ACTIVITY_STATE_STARTED, enumspb.PENDING_ACTIVITY_STATE_SCHEDULED
	timeout := &failurepb.Failure{FailureInfo: &failurepb.Failure_TimeoutFailureInfo{TimeoutFailureInfo: &failurepb.TimeoutFailureInfo{}}}
	cases := map[string]struct {
		reason  string
		pending []*workflowpb.PendingActivityInfo
		task    enumspb.PendingWorkflowTaskState
		id      string
		want    string
	}{
		"compares":    {"what a worker does is named", activity(activities.PlanActivity, started, 1, nil), 0, "", "comparing"},
		"applies":     {"what a worker does is named", activity(activities.ApplyActivity, started, 1, nil), 0, "", "applying"},
		"plans":       {"a plan is no replication", activity(activities.PlanActivity, started, 1, nil), 0, "plan/x", "comparing for a plan"},
		"queued":      {"all workers of the platform are busy", activity(activities.PlanActivity, scheduled, 1, nil), 0, "", "waiting for a worker"},
		"platform":    {"the platform is down", activity(activities.ApplyActivity, scheduled, 4, refused("Unavailable")), 0, "", "waiting for the platform, attempt 4, Unavailable, next try in 12s"},
		"tries again": {"it is not known yet how it ends", activity(activities.DetectDriftActivity, started, 2, refused("Throttled")), 0, "", "comparing all tenants, attempt 2, Throttled"},
		"dead worker": {"another one takes over", activity(activities.ApplyActivity, scheduled, 2, timeout), 0, "", "waiting for the platform, attempt 2, TimedOut, next try in 12s"},
		"no worker":   {"nobody has taken the run up", nil, enumspb.PENDING_WORKFLOW_TASK_STATE_SCHEDULED, "", "waiting for a worker"},
		"renames":     {"a group gets another name", activity(activities.ConfirmReplacementActivity, started, 1, nil), 0, "group/1", "checking the new group for a group replacement"},
		"revokes":     {"the platform that is down says most", append(activity(activities.RemoveUserActivity, started, 1, nil), activity(activities.RemoveUserActivity, scheduled, 3, refused("Unavailable"))...), 0, "revoke/1", "waiting for the platform for a revocation, attempt 3, Unavailable, next try in 12s"},
		"between":     {"a run decides, or sleeps", nil, 0, "", "running"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			described := &workflowservice.DescribeWorkflowExecutionResponse{
				WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{StartTime: timestamppb.New(now.Add(-time.Minute))},
				PendingActivities:     tc.pending,
			}
			if tc.task != 0 {
				described.PendingWorkflowTask = &workflowpb.PendingWorkflowTaskInfo{State: tc.task}
			}
			got := live{Workflow: tc.id}.at(described, now)
			if got.text() != tc.want {
				t.Errorf("%s: %q, want %q", tc.reason, got.text(), tc.want)
			}
			if got.SinceMS != 60_000 {
				t.Errorf("open for %d ms, want a minute", got.SinceMS)
			}
		})
	}
}

// TestStatus_ListsOpenRuns: JSON has the tenants that wait for an approval too, unless an
// open run may end that. The table has them among the tenants.
func TestStatus_ListsOpenRuns(t *testing.T) {
	t.Parallel()
	other := access.TenantID{Workspace: "marketing", Project: "shop", Platform: "sandbox.local"}
	last := statuses{
		tenant(): store.Status{Tenant: tenant(), Outcome: string(activities.Waiting), Held: 2},
		other:    store.Status{Tenant: other, Outcome: string(activities.Waiting), Held: 1},
	}
	runs := []live{{
		Workflow: workflows.ReplicateTenantID(other), Tenant: other.ProjectID(), Platform: other.Platform, State: stateRunning, SinceMS: 5000,
	}}
	all := slices.Concat(runs, last.held(withoutRun([]access.TenantID{tenant(), other}, runs)))
	if len(all) != 2 || all[1].State != stateApproval || all[1].Held != 2 {
		t.Errorf("%+v, want the run, and 2 steps that wait for an approval", all)
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

// TestOpenRunsAreTold: a renaming is its tenant's, a revocation everybody's, and a
// run of another tenant nobody's here.
func TestOpenRunsAreTold(t *testing.T) {
	t.Parallel()
	other := access.TenantID{Workspace: "marketing", Project: "shop", Platform: "sandbox.local"}
	open := func(kind, id string, of access.TenantID) *workflowpb.WorkflowExecutionInfo {
		fields := map[string]*commonpb.Payload{}
		for name, value := range map[string]string{engine.PlatformAttribute: of.Platform, engine.ProjectAttribute: of.ProjectID()} {
			payload, err := converter.GetDefaultDataConverter().ToPayload(value)
			if err != nil {
				t.Fatal(err)
			}
			fields[name] = payload
		}
		return &workflowpb.WorkflowExecutionInfo{
			Execution: &commonpb.WorkflowExecution{WorkflowId: id}, Type: &commonpb.WorkflowType{Name: kind},
			SearchAttributes: &commonpb.SearchAttributes{IndexedFields: fields},
		}
	}
	mine := live{Tenant: tenant().ProjectID(), Platform: tenant().Platform}
	for name, tc := range map[string]struct {
		run  *workflowpb.WorkflowExecutionInfo
		want live
		ok   bool
	}{
		"tenant":           {open(workflows.ReplicateTenantWorkflow, workflows.ReplicateTenantID(tenant()), tenant()), mine, true},
		"other's tenant":   {open(workflows.ReplicateTenantWorkflow, workflows.ReplicateTenantID(other), other), live{}, false},
		"renaming":         {open(workflows.RecreateGroupWorkflow, workflows.RecreateGroupID("1"), tenant()), mine, true},
		"other's renaming": {open(workflows.RecreateGroupWorkflow, workflows.RecreateGroupID("2"), other), live{}, false},
		"revocation":       {open(workflows.RevokeUserWorkflow, workflows.RevokeUserID("3"), access.TenantID{}), live{}, true},
	} {
		got, ok := runOf(tc.run, wantedRuns([]access.TenantID{tenant()}))
		if tc.want.Workflow = tc.run.GetExecution().GetWorkflowId(); ok != tc.ok || ok && got != tc.want {
			t.Errorf("%s: %+v, %t; want %+v, %t", name, got, ok, tc.want, tc.ok)
		}
	}
	nameless := &workflowpb.WorkflowExecutionInfo{Type: &commonpb.WorkflowType{Name: workflows.RecreateGroupWorkflow}}
	if got, ok := runOf(nameless, wantedRuns([]access.TenantID{tenant()})); ok {
		t.Errorf("a renaming of nobody knows what is listed as %+v", got)
	}
}

func TestStatusWithoutTemporal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	c := &cli{out: &out, format: formatTable}
	s := statusReport{LiveError: "temporal cannot be reached\x1b[2J"}
	if err := c.showStatus(s, &statusFlags{watch: true}); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.Contains(got, "The open runs are unknown: temporal cannot be reached") || strings.Contains(got, "\x1b") {
		t.Errorf("the status without Temporal is\n%q", got)
	}
}
