package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/internal/store/storetest"
)

func TestAdoptionShowsWhatItChanges(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	c := &cli{out: &out}
	adopted := plan.Step{
		ID: "1", Op: plan.Change, Kind: access.KindGroup, Object: "web-admin", Why: "somebody asked for it",
		Have: plan.Object{Group: &access.Group{Name: "web-admin", Ref: "g-1"}},
		Want: plan.Object{Group: &access.Group{Name: "web-admin", Ref: "g-1", Mark: access.Mark{Installation: "lab", Tenant: tenant().String()}}},
	}
	c.writeAdoption(&out, control.AdoptResult{
		Adoption: control.Adoption{
			Tenant: "marketing.web", Platform: "sandbox.local", Digest: "d-1", MoreSteps: 2,
			Groups:       []control.AdoptedGroup{{Group: "web-admin", Ref: "g-1"}},
			NotAdoptable: []control.NotAdoptable{{Group: "web-other", State: "refused", Reason: "another installation's mark is on it"}},
		},
		Plan: plan.Plan{
			Tenant: tenant(), Steps: []plan.Step{adopted, puts("2", "web-admin"), gives("3", "web-admin")}, Held: []plan.Step{takes("6", "web-admin")},
			Remarks: []access.Remark{{Code: access.ForeignPermissionKept, Object: "viewer → web-admin", Text: "viewer is kept"}},
		},
	})
	for _, text := range []string{
		`~ group "web-admin"`, "+ jane@example.com", `+ binding "owner → web-admin"`, `! held: ~ members "web-admin"`,
		"viewer is kept", "the id g-1 and carries no mark", `not taken over: group "web-other"`, "2 steps more",
	} {
		if !strings.Contains(out.String(), text) {
			t.Errorf("it does not say %q:\n%s", text, out.String())
		}
	}
}

func TestAdoptRefusals(t *testing.T) {
	t.Parallel()
	const on = "marketing.web/sandbox.local"
	s := newScene(t, clusterTenant)
	cases := map[string]struct {
		reason string
		args   []string
		says   []string
	}{
		"no reason":       {"it is kept", []string{on}, []string{"--reason"}},
		"no such tenant":  {"it is named", []string{"marketing.web/nowhere", "--reason", "r", "--as", "ada"}, []string{"marketing.web/nowhere"}},
		"no such group":   {"the others are named", []string{on, "web-ad", "--reason", "r", "--as", "ada"}, []string{`"web-ad"`, `"` + adminGroup + `"`}},
		"has no groups":   {"there is nothing to adopt", []string{"marketing.web/cluster.local", "--dry-run"}, []string{"kubernetes", "no groups"}},
		"no such command": {"a flag is checked", []string{on, "--force"}, []string{"--force"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, s.url, "", append([]string{"adopt"}, tc.args...)...).ends(t, tc.reason, exitInvalid, tc.says...)
		})
	}
}

const clusterTenant = `---
apiVersion: v1
kind: meshPlatform
metadata: {name: cluster}
spec:
  displayName: C
  locationRef: {name: local}
  config: {kubernetes: {replication: {
    roleMappings: [{projectRoleRef: {name: admin}, groupAlias: admin, roles: [admin]}]}}}
---
apiVersion: v4
kind: meshTenant
metadata: {ownedByWorkspace: marketing, ownedByProject: web}
spec: {platformIdentifier: cluster.local, platformTenantId: web}
`

// TestAdoptLists what was asked for and what came of it.
func TestAdoptLists(t *testing.T) {
	t.Parallel()
	s := newScene(t, "")
	run(t, s.url, "", "adopt").ends(t, "nothing to list", exitDone, "Nobody has asked")
	for _, ref := range []string{"g-1", "g-2"} {
		err := s.store.Adopt(t.Context(), tenant(), []store.Adoption{{Group: adminGroup, Ref: ref, By: storetest.By("ada"), Reason: "CHG-1"}})
		if err != nil {
			t.Fatal(err)
		}
	}
	got := fromJSON[[]control.AdoptionRecord](t, must(t, s.url, "", "adopt", "-o", "json"))
	if len(got) != 2 || got[0].State != "replaced" || got[1].State != "open" || got[1].By != "os:ada@test" || got[1].Ref != "g-2" || got[1].At.IsZero() {
		t.Errorf("%+v, want one that is replaced and one that is open", got)
	}
	if out := must(t, s.url, "", "adopt"); !strings.Contains(out, "CHG-1") || !strings.Contains(out, adminGroup) {
		t.Errorf("the table lacks the group or the reason:\n%s", out)
	}
}

// TestAdoptCompletes tenants, then groups that are not named yet.
func TestAdoptCompletes(t *testing.T) {
	t.Parallel()
	s := newScene(t, "")
	for _, tc := range []struct{ typed, want []string }{
		{[]string{""}, []string{"marketing.web/sandbox.local"}},
		{[]string{"marketing.web/sandbox.local", ""}, []string{adminGroup}},
		{[]string{"marketing.web/sandbox.local", adminGroup, ""}, nil},
	} {
		out := must(t, s.url, "", append([]string{"__complete", "adopt"}, tc.typed...)...)
		var offered []string
		for line := range strings.Lines(out) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, ":") {
				offered = append(offered, line)
			}
		}
		if diff := cmp.Diff(tc.want, offered); diff != "" {
			t.Errorf("after %q (-want +got):\n%s", tc.typed, diff)
		}
	}
}
