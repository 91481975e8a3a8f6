package workflows_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/mock" // the arguments of the test environment's own mocks
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/engine"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/workflows"
)

// renaming is a scripted renaming: what it answers, and what was asked.
type renaming struct {
	confirms []answer[activities.ConfirmOutput]
	undos    []answer[activities.UndoOutput]
	asked    []activities.ConfirmInput
	undone   []activities.UndoInput
	ended    []activities.RecordReplacementInput
}

func (r *renaming) register(on *stage) {
	script(on, activities.ConfirmReplacementActivity, func(in activities.ConfirmInput) (activities.ConfirmOutput, error) {
		r.asked = append(r.asked, in)
		return next(&r.confirms)
	})
	script(on, activities.CompensateReplacementActivity, func(in activities.UndoInput) (activities.UndoOutput, error) {
		r.undone = append(r.undone, in)
		return next(&r.undos)
	})
	script(on, activities.RecordReplacementActivity, func(in activities.RecordReplacementInput) (struct{}, error) {
		r.ended = append(r.ended, in)
		return struct{}{}, nil
	})
}

func batch(unit string) activities.Batch {
	return activities.Batch{Waves: [][]plan.Work{{{Unit: unit, Steps: []string{unit}}}}}
}

// renames is a plan with a renaming, and with a step that stands alone and one
// that needs the renaming.
func renames(ids ...string) answer[activities.PlanOutput] {
	p := activities.PlanOutput{
		Digest: "d1", Desired: "w1", Steps: 4, Settle: time.Minute,
		Batches: []activities.Batch{batch("alone")}, After: []activities.Batch{batch("after")},
	}
	for _, id := range ids {
		p.Renamings = append(p.Renamings, activities.Renaming{
			ID: id, Mode: plan.Recreate, Build: []activities.Batch{batch("build")}, Remove: []activities.Batch{batch("planned removal")},
		})
	}
	return answer[activities.PlanOutput]{out: p}
}

func confirmed(state activities.RenamingState) answer[activities.ConfirmOutput] {
	out := activities.ConfirmOutput{State: state, Calls: 1}
	switch state {
	case activities.RenamingPassed:
		out.Digest, out.Desired, out.Remove = "d2", "w2", []activities.Batch{batch("remove")}
	case activities.RenamingBuilding:
		out.Digest, out.Desired, out.Build = "d2", "w2", []activities.Batch{batch("rest")}
	default:
	}
	return answer[activities.ConfirmOutput]{out: out}
}

func undone(out activities.UndoOutput) answer[activities.UndoOutput] {
	return answer[activities.UndoOutput]{out: out}
}

// done answers an apply of one step; refused and moved do not.
func doneOne() answer[activities.ApplyOutput] {
	return applied(activities.ApplyOutput{Done: 1, Calls: 1})
}

// needing has every replacement of a plan need a step besides.
func needing(p answer[activities.PlanOutput]) answer[activities.PlanOutput] {
	p.out.Renamings = slices.Clone(p.out.Renamings)
	for i := range p.out.Renamings {
		p.out.Renamings[i].Needs = true
	}
	return p
}

func refusedOne() answer[activities.ApplyOutput] { return applied(activities.ApplyOutput{Refused: 1}) }
func moved() answer[activities.ApplyOutput]      { return applied(activities.ApplyOutput{Replan: true}) }

// story tells what was asked of the platform, in order within each sort.
func (p *platform) story() []string {
	var all []string
	for _, a := range p.applied {
		all = append(all, fmt.Sprintf("%s %s", a.Digest, strings.TrimSpace(a.Batch.Waves[0][0].Unit+" "+string(a.Stage.State))))
	}
	for range p.renaming.undone {
		all = append(all, "undo")
	}
	for _, e := range p.renaming.ended {
		all = append(all, "ended "+string(e.State))
	}
	return all
}

