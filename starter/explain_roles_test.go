package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/explain"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// unanswered stands for a step that has no answer yet.
const unanswered = "unanswered"

// lacks is a role that is missing.
func lacks(role string, state explain.State, code access.Code, reason string) explain.MissingRole {
	return explain.MissingRole{Role: role, State: state, Code: code, Reason: reason}
}

// answered records steps that the platform answered with a failure.
func (s scene) answered(on access.TenantID, run, failure string, steps ...plan.Step) {
	s.Helper()
	s.answeredIn(1, on, run, failure, steps...)
}

// answeredIn is answered in the nth pass of the run.
func (s scene) answeredIn(n int, on access.TenantID, run, failure string, steps ...plan.Step) {
	s.Helper()
	s.recorded(ledger.Run{Tenant: on, RunID: run, WorkflowID: "w", Pass: n, Digest: "d", Cause: "apply"}, failure, steps...)
}

// recorded records steps of a run that failed, or that were not answered.
func (s scene) recorded(r ledger.Run, failure string, steps ...plan.Step) {
	s.Helper()
	l := ledger.New(s.store)
	if err := l.Intend(s.Context(), ledger.Entry{Run: r, Steps: steps}); err != nil {
		s.Fatal(err)
	}
	if failure == unanswered {
		return
	}
	outcomes := make([]ledger.Outcome, len(steps))
	for i, step := range steps {
		outcomes[i] = ledger.Outcome{Step: step, Err: failure}
	}
	if err := l.Record(s.Context(), r, outcomes); err != nil {
		s.Fatal(err)
	}
}

// ofRole is a step on a role of a group.
func ofRole(id string, op plan.Op, role, group string) plan.Step {
	binding := plan.Object{Binding: &access.Binding{Role: role, Group: group}}
	step := plan.Step{ID: id, Op: op, Kind: access.KindBinding, Object: role + " → " + group}
	if op != plan.Create {
		step.Have = binding
	}
	if op != plan.Delete {
		step.Want = binding
	}
	return step
}

// temporary and forbidden are answers of Google: for now, and for good.
const (
	temporary = "Unavailable: gcp: set the policy of web-1: 400 not a permitted customer"
	forbidden = "Invalid: gcp: set the policy of web-1: 400 not a permitted customer\nask for an exception from the policy"
)

