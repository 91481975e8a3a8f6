package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/connection"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/engine"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/workflows"
)

const (
	// lookout is how often the worker looks for platforms it does not serve yet.
	lookout = 3 * time.Second
	// grace is how long running activities may finish when the worker stops.
	grace = 30 * time.Second
	// farewell is how long giving back leases may take.
	farewell = 2 * time.Second
	// slots is how many activities of one platform run at once.
	slots = 64
	// revocationSlots is how many revocations run at once, each on one platform.
	revocationSlots = 256
	// mostQueues is how many queues Temporal lets a worker version have, unless it
	// is told otherwise (matching.maxTaskQueuesInDeploymentVersion).
	mostQueues = 100
)

// fleet is a worker for the workflows, one for each platform's activities, so that
// an outage of one platform takes no slot from another, and one for revocations, so
// that none waits for what platforms have to do otherwise.
type fleet struct {
	temporal     client.Client
	store        *store.Store
	ledger       *ledger.Ledger
	version      worker.WorkerDeploymentVersion
	installation string
	log          *slog.Logger
	drivers      *connection.Drivers
	reporter     *reporter

	platforms   map[string]worker.Worker
	unserved    map[string]string // why a platform is not served, by platform
	ending      sync.WaitGroup    // workers of platforms that are no longer served
	revocations *activities.Revocations
	ends        endWatcher
	failed      chan error
}

// serve runs all workers until ctx ends, one of them fails for good, or the database
// was migrated beyond this program.
func (f *fleet) serve(ctx context.Context) error {
	f.ends = endWatcher{store: f.store, temporal: f.temporal}
	f.platforms, f.unserved, f.failed = map[string]worker.Worker{}, map[string]string{}, make(chan error, 1)
	stories := worker.New(f.temporal, engine.WorkflowQueue, f.options(workflowOptions()))
	workflows.Register(stories)
	if err := stories.Start(); err != nil {
		return fmt.Errorf("start the workflow worker: %w", err)
	}
	urgent, err := f.urgent()
	if err != nil {
		stories.Stop()
		return err
	}
	defer f.stop(stories, urgent) //nolint:contextcheck // ctx has ended by then
	f.log.Info("worker started", "queue", engine.WorkflowQueue, "installation", f.installation,
		"deployment", f.version.DeploymentName, "build", f.version.BuildID)
	for {
		err := f.look(ctx)
		if errors.Is(err, store.ErrSchema) {
			return err
		}
		if err != nil && ctx.Err() == nil {
			// The database may come back; what is served stays served.
			f.log.Warn("cannot look for new platforms", "error", err)
		}
		if err := f.ends.watch(ctx, time.Now()); err != nil && ctx.Err() == nil {
			f.log.Warn("cannot start the workflow that ends bindings", "error", err)
		}
		select {
		case <-ctx.Done():
			f.log.Info("worker stopping", "grace", grace)
			return nil
		case err := <-f.failed:
			return fmt.Errorf("worker failed: %w", err)
		case <-time.After(lookout):
		}
	}
}

// workflowOptions returns the options of the worker for workflows. A fixed number of
// pollers all poll the queue of the runs that the worker knows while that has a backlog. A
// revocation is a new run, which would wait until the backlog is gone, whatever its
// priority. Autoscaling keeps one poller at the queue of new runs.
func workflowOptions() worker.Options {
	return worker.Options{
		DisableEagerActivities:     true,
		WorkflowTaskPollerBehavior: worker.NewPollerBehaviorAutoscaling(worker.PollerBehaviorAutoscalingOptions{}),
	}
}

// urgent starts the worker for revocations.
func (f *fleet) urgent() (worker.Worker, error) {
	w := worker.New(f.temporal, engine.RevocationQueue, f.options(worker.Options{
		MaxConcurrentActivityExecutionSize: revocationSlots,
		DisableWorkflowWorker:              true,
	}))
	f.revocations = activities.NewRevocations()
	f.revocations.ServeFormer(activities.NewPlatform(f.store, f.ledger, f.installation, f.drivers))
	f.revocations.Register(w)
	activities.NewEnds(f.store).Register(w)
	if err := w.Start(); err != nil {
		return nil, fmt.Errorf("start the worker for revocations: %w", err)
	}
	return w, nil
}

