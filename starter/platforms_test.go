package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

//go:generate go test -run ^TestPlatformTable$ -update-docs .

var updateDocs = flag.Bool("update-docs", false, "write the tables of platform types into deploy/docs/platforms.md")

// The tables of platform types are generated between these lines of the page.
const (
	tableBegins = "<!-- platforms: `make docs` writes what follows -->\n"
	tableEnds   = "<!-- platforms end -->\n"
)

// TestPlatformTable compares the tables in deploy/docs/platforms.md with the profiles
// of the platform types. With -update-docs it writes them.
func TestPlatformTable(t *testing.T) {
	file := filepath.Join("..", "deploy", "docs", "platforms.md")
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(body), tableBegins)
	have, after, closed := strings.Cut(rest, tableEnds)
	if !ok || !closed {
		t.Fatalf("%s has no place for the tables of platform types: put the lines %q and %q into it", file, tableBegins, tableEnds)
	}
	want := "\n" + platformTable() + "\n"
	if *updateDocs {
		if err := os.WriteFile(file, []byte(before+tableBegins+want+tableEnds+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("%s is stale: run `go generate ./starter` (-want +got):\n%s", file, diff)
	}
}
