package ledger_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

func account(ref string) access.Member {
	return access.Member{Account: access.Account{Ref: ref}, Person: "user-of-" + ref}
}

// inGroup is a step about the members of the group g.
func inGroup(id string, have, want []access.Member) plan.Step {
	const group = "g"
	s := plan.Step{ID: id, Op: plan.Change, Kind: access.KindMembers, Object: group}
	if have != nil {
		s.Have.Members = &plan.Members{Group: group, GroupRef: "id-" + group, Accounts: have}
	}
	if want != nil {
		s.Want.Members = &plan.Members{Group: group, GroupRef: "id-" + group, Accounts: want}
	}
	return s
}

// places lists the open places of the accounts u-1 to u-3 as text.
func places(t *testing.T, l *ledger.Ledger) []string {
	t.Helper()
	found, err := l.Places(t.Context(), tenant.Platform, "", []string{"u-1", "u-2", "u-3"})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, p := range found {
		if p.Tenant != tenant {
			t.Errorf("place %+v, want one of the tenant", p)
		}
		all = append(all, fmt.Sprintf("%s in %s %s (%s)", p.Account, p.Key.Kind, p.Key, p.Ref))
	}
	return all
}

// TestPlacesFollowTheSteps: a place is open from the intent to put an account there until
// the account is known to be out.
func TestPlacesFollowTheSteps(t *testing.T) {
	t.Parallel()
	put := inGroup("put", nil, []access.Member{account("u-1"), account("u-2")})
	role := plan.Step{ID: "role", Op: plan.Create, Kind: access.KindBinding, Want: plan.Object{
		Binding: &access.Binding{Role: "edit", Name: "u-1", Ref: "b-1", Subjects: []access.Member{account("u-1")}},
	}}
	deleteRole := plan.Step{ID: "unrole", Op: plan.Delete, Kind: access.KindBinding, Have: role.Want}
	deleteGroup := plan.Step{ID: "del", Op: plan.Delete, Kind: access.KindGroup, Have: plan.Object{Group: &access.Group{Name: "g", Ref: "id-g"}}}
	rename := plan.Step{ID: "ren", Op: plan.Change, Kind: access.KindGroup,
		Have: plan.Object{Group: &access.Group{Name: "g", Ref: "id-g"}}, Want: plan.Object{Group: &access.Group{Name: "h", Ref: "id-g"}}}
	const one, two = "u-1 in members g (id-g)", "u-2 in members g (id-g)"
	cases := []struct {
		reason string
		do     func(*testing.T, *ledger.Ledger)
		want   []string
	}{
		{"an intent opens, whether or not it is answered", func(t *testing.T, l *ledger.Ledger) { intend(t, l, run, put) }, []string{one, two}},
		{"a success keeps it open", func(t *testing.T, l *ledger.Ledger) {
			intend(t, l, run, put)
			record(t, l, run, ledger.Outcome{Step: put})
		}, []string{one, two}},
		{"a success without an intent opens, too", func(t *testing.T, l *ledger.Ledger) { record(t, l, run, ledger.Outcome{Step: put}) }, []string{one, two}},
		{"the platform may have done what it did not answer", func(t *testing.T, l *ledger.Ledger) {
			intend(t, l, run, put)
			record(t, l, run, ledger.Outcome{Step: put, Err: "Unavailable: gateway"})
		}, []string{one, two}},
		{"a refusal of the only attempt closes", func(t *testing.T, l *ledger.Ledger) {
			intend(t, l, run, put)
			record(t, l, run, ledger.Outcome{Step: put, Err: "Denied: no"})
		}, nil},
		{"the attempt before the refusal may have done it", func(t *testing.T, l *ledger.Ledger) {
			intend(t, l, run, put)
			intend(t, l, run, put)
			record(t, l, run, ledger.Outcome{Step: put, Err: "Denied: no"})
		}, []string{one, two}},
		{"a refused step may have a part that is done", func(t *testing.T, l *ledger.Ledger) {
			part := inGroup("part", nil, []access.Member{account("u-2")})
			part.PartOf = "put"
			intend(t, l, run, put)
			intend(t, l, run, part)
			record(t, l, run, ledger.Outcome{Step: part}, ledger.Outcome{Step: put, Err: "Denied: no"})
		}, []string{two}},
		{"a removal closes its accounts alone", func(t *testing.T, l *ledger.Ledger) {
			record(t, l, run, ledger.Outcome{Step: put})
			record(t, l, run, ledger.Outcome{Step: inGroup("out", []access.Member{account("u-1")}, nil)})
		}, []string{two}},
		{"a removal that failed closes nothing", func(t *testing.T, l *ledger.Ledger) {
			record(t, l, run, ledger.Outcome{Step: put})
			record(t, l, run, ledger.Outcome{Step: inGroup("out", []access.Member{account("u-1")}, nil), Err: "Denied: no"})
		}, []string{one, two}},
		{"the group's deletion closes", func(t *testing.T, l *ledger.Ledger) {
			record(t, l, run, ledger.Outcome{Step: put})
			record(t, l, run, ledger.Outcome{Step: deleteGroup})
		}, nil},
		{"the group's new name moves it", func(t *testing.T, l *ledger.Ledger) {
			record(t, l, run, ledger.Outcome{Step: put}, ledger.Outcome{Step: rename, Ref: "id-g"})
		}, []string{"u-1 in members h (id-g)", "u-2 in members h (id-g)"}},
		{"a role of one account", func(t *testing.T, l *ledger.Ledger) { intend(t, l, run, role) }, []string{"u-1 in binding edit (b-1)"}},
		{"its removal", func(t *testing.T, l *ledger.Ledger) {
			record(t, l, run, ledger.Outcome{Step: role, Ref: "b-1"})
			record(t, l, run, ledger.Outcome{Step: deleteRole})
		}, nil},
		{"put in again", func(t *testing.T, l *ledger.Ledger) {
			record(t, l, run, ledger.Outcome{Step: put})
			record(t, l, run, ledger.Outcome{Step: inGroup("out", []access.Member{account("u-1"), account("u-2")}, nil)})
			intend(t, l, run, inGroup("again", nil, []access.Member{account("u-1")}))
		}, []string{one}},
	}
	for _, c := range cases {
		t.Run(c.reason, func(t *testing.T) {
			t.Parallel()
			l := fresh(t)
			c.do(t, l)
			if d := cmp.Diff(c.want, places(t, l)); d != "" {
				t.Errorf("open places (-want +got):\n%s", d)
			}
		})
	}
}

