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
	"github.com/rollcall-iam/rollcall/internal/plan/oracle"
)

var update = flag.Bool("update", false, "write what the code makes to testdata/*/plan.txt and meaning.txt; -run says which of them")

// TestGoldenWording walks through the truth table of the package comment, from
// the easy to the odd, as people read it. Each case's input.json begins with what
// it shows. A change of wording changes plan.txt and leaves meaning.txt alone.
func TestGoldenWording(t *testing.T) {
	golden(t, "plan.txt", func(_ *testing.T, reason string, in plan.Input) string {
		p := plan.Make(in)
		return "# " + reason + "\n" + p.String() + order(p)
	})
}

// TestGoldenMeaning holds what the same plans do, in a form that no change of
// wording touches, and that the oracle plans the same.
func TestGoldenMeaning(t *testing.T) {
	golden(t, "meaning.txt", func(t *testing.T, _ string, in plan.Input) string {
		t.Helper()
		got, known := meaningOf(plan.Make(in)).text(), asked(in)
		if sharesExternalName(in) {
			return got
		}
		if diff := cmp.Diff(expected(known, oracle.Make(oracleInput(known))).text(), meaningOf(plan.Make(known)).text()); diff != "" {
			t.Errorf("the plan differs from the oracle's; if that is right, list it in deliberate (-oracle +planner):\n%s", diff)
		}
		return got
	})
}

// golden compares a text about each case with the file of that name beside its
// input.
func golden(t *testing.T, name string, text func(t *testing.T, reason string, in plan.Input) string) {
	t.Helper()
	inputs, err := filepath.Glob("testdata/*/input.json")
	if err != nil || len(inputs) == 0 {
		t.Fatalf("no cases in testdata: %v", err)
	}
	for _, path := range inputs {
		dir := filepath.Dir(path)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			reason, in := readCase(t, path)
			got, file := text(t, reason, in), filepath.Join(dir, name)
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			again, _, _ := strings.Cut(t.Name(), "/")
			again = "go test ./internal/plan -run " + again + " -update"
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatalf("%v: run %s and read the new file", err, again)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s (-want +got); if that is right, run %s:\n%s", reason, again, diff)
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
