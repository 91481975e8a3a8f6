package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/connection/connectiontest"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	"github.com/rollcall-iam/rollcall/internal/engines/postgres"
)

// The bars of a large organisation.
const (
	sizeDocuments = 100_000
	sizeApply     = 30 * time.Second
	sizeChange    = 2 * time.Second
	sizeMemory    = 512 // MiB
	sizeTenants   = 1000
)

// usage is what a command took.
type usage struct {
	took   time.Duration
	memory int // MiB, at most
	out    string
}

// measured runs one command of a program that needs no worker, and fails with it.
func measured(b *testing.B, environ []string, args ...string) usage {
	b.Helper()
	bin, err := programs()
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(b.Context(), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "rollcall"), args...)
	var out, errs bytes.Buffer
	cmd.Env, cmd.Stdout, cmd.Stderr = environ, &out, &errs
	began := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	most := make(chan int)
	go func() { most <- highWater(cmd.Process.Pid) }()
	err = cmd.Wait()
	u := usage{took: time.Since(began), memory: <-most, out: out.String()}
	if err != nil {
		b.Fatalf("rollcall %s: %v\n%s", strings.Join(args, " "), err, errs.String())
	}
	return u
}

// highWater returns how much memory a process had at most, in MiB, when it has
// ended. What wait tells counts that of the process that started it, too.
func highWater(pid int) (most int) {
	for {
		now := peak(pid)
		if now == 0 {
			return most
		}
		most = max(most, now)
		time.Sleep(5 * time.Millisecond)
	}
}

// peak returns how much memory a process that runs had at most, in MiB, and 0 for one
// that has ended.
func peak(pid int) int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:") // a zombie has none
	text, _, _ := strings.Cut(after, "kB")
	kib, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		return 0
	}
	return (kib + 1023) / 1024
}

// crowd writes about n documents into dir, as an organisation keeps them: what
// is common in one file, each workspace in one of its own. A fifth are people, a
// tenth projects and as many tenants, the rest bindings.
func crowd(b *testing.B, dir string, n int) {
	b.Helper()
	var common strings.Builder
	write := func(to *strings.Builder, format string, args ...any) { fmt.Fprintf(to, "---\n"+format+"\n", args...) }
	write(&common, `{apiVersion: v1, kind: meshProjectRole, metadata: {name: admin}, spec: {name: Project admin, rank: 1}}`)
	write(&common, `{apiVersion: v1, kind: meshPlatform, metadata: {name: sandbox}, spec: {displayName: S, locationRef: {name: local}, config: {memory: {
  replication: {groupNamePattern: "#{workspaceIdentifier}-#{projectIdentifier}-#{platformGroupAlias}", roleMappings: [{projectRoleRef: {name: admin}, groupAlias: admin, roles: [owner]}]}}}}}`)
	for i := range n / 5 {
		write(&common, `apiVersion: v2
kind: meshUser
metadata:
  name: user-%[1]d
spec:
  email: user-%[1]d@example.com
  firstName: First
  lastName: Last
  euid: user-%[1]d@example.com`, i)
	}
	keep(b, dir, "common.yaml", common.String())
	const projects = 20 // of each workspace
	each := n * 6 / 10 / (n / 10)
	for w := range max(1, n/10/projects) {
		var file strings.Builder
		name := fmt.Sprintf("workspace-%d", w)
		write(&file, `{apiVersion: v1, kind: meshWorkspace, metadata: {name: %s}, spec: {displayName: W}}`, name)
		for p := range projects {
			write(&file, `{apiVersion: v2, kind: meshProject, metadata: {name: p-%d, ownedByWorkspace: %s}, spec: {displayName: P}}`, p, name)
			write(&file, `{apiVersion: v4, kind: meshTenant, metadata: {ownedByWorkspace: %s, ownedByProject: p-%d}, spec: {platformIdentifier: sandbox.local, platformTenantId: %s-p-%d}}`, name, p, name, p)
			for i := range each {
				write(&file, `apiVersion: v3
kind: meshProjectUserBinding
metadata:
  name: b-%[1]d-%[2]d-%[3]d
roleRef:
  name: admin
targetRef:
  name: p-%[2]d
  ownedByWorkspace: %[4]s
subject:
  name: user-%[5]d`, w, p, i, name, (w*projects*each+p*each+i)%max(1, n/5))
			}
		}
		keep(b, dir, name+".yaml", file.String())
	}
}

