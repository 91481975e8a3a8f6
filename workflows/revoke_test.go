package workflows_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/engine"
	"github.com/rollcall-iam/rollcall/workflows"
)

// revoked are scripted platforms, by name.
type revoked struct {
	answers map[string]func(attempt int32) (activities.RemoveUserOutput, error)

	mu       sync.Mutex
	asked    []activities.RemoveUserInput
	queues   []string
	verified []string
}

func (p *revoked) run(t *testing.T, prepare func(*testsuite.TestWorkflowEnvironment)) (workflows.RevokeResult, error) {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(time.Minute)
	// A busy machine is no deadlock.
	env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: time.Minute})
	env.RegisterActivityWithOptions(func(ctx context.Context, in activities.RemoveUserInput) (activities.RemoveUserOutput, error) {
		info := activity.GetInfo(ctx)
		p.mu.Lock()
		p.asked = append(p.asked, in)
		p.queues = append(p.queues, info.TaskQueue)
		p.mu.Unlock()
		return p.answers[in.Platform](info.Attempt)
	}, activity.RegisterOptions{Name: activities.RemoveUserActivity})
	env.RegisterWorkflowWithOptions(workflows.RevokeUser, workflow.RegisterOptions{Name: workflows.RevokeUserWorkflow})
	env.RegisterWorkflowWithOptions(func(ctx workflow.Context, _ workflows.VerifyRevocationInput) (workflows.VerifyRevocationResult, error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.verified = append(p.verified, workflow.GetInfo(ctx).WorkflowExecution.ID)
		return workflows.VerifyRevocationResult{}, nil
	}, workflow.RegisterOptions{Name: workflows.VerifyRevocationWorkflow})
	if prepare != nil {
		prepare(env)
	}
	var names []string
	for name := range p.answers {
		names = append(names, name)
	}
	slices.Sort(names)
	env.ExecuteWorkflow(workflows.RevokeUserWorkflow, workflows.RevokeUserInput{ID: "r1", Platforms: names})
	if !env.IsWorkflowCompleted() {
		t.Fatal("the run did not end")
	}
	var result workflows.RevokeResult
	err := env.GetWorkflowError()
	if err == nil {
		err = env.GetWorkflowResult(&result)
	}
	slices.Sort(p.verified)
	return result, err
}

// tenantsOfA are tenants of a platform.
func tenantsOfA(projects ...string) []access.TenantID {
	var all []access.TenantID
	for _, p := range projects {
		all = append(all, access.TenantID{Workspace: "w", Project: p, Platform: "a.x"})
	}
	return all
}

