package credential_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/credential"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

const maxSize = 1 << 20

// withTimeout fails the test unless read returns soon. A read that waits for a pipe's
// writer, or for the end of a device, never returns.
func withTimeout(t *testing.T, read func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- read() }()
	select {
	case err := <-done:
		return err
	case <-time.After(20 * time.Second):
		t.Fatal("the read does not return")
		return nil
	}
}

// refused are paths that are not credential files, by reason.
func refused(t *testing.T) map[string]string {
	t.Helper()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	write(t, in("large"), strings.Repeat("x", maxSize+1))
	write(t, in("huge"), "")
	socket, err := net.Listen("unix", in("socket"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	err = errors.Join(
		syscall.Mkfifo(in("pipe"), 0o600), os.Symlink(in("pipe"), in("link")), os.Symlink(in("loop"), in("loop")),
		os.Truncate(in("huge"), 1<<40),
	)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"a pipe that nobody writes to": in("pipe"),
		"a link to the pipe":           in("link"),
		"a link to itself":             in("loop"),
		"a socket":                     in("socket"),
		"an endless device":            "/dev/zero",
		"an empty device":              "/dev/null",
		"a directory":                  dir,
		"a byte too many":              in("large"),
		"a terabyte":                   in("huge"),
		"a missing file":               in("missing"),
		"a file as a directory":        in("large") + "/x",
	}
}

func TestReadFile_RefusesAtOnce(t *testing.T) {
	for reason, path := range refused(t) {
		t.Run(reason, func(t *testing.T) {
			var text []byte
			err := withTimeout(t, func() (err error) { text, err = credential.ReadFile(path); return err })
			if !errors.Is(err, fault.ErrDenied) || len(text) > 0 {
				t.Fatalf("ReadFile = %d bytes, %v, want none and ErrDenied", len(text), err)
			}
			if !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "xxx") {
				t.Errorf("the error is %.200q, want the path %s and no content", err, path)
			}
		})
	}
}

// TestReadFile_RefusesPipesWithWriters: what is written into a pipe stays there.
func TestReadFile_RefusesPipesWithWriters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	pipe, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = pipe.Close() }()
	if _, err := pipe.WriteString("hush"); err != nil {
		t.Fatal(err)
	}
	err = withTimeout(t, func() error { _, err := credential.ReadFile(path); return err })
	if !errors.Is(err, fault.ErrDenied) || strings.Contains(err.Error(), "hush") {
		t.Errorf("ReadFile of a pipe = %v, want ErrDenied without the content", err)
	}
	rest := make([]byte, 4)
	if n, err := pipe.Read(rest); string(rest[:n]) != "hush" {
		t.Errorf("the pipe holds %q, %v, want what was written", rest[:n], err)
	}
}

func TestReadFile_ReturnsContent(t *testing.T) {
	dir := t.TempDir()
	for reason, text := range map[string]string{
		"an empty file":      "",
		"a short file":       "token\n",
		"the most there may": strings.Repeat("x", maxSize),
	} {
		path := filepath.Join(dir, "file")
		write(t, path, text)
		if got, err := credential.ReadFile(path); string(got) != text || err != nil {
			t.Errorf("%s: ReadFile = %d bytes, %v, want %d", reason, len(got), err, len(text))
		}
	}
}

// TestReadFile_FollowsLinks: a cluster mounts secrets as links, and renews them by
// pointing one of the links elsewhere.
func TestReadFile_FollowsLinks(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	write(t, in("first"), "one")
	write(t, in("second"), "two")
	if err := errors.Join(os.Symlink("first", in("data")), os.Symlink("data", in("token"))); err != nil {
		t.Fatal(err)
	}
	before := credential.StampOf(in("token"))
	if got, err := credential.ReadFile(in("token")); string(got) != "one" || err != nil {
		t.Errorf("ReadFile = %q, %v, want %q", got, err, "one")
	}
	if err := errors.Join(os.Symlink("second", in("new")), os.Rename(in("new"), in("data"))); err != nil {
		t.Fatal(err)
	}
	if got, err := credential.ReadFile(in("token")); string(got) != "two" || err != nil {
		t.Errorf("ReadFile after the link moved = %q, %v, want %q", got, err, "two")
	}
	if credential.StampOf(in("token")) == before {
		t.Error("the stamp is the same after the link moved")
	}
}

func TestStampOf(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	write(t, in("a"), "one")
	write(t, in("again"), "one")
	write(t, in("b"), "two")
	write(t, in("both"), "onetwo")
	write(t, in("empty"), "")
	none, a, both := credential.Stamp{}, credential.StampOf(in("a")), credential.StampOf(in("a"), in("b"))
	for _, c := range []struct {
		reason string
		paths  []string
		equal  bool
		to     credential.Stamp
	}{
		{"no file has no stamp", nil, true, none},
		{"no name names no file", []string{"", ""}, true, none},
		{"a missing file has no stamp", []string{in("missing")}, true, none},
		{"an empty file has one", []string{in("empty")}, false, none},
		{"the content counts, not the name", []string{in("again")}, true, a},
		{"another content has another stamp", []string{in("b")}, false, a},
		{"no name counts for nothing", []string{"", in("a"), ""}, true, a},
		{"every file counts", []string{in("a"), in("b")}, false, a},
		{"an empty file beside it counts", []string{in("a"), in("empty")}, false, a},
		{"the stamp is of each file", []string{in("both")}, false, both},
		{"the files have places", []string{in("b"), in("a")}, false, both},
		{"one that goes missing counts", []string{in("a"), in("missing")}, false, both},
	} {
		if got := credential.StampOf(c.paths...); (got == c.to) != c.equal {
			t.Errorf("%s: StampOf(%q) = %x, want equal to %x: %t", c.reason, c.paths, got, c.to, c.equal)
		}
	}
}

// TestStampOf_IgnoresTime: a file that is written again as it was is the same.
func TestStampOf_IgnoresTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	write(t, path, "one")
	before := credential.StampOf(path)
	now := time.Now()
	if err := os.Chtimes(path, now, now); err != nil {
		t.Fatal(err)
	}
	if credential.StampOf(path) != before {
		t.Error("the stamp changed with the file's time")
	}
}

// TestStampOf_SkipsWhatIsRefused: a stamp is taken before each call, and must not
// wait for a pipe or read a device.
func TestStampOf_SkipsWhatIsRefused(t *testing.T) {
	for reason, path := range refused(t) {
		t.Run(reason, func(t *testing.T) {
			err := withTimeout(t, func() error {
				if credential.StampOf(path) != (credential.Stamp{}) {
					return errors.New("it has a stamp")
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}
