package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
	"golang.org/x/sync/errgroup"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/engine"
	"github.com/rollcall-iam/rollcall/workflows"
)

const (
	// liveAtMost is how many open runs are asked what they do.
	liveAtMost = 200
	// liveAnswer bounds what Temporal may take to say what runs: without it, the
	// rest of the status is as good.
	liveAnswer = 5 * time.Second
)

// The states of an open run.
const (
	stateRunning  = "running"
	stateQueued   = "waiting for a worker"
	statePlatform = "waiting for the platform"
	statePending  = "waiting for the platform to finish"
	stateApproval = "waiting for an approval"
)

// timedOut is the class of an attempt of a worker that stopped, or hangs.
const timedOut = "TimedOut"

// live is one thing that is not done now.
type live struct {
	Workflow string `json:"workflow,omitempty"`
	// Tenant is empty for the sweep of a whole platform; so is Platform, too, for
	// what takes a person out of everything.
	Tenant   string `json:"tenant,omitempty"`
	Platform string `json:"platform"`
	State    string `json:"state"`
	// What it does, where it is known.
	Doing string `json:"doing,omitempty"`
	// Attempt counts from 1; Error is the class of the last one's failure.
	Attempt int    `json:"attempt,omitempty"`
	Error   string `json:"error,omitempty"`
	// Reason is the text of that failure, where it can be read. It names no users.
	Reason string `json:"reason,omitempty"`
	// NextTryMS is how long it is until the next attempt.
	NextTryMS int64 `json:"next_try_ms,omitempty"`
	// SinceMS is for how long the run has been open.
	SinceMS int64 `json:"since_ms,omitempty"`
	// Held counts the steps that wait for an approval.
	Held int `json:"pending_approval,omitempty"`

	runID string
}

// whatRuns returns what runs of the tenants are open, and what they do. More is
// how many it did not look at.
func (c *cli) whatRuns(ctx context.Context, tenants []access.TenantID) (found []live, more int, err error) {
	ctx, cancel := context.WithTimeout(ctx, liveAnswer)
	defer cancel()
	temporalClient, err := c.engine(ctx)
	if err != nil {
		return nil, 0, err
	}
	open, more, err := c.openRuns(ctx, tenants)
	if err != nil {
		return nil, 0, fmt.Errorf("ask Temporal what runs: %w", err)
	}
	found = make([]live, len(open))
	var group errgroup.Group
	group.SetLimit(16)
	for i, run := range open {
		group.Go(func() error {
			described, err := temporalClient.DescribeWorkflowExecution(ctx, run.Workflow, "")
			if _, gone := errors.AsType[*serviceerror.NotFound](err); gone {
				return nil
			}
			if err != nil {
				return fmt.Errorf("ask Temporal about %s: %w", run.Workflow, err)
			}
			if described.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
				c.decryptFailures(described)
				found[i] = run.at(described, time.Now())
			}
			return nil
		})
	}
	err = group.Wait()
	// Those that ended meanwhile are left out.
	found = slices.DeleteFunc(found, func(l live) bool { return l.Workflow == "" })
	return found, more, err
}

// openRuns lists the open runs of the tenants and of their platforms, and those that
// take a person out of everything.
func (c *cli) openRuns(ctx context.Context, tenants []access.TenantID) (open []live, more int, err error) {
	wanted := wantedRuns(tenants)
	query := fmt.Sprintf("ExecutionStatus = 'Running' AND WorkflowType IN ('%s', '%s', '%s', '%s')", workflows.ReplicateTenantWorkflow,
		workflows.SweepWorkflow, workflows.RecreateGroupWorkflow, workflows.RevokeUserWorkflow)
	for token := []byte(nil); ; {
		page, err := c.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: query, NextPageToken: token})
		if err != nil {
			return nil, 0, err
		}
		for _, e := range page.GetExecutions() {
			if run, ok := runOf(e, wanted); ok {
				open = append(open, run)
			}
		}
		if token = page.GetNextPageToken(); len(token) == 0 {
			break
		}
	}
	slices.SortFunc(open, func(a, b live) int {
		return cmp.Or(cmp.Compare(a.Platform, b.Platform), cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Workflow, b.Workflow))
	})
	open = slices.CompactFunc(open, func(a, b live) bool { return a.Workflow == b.Workflow })
	if more = len(open) - liveAtMost; more > 0 {
		return open[:liveAtMost], more, nil
	}
	return open, 0, nil
}

// wantedRuns are what runs of the tenants and of their platforms may be called.
func wantedRuns(tenants []access.TenantID) map[string]live {
	wanted := map[string]live{}
	for _, t := range tenants {
		wanted[workflows.ReplicateTenantID(t)] = live{Tenant: t.ProjectID(), Platform: t.Platform}
		wanted[workflows.PlanTenantID(t)] = live{Tenant: t.ProjectID(), Platform: t.Platform}
		wanted[workflows.SweepID(t.Platform)] = live{Platform: t.Platform}
	}
	return wanted
}

// runOf tells what an open run is about. One that renames a group says so in its
// search attributes; one that takes a person out is about everything.
func runOf(e *workflowpb.WorkflowExecutionInfo, wanted map[string]live) (live, bool) {
	id := e.GetExecution().GetWorkflowId()
	run, ok := wanted[id]
	switch e.GetType().GetName() {
	case workflows.RevokeUserWorkflow:
		run, ok = live{}, true
	case workflows.RecreateGroupWorkflow:
		var platform, project string
		fields := e.GetSearchAttributes().GetIndexedFields()
		decode := converter.GetDefaultDataConverter().FromPayload
		if decode(fields[engine.PlatformAttribute], &platform) != nil || decode(fields[engine.ProjectAttribute], &project) != nil {
			return live{}, false
		}
		tenant, err := access.ParseTenantID(project + "/" + platform)
		if err != nil {
			return live{}, false
		}
		run, ok = wanted[workflows.ReplicateTenantID(tenant)]
	default:
	}
	run.Workflow = id
	return run, ok
}

