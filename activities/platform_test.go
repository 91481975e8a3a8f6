package activities_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/connection/connectiontest"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/internal/store/storetest"
)

var web = access.TenantID{Workspace: "acme", Project: "web", Platform: "sandbox.local"}

// lab is one platform with one tenant and the activities that serve it.
type lab struct {
	t        *testing.T
	file     string
	store    *store.Store
	ledger   *ledger.Ledger
	platform *activities.Platform
	env      *testsuite.TestActivityEnvironment
}

// people are those who get a role on the project, in the order of lab.want.
var people = []string{"adaline", "benedict", "sydney", "timothy", "ottilie", "yvonne"}

func newLab(t *testing.T) *lab {
	t.Helper()
	s := storetest.Open(t)
	l := &lab{t: t, file: filepath.Join(t.TempDir(), "world.json"), store: s, ledger: ledger.New(s)}
	w := memory.World{Tenants: []memory.Tenant{{ID: "t1"}}}
	for _, p := range people {
		w.Users = append(w.Users, memory.User{ID: "u-" + p, Name: p})
	}
	if err := memory.Seed(l.file, w); err != nil {
		t.Fatal(err)
	}
	l.platform = activities.NewPlatform(s, l.ledger, "lab", l.drivers(memory.Open))
	l.register()
	return l
}

// drivers opens the lab's platform.
func (l *lab) drivers(open driver.Open) activities.Drivers {
	l.t.Helper()
	return connectiontest.Drivers(l.t, l.store, map[string]driver.Open{"memory": open}, connectiontest.Memory("sandbox.local", l.file))
}

// register makes the platform's activities callable.
func (l *lab) register() {
	l.env = (&testsuite.WorkflowTestSuite{}).NewTestActivityEnvironment()
	l.platform.Register(l.env)
}

// want stores documents that give the role to the first n people.
func (l *lab) want(n int) {
	l.t.Helper()
	l.put(l.text(n))
}

// text is documents that give the role to the first n people.
func (l *lab) text(n int) string {
	var b strings.Builder
	write := func(format string, args ...any) { fmt.Fprintf(&b, "---\n"+format+"\n", args...) }
	write(`{apiVersion: v1, kind: meshWorkspace, metadata: {name: acme}, spec: {displayName: Acme}}`)
	write(`{apiVersion: v1, kind: meshProjectRole, metadata: {name: user}, spec: {name: User, rank: 1}}`)
	write(`{apiVersion: v2, kind: meshProject, metadata: {name: web, ownedByWorkspace: acme}, spec: {displayName: Web}}`)
	write(`{apiVersion: v1, kind: meshPlatform, metadata: {name: sandbox}, spec: {displayName: S, locationRef: {name: local}, config: {memory: {
  replication: {groupNamePattern: "#{projectIdentifier}-#{platformGroupAlias}", roleMappings: [{projectRoleRef: {name: user}, groupAlias: user, roles: [developer]}]}}}}}`)
	write(`{apiVersion: v4, kind: meshTenant, metadata: {ownedByWorkspace: acme, ownedByProject: web}, spec: {platformIdentifier: sandbox.local, platformTenantId: t1}}`)
	for i, p := range people {
		write(`{apiVersion: v2, kind: meshUser, metadata: {name: %s}, spec: {email: %s@example.com, firstName: A, lastName: B, euid: %s}}`, p, p, p)
		if i < n {
			write(`{apiVersion: v3, kind: meshProjectUserBinding, metadata: {name: b-%s}, roleRef: {name: user}, targetRef: {name: web, ownedByWorkspace: acme}, subject: {name: %s}}`, p, p)
		}
	}
	return b.String()
}

// put stores these documents in place of all others.
func (l *lab) put(text string) {
	l.t.Helper()
	docs, _, err := document.Decode(strings.NewReader(text), "lab")
	if err != nil {
		l.t.Fatal(err)
	}
	if _, err := l.store.Apply(l.t.Context(), store.ApplyRequest{Documents: docs, Prune: true}); err != nil {
		l.t.Fatal(err)
	}
}

// plan runs the Plan activity.
func (l *lab) plan(in activities.PlanInput) (activities.PlanOutput, error) {
	l.t.Helper()
	in.Tenant = web
	return execute[activities.PlanOutput](l, activities.PlanActivity, in)
}

// apply applies the first batch of a plan.
func (l *lab) apply(p activities.PlanOutput) (activities.ApplyOutput, error) {
	l.t.Helper()
	return execute[activities.ApplyOutput](l, activities.ApplyActivity, activities.ApplyInput{
		Tenant: web, Digest: p.Digest, Desired: p.Desired, Pass: 1, Batch: p.Batches[0],
	})
}

