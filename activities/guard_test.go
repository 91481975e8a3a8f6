package activities_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/testsuite"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/connection/connectiontest"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/internal/store/storetest"
)

// watched is a platform with several projects under one guard.
type watched struct {
	lab
	guard    string // its spec
	projects []string
}

func newWatched(t *testing.T, guard string, projects ...string) *watched {
	t.Helper()
	s := storetest.Open(t)
	w := &watched{guard: guard, projects: projects}
	w.lab = lab{t: t, file: filepath.Join(t.TempDir(), "world.json"), store: s, ledger: ledger.New(s)}
	var world memory.World
	for _, p := range projects {
		world.Tenants = append(world.Tenants, memory.Tenant{ID: "t-" + p})
	}
	for _, p := range people {
		world.Users = append(world.Users, memory.User{ID: "u-" + p, Name: p})
	}
	if err := memory.Seed(w.file, world); err != nil {
		t.Fatal(err)
	}
	w.platform = activities.NewPlatform(s, w.ledger, "lab", connectiontest.Drivers(t, s,
		map[string]driver.Open{"memory": memory.Open}, connectiontest.Memory("sandbox.local", w.file)))
	w.env = (&testsuite.WorkflowTestSuite{}).NewTestActivityEnvironment()
	w.platform.Register(w.env)
	return w
}

// ask stores documents in which these people have the role on each project.
func (w *watched) ask(members map[string][]string) {
	w.t.Helper()
	var b strings.Builder
	write := func(format string, args ...any) { fmt.Fprintf(&b, "---\n"+format+"\n", args...) }
	write(`{apiVersion: v1, kind: meshWorkspace, metadata: {name: acme}, spec: {displayName: Acme}}`)
	write(`{apiVersion: v1, kind: meshProjectRole, metadata: {name: user}, spec: {name: User, rank: 1}}`)
	write(`{apiVersion: v1, kind: meshPlatform, metadata: {name: sandbox}, spec: {displayName: S, locationRef: {name: local}, config: {memory: {
  replication: {groupNamePattern: "#{projectIdentifier}-#{platformGroupAlias}", roleMappings: [{projectRoleRef: {name: user}, groupAlias: user, roles: [developer]}]}}}}}`)
	if w.guard != "" {
		write(`{apiVersion: v1, kind: Guard, metadata: {name: careful}, spec: {platforms: [sandbox.local], %s}}`, w.guard)
	}
	for _, p := range people {
		write(`{apiVersion: v2, kind: meshUser, metadata: {name: %s}, spec: {email: %s@example.com, firstName: A, lastName: B, euid: %s}}`, p, p, p)
	}
	for _, project := range w.projects {
		if members[project] == nil {
			continue
		}
		write(`{apiVersion: v2, kind: meshProject, metadata: {name: %s, ownedByWorkspace: acme}, spec: {displayName: P}}`, project)
		write(`{apiVersion: v4, kind: meshTenant, metadata: {ownedByWorkspace: acme, ownedByProject: %s}, spec: {platformIdentifier: sandbox.local, platformTenantId: t-%s}}`, project, project)
		for _, p := range members[project] {
			write(`{apiVersion: v3, kind: meshProjectUserBinding, metadata: {name: %s-%s}, roleRef: {name: user}, targetRef: {name: %s, ownedByWorkspace: acme}, subject: {name: %s}}`,
				project, p, project, p)
		}
	}
	docs, _, err := document.Decode(strings.NewReader(b.String()), "watched")
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.store.Apply(w.t.Context(), store.ApplyRequest{Documents: docs, Prune: true}); err != nil {
		w.t.Fatal(err)
	}
}

// askAll gives the first n people the role on every project.
func (w *watched) askAll(n int) {
	w.t.Helper()
	members := map[string][]string{}
	for _, project := range w.projects {
		members[project] = people[:n]
	}
	w.ask(members)
}

func (w *watched) tenant(project string) access.TenantID {
	return access.TenantID{Workspace: "acme", Project: project, Platform: "sandbox.local"}
}

