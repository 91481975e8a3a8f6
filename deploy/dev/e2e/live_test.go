package e2e

import (
	"bufio"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/driver/memory"
)

// twoPlatforms is a world with a tenant on a platform that works and one on a
// platform that is down.
func twoPlatforms(t *testing.T, s *stack) (down string) {
	t.Helper()
	_, up := memoryWorld(s, 1, 1)
	s.apply(up.documents())
	file, other := memoryOrganisation(t, "broken.local", 1, 1)
	s.connect(other.connection)
	documents := strings.ReplaceAll(other.documents(), "name: zone}", "name: other-zone}")
	s.apply(strings.ReplaceAll(documents, "landingZoneIdentifier: zone", "landingZoneIdentifier: other-zone"))
	breakPlatform(t, file, memory.Fault{Op: "*", Class: "unavailable"})
	return file
}

// TestStatusShowsWhatWaits for a platform that is down, with the attempt, the
// class of the error and when it is tried again; and no more once it is up.
func TestStatusShowsWhatWaits(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	file := twoPlatforms(t, s)
	s.worker()
	s.must(done, "replicate", "--all")
	s.eventually("a status that says what is waited for", func() bool {
		out := s.must(done, "status")
		return strings.Contains(out, "waiting for the platform, attempt") && strings.Contains(out, "Unavailable, next try in") &&
			strings.Contains(out, "(all)   broken.local") && strings.Contains(out, "1 changed")
	})
	var got struct {
		Live []struct {
			Workflow, Platform, State, Error string
			Attempt                          int
		}
	}
	if err := json.Unmarshal([]byte(s.must(done, "status", "-o", "json")), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Live) != 1 || got.Live[0].Platform != "broken.local" || got.Live[0].Error != "Unavailable" || got.Live[0].Attempt < 2 {
		t.Errorf("what is not done: %+v, want the sweep of the broken platform", got.Live)
	}
	watched(t, s)
	breakPlatform(t, file)
	s.eventually("the end of the work", func() bool {
		out := s.must(done, "status")
		return strings.Contains(out, "Nothing runs or waits now.") && strings.Contains(out, "2 changed")
	})
}

// watched looks at a status that is shown anew, and ends it with Ctrl-C.
func watched(t *testing.T, s *stack) {
	t.Helper()
	cmd := exec.Command(filepath.Join(s.bin, "rollcall"), "status", "--watch")
	cmd.Env = s.environ
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kill(cmd) })
	shown := 0
	for lines := bufio.NewScanner(out); shown < 2 && lines.Scan(); {
		if strings.Contains(lines.Text(), "waiting for the platform") || strings.Contains(lines.Text(), "comparing all tenants") {
			shown++
		}
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // its exit code says how it ended
	if code := cmd.ProcessState.ExitCode(); code != done || shown < 2 {
		t.Errorf("a watched status was shown %d times and ended with %d, want twice and %d", shown, code, done)
	}
}

// TestPlansAreShownAsTheyCome: a tenant whose platform is down keeps nobody from
// seeing the others' plans, and Ctrl-C says what was seen.
func TestPlansAreShownAsTheyCome(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	twoPlatforms(t, s)
	s.worker()
	cmd := exec.Command(filepath.Join(s.bin, "rollcall"), "plan", "--all")
	cmd.Env = s.environ
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	errs := &tail{t: t}
	cmd.Stderr = errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kill(cmd) })
	lines := bufio.NewScanner(out)
	for lines.Scan() && !strings.Contains(lines.Text(), "acme.project-00/sandbox.local") {
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() { // to the end
	}
	_ = cmd.Wait() // its exit code says how it ended
	if code := cmd.ProcessState.ExitCode(); code != failed {
		t.Errorf("an interrupted plan ends with %d, want %d", code, failed)
	}
	if text := errs.text(); !strings.Contains(text, "1 of 2 tenants were planned. No platform was changed.") {
		t.Errorf("Ctrl-C says %q", text)
	}
}
