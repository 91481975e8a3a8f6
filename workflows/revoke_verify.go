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

// VerifyRevocationWorkflow is the name under which VerifyRevocation is registered.
const VerifyRevocationWorkflow = "VerifyRevocation"

const (
	// verifyPause is the pause after the first round of looks. It doubles with each round,
	// up to longestVerifyPause.
	verifyPause        = time.Second
	longestVerifyPause = time.Minute
)

// VerifyRevocationID is the workflow ID of a revocation's verification on one platform.
func VerifyRevocationID(id, platform string) string { return RevokeUserID(id) + "/" + platform }

// VerifyRevocationInput is what VerifyRevocation needs to start, and to continue as new.
type VerifyRevocationInput struct {
	ID       string `json:"id"`
	Platform string `json:"platform"`
	// Round counts the rounds of looks, Look the looks. After and Problem are where the
	// round is.
	Round   int    `json:"round,omitempty"`
	Look    int    `json:"look,omitempty"`
	After   string `json:"after,omitempty"`
	Problem string `json:"problem,omitempty"`
	// Done is what earlier runs found.
	Done VerifyRevocationResult `json:"done"`
}

// VerifyRevocationResult sums up a verification.
type VerifyRevocationResult struct {
	// Tenants had a run started, or told to look again.
	Tenants int `json:"tenants"`
	// Sets are the groups and roles that had the user again.
	Sets  int `json:"sets"`
	Calls int `json:"calls"`
}

// VerifyRevocation verifies that a user is out of everything on one platform:
//
//   - look at all affected tenants, a window at a time, and have each replicated: a run
//     finds what another one granted at the same moment;
//   - remove the user again from what has them;
//   - repeat after a pause, until a round finds nothing, the revocation is lifted, or only
//     problems are left that an operator has to solve.
//
// It continues as new between windows, so that no number of tenants is too large.
func VerifyRevocation(ctx workflow.Context, in VerifyRevocationInput) (VerifyRevocationResult, error) {
	v := &verification{in: in, starts: workflow.NewSemaphore(ctx, starting)}
	triggers := workflow.GetSignalChannel(ctx, TriggerSignal)
	for {
		out, err := v.look(ctx)
		ended := err != nil || out.Done
		// A removal since this look needs another one: nothing else verifies it.
		if again := !temporal.IsCanceledError(err) && ended && drain(triggers); ended && !again {
			return v.in.Done, v.failure(err)
		} else if again {
			v.restart()
		} else if err := v.advance(ctx, triggers, out); err != nil {
			return v.in.Done, err
		}
		if renewalDue(ctx) {
			if drain(triggers) {
				v.restart()
			}
			return v.in.Done, renew(ctx, VerifyRevocationWorkflow, v.in)
		}
	}
}

// advance goes on to the next window, or after a pause to the next round.
func (v *verification) advance(ctx workflow.Context, triggers workflow.ReceiveChannel, out activities.VerifyRemovalOutput) error {
	v.in.After, v.in.Problem = out.Next, out.Problem
	if out.Next != "" {
		return nil
	}
	v.in.Problem = ""
	return v.pause(ctx, triggers, out.Wait)
}

// verification is the state of one run.
type verification struct {
	in     VerifyRevocationInput
	starts workflow.Semaphore
}

// restart begins with a first round: the user was removed once more meanwhile.
func (v *verification) restart() { v.in.Round, v.in.After, v.in.Problem = 0, "", "" }

// pause waits before the next round, at most until another revocation of the user, or its
// end, is signalled.
func (v *verification) pause(ctx workflow.Context, triggers workflow.ReceiveChannel, wait time.Duration) error {
	wait = max(wait, min(verifyPause<<min(v.in.Round, 10), longestVerifyPause))
	v.in.Round++
	v.say(ctx, fmt.Sprintf("Looks again after %s.", wait))
	triggered, err := workflow.AwaitWithTimeout(ctx, wait, func() bool { return triggers.Len() > 0 })
	if err != nil {
		return err
	}
	if triggered && drain(triggers) {
		v.restart()
	}
	return nil
}

