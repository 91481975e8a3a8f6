package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/engines/keystone"
	"github.com/rollcall-iam/rollcall/internal/engines/postgres"
	"github.com/rollcall-iam/rollcall/internal/engines/temporal"
)

// moreMemory lets the compiler use more memory: a fifth less processor time.
const moreMemory = "GOGC=400"

// prepare builds, installs and starts what the first result needs, side by side.
func (s *stack) prepare(ctx context.Context) error {
	return s.console.sideBySide(ctx, []job{
		{what: "PostgreSQL and Keystone", do: s.startServers},
		{what: "rollcall and rollcall-worker", do: s.buildPrograms},
		{what: "Temporal's server", do: s.buildTemporal},
	})
}

// startServers installs the servers that Debian has, and starts them.
func (s *stack) startServers(ctx context.Context) (string, error) {
	if err := s.installAll(ctx); err != nil {
		return "", err
	}
	database, err := s.startPostgres(ctx)
	if err != nil {
		return "", err
	}
	cloud, err := s.keystoneOrNot(ctx)
	return database + ", " + cloud, err
}

// installAll installs all packages in one go. Without Keystone there is still a result.
func (s *stack) installAll(ctx context.Context) error {
	var wanted []string
	if postgres.Available() != nil {
		wanted = append(wanted, "postgresql")
	}
	if !s.options.noKeystone && keystone.Available() != nil {
		wanted = append(wanted, keystonePackages()...)
	}
	if len(wanted) == 0 {
		return nil
	}
	err := install(ctx, s.home.log("packages"), wanted...)
	if err != nil && len(wanted) > 1 && postgres.Available() != nil {
		err = install(ctx, s.home.log("packages"), "postgresql")
	}
	if postgres.Available() == nil {
		return nil
	}
	return err
}

// keystonePackages are the Debian packages that Keystone needs.
func keystonePackages() []string { return []string{"keystone", "gunicorn", "python3-psycopg2"} }

// buildPrograms builds the two programs, which share most of what they import.
func (s *stack) buildPrograms(ctx context.Context) (string, error) {
	if s.options.checkout == "" {
		return "are in " + s.options.bin, nil
	}
	file := s.home.log("build")
	log, err := openLog(file)
	if err != nil {
		return "", err
	}
	defer func() { _ = log.Close() }()
	for _, program := range [][2]string{{"rollcall-worker", "./worker"}, {"rollcall", "./starter"}} {
		args := append([]string{"build", "-o", filepath.Join(s.options.bin, program[0])}, s.options.flags.Args()...)
		cmd := exec.Command("go", append(args, program[1])...)
		cmd.Dir, cmd.Stdout, cmd.Stderr = s.options.checkout, log, log
		cmd.Env = slices.Concat(os.Environ(), []string{moreMemory}, s.options.flags.Environ())
		if err := runTied(ctx, cmd); err != nil {
			return "", withLog(fmt.Errorf("go build %s: %w", program[1], err), file)
		}
	}
	return "in " + s.options.bin, nil
}

func (s *stack) buildTemporal(ctx context.Context) (string, error) {
	return "is built", s.logged("temporal-build", func(log io.Writer) error { return temporal.Build(ctx, log, s.options.flags) })
}

// logged does something that writes to a log.
func (s *stack) logged(name string, do func(io.Writer) error) error {
	file := s.home.log(name)
	log, err := openLog(file)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	return withLog(do(log), file)
}
