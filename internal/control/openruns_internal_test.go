package control

import (
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
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/internal/store/storetest"
	"github.com/rollcall-iam/rollcall/workflows"
)

// webTenant is the tenant of tests.
func webTenant() access.TenantID {
	return access.TenantID{Workspace: "marketing", Project: "web", Platform: "sandbox.local"}
}

// refused is the failure of an attempt, of which only the class can be read.
func refused(class string) *failurepb.Failure {
	return &failurepb.Failure{Message: encodedFailure, FailureInfo: &failurepb.Failure_ApplicationFailureInfo{
		ApplicationFailureInfo: &failurepb.ApplicationFailureInfo{Type: class},
	}}
}

func TestOpenRun_At(t *testing.T) {
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
	for name, tc := range map[string]struct {
		reason  string
		pending []*workflowpb.PendingActivityInfo
		task    enumspb.PendingWorkflowTaskState
		want    OpenRun
	}{
		"compares":    {"a worker compares", activity(activities.PlanActivity, started, 1, nil), 0, OpenRun{State: StateRunning, Doing: "comparing", Attempt: 1}},
		"applies":     {"a worker applies", activity(activities.ApplyActivity, started, 1, nil), 0, OpenRun{State: StateRunning, Doing: "applying", Attempt: 1}},
		"queued":      {"all workers of the platform are busy", activity(activities.PlanActivity, scheduled, 1, nil), 0, OpenRun{State: StateQueued, Doing: "comparing", Attempt: 1}},
		"platform":    {"the platform is down", activity(activities.ApplyActivity, scheduled, 4, refused("Unavailable")), 0, OpenRun{State: StatePlatform, Doing: "applying", Attempt: 4, Error: "Unavailable", NextTryMS: 12_000}},
		"repeats":     {"the end of the attempt is not known yet", activity(activities.DetectDriftActivity, started, 2, refused("Throttled")), 0, OpenRun{State: StateRunning, Doing: "comparing all tenants", Attempt: 2, Error: "Throttled"}},
		"dead worker": {"another worker continues", activity(activities.ApplyActivity, scheduled, 2, timeout), 0, OpenRun{State: StatePlatform, Doing: "applying", Attempt: 2, Error: TimedOut, NextTryMS: 12_000}},
		"no worker":   {"no worker has begun the run", nil, enumspb.PENDING_WORKFLOW_TASK_STATE_SCHEDULED, OpenRun{State: StateQueued}},
		"revokes":     {"the platform with most attempts is reported", append(activity(activities.RemoveUserActivity, started, 1, nil), activity(activities.RemoveUserActivity, scheduled, 3, refused("Unavailable"))...), 0, OpenRun{State: StatePlatform, Doing: "removing a user", Attempt: 3, Error: "Unavailable", NextTryMS: 12_000}},
		"between":     {"a run decides, or sleeps", nil, 0, OpenRun{State: StateRunning}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			described := &workflowservice.DescribeWorkflowExecutionResponse{
				WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{StartTime: timestamppb.New(now.Add(-time.Minute))},
				PendingActivities:     tc.pending,
			}
			if tc.task != 0 {
				described.PendingWorkflowTask = &workflowpb.PendingWorkflowTaskInfo{State: tc.task}
			}
			tc.want.SinceMS = 60_000
			if diff := cmp.Diff(tc.want, OpenRun{}.at(described, now), cmp.AllowUnexported(OpenRun{})); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// TestOpenRun_HasTheReasonOfAFailure: the text of the last attempt's failure, for callers that
// can read it.
func TestOpenRun_HasTheReasonOfAFailure(t *testing.T) {
	t.Parallel()
	keys := converter.GetDefaultDataConverter()
	failure := func(message string, encrypt bool) *failurepb.Failure {
		f := refused("Unavailable")
		f.Message = message
		if encrypt {
			if err := converter.EncodeCommonFailureAttributes(keys, f); err != nil {
				t.Fatal(err)
			}
		}
		return f
	}
	for name, tc := range map[string]struct {
		reason  string
		failure *failurepb.Failure
		keys    converter.DataConverter
		want    string
	}{
		"plain":        {"histories are not encrypted", failure("activities: list groups: 503", false), nil, "list groups: 503"},
		"with keys":    {"the caller has the keys", failure("activities: list groups: 503", true), keys, "list groups: 503"},
		"without keys": {"only the class can be read", failure("activities: list groups: 503", true), nil, ""},
		"lines":        {"a table has one line for a run", failure("list groups:\n503", false), nil, "list groups: 503"},
		"no text":      {"a failure may have no text", failure("", false), nil, ""},
	} {
		described := &workflowservice.DescribeWorkflowExecutionResponse{PendingActivities: []*workflowpb.PendingActivityInfo{{
			ActivityType: &commonpb.ActivityType{Name: activities.PlanActivity}, State: enumspb.PENDING_ACTIVITY_STATE_SCHEDULED,
			Attempt: 2, LastFailure: tc.failure,
		}}}
		Temporal{Payloads: tc.keys}.decryptFailures(described)
		got := OpenRun{}.at(described, time.Now())
		if got.Error != "Unavailable" || got.Reason != tc.want {
			t.Errorf("%s: %s: %q of class %q, want %q", name, tc.reason, got.Reason, got.Error, tc.want)
		}
	}
}

// TestRunOf: a group replacement is about its tenant, and a revocation about all.
func TestRunOf(t *testing.T) {
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
	known := OpenRun{Tenant: webTenant().ProjectID(), Platform: webTenant().Platform}
	for name, tc := range map[string]struct {
		run  *workflowpb.WorkflowExecutionInfo
		want OpenRun
		ok   bool
	}{
		"tenant":              {open(workflows.ReplicateTenantWorkflow, workflows.ReplicateTenantID(webTenant()), webTenant()), known, true},
		"other's tenant":      {open(workflows.ReplicateTenantWorkflow, workflows.ReplicateTenantID(other), other), OpenRun{}, false},
		"replacement":         {open(workflows.RecreateGroupWorkflow, workflows.RecreateGroupID("1"), webTenant()), known, true},
		"other's replacement": {open(workflows.RecreateGroupWorkflow, workflows.RecreateGroupID("2"), other), OpenRun{}, false},
		"revocation":          {open(workflows.RevokeUserWorkflow, workflows.RevokeUserID("3"), access.TenantID{}), OpenRun{}, true},
	} {
		got, ok := runOf(tc.run, runsOf([]access.TenantID{webTenant()}))
		if tc.want.Workflow = tc.run.GetExecution().GetWorkflowId(); ok != tc.ok || ok && got != tc.want {
			t.Errorf("%s: %+v, %t; want %+v, %t", name, got, ok, tc.want, tc.ok)
		}
	}
	unnamed := &workflowpb.WorkflowExecutionInfo{Type: &commonpb.WorkflowType{Name: workflows.RecreateGroupWorkflow}}
	if got, ok := runOf(unnamed, runsOf([]access.TenantID{webTenant()})); ok {
		t.Errorf("a replacement without attributes is listed as %+v", got)
	}
}

// TestPendingRuns: a tenant that waits for an approval is listed, unless an open run may end
// that.
func TestPendingRuns(t *testing.T) {
	t.Parallel()
	other := access.TenantID{Workspace: "marketing", Project: "shop", Platform: "sandbox.local"}
	last := statuses{
		webTenant(): store.Status{Tenant: webTenant(), Outcome: string(activities.Waiting), Held: 2},
		other:       store.Status{Tenant: other, Outcome: string(activities.Waiting), Held: 1},
	}
	runs := []OpenRun{{Workflow: workflows.ReplicateTenantID(other), Tenant: other.ProjectID(), Platform: other.Platform, State: StateRunning}}
	want := []OpenRun{{Tenant: "marketing.web", Platform: "sandbox.local", State: StateApproval, Pending: 2}}
	got := last.pendingRuns(withoutRun([]access.TenantID{webTenant(), other}, runs))
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(OpenRun{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestAddReasons: the reason of a run that applies a plan is in the ledger.
func TestAddReasons(t *testing.T) {
	t.Parallel()
	const (
		unavailable = "Unavailable: create binding: 503"
		forbidden   = "Denied: create binding: 403"
		unanswered  = ""
	)
	s := storetest.Open(t)
	l := ledger.New(s)
	roleOf := func(id string) plan.Step {
		return plan.Step{ID: id, Op: plan.Create, Kind: access.KindBinding, Object: "role-" + id + " → web-admin", Want: plan.Object{
			Binding: &access.Binding{Role: "role-" + id, Group: "web-admin"},
		}}
	}
	record := func(r ledger.Run, answer string, ids ...string) {
		t.Helper()
		steps, outcomes := make([]plan.Step, len(ids)), make([]ledger.Outcome, len(ids))
		for i, id := range ids {
			steps[i], outcomes[i] = roleOf(id), ledger.Outcome{Step: roleOf(id), Err: answer}
			if answer == "done" {
				outcomes[i].Err, outcomes[i].Ref = "", "b-"+id
			}
		}
		if err := l.Intend(t.Context(), ledger.Entry{Run: r, Steps: steps}); err != nil {
			t.Fatal(err)
		}
		if answer == unanswered {
			return
		}
		if err := l.Record(t.Context(), r, outcomes); err != nil {
			t.Fatal(err)
		}
	}
	recordIn := func(n int, run, answer string, ids ...string) {
		t.Helper()
		record(ledger.Run{Tenant: webTenant(), RunID: run, WorkflowID: "w", Pass: n, Digest: "d", Cause: "apply"}, answer, ids...)
	}
	recordIn(1, "one", unavailable, "1")
	recordIn(1, "several", unavailable, "1", "2")
	recordIn(1, "mixed", forbidden, "1")
	recordIn(1, "mixed", unavailable, "2")
	recordIn(1, "done", "done", "1")
	recordIn(1, "replanned", "Unavailable: the first plan", "1")
	recordIn(2, "replanned", "Unavailable: the second plan\nwait", "1")
	recordIn(1, "tried again", unavailable, "1")
	recordIn(1, "tried again", unanswered, "1")
	recordIn(1, "pending", "Pending: it is still being created: pending\nwait", "1")
	recordIn(1, "pending", "Throttled: another change is in the way", "2")
	recordIn(1, "outage", "Unavailable: list groups: 503", "1")
	recordIn(1, "outage", "Pending: it is still being created", "2")
	recordIn(1, "refused", forbidden, "1")
	recordIn(1, "throttled", "Throttled: 429", "1")
	record(ledger.Run{Tenant: webTenant(), WorkflowID: "group/g1", RunID: "replacement", Pass: 1}, "Unavailable: create group: 502", "3")
	applying, comparing := doing(activities.ApplyActivity), doing(activities.PlanActivity)
	text := strings.TrimPrefix(unavailable, "Unavailable: ")
	for _, tc := range []struct {
		reason string
		run    OpenRun
		want   string
	}{
		{"one step failed", OpenRun{runID: "one", Doing: applying, Error: "Unavailable"}, text},
		{"several steps failed alike", OpenRun{runID: "several", Doing: applying, Error: "Unavailable"}, text + " (2 steps)"},
		{"what is refused is not what the run waits for", OpenRun{runID: "mixed", Doing: applying, Error: "Unavailable"}, text},
		{"the last plan counts", OpenRun{runID: "replanned", Doing: applying, Error: "Unavailable"}, "the second plan"},
		{"the next attempt has no answer yet", OpenRun{runID: "tried again", Doing: applying, Error: "Unavailable"}, text},
		{"the ledger is more precise than the activity", OpenRun{runID: "one", Doing: applying, Error: "Unavailable", Reason: "1 of 1 steps"}, text},
		{"no step failed", OpenRun{runID: "done", Doing: applying, Error: "TimedOut", Reason: "heartbeat"}, "heartbeat"},
		{"nothing failed yet", OpenRun{runID: "one", Doing: applying}, ""},
		{"reading failed", OpenRun{runID: "one", Doing: comparing, Error: "Unavailable", Reason: "list groups"}, "list groups"},
		{"another run", OpenRun{runID: "none", Doing: applying, Error: "Unavailable"}, ""},
		{"the platform carries out a step", OpenRun{runID: "pending", Tenant: "acme.t", Platform: "p.q", State: StateRunning}, "it is still being created"},
		{"an outage lasts longer than what is carried out", OpenRun{runID: "outage", Tenant: "acme.t", Platform: "p.q", State: StateRunning}, "list groups: 503"},
		{"the platform throttles", OpenRun{runID: "throttled", Tenant: "acme.t", Platform: "p.q", State: StateRunning}, "429"},
		{
			"a group replacement of the run ended unfinished",
			OpenRun{runID: "replaces", Tenant: webTenant().ProjectID(), Platform: webTenant().Platform, State: StateRunning, SinceMS: 60_000}, "create group: 502",
		},
		{
			"the replacement is an earlier run's",
			OpenRun{runID: "replaces", Tenant: webTenant().ProjectID(), Platform: webTenant().Platform, State: StateRunning, SinceMS: 0}, "",
		},
		{"a refusal is not waited for", OpenRun{runID: "refused", Tenant: "acme.t", Platform: "p.q", State: StateRunning}, ""},
		{"a run that compares waits for no step", OpenRun{runID: "pending", Tenant: "acme.t", Platform: "p.q", State: StateRunning, Doing: comparing}, ""},
	} {
		runs := []OpenRun{tc.run}
		if err := addReasons(t.Context(), s, runs, time.Now()); err != nil {
			t.Fatal(err)
		}
		if runs[0].Reason != tc.want {
			t.Errorf("%s: %q, want %q", tc.reason, runs[0].Reason, tc.want)
		}
		state := map[bool]string{true: StatePending, false: StatePlatform}[tc.run.runID == "pending"]
		if tc.run.Doing == "" && (runs[0].State == state) != (tc.want != "") {
			t.Errorf("%s: the state is %q", tc.reason, runs[0].State)
		}
	}
}
