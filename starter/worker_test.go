package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/worker"

	"github.com/rollcall-iam/rollcall/internal/engine"
)

func listener(build string) engine.Listener {
	return engine.Listener{
		Version: worker.WorkerDeploymentVersion{DeploymentName: engine.DefaultDeployment, BuildID: build}, Workers: 1, Seen: time.Now(),
	}
}

func TestIdlenessTellsWhatToDo(t *testing.T) {
	t.Parallel()
	ours := func(build string) worker.WorkerDeploymentVersion { return listener(build).Version }
	elsewhere := engine.Listener{Version: worker.WorkerDeploymentVersion{DeploymentName: "other", BuildID: "b"}, Workers: 1}
	cases := map[string]struct {
		reason  string
		workers engine.Workers
		is      error
		says    string
		next    string
	}{
		"no worker": {"one must be started", engine.Workers{}, errNoWorker, "no worker listens", "rollcall-worker"},
		"one build": {
			"there is no other choice", engine.Workers{Listeners: []engine.Listener{listener("a")}}, errIdle,
			"no build is current", "rollcall worker current a",
		},
		"two builds": {
			"the operator chooses from the list", engine.Workers{Listeners: []engine.Listener{listener("a"), listener("b")}}, errIdle,
			"no build is current", "rollcall worker versions",
		},
		"other deployment": {
			"the command names it", engine.Workers{Listeners: []engine.Listener{elsewhere}}, errIdle,
			"no build is current", "rollcall worker current b --deployment other",
		},
		"no version": {
			"workers from before versions get no new runs", engine.Workers{Listeners: []engine.Listener{{Workers: 1}}}, errIdle,
			"no build is current", "rollcall worker versions",
		},
		"current without workers": {
			"another build takes over", engine.Workers{Current: ours("old"), Listeners: []engine.Listener{listener("a")}}, errIdle,
			"they go to build old, which has none", "rollcall worker current a",
		},
		"ramping without workers": {
			"a part of the runs waits", engine.Workers{Current: ours("a"), Ramping: ours("new"), RampPercent: 5, Listeners: []engine.Listener{listener("a")}},
			errIdle, "5 % of them go to build new, which has none", "rollcall worker ramp new 0",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := whyIdle(tc.workers, engine.DefaultDeployment)
			if !errors.Is(err, tc.is) {
				t.Fatalf("%s: %v, want %v", tc.reason, err, tc.is)
			}
			if !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%s: the message lacks %q: %v", tc.reason, tc.says, err)
			}
			if next := (&cli{}).nextCommand(err); next != tc.next {
				t.Errorf("%s: the next command is %q, want %q", tc.reason, next, tc.next)
			}
		})
	}
}

func TestVersionsTellWhatWaits(t *testing.T) {
	t.Parallel()
	current := engine.Build{ID: "new", Status: engine.BuildCurrent, Workers: 2, Seen: time.Now()}
	cases := map[string]struct {
		reason string
		builds []engine.Build
		says   string // empty for nothing
	}{
		"all is well": {"nothing waits", []engine.Build{current, {ID: "old", Status: engine.BuildDraining, OpenRuns: 3, Workers: 1}}, ""},
		"no current":  {"new runs wait", []engine.Build{{ID: "a", Status: engine.BuildInactive, Workers: 1}}, "rollcall worker current"},
		"idle":        {"new runs wait", []engine.Build{{ID: "a", Status: engine.BuildCurrent}}, "no worker of build a"},
		"orphans":     {"open runs wait", []engine.Build{current, {ID: "old", Status: engine.BuildDraining, OpenRuns: 1}}, "1 open run waits"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := engine.WorkerDeployment{Name: engine.DefaultDeployment, Builds: tc.builds}
			got := strings.Join(waiting(d), "\n")
			if (got == "") != (tc.says == "") || !strings.Contains(got, tc.says) {
				t.Errorf("%s: %q, want %q in it", tc.reason, got, tc.says)
			}
			var table strings.Builder
			writeVersions(&table, d)
			for _, b := range tc.builds {
				if !strings.Contains(table.String(), b.ID) || !strings.Contains(table.String(), string(b.Status)) {
					t.Errorf("the table lacks build %s:\n%s", b.ID, table.String())
				}
			}
		})
	}
}

func TestMovesGoToTheCurrentBuildUnlessToldOtherwise(t *testing.T) {
	t.Parallel()
	from := engine.Build{ID: "old"}
	all := engine.WorkerDeployment{Builds: []engine.Build{{ID: "new", Status: engine.BuildCurrent}, {ID: "other"}, from}}
	cases := map[string]struct {
		reason     string
		deployment engine.WorkerDeployment
		to         string
		want       string // empty for a mistake
	}{
		"current":    {"that is where new runs are, too", all, "", "new"},
		"another":    {"it was asked for", all, "other", "other"},
		"itself":     {"they are there", all, "old", ""},
		"unknown":    {"a typo moves nothing", all, "nothere", ""},
		"no current": {"nothing is guessed", engine.WorkerDeployment{Builds: []engine.Build{from}}, "", ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := target(tc.deployment, from, workerFlags{to: tc.to})
			if (err == nil) != (tc.want != "") || err == nil && got.ID != tc.want {
				t.Errorf("%s: %q, %v, want %q", tc.reason, got.ID, err, tc.want)
			}
		})
	}
}
