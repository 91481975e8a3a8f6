package reconcile

import (
	"slices"

	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// ReplacementState says what a fresh plan makes of a group replacement.
func ReplacementState(p plan.Plan, id string) ledger.RenamingState {
	r, listed := p.Replacement(id)
	switch {
	case !listed:
		return ledger.Replanned
	case len(r.Build) > 0:
		return ledger.Building
	case r.Waits:
		return ledger.Waiting
	case len(r.Remove) == 0 || needsOthers(p, r):
		return ledger.Replanned
	default:
		return ledger.Passed
	}
}

// needsOthers reports whether the end of the old group needs steps that are not the
// replacement's own: a member may still be moving from it to another group.
func needsOthers(p plan.Plan, r plan.Renaming) bool {
	return slices.ContainsFunc(r.Remove, func(id string) bool {
		s, _ := p.Step(id)
		return slices.ContainsFunc(s.Needs, func(need plan.Need) bool { return !slices.Contains(r.Remove, need.ID) })
	})
}
