package control

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
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
	// maxOpenRuns is how many open runs are described.
	maxOpenRuns = 200
	// openRunsTimeout bounds what Temporal may take to list the open runs: without them, the
	// rest of the status is as good.
	openRunsTimeout = 5 * time.Second
)

// The states of an open run.
const (
	StateRunning  = "running"
	StateQueued   = "waiting for a worker"
	StatePlatform = "waiting for the platform"
	StatePending  = "waiting for the platform to finish"
	StateApproval = "waiting for an approval"
)

// TimedOut is the class of an attempt of a worker that stopped, or hangs.
const TimedOut = "TimedOut"

// OpenRun is a run that is open, or a tenant that waits for an approval.
type OpenRun struct {
	Workflow string `json:"workflow,omitempty"`
	// Tenant is empty for the sweep of a whole platform, and so is Platform for a revocation.
	Tenant   string `json:"tenant,omitempty"`
	Platform string `json:"platform"`
	State    string `json:"state"`
	// Doing is what the run does, where that is known.
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
	// Pending counts the steps that wait for an approval.
	Pending int `json:"pending_approval,omitempty"`

	runID string
}

// describeRuns returns the open runs of the tenants, and what they do. More counts the open
// runs that it leaves out.
func (l *Local) describeRuns(ctx context.Context, tenants []access.TenantID) (found []OpenRun, more int, err error) {
	ctx, cancel := context.WithTimeout(ctx, openRunsTimeout)
	defer cancel()
	t, err := l.Temporal(ctx)
	if err != nil {
		return nil, 0, err
	}
	open, more, err := t.openRuns(ctx, tenants)
	if err != nil {
		return nil, 0, fmt.Errorf("ask Temporal what runs: %w", err)
	}
	found = make([]OpenRun, len(open))
	var group errgroup.Group
	group.SetLimit(16)
	for i, run := range open {
		group.Go(func() error {
			described, err := t.Client.DescribeWorkflowExecution(ctx, run.Workflow, "")
			if _, closed := errors.AsType[*serviceerror.NotFound](err); closed {
				return nil
			}
			if err != nil {
				return fmt.Errorf("ask Temporal about %s: %w", run.Workflow, err)
			}
			if described.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
				t.decryptFailures(described)
				found[i] = run.at(described, l.Now())
			}
			return nil
		})
	}
	err = group.Wait()
	// Those that ended meanwhile are left out.
	found = slices.DeleteFunc(found, func(l OpenRun) bool { return l.Workflow == "" })
	return found, more, err
}

// openRuns lists the open runs of the tenants and of their platforms, and the revocations.
func (t Temporal) openRuns(ctx context.Context, tenants []access.TenantID) (open []OpenRun, more int, err error) {
	known := runsOf(tenants)
	query := fmt.Sprintf("ExecutionStatus = 'Running' AND WorkflowType IN ('%s', '%s', '%s', '%s')", workflows.ReplicateTenantWorkflow,
		workflows.SweepWorkflow, workflows.RecreateGroupWorkflow, workflows.RevokeUserWorkflow)
	for token := []byte(nil); ; {
		page, err := t.Client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: query, NextPageToken: token})
		if err != nil {
			return nil, 0, err
		}
		for _, e := range page.GetExecutions() {
			if run, ok := runOf(e, known); ok {
				open = append(open, run)
			}
		}
		if token = page.GetNextPageToken(); len(token) == 0 {
			break
		}
	}
	slices.SortFunc(open, func(a, b OpenRun) int {
		return cmp.Or(cmp.Compare(a.Platform, b.Platform), cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Workflow, b.Workflow))
	})
	open = slices.CompactFunc(open, func(a, b OpenRun) bool { return a.Workflow == b.Workflow })
	if more = len(open) - maxOpenRuns; more > 0 {
		return open[:maxOpenRuns], more, nil
	}
	return open, 0, nil
}

