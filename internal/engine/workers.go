package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	deploymentpb "go.temporal.io/api/deployment/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
)

// recently is how long ago a worker asked for work to count as listening. A
// worker that waits asks once a minute.
const recently = 2 * time.Minute

// Workers are those who ask for workflows, and whose turn new runs are.
type Workers struct {
	// Current is the version that new runs begin on; the zero version stands for
	// workers without one.
	Current worker.WorkerDeploymentVersion
	// Ramping is the version that RampPercent of the new runs begin on, if above 0.
	Ramping     worker.WorkerDeploymentVersion
	RampPercent float32
	// Listeners are the versions that somebody asked for work for lately, by name.
	Listeners []Listener
}

// Listener is a version with workers.
type Listener struct {
	Version worker.WorkerDeploymentVersion
	// Workers counts the processes that asked within the last two minutes.
	Workers int
	// Seen is when one of them asked last.
	Seen time.Time
}

// ListWorkers asks Temporal who listens for workflows.
func ListWorkers(ctx context.Context, c client.Client) (Workers, error) {
	queue, err := c.DescribeTaskQueue(ctx, WorkflowQueue, enumspb.TASK_QUEUE_TYPE_WORKFLOW)
	if err != nil {
		return Workers{}, fmt.Errorf("engine: ask Temporal for workers: %w", err)
	}
	return workersOf(queue, time.Now()), nil
}

func workersOf(queue *workflowservice.DescribeTaskQueueResponse, now time.Time) Workers {
	routing := queue.GetVersioningInfo()
	w := Workers{
		Current:     versionOf(routing.GetCurrentDeploymentVersion()),
		Ramping:     versionOf(routing.GetRampingDeploymentVersion()),
		RampPercent: routing.GetRampingVersionPercentage(),
	}
	found := map[worker.WorkerDeploymentVersion]*Listener{}
	for _, poller := range queue.GetPollers() {
		seen := poller.GetLastAccessTime().AsTime()
		if now.Sub(seen) > recently {
			continue
		}
		var version worker.WorkerDeploymentVersion
		if o := poller.GetDeploymentOptions(); o.GetWorkerVersioningMode() == enumspb.WORKER_VERSIONING_MODE_VERSIONED {
			version = worker.WorkerDeploymentVersion{DeploymentName: o.GetDeploymentName(), BuildID: o.GetBuildId()}
		}
		if found[version] == nil {
			found[version] = &Listener{Version: version}
		}
		l := found[version]
		l.Workers++
		if seen.After(l.Seen) {
			l.Seen = seen
		}
	}
	for _, l := range found {
		w.Listeners = append(w.Listeners, *l)
	}
	slices.SortFunc(w.Listeners, func(a, b Listener) int {
		return cmp.Or(cmp.Compare(a.Version.DeploymentName, b.Version.DeploymentName), cmp.Compare(a.Version.BuildID, b.Version.BuildID))
	})
	return w
}

func versionOf(v *deploymentpb.WorkerDeploymentVersion) worker.WorkerDeploymentVersion {
	return worker.WorkerDeploymentVersion{DeploymentName: v.GetDeploymentName(), BuildID: v.GetBuildId()}
}

// Of returns who listens for a version; nobody, when Workers is 0.
func (w Workers) Of(v worker.WorkerDeploymentVersion) Listener {
	for _, l := range w.Listeners {
		if l.Version == v {
			return l
		}
	}
	return Listener{Version: v}
}

// Routed reports whether every new run begins on a version that has workers.
func (w Workers) Routed() bool {
	current := w.RampPercent >= 100 || w.Of(w.Current).Workers > 0
	ramping := w.RampPercent <= 0 || w.Of(w.Ramping).Workers > 0
	return current && ramping
}
