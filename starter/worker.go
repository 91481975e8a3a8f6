package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/worker"

	"github.com/rollcall-iam/rollcall/internal/engine"
)

// serving is how long workers that were just started may take to serve all
// platforms.
const serving = 20 * time.Second

// workerFlags are those of all commands about workers.
type workerFlags struct {
	deployment string
	yes, force bool
	from, to   string
}

func workerCommand(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "worker",
		Short: "Decide which version of the workers new runs begin on",
		Long: `A worker belongs to a version: a deployment (TEMPORAL_DEPLOYMENT_NAME, else
rollcall) and a build id (TEMPORAL_WORKER_BUILD_ID, else the revision it was built
from). New runs begin on the version that is current, and end on the version they
began on. So a new build is started beside the old one and made current, and the
old one is stopped when it has drained.`,
		Example: `  rollcall worker versions
  rollcall worker current 3f2a1c9b7d10`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	flags := workerFlags{deployment: engine.Deployment(c.getenvOrNone())}
	cmd.PersistentFlags().StringVar(&flags.deployment, "deployment", flags.deployment, "the workers' deployment")
	cmd.AddCommand(
		workerVersionsCommand(c, &flags), workerCurrentCommand(c, &flags),
		workerRampCommand(c, &flags), workerMoveCommand(c, &flags),
	)
	return cmd
}

// getenvOrNone is the environment, also where a test leaves it out.
func (c *cli) getenvOrNone() func(string) string {
	if c.getenv == nil {
		return func(string) string { return "" }
	}
	return c.getenv
}

// sure are the flags of commands that change something.
func (f *workerFlags) sure(cmd *cobra.Command, force string) {
	cmd.Flags().BoolVarP(&f.yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&f.force, "force", false, force)
}

func workerVersionsCommand(c *cli, flags *workerFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "versions",
		Short: "Show the workers' versions, and which runs still need them",
		Long: `versions shows each build that workers were started of: whether new runs begin on
it (current, ramping), whether its runs end (draining), or its workers are not needed
any more (drained; Temporal takes some minutes to see that), how many runs are open
on it, how many workers asked for work within the last two minutes, and when.`,
		Example: `  rollcall worker versions
  rollcall worker versions --deployment rollcall-test -o json`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := c.deployment(cmd.Context(), flags.deployment)
			if err != nil {
				return err
			}
			d.Builds = list(d.Builds)
			return c.print(d, func(w io.Writer) { writeVersions(w, d) })
		},
	}
}

func workerCurrentCommand(c *cli, flags *workerFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "current BUILD-ID",
		Short: "Have new runs begin on a build",
		Long: `current has new runs begin on a build. Runs that are open stay on the build they
began on, so keep its workers until it has drained. A build is refused that no worker
listens for, or whose workers do not serve all platforms within twenty seconds.`,
		Example: `  rollcall worker current 3f2a1c9b7d10
  rollcall worker current 3f2a1c9b7d10 --yes -o json`,
		Args:              exactly(1, "name a build, as rollcall worker versions shows them"),
		ValidArgsFunction: c.completeBuilds(flags),
		RunE:              func(cmd *cobra.Command, args []string) error { return c.makeCurrent(cmd.Context(), *flags, args[0]) },
	}
	flags.sure(cmd, "also a build that no worker listens for, or that does not serve all platforms")
	return cmd
}

func workerRampCommand(c *cli, flags *workerFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ramp BUILD-ID PERCENT",
		Short: "Have a part of the new runs begin on a build",
		Long: `ramp has a part of the new runs begin on a build, the rest on the current one.
With 0 no build is ramping any more.`,
		Example: `  rollcall worker ramp 3f2a1c9b7d10 10
  rollcall worker ramp 3f2a1c9b7d10 0 --yes`,
		Args:              exactly(2, "name a build, as rollcall worker versions shows them, and a percentage"),
		ValidArgsFunction: c.completeBuilds(flags),
		RunE: func(cmd *cobra.Command, args []string) error {
			percent, err := strconv.ParseFloat(strings.TrimSuffix(args[1], "%"), 32)
			if err != nil || !(percent >= 0 && percent <= 100) {
				return invalid(fmt.Errorf("%q is no percentage: write a number from 0 to 100", args[1]))
			}
			return c.ramp(cmd.Context(), *flags, args[0], float32(percent))
		},
	}
	flags.sure(cmd, "also a build that no worker listens for, or that does not serve all platforms")
	return cmd
}

