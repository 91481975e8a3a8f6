package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/engine"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// outcome is what a command left.
type outcome struct {
	code      int
	out, errs string
}

// run runs one command in this process, with a database and an input.
func run(t *testing.T, database, input string, args ...string) outcome {
	t.Helper()
	return runWith(t, environment(map[string]string{store.URLVariable: database}), input, args...)
}

// environment returns variables as a command reads them.
func environment(variables map[string]string) func(string) string {
	return func(name string) string { return variables[name] }
}

// runWith runs one command in this process, with an environment and an input.
func runWith(t *testing.T, getenv func(string) string, input string, args ...string) outcome {
	t.Helper()
	var out, errs bytes.Buffer
	c := &cli{in: strings.NewReader(input), out: &out, err: &errs, getenv: getenv}
	code := execute(t.Context(), c, args)
	return outcome{code, out.String(), errs.String()}
}

// must runs a command that has to end well, and returns its output.
func must(t *testing.T, database, input string, args ...string) string {
	t.Helper()
	o := run(t, database, input, args...)
	if o.code != exitDone {
		t.Fatalf("rollcall %s ended with %d\n%s%s", strings.Join(args, " "), o.code, o.out, o.errs)
	}
	return o.out
}

// ends checks how a command ended and what it said.
func (o outcome) ends(t *testing.T, reason string, code int, says ...string) {
	t.Helper()
	if o.code != code {
		t.Errorf("%s: exit code %d, want %d\n%s%s", reason, o.code, code, o.out, o.errs)
	}
	for _, text := range says {
		if !strings.Contains(o.errs, text) {
			t.Errorf("%s: the message lacks %q:\n%s", reason, text, o.errs)
		}
	}
}

// commands calls check with every command but those that cobra makes.
func commands(t *testing.T, check func(*testing.T, *cobra.Command)) {
	t.Helper()
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		t.Run(cmd.Name(), func(t *testing.T) { check(t, cmd) })
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(rootCommand(&cli{in: strings.NewReader(""), out: io.Discard, err: io.Discard}))
}

func TestEveryCommandExplainsItself(t *testing.T) {
	t.Parallel()
	commands(t, func(t *testing.T, cmd *cobra.Command) {
		t.Helper()
		if cmd.Short == "" || cmd.Long == "" && cmd.HasParent() && cmd.Name() != "version" && cmd.Name() != "help" {
			t.Error("there is no description: set Short and Long")
		}
		if strings.HasSuffix(cmd.Short, ".") || len(cmd.Short) > 70 {
			t.Errorf("Short is a line without a full stop, of at most 70 characters: %q", cmd.Short)
		}
		if !strings.Contains(cmd.Example, "rollcall") {
			t.Error("there is no example: set Example")
		}
		for line := range strings.Lines(cmd.Long + "\n" + cmd.Example) {
			if len(line) > 110 {
				t.Errorf("a line is longer than a terminal is wide: %q", line)
			}
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("--%s has no description", f.Name)
			}
		})
	})
}

func TestEveryCommandHasHelp(t *testing.T) {
	t.Parallel()
	commands(t, func(t *testing.T, cmd *cobra.Command) {
		t.Helper()
		path := strings.Fields(cmd.CommandPath())[1:]
		for _, args := range [][]string{append(path, "--help"), append([]string{"help"}, path...)} {
			out := must(t, "", "", args...)
			if !strings.Contains(out, "Usage:") || !strings.Contains(out, "Examples:") {
				t.Errorf("rollcall %s shows no usage or no example:\n%s", strings.Join(args, " "), out)
			}
		}
	})
}

