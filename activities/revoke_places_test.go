package activities_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.temporal.io/sdk/temporal"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/internal/store/storetest"
)

// cleanupOff is the lab's documents with two users on a platform that keeps the groups of
// removed tenants.
func (l *lab) cleanupOff() string {
	return strings.ReplaceAll(l.text(2), "replication: {", "replication: {skipUserGroupPermissionCleanup: true, ")
}

// removeTenant deletes the tenant's document, has its run delete the tombstone, and checks
// that nothing but the ledger knows of the tenant.
func (l *lab) removeTenant() {
	l.t.Helper()
	gone := []document.ID{{Kind: document.KindTenant, Name: web.String()}}
	if _, err := l.store.Delete(l.t.Context(), gone, store.Checks{}); err != nil {
		l.t.Fatal(err)
	}
	l.converge() // takes the group's role
	if p, err := l.plan(activities.PlanInput{}); err != nil || p.Steps != 0 {
		l.t.Fatalf("plan %+v, %v; want nothing to do, as the platform keeps the groups", p, err)
	}
	if left, err := l.store.Tenants(l.t.Context(), store.TenantFilter{}); err != nil || len(left) != 0 {
		l.t.Fatalf("tenants %v, %v; want none", left, err)
	}
	if got := l.members(); len(got) == 0 {
		l.t.Fatal("the group is empty, although its platform keeps it")
	}
}

// TestRevokeReachesKeptGroups: what documents forget, platforms keep.
func TestRevokeReachesKeptGroups(t *testing.T) {
	t.Parallel()
	cases := []struct {
		reason  string
		prepare func(*lab)
	}{
		{"the tenant is removed, its platform keeps the group", func(l *lab) { l.removeTenant() }},
		{"the platform's document is removed, too", func(l *lab) {
			l.removeTenant()
			gone := []document.ID{{Kind: document.KindPlatform, Name: web.Platform}}
			if _, err := l.store.Delete(l.t.Context(), gone, store.Checks{}); err != nil {
				l.t.Fatal(err)
			}
		}},
		{"the user's documents are removed, too", func(l *lab) {
			l.removeTenant()
			gone := []document.ID{{Kind: document.KindUserBinding, Name: "b-adaline"}, {Kind: document.KindUser, Name: "adaline"}}
			if _, err := l.store.Delete(l.t.Context(), gone, store.Checks{}); err != nil {
				l.t.Fatal(err)
			}
		}},
		{"the documents take the tenant's id on the platform away", func(l *lab) {
			l.put(strings.ReplaceAll(l.cleanupOff(), ", platformTenantId: t1", ""))
		}},
		{"the tenant is gone from the platform, too", func(l *lab) {
			l.removeTenant()
			l.edit(func(w *memory.World) { w.Tenants, w.Bindings = nil, nil })
		}},
	}
	for _, c := range cases {
		for _, lists := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, memberships are listed: %v", c.reason, lists), func(t *testing.T) {
				t.Parallel()
				l := newLab(t)
				if !lists {
					l.wall(walled{}) // it hides all but driver.Driver
					l.register()
				}
				l.put(l.cleanupOff())
				l.converge()
				c.prepare(l)
				l.isOut(l.revoke("adaline"), "u-benedict")
			})
		}
	}
}

// isOut runs a revocation, and checks that it is done and leaves these members.
func (l *lab) isOut(r store.Revocation, members ...string) {
	l.t.Helper()
	out, err := l.removeUser(r)
	if err != nil {
		l.t.Fatal(err)
	}
	if got := l.members(); !slices.Equal(got, members) {
		l.t.Errorf("members %v, want %v", got, members)
	}
	if p := l.stands(r); p.State != store.RevocationDone || p.Sets != 1 || len(p.Open) != 0 || out.Sets != 1 {
		l.t.Errorf("the revocation is %+v, want it done, with one group and no open place", p)
	}
}

