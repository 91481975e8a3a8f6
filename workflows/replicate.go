package workflows

import (
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/engine"
)

// FailedType is the type of the application error that a run ends with when
// only people can mend what is wrong. Its details are a ReplicateResult.
const FailedType = "TenantFailed"

const (
	// gather is how long triggers that arrive during a run are collected before
	// the tenant is planned again.
	gather = 2 * time.Second
	// rounds is how often a plan that does not hold is made and applied again.
	rounds = 3
	// replanPause is how long a platform that takes its time gets before a plan
	// that did not hold is made again.
	replanPause = 10 * time.Second
)

// ReplicateTenant makes one tenant as the documents want it:
//
//   - look up the accounts of its users;
//   - plan what is different, which ends the run when nothing is;
//   - apply the plan, batch by batch, and groups that get other names each in a
//     RecreateGroup;
//   - verify, which plans again, for at most three rounds;
//   - start over when somebody triggered meanwhile.
func ReplicateTenant(ctx workflow.Context, in ReplicateInput) (ReplicateResult, error) {
	r := &replication{in: in, done: in.Done, pass: in.Pass, triggers: workflow.GetSignalChannel(ctx, TriggerSignal)}
	r.unfinished.Waits = in.Waits
	for {
		result, err := r.run(ctx)
		if err != nil {
			return result, err
		}
		r.unfinished = unfinished{}
		if in.DryRun || !drain(r.triggers) {
			return r.end(ctx, result)
		}
		if err := sleep(ctx, gather, "collect triggers"); err != nil {
			return result, err
		}
		drain(r.triggers)        // those gathered meanwhile are served by the next round
		r.in.VerifyLater = false // whoever triggered looks at the status
		if renewalDue(ctx) {
			return result, r.renew(ctx)
		}
	}
}

// renew continues the run as new.
func (r *replication) renew(ctx workflow.Context) error {
	in := r.in
	in.Done, in.Pass, in.Waits = r.done, r.pass, r.unfinished.Waits
	return renew(ctx, ReplicateTenantWorkflow, in)
}

// replication is the state of one run.
type replication struct {
	in         ReplicateInput
	triggers   workflow.ReceiveChannel
	done       activities.Tally
	pass       int
	since      int    // the first pass of this attempt, after the last trigger
	digest     string // of the last plan that had steps
	held       string // names what the last plan holds for an approval, if anything
	why        string // the reason of a failure
	refused    int
	accounts   int // how many of the refused steps are about single accounts
	unfinished unfinished
	immovable  int       // roles that the platform refused to take, in the last plan
	unsure     bool      // a plan did not hold: trust nothing remembered
	broken     bool      // the last plan did not hold
	renamings  renamings // of the last plan
	last       lastPlan
	waits      int // for renamings that somebody left behind
	// attempts are how often runs of group replacements, by ID, tried steps that fail.
	attempts map[string]int
	// immovableIn are group replacements, by ID, and the runs of them that found roles of old
	// groups which the platform does not take.
	immovableIn struct{ renamings, runs []string }
	// patience is how long what was written may stay unseen by the next plan.
	patience time.Duration
	// verify is true where the next plan verifies what was written.
	verify bool
	lookup lookup
}

// lookup is the last lookup of the accounts.
type lookup struct {
	at    time.Time // by the database's clock
	ended time.Time // by the workflow's clock; zero if another one is needed
}

// lookupAge is how long the answers of a lookup serve the plans of a run.
const lookupAge = 8 * time.Minute

// pause prepares the look that comes after an apply. If all was written, some of it may
// be unseen for a while, which the look allows for. Otherwise the tenant is planned
// again soon: waiting does not help.
func (r *replication) pause(ctx workflow.Context, p activities.PlanOutput) error {
	switch {
	case r.renamings.busy:
		return r.waitForOrphan(ctx)
	case r.unfinished.any():
		r.patience = 0
		return r.waitForUnfinished(ctx)
	}
	if !r.broken { // else steps were left out that may be unfinished
		r.unfinished = unfinished{}
	}
	if !r.broken && r.refused == 0 {
		r.patience, r.verify = p.Settle, true
		return nil
	}
	r.patience = 0
	if r.refused > 0 && r.refused == r.accounts && r.done.Steps == r.last.done {
		return nil // nothing was written
	}
	return sleep(ctx, min(p.Settle, replanPause), "before the tenant is planned again")
}

