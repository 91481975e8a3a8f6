package workflows

import (
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

const (
	// RecreateGroupWorkflow is the name under which RecreateGroup is registered.
	RecreateGroupWorkflow = "RecreateGroup"
	// RenamingFailedType is the type of the application error that a renaming ends
	// with when only people can mend what is wrong. Its details are a RecreateResult.
	RenamingFailedType = "ReplacementFailed"
)

// RecreateGroupID is the workflow ID that makes runs of one renaming exclusive.
func RecreateGroupID(renaming string) string { return "group/" + renaming }

// RecreateInput is what RecreateGroup needs to start.
type RecreateInput struct {
	Tenant access.TenantID `json:"tenant"`
	// Digest and Desired are those of the plan that the renaming is part of.
	Digest   string              `json:"digest"`
	Desired  string              `json:"desired"`
	Renaming activities.Renaming `json:"replacement"`
	// Settle is how long the platform may take to show what was written. The old
	// group stays at least that long after the new one was written.
	Settle time.Duration `json:"propagationDelay,omitempty"`
	Cause  string        `json:"cause,omitempty"`
	// WaitExpired lets removals run although additions for the same users are not finished.
	WaitExpired bool `json:"waitExpired,omitempty"`
	// Attempts is how often earlier runs tried the step that they left unfinished.
	Attempts int `json:"attempts,omitempty"`
}

// RecreateResult sums up a renaming, without people.
type RecreateResult struct {
	// State is the last one that the run came to.
	State activities.RenamingState `json:"state"`
	// RunID is the run's, under which the ledger has its steps.
	RunID string `json:"runId"`
	Steps int    `json:"steps"`
	Calls int    `json:"calls"`
	// Refused counts steps that the platform will not do until somebody acts.
	Refused int `json:"refused,omitempty"`
	// Immovable counts roles of the old group that the platform refused to take.
	Immovable int `json:"immovable,omitempty"`
	// Unfinished counts steps that fail for now: another run tries them again, and After is
	// how long the platform asks to wait. Attempts is how often this run tried them.
	Unfinished int           `json:"unfinished,omitempty"`
	After      time.Duration `json:"after,omitempty"`
	Attempts   int           `json:"attempts,omitempty"`
	// Reason and Type are the text and the type of the error that ended the run.
	Reason string `json:"reason,omitempty"`
	Type   string `json:"type,omitempty"`
}

// RecreateGroup gives a group another name by another group, so that nobody is
// without access in between:
//
//   - build the new group: members and roles, as far as they are missing;
//   - wait for as long as the platform may take to act on it, and look again;
//   - record the point of no return, and only then remove the old group.
//
// Before that point a refusal or a cancellation takes away what was built, and
// the old group is as it was. After it, or after an earlier run has passed it, a run
// only goes on. In mode strict the
// old group goes first, so there is no way back from the start.
//
// Where the world or the documents move, or steps fail for now on every attempt, the run
// ends: the next plan goes on from what it finds.
func RecreateGroup(ctx workflow.Context, in RecreateInput) (RecreateResult, error) {
	r := &recreation{in: in, digest: in.Digest, desired: in.Desired}
	r.result.RunID = workflow.GetInfo(ctx).WorkflowExecution.RunID
	if in.Renaming.Mode == plan.Strict {
		return r.strict(ctx)
	}
	remove, err := r.complete(ctx)
	switch {
	case ctx.Err() != nil, r.result.Refused > 0, isPermanent(err):
		return r.exhausted(ctx, err)
	case err != nil:
		return r.fail(ctx, err)
	case r.result.Unfinished > 0:
		return r.endUnfinished(ctx)
	case r.result.State == activities.RenamingPassed:
		return r.forward(ctx, remove)
	default:
		return r.end(ctx)
	}
}

// recreation is the state of one run.
type recreation struct {
	in RecreateInput
	// digest and desired are those of the plan that is being followed.
	digest, desired string
	pass            int
	result          RecreateResult
}

// strict removes the old group, then builds the new one.
func (r *recreation) strict(ctx workflow.Context) (RecreateResult, error) {
	ctx, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	parts := [][]activities.Batch{r.in.Renaming.Remove, r.in.Renaming.Build}
	for i, doing := range []string{"Removing the old group, as mode strict has it", "Building the new group"} {
		if err := r.apply(ctx, parts[i], activities.RenamingPassed, doing); err != nil || r.result.Refused > 0 {
			return r.fail(ctx, err)
		}
		switch {
		case r.result.Unfinished > 0:
			return r.endUnfinished(ctx)
		case r.result.State == activities.RenamingReplanned:
			return r.end(ctx)
		}
	}
	r.result.State = activities.RenamingDone
	if r.in.Renaming.Waits {
		r.result.State = activities.RenamingWaiting
	}
	return r.end(ctx)
}

// complete builds the new group until it is seen to be complete, and returns what
// then takes the old one away. State says how it ended.
func (r *recreation) complete(ctx workflow.Context) (remove []activities.Batch, err error) {
	build := r.in.Renaming.Build
	for range rounds {
		if err := r.apply(ctx, build, activities.RenamingBuilding, "Building the new group"); err != nil {
			return nil, err
		}
		if r.result.Refused > 0 || r.result.Unfinished > 0 || r.result.State == activities.RenamingReplanned {
			return nil, nil
		}
		if err := r.settle(ctx); err != nil {
			return nil, err
		}
		seen, err := r.confirm(ctx)
		if err != nil || r.result.State != activities.RenamingBuilding {
			return seen.Remove, err
		}
		build = seen.Build
	}
	r.result.State = activities.RenamingReplanned // what is built does not stay: the plans of the tenant say so
	return nil, nil
}

// settle waits until the platform acts on what was written, for all that is known.
func (r *recreation) settle(ctx workflow.Context) error {
	if r.in.Settle <= 0 {
		return nil
	}
	r.say(ctx, fmt.Sprintf("**Waiting %s**: so long the platform may take to act on what was written.", r.in.Settle))
	return workflow.NewTimerWithOptions(ctx, r.in.Settle, workflow.TimerOptions{
		Summary: "until the platform acts on the new group",
	}).Get(ctx, nil)
}

// confirm looks at the platform anew. What it answers is the plan from then on.
func (r *recreation) confirm(ctx workflow.Context) (activities.ConfirmOutput, error) {
	r.say(ctx, "**Checking** that the new group is complete on the platform.")
	var out activities.ConfirmOutput
	err := workflow.ExecuteActivity(r.activity(ctx, "check that the new group is complete"), platform().ConfirmReplacement,
		activities.ConfirmInput{
			Tenant: r.in.Tenant, ID: r.in.Renaming.ID, Patience: r.in.Settle, Cause: r.in.Cause,
		}).Get(ctx, &out)
	if err != nil {
		return out, err
	}
	r.result.Calls += out.Calls
	r.result.State = out.State
	if out.Digest != "" {
		r.digest, r.desired = out.Digest, out.Desired
	}
	return out, nil
}

// apply applies one part of the renaming as a pass of its own. In Refused, Unfinished and
// State it leaves why it did not come to the end, if so.
func (r *recreation) apply(ctx workflow.Context, batches []activities.Batch, state activities.RenamingState, doing string) error {
	r.pass++
	r.result.State = state
	for i, batch := range batches {
		r.say(ctx, fmt.Sprintf("**%s**: part %d of %d, %d steps done so far.", doing, i+1, len(batches), r.result.Steps))
		summary := fmt.Sprintf("%s: %d of %d: %s", state, i+1, len(batches), steps(batch.Steps()))
		var out activities.ApplyOutput
		err := workflow.ExecuteActivity(r.activity(ctx, summary), platform().Apply, activities.ApplyInput{
			Tenant: r.in.Tenant, Digest: r.digest, Desired: r.desired, Pass: r.pass, Cause: r.in.Cause, Batch: batch,
			WaitExpired: r.in.WaitExpired, Attempts: r.in.Attempts,
			Stage: activities.Stage{ID: r.in.Renaming.ID, State: state},
		}).Get(ctx, &out)
		r.count(out)
		if err != nil || out.Refused > 0 || out.Unfinished > 0 || out.Replan {
			return err
		}
	}
	return nil
}

// count adds what an activity did.
func (r *recreation) count(out activities.ApplyOutput) {
	r.result.Steps += out.Done
	r.result.Calls += out.Calls
	r.result.Refused += out.Refused
	r.result.Immovable += out.Immovable
	if out.Unfinished > 0 {
		r.result.Unfinished, r.result.After, r.result.Attempts = out.Unfinished, out.UnfinishedAfter, out.Attempts
		r.result.Reason, r.result.Type = out.Reason, out.Type
	}
	if out.Replan && out.Refused == 0 {
		r.result.State = activities.RenamingReplanned
	}
}

// forward removes the old group, whoever wants to stop that by now.
func (r *recreation) forward(ctx workflow.Context, remove []activities.Batch) (RecreateResult, error) {
	ctx, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	if err := r.apply(ctx, remove, activities.RenamingPassed, "Removing the old group"); err != nil || r.result.Refused > 0 {
		return r.fail(ctx, err)
	}
	if r.result.Unfinished > 0 {
		return r.endUnfinished(ctx)
	}
	if r.result.State != activities.RenamingReplanned {
		r.result.State = activities.RenamingDone
	}
	return r.end(ctx)
}

// endUnfinished ends the run with unfinished steps, for another run. The state is recorded since
// the first of them.
func (r *recreation) endUnfinished(ctx workflow.Context) (RecreateResult, error) {
	r.say(ctx, "**Not finished**: "+r.result.Reason+". "+r.standing())
	return r.result, nil
}

// giveUp takes away what was built, and fails with cause, unless the point of no
// return was passed while the reason to give up came.
func (r *recreation) exhausted(ctx workflow.Context, cause error) (RecreateResult, error) {
	cancelled := ctx.Err()
	ctx, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	r.say(ctx, "**Taking away again what was built**: the old group is untouched.")
	r.pass++
	var out activities.UndoOutput
	err := workflow.ExecuteActivity(r.activity(ctx, "take away what was built"), platform().CompensateReplacement,
		activities.UndoInput{
			Tenant: r.in.Tenant, ID: r.in.Renaming.ID, Digest: r.digest, Pass: r.pass, Cause: r.in.Cause,
		}).Get(ctx, &out)
	if err != nil {
		return r.fail(ctx, errors.Join(cause, err))
	}
	switch {
	case out.Passed && cancelled != nil:
		return r.goOn(ctx)
	case out.Passed: // by an earlier run
		r.result.State = activities.RenamingPassed
		return r.fail(ctx, cause)
	}
	r.count(out.ApplyOutput)
	if out.Refused == 0 && out.Unfinished == 0 && !out.Replan {
		r.result.State = activities.RenamingCompensated
	}
	if cancelled != nil {
		r.say(ctx, "**Cancelled.** "+r.standing())
		return r.result, cancelled
	}
	return r.fail(ctx, cause)
}

// goOn takes up a renaming that has passed the point of no return.
func (r *recreation) goOn(ctx workflow.Context) (RecreateResult, error) {
	seen, err := r.confirm(ctx)
	switch {
	case err != nil:
		return r.fail(ctx, err)
	case r.result.State == activities.RenamingPassed:
		return r.forward(ctx, seen.Remove)
	default:
		r.result.State = activities.RenamingReplanned // somebody else touched it since
		return r.end(ctx)
	}
}

// end records how the run left the renaming, where that is not recorded yet.
func (r *recreation) end(ctx workflow.Context) (RecreateResult, error) {
	err := workflow.ExecuteActivity(r.activity(ctx, "record that it is "+string(r.result.State)), platform().RecordReplacement,
		activities.RecordReplacementInput{
			Tenant: r.in.Tenant, ID: r.in.Renaming.ID, Digest: r.digest, State: r.result.State,
		}).Get(ctx, nil)
	if err != nil {
		return r.result, err
	}
	r.say(ctx, r.standing())
	return r.result, nil
}

// fail ends the run with the error that makes lists of workflows show it. Without
// a cause it is that steps were refused.
func (r *recreation) fail(ctx workflow.Context, cause error) (RecreateResult, error) {
	message := fmt.Sprintf("%s: renaming a group: the platform refused %d steps", r.in.Tenant, r.result.Refused)
	if cause != nil {
		r.result.Reason, r.result.Type = Reason(cause), failureType(cause)
		message = fmt.Sprintf("%s: renaming a group: %s", r.in.Tenant, r.result.Reason)
	}
	r.say(ctx, "**Failed.** "+r.standing())
	return r.result, temporal.NewApplicationErrorWithOptions(message, RenamingFailedType, temporal.ApplicationErrorOptions{
		NonRetryable: true, Details: []any{r.result},
	})
}

// standing says, for people, where the groups are left.
func (r *recreation) standing() string {
	switch r.result.State {
	case activities.RenamingDone:
		return "**Done**: the new group has taken the old one's place."
	case activities.RenamingWaiting:
		return "**Waiting for a decision**: the new group is complete, and the old one stays until then. A new run goes on."
	case activities.RenamingCompensated:
		return "What was built is taken away again. The old group is untouched."
	case activities.RenamingReplanned:
		return "The platform or the documents changed: the tenant is planned again."
	case activities.RenamingPassed:
		return "The point of no return is passed: the next run goes on with the removal of the old group."
	default:
		return "The new group is not complete, and the old one is untouched: the next run goes on."
	}
}

// activity returns the context for an activity. One that is cancelled is waited
// for: whatever comes next must not meet it at work.
func (r *recreation) activity(ctx workflow.Context, summary string) workflow.Context {
	o := options(r.in.Tenant.Platform, summary)
	o.WaitForCancellation = true
	return workflow.WithActivityOptions(ctx, o)
}

// say tells people who look at the run what it does now, and whether it can still
// be stopped.
func (r *recreation) say(ctx workflow.Context, text string) {
	way := "It can still be cancelled: what was built is taken away again then."
	if r.result.State == activities.RenamingPassed || r.in.Renaming.Mode == plan.Strict {
		way = "**The point of no return is passed**: a cancellation changes nothing any more."
	}
	switch r.result.State {
	case activities.RenamingDone, activities.RenamingWaiting, activities.RenamingCompensated, activities.RenamingReplanned:
		way = "Nothing of it is under way any more."
	default:
	}
	workflow.SetCurrentDetails(ctx, fmt.Sprintf("Tenant `%s`, a group gets another name, mode **%s**\n\n%s\n\n%s",
		r.in.Tenant, r.in.Renaming.Mode, text, way))
}

// isPermanent reports whether only people can mend what an activity failed for.
func isPermanent(err error) bool {
	app, ok := errors.AsType[*temporal.ApplicationError](err)
	return ok && app.NonRetryable()
}
