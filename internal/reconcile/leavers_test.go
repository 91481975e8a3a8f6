package reconcile_test

import (
	"context"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/reconcile"
)

// TestExecutor_AwaitsNewFailures: an addition that has only begun to fail is waited for,
// although others have failed for an hour.
func TestExecutor_AwaitsNewFailures(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		reason  string
		awaited bool
		want    map[string]string // outcomes of the example; "" for none
	}{
		{"all have failed for an hour", false, map[string]string{join: "unavailable", change: "unavailable", "admin -cem": "done"}},
		{"these two have not", true, map[string]string{join: "unavailable", removal: "", change: "unavailable"}},
	} {
		p, l := example(), newRecords()
		d := &platform{fails: map[string]error{join: fault.ErrUnavailable, "dan": fault.ErrUnavailable}}
		e := reconcile.New(reconcile.Config{
			Plan: p, Driver: d, Ledger: l, WaitExpired: true, Awaited: map[string]bool{ids(p)[join]: c.awaited, ids(p)[change]: c.awaited},
		})
		if err := e.Execute(t.Context(), p.Waves(plan.PerObject)); !reconcile.IsUnfinished(err) || e.Report().Unfinished != 2 {
			t.Errorf("%s: %v, %+v; want two unfinished steps", c.reason, err, e.Report())
		}
		if diff := cmp.Diff(all(c.want), l.outcomes); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.reason, diff)
		}
	}
}

// TestExecutor_RemovesAlone: cem leaves the group to which one step also adds dan, whatever
// the platform answers about dan.
func TestExecutor_RemovesAlone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		reason      string
		answer      error
		waitExpired bool
		check       error
		leaves      bool
	}{
		{"the platform refuses dan", fault.ErrDenied, false, nil, true},
		{"the platform does not find dan", fault.ErrNotFound, false, nil, true},
		{"the platform has another state", fault.ErrConflict, false, nil, true},
		{"the documents changed", nil, false, fault.ErrConflict, false},
		{"the platform is down for a moment: the next attempt does both", fault.ErrUnavailable, false, nil, false},
		{"adding dan has failed for an hour", fault.ErrUnavailable, true, nil, true},
		{"the platform has been adding dan for an hour", fault.ErrPending, true, nil, true},
	} {
		p, d, l := example(), &platform{fails: map[string]error{"dan": c.answer}}, newRecords()
		e := reconcile.New(reconcile.Config{
			Plan: p, Driver: d, Ledger: l, AllowPending: true, WaitExpired: c.waitExpired,
			Check: func(context.Context) error { return c.check },
		})
		if err := e.Execute(t.Context(), p.Waves(plan.PerObject)); err != nil && c.leaves && !c.waitExpired {
			t.Errorf("%s: %v", c.reason, err)
		}
		i := slices.IndexFunc(d.steps, func(s plan.Step) bool { return name(s) == "admin -cem" })
		if leaves := i >= 0 && e.Done()[d.steps[i].ID]; leaves != c.leaves {
			t.Errorf("%s: cem leaves alone: %t, want %t; calls: %q", c.reason, leaves, c.leaves, d.calls)
		}
	}
}
