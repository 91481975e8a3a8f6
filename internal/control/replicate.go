package control

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/engine"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/workflows"
)

// ReplicateRequest asks for the desired access on platforms.
type ReplicateRequest struct {
	Selection
	// By is the caller.
	By access.Actor `json:"-"`
	// Wait returns after the end of the work, with a report.
	Wait bool `json:"wait,omitempty"`
}

// ReplicateResult is the result of a replication.
type ReplicateResult struct {
	// Tenants counts the tenants that the work is on.
	Tenants int `json:"tenants"`
	// Report is nil for work that goes on.
	Report *Report `json:"report,omitempty"`
	// Failures are the tenants and platforms whose runs failed.
	Failures []Failure     `json:"failures,omitempty"`
	Pending  PendingTotals `json:"pending_approval"`
}

// Replicate is that of Tenants. It sweeps whole platforms, and starts a run for each tenant
// otherwise.
func (l *Local) Replicate(ctx context.Context, r ReplicateRequest, report func(Event)) (ReplicateResult, error) {
	tenants, err := l.ListTenants(ctx, r.Selection)
	if err != nil {
		return ReplicateResult{}, err
	}
	work := replication{local: l, cause: "replicate", by: r.By, wait: r.Wait, events: newReporter(report)}
	if r.IsWhole() {
		return work.sweep(ctx, tenants)
	}
	return work.replicate(ctx, tenants)
}

// replication is the work on tenants for one cause.
type replication struct {
	local  *Local
	cause  string
	by     access.Actor
	wait   bool
	events *reporter
}

// replicate stores the start of a run for each tenant, starts them, and waits for them if the
// caller asks for that.
func (r replication) replicate(ctx context.Context, tenants []access.TenantID) (ReplicateResult, error) {
	s, _, err := r.local.connect(ctx) // before anything is stored
	if err != nil {
		return ReplicateResult{Tenants: len(tenants)}, err
	}
	starts, err := tenantStarts(ctx, s, tenants, r.cause)
	if err != nil {
		return ReplicateResult{Tenants: len(tenants)}, err
	}
	if err := s.StoreStarts(ctx, r.by, starts); err != nil {
		return ReplicateResult{Tenants: len(tenants)}, err
	}
	return r.startStored(ctx, tenants)
}

// tenantStarts returns the starts of one run for each tenant, for the outbox.
func tenantStarts(ctx context.Context, s *store.Store, tenants []access.TenantID, cause string) ([]store.Start, error) {
	last, err := lastStatuses(ctx, s, tenants)
	if err != nil {
		return nil, err
	}
	return last.starts(tenants, cause)
}

// starts returns the starts of one run for each tenant, for the outbox.
func (s statuses) starts(tenants []access.TenantID, cause string) ([]store.Start, error) {
	starts := make([]store.Start, len(tenants))
	for i, t := range tenants {
		var err error
		if starts[i], err = replicateStart(t, cause, s.attributes(t)).stored(); err != nil {
			return nil, err
		}
	}
	return starts, nil
}

// startStored starts the stored runs of tenants, and waits for them if the caller asks for that.
func (r replication) startStored(ctx context.Context, tenants []access.TenantID) (ReplicateResult, error) {
	started, result := r.local.Now(), ReplicateResult{Tenants: len(tenants)}
	s, err := r.local.Store(ctx)
	if err != nil {
		return result, err
	}
	ids := make([]string, len(tenants))
	for i, t := range tenants {
		ids[i] = workflows.ReplicateTenantID(t)
	}
	t, found, err := r.local.drain(ctx, s, ids)
	if err != nil {
		return result, err
	}
	runs := make([]*tenantRun, len(tenants))
	for i, tenant := range tenants {
		runs[i] = &tenantRun{tenant: tenant, run: found[ids[i]]}
	}
	if err := r.local.reportDelay(ctx, t, tenants, r.events); err != nil || !r.wait {
		return result, err
	}
	r.events.start(len(runs))
	if err := await(ctx, runs, r.events.one); err != nil {
		return result, err
	}
	var end ending
	for _, run := range runs {
		end.totals.Count(run.result.Outcome, run.result.Steps, run.result.Remarks, run.result.Calls)
		end.note(run.tenant, run.result.Outcome, run.result.Steps)
		if failure := run.failure(); failure != nil {
			end.fail(run.tenant, run.result.Outcome)
			end.failures = append(end.failures, *failure)
		}
	}
	return r.report(ctx, s, end, tenants, started)
}

// sweep compares whole platforms and replicates the tenants that differ.
func (r replication) sweep(ctx context.Context, tenants []access.TenantID) (ReplicateResult, error) {
	started, result := r.local.Now(), ReplicateResult{Tenants: len(tenants)}
	s, t, err := r.local.connect(ctx)
	if err != nil {
		return result, err
	}
	sweeps := sweepsOf(tenants)
	if err := r.startSweeps(ctx, s, sweeps); err != nil {
		return result, err
	}
	if err := r.local.reportDelay(ctx, t, tenants, r.events); err != nil || !r.wait {
		return result, err
	}
	r.events.start(len(tenants))
	if err := r.awaitSweeps(ctx, s, t, sweeps); err != nil {
		return result, err
	}
	return r.report(ctx, s, endOfSweeps(sweeps), tenants, started)
}

