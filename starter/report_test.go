package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/temporal"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/workflows"
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
	shown := planned{out: c.planWriter(&progress{}, tableFlags{})}
	for range n {
		run := &tenantRun{tenant: tenant(), result: workflows.ReplicateResult{Outcome: activities.Planned, Calls: 4}}
		if err := shown.add(somePlan(), run); err != nil {
			t.Fatal(err)
		}
	}
	if err := shown.out.end(shown.Totals, shown.held, 120*time.Millisecond); err != nil {
		t.Fatal(err)
	}
}

// TestStableJSON holds the JSON that scripts read to what was promised: names
// are added, never changed.
func TestStableJSON(t *testing.T) {
	t.Parallel()
	other := access.TenantID{Workspace: "marketing", Project: "shop", Platform: "sandbox.local"}
	last := statuses{tenant(): store.Status{Tenant: tenant(), Outcome: string(activities.Changed), Steps: 3, Remarks: remarks(1)}}
	end := ended{totals: activities.Totals{Tenants: 2, Changed: 1, Failed: 1, Steps: 3, Remarks: 1, Calls: 12}}
	end.fail(other, activities.Failed)
	for name, write := range map[string]func(*cli) error{
		"replicate": func(c *cli) error {
			return c.print(last.report(end, []access.TenantID{tenant(), other}, 1500*time.Millisecond), nil)
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

// TestRemovedTenantsShowTheirRun: nothing is stored of a tenant that is cleaned up.
func TestRemovedTenantsShowTheirRun(t *testing.T) {
	t.Parallel()
	var end ended
	end.note(tenant(), activities.Changed, 4)
	for reason, tc := range map[string]struct {
		last statuses
		want activities.Outcome
	}{
		"cleaned up":  {statuses{}, activities.Changed},
		"still there": {statuses{tenant(): {Tenant: tenant(), Outcome: string(activities.Waiting)}}, activities.Waiting},
	} {
		if got := tc.last.report(end, []access.TenantID{tenant()}, 0).Items[0].Outcome; got != tc.want {
			t.Errorf("%s: %s, want %s", reason, got, tc.want)
		}
	}
}

func TestBrokenSweepHidesNoOther(t *testing.T) {
	t.Parallel()
	well := access.TenantID{Workspace: "marketing", Project: "web", Platform: "a.well"}
	broken := access.TenantID{Workspace: "marketing", Project: "web", Platform: "b.broken"}
	sweeps := sweepsOf([]access.TenantID{broken, well})
	if len(sweeps) != 2 || sweeps[0].platform != well.Platform {
		t.Fatalf("got %d sweeps, want one for each platform, by name", len(sweeps))
	}
	sweeps[0].totals = activities.Totals{Tenants: 1, Changed: 1, Steps: 2}
	sweeps[1].err = fmt.Errorf("run: %w", temporal.NewApplicationError("read:users: denied", "Denied"))
	end, failures := sweepsEnded(sweeps)
	if diff := cmp.Diff(activities.Totals{Tenants: 2, Changed: 1, Failed: 1, Steps: 2}, end.totals); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"platform b.broken: read:users: denied"}, failures); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
	last := statuses{
		well:   {Tenant: well, Outcome: string(activities.Changed)},
		broken: {Tenant: broken, Outcome: string(activities.Converged)},
	}
	items := last.report(end, []access.TenantID{well, broken}, 0).Items
	if items[0].Outcome != activities.Changed || items[1].Outcome != activities.Failed {
		t.Errorf("outcomes %s and %s: the broken platform's tenant must not show its last run's", items[0].Outcome, items[1].Outcome)
	}
}

func TestReasonSaysItOnce(t *testing.T) {
	t.Parallel()
	name := tenant().String()
	for text, err := range map[string]error{
		"observe: denied": temporal.NewApplicationError(name+": failed: observe: denied", "Failed"),
		"timed out":       errors.New("timed out"),
	} {
		if got := reason(name, err); got != text {
			t.Errorf("the reason of %v is %q, want %q", err, got, text)
		}
	}
}

func TestFailuresAreToldUpToALimit(t *testing.T) {
	t.Parallel()
	var errs bytes.Buffer
	c := &cli{err: &errs}
	failures := make([]string, shownAtMost+3)
	for i := range failures {
		failures[i] = fmt.Sprintf("tenant %d: \x1b[2Jdenied", i)
	}
	c.say(failures)
	lines := strings.Split(strings.TrimSpace(errs.String()), "\n")
	if len(lines) != shownAtMost+1 || lines[shownAtMost] != "... and 3 more" {
		t.Errorf("%d lines, the last %q", len(lines), lines[len(lines)-1])
	}
	if strings.Contains(errs.String(), "\x1b") {
		t.Error("a platform's message can steer the terminal")
	}
}

func TestRunsStartWithTheAttributesOfTheRunBefore(t *testing.T) {
	t.Parallel()
	last := statuses{tenant(): {Tenant: tenant(), Outcome: string(activities.Changed), Remarks: remarks(2)}}
	if n := last.attributes(tenant()).Size(); n != 4 {
		t.Errorf("%d attributes, want 4: an unchanged tenant would write them anew", n)
	}
	if n := (statuses{}).attributes(tenant()).Size(); n != 2 {
		t.Errorf("%d attributes of a tenant that never ran, want 2", n)
	}
}

func TestTotalsOfCountsWhatIsStored(t *testing.T) {
	t.Parallel()
	other := access.TenantID{Workspace: "a", Project: "b", Platform: "c"}
	last := statuses{tenant(): {Outcome: string(activities.Contested), Steps: 1, Calls: 2, Remarks: remarks(3)}}
	want := activities.Totals{Tenants: 2, Failed: 1, Steps: 1, Remarks: 3, Calls: 2}
	if diff := cmp.Diff(want, totalsOf([]access.TenantID{tenant(), other}, last)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
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
