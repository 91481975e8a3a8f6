package activities

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/plan"
)

// units makes a wave of n units with one step each.
func units(wave, n int) []plan.Work {
	var work []plan.Work
	for i := range n {
		name := fmt.Sprintf("%d/%d", wave, i)
		work = append(work, plan.Work{Unit: name, Steps: []string{name}})
	}
	return work
}

func TestBatches(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		waves  []int // units in each wave
		want   [][]int
	}{
		"nothing": {"no waves, no batches", nil, nil},
		"small":   {"waves that fit together share one activity", []int{3, 6}, [][]int{{3, 6}}},
		"full":    {"a wave that does not fit any more begins the next", []int{15, 6}, [][]int{{15}, {6}}},
		"large":   {"a wave larger than a batch is cut", []int{45}, [][]int{{20}, {20}, {5}}},
		"rest":    {"what is left of a large wave has room for the next", []int{25, 10}, [][]int{{20}, {5, 10}}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var waves [][]plan.Work
			for i, n := range c.waves {
				waves = append(waves, units(i, n))
			}
			var got [][]int
			for _, b := range batches(waves, 20) {
				var sizes []int
				for _, wave := range b.Waves {
					sizes = append(sizes, len(wave))
				}
				got = append(got, sizes)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.reason, diff)
			}
		})
	}
}

func TestBatchesKeepEveryUnitInOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var waves [][]plan.Work
		var want []string
		for i, n := range rapid.SliceOfN(rapid.IntRange(1, 50), 0, 5).Draw(t, "waves") {
			waves = append(waves, units(i, n))
			for _, u := range waves[i] {
				want = append(want, u.Unit)
			}
		}
		size := rapid.IntRange(1, 30).Draw(t, "size")
		var got []string
		for _, b := range batches(waves, size) {
			inBatch := 0
			for _, wave := range b.Waves {
				inBatch += len(wave)
				for _, u := range wave {
					got = append(got, u.Unit)
				}
			}
			if inBatch > size {
				t.Fatalf("a batch has %d units, want at most %d", inBatch, size)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("units (-want +got):\n%s", diff)
		}
	})
}