// TestSeenOpensAndCloses: what a read shows counts more than what was done, except for
// what the platform may not show yet.
func TestSeenOpensAndCloses(t *testing.T) {
	t.Parallel()
	l := fresh(t)
	record(t, l, run, ledger.Outcome{Step: inGroup("put", nil, []access.Member{account("u-1"), account("u-2")})})
	accounts := []string{"u-1", "u-2", "u-3"}
	found := ledger.Place{Tenant: tenant, Key: access.Key{Kind: access.KindMembers, Group: "g"}, Ref: "id-g", Account: "u-3"}
	see := func(reason string, delay time.Duration, tenants []access.TenantID, want ...string) {
		t.Helper()
		if err := l.Seen(t.Context(), tenant.Platform, accounts, tenants, []ledger.Place{found}, delay); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, places(t, l)); d != "" {
			t.Errorf("%s: open places (-want +got):\n%s", reason, d)
		}
	}
	const one, two, three = "u-1 in members g (id-g)", "u-2 in members g (id-g)", "u-3 in members g (id-g)"
	read := []access.TenantID{tenant}
	see("the tenant was not read", 0, nil, one, two, three)
	see("the platform may not show it yet", time.Hour, read, one, two, three)
	accounts = []string{"u-2", "u-3"}
	see("the first account was not asked about", 0, read, one, three)
	accounts = []string{"u-1"}
	see("it was", 0, read, three)
	out, err := l.RecentlyOut(t.Context(), tenant.Platform, []string{"u-1", "u-2", "u-3"}, time.Hour)
	if err != nil || len(out) != 2 {
		t.Errorf("recently out: %+v, %v; want the two that were closed", out, err)
	}
}

// TestPlacesAreFoundByUser: a forgotten platform has nobody to ask for accounts.
func TestPlacesAreFoundByUser(t *testing.T) {
	t.Parallel()
	l := fresh(t)
	intend(t, l, run, inGroup("put", nil, []access.Member{account("u-1"), account("u-2")}))
	for user, want := range map[string]int{"user-of-u-1": 1, "nobody": 0, "": 0} {
		found, err := l.Places(t.Context(), tenant.Platform, user, nil)
		if err != nil || len(found) != want {
			t.Errorf("places of %q: %+v, %v; want %d", user, found, err, want)
		}
	}
	if found, err := l.Places(t.Context(), "elsewhere.local", "user-of-u-1", []string{"u-1"}); err != nil || len(found) != 0 {
		t.Errorf("places on another platform: %+v, %v", found, err)
	}
}

// TestManagedSets_FindsSetsOfAnyTenant: memberships name groups by id.
func TestManagedSets_FindsSetsOfAnyTenant(t *testing.T) {
	t.Parallel()
	l := fresh(t)
	group := createGroup()
	record(t, l, run, ledger.Outcome{Step: group, Ref: "id-g"})
	other := run
	other.Tenant.Project, other.RunID = "gone", "other"
	record(t, l, other, ledger.Outcome{Step: group, Ref: "id-h"})
	found, err := l.ManagedSets(t.Context(), tenant.Platform, []string{"id-g", "id-h", "id-of-another", ""})
	if err != nil || len(found) != 2 || found[0].Tenant != other.Tenant && found[1].Tenant != other.Tenant {
		t.Errorf("sets %+v, %v; want one of each tenant", found, err)
	}
}
