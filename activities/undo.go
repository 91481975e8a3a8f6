package activities

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/reconcile"
)

// everything is a limit of records that no run comes near.
const everything = 1 << 30

// UndoInput asks to take away again what this run has made for a renaming.
type UndoInput struct {
	Tenant access.TenantID `json:"tenant"`
	ID     string          `json:"id"`
	// Digest names a plan that has the renaming.
	Digest string `json:"digest"`
	// Pass is one more than those of this run that made something.
	Pass  int    `json:"pass"`
	Cause string `json:"cause,omitempty"`
}

// UndoOutput says what became of it.
type UndoOutput struct {
	ApplyOutput
	// Passed is true where the old group is about to go, or gone: then nothing is
	// undone, and the only way is on.
	Passed bool `json:"cutOver,omitempty"`
}

// CompensateReplacement takes away what this run has made for the new group. Nobody loses
// anything by that: the old group is untouched.
func (p *Platform) CompensateReplacement(ctx context.Context, in UndoInput) (UndoOutput, error) {
	ctx, meter := budget.WithMeter(ctx)
	passed, err := p.hasPassed(ctx, in)
	if err != nil {
		return UndoOutput{}, toTemporal(err)
	}
	if passed {
		return UndoOutput{Passed: true}, nil
	}
	out, err := p.undo(ctx, in)
	out.Calls = meter.Calls()
	measure(ctx, in.Tenant.Platform, out.Calls, out.Done, err)
	activity.GetLogger(ctx).Info("group replacement compensated", "tenant", in.Tenant.String(), "replacement", in.ID, "done", out.Done,
		"refused", out.Refused, "replan", out.Replan, "calls", out.Calls)
	if err != nil {
		return UndoOutput{}, toTemporal(err)
	}
	return UndoOutput{ApplyOutput: out}, nil
}

// hasPassed reports whether this run took the renaming past the point of no return,
// or one before it did that did not end it: then the old group may be without its
// roles, and the new one is all that people have.
func (p *Platform) hasPassed(ctx context.Context, in UndoInput) (bool, error) {
	all, err := p.ledger.Renamings(ctx, in.Tenant)
	if err != nil {
		return false, fmt.Errorf("activities: read how far a renaming of %s is: %w", in.Tenant, err)
	}
	run := thisRun(ctx, in.Tenant).RunID
	var passed, over time.Time
	for _, r := range all {
		for _, c := range r.Changes {
			switch {
			case r.ID != in.ID:
			case c.State == ledger.Passed && r.RunID == run:
				return true, nil
			case c.State == ledger.Passed && c.At.After(passed):
				passed = c.At
			case (c.State == ledger.Finished || c.State == ledger.Compensated) && c.At.After(over):
				over = c.At
			}
		}
	}
	return passed.After(over), nil
}

func (p *Platform) undo(ctx context.Context, in UndoInput) (ApplyOutput, error) {
	a, err := p.application(ctx, ApplyInput{Tenant: in.Tenant, Digest: in.Digest, Pass: in.Pass, Cause: in.Cause})
	if err != nil || a.out.Replan {
		return ApplyOutput{Replan: err == nil}, err
	}
	r, listed := a.plan.Replacement(in.ID)
	if !listed {
		return ApplyOutput{}, fmt.Errorf("activities: %w: plan %s has no renaming %s", fault.ErrInvalid, in.Digest, in.ID)
	}
	made, err := p.ledger.Records(ctx, ledger.Filter{RunID: a.run.RunID, Limit: everything})
	if err != nil {
		return ApplyOutput{}, fmt.Errorf("activities: read what %s has done: %w", in.Tenant, err)
	}
	stored := a.plan
	a.plan = plan.Plan{Tenant: in.Tenant, Steps: reversed(made, r.To, in.Pass)}
	if err := a.takeBack(ctx); err != nil || a.out.Refused > 0 || a.out.Unfinished > 0 || a.out.Replan {
		return a.out, err
	}
	return a.out, p.bring(ctx, a.run, stored, Stage{ID: in.ID, State: ledger.Compensated})
}

// takeBack applies all of a plan that no document asks for, and that no guard
// counts: nobody had what it takes before this run.
func (a *application) takeBack(ctx context.Context) error {
	c := a.config()
	c.Refused, c.Check, c.Limit = nil, nil, nil
	e := reconcile.New(c)
	for _, wave := range a.plan.Waves(a.driver.Profile().Unit) {
		err := e.Wave(ctx, wave)
		a.note(e.Report())
		if err != nil || a.out.Refused > 0 || a.out.Replan {
			return a.deferUnfinished(ctx, err)
		}
	}
	return nil
}

// reversed are the steps that take away what the records say was made for a
// group, or may have been: of the passes before this one, in an order that
// respects their needs. The group goes last, and its members with it. Of what was
// made twice the last counts: the records have that first.
func reversed(made []ledger.Record, group string, pass int) []plan.Step {
	var steps []plan.Step
	var end *plan.Step
	var needs []plan.Need
	seen := map[string]bool{}
	for _, r := range made {
		if r.Run.Pass >= pass || r.Step.Key().Group != group {
			continue
		}
		s, reversible := reverse(r)
		switch {
		case !reversible, seen[s.ID]:
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

// reverse returns the step that takes away what a recorded one has given. Its ID
// is its own in the ledger. What was taken is not given back.
func reverse(r ledger.Record) (plan.Step, bool) {
	was := r.Step
	if was.Op == plan.Create && r.Refused() {
		return plan.Step{}, false
	}
	s := plan.Step{
		ID: "undo-" + was.ID, Op: plan.Delete, Kind: was.Kind, Object: was.Object,
		Why: "the renaming does not come about, so what was made for it is taken away again",
	}
	switch {
	case was.Op == plan.Create && was.Want.Group != nil:
		g := *was.Want.Group
		g.Ref, g.Members = r.Ref, nil
		s.Have.Group = &g
	case was.Op == plan.Create && was.Want.Binding != nil:
		b := *was.Want.Binding
		b.Ref = r.Ref
		s.Have.Binding = &b
	case was.Kind == access.KindMembers && was.Want.Members != nil:
		s.Op = plan.Change
		s.Have.Members = was.Want.Members
	default:
		return plan.Step{}, false
	}
	return s, true
}
