package workflows_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var updateLengths = flag.Bool("update-lengths", false, "write testdata/lengths.txt instead of comparing with it")

// TestHistoriesHaveTheirLengths compares how many events each recorded history has:
// each costs the engine something, for every tenant, every time. Fewer are news, too.
// The end-to-end tests hold a real engine to the same figures.
func TestHistoriesHaveTheirLengths(t *testing.T) {
	t.Parallel()
	var got strings.Builder
	for _, name := range slices.Sorted(maps.Keys(recorded())) {
		body, err := os.ReadFile(filepath.Join("testdata", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var history struct{ Events []json.RawMessage }
		if err := json.Unmarshal(body, &history); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&got, "%3d  %s\n", len(history.Events), name)
		if most := longest()[name]; most > 0 && len(history.Events) > most {
			t.Errorf("%s has %d events, and must not have more than %d", name, len(history.Events), most)
		}
	}
	file := filepath.Join("testdata", "lengths.txt")
	if *updateLengths {
		if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got.String(), "\n")); diff != "" {
		t.Errorf("histories have other lengths (-want +got); if that is meant, run  go test ./workflows -run Lengths -update-lengths\n%s", diff)
	}
}

// longest is how many events a history may have at most, whatever the file says.
func longest() map[string]int { return map[string]int{"unchanged": 17, "changed": 35} }
