package engine

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	deploymentpb "go.temporal.io/api/deployment/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func version(build string) worker.WorkerDeploymentVersion {
	return worker.WorkerDeploymentVersion{DeploymentName: DefaultDeployment, BuildID: build}
}

// polls is a worker that asked for work some time ago; without a build, one from
// before there were versions.
func polls(build string, now time.Time, ago time.Duration) *taskqueuepb.PollerInfo {
	p := &taskqueuepb.PollerInfo{LastAccessTime: timestamppb.New(now.Add(-ago))}
	if build != "" {
		p.DeploymentOptions = &deploymentpb.WorkerDeploymentOptions{
			DeploymentName: DefaultDeployment, BuildId: build, WorkerVersioningMode: enumspb.WORKER_VERSIONING_MODE_VERSIONED,
		}
	}
	return p
}

func routed(build string) *deploymentpb.WorkerDeploymentVersion {
	if build == "" {
		return nil
	}
	return &deploymentpb.WorkerDeploymentVersion{DeploymentName: DefaultDeployment, BuildId: build}
}

func TestWhoseTurnNewRunsAre(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	cases := map[string]struct {
		reason           string
		current, ramping string
		percent          float32
		polls            []*taskqueuepb.PollerInfo
		listening        map[string]int // workers by build
		routed           bool
	}{
		"nobody":         {reason: "nobody is there", current: "a"},
		"nothing at all": {reason: "a fresh server"},
		"current listens": {
			reason: "new runs begin there", current: "a", polls: []*taskqueuepb.PollerInfo{polls("a", now, time.Second), polls("a", now, time.Minute)},
			listening: map[string]int{"a": 2}, routed: true,
		},
		"long gone": {reason: "who asked long ago has gone", current: "a", polls: []*taskqueuepb.PollerInfo{polls("a", now, time.Hour)}},
		"no current": {
			reason: "versioned workers get nothing unless told", polls: []*taskqueuepb.PollerInfo{polls("a", now, 0)}, listening: map[string]int{"a": 1},
		},
		"other current": {
			reason: "workers of another build do not help", current: "a", polls: []*taskqueuepb.PollerInfo{polls("b", now, 0)}, listening: map[string]int{"b": 1},
		},
		"without versions": {
			reason: "workers from before there were versions get what no version does", polls: []*taskqueuepb.PollerInfo{polls("", now, 0)},
			listening: map[string]int{"": 1}, routed: true,
		},
		"ramping is idle": {
			reason: "a part of the runs would wait", current: "a", ramping: "b", percent: 5, polls: []*taskqueuepb.PollerInfo{polls("a", now, 0)},
			listening: map[string]int{"a": 1},
		},
		"both listen": {
			reason: "each gets its part", current: "a", ramping: "b", percent: 5,
			polls:     []*taskqueuepb.PollerInfo{polls("a", now, 0), polls("b", now, 0)},
			listening: map[string]int{"a": 1, "b": 1}, routed: true,
		},
		"all to ramping": {
			reason: "nothing is left for the current one", current: "a", ramping: "b", percent: 100,
			polls: []*taskqueuepb.PollerInfo{polls("b", now, 0)}, listening: map[string]int{"b": 1}, routed: true,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := workersOf(&workflowservice.DescribeTaskQueueResponse{
				Pollers: tc.polls,
				VersioningInfo: &taskqueuepb.TaskQueueVersioningInfo{
					CurrentDeploymentVersion: routed(tc.current), RampingDeploymentVersion: routed(tc.ramping), RampingVersionPercentage: tc.percent,
				},
			}, now)
			got := map[string]int{}
			for _, l := range w.Listeners {
				got[l.Version.BuildID] = l.Workers
			}
			if diff := cmp.Diff(tc.listening, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s: who listens (-want +got):\n%s", tc.reason, diff)
			}
			if w.Routed() != tc.routed {
				t.Errorf("%s: new runs find workers: %v, want %v", tc.reason, w.Routed(), tc.routed)
			}
		})
	}
}

func TestBuildStatus(t *testing.T) {
	t.Parallel()
	current, ramping := version("current"), version("ramping")
	routing := client.WorkerDeploymentRoutingConfig{CurrentVersion: &current, RampingVersion: &ramping, RampingVersionPercentage: 7}
	cases := map[string]struct {
		drainage client.WorkerDeploymentVersionDrainageStatus
		want     Build
	}{
		"current":  {want: Build{Status: BuildCurrent}},
		"ramping":  {want: Build{Status: BuildRamping, RampPercent: 7}},
		"draining": {drainage: client.WorkerDeploymentVersionDrainageStatusDraining, want: Build{Status: BuildDraining}},
		"drained":  {drainage: client.WorkerDeploymentVersionDrainageStatusDrained, want: Build{Status: BuildDrained}},
		"new":      {want: Build{Status: BuildInactive}},
	}
	for build, tc := range cases {
		t.Run(build, func(t *testing.T) {
			t.Parallel()
			tc.want.ID = build
			got := buildOf(client.WorkerDeploymentVersionSummary{Version: version(build), DrainageStatus: tc.drainage}, routing)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestRefusalsAreClassed(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		err    error
		build  string
		want   error
	}{
		"none":           {"all is well", nil, "a", nil},
		"old server":     {"it has no such call", serviceerror.NewUnimplemented("unknown method"), "a", ErrNoVersions},
		"no deployment":  {"nobody ever listened", serviceerror.NewNotFound("no Worker Deployment found"), "", ErrNoDeployment},
		"no build":       {"nobody of it ever listened", serviceerror.NewNotFound("build ID not found"), "a", ErrNoBuild},
		"queues missing": {"its workers are starting", serviceerror.NewFailedPrecondition("proposed current version 'x' is missing active task queues from the current version"), "a", ErrQueuesMissing},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := refusal(tc.err, DefaultDeployment, tc.build); !errors.Is(got, tc.want) {
				t.Errorf("%s: %v, want %v", tc.reason, got, tc.want)
			}
		})
	}
	other := serviceerror.NewFailedPrecondition("somebody else")
	if got := refusal(other, DefaultDeployment, "a"); !errors.Is(got, other) {
		t.Errorf("any other refusal is lost: %v", got)
	}
}
