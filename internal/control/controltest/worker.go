package controltest

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/explain"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// RunWithWorker runs the tests of work that needs a worker, on an empty installation with one.
// The platform sandbox.local has the tenants web-1 and crm-1 and the user jane-doe, and nothing
// else.
func RunWithWorker(t *testing.T, i Installation) {
	t.Helper()
	i.apply(t, organization)
	all := control.Selection{All: true}

	var planned []control.TenantPlan
	summary, err := i.Service.Plan(t.Context(), control.PlanRequest{Selection: all, Ordered: true}, func(e control.Event) {
		if e.Type == control.EventPlanned {
			planned = append(planned, *e.Plan)
		}
	})
	if err != nil || summary.Tenants != 2 || summary.Failed > 0 || summary.Steps == 0 {
		t.Fatalf("planned %+v, %v, want the steps of two tenants", summary, err)
	}
	if len(planned) != 2 || planned[0].Tenant != web() || planned[1].Tenant != crm() || len(planned[0].Plan.Steps)+len(planned[1].Plan.Steps) != summary.Steps {
		t.Errorf("plans %+v, want those of web and crm in the order of tenants, with the steps of the summary", planned)
	}

	replicate := func(s control.Selection, want activities.Totals) {
		t.Helper()
		done := 0
		request := control.ReplicateRequest{Selection: s, By: ada(), Wait: true}
		result, err := i.Service.Replicate(t.Context(), request, func(e control.Event) { done = max(done, e.Done) })
		if err != nil || result.Report == nil || len(result.Failures) > 0 || done > want.Tenants {
			t.Fatalf("replicated %+v, %v with %d of %d tenants, want a report without failures", result, err, done, want.Tenants)
		}
		got := result.Report.Totals
		got.Calls, got.Steps = 0, 0
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("totals (-want +got):\n%s", diff)
		}
	}
	replicate(all, activities.Totals{Tenants: 2, Changed: 2})
	replicate(control.Selection{Workspace: "marketing"}, activities.Totals{Tenants: 1, Converged: 1})
	i.isGranted(t, true)

	status, err := i.Service.Status(t.Context(), control.StatusRequest{Selection: all})
	if err != nil || status.Failure != nil || status.Report.Totals.Tenants != 2 || status.Report.Failed > 0 {
		t.Errorf("status %+v, %v, want two tenants as desired, and an answer of Temporal", status, err)
	}

	testEffect(t, i)

	adoption, err := i.Service.Adopt(t.Context(), control.AdoptRequest{Tenant: web(), DryRun: true}, nil)
	if err != nil || len(adoption.Adoption.Groups) > 0 || len(adoption.Adoption.NotAdoptable) != 1 || adoption.Stored {
		t.Errorf("adoption %+v, %v, want none: Rollcall created the group", adoption, err)
	}

	var accepted []string
	revoke := control.RevokeRequest{User: "jane", Reason: "left", By: ada(), Wait: true}
	revoked, err := i.Service.Revoke(t.Context(), revoke, func(e control.Event) {
		if e.Type == control.EventAccepted {
			accepted = append(accepted, e.Accepted.Platform)
		}
	})
	platforms := revoked.Revocation.Platforms
	if err != nil || revoked.Failure != "" || len(platforms) != 1 || platforms[0].State == store.RevocationWaiting {
		t.Fatalf("revoked %+v, %v, want one platform that has accepted it", revoked, err)
	}
	if diff := cmp.Diff([]string{"sandbox.local"}, accepted); diff != "" {
		t.Errorf("platforms that accepted the revocation (-want +got):\n%s", diff)
	}
	i.isGranted(t, false)

	lift := control.LiftRequest{User: "jane", Reason: "back", By: ada(), Wait: true}
	lifted, err := i.Service.Lift(t.Context(), lift, nil)
	if err != nil || lifted.Tenants != 1 || lifted.Replication.Report == nil || lifted.Revocation.Lifted == nil {
		t.Fatalf("lifted %+v, %v, want the report of one tenant", lifted, err)
	}
	i.isGranted(t, true)
	_, err = i.Service.Lift(t.Context(), lift, nil)
	fails(t, "the revocation is lifted already", err, control.NotFound, "jane")
}

// testEffect: before a change is confirmed, and in a dry run, its effect on platforms is known.
func testEffect(t *testing.T, i Installation) {
	t.Helper()
	binding := document.ID{Kind: document.KindUserBinding, Name: "b-jane-web"}
	remove := func(o control.ChangeOptions) (result control.ChangeResult, events []control.Event, err error) {
		o.By = ada()
		result, err = i.Service.Delete(t.Context(), control.DeleteRequest{ID: binding, ChangeOptions: o}, func(e control.Event) {
			events = append(events, e)
		})
		return result, events, err
	}
	effect := control.ChangeOptions{Effect: true}
	result, events, err := remove(effect)
	fails(t, "the removal is not confirmed", err, control.Unconfirmed, "")
	isDelayed := func(e control.Event) bool { return e.Type == control.EventDelayed && e.Delay.Waiting == 1 }
	if result.Effect == nil || result.Effect.Summary.Tenants != 0 || !slices.ContainsFunc(events, isDelayed) {
		t.Errorf("no worker serves the platform: the effect %+v with %+v, want an event and no plan", result.Effect, events)
	}

	i.report(t, "1@a", nil, onSandbox("d1"))
	for reason, o := range map[string]control.ChangeOptions{
		"the removal is not confirmed": effect,
		"a dry run stores nothing":     {Effect: true, DryRun: true, AllowRemovals: true},
	} {
		result, events, err := remove(o)
		if o.DryRun != (err == nil) || result.Stored {
			t.Errorf("%s: %+v, %v", reason, result, err)
		}
		var plans []plan.Plan
		for _, e := range events {
			if e.Type == control.EventPlanned {
				plans = append(plans, e.Plan.Plan)
			}
		}
		if result.Effect == nil || result.Effect.Failure != nil || result.Effect.Summary.Steps == 0 || result.Changes.Digest == "" {
			t.Errorf("%s: %+v, want the steps of a change that a digest names", reason, result)
		}
		if len(plans) != 1 || plans[0].Tenant != web() || len(plans[0].Steps) == 0 || events[0].Type != control.EventProposed {
			t.Errorf("%s: %+v, want the change and then the plan of its tenant", reason, events)
		}
	}
	if _, err := i.Service.Get(t.Context(), control.GetRequest{Kind: binding.Kind, Name: binding.Name}); err != nil {
		t.Errorf("the effect of a change has stored it: %v", err)
	}
}

// isGranted checks whether jane has access to web.
func (i Installation) isGranted(t *testing.T, want bool) {
	t.Helper()
	a, err := i.Service.Explain(t.Context(), control.ExplainRequest{User: "jane", Tenant: web()})
	granted := len(a.Access) == 1 && (a.Access[0].State == explain.Granted || a.Access[0].State == explain.Written)
	if err != nil || granted != want {
		t.Errorf("%+v, %v, want access: %t", a.Access, err, want)
	}
}
