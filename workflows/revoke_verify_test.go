package workflows_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/engine"
	"github.com/rollcall-iam/rollcall/workflows"
)

// verifying is a scripted platform that the verification checks.
type verifying struct {
	// check answers the n-th check, from 0 on.
	check func(n int, in activities.VerifyRemovalInput) (activities.VerifyRemovalOutput, error)

	mu         sync.Mutex
	checks     []activities.VerifyRemovalInput
	at         []time.Time
	replicated []string
	env        *testsuite.TestWorkflowEnvironment
}

func (p *verifying) run(t *testing.T, in workflows.VerifyRevocationInput) (workflows.VerifyRevocationResult, error) {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(time.Minute)
	env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: time.Minute})
	env.RegisterActivityWithOptions(func(ctx context.Context, in activities.VerifyRemovalInput) (activities.VerifyRemovalOutput, error) {
		p.mu.Lock()
		n := len(p.checks)
		p.checks, p.at = append(p.checks, in), append(p.at, env.Now())
		p.mu.Unlock()
		if queue := activity.GetInfo(ctx).TaskQueue; queue != engine.RevocationQueue {
			t.Errorf("checks in queue %s, want the revocations' own", queue)
		}
		return p.check(n, in)
	}, activity.RegisterOptions{Name: activities.VerifyRemovalActivity})
	env.RegisterWorkflowWithOptions(workflows.VerifyRevocation, workflow.RegisterOptions{Name: workflows.VerifyRevocationWorkflow})
	env.RegisterWorkflowWithOptions(func(_ workflow.Context, in workflows.ReplicateInput) (workflows.ReplicateResult, error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.replicated = append(p.replicated, in.Tenant.String()+" "+in.Cause)
		return workflows.ReplicateResult{}, nil
	}, workflow.RegisterOptions{Name: workflows.ReplicateTenantWorkflow})
	p.env = env
	in.ID, in.Platform = "r1", "a.x"
	env.ExecuteWorkflow(workflows.VerifyRevocationWorkflow, in)
	if !env.IsWorkflowCompleted() {
		t.Fatal("the run did not end")
	}
	var result workflows.VerifyRevocationResult
	err := env.GetWorkflowError()
	if err == nil {
		err = env.GetWorkflowResult(&result)
	}
	slices.Sort(p.replicated)
	return result, err
}

// ofTenants returns the activity's answer about tenants.
func ofTenants(tenants []access.TenantID, next string) activities.VerifyRemovalOutput {
	return activities.VerifyRemovalOutput{Tenants: tenants, Next: next, Calls: 1}
}

