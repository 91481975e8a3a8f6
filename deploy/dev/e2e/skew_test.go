package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/driver/drivertest/faultproxy"
	"github.com/rollcall-iam/rollcall/internal/engines/keystone"
	"github.com/rollcall-iam/rollcall/internal/engines/kubernetes"
)

// clock makes programs whose clock is wrong. Go asks the kernel for the time
// without a call that anybody could stand in for, so the worker is linked anew,
// from the very same packages but for one line in package time: time.Now adds some
// seconds. Everything in it that asks for the time believes it. Timers, and how
// long something took, are right: that is so on a machine whose clock is wrong, too.
//
// A package is bound to the exact form of those it was compiled against. A body of
// a function that is never inlined is no part of that, yet it moves the fingerprint
// which the linker compares; it is put back here, after a look at the symbols,
// which must be the same in the same order.
type clock struct {
	t   testing.TB
	dir string
}

// off returns a directory with a worker whose clock is off.
func (c clock) off(by time.Duration) string {
	c.t.Helper()
	c.dir = c.t.TempDir()
	plain, wrong := filepath.Join(c.dir, "plain.a"), filepath.Join(c.dir, "wrong.a")
	c.run("build", "-o", plain, "time")
	c.run("build", "-overlay", c.overlay(by), "-o", wrong, "time")
	if c.symbols(plain) != c.symbols(wrong) {
		c.t.Fatal("package time with another Now has other symbols in this version of Go: find another way to make a clock wrong")
	}
	c.pass(plain, wrong)
	c.link(wrong)
	return c.dir
}

// run runs the go command in the main module, and returns what it says.
func (c clock) run(args ...string) string {
	c.t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Dir = filepath.Join("..", "..", "..")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		c.t.Fatalf("go %s: %v\n%s", args[0], err, errs.String())
	}
	return string(out)
}

// overlay writes package time with another Now, and what the go command needs to
// take it.
func (c clock) overlay(by time.Duration) string {
	c.t.Helper()
	original := filepath.Join(strings.TrimSpace(c.run("env", "GOROOT")), "src", "time", "time.go")
	text, err := os.ReadFile(original)
	if err != nil {
		c.t.Fatal(err)
	}
	now := regexp.MustCompile(`(?m)^func Now\(\) Time \{\n\tsec, nsec, mono := \w+\(\)`)
	if len(now.FindAll(text, -1)) != 1 {
		c.t.Fatal("time.Now has another form in this version of Go: find its new first line")
	}
	// On the same line: no other line may move.
	text = now.ReplaceAll(text, fmt.Appendf(nil, "${0}; sec += %d", int(by/time.Second)))
	changed := filepath.Join(c.dir, "time.go")
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{original: changed}})
	if err != nil {
		c.t.Fatal(err)
	}
	overlay := filepath.Join(c.dir, "overlay.json")
	if err := errors.Join(os.WriteFile(changed, text, 0o600), os.WriteFile(overlay, replace, 0o600)); err != nil {
		c.t.Fatal(err)
	}
	return overlay
}

// symbols lists an archive's symbols in their order, without those that are files.
func (c clock) symbols(archive string) string {
	c.t.Helper()
	var names []string
	for line := range strings.Lines(c.run("tool", "nm", "-sort", "none", archive)) {
		if fields := strings.Fields(line); len(fields) > 0 && !strings.Contains(line, "/src/time/") {
			names = append(names, fields[len(fields)-1])
		}
	}
	return strings.Join(names, "\n")
}

