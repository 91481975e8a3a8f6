package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/engine"
	"github.com/rollcall-iam/rollcall/internal/explain"
)

var updateUnreached = flag.Bool("update-unreached", false, "write testdata/unreached.txt instead of comparing with it")

// transcript is a file of testdata/transcripts of the end-to-end tests.
type transcript struct {
	file    string
	Command string
	Output  any
	Outputs []any
}

func readTranscripts(t *testing.T) []transcript {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "deploy", "dev", "e2e", "testdata", "transcripts", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("there are %d transcripts, %v: write them with  cd deploy/dev && go test ./e2e -run TestTranscripts -update", len(files), err)
	}
	var all []transcript
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		one := transcript{file: filepath.Base(file)}
		if err := json.Unmarshal(body, &one); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, one)
	}
	return all
}

// silentRoot is the whole tree of commands, with cobra's own.
func silentRoot() *cobra.Command {
	root := rootCommand(&cli{in: &bytes.Buffer{}, out: io.Discard, err: io.Discard, getenv: func(string) string { return "" }})
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	return root
}

// leaves are the commands that have no commands below them.
func leaves(c *cobra.Command) []*cobra.Command {
	if !c.HasSubCommands() {
		return []*cobra.Command{c}
	}
	var all []*cobra.Command
	for _, sub := range c.Commands() {
		all = append(all, leaves(sub)...)
	}
	return all
}

// commandOf is the command that a transcript is of.
func commandOf(t *testing.T, root *cobra.Command, one transcript) *cobra.Command {
	t.Helper()
	found, _, err := root.Find(strings.Fields(one.Command)[1:])
	if err != nil || found == root {
		t.Fatalf("%s is of %q, which is no command: %v", one.file, one.Command, err)
	}
	return found
}

// TestEveryCommandHasATranscript: what a command writes is a contract, so that a new
// one is run by the story that the transcripts tell.
func TestEveryCommandHasATranscript(t *testing.T) {
	t.Parallel()
	without := map[string]string{
		"rollcall completion bash":       "cobra writes the script",
		"rollcall completion fish":       "cobra writes the script",
		"rollcall completion powershell": "cobra writes the script",
		"rollcall completion zsh":        "cobra writes the script",
		"rollcall login":                 "it needs a provider and a browser: its tests are beside it",
		"rollcall logout":                "it needs a login: its tests are beside it",
		"rollcall whoami":                "it needs a server: the tests of login have it",
		"rollcall trust lint":            "it reads files alone: its tests are beside it",
	}
	root := silentRoot()
	seen := map[string]bool{}
	for _, one := range readTranscripts(t) {
		seen[commandOf(t, root, one).CommandPath()] = true
	}
	all := map[string]bool{}
	for _, leaf := range leaves(root) {
		path := leaf.CommandPath()
		all[path] = true
		if _, excused := without[path]; excused == seen[path] {
			t.Errorf("%s: has a transcript: %v, has a reason to have none: %v; "+
				"add it to the story in deploy/dev/e2e/transcripts_test.go, or a reason here", path, seen[path], excused)
		}
	}
	for path := range without {
		if !all[path] {
			t.Errorf("%s has a reason to have no transcript, and is no command: take it out", path)
		}
	}
}

// planReport is what plan writes, tenant by tenant.
type planReport struct {
	planTotals

	Items []planItem `json:"items"`
}

// outputTypes are the types that commands write as JSON; several where it depends
// on the flags. A value is taken as the first type whose fields it has.
func outputTypes() map[string][]reflect.Type {
	return map[string][]reflect.Type{
		"rollcall version":          {reflect.TypeFor[build]()},
		"rollcall platforms":        {reflect.TypeFor[[]platformReport]()},
		"rollcall apply":            {reflect.TypeFor[changeResult](), reflect.TypeFor[startedReport]()},
		"rollcall delete":           {reflect.TypeFor[changeResult]()},
		"rollcall plan":             {reflect.TypeFor[planReport]()},
		"rollcall replicate":        {reflect.TypeFor[control.Report](), reflect.TypeFor[startedReport]()},
		"rollcall status":           {reflect.TypeFor[control.StatusReport]()},
		"rollcall explain":          {reflect.TypeFor[explain.Answer]()},
		"rollcall approve":          {reflect.TypeFor[[]control.PendingTenant](), reflect.TypeFor[control.Report](), reflect.TypeFor[startedReport]()},
		"rollcall reject":           {reflect.TypeFor[startedReport]()},
		"rollcall revoke":           {reflect.TypeFor[control.Revocation](), reflect.TypeFor[[]control.Revocation](), reflect.TypeFor[control.Report]()},
		"rollcall adopt":            {reflect.TypeFor[control.Adoption](), reflect.TypeFor[[]control.AdoptionRecord](), reflect.TypeFor[control.Report]()},
		"rollcall connection list":  {reflect.TypeFor[control.ConnectionsReport]()},
		"rollcall connection check": {reflect.TypeFor[control.ConnectionsReport]()},
		"rollcall forget":           {reflect.TypeFor[control.ForgetResult](), reflect.TypeFor[[]control.AbandonedPlatform]()},
		"rollcall worker versions":  {reflect.TypeFor[engine.WorkerDeployment]()},
		"rollcall worker current":   {reflect.TypeFor[routing]()},
		"rollcall worker ramp":      {reflect.TypeFor[routing]()},
		"rollcall worker move":      {reflect.TypeFor[moved]()},
	}
}

