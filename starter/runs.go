package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"golang.org/x/sync/errgroup"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/engine"
	"github.com/rollcall-iam/rollcall/workflows"
)

const (
	// startTries bounds the race between signalling a run and its end.
	startTries = 10
	// waiters is how many runs are waited for at once: each holds a long poll,
	// of which a frontend allows 1,200 for a namespace.
	waiters = 200
	// recently is how long ago a worker asked for work to count as listening. A
	// worker that waits asks once a minute.
	recently = 2 * time.Minute
	// startup is how long a worker that was just started may take to ask.
	startup = 5 * time.Second
	// showing is how long a server may take to know a new search attribute: it
	// reads its namespaces anew every few seconds.
	showing = 30 * time.Second
)

// start describes a run to be started, or told to look again.
type start struct {
	id, workflow, summary string
	input                 any
	attributes            temporal.SearchAttributes
	priority              temporal.Priority
}

// startOrSignal starts the run. If one with its ID is open, that one is
// signalled: it will not end before it has looked again.
func startOrSignal(ctx context.Context, c client.Client, s start, cause string) (client.WorkflowRun, error) {
	options := client.StartWorkflowOptions{
		ID: s.id, TaskQueue: engine.WorkflowQueue, StaticSummary: s.summary,
		TypedSearchAttributes: s.attributes, Priority: s.priority,
		WorkflowIDConflictPolicy:                 enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
	}
	var err error
	for range startTries {
		var run client.WorkflowRun
		run, err = c.ExecuteWorkflow(ctx, options, s.workflow, s.input)
		if _, open := errors.AsType[*serviceerror.WorkflowExecutionAlreadyStarted](err); !open {
			return run, err
		}
		err = c.SignalWorkflow(ctx, s.id, "", workflows.TriggerSignal, workflows.Trigger{Cause: cause})
		if err == nil {
			return c.GetWorkflow(ctx, s.id, ""), nil
		}
		if _, closed := errors.AsType[*serviceerror.NotFound](err); !closed {
			return nil, fmt.Errorf("signal %s: %w", s.id, err)
		}
	}
	return nil, fmt.Errorf("start %s: %w", s.id, err)
}

// start is startOrSignal where nobody may have prepared the namespace: the search
// attributes that it lacks are added, and show after some seconds.
func (c *cli) start(ctx context.Context, s start, cause string) (client.WorkflowRun, error) {
	run, err := startOrSignal(ctx, c.temporal, s, cause)
	for deadline := time.Now().Add(showing); engine.LacksAttributes(err) && time.Now().Before(deadline); {
		if err := engine.RegisterAttributes(ctx, c.temporal, c.namespace); err != nil {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(showing / 60):
		}
		run, err = startOrSignal(ctx, c.temporal, s, cause)
	}
	return run, err
}

// tenantRun is the run of one tenant and what came of it.
type tenantRun struct {
	tenant access.TenantID
	run    client.WorkflowRun
	result workflows.ReplicateResult
	err    error // set when the run could not be waited for
}

// startTenants starts or signals one run a tenant.
func (c *cli) startTenants(ctx context.Context, starts []start, tenants []access.TenantID, cause string) ([]*tenantRun, error) {
	if _, err := c.engine(ctx); err != nil {
		return nil, err
	}
	runs := make([]*tenantRun, len(starts))
	group, ctx2 := errgroup.WithContext(ctx)
	group.SetLimit(16)
	for i, s := range starts {
		group.Go(func() error {
			run, err := c.start(ctx2, s, cause)
			runs[i] = &tenantRun{tenant: tenants[i], run: run}
			return err
		})
	}
	return runs, group.Wait()
}

// await waits for all runs; finished is called after each.
func await(ctx context.Context, runs []*tenantRun, finished func()) error {
	var group errgroup.Group
	group.SetLimit(waiters)
	for _, r := range runs {
		group.Go(func() error {
			defer finished()
			err := r.run.Get(ctx, &r.result)
			if err == nil {
				return nil
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			r.result, r.err = workflows.FailedResult(err), err
			return nil
		})
	}
	return group.Wait()
}

// reason says why the run of what is called name failed.
func reason(name string, err error) string {
	text := strings.TrimPrefix(workflows.Reason(err), name+": ")
	return strings.TrimPrefix(text, string(activities.Failed)+": ")
}

// listening waits a little for a worker that has asked for workflows lately,
// and reports whether there is one.
func listening(ctx context.Context, c client.Client) (bool, error) {
	for deadline := time.Now().Add(startup); ; {
		queue, err := c.DescribeTaskQueue(ctx, engine.WorkflowQueue, enumspb.TASK_QUEUE_TYPE_WORKFLOW)
		if err != nil {
			return false, fmt.Errorf("ask Temporal for workers: %w", err)
		}
		for _, poller := range queue.GetPollers() {
			if time.Since(poller.GetLastAccessTime().AsTime()) < recently {
				return true, nil
			}
		}
		if time.Now().After(deadline) {
			return false, nil
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(startup / 20):
		}
	}
}

// errNoWorker tells what is missing when nobody does the work.
var errNoWorker = errors.New("no worker listens: start rollcall-worker with the same TEMPORAL_* and ROLLCALL_DATABASE_URL settings")
