package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os/exec"
	"strings"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"

	"github.com/rollcall-iam/rollcall/internal/engine"
)

// takeOver has new runs begin on the worker that was just started, and returns its
// build id. Runs that a worker of another build left open go on with this one: there
// is only one worker here, and that of the other build does not come back.
func (s *stack) takeOver(ctx context.Context) (string, error) {
	version, err := s.workerVersion(ctx)
	if err != nil {
		return "", err
	}
	if err := s.awaitWorker(ctx, version); err != nil {
		return "", err
	}
	if _, err := s.ask(ctx, "worker", "current", version.BuildID, "--yes"); err != nil {
		return "", err
	}
	return version.BuildID, s.bringHome(ctx, version.BuildID)
}

// bringHome has a build go on with the runs that another left open.
func (s *stack) bringHome(ctx context.Context, build string) error {
	body, err := s.ask(ctx, "worker", "versions", "-o", "json")
	if err != nil {
		return err
	}
	var deployment engine.WorkerDeployment
	if err := json.Unmarshal(body, &deployment); err != nil {
		return fmt.Errorf("rollcall worker versions: %w", err)
	}
	for _, b := range orphaned(deployment, build) {
		if _, err := s.ask(ctx, "worker", "move", "--from", b.ID, "--to", build, "--yes"); err != nil {
			return err
		}
	}
	return nil
}

// orphaned are the builds other than current that have open runs, and no worker.
func orphaned(d engine.WorkerDeployment, current string) []engine.Build {
	var found []engine.Build
	for _, b := range d.Builds {
		if b.ID != current && b.OpenRuns > 0 && b.Workers == 0 {
			found = append(found, b)
		}
	}
	return found
}

// workerVersion asks the worker's program for its version.
func (s *stack) workerVersion(ctx context.Context) (worker.WorkerDeploymentVersion, error) {
	path, err := s.program("rollcall-worker")
	if err != nil {
		return worker.WorkerDeploymentVersion{}, err
	}
	cmd := exec.Command(path, "--version")
	cmd.Env = s.environ.list()
	body, err := output(ctx, cmd)
	deployment, build, found := strings.Cut(strings.TrimSpace(string(body)), ":")
	if err == nil && !found {
		err = fmt.Errorf("it printed %q", body)
	}
	if err != nil {
		return worker.WorkerDeploymentVersion{}, fmt.Errorf("rollcall-worker --version: %w", err)
	}
	return worker.WorkerDeploymentVersion{DeploymentName: deployment, BuildID: build}, nil
}

// ask runs rollcall and returns what it writes.
func (s *stack) ask(ctx context.Context, args ...string) ([]byte, error) {
	cmd, err := s.rollcall(args...)
	if err != nil {
		return nil, err
	}
	body, err := output(ctx, cmd)
	if err != nil {
		return body, withLog(fmt.Errorf("rollcall %s: %w", join(args), err), s.home.log("worker"))
	}
	return body, nil
}

// output runs a command and returns its output. An error says what it complained of.
func output(ctx context.Context, cmd *exec.Cmd) ([]byte, error) {
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := runTied(ctx, cmd); err != nil {
		return out.Bytes(), fmt.Errorf("%w: %s", err, strings.TrimSpace(errs.String()))
	}
	return out.Bytes(), nil
}

// awaitWorker returns when a worker of that version asks for work.
func (s *stack) awaitWorker(ctx context.Context, version worker.WorkerDeploymentVersion) error {
	ctx, cancel := context.WithTimeout(ctx, workerPatience)
	defer cancel()
	c, err := client.DialContext(ctx, client.Options{
		HostPort: s.temporal.Address(), Namespace: s.temporal.Namespace(),
		Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	if err != nil {
		return fmt.Errorf("worker: ask temporal for it: %w", err)
	}
	defer c.Close()
	for {
		workers, err := engine.ListWorkers(ctx, c)
		if err == nil && workers.Of(version).Workers > 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return withLog(fmt.Errorf("worker: it does not ask for work: %w", ctx.Err()), s.home.log("worker"))
		case <-time.After(pollEvery):
		}
	}
}