func TestRevokeUserRemovesOnAllPlatformsAndHasEachVerified(t *testing.T) {
	t.Parallel()
	p := &revoked{answers: map[string]func(int32) (activities.RemoveUserOutput, error){
		"a.x": func(int32) (activities.RemoveUserOutput, error) {
			return activities.RemoveUserOutput{Affected: 2, Sets: 3, Calls: 7}, nil
		},
		"b.x": func(attempt int32) (activities.RemoveUserOutput, error) {
			if attempt < 5 {
				return activities.RemoveUserOutput{}, errors.New("connection refused")
			}
			return activities.RemoveUserOutput{Affected: 1, Sets: 1, Calls: 2}, nil
		},
		"c.x": func(int32) (activities.RemoveUserOutput, error) { return activities.RemoveUserOutput{Done: true}, nil },
	}}
	got, err := p.run(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := workflows.RevokeResult{Platforms: []workflows.RevokedOn{
		{Platform: "a.x", Tenants: 2, Sets: 3, Calls: 7}, {Platform: "b.x", Tenants: 1, Sets: 1, Calls: 2}, {Platform: "c.x"},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"revoke/r1/a.x", "revoke/r1/b.x"}, p.verified); diff != "" {
		t.Errorf("verified, which the platform without anything need not be (-want +got):\n%s", diff)
	}
	for i, queue := range p.queues {
		if queue != engine.RevocationQueue || p.asked[i].ID != "r1" {
			t.Errorf("asked %+v in queue %s, want the revocations' own queue", p.asked[i], queue)
		}
	}
}

func TestRevokeUserGivesUpOnOnePlatformAlone(t *testing.T) {
	t.Parallel()
	p := &revoked{answers: map[string]func(int32) (activities.RemoveUserOutput, error){
		"a.x": func(int32) (activities.RemoveUserOutput, error) {
			return activities.RemoveUserOutput{}, temporal.NewApplicationErrorWithOptions("a.x: denied", activities.TypeDenied,
				temporal.ApplicationErrorOptions{NonRetryable: true})
		},
		"b.x": func(int32) (activities.RemoveUserOutput, error) {
			return activities.RemoveUserOutput{Affected: 1, Sets: 1}, nil
		},
	}}
	_, err := p.run(t, nil)
	app, ok := errors.AsType[*temporal.ApplicationError](err)
	if !ok || app.Type() != workflows.RevokeFailedType || !strings.Contains(app.Message(), "a.x: denied") {
		t.Fatalf("error %v, want one that says which platform was given up, and why", err)
	}
	var got workflows.RevokeResult
	if err := app.Details(&got); err != nil || len(got.Platforms) != 2 || got.Platforms[1].Sets != 1 || got.Platforms[0].Failed == "" {
		t.Errorf("details %+v, %v; want what was done on the other platform", got, err)
	}
	if diff := cmp.Diff([]string{"revoke/r1/b.x"}, p.verified); diff != "" {
		t.Errorf("verified (-want +got):\n%s", diff)
	}
}

func TestRevokeUserRemovesAgainWhenAsked(t *testing.T) {
	t.Parallel()
	var env *testsuite.TestWorkflowEnvironment
	p := &revoked{}
	p.answers = map[string]func(int32) (activities.RemoveUserOutput, error){
		"a.x": func(int32) (activities.RemoveUserOutput, error) {
			if len(p.asked) == 1 {
				for range 3 {
					env.SignalWorkflow(workflows.TriggerSignal, workflows.Trigger{Cause: "revoke"})
				}
			}
			return activities.RemoveUserOutput{}, nil
		},
	}
	if _, err := p.run(t, func(e *testsuite.TestWorkflowEnvironment) { env = e }); err != nil {
		t.Fatal(err)
	}
	if len(p.asked) != 2 {
		t.Errorf("asked %d times, want twice: at first, and once for those who asked meanwhile", len(p.asked))
	}
}

// TestRevokeUserRemovesAgainAtOnceWhereNothingIsWaitedFor: a platform that is down must
// not keep one that refused from being asked again.
func TestRevokeUserRemovesAgainAtOnceWhereNothingIsWaitedFor(t *testing.T) {
	t.Parallel()
	var env *testsuite.TestWorkflowEnvironment
	p := &revoked{}
	asked := func(platform string) int {
		p.mu.Lock()
		defer p.mu.Unlock()
		n := 0
		for _, in := range p.asked {
			if in.Platform == platform {
				n++
			}
		}
		return n
	}
	refused := temporal.NewApplicationErrorWithOptions("denied", activities.TypeDenied, temporal.ApplicationErrorOptions{NonRetryable: true})
	p.answers = map[string]func(int32) (activities.RemoveUserOutput, error){
		"down.x": func(attempt int32) (activities.RemoveUserOutput, error) {
			if attempt == 3 {
				env.SignalWorkflow(workflows.TriggerSignal, workflows.Trigger{Cause: "revoke"})
			}
			if asked("refuses.x") < 2 {
				return activities.RemoveUserOutput{}, errors.New("connection refused")
			}
			return activities.RemoveUserOutput{}, nil
		},
		"refuses.x": func(int32) (activities.RemoveUserOutput, error) {
			if asked("refuses.x") < 2 {
				return activities.RemoveUserOutput{}, refused
			}
			return activities.RemoveUserOutput{Sets: 1}, nil
		},
	}
	got, err := p.run(t, func(e *testsuite.TestWorkflowEnvironment) { env = e })
	if err != nil || got.Platforms[1].Sets != 1 {
		t.Errorf("%+v, %v; want the platform that refused asked again while the other is down", got, err)
	}
}