// TestRevokeFindsUsersInKeptGroups: another system put them there, and no record says so.
func TestRevokeFindsUsersInKeptGroups(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.put(l.cleanupOff())
	l.converge()
	l.removeTenant()
	l.edit(func(w *memory.World) { w.Groups[0].Members = append(w.Groups[0].Members, "u-yvonne") })
	l.isOut(l.revoke("yvonne"), "u-adaline", "u-benedict")
}

// TestRevokeReachesAdoptedGroups: a group that another system made is left as one that
// Rollcall made.
func TestRevokeReachesAdoptedGroups(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.edit(func(w *memory.World) {
		w.Groups = append(w.Groups, memory.Group{ID: "g-1", Name: "web-user", Description: "made by hand", Members: []string{"u-yvonne"}})
	})
	l.put(l.cleanupOff())
	order := store.Adoption{Group: "web-user", Ref: "g-1", By: storetest.By("ada"), Reason: "CHG-1"}
	if err := l.store.Adopt(t.Context(), web, []store.Adoption{order}); err != nil {
		t.Fatal(err)
	}
	l.runOnce()
	l.runOnce()
	if got := l.members(); !slices.Equal(got, []string{"u-adaline", "u-benedict"}) {
		t.Fatalf("members %v after the adoption", got)
	}
	l.removeTenant()
	l.isOut(l.revoke("adaline"), "u-benedict")
}

// TestRevokeReportsUnmarkedGroups: another system removed the ownership marker of a group into
// which Rollcall had put the user. Rollcall leaves the group alone, and the revocation is not
// done.
func TestRevokeReportsUnmarkedGroups(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		reason string
		lists  bool // the platform lists memberships
		former bool // the user also has a place in a tenant without documents
		open   int
	}{
		{"the group is the only place", true, false, 1},
		{"memberships are not listed", false, false, 1},
		{"memberships are listed, so that the other place is known to be closed", true, true, 1},
		{"no read can close the other place either", false, true, 2},
	} {
		l := newLab(t)
		if !c.lists {
			l.wall(walled{}) // it hides all but driver.Driver
			l.register()
		}
		l.want(2)
		l.converge()
		l.edit(func(w *memory.World) { w.Groups[0].Description = "taken over" })
		if c.former {
			_, err := l.store.Pool().Exec(t.Context(), `INSERT INTO places (tenant, kind, group_name, role, name, platform, ref, origin, account, user_name)
				VALUES ('acme.former/sandbox.local', 'members', 'former-user', '', '', 'sandbox.local', 'g-former', 'put', 'u-adaline', 'adaline')`)
			if err != nil {
				t.Fatal(err)
			}
		}
		r := l.revoke("adaline")
		if _, err := l.accept(r); err != nil {
			t.Fatal(err)
		}
		if _, err := l.verifyRemoval(r); err == nil || !strings.Contains(err.Error(), "1 have lost Rollcall's ownership marker") {
			t.Errorf("%s: the verification ends with %v, want the group that lost its marker", c.reason, err)
		}
		if p := l.stands(r); p.State != store.RevocationFailed || len(p.Open) != c.open {
			t.Errorf("%s: the revocation is %+v, want it failed with %d open places", c.reason, p, c.open)
		}
		if got := l.members(); !slices.Equal(got, []string{"u-adaline", "u-benedict"}) {
			t.Errorf("%s: members %v, want an unmanaged group untouched", c.reason, got)
		}
	}
}

