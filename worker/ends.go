package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/rollcall-iam/rollcall/internal/engine"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/workflows"
)

const (
	// endsMaxDelay is how late the workflow that ends bindings may be before it is triggered.
	endsMaxDelay = time.Minute
	// endsTrigger is how often a watcher triggers it at most.
	endsTrigger = 15 * time.Second
	// endsOpen is how often the watcher makes sure that the workflow is open.
	endsOpen = 5 * time.Minute
)

// endWatcher keeps the workflow that ends bindings running while any binding has an end, and
// triggers it where an apply has stored an earlier end than it waits for.
type endWatcher struct {
	store     *store.Store
	temporal  client.Client
	opened    time.Time // when the workflow was last known to be open
	triggered time.Time
}

// watch asks the database whether the workflow is needed. It costs one query.
func (e *endWatcher) watch(ctx context.Context, now time.Time) error {
	needed, err := e.store.EndsNeedTrigger(ctx, endsMaxDelay)
	if err != nil {
		return fmt.Errorf("read the ends of bindings: %w", err)
	}
	trigger := needed && now.Sub(e.triggered) >= endsTrigger
	if !trigger && now.Sub(e.opened) < endsOpen {
		return nil
	}
	if !trigger {
		has, err := e.store.HasEnds(ctx)
		if err != nil {
			return fmt.Errorf("read the ends of bindings: %w", err)
		}
		if !has {
			e.opened = now
			return nil
		}
	}
	_, err = e.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: workflows.EndBindingsID, TaskQueue: engine.WorkflowQueue, StaticSummary: "end bindings",
		Priority:                                 engine.Priority(engine.PriorityRevoke, workflows.EndBindingsID),
		WorkflowIDConflictPolicy:                 enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
	}, workflows.EndBindingsWorkflow, workflows.EndBindingsInput{})
	if _, open := errors.AsType[*serviceerror.WorkflowExecutionAlreadyStarted](err); open && trigger {
		err = e.temporal.SignalWorkflow(ctx, workflows.EndBindingsID, "", workflows.TriggerSignal, workflows.Trigger{Cause: "end"})
	} else if open {
		err = nil
	}
	if err != nil {
		return fmt.Errorf("start %s: %w", workflows.EndBindingsID, err)
	}
	e.opened = now
	if trigger {
		e.triggered = now
	}
	return nil
}
