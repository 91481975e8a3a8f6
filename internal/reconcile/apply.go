package reconcile

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// Batch is a part of a stored plan, to apply in one call.
type Batch struct {
	// Run says on whose behalf the steps are applied. Its Tenant and Digest name the stored
	// plan. The steps of one Pass are done once.
	Run ledger.Run
	// Desired names the desired access for which the plan was made.
	Desired string
	// Waves are whole waves of the plan, or a part of one.
	Waves [][]plan.Work
	// RefusedSince is the first pass whose refused steps are not tried again; 0 stands for the
	// first of the run.
	RefusedSince int
	// WaitExpired lets removals run although additions for the same users are not finished,
	// other than those of which this pass is the first to fail.
	WaitExpired bool
	// Repeated is true where this very plan was applied before in this pass.
	Repeated bool
	// Attempts is how often earlier runs tried the steps of a group replacement.
	Attempts int
	// Stage is set for steps of a group replacement.
	Stage Stage
	// Attempt is the attempt of the caller.
	Attempt Attempt
}

// ids returns the IDs of the steps of the batch.
func (b Batch) ids() []string {
	var all []string
	for _, wave := range b.Waves {
		for _, work := range wave {
			all = append(all, work.Steps...)
		}
	}
	return all
}

// Applied is what became of a batch.
type Applied struct {
	Report
	// RefusedAccounts counts the refused steps in which single accounts are refused. The next
	// plan decides whether the tenant is as desired but for those.
	RefusedAccounts int
	// Deferred is the failure of the unfinished steps, if no other attempt should follow: the
	// caller goes on with other steps, and plans again later.
	Deferred error
}

const (
	// maxAttempts is how often the steps of a batch are tried that fail for now.
	maxAttempts = 5
	// maxRetryDelay is the longest delay that the platform may ask for between two attempts,
	// attemptsTimeout how long after the first attempt another one may begin.
	maxRetryDelay   = 20 * time.Second
	attemptsTimeout = 2 * time.Minute
)

// Attempt says which attempt of the caller a call is.
type Attempt struct {
	// Number counts from 1.
	Number int
	// Elapsed is the time from the first attempt to this one.
	Elapsed time.Duration
}

// split returns the error of a batch as the one with which to end the attempt, so that
// another one follows, or as the one that is deferred.
func (a Attempt) split(ctx context.Context, err error) (deferred, failed error) {
	if !IsUnfinished(err) || ctx.Err() != nil || a.retries(err) {
		return nil, err
	}
	return err, nil
}

// retries reports whether another attempt should follow after a failure for now.
func (a Attempt) retries(err error) bool {
	after, _ := fault.RetryAfter(err)
	expired := a.Number > 1 && a.Elapsed > attemptsTimeout
	return a.Number < maxAttempts && after <= maxRetryDelay && !expired
}

// Apply applies a part of a stored plan. The ledger has the intent before the platform is
// called and the result after, so that another attempt skips the steps that are done, and a
// crash in between repeats a step, which changes nothing.
//
// While steps fail for now, Apply returns an error (see [IsUnfinished]), so that another
// attempt follows. The last attempt returns Applied.Deferred instead. Applied counts the
// steps in both cases.
func (r *Reconciler) Apply(ctx context.Context, b Batch) (Applied, error) {
	e, err := r.loadBatch(ctx, b)
	if err != nil {
		return Applied{}, err
	}
	if e.replan {
		return Applied{Report: Report{Replan: true}}, nil
	}
	if err := r.recordStage(ctx, b.Run, e.plan, b.Stage); err != nil {
		return Applied{}, err
	}
	return e.apply(ctx)
}

// storedPlan is a plan of the database, with the documents and the driver of its tenant.
type storedPlan struct {
	plan plan.Plan
	// revision is the one of the documents that the plan was made from.
	revision   int64
	document   document.TenantInput
	driver     driver.Driver
	connection string // of the driver
}

func (r *Reconciler) loadPlan(ctx context.Context, id access.TenantID, digest string) (storedPlan, error) {
	var s storedPlan
	var err error
	if s.plan, s.revision, err = r.store.Plan(ctx, digest); err != nil {
		return s, fmt.Errorf("reconcile: read plan %s: %w", digest, err)
	}
	if s.document, err = r.store.TenantInput(ctx, id); err != nil {
		return s, fmt.Errorf("reconcile: read the documents of %s: %w", id, err)
	}
	s.driver, s.connection, err = r.Driver(ctx, s.document.Platform)
	return s, err
}

// batchExecutor is a batch with all that its executor works with.
type batchExecutor struct {
	storedPlan
	history

	reconciler *Reconciler
	batch      Batch
	// replan is true where the plan must be made again before any of it is applied.
	replan bool
	done   map[string]bool
	// matched is what the plan is known to match; nil if that is not known.
	matched atomic.Pointer[matched]
}

