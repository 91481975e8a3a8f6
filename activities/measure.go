package activities

import (
	"context"
	"errors"

	"go.temporal.io/sdk/activity"

	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// Names of the metrics, each by platform. They name no people and no tenants.
const (
	callsMetric     = "rollcall_calls"           // calls made to the platform
	throttlesMetric = "rollcall_throttles"       // answers that asked to come back later
	stepsMetric     = "rollcall_steps"           // changes made
	waitMetric      = "rollcall_rate_limit_wait" // how long the calls of an activity waited for the platform's rate limit, together
	delayMetric     = "rollcall_change_time"     // from the apply of documents to the verified platform
)

// measure counts what an activity did, and whether it was throttled.
func measure(ctx context.Context, platform string, calls, steps int, err error) {
	metrics := activity.GetMetricsHandler(ctx).WithTags(map[string]string{"platform": platform})
	metrics.Counter(callsMetric).Inc(int64(calls))
	metrics.Counter(stepsMetric).Inc(int64(steps))
	metrics.Timer(waitMetric).Record(budget.Waited(ctx))
	if errors.Is(err, fault.ErrThrottled) {
		metrics.Counter(throttlesMetric).Inc(1)
	}
}

// measureChange records how long it took from the apply that made a revision until its
// changes were seen on so many tenants of a platform.
func (p *Platform) measureChange(ctx context.Context, platform string, revision int64, tenants int) {
	took, err := p.store.SinceGeneration(ctx, revision)
	if err != nil {
		activity.GetLogger(ctx).Warn("cannot tell how long the change took", "platform", platform, "error", err)
		return
	}
	timer := activity.GetMetricsHandler(ctx).WithTags(map[string]string{"platform": platform}).Timer(delayMetric)
	for range tenants {
		timer.Record(took)
	}
}