func execute[T any](l *lab, name string, in any) (T, error) {
	var out T
	value, err := l.env.ExecuteActivity(name, in)
	if err != nil {
		return out, err
	}
	return out, value.Get(&out)
}

// converge plans and applies until nothing is left, which takes one round.
func (l *lab) converge() {
	l.t.Helper()
	p, err := l.plan(activities.PlanInput{})
	if err == nil && len(p.Batches) > 0 {
		_, err = l.apply(p)
	}
	if err != nil {
		l.t.Fatal(err)
	}
}

// members are the ids in the platform's only group.
func (l *lab) members() []string {
	l.t.Helper()
	w, err := memory.Read(l.file)
	if err != nil {
		l.t.Fatal(err)
	}
	if len(w.Groups) == 0 {
		return nil
	}
	return w.Groups[0].Members
}

// edit changes the platform behind Rollcall's back.
func (l *lab) edit(change func(*memory.World)) {
	l.t.Helper()
	err := memory.Edit(l.file, func(w *memory.World) error { change(w); return nil })
	if err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) revision() int64 {
	l.t.Helper()
	w, err := memory.Read(l.file)
	if err != nil {
		l.t.Fatal(err)
	}
	return w.Revision
}

func TestPlanThenApplyConverges(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.want(2)
	l.converge()
	if diff := cmp.Diff([]string{"u-adaline", "u-benedict"}, l.members()); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	p, err := l.plan(activities.PlanInput{})
	if err != nil || p.Outcome != activities.Converged || p.Steps != 0 {
		t.Errorf("the second plan: %+v, %v; want converged without steps", p, err)
	}
	status, err := l.store.Statuses(t.Context(), store.TenantFilter{})
	if err != nil || len(status) != 1 || status[0].Outcome != string(activities.Converged) {
		t.Errorf("status %+v, %v; want one that is converged", status, err)
	}
}

func TestAgedPlanGivesNobodyBackWhatWasTaken(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.want(1)
	l.converge()
	l.want(2)
	aged, err := l.plan(activities.PlanInput{}) // would add ben
	if err != nil {
		t.Fatal(err)
	}
	l.want(1) // ben's binding is removed while the plan waits
	before := l.revision()
	out, err := l.apply(aged)
	if err != nil || !out.Replan || out.Done != 0 {
		t.Errorf("applying the aged plan: %+v, %v; want it to be made again", out, err)
	}
	if diff := cmp.Diff([]string{"u-adaline"}, l.members()); diff != "" || l.revision() != before {
		t.Errorf("the aged plan changed the platform (-want +got):\n%s", diff)
	}
}

func TestUnrelatedDocumentsDoNotAgeAPlan(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.want(2)
	p, err := l.plan(activities.PlanInput{})
	if err != nil {
		t.Fatal(err)
	}
	docs, _, err := document.Decode(strings.NewReader(`{apiVersion: v1, kind: meshWorkspace, metadata: {name: other}, spec: {displayName: O}}`), "lab")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.store.Apply(t.Context(), store.ApplyRequest{Documents: docs}); err != nil {
		t.Fatal(err)
	}
	if out, err := l.apply(p); err != nil || out.Replan || out.Done != p.Steps {
		t.Errorf("apply: %+v, %v; want all %d steps done", out, err, p.Steps)
	}
}

func TestRetrySkipsWhatIsDone(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.want(3)
	p, err := l.plan(activities.PlanInput{})
	if err != nil {
		t.Fatal(err)
	}
	l.edit(func(w *memory.World) {
		w.Faults = []memory.Fault{{Op: "write:bindings.create", Times: 1, Class: "unavailable"}}
	})
	_, err = l.apply(p)
	if app, ok := errors.AsType[*temporal.ApplicationError](err); !ok || app.NonRetryable() {
		t.Fatalf("first try: %v, want an error that Temporal retries", err)
	}
	before := l.revision()
	out, err := l.apply(p)
	if err != nil || out.Done != p.Steps {
		t.Fatalf("second try: %+v, %v; want all %d steps done", out, err, p.Steps)
	}
	if writes := l.revision() - before; writes != 1 {
		t.Errorf("the second try made %d write calls, want the one that failed", writes)
	}
	records, err := l.ledger.Records(t.Context(), ledger.Filter{})
	if err != nil || len(records) != p.Steps {
		t.Errorf("%d records for %d steps, %v", len(records), p.Steps, err)
	}
}

