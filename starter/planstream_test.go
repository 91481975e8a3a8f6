package main

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// TestPlansKeepTheOrderWhereScriptsReadThem, and come as they come where people do.
func TestPlansKeepTheOrderWhereScriptsReadThem(t *testing.T) {
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
			t.Errorf("%d are kept after they were shown", len(q.waiting))
		}
	}
}

// TestAPlanThatCannotBeShownEndsIt: nothing after it is shown either.
func TestAPlanThatCannotBeShownEndsIt(t *testing.T) {
	t.Parallel()
	errFull, shown := errors.New("no space left on device"), 0
	q := queue{ordered: true, waiting: map[int]*tenantRun{}, ready: func(*tenantRun) error {
		shown++
		return errFull
	}}
	for _, i := range slices.Backward([]int{0, 1, 2}) {
		if err := q.put(i, &tenantRun{}); (err != nil) != (i == 0) {
			t.Errorf("tenant %d: error %v", i, err)
		}
	}
	if shown != 1 {
		t.Errorf("%d plans were shown after the first could not be", shown-1)
	}
}
