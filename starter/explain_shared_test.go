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
)

// foundry is a platform without groups whose organization roles two projects share.
const foundry = `---
apiVersion: v1
kind: meshPlatform
metadata: {name: foundry}
spec: {displayName: F, locationRef: {name: local}, config: {cloudfoundry: {origin: sso, replication: {roleMappings: [{projectRoleRef: {name: admin}, roles: [space_developer]}]}}}}
---
{apiVersion: v1, kind: meshLandingZone, metadata: {name: foundry-zone}, spec: {displayName: Zone, platformRef: {name: foundry.local}}}
---
{apiVersion: v2, kind: meshProject, metadata: {name: api, ownedByWorkspace: marketing}, spec: {displayName: API}}
---
{apiVersion: v4, kind: meshTenant, metadata: {ownedByWorkspace: marketing, ownedByProject: web}, spec: {platformIdentifier: foundry.local, landingZoneIdentifier: foundry-zone, platformTenantId: space-web}}
---
{apiVersion: v4, kind: meshTenant, metadata: {ownedByWorkspace: marketing, ownedByProject: api}, spec: {platformIdentifier: foundry.local, landingZoneIdentifier: foundry-zone, platformTenantId: space-api}}
---
{apiVersion: v3, kind: meshProjectUserBinding, metadata: {name: b-jane-api}, roleRef: {name: admin}, targetRef: {name: api, ownedByWorkspace: marketing}, subject: {name: jane}}
`

// TestExplain_SharedRoles: a user who has no role on one tenant any more may keep the
// organization's role, which another tenant asks for.
func TestExplain_SharedRoles(t *testing.T) {
	t.Parallel()
	web := access.TenantID{Workspace: "marketing", Project: "web", Platform: "foundry.local"}
	s := newScene(t, foundry)
	l := ledger.New(s.store)
	run := ledger.Run{Tenant: web, RunID: "run-1", WorkflowID: "w", Pass: 1, Digest: "d", Cause: "apply"}
	var steps []plan.Step
	for i, role := range []string{"organization_user", "space_developer"} {
		steps = append(steps, plan.Step{
			ID: string(rune('1' + i)), Op: plan.Create, Kind: access.KindBinding, Object: role,
			Want: plan.Object{Binding: &access.Binding{Role: role, Name: "jane@example.com", Subjects: []access.Member{jane()}}},
		})
	}
	if err := l.Intend(t.Context(), ledger.Entry{Run: run, Steps: steps}); err != nil {
		t.Fatal(err)
	}
	if err := l.Record(t.Context(), run, []ledger.Outcome{{Step: steps[0], Ref: "r-1"}, {Step: steps[1], Ref: "r-2"}}); err != nil {
		t.Fatal(err)
	}
	shared := func() string {
		t.Helper()
		var texts []string
		for _, r := range s.explain("jane", web.String()).Reasons {
			if r.Code == "role-shared" {
				texts = append(texts, r.Text)
			}
		}
		return strings.Join(texts, "; ")
	}

	before := s.explain("jane", web.String())
	if len(before.Access) != 2 || before.Access[0].State != explain.Written || before.Access[1].State != explain.Written || shared() != "" {
		t.Errorf("both roles are desired: %+v, %q, want two that are written and none shared", before.Access, shared())
	}
	must(t, s.url, "", "delete", "userbinding", "b-jane-web", "--yes")
	if got := shared(); !strings.Contains(got, "organization_user") || !strings.Contains(got, "marketing.api/foundry.local") || strings.Contains(got, "space_developer") {
		t.Errorf("no role is desired on this tenant: %q, want the organization's role and the tenant that asks for it", got)
	}
	must(t, s.url, "", "delete", "userbinding", "b-jane-api", "--yes")
	if got := shared(); got != "" {
		t.Errorf("no tenant asks for the role: %q, want nothing", got)
	}
}

// duplicateJane is a user whose account is jane's on a platform whose pattern writes upper case.
const duplicateJane = `---
{apiVersion: v2, kind: meshUser, metadata: {name: june}, spec: {email: june@example.com, firstName: June, lastName: Poe, euid: JANE@example.com}}
---
{apiVersion: v3, kind: meshProjectUserBinding, metadata: {name: b-june-web}, roleRef: {name: admin}, targetRef: {name: web, ownedByWorkspace: marketing}, subject: {name: june}}
`

// TestExplain_SharedAccount: the user who had an account before another user came to it keeps
// the access, the other user gains none, and the answers name the warning for both.
func TestExplain_SharedAccount(t *testing.T) {
	t.Parallel()
	const on = "marketing.web/sandbox.local"
	const until = "retained, and not changed until account-collision is resolved"
	s := newScene(t, collision) // the platform's pattern writes upper case
	puts := puts("1", adminGroup)
	puts.Want.Members.Accounts[0].Name = "JANE@EXAMPLE.COM"
	s.did("run-1", makes("0", adminGroup), puts, gives("2", adminGroup))
	s.observed()
	if got := s.explain("jane", on).Access; len(got) != 1 || got[0].State != explain.Granted {
		t.Fatalf("before the collision: %+v, want one access that is granted", got)
	}
	must(t, s.url, duplicateJane, "apply", "-")
	check := func(when string) {
		t.Helper()
		for _, tc := range []struct {
			reason, user string
			want         explain.State
			says         bool
		}{
			{"Rollcall added the account for this user", "jane", explain.Retained, true},
			{"the user gains nothing", "june", explain.Blocked, false},
		} {
			got := s.explain(tc.user, on)
			if len(got.Access) != 1 || got.Access[0].State != tc.want {
				t.Errorf("%s, %s: %+v, want one access that is %s", when, tc.reason, got.Access, tc.want)
			}
			if codes := codesOf(got.Reasons); !cmp.Equal(codes, []string{string(access.AccountCollision)}) {
				t.Errorf("%s, %s: reasons %v, want %s alone", when, tc.reason, codes, access.AccountCollision)
			}
			if out := must(t, s.url, "", "explain", tc.user, on); strings.Contains(out, until) != tc.says {
				t.Errorf("%s, %s: want to read %q: %t\n%s", when, tc.reason, until, tc.says, out)
			}
		}
		if out := must(t, s.url, "", "explain", on); !strings.Contains(out, "retained") || !strings.Contains(out, "has too, so jane gains nothing and loses nothing") {
			t.Errorf("%s: the tenant's list does not say that the access is retained, and why:\n%s", when, out)
		}
	}
	check("before a run")
	var warnings []access.Remark
	for _, user := range []string{"jane", "june"} {
		for _, r := range s.explain(user, on).Reasons {
			warnings = append(warnings, access.Remark{Code: access.AccountCollision, Object: user, Text: r.Text})
		}
	}
	s.ended(activities.Converged, nil, warnings...)
	check("after a run")
}