func TestReplicateTenantRenames(t *testing.T) {
	t.Parallel()
	denied := temporal.NewNonRetryableApplicationError("platform: denied", activities.TypeDenied, nil)
	const building, passed = " building", " cut-over"
	strict := renames("r1")
	strict.out.Renamings[0].Mode = plan.Strict
	cases := map[string]struct {
		reason   string
		platform platform
		outcome  activities.Outcome
		steps    int
		story    []string
	}{
		"renamed": {
			reason: "what stands alone, the new group, the look, the old group, what needs it",
			platform: platform{
				plans:    []answer[activities.PlanOutput]{renames("r1"), ended(activities.Changed)},
				applies:  []answer[activities.ApplyOutput]{doneOne()},
				renaming: renaming{confirms: []answer[activities.ConfirmOutput]{confirmed(activities.RenamingPassed)}},
			},
			outcome: activities.Changed, steps: 4,
			story: []string{"d1 alone", "d1 build" + building, "d2 remove" + passed, "d1 after", "ended done"},
		},
		"strict": {
			reason: "mode strict removes first, and what it removes is what was planned",
			platform: platform{
				plans:   []answer[activities.PlanOutput]{strict, ended(activities.Changed)},
				applies: []answer[activities.ApplyOutput]{doneOne()},
			},
			outcome: activities.Changed, steps: 4,
			story: []string{"d1 alone", "d1 planned removal" + passed, "d1 build" + passed, "d1 after", "ended done"},
		},
		"incomplete": {
			reason: "what is missing is built before anything goes",
			platform: platform{
				plans:    []answer[activities.PlanOutput]{renames("r1"), ended(activities.Changed)},
				applies:  []answer[activities.ApplyOutput]{doneOne()},
				renaming: renaming{confirms: []answer[activities.ConfirmOutput]{confirmed(activities.RenamingBuilding), confirmed(activities.RenamingPassed)}},
			},
			outcome: activities.Changed, steps: 5,
			story: []string{"d1 alone", "d1 build" + building, "d2 rest" + building, "d2 remove" + passed, "d1 after", "ended done"},
		},
		"waiting": {
			reason: "the old group stays for what is held, and what needs its end with it",
			platform: platform{
				plans:    []answer[activities.PlanOutput]{renames("r1"), ended(activities.Waiting)},
				applies:  []answer[activities.ApplyOutput]{doneOne()},
				renaming: renaming{confirms: []answer[activities.ConfirmOutput]{confirmed(activities.RenamingWaiting)}},
			},
			outcome: activities.Waiting, steps: 2,
			story: []string{"d1 alone", "d1 build" + building, "ended waiting"},
		},
		"conflict": {
			reason: "the world moved while the new group was built: another plan goes on",
			platform: platform{
				plans:    []answer[activities.PlanOutput]{renames("r1"), renames("r1"), ended(activities.Changed)},
				applies:  []answer[activities.ApplyOutput]{doneOne(), moved(), doneOne()},
				renaming: renaming{confirms: []answer[activities.ConfirmOutput]{confirmed(activities.RenamingPassed)}},
			},
			outcome: activities.Changed, steps: 5,
			story: []string{
				"d1 alone", "d1 build" + building,
				"d1 alone", "d1 build" + building, "d2 remove" + passed, "d1 after", "ended replanned", "ended done",
			},
		},
		"conflict after": {
			reason: "the same while the old group goes: nothing is taken back",
			platform: platform{
				plans:    []answer[activities.PlanOutput]{renames("r1"), ended(activities.Changed)},
				applies:  []answer[activities.ApplyOutput]{doneOne(), doneOne(), moved()},
				renaming: renaming{confirms: []answer[activities.ConfirmOutput]{confirmed(activities.RenamingPassed)}},
			},
			outcome: activities.Changed, steps: 2,
			story: []string{"d1 alone", "d1 build" + building, "d2 remove" + passed, "ended replanned"},
		},
		"gone": {
			reason: "the documents ask for something else by now",
			platform: platform{
				plans:    []answer[activities.PlanOutput]{renames("r1"), ended(activities.Changed)},
				applies:  []answer[activities.ApplyOutput]{doneOne()},
				renaming: renaming{confirms: []answer[activities.ConfirmOutput]{confirmed(activities.RenamingReplanned)}},
			},
			outcome: activities.Changed, steps: 2,
			story: []string{"d1 alone", "d1 build" + building, "ended replanned"},
		},
		"never complete": {
			reason: "what is built does not stay: somebody fights it, round after round",
			platform: platform{
				plans:    []answer[activities.PlanOutput]{renames("r1")},
				applies:  []answer[activities.ApplyOutput]{doneOne()},
				renaming: renaming{confirms: []answer[activities.ConfirmOutput]{confirmed(activities.RenamingBuilding)}},
			},
			outcome: activities.Contested, steps: 12,
			story: slices.Concat(slices.Repeat([]string{
				"d1 alone", "d1 build" + building, "d2 rest" + building, "d2 rest" + building,
			}, 3), slices.Repeat([]string{"ended replanned"}, 3)),
		},
		"role not taken": {
			reason: "the next plan takes the access that a role of the old group gives another way, once",
			platform: platform{
				plans: []answer[activities.PlanOutput]{renames("r1")},
				applies: []answer[activities.ApplyOutput]{
					doneOne(), doneOne(), applied(activities.ApplyOutput{Refused: 1, Immovable: 1}),
					doneOne(), doneOne(), applied(activities.ApplyOutput{Refused: 1, Immovable: 1}),
				},
				renaming: renaming{confirms: []answer[activities.ConfirmOutput]{confirmed(activities.RenamingPassed)}},
			},
			outcome: activities.Failed, steps: 4,
			story: slices.Repeat([]string{"d1 alone", "d1 build" + building, "d2 remove" + passed}, 2),
		},
		"refused before": {
			reason: "before the point of no return a refusal takes back what was built",
			platform: platform{
				plans:   []answer[activities.PlanOutput]{renames("r1")},
				applies: []answer[activities.ApplyOutput]{doneOne(), refusedOne()},
				renaming: renaming{
					undos: []answer[activities.UndoOutput]{undone(activities.UndoOutput{ApplyOutput: activities.ApplyOutput{Done: 2}})},
				},
			},
			outcome: activities.Failed, steps: 3,
			story: []string{"d1 alone", "d1 build" + building, "undo"},
		},
		"denied before": {
			reason: "so does a look that is denied",
			platform: platform{
				plans:   []answer[activities.PlanOutput]{renames("r1")},
				applies: []answer[activities.ApplyOutput]{doneOne()},
				renaming: renaming{
					confirms: []answer[activities.ConfirmOutput]{{err: denied}}, undos: []answer[activities.UndoOutput]{undone(activities.UndoOutput{})},
				},
			},
			outcome: activities.Failed, steps: 2,
			story: []string{"d1 alone", "d1 build" + building, "undo"},
		},
		"refused undo": {
			reason: "what cannot be taken back either is left for the next run",
			platform: platform{
				plans:   []answer[activities.PlanOutput]{renames("r1")},
				applies: []answer[activities.ApplyOutput]{doneOne(), refusedOne()},
				renaming: renaming{
					undos: []answer[activities.UndoOutput]{undone(activities.UndoOutput{ApplyOutput: activities.ApplyOutput{Refused: 1}})},
				},
			},
			outcome: activities.Failed, steps: 1,
			story: []string{"d1 alone", "d1 build" + building, "undo"},
		},
		"refused later": {
			reason: "nor where an earlier run has passed it",
			platform: platform{
				plans:    []answer[activities.PlanOutput]{renames("r1")},
				applies:  []answer[activities.ApplyOutput]{doneOne(), refusedOne()},
				renaming: renaming{undos: []answer[activities.UndoOutput]{undone(activities.UndoOutput{Passed: true})}},
			},
			outcome: activities.Failed, steps: 1,
			story: []string{"d1 alone", "d1 build" + building, "undo"},
		},
		"refused after": {
			reason: "after the point of no return nothing is taken back",
			platform: platform{
				plans:    []answer[activities.PlanOutput]{renames("r1")},
				applies:  []answer[activities.ApplyOutput]{doneOne(), doneOne(), refusedOne()},
				renaming: renaming{confirms: []answer[activities.ConfirmOutput]{confirmed(activities.RenamingPassed)}},
			},
			outcome: activities.Failed, steps: 2,
			story: []string{"d1 alone", "d1 build" + building, "d2 remove" + passed},
		},
		"refused alone": {
			reason: "a group is not replaced when a step that the replacement may need is refused",
			platform: platform{
				plans:   []answer[activities.PlanOutput]{needing(renames("r1"))},
				applies: []answer[activities.ApplyOutput]{refusedOne()},
			},
			outcome: activities.Failed, story: []string{"d1 alone"},
		},
		"pending alone": {
			reason: "nor while the platform is still carrying out such a step",
			platform: platform{
				plans:   []answer[activities.PlanOutput]{needing(strict), needing(strict), ended(activities.Changed)},
				applies: []answer[activities.ApplyOutput]{pending(), doneOne()},
			},
			outcome: activities.Changed, steps: 4,
			story: []string{"d1 alone", "d1 alone", "d1 planned removal" + passed, "d1 build" + passed, "d1 after", "ended done"},
		},
		"pending beside": {
			reason: "a pending step stops no replacement that needs nothing else",
			platform: platform{
				plans:    []answer[activities.PlanOutput]{renames("r1"), ended(activities.Changed)},
				applies:  []answer[activities.ApplyOutput]{pending(), doneOne()},
				renaming: renaming{confirms: []answer[activities.ConfirmOutput]{confirmed(activities.RenamingPassed)}},
			},
			outcome: activities.Changed, steps: 3,
			story: []string{"d1 alone", "d1 build" + building, "d2 remove" + passed, "d1 after", "ended done"},
		},
		"refused beside": {
			reason: "a refusal stops no replacement that needs nothing else",
			platform: platform{
				plans:    []answer[activities.PlanOutput]{renames("r1"), ended(activities.Changed)},
				applies:  []answer[activities.ApplyOutput]{refusedOne(), doneOne(), doneOne(), doneOne()},
				renaming: renaming{confirms: []answer[activities.ConfirmOutput]{confirmed(activities.RenamingPassed)}},
			},
			outcome: activities.Changed, steps: 3,
			story: []string{"d1 alone", "d1 build" + building, "d2 remove" + passed, "d1 after", "ended done"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := c.platform
			got, err := p.run(t, workflows.ReplicateInput{Tenant: tenant}, nil)
			if err != nil {
				got = workflows.FailedResult(err)
			}
			if got.Outcome != c.outcome || got.Steps != c.steps {
				t.Errorf("%s: %+v, %v; want %s with %d steps", c.reason, got, err, c.outcome, c.steps)
			}
			if diff := cmp.Diff(c.story, p.story()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.reason, diff)
			}
			if c.outcome == activities.Failed && len(p.concluded) != 1 {
				t.Errorf("%s: concluded %d times, want once", c.reason, len(p.concluded))
			}
		})
	}
}

