package activities_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/calls"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	temporalserver "github.com/rollcall-iam/rollcall/internal/engines/temporal"
	"github.com/rollcall-iam/rollcall/internal/progress"
)

// watchClosely sets limits that no test has to wait for.
func watchClosely(p *activities.Platform) {
	activities.Watch(p, 50*time.Millisecond, progress.Limits{Phase: 3 * time.Second, Grace: 100 * time.Millisecond})
}

// observer is a driver whose Observe does something first.
type observer struct {
	driver.Driver

	before func(context.Context) error
}

func (o observer) Observe(ctx context.Context, scopes []driver.Scope) ([]driver.Observation, error) {
	if err := o.before(ctx); err != nil {
		return nil, err
	}
	return o.Driver.Observe(ctx, scopes)
}

// observing opens the memory driver with a function to call before each Observe.
func observing(before func(context.Context) error) driver.Open {
	return func(ctx context.Context, config driver.Config) (driver.Driver, error) {
		inner, err := memory.Open(ctx, config)
		if err != nil {
			return nil, err
		}
		return observer{inner, before}, nil
	}
}

// ignoring makes a call that takes no notice of its context, and ends with the test.
func ignoring(t *testing.T) func(context.Context) error {
	t.Helper()
	end := make(chan struct{})
	t.Cleanup(func() { close(end) })
	return func(ctx context.Context) error {
		ctx = calls.WithDeadline(ctx, "GET things", calls.Deadline{Silence: 100 * time.Millisecond, Total: time.Second})
		return calls.Do(ctx, "", func(context.Context) error {
			<-end
			return nil
		})
	}
}

// TestHeartbeat_StallIsNamed: an activity that is stopped says what stalled, and is
// retried.
func TestHeartbeat_StallIsNamed(t *testing.T) {
	l := newLab(t)
	l.want(2)
	l.platform = activities.NewPlatform(l.store, l.ledger, "lab", l.drivers(observing(func(ctx context.Context) error {
		ctx = calls.WithDeadline(ctx, "GET things", calls.Deadline{Silence: time.Hour, Total: time.Hour})
		defer progress.Start(ctx, "GET things", 100*time.Millisecond).End()
		<-ctx.Done()
		return ctx.Err()
	})))
	watchClosely(l.platform)
	l.register()
	_, err := l.plan(activities.PlanInput{})
	failure, ok := errors.AsType[*temporal.ApplicationError](err)
	if !ok || failure.Type() != activities.TypeUnavailable || failure.NonRetryable() || !strings.Contains(err.Error(), "GET things") {
		t.Errorf("the error is %v, want one that is retried and names the call", err)
	}
}

// attempts is the workflow of a test: it returns in which attempt its activity ended,
// and the failure of the last attempt before.
func attempts(ctx workflow.Context, in activities.PlanInput) (activities.PlanOutput, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: 10 * time.Minute, HeartbeatTimeout: 2 * time.Second,
		RetryPolicy: &temporal.RetryPolicy{InitialInterval: 10 * time.Millisecond, MaximumAttempts: 3},
	})
	var out activities.PlanOutput
	err := workflow.ExecuteActivity(ctx, activities.PlanActivity, in).Get(ctx, &out)
	return out, err
}

// onServer runs the Plan activity on a real server with two workers, each of which has
// room for one activity, and returns the attempt that ended and the failure before it.
func onServer(t *testing.T, before func(context.Context) error) (attempt int32, last string) {
	t.Helper()
	if testing.Short() {
		t.Skip("it starts a real Temporal server, which -short leaves out")
	}
	if err := temporalserver.Available(); err != nil && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	server, err := temporalserver.Start(t.Context(), temporalserver.Options{BuildLog: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop() })
	c, err := client.DialContext(t.Context(), client.Options{HostPort: server.Address(), Namespace: server.Namespace()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	l := newLab(t)
	l.want(2)
	for range 2 {
		p := activities.NewPlatform(l.store, l.ledger, "lab", l.drivers(observing(before)))
		watchClosely(p)
		w := worker.New(c, "heartbeats", worker.Options{MaxConcurrentActivityExecutionSize: 1, WorkerStopTimeout: time.Second})
		w.RegisterWorkflow(attempts)
		p.Register(w)
		if err := w.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(w.Stop)
	}
	run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{TaskQueue: "heartbeats"}, attempts, activities.PlanInput{Tenant: web})
	if err != nil {
		t.Fatal(err)
	}
	var out activities.PlanOutput
	if err := run.Get(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	if out.Steps == 0 {
		t.Error("the activity planned nothing")
	}
	return started(t, c, run)
}

// started returns in which attempt the activity ended, from the workflow's history.
func started(t *testing.T, c client.Client, run client.WorkflowRun) (attempt int32, last string) {
	t.Helper()
	events := c.GetWorkflowHistory(t.Context(), run.GetID(), run.GetRunID(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			t.Fatal(err)
		}
		if found := event.GetActivityTaskStartedEventAttributes(); found != nil {
			attempt, last = found.GetAttempt(), found.GetLastFailure().GetMessage()
		}
	}
	return attempt, last
}

// TestHeartbeat_HungCallIsNoticed: a call that ignores its context blocks its worker for
// ever, and the next attempt ends on the other worker.
func TestHeartbeat_HungCallIsNoticed(t *testing.T) {
	call := ignoring(t)
	attempt, last := onServer(t, func(ctx context.Context) error {
		if activity.GetInfo(ctx).Attempt > 1 {
			return nil
		}
		return call(ctx)
	})
	if attempt != 2 || !strings.Contains(last, "Heartbeat timeout") {
		t.Errorf("attempt %d ended after %q, want the second after a heartbeat timeout", attempt, last)
	}
}

// TestHeartbeat_ThrottledCallWaits: a call that waits for the rate limit for longer than
// any limit of progress, and than the heartbeat timeout, is not stopped.
func TestHeartbeat_ThrottledCallWaits(t *testing.T) {
	limit := budget.New(budget.Limits{CallsPerSecond: 0.2})
	var throttled atomic.Bool
	attempt, last := onServer(t, func(ctx context.Context) error {
		for range 2 { // the second call waits for 5 s
			if throttled.Load() {
				break
			}
			if _, err := limit.Pass(ctx); err != nil {
				return err
			}
		}
		throttled.Store(true)
		return nil
	})
	if attempt != 1 {
		t.Errorf("attempt %d ended after %q, want the first", attempt, last)
	}
}
