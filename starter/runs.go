package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"golang.org/x/sync/errgroup"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/engine"
	"github.com/rollcall-iam/rollcall/internal/outbox"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/workflows"
)

const (
	// waiters is how many runs are waited for at once: each holds a long poll,
	// of which a frontend allows 1,200 for a namespace.
	waiters = 200
	// startup is how long a worker may take to poll after its start.
	startup = 5 * time.Second
)

// start describes a run to be started, or told to look again.
type start struct {
	id, workflow, summary string
	scope                 string // the tenant or the platform
	input                 any
	attributes            temporal.SearchAttributes
	priority              temporal.Priority
}

// stored returns the start as the outbox has it.
func (s start) stored(cause string) (store.Start, error) {
	input, err := json.Marshal(s.input)
	if err != nil {
		return store.Start{}, fmt.Errorf("input of %s: %w", s.id, err)
	}
	return store.Start{
		WorkflowID: s.id, Workflow: s.workflow, Summary: s.summary, Scope: s.scope, Input: input, Cause: cause,
		Attributes: engine.AttributeValues(s.attributes), Priority: s.priority.PriorityKey, FairnessKey: s.priority.FairnessKey,
	}, nil
}

// outbox starts runs where no other program may have prepared the namespace.
func (c *cli) outbox(ctx context.Context) (*outbox.Outbox, error) {
	temporalClient, err := c.engine(ctx)
	if err != nil {
		return nil, err
	}
	return &outbox.Outbox{Store: c.documents, Temporal: temporalClient, Prepare: func(ctx context.Context) error {
		return engine.RegisterAttributes(ctx, temporalClient, c.namespace)
	}}, nil
}

// start starts a run that no change causes, or signals the open one.
func (c *cli) start(ctx context.Context, s start, cause string) (client.WorkflowRun, error) {
	o, err := c.outbox(ctx)
	if err != nil {
		return nil, err
	}
	stored, err := s.stored(cause)
	if err != nil {
		return nil, err
	}
	return o.Start(ctx, stored)
}

// drain starts the runs that a change stored, by workflow ID. If that fails, a worker starts
// them.
func (c *cli) drain(ctx context.Context, ids []string) (map[string]client.WorkflowRun, error) {
	o, err := c.outbox(ctx)
	if err == nil {
		var runs map[string]client.WorkflowRun
		if runs, err = o.Drain(ctx, ids); err == nil {
			return runs, nil
		}
	}
	return nil, fmt.Errorf("the work is stored, and a worker starts it when Temporal answers: %w", err)
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