// TestExplain_GrantedNeedsEachRole: a member of a group has access with the group's roles
// only, and is told which are missing.
func TestExplain_GrantedNeedsEachRole(t *testing.T) {
	t.Parallel()
	const on = "marketing.web/sandbox.local"
	member := func(s scene) { s.did("run-1", makes("1", adminGroup), puts("2", adminGroup)) }
	owner := ofRole("3", plan.Create, "owner", adminGroup)
	viewer := ofRole("4", plan.Create, "viewer", adminGroup)
	warning := access.Remark{Code: access.PlatformRefused, Object: viewer.Object, Text: "the platform refused the viewer"}
	refusal := func(role string) explain.MissingRole {
		return lacks(role, explain.Refused, access.PlatformRefused, strings.ReplaceAll(forbidden, "\n", ": "))
	}
	for name, tc := range map[string]struct {
		reason  string
		happen  func(scene)
		state   explain.State
		missing []explain.MissingRole
		codes   []string
		says    []string // of explain with the user and with the tenant alone
	}{
		"both granted": {
			"the membership and each role are applied, and seen", func(s scene) { s.did("run-1", owner, viewer); s.observed() },
			explain.Granted, nil, []string{}, []string{"granted"},
		},
		"both written": {
			"no run has looked since", func(s scene) { s.did("run-1", owner, viewer) },
			explain.Written, nil, []string{}, []string{"written"},
		},
		"one written": {
			"the last observation is older than one role", func(s scene) {
				s.did("run-1", owner)
				s.ended(activities.Changed, nil)
				s.did("run-2", viewer)
			},
			explain.Written, nil, []string{}, []string{"written"},
		},
		"one not granted": {
			"the run has not come to it", func(s scene) { s.did("run-1", owner) },
			explain.Pending, []explain.MissingRole{{Role: "viewer", State: explain.Pending}}, []string{"not-replicated"}, []string{"not granted yet: viewer"},
		},
		"unanswered": {
			"the platform has not answered", func(s scene) { s.did("run-1", owner); s.answered(tenant(), "run-1", unanswered, viewer) },
			explain.Pending, []explain.MissingRole{{Role: "viewer", State: explain.Pending}}, []string{"not-replicated"}, []string{"not granted yet: viewer"},
		},
		"tried again": {
			"the platform cannot for now", func(s scene) { s.did("run-1", owner); s.answered(tenant(), "run-1", temporary, viewer) },
			explain.Pending, []explain.MissingRole{{Role: "viewer", State: explain.Pending, Reason: temporary}}, []string{"not-replicated"},
			[]string{"not granted yet: viewer", `The role "viewer" of the group "web-1-admin" is not granted yet: ` + temporary},
		},
		"both tried again": {
			"no role is there", func(s scene) { s.answered(tenant(), "run-1", temporary, owner, viewer) },
			explain.Pending, []explain.MissingRole{lacks("owner", explain.Pending, "", temporary), lacks("viewer", explain.Pending, "", temporary)},
			[]string{"not-replicated"}, []string{"not granted yet: owner, viewer"},
		},
		"refused, the run goes on": {
			"no warning is stored yet", func(s scene) { s.did("run-1", owner); s.answered(tenant(), "run-1", forbidden, viewer) },
			explain.Blocked, []explain.MissingRole{refusal("viewer")}, []string{"platform-refused"},
			[]string{"refused: viewer", "not a permitted customer: ask for an exception from the policy"},
		},
		"one refused, one not granted": {
			"both are listed", func(s scene) { s.answered(tenant(), "run-1", forbidden, viewer) },
			explain.Blocked, []explain.MissingRole{{Role: "owner", State: explain.Pending}, refusal("viewer")}, []string{"platform-refused", "not-replicated"},
			[]string{"refused: viewer; not granted yet: owner"},
		},
		"refused, with a warning": {
			"the run has ended", func(s scene) {
				s.did("run-7", owner)
				s.answered(tenant(), "run-7", forbidden, viewer)
				s.ended(activities.Failed, nil, warning)
			},
			explain.Blocked, []explain.MissingRole{lacks("viewer", explain.Refused, access.PlatformRefused, warning.Text)},
			[]string{"platform-refused", "tenant-failed"}, []string{"refused: viewer", warning.Text},
		},
		"refused before": {
			"the next run tries it again, without an answer yet", func(s scene) {
				s.did("run-7", owner)
				s.ended(activities.Failed, nil, warning)
				s.answered(tenant(), "run-8", unanswered, viewer)
			},
			explain.Blocked, []explain.MissingRole{lacks("viewer", explain.Refused, access.PlatformRefused, warning.Text)},
			[]string{"platform-refused", "tenant-failed"}, []string{"refused: viewer"},
		},
		"refused before, tried again": {
			"the newer answer counts", func(s scene) {
				s.did("run-7", owner)
				s.ended(activities.Failed, nil, warning)
				s.answered(tenant(), "run-8", temporary, viewer)
			},
			explain.Pending, []explain.MissingRole{lacks("viewer", explain.Pending, "", temporary)},
			[]string{"platform-refused", "tenant-failed", "not-replicated"}, []string{"not granted yet: viewer"},
		},
		"granted after a failure": {
			"the failure is over", func(s scene) {
				s.answered(tenant(), "run-1", temporary, viewer)
				s.did("run-2", owner, viewer)
				s.observed()
			},
			explain.Granted, nil, []string{}, []string{"granted"},
		},
		"lost": {
			"another system removed the role, and it is refused since", func(s scene) {
				s.did("run-1", owner, viewer)
				s.answered(tenant(), "run-2", forbidden, viewer)
			},
			explain.Blocked, []explain.MissingRole{refusal("viewer")}, []string{"platform-refused"}, []string{"refused: viewer"},
		},
		"removed": {
			"a later step removed the role", func(s scene) {
				s.did("run-1", owner, viewer)
				s.did("run-2", ofRole("5", plan.Delete, "viewer", adminGroup))
			},
			explain.Pending, []explain.MissingRole{{Role: "viewer", State: explain.Pending}}, []string{"not-replicated"}, []string{"not granted yet: viewer"},
		},
		"removal refused": {
			"the role is still there", func(s scene) {
				s.did("run-1", owner, viewer)
				s.observed()
				s.answered(tenant(), "run-2", forbidden, ofRole("5", plan.Delete, "viewer", adminGroup))
			},
			explain.Granted, nil, []string{}, []string{"granted"},
		},
		"found": {
			"a run that compared these documents had nothing to add", func(s scene) { s.did("run-7", owner); s.ended(activities.Changed, nil) },
			explain.Granted, nil, []string{}, []string{"granted"},
		},
		"found after a failure": {
			"another system granted it meanwhile", func(s scene) {
				s.did("run-1", owner)
				s.answered(tenant(), "run-1", temporary, viewer)
				s.ended(activities.Converged, nil)
			},
			explain.Granted, nil, []string{}, []string{"granted"},
		},
		"found by a run that failed": {
			"its plan has the other role alone", func(s scene) { s.failed(owner) },
			explain.Pending, []explain.MissingRole{{Role: "owner", State: explain.Pending}}, []string{"tenant-failed", "not-replicated"},
			[]string{"not granted yet: owner"},
		},
		"another group's": {
			"the role of another group is none of this one", func(s scene) {
				s.did("run-1", owner, viewer)
				s.observed()
				s.answered(tenant(), "run-2", forbidden, ofRole("6", plan.Create, "viewer", "other"))
			},
			explain.Granted, nil, []string{}, []string{"granted"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, "")
			must(t, s.url, strings.Replace(sandbox(t), "roles: [owner]", "roles: [owner, viewer]", 1), "apply", "-")
			member(s)
			tc.happen(s)
			e := s.explain("jane", on)
			if len(e.Access) != 1 || e.Access[0].State != tc.state || !e.Access[0].Granted {
				t.Errorf("%s: %+v, want one access, %s, to whose group Rollcall added the user", tc.reason, e.Access, tc.state)
			}
			if diff := cmp.Diff(tc.missing, e.Access[0].Missing); diff != "" {
				t.Errorf("%s: missing roles (-want +got):\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(tc.codes, codesOf(e.Reasons)); diff != "" {
				t.Errorf("%s: reasons (-want +got):\n%s", tc.reason, diff)
			}
			for _, args := range [][]string{{"explain", "jane", on}, {"explain", on}} {
				out := must(t, s.url, "", args...)
				for _, text := range tc.says {
					if !strings.Contains(out, text) {
						t.Errorf("%s: %v does not say %q:\n%s", tc.reason, args, text, out)
					}
				}
				if lines := strings.Count(out, "not a permitted customer"); lines > len(tc.missing) {
					t.Errorf("%s: %v says one thing twice:\n%s", tc.reason, args, out)
				}
			}
		})
	}
}