// TestRevokeReportsUnreachablePlaces: an operator had the platform forgotten. The user may
// still be there, so the revocation is not done.
func TestRevokeReportsUnreachablePlaces(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.want(2)
	l.converge()
	gone := []document.ID{{Kind: document.KindTenant, Name: web.String()}, {Kind: document.KindPlatform, Name: web.Platform}}
	if _, err := l.store.Delete(t.Context(), gone, store.Checks{}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.store.ForgetPlatform(t.Context(), web.Platform, "decommissioned", storetest.By("ada"), false); err != nil {
		t.Fatal(err)
	}
	r := l.revoke("adaline")
	_, err := l.removeUser(r)
	if app, ok := errors.AsType[*temporal.ApplicationError](err); !ok || !app.NonRetryable() {
		t.Errorf("%v, want an error that no attempt ends", err)
	}
	p := l.stands(r)
	if p.State != store.RevocationFailed || !strings.Contains(p.Problem, "forgotten") || !strings.Contains(p.Problem, "by hand") {
		t.Errorf("the revocation is %+v, want it failed, with the reason and what to do", p)
	}
	if len(p.Open) != 1 || p.Open[0].Object != "web-user" || p.Open[0].Tenant != web || p.Open[0].Found {
		t.Errorf("open places %+v, want the group", p.Open)
	}
	if r := l.revoke("yvonne"); len(r.Platforms) != 0 {
		t.Errorf("a user who was never there: %+v, want no platform to ask", r.Platforms)
	}
}

// TestALiftEndsAVerification: what the documents grant again is not removed.
func TestALiftEndsAVerification(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.want(2)
	l.converge()
	r := l.revoke("adaline")
	if out, err := l.accept(r); err != nil || out.Sets != 1 || out.Done || out.Affected != 1 {
		t.Fatalf("%+v, %v; want an acceptance that needs a verification", out, err)
	}
	if p := l.stands(r); p.State != store.RevocationAccepted || p.Took <= 0 || p.AcceptedAt.IsZero() {
		t.Errorf("the revocation is %+v, want it accepted", p)
	}
	if err := l.store.Lift(t.Context(), "adaline", "back", storetest.By("hr")); err != nil {
		t.Fatal(err)
	}
	l.converge()
	before := l.revision()
	out, err := l.verifyRemoval(r)
	if err != nil || out.Checks != 1 || out.Sets != 0 || len(out.Tenants) != 0 || l.revision() != before {
		t.Errorf("%+v, %v; want one look that changes nothing", out, err)
	}
	if left, err := l.store.Unverified(t.Context(), r.ID, web.Platform, "", 10); err != nil || len(left) != 0 {
		t.Errorf("left to verify: %v, %v; want nothing", left, err)
	}
	if got := l.members(); !slices.Equal(got, []string{"u-adaline", "u-benedict"}) {
		t.Errorf("members %v, want both", got)
	}
}

// TestVerifyRemovesAgain: another system puts the user back after the acceptance.
func TestVerifyRemovesAgain(t *testing.T) {
	t.Parallel()
	for _, lists := range []bool{true, false} {
		l := newLab(t)
		if !lists {
			l.wall(walled{})
			l.register()
		}
		l.want(2)
		l.converge()
		r := l.revoke("adaline")
		if _, err := l.accept(r); err != nil {
			t.Fatal(err)
		}
		l.edit(func(w *memory.World) { w.Groups[0].Members = append(w.Groups[0].Members, "u-adaline") })
		out, err := l.verifyRemoval(r)
		if err != nil || out.Sets != 1 || out.Checks != 2 {
			t.Errorf("memberships are listed: %v: %+v, %v; want the user removed again, and a second look", lists, out, err)
		}
		if got := l.members(); !slices.Equal(got, []string{"u-benedict"}) {
			t.Errorf("members %v, want the other user alone", got)
		}
		if p := l.stands(r); p.State != store.RevocationDone || p.Sets != 2 {
			t.Errorf("the revocation is %+v, want it done after two removals", p)
		}
	}
}

// TestVerifyGivesUpAfterADay: a platform that shows the user for so long needs an operator.
func TestVerifyGivesUpAfterADay(t *testing.T) {
	t.Parallel()
	for since, expired := range map[string]bool{"23 hours": false, "25 hours": true} {
		l := newLab(t)
		l.want(2)
		l.converge()
		r := l.revoke("adaline")
		if _, err := l.accept(r); err != nil {
			t.Fatal(err)
		}
		_, err := l.store.Pool().Exec(t.Context(), "UPDATE revocation_platforms SET accepted_at = now() - $1::interval", since)
		if err != nil {
			t.Fatal(err)
		}
		l.edit(func(w *memory.World) { w.Groups[0].Members = append(w.Groups[0].Members, "u-adaline") })
		if _, err = l.verifyRemoval(r); (err != nil) != expired {
			t.Errorf("%s after the acceptance: %v; gives up: want %v", since, err, expired)
		}
		want := map[bool]store.RevocationState{true: store.RevocationFailed, false: store.RevocationDone}[expired]
		if p := l.stands(r); p.State != want {
			t.Errorf("%s after the acceptance the revocation is %+v, want it %s", since, p, want)
		}
	}
}

// TestRevokeReachesGroupsWithoutRecordedID: a worker died after the platform had created the
// group, and before it recorded the id. Later runs know the group by its marker, and put
// members into it. The acceptance of a revocation counts on the list of memberships alone.
func TestRevokeReachesGroupsWithoutRecordedID(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		reason string
		remove bool // the tenant, whose platform keeps the group
	}{
		{"the tenant stays", false},
		{"the tenant is removed, its platform keeps the group", true},
	} {
		l := newLab(t)
		l.put(l.cleanupOff())
		l.converge()
		if _, err := l.store.Pool().Exec(t.Context(), "UPDATE owned SET ref = '', state = 'intended' WHERE kind = 'group'"); err != nil {
			t.Fatal(err)
		}
		l.edit(func(w *memory.World) { w.Groups[0].Members = nil })
		l.runOnce()
		if c.remove {
			l.removeTenant()
		}
		r := l.revoke("adaline")
		out, err := l.accept(r)
		if err != nil || out.Sets != 1 || !slices.Equal(l.members(), []string{"u-benedict"}) {
			t.Errorf("%s: accepted with %+v, %v and the members %v; want the user removed", c.reason, out, err, l.members())
		}
		if _, err := l.verifyRemoval(r); err != nil {
			t.Error(err)
		}
		if p := l.stands(r); p.State != store.RevocationDone || len(p.Open) != 0 {
			t.Errorf("%s: the revocation is %+v, want it done", c.reason, p)
		}
	}
}

