package aws_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest/faultproxy"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/simulate"
	simulated "github.com/rollcall-iam/rollcall/internal/simulate/aws"
)

// TestEachPageOfEachList fails in turn. The laws do that too, but never ask for
// so much that lists of everything are worth it.
func TestEachPageOfEachList(t *testing.T) {
	w := newWorld(t, simulated.Options{Page: 5})
	scopes := w.populated(t, 8)
	for i := range scopes {
		scopes[i].Marks = true
	}
	var names []string
	for i := range 20 {
		names = append(names, fmt.Sprintf("user-%d@example.com", i))
		w.cloud.User(names[i])
		scopes = append(scopes, w.scope(t, fmt.Sprintf("empty-%d", i)))
	}
	for i := range 10 {
		w.cloud.PermissionSet(fmt.Sprintf("Other-%d", i))
	}
	w.settle()
	observe := func(ctx context.Context, d driver.Driver) error {
		got, err := d.Observe(ctx, scopes)
		if err != nil && got != nil {
			t.Error("a part of an answer came with the error")
		}
		return err
	}
	resolve := func(ctx context.Context, d driver.Driver) error {
		_, err := d.Resolve(ctx, names)
		return err
	}
	give := func(ctx context.Context, d driver.Driver) error {
		step := give(scopes[0].Groups[0])
		step.Want.Binding.Role = "Other-9"
		return d.Apply(ctx, scopes[0], []plan.Step{step})[0].Err
	}
	for operation, c := range map[string]struct {
		do    func(context.Context, driver.Driver) error
		least int // pages
	}{
		"sso-admin.ListInstances":                      {observe, 1},
		"identitystore.ListGroups":                     {observe, 5},
		"identitystore.ListGroupMemberships":           {observe, 24},
		"sso-admin.ListAccountAssignmentsForPrincipal": {observe, 24},
		"sso-admin.DescribePermissionSet":              {observe, 3},
		"organizations.ListAccounts":                   {observe, 6},
		"identitystore.ListUsers":                      {resolve, 5},
		"sso-admin.ListPermissionSets":                 {give, 3},
	} {
		t.Run(operation, func(t *testing.T) {
			broken := 0
			for ; ; broken++ {
				w.cloud.Control().Fail(simulate.Rule{Operation: operation, Skip: broken, Times: 1, Fault: simulate.Fault{Cut: true}})
				before := w.cloud.Control().Calls()[operation]
				err := c.do(t.Context(), w.open(t))
				w.cloud.Control().Mend()
				if w.cloud.Control().Calls()[operation]-before <= broken {
					if err != nil {
						t.Fatalf("it fails without a fault: %v", err)
					}
					break
				}
				if !fault.Retryable(err) {
					t.Fatalf("call %d was cut off: got the error %v, want one that is retried", broken+1, err)
				}
			}
			if broken < c.least {
				t.Errorf("it made %d calls, want at least %d", broken, c.least)
			}
		})
	}
}

// TestSomebodyElsesNotFound comes from a server in between, which knows nothing
// of AWS: nobody is gone because of it.
func TestSomebodyElsesNotFound(t *testing.T) {
	w := newWorld(t, simulated.Options{})
	scopes := w.populated(t, 1)
	scopes[0].Marks = true
	d := w.open(t)
	warm(t, d, scopes[0])
	w.proxy.Add(faultproxy.Rule{Match: reads, Fault: faultproxy.Fault{Status: http.StatusNotFound}})
	if got, err := d.Resolve(t.Context(), []string{"ada@example.com"}); err == nil {
		t.Errorf("the lookup of a user answers %v", got)
	}
	empty := w.scope(t, "empty")
	for _, scope := range []driver.Scope{scopes[0], empty} {
		if got, err := d.Observe(t.Context(), []driver.Scope{scope}); err == nil {
			t.Errorf("a read answers %+v", got)
		}
	}
	gone := plan.Step{ID: "gone", Op: plan.Delete, Kind: access.KindGroup, Have: plan.Object{Group: &scopes[0].Groups[0]}}
	if err := apply(t, d, scopes[0], gone).Err; !errors.Is(err, fault.ErrNotFound) {
		t.Errorf("a deletion: got the error %v, want ErrNotFound", err)
	}
}

// TestHalfAnError is one of which the second half never comes. AWS has said no, and
// nobody knows to what.
func TestHalfAnError(t *testing.T) {
	w := newWorld(t, simulated.Options{})
	d := w.open(t)
	w.cloud.Control().Fail(simulate.Rule{Operation: "identitystore.GetUserId", Fault: simulate.Fault{Cut: true}})
	if got, err := d.Resolve(t.Context(), []string{"nobody@example.com"}); !fault.Retryable(err) {
		t.Errorf("got %v and the error %v, want one that is retried", got, err)
	}
}

// TestRenamedByHand shows the name that a group has, where it is read.
func TestRenamedByHand(t *testing.T) {
	w := newWorld(t, simulated.Options{})
	scope := w.populated(t, 1)[0]
	w.cloud.Rename(scope.Groups[0].Ref, "renamed")
	w.settle()
	scope.Marks = true
	for _, g := range look(t, w.open(t), scope).Groups {
		if g.Ref == scope.Groups[0].Ref && g.Name != "renamed" {
			t.Errorf("the group is shown as %q", g.Name)
		}
	}
}
