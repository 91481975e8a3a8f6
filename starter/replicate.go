package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/temporal"
	"golang.org/x/sync/errgroup"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/engine"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/workflows"
)

type replicateFlags struct {
	selection
	tableFlags

	wait  bool
	cause string
}

func replicateCommand(c *cli) *cobra.Command {
	flags := replicateFlags{cause: "replicate"}
	cmd := &cobra.Command{
		Use:   "replicate [TENANT ...]",
		Short: "Replicate the desired access to platforms",
		Long: `replicate gives the chosen tenants the access that the documents ask for. A tenant is
written <workspace>.<project>/<platform>. A tenant with an open run is compared once more
by that run. Whole platforms are compared in few calls, and only tenants that differ get
a run of their own.

With --wait it ends with the work and reports it: the tenants that changed, wait or
failed, and the number of unchanged ones. --show-all and tenants named as arguments list
every tenant. Equal warnings of several tenants are one line. The exit code is 0 when all
tenants are done, 1 when a tenant failed, 3 when a removal waits for an approval. Ctrl-C
leaves the work running.`,
		Example: `  rollcall replicate --all --wait
  rollcall replicate marketing.web/openstack.eu --wait -o json
  rollcall replicate --project marketing.web`,
		ValidArgsFunction: c.completeTenants,
		RunE: func(cmd *cobra.Command, args []string) error {
			flags.named = len(args) > 0
			tenants, err := c.tenants(cmd.Context(), &flags.selection, args)
			if err != nil {
				return err
			}
			if len(args) == 0 && flags.workspace == "" && flags.project == "" {
				return c.sweepPlatforms(cmd.Context(), tenants, flags)
			}
			return c.replicateTenants(cmd.Context(), tenants, flags)
		},
	}
	flags.selection.add(cmd)
	flags.tableFlags.add(cmd)
	cmd.Flags().BoolVar(&flags.wait, "wait", false, "wait for the end and report it")
	return cmd
}

// replicateTenants stores the starts of one run a tenant, starts them, and waits for them if
// the flags say so.
func (c *cli) replicateTenants(ctx context.Context, tenants []access.TenantID, flags replicateFlags) error {
	if _, err := c.engine(ctx); err != nil {
		return err // before anything is stored
	}
	starts, err := c.tenantStarts(ctx, tenants, flags.cause)
	if err != nil {
		return err
	}
	if err := c.documents.StoreStarts(ctx, actor(""), starts); err != nil {
		return err
	}
	return c.startAndWait(ctx, tenants, flags)
}

// tenantStarts returns the starts of one run a tenant, for the outbox.
func (c *cli) tenantStarts(ctx context.Context, tenants []access.TenantID, cause string) ([]store.Start, error) {
	last, err := c.lastStatuses(ctx, tenants)
	if err != nil {
		return nil, err
	}
	starts := make([]store.Start, len(tenants))
	for i, t := range tenants {
		starts[i], err = start{
			id: workflows.ReplicateTenantID(t), workflow: workflows.ReplicateTenantWorkflow,
			summary: "replicate " + t.String(), scope: t.String(),
			input:      workflows.ReplicateInput{Tenant: t, Cause: cause},
			attributes: last.attributes(t),
			priority:   temporal.Priority{PriorityKey: engine.PriorityPeople, FairnessKey: fairness(t.ProjectID())},
		}.stored(cause)
		if err != nil {
			return nil, err
		}
	}
	return starts, nil
}

// startAndWait starts the stored runs of tenants, and waits for them if the flags say so.
func (c *cli) startAndWait(ctx context.Context, tenants []access.TenantID, flags replicateFlags) error {
	began := time.Now()
	ids := make([]string, len(tenants))
	for i, t := range tenants {
		ids[i] = workflows.ReplicateTenantID(t)
	}
	found, err := c.drain(ctx, ids)
	if err != nil {
		return err
	}
	runs := make([]*tenantRun, len(tenants))
	for i, t := range tenants {
		runs[i] = &tenantRun{tenant: t, run: found[ids[i]]}
	}
	if err := c.warnWaiting(ctx, tenants); err != nil {
		return err
	}
	if !flags.wait {
		return c.started(len(runs))
	}
	bar := c.watch(len(runs), "replicating")
	err = await(ctx, runs, bar.one)
	bar.end()
	if ctx.Err() != nil {
		c.following()
	}
	if err != nil {
		return err
	}
	var end ended
	var failures []string
	for _, r := range runs {
		end.totals.Count(r.result.Outcome, r.result.Steps, r.result.Remarks, r.result.Calls)
		end.note(r.tenant, r.result.Outcome, r.result.Steps)
		if r.err != nil {
			end.fail(r.tenant, r.result.Outcome)
			failures = append(failures, fmt.Sprintf("%s: %s", r.tenant, reason(r.tenant.String(), r.err)))
		}
	}
	c.say(failures)
	return c.report(ctx, end, tenants, flags.tableFlags, time.Since(began))
}

