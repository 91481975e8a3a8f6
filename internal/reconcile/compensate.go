package reconcile

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// maxRecords is a limit of records that no run comes near.
const maxRecords = 1 << 30

// CompensateRequest asks to remove what a run has made for a group replacement.
type CompensateRequest struct {
	// Run says on whose behalf the steps are applied. Its Digest names a plan that has the
	// replacement, its Pass is one more than those that made something.
	Run ledger.Run
	// ID is the replacement's.
	ID      string
	Attempt Attempt
}

// Compensated is what became of a compensation.
type Compensated struct {
	Applied
	// CutOver is true where the old group is about to be deleted, or deleted. Then nothing is
	// compensated.
	CutOver bool
}

// Compensate removes what a run has made for the new group of a replacement. No user loses
// access by that: the old group is untouched. Errors are those of Apply.
func (r *Reconciler) Compensate(ctx context.Context, c CompensateRequest) (Compensated, error) {
	all, err := r.ledger.Renamings(ctx, c.Run.Tenant)
	if err != nil {
		return Compensated{}, fmt.Errorf("reconcile: read how far a group replacement of %s is: %w", c.Run.Tenant, err)
	}
	if isCutOver(all, c.ID, c.Run.RunID) {
		return Compensated{CutOver: true}, nil
	}
	applied, err := r.compensate(ctx, c)
	return Compensated{Applied: applied}, err
}

func (r *Reconciler) compensate(ctx context.Context, c CompensateRequest) (Applied, error) {
	e, err := r.loadBatch(ctx, Batch{Run: c.Run, Attempt: c.Attempt})
	if err != nil {
		return Applied{}, err
	}
	if e.replan {
		return Applied{Report: Report{Replan: true}}, nil
	}
	replacement, listed := e.plan.Replacement(c.ID)
	if !listed {
		return Applied{}, fmt.Errorf("reconcile: %w: plan %s has no group replacement %s", fault.ErrInvalid, c.Run.Digest, c.ID)
	}
	records, err := r.ledger.Records(ctx, ledger.Filter{RunID: c.Run.RunID, Limit: maxRecords})
	if err != nil {
		return Applied{}, fmt.Errorf("reconcile: read the steps of %s: %w", c.Run.Tenant, err)
	}
	stored := e.plan
	e.plan = plan.Plan{Tenant: c.Run.Tenant, Steps: compensatingSteps(records, replacement.To, c.Run.Pass)}
	applied, err := e.applyAll(ctx)
	if err != nil || applied.Refused > 0 || applied.Unfinished > 0 || applied.Replan {
		return applied, err
	}
	return applied, r.recordStage(ctx, c.Run, stored, Stage{ID: c.ID, State: ledger.Compensated})
}

// applyAll applies all steps of a plan that no document asks for, and that no guard counts:
// no user had what it removes before this run. The call has all steps, so those that an
// earlier attempt left unfinished are tried again. No other plan follows, so a step that is in
// progress is unfinished.
func (e *batchExecutor) applyAll(ctx context.Context) (Applied, error) {
	config := e.config()
	config.Refused, config.Unfinished, config.Check, config.Limit = nil, nil, nil, nil
	config.AllowPending = false
	executor := New(config)
	for _, wave := range e.plan.Waves(e.driver.Profile().Unit) {
		err := executor.Wave(ctx, wave)
		if report := executor.Report(); err != nil || report.Refused > 0 || report.Replan {
			deferred, err := e.batch.Attempt.split(ctx, err)
			return Applied{Report: report, Deferred: deferred}, err
		}
	}
	return Applied{Report: executor.Report()}, nil
}

// isCutOver reports whether a run took a group replacement past the point of no return, or an
// earlier run did that did not end it: then the old group may be without its roles, and users
// have the new one only.
func isCutOver(all []ledger.Renaming, id, runID string) bool {
	var passed, ended time.Time
	for _, r := range all {
		for _, c := range r.Changes {
			switch {
			case r.ID != id:
			case c.State == ledger.Passed && r.RunID == runID:
				return true
			case c.State == ledger.Passed && c.At.After(passed):
				passed = c.At
			case (c.State == ledger.Finished || c.State == ledger.Compensated) && c.At.After(ended):
				ended = c.At
			}
		}
	}
	return passed.After(ended)
}

// compensatingSteps returns the steps that remove what earlier passes have made for a group,
// or may have, in an order that respects their needs. The group is deleted last, and its
// members with it. The records have the newest first: of two that made the same object, the
// newer one counts.
func compensatingSteps(records []ledger.Record, group string, before int) []plan.Step {
	var steps []plan.Step
	var end *plan.Step
	var needs []plan.Need
	seen := map[string]bool{}
	for _, r := range records {
		if r.Run.Pass >= before || r.Step.Key().Group != group {
			continue
		}
		s, ok := compensatingStep(r)
		switch {
		case !ok, seen[s.ID]:
			continue
		case s.Kind == access.KindGroup:
			end = &s
		default:
			steps, needs = append(steps, s), append(needs, plan.Need{ID: s.ID, Why: plan.NeedsEnd})
		}
		seen[s.ID] = true
	}
	if end == nil {
		return steps
	}
	steps = slices.DeleteFunc(steps, func(s plan.Step) bool { return s.Kind == access.KindMembers })
	end.Needs = slices.DeleteFunc(needs, func(need plan.Need) bool {
		return !slices.ContainsFunc(steps, func(s plan.Step) bool { return s.ID == need.ID })
	})
	return append(steps, *end)
}

// compensatingStep returns the step that removes what a recorded one has made or granted,
// with an ID of its own in the ledger. It reports false for a step that removed something:
// that is not restored.
func compensatingStep(r ledger.Record) (plan.Step, bool) {
	done := r.Step
	if done.Op == plan.Create && r.Refused() {
		return plan.Step{}, false
	}
	s := plan.Step{
		ID: "undo-" + done.ID, Op: plan.Delete, Kind: done.Kind, Object: done.Object,
		Why: "the group replacement does not complete, so what was made for it is removed again",
	}
	switch {
	case done.Op == plan.Create && done.Want.Group != nil:
		g := *done.Want.Group
		g.Ref, g.Members = r.Ref, nil
		s.Have.Group = &g
	case done.Op == plan.Create && done.Want.Binding != nil:
		b := *done.Want.Binding
		b.Ref = r.Ref
		s.Have.Binding = &b
	case done.Kind == access.KindMembers && done.Want.Members != nil:
		s.Op = plan.Change
		s.Have.Members = done.Want.Members
	default:
		return plan.Step{}, false
	}
	return s, true
}
