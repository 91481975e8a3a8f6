package activities_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
)

// TestGroupRenamedByHandIsKnownAgain: under another name the group still gives its
// role, so whoever is to lose that must be taken out of this very group.
func TestGroupRenamedByHandIsKnownAgain(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.want(2)
	l.converge()
	id := ""
	l.edit(func(w *memory.World) {
		id, w.Groups[0].Name = w.Groups[0].ID, "renamed by hand"
	})
	l.want(1)
	for range 2 { // a run of the first activity is what its lab applies in one round
		l.converge()
	}
	if p, err := l.plan(activities.PlanInput{}); err != nil || p.Outcome != activities.Converged {
		t.Errorf("the look after: %+v, %v; want that nothing is left", p, err)
	}
	w, err := memory.Read(l.file)
	if err != nil {
		t.Fatal(err)
	}
	var groups []memory.Group
	for _, g := range w.Groups {
		groups = append(groups, memory.Group{ID: g.ID, Name: g.Name, Members: g.Members})
	}
	want := []memory.Group{{ID: id, Name: "web-user", Members: []string{"u-" + people[0]}}}
	if diff := cmp.Diff(want, groups); diff != "" {
		t.Errorf("the platform's groups (-want +got):\n%s", diff)
	}
}
