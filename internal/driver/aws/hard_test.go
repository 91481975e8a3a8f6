package aws_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/aws"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/simulate"
	simulated "github.com/rollcall-iam/rollcall/internal/simulate/aws"
)

// These are the ways in which Identity Center hurts: changes that end FAILED,
// that are in each other's way, that are not seen yet.

// give is the step that gives the first permission set to a group.
func give(group access.Group) plan.Step {
	return plan.Step{ID: "give", Op: plan.Create, Kind: access.KindBinding, Want: plan.Object{Binding: &access.Binding{
		Role: lawRoles[0], Group: group.Name, GroupRef: group.Ref,
	}}}
}

// makeGroup is the step that creates a group.
func makeGroup(name string) plan.Step {
	return plan.Step{ID: "make", Op: plan.Create, Kind: access.KindGroup, Want: plan.Object{Group: &access.Group{Name: name}}}
}

// apply applies one step.
func apply(t testing.TB, d *aws.Driver, scope driver.Scope, step plan.Step) driver.Result {
	t.Helper()
	return d.Apply(t.Context(), scope, []plan.Step{step})[0]
}

// must applies one step that has to succeed.
func must(t testing.TB, d *aws.Driver, scope driver.Scope, step plan.Step) string {
	t.Helper()
	result := apply(t, d, scope, step)
	if result.Err != nil {
		t.Fatalf("%s %s: %v", step.Op, step.Kind, result.Err)
	}
	return result.Ref
}

func TestAssignmentEndsFailed(t *testing.T) {
	cases := map[string]struct {
		reason string
		says   string
		want   error
	}{
		"Throttled": {"AWS's own IAM calls are throttled too", "Rate exceeded", fault.ErrThrottled},
		"Gone":      {"the account left the organization", "Received a 404 status error: not found", fault.ErrNotFound},
		"Quota":     {"the account has no room for a role", "LimitExceeded: Cannot exceed quota for RolesPerAccount", fault.ErrInvalid},
		"Denied":    {"a policy of the organization forbids it", "User ada@example.com is not authorized to perform iam:CreateRole", fault.ErrDenied},
		"Slow":      {"nobody knows", "Obtaining permissions to manage your AWS account is taking longer than usual.", fault.ErrUnavailable},
		"Other":     {"what nobody has seen before is tried again", "???", fault.ErrUnavailable},
	}
	w := newWorld(t, simulated.Options{})
	d := w.open(t)
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			scope := w.scope(t, name)
			group := access.Group{Name: "failed-" + name, Ref: w.cloud.Group("failed-"+name, scope.Mark.Text())}
			w.cloud.FailAssignment(scope.ID, c.says)
			err := apply(t, d, scope, give(group)).Err
			if !errors.Is(err, c.want) {
				t.Errorf("%s: got the error %v, want %v", c.reason, err, c.want)
			}
			if strings.Contains(err.Error(), c.says) {
				t.Errorf("the error quotes AWS, who may name people: %v", err)
			}
			must(t, d, scope, give(group)) // the next try works, and nothing is left behind
		})
	}
}

func TestSuspendedAccount(t *testing.T) {
	w := newWorld(t, simulated.Options{})
	d, scope := w.open(t), w.scope(t, "suspended")
	group := access.Group{Name: "suspended", Ref: w.cloud.Group("suspended", scope.Mark.Text())}
	w.cloud.SetAccountState(scope.ID, "SUSPENDED")
	err := apply(t, d, scope, give(group)).Err
	if !errors.Is(err, fault.ErrDenied) || !strings.Contains(err.Error(), "SUSPENDED") || fault.Advice(err) == "" {
		t.Errorf("an assignment on a suspended account: got the error %v, want ErrDenied that names the state, with advice", err)
	}
	w.cloud.SetAccountState(scope.ID, "ACTIVE")
	must(t, d, scope, give(group))
}

