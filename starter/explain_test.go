package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/explain"
)

// TestExplain: why a user has access, why others have none, and which users a tenant has.
func TestExplain(t *testing.T) {
	t.Parallel()
	db := emptyDatabase(t)
	more := organisation + `---
{apiVersion: v2, kind: meshUser, metadata: {name: eve}, spec: {email: Eve@Example.com, firstName: Eve, lastName: Roe}}
---
{apiVersion: v2, kind: meshUser, metadata: {name: ada}, spec: {email: ada@example.com, firstName: Ada, lastName: Poe, euid: ada}}
---
{apiVersion: v1, kind: meshProjectRole, metadata: {name: auditor}, spec: {name: Auditor, rank: 2}}
---
apiVersion: v3
kind: meshProjectUserBinding
metadata: {name: b-eve-web}
roleRef: {name: Auditor}
targetRef: {name: web, ownedByWorkspace: marketing}
subject: {name: eve}
`
	must(t, db, more, "apply", "-")
	explain := func(args ...string) explain.Answer {
		t.Helper()
		return fromJSON[explain.Answer](t, must(t, db, "", append([]string{"explain", "-o", "json"}, args...)...))
	}

	for _, who := range []string{"jane", "jane@example.com"} {
		e := explain(who, "marketing.web/sandbox.local")
		if len(e.Access) != 1 || e.Access[0].User != "jane" || e.Access[0].Granted {
			t.Fatalf("explain %s: %+v, want one way to access, not given yet", who, e)
		}
		if diff := cmp.Diff([]string{"owner"}, e.Access[0].Roles); diff != "" {
			t.Errorf("explain %s: roles (-want +got):\n%s", who, diff)
		}
		chain := strings.Join(e.Access[0].Because, "\n")
		for _, fact := range []string{`binding "b-jane-web"`, `maps the role "admin"`, `the euid "jane@example.com"`} {
			if !strings.Contains(chain, fact) {
				t.Errorf("explain %s: the chain lacks %s:\n%s", who, fact, chain)
			}
		}
	}
	for _, tc := range []struct{ reason, who, says string }{
		{"an unmapped role opens nothing", "eve@example.com", `the role "auditor"`},
		{"no binding at all", "ada", "no binding of the project marketing.web names ada"},
	} {
		e := explain(tc.who, "marketing.web/sandbox.local")
		if len(e.Access) != 0 || !strings.Contains(strings.Join(e.Lacks, "\n"), tc.says) {
			t.Errorf("%s: %+v, want no access because %q", tc.reason, e, tc.says)
		}
	}
	if e := explain("marketing.web/sandbox.local"); len(e.Access) != 1 || e.User != "" {
		t.Errorf("who can reach the tenant: %+v, want jane", e)
	}
	run(t, db, "", "explain", "nobody", "marketing.web/sandbox.local").
		ends(t, "nobody of that name", exitInvalid, `"nobody"`, "rollcall get users")
	run(t, db, "", "explain").ends(t, "nothing to explain", exitInvalid, "a user and a tenant")
}
