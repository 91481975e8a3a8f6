package progress_test

import (
	"context"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/progress"
)

var limits = progress.Limits{Phase: time.Minute, Grace: 10 * time.Second}

func TestStalled(t *testing.T) {
	tests := map[string]struct {
		reason string
		work   func(ctx context.Context)
		after  time.Duration
		want   string // the operation; empty while the work goes on
	}{
		"Working":       {reason: "a phase may take its time", work: func(context.Context) {}, after: time.Minute - time.Second},
		"NothingReport": {reason: "work that never reports has stalled after the limit", work: func(context.Context) {}, after: 2 * time.Minute, want: "start"},
		"PhaseEnded": {
			reason: "the last phase is named",
			work:   func(ctx context.Context) { progress.Report(ctx, "observe") }, after: 2 * time.Minute, want: "observe",
		},
		"WithinDeadline": {
			reason: "the limit follows the deadline of the operation that runs",
			work:   func(ctx context.Context) { progress.Start(ctx, "list", 5*time.Minute) }, after: 5 * time.Minute,
		},
		"Overdue": {
			reason: "an operation that does not end by its deadline has hung",
			work:   func(ctx context.Context) { progress.Start(ctx, "get", 20*time.Second) }, after: 31 * time.Second, want: "get",
		},
		"OverdueBesideOthers": {
			reason: "others that go on do not hide it",
			work: func(ctx context.Context) {
				progress.Start(ctx, "get", 20*time.Second)
				progress.Start(ctx, "list", time.Hour)
				progress.Start(ctx, "quick", time.Second).End()
			},
			after: 31 * time.Second, want: "get",
		},
		"Queueing": {
			reason: "a throttled call waits as long as it takes",
			work:   func(ctx context.Context) { progress.Start(ctx, "wait", 0) }, after: time.Hour,
		},
		"QueueingBesideHung": {
			reason: "a call that queues does not hide one that hangs",
			work: func(ctx context.Context) {
				progress.Start(ctx, "wait", 0)
				progress.Start(ctx, "get", time.Second)
			},
			after: time.Hour, want: "get",
		},
		"Ended": {
			reason: "the time counts from the end of the operation",
			work:   func(ctx context.Context) { progress.Start(ctx, "get", time.Second).End() }, after: 30 * time.Second,
		},
		"AfterTheEnd": {
			reason: "the operation that ended last is named",
			work:   func(ctx context.Context) { progress.Start(ctx, "get", time.Second).End() }, after: 2 * time.Minute, want: "get",
		},
		"WaitsForOther": {
			reason: "work that another does for it goes on",
			work: func(ctx context.Context) {
				other, reporter := progress.With(context.Background())
				progress.Start(other, "wait", 0)
				progress.Join(ctx, reporter)
			},
			after: time.Hour,
		},
		"WaitsForStalled": {
			reason: "work that another does for it has stalled",
			work: func(ctx context.Context) {
				other, reporter := progress.With(context.Background())
				progress.Start(other, "sign in", time.Second)
				progress.Join(ctx, reporter)
			},
			after: time.Hour, want: "sign in",
		},
		"LeftOther": {
			reason: "work that was left does not count",
			work: func(ctx context.Context) {
				other, reporter := progress.With(context.Background())
				progress.Start(other, "sign in", time.Second)
				progress.Join(ctx, reporter)()
			},
			after: 30 * time.Second,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			ctx, reporter := progress.With(t.Context())
			tc.work(ctx)
			stall := reporter.Stalled(time.Now().Add(tc.after), limits)
			got := ""
			if stall != nil {
				got = stall.Operation
			}
			if got != tc.want {
				t.Errorf("%s: after %s stalled at %q (%v), want %q", tc.reason, tc.after, got, stall, tc.want)
			}
		})
	}
}

// TestWithoutReporter: code that reports need not know whether anybody listens.
func TestWithoutReporter(t *testing.T) {
	ctx := t.Context()
	progress.Report(ctx, "phase")
	progress.Start(ctx, "operation", time.Second).End()
	_, reporter := progress.With(ctx)
	progress.Join(ctx, reporter)()
	with, _ := progress.With(ctx)
	progress.Start(progress.Without(with), "operation", time.Nanosecond)
	if stall := reporter.Stalled(time.Now(), limits); stall != nil {
		t.Errorf("reports without a reporter reach another one: %v", stall)
	}
}