// run replicates once, until the tenant is as desired or cannot be.
func (r *replication) run(ctx workflow.Context) (ReplicateResult, error) {
	r.why, r.refused, r.unsure, r.since, r.lookup = "", 0, false, r.pass+1, lookup{}
	r.immovableIn.renamings, r.immovableIn.runs = nil, nil
	for round := 0; round < rounds; {
		p, err := r.plan(ctx)
		if err != nil {
			return r.conclude(ctx, activities.Failed, activities.PlanOutput{}, err)
		}
		if p.Outcome != activities.Open {
			return r.settled(p), nil
		}
		result, ended, err := r.attempt(ctx, p)
		if ended {
			return result, err
		}
		if !r.renamings.busy && !r.unfinished.any() { // the time that others need is not counted
			round++
		}
	}
	return r.planOnceMore(ctx)
}

// attempt applies a plan and prepares the next one, and reports whether the run ends instead.
func (r *replication) attempt(ctx workflow.Context, p activities.PlanOutput) (result ReplicateResult, ended bool, err error) {
	before := r.done.Steps
	err = r.follow(ctx, p)
	stuck := r.stuck(before)
	if err == nil && !stuck {
		err = r.pause(ctx, p)
	}
	switch {
	case err != nil || stuck:
		result, err = r.conclude(ctx, activities.Failed, p, err)
		return result, true, err
	case r.verify && r.in.VerifyLater && len(p.Renamings) == 0:
		return r.applied(ctx, p), true, nil
	case r.unfinished.any() && renewalDue(ctx):
		triggered := drain(r.triggers) // the new run begins with a plan
		r.in.VerifyLater = r.in.VerifyLater && !triggered
		return ReplicateResult{}, true, r.renew(ctx)
	}
	return ReplicateResult{}, false, nil
}

// applied is the result of a run that leaves the verification to its sweep.
func (r *replication) applied(ctx workflow.Context, p activities.PlanOutput) ReplicateResult {
	result := r.result(activities.Open, p.Held, p.Remarks)
	result.RunID = workflow.GetInfo(ctx).WorkflowExecution.RunID
	return result
}

// stuck reports whether another plan would end as the last one did, which began when so
// many steps were done. After refusals of single accounts it may end as desired but for
// those.
func (r *replication) stuck(before int) bool {
	nothing := r.done.Steps == before && r.immovable == 0 && !r.unfinished.any() && r.refused > r.accounts
	return r.refused > 0 && (nothing || len(r.renamings.failed) > 0 && r.immovable == 0)
}

// planOnceMore plans once more: the third round may have done it.
func (r *replication) planOnceMore(ctx workflow.Context) (ReplicateResult, error) {
	p, err := r.plan(ctx)
	switch {
	case err == nil && p.Outcome != activities.Open:
		return r.settled(p), nil
	case r.refused > 0:
		return r.conclude(ctx, activities.Failed, p, err)
	default:
		return r.conclude(ctx, activities.Contested, p, err)
	}
}

// settled is the result when a plan has nothing left to apply, or must not.
func (r *replication) settled(p activities.PlanOutput) ReplicateResult {
	result := r.result(p.Outcome, p.Held, p.Remarks)
	if r.in.DryRun {
		result.Steps = p.Steps
	}
	return result
}

// resolve looks up the accounts of the tenant's users, unless the plan that comes next
// needs no answers or has some that are young enough.
func (r *replication) resolve(ctx workflow.Context) error {
	known := !r.lookup.ended.IsZero() && workflow.Now(ctx).Sub(r.lookup.ended) < lookupAge
	if known || r.in.Prepared.Digest != "" {
		return nil
	}
	r.say(ctx, "Looking up the accounts of the tenant's users.")
	ctx = workflow.WithActivityOptions(ctx, r.reading("look up the users of "))
	var out activities.ResolveOutput
	err := workflow.ExecuteActivity(ctx, platform().ResolveUsers, activities.ResolveInput{
		Tenant: r.in.Tenant, Fresh: r.unsure, Proposal: r.in.Proposal,
	}).Get(ctx, &out)
	r.done.Calls += out.Calls
	r.lookup = lookup{at: out.At, ended: workflow.Now(ctx)}
	return err
}

// dryRunTimeout is how long a dry run waits for a platform that does not answer: its caller
// waits for it.
const dryRunTimeout = 15 * time.Minute

// reading are the options of an activity that reads the tenant.
func (r *replication) reading(doing string) workflow.ActivityOptions {
	o := options(r.in.Tenant.Platform, doing+r.in.Tenant.String())
	if r.in.DryRun {
		o.ScheduleToCloseTimeout = dryRunTimeout
	}
	return o
}

