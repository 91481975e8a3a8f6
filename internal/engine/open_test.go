package engine

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
)

// counted is a Temporal with deployments, each of some builds, and open runs that
// count as the queries for them say.
type counted struct {
	client.Client

	names   []string
	list    error
	gone    bool
	builds  map[string]client.WorkerDeploymentVersionDrainageStatus
	counts  map[string]int64 // by build; "" for all open runs
	failing string           // the build whose runs cannot be counted
}

func (c *counted) CountWorkflow(
	_ context.Context, request *workflowservice.CountWorkflowExecutionsRequest,
) (*workflowservice.CountWorkflowExecutionsResponse, error) {
	if request.GetQuery() == allOpenRuns() {
		return &workflowservice.CountWorkflowExecutionsResponse{Count: c.counts[""]}, nil
	}
	for build := range c.builds {
		if request.GetQuery() != openRuns(version(build)) {
			continue
		}
		if build == c.failing {
			return nil, serviceerror.NewUnavailable("visibility is down")
		}
		return &workflowservice.CountWorkflowExecutionsResponse{Count: c.counts[build]}, nil
	}
	return nil, serviceerror.NewInvalidArgument("unexpected query: " + request.GetQuery())
}

func (c *counted) DescribeTaskQueue(context.Context, string, enumspb.TaskQueueType) (*workflowservice.DescribeTaskQueueResponse, error) {
	return &workflowservice.DescribeTaskQueueResponse{}, nil
}

func (c *counted) WorkerDeploymentClient() client.WorkerDeploymentClient {
	return &countedDeployments{counted: c}
}

// countedDeployments lists the deployments, and describes each alike.
type countedDeployments struct {
	client.WorkerDeploymentClient
	client.WorkerDeploymentHandle

	counted *counted
	listed  int
}

func (d *countedDeployments) List(context.Context, client.WorkerDeploymentListOptions) (client.WorkerDeploymentListIterator, error) {
	return d, nil
}

func (d *countedDeployments) HasNext() bool { return d.listed < len(d.counted.names) }

func (d *countedDeployments) Next() (*client.WorkerDeploymentListEntry, error) {
	d.listed++
	return &client.WorkerDeploymentListEntry{Name: d.counted.names[d.listed-1]}, d.counted.list
}

func (d *countedDeployments) GetHandle(string) client.WorkerDeploymentHandle { return d }

func (d *countedDeployments) Describe(
	context.Context, client.WorkerDeploymentDescribeOptions,
) (client.WorkerDeploymentDescribeResponse, error) {
	var described client.WorkerDeploymentDescribeResponse
	if d.counted.gone {
		return described, serviceerror.NewNotFound("no Worker Deployment found")
	}
	for build, status := range d.counted.builds {
		described.Info.VersionSummaries = append(described.Info.VersionSummaries,
			client.WorkerDeploymentVersionSummary{Version: version(build), DrainageStatus: status})
	}
	return described, nil
}

func TestFindOpenRuns(t *testing.T) {
	t.Parallel()
	const draining, drained = client.WorkerDeploymentVersionDrainageStatusDraining, client.WorkerDeploymentVersionDrainageStatusDrained
	type builds = map[string]client.WorkerDeploymentVersionDrainageStatus
	names := []string{DefaultDeployment}
	cases := map[string]struct {
		reason   string
		temporal counted
		want     map[string]int64 // by build; "" for runs on no build
		says     string           // for a failure
	}{
		"none":       {"nothing else is asked", counted{names: names, list: errors.New("not reached")}, map[string]int64{}, ""},
		"two builds": {"those with open runs are listed", counted{names: names, builds: builds{"a": draining, "b": 0, "c": 0}, counts: map[string]int64{"": 5, "a": 2, "b": 3}}, map[string]int64{"a": 2, "b": 3}, ""},
		"no build": {
			"workers without a version, or none yet, have them", counted{names: names, builds: builds{"a": draining}, counts: map[string]int64{"": 5, "a": 2}}, map[string]int64{"a": 2, "": 3}, "",
		},
		"drained": {
			"Temporal keeps the status for minutes, and a move can put runs there: the total counts them",
			counted{names: names, builds: builds{"a": drained}, counts: map[string]int64{"": 1}}, map[string]int64{"": 1}, "",
		},
		"more than all": {"a run began between two counts", counted{names: names, builds: builds{"a": 0}, counts: map[string]int64{"": 1, "a": 2}}, map[string]int64{"a": 2}, ""},
		"old server":    {"it has no deployments", counted{names: names, list: serviceerror.NewUnimplemented("unknown method"), counts: map[string]int64{"": 4}}, map[string]int64{"": 4}, ""},
		"deleted":       {"the deployment went meanwhile", counted{names: names, gone: true, counts: map[string]int64{"": 1}}, map[string]int64{"": 1}, ""},
		"unlisted":      {"a failure must not look like no runs", counted{names: names, list: errors.New("list failed"), counts: map[string]int64{"": 1}}, nil, "list failed"},
		"uncounted":     {"a failure must not look like no runs", counted{names: names, builds: builds{"a": 0}, failing: "a", counts: map[string]int64{"": 1}}, nil, "visibility is down"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			open, err := FindOpenRuns(t.Context(), &tc.temporal)
			if tc.says != "" {
				if err == nil || !strings.Contains(err.Error(), tc.says) {
					t.Errorf("%s: error %v, want %q in it", tc.reason, err, tc.says)
				}
				return
			}
			if err != nil {
				t.Fatalf("%s: %v", tc.reason, err)
			}
			got := map[string]int64{}
			for _, d := range open.Deployments {
				for _, b := range d.Builds {
					got[b.ID] = b.OpenRuns
				}
			}
			if n := open.WithoutBuild(); n > 0 {
				got[""] = n
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: open runs by build (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}
