package activities_test

import (
	"strings"
	"testing"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	memoryrules "github.com/rollcall-iam/rollcall/internal/driver/memory/rules"
	"github.com/rollcall-iam/rollcall/internal/explain"
	"github.com/rollcall-iam/rollcall/internal/reconcile"
)

// explain answers for one user from what the runs left in the database.
func (l *lab) explain(user string) explain.Answer {
	l.t.Helper()
	profile := memoryrules.Profile()
	reader := explain.Reader{
		Store: l.store, Refusal: activities.Refusal,
		Platform: func(string) (explain.Platform, bool) {
			return explain.Platform{Profile: profile, Options: reconcile.DesiredOptions(profile)}, true
		},
		Completes: func(outcome string) bool {
			return outcome == string(activities.Converged) || outcome == string(activities.Changed) || outcome == string(activities.Waiting)
		},
	}
	facts, err := reader.Read(l.t.Context(), web, explain.User{Name: user, Document: &document.User{Name: user, EUID: user}})
	if err != nil {
		l.t.Fatal(err)
	}
	return explain.Explain(facts)
}

// applied plans and applies once, without the observation that a run ends with.
func (l *lab) applied() activities.PlanOutput {
	l.t.Helper()
	p, err := l.plan(activities.PlanInput{})
	if err != nil {
		l.t.Fatal(err)
	}
	if _, err := l.apply(p); err != nil {
		l.t.Log(err) // a step that fails for now is the activity's failure
	}
	return p
}

