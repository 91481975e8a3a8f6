package aws_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/aws"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
	simulated "github.com/rollcall-iam/rollcall/internal/simulate/aws"
)

// openNoWait opens a driver that polls an assignment only once.
func (w *world) openNoWait(t testing.TB) *aws.Driver {
	t.Helper()
	d := w.open(t)
	d.WatchFor(0)
	d.QueueFor(0)
	return d
}

// isPending checks a pending result: when to look again, and what is pending.
func isPending(t *testing.T, reason string, result driver.Result, says string) {
	t.Helper()
	after, _ := fault.RetryAfter(result.Err)
	if !errors.Is(result.Err, fault.ErrPending) || !fault.Retryable(result.Err) || after < time.Second ||
		!strings.Contains(result.Err.Error(), says) {
		t.Errorf("%s: got the error %v with the delay %s, want ErrPending that says %q", reason, result.Err, after, says)
	}
}

// started is how many changes of assignments AWS was asked to start.
func (w *world) started() int {
	calls := w.cloud.Control().Calls()
	return calls["sso-admin.CreateAccountAssignment"] + calls["sso-admin.DeleteAccountAssignment"]
}

// TestPendingAssignment has an assignment that takes for ever: Apply leaves it, and the
// same step, on the same or another worker, finds it instead of starting another.
func TestPendingAssignment(t *testing.T) {
	w := newWorld(t, simulated.Options{Assignment: time.Hour})
	scope := w.scope(t, "slow")
	group := access.Group{Name: "slow", Ref: w.cloud.Group("slow", scope.Mark.Text())}
	scope.Groups = []access.Group{group}
	d := w.openNoWait(t)
	began := time.Now()
	isPending(t, "at first", apply(t, d, scope, give(group)), "still creating the assignment of "+lawRoles[0])
	isPending(t, "again", apply(t, d, scope, give(group)), "still creating the assignment of "+lawRoles[0])
	if n := w.started(); n != 1 {
		t.Errorf("the same worker started %d assignments, want 1", n)
	}
	isPending(t, "on another worker", apply(t, w.openNoWait(t), scope, give(group)), "still creating")
	if elapsed := time.Since(began); elapsed > 10*time.Second {
		t.Errorf("three attempts took %s", elapsed)
	}
	if seen := look(t, d, scope); len(seen.Bindings) > 0 {
		t.Errorf("an assignment that is pending is observed as made: %+v", seen.Bindings)
	}
	if n := w.calls(func(o string) bool { return o == "sso-admin.ListAccountAssignmentCreationStatus" }); n != 1 {
		t.Errorf("the requests in progress were listed %d times, want once: by the worker that has not started it", n)
	}
	w.cloud.FinishAssignments(scope.ID)
	w.settle()
	if ref := must(t, d, scope, give(group)); ref == "" {
		t.Error("the finished assignment has no id")
	}
	if seen := look(t, d, scope); len(seen.Bindings) != 1 {
		t.Errorf("the finished assignment is not observed: %+v", seen.Bindings)
	}
	if n := w.started(); n != 2 { // the other worker's attempt was refused
		t.Errorf("%d assignments were asked for, want 2", n)
	}
}

// TestPendingRemoval takes the assignment away, which takes as long.
func TestPendingRemoval(t *testing.T) {
	w := newWorld(t, simulated.Options{})
	scope := w.scope(t, "leaving")
	group := access.Group{Name: "leaving", Ref: w.cloud.Group("leaving", scope.Mark.Text())}
	scope.Groups = []access.Group{group}
	d := w.openNoWait(t)
	w.cloud.Assign(scope.ID, w.sets[lawRoles[0]], group.Ref)
	w.settle()
	w.cloud.SlowAssignments(scope.ID, time.Hour)
	have := look(t, d, scope).Bindings[0]
	remove := plan.Step{ID: "take", Op: plan.Delete, Kind: access.KindBinding, Have: plan.Object{Binding: &have}}
	isPending(t, "at first", apply(t, d, scope, remove), "still deleting the assignment of "+lawRoles[0])
	isPending(t, "on another worker", apply(t, w.openNoWait(t), scope, remove), "still deleting")
	err := apply(t, d, scope, give(group)).Err
	if after, told := fault.RetryAfter(err); !errors.Is(err, fault.ErrThrottled) || errors.Is(err, fault.ErrPending) || !told || after <= 0 {
		t.Errorf("the opposite change meanwhile: got %v, want ErrThrottled with a delay", err)
	}
	w.cloud.FinishAssignments(scope.ID)
	w.settle()
	must(t, d, scope, remove)
	if seen := look(t, d, scope); len(seen.Bindings) > 0 {
		t.Errorf("the assignment is still there: %+v", seen.Bindings)
	}
}

