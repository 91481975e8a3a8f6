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
)

// VerifyRevocationWorkflow is the name under which VerifyRevocation is registered.
const VerifyRevocationWorkflow = "VerifyRevocation"

const (
	// verifyPause is the pause after the first round of checks. It doubles with each round,
	// up to maxVerifyPause.
	verifyPause    = time.Second
	maxVerifyPause = time.Minute
)

// VerifyRevocationID is the workflow ID of a revocation's verification on one platform.
func VerifyRevocationID(id, platform string) string { return RevokeUserID(id) + "/" + platform }

// VerifyRevocationInput starts VerifyRevocation, and continues it as new. On the wire the
// fields of the next check are its own.
type VerifyRevocationInput struct {
	// VerifyRemovalInput is the next check. The workflow sets First from Round.
	activities.VerifyRemovalInput
	// Round counts the rounds of checks, from 0 on.
	Round int `json:"round,omitempty"`
	// Done sums up the earlier runs.
	Done VerifyRevocationResult `json:"done"`
}

// VerifyRevocationResult sums up a verification.
type VerifyRevocationResult struct {
	// Tenants counts the tenants whose run was started or triggered.
	Tenants int `json:"tenants"`
	// Sets counts the groups and roles that had the user again.
	Sets  int `json:"sets"`
	Calls int `json:"calls"`
}

// VerifyRevocation verifies that a user has no access left on one platform:
//
//   - check all affected tenants, a window at a time, and replicate each of them: a run
//     finds access that another run granted at the same moment;
//   - remove the user again from every group and role that still has the user;
//   - repeat after a pause, until a round finds nothing, the revocation is lifted, or only
//     problems are left that an operator must solve.
//
// It continues as new between windows, which bounds the history for any number of tenants.
func VerifyRevocation(ctx workflow.Context, in VerifyRevocationInput) (VerifyRevocationResult, error) {
	v := &verification{in: in, starts: workflow.NewSemaphore(ctx, starting)}
	triggers := workflow.GetSignalChannel(ctx, TriggerSignal)
	for {
		out, err := v.check(ctx)
		ended := err != nil || out.Done
		// A removal during this check needs another check: nothing else verifies it.
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

// restart goes back to the first round, after another removal of the user.
func (v *verification) restart() { v.in.Round, v.in.After, v.in.Problem = 0, "", "" }

// pause waits before the next round. A signal that the user is revoked again, or that the
// revocation is lifted, ends it early.
func (v *verification) pause(ctx workflow.Context, triggers workflow.ReceiveChannel, wait time.Duration) error {
	wait = max(wait, min(verifyPause<<min(v.in.Round, 10), maxVerifyPause))
	v.in.Round++
	v.say(ctx, fmt.Sprintf("The next round begins after %s.", wait))
	triggered, err := workflow.AwaitWithTimeout(ctx, wait, func() bool { return triggers.Len() > 0 })
	if err != nil {
		return err
	}
	if triggered && drain(triggers) {
		v.restart()
	}
	return nil
}

// check verifies one window of tenants and, in the first round, replicates them.
func (v *verification) check(ctx workflow.Context) (activities.VerifyRemovalOutput, error) {
	v.say(ctx, "Checking the platform.")
	options := revokeOptions(v.in.Platform, fmt.Sprintf("check %d of %s", v.in.Check+1, v.in.Platform))
	in := v.in.VerifyRemovalInput
	in.First = v.in.Round == 0
	v.in.Check++
	var out activities.VerifyRemovalOutput
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, options), revocations().VerifyRemoval, in).Get(ctx, &out)
	if err != nil {
		return out, err
	}
	v.in.Done.Tenants += len(out.Tenants)
	v.in.Done.Sets += out.Sets
	v.in.Done.Calls += out.Calls
	return out, v.replicateAll(ctx, out.Tenants)
}

// replicateAll starts or triggers the runs of tenants. It does not wait for them to end.
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

// replicate starts a run of the tenant, or triggers its open run.
func (v *verification) replicate(ctx workflow.Context, tenant access.TenantID) error {
	if err := v.starts.Acquire(ctx, 1); err != nil {
		return err
	}
	defer v.starts.Release(1)
	return startTenant(ctx, tenant, revokeCause)
}

// startOrSignal starts a run that outlives this one, or triggers the open run of that ID.
func startOrSignal(ctx workflow.Context, name string, in any, cause string, o workflow.ChildWorkflowOptions) error {
	o.ParentClosePolicy = enumspb.PARENT_CLOSE_POLICY_ABANDON
	ctx = workflow.WithChildOptions(ctx, o)
	var err error
	for range rounds {
		err = workflow.ExecuteChildWorkflow(ctx, name, in).GetChildWorkflowExecution().Get(ctx, nil)
		if _, running := errors.AsType[*temporal.ChildWorkflowExecutionAlreadyStartedError](err); !running {
			return err
		}
		err = workflow.SignalExternalWorkflow(ctx, o.WorkflowID, "", TriggerSignal, Trigger{Cause: cause}).Get(ctx, nil)
		if err == nil || temporal.IsCanceledError(err) {
			return err
		}
		// The open run ended before the signal.
	}
	return err
}

// failure returns the error of a run that needs an operator to act.
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
