package controltest

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// ada is the caller of tests.
func ada() access.Actor { return access.Actor{Kind: access.OSUser, Name: "ada@host", Claim: "hr"} }

// pendingPlan has removals and a copy that wait for an approval.
func pendingPlan() plan.Plan {
	remove := func(id string, names ...string) plan.Step {
		var members []access.Member
		for _, n := range names {
			members = append(members, access.Member{Account: access.Account{Name: n, Ref: "u-" + n}})
		}
		return plan.Step{ID: id, Op: plan.Change, Kind: access.KindMembers, Object: "old", Have: plan.Object{
			Members: &plan.Members{Group: "old", GroupRef: "g-1", Accounts: members},
		}}
	}
	return plan.Plan{
		Tenant: web(),
		Held: []plan.Step{
			remove("1", "ada", "ben"), remove("2", "eve"),
			{
				ID: "3", Op: plan.Create, Kind: access.KindBinding, Object: "audit → new", Carries: "b-9",
				Want: plan.Object{Binding: &access.Binding{Role: "audit", Group: "new", Carried: true}},
			},
		},
		Remarks: []access.Remark{
			{Code: access.RemovalHeld, Object: "old", Text: "3 of 4 members"},
			{Code: access.UserNotFound, Object: "old", Text: "create it"},
		},
	}
}

// waits stores a status of web with the pending plan, and returns what it has to be decided.
func (i Installation) waits(t *testing.T) control.PendingTenant {
	t.Helper()
	digest, err := i.Store.PutPlan(t.Context(), pendingPlan(), 1)
	if err != nil {
		t.Fatal(err)
	}
	err = i.Store.PutStatus(t.Context(), store.Status{
		Tenant: web(), Outcome: string(activities.Waiting), Digest: digest, Held: 3, Removals: 3, Generation: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	pending, err := i.Service.ListPending(t.Context())
	if err != nil || len(pending) != 1 {
		t.Fatalf("%+v, %v, want the tenant that waits", pending, err)
	}
	return pending[0]
}

func testDecide(t *testing.T, i Installation) {
	i.apply(t, organization)
	if pending, err := i.Service.ListPending(t.Context()); err != nil || pending == nil || len(pending) > 0 {
		t.Errorf("%+v, %v, want an empty list", pending, err)
	}
	p := i.waits(t)
	var steps []string
	for _, s := range p.Steps {
		steps = append(steps, fmt.Sprint(s.Kind, " ", s.Object, " ", s.Pending, " ", s.IsCopy(), " ", s.Waits))
	}
	want := []string{"members old true false 3 of 4 members", "members old true false 3 of 4 members", "binding audit → new true true "}
	if diff := cmp.Diff(want, steps); diff != "" {
		t.Errorf("pending steps (-want +got):\n%s", diff)
	}
	request := control.DecideRequest{
		Tenant: web(), Digest: p.Digest, Verdict: store.Approved, Reason: "CHG-1", By: ada(), ExpiresIn: time.Hour,
	}
	for _, tc := range []struct {
		reason string
		change func(*control.DecideRequest)
		code   control.Code
		object string
	}{
		{"the reason is kept", func(r *control.DecideRequest) { r.Reason = "" }, control.Invalid, "reason"},
		{"the approver is kept", func(r *control.DecideRequest) { r.By = access.Actor{} }, control.Invalid, "by"},
		{"no run uses it that soon", func(r *control.DecideRequest) { r.ExpiresIn = time.Second }, control.Invalid, "expires_in"},
		{"a decision for a year is a rule", func(r *control.DecideRequest) { r.ExpiresIn = 365 * 24 * time.Hour }, control.Invalid, "expires_in"},
		{"a decision approves or rejects", func(r *control.DecideRequest) { r.Verdict = store.Undecided }, control.Invalid, "verdict"},
		{"a decision is about steps that the caller saw", func(r *control.DecideRequest) { r.Digest = "" }, control.Invalid, "digest"},
		{"other steps wait", func(r *control.DecideRequest) { r.Digest = "0123" }, control.Conflict, web().String()},
		{"nothing waits on the tenant", func(r *control.DecideRequest) { r.Tenant = crm() }, control.Conflict, crm().String()},
		{"the tenant is not stored", func(r *control.DecideRequest) { r.Tenant.Project = "shop" }, control.NotFound, "marketing.shop/sandbox.local"},
		{"no pending step has the name", func(r *control.DecideRequest) { r.Only = []string{"eve", "mei"} }, control.Invalid, "mei"},
	} {
		r := request
		tc.change(&r)
		_, err := i.Service.Decide(t.Context(), r, nil)
		fails(t, tc.reason, err, tc.code, tc.object)
	}
	if stored, err := i.Store.Decisions(t.Context(), []access.TenantID{web()}); err != nil || len(stored) > 0 {
		t.Fatalf("%+v, %v, want no decision after refused requests", stored, err)
	}

	// The decision is stored although its run cannot start without Temporal.
	var decided control.Decided
	r := request
	r.Only = []string{"eve", "audit → new"}
	_, err := i.Service.Decide(t.Context(), r, func(e control.Event) {
		if e.Type == control.EventDecided {
			decided = *e.Decided
		}
	})
	fails(t, "the run of the tenant cannot start", err, control.Unavailable, "")
	if diff := cmp.Diff(control.Decided{Removals: 1, Copies: 1}, decided); diff != "" {
		t.Errorf("decided (-want +got):\n%s", diff)
	}
	stored, err := i.Store.Decisions(t.Context(), []access.TenantID{web()})
	if err != nil {
		t.Fatal(err)
	}
	verdicts := map[string]store.Verdict{}
	for _, d := range stored[web()] {
		verdicts[d.Removal.Ref] = d.Verdict
		if long := d.Expires.Sub(d.Decided) > time.Hour; long != (d.Verdict == store.Undecided) {
			t.Errorf("%s counts until %s: only what is undecided lasts", d.Removal.Ref, d.Expires)
		}
	}
	wantVerdicts := map[string]store.Verdict{"u-ada": store.Undecided, "u-ben": store.Undecided, "u-eve": store.Approved, "b-9": store.Approved}
	if diff := cmp.Diff(wantVerdicts, verdicts); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
	records, err := i.Service.ListDecisions(t.Context(), []access.TenantID{web()})
	if err != nil || len(records) != 2 {
		t.Fatalf("%+v, %v, want the two decided steps", records, err)
	}
	for _, r := range records {
		if r.State != "open" || r.By != "os:ada@host" || r.Claim != "hr" || r.Reason != "CHG-1" || r.Digest != p.Digest {
			t.Errorf("%+v, want a decision that counts, with its caller", r)
		}
	}
	if none, err := i.Service.ListDecisions(t.Context(), []access.TenantID{crm()}); err != nil || len(none) > 0 {
		t.Errorf("%+v, %v, want no decision on the other tenant", none, err)
	}
}
