package main

import (
	"strings"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/engine"
)

// TestNextForWorkers: each reason why new runs have no worker has one command.
func TestNextForWorkers(t *testing.T) {
	t.Parallel()
	build := func(id string) control.WorkerBuild {
		return control.WorkerBuild{Deployment: engine.DefaultDeployment, ID: id}
	}
	ramping := build("new")
	for _, tc := range []struct {
		reason string
		idle   *control.Idle
		want   string
	}{
		{"workers run and do not answer", nil, "rollcall worker versions"},
		{"a worker must be started", &control.Idle{}, "rollcall-worker"},
		{"workers from before versions get no new runs", &control.Idle{Unversioned: true}, "rollcall worker versions"},
		{"there is no other choice", &control.Idle{Polling: []control.WorkerBuild{build("a")}}, "rollcall worker current a"},
		{"the operator chooses from the list", &control.Idle{Polling: []control.WorkerBuild{build("a"), build("b")}}, "rollcall worker versions"},
		{
			"the command names the deployment", &control.Idle{Polling: []control.WorkerBuild{{Deployment: "other", ID: "b"}}},
			"rollcall worker current b --deployment other",
		},
		{"a part of the runs waits", &control.Idle{Polling: []control.WorkerBuild{build("a")}, Ramping: &ramping}, "rollcall worker ramp new 0"},
	} {
		if got := (&cli{}).nextCommand(&control.Error{Code: control.NoWorker, Idle: tc.idle}); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.reason, got, tc.want)
		}
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
