package reconcile

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

func TestReplacementState(t *testing.T) {
	t.Parallel()
	end := plan.Step{ID: "end", Needs: []plan.Need{{ID: "role", Why: plan.NeedsEnd}}}
	waiting := plan.Step{ID: "waiting", Needs: []plan.Need{{ID: "move", Why: plan.NeedsAccess}}}
	steps := []plan.Step{{ID: "role"}, end, {ID: "move"}, waiting}
	for _, c := range []struct {
		reason string
		listed []plan.Renaming
		want   ledger.RenamingState
	}{
		{"the plan has no replacement any more", nil, ledger.Replanned},
		{"the plan has another one", []plan.Renaming{{ID: "r2", Build: []string{"role"}}}, ledger.Replanned},
		{"the new group is incomplete", []plan.Renaming{{ID: "r1", Build: []string{"role"}, Remove: []string{"end"}, Waits: true}}, ledger.Building},
		{"the old group stays for a removal that waits for an approval", []plan.Renaming{{ID: "r1", Waits: true}}, ledger.Waiting},
		{"the new group is complete", []plan.Renaming{{ID: "r1", Remove: []string{"role", "end"}}}, ledger.Passed},
		{"nothing of the old group is left", []plan.Renaming{{ID: "r1"}}, ledger.Replanned},
		{"a member still moves from the old group to a third one", []plan.Renaming{{ID: "r1", Remove: []string{"waiting"}}}, ledger.Replanned},
	} {
		if got := replacementState(plan.Plan{Steps: steps, Renames: c.listed}, "r1"); got != c.want {
			t.Errorf("%s: %s, want %s", c.reason, got, c.want)
		}
	}
}

func TestIsCutOver(t *testing.T) {
	t.Parallel()
	hour := func(n int) time.Time { return time.Date(2026, 1, 1, n, 0, 0, 0, time.UTC) }
	run := func(runID, id string, changes ...ledger.StateChange) ledger.Renaming {
		return ledger.Renaming{ID: id, RunID: runID, Changes: changes}
	}
	building, passed := ledger.StateChange{State: ledger.Building, At: hour(1)}, ledger.StateChange{State: ledger.Passed, At: hour(2)}
	for _, c := range []struct {
		reason string
		all    []ledger.Renaming
		want   bool
	}{
		{"no run began it", nil, false},
		{"this run only builds", []ledger.Renaming{run("now", "r1", building)}, false},
		{"this run is past the point of no return", []ledger.Renaming{run("now", "r1", building, passed)}, true},
		{"an earlier run is, and did not end it", []ledger.Renaming{run("now", "r1"), run("before", "r1", passed)}, true},
		{
			"an earlier run is, and completed it", []ledger.Renaming{run("before", "r1", passed, ledger.StateChange{State: ledger.Finished, At: hour(3)})},
			false,
		},
		{
			"a later run compensated it", []ledger.Renaming{run("later", "r1", ledger.StateChange{State: ledger.Compensated, At: hour(3)}), run("before", "r1", passed)},
			false,
		},
		{
			"a still later run is past it again",
			[]ledger.Renaming{
				run("third", "r1", ledger.StateChange{State: ledger.Passed, At: hour(4)}),
				run("later", "r1", ledger.StateChange{State: ledger.Compensated, At: hour(3)}), run("before", "r1", passed),
			},
			true,
		},
		{"another replacement is", []ledger.Renaming{run("now", "r2", passed)}, false},
	} {
		if got := isCutOver(c.all, "r1", "now"); got != c.want {
			t.Errorf("%s: %t, want %t", c.reason, got, c.want)
		}
	}
}

// TestCompensatingSteps: a run has made the group dev.
func TestCompensatingSteps(t *testing.T) {
	t.Parallel()
	group := plan.Step{ID: "g", Op: plan.Create, Kind: access.KindGroup, Want: plan.Object{Group: &access.Group{Name: "dev"}}}
	role := bindingStep("b", plan.Create, access.Binding{Role: "owner", Group: "dev"})
	join, removal := memberStep("m", "dev", []string{"ann"}, nil), memberStep("l", "dev", nil, []string{"ann"})
	done := func(n int, s plan.Step, ref string) ledger.Record {
		return ledger.Record{Run: ledger.Run{Pass: n}, Step: s, Attempts: 1, Ref: ref}
	}
	for _, c := range []struct {
		reason  string
		records []ledger.Record
		// want has each step as its ID, its operation, and the id of its object.
		want [][3]string
		// ends are the steps that the deletion of the group needs.
		ends []string
	}{
		{"nothing was made", nil, nil, nil},
		{
			"the group goes last, and its members with it", []ledger.Record{done(1, role, "b1"), done(1, join, ""), done(1, group, "g1")},
			[][3]string{{"undo-b", "delete", "b1"}, {"undo-g", "delete", "g1"}}, []string{"undo-b"},
		},
		{
			"the group was there: its members leave one by one", []ledger.Record{done(1, join, ""), done(1, role, "b1")},
			[][3]string{{"undo-m", "change", ""}, {"undo-b", "delete", "b1"}}, nil,
		},
		{
			"of two groups the newer one counts", []ledger.Record{done(2, group, "g2"), done(1, group, "g1")},
			[][3]string{{"undo-g", "delete", "g2"}}, nil,
		},
		{"the only attempt was refused: nothing was made", []ledger.Record{failedIn(1, role, "Denied: 403"), done(1, group, "g1")}, [][3]string{{"undo-g", "delete", "g1"}}, nil},
		{
			"the answer was lost: the role may be there", []ledger.Record{failedIn(1, role, "Unavailable: EOF"), done(1, group, "g1")},
			[][3]string{{"undo-b", "delete", ""}, {"undo-g", "delete", "g1"}}, []string{"undo-b"},
		},
		{"a removal is not restored", []ledger.Record{done(1, removal, "")}, nil, nil},
		{
			"steps of this pass are the compensation's own", []ledger.Record{done(3, role, "b1"), done(2, group, "g1")},
			[][3]string{{"undo-g", "delete", "g1"}}, nil,
		},
		{
			"steps about another group stay", []ledger.Record{done(1, bindingStep("x", plan.Create, access.Binding{Role: "owner", Group: "ops"}), "b9")},
			nil, nil,
		},
	} {
		var got [][3]string
		var ends []string
		for _, s := range compensatingSteps(c.records, "dev", 3) {
			ref := ""
			switch {
			case s.Have.Group != nil:
				ref = s.Have.Group.Ref
			case s.Have.Binding != nil:
				ref = s.Have.Binding.Ref
			}
			got = append(got, [3]string{s.ID, string(s.Op), ref})
			for _, need := range s.Needs {
				ends = append(ends, need.ID)
			}
			if len(s.Adds()) > 0 {
				t.Errorf("%s: the step %s adds %v", c.reason, s.ID, s.Adds())
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.reason, diff)
		}
		if diff := cmp.Diff(c.ends, ends); diff != "" {
			t.Errorf("%s: needs of the deletion (-want +got):\n%s", c.reason, diff)
		}
	}
}
