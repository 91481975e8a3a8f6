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
	// mostPendingWaits is after how many waits, about an hour, removals wait no longer for
	// what is pending. The run ends with a warning after one more plan.
	mostPendingWaits = 16
)

// pending are the steps that the platform is still carrying out.
type pending struct {
	steps int           // of the last plan
	after time.Duration // the delay that the platform asks for
	waits int           // for them so far
}

// waitExpired reports whether removals wait no longer for what is pending.
func (p pending) waitExpired() bool { return p.waits >= mostPendingWaits }

// waitForPending gives the platform time for what it is still carrying out. A trigger ends
// the wait: the next plan may have removals, which wait for nothing that is pending.
func (r *replication) waitForPending(ctx workflow.Context) error {
	r.pending.waits++
	if r.pending.waits > mostPendingWaits {
		return temporal.NewNonRetryableApplicationError(
			fmt.Sprintf("the platform has been carrying out %d steps for about an hour", r.pending.steps), activities.TypePending, nil)
	}
	pause := max(r.pending.after, min(firstPendingWait<<min(r.pending.waits-1, 10), longestPendingWait))
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
	return err
}