// TestInTheWay has an administrator who changes an assignment of the account at
// the same time.
func TestInTheWay(t *testing.T) {
	w := newWorld(t, simulated.Options{Assignment: 250 * time.Millisecond})
	d, scope := w.open(t), w.scope(t, "busy")
	group := access.Group{Name: "busy", Ref: w.cloud.Group("busy", scope.Mark.Text())}
	w.cloud.Busy(scope.ID, w.sets[lawRoles[1]], group.Ref)
	must(t, d, scope, give(group))

	w.cloud.Busy(scope.ID, w.sets[lawRoles[2]], group.Ref)
	d.QueueFor(0)
	err := apply(t, d, scope, give(group)).Err
	if after, told := fault.RetryAfter(err); !errors.Is(err, fault.ErrThrottled) || !told || after < time.Second {
		t.Errorf("when patience ends: got the error %v with the delay %s, want ErrThrottled with one", err, after)
	}
}

// TestTwoWorkers have nothing in common but the platform.
func TestTwoWorkers(t *testing.T) {
	w := newWorld(t, simulated.Options{Assignment: 50 * time.Millisecond})
	scope := w.scope(t, "two")
	var running sync.WaitGroup
	for i := range 4 {
		name := fmt.Sprintf("two-%d", i)
		group := access.Group{Name: name, Ref: w.cloud.Group(name, scope.Mark.Text())}
		d := w.open(t)
		running.Go(func() {
			if err := d.Apply(context.WithoutCancel(t.Context()), scope, []plan.Step{give(group)})[0].Err; err != nil {
				t.Errorf("beside another worker: %v", err)
			}
		})
	}
	running.Wait()
}

// TestNoMoreThanTen gives roles on more accounts than AWS changes at once.
func TestNoMoreThanTen(t *testing.T) {
	w := newWorld(t, simulated.Options{Assignment: 50 * time.Millisecond})
	d := w.open(t)
	const accounts = 14
	var running sync.WaitGroup
	for i := range accounts {
		scope := w.scope(t, fmt.Sprintf("ten-%d", i))
		for n := range 2 {
			name := fmt.Sprintf("ten-%d-%d", i, n)
			group := access.Group{Name: name, Ref: w.cloud.Group(name, scope.Mark.Text())}
			running.Go(func() {
				if err := d.Apply(context.WithoutCancel(t.Context()), scope, []plan.Step{give(group)})[0].Err; err != nil {
					t.Error(err)
				}
			})
		}
	}
	running.Wait()
	if got := w.cloud.Control().Calls()["sso-admin.CreateAccountAssignment"]; got != 2*accounts {
		t.Errorf("%d assignments took %d calls to start: some were refused", 2*accounts, got)
	}
}

func TestThrottledCreate(t *testing.T) {
	w := newWorld(t, simulated.Options{})
	d, scope := w.open(t), w.scope(t, "throttled")
	w.cloud.Control().Fail(simulate.Rule{Operation: "identitystore.CreateGroup", Times: 1, Fault: simulate.Fault{
		Status: http.StatusBadRequest, Code: "ThrottlingException", RetryAfter: 3 * time.Second,
	}})
	err := apply(t, d, scope, makeGroup("throttled")).Err
	if after, _ := fault.RetryAfter(err); !errors.Is(err, fault.ErrThrottled) || after != 3*time.Second {
		t.Errorf("got the error %v with the delay %s, want ErrThrottled with 3s", err, after)
	}
	must(t, d, scope, makeGroup("throttled"))
}

// TestTwentyCallsASecond runs into the vendor's real limit, without help of a
// budget.
func TestTwentyCallsASecond(t *testing.T) {
	w := newWorld(t, simulated.Options{CallsPerSecond: 20})
	d := w.open(t)
	scopes := w.populated(t, 10)
	_, err := d.Observe(t.Context(), scopes)
	if !errors.Is(err, fault.ErrThrottled) {
		t.Errorf("60 calls at once: got the error %v, want ErrThrottled", err)
	}
}

func TestCreatedButNotVisibleYet(t *testing.T) {
	w := newWorld(t, simulated.Options{Stale: 300 * time.Millisecond})
	scope := w.scope(t, "stale")
	first := must(t, w.open(t), scope, makeGroup("stale"))
	again := must(t, w.open(t), scope, makeGroup("stale")) // a worker that knows nothing of it
	if first != again {
		t.Errorf("a group that is not visible yet was made as %s, then as %s", first, again)
	}
}

