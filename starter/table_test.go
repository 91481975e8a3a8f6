package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// outcomes are the reports of one tenant for each outcome, named after it.
func outcomes(t *testing.T) []control.TenantReport {
	t.Helper()
	var items []control.TenantReport
	for _, o := range []activities.Outcome{activities.Converged, activities.Changed, activities.Waiting, activities.Failed, activities.Contested, control.Never} {
		item := control.TenantReport{Tenant: "acme." + string(o), Platform: "sandbox.local", Outcome: o}
		if o != control.Never {
			item.Warnings = []control.Warning{{Remark: access.Remark{Code: access.RoleUnmapped, Object: "viewer", Text: "nothing maps it: add a mapping"}}}
		}
		items = append(items, item)
	}
	return items
}

// TestTables_CountUnchangedTenants: what needs a reader's attention is listed.
func TestTables_CountUnchangedTenants(t *testing.T) {
	t.Parallel()
	items := outcomes(t)
	all := []string{"converged", "changed", "waiting", "failed", "drifting", "never"}
	replicate := func(c *cli, table tableFlags) {
		var out bytes.Buffer
		writeItems(&out, items, table, "unchanged", activities.Converged)
		c.writeWarnings(&out, items, table.showAll)
		fmt.Fprint(c.out, out.String())
	}
	status := func(c *cli, table tableFlags) {
		s := control.StatusReport{Report: control.Report{Totals: activities.Totals{Tenants: len(items)}, Items: items}}
		c.writeStatus(c.out, control.StatusResult{Report: s}, &statusFlags{tableFlags: table})
	}
	cases := map[string]struct {
		reason  string
		write   func(*cli, tableFlags)
		table   tableFlags
		listed  []string
		counted string // "" for none
	}{
		"replicate":        {"a converged tenant was as desired", replicate, tableFlags{}, all[1:], "1 tenant unchanged (list them with --show-all).\n"},
		"replicate, all":   {"all are asked for", replicate, tableFlags{showAll: true}, all, ""},
		"replicate, named": {"a tenant that is asked for by name is listed", replicate, tableFlags{named: true}, all, ""},
		"status":           {"a changed tenant is as desired now", status, tableFlags{}, all[2:], "2 tenants as desired (list them with --show-all).\n"},
		"status, all":      {"all are asked for", status, tableFlags{showAll: true}, all, ""},
		"status, named":    {"a tenant that is asked for by name is listed", status, tableFlags{named: true}, all, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			tc.write(&cli{out: &out}, tc.table)
			var listed []string
			for line := range strings.Lines(out.String()) {
				if f := strings.Fields(line); len(f) == 5 && strings.HasPrefix(f[0], "acme.") {
					listed = append(listed, f[2])
				}
			}
			if diff := cmp.Diff(tc.listed, listed); diff != "" {
				t.Errorf("%s: tenants (-want +got):\n%s\n%s", tc.reason, diff, out.String())
			}
			if strings.Contains(out.String(), "--show-all") != (tc.counted != "") || !strings.Contains(out.String(), tc.counted) {
				t.Errorf("%s: the table does not say %q:\n%s", tc.reason, tc.counted, out.String())
			}
			each := strings.Count(out.String(), "role-unmapped on acme.") == 5
			grouped := strings.Contains(out.String(), "role-unmapped  viewer  5 tenants  nothing maps it: add a mapping\n")
			if each != tc.table.showAll || grouped == tc.table.showAll {
				t.Errorf("%s: warnings on their own %t, grouped %t:\n%s", tc.reason, each, grouped, out.String())
			}
		})
	}
}

// TestTables_OfUnchangedTenants have no header without a line.
func TestTables_OfUnchangedTenants(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	writeItems(&out, []control.TenantReport{{Outcome: activities.Converged}, {Outcome: activities.Converged}}, tableFlags{}, "unchanged", activities.Converged)
	if want := "2 tenants unchanged (list them with --show-all).\n"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
	out.Reset()
	if writeItems(&out, nil, tableFlags{}, "unchanged", activities.Converged); out.Len() > 0 {
		t.Errorf("%q of no tenants, want nothing", out.String())
	}
}

