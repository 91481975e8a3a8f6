package demo_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/demo"
)

func lock(t *testing.T, dir string) func() {
	t.Helper()
	unlock, err := demo.Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(unlock)
	return unlock
}

func TestLock_IsForOneStack(t *testing.T) {
	dir := t.TempDir()
	unlock := lock(t, dir)
	if _, err := demo.Lock(dir); !errors.Is(err, demo.ErrRunning) || !strings.Contains(err.Error(), dir) {
		t.Errorf("a second start: got %v, want ErrRunning and the directory", err)
	}
	unlock()
	lock(t, dir)
}

func TestFind(t *testing.T) {
	want := map[string]string{"ROLLCALL_DATABASE_URL": "postgres://here", "TEMPORAL_ADDRESS": "127.0.0.1:7233"}
	publish := func(t *testing.T, dir string) {
		t.Helper()
		if err := demo.Publish(dir, want); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		reason string
		stack  func(t *testing.T, dir string)
		want   map[string]string
	}{
		"Never":    {"no stack has run here", func(*testing.T, string) {}, nil},
		"Starting": {"commands cannot use it yet", func(t *testing.T, dir string) { t.Helper(); lock(t, dir) }, nil},
		"Running":  {"a command needs no settings", func(t *testing.T, dir string) { t.Helper(); lock(t, dir); publish(t, dir) }, want},
		"Ended": {"what it published leads to nothing", func(t *testing.T, dir string) {
			t.Helper()
			unlock := lock(t, dir)
			publish(t, dir)
			unlock()
		}, nil},
		"Restarting": {"the variables are those of the stack before", func(t *testing.T, dir string) {
			t.Helper()
			unlock := lock(t, dir)
			publish(t, dir)
			unlock()
			lock(t, dir)
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c.stack(t, dir)
			got, err := demo.Find(dir)
			if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
				t.Errorf("%s: %v (-want +got):\n%s", c.reason, err, diff)
			}
		})
	}
}

// TestFind_TrustsNoOthers: what another user wrote would lead commands to their database.
func TestFind_TrustsNoOthers(t *testing.T) {
	dir := t.TempDir()
	lock(t, dir)
	if err := demo.Publish(dir, map[string]string{"ROLLCALL_DATABASE_URL": "postgres://there"}); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "environ.json"), 0o666); err != nil {
		t.Fatal(err)
	}
	if got, err := demo.Find(dir); err == nil {
		t.Errorf("Find = %v, want an error: all may write the file", got)
	}
}

// TestFind_DoesNotStopAStart: a command looks at the moment when a stack starts.
func TestFind_DoesNotStopAStart(t *testing.T) {
	dir := t.TempDir()
	unlock := lock(t, dir)
	unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 100 {
			_, _ = demo.Find(dir)
		}
	}()
	for range 20 {
		unlock, err := demo.Lock(dir)
		if err != nil {
			t.Fatal(err)
		}
		unlock()
	}
	<-done
}
