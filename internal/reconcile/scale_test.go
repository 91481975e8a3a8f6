package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/reconcile"
)

// TestExecutor_FollowsLargePlans: a platform that writes all bindings of a tenant at once
// has all steps of a large plan in one unit.
func TestExecutor_FollowsLargePlans(t *testing.T) {
	t.Parallel()
	const steps = 40_000
	var p plan.Plan
	work := plan.Work{Unit: "bindings"}
	for i := range steps {
		id := fmt.Sprintf("step-%06d", i)
		b := &access.Binding{Role: fmt.Sprintf("r%06d", i), Group: "g", GroupRef: "g1"}
		p.Steps = append(p.Steps, plan.Step{ID: id, Op: plan.Create, Kind: access.KindBinding, Object: id, Want: plan.Object{Binding: b}})
		work.Steps = append(work.Steps, id)
	}
	stop := fault.Pending(errors.New("the vendor is busy"), time.Minute)
	began := time.Now()
	e := reconcile.New(reconcile.Config{Plan: p, Check: func(context.Context) error { return stop }, Driver: &platform{}, Ledger: newRecords()})
	if err := e.Execute(t.Context(), [][]plan.Work{{work}}); !errors.Is(err, fault.ErrPending) {
		t.Fatalf("the error is %v", err)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("%d steps took %s", steps, took)
	}
}
