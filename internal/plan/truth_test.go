package plan_test

import (
	"encoding/json"
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
)

// TestInversionsAreNoticed makes each rule wrong, without a change of the tree,
// and demands that the test fails which the list names. It runs a few of them, and
// all in make soak: each one compiles the planner again.
func TestInversionsAreNoticed(t *testing.T) {
	if testing.Short() {
		t.Skip("it compiles the planner several times")
	}
	all := os.Getenv("ROLLCALL_SOAK") != ""
	var ran atomic.Int64
	t.Run("all", func(t *testing.T) {
		for i, inv := range inversions() {
			if !all && !inv.always {
				continue
			}
			t.Run(fmt.Sprintf("%03d", i), func(t *testing.T) {
				t.Parallel()
				inv.mustFail(t)
				ran.Add(1)
			})
		}
	})
	if t.Failed() {
		return
	}
	t.Logf("soak: %d inversions of the planner's rules, each noticed by its test", ran.Load())
}

// mustFail runs the test of the inversion on the planner with the inversion.
func (inv inversion) mustFail(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	path, err := filepath.Abs(inv.file)
	if err != nil {
		t.Fatal(err)
	}
	inverted, overlay := filepath.Join(dir, inv.file), filepath.Join(dir, "overlay.json")
	body, err := json.Marshal(map[string]map[string]string{"Replace": {path: inverted}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(inverted, []byte(inv.apply(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(overlay, body, 0o600); err != nil {
		t.Fatal(err)
	}
	name, sub, _ := strings.Cut(inv.test, "/")
	// Without optimization the compiler and the linker take two thirds of the time.
	out, err := exec.CommandContext(t.Context(), "go", "test", "-overlay", overlay, "-vet=off", "-count=1", "-gcflags=-N -l", "-ldflags=-w",
		"-run", "^"+name+"$/^"+sub+"$", ".", "-rapid.nofailfile").CombinedOutput()
	switch {
	case err == nil:
		t.Errorf("%s, %q: %s passes with %q in place of %q: give the rule a case that fails", inv.rule, inv.says, inv.test, inv.new, inv.old)
	case !strings.Contains(string(out), "--- FAIL: "+inv.test+" "):
		t.Errorf("%s, %q: %s did not run, or fails for another reason: %v\n%s", inv.rule, inv.says, inv.test, err, out)
	}
}

// apply returns the file with the inversion.
func (inv inversion) apply(t *testing.T) string {
	t.Helper()
	body, err := os.ReadFile(inv.file)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(body), inv.old); n != 1 {
		t.Fatalf("%s, %q: %s has %q %d times, not once: write the inversion for the code of today", inv.rule, inv.says, inv.file, inv.old, n)
	}
	return strings.Replace(string(body), inv.old, inv.new, 1)
}

// TestInversionsApply fails when an inversion does not fit the code or its test any
// more, without compiling anything.
func TestInversionsApply(t *testing.T) {
	tests := testNames(t)
	for _, inv := range inversions() {
		if inv.old == inv.new {
			t.Errorf("%s, %q: nothing is inverted", inv.rule, inv.says)
		}
		if _, err := parser.ParseFile(token.NewFileSet(), inv.file, inv.apply(t), parser.SkipObjectResolution); err != nil {
			t.Errorf("%s, %q: %v", inv.rule, inv.says, err)
		}
		name, sub, _ := strings.Cut(inv.test, "/")
		_, err := os.Stat(filepath.Join("testdata", sub))
		if !tests[name] || err != nil {
			t.Errorf("%s, %q: there is no test %s", inv.rule, inv.says, inv.test)
		}
	}
}

// testNames returns the names of the tests of this package.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range testFunc.FindAllStringSubmatch(string(body), -1) {
			names[found[1]] = true
		}
	}
	return names
}

var testFunc = regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)
