package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/rollcall-iam/rollcall/activities"
)

// Between looks at steps that the platform is still carrying out.
const (
	firstPendingWait   = 15 * time.Second
	longestPendingWait = 5 * time.Minute
	// pendingTimeout is how long removals wait for what is pending, whatever triggers the
	// run meanwhile. The run ends with a warning after one more plan.
	pendingTimeout = time.Hour
)

// pending are the steps that the platform is still carrying out.
type pending struct {
	steps int           // of the last plan
	after time.Duration // the delay that the platform asks for
	waits int           // since the last trigger
	began time.Time     // when the run began to wait for steps that are pending
	// waitExpired is true once removals wait no longer for what is pending.
	waitExpired bool
}

// waitForPending gives the platform time for what it is still carrying out. A trigger ends
// the wait: the next plan may have removals, which wait for nothing that is pending.
func (r *replication) waitForPending(ctx workflow.Context) error {
	if r.pending.waitExpired {
		return temporal.NewNonRetryableApplicationError(
			fmt.Sprintf("the platform has been carrying out %d steps for about an hour", r.pending.steps), activities.TypePending, nil)
	}
	if r.pending.began.IsZero() {
		r.pending.began = workflow.Now(ctx)
	}
	ends := r.pending.began.Add(pendingTimeout)
	r.pending.waits++
	pause := max(r.pending.after, min(firstPendingWait<<min(r.pending.waits-1, 10), longestPendingWait))
	pause = max(min(pause, ends.Sub(workflow.Now(ctx))), time.Second)
	r.say(ctx, fmt.Sprintf("**Waiting %s**: the platform is still carrying out %d steps.", pause, r.pending.steps))
	timer, cancel := workflow.WithCancel(ctx)
	defer cancel()
	var err error
	workflow.NewSelector(ctx).
		AddFuture(workflow.NewTimer(timer, pause), func(f workflow.Future) { err = f.Get(ctx, nil) }).
		AddReceive(r.triggers, func(workflow.ReceiveChannel, bool) {
			drain(r.triggers)
			r.since, r.pending.waits = r.pass+1, 0
		}).
		Select(ctx)
	r.pending.waitExpired = !workflow.Now(ctx).Before(ends)
	return err
}
