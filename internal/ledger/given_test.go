package ledger_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/store/storetest"
)

// who are accounts by their ids.
func who(refs ...string) []access.Member {
	var all []access.Member
	for _, ref := range refs {
		all = append(all, access.Member{Account: access.Account{Ref: ref}})
	}
	return all
}

// moves is a step that changes the members of a group.
func moves(id, group string, adds, removes []access.Member) plan.Step {
	s := plan.Step{ID: id, Op: plan.Change, Kind: access.KindMembers, Object: group}
	if len(adds) > 0 {
		s.Want.Members = &plan.Members{Group: group, Accounts: adds}
	}
	if len(removes) > 0 {
		s.Have.Members = &plan.Members{Group: group, Accounts: removes}
	}
	return s
}

// binds is a step that writes the subjects of a role.
func binds(id, role string, have, want []access.Member) plan.Step {
	s := plan.Step{ID: id, Op: plan.Change, Kind: access.KindBinding, Object: role, Want: plan.Object{Binding: &access.Binding{Role: role, Subjects: want}}}
	if have == nil {
		s.Op = plan.Create
		return s
	}
	s.Have.Binding = &access.Binding{Role: role, Subjects: have}
	return s
}

// renames is a step that gives a group another name.
func renames(id, from, to string) plan.Step {
	return plan.Step{
		ID: id, Op: plan.Change, Kind: access.KindGroup, Object: to,
		Have: plan.Object{Group: &access.Group{Name: from}}, Want: plan.Object{Group: &access.Group{Name: to}},
	}
}

func members(group, ref string) plan.Removal {
	return plan.Removal{Object: access.Key{Kind: access.KindMembers, Group: group}, Ref: ref}
}

func subject(role, ref string) plan.Removal {
	return plan.Removal{Object: access.Key{Kind: access.KindBinding, Role: role}, Ref: ref}
}

func TestGivenKnowsWhomRollcallPutThere(t *testing.T) {
	l := fresh(t)
	other := run
	other.RunID, other.Tenant = "run-2", access.TenantID{Workspace: "shop", Project: "db", Platform: "lab.here"}
	intend(t, l, run,
		moves("1", "web", who("u-1", "u-2"), nil),
		moves("2", "web", nil, who("u-3")),
		moves("3", "old", who("u-4"), nil), renames("4", "old", "mid"), moves("5", "mid", who("u-5"), nil), renames("6", "mid", "new"),
		binds("7", "edit", nil, who("u-1")), binds("8", "edit", who("u-1", "u-2"), who("u-1", "u-2", "u-3")))
	intend(t, l, other, moves("9", "web", who("u-9"), nil))
	record(t, l, run, ledger.Outcome{Step: moves("1", "web", who("u-1", "u-2"), nil), Err: "Unavailable: it broke off"})

	for _, tt := range []struct {
		reason  string
		removal plan.Removal
		want    bool
	}{
		{"a step added them, however it ended", members("web", "u-1"), true},
		{"a step only took them out", members("web", "u-3"), false},
		{"nobody knows them", members("web", "u-7"), false},
		{"another tenant's group is another", members("web", "u-9"), false},
		{"another group is, too", members("mid", "u-1"), false},
		{"the group had another name then", members("new", "u-4"), true},
		{"and another one in between", members("new", "u-5"), true},
		{"the names of before do not get what came later", members("old", "u-5"), false},
		{"the binding was made for them", subject("edit", "u-1"), true},
		{"a step found them there", subject("edit", "u-2"), false},
		{"a step added them to the list", subject("edit", "u-3"), true},
		{"a role is no group", subject("web", "u-1"), false},
	} {
		got, err := l.Given(t.Context(), map[access.TenantID][]plan.Removal{tenant: {tt.removal}})
		if err != nil {
			t.Fatal(err)
		}
		if got[tenant][tt.removal] != tt.want {
			t.Errorf("%s: given %+v is %t", tt.reason, tt.removal, !tt.want)
		}
	}

	got, err := l.Given(t.Context(), map[access.TenantID][]plan.Removal{
		tenant: {members("web", "u-1"), members("web", "u-3"), subject("edit", "u-1")}, other.Tenant: {members("web", "u-1"), members("web", "u-9")},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[access.TenantID]map[plan.Removal]bool{
		tenant:       {members("web", "u-1"): true, subject("edit", "u-1"): true},
		other.Tenant: {members("web", "u-9"): true},
	}
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("many at once (-want +got):\n%s", d)
	}
}

// freshOn is fresh for tests and benchmarks that write to the database themselves.
func freshOn(t testing.TB) (*ledger.Ledger, *pgxpool.Pool) {
	t.Helper()
	s := storetest.Open(t)
	return ledger.New(s), s.Pool()
}

// BenchmarkGiven asks for two people of each of fifty tenants among 100,000
// records of a thousand tenants.
func BenchmarkGiven(b *testing.B) {
	l, pool := freshOn(b)
	if _, err := pool.Exec(b.Context(), `INSERT INTO records (run_id, pass, step_id, tenant, workflow_id, digest, actor, cause, step)
		SELECT 'r' || n, 1, 's', 'w.p-' || n % 1000 || '/lab.here', 'w', 'd', '', '', json_build_object('op', 'change', 'kind', 'members',
			'object', 'group-' || n % 3000, 'have', json_build_object(), 'want', json_build_object('members', json_build_object('group', 'g',
			'accounts', (SELECT json_agg(json_build_object('ref', 'u-' || n || '-' || i, 'name', 'somebody@example.com')) FROM generate_series(1, 20) AS i))))
		FROM generate_series(1, 100000) AS n`); err != nil {
		b.Fatal(err)
	}
	if _, err := pool.Exec(b.Context(), "ANALYZE records"); err != nil {
		b.Fatal(err)
	}
	leaving := map[access.TenantID][]plan.Removal{}
	for i := range 50 {
		id := access.TenantID{Workspace: "w", Project: fmt.Sprintf("p-%d", i), Platform: "lab.here"}
		group := fmt.Sprintf("group-%d", i)
		leaving[id] = []plan.Removal{members(group, fmt.Sprintf("u-%d-1", 3000+i)), members(group, "u-none")}
	}
	for b.Loop() {
		got, err := l.Given(b.Context(), leaving)
		if err != nil {
			b.Fatal(err)
		}
		for id := range leaving {
			if len(got[id]) != 1 {
				b.Fatalf("%s: %+v, want one of two", id, got[id])
			}
		}
	}
}
