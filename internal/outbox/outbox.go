// Package outbox starts the runs that changes in the database cause.
//
// A change and the starts of its runs are one transaction of the store, see [store.Start].
// The process that commits a change calls [Outbox.Drain] for its own starts at once. Workers
// call [Outbox.Serve], which starts what other processes left: one that died between the
// commit and the start, or that could not reach Temporal.
//
// Each start is made at least once. It is deleted last, so that a crash leaves it to be made
// again. A start of a workflow ID with an open run signals that run, which then compares once
// more: no two runs of one ID are open.
package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"golang.org/x/sync/errgroup"

	"github.com/rollcall-iam/rollcall/internal/engine"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/workflows"
)

const (
	// maxTries bounds the race between signalling a run and its end.
	maxTries = 10
	// startTimeout bounds one start, which a transaction waits for.
	startTimeout = 10 * time.Second
	// batch is how many starts one transaction holds, concurrent how many of them are made at once.
	batch, concurrent = 100, 16
	// pollInterval is the time between two looks for due starts, on average; after failures it
	// doubles up to maxBackoff.
	pollInterval, maxBackoff = time.Second, 30 * time.Second
	// lockedInterval is how often to look whether another process made the starts that it holds.
	lockedInterval = 50 * time.Millisecond
	// attributesTimeout is the time that a server may need to know a new search attribute: it
	// reads its namespaces again every few seconds.
	attributesTimeout, attributesInterval = 30 * time.Second, 500 * time.Millisecond
)

// Temporal is the part of Temporal's client that starts runs.
type Temporal interface {
	ExecuteWorkflow(ctx context.Context, options client.StartWorkflowOptions, workflow any, args ...any) (client.WorkflowRun, error)
	SignalWorkflow(ctx context.Context, workflowID, runID, signal string, arg any) error
	GetWorkflow(ctx context.Context, workflowID, runID string) client.WorkflowRun
}

// Outbox starts runs. It is safe for use by many goroutines.
type Outbox struct {
	Store    *store.Store
	Temporal Temporal
	// Prepare adds the search attributes that the namespace lacks; nil where another program
	// does so.
	Prepare func(context.Context) error
}

// errUnreachable reports a start that was not tried, because Temporal did not answer another.
var errUnreachable = errors.New("outbox: Temporal does not answer")

// Start starts the run. If one with its ID is open, that one is signalled: it will not end
// before it has compared again.
func (o *Outbox) Start(ctx context.Context, s store.Start) (client.WorkflowRun, error) {
	run, err := o.startOrSignal(ctx, s)
	for deadline := time.Now().Add(attributesTimeout); o.Prepare != nil && engine.LacksAttributes(err) && time.Now().Before(deadline); {
		if err := o.Prepare(ctx); err != nil {
			return nil, err
		}
		if err := pause(ctx, attributesInterval); err != nil {
			return nil, err
		}
		run, err = o.startOrSignal(ctx, s)
	}
	return run, err
}

func (o *Outbox) startOrSignal(ctx context.Context, s store.Start) (client.WorkflowRun, error) {
	options := client.StartWorkflowOptions{
		ID: s.WorkflowID, TaskQueue: engine.WorkflowQueue, StaticSummary: s.Summary,
		TypedSearchAttributes:                    engine.AttributesOf(s.Attributes),
		Priority:                                 temporal.Priority{PriorityKey: s.Priority, FairnessKey: s.FairnessKey},
		WorkflowIDConflictPolicy:                 enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
	}
	var err error
	for range maxTries {
		var run client.WorkflowRun
		run, err = o.Temporal.ExecuteWorkflow(ctx, options, s.Workflow, s.Input)
		if _, open := errors.AsType[*serviceerror.WorkflowExecutionAlreadyStarted](err); !open {
			return run, err
		}
		err = o.Temporal.SignalWorkflow(ctx, s.WorkflowID, "", workflows.TriggerSignal, workflows.Trigger{Cause: s.Cause})
		if err == nil {
			return o.Temporal.GetWorkflow(ctx, s.WorkflowID, ""), nil
		}
		if _, closed := errors.AsType[*serviceerror.NotFound](err); !closed {
			return nil, fmt.Errorf("outbox: signal %s: %w", s.WorkflowID, err)
		}
	}
	return nil, fmt.Errorf("outbox: start %s: %w", s.WorkflowID, err)
}

