package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/demo"
)

func TestHomeIsForOne(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dev")
	_, unlock, err := openHome(dir)
	if err != nil {
		t.Fatalf("openHome: %v", err)
	}
	_, _, err = openHome(dir)
	if !errors.Is(err, demo.ErrRunning) || !strings.Contains(err.Error(), dir) {
		t.Errorf("a second start: got %v, want ErrRunning and the directory", err)
	}
	unlock()
	_, unlock, err = openHome(dir)
	if err != nil {
		t.Fatalf("a start after the end of the first: %v", err)
	}
	unlock()
}

func TestEnvironCanBeSourced(t *testing.T) {
	file := filepath.Join(t.TempDir(), "it's here.sh")
	want := `a 'b' "c" $HOME`
	if err := (environ{"ROLLCALL_TEST": want}).write(file, "/bin/dir"); err != nil {
		t.Fatalf("write: %v", err)
	}
	out, err := exec.CommandContext(t.Context(), "sh", "-c", `. "$1"; printf '%s|%s' "$ROLLCALL_TEST" "${PATH%%:*}"`, "sh", file).Output()
	if err != nil {
		t.Fatalf("source it: %v", err)
	}
	if got := string(out); got != want+"|/bin/dir" {
		t.Errorf("after sourcing: got %q, want %q", got, want+"|/bin/dir")
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o600 {
		t.Errorf("others may read it: mode %o", mode)
	}
}

func TestEnvironLeadsToNoOtherTemporal(t *testing.T) {
	t.Setenv("TEMPORAL_PROFILE", "production")
	for _, entry := range (environ{"TEMPORAL_ADDRESS": "here"}).list() {
		if strings.HasPrefix(entry, "TEMPORAL_PROFILE=") {
			t.Error("children inherit TEMPORAL_PROFILE and would leave the stack")
		}
	}
}

func TestFailureShowsTheEndOfTheLog(t *testing.T) {
	file := filepath.Join(t.TempDir(), "some.log")
	if err := os.WriteFile(file, []byte(strings.Repeat("early\n", 100)+"the cause\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	printLog(&out, withLog(errors.New("broken"), file))
	if !strings.HasSuffix(out.String(), "  the cause\n") || strings.Count(out.String(), "early") != tailLines-1 {
		t.Errorf("got:\n%s", out.String())
	}
	if withLog(nil, file) != nil {
		t.Error("no error became one")
	}
}

func TestRunTied(t *testing.T) {
	cases := map[string]struct {
		reason string
		cmd    *exec.Cmd
		want   int
	}{
		"Success":  {reason: "a child that succeeds is no error", cmd: exec.Command("true"), want: 0},
		"ExitCode": {reason: "the caller sees the exit code", cmd: exec.Command("sh", "-c", "exit 3"), want: 3},
		"Missing":  {reason: "a program that is not there is an error", cmd: exec.Command("/does/not/exist"), want: -1},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := exitCode(runTied(t.Context(), tc.cmd)); got != tc.want {
				t.Errorf("exit code %d, want %d: %s", got, tc.want, tc.reason)
			}
		})
	}
}

func exitCode(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	default:
		return -1
	}
}

func TestRunTiedEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd := exec.Command("sh", "-c", "echo started; exec sleep 3600")
	started := &signalWriter{first: cancel}
	cmd.Stdout = started
	if err := runTied(ctx, cmd); err != nil {
		t.Errorf("runTied: %v", err)
	}
	if err := syscall.Kill(cmd.Process.Pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the child is still there: %v", err)
	}
}

func TestUnknownArguments(t *testing.T) {
	for _, args := range [][]string{{"--no-such-flag"}, {"extra"}} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), args, &out, &errs); code != 2 || errs.Len() == 0 {
			t.Errorf("run(%q) = %d with message %q, want 2 and a message", args, code, errs.String())
		}
	}
}

// signalWriter calls a function at the first write.
type signalWriter struct {
	once  sync.Once
	first func()
}

func (w *signalWriter) Write(p []byte) (int, error) {
	w.once.Do(w.first)
	return len(p), nil
}
