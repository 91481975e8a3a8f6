package main

import (
	"context"
	"fmt"
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
	wait  bool
	cause string
}

func replicateCommand(c *cli) *cobra.Command {
	flags := replicateFlags{cause: "replicate"}
	cmd := &cobra.Command{
		Use:   "replicate [TENANT ...]",
		Short: "Make platforms as the documents want them",
		Long: `replicate makes the chosen tenants as the documents want them. A tenant is written
<workspace>.<project>/<platform>. One that is replicated right now is looked at
once more. Whole platforms are compared in few calls, and only tenants that
differ get a run of their own.

With --wait it ends when the work does: with 0 when everything is done, 1 when a
tenant failed, 3 when a removal waits for an approval. Ctrl-C leaves the work
running.`,
		Example: `  rollcall replicate --all --wait
  rollcall replicate marketing.web/openstack.eu --wait -o json
  rollcall replicate --project marketing.web`,
		ValidArgsFunction: c.completeTenants,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := c.database(cmd.Context())
			if err != nil {
				return err
			}
			tenants, err := flags.tenants(cmd.Context(), s, args)
			if err != nil {
				return err
			}
			if flags.whole(args) {
				return c.sweepPlatforms(cmd.Context(), tenants, flags)
			}
			return c.replicateTenants(cmd.Context(), tenants, flags)
		},
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&flags.wait, "wait", false, "wait for the end and report it")
	return cmd
}

// replicateTenants starts one run a tenant, and waits for them if asked to.
func (c *cli) replicateTenants(ctx context.Context, tenants []access.TenantID, flags replicateFlags) error {
	began := time.Now()
	starts := make([]start, len(tenants))
	last, err := c.lastStatuses(ctx, tenants)
	if err != nil {
		return err
	}
	for i, t := range tenants {
		starts[i] = start{
			id: workflows.ReplicateTenantID(t), workflow: workflows.ReplicateTenantWorkflow,
			summary:    "replicate " + t.String(),
			input:      workflows.ReplicateInput{Tenant: t, Cause: flags.cause},
			attributes: last.attributes(t),
			priority:   temporal.Priority{PriorityKey: engine.PriorityPeople, FairnessKey: fairness(t.ProjectID())},
		}
	}
	runs, err := c.startTenants(ctx, starts, tenants, flags.cause)
	if err != nil {
		return err
	}
	if !flags.wait {
		return c.started(ctx, len(runs), "tenants")
	}
	if err := c.warnWithoutWorker(ctx); err != nil {
		return err
	}
	bar := c.watch(len(runs), "replicating")
	err = await(ctx, runs, bar.one)
	bar.end()
	if err != nil {
		c.following()
		return err
	}
	var totals activities.Totals
	for _, r := range runs {
		totals.Count(r.result.Outcome, r.result.Steps, r.result.Remarks, r.result.Calls)
	}
	return c.report(ctx, totals, tenants, time.Since(began))
}

// sweepPlatforms compares whole platforms and replicates what differs there.
func (c *cli) sweepPlatforms(ctx context.Context, tenants []access.TenantID, flags replicateFlags) error {
	began := time.Now()
	var platforms []string
	for _, t := range tenants {
		platforms = append(platforms, t.Platform)
	}
	slices.Sort(platforms)
	platforms = slices.Compact(platforms)
	temporalClient, err := c.engine(ctx)
	if err != nil {
		return err
	}
	runs := make([]waiter, len(platforms))
	for i, platform := range platforms {
		runs[i], err = startOrSignal(ctx, temporalClient, start{
			id: workflows.SweepID(platform), workflow: workflows.SweepWorkflow, summary: "sweep " + platform,
			input:      workflows.SweepInput{Platform: platform, Cause: flags.cause},
			attributes: engine.PlatformAttributes(platform),
			priority:   temporal.Priority{PriorityKey: engine.PriorityPeople, FairnessKey: fairness(platform)},
		}, flags.cause)
		if err != nil {
			return err
		}
	}
	if !flags.wait {
		return c.started(ctx, len(tenants), "tenants")
	}
	if err := c.warnWithoutWorker(ctx); err != nil {
		return err
	}
	totals, err := c.awaitSweeps(ctx, runs, tenants)
	if err != nil {
		return err
	}
	return c.report(ctx, totals, tenants, time.Since(began))
}

// waiter is a run that can be waited for.
type waiter interface {
	Get(ctx context.Context, result any) error
}

// awaitSweeps waits for all sweeps and adds up what they counted.
func (c *cli) awaitSweeps(ctx context.Context, runs []waiter, tenants []access.TenantID) (activities.Totals, error) {
	bar := c.watch(len(tenants), "replicating")
	defer bar.end()
	watching, stop := context.WithCancel(ctx)
	defer stop()
	go c.countStatuses(watching, bar)
	results := make([]activities.Totals, len(runs))
	var group errgroup.Group
	for i, run := range runs {
		group.Go(func() error { return run.Get(ctx, &results[i]) })
	}
	err := group.Wait()
	if ctx.Err() != nil {
		c.following()
		return activities.Totals{}, ctx.Err()
	}
	var totals activities.Totals
	for _, r := range results {
		totals.Add(r)
	}
	return totals, err
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

// started says that work was started which nobody waits for.
func (c *cli) started(ctx context.Context, n int, what string) error {
	if err := c.warnWithoutWorker(ctx); err != nil {
		return err
	}
	fmt.Fprintf(c.err, "Started %d %s. Follow them with:  rollcall status\n", n, what)
	return nil
}

// warnWithoutWorker says when nobody is there to do the work: it is kept until
// somebody is.
func (c *cli) warnWithoutWorker(ctx context.Context) error {
	temporalClient, err := c.engine(ctx)
	if err != nil {
		return err
	}
	found, err := listening(ctx, temporalClient)
	if err == nil && !found {
		fmt.Fprintln(c.err, "The work is stored and waits:", errNoWorker)
	}
	return err
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