func TestDeniedStepLeavesARemark(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.want(1)
	p, err := l.plan(activities.PlanInput{})
	if err != nil {
		t.Fatal(err)
	}
	l.edit(func(w *memory.World) { w.Faults = []memory.Fault{{Op: "write:bindings.create", Class: "denied"}} })
	out, err := l.apply(p)
	if err != nil || out.Refused != 1 {
		t.Fatalf("apply: %+v, %v; want one step refused", out, err)
	}
	_, err = execute[activities.RecordOutcomeOutput](l, activities.RecordOutcomeActivity, activities.RecordOutcomeInput{
		Tenant: web, Outcome: activities.Failed, Digest: p.Digest, Pass: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	status, err := l.store.Statuses(t.Context(), store.TenantFilter{})
	if err != nil || len(status) != 1 || len(status[0].Remarks) != 1 || status[0].Remarks[0].Code != access.PlatformDenied {
		t.Errorf("status %+v, %v; want the remark %s", status, err, access.PlatformDenied)
	}
}

func TestRemovalsRestOnFreshAnswers(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.want(6)
	l.converge()
	// Ada's account is made anew under another id, and put into the group by
	// hand. What is remembered says that the newcomer is a stranger.
	l.edit(func(w *memory.World) {
		w.RemoveUser("u-adaline")
		w.Users = append(w.Users, memory.User{ID: "u-adaline-2", Name: "adaline"})
		w.Groups[0].Members = append(w.Groups[0].Members, "u-adaline-2")
	})
	p, err := l.plan(activities.PlanInput{})
	if err != nil || p.Steps != 0 || p.Outcome != activities.Converged {
		t.Errorf("plan %+v, %v; want nothing to do: ada is in, under her new account", p, err)
	}
}

func TestFailedReadIsNoEmptyWorld(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.want(2)
	l.converge()
	l.edit(func(w *memory.World) { w.Faults = []memory.Fault{{Op: "read:*", Class: "partial read"}} })
	if _, err := l.plan(activities.PlanInput{}); err == nil {
		t.Error("a plan was made from a read that failed")
	}
}

func TestHistoryHoldsNoPeople(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.want(2)
	p, err := l.plan(activities.PlanInput{})
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range people {
		if strings.Contains(string(body), name) {
			t.Errorf("the plan's output, which histories keep, names %s:\n%s", name, body)
		}
	}
}

func TestRemovedTenantIsForgottenWhenItIsCleanedUp(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.want(0)
	l.converge()
	id := document.ID{Kind: document.KindTenant, Name: web.String()}
	if _, err := l.store.Delete(t.Context(), []document.ID{id}, store.Checks{}); err != nil {
		t.Fatal(err)
	}
	l.converge()
	if _, err := l.plan(activities.PlanInput{Done: activities.Tally{Steps: 2}}); err != nil {
		t.Fatal(err)
	}
	w, err := memory.Read(l.file)
	if err != nil || len(w.Groups)+len(w.Bindings) != 0 {
		t.Errorf("after the tenant is removed the platform has %d groups and %d bindings, %v; want none", len(w.Groups), len(w.Bindings), err)
	}
	if left, err := l.store.Tenants(t.Context(), store.TenantFilter{}); err != nil || len(left) != 0 {
		t.Errorf("tenants %v, %v; want none to be remembered", left, err)
	}
}

func TestSurveysPlanIsTakenUpWithoutAskingAgain(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.want(2)
	survey := func() activities.DetectDriftOutput {
		out, err := execute[activities.DetectDriftOutput](l, activities.DetectDriftActivity, activities.DetectDriftInput{Platform: web.Platform, Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	found := survey()
	if len(found.Drifted) != 1 {
		t.Fatalf("survey: %+v, want one drifted tenant", found)
	}
	p, err := l.plan(activities.PlanInput{Prepared: found.Drifted[0].Plan})
	if err != nil || p.Calls != 0 || p.Digest != found.Drifted[0].Plan.Digest || len(p.Batches) == 0 {
		t.Fatalf("plan %+v, %v; want the survey's, without a call", p, err)
	}
	if out, err := l.apply(p); err != nil || out.Done != p.Steps {
		t.Errorf("apply: %+v, %v; want all %d steps done", out, err, p.Steps)
	}
	if again := survey(); len(again.Drifted) != 0 || again.Totals.Converged != 1 {
		t.Errorf("second survey: %+v, want the tenant converged", again)
	}

	l.want(3)
	old := survey().Drifted[0].Plan
	l.want(2) // the documents change before the run begins
	if p, err := l.plan(activities.PlanInput{Prepared: old}); err != nil || p.Steps != 0 || p.Calls == 0 {
		t.Errorf("plan %+v, %v; want a new look, because the survey's plan has aged", p, err)
	}
}