func (r *Reconciler) loadBatch(ctx context.Context, b Batch) (*batchExecutor, error) {
	stored, err := r.loadPlan(ctx, b.Run.Tenant, b.Run.Digest)
	if err != nil {
		return nil, err
	}
	e := &batchExecutor{storedPlan: stored, reconciler: r, batch: b}
	// A worker with another connection could write to another place than was read.
	e.replan = stored.plan.Connection != "" && stored.plan.Connection != stored.connection
	if !stored.document.HasEnds() { // else a binding may have ended since the plan was made
		e.matched.Store(&matched{revision: stored.revision})
	}
	if e.done, err = r.ledger.Done(ctx, b.Run); err != nil {
		return nil, fmt.Errorf("reconcile: read the steps of %s that are done: %w", b.Run.Tenant, err)
	}
	failed, err := r.failed(ctx, ledger.Run{RunID: b.Run.RunID})
	if err != nil {
		return nil, err
	}
	e.history = historyOf(b, stored.plan, e.done, failed)
	return e, nil
}

// apply applies the waves of the batch.
func (e *batchExecutor) apply(ctx context.Context) (Applied, error) {
	executor := New(e.config())
	deferred, err := e.batch.Attempt.split(ctx, executor.Execute(ctx, e.batch.Waves))
	applied := Applied{Report: executor.Report(), Deferred: deferred}
	if err != nil || applied.Refused == 0 {
		return applied, err
	}
	failed, err := e.reconciler.failed(ctx, ledger.Run{RunID: e.batch.Run.RunID})
	applied.RefusedAccounts = countRefusedAccounts(e.plan, e.batch.ids(), failed, e.batch.RefusedSince)
	return applied, err
}

// config returns what the executor of the batch works with.
func (e *batchExecutor) config() Config {
	r, tenant, replaces := e.reconciler, e.batch.Run.Tenant, e.batch.Stage.ID != ""
	return Config{
		Plan: e.plan, Driver: e.driver, Ledger: NewLedger(r.ledger, e.batch.Run),
		Scope: driver.Scope{
			Tenant: tenant, ID: e.document.Tenant.LocalID,
			Mark: access.Mark{Installation: r.installation, Tenant: tenant.String()},
		},
		Done: e.done, Refused: e.refused, Unfinished: e.unfinished, Attempts: e.attempts,
		WaitExpired: e.batch.WaitExpired, Awaited: e.awaited, StopAtRefusal: replaces, AllowPending: !replaces,
		Check: r.checkOf(e.check),
		Limit: func(ctx context.Context, units [][]plan.Step) (bool, error) {
			return r.ReserveUnits(ctx, tenant, e.document.Guard, units)
		},
	}
}

// history is what became of the steps of a plan in earlier passes and attempts of a run.
type history struct {
	// refused are the reasons, by ID, for which steps were refused. They are not tried again.
	refused map[string]error
	// unfinished are the IDs of steps that earlier batches of the plan left unfinished.
	unfinished map[string]bool
	// attempts are how often, by ID, steps were tried before.
	attempts map[string]int
	// awaited are the IDs of steps about objects of which this pass is the first to fail:
	// removals wait for them whatever Batch.WaitExpired says.
	awaited map[string]bool
}

// historyOf returns the history of the steps of a plan, of which some are done. The failed
// records are those of the run.
func historyOf(b Batch, p plan.Plan, done map[string]bool, failed []ledger.Record) history {
	h := history{refused: map[string]error{}, unfinished: map[string]bool{}, attempts: map[string]int{}, awaited: map[string]bool{}}
	inBatch := map[string]bool{}
	for _, id := range b.ids() {
		inBatch[id], h.attempts[id] = true, b.Attempts
	}
	failedBefore := map[access.Key]bool{}
	for _, r := range failed {
		id, temporary := r.Step.ID, !isRefused(r)
		h.attempts[id] += r.Attempts
		if temporary && (r.Run.Pass < b.Run.Pass || b.Repeated) {
			failedBefore[groupOrObject(r.Step)] = true
		}
		switch {
		case done[id]:
		case isRefusedSince(r, b.RefusedSince):
			h.refused[id] = recordedError(r.Err)
		case r.Run.Pass == b.Run.Pass && !inBatch[id] && temporary:
			h.unfinished[id] = true
		}
	}
	for _, s := range p.Steps {
		h.awaited[s.ID] = b.Stage.ID == "" && !failedBefore[groupOrObject(s)]
	}
	return h
}

// groupOrObject names the object of a step. All steps about a group, its members and its
// roles have the same object: while the group cannot be created, none of them is tried.
func groupOrObject(s plan.Step) access.Key {
	key := s.Key()
	if key.Group == "" {
		return key
	}
	return access.Group{Name: key.Group}.Key()
}
