package keystone

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// The programs of Debian's packages. Another Python earlier on the PATH lacks
// Keystone's modules, so that they are never looked up there.
const (
	python   = "/usr/bin/python3"
	gunicorn = "/usr/bin/gunicorn"
	manage   = "/usr/bin/keystone-manage"
)

// ErrUnavailable reports a machine on which Keystone cannot run.
var ErrUnavailable = errors.New("Keystone is not installed")

// Available reports why this machine cannot run a server, wrapping
// ErrUnavailable and naming the Debian packages to install, or nil.
func Available() error {
	_, err := version()
	return err
}

// version returns the version of the installed Keystone.
func version() (string, error) {
	for _, program := range []string{python, gunicorn, manage} {
		if _, err := exec.LookPath(program); err != nil {
			return "", unavailable(program)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	// find_spec looks and does not load, which would take seconds.
	const script = `
import importlib.util, importlib.metadata
for name in ("keystone", "gunicorn", "psycopg2"):
    if importlib.util.find_spec(name) is None:
        raise SystemExit(name)
print(importlib.metadata.version("keystone"))`
	var stderr strings.Builder
	cmd := exec.CommandContext(ctx, python, "-I", "-c", script)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", unavailable("Python module " + strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

func unavailable(missing string) error {
	return fmt.Errorf("keystone: %w (%s is missing): apt-get install keystone gunicorn python3-psycopg2", ErrUnavailable, missing)
}
