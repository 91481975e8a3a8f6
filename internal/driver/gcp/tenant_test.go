package gcp_test

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/gcp"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// tenant is one project with what a workflow knows of it, and runs as one does:
// it comes back after what is worth another try.
type tenant struct {
	testing.TB
	world  *world
	driver *gcp.Driver
	scope  driver.Scope
	group  string
	owned  map[access.Key]string
}

func (w *world) tenant(t testing.TB, name string) *tenant {
	t.Helper()
	of := access.TenantID{Workspace: "laws", Project: name, Platform: "gcp.test"}
	return &tenant{
		TB: t, world: w, driver: w.open(t), group: "laws." + name + "-users", owned: map[access.Key]string{},
		scope: driver.Scope{
			Tenant: of, ID: w.project(name), Mark: access.Mark{Installation: "here", Tenant: of.String()},
		},
	}
}

// people makes users of these names.
func (w *world) people(names ...string) []access.Member {
	var all []access.Member
	for _, name := range names {
		all = append(all, access.Member{Account: access.Account{Name: name + "@" + domain, Ref: w.user(name + "@" + domain)}})
	}
	slices.SortFunc(all, access.CompareMembers)
	return all
}

// want is the tenant's group with these people and one role.
func (t *tenant) want(people ...access.Member) access.State {
	return t.roles([]string{"roles/viewer"}, people...)
}

// roles is the same with several roles.
func (t *tenant) roles(roles []string, people ...access.Member) access.State {
	state := access.State{Groups: []access.Group{{Name: t.group, Members: people}}}
	for _, role := range roles {
		state.Bindings = append(state.Bindings, access.Binding{Role: role, Group: t.group})
	}
	state.Sort()
	return state
}

// look reads the tenant, with the ids that the ledger has.
func (t *tenant) look() access.State {
	t.Helper()
	scope := t.scope
	scope.Groups = []access.Group{{Name: t.group, Ref: t.owned[access.Key{Kind: access.KindGroup, Group: t.group}]}}
	got, err := t.driver.Observe(t.Context(), []driver.Scope{scope})
	for range 20 {
		if !fault.Retryable(err) || err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
		got, err = t.driver.Observe(t.Context(), []driver.Scope{scope})
	}
	if err != nil || got[0].Missing {
		t.Fatalf("Observe = %+v, %v", got, err)
	}
	return got[0].State
}

// plan is what there is to do, everything that is held included.
func (t *tenant) plan(desired access.State) plan.Plan {
	t.Helper()
	in := plan.Input{
		Tenant: t.scope.Tenant, Desired: desired, Observed: t.look(),
		Rules: plan.Rules{Mark: t.scope.Mark, MemberChunk: t.driver.Profile().MemberChunk, Additional: plan.KeepAdditional,
			Cleanup: true, Guard: plan.Guard{Most: 1000, Percent: 100}},
	}
	for _, key := range slices.SortedFunc(maps.Keys(t.owned), access.Key.Compare) {
		in.Owned = append(in.Owned, plan.Owned{Key: key, Ref: t.owned[key]})
	}
	return plan.Make(in)
}

// run applies one plan and returns the errors.
func (t *tenant) run(p plan.Plan) []error {
	t.Helper()
	var failed []error
	for _, wave := range p.Waves(t.driver.Profile().Unit) {
		for _, work := range wave {
			var steps []plan.Step
			for _, id := range work.Steps {
				step, _ := p.Step(id)
				steps = append(steps, step)
			}
			failed = append(failed, t.apply(steps...)...)
		}
	}
	return failed
}

// apply applies the steps of one unit, keeps the ledger and returns the errors.
func (t *tenant) apply(steps ...plan.Step) []error {
	t.Helper()
	var failed []error
	for _, step := range steps { // the intent is recorded before
		if _, known := t.owned[step.Key()]; step.Op == plan.Create && !known {
			t.owned[step.Key()] = ""
		}
	}
	for i, result := range t.driver.Apply(t.Context(), t.scope, steps) {
		switch {
		case result.Err != nil:
			failed = append(failed, result.Err)
		case steps[i].Op == plan.Create:
			t.owned[steps[i].Key()] = result.Ref
		case steps[i].Op == plan.Delete:
			delete(t.owned, steps[i].Key())
		}
	}
	return failed
}

// sync runs until there is nothing left to do. Errors that a workflow would try
// again, or plan again, are let go.
func (t *tenant) sync(desired access.State) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		p := t.plan(desired)
		if len(p.Steps) == 0 {
			return
		}
		for _, err := range t.run(p) {
			class := fault.Class(err)
			if !fault.Retryable(err) && !slices.Contains([]error{fault.ErrConflict, fault.ErrNotFound}, class) {
				t.Fatalf("a run ended for good with: %v", err)
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("there is still something to do:\n%s", p)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// members are the ids of the group's members as Google has them.
func (t *tenant) members() []string {
	t.Helper()
	id, _ := t.world.server.GroupID(email(t.group))
	all := t.world.server.Members(id)
	slices.Sort(all)
	return all
}

func (t *tenant) has(people ...access.Member) {
	t.Helper()
	want := []string{}
	for _, p := range people {
		want = append(want, p.Ref)
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, t.members()); diff != "" {
		t.Errorf("the group has other members: %s", diff)
	}
}

// policy is the project's policy as Google has it.
func (t *tenant) policy() map[string]any {
	t.Helper()
	text, err := t.world.server.Policy(t.scope.ID)
	if err != nil {
		t.Fatal(err)
	}
	var policy map[string]any
	if err := json.Unmarshal(text, &policy); err != nil {
		t.Fatal(err)
	}
	return policy
}

// counted is how many calls do makes, by operation.
func (w *world) counted(do func()) map[string]int {
	before := w.server.Control().Calls()
	do()
	after := w.server.Control().Calls()
	for operation, n := range before {
		if after[operation] -= n; after[operation] == 0 {
			delete(after, operation)
		}
	}
	return after
}
