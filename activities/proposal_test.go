package activities_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// TestPlan_Proposal plans documents that are not stored: the plan is that of a run after they
// are, and until then documents, platform and status stay as they are.
func TestPlan_Proposal(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.want(2)
	l.converge()
	documents, _, err := document.Decode(strings.NewReader(l.text(4)), "proposed.yaml")
	if err != nil {
		t.Fatal(err)
	}
	changes, err := l.store.Propose(t.Context(), store.ApplyRequest{Documents: documents})
	if err != nil || len(changes.Tenants) != 1 {
		t.Fatalf("the proposal: %+v, %v; want one affected tenant", changes, err)
	}
	before, members := l.revision(), l.members()
	if _, err := execute[activities.ResolveOutput](l, activities.ResolveUsersActivity, activities.ResolveInput{Tenant: web, Proposal: changes.Digest}); err != nil {
		t.Fatal(err)
	}
	proposed, err := l.plan(activities.PlanInput{DryRun: true, Proposal: changes.Digest})
	if err != nil || proposed.Steps == 0 {
		t.Fatalf("the plan of the proposal: %+v, %v; want steps", proposed, err)
	}
	if now, err := l.plan(activities.PlanInput{DryRun: true}); err != nil || now.Steps != 0 {
		t.Errorf("the plan of the stored documents: %+v, %v; want no step", now, err)
	}
	if l.revision() != before {
		t.Error("the plan of a proposal changed the platform")
	}
	if diff := cmp.Diff(members, l.members()); diff != "" {
		t.Errorf("members (-before +after):\n%s", diff)
	}
	if _, err := l.plan(activities.PlanInput{Proposal: changes.Digest}); err == nil {
		t.Error("a proposal was planned in a run that applies: want an error")
	}
	if _, err := l.store.ApplyProposal(t.Context(), changes.Digest, store.Checks{}); err != nil {
		t.Fatal(err)
	}
	applied, err := l.plan(activities.PlanInput{DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(l.stepsOf(proposed), l.stepsOf(applied)); diff != "" {
		t.Errorf("steps (-proposed +stored):\n%s", diff)
	}
}

// stepsOf returns what a stored plan does, without IDs.
func (l *lab) stepsOf(out activities.PlanOutput) (steps []string) {
	l.t.Helper()
	p, _, err := l.store.Plan(l.t.Context(), out.Digest)
	if err != nil {
		l.t.Fatal(err)
	}
	for _, s := range p.Steps {
		steps = append(steps, string(s.Op)+" "+string(s.Kind)+" "+s.Object+": "+s.Why)
	}
	return steps
}
