package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/engine"
)

func TestOnlyRunsWithoutWorkersAreBroughtHome(t *testing.T) {
	const own = "own"
	cases := map[string]struct {
		reason string
		build  engine.Build
		want   []string
	}{
		"abandoned":     {"its program was built anew", engine.Build{ID: "old", OpenRuns: 2}, []string{"old"}},
		"nothing open":  {"there is nothing to move", engine.Build{ID: "old"}, nil},
		"has a worker":  {"somebody started it by hand", engine.Build{ID: "other", OpenRuns: 2, Workers: 1}, nil},
		"the stack's":   {"its worker is about to ask", engine.Build{ID: own, OpenRuns: 2}, nil},
		"was a preview": {"whatever it was there for, its runs wait", engine.Build{ID: "old", OpenRuns: 1, Status: engine.BuildInactive}, []string{"old"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, b := range orphaned(engine.WorkerDeployment{Builds: []engine.Build{tc.build}}, own) {
				got = append(got, b.ID)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}
