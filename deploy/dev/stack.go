package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"

	"github.com/rollcall-iam/rollcall/deploy/dev/clouds"
	"github.com/rollcall-iam/rollcall/internal/demo"
	"github.com/rollcall-iam/rollcall/internal/engines/keystone"
	"github.com/rollcall-iam/rollcall/internal/engines/kubernetes"
	"github.com/rollcall-iam/rollcall/internal/engines/postgres"
	"github.com/rollcall-iam/rollcall/internal/engines/temporal"
)

// Exit codes of rollcall.
const (
	// tenantsFailed: some tenants failed.
	tenantsFailed = 1
	// waitsForApproval: the work is done but for changes that need an approval.
	waitsForApproval = 3
)

// stack is everything that runs.
type stack struct {
	options options
	home    home
	console console
	// environ grows as things start.
	environ environ
	// accounts are the credentials at the platforms: connections name files with them.
	accounts environ
	postgres *postgres.Server
	temporal *temporal.Server
	keystone *keystone.Server // nil without Keystone
	closers  []func() error
	// there is who and what the example has on each platform.
	there inhabitants

	kubernetes   *kubernetes.Server // nil without Kubernetes
	cluster      *cluster           // nil unless Kubernetes is built beside the first result
	openshiftURL string
	clouds       *clouds.Clouds
}

// onStop notes what to do when the stack ends: the last noted first.
func (s *stack) onStop(closer func() error) { s.closers = append(s.closers, closer) }

func (s *stack) stop() error {
	var errs []error
	for _, closer := range slices.Backward(s.closers) {
		errs = append(errs, closer())
	}
	return errors.Join(errs...)
}

// start starts everything, in the order in which one thing needs the other. Commands
// find the stack then.
func (s *stack) start(ctx context.Context) error {
	s.console.sayf("Everything is kept in %s", s.home)
	if err := s.prepare(ctx); err != nil {
		return err
	}
	for _, j := range []job{
		{what: "Temporal", do: s.startTemporal},
		{what: "Kubernetes", do: s.kubernetesOrNot},
		{what: "Simulated clouds", do: s.startClouds},
		{what: "Accounts on the platforms", do: s.seed},
		{what: "Tables", do: s.migrate},
		{what: "Server", do: s.startServer},
		{what: "Worker", do: s.launchWorker},
	} {
		if err := s.console.step(ctx, j); err != nil {
			return err
		}
	}
	return demo.Publish(string(s.home), s.environ)
}

func (s *stack) keystoneOrNot(ctx context.Context) (string, error) {
	wanted, why, err := s.keystoneWanted(ctx)
	if err != nil || !wanted {
		return why, err
	}
	return s.startKeystone(ctx)
}

func (s *stack) migrate(ctx context.Context) (string, error) {
	file := s.home.log("migrate")
	log, err := openLog(file)
	if err != nil {
		return "", err
	}
	defer func() { _ = log.Close() }()
	// The stack runs one build at a time, and takeOver moves the runs that the build
	// before left open: they cannot be completed before the migration.
	cmd, err := s.rollcall("migrate", "--force")
	if err != nil {
		return "", err
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := runTied(ctx, cmd); err != nil {
		return "", withLog(fmt.Errorf("rollcall migrate: %w", err), file)
	}
	return "", nil
}

func (s *stack) launchWorker(ctx context.Context) (string, error) {
	if err := s.environ.write(s.home.path(environFile), s.options.bin); err != nil {
		return "", err
	}
	if err := s.startWorker(); err != nil {
		return "", err
	}
	build, err := s.takeOver(ctx)
	return "build " + build + ", its log: " + s.home.log("worker"), err
}

// replicate applies the example organisation and replicates it, with what the
// commands themselves print.
func (s *stack) replicate(ctx context.Context) error {
	for _, args := range [][]string{
		{"apply", s.home.path(documentsDir)},
		{"replicate", "--all", "--wait"},
	} {
		if err := s.show(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

// show runs rollcall for the user to see.
func (s *stack) show(ctx context.Context, args ...string) error {
	cmd, err := s.rollcall(args...)
	if err != nil {
		return err
	}
	shown := "rollcall " + join(args)
	fmt.Fprintf(s.console.out, "\n$ %s\n", shown)
	cmd.Stdout, cmd.Stderr = s.console.out, s.console.out
	err = runTied(ctx, cmd)
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == waitsForApproval {
		return nil
	}
	if errors.As(err, &exit) && exit.ExitCode() == tenantsFailed && !s.options.once && args[0] == "replicate" {
		s.console.sayf("Some tenants failed, for the reasons above. The stack runs on.")
		return nil
	}
	if err != nil {
		return withLog(fmt.Errorf("%s: %w", shown, err), s.home.log("worker"))
	}
	return nil
}

// rollcall returns a command that finds the stack.
func (s *stack) rollcall(args ...string) (*exec.Cmd, error) {
	path, err := s.program("rollcall")
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(path, args...)
	cmd.Env = s.environ.list()
	return cmd, nil
}

func (s *stack) program(name string) (string, error) {
	path, err := exec.LookPath(filepath.Join(s.options.bin, name))
	if err != nil {
		return "", fmt.Errorf("%w: build it with `make build`, or say where it is with --bin", err)
	}
	return path, nil
}
