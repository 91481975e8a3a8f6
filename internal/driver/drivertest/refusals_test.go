package drivertest_test

import (
	"context"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest"
	"github.com/rollcall-iam/rollcall/internal/driver/memory/memorytest"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/reconcile"
)

// TestRefusals_FindBrokenExecutors: each executor breaks one promise of package
// reconcile, and a law must find it.
func TestRefusals_FindBrokenExecutors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		reason  string
		law     drivertest.Law
		execute drivertest.Executor
	}{
		"StopsAtRefusal": {
			"the steps after the wave of a refused one are not tried", drivertest.RefusalsAreContained,
			configured(func(c *reconcile.Config) { c.StopAtRefusal = true }),
		},
		"IgnoresNeeds": {
			"members join a group that is refused", drivertest.RefusalsAreContained,
			configured(func(c *reconcile.Config) { c.IgnoreNeeds = true }),
		},
		"IsolatesNoAccount": {
			"a refused account keeps others of its call out", drivertest.RefusalsAreContained,
			configured(func(c *reconcile.Config) { c.Driver = whole{c.Driver} }),
		},
		"BlocksRemovals": {
			"a refused addition stops the removals that come later", drivertest.RefusalsAreContained, sequential,
		},
		"RepeatsNothing": {
			"a step that failed once counts as done", drivertest.FailedWritesAreRetried,
			configured(func(c *reconcile.Config) { c.Driver = content{c.Driver} }),
		},
		"ForgetsIntents": {
			"what was created before the answer was lost is not owned", drivertest.InterruptedWritesAreRetried,
			configured(func(c *reconcile.Config) { c.Ledger = noIntents{c.Ledger} }),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			complaints := watch(t, drivertest.ExecuteWith(memorytest.Suite(), c.execute), c.law)
			if len(complaints) == 0 {
				t.Fatalf("%s, and the law is content", c.reason)
			}
			t.Log(complaints[0])
		})
	}
}

// configured is the executor of package reconcile with another configuration.
func configured(change func(*reconcile.Config)) drivertest.Executor {
	return func(ctx context.Context, c reconcile.Config, waves [][]plan.Work) (reconcile.Report, error) {
		change(&c)
		e := reconcile.New(c)
		err := e.Execute(ctx, waves)
		return e.Report(), err
	}
}

// whole refuses every part of a step: as if it was not repeated in parts.
type whole struct{ driver.Driver }

func (w whole) Apply(ctx context.Context, scope driver.Scope, steps []plan.Step) []driver.Result {
	for _, s := range steps {
		if s.PartOf != "" {
			return driver.Refuse(steps, fault.ErrInvalid)
		}
	}
	return w.Driver.Apply(ctx, scope, steps)
}

// content takes every failure for success.
type content struct{ driver.Driver }

func (c content) Apply(ctx context.Context, scope driver.Scope, steps []plan.Step) []driver.Result {
	results := c.Driver.Apply(ctx, scope, steps)
	for i := range results {
		results[i].Err = nil
	}
	return results
}

// noIntents records that nothing is about to be done.
type noIntents struct{ reconcile.Ledger }

func (noIntents) Intend(context.Context, []plan.Step) error { return nil }

// sequential applies unit by unit and blocks all that comes after a failed one.
func sequential(ctx context.Context, c reconcile.Config, waves [][]plan.Work) (reconcile.Report, error) {
	var report reconcile.Report
	for _, wave := range waves {
		for _, work := range wave {
			for _, id := range work.Steps {
				step, _ := c.Plan.Step(id)
				switch {
				case c.Done[id]:
					report.Done++
					continue
				case report.Refused > 0:
					report.Blocked++
					continue
				}
				steps := []plan.Step{step}
				if err := c.Ledger.Intend(ctx, steps); err != nil {
					return report, err
				}
				r := c.Driver.Apply(ctx, c.Scope, steps)[0]
				if r.Err == nil {
					report.Done++
				} else {
					report.Refused++
				}
				if err := c.Ledger.Record(ctx, []reconcile.Outcome{{Step: step, Ref: r.Ref, Err: r.Err}}); err != nil {
					return report, err
				}
			}
		}
	}
	return report, nil
}
