package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"go.temporal.io/sdk/activity"
	"golang.org/x/sync/errgroup"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// Apply makes a part of a stored plan true. The ledger has the intent before
// the platform is called and the result after, so a retry skips what is done,
// and a crash in between repeats a step, which changes nothing.
func (p *Platform) Apply(ctx context.Context, in ApplyInput) (ApplyOutput, error) {
	defer beat(ctx)()
	ctx, meter := budget.WithMeter(ctx)
	a, err := p.application(ctx, in)
	if err == nil && !a.out.Replan {
		err = p.bring(ctx, a.run, a.plan, in.Stage)
	}
	if err != nil {
		return ApplyOutput{}, toTemporal(err)
	}
	if !a.out.Replan {
		err = a.waves(ctx)
	}
	a.out.Calls = meter.Calls()
	measure(ctx, in.Tenant.Platform, a.out.Calls, a.out.Done, err)
	activity.GetLogger(ctx).Info("plan applied", "tenant", in.Tenant.String(), "done", a.out.Done,
		"refused", a.out.Refused, "replan", a.out.Replan, "calls", a.out.Calls)
	if err != nil {
		return ApplyOutput{}, toTemporal(err)
	}
	return a.out, nil
}

// application is one batch being applied.
type application struct {
	platform   *Platform
	driver     driver.Driver
	in         ApplyInput
	plan       plan.Plan
	scope      driver.Scope
	run        ledger.Run
	generation atomic.Int64 // of the documents that the plan is known to match
	done       map[string]bool
	// execution says which steps may run: a refused step blocks those that need it.
	execution *plan.Execution
	// refusals are what steps of this run were refused for, by their IDs, on earlier
	// attempts and for earlier plans: they are not tried again.
	refusals map[string]string
	// check is called right before each unit: an error stops it.
	check func(context.Context) error
	guard document.Guard
	out   ApplyOutput
}

func (p *Platform) application(ctx context.Context, in ApplyInput) (*application, error) {
	stored, generation, err := p.store.Plan(ctx, in.Digest)
	if err != nil {
		return nil, fmt.Errorf("activities: read plan %s: %w", in.Digest, err)
	}
	input, err := p.store.TenantInput(ctx, in.Tenant)
	if err != nil {
		return nil, fmt.Errorf("activities: read the documents of %s: %w", in.Tenant, err)
	}
	d, connection, err := p.driver(ctx, input.Platform)
	if err != nil {
		return nil, err
	}
	execution := activity.GetInfo(ctx).WorkflowExecution
	a := &application{
		platform: p, driver: d, in: in, plan: stored, guard: input.Guard,
		scope: driver.Scope{
			Tenant: in.Tenant, ID: input.Tenant.LocalID,
			Mark: access.Mark{Installation: p.installation, Tenant: in.Tenant.String()},
		},
		run: ledger.Run{
			Tenant: in.Tenant, WorkflowID: execution.ID, RunID: execution.RunID,
			Pass: in.Pass, Digest: in.Digest, Cause: in.Cause,
		},
	}
	// A worker with another connection could write to another place than was read.
	a.out.Replan = stored.Connection != "" && stored.Connection != connection
	a.generation.Store(generation)
	a.check = p.checks(a)
	a.done, err = p.ledger.Done(ctx, a.run)
	if err != nil {
		return nil, fmt.Errorf("activities: read what %s has done: %w", in.Tenant, err)
	}
	return a, a.readRefusals(ctx)
}

// readRefusals reads which steps of the plan this run has seen refused.
func (a *application) readRefusals(ctx context.Context) error {
	failed, err := a.platform.ledger.Failed(ctx, ledger.Run{RunID: a.run.RunID})
	if err != nil {
		return fmt.Errorf("activities: read what %s was refused: %w", a.in.Tenant, err)
	}
	a.refusals = map[string]string{}
	blocked := map[string]bool{}
	for _, r := range failed {
		if class, _, _ := strings.Cut(r.Err, ":"); lasting(class) && !a.done[r.Step.ID] && r.Run.Pass >= a.in.Since {
			a.refusals[r.Step.ID], blocked[r.Step.ID] = r.Err, true
		}
	}
	a.execution = plan.NewExecution(a.plan, a.done, blocked)
	return nil
}

// waves applies one wave after the other, as long as the plan holds. A step that fails
// stops those that need it: all others are applied before the failure is returned.
func (a *application) waves(ctx context.Context) error {
	var failed []error
	for _, wave := range a.in.Batch.Waves {
		err := a.wave(ctx, wave)
		switch {
		case isUnfinished(err):
			failed = append(failed, err)
		case err != nil:
			return err
		}
		if a.out.Replan || a.out.Refused > 0 && a.in.Stage.ID != "" {
			return nil
		}
	}
	if len(failed) == 0 {
		return nil
	}
	return worst(failed)
}

