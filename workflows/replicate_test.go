package workflows_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/mock" // the arguments of the test environment's own mocks
	sdkpb "go.temporal.io/api/sdk/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/engine"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/workflows"
)

var tenant = access.TenantID{Workspace: "marketing", Project: "web", Platform: "memory.lab"}

// platform is a scripted platform: each call takes the next answer, and the
// last answer is given for ever.
type platform struct {
	plans     []answer[activities.PlanOutput]
	applies   []answer[activities.ApplyOutput]
	conclude  activities.RecordOutcomeOutput
	resolved  []activities.ResolveInput
	planned   []activities.PlanInput // by Plan or Verify
	verified  int                    // of them
	applied   []activities.ApplyInput
	concluded []activities.RecordOutcomeInput
	renaming  renaming
	asked     func(activity string) // called before each answer; may be nil
}

// lookedUp is when the scripted platform looks up accounts.
var lookedUp = time.Date(2026, 5, 4, 8, 0, 0, 0, time.UTC)

type answer[T any] struct {
	out T
	err error
}

func next[T any](answers *[]answer[T]) (T, error) {
	a := (*answers)[0]
	if len(*answers) > 1 {
		*answers = (*answers)[1:]
	}
	return a.out, a.err
}

// stage lets scripted activities answer one caller at a time, and none after the
// run: a cancelled run does not wait for its activities.
type stage struct {
	env   *testsuite.TestWorkflowEnvironment
	asked func(name string) // called before each answer; may be nil

	mu    sync.Mutex
	ended bool
}

func (s *stage) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
}

// script registers an activity.
func script[In, Out any](s *stage, name string, answer func(In) (Out, error)) {
	s.env.RegisterActivityWithOptions(func(_ context.Context, in In) (Out, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.ended {
			var none Out
			return none, errors.New("the run has ended")
		}
		if s.asked != nil {
			s.asked(name)
		}
		return answer(in)
	}, activity.RegisterOptions{Name: name})
}

// run replicates the tenant against the platform; prepare may script signals.
func (p *platform) run(
	t *testing.T, in workflows.ReplicateInput, prepare func(*testsuite.TestWorkflowEnvironment),
) (workflows.ReplicateResult, error) {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(time.Minute)
	// A busy machine is no deadlock.
	env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: time.Minute})
	on := &stage{env: env}
	defer on.end()
	script(on, activities.ResolveUsersActivity, func(in activities.ResolveInput) (activities.ResolveOutput, error) {
		p.resolved = append(p.resolved, in)
		return activities.ResolveOutput{At: lookedUp}, nil
	})
	for _, name := range []string{activities.PlanActivity, activities.VerifyActivity} {
		script(on, name, func(in activities.PlanInput) (activities.PlanOutput, error) {
			p.planned = append(p.planned, in)
			if name == activities.VerifyActivity {
				p.verified++
			}
			return next(&p.plans)
		})
	}
	script(on, activities.ApplyActivity, func(in activities.ApplyInput) (activities.ApplyOutput, error) {
		p.applied = append(p.applied, in)
		return next(&p.applies)
	})
	script(on, activities.RecordOutcomeActivity, func(in activities.RecordOutcomeInput) (activities.RecordOutcomeOutput, error) {
		p.concluded = append(p.concluded, in)
		return p.conclude, nil
	})
	p.renaming.register(on)
	workflows.Register(env)
	if prepare != nil {
		prepare(env)
	}
	on.asked = p.asked
	env.ExecuteWorkflow(workflows.ReplicateTenantWorkflow, in)
	if !env.IsWorkflowCompleted() {
		t.Fatal("the run did not end")
	}
	var result workflows.ReplicateResult
	err := env.GetWorkflowError()
	if err == nil {
		err = env.GetWorkflowResult(&result)
	}
	return result, err
}