// TestExplainFollowsTheRuns: what real runs leave in the database, and what explain makes of it,
// from the first plan to an outage and a removal.
func TestExplainFollowsTheRuns(t *testing.T) {
	t.Parallel()
	const who, group = "adaline", "web-user"
	faults := func(l *lab, faults ...memory.Fault) { l.edit(func(w *memory.World) { w.Faults = faults }) }
	converged := func(l *lab) { l.documents(settings{bound: 3}); l.runOnce() }
	failed := func(l *lab) {
		p := l.applied()
		l.conclude(activities.RecordOutcomeInput{Outcome: activities.Failed, Digest: p.Digest, Pass: 1})
	}
	for name, tc := range map[string]struct {
		reason  string
		change  func(*lab)
		state   explain.State // of the access; empty for none
		member  string        // what was seen of the membership begins so
		role    string
		verdict explain.Verdict
		code    string // among the reasons
	}{
		"before any run": {"nothing has looked", func(l *lab) { l.documents(settings{bound: 3}) }, explain.Pending, "never observed", "never observed", "", "not-replicated"},
		"converged":      {"the last observation shows all", converged, explain.Granted, "seen at", "seen at", "", ""},
		"applied": {
			"the run has not looked again", func(l *lab) { l.documents(settings{bound: 3}); l.applied() },
			explain.Written, "written at", "written at", "", "",
		},
		"role refused": {
			"the platform never takes the role", func(l *lab) {
				l.documents(settings{bound: 3})
				faults(l, memory.Fault{Op: "write:bindings.create", Class: "invalid"})
				failed(l)
			}, explain.Blocked, "written at", "not there at", "", "platform-refused",
		},
		"role refused, run goes on": {
			"the run has stored no status yet", func(l *lab) {
				l.documents(settings{bound: 3})
				faults(l, memory.Fault{Op: "write:bindings.create", Class: "invalid"})
				l.applied()
			}, explain.Blocked, "written at", "not there at", "", "platform-refused",
		},
		"role fails for now": {
			"the run repeats it", func(l *lab) {
				l.documents(settings{bound: 3})
				faults(l, memory.Fault{Op: "write:bindings.create", Class: "unavailable"})
				l.applied()
			}, explain.Pending, "written at", "not there at", "", "not-replicated",
		},
		"outage": {
			"a run that cannot look leaves what was seen", func(l *lab) {
				converged(l)
				faults(l, memory.Fault{Op: "read:*", Class: "denied"})
				l.runOnce()
			}, explain.Granted, "seen at", "seen at", "", "tenant-failed",
		},
		"lost and not repaired": {
			"another system took the role, and the platform refuses it", func(l *lab) {
				converged(l)
				l.edit(func(w *memory.World) { w.Bindings = nil })
				faults(l, memory.Fault{Op: "write:bindings.create", Class: "invalid"})
				failed(l)
			}, explain.Blocked, "seen at", "not there at", "", "platform-refused",
		},
		"removal held": {
			"no document asks for the user", func(l *lab) { converged(l); l.documents(settings{bound: 0}); l.runOnce() },
			"", "", "", explain.PendingApproval, "removal-pending-approval",
		},
		"removal held, then an outage": {
			"the removal is still held", func(l *lab) {
				converged(l)
				l.documents(settings{bound: 0})
				l.runOnce()
				faults(l, memory.Fault{Op: "read:*", Class: "denied"})
				l.runOnce()
			}, "", "", "", explain.PendingApproval, "removal-pending-approval",
		},
		"removal refused": {
			"the platform keeps the member", func(l *lab) {
				converged(l)
				l.rebind("adaline")
				faults(l, memory.Fault{Op: "write:groups.members", Class: "invalid"})
				failed(l)
			}, "", "", "", explain.RemovalRefused, "platform-refused",
		},
		"removal waits for its addition": {
			"the run goes on, and the other role fails for now", func(l *lab) {
				converged(l)
				l.documents(settings{bound: 3, mappings: "[{projectRoleRef: {name: user}, groupAlias: user, roles: [viewer]}]"})
				faults(l, memory.Fault{Op: "write:bindings.create", Class: "unavailable"})
				l.applied()
			}, explain.Pending, "seen at", "not there at", explain.Waiting, "not-replicated",
		},
		"removed": {
			"no observation confirms it", func(l *lab) { converged(l); l.rebind("adaline"); l.applied() },
			"", "", "", explain.Removed, "removal-not-effective",
		},
		"removed and seen": {
			"the memory platform holds no sessions", func(l *lab) { converged(l); l.rebind("adaline"); l.runOnce() },
			"", "", "", "", "no-binding",
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			tc.change(l)
			a := l.explain(who)
			if tc.state == "" != (len(a.Access) == 0) {
				t.Fatalf("%s: %+v, want the state %q", tc.reason, a.Access, tc.state)
			}
			for _, got := range a.Access {
				if got.Group != group || got.State != tc.state || !strings.HasPrefix(got.Seen.Text(), tc.member) ||
					!strings.HasPrefix(got.RoleStates[0].Seen.Text(), tc.role) {
					t.Errorf("%s: %s, membership %q, role %q; want %s, %q, %q",
						tc.reason, got.State, got.Seen.Text(), got.RoleStates[0].Seen.Text(), tc.state, tc.member, tc.role)
				}
			}
			var verdict explain.Verdict
			if len(a.Leaving) > 0 {
				verdict = a.Leaving[0].Verdict
			}
			if len(a.Leaving) > 1 || verdict != tc.verdict {
				t.Errorf("%s: leaving %+v, want %q", tc.reason, a.Leaving, tc.verdict)
			}
			found := tc.code == "" && len(a.Reasons) == 0
			for _, r := range a.Reasons {
				found = found || r.Code == tc.code
			}
			if !found {
				t.Errorf("%s: reasons %+v, want %q", tc.reason, a.Reasons, tc.code)
			}
		})
	}
}

// rebind has the documents give the role to the usual users but one.
func (l *lab) rebind(without string) {
	l.t.Helper()
	var more strings.Builder
	for _, p := range people[:3] {
		if p != without {
			more.WriteString("---\n{apiVersion: v3, kind: meshProjectUserBinding, metadata: {name: b-" + p + "}, roleRef: {name: user}, " +
				"targetRef: {name: web, ownedByWorkspace: acme}, subject: {name: " + p + "}}\n")
		}
	}
	l.documents(settings{bound: 0, more: more.String()})
}
