package activities

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/worker"

	"github.com/rollcall-iam/rollcall/internal/store"
)

// EndBindingsActivity is the name under which Ends.EndBindings is registered.
const EndBindingsActivity = "EndBindings"

const (
	// pendingLimit is how many tenants one call of EndBindings returns.
	pendingLimit = 200
	// maxWait is how long the workflow waits at most: it looks again for ends that the
	// database got by other ways, such as a restored backup.
	maxWait = 24 * time.Hour
)

// PendingRun is a tenant that needs a run because bindings ended.
type PendingRun = store.PendingRun

// EndBindingsInput asks which bindings have ended.
type EndBindingsInput struct {
	// Started are the tenants of the call before, of which runs were started.
	Started []PendingRun `json:"started,omitempty"`
}

// EndBindingsOutput says what to do about the ends of bindings.
type EndBindingsOutput struct {
	// Ended counts the bindings whose end came since the last call.
	Ended int `json:"ended,omitempty"`
	// Pending are tenants that need a run each. Others may follow: call again.
	Pending []PendingRun `json:"pending,omitempty"`
	// Wait is the time until the next end, at most a day; 0 if no binding ends.
	Wait time.Duration `json:"wait,omitempty"`
}

// Ends finds the bindings that end. It asks no platform.
type Ends struct{ store *store.Store }

// NewEnds returns the activities for the ends of bindings.
func NewEnds(s *store.Store) *Ends { return &Ends{store: s} }

// Register makes the activities known to a worker under their names.
func (e *Ends) Register(w worker.ActivityRegistry) {
	w.RegisterActivityWithOptions(e.EndBindings, activity.RegisterOptions{Name: EndBindingsActivity})
}

// EndBindings counts the ends of bindings that have come, and returns the tenants that need a
// run since. A tenant is returned until it is among the started ones of a later call, so that
// an outage at any point delays its run and loses none.
func (e *Ends) EndBindings(ctx context.Context, in EndBindingsInput) (EndBindingsOutput, error) {
	var out EndBindingsOutput
	if err := e.store.StartedRuns(ctx, in.Started); err != nil {
		return out, toTemporal(fmt.Errorf("activities: note the runs that were started: %w", err))
	}
	// The next end is read first: one that comes meanwhile is counted now and not slept over.
	wait, comes, err := e.store.CheckEnds(ctx, maxWait)
	if err != nil {
		return out, toTemporal(fmt.Errorf("activities: read the next end of a binding: %w", err))
	}
	if out.Ended, err = e.store.EndBindings(ctx); err != nil {
		return out, toTemporal(fmt.Errorf("activities: end bindings: %w", err))
	}
	if out.Ended > 0 {
		if wait, comes, err = e.store.CheckEnds(ctx, maxWait); err != nil {
			return out, toTemporal(fmt.Errorf("activities: read the next end of a binding: %w", err))
		}
	}
	if comes { // 0 is for no end to come
		out.Wait = max(wait, time.Millisecond)
	}
	if out.Pending, err = e.store.PendingRuns(ctx, pendingLimit); err != nil {
		return out, toTemporal(fmt.Errorf("activities: list the pending runs: %w", err))
	}
	return out, nil
}
