package gcp_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/simulate"
	"github.com/rollcall-iam/rollcall/internal/simulate/google"
)

const patchGroup = "cloudidentity.groups.patch"

func createStep(group string) plan.Step {
	return plan.Step{ID: "create", Op: plan.Create, Kind: access.KindGroup, Object: group, Want: plan.Object{Group: &access.Group{Name: group}}}
}

func giveStep(b access.Binding) plan.Step {
	return plan.Step{ID: "give", Op: plan.Create, Kind: access.KindBinding, Object: b.Role, Want: plan.Object{Binding: &b}}
}

// adoptStep is the step that puts our mark on a group.
func (t *tenant) adoptStep(have access.Group, name string) plan.Step {
	want := have
	want.Name, want.Mark = name, t.scope.Mark
	return plan.Step{
		ID: "adopt", Op: plan.Change, Kind: access.KindGroup, Object: have.Name,
		Have: plan.Object{Group: &have}, Want: plan.Object{Group: &want},
	}
}

// TestIncidentGroupNotYetVisibleToTheRoleAPI: a policy that names a group which
// IAM has not heard of is refused with 400, which would be an end. A group that
// gets another name is made anew here, so every rename goes through it: the role is
// tried again until IAM knows the group, the old group has its role all the time,
// and nothing is made twice.
func TestIncidentGroupNotYetVisibleToTheRoleAPI(t *testing.T) {
	w := newWorld(t, google.Options{Stale: 50 * time.Millisecond, IAMLag: 400 * time.Millisecond})
	tenant := w.tenant(t, "incident")
	people := w.people("ada")
	tenant.sync(tenant.want(people...))
	former, latter := tenant.group, tenant.group+"-anew"
	steps := []plan.Step{createStep(latter), {ID: "fill", Op: plan.Change, Kind: access.KindMembers, Object: latter}}
	steps[1].Want.Members = &plan.Members{Group: latter, Accounts: people}
	for _, err := range tenant.apply(steps...) {
		t.Fatalf("making the new group: %v", err)
	}
	give := giveStep(access.Binding{Role: "roles/viewer", Group: latter})
	failed := tenant.apply(give)
	if len(failed) != 1 || !errors.Is(failed[0], fault.ErrUnavailable) {
		t.Fatalf("before IAM knows the group: %v, want unavailable", failed)
	}
	for deadline := time.Now().Add(20 * time.Second); len(failed) > 0; failed = tenant.apply(give) {
		if !fault.Retryable(failed[0]) || time.Now().After(deadline) {
			t.Fatalf("giving the role: %v", failed)
		}
		if holders := tenant.roleHolders()["roles/viewer"]; !slices.Contains(holders, "group:"+email(former)) {
			t.Fatalf("the old group has lost its role meanwhile: %v", holders)
		}
		time.Sleep(20 * time.Millisecond)
	}
	old := access.Group{Name: former, Ref: tenant.owned[access.Group{Name: former}.Key()]}
	for _, step := range []plan.Step{
		{ID: "take", Op: plan.Delete, Kind: access.KindBinding, Have: plan.Object{Binding: &access.Binding{Role: "roles/viewer", Group: former}}},
		{ID: "delete", Op: plan.Delete, Kind: access.KindGroup, Have: plan.Object{Group: &old}},
	} {
		for _, err := range tenant.apply(step) {
			t.Fatalf("removing the old group: %v", err)
		}
	}
	tenant.group = latter
	tenant.sync(tenant.want(people...))
	tenant.has(people...)
	if diff := cmp.Diff([]string{"group:" + email(latter)}, tenant.roleHolders()["roles/viewer"]); diff != "" {
		t.Errorf("in the end the role is somebody else's, too: %s", diff)
	}
	if _, there := w.server.GroupID(email(former)); there {
		t.Error("the old group is still there")
	}
}

