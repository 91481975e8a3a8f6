package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
)

// OpenRuns are the open runs of all builds.
type OpenRuns struct {
	// Total counts them all.
	Total int64
	// Deployments are those with open runs, with their builds that have some.
	Deployments []WorkerDeployment
}

// WithoutBuild counts the open runs that are on no build that Temporal lists: no
// worker has begun them, or workers without a version did.
func (o OpenRuns) WithoutBuild() int64 {
	rest := o.Total
	for _, d := range o.Deployments {
		for _, b := range d.Builds {
			rest -= b.OpenRuns
		}
	}
	return max(0, rest) // a run may have begun between two counts
}

// FindOpenRuns asks Temporal for the open runs, whatever their deployment. A run that
// started within the last second may be missing.
func FindOpenRuns(ctx context.Context, c client.Client) (OpenRuns, error) {
	var open OpenRuns
	var err error
	if open.Total, err = countRuns(ctx, c, allOpenRuns()); err != nil {
		return open, fmt.Errorf("engine: count the open runs: %w", err)
	}
	if open.Total == 0 {
		return open, nil
	}
	names, err := deploymentNames(ctx, c)
	if err != nil {
		return open, fmt.Errorf("engine: list the worker deployments: %w", err)
	}
	for _, name := range names {
		d, err := DescribeDeployment(ctx, c, name)
		if errors.Is(err, ErrNoDeployment) {
			continue // it was deleted meanwhile, so it had no open runs
		}
		if err != nil {
			return open, err
		}
		d.Builds = slices.DeleteFunc(d.Builds, func(b Build) bool { return b.OpenRuns == 0 })
		if len(d.Builds) > 0 {
			open.Deployments = append(open.Deployments, d)
		}
	}
	return open, nil
}

// deploymentNames lists the namespace's worker deployments; none on a server without
// worker versions.
func deploymentNames(ctx context.Context, c client.Client) ([]string, error) {
	var names []string
	all, err := c.WorkerDeploymentClient().List(ctx, client.WorkerDeploymentListOptions{})
	for err == nil && all.HasNext() {
		var d *client.WorkerDeploymentListEntry
		if d, err = all.Next(); err == nil {
			names = append(names, d.Name)
		}
	}
	if _, old := errors.AsType[*serviceerror.Unimplemented](err); old {
		return nil, nil
	}
	return names, err
}

// countRuns counts the runs that a query finds.
func countRuns(ctx context.Context, c client.Client, query string) (int64, error) {
	count, err := c.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Query: query})
	return count.GetCount(), err
}

// allOpenRuns is the query for the open runs of all versions, and of none.
func allOpenRuns() string {
	return fmt.Sprintf("ExecutionStatus IN ('Running', 'Paused') AND TaskQueue = '%s'", WorkflowQueue)
}
