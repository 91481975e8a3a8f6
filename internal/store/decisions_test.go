package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sync/errgroup"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/internal/store/storetest"
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
				Removal: removal(ref), Verdict: verdict, Life: life, By: storetest.By("ada"), Reason: "left", Digest: "d-1",
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
		diff(t, "decisions", want, got[web], cmpopts.IgnoreFields(store.Decision{}, "Tenant", "Decided", "Expires", "Life"), cmpopts.EquateEmpty())
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
	if err := s.EndDecisions(t.Context(), []access.TenantID{web}); err != nil {
		t.Fatal(err)
	}
	expect()
}

func TestDecisionsAreATenantsOwn(t *testing.T) {
	s := fresh(t)
	other := access.TenantID{Workspace: "marketing", Project: "print", Platform: web.Platform}
	gone := store.Decision{
		Removal: plan.Removal{Object: access.Key{Kind: access.KindGroup, Group: "old"}, Ref: "g-1"},
		Verdict: store.Approved, Life: time.Hour, By: storetest.By("ada"), Reason: "r",
	}
	for _, tenant := range []access.TenantID{web, other} {
		if err := s.Decide(t.Context(), tenant, []store.Decision{gone}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.EndDecisions(t.Context(), []access.TenantID{web}); err != nil {
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

// TestDecisions_AreKept: a decision that another replaces, or that ends, stays as it was made.
func TestDecisions_AreKept(t *testing.T) {
	s := fresh(t)
	removal := plan.Removal{Object: access.Key{Kind: access.KindMembers, Group: "web-admin"}, Ref: "u-1"}
	other := plan.Removal{Object: access.Key{Kind: access.KindMembers, Group: "web-admin"}, Ref: "u-2"}
	decide := func(r plan.Removal, verdict store.Verdict, life time.Duration, reason string) store.Decision {
		t.Helper()
		d := store.Decision{
			Tenant: web, Removal: r, Verdict: verdict, Life: life, Reason: reason, Digest: "d-1",
			By: access.Actor{Kind: access.OSUser, Name: "ada@test", Claim: "hr"},
		}
		if err := s.Decide(t.Context(), web, []store.Decision{d}); err != nil {
			t.Fatal(err)
		}
		return d
	}
	expired := decide(removal, store.Approved, -time.Second, "too late")
	expired.End = store.DecisionExpired
	replaced := decide(removal, store.Approved, time.Hour, "left")
	replaced.End = store.DecisionReplaced
	latest := decide(removal, store.Rejected, time.Hour, "wrong export")
	latest.End = store.DecisionNothingLeft
	used := decide(other, store.Approved, time.Hour, "left, too")
	used.End = store.DecisionUsed

	step := plan.Step{
		ID: "s-1", Op: plan.Change, Kind: access.KindMembers, Object: "web-admin",
		Have: plan.Object{Members: &plan.Members{Group: "web-admin", Accounts: []access.Member{
			{Account: access.Account{Name: "u1", Ref: "u-1"}}, {Account: access.Account{Name: "u2", Ref: "u-2"}},
		}}},
		Want: plan.Object{Members: &plan.Members{Group: "web-admin", Accounts: []access.Member{{Account: access.Account{Name: "u1", Ref: "u-1"}}}}},
	}
	l := ledger.New(s)
	run := ledger.Run{Tenant: web, WorkflowID: "tenant/web", RunID: "r-1"}
	if err := l.Intend(t.Context(), ledger.Entry{Run: run, Steps: []plan.Step{step}}); err != nil {
		t.Fatal(err)
	}
	if err := l.Record(t.Context(), run, []ledger.Outcome{{Step: step}}); err != nil {
		t.Fatal(err)
	}
	if err := s.EndDecisions(t.Context(), []access.TenantID{web}); err != nil {
		t.Fatal(err)
	}

	all, err := s.AllDecisions(t.Context(), []access.TenantID{web})
	if err != nil {
		t.Fatal(err)
	}
	diff(t, "all decisions, newest first", []store.Decision{used, latest, replaced, expired}, all,
		cmpopts.IgnoreFields(store.Decision{}, "Decided", "Expires", "EndedAt", "Life"))
	for _, d := range all {
		if d.Decided.IsZero() || d.Expires.IsZero() || d.EndedAt.IsZero() {
			t.Errorf("%+v: want all three times", d)
		}
	}
}

// TestDecide_Concurrently: of two decisions about one removal both are kept, and one counts.
func TestDecide_Concurrently(t *testing.T) {
	s := fresh(t)
	const callers = 8
	var group errgroup.Group
	for range callers {
		group.Go(func() error {
			return s.Decide(t.Context(), web, []store.Decision{{
				Removal: plan.Removal{Object: access.Key{Kind: access.KindGroup, Group: "old"}, Ref: "g-1"},
				Verdict: store.Approved, Life: time.Hour, By: storetest.By("ada"), Reason: "left",
			}})
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	all, err := s.AllDecisions(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	open, err := s.Decisions(t.Context(), []access.TenantID{web})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != callers || len(open[web]) != 1 {
		t.Errorf("%d decisions are kept and %d count, want %d and 1", len(all), len(open[web]), callers)
	}
}

// TestKeptTables_RefuseChanges: the database itself refuses to remove or to rewrite a
// decision, whatever a program does.
func TestKeptTables_RefuseChanges(t *testing.T) {
	t.Parallel()
	s := migratedDump(t)
	deleteSandbox(t, s)
	if _, err := s.ForgetPlatform(t.Context(), sandbox, "decommissioned", storetest.By("ada"), false); err != nil {
		t.Fatal(err)
	}
	repeat := `INSERT INTO repeated_revocations (revocation, reason, actor, claim) SELECT id, 'again', 'os:hr@test', '' FROM revocations LIMIT 1`
	if _, err := s.Pool().Exec(t.Context(), repeat); err != nil {
		t.Fatal(err)
	}
	for table, fixed := range map[string][]string{
		"decisions":            {"claim = 'x'", "actor = 'os:x@y'", "reason = 'x'", "verdict = 'open'", "expires_at = now() + '1 year'", "decided_at = now()", "digest = 'x'"},
		"adoptions":            {"claim = 'x'", "actor = 'os:x@y'", "reason = 'x'", "ref = 'x'", "at = now()", "digest = 'x'"},
		"revocations":          {"claim = 'x'", "actor = 'os:x@y'", "reason = 'x'", "user_name = id", "at = now()"},
		"repeated_revocations": {"claim = 'x'", "actor = 'os:x@y'", "reason = 'x'", "at = 'epoch'"},
		"abandoned_platforms":  {"claim = 'x'", "actor = 'os:x@y'", "reason = 'x'", "at = 'epoch'"},
	} {
		before := countRows(t, s, table)
		if before == 0 {
			t.Fatalf("%s has no row to keep", table)
		}
		statements := []string{"DELETE FROM " + table, "TRUNCATE " + table + " CASCADE"}
		for _, set := range fixed {
			statements = append(statements, "UPDATE "+table+" SET "+set)
		}
		for _, sql := range statements {
			_, err := s.Pool().Exec(t.Context(), sql)
			if e, ok := errors.AsType[*pgconn.PgError](err); !ok || e.Code != "23001" {
				t.Errorf("%s: %v, want a refusal by the trigger", sql, err)
			}
		}
		if after := countRows(t, s, table); after != before {
			t.Errorf("%s has %d rows after %d", table, after, before)
		}
	}
	for _, sql := range []string{
		"UPDATE decisions SET ended = 'used', ended_at = now() WHERE ended IS NOT NULL",
		"UPDATE decisions SET ended = NULL, ended_at = NULL WHERE ended IS NOT NULL",
		"UPDATE adoptions SET ended = NULL, ended_at = NULL WHERE ended IS NOT NULL",
	} {
		if done, err := s.Pool().Exec(t.Context(), sql); err == nil {
			t.Errorf("%s changes %d ends", sql, done.RowsAffected())
		}
	}
}

func countRows(t *testing.T, s *store.Store, table string) (n int) {
	t.Helper()
	if err := s.Pool().QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
