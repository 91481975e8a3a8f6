package ledger_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// changeGroup renames web-admin, or takes a group over where both names are one.
func changeGroup(from, to string) plan.Step {
	return plan.Step{
		ID: "rename", Op: plan.Change, Kind: access.KindGroup, Object: to,
		Have: plan.Object{Group: &access.Group{Name: from, Ref: "g-1"}},
		Want: plan.Object{Group: &access.Group{Name: to, Ref: "g-1", Serves: "admin"}},
	}
}

func ownedGroup(name, ref, serves string) plan.Owned {
	return plan.Owned{Key: access.Group{Name: name}.Key(), Ref: ref, Serves: serves}
}

func ownedRole(group string) plan.Owned {
	return plan.Owned{Key: access.Binding{Role: "owner", Group: group}.Key(), Ref: "b-1"}
}

// TestRenamedGroupIsOursUnderEitherName follows a rename by the platform through
// a crash between the intent and the answer, and to its end.
func TestRenamedGroupIsOursUnderEitherName(t *testing.T) {
	l := fresh(t)
	record(t, l, run, ledger.Outcome{Step: createGroup(), Ref: "g-1"}, ledger.Outcome{Step: createBinding(), Ref: "b-1"})
	rename := changeGroup("web-admin", "team-admin")

	intend(t, l, run, rename)
	both := []plan.Owned{
		ownedRole("team-admin"), ownedRole("web-admin"), ownedGroup("team-admin", "g-1", "admin"), ownedGroup("web-admin", "g-1", ""),
	}
	owns(t, l, "nobody knows which name it has", both...)
	record(t, l, run, ledger.Outcome{Step: rename, Err: "Unavailable: answer lost"})
	owns(t, l, "nobody knows it now", both...)
	intend(t, l, run, rename)
	owns(t, l, "the second try finds the same", both...)
	record(t, l, run, ledger.Outcome{Step: rename, Ref: "g-1"})
	owns(t, l, "it has the new name alone", ownedRole("team-admin"), ownedGroup("team-admin", "g-1", "admin"))
	record(t, l, run, ledger.Outcome{Step: rename, Ref: "g-1"})
	owns(t, l, "an answer that comes twice says the same", ownedRole("team-admin"), ownedGroup("team-admin", "g-1", "admin"))
}

// TestRenameWithoutIntentIsKept is what a database restored in between sees.
func TestRenameWithoutIntentIsKept(t *testing.T) {
	l := fresh(t)
	record(t, l, run, ledger.Outcome{Step: createGroup(), Ref: "g-1"}, ledger.Outcome{Step: createBinding(), Ref: "b-1"})
	record(t, l, run, ledger.Outcome{Step: changeGroup("web-admin", "team-admin"), Ref: "g-1"})
	owns(t, l, "the platform said so", ownedRole("team-admin"), ownedGroup("team-admin", "g-1", "admin"))
}

func TestAdoptedGroupIsOwnedFromTheIntent(t *testing.T) {
	l := fresh(t)
	adopt := changeGroup("platform-team", "platform-team")
	intend(t, l, run, adopt)
	owns(t, l, "its id is known", ownedGroup("platform-team", "g-1", "admin"))
	record(t, l, run, ledger.Outcome{Step: adopt, Ref: "g-1"})
	owns(t, l, "its name is the same as before", ownedGroup("platform-team", "g-1", "admin"))
}

func TestCarriedRolesAreNotOurs(t *testing.T) {
	l := fresh(t)
	b := &access.Binding{Role: "auditor", Group: "web-admin", Carried: true}
	carry := plan.Step{ID: "carry", Op: plan.Create, Kind: access.KindBinding, Object: "auditor", Want: plan.Object{Binding: b}}
	intend(t, l, run, carry)
	owns(t, l, "somebody else gave it")
	record(t, l, run, ledger.Outcome{Step: carry, Ref: "b-9"})
	owns(t, l, "and it stays theirs")
	if got := records(t, l, ledger.Filter{}); len(got) != 1 || got[0].Ref != "b-9" {
		t.Errorf("records %+v, want that it was done", got)
	}
}