// TestRefusedRenamingIsConcluded: the run that stores the outcome names the runs
// whose steps were refused, and one refused renaming does not stop another.
func TestRefusedRenamingIsConcluded(t *testing.T) {
	t.Parallel()
	p := platform{
		plans:   []answer[activities.PlanOutput]{renames("r1", "r2")},
		applies: []answer[activities.ApplyOutput]{doneOne(), refusedOne(), doneOne()},
		renaming: renaming{
			confirms: []answer[activities.ConfirmOutput]{confirmed(activities.RenamingPassed)},
			undos:    []answer[activities.UndoOutput]{undone(activities.UndoOutput{})},
		},
	}
	_, err := p.run(t, workflows.ReplicateInput{Tenant: tenant}, nil)
	if err == nil {
		t.Fatal("the run did not fail")
	}
	if len(p.concluded) != 1 || len(p.concluded[0].Renamings) != 1 || p.concluded[0].Renamings[0] == "" {
		t.Errorf("concluded with %+v, want one run of a renaming named", p.concluded)
	}
	if len(p.renaming.ended) != 1 || p.renaming.ended[0].State != activities.RenamingDone {
		t.Errorf("renamings ended %+v, want the other one done", p.renaming.ended)
	}
	if slices.ContainsFunc(p.applied, func(a activities.ApplyInput) bool { return a.Batch.Waves[0][0].Unit == "after" }) {
		t.Error("what needs all renamings was applied")
	}
}

