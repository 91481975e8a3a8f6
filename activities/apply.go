package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/reconcile"
)

const (
	// maxAttempts is how often one activity tries steps that fail for now. Then the workflow
	// goes on with other steps, and plans again later.
	maxAttempts = 5
	// maxRetryDelay is the longest delay that the platform may ask for between two attempts
	// of one activity, attemptsTimeout how long after the first attempt another one may begin.
	maxRetryDelay   = 20 * time.Second
	attemptsTimeout = 2 * time.Minute
)

// Apply makes a part of a stored plan true. The ledger has the intent before
// the platform is called and the result after, so a retry skips what is done,
// and a crash in between repeats a step, which changes nothing.
//
// While steps fail for now, Apply returns an error, so that Temporal shows the attempt and
// the cause, and tries them again. The last attempt returns ApplyOutput.Unfinished instead.
func (p *Platform) Apply(ctx context.Context, in ApplyInput) (ApplyOutput, error) {
	ctx, meter := budget.WithMeter(ctx)
	a, err := p.application(ctx, in)
	if err == nil && !a.out.Replan {
		err = p.bring(ctx, a.run, a.plan, in.Stage)
	}
	if err != nil {
		return ApplyOutput{}, toTemporal(err)
	}
	if !a.out.Replan {
		e := reconcile.New(a.config())
		err = e.Execute(ctx, in.Batch.Waves)
		a.note(e.Report())
	}
	a.out.Calls = meter.Calls()
	measure(ctx, in.Tenant.Platform, a.out.Calls, a.out.Done, err)
	activity.GetLogger(ctx).Info("plan applied", "tenant", in.Tenant.String(), "done", a.out.Done,
		"refused", a.out.Refused, "unfinished", a.out.Unfinished, "replan", a.out.Replan, "calls", a.out.Calls)
	if err := a.deferUnfinished(ctx, err); err != nil {
		return ApplyOutput{}, toTemporal(err)
	}
	return a.out, toTemporal(a.countRefusedAccounts(ctx))
}