// TestAdoption puts the mark beside what people wrote, however Google answers.
func TestAdoption(t *testing.T) {
	cases := map[string]struct {
		reason  string
		options google.Options
		text    string
		trouble func(*world)
		name    string
		want    error
	}{
		"AtOnce":  {"the operation is done", calm(), "Ask first.", nil, "", nil},
		"Later":   {"the operation goes on", google.Options{Stale: 100 * time.Millisecond, IAMLag: -1, Slow: time.Millisecond}, "Ask first.", nil, "", nil},
		"Empty":   {"nobody wrote anything", calm(), "", nil, "", nil},
		"NoRoom":  {"there is no room for a mark", calm(), strings.Repeat("ä", 4090), nil, "", fault.ErrInvalid},
		"Renamed": {"addresses never change", calm(), "", nil, "other", fault.ErrUnsupported},
		"Aborted": {"the operation ends aborted", calm(), "", func(w *world) { w.server.EndBadly(patchGroup, 10) }, "", fault.ErrConflict},
		"Refused": {"the operation ends refused", calm(), "", func(w *world) { w.server.EndBadly(patchGroup, 7) }, "", fault.ErrDenied},
		"Answered": {"the caller may not", calm(), "", func(w *world) {
			w.server.Control().Fail(simulate.Rule{Operation: patchGroup, Times: 1, Fault: simulate.Fault{Status: 403}})
		}, "", fault.ErrDenied},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, c.options)
			tenant := w.tenant(t, "adopt")
			id := w.server.AddGroup(email(tenant.group), c.text)
			if c.trouble != nil {
				c.trouble(w)
			}
			to := tenant.group
			if c.name != "" {
				to = c.name
			}
			step := tenant.adoptStep(access.Group{Name: tenant.group, Ref: "groups/" + id}, to)
			got := tenant.driver.Apply(t.Context(), tenant.scope, []plan.Step{step})[0]
			if !errors.Is(got.Err, c.want) {
				t.Fatalf("%s: %v, want %v", c.reason, got.Err, c.want)
			}
			now := w.server.DescriptionOf(id)
			if c.want != nil {
				if now != c.text {
					t.Errorf("%s: what failed has changed the description", c.reason)
				}
				return
			}
			if got.Ref != "groups/"+id || !strings.HasPrefix(now, c.text) || access.ParseMark(now) != tenant.scope.Mark {
				t.Errorf("%s: %q is described as %q", c.reason, got.Ref, now)
			}
		})
	}
}

// TestCarriedCondition gives a role that somebody gave to the old group under a
// condition to the new one: under that condition, or not at all.
func TestCarriedCondition(t *testing.T) {
	w := newWorld(t, calm())
	tenant := w.tenant(t, "carried")
	tenant.sync(tenant.want())
	w.server.AddGroup(email("laws.new"), tenant.scope.Mark.Text())
	w.server.Bind(tenant.scope.ID, google.Binding{Role: "roles/browser", Members: []string{"group:" + email(tenant.group)}, Condition: untilNewYear})
	var foreign access.Binding
	for _, b := range tenant.look().Bindings {
		if b.Name != "" {
			foreign = b
		}
	}
	carried := foreign
	carried.Group, carried.GroupRef, carried.Ref, carried.Carried = "laws.new", "", "", true
	for range 2 { // the second one changes nothing
		if failed := tenant.apply(giveStep(carried)); len(failed) > 0 {
			t.Fatalf("carrying %q: %v", foreign.Name, failed)
		}
	}
	holders := map[bool][]any{}
	for _, row := range tenant.policy()["bindings"].([]any) {
		if b := row.(map[string]any); b["role"] == "roles/browser" {
			holders[b["condition"] != nil] = b["members"].([]any)
		}
	}
	want := map[bool][]any{true: {"group:" + email(tenant.group), "group:" + email("laws.new")}}
	if diff := cmp.Diff(want, holders); diff != "" {
		t.Errorf("who has the role, under a condition or without: %s", diff)
	}
	before := tenant.policy()
	for name, c := range map[string]struct {
		reason string
		change func(*access.Binding)
		want   error
	}{
		"Ours":     {"our own roles have no conditions", func(b *access.Binding) { b.Carried = false }, fault.ErrUnsupported},
		"Nameless": {"nothing says which condition", func(b *access.Binding) { b.Name = "" }, fault.ErrUnsupported},
		"Gone":     {"the condition is not there any more", func(b *access.Binding) { b.Name = "until <new> year#00000000" }, fault.ErrConflict},
		"Other":    {"another role has no such condition", func(b *access.Binding) { b.Role = "roles/viewer" }, fault.ErrConflict},
	} {
		b := carried
		c.change(&b)
		if failed := tenant.apply(giveStep(b)); len(failed) != 1 || !errors.Is(failed[0], c.want) {
			t.Errorf("%s: %s: %v, want %v", name, c.reason, failed, c.want)
		}
	}
	if diff := cmp.Diff(before, tenant.policy()); diff != "" {
		t.Errorf("what was refused has changed the policy: %s", diff)
	}
}