// wave applies the units of one wave, as many at once as the platform likes.
func (a *application) wave(ctx context.Context, wave []plan.Work) error {
	units, err := a.units(ctx, wave)
	if err != nil {
		return err
	}
	if units, err = a.mayRun(ctx, units); err != nil || len(units) == 0 {
		return err
	}
	if room, err := a.platform.renew(ctx, a.in.Tenant, a.guard, units); err != nil || !room {
		a.out.Replan = err == nil
		return err
	}
	return a.write(ctx, units)
}

// mayRun returns the steps of the units that need no failed step. Those that the
// platform refused before are recorded as refused again, for the plan at hand.
func (a *application) mayRun(ctx context.Context, units [][]plan.Step) ([][]plan.Step, error) {
	var known []ledger.Outcome
	for i, steps := range units {
		units[i] = slices.DeleteFunc(steps, func(s plan.Step) bool {
			switch a.execution.Fate(s.ID) {
			case plan.Refused:
				known = append(known, ledger.Outcome{Step: s, Err: a.refusals[s.ID]})
				a.out.Refused++
			case plan.Blocked:
				a.execution.Set(s.ID, plan.Blocked)
				a.out.Blocked++
			case plan.Unfinished:
				a.execution.Set(s.ID, plan.Unfinished)
			case plan.Pending, plan.Done:
				return false
			}
			return true
		})
	}
	if len(known) > 0 {
		if err := a.platform.ledger.Record(ctx, a.run, known); err != nil {
			return nil, fmt.Errorf("activities: record what stays refused: %w", err)
		}
	}
	return slices.DeleteFunc(units, func(steps []plan.Step) bool { return len(steps) == 0 }), nil
}

// write applies units, as many at once as the platform likes, with the ledger
// before and after.
func (a *application) write(ctx context.Context, units [][]plan.Step) error {
	all := slices.Concat(units...)
	if err := a.platform.ledger.Intend(ctx, ledger.Entry{Run: a.run, Steps: all}); err != nil {
		return fmt.Errorf("activities: record what is about to be done: %w", err)
	}
	results := make([][]result, len(units))
	var group errgroup.Group
	group.SetLimit(max(1, a.driver.Profile().Parallel))
	for i, steps := range units {
		group.Go(func() error {
			results[i] = a.isolate(ctx, a.unit(ctx, steps))
			return nil
		})
	}
	_ = group.Wait() // units answer through results
	return a.record(ctx, slices.Concat(results...))
}

// units returns the steps of each unit that are not done yet, with the ids of
// groups that an earlier wave created.
func (a *application) units(ctx context.Context, wave []plan.Work) ([][]plan.Step, error) {
	var units [][]plan.Step
	for _, work := range wave {
		var steps []plan.Step
		for _, id := range work.Steps {
			step, known := a.plan.Step(id)
			if !known {
				return nil, fmt.Errorf("activities: %w: plan %s has no step %s", fault.ErrInvalid, a.in.Digest, id)
			}
			if a.done[id] {
				a.out.Done++
				continue
			}
			steps = append(steps, step)
		}
		if len(steps) > 0 {
			units = append(units, steps)
		}
	}
	return units, a.fillRefs(ctx, units)
}

// fillRefs tells steps the id of the group they are about, when that group was
// created after the plan was made.
func (a *application) fillRefs(ctx context.Context, units [][]plan.Step) error {
	var refs map[string]string
	for _, steps := range units {
		for i := range steps {
			if !steps[i].LacksGroupRef() {
				continue
			}
			if refs == nil {
				var err error
				if refs, err = a.groupRefs(ctx); err != nil {
					return err
				}
			}
			steps[i] = steps[i].WithGroupRef(refs[steps[i].Key().Group])
		}
	}
	return nil
}

func (a *application) groupRefs(ctx context.Context) (map[string]string, error) {
	owned, err := a.platform.ledger.Owned(ctx, a.in.Tenant)
	if err != nil {
		return nil, fmt.Errorf("activities: read the ledger: %w", err)
	}
	refs := map[string]string{}
	for _, o := range owned {
		if o.Key.Kind == access.KindGroup {
			refs[o.Key.Group] = o.Ref
		}
	}
	return refs, nil
}

// result is what became of one step.
type result struct {
	step plan.Step
	driver.Result
}

// unit applies one unit, unless the documents no longer ask for it.
func (a *application) unit(ctx context.Context, steps []plan.Step) []result {
	results := make([]result, len(steps))
	err := a.check(ctx)
	for i, s := range steps {
		results[i] = result{step: s, Result: driver.Result{Err: err}}
	}
	if err != nil {
		return results
	}
	for i, r := range a.driver.Apply(ctx, a.scope, steps) {
		results[i].Result = r
	}
	return results
}

