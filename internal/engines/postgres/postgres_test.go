package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-iam/rollcall/internal/engines/postgres"
)

// dir returns a directory that the server's user can reach even when the tests
// run as root: testing's own has a parent that only root may enter.
func dir(t *testing.T) string {
	t.Helper()
	parent, err := os.MkdirTemp("", "rollcall-engine-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(parent) })
	if err := os.Chmod(parent, 0o711); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(parent, "made", "by", "start")
}

func start(t *testing.T, dir string) *postgres.Server {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a real server: run without -short")
	}
	if err := postgres.Available(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	s, err := postgres.Start(t.Context(), postgres.Options{Dir: dir, Log: t.Output(), Fast: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func exec(t *testing.T, url, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func query(t *testing.T, url, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	var got string
	if err := conn.QueryRow(t.Context(), sql).Scan(&got); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return got
}

func TestDataSurvivesRestartAndStop(t *testing.T) {
	d := dir(t)
	s := start(t, d)
	for range 2 { // the second time it exists
		if err := s.CreateDatabase(t.Context(), "kept"); err != nil {
			t.Fatal(err)
		}
	}
	exec(t, s.URL("kept"), "CREATE TABLE t AS SELECT 'here'::text AS x")
	url := s.URL("kept")
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.URL("kept") != url {
		t.Errorf("URL changed with Restart: %s, was %s", s.URL("kept"), url)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if got := query(t, start(t, d).URL("kept"), "SELECT x FROM t"); got != "here" {
		t.Errorf("after a new Start: got %q, want the row from before", got)
	}
}

func TestSecondStartSaysInUse(t *testing.T) {
	d := dir(t)
	start(t, d)
	_, err := postgres.Start(t.Context(), postgres.Options{Dir: d})
	if !errors.Is(err, postgres.ErrInUse) {
		t.Errorf("Start in a directory in use: %v, want ErrInUse", err)
	}
}

func TestStalePidFileIsNoObstacle(t *testing.T) {
	d := dir(t)
	if err := start(t, d).Stop(); err != nil {
		t.Fatal(err)
	}
	// A machine that lost power leaves the file; the number then belongs to
	// anybody, here to this test.
	stale := fmt.Sprintf("%d\n%s\n0\n0\n\n127.0.0.1\n", os.Getpid(), filepath.Join(d, "data"))
	if err := os.WriteFile(filepath.Join(d, "data", "postmaster.pid"), []byte(stale), 0o644); err != nil {
		t.Fatal(err)
	}
	start(t, d)
}

func TestForTestGivesFreshDatabases(t *testing.T) {
	first, second := postgres.ForTest(t), postgres.ForTest(t)
	exec(t, first, "CREATE TABLE t ()")
	if got := query(t, second, "SELECT count(*)::text FROM pg_tables WHERE tablename = 't'"); got != "0" {
		t.Errorf("a second database shows %s tables of the first", got)
	}
}

// TestServerEndsWithItsParent kills a process of this test's own that runs a
// server. It finds the child by re-running the test binary.
func TestServerEndsWithItsParent(t *testing.T) {
	if d := os.Getenv("ROLLCALL_TEST_PARENT"); d != "" {
		s := start(t, d)
		fmt.Println("URL", s.URL("postgres"))
		time.Sleep(time.Minute)
		return
	}
	if testing.Short() {
		t.Skip("starts a real server: run without -short")
	}
	if err := postgres.Available(); err != nil {
		t.Skip(err)
	}
	d := dir(t)
	cmd := osexec.Command(os.Args[0], "-test.run=^TestServerEndsWithItsParent$", "-test.v")
	cmd.Env = append(os.Environ(), "ROLLCALL_TEST_PARENT="+d)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var seen strings.Builder
	buf := make([]byte, 4096)
	for !strings.Contains(seen.String(), "URL ") {
		n, err := out.Read(buf)
		if err != nil {
			t.Fatalf("the child ended early: %v\n%s", err, seen.String())
		}
		seen.Write(buf[:n])
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	// Start waits for the orphan to end, which it does by itself.
	start(t, d)
}
