package activities_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// TestVerifyTenants_RecordsChangedTenants: the tenants that runs of a sweep changed are read
// together. Each gets the status of its own run; one that differs still is returned with its
// plan.
func TestVerifyTenants_RecordsChangedTenants(t *testing.T) {
	t.Parallel()
	for _, tenants := range []int{5, 40} {
		l, statements := newShard(t, tenants)
		drift, err := execute[activities.DetectDriftOutput](l, activities.DetectDriftActivity, activities.DetectDriftInput{Platform: "sandbox.local"})
		if err != nil {
			t.Fatal(err)
		}
		in := activities.VerifyTenantsInput{Platform: "sandbox.local", Patience: time.Hour}
		for i, d := range drift.Drifted {
			if i > 0 {
				l.applyDrift(d)
			}
			in.Changed = append(in.Changed, activities.ChangedTenant{
				Tenant: d.Tenant, RunID: fmt.Sprintf("run-%d", i), Done: activities.Tally{Steps: 3, Calls: 2},
			})
		}
		verify := func() (activities.DetectDriftOutput, error) {
			return execute[activities.DetectDriftOutput](l, activities.VerifyTenantsActivity, in)
		}
		_, err = verify()
		app, failed := errors.AsType[*temporal.ApplicationError](err)
		if !failed || app.Type() != activities.TypePending || app.NonRetryable() || app.NextRetryDelay() <= 0 {
			t.Fatalf("one tenant differs within the propagation delay: %v, want another attempt later", err)
		}
		if all, err := l.store.Statuses(t.Context(), store.TenantFilter{}); err != nil || len(all) > 0 {
			t.Fatalf("%d statuses before the platform shows all, %v; want none", len(all), err)
		}
		in.Patience = 0
		statements.Reset()
		out, err := verify()
		if err != nil {
			t.Fatal(err)
		}
		if executed := statements.Reset(); len(executed) > maxStatements {
			t.Errorf("%d tenants take %d statements, want at most %d:%s", tenants, len(executed), maxStatements, executed)
		}
		if len(out.Drifted) != 1 || out.Drifted[0].Tenant != drift.Drifted[0].Tenant || out.Drifted[0].Plan.Digest == "" {
			t.Errorf("%d tenants: %+v still differ, want the first one with its plan", tenants, out.Drifted)
		}
		if out.Totals.Changed != tenants-1 || out.Totals.Steps != 3*(tenants-1) || out.Settle != 0 {
			t.Errorf("%d tenants: %+v, want all but one changed, with the steps of their runs", tenants, out)
		}
		all, err := l.store.Statuses(t.Context(), store.TenantFilter{})
		if err != nil || len(all) != tenants-1 {
			t.Fatalf("%d statuses, %v; want %d", len(all), err, tenants-1)
		}
		runs := map[string]bool{}
		for _, s := range all {
			runs[s.RunID] = true
			if s.Outcome != string(activities.Changed) || s.Steps != 3 || s.Calls != 2 {
				t.Errorf("status %+v, want changed, with the steps and the calls of its run", s)
			}
		}
		if len(runs) != tenants-1 {
			t.Errorf("%d runs in %d statuses, want one each", len(runs), len(all))
		}
	}
}

// TestVerifyTenants_KeepsEvents: the member that a run removed is on record, although the
// last observation finds nothing of it.
func TestVerifyTenants_KeepsEvents(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.want(2)
	l.converge()
	l.edit(func(w *memory.World) { w.Groups[0].Members = append(w.Groups[0].Members, "u-yvonne") })
	p, err := l.plan(activities.PlanInput{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.apply(p); err != nil {
		t.Fatal(err)
	}
	_, err = execute[activities.DetectDriftOutput](l, activities.VerifyTenantsActivity, activities.VerifyTenantsInput{
		Platform: web.Platform, Changed: []activities.ChangedTenant{{Tenant: web, RunID: "default-test-run-id", Done: activities.Tally{Steps: 1}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if warnings := l.remarks(); len(warnings) != 1 {
		t.Errorf("warnings %v, want one about the removed member", warnings)
	}
}

// TestVerifyTenants_LeavesOutDeletedTenants: a removed tenant is forgotten once another run
// finds it cleaned up. The others are verified all the same.
func TestVerifyTenants_LeavesOutDeletedTenants(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.want(2)
	l.converge()
	deleted := access.TenantID{Workspace: "acme", Project: "former", Platform: web.Platform}
	for _, c := range []struct {
		reason  string
		tenants []access.TenantID
		changed int
	}{
		{"one of two is forgotten", []access.TenantID{deleted, web}, 1},
		{"all are forgotten", []access.TenantID{deleted}, 0},
	} {
		in := activities.VerifyTenantsInput{Platform: web.Platform}
		for _, id := range c.tenants {
			in.Changed = append(in.Changed, activities.ChangedTenant{Tenant: id, RunID: "run-1", Done: activities.Tally{Steps: 1}})
		}
		out, err := execute[activities.DetectDriftOutput](l, activities.VerifyTenantsActivity, in)
		if err != nil || out.Totals.Changed != c.changed || out.Totals.Failed != 0 {
			t.Errorf("%s: %+v, %v; want %d changed", c.reason, out, err, c.changed)
		}
	}
	if all, err := l.store.Statuses(t.Context(), store.TenantFilter{}); err != nil || len(all) != 1 || all[0].RunID != "run-1" {
		t.Errorf("statuses %+v, %v; want that of the tenant that is left", all, err)
	}
}
