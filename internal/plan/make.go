package plan

import (
	"slices"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// Comparison is the difference between what is desired and what is observed of one tenant.
// It is made once for an observation; what the guard says to it may change.
type Comparison struct {
	// Plan does what differs, as far as the guard lets it.
	Plan  Plan
	facts *facts
	diff  *diff
}

// Compare returns what differs, in four passes: normalise the input, compare, let the
// guard judge each removal, and order the steps. It neither keeps nor changes its input.
func Compare(in Input) Comparison {
	f := normalise(in)
	d := compare(f)
	return Comparison{Plan: order(f, d, evaluate(f, d, f.closed())), facts: f, diff: d}
}

// Make returns the plan of Compare.
func Make(in Input) Plan { return Compare(in).Plan }

// closed reports whether a limit beyond this plan is reached.
func (f *facts) closed() bool { return f.in.Rules.Guard.Closed != "" }

// Closed returns the comparison with a limit beyond the plan reached, for the reason: the
// guard holds all that Takes returns.
func (c Comparison) Closed(why string) Comparison {
	f := *c.facts
	f.in.Rules.Guard.Closed = why
	c.facts = &f
	c.Plan = order(&f, c.diff, evaluate(&f, c.diff, why != ""))
	return c
}

// Takes returns what the plan takes from users although nobody agreed to it: accounts that
// leave a set, and objects that go and leave users without access. It is what a closed
// guard holds, so it leaves out what is held, approved or revoked, groups that only change
// their names, and roles that another system gave. It is sorted.
func (c Comparison) Takes() []Removal {
	var all []Removal
	for _, s := range c.Plan.Steps {
		all = append(all, s.Removals()...)
	}
	if len(all) == 0 {
		return nil
	}
	held := removals(evaluate(c.facts, c.diff, true).held(c.facts, c.diff))
	all = slices.DeleteFunc(all, func(r Removal) bool { return !held[r] })
	slices.SortFunc(all, Removal.compare)
	return slices.Compact(all)
}

// Unknowns are what a plan should know and does not. The answers are part of the Input of
// the next comparison.
type Unknowns struct {
	// Shared are the bindings of shared roles that the plan takes, or would take once
	// approved: other tenants may desire them (Input.Elsewhere).
	Shared []access.Binding
	// Leavers are the accounts that the plan takes out of sets, or would: another system may
	// have added them (Input.Strangers).
	Leavers []Removal
}

// Unknowns returns what the plan does not know.
func (c Comparison) Unknowns() Unknowns {
	var q Unknowns
	for _, s := range slices.Concat(c.Plan.Steps, c.Plan.Held) {
		switch b := s.Have.Binding; {
		case s.Op == Change:
			q.Leavers = append(q.Leavers, s.Removals()...)
		case s.Op == Delete && b != nil && slices.Contains(c.facts.in.Rules.Shared, b.Role):
			q.Shared = append(q.Shared, *b)
		}
	}
	return q
}