// sandbox returns the platform's document as a scene has it.
func sandbox(t *testing.T) string {
	t.Helper()
	for doc := range strings.SplitSeq(organisation, "---\n") {
		if strings.Contains(doc, "kind: meshPlatform") {
			return strings.Replace(doc, `#{rand:%.7s}-`, "", 1)
		}
	}
	t.Fatal("the organisation has no platform")
	return ""
}

// failed ends a run whose plan had these steps.
func (s scene) failed(steps ...plan.Step) {
	s.Helper()
	generation, err := s.store.Generation(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	digest, err := s.store.PutPlan(s.Context(), plan.Plan{Tenant: tenant(), Steps: steps}, generation)
	if err != nil {
		s.Fatal(err)
	}
	err = s.store.PutStatus(s.Context(), store.Status{
		Tenant: tenant(), Outcome: string(activities.Failed), RunID: "run-7", Digest: digest, Generation: generation,
	})
	if err != nil {
		s.Fatal(err)
	}
}

// cluster is a platform whose bindings list users.
const cluster = `---
apiVersion: v1
kind: meshPlatform
metadata: {name: cluster}
spec: {displayName: C, locationRef: {name: local}, config: {kubernetes: {replication: {roleMappings: [{projectRoleRef: {name: admin}, roles: [edit]}]}}}}
---
{apiVersion: v1, kind: meshLandingZone, metadata: {name: cluster-zone}, spec: {displayName: Zone, platformRef: {name: cluster.local}}}
---
apiVersion: v4
kind: meshTenant
metadata: {ownedByWorkspace: marketing, ownedByProject: web}
spec: {platformIdentifier: cluster.local, landingZoneIdentifier: cluster-zone, platformTenantId: web}
`

// TestExplain_ReportsWhyAUserHasNoRole: on a platform whose bindings list users, the answer
// to the step that adds the user is the reason.
func TestExplain_ReportsWhyAUserHasNoRole(t *testing.T) {
	t.Parallel()
	on := access.TenantID{Workspace: "marketing", Project: "web", Platform: "cluster.local"}
	adds := func(id, partOf string, members ...access.Member) plan.Step {
		return plan.Step{
			ID: id, Op: plan.Create, Kind: access.KindBinding, Object: "edit", PartOf: partOf,
			Want: plan.Object{Binding: &access.Binding{Role: "edit", Subjects: members}},
		}
	}
	joe := access.Member{Account: access.Account{Name: "joe@example.com", Ref: "u-2"}, Person: "joe"}
	const full = "Unavailable: kubernetes: create the role binding: 500 etcd is full"
	const invalidName = "Invalid: kubernetes: create the role binding: 422 invalid"
	for name, tc := range map[string]struct {
		reason  string
		happen  func(scene)
		state   explain.State
		missing []explain.MissingRole
	}{
		"never":       {"no run tried it", func(scene) {}, explain.Pending, nil},
		"tried again": {"the platform cannot for now", func(s scene) { s.answered(on, "run-1", full, adds("1", "", jane(), joe)) }, explain.Pending, []explain.MissingRole{lacks("edit", explain.Pending, "", full)}},
		"refused":     {"it stays so", func(s scene) { s.answered(on, "run-1", invalidName, adds("1", "", jane())) }, explain.Blocked, []explain.MissingRole{lacks("edit", explain.Refused, access.PlatformRefused, invalidName)}},
		"refused for another user": {
			"the part about the user has no answer yet", func(s scene) {
				s.answered(on, "run-1", invalidName, adds("1", "", jane(), joe))
				s.answered(on, "run-1", invalidName, adds("2", "1", joe))
			}, explain.Pending, nil,
		},
		"refused for this user": {
			"the part says why", func(s scene) {
				s.answered(on, "run-1", full, adds("1", "", jane(), joe))
				s.answered(on, "run-1", invalidName, adds("2", "1", jane()))
			}, explain.Blocked, []explain.MissingRole{lacks("edit", explain.Refused, access.PlatformRefused, invalidName)},
		},
		"another user's": {"it is not about this one", func(s scene) { s.answered(on, "run-1", invalidName, adds("1", "", joe)) }, explain.Pending, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, cluster)
			tc.happen(s)
			e := s.explain("jane", on.String())
			if len(e.Access) != 1 || e.Access[0].State != tc.state {
				t.Fatalf("%s: %+v, want one access, %s", tc.reason, e.Access, tc.state)
			}
			if diff := cmp.Diff(tc.missing, e.Access[0].Missing); diff != "" {
				t.Errorf("%s: missing roles (-want +got):\n%s", tc.reason, diff)
			}
			out := must(t, s.url, "", "explain", "jane", on.String())
			for _, m := range tc.missing {
				if !strings.Contains(out, m.Reason) || !strings.Contains(out, map[explain.State]string{explain.Pending: "not granted yet", explain.Refused: "refused"}[m.State]+": edit") {
					t.Errorf("%s: the text lacks the reason or the state:\n%s", tc.reason, out)
				}
			}
		})
	}
}