// deferUnfinished returns nil if err is that of steps which fail for now and the workflow should
// wait for them, instead of another attempt of the activity. It notes the failure then.
// Else it returns err.
func (a *application) deferUnfinished(ctx context.Context, err error) error {
	if !reconcile.IsUnfinished(err) || ctx.Err() != nil {
		return err
	}
	after, _ := fault.RetryAfter(err)
	expired := a.attempt > 1 && a.elapsed > attemptsTimeout
	if a.attempt < maxAttempts && after <= maxRetryDelay && !expired {
		return err
	}
	a.out.UnfinishedAfter, a.out.Reason, a.out.Type, a.out.Attempts = after, err.Error(), fault.Name(err), a.attempt
	return nil
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
	// refusals are the reasons, by ID, for which steps of this run were refused, on earlier
	// attempts and for earlier plans: they are not tried again.
	refusals map[string]error
	// unfinished are the IDs of steps that earlier batches of the plan left unfinished.
	unfinished map[string]bool
	// check is called right before each unit: an error stops it.
	check func(context.Context) error
	// attempts are how often, by ID, steps were tried before in this run.
	attempts map[string]int
	// awaited are the IDs of steps about objects of which this pass is the first to fail:
	// removals wait for them whatever ApplyInput.WaitExpired says.
	awaited map[string]bool
	// attempt is which attempt of the activity this is, elapsed the time since the first.
	attempt int
	elapsed time.Duration
	guard   document.Guard
	out     ApplyOutput
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
	d, connection, err := p.tenants.Driver(ctx, input.Platform)
	if err != nil {
		return nil, err
	}
	info := activity.GetInfo(ctx)
	execution := info.WorkflowExecution
	a := &application{
		platform: p, driver: d, in: in, plan: stored, guard: input.Guard,
		attempt: int(info.Attempt), elapsed: elapsed(info),
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
	return a, a.readFailures(ctx)
}

// readFailures reads which steps have failed in this run, and how often each was tried.
func (a *application) readFailures(ctx context.Context) error {
	failed, err := a.platform.failed(ctx, a.run.RunID)
	if err != nil {
		return err
	}
	a.refusals, a.unfinished, a.attempts = map[string]error{}, map[string]bool{}, map[string]int{}
	inBatch := map[string]bool{}
	for _, id := range a.in.Batch.ids() {
		inBatch[id], a.attempts[id] = true, a.in.Attempts
	}
	failedBefore := map[access.Key]bool{}
	for _, r := range failed {
		id, passes := r.Step.ID, !lasting(r.class())
		a.attempts[id] += r.Attempts
		if passes && (r.Run.Pass < a.in.Pass || a.in.Repeated) {
			failedBefore[object(r.Step)] = true
		}
		switch {
		case a.done[id]:
		case r.refused(a.in.Since):
			a.refusals[id] = recorded(r.Err)
		case r.Run.Pass == a.in.Pass && !inBatch[id] && passes:
			a.unfinished[id] = true
		}
	}
	a.awaited = map[string]bool{}
	for _, s := range a.plan.Steps {
		a.awaited[s.ID] = a.in.Stage.ID == "" && !failedBefore[object(s)]
	}
	return nil
}

// object names what a step is about. All steps about a group, its members and its roles
// have the same object: while the group cannot be created, none of them is tried.
func object(s plan.Step) access.Key {
	key := s.Key()
	if key.Group == "" {
		return key
	}
	return access.Group{Name: key.Group}.Key()
}

// config returns what the executor of the batch works with.
func (a *application) config() reconcile.Config {
	return reconcile.Config{
		Plan: a.plan, Driver: a.driver, Scope: a.scope, Ledger: runLedger{ledger: a.platform.ledger, run: a.run},
		Done: a.done, Refused: a.refusals, Unfinished: a.unfinished, Attempts: a.attempts,
		WaitExpired: a.in.WaitExpired, Awaited: a.awaited, StopAtRefusal: a.in.Stage.ID != "", AllowPending: a.in.Stage.ID == "",
		Check: a.check,
		Limit: func(ctx context.Context, units [][]plan.Step) (bool, error) {
			return a.platform.tenants.ReserveUnits(ctx, a.in.Tenant, a.guard, units)
		},
	}
}

// note notes how far the executor came.
func (a *application) note(r reconcile.Report) {
	a.out.Done, a.out.Refused, a.out.Blocked, a.out.Replan = r.Done, r.Refused, r.Blocked, r.Replan
	a.out.Immovable, a.out.Pending, a.out.PendingAfter = r.Immovable, r.Pending, r.PendingAfter
	a.out.Unfinished = r.Unfinished
}

// runLedger is the ledger for the executor of one run.
type runLedger struct {
	ledger *ledger.Ledger
	run    ledger.Run
}

// Intend implements reconcile.Ledger.
func (l runLedger) Intend(ctx context.Context, steps []plan.Step) error {
	return l.ledger.Intend(ctx, ledger.Entry{Run: l.run, Steps: steps})
}

// Record implements reconcile.Ledger.
func (l runLedger) Record(ctx context.Context, outcomes []reconcile.Outcome) error {
	all := make([]ledger.Outcome, len(outcomes))
	for i, o := range outcomes {
		all[i] = ledger.Outcome{Step: o.Step, Ref: o.Ref}
		if o.Err != nil {
			all[i].Err = answerOf(o.Err)
		}
	}
	return l.ledger.Record(ctx, l.run, all)
}

// GroupRefs implements reconcile.Ledger.
func (l runLedger) GroupRefs(ctx context.Context) (map[string]string, error) {
	owned, err := l.ledger.Owned(ctx, l.run.Tenant)
	if err != nil {
		return nil, err
	}
	refs := map[string]string{}
	for _, o := range owned {
		if o.Key.Kind == access.KindGroup {
			refs[o.Key.Group] = o.Ref
		}
	}
	return refs, nil
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
	asked, err := reconcile.DesiredDigest(input, a.driver.Profile())
	if err != nil {
		return err
	}
	if asked != a.in.Desired {
		return fmt.Errorf("activities: %w: the documents of %s changed after plan %s", fault.ErrConflict, a.in.Tenant, a.in.Digest)
	}
	wanted, err := a.platform.tenants.RemovesDesired(ctx, a.driver, input, a.plan)
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

// recorded is a failure as the ledger has it.
type recorded string

// Error implements error.
func (r recorded) Error() string { return string(r) }

// answerOf returns an error as the ledger keeps it.
func answerOf(err error) string {
	if known, ok := errors.AsType[recorded](err); ok {
		return string(known)
	}
	text := fault.Name(err) + ": " + strings.ReplaceAll(err.Error(), "\n", " ")
	if advice := fault.Advice(err); advice != "" {
		text += "\n" + advice
	}
	return text
}
