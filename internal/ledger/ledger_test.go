package ledger_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/internal/store/storetest"
)

var (
	tenant = access.TenantID{Workspace: "shop", Project: "web", Platform: "lab.here"}
	run    = ledger.Run{
		Tenant: tenant, WorkflowID: "tenant/shop.web/lab.here", RunID: "run-1", Pass: 1,
		Digest: "d", Actor: "operator", Cause: "apply",
	}
	admins = access.Group{Name: "web-admin"}
	owner  = access.Binding{Role: "owner", Group: "web-admin"}
)

func createGroup() plan.Step {
	return plan.Step{ID: "group", Op: plan.Create, Kind: access.KindGroup, Object: "web-admin", Want: plan.Object{Group: &admins}}
}

func addMember() plan.Step {
	return plan.Step{ID: "members", Op: plan.Change, Kind: access.KindMembers, Object: "web-admin", Want: plan.Object{
		Members: &plan.Members{Group: "web-admin", Accounts: []access.Member{{Account: access.Account{Name: "ada@example.com", Ref: "u-1"}}}},
	}}
}

func createBinding() plan.Step {
	return plan.Step{ID: "binding", Op: plan.Create, Kind: access.KindBinding, Object: "owner → web-admin", Want: plan.Object{Binding: &owner}}
}

func deleteGroup() plan.Step {
	return plan.Step{ID: "delete", Op: plan.Delete, Kind: access.KindGroup, Object: "web-admin", Have: plan.Object{Group: &admins}}
}

func fresh(t *testing.T) *ledger.Ledger {
	t.Helper()
	s := storetest.Open(t)
	return ledger.New(s)
}

func intend(t *testing.T, l *ledger.Ledger, run ledger.Run, steps ...plan.Step) {
	t.Helper()
	if err := l.Intend(t.Context(), ledger.Entry{Run: run, Steps: steps}); err != nil {
		t.Fatal(err)
	}
}

func record(t *testing.T, l *ledger.Ledger, run ledger.Run, outcomes ...ledger.Outcome) {
	t.Helper()
	if err := l.Record(t.Context(), run, outcomes); err != nil {
		t.Fatal(err)
	}
}

func owns(t *testing.T, l *ledger.Ledger, reason string, want ...plan.Owned) {
	t.Helper()
	got, err := l.Owned(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("owned, because %s (-want +got):\n%s", reason, d)
	}
}

