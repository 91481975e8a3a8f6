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

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/workflows"
)

// manyRoles are documents in which each of n project roles gives a group to the first two
// users, but for those in without: user/role.
func manyRoles(n int, without ...string) string {
	var b strings.Builder
	write := func(format string, args ...any) { fmt.Fprintf(&b, "---\n"+format+"\n", args...) }
	write(`{apiVersion: v1, kind: meshWorkspace, metadata: {name: acme}, spec: {displayName: Acme}}`)
	write(`{apiVersion: v2, kind: meshProject, metadata: {name: web, ownedByWorkspace: acme}, spec: {displayName: Web}}`)
	var mappings []string
	for i := range n {
		role := fmt.Sprintf("r%02d", i)
		mappings = append(mappings, fmt.Sprintf("{projectRoleRef: {name: %s}, groupAlias: %s, roles: [developer]}", role, role))
		write(`{apiVersion: v1, kind: meshProjectRole, metadata: {name: %s}, spec: {name: R, rank: 1}}`, role)
		for _, user := range people[:2] {
			if !slices.Contains(without, user+"/"+role) {
				write(`{apiVersion: v3, kind: meshProjectUserBinding, metadata: {name: b-%s-%s}, roleRef: {name: %s}, targetRef: {name: web, ownedByWorkspace: acme}, subject: {name: %s}}`,
					user, role, role, user)
			}
		}
	}
	write(`{apiVersion: v1, kind: meshPlatform, metadata: {name: sandbox}, spec: {displayName: S, locationRef: {name: local}, config: {memory: {
  replication: {groupNamePattern: "#{projectIdentifier}-#{platformGroupAlias}", roleMappings: [%s]}}}}}`, strings.Join(mappings, ", "))
	write(`{apiVersion: v4, kind: meshTenant, metadata: {ownedByWorkspace: acme, ownedByProject: web}, spec: {platformIdentifier: sandbox.local, platformTenantId: t1}}`)
	for _, p := range people {
		write(`{apiVersion: v2, kind: meshUser, metadata: {name: %s}, spec: {email: %s@example.com, firstName: A, lastName: B, euid: %s}}`, p, p, p)
	}
	return b.String()
}

// replicate runs ReplicateTenant with the lab's activities, as a run that continues one
// whose steps have failed for so long. The callbacks are called at those times of the run.
func (l *lab) replicate(failing time.Duration, at map[time.Duration]func(*testsuite.TestWorkflowEnvironment)) (workflows.ReplicateResult, error) {
	l.t.Helper()
	return l.replicateTenant(web, failing, at)
}

func (l *lab) replicateTenant(
	tenant access.TenantID, failing time.Duration, at map[time.Duration]func(*testsuite.TestWorkflowEnvironment),
) (workflows.ReplicateResult, error) {
	l.t.Helper()
	in := workflows.ReplicateInput{Tenant: tenant}
	env := (&testsuite.WorkflowTestSuite{}).NewTestWorkflowEnvironment()
	env.SetTestTimeout(time.Minute)
	env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: time.Minute})
	workflows.Register(env)
	l.platform.Register(env)
	if failing > 0 {
		in.Waits.FailingSince = env.Now().Add(-failing)
	}
	for after, call := range at {
		env.RegisterDelayedCallback(func() { call(env) }, after)
	}
	env.ExecuteWorkflow(workflows.ReplicateTenantWorkflow, in)
	if !env.IsWorkflowCompleted() {
		l.t.Fatal("the run did not end")
	}
	var result workflows.ReplicateResult
	err := env.GetWorkflowError()
	if err == nil {
		err = env.GetWorkflowResult(&result)
	}
	return result, err
}

// group returns the members of a group, and reports whether it exists.
func (l *lab) group(name string) ([]string, bool) {
	l.t.Helper()
	w, err := memory.Read(l.file)
	if err != nil {
		l.t.Fatal(err)
	}
	i := slices.IndexFunc(w.Groups, func(g memory.Group) bool { return g.Name == name })
	if i < 0 {
		return nil, false
	}
	return slices.Sorted(slices.Values(w.Groups[i].Members)), true
}

// TestOutageHoldsNoTenant: a group that the platform cannot create for now delays neither
// the batches after its own, nor a removal that is triggered meanwhile. When the platform
// recovers, the run creates the group.
func TestOutageHoldsNoTenant(t *testing.T) {
	t.Parallel()
	const groups = 45 // three batches
	l := newLab(t)
	l.put(manyRoles(groups, "adaline/r00"))
	l.edit(func(w *memory.World) {
		w.Faults = []memory.Fault{{Op: "write:groups.create", Contains: "web-r00", Class: "unavailable"}}
	})
	both, one := []string{"u-adaline", "u-benedict"}, []string{"u-benedict"}
	got, err := l.replicate(0, map[time.Duration]func(*testsuite.TestWorkflowEnvironment){
		// The first wait begins after five attempts: about 15 seconds.
		20 * time.Second: func(*testsuite.TestWorkflowEnvironment) {
			for i := 1; i < groups; i++ {
				name := fmt.Sprintf("web-r%02d", i)
				if members, _ := l.group(name); !slices.Equal(members, both) {
					t.Errorf("after 20 seconds of the outage the group %s has the members %v, want %v", name, members, both)
				}
			}
		},
		30 * time.Minute: func(env *testsuite.TestWorkflowEnvironment) {
			l.put(manyRoles(groups, "adaline/r00", "adaline/r44"))
			env.SignalWorkflow(workflows.TriggerSignal, workflows.Trigger{Cause: "apply"})
		},
		30*time.Minute + 20*time.Second: func(*testsuite.TestWorkflowEnvironment) {
			if members, _ := l.group("web-r44"); !slices.Equal(members, one) {
				t.Errorf("20 seconds after the trigger the members are %v, want %v", members, one)
			}
			if _, there := l.group("web-r00"); there {
				t.Error("the outage ended too early for this test")
			}
		},
		3 * time.Hour: func(*testsuite.TestWorkflowEnvironment) { l.edit(func(w *memory.World) { w.Faults = nil }) },
	})
	if err != nil || got.Outcome != activities.Changed {
		t.Errorf("the run ends with %+v, %v; want changed", got, err)
	}
	if members, _ := l.group("web-r00"); !slices.Equal(members, one) {
		t.Errorf("after the outage the members are %v, want %v", members, one)
	}
}

