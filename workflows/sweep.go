package workflows

import (
	"cmp"
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
	// verifiedTogether is how many changed tenants are observed together, and the most for
	// which the status waits for others.
	verifiedTogether = 100
	// maxUnverified is how long a changed tenant waits for others before it is verified.
	maxUnverified = time.Minute
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
//   - verify those that were changed, together, and replicate again those that still
//     differ;
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

// sweep is the state of one run.
type sweep struct {
	in SweepInput
	// changed are the tenants that runs have changed and that are not verified yet.
	changed []activities.ChangedTenant
	// patience is how long the platform may not show a change.
	patience time.Duration
}

func (s *sweep) result() SweepResult { return SweepResult{Totals: s.in.Totals, Busy: s.in.Busy} }

// shard surveys one shard and replicates what drifted there.
func (s *sweep) shard(ctx workflow.Context) (next string, err error) {
	s.say(ctx, "Comparing the documents with the platform.", 0, 0)
	summary := "compare the tenants of " + s.in.Platform
	if s.in.After != "" {
		summary += " after " + s.in.After
	}
	options := options(s.in.Platform, summary)
	var out activities.DetectDriftOutput
	err = workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, options), platform().DetectDrift,
		activities.DetectDriftInput{Platform: s.in.Platform, After: s.in.After, Limit: shardSize}).Get(ctx, &out)
	if err != nil {
		return "", err
	}
	if s.in.After == "" {
		s.in.Totals, s.in.Busy = activities.Totals{}, nil // a round that starts over counts anew
	}
	s.in.Totals.Add(out.Totals)
	s.patience = out.Settle
	if err := s.replicate(ctx, out.Drifted, nil); err != nil {
		return "", err
	}
	return out.Next, s.verify(ctx, 1)
}

// replicate runs the drifted tenants, a window of them at a time. Those that runs have
// changed before, as far as they are among earlier, verify what they do themselves.
func (s *sweep) replicate(ctx workflow.Context, drifted []activities.Drift, earlier map[access.TenantID]activities.Tally) error {
	slots := workflow.NewSemaphore(ctx, window)
	waiting, verifying := workflow.NewWaitGroup(ctx), workflow.NewWaitGroup(ctx)
	done, ended := 0, false
	var failed error
	verifying.Add(1)
	workflow.Go(ctx, func(ctx workflow.Context) {
		defer verifying.Done()
		if err := s.verifyInTime(ctx, &ended); err != nil {
			failed = err
		}
	})
	for _, drift := range drifted {
		if err := slots.Acquire(ctx, 1); err != nil {
			return err
		}
		waiting.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer waiting.Done()
			defer slots.Release(1)
			before, again := earlier[drift.Tenant]
			s.tenant(ctx, ReplicateInput{
				Tenant: drift.Tenant, Cause: s.in.Cause, Prepared: drift.Plan, VerifyLater: !again, Done: before,
			})
			done++
			s.say(ctx, "Replicating the tenants that drifted.", done, len(drifted))
			if err := s.verify(ctx, verifiedTogether); err != nil {
				failed = err
			}
		})
	}
	waiting.Wait(ctx)
	ended = true
	verifying.Wait(ctx)
	return cmp.Or(ctx.Err(), failed)
}

// verifyInTime verifies changed tenants that have waited long enough for others, until all
// runs have ended: one run may wait for its platform for a day.
func (s *sweep) verifyInTime(ctx workflow.Context, ended *bool) error {
	for {
		err := workflow.Await(ctx, func() bool { return *ended || len(s.changed) > 0 })
		if err != nil || *ended {
			return err
		}
		early, err := workflow.AwaitWithTimeout(ctx, maxUnverified, func() bool { return *ended || len(s.changed) == 0 })
		switch {
		case err != nil || *ended:
			return err
		case early:
			continue
		}
		if err := s.verify(ctx, 1); err != nil {
			return err
		}
	}
}

// verify has the changed tenants verified together, if they are so many at least, and
// replicates those that still differ.
func (s *sweep) verify(ctx workflow.Context, least int) error {
	if len(s.changed) < least {
		return nil
	}
	changed := s.changed
	s.changed = nil
	s.say(ctx, fmt.Sprintf("Verifying %d tenants together.", len(changed)), 0, 0)
	options := options(s.in.Platform, fmt.Sprintf("verify %d tenants", len(changed)))
	var out activities.DetectDriftOutput
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, options), platform().VerifyTenants,
		activities.VerifyTenantsInput{Platform: s.in.Platform, Changed: changed, Patience: s.patience}).Get(ctx, &out)
	if err != nil {
		return err
	}
	s.in.Totals.Add(out.Totals)
	earlier := make(map[access.TenantID]activities.Tally, len(changed))
	for _, c := range changed {
		earlier[c.Tenant] = c.Done
	}
	return s.replicate(ctx, out.Drifted, earlier)
}

// tenant replicates one tenant. A run that exists already is told to observe the tenant
// again, and left to the caller that waits for it.
func (s *sweep) tenant(ctx workflow.Context, in ReplicateInput) {
	tenant := in.Tenant
	ctx = workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:            ReplicateTenantID(tenant),
		ParentClosePolicy:     enumspb.PARENT_CLOSE_POLICY_ABANDON,
		StaticSummary:         "replicate " + tenant.String(),
		TypedSearchAttributes: engine.TenantAttributes(tenant, "", 0),
		Priority:              engine.Priority(engine.PriorityPeople, tenant.ProjectID()),
	})
	var result ReplicateResult
	err := workflow.ExecuteChildWorkflow(ctx, ReplicateTenantWorkflow, in).Get(ctx, &result)
	if _, running := errors.AsType[*temporal.ChildWorkflowExecutionAlreadyStartedError](err); running {
		err = workflow.SignalExternalWorkflow(ctx, ReplicateTenantID(tenant), "", TriggerSignal, Trigger{Cause: s.in.Cause}).Get(ctx, nil)
		if err == nil {
			s.in.Busy = append(s.in.Busy, tenant)
			return
		}
	}
	switch {
	case err != nil:
		result = FailedResult(err)
	case result.RunID != "":
		s.changed = append(s.changed, activities.ChangedTenant{
			Tenant: tenant, RunID: result.RunID, Done: activities.Tally{Steps: result.Steps, Calls: result.Calls},
		})
		return
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
