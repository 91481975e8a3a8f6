package reconcile

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// Ledger keeps what an Executor is about to do, and the outcomes.
type Ledger interface {
	// Intend records steps that are about to be applied.
	Intend(ctx context.Context, steps []plan.Step) error
	// Record stores the outcomes of steps.
	Record(ctx context.Context, outcomes []Outcome) error
	// GroupRefs returns the platform's ids of the tenant's managed groups, by name.
	GroupRefs(ctx context.Context) (map[string]string, error)
}

// Outcome is what became of one step.
type Outcome struct {
	Step plan.Step
	// Ref is the platform's id of the object that the step made or changed.
	Ref string
	// Err is why the step failed; nil for success.
	Err error
}

// Config is what an Executor works with.
type Config struct {
	Plan   plan.Plan
	Driver driver.Driver
	Scope  driver.Scope
	Ledger Ledger
	// Done are the IDs of steps that earlier attempts have done.
	Done map[string]bool
	// Refused are the reasons, by ID, of steps that the platform refused before. They are
	// recorded again, and not tried.
	Refused map[string]error
	// Unfinished are the IDs of steps that other executors of the plan left unfinished. The
	// steps that need them wait for another plan.
	Unfinished map[string]bool
	// IgnoreNeeds tries each step whatever became of those that it needs.
	IgnoreNeeds bool
	// Attempts are how often, by ID, steps were tried before.
	Attempts map[string]int
	// WaitExpired lets removals run although additions for the same users fail for now.
	WaitExpired bool
	// Awaited are the IDs of additions for which removals wait although WaitExpired is set:
	// they have not failed for as long as others.
	Awaited map[string]bool
	// AllowPending counts steps that the platform is still carrying out, instead of failing
	// with them: the next plan finds what became of them.
	AllowPending bool
	// StopAtRefusal makes Execute return after a wave in which a step is refused.
	StopAtRefusal bool
	// Check is called right before each unit. An error is the outcome of all its steps.
	// Units run at once, so it must be safe for that. Nil checks nothing.
	Check func(ctx context.Context) error
	// Limit is called before each wave, with the steps of its units. It returns false where
	// a limit leaves no room for them: then the plan has to be made again. Nil limits
	// nothing.
	Limit func(ctx context.Context, units [][]plan.Step) (bool, error)
}

// Report counts steps of the plan. Parts of steps count with their step.
type Report struct {
	// Done includes the steps that earlier attempts have done.
	Done int
	// Refused counts steps that the platform will not do until a user or an operator acts.
	Refused int
	// Blocked counts steps that need a refused one.
	Blocked int
	// Unfinished counts steps that failed for now and that another attempt may do. Pending
	// steps are not among them, if Config.AllowPending is set.
	Unfinished int
	// Immovable counts the refused steps that take a role from a group, but for those in
	// Config.Refused.
	Immovable int
	// Pending counts steps that the platform is still carrying out and those that it
	// throttles beside them, and PendingAfter is the longest of the delays that it asks for.
	Pending      int
	PendingAfter time.Duration
	// Replan is true where the platform or the documents changed: the rest of the plan may
	// be wrong.
	Replan bool
}

// Executor applies steps of one plan. It is not safe for use by many goroutines; it
// applies the units of a wave at once, as the driver's profile allows.
type Executor struct {
	config    Config
	places    map[string]int  // of the plan's steps, by ID
	done      map[string]bool // parts of steps included
	execution *plan.Execution
	subjects  subjects
	report    Report
	// throttled counts the unfinished steps that the platform throttles.
	throttled int
}

// New returns the executor of a plan.
func New(config Config) *Executor {
	e := &Executor{config: config, places: make(map[string]int, len(config.Plan.Steps)), done: map[string]bool{}}
	for i, s := range config.Plan.Steps {
		e.places[s.ID] = i
	}
	maps.Copy(e.done, config.Done)
	refused := make(map[string]bool, len(config.Refused))
	for id := range config.Refused {
		refused[id] = true
	}
	needs := config.Plan
	if config.IgnoreNeeds {
		needs = plan.Plan{}
	}
	e.execution = plan.NewExecution(needs, e.done, refused)
	if config.WaitExpired {
		e.execution.StopWaiting()
		e.execution.Await(config.Awaited)
	}
	if len(config.Unfinished) > 0 {
		e.execution.Defer(config.Unfinished)
	}
	e.subjects.replay(config.Plan, e.done, config.Refused)
	return e
}

