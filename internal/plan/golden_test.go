package plan_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/plan"
)

var update = flag.Bool("update", false, "write the plans the code makes to testdata/*/plan.txt")

// TestGolden walks through the truth table of the package comment, from the
// easy to the odd. Each case's input.json begins with what it shows.
func TestGolden(t *testing.T) {
	inputs, err := filepath.Glob("testdata/*/input.json")
	if err != nil || len(inputs) == 0 {
		t.Fatalf("no cases in testdata: %v", err)
	}
	for _, path := range inputs {
		dir := filepath.Dir(path)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			reason, in := readCase(t, path)
			p := plan.Make(in)
			got := "# " + reason + "\n" + p.String() + order(p)
			golden := filepath.Join(dir, "plan.txt")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatalf("%v: run go test ./internal/plan -update and read the new file", err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s (-want +got); if that is right, run go test ./internal/plan -update:\n%s", reason, diff)
			}
		})
	}
}

func readCase(t *testing.T, path string) (string, plan.Input) {
	t.Helper()
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Reason string
		plan.Input
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&file); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if file.Reason == "" {
		t.Fatalf("%s: say in the field reason what the case shows", path)
	}
	return file.Reason, file.Input
}

// order lists the waves of the schedule, one unit to a line.
func order(p plan.Plan) string {
	var b strings.Builder
	list := func(part string, waves [][]plan.Work) {
		for i, wave := range waves {
			for _, work := range wave {
				var steps []string
				for _, id := range work.Steps {
					s, _ := p.Step(id)
					steps = append(steps, fmt.Sprintf("%s %s", s.Op, s.Kind))
				}
				fmt.Fprintf(&b, "%swave %d  %s: %s\n", part, i+1, work.Unit, strings.Join(steps, ", "))
			}
		}
	}
	schedule := p.Schedule(plan.PerObject)
	list("", schedule.Now)
	for i, r := range schedule.Renamings {
		build := func() { list(fmt.Sprintf("renaming %d, build, ", i+1), r.Build) }
		if p.Renames[i].Mode != plan.Strict {
			build()
		}
		list(fmt.Sprintf("renaming %d, remove, ", i+1), r.Remove)
		if p.Renames[i].Mode == plan.Strict {
			build()
		}
	}
	list("after, ", schedule.After)
	return b.String()
}