// TestRemovedTenantWithoutIDForgetsNoRoles: the documents take a tenant's id on the platform
// away, and then the tenant. Nothing reads where its roles are, so none of them is known to
// be gone, and revocations still count them.
func TestRemovedTenantWithoutIDForgetsNoRoles(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		reason string
		id     string // of the tenant on its platform, before it is removed
		open   int    // places
	}{
		{"the tenant is read, and the role is not there", "t1", 0},
		{"the tenant has no id and is not read", "", 1},
	} {
		l := newLab(t)
		l.want(0)
		run := ledger.Run{Tenant: web, RunID: "run-1", Pass: 1}
		role := access.Binding{Role: "developer", Name: "u-adaline", Ref: "role-1", Subjects: []access.Member{
			{Account: access.Account{Ref: "u-adaline"}, Person: "adaline"},
		}}
		step := plan.Step{ID: "s-1", Op: plan.Create, Kind: access.KindBinding, Want: plan.Object{Binding: &role}}
		if err := l.ledger.Record(t.Context(), run, []ledger.Outcome{{Step: step, Ref: "role-1"}}); err != nil {
			t.Fatal(err)
		}
		l.put(strings.ReplaceAll(l.text(0), "platformTenantId: t1", fmt.Sprintf("platformTenantId: %q", c.id)))
		if _, err := l.store.Delete(t.Context(), []document.ID{{Kind: document.KindTenant, Name: web.String()}}, store.Checks{}); err != nil {
			t.Fatal(err)
		}
		l.runOnce()
		places, err := l.ledger.Places(t.Context(), web.Platform, "adaline", nil)
		if err != nil || len(places) != c.open {
			t.Errorf("%s: open places %+v, %v; want %d", c.reason, places, err, c.open)
		}
		former, err := l.store.FormerTenants(t.Context(), web.Platform)
		if err != nil || len(former) != c.open {
			t.Errorf("%s: former tenants %v, %v; want %d", c.reason, former, err, c.open)
		}
	}
}
