package store_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/store"
)

func TestDecisionsCountUntilTheyExpire(t *testing.T) {
	s := fresh(t)
	removal := func(ref string) plan.Removal {
		return plan.Removal{Object: access.Key{Kind: access.KindMembers, Group: "web-admin"}, Ref: ref}
	}
	decide := func(life time.Duration, verdict store.Verdict, refs ...string) []store.Decision {
		t.Helper()
		var decisions []store.Decision
		for _, ref := range refs {
			decisions = append(decisions, store.Decision{
				Removal: removal(ref), Verdict: verdict, Life: life, Approver: "ada", Reason: "left", Digest: "d-1",
			})
		}
		if err := s.Decide(t.Context(), web, decisions); err != nil {
			t.Fatal(err)
		}
		return decisions
	}
	expect := func(want ...store.Decision) {
		t.Helper()
		got, err := s.Decisions(t.Context(), []access.TenantID{web})
		if err != nil {
			t.Fatal(err)
		}
		diff(t, "decisions", want, got[web], cmpopts.IgnoreFields(store.Decision{}, "Decided", "Expires", "Life"), cmpopts.EquateEmpty())
	}

	expect()
	yes := decide(time.Hour, store.Approved, "u-1", "u-2")
	expect(yes...)
	no := decide(time.Hour, store.Rejected, "u-2")
	expect(yes[0], no[0])
	decide(time.Hour, store.Undecided, "u-2")
	expect(yes[0], no[0])
	decide(-time.Second, store.Approved, "u-1")
	expect(no...)
	if err := s.Forget(t.Context(), []access.TenantID{web}); err != nil {
		t.Fatal(err)
	}
	expect()
}

func TestDecisionsAreATenantsOwn(t *testing.T) {
	s := fresh(t)
	other := access.TenantID{Workspace: "marketing", Project: "print", Platform: web.Platform}
	gone := store.Decision{
		Removal: plan.Removal{Object: access.Key{Kind: access.KindGroup, Group: "old"}, Ref: "g-1"},
		Verdict: store.Approved, Life: time.Hour, Approver: "ada", Reason: "r",
	}
	for _, tenant := range []access.TenantID{web, other} {
		if err := s.Decide(t.Context(), tenant, []store.Decision{gone}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Forget(t.Context(), []access.TenantID{web}); err != nil {
		t.Fatal(err)
	}
	got, err := s.Decisions(t.Context(), []access.TenantID{web, other})
	if err != nil {
		t.Fatal(err)
	}
	if len(got[web]) != 0 || len(got[other]) != 1 {
		t.Errorf("after forgetting one tenant's decisions there are %d and %d, want none and 1", len(got[web]), len(got[other]))
	}
}
