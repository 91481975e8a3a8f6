package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestMakeDemo_ChoosesHowToCompile: without a Temporal server of the tests, a demo on a
// machine where nothing is compiled yet leaves optimisation out.
func TestMakeDemo_ChoosesHowToCompile(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("make"); err != nil && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	for name, tc := range map[string]struct {
		reason string
		cached []string
		quick  bool
	}{
		"nothing":     {"the machine is new", nil, true},
		"quick":       {"an earlier demo built its own server", []string{"temporal-v1.0.0-ab12-quick"}, true},
		"interrupted": {"no server was completed", []string{"temporal-v1.0.0-ab12.part", "temporal-v1.0.0-ab12.modules"}, true},
		"others":      {"the other servers share few packages with the programs", []string{"etcd-v3.7.3", "lock"}, true},
		"usual":       {"the tests built the server", []string{"temporal-v1.0.0-ab12"}, false},
		"both":        {"the tests built one after the demo did", []string{"temporal-v1.0.0-ab12", "temporal-v1.0.0-ab12-quick"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cache := t.TempDir()
			dir := filepath.Join(cache, "rollcall", "engines")
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			for _, file := range tc.cached {
				if err := os.WriteFile(filepath.Join(dir, file), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.CommandContext(t.Context(), "make", "-n", "demo")
			cmd.Dir = filepath.Join("..", "..")
			cmd.Env = append(slices.DeleteFunc(os.Environ(), func(entry string) bool { return strings.HasPrefix(entry, "MAKE") }),
				"XDG_CACHE_HOME="+cache)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			got := strings.Contains(string(out), "CGO_ENABLED=0") && strings.Contains(string(out), "-gcflags='all=-N -l -dwarf=false'")
			if got != tc.quick || !tc.quick && strings.Contains(string(out), "flags=") {
				t.Errorf("%s: without optimisation: %t, want %t:\n%s", tc.reason, got, tc.quick, out)
			}
		})
	}
}
