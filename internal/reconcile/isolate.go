package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// maxRefusals is how many parts of a refused unit may be refused before any is accepted:
// then the reason is not one account or one role.
const maxRefusals = 8

// isolate repeats the refused steps of one unit in parts, so that an account or a role
// that the platform refuses stops no other: first removals, then additions. It returns
// the outcomes with those of the parts. A step whose parts are all done is done.
func (e *Executor) isolate(ctx context.Context, outcomes []Outcome) []Outcome {
	outcomes = e.removeAlone(ctx, outcomes)
	refused := refusedOf(outcomes)
	if len(refused) == 0 || len(refused) == 1 && e.config.Plan.Parts(refused[0].Step) == nil {
		return outcomes
	}
	i := &isolation{executor: e, latest: make(map[string]Outcome, len(outcomes))}
	for _, o := range outcomes {
		i.note(o)
	}
	i.repeat(ctx, refused)
	all := make([]Outcome, 0, len(i.order))
	for _, id := range i.order {
		all = append(all, i.latest[id])
	}
	return all
}

// removeAlone repeats the removals of steps that also add, and that fail although no
// attempt may help: the plan no longer fits, or the step failed for long. It returns the
// outcomes with those of the removals.
func (e *Executor) removeAlone(ctx context.Context, outcomes []Outcome) []Outcome {
	for _, o := range slices.Clone(outcomes) {
		if ctx.Err() != nil || !e.isUnfit(o) || len(o.Step.Adds()) == 0 || len(o.Step.Removes()) == 0 {
			continue
		}
		removal := e.config.Plan.Parts(o.Step)[:1] // removals come first
		if e.done[removal[0].ID] || e.config.Check != nil && e.config.Check(ctx) != nil {
			continue // the step fails by the check, and the platform was not asked
		}
		if err := e.config.Ledger.Intend(ctx, removal); err != nil {
			continue // the step itself is tried again
		}
		outcomes = append(outcomes, e.apply(ctx, removal)...)
	}
	return outcomes
}

// isUnfit reports whether a failure that is no refusal may stay whatever attempts follow.
func (e *Executor) isUnfit(o Outcome) bool {
	if o.Err == nil || fault.Permanent(o.Err) {
		return false
	}
	expired := e.config.WaitExpired && !e.config.Awaited[o.Step.ID]
	return expired || errors.Is(o.Err, fault.ErrConflict) || errors.Is(o.Err, fault.ErrNotFound)
}

// isolation repeats what a platform refused in ever smaller parts.
type isolation struct {
	executor *Executor
	latest   map[string]Outcome // by the step's ID
	order    []string           // of the steps in latest
	// refused counts the smallest parts that were refused, done those that were not.
	refused, done int
}

func (i *isolation) note(o Outcome) {
	if _, known := i.latest[o.Step.ID]; !known {
		i.order = append(i.order, o.Step.ID)
	}
	i.latest[o.Step.ID] = o
}

// repeat applies refused steps in smaller units, and those that are refused again.
func (i *isolation) repeat(ctx context.Context, refused []Outcome) {
	units := i.split(refused)
	if len(units) == 0 {
		i.refused++
		return
	}
	for _, unit := range units {
		if i.done == 0 && i.refused >= maxRefusals {
			return
		}
		if ctx.Err() != nil { // the parts that are left were not refused
			for _, o := range refused {
				o.Err = ctx.Err()
				i.note(o)
			}
			return
		}
		if parts := i.apply(ctx, unit); len(parts) > 0 {
			i.repeat(ctx, parts)
		}
	}
	if len(refused) == 1 {
		i.complete(refused[0], units)
	}
}

// complete notes the outcome of a step by those of its parts: it is done if all are, and
// tried again if one of them failed for now.
func (i *isolation) complete(whole Outcome, parts [][]plan.Step) {
	all := true
	for _, unit := range parts {
		for _, s := range unit {
			o, tried := i.latest[s.ID]
			if all = all && tried && o.Err == nil; tried && o.Err != nil && !fault.Permanent(o.Err) {
				whole.Err = o.Err
				i.note(whole)
				return
			}
		}
	}
	if all {
		whole.Err = nil
		i.note(whole)
	}
}

// apply applies one unit and returns the outcomes of the steps that the platform refuses.
func (i *isolation) apply(ctx context.Context, unit []plan.Step) (refused []Outcome) {
	var outcomes []Outcome
	if err := i.executor.config.Ledger.Intend(ctx, unit); err != nil {
		for _, s := range unit {
			outcomes = append(outcomes, Outcome{Step: s, Err: fmt.Errorf("reconcile: record what is about to be done: %w", err)})
		}
	} else {
		outcomes = i.executor.apply(ctx, unit)
	}
	for _, o := range outcomes {
		if i.note(o); o.Err == nil {
			i.done++
		}
	}
	return refusedOf(outcomes)
}

// split returns refused steps as smaller units, in the order in which to apply them. It
// returns nil for a step that cannot be smaller.
func (i *isolation) split(refused []Outcome) [][]plan.Step {
	if len(refused) == 1 {
		var units [][]plan.Step
		for _, part := range i.executor.config.Plan.Parts(refused[0].Step) {
			units = append(units, []plan.Step{part})
		}
		return units
	}
	var removals, additions []plan.Step
	for _, o := range refused {
		if o.Step.RemovesOnly() {
			removals = append(removals, o.Step)
		} else {
			additions = append(additions, o.Step)
		}
	}
	if len(removals) > 0 && len(additions) > 0 {
		return [][]plan.Step{removals, additions}
	}
	all := slices.Concat(removals, additions)
	return [][]plan.Step{all[:len(all)/2], all[len(all)/2:]}
}

// refusedOf returns the outcomes of steps that the platform refuses.
func refusedOf(outcomes []Outcome) []Outcome {
	var refused []Outcome
	for _, o := range outcomes {
		if fault.Permanent(o.Err) {
			refused = append(refused, o)
		}
	}
	return refused
}
