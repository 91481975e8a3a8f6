package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"
)

// renewalDue reports whether a run should continue as new: its history has grown
// long, or newer workers get the work by now and those of its own version wait for
// it to end.
func renewalDue(ctx workflow.Context) bool {
	info := workflow.GetInfo(ctx)
	return info.GetContinueAsNewSuggested() || info.GetTargetWorkerDeploymentVersionChanged()
}

// renew continues a run as new, with another input, on the version that is current
// then. Without asking for it, the new run would stay on the version of the old one.
func renew(ctx workflow.Context, name string, in any) error {
	return workflow.NewContinueAsNewErrorWithOptions(ctx, workflow.ContinueAsNewErrorOptions{
		InitialVersioningBehavior: workflow.ContinueAsNewVersioningBehaviorAutoUpgrade,
	}, name, in)
}

// sleep waits with a timer whose summary says what for.
func sleep(ctx workflow.Context, d time.Duration, summary string) error {
	return workflow.NewTimerWithOptions(ctx, d, workflow.TimerOptions{Summary: summary}).Get(ctx, nil)
}

// steps counts steps in words.
func steps(n int) string {
	if n == 1 {
		return "1 step"
	}
	return fmt.Sprintf("%d steps", n)
}
