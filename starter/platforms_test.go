package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

//go:generate go test -run ^TestPlatformTable$ -update-readme .

var updateReadme = flag.Bool("update-readme", false, "write the table of platforms into the README")

// Between these lines the README's table of platforms is generated.
const (
	tableBegins = "<!-- platforms: `make docs` writes what follows -->\n"
	tableEnds   = "<!-- platforms end -->\n"
)

// TestPlatformTable says when the README tells something else than the drivers.
func TestPlatformTable(t *testing.T) {
	file := filepath.Join("..", "README.md")
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(body), tableBegins)
	have, after, closed := strings.Cut(rest, tableEnds)
	if !ok || !closed {
		t.Fatalf("the README has no place for the table of platforms: it goes between %q and %q", tableBegins, tableEnds)
	}
	want := "\n" + platformTable() + "\n"
	if *updateReadme {
		if err := os.WriteFile(file, []byte(before+tableBegins+want+tableEnds+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("the README's table of platforms is stale: run make docs (-want +got):\n%s", diff)
	}
}
