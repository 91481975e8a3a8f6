package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

var update = flag.Bool("update", false, "write the reports the code makes to testdata/*.json")

// remarks returns n remarks about people who are not there.
func remarks(n int) []access.Remark {
	all := make([]access.Remark, n)
	for i := range all {
		person := fmt.Sprintf("user-%02d", i)
		all[i] = access.Remark{Code: access.UserNotFound, Object: person, Text: person + " has no account: create it"}
	}
	return all
}

// somePlan has a step of each sort, one that is held, and a remark.
func somePlan() plan.Plan {
	jane := access.Member{Account: access.Account{Name: "jane@example.com", Ref: "u-1"}, Person: "jane", Why: "binding b-jane-web"}
	joe := access.Member{Account: access.Account{Name: "joe@example.com", Ref: "u-2"}}
	members := func(m access.Member) plan.Object {
		return plan.Object{Members: &plan.Members{Group: "web-admin", GroupRef: "g-1", Accounts: []access.Member{m}}}
	}
	return plan.Plan{
		Tenant: tenant(),
		Steps: []plan.Step{
			{
				ID: "1", Op: plan.Create, Kind: access.KindGroup, Object: "web-admin",
				Want: plan.Object{Group: &access.Group{Name: "web-admin"}}, Why: "role mapping of admin",
			},
			{ID: "2", Op: plan.Change, Kind: access.KindMembers, Object: "web-admin", Want: members(jane), Why: "1 to add"},
			{
				ID: "3", Op: plan.Delete, Kind: access.KindBinding, Object: "owner → web-old",
				Have: plan.Object{Binding: &access.Binding{Role: "owner", Group: "web-old"}}, Why: "nothing asks for it",
			},
		},
		Held:    []plan.Step{{ID: "4", Op: plan.Change, Kind: access.KindMembers, Object: "web-admin", Have: members(joe), Why: "1 to remove"}},
		Remarks: []access.Remark{{Code: access.RemovalHeld, Object: "web-admin", Text: "1 of 2 members"}},
	}
}

// shownPlan is what rollcall plan writes of n tenants with somePlan each.
func shownPlan(t *testing.T, c *cli, n int) {
	t.Helper()
	writer := c.planWriter(c.printEvents("planning"), tableFlags{})
	var summary control.PlanSummary
	for range n {
		p := control.TenantPlan{Tenant: tenant(), Outcome: activities.Planned, Plan: somePlan()}
		summary.Count(p.Outcome, len(p.Plan.Steps), len(p.Plan.Remarks), 4)
		summary.Pending += len(p.Plan.Held)
		if err := writer.tenant(p); err != nil {
			t.Fatal(err)
		}
	}
	if err := writer.end(summary, 120*time.Millisecond, nil); err != nil {
		t.Fatal(err)
	}
}

// TestStableJSON holds the JSON that scripts read to what was promised: names
// are added, never changed.
func TestStableJSON(t *testing.T) {
	t.Parallel()
	result := control.ReplicateResult{Report: &control.Report{
		Totals: activities.Totals{Tenants: 2, Changed: 1, Failed: 1, Steps: 3, Remarks: 1, Calls: 12}, DurationMS: 1500,
		Items: []control.TenantReport{
			{
				Tenant: "marketing.web", Platform: "sandbox.local", Outcome: activities.Changed, Steps: 3,
				Warnings: []control.Warning{{Remark: remarks(1)[0]}},
			},
			{Tenant: "marketing.shop", Platform: "sandbox.local", Outcome: activities.Failed, Warnings: []control.Warning{}},
		},
	}}
	for name, write := range map[string]func(*cli) error{
		"replicate": func(c *cli) error {
			if err := c.report(result, tableFlags{}); exitCode(err) != exitFailed {
				return fmt.Errorf("a tenant failed, and the report ends with %w", err)
			}
			return nil
		},
		"plan": func(c *cli) error {
			shownPlan(t, c, 1)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			c := &cli{out: &out, format: formatJSON}
			if err := write(c); err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", name+".json")
			if *update {
				if err := os.WriteFile(golden, out.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatalf("%v: run go test ./starter -update and read the new file", err)
			}
			if diff := cmp.Diff(string(want), out.String()); diff != "" {
				t.Errorf("(-want +got); where names were only added, run go test ./starter -update:\n%s", diff)
			}
		})
	}
}