func open(steps int) answer[activities.PlanOutput] {
	return answer[activities.PlanOutput]{out: activities.PlanOutput{
		Digest: "d1", Desired: "w1", Steps: steps, Calls: 2,
		Batches: []activities.Batch{{Waves: [][]plan.Work{{{Unit: "group a", Steps: []string{"s1"}}}}}},
	}}
}

// pending is a batch with a step that the platform is still carrying out.
func pending() answer[activities.ApplyOutput] {
	return applied(activities.ApplyOutput{Pending: 1, Calls: 1})
}

// failing is a batch with a step that failed for now on every attempt.
func failing() answer[activities.ApplyOutput] {
	return applied(activities.ApplyOutput{Unfinished: 1, Calls: 1, Reason: "create group: 503", Type: activities.TypeUnavailable, Attempts: 5})
}

// openTwo is a plan of two batches.
func openTwo() answer[activities.PlanOutput] {
	a := open(2)
	a.out.Batches = append(a.out.Batches, activities.Batch{Waves: [][]plan.Work{{{Unit: "group b", Steps: []string{"s2"}}}}})
	return a
}

func ended(o activities.Outcome) answer[activities.PlanOutput] {
	return answer[activities.PlanOutput]{out: activities.PlanOutput{Outcome: o, Calls: 2}}
}

func applied(out activities.ApplyOutput) answer[activities.ApplyOutput] {
	return answer[activities.ApplyOutput]{out: out}
}

