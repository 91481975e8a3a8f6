package azure_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/simulate"
	simulated "github.com/rollcall-iam/rollcall/internal/simulate/azure"
)

// TestScopeRefuses has scopes that take no role assignments: each refusal is lasting, has
// the vendor's code, names the scope and says what to do. Members can leave all the same.
func TestScopeRefuses(t *testing.T) {
	for reason, c := range map[string]struct {
		prepare    func(w *world, sub string)
		give, take string // the code; "" is done
	}{
		"a lock": {func(w *world, sub string) { w.cloud.Lock("/subscriptions/"+sub, simulated.CanNotDelete) }, "", "ScopeLocked"},
		"a read-only lock": {
			func(w *world, sub string) { w.cloud.Lock("/subscriptions/"+sub, simulated.ReadOnly) }, "ScopeLocked", "ScopeLocked",
		},
		"a disabled subscription": {
			func(w *world, sub string) { w.cloud.DisableSubscription(sub, true) },
			"ReadOnlyDisabledSubscription", "ReadOnlyDisabledSubscription",
		},
		"a policy": {func(w *world, sub string) { w.cloud.DenyRoles("/subscriptions/"+sub, "no-roles") }, "RequestDisallowedByPolicy", ""},
		"an app without the role": {
			func(w *world, _ string) {
				w.cloud.SetPermissions(w.tenant, clientID, simulated.Permissions{NoRoleWrite: true})
			}, "AuthorizationFailed", "AuthorizationFailed",
		},
	} {
		t.Run(reason, func(t *testing.T) {
			w := newWorld(t, simulated.Options{Stale: -1})
			shop := w.newTenant(t, "prod")
			people := w.users("p", 2)
			ref := shop.must(createGroup("admins"))
			shop.must(change("admins", ref, people, nil))
			shop.must(give(access.Binding{Role: "Contributor", Group: "admins", GroupRef: ref}))
			have := shop.look("admins").Bindings[0]
			_, sub, _ := strings.Cut(shop.scope.ID, "/subscriptions/")
			c.prepare(w, sub)
			check := func(what, code string, step plan.Step) {
				t.Helper()
				_, err := shop.apply(step)
				if code == "" {
					if err != nil {
						t.Errorf("%s: %v", what, err)
					}
					return
				}
				if !errors.Is(err, fault.ErrDenied) || fault.Advice(err) == "" || !strings.Contains(err.Error(), code) ||
					!strings.Contains(err.Error(), sub) {
					t.Errorf("%s: got %v with the advice %q, want ErrDenied with %s, the scope and advice", what, err, fault.Advice(err), code)
				}
			}
			check("taking a role", c.take, take(have))
			check("giving a role", c.give, give(access.Binding{Role: "Reader", Group: "admins", GroupRef: ref}))
			shop.must(change("admins", ref, nil, people[:1]))
			if got := len(shop.look("admins").Groups[0].Members); got != 1 {
				t.Errorf("%d members are left, want 1: no lock keeps them in", got)
			}
		})
	}
}

// TestGroupUnknownToAzure: Azure hears of new groups late. A group that it still does not
// know after half an hour is none of its directory.
func TestGroupUnknownToAzure(t *testing.T) {
	for reason, c := range map[string]struct {
		age    time.Duration
		class  error
		advice bool
	}{
		"a new group": {0, fault.ErrUnavailable, false},
		"an old one":  {2 * time.Hour, fault.ErrDenied, true},
	} {
		t.Run(reason, func(t *testing.T) {
			at := &clock{now: time.Now().Add(-c.age)}
			w := newWorld(t, simulated.Options{Stale: -1, Clock: at.read})
			shop := w.newTenant(t, "prod")
			ref := shop.must(createGroup("admins"))
			at.advance(c.age)
			shop.driver = w.open(t)
			w.cloud.Control().Fail(simulate.Rule{Operation: "PUT /roleAssignments/{name}", Contains: ref, Fault: simulate.Fault{
				Status: http.StatusBadRequest, Code: "PrincipalNotFound",
			}})
			_, err := shop.apply(give(access.Binding{Role: "Reader", Group: "admins", GroupRef: ref}))
			if !errors.Is(err, c.class) || (fault.Advice(err) != "") != c.advice || !strings.Contains(err.Error(), "admins") {
				t.Errorf("got %v with the advice %q, want %v that names the group", err, fault.Advice(err), c.class)
			}
		})
	}
}

// TestInvitationRefused: what the tenant's settings forbid has advice of its own, and the
// error names no address.
func TestInvitationRefused(t *testing.T) {
	w := newWorld(t, simulated.Options{Stale: -1})
	shop := w.newTenant(t, "prod")
	for _, c := range []struct{ reason, blocks, advice string }{
		{"a blocked domain", "partner.example", "allow the domain"},
		{"no invitations at all", "*", "allow guest invitations"},
	} {
		w.cloud.BlockInvitations(w.tenant, c.blocks)
		_, err := shop.apply(invite("lea@partner.example"))
		if !errors.Is(err, fault.ErrDenied) || !strings.Contains(fault.Advice(err), c.advice) || strings.Contains(err.Error(), "lea") {
			t.Errorf("%s: got %v with the advice %q, want ErrDenied that says to %s", c.reason, err, fault.Advice(err), c.advice)
		}
	}
}

// TestMemberRefused: one account that Graph refuses, for good, for now, or with an answer
// that is lost. Without that account the others are added.
func TestMemberRefused(t *testing.T) {
	for reason, c := range map[string]struct {
		times int
		fault simulate.Fault
		class error // of the first attempt
		again bool  // the second attempt works
	}{
		"for good":      {0, simulate.Fault{Status: 403, Code: "Authorization_RequestDenied"}, fault.ErrDenied, false},
		"for now":       {1, simulate.Fault{Status: 503}, fault.ErrUnavailable, true},
		"done and lost": {1, simulate.Fault{Lose: true}, fault.ErrUnavailable, true},
	} {
		t.Run(reason, func(t *testing.T) {
			w := newWorld(t, simulated.Options{Stale: -1})
			shop := w.newTenant(t, "prod")
			people := w.users("p", 4)
			ref := shop.must(createGroup("admins"))
			w.cloud.Control().Fail(simulate.Rule{Contains: people[2], Writes: true, Times: c.times, Fault: c.fault})
			if _, err := shop.apply(change("admins", ref, people, nil)); !errors.Is(err, c.class) {
				t.Errorf("adding all: got %v, want %v", err, c.class)
			}
			_, err := shop.apply(change("admins", ref, people, nil))
			if (err == nil) != c.again {
				t.Errorf("the second attempt: %v", err)
			}
			shop.must(change("admins", ref, append(people[:2:2], people[3]), nil))
			want := len(people) - 1
			if c.again {
				want = len(people)
			}
			if got := len(shop.look("admins").Groups[0].Members); got != want {
				t.Errorf("there are %d members, want %d", got, want)
			}
		})
	}
}
