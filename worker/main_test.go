package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/types"
	"github.com/rollcall-iam/rollcall/internal/engine"
	"github.com/rollcall-iam/rollcall/internal/engines/postgres"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/internal/store/storetest"
)

func TestNewLogger(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason        string
		format, level string
		says          string // for a mistake
		logs          string
		json          bool
	}{
		"default":    {reason: "people read text", format: "text", level: "info", logs: "level=INFO msg=hello"},
		"json":       {reason: "machines read JSON", format: "json", level: "info", logs: `"msg":"hello"`, json: true},
		"quiet":      {reason: "info is below warn", format: "text", level: "warn"},
		"any case":   {reason: "levels are words", format: "text", level: "DEBUG", logs: "hello"},
		"bad level":  {reason: "all levels are named", format: "text", level: "loud", says: "debug, info, warn or error"},
		"no level":   {reason: "all levels are named", format: "text", level: "", says: "--log-level"},
		"bad format": {reason: "both formats are named", format: "xml", level: "info", says: `--log-format "xml": write text or json`},
		"no format":  {reason: "both formats are named", format: "", level: "info", says: "--log-format"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			logger, err := newLogger(&out, tc.format, tc.level)
			if tc.says != "" {
				if err == nil || !strings.Contains(err.Error(), tc.says) {
					t.Errorf("%s: error %v, want one that says %q", tc.reason, err, tc.says)
				}
				return
			}
			if err != nil {
				t.Fatalf("%s: %v", tc.reason, err)
			}
			logger.Info("hello")
			if (tc.logs == "") != (out.Len() == 0) || !strings.Contains(out.String(), tc.logs) {
				t.Errorf("%s: logged %q, want %q", tc.reason, out.String(), tc.logs)
			}
			if tc.json && !json.Valid(out.Bytes()) {
				t.Errorf("%s: %q is not JSON", tc.reason, out.String())
			}
		})
	}
}

func TestCommandExplainsItself(t *testing.T) {
	t.Parallel()
	cmd := command()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetArgs([]string{"--help"})
	if err := cmd.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"ROLLCALL_DATABASE_URL", "ROLLCALL_CONNECTIONS", "TEMPORAL_ADDRESS", "SIGTERM", "Examples:", "--log-level", "--log-format"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the help lacks %q:\n%s", want, out.String())
		}
	}
	for line := range strings.Lines(cmd.Long + "\n" + cmd.Example) {
		if len(line) > 90 {
			t.Errorf("a line is longer than a terminal is wide: %q", line)
		}
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Usage == "" {
			t.Errorf("--%s has no description", f.Name)
		}
	})
}

func TestMistakesOnTheCommandLine(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"--log-level loud": "--log-level", "--log-format xml": "--log-format", "--loglevel info": "--loglevel", "serve": `"serve"`,
	} {
		cmd := command()
		cmd.SetOut(io.Discard)
		cmd.SetErr(io.Discard)
		cmd.SetArgs(strings.Fields(args))
		if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("rollcall-worker %s: error %v, want one that names %s", args, err, want)
		}
	}
}

func TestVersionIsPrintedWithoutConnecting(t *testing.T) {
	t.Setenv(engine.DeploymentVariable, "")
	t.Setenv(engine.BuildVariable, "v1.2.3")
	t.Setenv(store.URLVariable, "")
	cmd := command()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetArgs([]string{"--version"})
	if err := cmd.ExecuteContext(t.Context()); err != nil || out.String() != "rollcall:v1.2.3\n" {
		t.Errorf("rollcall-worker --version prints %q, %v, want the deployment and the build id", out.String(), err)
	}
	t.Setenv(engine.BuildVariable, "a:b")
	if err := cmd.ExecuteContext(t.Context()); !errors.Is(err, engine.ErrVersion) {
		t.Errorf("a build id that Temporal cannot hold: error %v, want ErrVersion", err)
	}
}

// deadAddress returns an address where nobody listens.
func deadAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }() // it has served
	return listener.Addr().String()
}

func TestStartNamesWhatIsMissing(t *testing.T) {
	profile := filepath.Join(t.TempDir(), "temporal.toml")
	if err := os.WriteFile(profile, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	migrated := func(t *testing.T) string {
		t.Helper()
		return storetest.URL(t)
	}
	dead := deadAddress(t)
	cases := map[string]struct {
		reason   string
		database func(*testing.T) string
		is       error
		says     []string
	}{
		"no database named": {
			"the variable is named", func(*testing.T) string { return "" }, store.ErrUnreachable, []string{"ROLLCALL_DATABASE_URL"},
		},
		"database unreachable": {
			"where it should be is told", func(*testing.T) string { return "postgres://rollcall:hidden@" + dead + "/none" },
			store.ErrUnreachable, []string{dead, "ROLLCALL_DATABASE_URL"},
		},
		"old tables": {
			"the command that helps is named", func(t *testing.T) string { t.Helper(); return postgres.ForTest(t) },
			store.ErrSchema, []string{"rollcall migrate"},
		},
		"Temporal unreachable": {
			"where it should be is told", migrated, engine.ErrUnreachable, []string{dead, `"access"`, "TEMPORAL_ADDRESS"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Setenv(store.URLVariable, tc.database(t))
			for variable, value := range map[string]string{
				"TEMPORAL_CONFIG_FILE": profile, "TEMPORAL_PROFILE": "", "TEMPORAL_API_KEY": "", "TEMPORAL_TLS": "",
				"TEMPORAL_ADDRESS": dead, "TEMPORAL_NAMESPACE": "access", engine.KeyringVariable: "",
			} {
				t.Setenv(variable, value)
			}
			cmd := command()
			cmd.SetErr(io.Discard)
			cmd.SetArgs([]string{})
			err := cmd.ExecuteContext(t.Context())
			if !errors.Is(err, tc.is) {
				t.Fatalf("%s: error %v, want %v", tc.reason, err, tc.is)
			}
			for _, want := range tc.says {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%s: the message lacks %q: %v", tc.reason, want, err)
				}
			}
			if strings.Contains(err.Error(), "hidden") {
				t.Errorf("the message shows the password: %v", err)
			}
		})
	}
}

// TestDriversAreThoseOfThePlatformTypes: a type without a driver would be applied and
// never replicated, and a driver without a type could not be named.
func TestDriversAreThoseOfThePlatformTypes(t *testing.T) {
	t.Parallel()
	var known []string
	for _, of := range types.All() {
		known = append(known, of.Name())
	}
	if got := slices.Sorted(maps.Keys(drivers())); !slices.Equal(known, got) {
		t.Errorf("the worker has drivers for %v, want %v", got, known)
	}
}

// TestDriversOpen: each driver refuses a platform without settings by an error
// of its own, and is listed under the type that its profile has.
func TestDriversOpen(t *testing.T) {
	t.Parallel()
	for name, open := range drivers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := open(context.Background(), driver.Config{})
			if err == nil {
				t.Fatalf("a platform without settings is opened: %v", d)
			}
			if !strings.HasPrefix(err.Error(), name+": ") {
				t.Errorf("the error does not name the driver: %v", err)
			}
		})
	}
}
