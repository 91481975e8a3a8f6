package reconcile_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/reconcile"
)

// TestExecutor_AllowsPendingSteps: a step that the platform is still carrying out stops the
// steps that need it, and is no failure where another plan follows.
func TestExecutor_AllowsPendingSteps(t *testing.T) {
	t.Parallel()
	slow := fault.Pending(errors.New("the vendor is creating it"), time.Minute)
	busy := fault.Throttled(errors.New("the vendor is creating another one"), 2*time.Minute)
	only := map[string]error{create: slow}
	for _, c := range []struct {
		reason             string
		fails              map[string]error
		allow, waitExpired bool
		err                error
		report             reconcile.Report
	}{
		{"another plan finds what became of it", only, true, false, nil, reconcile.Report{Done: 2, Pending: 1, PendingAfter: time.Minute}},
		{"no other plan follows: it is tried again", only, false, false, fault.ErrPending, reconcile.Report{Done: 2, Unfinished: 1}},
		{
			"it took too long: ann leaves her old group", only, true, true, nil,
			reconcile.Report{Done: 3, Pending: 1, PendingAfter: time.Minute},
		},
		{
			"the vendor takes one change at a time: the next one waits with it", map[string]error{create: slow, change: busy}, true, false,
			nil, reconcile.Report{Done: 1, Pending: 2, PendingAfter: 2 * time.Minute},
		},
		{
			"nothing is pending: the throttled step is tried again", map[string]error{change: busy}, true, false,
			fault.ErrThrottled, reconcile.Report{Done: 5, Unfinished: 1},
		},
		{
			"an outage is no reason to plan again", map[string]error{create: slow, change: busy, remove: fault.ErrUnavailable}, true, false,
			fault.ErrThrottled, reconcile.Report{Pending: 1, PendingAfter: time.Minute, Unfinished: 2},
		},
	} {
		p, d, l := example(), &platform{fails: c.fails}, newRecords()
		e := reconcile.New(reconcile.Config{Plan: p, Driver: d, Ledger: l, AllowPending: c.allow, WaitExpired: c.waitExpired})
		err := e.Execute(t.Context(), p.Waves(plan.PerObject))
		if (err != nil) != (c.err != nil) || !errors.Is(err, c.err) {
			t.Errorf("%s: the error is %v, want %v", c.reason, err, c.err)
		}
		if diff := cmp.Diff(c.report, e.Report()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.reason, diff)
		}
	}
}

// TestExecutor_EndsUnknownAnswers: an answer that no driver knows is tried again, and
// is a refusal in the end, with the vendor's words. The attempts of each step count.
func TestExecutor_EndsUnknownAnswers(t *testing.T) {
	t.Parallel()
	unknown := fmt.Errorf("418 Teapot: %w", fault.ErrUnknown)
	for _, c := range []struct {
		reason  string
		answer  error
		attempt int
		refused int
		err     error
	}{
		{"it may pass", unknown, 1, 0, fault.ErrUnknown},
		{"the last attempt but one", unknown, 9, 0, fault.ErrUnknown},
		{"it does not pass", unknown, 10, 1, nil},
		{"an outage is waited for, however long", fault.ErrUnavailable, 100, 0, fault.ErrUnavailable},
	} {
		p, d, l := example(), &platform{fails: map[string]error{create: c.answer}}, newRecords()
		e := reconcile.New(reconcile.Config{Plan: p, Driver: d, Ledger: l, Attempts: map[string]int{ids(p)[create]: c.attempt - 1, ids(p)[change]: 99}})
		err := e.Execute(t.Context(), p.Waves(plan.PerObject))
		if (err != nil) != (c.err != nil) || !errors.Is(err, c.err) {
			t.Errorf("%s: attempt %d returns %v, want %v", c.reason, c.attempt, err, c.err)
		}
		if got := e.Report().Refused; got != c.refused {
			t.Errorf("%s: attempt %d counts %d steps as refused, want %d", c.reason, c.attempt, got, c.refused)
		}
		if c.refused > 0 && l.outcomes[create] != "exhausted" {
			t.Errorf("%s: the ledger has %q", c.reason, l.outcomes[create])
		}
	}
}