func TestMistakesOnTheCommandLine(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		args   []string
		says   []string
	}{
		"unknown command":     {"a typing error is understood", []string{"aply", "x"}, []string{`"aply"`, `"apply"`}},
		"like no command":     {"what is like nothing is still told", []string{"frobnicate"}, []string{`"frobnicate"`, "rollcall --help"}},
		"help for no command": {"help does not pretend", []string{"help", "aply"}, []string{`"apply"`}},
		"unknown flag":        {"the command's own help is named", []string{"plan", "--exit-cod"}, []string{"--exit-cod", "rollcall plan --help"}},
		"flag without value":  {"so it is here", []string{"status", "--platform"}, []string{"--platform", "rollcall status --help"}},
		"output":              {"all formats are named", []string{"version", "-o", "xml"}, []string{`"xml"`, "table, json, yaml"}},
		"apply nothing":       {"what to name is told", []string{"apply"}, []string{"a file, a directory, or -"}},
		"apply no such file":  {"the file is named", []string{"apply", "nothere.yaml"}, []string{"nothere.yaml"}},
		"apply no documents":  {"an empty input with --prune would remove everything", []string{"apply", "--prune", "--yes", "-"}, []string{"no document"}},
		"delete a kind":       {"both arguments are asked for", []string{"delete", "user"}, []string{"a kind and a document"}},
		"delete no kind":      {"all kinds are named", []string{"delete", "usr", "x"}, []string{`"usr"`, "meshUser"}},
		"get too much":        {"there is a limit", []string{"get", "user", "a", "b"}, []string{"a kind, or a kind and a document"}},
		"export something":    {"there is nothing to choose", []string{"export", "users"}, []string{`"users"`}},
		"plan nothing":        {"nobody means everything by nothing", []string{"plan"}, []string{"--all"}},
		"plan no tenant":      {"the form is told before a database is asked", []string{"plan", "web"}, []string{"<workspace>.<project>/<platform>"}},
		"required flag":       {"it is named", []string{"codec"}, []string{"origin"}},
		"schema":              {"the kinds are named", []string{"schema"}, []string{"meshPlatform"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := run(t, "", "", tc.args...)
			o.ends(t, tc.reason, exitInvalid, tc.says...)
			if o.out != "" {
				t.Errorf("a mistake writes to the output:\n%s", o.out)
			}
		})
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	wrapped := func(err error) error { return fmt.Errorf("somewhere: %w", err) }
	cases := map[string]struct {
		reason string
		err    error
		want   int
	}{
		"none":                 {"all is done", nil, exitDone},
		"documents":            {"the documents are wrong", wrapped(document.Problems{{Text: "wrong"}}), exitInvalid},
		"marked":               {"the command line is wrong", wrapped(invalid(errors.New("wrong"))), exitInvalid},
		"marked and else":      {"a mark outweighs what is inside", exitError{exitWaiting, wrapped(document.ErrInvalid)}, exitWaiting},
		"silent":               {"everything was said", exitError{code: exitChanges}, exitChanges},
		"database unreachable": {"trying again helps", wrapped(store.ErrUnreachable), exitFailed},
		"old tables":           {"the input is not to blame", wrapped(store.ErrSchema), exitFailed},
		"lost plan":            {"nor is it here", wrapped(store.ErrNotFound), exitFailed},
		"declined":             {"somebody said no", wrapped(errDeclined), exitFailed},
		"Temporal unreachable": {"trying again helps", wrapped(engine.ErrUnreachable), exitFailed},
		"no worker":            {"one must be started", &control.Error{Code: control.NoWorker}, exitFailed},
		"interrupted":          {"it is not done", context.Canceled, exitFailed},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := exitCode(tc.err); got != tc.want {
				t.Errorf("%s: exit code %d, want %d", tc.reason, got, tc.want)
			}
		})
	}
}

func TestInterruptedCommandSaysSo(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var errs bytes.Buffer
	c := &cli{in: strings.NewReader(""), out: io.Discard, err: &errs, getenv: environment(map[string]string{
		store.URLVariable: "postgres://rollcall@127.0.0.1:1/none",
	})}
	code := execute(ctx, c, []string{"status"})
	if code != exitFailed || errs.String() != "rollcall: interrupted\n" {
		t.Errorf("exit code %d and %q, want %d and one line without innards", code, errs.String(), exitFailed)
	}
}

func TestParseKind(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		kind   document.Kind // empty for a mistake
		says   string
	}{
		"meshUser":             {"as in documents", document.KindUser, ""},
		"MESHUSER":             {"in whatever case", document.KindUser, ""},
		"user":                 {"as people say it", document.KindUser, ""},
		"users":                {"for many", document.KindUser, ""},
		"tenants":              {"for many", document.KindTenant, ""},
		"project":              {"not the end of meshProject... alone", document.KindProject, ""},
		"userbinding":          {"the end of one name", document.KindUserBinding, ""},
		"workspaceuserbinding": {"bindings to workspaces are named in full", document.KindWorkspaceUserBinding, ""},
		"group":                {"the end of one name", document.KindUserGroup, ""},
		"role":                 {"the end of one name", document.KindProjectRole, ""},
		"zone":                 {"the end of one name", document.KindLandingZone, ""},
		"binding":              {"the end of two names", "", "meshProjectUserBinding, meshProjectGroupBinding"},
		"usr":                  {"like nothing", "", "meshWorkspace, "},
		"":                     {"nothing at all", "", "meshWorkspace, "},
		"s":                    {"nothing, for many", "", "meshWorkspace, "},
	}
	for text, tc := range cases {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			got, err := parseKind(text)
			if got != tc.kind {
				t.Errorf("%s: %q is %q, want %q", tc.reason, text, got, tc.kind)
			}
			if (err == nil) != (tc.says == "") {
				t.Fatalf("%s: error %v", tc.reason, err)
			}
			if err != nil && (exitCode(err) != exitInvalid || !strings.Contains(err.Error(), tc.says)) {
				t.Errorf("%s: %v, want a mistake that names %s", tc.reason, err, tc.says)
			}
		})
	}
	for _, kind := range document.Kinds() {
		if got, err := parseKind(string(kind)); got != kind || err != nil {
			t.Errorf("%s is read as %q, %v", kind, got, err)
		}
	}
}

func FuzzParseKind(f *testing.F) {
	for _, kind := range document.Kinds() {
		f.Add(string(kind))
	}
	f.Add("mesh")
	f.Fuzz(func(t *testing.T, text string) {
		kind, err := parseKind(text)
		if (kind == "") == (err == nil) {
			t.Errorf("%q gives %q and %v: want a kind or an error", text, kind, err)
		}
	})
}