// TestPending_MemberIsRemoved removes a member while an assignment of the account is stuck.
func TestPending_MemberIsRemoved(t *testing.T) {
	w := newWorld(t, simulated.Options{})
	d, scope := w.openNoWait(t), w.populated(t, 1)[0]
	w.cloud.SlowAssignments(scope.ID, time.Hour)
	seen := look(t, d, scope).Groups[0]
	step := give(seen)
	step.Want.Binding.Role = lawRoles[1]
	isPending(t, "the assignment", apply(t, d, scope, step), "still creating the assignment of "+lawRoles[1])
	must(t, d, scope, plan.Step{ID: "remove", Op: plan.Change, Kind: access.KindMembers, Have: plan.Object{Members: &plan.Members{
		Group: seen.Name, GroupRef: seen.Ref, Accounts: seen.Members[:1],
	}}})
	if left := w.cloud.MembersOf(seen.Ref); len(left) != len(seen.Members)-1 {
		t.Errorf("the member stays while the assignment is stuck: %v", left)
	}
}

// TestPendingEndsFailed has a request that ends FAILED after it was left.
func TestPendingEndsFailed(t *testing.T) {
	w := newWorld(t, simulated.Options{Assignment: time.Hour})
	d, scope := w.openNoWait(t), w.scope(t, "ends")
	group := access.Group{Name: "ends", Ref: w.cloud.Group("ends", scope.Mark.Text())}
	isPending(t, "at first", apply(t, d, scope, give(group)), "still creating")
	w.cloud.FailAssignment(scope.ID, "Received a 403 status error: Access denied by IAM.")
	w.cloud.FinishAssignments(scope.ID)
	if err := apply(t, d, scope, give(group)).Err; !errors.Is(err, fault.ErrDenied) || fault.Advice(err) == "" {
		t.Errorf("the request that was left ended FAILED: got %v, want ErrDenied with advice", err)
	}
	isPending(t, "the next attempt starts another", apply(t, d, scope, give(group)), "still creating")
	if n := w.started(); n != 2 {
		t.Errorf("%d assignments were started, want 2", n)
	}
}

// TestPendingOnASuspendedAccount says at once what no waiting changes.
func TestPendingOnASuspendedAccount(t *testing.T) {
	w := newWorld(t, simulated.Options{Assignment: time.Hour})
	d, scope := w.openNoWait(t), w.scope(t, "suspended")
	group := access.Group{Name: "suspended", Ref: w.cloud.Group("suspended", scope.Mark.Text())}
	w.cloud.SetAccountState(scope.ID, "SUSPENDED")
	w.settle()
	err := apply(t, d, scope, give(group)).Err
	if !errors.Is(err, fault.ErrDenied) || !strings.Contains(err.Error(), "SUSPENDED") || fault.Advice(err) == "" {
		t.Errorf("got %v, want ErrDenied that names the state, with advice", err)
	}
}

// TestManyOnOneAccount: a stuck assignment costs the others of its account no time.
func TestManyOnOneAccount(t *testing.T) {
	w := newWorld(t, simulated.Options{Assignment: time.Hour})
	d, scope := w.open(t), w.scope(t, "many")
	d.WatchFor(0)
	group := access.Group{Name: "many", Ref: w.cloud.Group("many", scope.Mark.Text())}
	var steps []plan.Step
	for _, role := range lawRoles {
		step := give(group)
		step.Want.Binding = &access.Binding{Role: role, Group: group.Name, GroupRef: group.Ref}
		steps = append(steps, step)
	}
	began := time.Now()
	results := d.Apply(t.Context(), scope, steps)
	isPending(t, "the first", results[0], "still creating")
	for _, r := range results[1:] {
		if !errors.Is(r.Err, fault.ErrThrottled) {
			t.Errorf("another of the account: got %v, want ErrThrottled", r.Err)
		}
	}
	if elapsed := time.Since(began); elapsed > 4*time.Second {
		t.Errorf("three assignments on one account took %s: the others wait for the first", elapsed)
	}
}
