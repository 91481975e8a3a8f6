package main

import (
	"strings"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// TestStatus_ShowsTheReasonOfAFailure: the text of the last attempt's failure, for those
// who can read it.
func TestStatus_ShowsTheReasonOfAFailure(t *testing.T) {
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
	const state = "waiting for the platform, attempt 2, Unavailable, next try in 0s"
	for name, tc := range map[string]struct {
		reason  string
		failure *failurepb.Failure
		keys    converter.DataConverter
		want    string
	}{
		"plain":        {"histories are not encrypted", failure("activities: list groups: 503", false), nil, state + ": list groups: 503"},
		"with keys":    {"the caller has the keys", failure("activities: list groups: 503", true), keys, state + ": list groups: 503"},
		"without keys": {"the class is in the open", failure("activities: list groups: 503", true), nil, state},
		"lines":        {"a table has one line for a run", failure("list groups:\n503", false), nil, state + ": list groups: 503"},
		"no text":      {"nothing follows", failure("", false), nil, state},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			described := &workflowservice.DescribeWorkflowExecutionResponse{PendingActivities: []*workflowpb.PendingActivityInfo{{
				ActivityType: &commonpb.ActivityType{Name: activities.PlanActivity}, State: enumspb.PENDING_ACTIVITY_STATE_SCHEDULED,
				Attempt: 2, LastFailure: tc.failure,
			}}}
			(&cli{payloads: tc.keys}).decryptFailures(described)
			if got := (live{}).at(described, time.Now()).text(); got != tc.want {
				t.Errorf("%s: %q, want %q", tc.reason, got, tc.want)
			}
		})
	}
}

// TestStatus_ShowsWhatThePlatformAnswered: the reason of a run that applies a plan is in
// the ledger.
func TestStatus_ShowsWhatThePlatformAnswered(t *testing.T) {
	t.Parallel()
	s := newScene(t, "")
	c := &cli{documents: s.store}
	role := func(id string) plan.Step { return ofRole(id, plan.Create, "role-"+id, adminGroup) }
	s.answered(tenant(), "one", temporary, role("1"))
	s.answered(tenant(), "several", temporary, role("1"), role("2"))
	s.answered(tenant(), "mixed", forbidden, role("1"))
	s.answered(tenant(), "mixed", temporary, role("2"))
	s.did("done", role("1"))
	s.answered(tenant(), "replanned", "Unavailable: the first plan", role("1"))
	s.answeredIn(2, tenant(), "replanned", "Unavailable: the second plan\nwait", role("1"))
	s.answered(tenant(), "tried again", temporary, role("1"))
	s.answered(tenant(), "tried again", unanswered, role("1"))
	s.answered(tenant(), "pending", "Pending: AWS is still creating it: pending\nwait", role("1"))
	s.answered(tenant(), "pending", "Throttled: another change is in the way", role("2"))
	s.answered(tenant(), "outage", "Unavailable: list groups: 503", role("1"))
	s.answered(tenant(), "outage", "Pending: AWS is still creating it", role("2"))
	s.answered(tenant(), "refused", forbidden, role("1"))
	s.answered(tenant(), "throttled", "Throttled: 429", role("1"))
	replacing := ledger.Run{Tenant: tenant(), WorkflowID: "group/g1", RunID: "replacement", Pass: 1}
	s.recorded(replacing, "Unavailable: create group: 502", role("3"))
	applying, comparing := doing(activities.ApplyActivity), doing(activities.PlanActivity)
	text := strings.TrimPrefix(temporary, "Unavailable: ")
	for _, tc := range []struct {
		reason string
		run    live
		want   string
	}{
		{"one step failed", live{runID: "one", Doing: applying, Error: "Unavailable"}, text},
		{"several steps failed alike", live{runID: "several", Doing: applying, Error: "Unavailable"}, text + " (2 steps)"},
		{"what is refused is not what the run waits for", live{runID: "mixed", Doing: applying, Error: "Unavailable"}, text},
		{"the last plan counts", live{runID: "replanned", Doing: applying, Error: "Unavailable"}, "the second plan"},
		{"the next attempt has no answer yet", live{runID: "tried again", Doing: applying, Error: "Unavailable"}, text},
		{"the ledger is more precise than the activity", live{runID: "one", Doing: applying, Error: "Unavailable", Reason: "1 of 1 steps"}, text},
		{"no step failed", live{runID: "done", Doing: applying, Error: "TimedOut", Reason: "heartbeat"}, "heartbeat"},
		{"nothing failed yet", live{runID: "one", Doing: applying}, ""},
		{"reading failed", live{runID: "one", Doing: comparing, Error: "Unavailable", Reason: "list groups"}, "list groups"},
		{"another run", live{runID: "none", Doing: applying, Error: "Unavailable"}, ""},
		{"the platform carries out a step", live{runID: "pending", Tenant: "acme.t", Platform: "p.q", State: stateRunning}, "AWS is still creating it"},
		{"an outage lasts longer than what is carried out", live{runID: "outage", Tenant: "acme.t", Platform: "p.q", State: stateRunning}, "list groups: 503"},
		{"the platform throttles", live{runID: "throttled", Tenant: "acme.t", Platform: "p.q", State: stateRunning}, "429"},
		{
			"a group replacement of the run ended unfinished",
			live{runID: "replaces", Tenant: tenant().ProjectID(), Platform: tenant().Platform, State: stateRunning, SinceMS: 60_000}, "create group: 502",
		},
		{
			"the replacement is an earlier run's",
			live{runID: "replaces", Tenant: tenant().ProjectID(), Platform: tenant().Platform, State: stateRunning, SinceMS: 0}, "",
		},
		{"a refusal is not waited for", live{runID: "refused", Tenant: "acme.t", Platform: "p.q", State: stateRunning}, ""},
		{"a run that compares waits for no step", live{runID: "pending", Tenant: "acme.t", Platform: "p.q", State: stateRunning, Doing: comparing}, ""},
	} {
		runs := []live{tc.run}
		if err := c.addReasons(t.Context(), runs); err != nil {
			t.Fatal(err)
		}
		if runs[0].Reason != tc.want {
			t.Errorf("%s: %q, want %q", tc.reason, runs[0].Reason, tc.want)
		}
		state := map[bool]string{true: statePending, false: statePlatform}[tc.run.runID == "pending"]
		if tc.run.Doing == "" && (runs[0].State == state) != (tc.want != "") {
			t.Errorf("%s: the state is %q", tc.reason, runs[0].State)
		}
	}
}
