package simulate_test

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/simulate"
)

// TestTableRemembers compares a table with all the worlds there have been.
func TestTableRemembers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var table simulate.Table[int]
		start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		worlds := []map[string]int{{}} // after each second
		key := rapid.SampledFrom([]string{"a", "b", "c"})
		for second := range rapid.IntRange(1, 40).Draw(t, "writes") {
			world := maps.Clone(worlds[second])
			now := start.Add(time.Duration(second+1) * time.Second)
			k := key.Draw(t, "key")
			if rapid.Bool().Draw(t, "delete") {
				table.Delete(now, k)
				delete(world, k)
			} else {
				table.Put(now, k, second)
				world[k] = second
			}
			worlds = append(worlds, world)
		}
		for second, world := range worlds {
			at := start.Add(time.Duration(second) * time.Second)
			if diff := cmp.Diff(inOrder(world), table.AllAt(at)); diff != "" {
				t.Errorf("the table as of second %d (-want +got):\n%s", second, diff)
			}
		}
		last := worlds[len(worlds)-1]
		if diff := cmp.Diff(inOrder(last), table.All()); diff != "" {
			t.Errorf("the table as it is (-want +got):\n%s", diff)
		}
		body, err := json.Marshal(table)
		if err != nil {
			t.Fatal(err)
		}
		var back simulate.Table[int]
		if err := json.Unmarshal(body, &back); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(table.AllAt(start.Add(3*time.Second)), back.AllAt(start.Add(3*time.Second))); diff != "" {
			t.Errorf("after a restart the past is another (-want +got):\n%s", diff)
		}
	})
}

func inOrder(world map[string]int) []int {
	var values []int
	for _, key := range slices.Sorted(maps.Keys(world)) {
		values = append(values, world[key])
	}
	return values
}

func TestTableForgetsWhatNobodyAsksFor(t *testing.T) {
	var table simulate.Table[int]
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 1000 {
		table.Put(start.Add(time.Duration(i)*time.Minute), "a", i)
	}
	body, err := json.Marshal(table)
	if err != nil {
		t.Fatal(err)
	}
	if len(body) > 2000 {
		t.Errorf("a row that was written 1000 times takes %d bytes", len(body))
	}
	if v, ok := table.GetAt(start.Add(995*time.Minute), "a"); !ok || v != 995 {
		t.Errorf("five minutes ago it was %d, %t; want 995", v, ok)
	}
	if diff := cmp.Diff([]string{"a"}, table.Changed(start.Add(998*time.Minute))); diff != "" {
		t.Errorf("what changed lately (-want +got):\n%s", diff)
	}
	if changed := table.Changed(start.Add(999 * time.Minute)); len(changed) != 0 {
		t.Errorf("what changed since the last write: %v, want nothing", changed)
	}
}

func TestThrottle(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	throttle := simulate.Throttle{PerSecond: 2, Burst: 3}
	for i := range 3 {
		if _, ok := throttle.Take(start, 1); !ok {
			t.Errorf("call %d of a burst of 3 is refused", i+1)
		}
	}
	wait, ok := throttle.Take(start, 1)
	if ok || wait != 500*time.Millisecond {
		t.Errorf("the fourth call: %v, %t; want to wait half a second", wait, ok)
	}
	if _, ok := throttle.Take(start.Add(wait), 1); !ok {
		t.Error("after the wait it is still refused")
	}
	var none simulate.Throttle
	if _, ok := none.Take(start, 1e9); !ok {
		t.Error("the zero throttle refuses")
	}
}
