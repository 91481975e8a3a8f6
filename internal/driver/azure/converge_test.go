package azure_test

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/simulate"
	simulated "github.com/rollcall-iam/rollcall/internal/simulate/azure"
)

// run plans and applies as a workflow does: by a worker that knows nothing but the
// ledger, until nothing is left to do. It returns how many rounds that took.
func (t *tenant) run(w *world, at *clock, desired access.State, between func(round int)) int {
	t.Helper()
	ledger := map[access.Key]string{}
	const most = 60
	for round := range most {
		between(round)
		t.driver = w.open(t)
		in := plan.Input{
			Tenant: t.scope.Tenant, Desired: desired, Observed: t.look(names(desired)...),
			Rules: plan.Rules{
				Mark: t.scope.Mark, MemberChunk: 20, Additional: plan.RemoveAdditional, Cleanup: true, Guard: plan.Guard{Percent: 100},
			},
		}
		for key, ref := range ledger {
			in.Owned = append(in.Owned, plan.Owned{Key: key, Ref: ref})
		}
		p := plan.Make(in)
		if len(p.Steps)+len(p.Held) == 0 {
			return round
		}
		for _, step := range slices.Concat(p.Steps, p.Held) {
			if ref := ledger[access.Key{Kind: access.KindGroup, Group: step.Key().Group}]; ref != "" && step.LacksGroupRef() {
				step = step.WithGroupRef(ref)
			}
			if step.Op == plan.Create {
				if _, known := ledger[step.Key()]; !known {
					ledger[step.Key()] = "" // the intent comes first
				}
			}
			ref, err := t.apply(step)
			switch {
			case err == nil && step.Op == plan.Create:
				ledger[step.Key()] = ref
			case err == nil && step.Op == plan.Delete:
				delete(ledger, step.Key())
			case err != nil && !fault.Retryable(err) && !errors.Is(err, fault.ErrNotFound) && !errors.Is(err, fault.ErrConflict):
				t.Fatalf("round %d: %s %s: %v", round, step.Op, step.Kind, err)
			}
		}
		at.advance(time.Second)
	}
	t.Fatal("it does not converge")
	return most
}

func names(s access.State) []string {
	var all []string
	for _, g := range s.Groups {
		all = append(all, g.Name)
	}
	return all
}

// TestConverges: with reads and writes that lag by several rounds, calls that are
// throttled or whose answers are lost, and somebody who deletes a group in between,
// the end is as desired, and each group is there once.
func TestConverges(t *testing.T) {
	cases := map[string]struct {
		late    bool
		between func(*world, int)
	}{
		"in peace":            {false, func(*world, int) {}},
		"where writes lag":    {true, func(*world, int) {}},
		"with lost answers":   {false, lossy("PATCH *", simulate.Fault{Lose: true})},
		"with lost roles":     {true, lossy("PUT *", simulate.Fault{Lose: true})},
		"with throttled ones": {true, lossy("PATCH *", simulate.Fault{Status: 429, RetryAfter: time.Second})},
		"with an outage":      {false, lossy("*", simulate.Fault{Status: 503})},
		"against somebody who deletes": {true, func(w *world, round int) {
			if all := w.cloud.Groups(w.tenant); round == 3 && len(all) > 0 {
				w.cloud.DeleteGroup(w.tenant, all[0].ID)
			}
		}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			at := newClock()
			w := newWorld(t, simulated.Options{Stale: 3 * time.Second, LateWrites: c.late, Clock: at.read})
			shop := w.newTenant(t, "prod")
			people := w.users("p", 5)
			at.advance(time.Minute)
			desired := access.State{
				Groups: []access.Group{{Name: "admins", Members: members(people)}, {Name: "readers", Members: members(people[:2])}},
				Bindings: []access.Binding{
					{Role: "Contributor", Group: "admins"}, {Role: "Reader", Group: "readers"},
					{Role: "Storage Blob Data Reader", Group: "readers"},
				},
			}
			desired.Bindings = slices.DeleteFunc(desired.Bindings, func(b access.Binding) bool { return w.cloud.RoleID(b.Role) == "" })
			rounds := shop.run(w, at, desired, func(round int) {
				w.cloud.Control().Mend()
				c.between(w, round)
			})
			t.Logf("after %d rounds", rounds)
			w.cloud.Control().Mend()
			at.advance(time.Minute)
			if n := len(w.cloud.Groups(w.tenant)); n != 2 {
				t.Errorf("there are %d groups", n)
			}
			got := shop.look("admins", "readers")
			if diff := cmp.Diff([]int{5, 2}, []int{len(got.Groups[0].Members), len(got.Groups[1].Members)}); diff != "" {
				t.Errorf("members: %s", diff)
			}
			if n := len(slices.DeleteFunc(got.Bindings, func(b access.Binding) bool { return b.Group == b.GroupRef })); n != len(desired.Bindings) {
				t.Errorf("there are %d roles, want %d", n, len(desired.Bindings))
			}
		})
	}
}

// lossy makes the second call of a sort in a round fail, in the first few rounds. An
// outage is only one of writes here: reads fail as a whole in the laws.
func lossy(operation string, how simulate.Fault) func(*world, int) {
	return func(w *world, round int) {
		if round > 4 {
			return
		}
		if operation == "*" {
			for _, sort := range []string{"PATCH *", "PATCH */*", "PUT */*"} {
				w.cloud.Control().Fail(simulate.Rule{Operation: sort, Fault: how})
			}
			return
		}
		w.cloud.Control().Fail(simulate.Rule{Operation: operation + "*", Skip: 1, Times: 1, Fault: how})
		w.cloud.Control().Fail(simulate.Rule{Operation: operation + "/*", Skip: 1, Times: 1, Fault: how})
	}
}

// TestAllAtOnce: workers that do the same at the same time do it once.
func TestAllAtOnce(t *testing.T) {
	w := newWorld(t, simulated.Options{Stale: -1})
	shop := w.newTenant(t, "prod")
	people := w.users("p", 15)
	refs := make([]string, 6)
	var running sync.WaitGroup
	for i := range refs {
		running.Go(func() {
			one := *shop
			one.driver = w.open(t)
			var err error
			if refs[i], err = one.apply(createGroup("admins")); err != nil {
				t.Errorf("creating: %v", err)
			}
			if _, err := one.apply(change("admins", refs[i], people, nil)); err != nil {
				t.Errorf("adding: %v", err)
			}
			if _, err := one.apply(give(access.Binding{Role: "Reader", Group: "admins", GroupRef: refs[i]})); err != nil {
				t.Errorf("giving: %v", err)
			}
		})
	}
	running.Wait()
	if len(slices.Compact(slices.Clone(refs))) != 1 || len(w.cloud.Groups(w.tenant)) != 1 || len(w.cloud.Assignments(shop.scope.ID)) != 1 {
		t.Errorf("there are the groups %v, and the roles %v", refs, w.cloud.Assignments(shop.scope.ID))
	}
	if got := shop.look("admins").Groups[0].Members; len(got) != len(people) {
		t.Errorf("there are %d members", len(got))
	}
}