func TestReplicateTenant(t *testing.T) {
	t.Parallel()
	denied := temporal.NewNonRetryableApplicationError("platform: denied", activities.TypeDenied, nil)
	throttled := temporal.NewApplicationErrorWithOptions("slow down", activities.TypeThrottled,
		temporal.ApplicationErrorOptions{NextRetryDelay: 7 * time.Second})
	cases := map[string]struct {
		reason    string
		platform  platform
		want      workflows.ReplicateResult
		fails     bool
		plans     int
		applies   int
		concludes int
	}{
		"unchanged": {
			reason:   "a tenant that is as desired costs one activity",
			platform: platform{plans: []answer[activities.PlanOutput]{ended(activities.Converged)}},
			want:     workflows.ReplicateResult{Outcome: activities.Converged, Calls: 2},
			plans:    1,
		},
		"changed": {
			reason: "a plan is applied, and verified by planning again",
			platform: platform{
				plans:   []answer[activities.PlanOutput]{open(1), ended(activities.Changed)},
				applies: []answer[activities.ApplyOutput]{applied(activities.ApplyOutput{Done: 1, Calls: 3})},
			},
			want:  workflows.ReplicateResult{Outcome: activities.Changed, Digest: "d1", Steps: 1, Calls: 7},
			plans: 2, applies: 1,
		},
		"conflict": {
			reason: "when the world moved, the tenant is planned again from fresh answers",
			platform: platform{
				plans: []answer[activities.PlanOutput]{open(1), open(1), ended(activities.Changed)},
				applies: []answer[activities.ApplyOutput]{
					applied(activities.ApplyOutput{Replan: true, Calls: 1}), applied(activities.ApplyOutput{Done: 1, Calls: 1}),
				},
			},
			want:  workflows.ReplicateResult{Outcome: activities.Changed, Digest: "d1", Steps: 1, Calls: 8},
			plans: 3, applies: 2,
		},
		"contested": {
			reason: "somebody who undoes our work is not fought for ever",
			platform: platform{
				plans:    []answer[activities.PlanOutput]{open(1)},
				applies:  []answer[activities.ApplyOutput]{applied(activities.ApplyOutput{Done: 1, Calls: 1})},
				conclude: activities.RecordOutcomeOutput{Remarks: 1},
			},
			want:  workflows.ReplicateResult{Outcome: activities.Contested, Digest: "d1", Steps: 3, Calls: 11, Remarks: 1},
			fails: true, plans: 4, applies: 3, concludes: 1,
		},
		"refused": {
			reason: "a refusal ends the run, with a warning, when nothing else was done",
			platform: platform{
				plans:    []answer[activities.PlanOutput]{open(2)},
				applies:  []answer[activities.ApplyOutput]{applied(activities.ApplyOutput{Refused: 1, Blocked: 1, Calls: 2})},
				conclude: activities.RecordOutcomeOutput{Remarks: 1},
			},
			want:  workflows.ReplicateResult{Outcome: activities.Failed, Digest: "d1", Calls: 4, Remarks: 1},
			fails: true, plans: 1, applies: 1, concludes: 1,
		},
		"refused in part": {
			reason: "what was done beside a refusal may call for more: provisioned users get their groups",
			platform: platform{
				plans: []answer[activities.PlanOutput]{open(2), open(2)},
				applies: []answer[activities.ApplyOutput]{
					applied(activities.ApplyOutput{Done: 1, Refused: 1, Calls: 2}), applied(activities.ApplyOutput{Done: 1, Refused: 1, Calls: 1}),
					applied(activities.ApplyOutput{Refused: 1}),
				},
				conclude: activities.RecordOutcomeOutput{Remarks: 1},
			},
			want:  workflows.ReplicateResult{Outcome: activities.Failed, Digest: "d1", Steps: 2, Calls: 9, Remarks: 1},
			fails: true, plans: 3, applies: 3, concludes: 1,
		},
		"accounts refused": {
			reason: "the next plan decides whether the tenant is as desired but for the refused accounts",
			platform: platform{
				plans:   []answer[activities.PlanOutput]{open(1), ended(activities.Converged)},
				applies: []answer[activities.ApplyOutput]{applied(activities.ApplyOutput{Refused: 2, RefusedAccounts: 2, Calls: 2})},
			},
			want:  workflows.ReplicateResult{Outcome: activities.Converged, Digest: "d1", Calls: 6},
			plans: 2, applies: 1,
		},
		"a role and an account refused": {
			reason: "a refused role fails the tenant",
			platform: platform{
				plans:    []answer[activities.PlanOutput]{open(1)},
				applies:  []answer[activities.ApplyOutput]{applied(activities.ApplyOutput{Refused: 2, RefusedAccounts: 1, Calls: 2})},
				conclude: activities.RecordOutcomeOutput{Remarks: 1},
			},
			want:  workflows.ReplicateResult{Outcome: activities.Failed, Digest: "d1", Calls: 4, Remarks: 1},
			fails: true, plans: 1, applies: 1, concludes: 1,
		},
		"role not taken": {
			reason: "the next plan takes the access that a role gives another way, once",
			platform: platform{
				plans: []answer[activities.PlanOutput]{open(2)},
				applies: []answer[activities.ApplyOutput]{
					applied(activities.ApplyOutput{Refused: 1, Immovable: 1, Calls: 1}),
					applied(activities.ApplyOutput{Done: 1, Refused: 1, Calls: 1}), applied(activities.ApplyOutput{Refused: 1}),
				},
				conclude: activities.RecordOutcomeOutput{Remarks: 1},
			},
			want:  workflows.ReplicateResult{Outcome: activities.Failed, Digest: "d1", Steps: 1, Calls: 8, Remarks: 1},
			fails: true, plans: 3, applies: 3, concludes: 1,
		},
		"pending": {
			reason: "what the platform is still carrying out is looked for again, however often",
			platform: platform{
				plans: []answer[activities.PlanOutput]{open(1), open(1), open(1), open(1), open(1), ended(activities.Changed)},
				applies: []answer[activities.ApplyOutput]{
					pending(), pending(), pending(), pending(), applied(activities.ApplyOutput{Done: 1, Calls: 1}),
				},
			},
			want:  workflows.ReplicateResult{Outcome: activities.Changed, Digest: "d1", Steps: 1, Calls: 17},
			plans: 6, applies: 5,
		},
		"pending for ever": {
			reason:   "after about an hour the run ends, and says what it waited for",
			platform: platform{plans: []answer[activities.PlanOutput]{open(1)}, applies: []answer[activities.ApplyOutput]{pending()}, conclude: activities.RecordOutcomeOutput{Remarks: 1}},
			want:     workflows.ReplicateResult{Outcome: activities.Failed, Digest: "d1", Calls: 51, Remarks: 1},
			fails:    true, plans: 17, applies: 17, concludes: 1,
		},
		"outage of a part": {
			reason: "the batches after one that fails for now are applied, and another plan finishes it",
			platform: platform{
				plans: []answer[activities.PlanOutput]{openTwo(), open(1), ended(activities.Changed)},
				applies: []answer[activities.ApplyOutput]{
					failing(), applied(activities.ApplyOutput{Done: 1, Calls: 1}), applied(activities.ApplyOutput{Done: 1, Calls: 1}),
				},
			},
			want:  workflows.ReplicateResult{Outcome: activities.Changed, Digest: "d1", Steps: 2, Calls: 9},
			plans: 3, applies: 3,
		},
		"outage and refusal": {
			reason: "a refusal does not end the wait for what fails for now",
			platform: platform{
				plans: []answer[activities.PlanOutput]{openTwo(), openTwo(), open(1)},
				applies: []answer[activities.ApplyOutput]{
					failing(), applied(activities.ApplyOutput{Refused: 1}), applied(activities.ApplyOutput{Done: 1}),
					applied(activities.ApplyOutput{Refused: 1}),
				},
				conclude: activities.RecordOutcomeOutput{Remarks: 1},
			},
			want:  workflows.ReplicateResult{Outcome: activities.Failed, Digest: "d1", Steps: 1, Calls: 7, Remarks: 1},
			fails: true, plans: 3, applies: 5, concludes: 1,
		},
		"refused in one batch": {
			reason: "the batches after one with a refusal are applied",
			platform: platform{
				plans: []answer[activities.PlanOutput]{openTwo()},
				applies: []answer[activities.ApplyOutput]{
					applied(activities.ApplyOutput{Refused: 1, Calls: 1}), applied(activities.ApplyOutput{Blocked: 1, Calls: 1}),
				},
				conclude: activities.RecordOutcomeOutput{Remarks: 1},
			},
			want:  workflows.ReplicateResult{Outcome: activities.Failed, Digest: "d1", Calls: 4, Remarks: 1},
			fails: true, plans: 1, applies: 2, concludes: 1,
		},
		"denied": {
			reason:   "a read that is denied is no empty world: nothing is applied",
			platform: platform{plans: []answer[activities.PlanOutput]{{err: denied}}, conclude: activities.RecordOutcomeOutput{Remarks: 1}},
			want:     workflows.ReplicateResult{Outcome: activities.Failed, Remarks: 1},
			fails:    true, plans: 1, concludes: 1,
		},
		"outage": {
			reason: "an outage is waited for: the run goes on by itself",
			platform: platform{
				plans: []answer[activities.PlanOutput]{
					{err: errors.New("connection refused")}, {err: throttled}, {err: errors.New("bad gateway")}, ended(activities.Converged),
				},
			},
			want:  workflows.ReplicateResult{Outcome: activities.Converged, Calls: 2},
			plans: 4,
		},
		"held": {
			reason: "held removals end the run: it does not stay open for an approval",
			platform: platform{plans: []answer[activities.PlanOutput]{
				{out: activities.PlanOutput{Outcome: activities.Waiting, Held: 2, Remarks: 1, Calls: 2}},
			}},
			want:  workflows.ReplicateResult{Outcome: activities.Waiting, Held: 2, Remarks: 1, Calls: 2},
			plans: 1,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := c.platform
			got, err := p.run(t, workflows.ReplicateInput{Tenant: tenant}, nil)
			if c.fails != (err != nil) {
				t.Fatalf("%s: error %v, want one: %v", c.reason, err, c.fails)
			}
			if err != nil {
				got = workflows.FailedResult(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.reason, diff)
			}
			counts := []int{len(p.planned), len(p.applied), len(p.concluded)}
			if diff := cmp.Diff([]int{c.plans, c.applies, c.concludes}, counts); diff != "" {
				t.Errorf("%s: plans, applies, concludes (-want +got):\n%s", c.reason, diff)
			}
		})
	}
}