// pass gives one archive the other's fingerprint, which follows the magic of an
// object file.
func (c clock) pass(from, to string) {
	c.t.Helper()
	magic := regexp.MustCompile(`\x00go1\d\dld`)
	const size = 8
	var bodies [2][]byte
	var at [2]int
	for i, name := range []string{from, to} {
		var err error
		if bodies[i], err = os.ReadFile(name); err != nil {
			c.t.Fatal(err)
		}
		found := magic.FindAllIndex(bodies[i], -1)
		if len(found) != 1 {
			c.t.Fatal("archives have another form in this version of Go: find where the fingerprint is")
		}
		at[i] = found[0][1]
	}
	copy(bodies[1][at[1]:at[1]+size], bodies[0][at[0]:at[0]+size])
	if err := os.WriteFile(to, bodies[1], 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// link makes the worker of its own packages and that package time.
func (c clock) link(wrong string) {
	c.t.Helper()
	const main, list = "github.com/rollcall-iam/rollcall/worker", "{{if .Export}}{{.ImportPath}}={{.Export}}{{end}}"
	var entry string
	var config strings.Builder
	for line := range strings.Lines(c.run("list", "-export", "-deps", "-f", list, "./worker")) {
		path, archive, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch path {
		case "time":
			archive = wrong
		case main:
			entry = archive
		}
		fmt.Fprintf(&config, "packagefile %s=%s\n", path, archive)
	}
	file := filepath.Join(c.dir, "importcfg")
	if err := os.WriteFile(file, []byte(config.String()), 0o600); err != nil {
		c.t.Fatal(err)
	}
	c.run("tool", "link", "-importcfg", file, "-buildmode=exe", "-s", "-w", "-o", filepath.Join(c.dir, "rollcall-worker"), entry)
}

// skew is how wrong the workers' clocks are.
const skew = 5 * time.Minute

// with starts a worker from another directory.
func (s *stack) with(dir string, environ ...string) (cmd *exec.Cmd, log *tail) {
	s.t.Helper()
	other := *s
	other.bin = dir
	cmd = other.worker(environ...)
	return cmd, other.logs[len(other.logs)-1]
}

// tells checks that the worker's log has its clock off by so much.
func tells(t *testing.T, log *tail, by time.Duration) {
	t.Helper()
	now := time.Now()
	said := regexp.MustCompile(`(?m)^time=(\S+)`).FindAllStringSubmatch(log.text(), -1)
	if len(said) > 0 {
		at, err := time.Parse(time.RFC3339, said[len(said)-1][1])
		const most = patience // the line may be that old
		if off := at.Sub(now); err != nil || off > by || off < by-most {
			t.Errorf("the worker's clock is off by %s, want about %s (%v)", off.Round(time.Second), by, err)
		}
		return
	}
	t.Errorf("the worker's log tells no time:\n%s", log.text())
}

// skewed lets people come and go with workers whose clocks are ahead, behind, and
// both at once; the platform asks each to come back in a second, by date.
func skewed(t *testing.T, s *stack, proxy *faultproxy.Proxy, o organisation, environ []string, people func() map[string]int) {
	s.connect(o.connection)
	ahead, behind := clock{t: t}.off(skew), clock{t: t}.off(-skew)
	for i, workers := range []map[time.Duration]string{
		{skew: ahead}, {-skew: behind}, {skew: ahead, -skew: behind},
	} {
		documents, want := o.documents(), 3*o.people
		if i%2 == 1 {
			documents, want = without(documents, bindingName(0, "user", i/2)), want-1 // somebody else each time
		}
		s.apply(documents, "--prune", "--yes")
		var running []*exec.Cmd
		logs := map[time.Duration]*tail{}
		for by, dir := range workers {
			cmd, log := s.with(dir, environ...)
			running, logs[by] = append(running, cmd), log
		}
		later := http.Header{"Retry-After": {time.Now().Add(2 * time.Second).UTC().Format(http.TimeFormat)}}
		hits := proxy.Add(faultproxy.Rule{
			Match: calls, Times: 2,
			Fault: faultproxy.Fault{Status: http.StatusTooManyRequests, Header: later},
		})
		r := s.replicate(done)
		if r.Changed != 1 || r.Failed != 0 || hits() == 0 {
			t.Errorf("round %d, %d workers: %+v after %d refusals, want the tenant changed after some", i+1, len(workers), r, hits())
		}
		proxy.Clear()
		if again := s.replicate(done); again.Converged != 1 || again.Steps != 0 {
			t.Errorf("round %d: a second run: %+v, want the tenant converged", i+1, again)
		}
		sets, got := people(), 0
		for _, n := range sets {
			got += n
		}
		if len(sets) != 3 || got != want {
			t.Errorf("round %d: %v, want 3 sets with %d people", i+1, sets, want)
		}
		for by, log := range logs {
			tells(t, log, by)
		}
		for _, cmd := range running {
			kill(cmd)
		}
	}
	s.oneRecordAStep()
}

// TestClocksDisagree: five minutes between the workers' clocks and those of the
// database, Temporal, the platform and each other. Keystone's tokens and the API
// server's are then not valid yet, or nearly no more, by the worker's clock.
func TestClocksDisagree(t *testing.T) {
	t.Parallel()
	t.Run("Keystone", func(t *testing.T) {
		s := newStack(t)
		server := keystone.ForTest(t, keystone.Options{})
		target, err := url.Parse(server.URL())
		if err != nil {
			t.Fatal(err)
		}
		target.Path = ""
		proxy := faultproxy.New(t, target)
		c := newCloud(t, server, proxy.URL()+"/v3", 1, 3)
		skewed(t, s, proxy, c.organisation, c.environ(), func() map[string]int { return c.members(t.Context(), t) })
	})
	t.Run("Kubernetes", func(t *testing.T) {
		s := newStack(t)
		c := newCluster(t, kubernetes.ForTest(t), 1, 3)
		proxy, environ := c.behindProxy(t)
		skewed(t, s, proxy, c.organisation, environ, func() map[string]int { return c.ours(t, 0) })
	})
}