// runsOf returns the runs that the tenants and their platforms may have, by workflow ID.
func runsOf(tenants []access.TenantID) map[string]OpenRun {
	runs := map[string]OpenRun{}
	for _, t := range tenants {
		runs[workflows.ReplicateTenantID(t)] = OpenRun{Tenant: t.ProjectID(), Platform: t.Platform}
		runs[workflows.PlanTenantID(t)] = OpenRun{Tenant: t.ProjectID(), Platform: t.Platform}
		runs[workflows.SweepID(t.Platform)] = OpenRun{Platform: t.Platform}
	}
	return runs
}

// runOf returns the tenant and the platform of an open run. A group replacement has them in
// its search attributes; a revocation has neither.
func runOf(e *workflowpb.WorkflowExecutionInfo, known map[string]OpenRun) (OpenRun, bool) {
	id := e.GetExecution().GetWorkflowId()
	run, ok := known[id]
	switch e.GetType().GetName() {
	case workflows.RevokeUserWorkflow:
		run, ok = OpenRun{}, true
	case workflows.RecreateGroupWorkflow:
		var platform, project string
		fields := e.GetSearchAttributes().GetIndexedFields()
		decode := converter.GetDefaultDataConverter().FromPayload
		if decode(fields[engine.PlatformAttribute], &platform) != nil || decode(fields[engine.ProjectAttribute], &project) != nil {
			return OpenRun{}, false
		}
		tenant, err := access.ParseTenantID(project + "/" + platform)
		if err != nil {
			return OpenRun{}, false
		}
		run, ok = known[workflows.ReplicateTenantID(tenant)]
	default:
	}
	run.Workflow = id
	return run, ok
}

// at returns the run with what it does now.
func (r OpenRun) at(described *workflowservice.DescribeWorkflowExecutionResponse, now time.Time) OpenRun {
	if started := described.GetWorkflowExecutionInfo().GetStartTime(); started != nil {
		r.SinceMS = max(0, now.Sub(started.AsTime()).Milliseconds())
	}
	r.State, r.runID = StateRunning, described.GetWorkflowExecutionInfo().GetExecution().GetRunId()
	pending := described.GetPendingActivities()
	if len(pending) == 0 {
		if task := described.GetPendingWorkflowTask(); task.GetState() == enumspb.PENDING_WORKFLOW_TASK_STATE_SCHEDULED {
			r.State = StateQueued
		}
		if r.Tenant != "" && len(described.GetPendingChildren()) > 0 {
			r.Doing = "replacing groups"
		}
		return r
	}
	// Only a revocation has several activities at a time, one a platform: what is
	// waited for longest says most.
	return r.withActivity(slices.MaxFunc(pending, func(a, b *workflowpb.PendingActivityInfo) int {
		return cmp.Compare(a.GetAttempt(), b.GetAttempt())
	}), now)
}

// withActivity returns the run with what an activity of it does.
func (r OpenRun) withActivity(p *workflowpb.PendingActivityInfo, now time.Time) OpenRun {
	r.Doing, r.Attempt = doing(p.GetActivityType().GetName()), int(p.GetAttempt())
	if p.GetLastFailure() != nil {
		r.Error, r.Reason = failureClass(p.GetLastFailure()), failureText(p.GetLastFailure())
	}
	if p.GetState() != enumspb.PENDING_ACTIVITY_STATE_SCHEDULED {
		return r
	}
	if r.State = StateQueued; r.Attempt > 1 {
		r.State = StatePlatform
		next := cmp.Or(p.GetNextAttemptScheduleTime(), p.GetScheduledTime())
		if next != nil {
			r.NextTryMS = max(0, next.AsTime().Sub(now).Milliseconds())
		}
	}
	return r
}

// doing says what an activity does.
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
		return TimedOut
	default:
		return "Unknown"
	}
}

// pendingRuns lists the tenants with steps that wait for an approval.
func (s statuses) pendingRuns(tenants []access.TenantID) (waiting []OpenRun) {
	for _, t := range tenants {
		if last := s[t]; activities.Outcome(last.Outcome) == activities.Waiting {
			waiting = append(waiting, OpenRun{Tenant: t.ProjectID(), Platform: t.Platform, State: StateApproval, Pending: last.Held})
		}
	}
	return waiting
}
