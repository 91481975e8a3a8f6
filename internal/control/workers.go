package control

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/worker"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/engine"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// Idle is why no worker takes new runs, although workers of other builds may poll.
type Idle struct {
	// Polling are the builds with workers.
	Polling []WorkerBuild `json:"polling,omitempty"`
	// Unversioned is true if workers poll that have no build.
	Unversioned bool `json:"unversioned,omitempty"`
	// Ramping is set if only a part of the new runs has no worker: those of this build.
	Ramping *WorkerBuild `json:"ramping,omitempty"`
}

// WorkerBuild is a version of the workers.
type WorkerBuild struct {
	Deployment string `json:"deployment"`
	ID         string `json:"build_id"`
}

// noWorkerText is the message of an Error about runs while no worker runs at all.
const noWorkerText = "no worker listens: start rollcall-worker with the same TEMPORAL_* and ROLLCALL_DATABASE_URL settings"

// requireWorker waits a few seconds for workers that new runs go to, and is NoWorker if there
// are none.
func (l *Local) requireWorker(ctx context.Context, t Temporal) error {
	for deadline := time.Now().Add(startupTimeout); ; {
		workers, err := engine.ListWorkers(ctx, t.Client)
		if err != nil {
			return err
		}
		if workers.Routed() {
			return nil
		}
		if time.Now().After(deadline) {
			return l.idle(ctx, t, workers)
		}
		if err := pause(ctx, startupTimeout/20); err != nil {
			return err
		}
	}
}

// idle says why new runs have no worker. Only the deployment knows a current build that
// never had a worker.
func (l *Local) idle(ctx context.Context, t Temporal, workers engine.Workers) error {
	if workers.Current.BuildID == "" {
		// Without an answer, the build stays unknown.
		if d, err := engine.DescribeDeployment(ctx, t.Client, l.Deployment); err == nil {
			current, _ := d.Current()
			workers.Current.BuildID = current.ID
		}
	}
	return idleError(workers)
}

// idleError says why new runs have no worker.
func idleError(workers engine.Workers) error {
	idle := &Idle{}
	for _, l := range workers.Listeners {
		if l.Version.BuildID == "" { // it is older than versions
			idle.Unversioned = true
			continue
		}
		idle.Polling = append(idle.Polling, buildOf(l.Version))
	}
	e := &Error{Code: NoWorker, Idle: idle}
	const none = "new runs have no worker"
	current, ramping := workers.Current, workers.Ramping
	switch {
	case len(workers.Listeners) == 0:
		e.Message = noWorkerText
	case current.BuildID == "":
		e.Message = none + ": no build is current"
	case workers.RampPercent >= 100:
		e.Message = fmt.Sprintf("%s: all go to build %s, which has none", none, ramping.BuildID)
	case workers.Of(current).Workers > 0:
		build := buildOf(ramping)
		idle.Ramping = &build
		e.Message = fmt.Sprintf("%s: %g %% of them go to build %s, which has none", none, workers.RampPercent, ramping.BuildID)
	default:
		e.Message = fmt.Sprintf("%s: they go to build %s, which has none", none, current.BuildID)
	}
	return e
}

func buildOf(v worker.WorkerDeploymentVersion) WorkerBuild {
	return WorkerBuild{Deployment: v.DeploymentName, ID: v.BuildID}
}

// reportDelay reports why started work waits: no worker takes it, or none serves the
// platforms of some tenants.
func (l *Local) reportDelay(ctx context.Context, t Temporal, tenants []access.TenantID, r *reporter) error {
	if waits, err := l.reportNoWorker(ctx, t, r); err != nil || waits {
		return err
	}
	_, err := l.reportUnserved(ctx, tenants, r)
	return err
}

// reportNoWorker reports that no worker takes started work, if so.
func (l *Local) reportNoWorker(ctx context.Context, t Temporal, r *reporter) (waits bool, err error) {
	err = l.requireWorker(ctx, t)
	if CodeOf(err) != NoWorker {
		return false, err
	}
	r.send(Event{Type: EventDelayed, Delay: &Delay{NoWorker: AsError(err)}})
	return true, nil
}

// reportUnserved reports the platforms of the tenants that no worker serves, if there are some,
// and returns them.
func (l *Local) reportUnserved(ctx context.Context, tenants []access.TenantID, r *reporter) (map[string]bool, error) {
	report, err := l.ListConnections(ctx)
	if err != nil {
		return nil, err
	}
	unserved := map[string]bool{}
	affected := map[string]int{}
	for _, t := range tenants {
		affected[t.Platform]++
	}
	d := &Delay{Total: len(tenants)}
	d.Unserved = slices.DeleteFunc(report.Unserved, func(u UnservedPlatform) bool {
		d.Waiting += affected[u.Platform]
		unserved[u.Platform] = affected[u.Platform] > 0
		return affected[u.Platform] == 0
	})
	if len(d.Unserved) > 0 {
		r.send(Event{Type: EventDelayed, Delay: d})
	}
	return unserved, nil
}

// connect returns the connections to the store and to Temporal.
func (l *Local) connect(ctx context.Context) (*store.Store, Temporal, error) {
	s, err := l.Store(ctx)
	if err != nil {
		return nil, Temporal{}, err
	}
	t, err := l.Temporal(ctx)
	return s, t, err
}
