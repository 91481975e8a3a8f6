package activities_test

import (
	"fmt"
	"testing"

	"go.temporal.io/sdk/testsuite"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/simulate"
	simgoogle "github.com/rollcall-iam/rollcall/internal/simulate/google"
	"github.com/rollcall-iam/rollcall/internal/store/storetest"
)

// leaverProjects are as many as a user's groups in the bar for revocations.
const leaverProjects = 20

// TestRevocationAsksForMemberships: a user in twenty groups leaves them with one list and
// one call for each group, and no tenant is read before that.
func TestRevocationAsksForMemberships(t *testing.T) {
	var projects []string
	users := map[string][]string{}
	for i := range leaverProjects {
		projects = append(projects, fmt.Sprintf("web%02d", i))
		users[projects[i]] = people[:2]
	}
	clouds := map[string]struct {
		reason string
		open   func(*testing.T) (*stage, *simulate.Control)
		// most calls, with signing in and what a driver finds out once.
		most int
	}{
		"aws": {
			reason: "instance, user, list and one call for each group; the bar of 5 s at 20 calls/s is 100",
			open: func(t *testing.T) (*stage, *simulate.Control) {
				s := newAWSStage(t, projects...)
				return s.stage, s.cloud.Control()
			},
			most: leaverProjects + 4,
		},
		"azure": {
			reason: "two to sign in, user, list and one call for each group",
			open: func(t *testing.T) (*stage, *simulate.Control) {
				s := newAzureStage(t, azureQuick(), projects...)
				return s.stage, s.cloud.Control()
			},
			most: leaverProjects + 6,
		},
		"google": {
			reason: "user, list and one call for each group",
			open: func(t *testing.T) (*stage, *simulate.Control) {
				s := newGoogleStage(t, simgoogle.Options{Stale: -1}, projects...)
				return s.stage, s.cloud.Control()
			},
			most: leaverProjects + 4,
		},
	}
	for name, c := range clouds {
		t.Run(name, func(t *testing.T) {
			s, control := c.open(t)
			s.ask(users)
			s.run(projects...)
			s.restart() // nothing is remembered by the driver
			before := total(control)
			out := s.accept(t, people[0])
			calls := total(control) - before
			t.Logf("%s: accepted with %d calls, %d of them counted: %s", name, calls, out.Calls, c.reason)
			if out.Sets != leaverProjects {
				t.Errorf("%s: %d groups lost the user, want %d", name, out.Sets, leaverProjects)
			}
			if calls > c.most {
				t.Errorf("%s: %d calls until the acceptance, want at most %d (%s): %v", name, calls, c.most, c.reason, control.Calls())
			}
		})
	}
}

func total(c *simulate.Control) (n int) {
	for _, calls := range c.Calls() {
		n += calls
	}
	return n
}

// accept revokes a user and runs RemoveUser.
func (s *stage) accept(t *testing.T, user string) activities.RemoveUserOutput {
	t.Helper()
	r, err := s.store.Revoke(t.Context(), user, "left", storetest.By("hr"), nil)
	if err != nil {
		t.Fatal(err)
	}
	platform := s.tenant("").Platform
	all := activities.NewRevocations()
	all.Serve(platform, s.platform)
	env := (&testsuite.WorkflowTestSuite{}).NewTestActivityEnvironment()
	all.Register(env)
	value, err := env.ExecuteActivity(activities.RemoveUserActivity, activities.RemoveUserInput{ID: r.ID, Platform: platform})
	if err != nil {
		t.Fatal(err)
	}
	var out activities.RemoveUserOutput
	if err := value.Get(&out); err != nil {
		t.Fatal(err)
	}
	return out
}
