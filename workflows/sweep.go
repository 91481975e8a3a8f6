package workflows

import (
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/engine"
)

const (
	// SweepWorkflow is the name under which Sweep is registered.
	SweepWorkflow = "Sweep"
	// shardSize is how many tenants are read together.
	shardSize = 1000
	// window is how many tenants of one platform are replicated at once.
	window = 32
)

// SweepID is the workflow ID that makes sweeps of one platform exclusive.
func SweepID(platform string) string { return "sweep/" + platform }

// SweepInput is what Sweep needs to start.
type SweepInput struct {
	Platform string `json:"platform"`
	Cause    string `json:"cause,omitempty"`
	// After, Totals and Busy are carried over when the sweep continues as new.
	After  string            `json:"after,omitempty"`
	Totals activities.Totals `json:"totals"`
	Busy   []access.TenantID `json:"busy,omitempty"`
}

// SweepResult sums up a sweep.
type SweepResult struct {
	activities.Totals
	// Busy tenants were being replicated by a run of somebody else's. It was told
	// to look again; how it ends is not in the totals.
	Busy []access.TenantID `json:"busy,omitempty"`
}

// Sweep observes wide and acts narrow:
//
//   - survey a shard of the platform's tenants together, in a few calls;
//   - replicate those that drifted, a window of them at a time;
//   - go on with the next shard;
//   - start over when somebody triggered meanwhile.
func Sweep(ctx workflow.Context, in SweepInput) (SweepResult, error) {
	s := &sweep{in: in}
	triggers := workflow.GetSignalChannel(ctx, TriggerSignal)
	for {
		next, err := s.shard(ctx)
		if err != nil {
			return s.result(), err
		}
		s.in.After = next
		if next == "" && !drain(triggers) {
			return s.result(), nil
		}
		if renewalDue(ctx) {
			return s.result(), renew(ctx, SweepWorkflow, s.in)
		}
	}
}

type sweep struct{ in SweepInput }

func (s *sweep) result() SweepResult { return SweepResult{Totals: s.in.Totals, Busy: s.in.Busy} }

// shard surveys one shard and replicates what drifted there.
func (s *sweep) shard(ctx workflow.Context) (next string, err error) {
	s.say(ctx, "Comparing the documents with the platform.", 0, 0)
	options := options(s.in.Platform, "survey tenants after "+s.in.After)
	var out activities.DetectDriftOutput
	err = workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, options), activities.DetectDriftActivity,
		activities.DetectDriftInput{Platform: s.in.Platform, After: s.in.After, Limit: shardSize}).Get(ctx, &out)
	if err != nil {
		return "", err
	}
	if s.in.After == "" {
		s.in.Totals, s.in.Busy = activities.Totals{}, nil // a round that starts over counts anew
	}
	s.in.Totals.Add(out.Totals)
	return out.Next, s.replicate(ctx, out.Drifted)
}

// replicate runs the drifted tenants, a window of them at a time.
func (s *sweep) replicate(ctx workflow.Context, drifted []activities.Drift) error {
	slots := workflow.NewSemaphore(ctx, window)
	waiting := workflow.NewWaitGroup(ctx)
	done := 0
	for _, drift := range drifted {
		if err := slots.Acquire(ctx, 1); err != nil {
			return err
		}
		waiting.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer waiting.Done()
			defer slots.Release(1)
			s.tenant(ctx, drift)
			done++
			s.say(ctx, "Replicating the tenants that drifted.", done, len(drifted))
		})
	}
	waiting.Wait(ctx)
	return ctx.Err()
}

// tenant replicates one tenant. A run that is there already is told to look
// again, and left to whoever waits for it.
func (s *sweep) tenant(ctx workflow.Context, drift activities.Drift) {
	tenant := drift.Tenant
	ctx = workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:            ReplicateTenantID(tenant),
		ParentClosePolicy:     enumspb.PARENT_CLOSE_POLICY_ABANDON,
		StaticSummary:         "replicate " + tenant.String(),
		TypedSearchAttributes: engine.TenantAttributes(tenant, "", 0),
		Priority:              engine.Priority(engine.PriorityPeople, tenant.ProjectID()),
	})
	var result ReplicateResult
	err := workflow.ExecuteChildWorkflow(ctx, ReplicateTenantWorkflow, ReplicateInput{
		Tenant: tenant, Cause: s.in.Cause, Prepared: drift.Plan,
	}).Get(ctx, &result)
	if _, running := errors.AsType[*temporal.ChildWorkflowExecutionAlreadyStartedError](err); running {
		err = workflow.SignalExternalWorkflow(ctx, ReplicateTenantID(tenant), "", TriggerSignal, Trigger{Cause: s.in.Cause}).Get(ctx, nil)
		if err == nil {
			s.in.Busy = append(s.in.Busy, tenant)
			return
		}
	}
	if err != nil {
		result = FailedResult(err)
	}
	s.in.Totals.Count(result.Outcome, result.Steps, result.Remarks, result.Calls)
}

// FailedResult returns the result that a failed run left in its error.
func FailedResult(err error) ReplicateResult {
	result := ReplicateResult{Outcome: activities.Failed}
	app, ok := errors.AsType[*temporal.ApplicationError](err)
	if ok && app.Type() == FailedType && app.HasDetails() {
		if app.Details(&result) != nil {
			return ReplicateResult{Outcome: activities.Failed}
		}
	}
	return result
}

func (s *sweep) say(ctx workflow.Context, text string, done, of int) {
	details := fmt.Sprintf("Platform `%s`\n\n%s", s.in.Platform, text)
	if of > 0 {
		details += fmt.Sprintf(" **%d of %d** done.", done, of)
	}
	workflow.SetCurrentDetails(ctx, details)
}

// drain takes all triggers that arrived and reports whether there were any.
func drain(triggers workflow.ReceiveChannel) bool {
	found := false
	for triggers.ReceiveAsync(nil) {
		found = true
	}
	return found
}

// options let an activity outlive a day's outage of its platform.
func options(platform, summary string) workflow.ActivityOptions {
	return workflow.ActivityOptions{
		TaskQueue:              engine.PlatformQueue(platform),
		Summary:                summary,
		ScheduleToCloseTimeout: 24 * time.Hour,
		StartToCloseTimeout:    10 * time.Minute,
		HeartbeatTimeout:       15 * time.Second,
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 20 * time.Second,
		},
	}
}
