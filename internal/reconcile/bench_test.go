package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/reconcile"
)

// BenchmarkExecutor follows the steps of a large plan in one unit, as a platform has them
// that writes all bindings of a tenant at once. The bar is the same time for each step at
// ten times as many steps.
func BenchmarkExecutor(b *testing.B) {
	for _, steps := range []int{4_000, 40_000} {
		b.Run(strconv.Itoa(steps), func(b *testing.B) {
			var p plan.Plan
			work := plan.Work{Unit: "bindings"}
			for i := range steps {
				id := fmt.Sprintf("step-%06d", i)
				binding := &access.Binding{Role: fmt.Sprintf("r%06d", i), Group: "g", GroupRef: "g1"}
				p.Steps = append(p.Steps, plan.Step{
					ID: id, Op: plan.Create, Kind: access.KindBinding, Object: id, Want: plan.Object{Binding: binding},
				})
				work.Steps = append(work.Steps, id)
			}
			stop := fault.Pending(errors.New("the vendor is busy"), time.Minute)
			for b.Loop() {
				e := reconcile.New(reconcile.Config{
					Plan: p, Check: func(context.Context) error { return stop }, Driver: &platform{}, Ledger: newRecords(),
				})
				if err := e.Execute(b.Context(), [][]plan.Work{{work}}); !errors.Is(err, fault.ErrPending) {
					b.Fatalf("the error is %v", err)
				}
			}
			b.ReportMetric(float64(b.Elapsed())/float64(b.N*steps), "ns/step")
		})
	}
}
