package activities_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/explain"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/workflows"
)

// ending are the documents of n users of whom these have bindings that end in an hour.
func (l *lab) ending(n int, users ...string) string {
	text := l.text(n)
	for _, user := range users {
		text = strings.Replace(text, "metadata: {name: b-"+user+"},",
			fmt.Sprintf("metadata: {name: b-%s}, spec: {expiresAt: %q},", user, time.Now().Add(time.Hour).UTC().Format(time.RFC3339)), 1)
	}
	return text
}

// ends lets the end of a user's binding come: it moves to an hour ago.
func (l *lab) ends(user string) {
	l.t.Helper()
	at := time.Now().Add(-time.Hour).UTC().Truncate(time.Second)
	done, err := l.store.Pool().Exec(l.t.Context(), `UPDATE documents SET ends_at = $2,
		body = jsonb_set(body::jsonb, '{spec,expiresAt}', to_jsonb($3::text))::json
		WHERE kind = 'meshProjectUserBinding' AND name = $1 AND ends_at > now()`, "b-"+user, at, at.Format(time.RFC3339))
	if err != nil || done.RowsAffected() != 1 {
		l.t.Fatalf("the binding of %s did not end: %v, %v", user, done, err)
	}
}

// endBindings calls the activity.
func (l *lab) endBindings(started ...activities.PendingRun) activities.EndBindingsOutput {
	l.t.Helper()
	env := (&testsuite.WorkflowTestSuite{}).NewTestActivityEnvironment()
	activities.NewEnds(l.store).Register(env)
	var out activities.EndBindingsOutput
	value, err := env.ExecuteActivity(activities.EndBindingsActivity, activities.EndBindingsInput{Started: started})
	if err == nil {
		err = value.Get(&out)
	}
	if err != nil {
		l.t.Fatal(err)
	}
	return out
}

// pendingTenants are the tenants that need a run.
func pendingTenants(out activities.EndBindingsOutput) []string {
	var tenants []string
	for _, d := range out.Pending {
		tenants = append(tenants, d.Tenant.String())
	}
	return tenants
}

func TestEndBindings_EachStep(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.put(l.ending(3, people[2]))
	if out := l.endBindings(); out.Wait <= 0 || out.Wait > time.Hour || out.Ended+len(out.Pending) > 0 {
		t.Fatalf("%+v; want a wait of an hour at most", out)
	}
	l.converge()
	l.converge() // the second plan finds nothing to do
	if diff := cmp.Diff([]string{"u-adaline", "u-benedict", "u-sydney"}, l.members()); diff != "" {
		t.Fatalf("a binding that ends later grants access until then (-want +got):\n%s", diff)
	}
	unchanged := func() bool {
		t.Helper()
		is, err := l.store.Unchanged(t.Context(), web)
		if err != nil {
			t.Fatal(err)
		}
		return is
	}
	if !unchanged() {
		t.Error("the tenant is not as desired before the end")
	}
	l.ends(people[2])
	first := l.endBindings()
	if diff := cmp.Diff([]string{web.String()}, pendingTenants(first)); diff != "" || first.Ended != 1 || first.Wait != 0 {
		t.Fatalf("%+v; want the end, the tenant and no other end (-want +got):\n%s", first, diff)
	}
	if unchanged() {
		t.Error("the status of before the end counts as one of after it")
	}
	again := l.endBindings() // the worker died before it started the run
	if diff := cmp.Diff(first.Pending, again.Pending); diff != "" || again.Ended != 0 {
		t.Errorf("%+v; want the run that was not started, and no end counted twice (-want +got):\n%s", again, diff)
	}
	l.checkEndReasons()
	l.converge()
	l.converge()
	if diff := cmp.Diff([]string{"u-adaline", "u-benedict"}, l.members()); diff != "" {
		t.Errorf("access after the end (-want +got):\n%s", diff)
	}
	if out := l.endBindings(again.Pending...); len(out.Pending)+out.Ended > 0 || !unchanged() {
		t.Errorf("%+v; want nothing left to do", out)
	}
}