func workerMoveCommand(c *cli, flags *workerFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "move --from BUILD-ID [--to BUILD-ID]",
		Short: "Have another build go on with runs whose workers are gone",
		Long: `move has another build, the current one unless --to names one, go on with the runs
that are open on a build without workers. They would wait for such workers for ever.
Each run repeats its history on the other build: where the two differ in what they
do next, it gets stuck there, visibly, and can be moved back.`,
		Example: `  rollcall worker move --from 9b1deb4d3b7d
  rollcall worker move --from 9b1deb4d3b7d --to 3f2a1c9b7d10 --yes`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.move(cmd.Context(), *flags) },
	}
	flags.sure(cmd, "also from a build that has workers, or to one that has none")
	cmd.Flags().StringVar(&flags.from, "from", "", "the build whose workers are gone")
	cmd.Flags().StringVar(&flags.to, "to", "", "the build that goes on; the current one, if not set")
	cobra.CheckErr(cmd.MarkFlagRequired("from"))
	return cmd
}

// deployment describes the workers' deployment.
func (c *cli) deployment(ctx context.Context, name string) (engine.WorkerDeployment, error) {
	// The build does not matter here.
	if err := engine.CheckVersion(worker.WorkerDeploymentVersion{DeploymentName: name, BuildID: "any"}); err != nil {
		return engine.WorkerDeployment{}, invalid(err)
	}
	temporalClient, err := c.engine(ctx)
	if err != nil {
		return engine.WorkerDeployment{}, err
	}
	d, err := engine.DescribeDeployment(ctx, temporalClient, name)
	if errors.Is(err, engine.ErrNoDeployment) {
		return d, fmt.Errorf("%w: no worker of it has started; --deployment names another one", err)
	}
	return d, err
}

// startup is how long Temporal may take to know the deployment of new workers.
const startup = 5 * time.Second

// build is findBuild where the build's workers may just have been started: Temporal
// knows them a moment before it knows their deployment.
func (c *cli) build(ctx context.Context, flags workerFlags, id string) (engine.WorkerDeployment, engine.Build, error) {
	for deadline := time.Now().Add(startup); ; {
		d, b, err := c.findBuild(ctx, flags, id)
		if !c.appears(ctx, err, flags.deployment, id) || time.Now().After(deadline) {
			return d, b, err
		}
		select {
		case <-ctx.Done():
			return d, b, ctx.Err()
		case <-time.After(startup / 20):
		}
	}
}

// appears reports whether what is not there yet may come: there is no deployment at
// all, or workers of the build listen.
func (c *cli) appears(ctx context.Context, err error, deployment, build string) bool {
	if errors.Is(err, engine.ErrNoDeployment) {
		return true
	}
	if !errors.Is(err, engine.ErrNoBuild) {
		return false
	}
	workers, err := engine.ListWorkers(ctx, c.temporal)
	return err == nil && workers.Of(worker.WorkerDeploymentVersion{DeploymentName: deployment, BuildID: build}).Workers > 0
}

// findBuild describes the deployment and finds a build in it. One that nobody ever
// listened for can only be forced.
func (c *cli) findBuild(ctx context.Context, flags workerFlags, id string) (engine.WorkerDeployment, engine.Build, error) {
	version := worker.WorkerDeploymentVersion{DeploymentName: flags.deployment, BuildID: id}
	if err := engine.CheckVersion(version); err != nil {
		return engine.WorkerDeployment{}, engine.Build{}, invalid(err)
	}
	d, err := c.deployment(ctx, flags.deployment)
	if errors.Is(err, engine.ErrNoDeployment) && flags.force {
		return engine.WorkerDeployment{Name: flags.deployment}, engine.Build{ID: id}, nil
	}
	if err != nil {
		return d, engine.Build{}, err
	}
	b, err := d.Find(id)
	if errors.Is(err, engine.ErrNoBuild) && flags.force {
		return d, engine.Build{ID: id}, nil
	}
	return d, b, err
}

// agreed asks before something changes. Without a terminal nobody can answer, so
// that --yes has to.
func (c *cli) agreed(flags workerFlags, what string) error {
	if flags.yes {
		return nil
	}
	if !isTerminal(c.in) || c.format != formatTable {
		return invalid(fmt.Errorf("%s: add --yes to do so", what))
	}
	fmt.Fprintf(c.err, "%s. Go on? [y/N] ", what)
	answer, err := bufio.NewReader(c.in).ReadString('\n')
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if !strings.EqualFold(strings.TrimSpace(answer), "y") {
		return errNotAgreed
	}
	return nil
}

// errNotAgreed ends a command that somebody answered no to.
var errNotAgreed = errors.New("nothing was changed")

// completeBuilds offers the builds of the deployment to the shell.
func (c *cli) completeBuilds(flags *workerFlags) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		d, err := c.deployment(cmd.Context(), flags.deployment)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		var ids []string
		for _, b := range d.Builds {
			ids = append(ids, b.ID)
		}
		return ids, cobra.ShellCompDirectiveNoFileComp
	}
}
