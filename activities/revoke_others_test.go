package activities_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/temporal"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// euid gives somebody another one, and nobody a role.
func (l *lab) euid(person, euid string) {
	l.t.Helper()
	docs, _, err := document.Decode(strings.NewReader(`{apiVersion: v2, kind: meshUser, metadata: {name: `+person+`},
  spec: {email: a@example.com, firstName: A, lastName: B, euid: `+euid+`}}`), "lab")
	if err != nil {
		l.t.Fatal(err)
	}
	if _, err := l.store.Apply(l.t.Context(), store.ApplyRequest{Documents: docs}); err != nil {
		l.t.Fatal(err)
	}
}

// TestRevokeTakesOutTheAccountFromBefore: somebody got another account, and a guard
// still holds the old one in the group when their access is revoked.
func TestRevokeTakesOutTheAccountFromBefore(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.want(1)
	l.converge()
	l.edit(func(w *memory.World) { w.Users = append(w.Users, memory.User{ID: "u-new", Name: "adaline-two"}) })
	l.euid("adaline", "adaline-two")
	l.edit(func(w *memory.World) { w.Groups[0].Members = []string{"u-adaline", "u-new"} }) // as before the removal is approved
	r := l.revoke("adaline")
	if out, err := l.removeUser(r); err != nil || out.Sets != 1 {
		t.Fatalf("%+v, %v; want one set", out, err)
	}
	if got := l.members(); len(got) != 0 {
		t.Errorf("members %v, want neither of the person's accounts", got)
	}
}

// TestRevokeLeavesAccountsThatAreSomebodyElses: a wrong euid once gave somebody the
// account of another person, who keeps it when the first one leaves.
func TestRevokeLeavesAccountsThatAreSomebodyElses(t *testing.T) {
	t.Parallel()
	for _, documented := range []bool{true, false} {
		l := newLab(t)
		l.want(1)
		l.euid("benedict", "elsewhere")
		l.euid("adaline", "benedict") // by mistake
		l.converge()
		l.want(2) // each with their own
		l.converge()
		if diff := cmp.Diff([]string{"u-adaline", "u-benedict"}, l.members()); diff != "" {
			t.Fatalf("members (-want +got):\n%s", diff)
		}
		if !documented {
			gone := []document.ID{{Kind: document.KindUserBinding, Name: "b-adaline"}, {Kind: document.KindUser, Name: "adaline"}}
			if _, err := l.store.Delete(t.Context(), gone, store.Checks{}); err != nil {
				t.Fatal(err)
			}
		}
		if out, err := l.removeUser(l.revoke("adaline")); err != nil || out.Sets != 1 {
			t.Fatalf("%+v, %v; want one set", out, err)
		}
		if diff := cmp.Diff([]string{"u-benedict"}, l.members()); diff != "" {
			t.Errorf("members with a document of the person: %v (-want +got):\n%s", documented, diff)
		}
	}
}

// TestNobodyIsGivenARevokedAccount: on the platform an account is that of somebody
// who is revoked, whatever name it is found by, also where that person has nothing.
func TestNobodyIsGivenARevokedAccount(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.want(1)
	l.converge()
	r := l.revoke("yvonne")
	if err := l.store.RememberRevoked(t.Context(), r.ID, web.Platform, []string{"u-benedict"}); err != nil {
		t.Fatal(err)
	}
	l.want(2)
	l.converge()
	l.converge()
	if diff := cmp.Diff([]string{"u-adaline"}, l.members()); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	status, err := l.store.Statuses(t.Context(), store.TenantFilter{})
	if err != nil || len(status) != 1 || len(status[0].Remarks) != 1 ||
		status[0].Remarks[0].Code != access.UserRevoked || status[0].Remarks[0].Object != "benedict" {
		t.Errorf("status %+v, %v; want a remark that says whose account it is", status, err)
	}
}

// TestARevokedStrangerIsNotHeld: nobody but the platform knows that somebody is in the
// group, and an account that was ever looked up is known to be theirs.
func TestARevokedStrangerIsNotHeld(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.want(1)
	l.converge()
	if err := l.keep(map[string]access.Resolution{"yvonne": {Found: access.Yes, Refs: []string{"u-yvonne"}}}); err != nil {
		t.Fatal(err)
	}
	l.edit(func(w *memory.World) { w.Groups[0].Members = []string{"u-yvonne"} })
	l.want(0)
	if out, err := l.removeUser(l.revoke("yvonne")); err != nil || out.Calls != 0 {
		t.Fatalf("%+v, %v; want no call, as nothing is known of them here", out, err)
	}
	p, err := l.plan(activities.PlanInput{})
	if err != nil || p.Held != 0 {
		t.Fatalf("plan %+v, %v; want nothing held", p, err)
	}
	if _, err := l.apply(p); err != nil {
		t.Fatal(err)
	}
	if got := l.members(); len(got) != 0 {
		t.Errorf("members %v, want nobody", got)
	}
}

