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
	"go.temporal.io/sdk/worker"
	"golang.org/x/sync/errgroup"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/engine"
	"github.com/rollcall-iam/rollcall/workflows"
)

const (
	// startTries bounds the race between signalling a run and its end.
	startTries = 10
	// waiters is how many runs are waited for at once: each holds a long poll,
	// of which a frontend allows 1,200 for a namespace.
	waiters = 200
	// startup is how long a worker may take to poll after its start.
	startup = 5 * time.Second
	// showing is how long a server may take to know a new search attribute: it
	// reads its namespaces again every few seconds.
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
	// nextEnd is when the next users of a planned tenant lose a role because bindings end.
	nextEnd *document.NextEnd
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
			return r.wait(ctx)
		})
	}
	return group.Wait()
}

// wait waits for the run. It fails only when the waiting ends, or without the keys to
// read a result.
func (r *tenantRun) wait(ctx context.Context) error {
	err := r.run.Get(ctx, &r.result)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := encrypted(err); errors.Is(err, errNoKeyring) {
		return err
	}
	r.result, r.err = workflows.FailedResult(err), err
	return nil
}

// reason says why the run of what is called name failed.
func reason(name string, err error) string {
	text := strings.TrimPrefix(workflows.Reason(err), name+": ")
	return strings.TrimPrefix(text, string(activities.Failed)+": ")
}

// listening waits a little for workers that new runs go to, and returns an error
// that wraps errNoWorker or errIdle when there are none.
func (c *cli) listening(ctx context.Context) error {
	temporalClient, err := c.engine(ctx)
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(startup); ; {
		workers, err := engine.ListWorkers(ctx, temporalClient)
		if err != nil {
			return err
		}
		if workers.Routed() {
			return nil
		}
		if time.Now().After(deadline) {
			return c.idle(ctx, workers)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(startup / 20):
		}
	}
}

// idle says why new runs have no worker. Only the deployment knows a current build that
// never had a worker.
func (c *cli) idle(ctx context.Context, workers engine.Workers) error {
	deployment := engine.Deployment(c.getenv)
	if workers.Current.BuildID == "" {
		// Without an answer, the build stays unknown.
		if d, err := engine.DescribeDeployment(ctx, c.temporal, deployment); err == nil {
			current, _ := d.Current()
			workers.Current.BuildID = current.ID
		}
	}
	return whyIdle(workers, deployment)
}

// whyIdle says why new runs have no worker, and the command that changes it. Where
// several builds could take them, that is the command that lists the builds.
func whyIdle(workers engine.Workers, deployment string) error {
	var listening []worker.WorkerDeploymentVersion
	for _, l := range workers.Listeners {
		if l.Version.BuildID != "" { // without one, it is older than versions
			listening = append(listening, l.Version)
		}
	}
	in := func(name string) string { // the flag for another deployment
		if name == deployment {
			return ""
		}
		return " --deployment " + name
	}
	next := "rollcall worker versions"
	if len(listening) == 1 {
		next = "rollcall worker current " + listening[0].BuildID
	}
	if len(listening) > 0 {
		next += in(listening[0].DeploymentName)
	}
	current, ramping := workers.Current, workers.Ramping
	switch {
	case len(workers.Listeners) == 0:
		return errNoWorker
	case current.BuildID == "":
		return commandError{fmt.Errorf("%w: no build is current", errIdle), next}
	case workers.RampPercent >= 100:
		return commandError{fmt.Errorf("%w: all go to build %s, which has none", errIdle, ramping.BuildID), next}
	case workers.Of(current).Workers > 0:
		return commandError{
			fmt.Errorf("%w: %g %% of them go to build %s, which has none", errIdle, workers.RampPercent, ramping.BuildID),
			"rollcall worker ramp " + ramping.BuildID + " 0" + in(ramping.DeploymentName),
		}
	default:
		return commandError{fmt.Errorf("%w: they go to build %s, which has none", errIdle, current.BuildID), next}
	}
}

// errIdle reports that new runs have no worker, although workers listen.
var errIdle = errors.New("new runs have no worker")

// errNoWorker reports that no worker listens at all.
var errNoWorker = errors.New("no worker listens: start rollcall-worker with the same TEMPORAL_* and ROLLCALL_DATABASE_URL settings")