// sweepPlatforms compares whole platforms and replicates what differs there.
func (c *cli) sweepPlatforms(ctx context.Context, tenants []access.TenantID, flags replicateFlags) error {
	began := time.Now()
	if _, err := c.engine(ctx); err != nil {
		return err
	}
	sweeps := sweepsOf(tenants)
	if err := c.startSweeps(ctx, sweeps, flags.cause); err != nil {
		return err
	}
	if err := c.warnWaiting(ctx, tenants); err != nil {
		return err
	}
	if !flags.wait {
		return c.started(len(tenants))
	}
	if err := c.awaitSweeps(ctx, sweeps, len(tenants)); err != nil {
		return err
	}
	end, failures := sweepsEnded(sweeps)
	c.say(failures)
	return c.report(ctx, end, tenants, flags.tableFlags, time.Since(began))
}

// startSweeps stores the starts of sweeps and starts them.
func (c *cli) startSweeps(ctx context.Context, sweeps []*platformRun, cause string) error {
	starts, ids := make([]store.Start, len(sweeps)), make([]string, len(sweeps))
	for i, s := range sweeps {
		ids[i] = workflows.SweepID(s.platform)
		var err error
		starts[i], err = start{
			id: ids[i], workflow: workflows.SweepWorkflow, summary: "sweep " + s.platform, scope: s.platform,
			input:      workflows.SweepInput{Platform: s.platform, Cause: cause},
			attributes: engine.PlatformAttributes(s.platform),
			priority:   temporal.Priority{PriorityKey: engine.PriorityPeople, FairnessKey: fairness(s.platform)},
		}.stored(cause)
		if err != nil {
			return err
		}
	}
	if err := c.documents.StoreStarts(ctx, actor(""), starts); err != nil {
		return err
	}
	runs, err := c.drain(ctx, ids)
	for i, s := range sweeps {
		s.run = runs[ids[i]]
	}
	return err
}

// platformRun is the sweep of one platform and what came of it.
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
	of := map[string]*platformRun{}
	for _, t := range tenants {
		if of[t.Platform] == nil {
			of[t.Platform] = &platformRun{platform: t.Platform}
		}
		of[t.Platform].tenants = append(of[t.Platform].tenants, t)
	}
	return slices.SortedFunc(maps.Values(of), func(a, b *platformRun) int { return cmp.Compare(a.platform, b.platform) })
}

// awaitSweeps waits for all sweeps. It fails only when the waiting ends, or without the
// keys to read results: the failure of one platform hides nothing of the others.
func (c *cli) awaitSweeps(ctx context.Context, sweeps []*platformRun, tenants int) error {
	bar := c.watch(tenants, "replicating")
	watching, stop := context.WithCancel(ctx)
	defer stop()
	go c.countStatuses(watching, bar)
	var group errgroup.Group
	for _, s := range sweeps {
		group.Go(func() error {
			var result workflows.SweepResult
			s.err = encrypted(s.run.Get(ctx, &result))
			s.totals = result.Totals
			if errors.Is(s.err, errNoKeyring) {
				return s.err
			}
			return c.awaitBusy(ctx, s, result.Busy)
		})
	}
	err := group.Wait() // other failures of sweeps are in their err
	bar.end()
	if ctx.Err() != nil {
		c.following()
		return ctx.Err()
	}
	return err
}

