package lint

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the rules into deploy/docs/trust-lint.md")

// The table of rules is generated between these lines of the page.
const (
	tableBegins = "<!-- rules: go test ./internal/trust/lint -run TestRules -update writes what follows -->\n"
	tableEnds   = "<!-- rules end -->\n"
)

// ruleTable returns the table of rules.
func ruleTable() string {
	var b strings.Builder
	b.WriteString("| Rule | Severity | Finds |\n|---|---|---|\n")
	for _, r := range Rules() {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", r.ID, r.Severity, r.Title)
	}
	return b.String()
}

func TestRules_AreInTheDocs(t *testing.T) {
	t.Parallel()
	file := filepath.Join("..", "..", "..", "deploy", "docs", "trust-lint.md")
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(body), tableBegins)
	have, after, closed := strings.Cut(rest, tableEnds)
	if !ok || !closed {
		t.Fatalf("%s has no place for the rules: put the lines %q and %q into it", file, tableBegins, tableEnds)
	}
	want := "\n" + ruleTable() + "\n"
	if *update {
		if err := os.WriteFile(file, []byte(before+tableBegins+want+tableEnds+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("%s is stale: run go test ./internal/trust/lint -run TestRules -update (-want +got):\n%s", file, diff)
	}
}

// ruleInSource matches the ID of a rule in the source of the readers.
var ruleInSource = regexp.MustCompile(`"([ACGKPUWXZ][0-9]{2})"`)

func TestRules_AreAllThatTheReadersReport(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, r := range Rules() {
		if known[r.ID] || r.Title == "" || r.Help == "" || Rank(r.Severity) == len(Severities()) {
			t.Errorf("rule %s is there twice or lacks a text", r.ID)
		}
		known[r.ID] = true
	}
	reported := map[string]bool{}
	for _, pattern := range []string{"../*.go", "../*/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") || filepath.Base(file) == "rules.go" {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, match := range ruleInSource.FindAllSubmatch(text, -1) {
				if id := string(match[1]); !known[id] {
					t.Errorf("%s reports %s, which Rules does not describe", file, id)
				} else {
					reported[id] = true
				}
			}
		}
	}
	for _, r := range Rules() {
		if !reported[r.ID] {
			t.Errorf("no reader reports %s", r.ID)
		}
	}
}