// Drain makes the stored starts of the workflow IDs, and returns their runs by workflow ID.
// It waits for starts that another process makes at the moment. On an error the starts that
// are not made stay stored, and a worker makes them.
func (o *Outbox) Drain(ctx context.Context, workflowIDs []string) (map[string]client.WorkflowRun, error) {
	runs := map[string]client.WorkflowRun{}
	for ids := range slices.Chunk(workflowIDs, batch) {
		if err := o.drain(ctx, ids, runs); err != nil {
			return nil, err
		}
	}
	for _, id := range workflowIDs {
		if runs[id] == nil { // another process started it
			runs[id] = o.Temporal.GetWorkflow(ctx, id, "")
		}
	}
	return runs, nil
}

// drain makes the starts of some workflow IDs, and adds their runs to runs.
func (o *Outbox) drain(ctx context.Context, workflowIDs []string, runs map[string]client.WorkflowRun) error {
	for {
		count, err := o.make(ctx, workflowIDs, runs)
		if err != nil {
			return err
		}
		if count > 0 {
			continue
		}
		left, err := o.Store.StartsLeft(ctx, workflowIDs)
		if err != nil || left == 0 {
			return err
		}
		if err := pause(ctx, lockedInterval); err != nil {
			return err
		}
	}
}

// make makes one batch of starts, of the workflow IDs or, without any, those that are due. It
// adds the runs of the starts it made to runs, and returns their number and the first failure.
func (o *Outbox) make(ctx context.Context, workflowIDs []string, runs map[string]client.WorkflowRun) (int, error) {
	var failure error
	count, err := o.Store.DrainStarts(ctx, workflowIDs, batch, func(ctx context.Context, starts []store.Start) []error {
		errs := o.startAll(ctx, starts, runs)
		for _, err := range errs {
			if err != nil && (failure == nil || errors.Is(failure, errUnreachable)) {
				failure = err
			}
		}
		return errs
	})
	return count, errors.Join(err, failure)
}

// startAll makes starts, several at once, and adds their runs to runs. It returns the error of
// each. Once Temporal does not answer one, the others are not tried.
func (o *Outbox) startAll(ctx context.Context, starts []store.Start, runs map[string]client.WorkflowRun) []error {
	errs := make([]error, len(starts))
	var mu sync.Mutex
	var away atomic.Bool
	var group errgroup.Group
	group.SetLimit(concurrent)
	for i, s := range starts {
		group.Go(func() error {
			if away.Load() {
				errs[i] = errUnreachable
				return nil
			}
			run, err := o.startInTime(ctx, s)
			if isAway(err) {
				away.Store(true)
			}
			mu.Lock()
			defer mu.Unlock()
			errs[i] = err
			if err == nil {
				runs[s.WorkflowID] = run
			}
			return nil
		})
	}
	_ = group.Wait() // each start has an error of its own
	return errs
}

func (o *Outbox) startInTime(ctx context.Context, s store.Start) (client.WorkflowRun, error) {
	timeout := startTimeout
	if o.Prepare != nil {
		timeout += attributesTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return o.Start(ctx, s)
}

// isAway reports an error of a Temporal that does not answer.
func isAway(err error) bool {
	_, unavailable := errors.AsType[*serviceerror.Unavailable](err)
	_, timedOut := errors.AsType[*serviceerror.DeadlineExceeded](err)
	return unavailable || timedOut || errors.Is(err, context.DeadlineExceeded)
}

// Serve makes due starts until ctx ends.
func (o *Outbox) Serve(ctx context.Context, log *slog.Logger) {
	wait := pollInterval
	for {
		// Workers look at different times.
		if pause(ctx, wait/2+rand.N(wait)) != nil { //nolint:gosec // no secret
			return
		}
		count, err := o.make(ctx, nil, map[string]client.WorkflowRun{})
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			wait = min(2*wait, maxBackoff)
			log.Warn("stored runs cannot be started", "retry", wait, "error", err)
		case count == batch:
			wait = time.Millisecond // there is more
		default:
			wait = pollInterval
		}
		if count > 0 {
			log.Info("stored runs started", "runs", count)
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
