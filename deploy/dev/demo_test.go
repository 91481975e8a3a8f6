package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/engines/keystone"
	"github.com/rollcall-iam/rollcall/internal/engines/kubernetes"
	"github.com/rollcall-iam/rollcall/internal/engines/postgres"
)

// TestDemo does what a newcomer does: it starts everything, which replicates one
// project to all types of platforms by one command, ends it, and starts it again. The
// first time, as on a machine that has no Kubernetes yet, its platforms join later.
func TestDemo(t *testing.T) {
	args := stackOf(t)
	first := runDemo(t, args, func(o *options) { o.built = func() bool { return false } })
	for _, want := range []string{"storefront.payments   aws.harbour ", ", 0 waiting, 0 failed;", "Try next"} {
		if !strings.Contains(first, want) {
			t.Errorf("the first start does not say %q:\n%s", want, first)
		}
	}
	if before, after, joined := strings.Cut(first, clusterPrograms); kubernetes.Available() == nil {
		if !joined || !strings.Contains(before, "aws.harbour") || strings.Contains(before, "storefront.payments   aks.harbour") ||
			!strings.Contains(after, "storefront.payments  aks.harbour") {
			t.Errorf("the platforms on Kubernetes do not join after the first result:\n%s", first)
		}
	}
	second := runDemo(t, args)
	for _, want := range []string{", 0 changed, 0 waiting, 0 failed; 0 steps,", "nothing was changed"} {
		if !strings.Contains(second, want) {
			t.Errorf("the second start does not say %q:\n%s", want, second)
		}
	}
}

// TestDemoRename plays the scenario that gives all groups other names, twice. It
// fails where the probe, which asks each platform itself, finds anybody without
// access meanwhile. Keystone and the API server answer its probes for minutes, so they
// take part in make soak only; the tests of e2e replace a few groups on both.
func TestDemoRename(t *testing.T) {
	args := stackOf(t)
	soak := os.Getenv("ROLLCALL_SOAK") != ""
	if !soak {
		args = append(args, "--no-keystone", "--no-kubernetes")
	}
	said := runDemo(t, append(args, "--scenario", "rename"))
	t.Log(said[max(0, strings.Index(said, "All groups get other names")):])
	platforms := []string{"aws.harbour", "azure.harbour", "gcp.harbour", "marketplace.harbour", "sandbox.local"}
	if soak && kubernetes.Available() == nil {
		platforms = append(platforms, "aks.harbour", "openshift.harbour")
	}
	if soak && keystone.Available() == nil {
		platforms = append(platforms, "openstack.harbour")
	}
	t.Logf("soak: every group replaced twice on %d platforms", len(platforms))
	modes := map[string]map[string]int{}
	for line := range strings.Lines(said) {
		if f := strings.Fields(line); len(f) == 11 && (f[1] == "recreate" || f[1] == "in-place") {
			if f[3] != f[5] || f[3] == "0" || f[9] != "none" {
				t.Errorf("want every group renamed and no gap: %s", line)
			}
			if modes[f[0]] == nil {
				modes[f[0]] = map[string]int{}
			}
			modes[f[0]][f[1]]++
		}
	}
	for _, p := range platforms {
		want := map[string]int{"recreate": 1, "in-place": 1}
		if p == "gcp.harbour" || p == "openshift.harbour" {
			want = map[string]int{"recreate": 2} // there the name is the key
		}
		if diff := cmp.Diff(want, modes[p]); diff != "" {
			t.Errorf("%s: modes (-want +got):\n%s", p, diff)
		}
	}
}

// stackOf builds the programs and returns how to start a stack of the test's own.
func stackOf(t *testing.T) []string {
	t.Helper()
	if testing.Short() {
		t.Skip("it starts the whole stack, which -short leaves out")
	}
	if err := postgres.Available(); err != nil && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	bin, dir := t.TempDir(), filepath.Join(openTemp(t), "stack")
	for name, pkg := range map[string]string{"rollcall": "./starter", "rollcall-worker": "./worker"} {
		cmd := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(bin, name), pkg)
		cmd.Dir = filepath.Join("..", "..")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go build %s: %v\n%s", pkg, err, out)
		}
	}
	args := []string{"--once", "--dir", dir, "--bin", bin}
	if kubernetes.Available() != nil {
		args = append(args, "--no-kubernetes")
	}
	return args
}

// runDemo runs the command and returns what it says.
func runDemo(t *testing.T, args []string, changes ...func(*options)) string {
	t.Helper()
	var out, errs bytes.Buffer
	opts, err := parse(args, &errs)
	if err != nil {
		t.Fatalf("%v: %s", err, errs.String())
	}
	for _, change := range changes {
		change(&opts)
	}
	if err := serve(t.Context(), opts, newConsole(&out)); err != nil {
		printLog(&errs, err)
		t.Fatalf("the demo ended with %v:\n%s\n%s", err, out.String(), errs.String())
	}
	return out.String()
}

// openTemp is a directory that servers without privileges can reach.
func openTemp(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "rollcall-demo-") //nolint:usetesting // its own is for one user, and sockets need short paths
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(fmt.Errorf("open %s to others: %w", dir, err))
	}
	return dir
}