// look starts a worker for every platform whose connection this worker holds, and
// stops those of the others. It returns an error that wraps store.ErrSchema after a
// migration that this program cannot run on.
func (f *fleet) look(ctx context.Context) error {
	if err := f.store.CheckSchema(ctx); err != nil {
		return err
	}
	active, err := f.store.Platforms(ctx)
	if err != nil {
		return err
	}
	current := map[string]bool{}
	for _, platform := range active {
		if !f.available(platform) {
			continue
		}
		current[platform.Identifier()] = true
		if err := f.begin(platform.Identifier()); err != nil {
			return err
		}
	}
	for platform, w := range f.platforms {
		if !current[platform] {
			f.end(platform, w)
		}
	}
	return f.report(ctx, active)
}

// report publishes which connections this worker holds and what it does not serve.
func (f *fleet) report(ctx context.Context, active []document.Platform) error {
	known := map[string]bool{}
	for _, p := range active {
		known[p.Identifier()] = true
	}
	for platform := range f.unserved {
		if !known[platform] {
			delete(f.unserved, platform)
		}
	}
	return f.reporter.report(ctx, active, f.unserved)
}

// available reports whether this worker holds the platform's connection. It logs a reason
// once.
func (f *fleet) available(platform document.Platform) bool {
	name := platform.Identifier()
	err := f.drivers.Available(platform)
	if err == nil {
		delete(f.unserved, name)
		return true
	}
	if f.unserved[name] != err.Error() {
		f.unserved[name] = err.Error()
		f.log.Warn("platform not served", "platform", name, "connection", platform.ConnectionName(), "reason", err)
	}
	return false
}

// begin starts a worker for a platform that has none.
func (f *fleet) begin(platform string) error {
	if f.platforms[platform] != nil {
		return nil
	}
	w := worker.New(f.temporal, engine.PlatformQueue(platform), f.options(worker.Options{
		MaxConcurrentActivityExecutionSize: slots,
		DisableWorkflowWorker:              true,
	}))
	does := activities.NewPlatform(f.store, f.ledger, f.installation, f.drivers)
	does.Register(w)
	if err := w.Start(); err != nil {
		return fmt.Errorf("serve platform %s: %w", platform, err)
	}
	f.platforms[platform] = w
	f.revocations.Serve(platform, does)
	if len(f.platforms)+2 == mostQueues {
		f.log.Warn("Temporal may refuse to have more platforms served",
			"queues", mostQueues, "raise", "matching.maxTaskQueuesInDeploymentVersion")
	}
	f.log.Info("platform served", "platform", platform, "queue", engine.PlatformQueue(platform))
	return nil
}

// end stops the worker of a platform that nobody needs any more, or whose connection
// is gone. Running activities may finish; nobody waits for them here.
func (f *fleet) end(platform string, w worker.Worker) {
	delete(f.platforms, platform)
	f.revocations.Forget(platform)
	f.log.Info("platform no longer served", "platform", platform)
	f.ending.Go(w.Stop)
}

// disconnect gives back what this worker leases of rate limits, and withdraws its report,
// after its context has ended.
func (f *fleet) disconnect() {
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	f.drivers.Close(ctx)
	f.reporter.withdraw(ctx)
}

// options completes what all workers have in common.
func (f *fleet) options(o worker.Options) worker.Options {
	o.WorkerStopTimeout = grace
	o.DisableRegistrationAliasing = true
	// Platform queues belong to the version too: a run's activities are done by
	// the build that began it.
	o.DeploymentOptions = worker.DeploymentOptions{UseVersioning: true, Version: f.version}
	o.OnFatalError = func(err error) {
		select {
		case f.failed <- err:
		default: // one failure is enough to stop
		}
	}
	return o
}

// stop ends all workers at once, so that their grace periods overlap.
func (f *fleet) stop(all ...worker.Worker) {
	done := make(chan struct{})
	for _, w := range f.platforms {
		all = append(all, w)
	}
	for _, w := range all {
		go func() {
			w.Stop()
			done <- struct{}{}
		}()
	}
	for range all {
		<-done
	}
	f.ending.Wait()
	f.disconnect()
}
