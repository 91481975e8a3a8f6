package e2e

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/ledger"
)

// TestOrphanedRenamingIsNeverBegunTwice: what a terminated run left behind takes
// back what it made; the next run waits for that, and does it all again.
func TestOrphanedRenamingIsNeverBegunTwice(t *testing.T) {
	t.Parallel()
	r := newRecorder(t)
	r.run(done)
	r.called("team", "recreate")
	r.orphaned()
	want := map[string]int{"project-00-admin": 5, "project-00-team": 5, "project-00-reader": 5}
	if diff := cmp.Diff(want, membersOf(t, r.file)); diff != "" {
		t.Errorf("groups and members (-want +got):\n%s", diff)
	}
	var states []ledger.RenamingState
	for _, one := range r.all() {
		states = append(states, one.State())
	}
	if diff := cmp.Diff([]ledger.RenamingState{ledger.Finished, ledger.Compensated}, states); diff != "" {
		t.Errorf("how the renamings ended, the last one first (-want +got):\n%s", diff)
	}
}