// stillDesired looks again at the documents right before a change: a plan that
// has aged gives nobody back what was taken meanwhile.
func (a *application) stillDesired(ctx context.Context) error {
	now, err := a.platform.store.Generation(ctx)
	if err != nil {
		return fmt.Errorf("activities: read the generation of the documents: %w", err)
	}
	if now == a.generation.Load() {
		return nil
	}
	input, err := a.platform.store.TenantInput(ctx, a.in.Tenant)
	if err != nil {
		return fmt.Errorf("activities: read the documents of %s: %w", a.in.Tenant, err)
	}
	asked, err := desiredDigest(input, a.driver.Profile())
	if err != nil {
		return err
	}
	if asked != a.in.Desired {
		return fmt.Errorf("activities: %w: the documents of %s changed after plan %s", fault.ErrConflict, a.in.Tenant, a.in.Digest)
	}
	wanted, err := a.platform.takesWanted(ctx, a.driver, input, a.plan)
	if err != nil {
		return err
	}
	if wanted {
		return fmt.Errorf("activities: %w: another tenant wants by now what plan %s takes", fault.ErrConflict, a.in.Digest)
	}
	if err := a.checkRemovals(ctx, input); err != nil {
		return err
	}
	a.generation.Store(now)
	return nil
}

// checkRemovals returns an error where removals are forbidden since the plan was made
// and the plan has any.
func (a *application) checkRemovals(ctx context.Context, input document.TenantInput) error {
	by := input.RemovalsForbiddenBy()
	if by == "" {
		return nil
	}
	revoked, err := a.platform.store.RevokedRefs(ctx, a.in.Tenant.Platform)
	if err != nil {
		return fmt.Errorf("activities: read whose access is revoked: %w", err)
	}
	if slices.ContainsFunc(a.plan.Steps, func(s plan.Step) bool { return s.RemovesAccess(revoked) }) {
		return fmt.Errorf("activities: %w: %s forbids removals, and plan %s has some", fault.ErrConflict, by, a.in.Digest)
	}
	return nil
}

// record stores the results and decides how the batch goes on.
func (a *application) record(ctx context.Context, results []result) error {
	outcomes := make([]ledger.Outcome, len(results))
	for i, r := range results {
		outcomes[i] = ledger.Outcome{Step: r.step, Ref: r.Ref}
		if r.Err != nil {
			outcomes[i].Err = answerOf(r.Err)
		}
	}
	// A cancelled run still records what it did.
	if err := a.platform.ledger.Record(context.WithoutCancel(ctx), a.run, outcomes); err != nil {
		return fmt.Errorf("activities: record what was done: %w", err)
	}
	var retry []error
	for _, r := range results {
		fate := plan.Done
		switch {
		case r.Err == nil:
			a.done[r.step.ID] = true
		case errors.Is(r.Err, fault.ErrConflict), errors.Is(r.Err, fault.ErrNotFound):
			a.out.Replan, fate = true, plan.Unfinished
		case permanent(r.Err):
			fate = plan.Refused
		default:
			fate = plan.Unfinished
			retry = append(retry, r.Err)
		}
		a.count(r.step, fate)
	}
	if len(retry) == 0 {
		return nil
	}
	return &unfinished{fmt.Errorf("activities: %d of %d steps: %w", len(retry), len(results), worst(retry))}
}

// count counts a step of the plan; parts of it count with it.
func (a *application) count(s plan.Step, fate plan.Fate) {
	if s.PartOf != "" {
		return
	}
	if a.execution != nil {
		a.execution.Set(s.ID, fate)
	}
	switch fate {
	case plan.Done:
		a.out.Done++
	case plan.Refused:
		a.out.Refused++
	case plan.Pending, plan.Unfinished, plan.Blocked:
	}
}

// unfinished is the failure of steps that are tried again, when all that does not
// need them is applied.
type unfinished struct{ error }

func (u *unfinished) Unwrap() error { return u.error }

func isUnfinished(err error) bool {
	_, ok := errors.AsType[*unfinished](err)
	return ok
}

// answerOf returns an error as the ledger keeps it.
func answerOf(err error) string {
	text := typeOf(err) + ": " + strings.ReplaceAll(err.Error(), "\n", " ")
	if advice := fault.Advice(err); advice != "" {
		text += "\n" + advice
	}
	return text
}

// worst returns the error that asks for the longest wait.
func worst(errs []error) error {
	found := errs[0]
	longest, _ := fault.RetryAfter(found)
	for _, err := range errs[1:] {
		if after, ok := fault.RetryAfter(err); ok && after > longest {
			found, longest = err, after
		}
	}
	return found
}
