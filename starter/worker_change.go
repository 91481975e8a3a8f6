package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"go.temporal.io/sdk/worker"

	"github.com/rollcall-iam/rollcall/internal/engine"
)

// writeVersions lists the builds, and says what keeps runs waiting.
func writeVersions(w io.Writer, d engine.WorkerDeployment) {
	lines := make([][]string, len(d.Builds))
	for i, b := range d.Builds {
		status, seen := string(b.Status), ""
		if b.Status == engine.BuildRamping {
			status += fmt.Sprintf(" %g %%", b.RampPercent)
		}
		if !b.Seen.IsZero() {
			seen = time.Since(b.Seen).Round(time.Second).String() + " ago"
		}
		lines[i] = []string{
			b.ID, status, strconv.FormatInt(b.OpenRuns, 10), strconv.Itoa(b.Workers), seen, b.Created.Local().Format(time.DateTime),
		}
	}
	fmt.Fprintf(w, "Deployment %s\n\n", visible(d.Name))
	rows(w, []string{"BUILD", "STATUS", "OPEN RUNS", "WORKERS", "LAST SEEN", "CREATED"}, lines)
	for _, text := range waiting(d) {
		fmt.Fprintln(w, "\n"+visible(text))
	}
}

// waiting says which runs wait for workers that are not there.
func waiting(d engine.WorkerDeployment) []string {
	var texts []string
	current, found := d.Current()
	switch {
	case !found:
		texts = append(texts, "No build is current, so new runs wait: make one so with  rollcall worker current BUILD-ID")
	case current.Workers == 0:
		texts = append(texts, fmt.Sprintf("New runs wait: no worker of build %s listens. Start one of it:  rollcall-worker", current.ID))
	}
	for _, b := range d.Builds {
		if b.OpenRuns > 0 && b.Workers == 0 {
			texts = append(texts, fmt.Sprintf("%s for a worker of build %s. Move to the current build:  %s",
				wait(b.OpenRuns), b.ID, "rollcall worker move --from "+b.ID))
		}
	}
	return texts
}

// routing is what current and ramp did, as JSON.
type routing struct {
	Deployment string `json:"deployment"`
	Current    string `json:"current"`
	Previous   string `json:"previous,omitempty"`
	// Ramping is the build that a part of the new runs begin on, if there is one.
	Ramping string  `json:"ramping,omitempty"`
	Percent float32 `json:"ramp_percent,omitempty"`
	// Staying counts the runs that stay on the previous build until they end.
	Staying int64 `json:"staying"`
}

func (c *cli) makeCurrent(ctx context.Context, flags workerFlags, id string) error {
	d, b, err := c.build(ctx, flags, id)
	if err != nil {
		return err
	}
	previous, _ := d.Current()
	result := routing{Deployment: d.Name, Current: b.ID, Previous: previous.ID, Staying: previous.OpenRuns}
	if b.Status == engine.BuildCurrent {
		return c.print(routing{Deployment: d.Name, Current: b.ID}, func(w io.Writer) {
			fmt.Fprintf(w, "Build %s is current already.\n", b.ID)
		})
	}
	if err := refuseIdle(b, flags); err != nil {
		return err
	}
	what := "New runs will begin on build " + b.ID
	if previous.ID != "" {
		what += ", not on " + previous.ID
	}
	if err := c.agreed(flags, what); err != nil {
		return err
	}
	err = c.whenServed(ctx, func() error { return d.MakeCurrent(ctx, c.temporal, b.ID, flags.force) })
	if err != nil {
		return err
	}
	return c.print(result, func(w io.Writer) {
		fmt.Fprintf(w, "New runs begin on build %s.\n", b.ID)
		if previous.OpenRuns > 0 {
			fmt.Fprintf(w, "%s on build %s until the end: keep its workers until it has drained.\n",
				stay(previous.OpenRuns), previous.ID)
		}
	})
}

func wait(n int64) string {
	if n == 1 {
		return "1 open run waits"
	}
	return fmt.Sprintf("%d open runs wait", n)
}

func stay(n int64) string {
	if n == 1 {
		return "1 open run stays"
	}
	return fmt.Sprintf("%d open runs stay", n)
}

