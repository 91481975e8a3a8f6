package activities_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// groupAt returns the place of the group of that name in the world.
func groupAt(w *memory.World, name string) int {
	return slices.IndexFunc(w.Groups, func(g memory.Group) bool { return g.Name == name })
}

// TestUndoRefusesPastAnotherRunsPoint: a run that ended in the middle of the removal
// leaves people with the new group only, so no later run takes that away.
func TestUndoRefusesPastAnotherRunsPoint(t *testing.T) {
	t.Parallel()
	s := newRenamed(t, "")
	p := s.planned()
	s.build(p)
	s.confirm(p)
	if _, err := s.store.Pool().Exec(t.Context(), `UPDATE group_replacements SET run_id = 'earlier'`); err != nil {
		t.Fatal(err)
	}
	s.edit(func(w *memory.World) { // it had taken the old group's role when it was ended
		old := w.Groups[groupAt(w, "web-user")].ID
		w.Bindings = slices.DeleteFunc(w.Bindings, func(b memory.Binding) bool { return b.Group == old })
	})
	if out, err := s.undo(p); err != nil || !out.Passed || out.Done > 0 {
		t.Errorf("undo: %+v, %v; want that the point of no return is passed", out, err)
	}
	s.has("the new group is all they have", "!web-user", "web-team")
}

// TestRenamingBegunAnewIsUndone: what was compensated, or done, is over.
func TestRenamingBegunAnewIsUndone(t *testing.T) {
	t.Parallel()
	for _, over := range []activities.RenamingState{ledger.Compensated, ledger.Finished} {
		t.Run(string(over), func(t *testing.T) {
			s := newRenamed(t, "")
			p := s.planned()
			_, err := s.store.Pool().Exec(t.Context(), `INSERT INTO group_replacements (run_id, id, state, tenant, from_group, to_group, mode, at)
				VALUES ('earlier', $1, 'cut-over', $2, 'web-user', 'web-team', 'recreate', now() - interval '2 hours'),
					('earlier', $1, $3, $2, 'web-user', 'web-team', 'recreate', now() - interval '1 hour')`,
				p.Renamings[0].ID, s.tenant("web").String(), string(over))
			if err != nil {
				t.Fatal(err)
			}
			s.build(p)
			if out, err := s.undo(p); err != nil || out.Passed || out.Done != 2 {
				t.Errorf("undo: %+v, %v; want what was made taken away", out, err)
			}
			s.has("the old group is untouched", "web-user")
		})
	}
}

// TestWhatWasMadeTwiceIsUndone: somebody deleted the new group by hand while it was
// built, so the run made it twice.
func TestWhatWasMadeTwiceIsUndone(t *testing.T) {
	t.Parallel()
	s := newRenamed(t, "")
	p := s.planned()
	s.build(p)
	s.edit(func(w *memory.World) {
		i := groupAt(w, "web-team")
		id := w.Groups[i].ID
		w.Groups = slices.Delete(w.Groups, i, i+1)
		w.Bindings = slices.DeleteFunc(w.Bindings, func(b memory.Binding) bool { return b.Group == id })
	})
	c := s.confirm(p)
	if c.State != ledger.Building {
		t.Fatalf("confirm: %+v, want the group to be built again", c)
	}
	p.Digest, p.Desired, p.Renamings[0].Build = c.Digest, c.Desired, c.Build
	s.build(p)
	if out, err := s.undo(p); err != nil || out.Refused > 0 || out.Replan {
		t.Errorf("undo: %+v, %v; want all taken away", out, err)
	}
	s.has("nothing of it is left", "web-user")
}

// TestTakenNameIsNoRenaming: somebody else has a group of the new name. The old one
// stays as it is, each look says so, and there is no run for it.
func TestTakenNameIsNoRenaming(t *testing.T) {
	t.Parallel()
	s := newRenamed(t, "")
	s.edit(func(w *memory.World) {
		w.Groups = append(w.Groups, memory.Group{ID: "theirs", Name: "web-team", Members: []string{"u-" + people[4]}})
	})
	for range 2 {
		p := s.must("web", activities.PlanInput{})
		if p.Steps > 0 || len(p.Renamings) > 0 || p.Outcome != activities.Converged {
			t.Errorf("plan: %+v, want nothing to do, as for any name that is taken", p)
		}
		_, codes := s.status("web")
		if !slices.Contains(codes, access.RenameWaiting) || !slices.Contains(codes, access.ObjectForeign) {
			t.Errorf("remarks %v, want %s and %s", codes, access.RenameWaiting, access.ObjectForeign)
		}
	}
	s.edit(func(w *memory.World) {
		w.Groups = slices.DeleteFunc(w.Groups, func(g memory.Group) bool { return g.ID == "theirs" })
	})
	s.planned() // and it goes on once the name is free
}

// TestRenameIsNeverHeld: nobody loses anything by it, so even a guard that lets
// nothing be taken does not count it; not at any look, and not right before a step.
func TestRenameIsNeverHeld(t *testing.T) {
	t.Parallel()
	s := newRenamed(t, "")
	closed := append(s.documents(map[string][]string{"web": s.members}), s.decode(
		`{apiVersion: v1, kind: Guard, metadata: {name: shut}, spec: {platforms: [stage.local], group: {most: 0, percent: 0}, change: {most: 0}, hour: {most: 0}}}`)...)
	if _, err := s.store.Apply(t.Context(), store.ApplyRequest{Documents: closed, Prune: true}); err != nil {
		t.Fatal(err)
	}
	p := s.planned()
	s.build(p)
	for range 2 { // a look that comes again counts nothing either
		if c := s.confirm(p); c.State != ledger.Passed {
			t.Fatalf("confirm: %+v, want it passed", c)
		}
	}
	c := s.confirm(p)
	p.Digest, p.Desired = c.Digest, c.Desired
	if out, err := s.part(p, ledger.Passed, c.Remove); err != nil || out.Refused > 0 || out.Replan {
		t.Fatalf("remove: %+v, %v; want all done", out, err)
	}
	s.has("the new one alone is there", "web-team")
	var counted int
	if err := s.store.Pool().QueryRow(t.Context(), "SELECT count(*) FROM removals").Scan(&counted); err != nil || counted > 0 {
		t.Errorf("%d removals are counted, %v; want none", counted, err)
	}
}

func (s *stage) decode(text string) []document.Document {
	s.t.Helper()
	docs, _, err := document.Decode(strings.NewReader(text), "more")
	if err != nil {
		s.t.Fatal(err)
	}
	return docs
}
