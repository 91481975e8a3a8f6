package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// shared is the one server of a test process. It is a variable because tests
// of a package have nothing else in common, and starting one server each would
// cost a second each.
var shared struct {
	sync.Mutex
	server    *Server
	err       error
	alive     io.Closer // see sweepUp
	databases int
	// template is the database that CopyForTest copies, once it is prepared.
	template string
}

// ForTest returns the URL of a new, empty database. It is on a server that all
// tests of the process share, and is dropped when the test ends; the server and
// its directory go when the process does. Where PostgreSQL is not installed the
// test is skipped, or fails if CI=true; with -short it is always skipped.
func ForTest(t testing.TB) string { return forTest(t, nil) }

// CopyForTest is ForTest with a database as prepare leaves it. It calls prepare once in a process,
// and copies that database: all callers have to prepare it alike. Prepare must close its
// connections.
func CopyForTest(t testing.TB, prepare func(ctx context.Context, url string) error) string {
	return forTest(t, prepare)
}

func forTest(t testing.TB, prepare func(ctx context.Context, url string) error) string {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a real server: run without -short")
	}
	if err := Available(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	server, name, err := sharedDatabase(ctx, prepare)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := server.dropDatabase(ctx, name); err != nil {
			t.Error(err)
		}
	})
	return server.URL(name)
}

// sharedDatabase makes a database on the shared server, which it starts first: an empty one,
// or a copy of the one that prepare is for.
func sharedDatabase(ctx context.Context, prepare func(ctx context.Context, url string) error) (*Server, string, error) {
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil && shared.err == nil {
		shared.server, shared.err = startShared(ctx)
	}
	if shared.err != nil {
		return nil, "", shared.err
	}
	shared.databases++
	name := "test_" + strconv.Itoa(shared.databases)
	if prepare == nil {
		return shared.server, name, shared.server.CreateDatabase(ctx, name)
	}
	if err := prepareTemplate(ctx, prepare); err != nil {
		return nil, "", err
	}
	return shared.server, name, shared.server.copyDatabase(ctx, shared.template, name)
}

// prepareTemplate makes the template, once.
func prepareTemplate(ctx context.Context, prepare func(ctx context.Context, url string) error) error {
	const name = "test_template"
	if shared.template == name {
		return nil
	}
	if err := shared.server.CreateDatabase(ctx, name); err != nil {
		return err
	}
	if err := prepare(ctx, shared.server.URL(name)); err != nil {
		return errors.Join(err, shared.server.dropDatabase(ctx, name))
	}
	shared.template = name
	return nil
}

func startShared(ctx context.Context) (*Server, error) {
	dir, err := os.MkdirTemp("", "rollcall-postgres-")
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	log := &tail{}
	server, err := Start(ctx, Options{Dir: dir, Log: log, Fast: true})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w\n%s", err, log), os.RemoveAll(dir))
	}
	if shared.alive, err = sweepUp(server.process.PID, dir); err != nil {
		return nil, errors.Join(err, server.Stop(), os.RemoveAll(dir))
	}
	return server, nil
}

// sweepUp leaves a shell behind that waits for the end of this process, however
// it comes, then ends the server and removes its directory. No hook of package
// testing runs after the last test without a TestMain in every package. Somebody
// must keep what it returns: the shell takes its closing for that end.
func sweepUp(pid int, dir string) (io.Closer, error) {
	const script = `
cat >/dev/null
kill -QUIT "$1" 2>/dev/null
n=0
while [ -e "$2/data/postmaster.pid" ] && [ $n -lt 200 ]; do sleep 0.05; n=$((n+1)); done
rm -rf -- "$2"`
	cmd := exec.Command("sh", "-c", script, "sh", strconv.Itoa(pid), dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	alive, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	return alive, nil
}

// tail keeps the end of what is written to it.
type tail struct {
	sync.Mutex
	text []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.Lock()
	defer t.Unlock()
	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-4096):]
	return len(p), nil
}

func (t *tail) String() string {
	t.Lock()
	defer t.Unlock()
	return string(t.text)
}
