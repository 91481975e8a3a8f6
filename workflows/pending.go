package workflows

import (
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/rollcall-iam/rollcall/activities"
)

// Between plans of a tenant with unfinished steps.
const (
	firstPendingWait   = 15 * time.Second
	longestPendingWait = 5 * time.Minute
	// pendingTimeout is how long removals wait for unfinished additions, whatever triggers
	// the run meanwhile, and how long a run waits for pending steps.
	pendingTimeout = time.Hour
	// outageTimeout is how long a run waits for steps that fail for now.
	outageTimeout = 24 * time.Hour
)

// unfinished are the steps of the last plan that another plan may finish.
type unfinished struct {
	pending int           // the platform is still carrying them out
	failing int           // they failed for now, such as during an outage
	after   time.Duration // the longest delay that the platform asks for
	reason  string        // why a step failed, without users
	kind    string        // the type of that failure
	// expired is true where removals did not wait for unfinished additions.
	expired bool
	Waits
}

// Waits says since when a run has been waiting for unfinished steps.
type Waits struct {
	// PendingSince and FailingSince are zero while no step is pending, or fails.
	PendingSince time.Time `json:"pendingSince,omitzero"`
	FailingSince time.Time `json:"failingSince,omitzero"`
	// Count is the number of waits since the last trigger.
	Count int `json:"count,omitempty"`
}

// begin prepares for another plan.
func (u *unfinished) begin(now time.Time) {
	*u = unfinished{Waits: u.Waits, expired: u.Waits.expired(now)}
}

// add notes the unfinished steps of an activity or of a group replacement.
func (u *unfinished) add(pending, failing int, after time.Duration, reason, kind string) {
	u.pending, u.failing, u.after = u.pending+pending, u.failing+failing, max(u.after, after)
	if failing > 0 {
		u.reason, u.kind = reason, kind
	}
}

func (u *unfinished) any() bool { return u.pending+u.failing > 0 }

// expired reports whether removals have waited long enough for unfinished additions.
func (w Waits) expired(now time.Time) bool {
	return since(w.PendingSince, now) >= pendingTimeout || since(w.FailingSince, now) >= pendingTimeout
}

// since returns how long ago a time is; 0 for the zero time.
func since(began, now time.Time) time.Duration {
	if began.IsZero() {
		return 0
	}
	return now.Sub(began)
}

// update notes for how long the run has been waiting for steps of each kind.
func (u *unfinished) update(now time.Time) {
	for _, kind := range []struct {
		steps int
		began *time.Time
	}{{u.pending, &u.PendingSince}, {u.failing, &u.FailingSince}} {
		switch {
		case kind.steps == 0:
			*kind.began = time.Time{}
		case kind.began.IsZero():
			*kind.began = now
		}
	}
}

// timedOut returns an error where the run should not wait any longer. A run that waits for
// pending steps has applied a plan before in which no removal waited for them.
func (u *unfinished) timedOut(now time.Time) error {
	switch {
	case u.failing > 0 && since(u.FailingSince, now) >= outageTimeout:
		return temporal.NewNonRetryableApplicationError(
			fmt.Sprintf("%d steps have failed for about a day: %s", u.failing, u.reason), u.kind, nil)
	case u.failing == 0 && u.expired && since(u.PendingSince, now) >= pendingTimeout:
		return temporal.NewNonRetryableApplicationError(
			fmt.Sprintf("the platform has been carrying out %d steps for about an hour", u.pending), activities.TypePending, nil)
	default:
		return nil
	}
}

// pause returns how long to wait for the next plan: longer each time, as long as the
// platform asks for, and no longer than to the next timeout.
func (u *unfinished) pause(now time.Time) time.Duration {
	pause := max(u.after, min(firstPendingWait<<min(u.Count-1, 10), longestPendingWait))
	for _, timeout := range []struct {
		began time.Time
		after time.Duration
	}{{u.PendingSince, pendingTimeout}, {u.FailingSince, pendingTimeout}, {u.FailingSince, outageTimeout}} {
		if left := timeout.began.Add(timeout.after).Sub(now); !timeout.began.IsZero() && left > 0 {
			pause = min(pause, left)
		}
	}
	return max(pause, time.Second)
}

// text says what is waited for.
func (u *unfinished) text() string {
	var parts []string
	if u.pending > 0 {
		parts = append(parts, fmt.Sprintf("the platform is still carrying out %d steps", u.pending))
	}
	if u.failing > 0 {
		parts = append(parts, fmt.Sprintf("%d steps fail for now: %s", u.failing, u.reason))
	}
	return strings.Join(parts, ", and ")
}

// waitForUnfinished gives the platform time for unfinished steps. A trigger ends the wait:
// the next plan may have steps that do not need them.
func (r *replication) waitForUnfinished(ctx workflow.Context) error {
	u, now := &r.unfinished, workflow.Now(ctx)
	u.update(now)
	if err := u.timedOut(now); err != nil {
		return err
	}
	u.Count++
	pause := u.pause(now)
	r.say(ctx, fmt.Sprintf("**Waiting %s**: %s.", pause, u.text()))
	timer, cancel := workflow.WithCancel(ctx)
	defer cancel()
	var err error
	wait := workflow.NewTimerWithOptions(timer, pause, workflow.TimerOptions{Summary: "until unfinished steps are tried again"})
	workflow.NewSelector(ctx).
		AddFuture(wait, func(f workflow.Future) { err = f.Get(ctx, nil) }).
		AddReceive(r.triggers, func(workflow.ReceiveChannel, bool) {
			drain(r.triggers)
			r.since, u.Count = r.pass+1, 0
			r.in.VerifyLater = false // the caller that triggered looks at the status
			r.immovableIn.renamings, r.immovableIn.runs = nil, nil
		}).
		Select(ctx)
	return err
}
