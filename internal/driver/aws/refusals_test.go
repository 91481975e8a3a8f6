package aws_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/simulate"
	simulated "github.com/rollcall-iam/rollcall/internal/simulate/aws"
)

// TestMemberRefused: one account that AWS refuses, for good, for now, or with an answer that
// is lost. Without that account the others are added.
func TestMemberRefused(t *testing.T) {
	for reason, c := range map[string]struct {
		times  int
		fault  simulate.Fault
		class  error
		again  bool
		advice bool
	}{
		"for good":      {0, simulate.Fault{Status: http.StatusBadRequest, Code: "AccessDeniedException"}, fault.ErrDenied, false, true},
		"a new code":    {0, simulate.Fault{Status: http.StatusBadRequest, Code: "BrandNewException"}, fault.ErrUnknown, false, false},
		"throttled":     {1, simulate.Fault{Status: http.StatusBadRequest, Code: "ThrottlingException"}, fault.ErrThrottled, true, false},
		"for now":       {1, simulate.Fault{Status: http.StatusServiceUnavailable}, fault.ErrUnavailable, true, false},
		"done and lost": {1, simulate.Fault{Lose: true}, fault.ErrUnavailable, true, false},
	} {
		t.Run(reason, func(t *testing.T) {
			w := newWorld(t, simulated.Options{})
			d, scope := w.open(t), w.scope(t, "refused")
			group := w.cloud.Group("refused", scope.Mark.Text())
			var members []access.Member
			for _, name := range []string{"ada@example.com", "bob@example.com", "eve@example.com"} {
				members = append(members, access.Member{Account: access.Account{Ref: w.user(t, name)}})
			}
			add := func(accounts ...access.Member) error {
				return apply(t, d, scope, plan.Step{ID: "add", Op: plan.Change, Kind: access.KindMembers, Want: plan.Object{Members: &plan.Members{
					Group: "refused", GroupRef: group, Accounts: accounts,
				}}}).Err
			}
			w.cloud.Control().Fail(simulate.Rule{Contains: members[1].Ref, Writes: true, Times: c.times, Fault: c.fault})
			err := add(members...)
			if !errors.Is(err, c.class) || (fault.Advice(err) != "") != c.advice || strings.Contains(err.Error(), "bob") {
				t.Errorf("adding all: got %v with the advice %q, want %v", err, fault.Advice(err), c.class)
			}
			w.settle()
			if err := add(members...); (err == nil) != c.again {
				t.Errorf("the second attempt: %v", err)
			}
			want := 3
			if !c.again {
				want = 2
				if err := add(members[0], members[2]); err != nil {
					t.Errorf("the others: %v", err)
				}
			}
			if got := w.cloud.MembersOf(group); len(got) != want {
				t.Errorf("the members are %v, want %d", got, want)
			}
		})
	}
}
