package cloudfoundry_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/simulate"
	simulated "github.com/rollcall-iam/rollcall/internal/simulate/cloudfoundry"
)

// TestPendingJob: a role whose deletion takes long is left, and found gone later.
func TestPendingJob(t *testing.T) {
	w := newWorld(t, simulated.Options{JobTime: 150 * time.Millisecond})
	d := w.open(t)
	space, ada := w.cloud.AddSpace(w.org, "space"), w.cloud.AddUser("ada@example.com", sso)
	step := take("organization_user", ada, must(t, d, space, give("organization_user", ada)))
	d.JobTimeout(0)
	err := one(t, d, space, step).Err
	if after, _ := fault.RetryAfter(err); !errors.Is(err, fault.ErrPending) || after <= 0 || !strings.Contains(err.Error(), "organization_user") {
		t.Errorf("got %v with the delay %s, want ErrPending that names the role", err, after)
	}
	time.Sleep(200 * time.Millisecond)
	must(t, d, space, step)
	if left := w.cloud.Roles(); len(left) > 0 {
		t.Errorf("the roles are %v", left)
	}
}

// TestRoleRefused: one account, or one role, that the platform refuses for good, for now, or
// with an answer that is lost. Others get theirs.
func TestRoleRefused(t *testing.T) {
	for reason, c := range map[string]struct {
		times  int
		fault  simulate.Fault
		class  error
		again  bool
		advice bool
	}{
		"the caller may not": {0, simulate.Fault{Status: 403}, fault.ErrDenied, false, true},
		"an organization that is suspended": {
			0, simulate.Fault{Status: 403, Code: "CF-OrgSuspended", Message: "The organization is suspended"}, fault.ErrDenied, false, true,
		},
		"an account that no origin has": {
			0, simulate.Fault{Status: 422, Message: "No user exists with the username 'ada@example.com'."}, fault.ErrInvalid, false, true,
		},
		"a space that is gone": {
			0, simulate.Fault{Status: 422, Message: "Invalid space. Ensure that the space exists and you have access to it."},
			fault.ErrNotFound, false, false,
		},
		"for now":       {1, simulate.Fault{Status: 503}, fault.ErrUnavailable, true, false},
		"done and lost": {1, simulate.Fault{Lose: true}, fault.ErrUnavailable, true, false},
	} {
		t.Run(reason, func(t *testing.T) {
			w := newWorld(t, simulated.Options{})
			d := w.open(t)
			space, ada := w.cloud.AddSpace(w.org, "space"), w.cloud.AddUser("ada@example.com", sso)
			bob := w.cloud.AddUser("bob@example.com", sso)
			w.cloud.Control().Fail(simulate.Rule{Contains: ada, Writes: true, Times: c.times, Fault: c.fault})
			step := give("organization_user", ada)
			err := one(t, d, space, step).Err
			if !errors.Is(err, c.class) || (fault.Advice(err) != "") != c.advice || strings.Contains(err.Error(), "ada@") {
				t.Errorf("got %v with the advice %q, want %v that names no user", err, fault.Advice(err), c.class)
			}
			if err := one(t, d, space, step).Err; (err == nil) != c.again {
				t.Errorf("the second attempt: %v", err)
			}
			must(t, d, space, give("organization_user", bob))
		})
	}
}
