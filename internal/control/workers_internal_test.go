package control

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/worker"

	"github.com/rollcall-iam/rollcall/internal/engine"
)

// TestIdleError says why new runs have no worker, and which builds could take them.
func TestIdleError(t *testing.T) {
	t.Parallel()
	version := func(build string) worker.WorkerDeploymentVersion {
		return worker.WorkerDeploymentVersion{DeploymentName: "rollcall", BuildID: build}
	}
	polling := func(builds ...string) (listeners []engine.Listener) {
		for _, b := range builds {
			listeners = append(listeners, engine.Listener{Version: version(b), Workers: 1})
		}
		return listeners
	}
	a, ramping := WorkerBuild{"rollcall", "a"}, WorkerBuild{"rollcall", "new"}
	for name, tc := range map[string]struct {
		reason  string
		workers engine.Workers
		message string
		want    Idle
	}{
		"no worker":  {"no worker runs", engine.Workers{}, "no worker listens", Idle{}},
		"no current": {"no build is current", engine.Workers{Listeners: polling("a")}, "no build is current", Idle{Polling: []WorkerBuild{a}}},
		"no version": {
			"workers from before versions get no new runs", engine.Workers{Listeners: []engine.Listener{{Workers: 1}}},
			"no build is current", Idle{Unversioned: true},
		},
		"current without workers": {
			"another build polls", engine.Workers{Current: version("old"), Listeners: polling("a")},
			"they go to build old, which has none", Idle{Polling: []WorkerBuild{a}},
		},
		"ramping without workers": {
			"a part of the runs waits", engine.Workers{Current: version("a"), Ramping: version("new"), RampPercent: 5, Listeners: polling("a")},
			"5 % of them go to build new, which has none", Idle{Polling: []WorkerBuild{a}, Ramping: &ramping},
		},
		"all ramping": {
			"no run goes to the current build", engine.Workers{Current: version("a"), Ramping: version("new"), RampPercent: 100, Listeners: polling("a")},
			"all go to build new, which has none", Idle{Polling: []WorkerBuild{a}},
		},
	} {
		e := AsError(idleError(tc.workers))
		if e.Code != NoWorker || !strings.Contains(e.Message, tc.message) {
			t.Errorf("%s: %s: %s %q, want %q", name, tc.reason, e.Code, e.Message, tc.message)
		}
		if diff := cmp.Diff(&tc.want, e.Idle); diff != "" {
			t.Errorf("%s: %s (-want +got):\n%s", name, tc.reason, diff)
		}
	}
}
