package program

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestOmit_LeavesTemporalsComputeProvidersOut: what the server imports for them alone is
// not built, and the rest of it is.
func TestOmit_LeavesTemporalsComputeProvidersOut(t *testing.T) {
	dir, err := Program{Name: "temporal"}.sources()
	if err != nil {
		t.Fatal(err)
	}
	environ := append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	to := filepath.Join(t.TempDir(), "temporal")
	modfile, remove, err := omit(t.Context(), dir, environ, to)
	if err != nil {
		t.Fatal(err)
	}
	list := exec.CommandContext(t.Context(), "go", "list", "-modfile", modfile, "-deps", ".")
	list.Dir, list.Env = dir, environ
	text, err := list.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, excluded := range []string{"k8s.io/client-go", "aws-sdk-go-v2/service/ecs", "cloud.google.com/go/run"} {
		if strings.Contains(string(text), excluded) {
			t.Errorf("%s is built: extend %s", excluded, omitFile)
		}
	}
	for _, included := range []string{"go.temporal.io/server/temporal\n", "auto-scaled-workers/wci/workflow/compute_provider\n"} {
		if !strings.Contains(string(text), included) {
			t.Errorf("%s is not built", strings.TrimSpace(included))
		}
	}
	remove()
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(to), "*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestOmit_NamesALineThatMatchesNothing(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module example.com/m\n\ngo 1.26\n\nrequire golang.org/x/sync v0.24.0\n", "go.sum": "", omitFile: "golang.org/x/sync none/*.go\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, _, err := omit(t.Context(), dir, append(os.Environ(), "GOFLAGS=-mod=mod"), filepath.Join(t.TempDir(), "m"))
	if err == nil || !strings.Contains(err.Error(), "none/*.go") || !strings.Contains(err.Error(), "golang.org/x/sync") {
		t.Errorf("got %v, want an error that names the module and the pattern", err)
	}
	if _, _, err := omit(t.Context(), t.TempDir(), os.Environ(), "m"); err != nil {
		t.Errorf("without %s: %v", omitFile, err)
	}
}
