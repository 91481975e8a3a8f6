package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
)

var (
	// ErrNoDeployment reports a worker deployment that Temporal does not know: no
	// worker of it ever asked for work.
	ErrNoDeployment = errors.New("no such worker deployment")
	// ErrNoBuild reports a build that Temporal does not know in its deployment.
	ErrNoBuild = errors.New("no such build")
	// ErrNoVersions reports a Temporal server without worker versions.
	ErrNoVersions = errors.New("this Temporal server has no worker versions: 1.29 or newer is needed")
	// ErrQueuesMissing reports a build whose workers do not serve all platforms yet.
	ErrQueuesMissing = errors.New("its workers do not serve all platforms yet")
)

// BuildStatus says what a build is there for.
type BuildStatus string

// What a build is there for.
const (
	BuildCurrent  BuildStatus = "current"  // new runs begin on it
	BuildRamping  BuildStatus = "ramping"  // a part of the new runs begin on it
	BuildDraining BuildStatus = "draining" // no run begins on it; some may be open
	BuildDrained  BuildStatus = "drained"  // its workers are not needed any more
	BuildInactive BuildStatus = "inactive" // no run ever began on it
)

// Build is one version of a deployment.
type Build struct {
	ID     string      `json:"build_id"`
	Status BuildStatus `json:"status"`
	// RampPercent is the part of the new runs that begin on a ramping build.
	RampPercent float32 `json:"ramp_percent,omitempty"`
	// OpenRuns counts the runs that only its workers go on with.
	OpenRuns int64 `json:"open_runs"`
	// Workers counts those who asked for work within the last two minutes.
	Workers int       `json:"workers"`
	Seen    time.Time `json:"last_seen,omitzero"`
	Created time.Time `json:"created"`
}

// WorkerDeployment is what Temporal knows of the workers of one deployment.
type WorkerDeployment struct {
	Name string `json:"deployment"`
	// Builds are listed newest first.
	Builds []Build `json:"versions"`

	token []byte // of the routing that was read
}

// Find returns the build with that id, or an error that wraps ErrNoBuild and
// names those that there are.
func (d WorkerDeployment) Find(id string) (Build, error) {
	var names []string
	for _, b := range d.Builds {
		if b.ID == id {
			return b, nil
		}
		names = append(names, b.ID)
	}
	return Build{}, fmt.Errorf("engine: %w as %q in deployment %q, which has: %s", ErrNoBuild, id, d.Name, strings.Join(names, ", "))
}

// Current returns the build that new runs begin on, if there is one.
func (d WorkerDeployment) Current() (Build, bool) {
	i := slices.IndexFunc(d.Builds, func(b Build) bool { return b.Status == BuildCurrent })
	if i < 0 {
		return Build{}, false
	}
	return d.Builds[i], true
}

// DescribeDeployment reads a deployment, who listens for it, and how many runs are
// open on each build.
func DescribeDeployment(ctx context.Context, c client.Client, name string) (WorkerDeployment, error) {
	described, err := c.WorkerDeploymentClient().GetHandle(name).Describe(ctx, client.WorkerDeploymentDescribeOptions{})
	if err != nil {
		return WorkerDeployment{}, refusal(err, name, "")
	}
	workers, err := ListWorkers(ctx, c)
	if err != nil {
		return WorkerDeployment{}, err
	}
	d := WorkerDeployment{Name: name, token: described.ConflictToken}
	for _, summary := range described.Info.VersionSummaries {
		b := buildOf(summary, described.Info.RoutingConfig)
		listener := workers.Of(summary.Version)
		b.Workers, b.Seen = listener.Workers, listener.Seen
		if b.Status != BuildDrained {
			if b.OpenRuns, err = countRuns(ctx, c, openRuns(summary.Version)); err != nil {
				return WorkerDeployment{}, fmt.Errorf("engine: count the open runs of build %q: %w", b.ID, err)
			}
		}
		d.Builds = append(d.Builds, b)
	}
	slices.SortFunc(d.Builds, func(a, b Build) int { return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(a.ID, b.ID)) })
	return d, nil
}

func buildOf(summary client.WorkerDeploymentVersionSummary, routing client.WorkerDeploymentRoutingConfig) Build {
	b := Build{ID: summary.Version.BuildID, Status: BuildInactive, Created: summary.CreateTime}
	is := func(v *worker.WorkerDeploymentVersion) bool { return v != nil && *v == summary.Version }
	switch {
	case is(routing.CurrentVersion):
		b.Status = BuildCurrent
	case is(routing.RampingVersion):
		b.Status, b.RampPercent = BuildRamping, routing.RampingVersionPercentage
	case summary.DrainageStatus == client.WorkerDeploymentVersionDrainageStatusDraining:
		b.Status = BuildDraining
	case summary.DrainageStatus == client.WorkerDeploymentVersionDrainageStatusDrained:
		b.Status = BuildDrained
	}
	return b
}

// openRuns is the query for the open runs that are pinned to a version.
func openRuns(v worker.WorkerDeploymentVersion) string {
	return fmt.Sprintf("%s AND TemporalWorkerDeploymentVersion = '%s:%s'", allOpenRuns(), v.DeploymentName, v.BuildID)
}

// MakeCurrent has new runs begin on a build. Without force, a build is refused that
// no worker ever listened for, or that does not serve all platforms
// (ErrQueuesMissing); so is a change of a routing that moved since it was described.
func (d WorkerDeployment) MakeCurrent(ctx context.Context, c client.Client, build string, force bool) error {
	_, err := c.WorkerDeploymentClient().GetHandle(d.Name).SetCurrentVersion(ctx, client.WorkerDeploymentSetCurrentVersionOptions{
		BuildID: build, ConflictToken: d.token, IgnoreMissingTaskQueues: force, AllowNoPollers: force,
	})
	return refusal(err, d.Name, build)
}

// Ramp has a part of the new runs begin on a build, in percent. With 0 per cent
// no build is ramping any more.
func (d WorkerDeployment) Ramp(ctx context.Context, c client.Client, build string, percent float32, force bool) error {
	if percent == 0 {
		build = ""
	}
	_, err := c.WorkerDeploymentClient().GetHandle(d.Name).SetRampingVersion(ctx, client.WorkerDeploymentSetRampingVersionOptions{
		BuildID: build, Percentage: percent, ConflictToken: d.token, IgnoreMissingTaskQueues: force, AllowNoPollers: force,
	})
	return refusal(err, d.Name, build)
}

// refusal says what Temporal's answer means.
func refusal(err error, deployment, build string) error {
	if err == nil {
		return nil
	}
	if _, old := errors.AsType[*serviceerror.Unimplemented](err); old {
		return fmt.Errorf("engine: %w", ErrNoVersions)
	}
	if _, missing := errors.AsType[*serviceerror.NotFound](err); missing && build == "" {
		return fmt.Errorf("engine: %w as %q", ErrNoDeployment, deployment)
	} else if missing {
		return fmt.Errorf("engine: %w as %q in deployment %q", ErrNoBuild, build, deployment)
	}
	refused, ok := errors.AsType[*serviceerror.FailedPrecondition](err)
	if ok && strings.Contains(refused.Message, "missing active task queues") {
		return fmt.Errorf("engine: build %q: %w", build, ErrQueuesMissing)
	}
	return fmt.Errorf("engine: deployment %q, build %q: %w", deployment, build, err)
}