// TestTranscriptsReachEveryField lists the fields of what commands write that no
// transcript shows: a field that none shows can be renamed, or lost, unnoticed.
func TestTranscriptsReachEveryField(t *testing.T) {
	t.Parallel()
	root, types, reached := silentRoot(), outputTypes(), fields{}
	for _, of := range types {
		for _, one := range of {
			reached.declare(one)
		}
	}
	for _, one := range readTranscripts(t) {
		values := one.Outputs
		if one.Output != nil {
			values = append(values, one.Output)
		}
		of, typed := types[commandOf(t, root, one).CommandPath()]
		for _, value := range values {
			if typed && !slices.ContainsFunc(of, func(candidate reflect.Type) bool { return reached.read(candidate, value) == nil }) {
				t.Errorf("%s: %v is none of %v", one.file, value, of)
			}
		}
	}
	var missing []string
	for _, name := range slices.Sorted(maps.Keys(reached)) {
		if !reached[name] {
			missing = append(missing, name)
		}
	}
	compareUnreached(t, missing)
}

func compareUnreached(t *testing.T, missing []string) {
	t.Helper()
	file := filepath.Join("testdata", "unreached.txt")
	text := strings.Join(missing, "\n") + "\n"
	if *updateUnreached {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(text, "\n")); diff != "" {
		t.Errorf("fields that no transcript shows (-want +got); have the story show a new one, or run  "+
			"go test ./starter -run TestTranscriptsReachEveryField -update-unreached\n%s", diff)
	}
}

// fields are the fields of types, as <type>.<name>, and whether a value has them.
type fields map[string]bool

// declare notes all fields of a type, and of the types of those.
func (f fields) declare(of reflect.Type) {
	for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
		of = of.Elem()
	}
	if of.Kind() != reflect.Struct {
		return
	}
	for name, field := range jsonFields(of) {
		if _, known := f[of.Name()+"."+name]; !known {
			f[of.Name()+"."+name] = false
			f.declare(field)
		}
	}
}

var errOther = errors.New("the value is of another type")

// read marks the fields that the value has, if it is of the type.
func (f fields) read(of reflect.Type, value any) error {
	for of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	switch v := value.(type) {
	case []any:
		if of.Kind() != reflect.Slice {
			return errOther
		}
		for _, one := range v {
			if err := f.read(of.Elem(), one); err != nil {
				return err
			}
		}
	case map[string]any:
		if of.Kind() != reflect.Struct {
			return nil // free names, as in changeResult.Dropped
		}
		return f.readObject(of, v)
	default:
		if of.Kind() == reflect.Slice && value != nil {
			return errOther
		}
	}
	return nil
}

func (f fields) readObject(of reflect.Type, value map[string]any) error {
	known := jsonFields(of)
	for name := range value {
		if _, ok := known[name]; !ok {
			return errOther
		}
	}
	for name, field := range known {
		has, present := value[name]
		f[of.Name()+"."+name] = f[of.Name()+"."+name] || present
		if !present {
			continue
		}
		if err := f.read(field, has); err != nil {
			return err
		}
	}
	return nil
}

// jsonFields are the fields of a struct by their names in JSON, those of embedded
// structs among them.
func jsonFields(of reflect.Type) map[string]reflect.Type {
	known := map[string]reflect.Type{}
	for field := range of.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case name != "":
			known[name] = field.Type
		case field.Anonymous:
			maps.Copy(known, jsonFields(field.Type))
		}
	}
	return known
}
