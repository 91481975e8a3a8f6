package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/engines/postgres"
	"github.com/rollcall-iam/rollcall/internal/engines/temporal"
)

// small is a file system of its own, in memory, that can be full without harm to
// anybody else.
func small(t *testing.T, megabytes int) string {
	t.Helper()
	dir := reachable(t)
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm,mode=0711", megabytes))
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
		t.Skip("a file system of its own is needed, and only root may mount one: run as root")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill writes a file until the file system takes no more.
func fill(t *testing.T, name string) {
	t.Helper()
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	for size := 1 << 20; size > 0; {
		if _, err = file.Write(make([]byte, size)); err != nil {
			size /= 4 // what is left is less
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("filling the disk ended with %v, want that it is full", err)
	}
}

// TestDiskUnderTheDatabaseIsFull fills it in the middle of an apply, until the
// database refuses to write, and makes room again.
func TestDiskUnderTheDatabaseIsFull(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts a real server: run without -short")
	}
	disk := small(t, 192)
	server, err := postgres.Start(t.Context(), postgres.Options{Dir: filepath.Join(disk, "server"), Fast: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop() })
	if err := server.CreateDatabase(t.Context(), "rollcall"); err != nil {
		t.Fatal(err)
	}
	s := stackOn(t, server.URL("rollcall"), temporal.Options{})
	file, org := memoryWorld(s, 1, 4)
	s.worker()
	s.apply(org.documents())
	slowly(t, file)
	s.must(done, "replicate", "--all")
	s.eventually("a group on the platform", func() bool { return len(world(t, file).Groups) > 0 })

	filler := filepath.Join(disk, "filler")
	fill(t, filler)
	round := 0
	s.eventually("a refusal of the database", func() bool {
		round++
		return s.refuses(round)
	})
	before := world(t, file)
	time.Sleep(5 * time.Second) // long enough for several tries to fail
	for _, g := range before.Groups {
		for _, h := range world(t, file).Groups {
			if g.Name == h.Name && len(h.Members) < len(g.Members) {
				t.Errorf("while the disk was full, group %s went from %d members to %d", g.Name, len(g.Members), len(h.Members))
			}
		}
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if err := server.Restart(t.Context()); err != nil { // it ends itself where its log has no room
		t.Fatal(err)
	}
	s.endsWell(t, file)
}

// refuses tries to store people until the database takes no more.
func (s *stack) refuses(round int) bool {
	s.t.Helper()
	var people strings.Builder
	for n := range 500 {
		p := fmt.Sprintf("late-%d-%d", round, n)
		fmt.Fprintf(&people, "---\n{apiVersion: v2, kind: meshUser, metadata: {name: %s}, spec: {email: %s@example.com, firstName: A, lastName: B, euid: %s@example.com}}\n", p, p, p)
	}
	code, _, _ := s.rollcall(people.String(), "apply", "-")
	return code != done
}
