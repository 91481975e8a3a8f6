package control

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// TestQueue_KeepsTheOrder if it is ordered.
func TestQueue_KeepsTheOrder(t *testing.T) {
	t.Parallel()
	ended := []int{2, 0, 3, 1, 4}
	for ordered, want := range map[bool][]string{true: {"0", "1", "2", "3", "4"}, false: {"2", "0", "3", "1", "4"}} {
		var got []string
		q := queue{ordered: ordered, waiting: map[int]*tenantRun{}, ready: func(r *tenantRun) error {
			got = append(got, r.tenant.Project)
			return nil
		}}
		for _, i := range ended {
			if err := q.put(i, &tenantRun{tenant: access.TenantID{Project: string(rune('0' + i))}}); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("ordered: %v (-want +got):\n%s", ordered, diff)
		}
		if len(q.waiting) > 0 {
			t.Errorf("%d are kept after they were passed", len(q.waiting))
		}
	}
}

// TestQueue_EndsWithAFailure: no run after it is passed on.
func TestQueue_EndsWithAFailure(t *testing.T) {
	t.Parallel()
	errFull, passed := errors.New("no space left on device"), 0
	q := queue{ordered: true, waiting: map[int]*tenantRun{}, ready: func(*tenantRun) error {
		passed++
		return errFull
	}}
	for _, i := range slices.Backward([]int{0, 1, 2}) {
		if err := q.put(i, &tenantRun{}); (err != nil) != (i == 0) {
			t.Errorf("tenant %d: error %v", i, err)
		}
	}
	if passed != 1 {
		t.Errorf("%d plans were passed after the first could not be", passed-1)
	}
}
