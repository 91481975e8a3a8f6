package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

//go:embed packages.sh
var packagesScript string

// notPossible is the script's exit code where nothing can be installed.
const notPossible = 3

// errMissing reports packages that somebody else has to install.
var errMissing = errors.New("packages are missing")

// install installs what is missing of the Debian packages, where this machine
// and our rights allow it, and otherwise returns how to do it.
func install(ctx context.Context, log string, packages ...string) error {
	file, err := openLog(log)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	var complaint strings.Builder
	cmd := exec.Command("sh", append([]string{"-c", packagesScript, "packages.sh"}, packages...)...)
	cmd.Stdout, cmd.Stderr = file, &complaint
	err = runTied(ctx, cmd)
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == notPossible {
		return fmt.Errorf("%w: %s", errMissing, strings.TrimSpace(complaint.String()))
	}
	if _, errLog := file.WriteString(complaint.String()); errLog != nil {
		return errors.Join(err, errLog)
	}
	if err != nil {
		return withLog(fmt.Errorf("install %s: %w", strings.Join(packages, ", "), err), log)
	}
	return nil
}
