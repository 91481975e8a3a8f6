package reconcile

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

func TestAttempt_Split(t *testing.T) {
	t.Parallel()
	down := &unfinished{fmt.Errorf("create group: %w", fault.ErrUnavailable)}
	throttled := func(after time.Duration) error { return &unfinished{fault.Throttled(errors.New("slow down"), after)} }
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		reason   string
		ctx      context.Context //nolint:containedctx // an ended context is one of the cases
		attempt  Attempt
		err      error
		deferred bool
	}{
		{"no step failed", t.Context(), Attempt{Number: 5}, nil, false},
		{"the first attempt is followed by others", t.Context(), Attempt{Number: 1}, down, false},
		{"the last attempt but one is followed by another", t.Context(), Attempt{Number: 4, Elapsed: 2 * time.Minute}, down, false},
		{"the last attempt defers the steps", t.Context(), Attempt{Number: 5}, down, true},
		{"attempts have taken too long", t.Context(), Attempt{Number: 2, Elapsed: 2*time.Minute + 1}, down, true},
		{"the first attempt began late, as the worker was busy", t.Context(), Attempt{Number: 1, Elapsed: time.Hour}, down, false},
		{"the platform asks for a short wait", t.Context(), Attempt{Number: 1}, throttled(20 * time.Second), false},
		{"the platform asks for a long wait", t.Context(), Attempt{Number: 1}, throttled(21 * time.Second), true},
		{"the call was cancelled", ended, Attempt{Number: 5}, down, false},
		{"the failure is not one of steps", t.Context(), Attempt{Number: 5}, fault.ErrUnavailable, false},
	} {
		deferred, failed := c.attempt.split(c.ctx, c.err)
		if c.deferred {
			deferred, failed = failed, deferred
		}
		if deferred != nil || !errors.Is(failed, c.err) {
			t.Errorf("%s: %v stays, %v is the other; want all of %v in one", c.reason, failed, deferred, c.err)
		}
	}
}

// TestHistoryOf: the plan has the steps of two groups and of a role of users. The batch has
// the group dev.
func TestHistoryOf(t *testing.T) {
	t.Parallel()
	group := func(name string) plan.Step {
		return plan.Step{ID: "group " + name, Op: plan.Create, Kind: access.KindGroup, Want: plan.Object{Group: &access.Group{Name: name}}}
	}
	dev, join, other := group("dev"), memberStep("join dev", "dev", []string{"ann"}, nil), group("ops")
	role := bindingStep("role", plan.Create, access.Binding{Role: "owner", Name: "ann"})
	p := plan.Plan{Steps: []plan.Step{dev, join, other, role}}
	all := []string{dev.ID, join.ID, other.ID, role.ID}
	batch := func(change func(*Batch)) Batch {
		b := Batch{Run: ledger.Run{Pass: 3}, Waves: [][]plan.Work{{{Steps: []string{dev.ID, join.ID}}}}}
		change(&b)
		return b
	}
	plain := batch(func(*Batch) {})
	for _, c := range []struct {
		reason                       string
		batch                        Batch
		done                         map[string]bool
		failed                       []ledger.Record
		refused, unfinished, awaited []string
		attempts                     map[string]int
	}{
		{"nothing failed before", plain, nil, nil, nil, nil, all, nil},
		{
			"a refused step of an earlier plan is not tried again", plain, nil,
			[]ledger.Record{failedIn(1, dev, "Invalid: no")}, []string{dev.ID}, nil, all, map[string]int{dev.ID: 1},
		},
		{
			"it is tried again after a trigger", batch(func(b *Batch) { b.RefusedSince = 2 }), nil,
			[]ledger.Record{failedIn(1, dev, "Invalid: no")}, nil, nil, all, map[string]int{dev.ID: 1},
		},
		{
			"it is done in this pass", plain, map[string]bool{dev.ID: true},
			[]ledger.Record{failedIn(1, dev, "Invalid: no")}, nil, nil, all, map[string]int{dev.ID: 1},
		},
		{
			"another batch of this pass left a step unfinished", plain, nil,
			[]ledger.Record{failedIn(3, other, "Unavailable: 503")}, nil, []string{other.ID}, all, map[string]int{other.ID: 1},
		},
		{
			"an earlier attempt of this batch did", plain, nil,
			[]ledger.Record{failedIn(3, dev, "Unavailable: 503")}, nil, nil, all, map[string]int{dev.ID: 1},
		},
		{
			"an earlier pass failed for now: removals wait no more for steps about the group", plain, nil,
			[]ledger.Record{failedIn(2, dev, "Unavailable: 503")}, nil, nil, []string{other.ID, role.ID}, map[string]int{dev.ID: 1},
		},
		{
			"an earlier pass failed for now with another role", plain, nil,
			[]ledger.Record{failedIn(2, role, "Pending: still")}, nil, nil, []string{dev.ID, join.ID, other.ID}, map[string]int{role.ID: 1},
		},
		{
			"this very plan was applied before in this pass", batch(func(b *Batch) { b.Repeated = true }), nil,
			[]ledger.Record{failedIn(3, dev, "Unavailable: 503")}, nil, nil, []string{other.ID, role.ID}, map[string]int{dev.ID: 1},
		},
		{
			"removals of a group replacement wait for no failed step", batch(func(b *Batch) { b.Stage.ID = "r1" }), nil,
			nil, nil, nil, nil, nil,
		},
		{
			"attempts of earlier runs and passes add up", batch(func(b *Batch) { b.Attempts = 4 }), nil,
			[]ledger.Record{failedIn(1, dev, "Unavailable: 503"), failedIn(2, dev, "Unavailable: 503")}, nil, nil, []string{other.ID, role.ID},
			map[string]int{dev.ID: 6, join.ID: 4},
		},
	} {
		h := historyOf(c.batch, p, c.done, c.failed)
		got := map[string][]string{}
		for _, id := range all {
			if h.refused[id] != nil {
				got["refused"] = append(got["refused"], id)
			}
			if h.unfinished[id] {
				got["unfinished"] = append(got["unfinished"], id)
			}
			if h.awaited[id] {
				got["awaited"] = append(got["awaited"], id)
			}
		}
		want := map[string][]string{}
		for key, ids := range map[string][]string{"refused": c.refused, "unfinished": c.unfinished, "awaited": c.awaited} {
			if ids != nil {
				want[key] = ids
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.reason, diff)
		}
		maps.DeleteFunc(h.attempts, func(_ string, n int) bool { return n == 0 })
		if diff := cmp.Diff(c.attempts, h.attempts, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: attempts (-want +got):\n%s", c.reason, diff)
		}
	}
}

func TestRecordOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		reason string
		err    error
		want   string
	}{
		{"the class comes first", fmt.Errorf("create group: %w", fault.ErrDenied), "Denied: create group: " + fault.ErrDenied.Error()},
		{"the text is one line", fmt.Errorf("%w: first\nsecond", fault.ErrInvalid), "Invalid: " + fault.ErrInvalid.Error() + ": first second"},
		{
			"the second line says what to do", fault.Advise(fmt.Errorf("%w: no seat", fault.ErrInvalid), "buy a seat"),
			"Invalid: " + fault.ErrInvalid.Error() + ": no seat\nbuy a seat",
		},
		{"what no driver classified may pass", errors.New("broken"), "Unavailable: broken"},
		{"a recorded failure stays as it is", recordedError("Denied: 403\nask the owner"), "Denied: 403\nask the owner"},
	} {
		if got := recordOf(c.err); got != c.want {
			t.Errorf("%s: %q, want %q", c.reason, got, c.want)
		}
	}
}
