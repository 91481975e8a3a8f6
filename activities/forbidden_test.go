package activities_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// forbidding are the documents of a lab with a landing zone, where removals have
// these values.
func (l removed) forbidding(members int, platform, zone string) string {
	return strings.NewReplacer(
		"replication: {", "replication: {removals: "+platform+", ",
		"automateDeletionApproval:", "platformProperties: {memory: {removals: "+zone+"}}, automateDeletionApproval:",
	).Replace(l.zoned(members, "true"))
}

// TestForbiddenRemovals lets three of five members leave, and approves whatever waits.
func TestForbiddenRemovals(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		reason, platform, zone string
		by                     string // empty where removals are allowed
	}{
		{"both allow removals", "allow", "allow", ""},
		{"the platform forbids them", "forbid", "forbid", `the platform "sandbox.local"`},
		{"the landing zone cannot allow them", "forbid", "allow", `the platform "sandbox.local"`},
		{"the landing zone forbids them", "allow", "forbid", `the landing zone "zone"`},
	} {
		l := removed{newLab(t)}
		l.put(l.forbidding(5, "allow", "allow"))
		l.converge()
		l.put(l.forbidding(2, tc.platform, tc.zone))
		l.runs()
		l.approve(l.planDigest())
		p := l.runs()
		if tc.by == "" {
			if n := len(l.members()); n != 2 || p.Remarks != 0 {
				t.Errorf("%s: %d members and %d warnings, want 2 and none", tc.reason, n, p.Remarks)
			}
			continue
		}
		if n := len(l.members()); n != 5 || p.Outcome != activities.Converged || p.Held != 0 {
			t.Errorf("%s: %d members and %+v, want 5, converged and nothing pending", tc.reason, n, p)
		}
		text := l.warning(access.RemovalsForbidden)
		if !strings.HasPrefix(text, tc.by+" forbids removals") || !strings.Contains(text, `3 of the 5 members of "web-user"`) {
			t.Errorf("%s: the warning is %q", tc.reason, text)
		}
		l.put(l.forbidding(5, tc.platform, tc.zone))
		if l.runs(); l.warning(access.RemovalsForbidden) != "" {
			t.Errorf("%s: the warning does not end", tc.reason)
		}
	}
}

// planDigest returns the digest of a dry run's plan.
func (l removed) planDigest() string {
	l.t.Helper()
	p, err := l.plan(activities.PlanInput{DryRun: true})
	if err != nil {
		l.t.Fatal(err)
	}
	return p.Digest
}

// warning returns the text of the tenant's first warning of that code.
func (l removed) warning(code access.Code) string {
	l.t.Helper()
	for _, r := range l.remarks() {
		if r.Code == code {
			return r.Text
		}
	}
	return ""
}

// TestForbiddenRemovalsKeepRemovedTenant keeps everything of a removed tenant, and its
// tombstone, until removals are allowed.
func TestForbiddenRemovalsKeepRemovedTenant(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ reason, platform, zone string }{
		{"the platform forbids removals", "forbid", "allow"},
		{"the landing zone forbids removals", "allow", "forbid"},
	} {
		l := removed{newLab(t)}
		l.put(l.forbidding(2, tc.platform, tc.zone))
		l.converge()
		before, owned := l.revision(), l.owned()
		l.put(without(l.forbidding(2, tc.platform, tc.zone)))
		for range 2 {
			out, err := execute[activities.DetectDriftOutput](l.lab, activities.DetectDriftActivity, activities.DetectDriftInput{Platform: web.Platform, Limit: 10})
			if err != nil || len(out.Drifted) != 0 {
				t.Fatalf("%s: %+v, %v; want nothing to do", tc.reason, out, err)
			}
		}
		if l.revision() != before || l.tenants() != 1 || l.warning(access.RemovalsForbidden) == "" {
			t.Errorf("%s: %d tenants, warnings %v; want the tombstone, its warning and no change of the platform", tc.reason, l.tenants(), l.remarks())
		}
		if diff := cmp.Diff(owned, l.owned()); diff != "" {
			t.Errorf("%s: the ledger was changed (-want +got):\n%s", tc.reason, diff)
		}
		l.put(without(l.forbidding(2, "allow", "allow")))
		l.runsDry()
		if w, err := memory.Read(l.file); err != nil || len(w.Groups)+len(w.Bindings)+l.tenants() > 0 {
			t.Errorf("%s: left: %v, %v, %d tenants, %v; want nothing", tc.reason, w.Groups, w.Bindings, l.tenants(), err)
		}
	}
}