// TestRenamingWaitsForThePlatform: the old group stays for at least as long as the
// platform may take to act on the new one, and the look is as patient again.
func TestRenamingWaitsForThePlatform(t *testing.T) {
	t.Parallel()
	p := platform{
		plans:    []answer[activities.PlanOutput]{renames("r1"), ended(activities.Changed)},
		applies:  []answer[activities.ApplyOutput]{doneOne()},
		renaming: renaming{confirms: []answer[activities.ConfirmOutput]{confirmed(activities.RenamingPassed)}},
	}
	var waited []time.Duration
	_, err := p.run(t, workflows.ReplicateInput{Tenant: tenant}, func(env *testsuite.TestWorkflowEnvironment) {
		env.SetOnTimerScheduledListener(func(_ string, d time.Duration) { waited = append(waited, d) })
	})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(waited, time.Minute) || len(p.renaming.asked) != 1 || p.renaming.asked[0].Patience != time.Minute {
		t.Errorf("timers %v, asked %+v; want a minute waited, and as much patience", waited, p.renaming.asked)
	}
}

// TestCancelledRenamings: until the point of no return a cancellation takes back
// what was built, after it nothing stops the run.
func TestCancelledRenamings(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		// at is the activity during which the run is cancelled, by name and number.
		at    string
		nth   int
		timer bool // during the wait instead
		undo  activities.UndoOutput
		story []string
	}{
		"building": {
			reason: "what was built is taken away", at: activities.ApplyActivity, nth: 2,
			story: []string{"d1 alone", "d1 build building", "undo"},
		},
		"settling": {
			reason: "also while the platform takes its time", timer: true,
			story: []string{"d1 alone", "d1 build building", "undo"},
		},
		"checking": {
			reason: "also while somebody looks", at: activities.ConfirmReplacementActivity, nth: 1,
			story: []string{"d1 alone", "d1 build building", "undo"},
		},
		"passed": {
			reason: "the look had passed the point of no return before it was stopped", at: activities.ConfirmReplacementActivity, nth: 1,
			undo:  activities.UndoOutput{Passed: true},
			story: []string{"d1 alone", "d1 build building", "d2 remove cut-over", "undo", "ended done"},
		},
		"removing": {
			reason: "nothing stops it any more", at: activities.ApplyActivity, nth: 3,
			story: []string{"d1 alone", "d1 build building", "d2 remove cut-over", "ended done"},
		},
		"ending": {
			reason: "nor this", at: activities.RecordReplacementActivity, nth: 1,
			story: []string{"d1 alone", "d1 build building", "d2 remove cut-over", "ended done"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := platform{
				plans:   []answer[activities.PlanOutput]{renames("r1")},
				applies: []answer[activities.ApplyOutput]{doneOne()},
				renaming: renaming{
					confirms: []answer[activities.ConfirmOutput]{confirmed(activities.RenamingPassed)},
					undos:    []answer[activities.UndoOutput]{undone(c.undo)},
				},
			}
			_, err := p.run(t, workflows.ReplicateInput{Tenant: tenant}, func(env *testsuite.TestWorkflowEnvironment) {
				cancelled := make(chan struct{})
				env.SetOnActivityCanceledListener(func(*activity.Info) { close(cancelled) })
				seen := 0
				p.asked = func(name string) {
					if name != c.at {
						return
					}
					if seen++; seen == c.nth {
						env.CancelWorkflow()
						if name == activities.ConfirmReplacementActivity {
							<-cancelled // its answer must not overtake the cancellation
						}
					}
				}
				env.SetOnTimerScheduledListener(func(string, time.Duration) {
					if c.timer {
						env.CancelWorkflow()
					}
				})
			})
			if !temporal.IsCanceledError(errors.Unwrap(err)) && !temporal.IsCanceledError(err) {
				t.Errorf("%s: the run ended with %v, want it cancelled", c.reason, err)
			}
			if diff := cmp.Diff(c.story, p.story()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.reason, diff)
			}
			if len(p.concluded) > 0 {
				t.Errorf("%s: a cancelled run stored an outcome", c.reason)
			}
		})
	}
}