func keep(b *testing.B, dir, name, text string) {
	b.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
}

// durable returns a database on a server that keeps what it was told, as
// those of tests do not.
func durable(b *testing.B) string {
	b.Helper()
	// It skips where there is none.
	postgres.ForTest(b)
	dir, err := os.MkdirTemp("", "rollcall-size-") //nolint:usetesting // the server's user cannot enter b.TempDir
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = os.RemoveAll(dir) })
	server, err := postgres.Start(b.Context(), postgres.Options{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = server.Stop() })
	if err := server.CreateDatabase(b.Context(), "size"); err != nil {
		b.Fatal(err)
	}
	return server.URL("size")
}

// BenchmarkSize applies 100,000 documents with the command line: all of them,
// the same again, the same with one that changed, and that one alone.
func BenchmarkSize(b *testing.B) {
	dir := b.TempDir()
	crowd(b, dir, sizeDocuments)
	environ := append(os.Environ(), "ROLLCALL_DATABASE_URL="+durable(b))
	measured(b, environ, "migrate")
	changed := `{apiVersion: v2, kind: meshUser, metadata: {name: user-7}, spec: {email: user-7@example.com, firstName: %s, lastName: Last, euid: user-7@example.com}}`
	for b.Loop() {
		for _, step := range []struct {
			what string
			make func() []string // the input
			bar  time.Duration
			want string
		}{
			{"all", func() []string { return []string{dir} }, sizeApply, `"unchanged": 0`},
			{"all again", func() []string { return []string{dir} }, sizeApply, `"stored": false`},
			{"one changed, applied alone", func() []string {
				file := filepath.Join(b.TempDir(), "one.yaml")
				keep(b, filepath.Dir(file), "one.yaml", fmt.Sprintf(changed, "Other"))
				return []string{file}
			}, sizeChange, `"unchanged": 0`},
			{"one changed, all applied", func() []string { return []string{dir} }, sizeApply, `"stored": true`},
		} {
			u := measured(b, environ, append([]string{"apply", "-o", "json"}, step.make()...)...)
			if !strings.Contains(u.out, step.want) {
				b.Errorf("%s: the answer lacks %s", step.what, step.want)
			}
			b.Logf("%-28s %10s %5d MiB", step.what, u.took.Round(time.Millisecond), u.memory)
			if u.took > step.bar || u.memory > sizeMemory {
				b.Errorf("%s: over the bar of %s and %d MiB", step.what, step.bar, sizeMemory)
			}
		}
	}
}

// BenchmarkPlanMany plans 1,000 tenants with one command: the first plan is
// there long before the last, and none is kept.
func BenchmarkPlanMany(b *testing.B) {
	s, dir := newStack(b), b.TempDir()
	file := filepath.Join(b.TempDir(), "world.json")
	s.connect(connectiontest.Memory("sandbox.local", file))
	crowd(b, dir, sizeTenants*10)
	var w memory.World
	for i := range sizeTenants {
		w.Tenants = append(w.Tenants, memory.Tenant{ID: fmt.Sprintf("workspace-%d-p-%d", i/20, i%20)})
	}
	for i := range sizeTenants * 2 {
		w.Users = append(w.Users, memory.User{ID: "u" + strconv.Itoa(i), Name: fmt.Sprintf("user-%d@example.com", i)})
	}
	if err := memory.Seed(file, w); err != nil {
		b.Fatal(err)
	}
	s.must(done, "apply", dir)
	s.worker()
	for b.Loop() {
		u := measured(b, s.environ, "plan", "--all", "-o", "json")
		var r report
		if err := json.Unmarshal([]byte(u.out), &r); err != nil {
			b.Fatal(err)
		}
		if r.Tenants != sizeTenants || r.Failed > 0 || len(r.Items) != sizeTenants {
			b.Fatalf("%d tenants, %d failed, %d items", r.Tenants, r.Failed, len(r.Items))
		}
		b.Logf("%d tenants planned in %s with %d MiB", r.Tenants, u.took.Round(time.Millisecond), u.memory)
		b.ReportMetric(float64(u.memory), "MiB")
	}
}