func records(t *testing.T, l *ledger.Ledger, f ledger.Filter) []ledger.Record {
	t.Helper()
	got, err := l.Records(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestOwnershipLastsFromIntentToDeletion(t *testing.T) {
	l := fresh(t)
	group := func(ref string) plan.Owned { return plan.Owned{Key: admins.Key(), Ref: ref} }
	binding := func(ref string) plan.Owned { return plan.Owned{Key: owner.Key(), Ref: ref} }

	owns(t, l, "nothing happened")
	intend(t, l, run, createGroup(), addMember(), createBinding())
	owns(t, l, "only the intent is known", binding(""), group(""))
	record(t, l, run, ledger.Outcome{Step: createGroup(), Ref: "g-1", Calls: 1},
		ledger.Outcome{Step: addMember(), Ref: "g-1", Calls: 1},
		ledger.Outcome{Step: createBinding(), Err: "unavailable", Calls: 1})
	owns(t, l, "the binding may have been made, for all we know", binding(""), group("g-1"))
	record(t, l, run, ledger.Outcome{Step: createBinding(), Ref: "b-1", Calls: 1})
	owns(t, l, "both were made", binding("b-1"), group("g-1"))

	second := run
	second.RunID = "run-2"
	intend(t, l, second, createGroup(), deleteGroup())
	owns(t, l, "an intent takes nothing back", binding("b-1"), group("g-1"))
	record(t, l, second, ledger.Outcome{Step: deleteGroup(), Err: "denied"})
	owns(t, l, "a failed deletion leaves the object", binding("b-1"), group("g-1"))
	record(t, l, second, ledger.Outcome{Step: deleteGroup()})
	owns(t, l, "the group is gone", binding("b-1"))

	other := access.TenantID{Workspace: "shop", Project: "db", Platform: "lab.here"}
	many, err := l.OwnedMany(t.Context(), []access.TenantID{other, tenant})
	if err != nil {
		t.Fatal(err)
	}
	want := map[access.TenantID][]plan.Owned{tenant: {binding("b-1")}}
	if d := cmp.Diff(want, many); d != "" {
		t.Errorf("OwnedMany (-want +got):\n%s", d)
	}
}

// TestRetryIsOneRecord follows an activity that dies after the call, and its
// retry.
func TestRetryIsOneRecord(t *testing.T) {
	l := fresh(t)
	intend(t, l, run, createGroup())
	first := records(t, l, ledger.Filter{RunID: run.RunID})
	intend(t, l, run, createGroup())
	record(t, l, run, ledger.Outcome{Step: createGroup(), Err: "throttled", Calls: 2})
	intend(t, l, run, createGroup())
	record(t, l, run, ledger.Outcome{Step: createGroup(), Ref: "g-1", Calls: 3})

	got := records(t, l, ledger.Filter{Tenant: tenant})
	if len(first) != 1 || len(got) != 1 {
		t.Fatalf("%d records, then %d; want one for one step", len(first), len(got))
	}
	if got[0].DoneAt.IsZero() || !first[0].DoneAt.IsZero() {
		t.Errorf("done at %v before the answer, at %v after it", first[0].DoneAt, got[0].DoneAt)
	}
	want := ledger.Record{
		Run: run, Step: createGroup(), Attempts: 3, IntendedAt: first[0].IntendedAt, DoneAt: got[0].DoneAt,
		Ref: "g-1", Calls: 5,
	}
	if d := cmp.Diff(want, got[0]); d != "" {
		t.Errorf("the record of a step tried three times (-want +got):\n%s", d)
	}
}

func TestRecordsAreOnePerRunPassAndStep(t *testing.T) {
	l := fresh(t)
	pass2, run2 := run, run
	pass2.Pass, run2.RunID = 2, "run-2"
	for _, r := range []ledger.Run{run, pass2, run2} {
		intend(t, l, r, createGroup(), addMember())
	}
	if got := records(t, l, ledger.Filter{}); len(got) != 6 {
		t.Errorf("%d records, want 6", len(got))
	}
	if got := records(t, l, ledger.Filter{RunID: "run-1"}); len(got) != 4 {
		t.Errorf("%d records of one run, want 4", len(got))
	}
	if got := records(t, l, ledger.Filter{Limit: 2}); len(got) != 2 {
		t.Errorf("%d records with Limit 2", len(got))
	}
}

// TestAnswerWithoutIntentIsKept is what a database restored in the middle of a
// run sees.
func TestAnswerWithoutIntentIsKept(t *testing.T) {
	l := fresh(t)
	record(t, l, run, ledger.Outcome{Step: createGroup(), Ref: "g-1", Calls: 1})
	owns(t, l, "the platform said that it made it", plan.Owned{Key: admins.Key(), Ref: "g-1"})
	if got := records(t, l, ledger.Filter{}); len(got) != 1 || got[0].Ref != "g-1" {
		t.Errorf("records: %+v, want the one answer", got)
	}
}

func TestDoneAndFailedAreThoseOfThePass(t *testing.T) {
	l := fresh(t)
	pass2 := run
	pass2.Pass = 2
	intend(t, l, run, createGroup(), addMember(), createBinding())
	record(t, l, run, ledger.Outcome{Step: createGroup(), Ref: "g-1"}, ledger.Outcome{Step: createBinding(), Err: "denied"})
	done, err := l.Done(t.Context(), run)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[string]bool{"group": true}, done); d != "" {
		t.Errorf("Done, of one done, one failed, one under way (-want +got):\n%s", d)
	}
	failed, err := l.Failed(t.Context(), run)
	if err != nil || len(failed) != 1 || failed[0].Err != "denied" {
		t.Errorf("Failed: %+v, %v; want the one denied", failed, err)
	}
	if other, err := l.Done(t.Context(), pass2); err != nil || len(other) != 0 {
		t.Errorf("Done of another pass: %v, %v; want none", other, err)
	}
}

// TestSharedBindingsBelongToAllTenants follows a role that counts beyond the
// tenant, made by two of them and deleted by a third.
func TestSharedBindingsBelongToAllTenants(t *testing.T) {
	l := fresh(t)
	step := func(op plan.Op, ref string) plan.Step {
		b := &access.Binding{Role: "member", Name: "u-1", Ref: ref}
		s := plan.Step{ID: string(op) + ref, Op: op, Kind: access.KindBinding, Object: "member", Want: plan.Object{Binding: b}}
		if op == plan.Delete {
			s.Have, s.Want = s.Want, plan.Object{}
		}
		return s
	}
	of := func(project string) ledger.Run {
		r := run
		r.Tenant.Project, r.RunID = project, "run-"+project
		return r
	}
	elsewhere := of("far")
	elsewhere.Tenant.Platform = "lab.there"
	made := func(reason string, want ...string) {
		t.Helper()
		got, err := l.OwnedBindings(t.Context(), tenant.Platform, []string{"r-1", "r-2", "r-3"})
		if err != nil {
			t.Fatal(err)
		}
		wanted := map[plan.Owned]bool{}
		for _, ref := range want {
			wanted[plan.Owned{Key: access.Key{Kind: access.KindBinding, Role: "member", Name: "u-1"}, Ref: ref}] = true
		}
		if d := cmp.Diff(wanted, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", reason, d)
		}
	}
	made("nothing is made")
	record(t, l, of("a"), ledger.Outcome{Step: step(plan.Create, ""), Ref: "r-1"})
	record(t, l, of("b"), ledger.Outcome{Step: step(plan.Create, ""), Ref: "r-1"})
	record(t, l, of("c"), ledger.Outcome{Step: step(plan.Create, ""), Ref: "r-2"})
	record(t, l, elsewhere, ledger.Outcome{Step: step(plan.Create, ""), Ref: "r-3"})
	intend(t, l, of("d"), step(plan.Create, ""))
	made("an intent has no id, and another platform is another", "r-1", "r-2")
	record(t, l, of("e"), ledger.Outcome{Step: step(plan.Delete, "r-1"), Err: "conflict"})
	made("a failed deletion leaves it", "r-1", "r-2")
	record(t, l, of("e"), ledger.Outcome{Step: step(plan.Delete, "r-1")})
	made("it is gone for all, and no other with it", "r-2")
}

// TestRefusedIntentIsForgotten: what the platform refused to give to a person is
// not there, so that what somebody else gives later is theirs.
func TestRefusedIntentIsForgotten(t *testing.T) {
	b := &access.Binding{Role: "editor", Name: "u-1", Subjects: []access.Member{{Account: access.Account{Ref: "u-1"}}}}
	step := plan.Step{ID: "give", Op: plan.Create, Kind: access.KindBinding, Object: "editor", Want: plan.Object{Binding: b}}
	for _, test := range []struct {
		reason string
		before []string // answers to attempts before
		answer string
		owned  bool
	}{
		{"the platform said no", nil, "Denied: may not", false},
		{"it wants another plan", nil, "Conflict: moved", false},
		{"nobody can say whether it did", nil, "Unavailable: lost", true},
		{"nobody can say about the attempt before", []string{"Unavailable: lost"}, "Denied: may not", true},
	} {
		t.Run(test.reason, func(t *testing.T) {
			l := fresh(t)
			for _, answer := range append(test.before, test.answer) {
				intend(t, l, run, step)
				record(t, l, run, ledger.Outcome{Step: step, Err: answer})
			}
			var want []plan.Owned
			if test.owned {
				want = []plan.Owned{{Key: b.Key()}}
			}
			owns(t, l, test.reason, want...)
		})
	}
	t.Run("an earlier run may have made it", func(t *testing.T) {
		l := fresh(t)
		intend(t, l, run, step)
		later := run
		later.RunID = "run-2"
		intend(t, l, later, step)
		record(t, l, later, ledger.Outcome{Step: step, Err: "Denied: may not"})
		owns(t, l, "the first run never got an answer", plan.Owned{Key: b.Key()})
	})
}

// TestRecords_NameTheActorOfTheCause: a run's records have the actor who last asked for it with
// its cause, of the tenant or of its platform.
func TestRecords_NameTheActorOfTheCause(t *testing.T) {
	s := storetest.Open(t)
	l := ledger.New(s)
	for _, start := range []struct {
		by     string
		scope  string
		cause  string
		reason string
	}{
		{"ada", tenant.String(), "apply", "an earlier change"},
		{"ben", tenant.String(), "apply", "the last change"},
		{"eve", tenant.String(), "approved", "another cause"},
		{"ops", tenant.Platform, "replicate", "the platform is compared as a whole"},
	} {
		err := s.StoreStarts(t.Context(), storetest.By(start.by), []store.Start{{
			WorkflowID: "w", Workflow: "ReplicateTenant", Scope: start.scope, Cause: start.cause, Input: []byte("{}"),
		}})
		if err != nil {
			t.Fatalf("%s: %v", start.reason, err)
		}
	}
	for _, tt := range []struct{ reason, actor, cause, want string }{
		{"the last change counts", "", "apply", "os:ben@test"},
		{"a decision", "", "approved", "os:eve@test"},
		{"a sweep by command", "", "replicate", "os:ops@test"},
		{"a sweep by schedule", "", "sweep", "system:sweep"},
		{"a follow-up of a revocation", "", "revoke", "system:revoke"},
		{"a cause that nothing stored", "", "adopt", ""},
		{"a run that names its actor", "os:hr@test", "apply", "os:hr@test"},
	} {
		run := ledger.Run{Tenant: tenant, RunID: "run " + tt.reason, Actor: tt.actor, Cause: tt.cause}
		step := plan.Step{ID: "s-1", Op: plan.Create, Kind: access.KindGroup, Object: "g", Want: plan.Object{Group: &access.Group{Name: "g"}}}
		if err := l.Intend(t.Context(), ledger.Entry{Run: run, Steps: []plan.Step{step}}); err != nil {
			t.Fatal(err)
		}
		found, err := l.Records(t.Context(), ledger.Filter{RunID: run.RunID})
		if err != nil || len(found) != 1 || found[0].Run.Actor != tt.want {
			t.Errorf("%s: %+v, %v; want one record by %q", tt.reason, found, err, tt.want)
		}
	}
}