func TestServeFillsWhatOlderRowsLack(t *testing.T) {
	l := fresh(t)
	serve := func(roles map[string]string) {
		t.Helper()
		if err := l.Serve(t.Context(), map[access.TenantID]map[string]string{tenant: roles}); err != nil {
			t.Fatal(err)
		}
	}
	record(t, l, run, ledger.Outcome{Step: createGroup(), Ref: "g-1"}, ledger.Outcome{Step: createBinding(), Ref: "b-1"})
	owns(t, l, "it was made before anybody asked", ownedRole("web-admin"), ownedGroup("web-admin", "g-1", ""))
	serve(map[string]string{"web-admin": "admin", "somebody-elses": "user"})
	owns(t, l, "a group that is not ours does not become it", ownedRole("web-admin"), ownedGroup("web-admin", "g-1", "admin"))
	intend(t, l, run, changeGroup("web-admin", "team-admin"))
	serve(map[string]string{"web-admin": "admin"})
	owns(t, l, "it was seen under its old name, so the rename never came about",
		ownedRole("web-admin"), ownedGroup("web-admin", "g-1", "admin"))
	intend(t, l, run, changeGroup("web-admin", "team-admin"))
	serve(map[string]string{"team-admin": "admin"})
	owns(t, l, "it was seen under its new name: the answer was lost for good",
		ownedRole("team-admin"), ownedGroup("team-admin", "g-1", "admin"))
}

func TestServeKeepsOtherGroupsWithoutAnID(t *testing.T) {
	l := fresh(t)
	other := plan.Step{ID: "other", Op: plan.Create, Kind: access.KindGroup, Want: plan.Object{Group: &access.Group{Name: "web-user", Serves: "user"}}}
	intend(t, l, run, createGroup(), other)
	if err := l.Serve(t.Context(), map[access.TenantID]map[string]string{tenant: {"web-admin": "admin"}}); err != nil {
		t.Fatal(err)
	}
	owns(t, l, "two intents without an id are two groups", ownedGroup("web-admin", "", "admin"), ownedGroup("web-user", "", "user"))
}

func TestRenamingsKeepEachState(t *testing.T) {
	l := fresh(t)
	of := plan.Renaming{ID: "r-1", Mode: plan.Recreate, From: access.Group{Name: "web-admin"}, To: "team-admin"}
	bring := func(run ledger.Run, states ...ledger.RenamingState) {
		t.Helper()
		for _, s := range states {
			if err := l.Bring(t.Context(), run, of, s); err != nil {
				t.Fatal(err)
			}
		}
	}
	second := run
	second.RunID = "run-2"
	bring(run, ledger.Building, ledger.Waiting)
	bring(second, ledger.Building, ledger.Passed, ledger.Passed, ledger.Finished)
	renaming := func(runID string, states ...ledger.RenamingState) ledger.Renaming {
		r := ledger.Renaming{ID: "r-1", RunID: runID, Tenant: tenant, From: "web-admin", To: "team-admin", Mode: plan.Recreate}
		for _, s := range states {
			r.Changes = append(r.Changes, ledger.StateChange{State: s})
		}
		return r
	}
	want := []ledger.Renaming{
		renaming("run-2", ledger.Building, ledger.Passed, ledger.Finished), renaming("run-1", ledger.Building, ledger.Waiting),
	}
	got, err := l.Renamings(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got, cmpopts.IgnoreFields(ledger.StateChange{}, "At")); d != "" {
		t.Errorf("renamings, the newest first, each state once (-want +got):\n%s", d)
	}
	for _, r := range got {
		for i, c := range r.Changes {
			if c.At.IsZero() || i > 0 && c.At.Before(r.Changes[i-1].At) {
				t.Errorf("%s came to %s at %v", r.RunID, c.State, c.At)
			}
		}
	}
}