// TestNameTakenForAnotherReason has a name that AWS refuses and never shows.
func TestNameTakenForAnotherReason(t *testing.T) {
	w := newWorld(t, simulated.Options{IgnoreCase: true})
	scope := w.scope(t, "case")
	w.cloud.Group("Shop-Admin", scope.Mark.Text())
	w.settle()
	if err := apply(t, w.open(t), scope, makeGroup("shop-admin")).Err; !errors.Is(err, fault.ErrConflict) {
		t.Errorf("a name that differs in case only: got the error %v, want ErrConflict", err)
	}
}

func TestDeletedByHand(t *testing.T) {
	w := newWorld(t, simulated.Options{})
	d, scope := w.open(t), w.scope(t, "deleted")
	ada := access.Member{Account: access.Account{Ref: w.user(t, "ada@example.com")}}
	ref := must(t, d, scope, makeGroup("deleted"))
	scope.Groups = []access.Group{{Name: "deleted", Ref: ref}}
	w.cloud.DeleteGroup(ref)
	w.settle()
	fill := plan.Step{ID: "fill", Op: plan.Change, Kind: access.KindMembers, Want: plan.Object{Members: &plan.Members{
		Group: "deleted", GroupRef: ref, Accounts: []access.Member{ada},
	}}}
	for _, step := range []plan.Step{fill, give(access.Group{Name: "deleted", Ref: ref})} {
		if err := apply(t, d, scope, step).Err; !errors.Is(err, fault.ErrNotFound) {
			t.Errorf("%s %s of a group that is gone: got the error %v, want ErrNotFound", step.Op, step.Kind, err)
		}
	}
	if seen := look(t, d, scope); len(seen.Groups) > 0 {
		t.Errorf("a group that is gone is seen: %+v", seen)
	}
	// Somebody makes another one of that name.
	other := w.cloud.Group("deleted", "by hand", ada.Ref)
	w.settle()
	scope.Marks = true
	want := []access.Group{{Name: "deleted", Ref: other, Members: []access.Member{ada}}}
	if diff := cmp.Diff(want, look(t, d, scope).Groups); diff != "" {
		t.Errorf("its successor: %s", diff)
	}
}

func look(t testing.TB, d *aws.Driver, scope driver.Scope) access.State {
	t.Helper()
	seen, err := d.Observe(t.Context(), []driver.Scope{scope})
	if err != nil {
		t.Fatal(err)
	}
	return seen[0].State
}

// TestMembershipMadeAnew has a member who left and came back by hand: the
// membership that was seen is not the one that is there.
func TestMembershipMadeAnew(t *testing.T) {
	w := newWorld(t, simulated.Options{})
	d, scope := w.open(t), w.populated(t, 1)[0]
	seen := look(t, d, scope)
	group, who := seen.Groups[0], seen.Groups[0].Members[0]
	w.cloud.Leave(group.Ref, who.Ref)
	w.cloud.Join(group.Ref, who.Ref)
	w.settle()
	remove := plan.Step{ID: "remove", Op: plan.Change, Kind: access.KindMembers, Have: plan.Object{Members: &plan.Members{
		Group: group.Name, GroupRef: group.Ref, Accounts: []access.Member{who},
	}}}
	must(t, d, scope, remove)
	if left := w.cloud.MembersOf(group.Ref); len(left) != 1 || left[0] == who.Ref {
		t.Errorf("who was to be removed is still there: %v", left)
	}
	must(t, d, scope, remove) // and once more is no error
}

