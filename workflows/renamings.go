package workflows

import (
	"errors"
	"fmt"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/engine"
)

const (
	// renamingsAtOnce is how many groups of one tenant get another name together.
	renamingsAtOnce = 4
	// A renaming that a run left behind is waited for, with pauses that grow from
	// the first to the longest: about a day in all.
	firstWait   = 5 * time.Second
	longestWait = 10 * time.Minute
	mostWaits   = 150
)

// renamings are the groups of one round that get other names.
type renamings struct {
	// busy is true where a run that this one's predecessor left behind still has
	// one of them in hand.
	busy bool
	// incomplete is true where not all of them are done: what needs their steps
	// cannot go on.
	incomplete bool
	// failed are the runs of those that the platform refused.
	failed []string
	cause  error
	done   int
}

// rename replaces groups by others of new names, several at once. Each goes on
// whatever becomes of the others.
func (r *replication) rename(ctx workflow.Context, p activities.PlanOutput) error {
	slots := workflow.NewSemaphore(ctx, renamingsAtOnce)
	running := workflow.NewWaitGroup(ctx)
	open := r.refused > 0 || r.unfinished.any()
	for _, one := range p.Renamings {
		if one.Needs && open { // it may need a step that is not done
			r.renamings.incomplete = true
			continue
		}
		if slots.Acquire(ctx, 1) != nil {
			break // cancelled: those that run are waited for
		}
		running.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer running.Done()
			defer slots.Release(1)
			r.recreate(ctx, p, one)
			r.renamings.done++
			r.say(ctx, fmt.Sprintf("Renaming groups: **%d of %d** ended.", r.renamings.done, len(p.Renamings)))
		})
	}
	r.say(ctx, fmt.Sprintf("Renaming **%d groups**, each in a workflow of its own.", len(p.Renamings)))
	running.Wait(ctx)
	if err := ctx.Err(); err != nil {
		return err
	}
	return r.renamings.cause
}

// recreate runs one renaming to its end and takes note of it.
func (r *replication) recreate(ctx workflow.Context, p activities.PlanOutput, one activities.Renaming) {
	ctx = workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID: RecreateGroupID(one.ID),
		// What nobody waits for any more is taken back, as far as that goes.
		ParentClosePolicy:     enumspb.PARENT_CLOSE_POLICY_REQUEST_CANCEL,
		WaitForCancellation:   true,
		StaticSummary:         fmt.Sprintf("rename a group of %s, mode %s", r.in.Tenant, one.Mode),
		TypedSearchAttributes: engine.TenantAttributes(r.in.Tenant, "", 0),
		Priority:              engine.Priority(engine.PriorityPeople, r.in.Tenant.ProjectID()),
	})
	var result RecreateResult
	err := workflow.ExecuteChildWorkflow(ctx, RecreateGroupWorkflow, RecreateInput{
		Tenant: r.in.Tenant, Digest: p.Digest, Desired: p.Desired, Renaming: one, Settle: p.Settle, Cause: r.in.Cause,
		WaitExpired: r.unfinished.expired, Attempts: r.attempts[one.ID],
	}).Get(ctx, &result)
	if _, running := errors.AsType[*temporal.ChildWorkflowExecutionAlreadyStartedError](err); running {
		r.renamings.busy, r.renamings.incomplete = true, true
		return
	}
	if err != nil {
		result = r.renamings.fail(err)
	}
	r.refused += result.Refused
	r.done.Steps += result.Steps
	r.done.Calls += result.Calls
	r.noteUnfinished(one.ID, result)
	r.noteImmovable(one.ID, result)
	r.renamings.incomplete = r.renamings.incomplete || result.State != activities.RenamingDone
	if result.State == activities.RenamingReplanned {
		r.broken, r.unsure = true, true
	}
}

// noteUnfinished notes the steps of a renaming that are not finished.
func (r *replication) noteUnfinished(renaming string, result RecreateResult) {
	if result.Unfinished == 0 {
		return
	}
	if r.attempts == nil {
		r.attempts = map[string]int{}
	}
	r.attempts[renaming] += result.Attempts
	if result.Type == activities.TypePending {
		r.unfinished.add(result.Unfinished, 0, result.After, "", "")
		return
	}
	r.unfinished.add(0, result.Unfinished, result.After, result.Reason, result.Type)
}

// noteImmovable notes roles of the old group that the platform refused to take. The next
// plan takes the access another way, once for each replacement.
func (r *replication) noteImmovable(renaming string, result RecreateResult) {
	if result.Immovable == 0 || slices.Contains(r.immovableIn.renamings, renaming) {
		return
	}
	r.immovableIn.renamings, r.immovableIn.runs = append(r.immovableIn.renamings, renaming), append(r.immovableIn.runs, result.RunID)
	r.immovable += result.Immovable
}

// fail takes note of a renaming that ended with an error, and returns what is
// known of it.
func (n *renamings) fail(err error) RecreateResult {
	n.incomplete = true
	var result RecreateResult
	app, ok := errors.AsType[*temporal.ApplicationError](err)
	if !ok || app.Type() != RenamingFailedType || app.Details(&result) != nil {
		text := "a renaming was ended by somebody: " + Reason(err)
		n.cause = temporal.NewNonRetryableApplicationError(text, activities.TypeUnavailable, nil)
		return RecreateResult{}
	}
	if result.Refused > 0 {
		n.failed = append(n.failed, result.RunID)
	}
	if result.Reason != "" {
		n.cause = temporal.NewNonRetryableApplicationError(result.Reason, result.Type, nil)
	}
	return result
}

// waitForOrphan gives a renaming that a run left behind time to end. It fails
// when that takes longer than anything a platform needs.
func (r *replication) waitForOrphan(ctx workflow.Context) error {
	r.waits++
	if r.waits > mostWaits {
		return temporal.NewNonRetryableApplicationError(
			"a renaming that an earlier run left behind does not end: look for its workflow", activities.TypeUnavailable, nil)
	}
	pause := min(firstWait<<min(r.waits-1, 10), longestWait)
	r.say(ctx, fmt.Sprintf("**Waiting %s** for the renaming of a group that an earlier run left behind.", pause))
	return sleep(ctx, pause, "for a group replacement that an earlier run left behind")
}
