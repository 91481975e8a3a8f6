package plan_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

const forbiddenBy = `the platform "cloud"`

// drawForbidden draws a tenant of any sort where removals are forbidden.
func drawForbidden(t *rapid.T) plan.Input {
	names := slices.Sorted(maps.Keys(worlds()))
	in := worlds()[rapid.SampledFrom(names).Draw(t, "world")](t)
	in.Rules.ForbiddenBy = forbiddenBy
	return in
}

// TestForbiddenRemovals demands of a plan where removals are forbidden that it takes
// nothing from users that are not revoked.
func TestForbiddenRemovals(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawForbidden(t)
		checkForbidden(t, in, plan.Make(in))
	})
}

// TestForbiddenRemovalsOnPlatform applies plans where removals are forbidden to a
// model of a platform: it only grows, but for revoked users, and the third plan has
// nothing to do.
func TestForbiddenRemovalsOnPlatform(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.SampledFrom([]func(*rapid.T) plan.Input{anyWorld, renameWorld}).Draw(t, "world")(t)
		in.Rules.ForbiddenBy = forbiddenBy
		in.Revoked = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"u1", "u2", "u3"}), 0, 2, rapid.ID[string]).Draw(t, "revoked")
		if in.Rules.Gone = rapid.IntRange(0, 4).Draw(t, "gone") == 0; in.Rules.Gone {
			in.Desired, in.Rules.AutoDelete = access.State{}, true
		}
		before, end := newPlatform(in), newPlatform(in)
		var p plan.Plan
		for range 3 {
			p = plan.Make(end.seen(in))
			checkForbidden(t, in, p)
			for _, s := range p.Steps {
				end.apply(s)
			}
		}
		if len(p.Steps) > 0 {
			t.Errorf("the third plan finds more to do:\n%s", p)
		}
		now := end.grants()
		for grant, ref := range before.grants() {
			if _, stays := now[grant]; !stays && !slices.Contains(in.Revoked, ref) {
				t.Errorf("%s is gone:\n%s", grant, plan.Make(in))
			}
		}
	})
}

// checkForbidden demands that no step removes access, that nothing waits for an
// approval, and that one warning lists what the plan leaves out.
func checkForbidden(t *rapid.T, in plan.Input, p plan.Plan) {
	for _, s := range p.Steps {
		if s.RemovesAccess(in.Revoked) {
			t.Errorf("%s %s %q removes access:\n%s", s.Op, s.Kind, s.Object, p)
		}
	}
	if len(p.Held)+len(p.Renames) > 0 {
		t.Errorf("the plan has pending approvals or replacements:\n%s", p)
	}
	lists := 0
	for _, r := range p.Remarks {
		if r.Code == access.RemovalsForbidden && r.Object == in.Tenant.String() {
			lists++
		}
	}
	if lists > 1 || len(p.Forbidden) > 0 && lists == 0 {
		t.Errorf("%d warnings list %d forbidden removals:\n%s", lists, len(p.Forbidden), p)
	}
}

// TestApprovalsDoNotLiftForbiddenRemovals approves all that a plan leaves out, and all
// that it would hold if removals were allowed.
func TestApprovalsDoNotLiftForbiddenRemovals(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawForbidden(t)
		p, allowed := plan.Make(in), in
		allowed.Rules.ForbiddenBy = ""
		in.Approved = append(slices.Clone(in.Approved), plan.Make(allowed).HeldRemovals()...)
		for _, s := range p.Forbidden {
			in.Approved = append(in.Approved, s.Removals()...)
		}
		if diff := cmp.Diff(asJSON(t, p), asJSON(t, plan.Make(in))); diff != "" {
			t.Errorf("approvals change the plan (-before +after):\n%s", diff)
		}
	})
}

// grants lists what is on the platform, by the object's id: groups, members, roles
// and subjects, each with the account's id if it is about one.
func (p *platform) grants() map[string]string {
	all := map[string]string{}
	for _, g := range p.Groups {
		all["group "+g.Ref] = ""
		for _, who := range g.Members {
			all[fmt.Sprintf("%s in group %s", who.Ref, g.Ref)] = who.Ref
		}
	}
	for _, b := range p.Bindings {
		name := fmt.Sprintf("role %s %s of group %s", b.Role, b.Ref, b.GroupRef)
		if b.Group != "" {
			all[name] = ""
		}
		for _, who := range b.Subjects {
			all[who.Ref+" in "+name] = who.Ref
		}
	}
	return all
}

// TestRevokeIgnoresForbiddenRemovals demands that a revocation by name removes the
// same where removals are forbidden.
func TestRevokeIgnoresForbiddenRemovals(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawForbidden(t)
		allowed := in
		allowed.Rules.ForbiddenBy = ""
		gone := []string{"u1", "u2"}
		if diff := cmp.Diff(asJSON(t, plan.Revoke(allowed, gone)), asJSON(t, plan.Revoke(in, gone))); diff != "" {
			t.Errorf("a revocation differs (-allowed +forbidden):\n%s", diff)
		}
	})
}

func TestStepRemovesAccess(t *testing.T) {
	bound := func(condition string, names ...string) plan.Object {
		return plan.Object{Binding: &access.Binding{Role: "edit", Condition: condition, Subjects: accounts(names...)}}
	}
	group := plan.Object{Group: &access.Group{Name: "g"}}
	role := plan.Object{Binding: &access.Binding{Role: "edit", Group: "g"}}
	set := func(names ...string) plan.Object {
		return plan.Object{Members: &plan.Members{Group: "g", Accounts: accounts(names...)}}
	}
	for _, tc := range []struct {
		reason string
		step   plan.Step
		want   bool
	}{
		{"a creation gives", plan.Step{Op: plan.Create, Want: bound("", "a")}, false},
		{"members join", plan.Step{Op: plan.Change, Want: set("a")}, false},
		{"a member leaves", plan.Step{Op: plan.Change, Have: set("a")}, true},
		{"the revoked member leaves", plan.Step{Op: plan.Change, Have: set("revoked")}, false},
		{"a member leaves with the revoked one", plan.Step{Op: plan.Change, Have: set("a", "revoked")}, true},
		{"the group gets another name", plan.Step{Op: plan.Change, Have: group, Want: group}, false},
		{"the group is deleted", plan.Step{Op: plan.Delete, Kind: access.KindGroup, Have: group}, true},
		{"the group loses a role", plan.Step{Op: plan.Delete, Kind: access.KindBinding, Have: role}, true},
		{"the role of a user is deleted", plan.Step{Op: plan.Delete, Kind: access.KindBinding, Have: bound("", "a")}, true},
		{"the role of the revoked user is deleted", plan.Step{Op: plan.Delete, Kind: access.KindBinding, Have: bound("", "revoked")}, false},
		{"a subject leaves", plan.Step{Op: plan.Change, Have: bound("", "a", "b"), Want: bound("", "a")}, true},
		{"a condition is new", plan.Step{Op: plan.Change, Have: bound(""), Want: bound("at night")}, true},
		{"a condition is another one", plan.Step{Op: plan.Change, Have: bound("on weekdays"), Want: bound("at night")}, true},
		{"a condition ends", plan.Step{Op: plan.Change, Have: bound("on weekdays"), Want: bound("")}, false},
	} {
		if got := tc.step.RemovesAccess([]string{"revoked"}); got != tc.want {
			t.Errorf("%s: RemovesAccess is %t, want %t", tc.reason, got, tc.want)
		}
	}
}
