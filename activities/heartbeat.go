package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/progress"
)

// heartbeats say how often a working activity heartbeats, and when it does not work any
// more.
type heartbeats struct {
	interval time.Duration
	limits   progress.Limits
}

// defaultHeartbeats heartbeats well within the heartbeat timeout, after which another
// worker takes over. A call has its own deadline and the grace; all else between two
// reports of progress takes much less than a phase may.
func defaultHeartbeats() heartbeats {
	return heartbeats{
		interval: 4 * time.Second,
		limits:   progress.Limits{Phase: 90 * time.Second, Grace: 10 * time.Second},
	}
}

// heartbeating returns an activity that heartbeats while run makes progress, so that a
// worker that died is noticed within the heartbeat timeout, and cancellations arrive. When
// progress stops, the context of run is cancelled with a *progress.StallError as its cause, and
// no heartbeat follows: if run does not end, Temporal starts the next attempt after the
// heartbeat timeout.
func heartbeating[I, O any](h heartbeats, run func(context.Context, I) (O, error)) func(context.Context, I) (O, error) {
	return func(ctx context.Context, in I) (O, error) {
		ctx, stop := h.start(ctx)
		defer stop()
		out, err := run(ctx, in)
		return out, orStall(ctx, err)
	}
}

// start heartbeats until stop is called or progress ends.
func (h heartbeats) start(ctx context.Context) (working context.Context, stop func()) {
	ctx, reporter := progress.With(ctx)
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		ticker := time.NewTicker(h.interval)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case now := <-ticker.C:
				if stall := reporter.Stalled(now, h.limits); stall != nil {
					activity.GetLogger(ctx).Error("activity stalled", "error", stall)
					cancel(stall)
					return
				}
				activity.RecordHeartbeat(ctx)
			}
		}
	}()
	return ctx, func() { cancel(context.Canceled) }
}

// orStall returns the reason why an activity was stopped in place of the error that it
// ended with: that error says only that its context was cancelled. Another attempt follows.
func orStall(ctx context.Context, err error) error {
	stall, stalled := errors.AsType[*progress.StallError](context.Cause(ctx))
	if err == nil || !stalled {
		return err
	}
	return temporal.NewApplicationError(fmt.Sprintf("activities: %v: %v", fault.ErrUnavailable, stall), TypeUnavailable)
}
