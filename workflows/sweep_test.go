package workflows_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/workflows"
)

// sweepPlatform is a scripted platform of a sweep, on which all tenants drifted. It counts what the
// sweep and the runs of its tenants ask for.
type sweepPlatform struct {
	tenants int
	// refuse is a tenant of which the platform refuses a step, differ one that still differs
	// when it is verified; -1 for none.
	refuse, differ int
	// failing is a tenant of which each step fails for three hours; -1 for none.
	failing int

	verifiedAfter    []time.Duration
	verifiedTogether []int // tenants, by call
	verifiedSingle   []access.TenantID
	applied          map[access.TenantID]int
}

func sweepTenant(i int) access.TenantID {
	return access.TenantID{Workspace: "marketing", Project: fmt.Sprintf("p%03d", i), Platform: tenant.Platform}
}

func (s *sweepPlatform) run(t *testing.T) workflows.SweepResult {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(time.Minute)
	env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: time.Minute})
	on := &stage{env: env}
	defer on.end()
	s.applied = map[access.TenantID]int{}
	began := env.Now()
	script(on, activities.DetectDriftActivity, func(activities.DetectDriftInput) (activities.DetectDriftOutput, error) {
		out := activities.DetectDriftOutput{Settle: time.Minute, Totals: activities.Totals{Calls: 2}}
		for i := range s.tenants {
			out.Drifted = append(out.Drifted, activities.Drift{Tenant: sweepTenant(i), Plan: activities.Prepared{Digest: "d"}})
		}
		return out, nil
	})
	planned := open(1).out
	planned.Calls = 0 // a plan of the sweep's
	script(on, activities.PlanActivity, func(activities.PlanInput) (activities.PlanOutput, error) { return planned, nil })
	script(on, activities.ApplyActivity, func(in activities.ApplyInput) (activities.ApplyOutput, error) {
		s.applied[in.Tenant]++
		if s.failing >= 0 && in.Tenant == sweepTenant(s.failing) && env.Now().Sub(began) < 3*time.Hour {
			return activities.ApplyOutput{Unfinished: 1, Calls: 1, Reason: "an outage", Type: activities.TypeUnavailable}, nil
		}
		if s.refuse >= 0 && in.Tenant == sweepTenant(s.refuse) {
			return activities.ApplyOutput{Refused: 1, Calls: 1}, nil
		}
		return activities.ApplyOutput{Done: 1, Calls: 1}, nil
	})
	script(on, activities.VerifyActivity, func(in activities.PlanInput) (activities.PlanOutput, error) {
		s.verifiedSingle = append(s.verifiedSingle, in.Tenant)
		return activities.PlanOutput{Outcome: activities.Changed, Calls: 1}, nil
	})
	script(on, activities.ResolveUsersActivity, func(activities.ResolveInput) (activities.ResolveOutput, error) {
		return activities.ResolveOutput{}, nil
	})
	script(on, activities.RecordOutcomeActivity, func(activities.RecordOutcomeInput) (activities.RecordOutcomeOutput, error) {
		return activities.RecordOutcomeOutput{Remarks: 1}, nil
	})
	script(on, activities.VerifyTenantsActivity, func(in activities.VerifyTenantsInput) (activities.DetectDriftOutput, error) {
		s.verifiedAfter = append(s.verifiedAfter, env.Now().Sub(began))
		return s.verify(in)
	})
	workflows.Register(env)
	env.ExecuteWorkflow(workflows.SweepWorkflow, workflows.SweepInput{Platform: tenant.Platform})
	if !env.IsWorkflowCompleted() || env.GetWorkflowError() != nil {
		t.Fatalf("the sweep did not end, or with %v", env.GetWorkflowError())
	}
	var result workflows.SweepResult
	if err := env.GetWorkflowResult(&result); err != nil {
		t.Fatal(err)
	}
	return result
}