// TestRevokeTakesOutAHeldStranger: somebody else put them into a group of ours, and a
// guard holds what takes them out again. Nothing else knows that they are there.
func TestRevokeTakesOutAHeldStranger(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.want(1)
	l.converge()
	l.edit(func(w *memory.World) { w.Groups[0].Members = []string{"u-yvonne", "u-ottilie"} })
	l.want(0)
	if p, err := l.plan(activities.PlanInput{}); err != nil || p.Held != 1 {
		t.Fatalf("plan %+v, %v; want both strangers held", p, err)
	}
	if out, err := l.removeUser(l.revoke("yvonne")); err != nil || out.Sets != 1 {
		t.Errorf("%+v, %v; want one set", out, err)
	}
	if diff := cmp.Diff([]string{"u-ottilie"}, l.members()); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
}

// TestRevoke_RemovesUnmanagedMemberAfterOutage: a run that cannot read the platform does not
// make Rollcall forget which plan holds the removal.
func TestRevoke_RemovesUnmanagedMemberAfterOutage(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.want(1)
	l.converge()
	l.edit(func(w *memory.World) { w.Groups[0].Members = []string{"u-yvonne", "u-ottilie"} })
	l.want(0)
	l.runOnce()
	l.edit(func(w *memory.World) { w.Faults = []memory.Fault{{Op: "read:*", Class: "denied"}} })
	l.runOnce()
	l.edit(func(w *memory.World) { w.Faults = nil })
	if out, err := l.removeUser(l.revoke("yvonne")); err != nil || out.Sets != 1 {
		t.Errorf("%+v, %v; want one set", out, err)
	}
	if diff := cmp.Diff([]string{"u-ottilie"}, l.members()); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
}

// walled is a platform one of whose tenants nobody may read, or where nobody may
// look for accounts.
type walled struct {
	driver.Driver
	tenant   string
	accounts bool
}

func (w walled) Resolve(ctx context.Context, names []string) ([]access.Resolution, error) {
	if w.accounts {
		return nil, fmt.Errorf("walled: %w: look up accounts", fault.ErrDenied)
	}
	return w.Driver.Resolve(ctx, names)
}

// wall puts the lab's platform behind walls.
func (l *lab) wall(w walled) {
	l.platform = activities.NewPlatform(l.store, l.ledger, "lab", l.drivers(func(ctx context.Context, c driver.Config) (driver.Driver, error) {
		var err error
		w.Driver, err = memory.Open(ctx, c)
		return w, err
	}))
}

func (w walled) Observe(ctx context.Context, scopes []driver.Scope) ([]driver.Observation, error) {
	if slices.ContainsFunc(scopes, func(s driver.Scope) bool { return s.Tenant.Project == w.tenant }) {
		return nil, fmt.Errorf("walled: %w: read a tenant", fault.ErrDenied)
	}
	return w.Driver.Observe(ctx, scopes)
}

// TestRevokeGoesOnWhereOneTenantCannotBeRead: nobody stays in one tenant because of
// what is wrong with another.
func TestRevokeGoesOnWhereOneTenantCannotBeRead(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.want(2)
	l.converge()
	docs, _, err := document.Decode(strings.NewReader(`
{apiVersion: v2, kind: meshProject, metadata: {name: shop, ownedByWorkspace: acme}, spec: {displayName: Shop}}
---
{apiVersion: v4, kind: meshTenant, metadata: {ownedByWorkspace: acme, ownedByProject: shop}, spec: {platformIdentifier: sandbox.local, platformTenantId: t2}}
---
{apiVersion: v3, kind: meshProjectUserBinding, metadata: {name: b-shop}, roleRef: {name: user}, targetRef: {name: shop, ownedByWorkspace: acme}, subject: {name: adaline}}
`), "lab")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.store.Apply(t.Context(), store.ApplyRequest{Documents: docs}); err != nil {
		t.Fatal(err)
	}
	l.wall(walled{tenant: "shop"})
	r := l.revoke("adaline")
	_, err = l.removeUser(r)
	if app, ok := errors.AsType[*temporal.ApplicationError](err); !ok || app.Type() != activities.TypeDenied {
		t.Errorf("%v, want that one tenant cannot be read", err)
	}
	if diff := cmp.Diff([]string{"u-benedict"}, l.members()); diff != "" {
		t.Errorf("members of the other tenant (-want +got):\n%s", diff)
	}
	if p := l.stands(r); p.State != store.RevocationFailed || p.Sets != 1 || !strings.Contains(p.Problem, "acme.shop/sandbox.local") {
		t.Errorf("it stands as %+v, want that it failed, and where", p)
	}
}

// TestRevokeOfKnownAccountsNeedsNoLookup: whom Rollcall knows goes, also where it may
// not ask for accounts any more.
func TestRevokeOfKnownAccountsNeedsNoLookup(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.want(2)
	l.converge()
	l.wall(walled{accounts: true})
	r := l.revoke("adaline")
	if _, err := l.removeUser(r); err == nil {
		t.Error("no error, although nobody can tell whether the person has another account")
	}
	if diff := cmp.Diff([]string{"u-benedict"}, l.members()); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	if p := l.stands(r); p.State != store.RevocationFailed || p.Sets != 1 {
		t.Errorf("it stands as %+v, want that it failed after it took one set", p)
	}
}