// awaitBusy waits for the tenants that runs of others have in hand, and counts how
// those end.
func (c *cli) awaitBusy(ctx context.Context, s *platformRun, busy []access.TenantID) error {
	runs := make([]*tenantRun, len(busy))
	for i, tenant := range busy {
		runs[i] = &tenantRun{tenant: tenant, run: c.temporal.GetWorkflow(ctx, workflows.ReplicateTenantID(tenant), "")}
	}
	err := await(ctx, runs, func() {})
	for _, r := range runs {
		s.totals.Count(r.result.Outcome, r.result.Steps, r.result.Remarks, r.result.Calls)
	}
	return err
}

// sweepsEnded adds up what the sweeps counted. All tenants of a platform that
// could not be swept have failed.
func sweepsEnded(sweeps []*platformRun) (end ended, failures []string) {
	for _, s := range sweeps {
		if s.err == nil {
			end.totals.Add(s.totals)
			end.platforms = append(end.platforms, platformTotals{Platform: s.platform, Totals: s.totals})
			continue
		}
		failures = append(failures, fmt.Sprintf("platform %s: %s", s.platform, reason(s.platform, s.err)))
		for _, t := range s.tenants {
			end.totals.Count(activities.Failed, 0, 0, 0)
			end.fail(t, activities.Failed)
		}
	}
	return end, failures
}

// say tells on the error stream why work failed, so that results stay results.
func (c *cli) say(failures []string) {
	for i, text := range failures {
		if i == shownAtMost {
			fmt.Fprintf(c.err, "... and %d more\n", len(failures)-i)
			return
		}
		fmt.Fprintln(c.err, visible(text))
	}
}

// countStatuses moves the bar with the number of tenants that are done.
func (c *cli) countStatuses(ctx context.Context, bar *progress) {
	since, err := c.documents.Now(ctx)
	for err == nil {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
		}
		var done int
		done, err = c.documents.StatusesSince(ctx, since)
		bar.set(done)
	}
}

// started says that the work on n tenants goes on without the command.
func (c *cli) started(n int) error {
	if c.format != formatTable {
		return c.print(startedReport{Tenants: n, Started: true}, nil)
	}
	fmt.Fprintf(c.err, "Started %s. Follow the work with:  rollcall status\n", count(n, "tenant"))
	return nil
}

// startedReport says in JSON that work goes on without the command.
type startedReport struct {
	Tenants int  `json:"tenants"`
	Started bool `json:"started"`
}

// warnWaiting says why started work waits: no worker gets it, or none serves the
// platforms of some tenants.
func (c *cli) warnWaiting(ctx context.Context, tenants []access.TenantID) error {
	if waits, err := c.warnWithoutWorker(ctx); err != nil || waits {
		return err
	}
	return c.warnUnserved(ctx, tenants)
}

// warnWithoutWorker says why no worker gets started work, and reports whether it waits
// for that.
func (c *cli) warnWithoutWorker(ctx context.Context) (waits bool, err error) {
	err = c.listening(ctx)
	if !errors.Is(err, errIdle) && !errors.Is(err, errNoWorker) {
		return false, err
	}
	hint{"The work is stored and waits: " + visible(err.Error()), c.nextCommand(err)}.write(c.err)
	return true, nil
}

// fairness cuts a key to what Temporal takes, 64 bytes.
func fairness(key string) string { return key[:min(len(key), 64)] }

// statuses are the last known statuses by tenant.
type statuses map[access.TenantID]store.Status

func (c *cli) lastStatuses(ctx context.Context, tenants []access.TenantID) (statuses, error) {
	s, err := c.database(ctx)
	if err != nil {
		return nil, err
	}
	found, err := s.Statuses(ctx, store.TenantFilter{IDs: tenants})
	if err != nil {
		return nil, err
	}
	last := make(statuses, len(found))
	for _, status := range found {
		last[status.Tenant] = status
	}
	return last, nil
}

// attributes are the search attributes a run of the tenant starts with: those
// of the run before, so that an unchanged tenant writes none.
func (s statuses) attributes(t access.TenantID) temporal.SearchAttributes {
	last, known := s[t]
	if !known {
		return engine.TenantAttributes(t, "", 0)
	}
	return engine.TenantAttributes(t, workflows.Standing(activities.Outcome(last.Outcome)), int64(len(last.Remarks)))
}
