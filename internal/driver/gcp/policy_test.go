package gcp_test

import (
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/simulate/google"
)

const untilNewYear = `{"title":"until <new> year","description":"a & b","expression":"request.time < timestamp('2030-01-01T00:00:00Z')"}`

// crowded fills a project's policy with what others may have put there, fields
// that no client knows included.
func (t *tenant) crowded() {
	t.Helper()
	t.world.people("stranger")
	t.world.server.AddGroup("others@"+domain, "")
	for _, b := range []google.Binding{
		{Role: "roles/viewer", Members: []string{"user:stranger@" + domain, "group:others@" + domain}},
		{Role: "roles/browser", Members: []string{"user:stranger@" + domain}, Condition: untilNewYear},
		{Role: "roles/editor", Members: []string{"serviceAccount:x@y.iam.gserviceaccount.com", "domain:example.org"}},
		{Role: "roles/browser", Members: []string{"principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/*"}},
		{Role: "projects/laws-" + t.scope.Tenant.Project + "/roles/own", Members: []string{"user:stranger@" + domain}, Condition: untilNewYear},
	} {
		t.world.server.Bind(t.scope.ID, b)
	}
	t.world.server.NewField(t.scope.ID, "bindingId", `{"of":"<tomorrow>","n":12345678901234567890}`)
}

// TestWhatOthersPutIntoThePolicyStays compares the policy before and after all
// that Rollcall does to it.
func TestWhatOthersPutIntoThePolicyStays(t *testing.T) {
	w := newWorld(t, calm())
	tenant := w.tenant(t, "stays")
	tenant.crowded()
	before := tenant.withoutUs()
	people := w.people("ada")
	tenant.sync(tenant.roles([]string{"roles/viewer", "roles/browser", "roles/storage.admin"}, people...))
	if diff := cmp.Diff(before, tenant.withoutUs()); diff != "" {
		t.Errorf("giving roles changed what others made: %s", diff)
	}
	if holders := tenant.roleHolders()["roles/viewer"]; !slices.Contains(holders, "group:"+email(tenant.group)) {
		t.Errorf("the group is no viewer: %v", holders)
	}
	tenant.sync(access.State{})
	if diff := cmp.Diff(before, tenant.withoutUs()); diff != "" {
		t.Errorf("taking them again changed what others made: %s", diff)
	}
}

// withoutUs is the policy but for our group and the etag.
func (t *tenant) withoutUs() map[string]any {
	t.Helper()
	policy := t.policy()
	var rest []any
	for _, row := range policy["bindings"].([]any) {
		b := row.(map[string]any)
		b["members"] = slices.DeleteFunc(b["members"].([]any), func(m any) bool { return m == "group:"+email(t.group) })
		if len(b["members"].([]any)) > 0 {
			rest = append(rest, b)
		}
	}
	policy["bindings"] = rest
	delete(policy, "etag")
	return policy
}

// TestConditionsOnOurGroup shows a role that somebody gave to our group under a
// condition beside ours, keeps it, and takes exactly it where that is asked for.
func TestConditionsOnOurGroup(t *testing.T) {
	w := newWorld(t, calm())
	tenant := w.tenant(t, "conditions")
	people := w.people("ada")
	want := tenant.roles([]string{"roles/browser"}, people...)
	tenant.sync(want)
	w.server.Bind(tenant.scope.ID, google.Binding{Role: "roles/browser", Members: []string{"group:" + email(tenant.group)}, Condition: untilNewYear})
	if p := tenant.plan(want); len(p.Steps) > 0 || !slices.ContainsFunc(p.Remarks, func(r access.Remark) bool { return r.Code == access.ForeignPermissionKept }) {
		t.Fatalf("a role under a condition on our group is to be kept, with a remark:\n%s\n%v", p, p.Remarks)
	}
	state := tenant.look()
	i := slices.IndexFunc(state.Bindings, func(b access.Binding) bool { return b.Name != "" && b.Group == tenant.group })
	if i < 0 || state.Bindings[i].Condition == "" {
		t.Fatalf("the role under a condition is not shown: %+v", state.Bindings)
	}
	step := plan.Step{ID: "drop", Op: plan.Delete, Kind: access.KindBinding, Have: plan.Object{Binding: &state.Bindings[i]}}
	for range 2 { // again is nothing
		if failed := tenant.apply(step); len(failed) > 0 {
			t.Fatal(failed)
		}
	}
	rest := tenant.look()
	if diff := cmp.Diff(slices.Delete(state.Bindings, i, i+1), rest.Bindings); diff != "" {
		t.Errorf("taking the role under the condition changed others: %s", diff)
	}
}

// TestTwoWorkersOneProject writes one policy from two sides at once: nothing that
// either gave is lost.
func TestTwoWorkersOneProject(t *testing.T) {
	w := newWorld(t, calm())
	tenant := w.tenant(t, "race")
	tenant.sync(tenant.want(w.people("ada")...))
	other := w.open(t)
	roles := []string{"roles/editor", "roles/browser", "roles/logging.admin", "roles/storage.admin"}
	var running sync.WaitGroup
	for i, role := range roles {
		d := []driver.Driver{tenant.driver, other}[i%2]
		step := plan.Step{ID: role, Op: plan.Create, Kind: access.KindBinding}
		step.Want.Binding = &access.Binding{Role: role, Group: tenant.group}
		running.Go(func() {
			for {
				err := d.Apply(t.Context(), tenant.scope, []plan.Step{step})[0].Err
				if err == nil {
					return
				}
				if !errors.Is(err, fault.ErrConflict) {
					t.Errorf("giving %s beside another worker: %v", role, err)
					return
				}
			}
		})
	}
	running.Wait()
	holders := tenant.roleHolders()
	for _, role := range append(roles, "roles/viewer") {
		if !slices.Contains(holders[role], "group:"+email(tenant.group)) {
			t.Errorf("the group has lost %s: %v", role, holders)
		}
	}
}

// TestOneWrongRole names a role that does not exist: it alone fails.
func TestOneWrongRole(t *testing.T) {
	w := newWorld(t, calm())
	tenant := w.tenant(t, "wrong")
	tenant.sync(tenant.want(w.people("ada")...))
	p := tenant.plan(tenant.roles([]string{"roles/viewer", "roles/no.such.role.of.all", "roles/editor"}))
	failed := tenant.run(p)
	if len(failed) != 1 || !errors.Is(failed[0], fault.ErrInvalid) {
		t.Errorf("a role that does not exist: %v, want one invalid", failed)
	}
	if holders := tenant.roleHolders()["roles/editor"]; len(holders) != 1 {
		t.Errorf("the role beside it is not given: %v", tenant.roleHolders())
	}
}

// TestStepsThatAreRefused has no place for conditions and other projects.
func TestStepsThatAreRefused(t *testing.T) {
	w := newWorld(t, calm())
	tenant := w.tenant(t, "refused")
	tenant.sync(tenant.want())
	step := plan.Step{ID: "c", Op: plan.Create, Kind: access.KindBinding}
	step.Want.Binding = &access.Binding{Role: "roles/viewer", Group: tenant.group, Condition: "true"}
	if failed := tenant.apply(step); len(failed) != 1 || !errors.Is(failed[0], fault.ErrUnsupported) {
		t.Errorf("a condition: %v, want unsupported", failed)
	}
	tenant.scope.ID = "../organizations/1"
	if failed := tenant.apply(step); len(failed) != 1 || !errors.Is(failed[0], fault.ErrInvalid) {
		t.Errorf("no project: %v, want invalid", failed)
	}
}