func TestReplicateTenantLooksAgainWhenTriggered(t *testing.T) {
	t.Parallel()
	p := platform{plans: []answer[activities.PlanOutput]{ended(activities.Converged)}}
	_, err := p.run(t, workflows.ReplicateInput{Tenant: tenant}, func(env *testsuite.TestWorkflowEnvironment) {
		p.asked = func(string) {
			if len(p.planned) == 0 {
				for range 5 {
					env.SignalWorkflow(workflows.TriggerSignal, workflows.Trigger{Cause: "apply"})
				}
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(p.planned) != 2 {
		t.Errorf("five triggers during a run made %d plans, want 2: the first and one for all five", len(p.planned))
	}
}

// TestReplicateTenant_ResolvesUsersFirst: the lookup is an activity of its own, whose answers
// serve the plans that follow soon.
func TestReplicateTenant_ResolvesUsersFirst(t *testing.T) {
	t.Parallel()
	done := applied(activities.ApplyOutput{Done: 1})
	for _, c := range []struct {
		reason   string
		in       workflows.ReplicateInput
		platform platform
		lookups  []bool // whether each is fresh
		at       []time.Time
		verified int
	}{
		{
			"an unchanged tenant", workflows.ReplicateInput{}, platform{plans: []answer[activities.PlanOutput]{ended(activities.Converged)}},
			[]bool{false}, []time.Time{lookedUp}, 0,
		},
		{
			"a change is verified with the answers of the same lookup", workflows.ReplicateInput{},
			platform{plans: []answer[activities.PlanOutput]{open(1), ended(activities.Changed)}, applies: []answer[activities.ApplyOutput]{done}},
			[]bool{false}, []time.Time{lookedUp, lookedUp}, 1,
		},
		{
			"a plan that does not hold is made again from another lookup of all accounts", workflows.ReplicateInput{},
			platform{
				plans:   []answer[activities.PlanOutput]{open(1), open(1), ended(activities.Changed)},
				applies: []answer[activities.ApplyOutput]{applied(activities.ApplyOutput{Replan: true}), done},
			},
			[]bool{false, true}, []time.Time{lookedUp, lookedUp, lookedUp}, 1,
		},
		{
			"a sweep has looked them up", workflows.ReplicateInput{Prepared: activities.Prepared{Digest: "d1"}},
			platform{plans: []answer[activities.PlanOutput]{open(1), ended(activities.Changed)}, applies: []answer[activities.ApplyOutput]{done}},
			[]bool{false}, []time.Time{{}, lookedUp}, 1,
		},
		{
			"answers grow too old while the platform carries out a step", workflows.ReplicateInput{},
			platform{
				plans:   []answer[activities.PlanOutput]{open(1), open(1), ended(activities.Changed)},
				applies: []answer[activities.ApplyOutput]{applied(activities.ApplyOutput{Pending: 1, PendingAfter: 20 * time.Minute}), done},
			},
			[]bool{false, false}, []time.Time{lookedUp, lookedUp, lookedUp}, 1,
		},
	} {
		p, in := c.platform, c.in
		in.Tenant = tenant
		if _, err := p.run(t, in, nil); err != nil {
			t.Fatalf("%s: %v", c.reason, err)
		}
		var lookups []bool
		for _, l := range p.resolved {
			lookups = append(lookups, l.Fresh)
		}
		var at []time.Time
		for _, one := range p.planned {
			at = append(at, one.Resolved)
		}
		if diff := cmp.Diff(c.lookups, lookups); diff != "" {
			t.Errorf("%s: lookups, true for one of all accounts (-want +got):\n%s", c.reason, diff)
		}
		if diff := cmp.Diff(c.at, at); diff != "" {
			t.Errorf("%s: the lookups that the plans rest on (-want +got):\n%s", c.reason, diff)
		}
		if p.verified != c.verified {
			t.Errorf("%s: verified %d times, want %d", c.reason, p.verified, c.verified)
		}
	}
}

func TestReplicateTenantReplansFresh(t *testing.T) {
	t.Parallel()
	p := platform{
		plans:   []answer[activities.PlanOutput]{open(1), ended(activities.Changed)},
		applies: []answer[activities.ApplyOutput]{applied(activities.ApplyOutput{Replan: true})},
	}
	if _, err := p.run(t, workflows.ReplicateInput{Tenant: tenant}, nil); err != nil {
		t.Fatal(err)
	}
	if p.planned[0].Fresh || !p.planned[1].Fresh {
		t.Errorf("fresh looks: first %v, after a conflict %v; want false, true", p.planned[0].Fresh, p.planned[1].Fresh)
	}
}

// TestTriggerEndsTheWaitForThePlatform: a change of the documents that arrives while the
// platform is still carrying out a step, or fails one, is planned at once.
func TestTriggerEndsTheWaitForThePlatform(t *testing.T) {
	t.Parallel()
	for reason, slow := range map[string]activities.ApplyOutput{
		"a step is pending":      {Pending: 1, PendingAfter: time.Hour},
		"a step fails for now":   {Unfinished: 1, UnfinishedAfter: time.Hour},
		"one of each is waiting": {Pending: 1, PendingAfter: 20 * time.Minute, Unfinished: 1, UnfinishedAfter: time.Hour},
	} {
		p := platform{
			plans:   []answer[activities.PlanOutput]{open(1), open(2), ended(activities.Changed)},
			applies: []answer[activities.ApplyOutput]{applied(slow), applied(activities.ApplyOutput{Done: 2})},
		}
		var began, second time.Time
		_, err := p.run(t, workflows.ReplicateInput{Tenant: tenant}, func(env *testsuite.TestWorkflowEnvironment) {
			began = env.Now()
			env.RegisterDelayedCallback(func() { env.SignalWorkflow(workflows.TriggerSignal, workflows.Trigger{Cause: "apply"}) }, time.Minute)
			p.asked = func(string) {
				if len(p.planned) == 1 && len(p.applied) == 1 && second.IsZero() {
					second = env.Now()
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		if waited := second.Sub(began); waited < time.Minute || waited > 2*time.Minute {
			t.Errorf("%s: the second plan was made after %s, want when the trigger arrived: after a minute", reason, waited)
		}
	}
}

// TestTriggerDuringAWaitIsVerifiedByTheRun: the caller that triggers a run of a sweep looks
// at the tenant's status, so the run does not leave the verification to the sweep.
func TestTriggerDuringAWaitIsVerifiedByTheRun(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		reason    string
		triggered bool
		outcome   activities.Outcome
	}{
		{"nothing triggers, so the sweep verifies", false, activities.Open},
		{"an apply triggers while the run waits", true, activities.Changed},
	} {
		p := platform{
			plans:   []answer[activities.PlanOutput]{open(1), open(1), ended(activities.Changed)},
			applies: []answer[activities.ApplyOutput]{failing(), applied(activities.ApplyOutput{Done: 1})},
		}
		got, err := p.run(t, workflows.ReplicateInput{Tenant: tenant, VerifyLater: true}, func(env *testsuite.TestWorkflowEnvironment) {
			if c.triggered {
				env.RegisterDelayedCallback(func() { env.SignalWorkflow(workflows.TriggerSignal, workflows.Trigger{Cause: "apply"}) }, time.Second)
			}
		})
		if err != nil || got.Outcome != c.outcome {
			t.Errorf("%s: %+v, %v; want the outcome %q", c.reason, got, err, c.outcome)
		}
	}
}

// TestTriggersDoNotProlongTheWaitForThePlatform: removals wait for an hour for what the
// platform is still carrying out, or fails for now, however often a sweep or an apply
// triggers the run.
func TestTriggersDoNotProlongTheWaitForThePlatform(t *testing.T) {
	t.Parallel()
	cases := []struct {
		reason string
		every  time.Duration
		apply  answer[activities.ApplyOutput]
	}{
		{"no trigger arrives", 0, pending()},
		{"a sweep triggers each busy tenant again", 10 * time.Minute, pending()},
		{"many applies trigger within each wait", 20 * time.Second, pending()},
		{"no trigger arrives during an outage", 0, failing()},
		{"many applies trigger during an outage", 20 * time.Second, failing()},
	}
	for _, c := range cases {
		p := platform{
			plans:   []answer[activities.PlanOutput]{open(2)},
			applies: []answer[activities.ApplyOutput]{c.apply},
		}
		var began, expired time.Time
		_, err := p.run(t, workflows.ReplicateInput{Tenant: tenant}, func(env *testsuite.TestWorkflowEnvironment) {
			began = env.Now()
			for at := c.every; at > 0 && at < 2*time.Hour; at += c.every {
				env.RegisterDelayedCallback(func() { env.SignalWorkflow(workflows.TriggerSignal, workflows.Trigger{Cause: "sweep"}) }, at)
			}
			p.asked = func(string) {
				if n := len(p.applied); n > 0 && expired.IsZero() && p.applied[n-1].WaitExpired {
					expired = env.Now()
				}
			}
		})
		if c.every == 0 && err == nil {
			t.Errorf("%s: the run did not fail", c.reason)
		}
		if waited := expired.Sub(began); expired.IsZero() || waited < 50*time.Minute || waited > 80*time.Minute {
			t.Errorf("%s: removals waited %s, want about an hour", c.reason, waited)
		}
	}
}

// TestReplicateTenantIsPatient: what was all written may be unseen for a while; what
// was not is planned anew soon.
func TestReplicateTenantIsPatient(t *testing.T) {
	settles := open(2)
	settles.out.Settle = time.Minute
	p := platform{
		plans:   []answer[activities.PlanOutput]{settles, settles, ended(activities.Changed)},
		applies: []answer[activities.ApplyOutput]{applied(activities.ApplyOutput{Done: 1, Replan: true}), applied(activities.ApplyOutput{Done: 2})},
	}
	if _, err := p.run(t, workflows.ReplicateInput{Tenant: tenant}, nil); err != nil {
		t.Fatal(err)
	}
	var patience []time.Duration
	for _, in := range p.planned {
		patience = append(patience, in.Patience)
	}
	if diff := cmp.Diff([]time.Duration{0, 0, time.Minute}, patience); diff != "" {
		t.Errorf("patience of each look (-want +got):\n%s", diff)
	}
}

func TestDryRunAppliesNothing(t *testing.T) {
	t.Parallel()
	p := platform{plans: []answer[activities.PlanOutput]{
		{out: activities.PlanOutput{Outcome: activities.Planned, Digest: "d1", Steps: 3, Calls: 2}},
	}}
	got, err := p.run(t, workflows.ReplicateInput{Tenant: tenant, DryRun: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := workflows.ReplicateResult{Outcome: activities.Planned, Digest: "d1", Steps: 3, Calls: 2}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	if !p.planned[0].DryRun || len(p.applied)+len(p.concluded) > 0 {
		t.Errorf("a dry run asked for %d applies and %d conclusions", len(p.applied), len(p.concluded))
	}
}

func TestOutcomeIsWrittenOnlyWhenItChanged(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		before temporal.SearchAttributes
		writes int
	}{
		"same":  {"an unchanged outcome costs no event", engine.TenantAttributes(tenant, string(activities.Converged), 0), 0},
		"other": {"a changed one is written", engine.TenantAttributes(tenant, string(activities.Failed), 3), 1},
		"first": {"the first one is written", engine.TenantAttributes(tenant, "", 0), 1},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := platform{plans: []answer[activities.PlanOutput]{ended(activities.Converged)}}
			writes := 0
			_, err := p.run(t, workflows.ReplicateInput{Tenant: tenant}, func(env *testsuite.TestWorkflowEnvironment) {
				if err := env.SetTypedSearchAttributesOnStart(c.before); err != nil {
					t.Fatal(err)
				}
				env.OnUpsertTypedSearchAttributes(mock.Anything).Run(func(mock.Arguments) { writes++ }).Return(nil).Maybe()
			})
			if err != nil {
				t.Fatal(err)
			}
			if writes != c.writes {
				t.Errorf("%d writes, want %d: %s", writes, c.writes, c.reason)
			}
		})
	}
}

func TestRunsContinueAsNewOnNewerWorkers(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason  string
		prepare func(*testsuite.TestWorkflowEnvironment)
		renewed bool
	}{
		"newer workers": {
			"a run that goes on must not keep old workers alive",
			func(env *testsuite.TestWorkflowEnvironment) { env.SetTargetWorkerDeploymentVersionChanged(true) }, true,
		},
		"long history": {
			"a history has its limits",
			func(env *testsuite.TestWorkflowEnvironment) { env.SetContinueAsNewSuggested(true) }, true,
		},
		"neither": {"the same run looks again", func(*testsuite.TestWorkflowEnvironment) {}, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := platform{plans: []answer[activities.PlanOutput]{ended(activities.Converged)}}
			_, err := p.run(t, workflows.ReplicateInput{Tenant: tenant}, func(env *testsuite.TestWorkflowEnvironment) {
				c.prepare(env)
				p.asked = func(string) {
					if len(p.planned) == 0 {
						env.SignalWorkflow(workflows.TriggerSignal, workflows.Trigger{Cause: "apply"})
					}
				}
			})
			renewal, renewed := errors.AsType[*workflow.ContinueAsNewError](err)
			if renewed != c.renewed || !renewed && err != nil {
				t.Fatalf("%s: error %v, continued as new: %v, want %v", c.reason, err, renewed, c.renewed)
			}
			if renewed && renewal.InitialVersioningBehavior != workflow.ContinueAsNewVersioningBehaviorAutoUpgrade {
				t.Errorf("%s: the new run begins with behaviour %v, want that it begins on the current version",
					c.reason, renewal.InitialVersioningBehavior)
			}
		})
	}
}

// TestHeldRemovalsAreTold: who looks at a run sees how to let go on what it holds, and
// nothing of whom that is about.
func TestHeldRemovalsAreTold(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		held string
		want bool
	}{"held": {"1f0c5b0716ed", true}, "nothing held": {"", false}} {
		p := platform{plans: []answer[activities.PlanOutput]{{out: activities.PlanOutput{Outcome: activities.Waiting, Held: 1, HeldDigest: tc.held}}}}
		var env *testsuite.TestWorkflowEnvironment
		if _, err := p.run(t, workflows.ReplicateInput{Tenant: tenant}, func(e *testsuite.TestWorkflowEnvironment) { env = e }); err != nil {
			t.Fatal(err)
		}
		answer, err := env.QueryWorkflow("__temporal_workflow_metadata")
		if err != nil {
			t.Fatal(err)
		}
		var about sdkpb.WorkflowMetadata
		if err := answer.Get(&about); err != nil {
			t.Fatal(err)
		}
		details := about.GetCurrentDetails()
		if got := strings.Contains(details, "rollcall approve "+tenant.String()+" 1f0c5b0716ed --reason"); got != tc.want {
			t.Errorf("%s: the details are %q", name, details)
		}
	}
}
