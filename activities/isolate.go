package activities

import (
	"context"
	"fmt"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// maxRefusals is how many parts of a refused unit may be refused before any is accepted:
// then the reason is not one account or one role.
const maxRefusals = 8

// isolate repeats the refused steps of one unit in parts, so that an account or a role
// that the platform refuses stops no other: first what takes access, then what gives
// it. It returns the results with those of the parts. A step whose parts are all done
// is done.
func (a *application) isolate(ctx context.Context, results []result) []result {
	refused := refusedOf(results)
	if len(refused) == 0 || len(refused) == 1 && a.plan.Parts(refused[0].step) == nil {
		return results
	}
	i := &isolation{application: a, latest: make(map[string]result, len(results))}
	for _, r := range results {
		i.note(r)
	}
	i.repeat(ctx, refused)
	all := make([]result, 0, len(i.order))
	for _, id := range i.order {
		all = append(all, i.latest[id])
	}
	return all
}

// isolation repeats what a platform refused in ever smaller parts.
type isolation struct {
	*application
	latest map[string]result // by the step's ID
	order  []string          // of the steps in latest
	// refused counts the smallest parts that were refused, done those that were not.
	refused, done int
}

func (i *isolation) note(r result) {
	if _, known := i.latest[r.step.ID]; !known {
		i.order = append(i.order, r.step.ID)
	}
	i.latest[r.step.ID] = r
}

// repeat applies refused steps in smaller units, and those that are refused again.
func (i *isolation) repeat(ctx context.Context, refused []result) {
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
			for _, r := range refused {
				r.Err = ctx.Err()
				i.note(r)
			}
			return
		}
		if again := i.apply(ctx, unit); len(again) > 0 {
			i.repeat(ctx, again)
		}
	}
	if len(refused) == 1 {
		i.complete(refused[0], units)
	}
}

// complete notes what its parts make of a step: it is done if all are, and tried again if
// one of them failed for now.
func (i *isolation) complete(whole result, parts [][]plan.Step) {
	all := true
	for _, unit := range parts {
		for _, s := range unit {
			r, tried := i.latest[s.ID]
			if all = all && tried && r.Err == nil; tried && r.Err != nil && !permanent(r.Err) {
				whole.Err = r.Err
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

// apply applies one unit and returns what the platform refuses of it.
func (i *isolation) apply(ctx context.Context, unit []plan.Step) (refused []result) {
	var results []result
	if err := i.platform.ledger.Intend(ctx, ledger.Entry{Run: i.run, Steps: unit}); err != nil {
		for _, s := range unit {
			r := result{step: s}
			r.Err = fmt.Errorf("activities: record what is about to be done: %w", err)
			results = append(results, r)
		}
	} else {
		results = i.unit(ctx, unit)
	}
	for _, r := range results {
		if i.note(r); r.Err == nil {
			i.done++
		}
	}
	return refusedOf(results)
}

// split returns refused steps as smaller units, in the order in which to apply them. It
// returns nil for what cannot be smaller.
func (i *isolation) split(refused []result) [][]plan.Step {
	if len(refused) == 1 {
		var units [][]plan.Step
		for _, part := range i.plan.Parts(refused[0].step) {
			units = append(units, []plan.Step{part})
		}
		return units
	}
	var removals, additions []plan.Step
	for _, r := range refused {
		if r.step.RemovesOnly() {
			removals = append(removals, r.step)
		} else {
			additions = append(additions, r.step)
		}
	}
	if len(removals) > 0 && len(additions) > 0 {
		return [][]plan.Step{removals, additions}
	}
	all := slices.Concat(removals, additions)
	return [][]plan.Step{all[:len(all)/2], all[len(all)/2:]}
}

// refusedOf returns the results of steps that the platform refuses to do.
func refusedOf(results []result) []result {
	var refused []result
	for _, r := range results {
		if permanent(r.Err) {
			refused = append(refused, r)
		}
	}
	return refused
}
