package kubernetes_test

import (
	"testing"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// BenchmarkVerify reads a hundred tenants at once, in which nothing has changed.
func BenchmarkVerify(b *testing.B) {
	w := newWorld(b)
	scopes := w.crowd(b, 102)[2:]
	d := w.open(b)
	ctx, meter := budget.WithMeter(b.Context())
	for b.Loop() {
		if _, err := d.Observe(ctx, scopes); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(meter.Calls())/float64(b.N), "calls/op")
}

// BenchmarkOnePerson adds or removes one person of a tenant's ten: read, plan,
// write.
func BenchmarkOnePerson(b *testing.B) {
	n := newWorld(b).newTenant(b, "bench")
	people := members(ada, bob, eve, "p4@example.com", "p5@example.com", "p6@example.com", "p7@example.com", "p8@example.com", "p9@example.com", "p10@example.com")
	wish := func(people []access.Member) access.State {
		return access.State{Bindings: []access.Binding{{Role: lawRoles[0], Subjects: people}}}
	}
	n.sync(b, wish(people))
	ctx, meter := budget.WithMeter(b.Context())
	for i := 0; b.Loop(); i++ {
		got, err := n.driver.Observe(ctx, []driver.Scope{n.scope})
		if err != nil {
			b.Fatal(err)
		}
		p := plan.Make(plan.Input{
			Tenant: n.scope.Tenant, Desired: wish(people[:len(people)-1+i%2]), Observed: got[0].State, Owned: n.owned,
			Rules: plan.Rules{Mark: n.scope.Mark, Guard: plan.DefaultGuard()},
		})
		if len(p.Steps) != 1 {
			b.Fatalf("want one step:\n%s", p)
		}
		if err := n.driver.Apply(ctx, n.scope, p.Steps)[0].Err; err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(meter.Calls())/float64(b.N), "calls/op")
}