// TestOrphanIsWaitedFor: a renaming that a terminated run left behind is never
// begun a second time; the tenant is looked at again until it has ended.
func TestOrphanIsWaitedFor(t *testing.T) {
	t.Parallel()
	p := platform{
		plans: []answer[activities.PlanOutput]{
			renames("r1"), renames("r1"), renames("r1"), renames("r1"), renames("r1"), ended(activities.Changed),
		},
		applies: []answer[activities.ApplyOutput]{doneOne()},
	}
	var waited []time.Duration
	got, err := p.run(t, workflows.ReplicateInput{Tenant: tenant}, func(env *testsuite.TestWorkflowEnvironment) {
		env.SetOnTimerScheduledListener(func(_ string, d time.Duration) { waited = append(waited, d) })
		env.OnWorkflow(workflows.RecreateGroupWorkflow, mock.Anything, mock.Anything).Return(
			workflows.RecreateResult{}, &temporal.ChildWorkflowExecutionAlreadyStartedError{})
	})
	if err != nil || got.Outcome != activities.Changed {
		t.Errorf("the run ended with %+v, %v; want what the last look says", got, err)
	}
	want := []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second}
	if diff := cmp.Diff(want, waited); diff != "" {
		t.Errorf("pauses (-want +got):\n%s", diff)
	}
	if story := p.story(); slices.ContainsFunc(story, func(s string) bool { return !strings.HasSuffix(s, "alone") }) {
		t.Errorf("beside the one that runs this was done: %v", story)
	}
}

