package workflows_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/engine"
	"github.com/rollcall-iam/rollcall/workflows"
)

// bindingEnds is a scripted database of bindings that end.
type bindingEnds struct {
	// answers are those of the activity, one after the other.
	answers []activities.EndBindingsOutput
	// failures is how often the activity fails before the first answer.
	failures int

	mu         sync.Mutex
	inputs     []activities.EndBindingsInput
	replicated []string
}

// run runs the workflow. Signals arrive after those times.
func (b *bindingEnds) run(t *testing.T, signals ...time.Duration) (elapsed time.Duration, err error) {
	t.Helper()
	env := (&testsuite.WorkflowTestSuite{}).NewTestWorkflowEnvironment()
	env.SetTestTimeout(time.Minute)
	env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: time.Minute})
	env.RegisterActivityWithOptions(func(ctx context.Context, in activities.EndBindingsInput) (activities.EndBindingsOutput, error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		if queue := activity.GetInfo(ctx).TaskQueue; queue != engine.RevocationQueue {
			t.Errorf("the activity is in queue %s, want one that no platform fills", queue)
		}
		if b.failures > 0 {
			b.failures--
			return activities.EndBindingsOutput{}, errors.New("no database")
		}
		answer := b.answers[len(b.inputs)]
		b.inputs = append(b.inputs, in)
		return answer, nil
	}, activity.RegisterOptions{Name: activities.EndBindingsActivity})
	env.RegisterWorkflowWithOptions(workflows.EndBindings, workflow.RegisterOptions{Name: workflows.EndBindingsWorkflow})
	env.RegisterWorkflowWithOptions(func(_ workflow.Context, in workflows.ReplicateInput) (workflows.ReplicateResult, error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.replicated = append(b.replicated, in.Tenant.String()+" "+in.Cause)
		return workflows.ReplicateResult{}, nil
	}, workflow.RegisterOptions{Name: workflows.ReplicateTenantWorkflow})
	for _, after := range signals {
		env.RegisterDelayedCallback(func() { env.SignalWorkflow(workflows.TriggerSignal, workflows.Trigger{}) }, after)
	}
	began := env.Now()
	env.ExecuteWorkflow(workflows.EndBindingsWorkflow, workflows.EndBindingsInput{})
	if !env.IsWorkflowCompleted() {
		t.Fatal("the run did not end")
	}
	slices.Sort(b.replicated)
	return env.Now().Sub(began), env.GetWorkflowError()
}

// pendingRuns are runs of the projects' tenants.
func pendingRuns(projects ...string) []activities.PendingRun {
	var all []activities.PendingRun
	for _, tenant := range tenantsOfA(projects...) {
		all = append(all, activities.PendingRun{Tenant: tenant, Revision: 7})
	}
	return all
}

func TestEndBindings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		reason     string
		ends       *bindingEnds
		signals    []time.Duration
		least      time.Duration // that the run takes
		atMost     time.Duration
		continues  bool
		inputs     []activities.EndBindingsInput
		replicated []string
	}{
		{
			reason: "no binding ends",
			ends:   &bindingEnds{answers: []activities.EndBindingsOutput{{}}},
			inputs: []activities.EndBindingsInput{{}}, atMost: time.Second,
		},
		{
			reason: "it waits until the next end and begins again",
			ends:   &bindingEnds{answers: []activities.EndBindingsOutput{{Wait: 9 * time.Hour}}},
			least:  9 * time.Hour, atMost: 9*time.Hour + time.Second, continues: true, inputs: []activities.EndBindingsInput{{}},
		},
		{
			reason:  "an earlier end was applied",
			ends:    &bindingEnds{answers: []activities.EndBindingsOutput{{Wait: 9 * time.Hour}}},
			signals: []time.Duration{time.Hour},
			least:   time.Hour, atMost: time.Hour + time.Second, continues: true, inputs: []activities.EndBindingsInput{{}},
		},
		{
			reason: "ends came, with more tenants than one call returns",
			ends: &bindingEnds{answers: []activities.EndBindingsOutput{
				{Ended: 3, Pending: pendingRuns("p", "q")}, {Pending: pendingRuns("r")}, {},
			}},
			atMost:     time.Second,
			inputs:     []activities.EndBindingsInput{{}, {Started: pendingRuns("p", "q")}, {Started: pendingRuns("r")}},
			replicated: []string{"w.p/a.x end", "w.q/a.x end", "w.r/a.x end"},
		},
		{
			reason: "the database does not answer for a while",
			ends:   &bindingEnds{failures: 5, answers: []activities.EndBindingsOutput{{Ended: 1, Pending: pendingRuns("p")}, {}}},
			least:  30 * time.Second, atMost: time.Minute,
			inputs: []activities.EndBindingsInput{{}, {Started: pendingRuns("p")}}, replicated: []string{"w.p/a.x end"},
		},
	} {
		t.Run(c.reason, func(t *testing.T) {
			t.Parallel()
			elapsed, err := c.ends.run(t, c.signals...)
			if continues := workflow.IsContinueAsNewError(err); continues != c.continues || err != nil && !continues {
				t.Errorf("the run ended with %v, want it to continue as new: %t", err, c.continues)
			}
			if elapsed < c.least || elapsed > c.atMost {
				t.Errorf("the run elapsed %s, want %s to %s of workflow time", elapsed, c.least, c.atMost)
			}
			if diff := cmp.Diff(c.inputs, c.ends.inputs); diff != "" {
				t.Errorf("calls of the activity (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.replicated, c.ends.replicated); diff != "" {
				t.Errorf("runs started (-want +got):\n%s", diff)
			}
		})
	}
}