func (c *cli) ramp(ctx context.Context, flags workerFlags, id string, percent float32) error {
	d, b, err := c.build(ctx, flags, id)
	if err != nil {
		return err
	}
	if b.Status == engine.BuildCurrent {
		return invalid(fmt.Errorf("build %s is current: all new runs that no ramping build takes begin on it", b.ID))
	}
	if percent > 0 {
		err = refuseIdle(b, flags)
	}
	if err != nil {
		return err
	}
	current, _ := d.Current()
	result := routing{Deployment: d.Name, Current: current.ID}
	what := "No build will be ramping"
	if percent > 0 {
		what = fmt.Sprintf("%g %% of the new runs will begin on build %s", percent, b.ID)
		result.Ramping, result.Percent = b.ID, percent
	}
	if err := c.agreed(flags, what); err != nil {
		return err
	}
	err = c.whenServed(ctx, func() error { return d.Ramp(ctx, c.temporal, b.ID, percent, flags.force) })
	if err != nil {
		return err
	}
	return c.print(result, func(w io.Writer) {
		if percent == 0 {
			fmt.Fprintln(w, "No build is ramping.")
			return
		}
		fmt.Fprintf(w, "%g %% of the new runs begin on build %s.\n", percent, b.ID)
	})
}

// refuseIdle keeps work from a build that nobody listens for.
func refuseIdle(b engine.Build, flags workerFlags) error {
	if b.Workers > 0 || flags.force {
		return nil
	}
	return fmt.Errorf("no worker of build %s listens: start one, or add --force to have the work wait for it", b.ID)
}

// whenServed tries for as long as workers that just started may need to serve all
// platforms.
func (c *cli) whenServed(ctx context.Context, try func() error) error {
	for deadline := time.Now().Add(serving); ; {
		err := try()
		if !errors.Is(err, engine.ErrQueuesMissing) {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%w: see their logs, or add --force to have the work of the others wait", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// moved is what move did, as JSON.
type moved struct {
	Deployment string `json:"deployment"`
	From       string `json:"from"`
	To         string `json:"to"`
	Runs       int    `json:"moved"`
}

func (c *cli) move(ctx context.Context, flags workerFlags) error {
	d, from, err := c.build(ctx, flags, flags.from)
	if err != nil {
		return err
	}
	to, err := target(d, from, flags)
	if err != nil {
		return err
	}
	if from.Workers > 0 && !flags.force {
		return fmt.Errorf("%s of build %s asked for work within the last two minutes, and will go on with its runs: "+
			"add --force to take the runs from them", count(from.Workers, "worker"), from.ID)
	}
	if err := refuseIdle(to, flags); err != nil {
		return err
	}
	what := fmt.Sprintf("%s of build %s will go on with build %s", count(int(from.OpenRuns), "open run"), from.ID, to.ID)
	if err := c.agreed(flags, what); err != nil {
		return err
	}
	version := func(b engine.Build) worker.WorkerDeploymentVersion {
		return worker.WorkerDeploymentVersion{DeploymentName: d.Name, BuildID: b.ID}
	}
	n, err := engine.MoveRuns(ctx, c.temporal, version(from), version(to))
	if err != nil {
		fmt.Fprintf(c.err, "%s moved before this failed.\n", count(n, "run"))
		return err
	}
	return c.print(moved{d.Name, from.ID, to.ID, n}, func(w io.Writer) {
		fmt.Fprintf(w, "%s moved from build %s to build %s.\n", count(n, "run"), from.ID, to.ID)
	})
}

// target is the build that goes on: the one that is asked for, else the current one.
func target(d engine.WorkerDeployment, from engine.Build, flags workerFlags) (engine.Build, error) {
	to, found := d.Current()
	if flags.to != "" {
		var err error
		if to, err = d.Find(flags.to); err != nil {
			return to, err
		}
		found = true
	}
	switch {
	case !found:
		return to, invalid(errors.New("no build is current: say with --to which one goes on"))
	case to.ID == from.ID:
		return to, invalid(fmt.Errorf("its runs are on build %s already: say with --to which other one goes on", from.ID))
	default:
		return to, nil
	}
}