// Report returns the counts so far.
func (e *Executor) Report() Report { return e.report }

// Done returns the IDs of the steps, and of parts of steps, that are done.
func (e *Executor) Done() map[string]bool { return maps.Clone(e.done) }

// Execute applies one wave after the other, as long as the plan holds. A step that fails
// stops those that need it: all others are applied before the failure is returned. Of
// several failures Execute returns the one that asks for the longest wait.
func (e *Executor) Execute(ctx context.Context, waves [][]plan.Work) error {
	var failed []error
	for _, wave := range waves {
		err := e.Wave(ctx, wave)
		switch {
		case IsUnfinished(err):
			failed = append(failed, err)
		case err != nil:
			return err
		}
		if e.report.Replan || e.report.Refused > 0 && e.config.StopAtRefusal {
			return nil
		}
	}
	if len(failed) == 0 || e.waitsWithPending(failed) {
		return nil
	}
	return MaxRetryAfter(failed)
}

// waitsWithPending reports whether all steps that another attempt may do are throttled,
// beside steps that the platform is still carrying out. They count as pending: the
// platform may take them only after those. AWS, for example, takes one change of an
// account's assignments at a time. With other attempts a removal that is triggered
// meanwhile would wait as long.
func (e *Executor) waitsWithPending(failed []error) bool {
	if e.report.Pending == 0 || e.report.Unfinished > e.throttled {
		return false
	}
	after, _ := fault.RetryAfter(MaxRetryAfter(failed))
	e.report.Pending, e.report.PendingAfter = e.report.Pending+e.throttled, max(e.report.PendingAfter, after)
	e.report.Unfinished, e.throttled = 0, 0
	return true
}

// Wave applies the units of one wave. It returns an error where steps failed that
// another attempt may do.
func (e *Executor) Wave(ctx context.Context, wave []plan.Work) error {
	units, err := e.units(ctx, wave)
	if err != nil {
		return err
	}
	if units, err = e.mayRun(ctx, units); err != nil || len(units) == 0 {
		return err
	}
	if e.config.Limit != nil {
		if allowed, err := e.config.Limit(ctx, units); err != nil || !allowed {
			e.report.Replan = e.report.Replan || err == nil
			return err
		}
	}
	return e.write(ctx, units)
}

// units returns the steps of each unit that are not done yet, with the ids of groups
// that an earlier wave created.
func (e *Executor) units(ctx context.Context, wave []plan.Work) ([][]plan.Step, error) {
	var units [][]plan.Step
	for _, work := range wave {
		var steps []plan.Step
		for _, id := range work.Steps {
			place, known := e.places[id]
			if !known {
				return nil, fmt.Errorf("reconcile: %w: the plan of %s has no step %s", fault.ErrInvalid, e.config.Plan.Tenant, id)
			}
			if e.done[id] {
				e.report.Done++
				continue
			}
			steps = append(steps, e.config.Plan.Steps[place])
		}
		if len(steps) > 0 {
			units = append(units, steps)
		}
	}
	return units, e.fillRefs(ctx, units)
}

// fillRefs adds to steps the id of their group, where the group was created after the
// plan was made.
func (e *Executor) fillRefs(ctx context.Context, units [][]plan.Step) error {
	var refs map[string]string
	for _, steps := range units {
		for i := range steps {
			if !steps[i].LacksGroupRef() {
				continue
			}
			if refs == nil {
				var err error
				if refs, err = e.config.Ledger.GroupRefs(ctx); err != nil {
					return fmt.Errorf("reconcile: read the groups of %s: %w", e.config.Plan.Tenant, err)
				}
			}
			steps[i] = steps[i].WithGroupRef(refs[steps[i].Key().Group])
		}
	}
	return nil
}

// mayRun returns the steps of the units that need no failed step. It records those that
// the platform refused before as refused again, for the plan at hand.
func (e *Executor) mayRun(ctx context.Context, units [][]plan.Step) ([][]plan.Step, error) {
	var known []Outcome
	for i, steps := range units {
		units[i] = slices.DeleteFunc(steps, func(s plan.Step) bool {
			switch e.execution.Fate(s.ID) {
			case plan.Refused:
				known = append(known, Outcome{Step: s, Err: e.config.Refused[s.ID]})
				e.report.Refused++
			case plan.Blocked:
				e.execution.Set(s.ID, plan.Blocked)
				e.report.Blocked++
			case plan.Unfinished:
				e.execution.Set(s.ID, plan.Unfinished)
			case plan.Pending, plan.Done:
				return false
			}
			return true
		})
	}
	if len(known) > 0 {
		if err := e.config.Ledger.Record(ctx, known); err != nil {
			return nil, fmt.Errorf("reconcile: record what stays refused: %w", err)
		}
	}
	return slices.DeleteFunc(units, func(steps []plan.Step) bool { return len(steps) == 0 }), nil
}

