package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/engines/program"
)

// shared is the one server of a test process. It is a variable because tests of
// a package have nothing else in common, and a start costs seconds.
var shared struct {
	sync.Mutex
	server *Server
	alive  io.Closer // see sweepUp
	err    error
}

// ForTest returns a server that all tests of the process share. All of them show
// the same data, so that tests name what they make so that no other does. The
// server and its directory go when the process does. Where the servers can be
// neither found nor built the test is skipped, or fails if CI=true. It is
// skipped with -short in any case: a start takes five seconds of processor, and
// the first one on a machine builds the servers for minutes.
func ForTest(t testing.TB) *Server {
	t.Helper()
	if testing.Short() {
		t.Skip("it starts a real kube-apiserver, which -short leaves out")
	}
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil && shared.err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Minute)
		defer cancel()
		shared.server, shared.err = startShared(ctx)
	}
	if errors.Is(shared.err, ErrUnavailable) && os.Getenv("CI") != "true" {
		t.Skip(shared.err)
	}
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.server
}

func startShared(ctx context.Context) (*Server, error) {
	if err := errors.Join(Available(), Build(ctx, os.Stderr)); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "rollcall-kubernetes-")
	if err != nil {
		return nil, fmt.Errorf("kubernetes: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	log := &program.Tail{}
	server, err := Start(ctx, Options{Dir: filepath.Join(dir, "kubernetes"), Fast: true, Log: log})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w\n%s", err, log), os.RemoveAll(dir))
	}
	if shared.alive, err = sweepUp(dir, server.etcd.PID); err != nil {
		return nil, errors.Join(err, server.Stop(), os.RemoveAll(dir))
	}
	return server, nil
}

// sweepUp leaves a shell behind that waits for the end of this process, however
// it comes, then for the end of etcd, which follows it, and removes their
// directory. No hook of package testing runs after the last test without a
// TestMain in every package. Somebody must keep what it returns: the shell takes
// its closing for that end.
func sweepUp(dir string, pid int) (io.Closer, error) {
	const script = `
cat >/dev/null
n=0
while kill -0 "$2" 2>/dev/null && [ $n -lt 200 ]; do sleep 0.05; n=$((n+1)); done
rm -rf -- "$1"`
	cmd := exec.Command("sh", "-c", script, "sh", dir, strconv.Itoa(pid))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	alive, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("kubernetes: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("kubernetes: %w", err)
	}
	return alive, nil
}
