package drivertest

import (
	"fmt"
	"slices"

	"github.com/google/go-cmp/cmp"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/reconcile"
)

// failedRun is an execution of a plan during which a write failed.
type failedRun struct {
	*tenant

	plan     plan.Plan
	injector *injector
	records  *records
	report   reconcile.Report
	err      error
}

// The states of a step after a run, as the records have it. A step that was not tried
// has none.
const (
	stepDone       = "done"
	stepRefused    = "refused"
	stepUnfinished = "unfinished"
)

func (f *failedRun) state(id string) string {
	o, recorded := f.records.outcomes[id]
	switch {
	case !recorded:
		return ""
	case o.Err == nil:
		return stepDone
	case fault.Permanent(o.Err):
		return stepRefused
	default:
		return stepUnfinished
	}
}

// violations returns what is wrong with the run.
func (f *failedRun) violations() []string {
	if f.injector.hits == 0 {
		return []string{"the driver did not make that write"}
	}
	var all []string
	want, got := map[string]string{}, map[string]string{}
	expected := f.expected()
	for _, s := range f.plan.Steps {
		want[named(s)], got[named(s)] = expected[s.ID], f.state(s.ID)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		all = append(all, fmt.Sprintf("the steps ended otherwise (-want +got):\n%s\nthe run returned %v\n%s",
			diff, f.err, f.records.failures()))
	}
	all = append(all, f.orderViolations()...)
	if f.injector.mode == permanent {
		all = append(all, f.wrongReport(expected)...)
		return append(all, f.wrongParts()...)
	}
	if !fault.Retryable(f.err) && f.state(f.injector.position.step.ID) != stepDone {
		all = append(all, fmt.Sprintf("the run returned %v, want an error that is tried again", f.err))
	}
	return all
}

// expected returns the state of each step after a run as it should be, by ID.
func (f *failedRun) expected() map[string]string {
	target := f.injector.position.step.ID
	states := make(map[string]string, len(f.plan.Steps))
	if f.injector.mode == permanent {
		e := plan.NewExecution(f.plan, nil, map[string]bool{target: true})
		for _, s := range f.plan.Steps {
			if e.Fate(s.ID) == plan.Pending {
				states[s.ID] = stepDone
			}
		}
		states[target] = stepRefused
		return states
	}
	e := plan.NewExecution(f.plan, nil, nil)
	for _, s := range f.plan.Steps { // in an order in which needs come first
		switch {
		case f.injector.failed[s.ID] && f.state(s.ID) != stepDone:
			states[s.ID] = stepUnfinished
			e.Set(s.ID, plan.Unfinished)
		case e.Fate(s.ID) == plan.Unfinished:
			e.Set(s.ID, plan.Unfinished)
		default:
			states[s.ID] = stepDone
		}
	}
	return states
}

// orderViolations returns what no plan may do, whatever its steps need: access before the
// object that it is given to, or no removal because of an addition that is refused.
func (f *failedRun) orderViolations() []string {
	target := f.injector.position.step
	if f.state(target.ID) == stepDone {
		return nil
	}
	var all []string
	for _, s := range f.plan.Steps {
		switch {
		case s.ID == target.ID:
		case f.isPrerequisite(target, s) && f.state(s.ID) == stepDone:
			all = append(all, named(s)+" is done without what it needs")
		case f.injector.mode == permanent && !removes(target) && removes(s) && f.state(s.ID) != stepDone:
			all = append(all, named(s)+" waits for an addition that is refused")
		}
	}
	return all
}

// removes reports whether a step takes access away and gives none.
func removes(s plan.Step) bool {
	return s.Op == plan.Delete || s.Op == plan.Change && len(s.Removes()) > 0 && len(s.Adds()) == 0
}

// isPrerequisite reports whether the first step creates the group of the second, or gives
// an account the role that it needs before that of the second.
func (f *failedRun) isPrerequisite(first, second plan.Step) bool {
	if first.Op != plan.Create {
		return false
	}
	if first.Kind == access.KindGroup {
		return second.Key().Group == first.Key().Group
	}
	return second.Op == plan.Create && first.Key().Name != "" && first.Key().Name == second.Key().Name &&
		slices.Contains(f.profile.EveryPerson, first.Key().Role) && !slices.Contains(f.profile.EveryPerson, second.Key().Role)
}

// wrongReport compares what the executor reports with the steps.
func (f *failedRun) wrongReport(expected map[string]string) []string {
	want := reconcile.Report{Refused: 1}
	for _, s := range f.plan.Steps {
		switch expected[s.ID] {
		case stepDone:
			want.Done++
		case "":
			want.Blocked++
		case stepRefused:
			if s.Op == plan.Delete && s.Kind == access.KindBinding && s.Key().Group != "" {
				want.Immovable++
			}
		}
	}
	var all []string
	if diff := cmp.Diff(want, f.report); diff != "" {
		all = append(all, "the run reports something else (-want +got):\n"+diff)
	}
	if f.err != nil {
		all = append(all, fmt.Sprintf("the run returned %v, want nil: another attempt does not help", f.err))
	}
	return all
}

// wrongParts compares the parts that no part is smaller than with the account that is
// refused.
func (f *failedRun) wrongParts() []string {
	var all []string
	account := f.injector.position.account
	if account == "" {
		return nil
	}
	for id, o := range f.records.outcomes {
		if o.Step.PartOf == "" || f.plan.Parts(o.Step) != nil {
			continue
		}
		want := stepDone
		if includes(o.Step, account) {
			want = stepRefused
		}
		if got := f.state(id); got != want {
			all = append(all, fmt.Sprintf("the part %s is %q, want %q: %v", named(o.Step), got, want, o.Err))
		}
	}
	if n := len(f.refusedAccounts()); n == 0 {
		all = append(all, "no part is refused")
	}
	return all
}

// includes reports whether a step adds or removes the account.
func includes(s plan.Step, account string) bool {
	return slices.ContainsFunc(slices.Concat(s.Adds(), s.Removes()), func(m access.Member) bool { return m.Ref == account })
}

// refusedAccounts returns the accounts of the smallest steps that were refused.
func (f *failedRun) refusedAccounts() map[string]bool {
	refs := map[string]bool{}
	for id, o := range f.records.outcomes {
		if f.state(id) != stepRefused || f.plan.Parts(o.Step) != nil {
			continue
		}
		for _, m := range slices.Concat(o.Step.Adds(), o.Step.Removes()) {
			refs[m.Ref] = true
		}
	}
	return refs
}

// notDone returns what a new plan shows to be missing on the platform although the run
// recorded it as done; "" for nothing.
func (f *failedRun) notDone(rest plan.Plan) string {
	left := map[access.Key]bool{}
	for _, s := range f.plan.Steps {
		if f.state(s.ID) != stepDone {
			left[s.Key()] = true
		}
	}
	target, refused := f.injector.position, f.refusedAccounts()
	for _, s := range slices.Concat(rest.Steps, rest.Held) {
		if !left[s.Key()] {
			return named(s) + " is left to do, and was recorded as done or not planned"
		}
		if f.injector.mode != permanent || target.account == "" || s.Key() != target.step.Key() {
			continue
		}
		for _, m := range slices.Concat(s.Adds(), s.Removes()) {
			if !refused[m.Ref] {
				return fmt.Sprintf("%s is left to do for the account %s, which was not refused", named(s), m.Ref)
			}
		}
	}
	return ""
}
