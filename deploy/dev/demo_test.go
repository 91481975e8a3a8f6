package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/engines/kubernetes"
	"github.com/rollcall-iam/rollcall/internal/engines/postgres"
)

// TestDemo does what a newcomer does: it starts everything, which replicates one
// project to all types of platforms by one command, ends it, and starts it again.
func TestDemo(t *testing.T) {
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