// TestForbiddenRemovalsStopPlans: a plan that was made while removals were allowed
// removes nothing once they are forbidden.
func TestForbiddenRemovalsStopPlans(t *testing.T) {
	t.Parallel()
	l := removed{newLab(t)}
	l.put(l.forbidding(3, "allow", "allow"))
	l.converge()
	l.put(l.forbidding(2, "allow", "allow"))
	p, err := l.plan(activities.PlanInput{})
	if err != nil || p.Steps != 1 {
		t.Fatalf("%+v, %v; want one removal", p, err)
	}
	l.put(l.forbidding(2, "allow", "forbid"))
	out, err := l.apply(p)
	if err != nil || !out.Replan || out.Done != 0 || len(l.members()) != 3 {
		t.Errorf("%+v, %v with members %v; want it planned again", out, err, l.members())
	}
}

// TestForbiddenRemovalsGrantNoOtherRole: a group keeps its members, so it never gets the
// roles of another project role, in whatever run.
func TestForbiddenRemovalsGrantNoOtherRole(t *testing.T) {
	t.Parallel()
	l := removed{newLab(t)}
	forbid := settings{bound: 2, replication: "removals: forbid,", more: auditor}
	l.documents(forbid)
	l.runOnce()
	before := l.revision()
	forbid.mappings = "[{projectRoleRef: {name: auditor}, groupAlias: user, roles: [owner]}]"
	l.documents(forbid)
	for range 2 {
		l.runOnce()
	}
	if l.revision() != before || !slices.ContainsFunc(l.remarks(), func(r access.Remark) bool {
		return r.Code == access.RemovalsForbidden && r.Object == "web-user"
	}) {
		t.Errorf("members %v, warnings %v; want the group as it was, and a warning", l.members(), l.remarks())
	}
}

// TestRevokeRemovesWhereRemovalsAreForbidden removes a user that a document no longer
// binds, and one that another system added, by name.
func TestRevokeRemovesWhereRemovalsAreForbidden(t *testing.T) {
	t.Parallel()
	for _, user := range []string{"benedict", "yvonne"} {
		l := removed{newLab(t)}
		l.put(l.forbidding(2, "forbid", "forbid"))
		l.converge()
		l.edit(func(w *memory.World) { w.Groups[0].Members = append(w.Groups[0].Members, "u-yvonne") })
		l.put(l.forbidding(1, "forbid", "forbid"))
		l.runs()
		if n := len(l.members()); n != 3 {
			t.Fatalf("%d members, want 3: removals are forbidden", n)
		}
		if out, err := l.removeUser(l.revoke(user)); err != nil || out.Sets != 1 {
			t.Errorf("revoke %s: %+v, %v; want one set", user, out, err)
		}
		if slices.Contains(l.members(), "u-"+user) || len(l.members()) != 2 {
			t.Errorf("revoke %s: members %v, want the two others", user, l.members())
		}
		if p := l.runs(); p.Outcome != activities.Converged {
			t.Errorf("revoke %s: %+v, want it converged", user, p)
		}
	}
}

// TestForbiddenRemovalsKeepDecisions: a decision still counts when removals are
// allowed again.
func TestForbiddenRemovalsKeepDecisions(t *testing.T) {
	t.Parallel()
	l := removed{newLab(t)}
	l.put(l.forbidding(5, "allow", "allow"))
	l.converge()
	l.put(l.forbidding(2, "allow", "allow"))
	l.runs()
	l.approve(l.planDigest())
	l.put(l.forbidding(2, "forbid", "allow"))
	l.runs()
	decided, err := l.store.Decisions(t.Context(), []access.TenantID{web})
	if err != nil || len(decided[web]) != 3 || decided[web][0].Verdict != store.Approved {
		t.Errorf("decisions %+v, %v; want the three approvals", decided, err)
	}
}