// at says what the run does now.
func (l live) at(described *workflowservice.DescribeWorkflowExecutionResponse, now time.Time) live {
	if began := described.GetWorkflowExecutionInfo().GetStartTime(); began != nil {
		l.SinceMS = max(0, now.Sub(began.AsTime()).Milliseconds())
	}
	l.State, l.runID = stateRunning, described.GetWorkflowExecutionInfo().GetExecution().GetRunId()
	pending := described.GetPendingActivities()
	if len(pending) == 0 {
		if task := described.GetPendingWorkflowTask(); task.GetState() == enumspb.PENDING_WORKFLOW_TASK_STATE_SCHEDULED {
			l.State = stateQueued
		}
		if l.Tenant != "" && len(described.GetPendingChildren()) > 0 {
			l.Doing = "replacing groups"
		}
		return l
	}
	// Only a revocation has several activities at a time, one a platform: what is
	// waited for longest says most.
	return l.doing(slices.MaxFunc(pending, func(a, b *workflowpb.PendingActivityInfo) int {
		return cmp.Compare(a.GetAttempt(), b.GetAttempt())
	}), now)
}

// doing says what an activity of the run does.
func (l live) doing(p *workflowpb.PendingActivityInfo, now time.Time) live {
	l.Doing, l.Attempt = doing(p.GetActivityType().GetName()), int(p.GetAttempt())
	if p.GetLastFailure() != nil {
		l.Error, l.Reason = failureClass(p.GetLastFailure()), failureText(p.GetLastFailure())
	}
	if p.GetState() != enumspb.PENDING_ACTIVITY_STATE_SCHEDULED {
		return l
	}
	if l.State = stateQueued; l.Attempt > 1 {
		l.State = statePlatform
		next := cmp.Or(p.GetNextAttemptScheduleTime(), p.GetScheduledTime())
		if next != nil {
			l.NextTryMS = max(0, next.AsTime().Sub(now).Milliseconds())
		}
	}
	return l
}

// doing is what an activity does, for people.
func doing(activity string) string {
	switch activity {
	case activities.ResolveUsersActivity:
		return "looking up users"
	case activities.PlanActivity:
		return "comparing"
	case activities.VerifyActivity:
		return "verifying"
	case activities.DetectDriftActivity:
		return "comparing all tenants"
	case activities.ApplyActivity:
		return "applying"
	case activities.RecordOutcomeActivity:
		return "storing the outcome"
	case activities.ConfirmReplacementActivity:
		return "checking the new group"
	case activities.CompensateReplacementActivity:
		return "removing the new group"
	case activities.RecordReplacementActivity:
		return "storing the outcome of a group replacement"
	case activities.RemoveUserActivity:
		return "removing a user"
	default:
		return activity
	}
}

// failureClass is the class of an attempt's failure.
func failureClass(f *failurepb.Failure) string {
	switch {
	case f.GetApplicationFailureInfo().GetType() != "":
		return f.GetApplicationFailureInfo().GetType()
	case f.GetTimeoutFailureInfo() != nil:
		return timedOut
	default:
		return "Unknown"
	}
}

// held lists the tenants with steps that wait for an approval.
func (s statuses) held(tenants []access.TenantID) (waiting []live) {
	for _, t := range tenants {
		if last := s[t]; activities.Outcome(last.Outcome) == activities.Waiting {
			waiting = append(waiting, live{Tenant: t.ProjectID(), Platform: t.Platform, State: stateApproval, Held: last.Held})
		}
	}
	return waiting
}

// text is the state with its details: "waiting for the platform, attempt 4,
// Unavailable, next try in 12s: list groups: 503".
func (l live) text() string {
	parts := []string{l.State}
	if l.State == stateRunning && l.Doing != "" {
		parts[0] = l.Doing
	}
	for prefix, purpose := range map[string]string{
		"plan/": " for a plan", workflows.RecreateGroupID(""): " for a group replacement", workflows.RevokeUserID(""): " for a revocation",
	} {
		if strings.HasPrefix(l.Workflow, prefix) {
			parts[0] += purpose
		}
	}
	if l.Attempt > 1 {
		parts = append(parts, fmt.Sprintf("attempt %d", l.Attempt))
	}
	if l.Error != "" {
		parts = append(parts, l.Error)
	}
	if l.State == statePlatform && l.Doing != "" { // else a timer of the run ends the wait
		parts = append(parts, "next try in "+seconds(l.NextTryMS).String())
	}
	text := strings.Join(parts, ", ")
	if l.Reason != "" {
		text += ": " + l.Reason
	}
	return text
}

func seconds(ms int64) time.Duration {
	return (time.Duration(ms) * time.Millisecond).Round(time.Second)
}

// writeLive lists the open runs. The tenants that wait for an approval are in the table of
// tenants.
func writeLive(w io.Writer, all []live, more int) {
	var lines [][]string
	for _, l := range all {
		if l.State == stateApproval {
			continue
		}
		age := ""
		if l.SinceMS > 0 {
			age = seconds(l.SinceMS).String()
		}
		lines = append(lines, []string{cmp.Or(l.Tenant, "(all)"), cmp.Or(l.Platform, "(all)"), age, l.text()})
	}
	if len(lines) > 0 {
		fmt.Fprintln(w, "\nOpen runs:")
		rows(w, []string{"TENANT", "PLATFORM", "AGE", "STATE"}, lines)
	}
	if more > 0 {
		fmt.Fprintf(w, "... and %d more.\n", more)
	}
}
