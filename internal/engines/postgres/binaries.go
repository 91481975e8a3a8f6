package postgres

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// oldest is the oldest major version that Rollcall supports.
const oldest = 15

// ErrUnavailable reports a machine without usable PostgreSQL binaries.
var ErrUnavailable = errors.New("PostgreSQL is not installed")

// versionPattern matches what `postgres --version` prints.
var versionPattern = regexp.MustCompile(`^postgres \(PostgreSQL\) (\d+)`)

// binaries is one installation of the server.
type binaries struct {
	dir   string
	major int
}

func (b binaries) path(name string) string { return filepath.Join(b.dir, name) }

// Available reports why this machine cannot run a server, wrapping
// ErrUnavailable and naming the Debian package to install, or nil.
func Available() error {
	_, err := find(0)
	return err
}

// find returns the first usable installation: the one on the PATH, then
// Debian's from the newest on. A major other than 0 asks for that version
// alone, because a data directory opens only with the version that made it.
func find(major int) (binaries, error) {
	for _, dir := range candidates() {
		b, ok := inspect(dir)
		if ok && (major == 0 || b.major == major) {
			return b, nil
		}
	}
	if major != 0 {
		return binaries{}, fmt.Errorf("postgres: %w in version %d, which made the data directory: "+
			"apt-get install postgresql-%d, or start in another directory", ErrUnavailable, major, major)
	}
	return binaries{}, fmt.Errorf("postgres: %w in version %d or newer: apt-get install postgresql", ErrUnavailable, oldest)
}

// candidates returns directories that may hold the server's binaries.
func candidates() []string {
	var dirs []string
	if path, err := exec.LookPath("postgres"); err == nil {
		// A link on the PATH seldom has initdb beside it; its target has.
		if target, err := filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(target))
		}
	}
	debian, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return dirs
	}
	version := func(dir string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(dir))) // not a number: last
		return n
	}
	slices.SortFunc(debian, func(a, b string) int { return version(b) - version(a) })
	return append(dirs, debian...)
}

// inspect asks the server in dir for its version. Something else by that name,
// or a server without its initdb, is not usable.
func inspect(dir string) (binaries, bool) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	b := binaries{dir: dir}
	out, err := exec.CommandContext(ctx, b.path("postgres"), "--version").Output()
	if err != nil {
		return b, false
	}
	found := versionPattern.FindSubmatch(out)
	if found == nil {
		return b, false
	}
	if b.major, err = strconv.Atoi(string(found[1])); err != nil || b.major < oldest {
		return b, false
	}
	_, err = exec.LookPath(b.path("initdb"))
	return b, err == nil
}