// plan compares the documents with the platform. After a change it verifies.
func (r *replication) plan(ctx workflow.Context) (activities.PlanOutput, error) {
	if err := r.resolve(ctx); err != nil {
		return activities.PlanOutput{}, err
	}
	in := activities.PlanInput{
		Tenant: r.in.Tenant, DryRun: r.in.DryRun, Fresh: r.unsure, Resolved: r.lookup.at, Done: r.done, Prepared: r.in.Prepared,
		Patience: r.patience, Adopt: r.in.Adopt, RefusedSince: r.refusedSince(),
		RefusedRuns: r.immovableIn.runs, Proposal: r.in.Proposal,
	}
	var planned workflow.Future
	if r.verify {
		r.say(ctx, "Verifying that the platform shows what was written.")
		ctx := workflow.WithActivityOptions(ctx, r.reading("verify "))
		planned = workflow.ExecuteActivity(ctx, platform().Verify, in)
	} else {
		r.say(ctx, "Comparing the documents with the platform.")
		ctx := workflow.WithActivityOptions(ctx, r.reading("plan "))
		planned = workflow.ExecuteActivity(ctx, platform().Plan, in)
	}
	var p activities.PlanOutput
	err := planned.Get(ctx, &p)
	r.patience, r.verify = 0, false
	r.in.Prepared = activities.Prepared{} // it serves once
	r.done.Calls += p.Calls
	r.held = p.HeldDigest
	if p.Steps > 0 || r.in.DryRun {
		r.digest = p.Digest
	}
	return p, err
}

// refusedSince returns the first pass whose refusals the next plan takes into account.
func (r *replication) refusedSince() int {
	if r.refused == 0 {
		return 0
	}
	return r.since
}

// follow applies the plan: the steps that need no group replacement, then the
// replacements, then the steps that need those. A refused step stops only those that
// need it.
func (r *replication) follow(ctx workflow.Context, p activities.PlanOutput) error {
	repeated := r.isRepeated(p)
	if !repeated {
		r.pass++
	}
	r.last = lastPlan{digest: p.Digest, repeated: repeated, done: r.done.Steps}
	r.broken, r.refused, r.accounts, r.immovable, r.renamings = false, 0, 0, 0, renamings{}
	r.unfinished.begin(workflow.Now(ctx))
	if err := r.apply(ctx, p, p.Batches); err != nil || r.broken || len(p.Renamings) == 0 {
		return err
	}
	if err := r.rename(ctx, p); err != nil || r.renamings.incomplete {
		return err
	}
	return r.apply(ctx, p, p.After)
}

// lastPlan is the plan that was applied last.
type lastPlan struct {
	digest   string
	repeated bool // it was the same as the one before
	done     int  // the steps of the run that were done before it
}

// isRepeated reports whether the plan is the one that was applied last, of which no step
// was done and no trigger arrived since. Then its steps are tried in the same pass: an
// outage of a day leaves one record for each step.
func (r *replication) isRepeated(p activities.PlanOutput) bool {
	return r.last.digest != "" && p.Digest == r.last.digest && r.done.Steps == r.last.done && r.since <= r.pass && len(p.Renamings) == 0
}

// apply applies a part of the plan, one batch after the other.
func (r *replication) apply(ctx workflow.Context, p activities.PlanOutput, batches []activities.Batch) error {
	applied := 0
	for i, batch := range batches {
		r.say(ctx, fmt.Sprintf("Applying plan `%s`: **%d of %d steps** done, %d held, %d warnings.",
			p.Digest, applied, p.Steps, p.Held, p.Remarks))
		summary := fmt.Sprintf("apply %d of %d: %s", i+1, len(batches), steps(batch.Steps()))
		ctx := workflow.WithActivityOptions(ctx, options(r.in.Tenant.Platform, summary))
		var out activities.ApplyOutput
		err := workflow.ExecuteActivity(ctx, platform().Apply, activities.ApplyInput{
			Tenant: r.in.Tenant, Digest: p.Digest, Desired: p.Desired, Pass: r.pass, Since: r.since, Cause: r.in.Cause, Batch: batch,
			WaitExpired: r.unfinished.expired, Repeated: r.last.repeated,
		}).Get(ctx, &out)
		applied += out.Done
		r.done.Steps += out.Done
		r.done.Calls += out.Calls
		r.refused += out.Refused
		r.accounts += out.RefusedAccounts
		r.immovable += out.Immovable
		r.unfinished.add(out.Pending, out.Unfinished, max(out.PendingAfter, out.UnfinishedAfter), out.Reason, out.Type)
		r.broken = out.Replan
		if out.Replan {
			r.lookup = lookup{}
		}
		r.unsure = r.unsure || out.Replan
		if err != nil || out.Replan {
			return err
		}
	}
	return nil
}

