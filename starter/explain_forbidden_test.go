package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/explain"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// forbidding is a landing zone that forbids removals.
const forbidding = `{apiVersion: v1, kind: meshLandingZone, metadata: {name: zone},
  spec: {displayName: Zone, platformRef: {name: sandbox.local}, platformProperties: {memory: {removals: forbid}}}}`

// forbids applies a landing zone that forbids removals, and ends a run whose plan left
// out these.
func (s scene) forbids(forbidden ...plan.Step) {
	s.Helper()
	must(s.T, s.url, forbidding, "apply", "-")
	generation, err := s.store.Generation(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	digest, err := s.store.PutPlan(s.Context(), plan.Plan{Tenant: tenant(), Forbidden: forbidden}, generation)
	if err != nil {
		s.Fatal(err)
	}
	err = s.store.PutStatus(s.Context(), store.Status{
		Tenant: tenant(), Outcome: string(activities.Converged), RunID: "run-7", Digest: digest, Generation: generation,
		Remarks: []access.Remark{{Code: access.RemovalsForbidden, Object: tenant().String(), Text: "what stays"}},
	})
	if err != nil {
		s.Fatal(err)
	}
}

// TestExplainShowsForbiddenRemovals: a user who keeps access although the documents
// no longer ask for it is told which document forbids removals.
func TestExplainShowsForbiddenRemovals(t *testing.T) {
	t.Parallel()
	const on, by = "marketing.web/sandbox.local", `the landing zone "zone"`
	unbound := func(s scene) { must(s.T, s.url, "", "delete", "userbinding", "b-jane-web", "--yes") }
	role := plan.Step{ID: "3", Op: plan.Delete, Kind: access.KindBinding, Object: "viewer → " + adminGroup, Have: plan.Object{
		Binding: &access.Binding{Role: "viewer", Group: adminGroup, GroupRef: "g-1"},
	}}
	old := plan.Step{ID: "4", Op: plan.Delete, Kind: access.KindGroup, Object: "old", Have: plan.Object{Group: &access.Group{Name: "old", Ref: "g-9"}}}
	for name, tc := range map[string]struct {
		reason    string
		happen    func(scene)
		forbidden plan.Step
		codes     []string
		want      explain.Leaving
		says      string
	}{
		"member": {
			"no binding asks for it", unbound, takes("2", adminGroup), []string{"no-binding", "removals-forbidden"},
			explain.Leaving{Account: "jane@example.com", Group: adminGroup}, `the account "jane@example.com" is still in the group "web-1-admin"`,
		},
		"role": {
			"no mapping asks for the role", nil, role, []string{"removals-forbidden"},
			explain.Leaving{Group: adminGroup, Role: "viewer"}, `the group "web-1-admin" still has the role "viewer"`,
		},
		"group": {
			"no mapping asks for the group", func(s scene) { s.did("run-2", puts("5", "old")) }, old, []string{"removals-forbidden"},
			explain.Leaving{Group: "old"}, `the group "old" still exists with all its members`,
		},
		"removed tenant": {
			"nothing is cleaned up", func(s scene) { must(s.T, s.url, "", "delete", "tenant", on, "--yes") }, takes("2", adminGroup),
			[]string{"tenant-removed", "removals-forbidden"},
			explain.Leaving{Account: "jane@example.com", Group: adminGroup}, `Rollcall keeps its groups and bindings there, because the landing zone "zone" forbids removals`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, "")
			must(t, s.url, forbidding, "apply", "-")
			s.did("run-1", puts("1", adminGroup))
			if tc.happen != nil {
				tc.happen(s)
			}
			s.forbids(tc.forbidden)
			tc.want.Verdict, tc.want.By = explain.Forbidden, by
			e := s.explain("jane", on)
			if diff := cmp.Diff(tc.codes, codesOf(e.Reasons)); diff != "" {
				t.Errorf("%s: reasons (-want +got):\n%s", tc.reason, diff)
			}
			for _, args := range [][]string{{"jane", on}, {on}} {
				if diff := cmp.Diff([]explain.Leaving{tc.want}, s.explain(args...).Leaving, withoutTimes()); diff != "" {
					t.Errorf("%s: explain %v (-want +got):\n%s", tc.reason, args, diff)
				}
			}
			out := must(t, s.url, "", "explain", "jane", on)
			for _, text := range []string{tc.says, by + " forbids removals"} {
				if !strings.Contains(out, text) {
					t.Errorf("%s: the text lacks %q:\n%s", tc.reason, text, out)
				}
			}
		})
	}
}

// TestForbiddenRemovalsAreChosen by code, and by the user who keeps access.
func TestForbiddenRemovalsAreChosen(t *testing.T) {
	t.Parallel()
	s := newScene(t, morePeople)
	s.forbids(takes("2", adminGroup))
	for _, tc := range []struct {
		reason string
		args   []string
		want   int
	}{
		{"by code", []string{"--code", "removals-forbidden"}, 1},
		{"by the user who keeps access", []string{"--user", "jane"}, 1},
		{"not by another user", []string{"--user", "eve"}, 0},
	} {
		got := fromJSON[control.StatusReport](t, must(t, s.url, "", append([]string{"status", "-o", "json"}, tc.args...)...))
		if got.Remarks != tc.want {
			t.Errorf("%s: %d warnings, want %d", tc.reason, got.Remarks, tc.want)
		}
	}
}