// TestPlan_ShowsTenantsWithChanges and counts the others; equal warnings are one line.
func TestPlan_ShowsTenantsWithChanges(t *testing.T) {
	t.Parallel()
	unmapped := access.Remark{Code: access.RoleUnmapped, Object: "viewer", Text: "nothing maps it: add a mapping"}
	notFound := access.Remark{Code: access.TenantNotFound, Object: "acme.failed/sandbox.local", Text: "create it"}
	planned := func(project string, outcome activities.Outcome, p plan.Plan) control.TenantPlan {
		p.Tenant = access.TenantID{Workspace: "acme", Project: project, Platform: "sandbox.local"}
		return control.TenantPlan{Tenant: p.Tenant, Outcome: outcome, Plan: p}
	}
	unknown := planned("unknown", activities.Failed, plan.Plan{})
	unknown.Failure = &control.Failure{Tenant: unknown.Tenant, Reason: "denied"}
	write := func(t *testing.T, table tableFlags) string {
		t.Helper()
		var out bytes.Buffer
		c := &cli{out: &out, format: formatTable}
		writer := c.planWriter(c.printEvents("planning"), table)
		for _, p := range []control.TenantPlan{
			planned("changes", activities.Planned, plan.Plan{Steps: []plan.Step{makes("1", "web")}, Remarks: []access.Remark{unmapped}}),
			planned("same", activities.Converged, plan.Plan{Remarks: []access.Remark{unmapped}}),
			planned("holds", activities.Waiting, plan.Plan{Held: []plan.Step{takes("2", "web")}}),
			planned("failed", activities.Failed, plan.Plan{Remarks: []access.Remark{notFound}}),
			unknown,
		} {
			if err := writer.tenant(p); err != nil {
				t.Fatal(err)
			}
		}
		summary := control.PlanSummary{Totals: activities.Totals{Tenants: 5, Steps: 1, Failed: 2, Remarks: 3}, Pending: 1}
		if err := writer.end(summary, 120*time.Millisecond, nil); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	const (
		changes  = "acme.changes/sandbox.local: 1 to create, 0 to change, 0 to delete\n  + group \"web\"\n"
		same     = "acme.same/sandbox.local: nothing to do\n"
		holds    = "acme.holds/sandbox.local: 0 to create, 0 to change, 0 to delete, 1 held\n  ! held: ~ members \"web\"\n      - jane@example.com\n"
		failed   = "acme.failed/sandbox.local: failed\n"
		each     = "  ? role-unmapped viewer: nothing maps it: add a mapping\n"
		warnings = "WARNING           OBJECT    TENANT                     TEXT\n" +
			"role-unmapped     viewer    2 tenants                  nothing maps it: add a mapping\n" +
			"tenant-not-found  (tenant)  acme.failed/sandbox.local  create it\n" +
			"Add --show-all to list each warning with its tenant.\n\n"
		total = "5 tenants: 1 step, 1 pending approval, 2 failed, 3 warnings; 0 calls in 120ms.\n"
	)
	for name, tc := range map[string]struct {
		reason string
		table  tableFlags
		want   string
	}{
		"default": {
			"a reader looks for changes", tableFlags{},
			changes + "\n" + holds + "\n" + failed + "\n1 tenant unchanged (list them with --show-all).\n\n" + warnings + total,
		},
		"named": {
			"a tenant that is asked for by name is listed", tableFlags{named: true},
			changes + "\n" + same + "\n" + holds + "\n" + failed + "\n" + warnings + total,
		},
		"all": {
			"each warning is in the plan of its tenant", tableFlags{showAll: true},
			changes + each + "\n" + same + each + "\n" + holds + "\n" + failed +
				"  ? tenant-not-found acme.failed/sandbox.local: create it\n\n" + total,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, write(t, tc.table)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}
