package activities_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	"github.com/rollcall-iam/rollcall/internal/simulate"
	simazure "github.com/rollcall-iam/rollcall/internal/simulate/azure"
	"github.com/rollcall-iam/rollcall/workflows"
)

// refusedTexts returns the warnings about refusals.
func (l *lab) refusedTexts() []string {
	var texts []string
	for _, r := range l.remarks() {
		if r.Code == access.PlatformRefused {
			texts = append(texts, r.Text)
		}
	}
	return texts
}

// TestRefusedAccountsFailNoTenant: a run whose only refusals are about single accounts ends
// as desired, with a warning for each of them.
func TestRefusedAccountsFailNoTenant(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		reason  string
		refused []string
		fault   memory.Fault
		// again is true where an earlier run did all that can be done.
		again   bool
		outcome activities.Outcome
		named   []string
	}{
		{"one account is refused", []string{"u-timothy"}, memory.Fault{}, false, activities.Changed, []string{"timothy"}},
		{"two accounts are refused", []string{"u-benedict", "u-yvonne"}, memory.Fault{}, false, activities.Changed, []string{"benedict", "yvonne"}},
		{"nothing else is left to do", []string{"u-benedict", "u-yvonne"}, memory.Fault{}, true, activities.Converged, []string{"benedict", "yvonne"}},
		{"a role is refused, too", []string{"u-timothy"}, memory.Fault{Op: "write:bindings.create", Class: "invalid"}, false, activities.Failed, nil},
		{"the group is refused", nil, memory.Fault{Op: "write:groups.create", Class: "invalid"}, false, activities.Failed, nil},
		{"the connection may not add members", nil, memory.Fault{Op: "write:groups.members", Class: "denied"}, false, activities.Failed, nil},
	} {
		l := newLab(t)
		l.want(len(people))
		l.refuse(c.refused...)
		if c.fault.Op != "" {
			l.edit(func(w *memory.World) { w.Faults = []memory.Fault{c.fault} })
		}
		got, err := l.replicate(0, nil)
		if c.again {
			l.laterRun()
			got, err = l.replicate(0, nil)
		}
		if err != nil {
			got = workflows.FailedResult(err)
		}
		if got.Outcome != c.outcome {
			t.Errorf("%s: %+v, %v; want %s", c.reason, got, err, c.outcome)
		}
		texts := l.refusedTexts()
		if c.named != nil && (len(texts) != len(c.named) || got.Remarks != len(c.named)) {
			t.Errorf("%s: the warnings are %q, want one for each of %v", c.reason, texts, c.named)
		}
		for _, who := range c.named {
			if !slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(text, "add "+who+" to") }) {
				t.Errorf("%s: no warning names %s: %q", c.reason, who, texts)
			}
		}
	}
}

// TestRefusedRemovalFailsTheTenant: a user who keeps access because the platform does not
// remove the account is no exception.
func TestRefusedRemovalFailsTheTenant(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.want(3)
	l.converge()
	l.want(2)
	l.edit(func(w *memory.World) { w.Faults = []memory.Fault{{Op: "write:groups.members", Class: "invalid"}} })
	if got, err := l.replicate(0, nil); err == nil {
		t.Errorf("the run ends with %+v, want a failure", got)
	}
}

// TestRefusedInvitationsFailNoTenant: 21 users cannot be invited. All others get their
// access, each refused user is named, and a run asks for each invitation once.
func TestRefusedInvitationsFailNoTenant(t *testing.T) {
	s := newAzureStage(t, simazure.Options{}, "web")
	s.more = `b2bUserInvitation: {redirectUrl: "https://portal.azure.com"}, `
	refused := make([]string, 21)
	for i := range refused {
		refused[i] = fmt.Sprintf("partner-%02d", i)
	}
	s.ask(map[string][]string{"web": slices.Concat(people[:2], refused)})
	s.cloud.Control().Fail(simulate.Rule{Operation: "POST /invitations", Fault: simulate.Fault{Status: http.StatusBadRequest, Code: "BadRequest"}})
	for i, want := range []activities.Outcome{activities.Changed, activities.Converged} {
		s.laterRun()
		before := s.answered(http.StatusBadRequest)
		got, err := s.replicateTenant(s.stage.tenant("web"), 0, nil)
		if err != nil || got.Outcome != want {
			t.Errorf("run %d: %+v, %v; want %s", i, got, err, want)
		}
		if requests := s.answered(http.StatusBadRequest) - before; requests != len(refused) {
			t.Errorf("run %d made %d invitations, want one for each of %d users", i, requests, len(refused))
		}
		if texts := s.refusedTexts(); len(texts) != len(refused) {
			t.Errorf("run %d: %d warnings %q, want one for each of %d users", i, len(texts), texts, len(refused))
		}
	}
	groups := s.named(group("web"))
	if len(groups) != 1 {
		t.Fatalf("%d groups", len(groups))
	}
	if diff := cmp.Diff(2, len(groups[0].Members)); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
}

// TestInvitation_EndsTheFirstRun: a run that invites a user verifies with a new lookup, asks
// once for the invitation, and warns that it is pending.
func TestInvitation_EndsTheFirstRun(t *testing.T) {
	s := newAzureStage(t, simazure.Options{}, "web")
	s.more = `b2bUserInvitation: {redirectUrl: "https://portal.azure.com"}, `
	s.ask(map[string][]string{"web": append(slices.Clone(people[:2]), "partner")})
	for i, want := range []activities.Outcome{activities.Changed, activities.Converged} {
		s.laterRun()
		before := s.answered(http.StatusCreated)
		got, err := s.replicateTenant(s.stage.tenant("web"), 0, nil)
		if err != nil || got.Outcome != want {
			t.Errorf("run %d: %+v, %v; want %s", i, got, err, want)
		}
		if created := s.answered(http.StatusCreated) - before; i == 1 && created > 0 {
			t.Errorf("run %d created %d objects, want none", i, created)
		}
		if _, codes := s.status("web"); !slices.Equal(codes, []access.Code{access.InvitationPending}) {
			t.Errorf("run %d: warnings %v, want %s", i, codes, access.InvitationPending)
		}
	}
}