// look verifies one window of tenants and has those of the first round replicated.
func (v *verification) look(ctx workflow.Context) (activities.VerifyRemovalOutput, error) {
	v.say(ctx, "Looking at the platform.")
	options := revokeOptions(v.in.Platform, fmt.Sprintf("look %d at %s", v.in.Look+1, v.in.Platform))
	in := activities.VerifyRemovalInput{
		ID: v.in.ID, Platform: v.in.Platform, After: v.in.After, Look: v.in.Look, First: v.in.Round == 0, Problem: v.in.Problem,
	}
	v.in.Look++
	var out activities.VerifyRemovalOutput
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, options), activities.VerifyRemovalActivity, in).Get(ctx, &out)
	if err != nil {
		return out, err
	}
	v.in.Done.Tenants += len(out.Tenants)
	v.in.Done.Sets += out.Sets
	v.in.Done.Calls += out.Calls
	return out, v.replicateAll(ctx, out.Tenants)
}

// replicateAll has tenants replicated. It does not wait for their runs.
func (v *verification) replicateAll(ctx workflow.Context, tenants []access.TenantID) error {
	waiting := workflow.NewWaitGroup(ctx)
	var failed error
	for _, tenant := range tenants {
		waiting.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer waiting.Done()
			if err := v.replicate(ctx, tenant); err != nil {
				failed = err
			}
		})
	}
	waiting.Wait(ctx)
	return failed
}

// replicate starts a run of the tenant, or has the one that is open look again.
func (v *verification) replicate(ctx workflow.Context, tenant access.TenantID) error {
	if err := v.starts.Acquire(ctx, 1); err != nil {
		return err
	}
	defer v.starts.Release(1)
	return startOrSignal(ctx, ReplicateTenantWorkflow, ReplicateInput{Tenant: tenant, Cause: revokeCause}, workflow.ChildWorkflowOptions{
		WorkflowID: ReplicateTenantID(tenant), StaticSummary: "replicate " + tenant.String(),
		TypedSearchAttributes: engine.TenantAttributes(tenant, "", 0),
		Priority:              engine.Priority(engine.PriorityPeople, tenant.ProjectID()),
	})
}

// startOrSignal starts a run that outlives this one, or triggers the one that is open.
func startOrSignal(ctx workflow.Context, name string, in any, o workflow.ChildWorkflowOptions) error {
	o.ParentClosePolicy = enumspb.PARENT_CLOSE_POLICY_ABANDON
	ctx = workflow.WithChildOptions(ctx, o)
	var err error
	for range rounds {
		err = workflow.ExecuteChildWorkflow(ctx, name, in).GetChildWorkflowExecution().Get(ctx, nil)
		if _, running := errors.AsType[*temporal.ChildWorkflowExecutionAlreadyStartedError](err); !running {
			return err
		}
		err = workflow.SignalExternalWorkflow(ctx, o.WorkflowID, "", TriggerSignal, Trigger{Cause: revokeCause}).Get(ctx, nil)
		if err == nil || temporal.IsCanceledError(err) {
			return err
		}
		// It has ended in between.
	}
	return err
}

// failure is the error that a run ends with when an operator has to act.
func (v *verification) failure(err error) error {
	if err == nil || temporal.IsCanceledError(err) {
		return err
	}
	return temporal.NewApplicationErrorWithOptions(v.in.Platform+": "+Reason(err), RevokeFailedType, temporal.ApplicationErrorOptions{
		NonRetryable: true, Details: []any{v.in.Done},
	})
}

// say sets the current details of the run.
func (v *verification) say(ctx workflow.Context, text string) {
	found := fmt.Sprintf("%d tenants have runs, %d groups and roles had the user again.", v.in.Done.Tenants, v.in.Done.Sets)
	workflow.SetCurrentDetails(ctx, fmt.Sprintf("Platform `%s`\n\nRound %d: %s %s", v.in.Platform, v.in.Round+1, found, text))
}
