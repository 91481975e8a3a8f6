package keystone

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/engines/postgres"
)

// shared are the servers of a test process, by their list limit: one, but for
// tests of truncated lists. It is a variable because tests of a package have
// nothing else in common, and a start costs seconds.
var shared struct {
	sync.Mutex
	dir      string
	database *postgres.Server
	alive    io.Closer // see sweepUp
	servers  map[int]*Server
	err      error
}

// ForTest returns a server that all tests of the process with the same
// options.ListLimit share; the other options are ignored. All of them show the
// same data, so that tests name what they make so that no other does. The
// servers and their directory go when the process does. Where Keystone or
// PostgreSQL is not installed the test is skipped, or fails if CI=true. With -short it
// is always skipped: a start takes ten seconds of processor.
func ForTest(t testing.TB, options Options) *Server {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a real server: run without -short")
	}
	if err := errors.Join(Available(), postgres.Available()); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	shared.Lock()
	defer shared.Unlock()
	if shared.err == nil && shared.database == nil {
		shared.err = startDatabase(ctx)
	}
	if shared.err == nil && shared.servers[options.ListLimit] == nil {
		shared.servers[options.ListLimit], shared.err = startShared(ctx, options.ListLimit)
	}
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.servers[options.ListLimit]
}

// startDatabase starts the shared servers' database, in the directory they
// have in common.
func startDatabase(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "rollcall-keystone-")
	if err != nil {
		return fmt.Errorf("keystone: %w", err)
	}
	if err := os.Chmod(dir, 0o711); err != nil { // others run the servers
		return fmt.Errorf("keystone: %w", err)
	}
	database, err := postgres.Start(ctx, postgres.Options{Dir: filepath.Join(dir, "postgres"), Fast: true})
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	if err := database.CreateDatabase(ctx, "keystone"); err != nil {
		return errors.Join(err, database.Stop(), os.RemoveAll(dir))
	}
	if shared.alive, err = sweepUp(dir); err != nil {
		return errors.Join(err, database.Stop(), os.RemoveAll(dir))
	}
	shared.dir, shared.database, shared.servers = dir, database, map[int]*Server{}
	return nil
}

func startShared(ctx context.Context, limit int) (*Server, error) {
	log := &tail{}
	server, err := Start(ctx, Options{
		Dir: filepath.Join(shared.dir, "keystone"), DatabaseURL: shared.database.URL("keystone"),
		ListLimit: limit, Log: log,
	})
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, log)
	}
	return server, nil
}

// sweepUp leaves a shell behind that waits for the end of this process, however
// it comes, then for the end of the servers, which follow it, and removes their
// directory. No hook of package testing runs after the last test without a
// TestMain in every package. Somebody must keep what it returns: the shell takes
// its closing for that end.
func sweepUp(dir string) (io.Closer, error) {
	const script = `
cat >/dev/null
n=0
while [ -e "$1/postgres/data/postmaster.pid" ] && [ $n -lt 200 ]; do sleep 0.05; n=$((n+1)); done
rm -rf -- "$1"`
	cmd := exec.Command("sh", "-c", script, "sh", dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	alive, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("keystone: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("keystone: %w", err)
	}
	return alive, nil
}