// startSweeps stores the starts of sweeps and starts them.
func (r replication) startSweeps(ctx context.Context, s *store.Store, sweeps []*platformRun) error {
	starts, ids := make([]store.Start, len(sweeps)), make([]string, len(sweeps))
	for i, sweep := range sweeps {
		ids[i] = workflows.SweepID(sweep.platform)
		var err error
		starts[i], err = start{
			id: ids[i], workflow: workflows.SweepWorkflow, summary: "sweep " + sweep.platform, scope: sweep.platform,
			input: workflows.SweepInput{Platform: sweep.platform, Cause: r.cause}, cause: r.cause,
			attributes: engine.PlatformAttributes(sweep.platform),
			priority:   engine.Priority(engine.PriorityPeople, sweep.platform),
		}.stored()
		if err != nil {
			return err
		}
	}
	if err := s.StoreStarts(ctx, r.by, starts); err != nil {
		return err
	}
	_, runs, err := r.local.drain(ctx, s, ids)
	for i, sweep := range sweeps {
		sweep.run = runs[ids[i]]
	}
	return err
}

// report returns the result of work that ended.
func (r replication) report(
	ctx context.Context, s *store.Store, end ending, tenants []access.TenantID, started time.Time,
) (ReplicateResult, error) {
	result := ReplicateResult{Tenants: len(tenants), Failures: end.failures}
	last, err := lastStatuses(ctx, s, tenants)
	if err != nil {
		return result, err
	}
	report := last.report(end, tenants, r.local.Now().Sub(started))
	result.Report, result.Pending = &report, last.pendingTotals(tenants)
	return result, nil
}

// platformRun is the sweep of one platform and its result.
type platformRun struct {
	platform string
	tenants  []access.TenantID
	run      waiter
	totals   activities.Totals
	err      error // set when the sweep as a whole failed
}

// waiter is a run that can be waited for.
type waiter interface {
	Get(ctx context.Context, result any) error
}

// sweepsOf returns one sweep for each platform, by name.
func sweepsOf(tenants []access.TenantID) []*platformRun {
	byPlatform := map[string]*platformRun{}
	for _, t := range tenants {
		if byPlatform[t.Platform] == nil {
			byPlatform[t.Platform] = &platformRun{platform: t.Platform}
		}
		byPlatform[t.Platform].tenants = append(byPlatform[t.Platform].tenants, t)
	}
	return slices.SortedFunc(maps.Values(byPlatform), func(a, b *platformRun) int { return cmp.Compare(a.platform, b.platform) })
}

// awaitSweeps waits for all sweeps. It fails only when the waiting ends, or without the
// keys to read results: the failure of one platform hides nothing of the others.
func (r replication) awaitSweeps(ctx context.Context, s *store.Store, t Temporal, sweeps []*platformRun) error {
	counting, stop := context.WithCancel(ctx)
	var counter sync.WaitGroup
	counter.Go(func() { r.countStatuses(counting, s) })
	defer counter.Wait() // no event follows the result
	defer stop()
	var group errgroup.Group
	for _, sweep := range sweeps {
		group.Go(func() error {
			var result workflows.SweepResult
			sweep.err = sweep.run.Get(ctx, &result)
			sweep.totals = result.Totals
			if isDecodeError(sweep.err) {
				return decodeError(sweep.err)
			}
			return t.awaitBusy(ctx, sweep, result.Busy)
		})
	}
	err := group.Wait() // other failures of sweeps are in their err
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// awaitBusy waits for the tenants that other runs replicate, and counts their outcomes.
func (t Temporal) awaitBusy(ctx context.Context, sweep *platformRun, busy []access.TenantID) error {
	runs := make([]*tenantRun, len(busy))
	for i, tenant := range busy {
		runs[i] = &tenantRun{tenant: tenant, run: t.Client.GetWorkflow(ctx, workflows.ReplicateTenantID(tenant), "")}
	}
	err := await(ctx, runs, func() {})
	for _, r := range runs {
		sweep.totals.Count(r.result.Outcome, r.result.Steps, r.result.Remarks, r.result.Calls)
	}
	return err
}

// countStatuses reports the number of tenants that are done.
func (r replication) countStatuses(ctx context.Context, s *store.Store) {
	since, err := s.Now(ctx)
	for err == nil {
		if pause(ctx, time.Second) != nil {
			return
		}
		var done int
		if done, err = s.StatusesSince(ctx, since); err == nil {
			r.events.set(done)
		}
	}
}

// endOfSweeps adds up the counts of the sweeps. All tenants of a platform whose sweep
// failed have failed.
func endOfSweeps(sweeps []*platformRun) ending {
	var end ending
	for _, s := range sweeps {
		if s.err == nil {
			end.totals.Add(s.totals)
			end.platforms = append(end.platforms, PlatformTotals{Platform: s.platform, Totals: s.totals})
			continue
		}
		end.failures = append(end.failures, Failure{Platform: s.platform, Reason: reason(s.platform, s.err)})
		for _, t := range s.tenants {
			end.totals.Count(activities.Failed, 0, 0, 0)
			end.fail(t, activities.Failed)
		}
	}
	return end
}
