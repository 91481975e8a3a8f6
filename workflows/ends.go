package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/engine"
)

const (
	// EndBindingsWorkflow is the name under which EndBindings is registered.
	EndBindingsWorkflow = "EndBindings"
	// EndBindingsID is the ID of the one run of EndBindings that an installation has.
	EndBindingsID = "ends"
	// endCause is the cause of tenants' runs that follow the end of a binding.
	endCause = "end"
	// leastWait keeps the clocks of Temporal and of the database from a race: the end has come
	// by the database's clock, too.
	leastWait = time.Second
	// refusedWait is the time before runs that Temporal refused to start are started again.
	refusedWait = time.Minute
)

// EndBindingsInput is what EndBindings needs to start.
type EndBindingsInput struct {
	// Started is carried over when the run continues as new.
	Started []activities.PendingRun `json:"started,omitempty"`
}

// EndBindings starts a run for each tenant of which a binding ends, when it ends:
//
//   - count the ends that have come, however long ago, and start the pending runs;
//   - sleep until the next end, and continue as new;
//   - look again after a trigger: an apply may have stored an earlier end;
//   - end if no binding has an end to come. A worker starts it again with the next one.
//
// The database knows which runs are pending. What an outage keeps this run from is done after it.
// Unlike other runs it can be open for a long time, so it moves to newer workers by itself: see
// Register.
func EndBindings(ctx workflow.Context, in EndBindingsInput) error { //nolint:gocognit // one loop with a case for each state
	triggers := workflow.GetSignalChannel(ctx, TriggerSignal)
	for {
		out, err := endBindings(ctx, in)
		if err != nil {
			return err
		}
		in.Started = startTenants(ctx, out.Pending)
		switch {
		case len(out.Pending) > len(in.Started): // Temporal refused some: they stay pending
			if err := sleep(ctx, refusedWait, "before runs are started again"); err != nil {
				return err
			}
		case len(out.Pending) > 0:
		case out.Wait == 0:
			if !drain(triggers) {
				return ctx.Err()
			}
		default:
			workflow.SetCurrentDetails(ctx, "Waiting for the next end of a binding.")
			if err := awaitTrigger(ctx, triggers, max(out.Wait, leastWait), "until the next end of a binding"); err != nil {
				return err
			}
			return renew(ctx, EndBindingsWorkflow, in)
		}
		if renewalDue(ctx) {
			drain(triggers)
			return renew(ctx, EndBindingsWorkflow, in)
		}
	}
}

// endBindings counts the ends that have come.
func endBindings(ctx workflow.Context, in EndBindingsInput) (out activities.EndBindingsOutput, err error) {
	workflow.SetCurrentDetails(ctx, "Looking for bindings that have ended.")
	options := options("", "look for bindings that have ended")
	options.TaskQueue, options.ScheduleToCloseTimeout = engine.RevocationQueue, 0
	options.Priority = engine.Priority(engine.PriorityRevoke, EndBindingsID)
	options.HeartbeatTimeout, options.StartToCloseTimeout = 0, time.Minute
	err = workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, options), ends().EndBindings,
		activities.EndBindingsInput{Started: in.Started}).Get(ctx, &out)
	return out, err
}

// startTenants starts a run of each tenant, and returns those of which one was started or
// triggered.
func startTenants(ctx workflow.Context, pending []activities.PendingRun) []activities.PendingRun {
	started, waiting := make([]bool, len(pending)), workflow.NewWaitGroup(ctx)
	for i, d := range pending {
		waiting.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer waiting.Done()
			err := startTenant(ctx, d.Tenant, endCause)
			if started[i] = err == nil; err != nil {
				workflow.GetLogger(ctx).Warn("run not started", "tenant", d.Tenant.String(), "error", err)
			}
		})
	}
	waiting.Wait(ctx)
	var all []activities.PendingRun
	for i, d := range pending {
		if started[i] {
			all = append(all, d)
		}
	}
	return all
}

// awaitTrigger waits for a trigger, at most for a time, and takes all triggers.
func awaitTrigger(ctx workflow.Context, triggers workflow.ReceiveChannel, atMost time.Duration, summary string) error {
	timing, stop := workflow.WithCancel(ctx)
	defer stop()
	timer := workflow.NewTimerWithOptions(timing, atMost, workflow.TimerOptions{Summary: summary})
	err := workflow.Await(ctx, func() bool { return timer.IsReady() || triggers.Len() > 0 })
	drain(triggers)
	return err
}

// startTenant starts a run of a tenant that outlives this one, or triggers the open one. Sweeps start the
// runs that they wait for themselves.
func startTenant(ctx workflow.Context, tenant access.TenantID, cause string) error {
	return startOrSignal(ctx, ReplicateTenantWorkflow, ReplicateInput{Tenant: tenant, Cause: cause}, cause, workflow.ChildWorkflowOptions{
		WorkflowID: ReplicateTenantID(tenant), StaticSummary: "replicate " + tenant.String(),
		TypedSearchAttributes: engine.TenantAttributes(tenant, "", 0),
		Priority:              engine.Priority(engine.PriorityPeople, tenant.ProjectID()),
	})
}