func (w *watched) plans(project string, dry bool) activities.PlanOutput {
	w.t.Helper()
	p, err := execute[activities.PlanOutput](&w.lab, activities.PlanActivity, activities.PlanInput{Tenant: w.tenant(project), DryRun: dry})
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

func (w *watched) applies(project string, p activities.PlanOutput) (all activities.ApplyOutput) {
	w.t.Helper()
	for _, batch := range p.Batches {
		out, err := execute[activities.ApplyOutput](&w.lab, activities.ApplyActivity, activities.ApplyInput{
			Tenant: w.tenant(project), Digest: p.Digest, Desired: p.Desired, Pass: 1, Batch: batch,
		})
		if err != nil {
			w.t.Fatal(err)
		}
		all.Done += out.Done
		all.Replan = all.Replan || out.Replan
	}
	return all
}

// run replicates projects, each until it has no steps left.
func (w *watched) run(projects ...string) {
	w.t.Helper()
	for _, project := range projects {
		for range 3 {
			p := w.plans(project, false)
			if p.Steps == 0 {
				break
			}
			w.applies(project, p)
		}
	}
}

// has returns who is in the project's group.
func (w *watched) has(project string) []string {
	w.t.Helper()
	world, err := memory.Read(w.file)
	if err != nil {
		w.t.Fatal(err)
	}
	var names []string
	for _, g := range world.Groups {
		if g.Name == project+"-user" {
			for _, m := range g.Members {
				names = append(names, strings.TrimPrefix(m, "u-"))
			}
		}
	}
	slices.Sort(names)
	return names
}

func (w *watched) want(reason, project string, n int) {
	w.t.Helper()
	if got := w.has(project); len(got) != n {
		w.t.Errorf("%s: %q are in the group of %s, want %d people", reason, got, project, n)
	}
}

// remark returns the text of the tenant's first remark of that code.
func (w *watched) remark(project string, code access.Code) string {
	w.t.Helper()
	statuses, err := w.store.Statuses(w.t.Context(), store.TenantFilter{IDs: []access.TenantID{w.tenant(project)}})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, s := range statuses {
		for _, r := range s.Remarks {
			if r.Code == code {
				return r.Text
			}
		}
	}
	return ""
}

func (w *watched) pass(d time.Duration) {
	w.t.Helper()
	if _, err := w.store.Pool().Exec(w.t.Context(), "UPDATE removals SET at = at - $1::interval", d); err != nil {
		w.t.Fatal(err)
	}
}

// approve approves all that a plan holds.
func (w *watched) approve(digest string, life time.Duration) {
	w.t.Helper()
	p, _, err := w.store.Plan(w.t.Context(), digest)
	if err != nil {
		w.t.Fatal(err)
	}
	var decisions []store.Decision
	for _, r := range p.HeldRemovals() {
		decisions = append(decisions, store.Decision{
			Removal: r, Verdict: store.Approved, By: storetest.By("ada"), Reason: "left", Digest: p.HeldDigest(), Life: life,
		})
	}
	if err := w.store.Decide(w.t.Context(), p.Tenant, decisions); err != nil {
		w.t.Fatal(err)
	}
}

// TestHourIsOneForAllTenants: of two plans that race for the last of a limit one
// gets it; the other says which limit, and goes on when the hour is over. What
// adds is never held up.
func TestHourIsOneForAllTenants(t *testing.T) {
	t.Parallel()
	w := newWatched(t, "group: {most: 9, percent: 100}, hour: {most: 3}", "web", "shop")
	w.askAll(5)
	w.run("web", "shop")
	w.ask(map[string][]string{"web": people[:3], "shop": append(slices.Clone(people[:3]), people[5])})
	web := w.plans("web", false)
	if shop := w.plans("shop", true); shop.Held == 0 {
		t.Errorf("a dry run promises what the other has reserved: %+v", shop)
	}
	w.run("shop")
	w.want("the other has reserved what was left, and additions go on", "shop", 6)
	if text := w.remark("shop", access.RemovalHeld); !strings.Contains(text, `the guard "careful" lets 3 be taken`) ||
		!strings.Contains(text, "within an hour, 2 were, and this plan takes 2") || !strings.Contains(text, "goes on by itself") {
		t.Errorf("the remark does not say which limit, and when it ends: %s", text)
	}
	w.applies("web", web)
	w.want("it had reserved what it takes", "web", 3)
	w.run("web", "shop")
	w.want("planning again frees nothing", "shop", 6)
	w.pass(time.Hour)
	w.run("shop")
	w.want("the hour is over", "shop", 4)
}

// TestDryRunsReserveNothing: looking twice is as good as once.
func TestDryRunsReserveNothing(t *testing.T) {
	t.Parallel()
	w := newWatched(t, "group: {most: 9, percent: 100}, hour: {most: 2}", "web", "shop")
	w.askAll(5)
	w.run("web", "shop")
	w.askAll(3)
	for _, project := range []string{"web", "shop", "web"} {
		if p := w.plans(project, true); p.Held > 0 || p.Steps == 0 {
			t.Errorf("a dry run of %s: %+v, want nothing held", project, p)
		}
	}
}

// TestShardIsServedInOrder: a survey gives what is left of a limit to its tenants
// in their order, every time the same.
func TestShardIsServedInOrder(t *testing.T) {
	t.Parallel()
	projects := []string{"a", "b", "c"}
	w := newWatched(t, "group: {most: 9, percent: 100}, hour: {most: 4}", projects...)
	w.askAll(5)
	w.run(projects...)
	w.ask(map[string][]string{"a": people[:3], "b": people[:2], "c": people[:3]})
	for range 2 {
		out, err := execute[activities.DetectDriftOutput](&w.lab, activities.DetectDriftActivity, activities.DetectDriftInput{Platform: "sandbox.local", Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		var drifted []string
		for _, d := range out.Drifted {
			drifted = append(drifted, d.Tenant.Project)
		}
		if diff := cmp.Diff([]string{"a", "c"}, drifted); diff != "" || out.Totals.Waiting != 1 {
			t.Errorf("the survey found %+v; tenants to mend (-want +got):\n%s", out.Totals, diff)
		}
	}
}

// TestOneChangeIsLimitedForADay: people leave many groups by one apply, a few of
// each.
func TestOneChangeIsLimitedForADay(t *testing.T) {
	t.Parallel()
	projects := []string{"a", "b", "c"}
	w := newWatched(t, "group: {most: 9, percent: 100}, change: {most: 4}", projects...)
	w.askAll(5)
	w.run(projects...)
	w.askAll(3)
	w.run(projects...)
	w.want("it is the first", "a", 3)
	w.want("it is the second", "b", 3)
	w.want("the change has taken four", "c", 5)
	if text := w.remark("c", access.RemovalHeld); !strings.Contains(text, "by one change of the documents, 4 were") {
		t.Errorf("the remark does not say which limit: %s", text)
	}
	w.ask(map[string][]string{"a": people[:3], "b": people[:3], "c": append(slices.Clone(people[:3]), people[5])})
	w.run(projects...)
	w.want("another change touches it: what was asked for before stays that change's", "c", 6)
	w.pass(24 * time.Hour)
	w.run(projects...)
	w.want("the day is over", "c", 4)
}

// TestApprovedRemovalsNeedNoRoom, and take none from others.
func TestApprovedRemovalsNeedNoRoom(t *testing.T) {
	t.Parallel()
	w := newWatched(t, "group: {most: 9, percent: 100}, hour: {most: 2}", "web", "shop")
	w.askAll(5)
	w.run("web", "shop")
	w.ask(map[string][]string{"web": people[:2], "shop": people[:3]})
	p := w.plans("web", false)
	if text := w.remark("web", access.RemovalHeld); p.Held == 0 || !strings.Contains(text, "lets 2 be taken") || strings.Contains(text, "goes on") {
		t.Errorf("%+v is to be held for good: %s", p, text)
	}
	w.approve(p.Digest, time.Hour)
	w.run("web", "shop")
	w.want("it is approved", "web", 2)
	w.want("what is approved takes no room", "shop", 3)
}

// TestExpiredApprovalHoldsAgain: an approval that no run used in time is none.
func TestExpiredApprovalHoldsAgain(t *testing.T) {
	t.Parallel()
	w := newWatched(t, "group: {most: 1, percent: 0}", "web")
	w.askAll(5)
	w.run("web")
	w.askAll(3)
	p := w.plans("web", false)
	if p.Held == 0 {
		t.Fatalf("%+v: nothing is held", p)
	}
	w.approve(p.Digest, time.Hour)
	if again := w.plans("web", true); again.Held != 0 {
		t.Errorf("%+v is held, although it is approved", again)
	}
	w.approve(p.Digest, -time.Second)
	w.run("web")
	w.want("the approval has expired", "web", 5)
	if again := w.plans("web", false); again.Outcome != activities.Waiting {
		t.Errorf("%+v, want it to wait for an approval again", again)
	}
}

// TestCrashBetweenReservationAndApply: the plan is made again and is counted once;
// what was reserved for a plan that never came leaves with the hour.
func TestCrashBetweenReservationAndApply(t *testing.T) {
	t.Parallel()
	w := newWatched(t, "group: {most: 9, percent: 100}, hour: {most: 2}", "web", "shop")
	w.askAll(5)
	w.run("web", "shop")
	w.askAll(3)
	w.plans("web", false) // and the worker dies
	w.run("web")
	w.want("its own reservation does not hold it", "web", 3)
	w.pass(time.Hour)
	w.plans("shop", false) // and no run ever comes back to it
	w.ask(map[string][]string{"web": people[:2], "shop": people[:5]})
	w.run("web", "shop")
	w.want("what is reserved counts, done or not", "web", 3)
	w.pass(time.Hour)
	w.run("web")
	w.want("the reservation is over", "web", 2)
}

// TestLatePlansNeedRoomAgain: a plan that waited for its platform for longer than
// an hour takes nothing beyond the limit of the hour in which it goes on.
func TestLatePlansNeedRoomAgain(t *testing.T) {
	t.Parallel()
	w := newWatched(t, "group: {most: 9, percent: 100}, hour: {most: 2}", "web", "shop")
	w.askAll(5)
	w.run("web", "shop")
	w.askAll(3)
	late := w.plans("web", false)
	w.pass(time.Hour)
	w.run("shop")
	w.want("the hour is its own", "shop", 3)
	if out := w.applies("web", late); !out.Replan || out.Done > 0 {
		t.Errorf("the late plan: %+v, want it to be made again", out)
	}
	w.run("web")
	w.want("the hour's limit is taken", "web", 5)
	w.pass(time.Hour)
	w.run("web")
	w.want("it has an hour of its own", "web", 3)
}

// TestLatePlansNeedNoRoomForWhatIsApproved: an approval that comes after the plan
// counts for it, too.
func TestLatePlansNeedNoRoomForWhatIsApproved(t *testing.T) {
	t.Parallel()
	w := newWatched(t, "group: {most: 9, percent: 100}, hour: {most: 2}", "web", "shop")
	w.askAll(5)
	w.run("web", "shop")
	w.askAll(3)
	late := w.plans("web", false)
	w.pass(time.Hour)
	w.run("shop")
	p := w.plans("web", false) // held now
	if p.Held == 0 {
		t.Fatalf("%+v, want it held: the hour's limit is taken", p)
	}
	w.approve(p.Digest, time.Hour)
	if out := w.applies("web", late); out.Replan || out.Done == 0 {
		t.Errorf("the late plan: %+v, want it applied", out)
	}
	w.want("it is approved", "web", 3)
}

// TestGuardLimitsOneGroup: the document's limit for a group is the planner's.
func TestGuardLimitsOneGroup(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		reason, guard string
		left          int
	}{
		{"the default lets two of five go", "", 3},
		{"one is above none", "group: {most: 0, percent: 0}", 5},
		{"forty percent of five are two", "group: {most: 0, percent: 40}", 3},
		{"a fifth is one", "group: {most: 1}", 5},
	} {
		w := newWatched(t, tc.guard, "web")
		w.askAll(5)
		w.run("web")
		w.askAll(3)
		w.run("web")
		w.want(tc.reason, "web", tc.left)
	}
}

// TestDefaultGuardIsThePlanners: what holds without a document is said twice.
func TestDefaultGuardIsThePlanners(t *testing.T) {
	t.Parallel()
	d := document.DefaultGuard()
	if got, want := (plan.Guard{Most: d.GroupMost, Percent: d.GroupPercent}), plan.DefaultGuard(); got != want {
		t.Errorf("documents default to %+v, plans to %+v", got, want)
	}
}

// TestStrangersAreNamed: whom somebody else put into a group is taken out, and a
// remark says so; of whom Rollcall put there itself it does not.
func TestStrangersAreNamed(t *testing.T) {
	t.Parallel()
	w := newWatched(t, "group: {most: 9, percent: 100}", "web", "shop")
	w.askAll(3)
	w.run("web", "shop")
	w.ask(map[string][]string{"web": people[:2], "shop": people[:3]})
	if p := w.planned("web"); hasRemark(p, access.ForeignMemberRemoved) {
		t.Errorf("Rollcall put %s there itself: %+v", people[2], p.Remarks)
	}
	w.edit(func(world *memory.World) {
		for i := range world.Groups {
			world.Groups[i].Members = append(world.Groups[i].Members, "u-"+people[5])
		}
	})
	p := w.planned("web")
	var named []string
	for _, r := range p.Remarks {
		if r.Code == access.ForeignMemberRemoved {
			named = append(named, r.Object)
			if !strings.Contains(r.Text, people[5]) || strings.Contains(r.Text, people[2]) {
				t.Errorf("the remark names the wrong account: %s", r.Text)
			}
		}
	}
	if diff := cmp.Diff([]string{"web-user"}, named); diff != "" {
		t.Errorf("groups with strangers (-want +got):\n%s", diff)
	}
	w.run("web", "shop")
	w.want("the stranger is taken out", "shop", 3)
}

// planned makes a dry plan and reads it.
func (w *watched) planned(project string) plan.Plan {
	w.t.Helper()
	p, _, err := w.store.Plan(w.t.Context(), w.plans(project, true).Digest)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

func hasRemark(p plan.Plan, code access.Code) bool {
	return slices.ContainsFunc(p.Remarks, func(r access.Remark) bool { return r.Code == code })
}

// TestRemovalsStayUnnamedUntilTheyAreKnown: the last members of a group, whom no caller
// named, leave it by an approval only, also where a plan in between did not know them. What was decided about removals lasts as long.
func TestRemovalsStayUnnamedUntilTheyAreKnown(t *testing.T) {
	t.Parallel()
	const loose = "group: {most: 9, percent: 100}"
	unbound := map[string][]string{"web": {}}
	// during plans the tenant while the platform is changed.
	during := func(w *watched, change func(*memory.World)) {
		w.t.Helper()
		before := w.world()
		w.edit(change)
		w.plans("web", false)
		w.edit(func(world *memory.World) { *world = before })
	}
	noTenant := func(world *memory.World) { world.Tenants, world.Bindings = nil, nil }
	for reason, change := range map[string]func(*memory.World){
		"the platform has no such tenant": noTenant,
		"the marker of the group does not agree with the ledger": func(world *memory.World) {
			world.Groups[0].Description = strings.ReplaceAll(world.Groups[0].Description, "acme.web", "acme.shop")
		},
	} {
		w := newWatched(t, loose, "web")
		w.askAll(2)
		w.run("web")
		w.ask(unbound) // prunes both bindings
		during(w, change)
		if p := w.plans("web", false); p.Held == 0 || p.Steps > 0 {
			t.Errorf("%s: both members may go: %d steps, %d held, want all held", reason, p.Steps, p.Held)
		}
		w.run("web")
		w.want(reason, "web", 2)
	}
	w := newWatched(t, loose, "web")
	w.askAll(3)
	w.run("web")
	w.ask(unbound)
	p := w.plans("web", false)
	waiting, _, err := w.store.Plan(t.Context(), p.Digest)
	if err != nil {
		t.Fatal(err)
	}
	var decisions []store.Decision
	for _, r := range waiting.HeldRemovals() {
		decisions = append(decisions, store.Decision{
			Removal: r, Verdict: store.Rejected, By: storetest.By("ada"), Reason: "they stay", Digest: p.HeldDigest, Life: time.Hour,
		})
	}
	if err := w.store.Decide(t.Context(), w.tenant("web"), decisions); err != nil {
		t.Fatal(err)
	}
	during(w, noTenant)
	kept, err := w.store.Decisions(t.Context(), []access.TenantID{w.tenant("web")})
	if err != nil {
		t.Fatal(err)
	}
	if got := len(kept[w.tenant("web")]); got != len(decisions) {
		t.Errorf("%d decisions are left, want %d", got, len(decisions))
	}
}