// TestEndBindings_StopsOlderPlans: an addition that was planned before the end of its binding
// is not written after it, although no document changed and no workflow counted the end.
func TestEndBindings_StopsOlderPlans(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.put(l.ending(1))
	l.converge()
	for _, c := range []struct {
		reason string
		end    func()
		want   []string
	}{
		{"the binding ended after the plan", func() { l.ends(people[1]) }, []string{"u-adaline"}},
		{"the binding ends later", func() {}, []string{"u-adaline", "u-benedict"}},
	} {
		l.put(l.ending(2, people[1]))
		p, err := l.plan(activities.PlanInput{})
		if err != nil || p.Steps != 1 {
			t.Fatalf("%s: %+v, %v; want one addition", c.reason, p, err)
		}
		c.end()
		out, err := l.apply(p)
		if replan := len(c.want) == 1; err != nil || out.Replan != replan {
			t.Errorf("%s: %+v, %v; want it planned again: %t", c.reason, out, err, replan)
		}
		if diff := cmp.Diff(c.want, l.members()); diff != "" {
			t.Errorf("%s: members (-want +got):\n%s", c.reason, diff)
		}
	}
}

// TestEndBindings_StartsNoUnwantedRuns: a tenant that no run ever touched is left to its
// operator, and an end that an apply finds in the past is that apply's.
func TestEndBindings_StartsNoUnwantedRuns(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.put(l.ending(2, people[1]))
	l.ends(people[1])
	if out := l.endBindings(); out.Ended != 1 || len(out.Pending) > 0 {
		t.Errorf("%+v; want an end, and no run of a tenant that was never replicated", out)
	}
	l.converge()
	ended := strings.Replace(l.text(2), "metadata: {name: b-benedict},", "metadata: {name: b-benedict}, expirationDate: 2020-02-29,", 1)
	l.put(ended)
	if out := l.endBindings(); out.Ended+len(out.Pending) > 0 || out.Wait != 0 {
		t.Errorf("%+v; want nothing to do for a binding that had ended before it was applied", out)
	}
	if diff := cmp.Diff([]string{"u-adaline"}, l.members()); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
}

// TestEndBindings_AfterAnOutage runs the workflow with real activities: the ends of two
// bindings come while no worker runs.
func TestEndBindings_AfterAnOutage(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.put(l.ending(4, people[1], people[2], people[3]))
	l.converge()
	l.ends(people[1])
	l.ends(people[2])
	for round := range 2 { // the second run finds nothing to do
		env := (&testsuite.WorkflowTestSuite{}).NewTestWorkflowEnvironment()
		env.SetTestTimeout(time.Minute)
		env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: time.Minute})
		workflows.Register(env)
		l.platform.Register(env)
		activities.NewEnds(l.store).Register(env)
		env.ExecuteWorkflow(workflows.EndBindingsWorkflow, workflows.EndBindingsInput{})
		if err := env.GetWorkflowError(); !workflow.IsContinueAsNewError(err) {
			t.Fatalf("round %d: %v; want a run that waits for the third end and continues as new", round, err)
		}
		if diff := cmp.Diff([]string{"u-adaline", "u-timothy"}, l.members()); diff != "" {
			t.Errorf("round %d: members (-want +got):\n%s", round, diff)
		}
	}
	if outcome, codes := l.outcome(); outcome != activities.Changed || len(codes) > 0 {
		t.Errorf("the run ended %s with %v, want a change without warnings", outcome, codes)
	}
	if ids, err := l.store.EndingTenants(t.Context(), store.TenantFilter{}); err != nil || !slices.Contains(ids, web) {
		t.Errorf("tenants with an end to come: %v, %v; want %s", ids, err, web)
	}
}

// checkEndReasons checks the reason that the plan and explain have.
func (l *lab) checkEndReasons() {
	l.t.Helper()
	dry, err := l.plan(activities.PlanInput{DryRun: true})
	if err != nil {
		l.t.Fatal(err)
	}
	p, _, err := l.store.Plan(l.t.Context(), dry.Digest)
	if err != nil {
		l.t.Fatal(err)
	}
	text := p.String()
	if !strings.Contains(text, `- sydney  (binding "b-sydney" ended at `) || len(p.Held) > 0 {
		l.t.Errorf("the plan does not say why sydney leaves, or a guard holds it:\n%s", text)
	}
	answer := l.explain("sydney")
	reasons := slices.DeleteFunc(slices.Clone(answer.Reasons), func(r explain.Reason) bool { return r.Code != "binding-ended" })
	if len(reasons) != 1 || !strings.Contains(reasons[0].Text, `the binding "b-sydney" gave sydney the role "user" and ended at `) {
		l.t.Errorf("explain: %+v; want the binding and its end", answer.Reasons)
	}
}

func TestExplain_ReportsEnds(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.put(l.ending(2, people[1]))
	l.converge()
	l.converge()
	for user, want := range map[string]bool{people[0]: false, people[1]: true} {
		answer := l.explain(user)
		if len(answer.Access) != 1 || strings.Contains(answer.Access[0].Because[0], " until 20") != want {
			t.Errorf("%s: %+v; want an end: %t", user, answer.Access, want)
		}
	}
}