func TestUserDeletedMeanwhile(t *testing.T) {
	w := newWorld(t, simulated.Options{})
	d, scope := w.open(t), w.populated(t, 1)[0]
	eve := access.Member{Account: access.Account{Ref: w.user(t, "eve@example.com")}}
	w.cloud.DeleteUser(eve.Ref)
	w.settle()
	change := plan.Step{ID: "add", Op: plan.Change, Kind: access.KindMembers, Want: plan.Object{Members: &plan.Members{
		Group: scope.Groups[0].Name, GroupRef: scope.Groups[0].Ref, Accounts: []access.Member{eve},
	}}}
	if err := apply(t, d, scope, change).Err; !errors.Is(err, fault.ErrNotFound) {
		t.Errorf("adding somebody who is gone: got the error %v, want ErrNotFound", err)
	}
	change.Have, change.Want = change.Want, plan.Object{}
	must(t, d, scope, change)
}

func TestConflictIsNotAlwaysAMember(t *testing.T) {
	w := newWorld(t, simulated.Options{})
	d, scope := w.open(t), w.populated(t, 1)[0]
	eve := access.Member{Account: access.Account{Ref: w.user(t, "eve@example.com")}}
	change := plan.Step{ID: "add", Op: plan.Change, Kind: access.KindMembers, Want: plan.Object{Members: &plan.Members{
		Group: scope.Groups[0].Name, GroupRef: scope.Groups[0].Ref, Accounts: []access.Member{eve},
	}}}
	w.cloud.Control().Fail(simulate.Rule{Operation: "identitystore.CreateGroupMembership", Fault: simulate.Fault{Status: http.StatusBadRequest, Code: "ConflictException"}})
	if err := apply(t, d, scope, change).Err; !errors.Is(err, fault.ErrConflict) {
		t.Errorf("a conflict about something else: got the error %v, want ErrConflict", err)
	}
	w.cloud.Join(scope.Groups[0].Ref, eve.Ref)
	w.settle()
	must(t, d, scope, change) // now she is there
}

func TestPermissionSetMissing(t *testing.T) {
	w := newWorld(t, simulated.Options{})
	d, scope := w.open(t), w.scope(t, "sets")
	group := access.Group{Name: "sets", Ref: w.cloud.Group("sets", scope.Mark.Text())}
	step := give(group)
	step.Want.Binding.Role = "NoSuchAccess"
	if err := apply(t, d, scope, step).Err; !errors.Is(err, fault.ErrInvalid) {
		t.Errorf("an unknown permission set: got the error %v, want ErrInvalid", err)
	}
	must(t, d, scope, give(group))
	// Made anew under its name, it has another ARN; the driver notices.
	w.cloud.DeletePermissionSet(w.sets[lawRoles[0]])
	w.sets[lawRoles[0]] = w.cloud.PermissionSet(lawRoles[0])
	w.settle()
	if err := apply(t, d, scope, give(group)).Err; !errors.Is(err, fault.ErrNotFound) {
		t.Errorf("a permission set that is gone: got the error %v, want ErrNotFound", err)
	}
	must(t, d, scope, give(group))
}

func TestCancelledWhileAssigning(t *testing.T) {
	w := newWorld(t, simulated.Options{Assignment: time.Hour})
	d, scope := w.open(t), w.scope(t, "hour")
	group := access.Group{Name: "hour", Ref: w.cloud.Group("hour", scope.Mark.Text())}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := d.Apply(ctx, scope, []plan.Step{give(group)})[0].Err; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got the error %v, want the context's", err)
	}
}

// TestResolve_Similar: an Identity Store that ignores case answers another spelling, and a list
// shows every user. Either says how an account differs, at no further call.
func TestResolve_Similar(t *testing.T) {
	w := newWorld(t, simulated.Options{IgnoreCase: true})
	ref := w.user(t, "Zo\u00eb@example.com")
	for name, tc := range map[string]struct {
		reason, account string
		want            access.Resolution
	}{
		"case":        {"another account to Rollcall", "zo\u00eb@example.com", access.Resolution{Found: access.No, Similar: access.DiffersByCase}},
		"composition": {"the same account", "Zoe\u0308@example.com", access.Resolution{Found: access.Yes, Refs: []string{ref}}},
		"another":     {"nothing is similar", "zoe@example.com", access.Resolution{Found: access.No}},
	} {
		got, err := w.open(t).Resolve(t.Context(), []string{tc.account})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]access.Resolution{tc.want}, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: %s: %s", name, tc.reason, diff)
		}
	}
}