// TestRenamingsAreBounded: not all groups of a large tenant at once.
func TestRenamingsAreBounded(t *testing.T) {
	t.Parallel()
	var ids []string
	for i := range 11 {
		ids = append(ids, fmt.Sprintf("r%d", i))
	}
	p := platform{
		plans:   []answer[activities.PlanOutput]{renames(ids...), ended(activities.Changed)},
		applies: []answer[activities.ApplyOutput]{doneOne()},
	}
	now, most, all := 0, 0, 0
	_, err := p.run(t, workflows.ReplicateInput{Tenant: tenant}, func(env *testsuite.TestWorkflowEnvironment) {
		env.OnWorkflow(workflows.RecreateGroupWorkflow, mock.Anything, mock.Anything).Return(
			func(ctx workflow.Context, _ workflows.RecreateInput) (workflows.RecreateResult, error) {
				now, all = now+1, all+1
				most = max(most, now)
				err := workflow.Sleep(ctx, time.Minute)
				now--
				return workflows.RecreateResult{State: activities.RenamingDone, Steps: 1}, err
			})
	})
	if err != nil || all != 11 || most != 4 {
		t.Errorf("%d renamings, %d at once, %v; want 11, 4 at once", all, most, err)
	}
}

// TestChildIsFoundLikeItsTenant: by the search attributes, and without names in
// its ID.
func TestChildIsFoundLikeItsTenant(t *testing.T) {
	t.Parallel()
	p := platform{
		plans:    []answer[activities.PlanOutput]{renames("r1"), ended(activities.Changed)},
		applies:  []answer[activities.ApplyOutput]{doneOne()},
		renaming: renaming{confirms: []answer[activities.ConfirmOutput]{confirmed(activities.RenamingPassed)}},
	}
	found := ""
	_, err := p.run(t, workflows.ReplicateInput{Tenant: tenant}, func(env *testsuite.TestWorkflowEnvironment) {
		env.SetOnChildWorkflowStartedListener(func(info *workflow.Info, ctx workflow.Context, _ converter.EncodedValues) {
			project, _ := workflow.GetTypedSearchAttributes(ctx).GetKeyword(temporal.NewSearchAttributeKeyKeyword(engine.ProjectAttribute))
			found = info.WorkflowExecution.ID + " " + project
		})
	})
	if want := "group/r1 " + tenant.ProjectID(); err != nil || found != want {
		t.Errorf("the child is %q, %v; want %q", found, err, want)
	}
}
