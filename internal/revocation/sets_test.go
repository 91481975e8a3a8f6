package revocation

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

func tenantID() access.TenantID {
	return access.TenantID{Workspace: "acme", Project: "web", Platform: "lab.here"}
}

func membersOf(refs ...string) []access.Member {
	var members []access.Member
	for _, ref := range refs {
		members = append(members, access.Member{Account: access.Account{Ref: ref}})
	}
	return members
}

// removes returns the step that removes accounts from the group dev.
func removes(refs ...string) plan.Step {
	return plan.Step{
		ID: "remove", Op: plan.Change, Kind: access.KindMembers,
		Have: plan.Object{Members: &plan.Members{Group: "dev", GroupRef: "g1", Accounts: membersOf(refs...)}},
	}
}

func memberPlace(account string) ledger.Place {
	return ledger.Place{Tenant: tenantID(), Key: access.Key{Kind: access.KindMembers, Group: "dev"}, Ref: "g1", Account: account}
}

func TestRemoval_SelectError(t *testing.T) {
	t.Parallel()
	denied, down := fmt.Errorf("a: %w", fault.ErrDenied), fmt.Errorf("b: %w", fault.ErrUnavailable)
	long, short := fault.Throttled(errors.New("c"), time.Minute), fault.Throttled(errors.New("d"), time.Second)
	for _, c := range []struct {
		reason string
		errs   []error
		want   error
	}{
		{"nothing failed", []error{nil, nil}, nil},
		{"the only failure is permanent", []error{nil, denied}, denied},
		{"of two permanent failures the first is reported", []error{denied, fault.ErrInvalid}, denied},
		{"a retry may still do a part", []error{denied, down}, down},
		{"the retry follows when all parts may succeed", []error{short, denied, long, down}, long},
	} {
		got := (&removal{}).selectError(c.errs...)
		if c.want == nil && got != nil || c.want != nil && (got == nil || got.Error() != c.want.Error()) {
			t.Errorf("%s: %v, want %v", c.reason, got, c.want)
		}
	}
}

func TestRemoval_Note(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		reason, before string
		err            error
		problem        string
		retried        bool
	}{
		{"nothing failed", "", nil, "", false},
		{"a permanent failure is the problem of the round", "", fault.ErrDenied, fault.ErrDenied.Error(), false},
		{"the first problem of the round stays", "earlier", fault.ErrDenied, "earlier", false},
		{"a temporary failure is retried", "earlier", fault.ErrUnavailable, "earlier", true},
	} {
		out := Verified{Problem: c.before}
		err := (&removal{}).note(&out, c.err)
		if (err != nil) != c.retried || out.Problem != c.problem {
			t.Errorf("%s: %v, problem %q; want an error: %t, problem %q", c.reason, err, out.Problem, c.retried, c.problem)
		}
	}
}

func TestPlacesOf(t *testing.T) {
	t.Parallel()
	role := access.Binding{Role: "owner", Name: "ann", Ref: "b1", Subjects: membersOf("u1")}
	found := func(p ledger.Place) ledger.Place {
		p.Found = true
		return p
	}
	for _, c := range []struct {
		reason string
		step   plan.Step
		want   []ledger.Place
	}{
		{"each removed member has a place", removes("u1", "u2"), []ledger.Place{found(memberPlace("u1")), found(memberPlace("u2"))}},
		{
			"the holder of a role has one, with the id of the role",
			plan.Step{Op: plan.Delete, Kind: access.KindBinding, Have: plan.Object{Binding: &role}},
			[]ledger.Place{{Tenant: tenantID(), Key: role.Key(), Ref: "b1", Account: "u1", Found: true}},
		},
		{
			"an addition removes no account",
			plan.Step{Op: plan.Change, Want: plan.Object{Members: &plan.Members{Group: "dev", Accounts: membersOf("u1")}}}, nil,
		},
	} {
		if diff := cmp.Diff(c.want, placesOf(tenantID(), c.step)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.reason, diff)
		}
	}
}

// TestRemoval_UnmanagedPlaces: the user has the account u1.
func TestRemoval_UnmanagedPlaces(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		reason  string
		members []access.Member
		steps   []plan.Step
		want    []ledger.Place
	}{
		{"the user is in an unmanaged group", membersOf("u1"), nil, []ledger.Place{memberPlace("u1")}},
		{"a step removes the user", membersOf("u1"), []plan.Step{removes("u1")}, nil},
		{"a step removes another account only", membersOf("u1"), []plan.Step{removes("u2")}, []ledger.Place{memberPlace("u1")}},
		{"another user is in the group", membersOf("u2"), nil, nil},
	} {
		seen := access.State{Groups: []access.Group{{Name: "dev", Ref: "g1", Members: c.members}}}
		got := (&removal{refs: []string{"u1"}}).unmanagedPlaces(tenantID(), seen, c.steps)
		if diff := cmp.Diff(c.want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.reason, diff)
		}
	}
}