// TestOutageKeepsAccessForAnHour: a user who moves to a group that the platform cannot
// create keeps the old one for an hour, and no longer.
func TestOutageKeepsAccessForAnHour(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.put(manyRoles(2, "adaline/r00"))
	l.edit(func(w *memory.World) {
		w.Faults = []memory.Fault{{Op: "write:groups.members", Contains: "web-r00", Class: "unavailable"}}
	})
	both, one := []string{"u-adaline", "u-benedict"}, []string{"u-benedict"}
	has := func(want []string) func(*testsuite.TestWorkflowEnvironment) {
		return func(env *testsuite.TestWorkflowEnvironment) {
			if members, _ := l.group("web-r01"); !slices.Equal(members, want) {
				t.Errorf("at %s the members are %v, want %v", env.Now().Format(time.TimeOnly), members, want)
			}
		}
	}
	_, err := l.replicate(0, map[time.Duration]func(*testsuite.TestWorkflowEnvironment){
		10 * time.Second: func(env *testsuite.TestWorkflowEnvironment) {
			has(both)(env)
			l.put(manyRoles(2, "adaline/r01"))
			env.SignalWorkflow(workflows.TriggerSignal, workflows.Trigger{Cause: "apply"})
		},
		50 * time.Minute: has(both),
		70 * time.Minute: has(one),
		2 * time.Hour:    func(*testsuite.TestWorkflowEnvironment) { l.edit(func(w *memory.World) { w.Faults = nil }) },
	})
	if err != nil {
		t.Error(err)
	}
}

// TestOutageLeavesAWarning: a run that waited for a day says what the platform answered.
func TestOutageLeavesAWarning(t *testing.T) {
	t.Parallel()
	for _, class := range []string{"unavailable", "throttled"} {
		l := newLab(t)
		l.want(2)
		l.edit(func(w *memory.World) {
			w.Faults = []memory.Fault{{Op: "write:groups.create", Class: class, RetryAfter: memory.Duration(10 * time.Minute)}}
		})
		if got, err := l.replicate(23*time.Hour, nil); err == nil {
			t.Errorf("%s: the run ends with %+v, want a failure", class, got)
		}
		var texts []string
		for _, r := range l.remarks() {
			texts = append(texts, string(r.Code)+" "+r.Text)
			if r.Code != access.PlatformPending || !strings.Contains(r.Text, "memory: write:groups.create: ") {
				t.Errorf("%s: the warning is %s: %s", class, r.Code, r.Text)
			}
		}
		if len(texts) != 2 {
			t.Errorf("%s: the warnings are %q, want one for the tenant and one for the group", class, texts)
		}
	}
}

// TestUnknownAnswersAreCountedOverTheRun: an answer that no driver knows counts as a
// refusal after ten attempts, whichever activities made them.
func TestUnknownAnswersAreCountedOverTheRun(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.want(2)
	l.edit(func(w *memory.World) {
		w.Faults = []memory.Fault{{Op: "write:groups.create", Class: "unknown refusal: unavailable"}}
	})
	if got, err := l.replicate(0, nil); err == nil {
		t.Errorf("the run ends with %+v, want a failure", got)
	}
	records, err := l.ledger.Records(t.Context(), ledger.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	attempts := 0
	var last string
	for _, r := range records {
		if r.Step.Kind == access.KindGroup {
			attempts += r.Attempts
			if strings.HasPrefix(r.Err, activities.TypeExhausted) {
				last = r.Err
			}
		}
	}
	if attempts != 10 || last == "" {
		t.Errorf("the group was tried %d times, and the last answer is %q; want 10, and that it is a refusal", attempts, last)
	}
}

// TestFailureOfOneAttemptIsShown: until the last attempt the activity fails, so that
// Temporal shows the attempt and the cause. A long delay is left to the workflow at once.
func TestFailureOfOneAttemptIsShown(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		reason string
		fault  memory.Fault
		fails  bool
		want   activities.ApplyOutput
	}{
		{"the first attempt fails", memory.Fault{Class: "unavailable"}, true, activities.ApplyOutput{}},
		{"the platform asks for a short delay", memory.Fault{Class: "throttled", RetryAfter: memory.Duration(10 * time.Second)}, true, activities.ApplyOutput{}},
		{
			"the platform asks for a long delay", memory.Fault{Class: "throttled", RetryAfter: memory.Duration(time.Hour)}, false,
			activities.ApplyOutput{Unfinished: 1, UnfinishedAfter: time.Hour, Type: activities.TypeThrottled, Attempts: 1},
		},
	} {
		l := newLab(t)
		l.want(1)
		c.fault.Op = "write:groups.create"
		l.edit(func(w *memory.World) { w.Faults = []memory.Fault{c.fault} })
		got, err := l.apply(l.planned())
		if (err != nil) != c.fails {
			t.Errorf("%s: %+v, %v", c.reason, got, err)
		}
		got.Calls, got.Reason = 0, ""
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.reason, diff)
		}
	}
}
