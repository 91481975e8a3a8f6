package engine

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"golang.org/x/sync/errgroup"
)

// movers is how many runs are moved at once.
const movers = 8

// MoveRuns has another version go on with the open runs of a version whose workers
// are gone. Each run replays its history on the other version and is pinned to it.
// It returns how many were moved; runs that ended meanwhile are not counted.
func MoveRuns(ctx context.Context, c client.Client, from, to worker.WorkerDeploymentVersion) (int, error) {
	var moved atomic.Int64
	for _, query := range []string{openRuns(from), beginning()} {
		var token []byte
		for {
			page, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: query, NextPageToken: token})
			if err != nil {
				return int(moved.Load()), fmt.Errorf("engine: list the open runs of build %q: %w", from.BuildID, err)
			}
			if err := moveAll(ctx, c, page.GetExecutions(), from, to, &moved); err != nil {
				return int(moved.Load()), err
			}
			if token = page.GetNextPageToken(); len(token) == 0 {
				break
			}
		}
	}
	return int(moved.Load()), nil
}

// beginning is the query for runs that others started, and that no worker has seen.
// They are pinned to the version of the run that started them, which no search
// attribute tells yet.
func beginning() string {
	return fmt.Sprintf("ExecutionStatus = 'Running' AND TaskQueue = '%s' AND ParentWorkflowId IS NOT NULL "+
		"AND TemporalWorkerDeploymentVersion IS NULL", WorkflowQueue)
}

func moveAll(
	ctx context.Context, c client.Client, runs []*workflowpb.WorkflowExecutionInfo,
	from, to worker.WorkerDeploymentVersion, moved *atomic.Int64,
) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(movers)
	for _, run := range runs {
		group.Go(func() error {
			id, runID := run.GetExecution().GetWorkflowId(), run.GetExecution().GetRunId()
			err := moveRun(ctx, c, id, runID, from, to)
			if _, gone := errors.AsType[*serviceerror.NotFound](err); gone || errors.Is(err, errElsewhere) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("engine: move %s: %w", id, err)
			}
			moved.Add(1)
			return nil
		})
	}
	return group.Wait()
}

// errElsewhere reports a run that is not on the version any more.
var errElsewhere = errors.New("the run is on another version")

// moveRun moves one run, if it still is where the list said.
func moveRun(ctx context.Context, c client.Client, id, runID string, from, to worker.WorkerDeploymentVersion) error {
	run, err := c.DescribeWorkflowExecution(ctx, id, runID)
	if err != nil {
		return err
	}
	versioning := run.GetWorkflowExecutionInfo().GetVersioningInfo()
	at := versionOf(versioning.GetDeploymentVersion())
	if pinned := versioning.GetVersioningOverride().GetPinned(); pinned != nil {
		at = versionOf(pinned.GetVersion())
	}
	if once := versioning.GetVersioningOverride().GetOneTime(); once != nil {
		at = versionOf(once.GetTargetDeploymentVersion())
	}
	if at != from {
		return errElsewhere
	}
	// Once: after its next step the run is as if it had begun on the other version.
	err = override(ctx, c, id, runID, &client.OneTimeVersioningOverride{TargetVersion: to})
	if _, old := errors.AsType[*serviceerror.InvalidArgument](err); old {
		// Servers before 1.32 know lasting overrides only.
		err = override(ctx, c, id, runID, &client.PinnedVersioningOverride{Version: to})
	}
	return err
}

func override(ctx context.Context, c client.Client, id, runID string, to client.VersioningOverride) error {
	_, err := c.UpdateWorkflowExecutionOptions(ctx, client.UpdateWorkflowExecutionOptionsRequest{
		WorkflowId: id, RunId: runID,
		WorkflowExecutionOptionsChanges: client.WorkflowExecutionOptionsChanges{
			VersioningOverride: &client.VersioningOverrideChange{Value: to},
		},
	})
	return err
}