func TestRemoval_Unconfirmed(t *testing.T) {
	t.Parallel()
	out := map[ledger.Place]bool{memberPlace("u1").Identity(): true}
	for _, c := range []struct {
		reason string
		r      removal
		step   plan.Step
		want   bool
	}{
		{"the step was never applied", removal{delay: time.Minute}, removes("u1"), false},
		{"the platform may not show it yet", removal{delay: time.Minute, done: map[string]time.Time{"remove": time.Now()}}, removes("u1"), true},
		{"the platform would show it", removal{delay: time.Minute, done: map[string]time.Time{"remove": time.Now().Add(-time.Hour)}}, removes("u1"), false},
		{"another run has just removed the account", removal{out: out}, removes("u1"), true},
		{"another run has removed one of two accounts", removal{out: out}, removes("u1", "u2"), false},
	} {
		if got := c.r.unconfirmed(tenantID(), c.step); got != c.want {
			t.Errorf("%s: %t, want %t", c.reason, got, c.want)
		}
	}
}

// TestListing_Add: the platform lists groups and roles of the account u1. Rollcall manages
// the group g1 and the role b1.
func TestListing_Add(t *testing.T) {
	t.Parallel()
	group := access.Key{Kind: access.KindGroup, Group: "dev"}
	role := access.Binding{Role: "owner", Name: "ann", Ref: "b1", InUse: true}
	managed := []ledger.Set{
		{Tenant: tenantID(), Owned: plan.Owned{Key: group, Ref: "g1"}},
		{Tenant: tenantID(), Owned: plan.Owned{Key: role.Key(), Ref: "b1"}},
	}
	for _, c := range []struct {
		reason   string
		sets     []driver.Membership
		groups   []access.Group
		bindings []access.Binding
		scopeID  string
		inUse    bool
	}{
		{
			"a managed group has the ledger's name, and the account as its only member",
			[]driver.Membership{{Group: &access.Group{Name: "renamed by hand", Ref: "g1", Members: membersOf("u9")}}},
			[]access.Group{{Name: "dev", Ref: "g1", Members: membersOf("u1")}}, nil, "", false,
		},
		{
			"a group that is listed twice counts once",
			[]driver.Membership{{Group: &access.Group{Ref: "g1"}}, {Group: &access.Group{Ref: "g1"}}},
			[]access.Group{{Name: "dev", Ref: "g1", Members: membersOf("u1")}}, nil, "", false,
		},
		{
			"a managed role is where the platform lists it",
			[]driver.Membership{{Binding: &role, ScopeID: "t1"}}, nil, []access.Binding{role}, "t1", true,
		},
		{"unmanaged sets stay", []driver.Membership{{Group: &access.Group{Ref: "g2"}}, {Binding: &access.Binding{Ref: "b2", InUse: true}}}, nil, nil, "", false},
		{"a role with the id of a group is not that group", []driver.Membership{{Binding: &access.Binding{Ref: "g1"}}}, nil, nil, "", false},
	} {
		l := listing{removal: &removal{}, tenants: map[access.TenantID]*tenant{}}
		l.add("u1", c.sets, managed)
		got := tenant{}
		if found := l.tenants[tenantID()]; found != nil {
			got = *found
		}
		want := access.State{Groups: c.groups, Bindings: c.bindings}
		if diff := cmp.Diff(want, got.observed, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.reason, diff)
		}
		if len(got.managed) != len(c.groups)+len(c.bindings) || got.document.Tenant.LocalID != c.scopeID || l.inUse != c.inUse {
			t.Errorf("%s: managed %v, at %q, in use: %t; want at %q, in use: %t",
				c.reason, got.managed, got.document.Tenant.LocalID, l.inUse, c.scopeID, c.inUse)
		}
	}
}

// TestRemoval_With: the user has the account u1.
func TestRemoval_With(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		reason         string
		members, added []access.Member
		want           []access.Member
	}{
		{"the platform does not show the user yet", membersOf("u2"), membersOf("u1"), membersOf("u2", "u1")},
		{"the platform shows the user", membersOf("u1"), membersOf("u1"), membersOf("u1")},
		{"another user was added", membersOf("u2"), membersOf("u3"), membersOf("u2")},
	} {
		if diff := cmp.Diff(c.want, (&removal{refs: []string{"u1"}}).with(c.members, c.added)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.reason, diff)
		}
	}
}

func TestMergeWarnings(t *testing.T) {
	t.Parallel()
	first, second := access.Remark{Code: access.UserAmbiguous}, access.Remark{Code: access.ObjectForeign}
	for _, c := range []struct {
		reason              string
		fresh, before, want []access.Remark
	}{
		{"an earlier warning stays", []access.Remark{first}, []access.Remark{second}, []access.Remark{first, second}},
		{"the same warning counts once", []access.Remark{first}, []access.Remark{first}, []access.Remark{first}},
		{"there are no earlier ones", []access.Remark{first}, nil, []access.Remark{first}},
	} {
		if diff := cmp.Diff(c.want, mergeWarnings(c.fresh, c.before)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.reason, diff)
		}
	}
}
