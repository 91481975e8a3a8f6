package workflows_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/workflows"
)

// TestOutageDelaysNoOtherBatch: the batch after one that fails for now is applied at once,
// in every pass.
func TestOutageDelaysNoOtherBatch(t *testing.T) {
	t.Parallel()
	p := platform{
		plans:   []answer[activities.PlanOutput]{openTwo(), open(1), ended(activities.Changed)},
		applies: []answer[activities.ApplyOutput]{failing(), applied(activities.ApplyOutput{Done: 1}), applied(activities.ApplyOutput{Done: 1})},
	}
	var began time.Time
	var after []time.Duration // of each activity
	_, err := p.run(t, workflows.ReplicateInput{Tenant: tenant}, func(env *testsuite.TestWorkflowEnvironment) {
		began = env.Now()
		p.asked = func(string) { after = append(after, env.Now().Sub(began).Round(time.Second)) }
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []time.Duration{0, 0, 0, 0, 15 * time.Second, 15 * time.Second, 15 * time.Second}
	if diff := cmp.Diff(want, after); diff != "" {
		t.Errorf("a lookup, plan, two batches, a wait, plan, a batch, plan (-want +got):\n%s", diff)
	}
}

// TestOutageEndsAfterADay: the run waits for a day, with few events, and then fails with
// what the platform answered.
func TestOutageEndsAfterADay(t *testing.T) {
	t.Parallel()
	p := platform{plans: []answer[activities.PlanOutput]{open(1)}, applies: []answer[activities.ApplyOutput]{failing()}}
	var began, ends time.Time
	_, err := p.run(t, workflows.ReplicateInput{Tenant: tenant}, func(e *testsuite.TestWorkflowEnvironment) {
		began = e.Now()
		p.asked = func(string) { ends = e.Now() }
	})
	if err == nil || !strings.Contains(err.Error(), "create group: 503") {
		t.Errorf("the run ends with %v, want the platform's answer", err)
	}
	if elapsed := ends.Sub(began); elapsed < 24*time.Hour || elapsed > 25*time.Hour {
		t.Errorf("the run waited %s, want a day", elapsed)
	}
	const eventsOfAWait, eventsOfALookup, most = 17, 6, 51_200 / 8
	if events := len(p.planned)*eventsOfAWait + len(p.resolved)*eventsOfALookup; events > most {
		t.Errorf("%d plans make about %d events, want at most %d", len(p.planned), events, most)
	}
	if len(p.concluded) != 1 || p.concluded[0].Type != activities.TypeUnavailable || !strings.Contains(p.concluded[0].Reason, "create group: 503") {
		t.Errorf("the outcome is %+v, want the platform's answer", p.concluded)
	}
}

// TestOutageIsWaitedForAcrossRuns: a run that waits continues as new where it should, and
// the new run waits no longer than the first one would have.
func TestOutageIsWaitedForAcrossRuns(t *testing.T) {
	t.Parallel()
	p := platform{plans: []answer[activities.PlanOutput]{open(1)}, applies: []answer[activities.ApplyOutput]{failing()}}
	var began time.Time
	_, err := p.run(t, workflows.ReplicateInput{Tenant: tenant}, func(env *testsuite.TestWorkflowEnvironment) {
		began = env.Now()
		env.RegisterDelayedCallback(func() { env.SetContinueAsNewSuggested(true) }, 90*time.Minute)
	})
	renewal, renewed := errors.AsType[*workflow.ContinueAsNewError](err)
	if !renewed {
		t.Fatalf("error %v, want a new run", err)
	}
	var in workflows.ReplicateInput
	if err := converter.GetDefaultDataConverter().FromPayloads(renewal.Input, &in); err != nil {
		t.Fatal(err)
	}
	if since := in.Waits.FailingSince.Sub(began); since < 0 || since > time.Minute || in.Pass != 1 {
		t.Errorf("the new run gets %+v, want that the steps of the first pass fail since then", in)
	}

	p = platform{plans: []answer[activities.PlanOutput]{open(1)}, applies: []answer[activities.ApplyOutput]{failing()}}
	in.Waits.Count = 8
	var ends time.Time
	_, err = p.run(t, in, func(env *testsuite.TestWorkflowEnvironment) {
		env.SetStartTime(began.Add(23 * time.Hour))
		p.asked = func(string) { ends = env.Now() }
	})
	if err == nil || len(p.applied) == 0 || !p.applied[0].WaitExpired {
		t.Errorf("error %v, first batch %+v; want removals that wait no longer", err, p.applied)
	}
	if elapsed := ends.Sub(began); elapsed < 24*time.Hour || elapsed > 24*time.Hour+10*time.Minute {
		t.Errorf("both runs waited %s, want a day", elapsed)
	}
}

// TestOutageDuringAReplacement: a group replacement whose steps fail for now ends, and
// holds neither the tenant nor the old group.
func TestOutageDuringAReplacement(t *testing.T) {
	t.Parallel()
	strict := renames("r1")
	strict.out.Renamings[0].Mode = "strict"
	for name, c := range map[string]struct {
		reason   string
		platform platform
		story    []string
	}{
		"building": {
			"the next plan goes on with the new group",
			platform{
				plans:    []answer[activities.PlanOutput]{renames("r1"), renames("r1"), ended(activities.Changed)},
				applies:  []answer[activities.ApplyOutput]{doneOne(), failing(), doneOne()},
				renaming: renaming{confirms: []answer[activities.ConfirmOutput]{confirmed(activities.RenamingPassed)}},
			},
			[]string{"d1 alone", "d1 build building", "d1 alone", "d1 build building", "d2 remove cut-over", "d1 after", "ended done"},
		},
		"removing": {
			"the next plan goes on with the removal",
			platform{
				plans:    []answer[activities.PlanOutput]{renames("r1"), renames("r1"), ended(activities.Changed)},
				applies:  []answer[activities.ApplyOutput]{doneOne(), doneOne(), failing(), doneOne()},
				renaming: renaming{confirms: []answer[activities.ConfirmOutput]{confirmed(activities.RenamingPassed)}},
			},
			[]string{
				"d1 alone", "d1 build building", "d2 remove cut-over", "d1 alone", "d1 build building", "d2 remove cut-over", "d1 after", "ended done",
			},
		},
		"strict": {
			"mode strict builds the new group later",
			platform{
				plans:   []answer[activities.PlanOutput]{strict, strict, ended(activities.Changed)},
				applies: []answer[activities.ApplyOutput]{doneOne(), doneOne(), failing(), doneOne()},
			},
			[]string{
				"d1 alone", "d1 planned removal cut-over", "d1 build cut-over", "d1 alone", "d1 planned removal cut-over", "d1 build cut-over",
				"d1 after", "ended done",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := c.platform
			got, err := p.run(t, workflows.ReplicateInput{Tenant: tenant}, nil)
			if err != nil || got.Outcome != activities.Changed {
				t.Fatalf("%s: %+v, %v; want changed", c.reason, got, err)
			}
			if diff := cmp.Diff(c.story, p.story()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.reason, diff)
			}
			if last := p.applied[len(p.applied)-2]; last.Stage.ID != "r1" || last.Attempts != 5 {
				t.Errorf("%s: the second run of the replacement knows of %d attempts, want 5", c.reason, last.Attempts)
			}
		})
	}
}