func (s *sweepPlatform) verify(in activities.VerifyTenantsInput) (activities.DetectDriftOutput, error) {
	s.verifiedTogether = append(s.verifiedTogether, len(in.Changed))
	out := activities.DetectDriftOutput{Totals: activities.Totals{Calls: 1}}
	for _, c := range in.Changed {
		if s.differ >= 0 && c.Tenant == sweepTenant(s.differ) {
			out.Drifted = append(out.Drifted, activities.Drift{Tenant: c.Tenant, Plan: activities.Prepared{Digest: "d"}})
			continue
		}
		out.Totals.Count(activities.Changed, c.Done.Steps, 0, c.Done.Calls)
	}
	if in.Patience != time.Minute {
		return out, fmt.Errorf("patience %s, want the propagation delay", in.Patience)
	}
	return out, nil
}

// TestSweep_VerifiesChangedTenantsTogether: the tenants of a shard that were changed are
// verified by few activities; one that does not end as planned is verified by its own run.
func TestSweep_VerifiesChangedTenantsTogether(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		reason        string
		sweepPlatform sweepPlatform
		totals        activities.Totals
		together      int // at most
		single        []access.TenantID
		applied       map[access.TenantID]int // where it is not once
	}{
		{
			"three tenants, one observation", sweepPlatform{tenants: 3, refuse: -1, differ: -1, failing: -1},
			activities.Totals{Tenants: 3, Changed: 3, Steps: 3, Calls: 6}, 1, nil, nil,
		},
		{
			"no status waits for more than a hundred others", sweepPlatform{tenants: 250, refuse: -1, differ: -1, failing: -1},
			activities.Totals{Tenants: 250, Changed: 250, Steps: 250, Calls: 255}, 3, nil, nil,
		},
		{
			"a tenant that still differs gets a run that verifies itself", sweepPlatform{tenants: 3, refuse: -1, differ: 1, failing: -1},
			activities.Totals{Tenants: 3, Changed: 3, Steps: 4, Calls: 8}, 1, []access.TenantID{sweepTenant(1)},
			map[access.TenantID]int{sweepTenant(1): 2},
		},
		{
			"a tenant with a refused step is not left to the sweep", sweepPlatform{tenants: 3, refuse: 2, differ: -1, failing: -1},
			activities.Totals{Tenants: 3, Changed: 2, Failed: 1, Steps: 2, Remarks: 1, Calls: 6}, 1, nil, nil,
		},
	} {
		s := c.sweepPlatform
		got := s.run(t)
		if diff := cmp.Diff(c.totals, got.Totals); diff != "" {
			t.Errorf("%s: totals (-want +got):\n%s", c.reason, diff)
		}
		verified := 0
		for i, n := range s.verifiedTogether {
			verified += n
			if n > 100+32 { // and those that end while the activity is being scheduled
				t.Errorf("%s: observation %d is of %d tenants", c.reason, i, n)
			}
		}
		if len(s.verifiedTogether) > c.together || verified < c.totals.Changed {
			t.Errorf("%s: %v tenants verified together, want %d in at most %d observations", c.reason, s.verifiedTogether, c.totals.Changed, c.together)
		}
		if diff := cmp.Diff(c.single, s.verifiedSingle); diff != "" {
			t.Errorf("%s: verified by their own runs (-want +got):\n%s", c.reason, diff)
		}
		for i := range s.tenants {
			want := 1
			if n := c.applied[sweepTenant(i)]; n > 0 {
				want = n
			}
			if n := s.applied[sweepTenant(i)]; n != want {
				t.Errorf("%s: %s was applied %d times, want %d", c.reason, sweepTenant(i), n, want)
			}
		}
	}
}

// TestSweep_VerifiesWhileARunWaits: the run of a tenant with failing steps may wait for a
// day. The others get their statuses meanwhile.
func TestSweep_VerifiesWhileARunWaits(t *testing.T) {
	t.Parallel()
	s := sweepPlatform{tenants: 40, refuse: -1, differ: -1, failing: 1}
	got := s.run(t)
	if got.Totals.Changed != 40 {
		t.Errorf("totals %+v, want all tenants changed", got.Totals)
	}
	if len(s.verifiedTogether) != 2 || s.verifiedTogether[0] != 39 || s.verifiedAfter[0] > 2*time.Minute {
		t.Errorf("verified %v tenants after %v, want all but one within two minutes", s.verifiedTogether, s.verifiedAfter)
	}
}