// write applies units, as many at once as the platform allows, with a record before and
// after.
func (e *Executor) write(ctx context.Context, units [][]plan.Step) error {
	if err := e.config.Ledger.Intend(ctx, slices.Concat(units...)); err != nil {
		return fmt.Errorf("reconcile: record what is about to be done: %w", err)
	}
	outcomes := make([][]Outcome, len(units))
	var group errgroup.Group
	group.SetLimit(max(1, e.config.Driver.Profile().Parallel))
	for i, steps := range units {
		group.Go(func() error {
			outcomes[i] = e.isolate(ctx, e.apply(ctx, steps))
			return nil
		})
	}
	_ = group.Wait() // units answer through outcomes
	return e.record(ctx, slices.Concat(outcomes...))
}

// apply applies one unit, unless the check fails.
func (e *Executor) apply(ctx context.Context, steps []plan.Step) []Outcome {
	outcomes := make([]Outcome, len(steps))
	var err error
	if e.config.Check != nil {
		err = e.config.Check(ctx)
	}
	for i, s := range steps {
		outcomes[i] = Outcome{Step: s, Err: err}
	}
	if err != nil {
		return outcomes
	}
	applied := make([]plan.Step, len(steps))
	for i, s := range steps {
		applied[i] = e.subjects.rebase(s)
	}
	for i, r := range e.config.Driver.Apply(ctx, e.config.Scope, applied) {
		outcomes[i].Ref, outcomes[i].Err = r.Ref, exhausted(r.Err, e.config.Attempts[steps[i].ID]+1)
		e.subjects.note(applied[i], r.Err)
	}
	return outcomes
}

// record stores outcomes and decides how the execution goes on.
func (e *Executor) record(ctx context.Context, outcomes []Outcome) error {
	// A cancelled run still records what it did.
	if err := e.config.Ledger.Record(context.WithoutCancel(ctx), outcomes); err != nil {
		return fmt.Errorf("reconcile: record what was done: %w", err)
	}
	var retry []error
	for _, o := range outcomes {
		fate := plan.Done
		switch {
		case o.Err == nil:
			e.done[o.Step.ID] = true
		case errors.Is(o.Err, fault.ErrConflict), errors.Is(o.Err, fault.ErrNotFound):
			e.report.Replan, fate = true, plan.Unfinished
		case fault.Permanent(o.Err):
			fate = plan.Refused
		case e.config.AllowPending && errors.Is(o.Err, fault.ErrPending):
			after, _ := fault.RetryAfter(o.Err)
			e.report.Pending, e.report.PendingAfter = e.report.Pending+1, max(e.report.PendingAfter, after)
			fate = plan.Unfinished
		default:
			fate = plan.Unfinished
			retry = append(retry, o.Err)
			e.countUnfinished(o)
		}
		e.count(o.Step, fate)
	}
	if len(retry) == 0 {
		return nil
	}
	return &unfinished{fmt.Errorf("reconcile: %d of %d steps: %w", len(retry), len(outcomes), MaxRetryAfter(retry))}
}

// countUnfinished counts a step of the plan that another attempt may do.
func (e *Executor) countUnfinished(o Outcome) {
	if o.Step.PartOf != "" {
		return
	}
	e.report.Unfinished++
	if errors.Is(o.Err, fault.ErrThrottled) {
		e.throttled++
	}
}

// count counts a step of the plan; parts of it count with it.
func (e *Executor) count(s plan.Step, fate plan.Fate) {
	if s.PartOf != "" {
		return
	}
	e.execution.Set(s.ID, fate)
	switch fate {
	case plan.Done:
		e.report.Done++
	case plan.Refused:
		e.report.Refused++
		if s.Op == plan.Delete && s.Kind == access.KindBinding && s.Key().Group != "" {
			e.report.Immovable++
		}
	case plan.Pending, plan.Unfinished, plan.Blocked:
	}
}
