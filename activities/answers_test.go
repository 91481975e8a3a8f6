package activities_test

import (
	"testing"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// TestEmptiedGroupWaitsForTheApproval: the members of a removed tenant's group leave it
// under a lock. When the lock is lifted, the group is deleted with the approval only that
// it needed before.
func TestEmptiedGroupWaitsForTheApproval(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.want(3)
	l.converge()
	id := document.ID{Kind: document.KindTenant, Name: web.String()}
	if _, err := l.store.Delete(t.Context(), []document.ID{id}, store.Checks{}); err != nil {
		t.Fatal(err)
	}
	l.edit(func(w *memory.World) { w.Faults = []memory.Fault{{Op: "write:bindings.delete", Class: "invalid"}} })
	if got, err := l.replicate(0, nil); err == nil {
		t.Errorf("under the lock: %+v, want a failure", got)
	}
	if members, there := l.group("web-user"); !there || len(members) > 0 {
		t.Errorf("under the lock the group has the members %v, there: %t; want an empty group", members, there)
	}
	l.edit(func(w *memory.World) { w.Faults = nil })
	l.laterRun()
	got, err := l.replicate(0, nil)
	if err != nil || got.Outcome != activities.Waiting || got.Held != 1 {
		t.Errorf("without the lock: %+v, %v; want that the deletion waits", got, err)
	}
	if _, there := l.group("web-user"); !there {
		t.Error("the group is deleted without an approval")
	}
}

// TestRefusedMembersDoNotCountAsPresent: four users should join a group of two. Then the two
// leave: if the platform refused the four, no member would be left.
func TestRefusedMembersDoNotCountAsPresent(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		reason  string
		refused []string
		left    int
		outcome activities.Outcome
	}{
		{"the four join", nil, 4, activities.Changed},
		{"the platform refuses them", []string{"u-sydney", "u-timothy", "u-ottilie", "u-yvonne"}, 2, activities.Waiting},
	} {
		l := newLab(t)
		l.want(2)
		l.converge()
		l.refuse(c.refused...)
		l.want(len(people))
		if got, err := l.replicate(0, nil); err != nil {
			t.Errorf("%s: %+v, %v", c.reason, got, err)
		}
		l.laterRun()
		text := l.text(len(people))
		for _, who := range people[:2] {
			text = withoutLine(text, "metadata: {name: b-"+who+"}")
		}
		l.put(text)
		got, err := l.replicate(0, nil)
		if err != nil || got.Outcome != c.outcome || len(l.members()) != c.left {
			t.Errorf("%s: %+v, %v, and the members are %v; want %s and %d", c.reason, got, err, l.members(), c.outcome, c.left)
		}
	}
}
