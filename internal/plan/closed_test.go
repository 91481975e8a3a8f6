package plan_test

import (
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/plan"
)

// TestClosed_ByManyGoroutines: comparisons share their facts, which no pass changes.
func TestClosed_ByManyGoroutines(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := world(t)
		if rapid.Bool().Draw(t, "renamed") {
			in = renameWorld(t)
		}
		c := plan.Compare(in)
		open, closed := c.Plan.Digest(), plan.Make(func() plan.Input { i := in; i.Rules.Guard.Closed = "full"; return i }())
		var all sync.WaitGroup
		got := make([]plan.Plan, 4)
		for i := range got {
			all.Go(func() {
				c.Takes()
				c.Unknowns()
				got[i] = c.Closed("full").Plan
			})
		}
		all.Wait()
		for _, p := range got {
			if diff := cmp.Diff(closed, p); diff != "" {
				t.Fatalf("a closed plan differs from one that is made again (-want +got):\n%s", diff)
			}
		}
		if c.Plan.Digest() != open || c.Closed("").Plan.Digest() != open {
			t.Fatal("the comparison changed")
		}
	})
}