// conclude stores how a run ended that did not converge.
func (r *replication) conclude(
	ctx workflow.Context, outcome activities.Outcome, p activities.PlanOutput, cause error,
) (ReplicateResult, error) {
	if temporal.IsCanceledError(cause) {
		return ReplicateResult{}, cause
	}
	in := activities.RecordOutcomeInput{
		Tenant: r.in.Tenant, Outcome: outcome, Digest: r.digest, Pass: r.pass, Done: r.done, Held: p.Held,
		Renamings: r.renamings.failed,
	}
	if cause != nil {
		in.Outcome = activities.Failed
		in.Reason, in.Type = Reason(cause), failureType(cause)
		r.why = in.Reason
	}
	if r.in.DryRun {
		return r.result(in.Outcome, 0, 0), r.failure(in.Outcome, 0)
	}
	ctx = workflow.WithActivityOptions(ctx, options(r.in.Tenant.Platform, "store the outcome"))
	var out activities.RecordOutcomeOutput
	if err := workflow.ExecuteActivity(ctx, platform().RecordOutcome, in).Get(ctx, &out); err != nil {
		return ReplicateResult{}, err
	}
	return r.result(in.Outcome, p.Held, out.Remarks), nil
}

// Reason returns the innermost message that says what happened.
func Reason(err error) string {
	if app, ok := errors.AsType[*temporal.ApplicationError](err); ok {
		return app.Message()
	}
	return err.Error()
}

// failureType returns the type of the activity's error behind err.
func failureType(err error) string {
	if app, ok := errors.AsType[*temporal.ApplicationError](err); ok {
		return app.Type()
	}
	return activities.TypeUnavailable
}

// end writes the outcome where people look, and fails the run when the tenant
// failed, so that the list of workflows shows it.
func (r *replication) end(ctx workflow.Context, result ReplicateResult) (ReplicateResult, error) {
	if r.in.DryRun {
		return result, nil
	}
	if result.RunID != "" {
		r.say(ctx, fmt.Sprintf("**Applied**: %d steps. The sweep that started the run verifies them with those of other tenants.",
			result.Steps))
		return result, nil
	}
	r.say(ctx, fmt.Sprintf("**%s**: %d steps, %d held, %d warnings.", result.Outcome, result.Steps, result.Held, result.Remarks))
	if err := engine.ReportOutcome(ctx, Standing(result.Outcome), int64(result.Remarks)); err != nil {
		return result, err
	}
	return result, r.failure(result.Outcome, result.Remarks)
}

// Standing is the outcome as a search attribute: whether a converged tenant
// had to be changed for it is history, not a state.
func Standing(o activities.Outcome) string {
	if o == activities.Changed {
		o = activities.Converged
	}
	return string(o)
}

// failure is the error that a run ends with when only people can help.
func (r *replication) failure(o activities.Outcome, remarks int) error {
	if o != activities.Failed && o != activities.Contested {
		return nil
	}
	message := fmt.Sprintf("%s: %s", r.in.Tenant, o)
	if r.why != "" {
		message += ": " + r.why
	}
	return temporal.NewApplicationErrorWithOptions(message, FailedType, temporal.ApplicationErrorOptions{
		NonRetryable: true, Details: []any{r.result(o, 0, remarks)},
	})
}

func (r *replication) result(o activities.Outcome, held, remarks int) ReplicateResult {
	return ReplicateResult{
		Outcome: o, Digest: r.digest, Steps: r.done.Steps, Held: held, Remarks: remarks, Calls: r.done.Calls,
	}
}

// say tells people who look at the run what it does now, and what it waits for.
func (r *replication) say(ctx workflow.Context, text string) {
	if r.held != "" && !r.in.DryRun {
		text += fmt.Sprintf("\n\nHeld removals wait for an approval: `rollcall approve %s %s --reason ...`", r.in.Tenant, r.held)
	}
	workflow.SetCurrentDetails(ctx, "Tenant `"+r.in.Tenant.String()+"`\n\n"+text)
}
