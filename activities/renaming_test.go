package activities_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/temporal"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// renamed is a project whose group is to get another name: web-user becomes
// web-team. Its documents give the role to three people.
type renamed struct {
	*stage
	members []string
}

func newRenamed(t *testing.T, settings string) *renamed {
	t.Helper()
	s := &renamed{stage: memoryStage(t, 100, "web"), members: people[:3]}
	s.ask(map[string][]string{"web": s.members})
	s.run("web")
	s.more, s.alias = settings, "team"
	s.ask(map[string][]string{"web": s.members})
	return s
}

// part applies some batches of a renaming, as its run does.
func (s *renamed) part(p activities.PlanOutput, state activities.RenamingState, batches []activities.Batch) (all activities.ApplyOutput, err error) {
	s.t.Helper()
	s.pass++
	for _, b := range batches {
		out, err := execute[activities.ApplyOutput](&s.lab, activities.ApplyActivity, activities.ApplyInput{
			Tenant: s.tenant("web"), Digest: p.Digest, Desired: p.Desired, Pass: s.pass, Batch: b,
			Stage: activities.Stage{ID: p.Renamings[0].ID, State: state},
		})
		all.Done, all.Refused, all.Replan = all.Done+out.Done, all.Refused+out.Refused, out.Replan
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

// planned is the plan of the renaming, which has nothing but it.
func (s *renamed) planned() activities.PlanOutput {
	s.t.Helper()
	p := s.must("web", activities.PlanInput{})
	if len(p.Renamings) != 1 || len(p.Batches)+len(p.After) != 0 || len(p.Renamings[0].Build) == 0 || len(p.Renamings[0].Remove) == 0 {
		s.t.Fatalf("the plan is %+v, want one renaming that builds and removes, and nothing else", p)
	}
	return p
}

func (s *renamed) build(p activities.PlanOutput) {
	s.t.Helper()
	if out, err := s.part(p, ledger.Building, p.Renamings[0].Build); err != nil || out.Refused > 0 || out.Replan {
		s.t.Fatalf("build: %+v, %v; want all done", out, err)
	}
}

func (s *renamed) confirm(p activities.PlanOutput) activities.ConfirmOutput {
	s.t.Helper()
	out, err := s.tryConfirm(p, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

func (s *renamed) tryConfirm(p activities.PlanOutput, patience time.Duration) (activities.ConfirmOutput, error) {
	s.t.Helper()
	return execute[activities.ConfirmOutput](&s.lab, activities.ConfirmReplacementActivity, activities.ConfirmInput{
		Tenant: s.tenant("web"), ID: p.Renamings[0].ID, Patience: patience,
	})
}

func (s *renamed) undo(p activities.PlanOutput) (activities.UndoOutput, error) {
	s.t.Helper()
	return execute[activities.UndoOutput](&s.lab, activities.CompensateReplacementActivity, activities.UndoInput{
		Tenant: s.tenant("web"), ID: p.Renamings[0].ID, Digest: p.Digest, Pass: s.pass + 1,
	})
}

// groups are the members of each group, by name, and "!" before those without a role.
func (s *renamed) groups() map[string][]string {
	s.t.Helper()
	w := s.world()
	found := map[string][]string{}
	for _, g := range w.Groups {
		name := g.Name
		if !slices.ContainsFunc(w.Bindings, func(b memory.Binding) bool { return b.Group == g.ID }) {
			name = "!" + name
		}
		found[name] = g.Members
	}
	return found
}

func (s *renamed) has(reason string, want ...string) {
	s.t.Helper()
	all := map[string][]string{}
	for _, name := range want {
		for _, p := range s.members {
			all[name] = append(all[name], "u-"+p)
		}
		slices.Sort(all[name])
	}
	if diff := cmp.Diff(all, s.groups()); diff != "" {
		s.t.Errorf("%s (-want +got):\n%s", reason, diff)
	}
}

// states are what the renaming has come to, in order.
func (s *renamed) states() []activities.RenamingState {
	s.t.Helper()
	all, err := s.ledger.Renamings(s.t.Context(), s.tenant("web"))
	if err != nil {
		s.t.Fatal(err)
	}
	var states []activities.RenamingState
	for _, r := range all {
		if r.From != "web-user" || r.To != "web-team" {
			s.t.Errorf("the ledger has a renaming of %s to %s", r.From, r.To)
		}
		for _, c := range r.Changes {
			states = append(states, c.State)
		}
	}
	return states
}

func (s *renamed) came(want ...activities.RenamingState) {
	s.t.Helper()
	if diff := cmp.Diff(want, s.states()); diff != "" {
		s.t.Errorf("states (-want +got):\n%s", diff)
	}
}

func TestRenamingIsConfirmedBeforeTheOldGroupGoes(t *testing.T) {
	t.Parallel()
	s := newRenamed(t, "")
	p := s.planned()
	s.build(p)
	s.has("both are there with all that belongs to them", "web-user", "web-team")
	c := s.confirm(p)
	if c.State != ledger.Passed || len(c.Remove) == 0 || len(c.Build) > 0 {
		t.Fatalf("confirm: %+v, want the point of no return passed and the old group's end", c)
	}
	p.Digest, p.Desired = c.Digest, c.Desired
	if out, err := s.part(p, ledger.Passed, c.Remove); err != nil || out.Refused > 0 || out.Replan {
		t.Fatalf("remove: %+v, %v; want all done", out, err)
	}
	_, err := s.env.ExecuteActivity(activities.RecordReplacementActivity, activities.RecordReplacementInput{
		Tenant: s.tenant("web"), ID: p.Renamings[0].ID, Digest: p.Digest, State: ledger.Finished,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.has("the new one alone is there", "web-team")
	s.came(ledger.Building, ledger.Passed, ledger.Finished)
	if last := s.must("web", activities.PlanInput{}); last.Outcome != activities.Converged {
		t.Errorf("the tenant is %+v, want it converged", last)
	}
}

func TestStrictRenamingRemovesFirst(t *testing.T) {
	t.Parallel()
	s := newRenamed(t, "rename: strict, ")
	p := s.planned()
	if p.Renamings[0].Mode != plan.Strict {
		t.Errorf("mode %s, want %s", p.Renamings[0].Mode, plan.Strict)
	}
	if out, err := s.part(p, ledger.Passed, p.Renamings[0].Remove); err != nil || out.Refused > 0 || out.Replan {
		t.Fatalf("remove: %+v, %v; want all done", out, err)
	}
	s.has("the old one is gone")
	if out, err := s.part(p, ledger.Passed, p.Renamings[0].Build); err != nil || out.Refused > 0 || out.Replan {
		t.Fatalf("build: %+v, %v; want all done", out, err)
	}
	s.has("the new one is there", "web-team")
	s.came(ledger.Passed)
	if undone, err := s.undo(p); err != nil || !undone.Passed {
		t.Errorf("undo: %+v, %v; want that there is no way back", undone, err)
	}
}

func TestConfirmSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	s := newRenamed(t, "")
	p := s.planned()
	s.build(p)
	s.edit(func(w *memory.World) {
		i := slices.IndexFunc(w.Groups, func(g memory.Group) bool { return g.Name == "web-team" })
		w.Groups[i].Members = w.Groups[i].Members[1:] // somebody undoes a part of it
	})
	c := s.confirm(p)
	if c.State != ledger.Building || len(c.Build) == 0 || len(c.Remove) == 0 {
		t.Fatalf("confirm: %+v, want what is missing", c)
	}
	s.came(ledger.Building)
	p.Digest, p.Desired = c.Digest, c.Desired
	if out, err := s.part(p, ledger.Building, c.Build); err != nil || out.Done != 1 {
		t.Errorf("build again: %+v, %v; want one step done", out, err)
	}
	if c = s.confirm(p); c.State != ledger.Passed {
		t.Errorf("confirm: %+v, want it passed now", c)
	}
}

func TestConfirmWaitsForWhatIsUnseen(t *testing.T) {
	t.Parallel()
	s := newRenamed(t, "")
	p := s.planned()
	c, err := s.tryConfirm(p, time.Hour)
	if app, failed := errors.AsType[*temporal.ApplicationError](err); !failed || app.Type() != activities.TypePending || app.NextRetryDelay() <= 0 {
		t.Errorf("confirm: %+v, %v; want another attempt later, as the platform may not show the new group yet", c, err)
	}
	if c := s.confirm(p); c.State != ledger.Building {
		t.Errorf("confirm after its patience is over: %+v, want what is missing", c)
	}
}

func TestConfirmedRenamingOfOtherDocumentsIsPlannedAgain(t *testing.T) {
	t.Parallel()
	s := newRenamed(t, "")
	p := s.planned()
	s.build(p)
	s.alias = "crew" // the name changes again
	s.ask(map[string][]string{"web": s.members})
	if c := s.confirm(p); c.State != ledger.Replanned || len(c.Remove) > 0 {
		t.Errorf("confirm: %+v, want the tenant to be planned again", c)
	}
	s.has("nothing was taken", "web-user", "web-team")
}

// TestAgedRenamingRemovesNothing: each batch looks again whether its documents
// still ask for it.
func TestAgedRenamingRemovesNothing(t *testing.T) {
	t.Parallel()
	s := newRenamed(t, "")
	p := s.planned()
	s.build(p)
	c := s.confirm(p)
	s.alias = "user" // the old name is the right one again
	s.ask(map[string][]string{"web": s.members})
	p.Digest, p.Desired = c.Digest, c.Desired
	if out, err := s.part(p, ledger.Passed, c.Remove); err != nil || !out.Replan || out.Done != 0 {
		t.Errorf("remove: %+v, %v; want the tenant to be planned again", out, err)
	}
	s.has("nothing was taken", "web-user", "web-team")
}

func TestRenamingIsUndone(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		fault  memory.Fault
		steps  int // undone
	}{
		"complete": {"all of it was made", memory.Fault{}, 2},
		"refused":  {"the role was refused, so it was not made", memory.Fault{Op: "write:bindings.create", Class: "denied"}, 1},
		"lost":     {"the role may have been made: the answer was lost", memory.Fault{Op: "write:bindings.create", Lost: true}, 2},
		"begun":    {"there is a group and no more", memory.Fault{Op: "write:[mb]*", Class: "unavailable"}, 2},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := newRenamed(t, "")
			p := s.planned()
			if c.fault.Op != "" {
				s.breaks(c.fault)
			}
			out, err := s.part(p, ledger.Building, p.Renamings[0].Build)
			if app, ok := errors.AsType[*temporal.ApplicationError](err); ok && app.NonRetryable() {
				t.Fatalf("build: %+v, %v", out, err)
			}
			s.breaks()
			undone, err := s.undo(p)
			if err != nil || undone.Done != c.steps || undone.Refused > 0 || undone.Replan || undone.Passed {
				t.Errorf("%s: undo: %+v, %v; want %d steps", c.reason, undone, err, c.steps)
			}
			s.has(c.reason, "web-user")
			s.came(ledger.Building, ledger.Compensated)
			again, err := s.undo(p)
			if err != nil || again.Done != c.steps {
				t.Errorf("undone twice: %+v, %v; want the same", again, err)
			}
			if p := s.must("web", activities.PlanInput{}); len(p.Renamings) != 1 {
				t.Errorf("%s: the next plan is %+v, want the renaming again", c.reason, p)
			}
		})
	}
}

// TestUndoLeavesWhatOthersMade: a run takes back what it made itself.
func TestUndoLeavesWhatOthersMade(t *testing.T) {
	t.Parallel()
	s := newRenamed(t, "")
	p := s.planned()
	s.build(p)
	before := s.groups()
	other, err := execute[activities.UndoOutput](&s.lab, activities.CompensateReplacementActivity, activities.UndoInput{
		Tenant: s.tenant("web"), ID: p.Renamings[0].ID, Digest: p.Digest, Pass: 1, // nothing was made before
	})
	if err != nil || other.Done != 0 {
		t.Errorf("undo: %+v, %v; want nothing done", other, err)
	}
	if diff := cmp.Diff(before, s.groups()); diff != "" {
		t.Errorf("groups (-before +after):\n%s", diff)
	}
}

func TestUndoRefusesPastThePointOfNoReturn(t *testing.T) {
	t.Parallel()
	s := newRenamed(t, "")
	p := s.planned()
	s.build(p)
	s.confirm(p)
	if out, err := s.undo(p); err != nil || !out.Passed || out.Done > 0 {
		t.Errorf("undo: %+v, %v; want that the point of no return is passed", out, err)
	}
	s.has("nothing was taken", "web-user", "web-team")
}

func TestRefusedUndoSaysSo(t *testing.T) {
	t.Parallel()
	s := newRenamed(t, "")
	p := s.planned()
	s.build(p)
	s.breaks(memory.Fault{Op: "write:groups.delete", Class: "denied"})
	if out, err := s.undo(p); err != nil || out.Refused != 1 {
		t.Errorf("undo: %+v, %v; want one step refused", out, err)
	}
	s.came(ledger.Building)
}

// TestCompensateReplacement_RetriesUnfinishedSteps: the next attempt of a compensation applies
// the steps that failed for now or are in progress, before the compensation is recorded.
func TestCompensateReplacement_RetriesUnfinishedSteps(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		reason, op, class string
	}{
		{"the role stayed", "write:bindings.delete", "unavailable"},
		{"the group stayed", "write:groups.delete", "unavailable"},
		{"the platform is removing the role", "write:bindings.delete", "pending"},
		{"the platform is removing the group", "write:groups.delete", "pending"},
	} {
		s := newRenamed(t, "")
		p := s.planned()
		s.build(p)
		s.breaks(memory.Fault{Op: c.op, Class: c.class})
		if out, err := s.undo(p); err == nil {
			t.Fatalf("%s: the first attempt ends with %+v, want a failure", c.reason, out)
		}
		s.breaks()
		if out, err := s.undo(p); err != nil || out.Done != 2 {
			t.Errorf("%s: the second attempt ends with %+v, %v; want two steps done", c.reason, out, err)
		}
		s.has(c.reason, "web-user")
		s.came(ledger.Building, ledger.Compensated)
	}
}

// TestRefusedRenamingLeavesARemark although its steps are another run's.
func TestRefusedRenamingLeavesARemark(t *testing.T) {
	t.Parallel()
	s := newRenamed(t, "")
	p := s.planned()
	s.breaks(memory.Fault{Op: "write:groups.create", Class: "denied"})
	if out, err := s.part(p, ledger.Building, p.Renamings[0].Build); err != nil || out.Refused != 1 {
		t.Fatalf("build: %+v, %v; want one step refused", out, err)
	}
	records, err := s.ledger.Records(t.Context(), ledger.Filter{Tenant: s.tenant("web"), Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	conclude := func(runs ...string) {
		t.Helper()
		_, err := execute[activities.RecordOutcomeOutput](&s.lab, activities.RecordOutcomeActivity, activities.RecordOutcomeInput{
			Tenant: s.tenant("web"), Outcome: activities.Failed, Digest: p.Digest, Pass: 99, Renamings: runs,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	conclude()
	if _, codes := s.status("web"); slices.Contains(codes, access.PlatformDenied) {
		t.Errorf("remarks %v without the renaming's run", codes)
	}
	conclude(records[0].Run.RunID)
	if outcome, codes := s.status("web"); outcome != activities.Failed || !slices.Contains(codes, access.PlatformDenied) {
		t.Errorf("outcome %s, remarks %v; want %s", outcome, codes, access.PlatformDenied)
	}
}

// TestHeldLeaverKeepsTheOldGroup: the new group is built, and the old one stays.
func TestHeldLeaverKeepsTheOldGroup(t *testing.T) {
	t.Parallel()
	s := &renamed{stage: memoryStage(t, 100, "web"), members: people[:5]}
	s.ask(map[string][]string{"web": s.members})
	s.run("web")
	s.alias = "team"
	s.ask(map[string][]string{"web": people[:1]}) // four of five go: that is held
	p := s.must("web", activities.PlanInput{})
	if len(p.Renamings) != 1 || !p.Renamings[0].Waits || len(p.Renamings[0].Remove) > 0 || p.Held == 0 {
		t.Fatalf("plan: %+v, want a renaming that waits", p)
	}
	s.build(p)
	if c := s.confirm(p); c.State != ledger.Waiting || len(c.Remove) > 0 {
		t.Errorf("confirm: %+v, want it waiting", c)
	}
	s.came(ledger.Building, ledger.Waiting)
	if last := s.must("web", activities.PlanInput{Done: activities.Tally{Steps: 3}}); last.Outcome != activities.Waiting || len(last.Renamings) > 0 {
		t.Errorf("the next plan is %+v, want it to wait, without a workflow for it", last)
	}
}

// TestSurveysPlanKeepsItsRenamings: what a sweep has found is taken up whole.
func TestSurveysPlanKeepsItsRenamings(t *testing.T) {
	t.Parallel()
	s := newRenamed(t, "")
	found := s.survey()
	if len(found.Drifted) != 1 {
		t.Fatalf("survey: %+v, want one drifted tenant", found)
	}
	p := s.must("web", activities.PlanInput{Prepared: found.Drifted[0].Plan})
	if p.Calls != 0 || len(p.Renamings) != 1 || p.Renamings[0].Mode != plan.Recreate {
		t.Errorf("plan: %+v, want the survey's with its renaming", p)
	}
}

// TestOlderRowsAreToldWhatTheyServe: a group of which the ledger does not know
// what it is for is known after one look at the converged tenant.
func TestOlderRowsAreToldWhatTheyServe(t *testing.T) {
	t.Parallel()
	s := &renamed{stage: memoryStage(t, 100, "web"), members: people[:3]}
	s.ask(map[string][]string{"web": s.members})
	s.run("web")
	if _, err := s.store.Pool().Exec(t.Context(), `UPDATE owned SET grants = ''`); err != nil {
		t.Fatal(err)
	}
	s.run("web")
	s.alias = "team"
	s.ask(map[string][]string{"web": s.members})
	s.planned()
}
