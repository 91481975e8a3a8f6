package ledger_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/store/storetest"
)

// TestAPersonIsFoundInWhatWasDone looks for people by name and by account, in
// members of groups, subjects of bindings and bindings of one person.
func TestAPersonIsFoundInWhatWasDone(t *testing.T) {
	l := fresh(t)
	who := func(person, ref string) access.Member {
		return access.Member{Account: access.Account{Name: person + "@example.com", Ref: ref}, Person: person}
	}
	of := func(project, platform string) ledger.Run {
		r := run
		r.Tenant = access.TenantID{Workspace: "shop", Project: project, Platform: platform}
		r.RunID = "run-" + project + platform
		return r
	}
	members := plan.Step{ID: "m", Op: plan.Change, Kind: access.KindMembers, Want: plan.Object{
		Members: &plan.Members{Group: "g", Accounts: []access.Member{who("ada", "u-1"), who("ben", "u-2")}},
	}}
	subjects := plan.Step{ID: "s", Op: plan.Create, Kind: access.KindBinding, Want: plan.Object{
		Binding: &access.Binding{Role: "edit", Subjects: []access.Member{who("ada", "u-1")}},
	}}
	removal := plan.Step{ID: "r", Op: plan.Change, Kind: access.KindMembers, Have: plan.Object{
		Members: &plan.Members{Group: "g", Accounts: []access.Member{{Account: access.Account{Ref: "u-1"}}}},
	}}
	web, db, gone, far := of("web", "lab.here"), of("db", "lab.here"), of("gone", "lab.here"), of("far", "other-lab.here")
	intend(t, l, web, members)
	intend(t, l, db, subjects)
	intend(t, l, gone, removal)
	intend(t, l, far, members)

	cases := []struct {
		reason, person string
		refs           []string
		want           []access.TenantID
	}{
		{"by name, in a group and a binding", "ada", nil, []access.TenantID{db.Tenant, web.Tenant}},
		{"by account, also where it was taken out", "", []string{"u-1"}, []access.TenantID{db.Tenant, gone.Tenant, web.Tenant}},
		{"by another account", "", []string{"u-9", "u-2"}, []access.TenantID{web.Tenant}},
		{"nobody", "zoe", []string{"u-9"}, nil},
	}
	for _, c := range cases {
		got, err := l.TenantsOf(t.Context(), "lab.here", c.person, c.refs)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(c.want, sortTenants(got)); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.reason, d)
		}
	}
	refs, err := l.RefsOf(t.Context(), "lab.here", "ada")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"u-1"}, refs); d != "" {
		t.Errorf("accounts of ada (-want +got):\n%s", d)
	}
}

func sortTenants(t []access.TenantID) []access.TenantID {
	for i := range t {
		for j := i; j > 0 && t[j].Compare(t[j-1]) < 0; j-- {
			t[j], t[j-1] = t[j-1], t[j]
		}
	}
	return t
}

// TestAdditionsAreOpenUntilAnswered: an attempt that is on its way is told from
// one that was answered, also when an earlier one failed.
func TestAdditionsAreOpenUntilAnswered(t *testing.T) {
	l := fresh(t)
	step := addMember()
	check := func(reason string, within time.Duration, want ...bool) {
		t.Helper()
		found, err := l.Additions(t.Context(), tenant.Platform, []string{"u-1", "u-7"}, within)
		if err != nil {
			t.Fatal(err)
		}
		var open []bool
		for _, a := range found {
			if a.Tenant != tenant || a.Step.Want.Members == nil {
				t.Errorf("%s: %+v, want the step of the tenant", reason, a)
			}
			open = append(open, a.Open)
		}
		if d := cmp.Diff(want, open); d != "" {
			t.Errorf("%s (-want +got):\n%s", reason, d)
		}
	}
	check("nothing was done", time.Hour)
	intend(t, l, run, step, createGroup())
	check("on its way", 0, true)
	record(t, l, run, ledger.Outcome{Step: step, Err: "Unavailable: gateway"})
	check("it failed", 0)
	intend(t, l, run, step)
	check("a second attempt is on its way", 0, true)
	record(t, l, run, ledger.Outcome{Step: step})
	check("it was answered", 0)
	check("it was answered a moment ago", time.Hour, false)
	removal := step
	removal.ID, removal.Have, removal.Want = "removal", step.Want, plan.Object{}
	intend(t, l, run, removal)
	check("taking away is no addition", 0)
	if found, err := l.Additions(t.Context(), tenant.Platform, []string{"u-8"}, time.Hour); err != nil || len(found) != 0 {
		t.Errorf("additions of another account: %v, %v; want none", found, err)
	}
}

// TestEarlierProgramsRecordNothing: a worker from before migration 14 that still runs
// names users as "person", which no revocation finds. The database refuses its intent,
// so that it makes no call to a platform.
func TestEarlierProgramsRecordNothing(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	insert := func(step string) error {
		_, err := s.Pool().Exec(t.Context(), `INSERT INTO records (run_id, pass, step_id, tenant, workflow_id, digest, actor, cause, step)
			VALUES ('run', 1, $1, 'w.web/lab.here', 'tenant/w.web/lab.here', '', '', '', $2)`, step, step)
		return err
	}
	const members = `{"op":"change","kind":"members","want":{"members":{"group":"g","accounts":[{"ref":"u-1","%s":"jane"}]}}}`
	if err := insert(strings.ReplaceAll(members, "%s", "user")); err != nil {
		t.Errorf("a step of this program is refused: %v", err)
	}
	if err := insert(strings.ReplaceAll(members, "%s", "person")); err == nil {
		t.Error("a step of an earlier program is recorded: revocations do not find its users")
	}
}
