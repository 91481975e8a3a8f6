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
// project to all types of platforms by one command, ends it, and starts it again.
func TestDemo(t *testing.T) {
	args := stackOf(t)
	first := demo(t, args)
	for _, want := range []string{"storefront.payments   aws.harbour ", ", 0 waiting, 0 failed;", "Try next"} {
		if !strings.Contains(first, want) {
			t.Errorf("the first start does not say %q:\n%s", want, first)
		}
	}
	second := demo(t, args)
	for _, want := range []string{", 0 changed, 0 waiting, 0 failed; 0 steps,", "nothing was changed"} {
		if !strings.Contains(second, want) {
			t.Errorf("the second start does not say %q:\n%s", want, second)
		}
	}
}

// TestDemoRename plays the scenario that gives all groups other names, twice. It
// fails where the probe, which asks each platform itself, finds anybody without
// access meanwhile.
func TestDemoRename(t *testing.T) {
	args := stackOf(t)
	said := demo(t, append(args, "--scenario", "rename"))
	t.Log(said[max(0, strings.Index(said, "All groups get other names")):])
	platforms := []string{"aws.harbour", "azure.harbour", "gcp.harbour", "marketplace.harbour", "sandbox.local"}
	if kubernetes.Available() == nil {
		platforms = append(platforms, "aks.harbour", "openshift.harbour")
	}
	if keystone.Available() == nil {
		platforms = append(platforms, "openstack.harbour")
	}
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

// demo runs the command and returns what it says.
func demo(t *testing.T, args []string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if code := run(t.Context(), args, &out, &errs); code != 0 {
		t.Fatalf("rollcall-dev ended with %d:\n%s\n%s", code, out.String(), errs.String())
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