func TestVerifyRevocationRepeatsUntilNothingIsLeft(t *testing.T) {
	t.Parallel()
	p := &verifying{check: func(n int, _ activities.VerifyRemovalInput) (activities.VerifyRemovalOutput, error) {
		switch n {
		case 0:
			return ofTenants(tenantsOfA("p", "q"), "w.q/a.x"), nil
		case 1:
			return activities.VerifyRemovalOutput{Tenants: tenantsOfA("r"), Sets: 1, Calls: 2, Wait: 5 * time.Second}, nil
		default:
			return activities.VerifyRemovalOutput{Done: true, Calls: 1}, nil
		}
	}}
	got, err := p.run(t, workflows.VerifyRevocationInput{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(workflows.VerifyRevocationResult{Tenants: 3, Sets: 1, Calls: 4}, got); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	want := []activities.VerifyRemovalInput{
		{ID: "r1", Platform: "a.x", First: true},
		{ID: "r1", Platform: "a.x", First: true, After: "w.q/a.x", Check: 1},
		{ID: "r1", Platform: "a.x", Check: 2},
	}
	if diff := cmp.Diff(want, p.checks); diff != "" {
		t.Errorf("checks (-want +got):\n%s", diff)
	}
	if pause := p.at[2].Sub(p.at[1]); pause < 5*time.Second {
		t.Errorf("the second round began after %s, want the pause that the platform needs", pause)
	}
	if diff := cmp.Diff([]string{"w.p/a.x revoke", "w.q/a.x revoke", "w.r/a.x revoke"}, p.replicated); diff != "" {
		t.Errorf("replicated (-want +got):\n%s", diff)
	}
}

func TestVerifyRevocationPausesLongerWithEachRound(t *testing.T) {
	t.Parallel()
	p := &verifying{check: func(n int, _ activities.VerifyRemovalInput) (activities.VerifyRemovalOutput, error) {
		return activities.VerifyRemovalOutput{Done: n == 12, Wait: time.Second}, nil
	}}
	if _, err := p.run(t, workflows.VerifyRevocationInput{}); err != nil {
		t.Fatal(err)
	}
	for i := 2; i < len(p.at); i++ {
		before, after := p.at[i-1].Sub(p.at[i-2]), p.at[i].Sub(p.at[i-1])
		if after < before || after > 2*time.Minute {
			t.Errorf("pause %d took %s after one of %s, want ever longer ones of at most a minute", i, after, before)
		}
	}
	if all := p.at[len(p.at)-1].Sub(p.at[0]); all < 5*time.Minute {
		t.Errorf("13 checks in %s, want a backoff", all)
	}
}

func TestVerifyRevocationKeepsProblemsUntilTheRoundEnds(t *testing.T) {
	t.Parallel()
	p := &verifying{check: func(n int, in activities.VerifyRemovalInput) (activities.VerifyRemovalOutput, error) {
		if n == 0 {
			return activities.VerifyRemovalOutput{Next: "w.p/a.x", Problem: "w.a/a.x: denied"}, nil
		}
		if in.Problem != "w.a/a.x: denied" {
			t.Errorf("the last check is told of %q, want the problem of the one before", in.Problem)
		}
		return activities.VerifyRemovalOutput{}, temporal.NewApplicationErrorWithOptions(in.Problem, activities.TypeDenied,
			temporal.ApplicationErrorOptions{NonRetryable: true})
	}}
	_, err := p.run(t, workflows.VerifyRevocationInput{})
	app, ok := errors.AsType[*temporal.ApplicationError](err)
	if !ok || app.Type() != workflows.RevokeFailedType || !strings.Contains(app.Message(), "w.a/a.x: denied") {
		t.Errorf("error %v, want one that says which platform, and why", err)
	}
}

// TestVerifyRevocationBeginsAgainWhenTold: a second removal of the user, or the end of the
// revocation, does not wait for the pause to end.
func TestVerifyRevocationBeginsAgainWhenTold(t *testing.T) {
	t.Parallel()
	p := &verifying{}
	p.check = func(n int, in activities.VerifyRemovalInput) (activities.VerifyRemovalOutput, error) {
		if n == 0 {
			p.env.RegisterDelayedCallback(func() {
				p.env.SignalWorkflow(workflows.TriggerSignal, workflows.Trigger{Cause: "revoke"})
			}, 10*time.Second)
			return activities.VerifyRemovalOutput{Wait: time.Hour}, nil
		}
		if !in.First || in.Check != 1 {
			t.Errorf("the next check is %+v, want one of a first round", in)
		}
		return activities.VerifyRemovalOutput{Done: true}, nil
	}
	if _, err := p.run(t, workflows.VerifyRevocationInput{}); err != nil {
		t.Fatal(err)
	}
	if pause := p.at[1].Sub(p.at[0]); pause > time.Minute {
		t.Errorf("the next check began after %s, want at once after a trigger", pause)
	}
}

// TestVerifyRevocationLosesNoTrigger: another removal of the user happens during the last
// check. Nothing else verifies that removal.
func TestVerifyRevocationLosesNoTrigger(t *testing.T) {
	t.Parallel()
	denied := temporal.NewApplicationErrorWithOptions("denied", activities.TypeDenied, temporal.ApplicationErrorOptions{NonRetryable: true})
	for name, first := range map[string]error{"done": nil, "failed": denied} {
		p := &verifying{}
		p.check = func(n int, in activities.VerifyRemovalInput) (activities.VerifyRemovalOutput, error) {
			if n == 0 {
				p.env.SignalWorkflow(workflows.TriggerSignal, workflows.Trigger{Cause: "revoke"})
				return activities.VerifyRemovalOutput{Done: true}, first
			}
			if !in.First || in.Check != 1 {
				t.Errorf("%s: the next check is %+v, want one of a first round", name, in)
			}
			return activities.VerifyRemovalOutput{Done: true}, nil
		}
		if _, err := p.run(t, workflows.VerifyRevocationInput{}); err != nil || len(p.checks) != 2 {
			t.Errorf("%s: %d checks, %v; want a second one", name, len(p.checks), err)
		}
	}
}

// TestVerifyRevocationOfManyTenantsContinuesAsNew: each run continues as new before its
// history is long, and passes on its result.
func TestVerifyRevocationOfManyTenantsContinuesAsNew(t *testing.T) {
	t.Parallel()
	const windows, size = 100, 100
	in, runs, replicated := workflows.VerifyRevocationInput{}, 0, map[string]bool{}
	for {
		runs++
		p := &verifying{}
		p.check = func(_ int, in activities.VerifyRemovalInput) (activities.VerifyRemovalOutput, error) {
			p.env.SetContinueAsNewSuggested(len(p.checks) == 7) // 7 windows of 5.1 events a tenant
			at := 0
			if in.After != "" {
				if _, err := fmt.Sscanf(in.After, "%d", &at); err != nil {
					return activities.VerifyRemovalOutput{}, err
				}
			}
			var projects []string
			for i := range size {
				projects = append(projects, fmt.Sprintf("p%05d", at*size+i))
			}
			out := activities.VerifyRemovalOutput{Tenants: tenantsOfA(projects...), Calls: 1, Next: strconv.Itoa(at + 1)}
			if at == windows-1 {
				out.Next, out.Done = "", true
			}
			return out, nil
		}
		result, err := p.run(t, in)
		for _, r := range p.replicated {
			replicated[r] = true
		}
		if err == nil {
			if result.Tenants != windows*size || len(replicated) != windows*size || result.Calls != windows {
				t.Errorf("%+v, %d tenants replicated; want %d", result, len(replicated), windows*size)
			}
			break
		}
		next, is := errors.AsType[*workflow.ContinueAsNewError](err)
		if !is {
			t.Fatal(err)
		}
		in = workflows.VerifyRevocationInput{} // decoding leaves fields that are not there
		if err := converter.GetDefaultDataConverter().FromPayloads(next.Input, &in); err != nil {
			t.Fatal(err)
		}
	}
	if runs < windows/8 {
		t.Errorf("%d runs for %d tenants, want one for every 7 windows", runs, windows*size)
	}
}
