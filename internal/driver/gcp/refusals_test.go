package gcp_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/simulate"
	"github.com/rollcall-iam/rollcall/internal/simulate/google"
)

// bind is the step that gives a role to the tenant's group.
func (t *tenant) bind(role string) plan.Step {
	return plan.Step{ID: role, Op: plan.Create, Kind: access.KindBinding, Want: plan.Object{Binding: &access.Binding{Role: role, Group: t.group}}}
}

// TestPolicyRefused has policies that Google refuses for good: each with a reason and advice
// of its own. Members can leave all the same.
func TestPolicyRefused(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(*tenant)
		role    string
		class   error
		text    []string
		advice  string
	}{
		"Full": {
			func(t *tenant) {
				var members []string
				for i := range 1499 {
					members = append(members, fmt.Sprintf("user:u-%d@other.example", i))
				}
				t.world.server.Bind(t.scope.ID, google.Binding{Role: "roles/logging.viewer", Members: members})
			}, "roles/editor", fault.ErrInvalid,
			[]string{"INVALID_ARGUMENT", "members, Google allows 1,500"}, "policy is full",
		},
		"Restricted": {
			func(t *tenant) { t.world.server.AllowDomains(t.scope.ID, "other.example") }, "roles/editor", fault.ErrDenied,
			[]string{"FAILED_PRECONDITION", "for the group"}, "iam.allowedPolicyMemberDomains",
		},
		"OtherMember": {
			func(t *tenant) {
				t.world.server.Control().Fail(simulate.Rule{Operation: writePolicy, Fault: simulate.Fault{
					Status: http.StatusBadRequest, Code: "INVALID_ARGUMENT", Message: "User gone@example.com does not exist.",
				}})
			}, "roles/editor", fault.ErrInvalid, []string{"INVALID_ARGUMENT", "for the group"}, "names a member that is deleted",
		},
		"Role": {func(*tenant) {}, "roles/no.such.role.of.all", fault.ErrInvalid, []string{"400"}, "correct the role mapping"},
	} {
		t.Run(name, func(t *testing.T) {
			var offset atomic.Int64 // how far the cloud's clock is behind
			options := calm()
			options.Clock = func() time.Time { return time.Now().Add(-time.Duration(offset.Load())) }
			options.TokenLife = 24 * time.Hour
			w := newWorld(t, options)
			tenant := w.tenant(t, "refused")
			people := w.people("ada", "bob")
			tenant.look() // signs in
			offset.Store(int64(2 * time.Hour))
			tenant.sync(tenant.roles(nil, people...))
			offset.Store(0) // the group is old enough to be known
			c.prepare(tenant)
			failed := tenant.apply(tenant.bind(c.role))
			if len(failed) != 1 || !errors.Is(failed[0], c.class) || !strings.Contains(fault.Advice(failed[0]), c.advice) {
				t.Fatalf("got %v with the advice %q, want %v that says to %q", failed, fault.Advice(errors.Join(failed...)), c.class, c.advice)
			}
			for _, part := range c.text {
				if got := failed[0].Error(); !strings.Contains(got, part) || strings.Contains(got, "gone@") {
					t.Errorf("the error is %q, want it to contain %q and to name no user", got, part)
				}
			}
			tenant.apply(plan.Step{ID: "leave", Op: plan.Change, Kind: access.KindMembers, Have: plan.Object{Members: &plan.Members{
				Group: tenant.group, GroupRef: tenant.owned[access.Key{Kind: access.KindGroup, Group: tenant.group}], Accounts: people[1:],
			}}})
			tenant.has(people[0])
		})
	}
}

// TestNewGroupIsTransient: the same answers about a group that was made a moment ago.
func TestNewGroupIsTransient(t *testing.T) {
	w := newWorld(t, calm())
	tenant := w.tenant(t, "young")
	tenant.sync(tenant.want(w.people("ada")...))
	for _, message := range []string{"Group x@example.com does not exist.", "One or more users named in the policy do not belong to a permitted customer."} {
		w.server.Control().Fail(simulate.Rule{Operation: writePolicy, Times: 1, Fault: simulate.Fault{Status: http.StatusBadRequest, Message: message}})
		if failed := tenant.apply(tenant.bind("roles/editor")); len(failed) != 1 || !errors.Is(failed[0], fault.ErrUnavailable) {
			t.Errorf("%s: got %v, want ErrUnavailable", message, failed)
		}
	}
	if failed := tenant.apply(tenant.bind("roles/editor")); len(failed) > 0 {
		t.Errorf("once IAM knows the group: %v", failed)
	}
}

// TestMemberRefused: one account that Google refuses, for good, for now, or with an answer
// that is lost.
func TestMemberRefused(t *testing.T) {
	for reason, c := range map[string]struct {
		times int
		fault simulate.Fault
		class error
		again bool
	}{
		"for good":      {0, simulate.Fault{Status: 400, Message: "External members are not allowed."}, fault.ErrInvalid, false},
		"for now":       {1, simulate.Fault{Status: 503}, fault.ErrUnavailable, true},
		"done and lost": {1, simulate.Fault{Lose: true}, fault.ErrUnavailable, true},
	} {
		t.Run(reason, func(t *testing.T) {
			w := newWorld(t, calm())
			tenant := w.tenant(t, "member")
			people := w.people("ada", "bob", "eve")
			tenant.sync(tenant.want())
			ref := tenant.owned[access.Key{Kind: access.KindGroup, Group: tenant.group}]
			add := func(accounts ...access.Member) []error {
				return tenant.apply(plan.Step{ID: "add", Op: plan.Change, Kind: access.KindMembers, Want: plan.Object{Members: &plan.Members{
					Group: tenant.group, GroupRef: ref, Accounts: accounts,
				}}})
			}
			w.server.Control().Fail(simulate.Rule{Contains: people[1].Ref, Writes: true, Times: c.times, Fault: c.fault})
			failed := add(people...)
			if len(failed) != 1 || !errors.Is(failed[0], c.class) || strings.Contains(failed[0].Error(), "bob") {
				t.Errorf("adding all: got %v, want %v that names no user", failed, c.class)
			}
			if failed := add(people...); (len(failed) == 0) != c.again {
				t.Errorf("the second attempt: %v", failed)
			}
			if c.again {
				tenant.has(people...)
				return
			}
			if failed := add(people[0], people[2]); len(failed) > 0 {
				t.Errorf("the others: %v", failed)
			}
			tenant.has(people[0], people[2])
		})
	}
}
