package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// waitingPlan holds two chunks of one removal, a group, and a role that could be
// carried over.
func waitingPlan() plan.Plan {
	leave := func(names ...string) plan.Step {
		var who []access.Member
		for _, n := range names {
			who = append(who, access.Member{Account: access.Account{Name: n, Ref: "u-" + n}, Why: "nothing gives it to " + n})
		}
		return plan.Step{Op: plan.Change, Kind: access.KindMembers, Object: "old", Have: plan.Object{Members: &plan.Members{Group: "old", Accounts: who}}}
	}
	carried := access.Binding{Role: "audit", Group: "new", Carried: true}
	return plan.Plan{
		Tenant: tenant(),
		Held: []plan.Step{
			leave("ada", "ben"), leave("eve"),
			{Op: plan.Delete, Kind: access.KindGroup, Object: "web", Have: plan.Object{Group: &access.Group{Name: "web", Ref: "g-1"}}},
			{Op: plan.Create, Kind: access.KindBinding, Object: "audit → new", Want: plan.Object{Binding: &carried}, Carries: "b-9"},
		},
		Remarks: []access.Remark{
			{Code: access.RemovalHeld, Object: "audit → new", Text: "somebody else gave the role"},
			{Code: access.RemovalHeld, Object: "old", Text: "the guard \"careful\" lets 2 be taken"},
			{Code: access.RemovalHeld, Object: "web", Text: "it has members\x1b[2J"},
			{Code: access.UserNotFound, Object: "old", Text: "another matter"},
		},
	}
}

// TestHeldIsListedWithItsReason: what waits, whom it hits, and what for; also what
// would be given.
func TestHeldIsListedWithItsReason(t *testing.T) {
	p := waitingPlan()
	var out bytes.Buffer
	writePendingTenant(&out, control.PendingOf(p.Tenant, p))
	want := "marketing.web/sandbox.local  " + p.HeldDigest() + `
  - members old
      ada  (nothing gives it to ada)
      ben  (nothing gives it to ben)
  - members old
      eve  (nothing gives it to eve)
    waits: the guard "careful" lets 2 be taken
  - group web
    waits: it has members�[2J
  + give role audit to new, carried over
    waits: somebody else gave the role
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("what waits (-want +got):\n%s", diff)
	}
}

func TestDecidedText(t *testing.T) {
	for _, tc := range []struct {
		reason  string
		decided control.Decided
		want    string
	}{
		{"all of it", control.Decided{Removals: 4, Copies: 1}, "4 removals and 1 carried role"},
		{"one user", control.Decided{Removals: 1}, "1 removal"},
		{"the role alone", control.Decided{Copies: 1}, "1 carried role"},
	} {
		if got := decidedText(tc.decided); got != tc.want {
			t.Errorf("%s: %q was decided, want %q", tc.reason, got, tc.want)
		}
	}
}

func TestStatusSaysHowMuchWaits(t *testing.T) {
	for _, tc := range []struct {
		reason  string
		pending control.PendingTotals
		want    string
	}{
		{"several tenants", control.PendingTotals{PendingRemovals: 8, PendingTenants: 2}, "Pending approval: 8 removals on 2 tenants.\nNext:  rollcall approve\n"},
		{"one tenant", control.PendingTotals{PendingRemovals: 1, PendingTenants: 1}, "Pending approval: 1 removal on 1 tenant.\nNext:  rollcall approve\n"},
		{"a copied grant is no removal", control.PendingTotals{PendingTenants: 1}, "Pending approval: 1 tenant.\nNext:  rollcall approve\n"},
		{"nothing waits", control.PendingTotals{}, ""},
	} {
		var out bytes.Buffer
		writePendingTotals(&out, tc.pending)
		if out.String() != tc.want {
			t.Errorf("%s: %q, want %q", tc.reason, out.String(), tc.want)
		}
	}
}

// TestPlanItem_TellsWhatIsLeftOut: of a removal that is left out, scripts see why.
func TestPlanItem_TellsWhatIsLeftOut(t *testing.T) {
	p := waitingPlan()
	p.Steps, p.Held, p.Forbidden = p.Held[3:], p.Held[1:2], p.Held[2:3]
	type step struct{ held, forbidden bool }
	var got []step
	for _, s := range planItemOf(control.TenantPlan{Tenant: p.Tenant, Plan: p}).Steps {
		got = append(got, step{s.Pending, s.Forbidden})
	}
	if diff := cmp.Diff([]step{{}, {held: true}, {forbidden: true}}, got, cmp.AllowUnexported(step{})); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
}

// TestApprove_RefusesWhatCannotBeKept: the flags are checked before anything is read.
func TestApprove_RefusesWhatCannotBeKept(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		reason string
		flags  []string
		want   string
	}{
		{"a reason is kept", nil, "--reason"},
		{"a decision for 100 years is a rule", []string{"--reason", "r", "--expires", "876000h"}, "720h (30 days)"},
		{"a moment above the longest", []string{"--reason", "r", "--expires", "720h1s"}, "720h (30 days)"},
		{"no run uses it that soon", []string{"--reason", "r", "--expires", "59s"}, "from 1m"},
		{"a time in the past", []string{"--reason", "r", "--expires", "-1h"}, "from 1m"},
		{"a second line could look like another record", []string{"--reason", "r\nok"}, "U+000A"},
	} {
		for _, verb := range []string{"approve", "reject"} {
			run(t, "", "", append([]string{verb, "marketing.web/sandbox.local", "d-1"}, tc.flags...)...).ends(t, tc.reason, exitInvalid, tc.want)
		}
	}
}

// TestApprove_ListsAllDecisions: also those that ended, with the actor and the claimed name.
func TestApprove_ListsAllDecisions(t *testing.T) {
	s := newScene(t, "")
	by := access.Actor{Kind: access.OSUser, Name: "ada@test", Claim: "hr"}
	removal := plan.Removal{Object: access.Key{Kind: access.KindMembers, Group: adminGroup}, Ref: "u-1"}
	for _, d := range []store.Decision{
		{Removal: removal, Verdict: store.Approved, Life: -time.Second, By: by, Reason: "CHG-1", Digest: "d-1"},
		{Removal: removal, Verdict: store.Rejected, Life: time.Hour, By: by, Reason: "INC-7", Digest: "d-2"},
	} {
		if err := s.store.Decide(t.Context(), tenant(), []store.Decision{d}); err != nil {
			t.Fatal(err)
		}
	}
	got := fromJSON[[]control.DecisionRecord](t, must(t, s.url, "", "approve", "--list", "-o", "json"))
	want := []control.DecisionRecord{
		{Verdict: "rejected", State: "open", Reason: "INC-7", Digest: "d-2"},
		{Verdict: "approved", State: "expired", Reason: "CHG-1", Digest: "d-1"},
	}
	for i := range want {
		want[i].Tenant, want[i].Platform, want[i].Object, want[i].Account = "marketing.web", "sandbox.local", removal.Object.String(), "u-1"
		want[i].By, want[i].Claim = "os:ada@test", "hr"
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(control.DecisionRecord{}, "At", "Expires", "Ended")); diff != "" {
		t.Errorf("decisions (-want +got):\n%s", diff)
	}
	if out := must(t, s.url, "", "approve", "--list", "marketing.web/sandbox.local"); !strings.Contains(out, "os:ada@test, says to be hr") {
		t.Errorf("the list does not name the actor:\n%s", out)
	}
}
