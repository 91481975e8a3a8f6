package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// twoProjects adds a second project with a tenant to the organisation.
const twoProjects = organisation + `---
{apiVersion: v1, kind: meshWorkspace, metadata: {name: sales}, spec: {displayName: Sales}}
---
{apiVersion: v2, kind: meshProject, metadata: {name: crm, ownedByWorkspace: sales}, spec: {displayName: CRM}}
---
apiVersion: v4
kind: meshTenant
metadata: {ownedByWorkspace: sales, ownedByProject: crm}
spec: {platformIdentifier: sandbox.local, landingZoneIdentifier: zone, platformTenantId: crm-1}
`

func TestSelection(t *testing.T) {
	t.Parallel()
	url := emptyDatabase(t)
	must(t, url, twoProjects, "apply", "-")
	const web, crm = "marketing.web/sandbox.local", "sales.crm/sandbox.local"
	cases := map[string]struct {
		reason string
		chosen selection
		args   []string
		want   []string
		says   string // for a mistake
	}{
		"nothing":            {"nobody means everything by nothing", selection{}, nil, nil, "--all"},
		"all":                {"but by --all", selection{all: true}, nil, []string{web, crm}, ""},
		"by name":            {"a tenant has a name", selection{}, []string{crm}, []string{crm}, ""},
		"twice":              {"twice is once", selection{}, []string{crm, crm}, []string{crm}, ""},
		"workspace":          {"of one workspace", selection{workspace: "sales"}, nil, []string{crm}, ""},
		"project":            {"of one project", selection{project: "marketing.web"}, nil, []string{web}, ""},
		"platform":           {"of one platform", selection{platform: "sandbox.local"}, nil, []string{web, crm}, ""},
		"all of a workspace": {"--all takes nothing back", selection{all: true, workspace: "sales"}, nil, []string{crm}, ""},
		"name and platform":  {"both have to hold", selection{platform: "sandbox.local"}, []string{web}, []string{web}, ""},
		"name and --all":     {"a contradiction", selection{all: true}, []string{web}, nil, "not both"},
		"unknown tenant":     {"the name is told", selection{}, []string{web, "a.b/c"}, nil, `"a.b/c"`},
		"not a tenant":       {"the form is told", selection{}, []string{"web"}, nil, "<workspace>.<project>/<platform>"},
		"unknown workspace":  {"no tenant is a mistake", selection{workspace: "nope"}, nil, nil, "rollcall get tenants"},
		"unknown platform":   {"no tenant is a mistake", selection{platform: "nope"}, nil, nil, "rollcall get tenants"},
		"half a project":     {"the form is told", selection{project: "web"}, nil, nil, "<workspace>.<project>"},
		"no project":         {"the form is told", selection{project: "sales."}, nil, nil, "<workspace>.<project>"},
		"other workspace":    {"a contradiction", selection{project: "sales.crm", workspace: "marketing"}, nil, nil, `"marketing"`},
		"other platform":     {"the tenant is not there", selection{platform: "nope"}, []string{web}, nil, web},
	}
	c := &cli{documents: opened(t, url)}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, err := c.tenants(t.Context(), &tc.chosen, tc.args)
			if tc.says != "" {
				if err == nil || exitCode(err) != exitInvalid || !strings.Contains(errorText(err), tc.says) {
					t.Errorf("%s: error %v, want a mistake that says %q", tc.reason, err, tc.says)
				}
				return
			}
			if err != nil {
				t.Fatalf("%s: %v", tc.reason, err)
			}
			var names []string
			for _, id := range found {
				names = append(names, id.String())
			}
			if diff := cmp.Diff(tc.want, names); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestStatusOfTenantsThatNeverRan(t *testing.T) {
	t.Parallel()
	url := database(t)
	got := fromJSON[control.Report](t, must(t, url, "", "status", "-o", "json"))
	want := control.Report{
		Totals: activities.Totals{Tenants: 1},
		Items: []control.TenantReport{{
			Tenant: "marketing.web", Platform: "sandbox.local", Outcome: control.Never, Warnings: []control.Warning{},
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if out := must(t, url, "", "status"); !strings.Contains(out, "1 tenant: 0 converged, 0 changed, 0 waiting, 0 failed, 1 not replicated yet.") {
		t.Errorf("the summary does not say that no run has looked:\n%s", out)
	}
	if out := must(t, emptyDatabase(t), "", "status"); !strings.Contains(out, "0 tenants") {
		t.Errorf("no tenants are no mistake:\n%s", out)
	}
}

func TestStatusShowsTheLastRun(t *testing.T) {
	t.Parallel()
	url := database(t)
	if err := opened(t, url).PutStatus(t.Context(), store.Status{
		Tenant: tenant(), Outcome: string(activities.Waiting), Steps: 2, Held: 1, Calls: 7, Remarks: remarks(mostWarnings + 1),
	}); err != nil {
		t.Fatal(err)
	}
	got := fromJSON[control.Report](t, must(t, url, "", "status", tenant().String(), "-o", "json"))
	want := activities.Totals{Tenants: 1, Waiting: 1, Steps: 2, Remarks: mostWarnings + 1, Calls: 7}
	if diff := cmp.Diff(want, got.Totals); diff != "" || len(got.Items[0].Warnings) != mostWarnings+1 {
		t.Errorf("%d warnings (-want +got):\n%s", len(got.Items[0].Warnings), diff)
	}
	if out := must(t, url, "", "status"); !strings.Contains(out, "... and 1 more.\nList each warning with its tenant:  rollcall status --warnings\n") {
		t.Errorf("warnings are cut without a word:\n%s", out)
	}
	if out := must(t, url, "", "status", "--warnings"); strings.Contains(out, "more:") || strings.Count(out, "user-not-found") != mostWarnings+1 {
		t.Errorf("--warnings does not show all:\n%s", out)
	}
}
