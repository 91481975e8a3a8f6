package program

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBinaryNamesWhatItIsBuiltFrom: a changed source is another binary, and the same
// source the same.
func TestBinaryNamesWhatItIsBuiltFrom(t *testing.T) {
	dir := t.TempDir()
	digest := func() string {
		d, err := contentDigest(dir, "")
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]string{digest(): "an empty directory"}
	for _, step := range []struct{ reason, name, text string }{
		{"a file", "main.go", "package main"},
		{"another text", "main.go", "package  main"},
		{"another file of the same text", "other.go", "package  main"},
		{"text that moves between files", "other.go", "package  main\n"},
	} {
		write(step.name, step.text)
		d := digest()
		if before, again := seen[d]; again {
			t.Errorf("%s has the digest of %s: the old binary would run", step.reason, before)
		}
		if d != digest() {
			t.Errorf("%s: two digests of one directory", step.reason)
		}
		seen[d] = step.reason
	}
}

// TestUnknownProgramIsUnavailable: a program without a module, or a module without
// the requirement, is reported as such.
func TestUnknownProgramIsUnavailable(t *testing.T) {
	cases := map[string]struct {
		reason  string
		program Program
		says    string
	}{
		"directory": {"there is no such directory", Program{Name: "none", Module: "example.com/m", Package: "."}, "deploy/engines/none is not found"},
		"version":   {"the module does not say the version", Program{Name: "temporal", Module: "example.com/m", Package: "."}, "does not require example.com/m"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			err := c.program.Available()
			if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: got %v, want ErrUnavailable that says %q", c.reason, err, c.says)
			}
		})
	}
}
