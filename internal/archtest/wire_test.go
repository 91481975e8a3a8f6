package archtest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// wireNamesFile is the checked-in list of wire names.
const wireNamesFile = "wire-names.txt"

// wireName is a name that leaves a Go process: it stands in a workflow history,
// the database, the output of a command, a metric or on a platform.
type wireName struct {
	kind  string // "json", "activity", "column"; see the collectors
	where string // what holds the name: a struct field, a table, a command
	name  string
}

// String returns the name's line in the list.
func (n wireName) String() string { return n.kind + " " + n.where + " " + n.name }

// TestWireNames compares the names on the wire with the checked-in list. A name
// that changes makes data unreadable that was written before: histories, rows,
// scripts, dashboards.
func TestWireNames(t *testing.T) {
	t.Parallel()
	found := wireNames(t)
	checkKinds(t, found)
	got := lines(found)
	file := filepath.Join("testdata", wireNamesFile)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(strings.Join(got, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want := readLines(t, file)
	diff := cmp.Diff(want, got)
	if diff == "" {
		return
	}
	if slices.Equal(namesOf(want), namesOf(got)) {
		t.Fatalf("no name on the wire changed, only where it is defined: run go test ./internal/archtest -run TestWireNames -update\n"+
			"(-listed +source):\n%s", diff)
	}
	t.Fatalf("a name on the wire changed: histories, databases or scripts hold the old one; see the section Compatibility "+
		"of the README/design, then run go test ./internal/archtest -run TestWireNames -update\n(-listed +source):\n%s", diff)
}

// checkKinds fails when a collector finds nothing any more, which a list alone
// would accept after an update.
func checkKinds(t *testing.T, found []wireName) {
	t.Helper()
	count := map[string]int{}
	for _, n := range found {
		count[n.kind]++
	}
	for _, kind := range []string{
		"json", "json-untagged", "activity", "workflow", "signal", "error-type", "search-attribute", "metric", "metric-label",
		"log-key", "value", "code", "table", "column", "index", "sequence", "check", "sql-json", "sql-value", "workflow-id",
		"queue", "env", "command", "flag", "exit-code", "document-kind", "document-key", "document-value", "marker", "http",
		"payload-metadata",
	} {
		if count[kind] == 0 {
			t.Errorf("no name of kind %q was found: its collector does not recognise the source any more, correct it", kind)
		}
	}
}

// TestWireNamesBite gives each collector a small source whose names are known.
func TestWireNamesBite(t *testing.T) {
	t.Parallel()
	const file = `package workflows
import (
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
	"github.com/spf13/cobra"
)
type State string
const (
	Open State = "open-one"
	DoItActivity = "Do" + "It"
	NoticeSignal = "notice"
)
type Input struct {
	Held int ` + "`json:\"held,omitempty\"`" + `
	Loose string
	Inner Nested ` + "`json:\"inner\"`" + `
	Gone string ` + "`json:\"-\"`" + `
}
type Nested struct { Deep int }
func ThingID(s string) string { return "thing/" + s }
func run(ctx workflow.Context, log logger, cmd *cobra.Command, db pool) {
	workflow.ExecuteActivity(ctx, DoItActivity, Input{})
	workflow.ExecuteActivity(ctx, a.Survey, Input{})
	temporal.NewApplicationError("text", "Broken")
	log.Info("done", "held", 1)
	cmd.Flags().BoolVarP(&x, "only-held", "o", false, "")
	db.Query("SELECT step ->> 'object' FROM r WHERE state = 'done'")
	os.Getenv("ROLLCALL_X")
}
var c = cobra.Command{Use: "show [TENANT]"}
`
	s, err := parseSource("workflows/x.go", []byte(file))
	if err != nil {
		t.Fatal(err)
	}
	got := lines(goNames([]source{s}))
	want := []string{
		"activity workflows DoIt", "activity workflows Survey", "command workflows.c show [TENANT]", "env workflows ROLLCALL_X", "error-type workflows Broken",
		"flag workflows.run --only-held", "flag workflows.run -o", "json workflows.Input.Held held", "json workflows.Input.Inner inner",
		"json-untagged workflows.Input.Loose Loose", "json-untagged workflows.Nested.Deep Deep", "log-key workflows held",
		"signal workflows notice", "sql-json workflows/x.go ->> 'object'", "sql-value workflows/x.go 'done'",
		"value workflows.State open-one", "workflow-id workflows.ThingID thing/",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the collectors miss a name or invent one (-want +got):\n%s", diff)
	}
}

// wireNames collects every name on the wire.
func wireNames(t *testing.T) []wireName {
	t.Helper()
	return slices.Concat(goNames(shippedSources(t)), schemaNames(t), documentNames(t))
}

// goNames collects the names that Go files hold.
func goNames(files []source) []wireName {
	known := constants(files)
	names := jsonNames(files)
	for _, s := range files {
		for _, collect := range []func(source, values) []wireName{
			temporalNames, measureNames, valueNames, codeNames, sqlNames, idNames, environmentNames, commandNames, markerNames,
		} {
			names = append(names, collect(s, known)...)
		}
	}
	return names
}

// lines returns the sorted lines of the list, each once.
func lines(names []wireName) []string {
	all := make([]string, len(names))
	for i, n := range names {
		all[i] = n.String()
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// namesOf returns kind and name of each line, without the place.
func namesOf(all []string) []string {
	names := make([]string, len(all))
	for i, line := range all {
		kind, rest, _ := strings.Cut(line, " ")
		_, name, _ := strings.Cut(rest, " ")
		names[i] = kind + " " + name
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func readLines(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v: run go test ./internal/archtest -run TestWireNames -update", err)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}
