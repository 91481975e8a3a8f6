package program

import (
	"context"
	"debug/buildinfo"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFlagsOf(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason   string
		settings []debug.BuildSetting
		want     Flags
	}{
		"usual": {"nothing is set", nil, Flags{}},
		"usual, without debug information": {
			"the linker's flags and C do not change how packages without C are compiled",
			[]debug.BuildSetting{{Key: "-ldflags", Value: "-s -w"}, {Key: "CGO_ENABLED", Value: "0"}}, Flags{},
		},
		"quick": {
			"packages are compiled in another way",
			[]debug.BuildSetting{
				{Key: "-gcflags", Value: "all=-N -l"}, {Key: "-ldflags", Value: "-s -w"}, {Key: "CGO_ENABLED", Value: "0"}, {Key: "GOOS", Value: "linux"},
			},
			Flags{Compiler: "all=-N -l", Linker: "-s -w", NoCgo: true},
		},
		"with C": {
			"the machine has a C compiler", []debug.BuildSetting{{Key: "-gcflags", Value: "all=-N"}, {Key: "CGO_ENABLED", Value: "1"}},
			Flags{Compiler: "all=-N"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, FlagsOf(&debug.BuildInfo{Settings: tc.settings})); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// TestBuild_WithFlags: a program that is compiled in another way has a binary of its own,
// which the usual one replaces as soon as it is there.
func TestBuild_WithFlags(t *testing.T) {
	checkout := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	dir := filepath.Join(checkout, "deploy", "engines", "tiny")
	if err := os.MkdirAll(filepath.Join(dir, "m"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"go.mod":   "module example.com/tiny\n\ngo 1.26\n\nrequire example.com/m v1.0.0\n\nreplace example.com/m => ./m\n",
		"main.go":  "package main\n\nimport _ \"example.com/m\"\n\nfunc main() {}\n",
		"m/go.mod": "module example.com/m\n\ngo 1.26\n",
		"m/m.go":   "package m\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(name)), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(checkout)
	usual := Program{Name: "tiny", Module: "example.com/m", Package: ".", LinkerFlags: "-s -w"}
	quick := usual
	quick.Flags = Flags{Compiler: "-N -l", Linker: "-w", NoCgo: true} // of the main package alone: that is enough here
	first := build(t, quick)
	if !strings.HasSuffix(first, quickSuffix) || usual.Built() {
		t.Errorf("the binary is %s, and the usual one is built: %t; want one of its own", first, usual.Built())
	}
	want := Flags{Compiler: "-N -l", Linker: "-s -w", NoCgo: true}
	if diff := cmp.Diff(want, flagsOf(t, first)); diff != "" {
		t.Errorf("flags (-want +got):\n%s", diff)
	}
	if again := build(t, quick); again != first {
		t.Errorf("it is built twice: %s and %s", first, again)
	}
	second := build(t, usual)
	if diff := cmp.Diff(Flags{}, flagsOf(t, second)); diff != "" || second == first {
		t.Errorf("the usual binary is %s; flags (-want +got):\n%s", second, diff)
	}
	if got := build(t, quick); got != second {
		t.Errorf("got %s, want the usual binary %s, which is built", got, second)
	}
}

func build(t *testing.T, p Program) string {
	t.Helper()
	path, err := p.Build(context.Background(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// flagsOf returns the flags with which a binary was built.
func flagsOf(t *testing.T, binary string) Flags {
	t.Helper()
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	return FlagsOf(info)
}
