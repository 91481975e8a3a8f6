package activities_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// choosy is a platform that refuses some accounts as members: a call that adds one of
// them fails whole.
type choosy struct {
	driver.Driver
	refused []string // by id
	calls   *atomic.Int64
}

func (c choosy) Apply(ctx context.Context, scope driver.Scope, steps []plan.Step) []driver.Result {
	for _, s := range steps {
		for _, who := range s.Adds() {
			if !slices.Contains(c.refused, who.Ref) {
				continue
			}
			c.calls.Add(1)
			results := make([]driver.Result, len(steps))
			for i := range results {
				results[i].Err = fmt.Errorf("choosy: %w: one of the accounts is suspended", fault.ErrInvalid)
			}
			return results
		}
	}
	c.calls.Add(1)
	return c.Driver.Apply(ctx, scope, steps)
}

// refuse has the lab's platform refuse accounts, and counts its calls of Apply.
func (l *lab) refuse(accounts ...string) *atomic.Int64 {
	calls := &atomic.Int64{}
	open := func(ctx context.Context, config driver.Config) (driver.Driver, error) {
		inner, err := memory.Open(ctx, config)
		return choosy{inner, accounts, calls}, err
	}
	l.platform = activities.NewPlatform(l.store, l.ledger, "lab", l.drivers(open))
	l.register()
	return calls
}

// planned returns a plan with a single batch.
func (l *lab) planned() activities.PlanOutput {
	l.t.Helper()
	p, err := l.plan(activities.PlanInput{})
	if err != nil || len(p.Batches) != 1 {
		l.t.Fatalf("plan %+v, %v; want one batch", p, err)
	}
	return p
}

// withoutLine returns the text without the lines that hold a part.
func withoutLine(text, part string) string {
	var kept strings.Builder
	for line := range strings.Lines(text) {
		if !strings.Contains(line, part) {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

// TestRefusedAccountStopsNoOther: one call adds four members and removes one, and the
// platform refuses it for the sake of some of them.
func TestRefusedAccountStopsNoOther(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		reason  string
		refused []string
		members []string
		named   []string
	}{
		{"one account is refused", []string{"u-timothy"}, []string{"u-benedict", "u-ottilie", "u-sydney", "u-yvonne"}, []string{"timothy"}},
		{"two accounts are refused", []string{"u-benedict", "u-yvonne"}, []string{"u-ottilie", "u-sydney", "u-timothy"}, []string{"benedict", "yvonne"}},
		{
			"all are refused: the member who leaves goes all the same",
			[]string{"u-benedict", "u-sydney", "u-timothy", "u-ottilie", "u-yvonne"},
			nil,
			[]string{"benedict", "sydney", "timothy", "ottilie", "yvonne"},
		},
	} {
		t.Run(c.reason, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			l.want(1)
			l.converge()
			l.put(withoutLine(l.text(6), "metadata: {name: b-adaline}"))
			l.refuse(c.refused...)
			p := l.planned()
			out, err := l.apply(p)
			if err != nil || out.Refused != 1 || out.Replan {
				t.Fatalf("apply: %+v, %v; want one step refused", out, err)
			}
			if diff := cmp.Diff(c.members, slices.Sorted(slices.Values(l.members()))); diff != "" {
				t.Errorf("members (-want +got):\n%s", diff)
			}
			l.conclude(activities.RecordOutcomeInput{Outcome: activities.Failed, Digest: p.Digest, Pass: 1})
			var named []string
			for _, r := range l.remarks() {
				if r.Code == access.PlatformRefused {
					named = append(named, r.Text)
				}
			}
			if len(named) != len(c.named) {
				t.Fatalf("%d warnings %q, want one for each of %v", len(named), named, c.named)
			}
			for _, who := range c.named {
				if !slices.ContainsFunc(named, func(text string) bool { return strings.Contains(text, "add "+who+" to") }) {
					t.Errorf("no warning names %s: %q", who, named)
				}
			}
		})
	}
}

// TestRefusedStepIsNotTriedAgain: neither on another attempt nor by a later plan of the
// same run, which reports it all the same.
func TestRefusedStepIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	calls := l.refuse("u-adaline")
	l.want(1)
	p := l.planned()
	first, err := l.apply(p)
	if err != nil || first.Refused != 1 {
		t.Fatalf("apply: %+v, %v; want one step refused", first, err)
	}
	before := calls.Load()
	again, err := execute[activities.ApplyOutput](l, activities.ApplyActivity, activities.ApplyInput{
		Tenant: web, Digest: p.Digest, Desired: p.Desired, Pass: 2, Batch: p.Batches[0],
	})
	if err != nil || again.Refused != 1 {
		t.Fatalf("apply in a second pass: %+v, %v; want one step refused", again, err)
	}
	records, err := l.ledger.Records(t.Context(), ledger.Filter{})
	if err != nil || len(records) == 0 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	failed, err := l.ledger.Failed(t.Context(), ledger.Run{RunID: records[0].Run.RunID, Pass: 2})
	if err != nil || len(failed) != 1 || !strings.Contains(failed[0].Err, "suspended") {
		t.Errorf("failed steps of the second pass: %+v, %v; want the refused one with its reason", failed, err)
	}
	if extra := calls.Load() - before; extra > int64(p.Steps-1) {
		t.Errorf("the second pass called the platform %d times for %d steps", extra, p.Steps)
	}
}

// TestFailureLetsOtherStepsThrough: a role that cannot be given for now delays no removal
// of another user.
func TestFailureLetsOtherStepsThrough(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.want(3)
	l.converge()
	l.documents(settings{bound: 2, mappings: "[{projectRoleRef: {name: user}, groupAlias: user, roles: [developer, viewer]}]"})
	l.edit(func(w *memory.World) { w.Faults = []memory.Fault{{Op: "write:bindings.create", Class: "unavailable"}} })
	p := l.planned()
	if out, err := l.apply(p); err == nil {
		t.Fatalf("apply: %+v; want the failure of the role, which is tried again", out)
	}
	if diff := cmp.Diff([]string{"u-adaline", "u-benedict"}, l.members()); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	l.edit(func(w *memory.World) { w.Faults = nil })
	if out, err := l.apply(p); err != nil || out.Done != p.Steps {
		t.Errorf("apply again: %+v, %v; want all %d steps done", out, err, p.Steps)
	}
}

// TestThrottledPartIsTriedAgain: a part of a refused call that fails for now is not taken
// for refused, so that the next attempt goes on with it.
func TestThrottledPartIsTriedAgain(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.want(1)
	l.converge()
	l.put(withoutLine(l.text(6), "metadata: {name: b-adaline}"))
	l.refuse("u-timothy")
	l.edit(func(w *memory.World) {
		w.Faults = []memory.Fault{{Op: "write:groups.members", Class: "throttled", Times: 1}}
	})
	p := l.planned()
	if out, err := l.apply(p); err == nil {
		t.Fatalf("apply: %+v; want the throttled part to be tried again", out)
	}
	if out, err := l.apply(p); err != nil || out.Refused != 1 {
		t.Fatalf("apply again: %+v, %v; want one step refused", out, err)
	}
	want := []string{"u-benedict", "u-ottilie", "u-sydney", "u-yvonne"}
	if diff := cmp.Diff(want, slices.Sorted(slices.Values(l.members()))); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
}