func TestVerdict(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		totals activities.Totals
		want   int
	}{
		"nothing":            {"no tenants are done", activities.Totals{}, exitDone},
		"done with warnings": {"warnings are allowed", activities.Totals{Tenants: 2, Changed: 1, Converged: 1, Remarks: 9}, exitDone},
		"waiting":            {"somebody has to approve", activities.Totals{Tenants: 2, Converged: 1, Waiting: 1}, exitWaiting},
		"failed":             {"one is enough", activities.Totals{Tenants: 2, Converged: 1, Failed: 1}, exitFailed},
		"failed and waiting": {"a failure is worse than waiting", activities.Totals{Tenants: 2, Failed: 1, Waiting: 1}, exitFailed},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := verdict(tc.totals)
			if got := exitCode(err); got != tc.want {
				t.Errorf("%s: exit code %d, want %d", tc.reason, got, tc.want)
			}
			if err != nil && err.Error() != "" {
				t.Errorf("%s: the report said it, and %q says it again", tc.reason, err)
			}
		})
	}
}

func TestPlanVerdict(t *testing.T) {
	t.Parallel()
	failed, changes := activities.Totals{Failed: 1, Steps: 1}, activities.Totals{Steps: 1}
	cases := map[string]struct {
		reason string
		totals activities.Totals
		held   int
		asked  bool
		want   int
	}{
		"nothing":          {"there is nothing to change", activities.Totals{}, 0, true, exitDone},
		"changes":          {"scripts see it", changes, 0, true, exitChanges},
		"changes, unasked": {"a plan that could be made is done", changes, 0, false, exitDone},
		"changes and held": {"there is something to do first", changes, 1, true, exitChanges},
		"held":             {"only an approval helps", activities.Totals{}, 1, true, exitWaiting},
		"held, unasked":    {"a plan that could be made is done", activities.Totals{}, 1, false, exitDone},
		"failed":           {"a part is unknown", failed, 0, false, exitFailed},
		"failed, asked":    {"the unknown part outweighs the known", failed, 0, true, exitFailed},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := exitCode(planVerdict(tc.totals, tc.held, tc.asked)); got != tc.want {
				t.Errorf("%s: exit code %d, want %d", tc.reason, got, tc.want)
			}
		})
	}
}

func TestFailuresAreToldUpToALimit(t *testing.T) {
	t.Parallel()
	var errs bytes.Buffer
	c := &cli{err: &errs}
	failures := make([]control.Failure, shownAtMost+3)
	for i := range failures {
		failures[i] = control.Failure{Platform: fmt.Sprintf("p%d.local", i), Reason: "\x1b[2Jdenied"}
	}
	failures[0].Tenant = tenant()
	c.writeFailures(failures)
	lines := strings.Split(strings.TrimSpace(errs.String()), "\n")
	if len(lines) != shownAtMost+1 || lines[shownAtMost] != "... and 3 more" {
		t.Errorf("%d lines, the last %q", len(lines), lines[len(lines)-1])
	}
	if !strings.HasPrefix(lines[0], tenant().String()+": ") || !strings.HasPrefix(lines[1], "platform p1.local: ") {
		t.Errorf("the tenant or the platform is not named:\n%s\n%s", lines[0], lines[1])
	}
	if strings.Contains(errs.String(), "\x1b") {
		t.Error("a platform's message can steer the terminal")
	}
}

func TestSummarySaysWhenNothingChanged(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		totals activities.Totals
		want   bool
	}{
		"converged": {activities.Totals{Tenants: 1, Converged: 1}, true},
		"changed":   {activities.Totals{Tenants: 1, Changed: 1, Steps: 1}, false},
		"failed":    {activities.Totals{Tenants: 1, Failed: 1}, false},
	}
	for name, tc := range cases {
		if got := strings.Contains(summary(tc.totals), "nothing was changed"); got != tc.want {
			t.Errorf("%s: %q", name, summary(tc.totals))
		}
	}
	if text := summary(activities.Totals{Tenants: 1, Steps: 1, Calls: 1}); !strings.HasPrefix(text, "1 tenant: ") || !strings.Contains(text, "1 step, 0 warnings, 1 call") {
		t.Errorf("one is written as many: %q", text)
	}
}
