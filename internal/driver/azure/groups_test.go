package azure_test

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest/faultproxy"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/simulate"
	simulated "github.com/rollcall-iam/rollcall/internal/simulate/azure"
)

// clock is a cloud's clock that only moves when it is told to.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Now()} }

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// TestNotSeenYet: a group that reads do not show is neither lost nor made twice, and
// a role for it is tried again.
func TestNotSeenYet(t *testing.T) {
	for name, late := range map[string]bool{"reads lag": false, "writes lag, too": true} {
		t.Run(name, func(t *testing.T) {
			at := newClock()
			w := newWorld(t, simulated.Options{Stale: time.Minute, LateWrites: late, Clock: at.read})
			shop := w.newTenant(t, "prod")
			at.advance(time.Hour)
			ref := shop.must(createGroup("admins"))
			if got := shop.look("admins"); len(got.Groups) != 0 {
				t.Fatalf("reads do not lag: %v", got)
			}
			role := access.Binding{Role: "Reader", Group: "admins", GroupRef: ref}
			for what, step := range map[string]plan.Step{"the role": give(role), "the group, by another worker": createGroup("admins")} {
				other := *shop
				other.driver = w.open(t)
				if _, err := other.apply(step); !fault.Retryable(err) && !errors.Is(err, fault.ErrNotFound) {
					t.Errorf("%s, before the group is seen: %v", what, err)
				}
			}
			at.advance(2 * time.Minute)
			shop.driver = w.open(t)
			if again := shop.must(createGroup("admins")); again != ref {
				t.Errorf("there are two groups: %s and %s", ref, again)
			}
			shop.must(give(role))
			at.advance(2 * time.Minute)
			got := shop.look("admins")
			if len(got.Groups) != 1 || len(got.Bindings) != 1 || len(w.cloud.Groups(w.tenant)) != 1 {
				t.Errorf("in the end there is %+v", got)
			}
		})
	}
}

// TestFreshGroupIsFilled: the worker that made a group fills it at once.
func TestFreshGroupIsFilled(t *testing.T) {
	at := newClock()
	w := newWorld(t, simulated.Options{Stale: time.Minute, Clock: at.read})
	shop := w.newTenant(t, "prod")
	people := w.users("p", 3)
	at.advance(time.Hour)
	ref := shop.must(createGroup("admins"))
	if got := shop.must(change("admins", "", people, nil)); got != ref {
		t.Errorf("filled %s, made %s", got, ref)
	}
	if g, _ := w.cloud.Group(w.tenant, ref); len(g.Members) != 3 {
		t.Errorf("the group has the members %v", g.Members)
	}
}

// TestDeletedByHand: a group that somebody deleted keeps its key, and another one is
// made.
func TestDeletedByHand(t *testing.T) {
	w := newWorld(t, simulated.Options{Stale: -1})
	shop := w.newTenant(t, "prod")
	people := w.users("p", 1)
	first := shop.must(createGroup("admins"))
	w.cloud.DeleteGroup(w.tenant, first)
	if _, err := shop.apply(change("admins", first, people, nil)); !errors.Is(err, fault.ErrNotFound) {
		t.Errorf("filling a group that is gone: %v", err)
	}
	if ref := shop.must(change("admins", first, nil, people)); ref != first {
		t.Errorf("emptying a group that is gone answers %q", ref)
	}
	seen := []string{first}
	for range 2 {
		shop.driver = w.open(t)
		ref := shop.must(createGroup("admins"))
		if slices.Contains(seen, ref) {
			t.Fatalf("the deleted group came back: %s", ref)
		}
		shop.driver = w.open(t)
		if again := shop.must(createGroup("admins")); again != ref {
			t.Fatalf("made twice: %s and %s", ref, again)
		}
		if got := shop.must(change("admins", "", people, nil)); got != ref {
			t.Errorf("without its id, %s is found instead of %s", got, ref)
		}
		seen = append(seen, ref)
		shop.must(deleteGroup("admins", ref))
	}
}

// TestSomeAreThere: additions are all or nothing at Graph, and still all arrive.
func TestSomeAreThere(t *testing.T) {
	w := newWorld(t, simulated.Options{Stale: -1})
	shop := w.newTenant(t, "prod")
	people := w.users("p", 20)
	ref := shop.must(createGroup("admins"))
	for _, p := range people[3:7] {
		w.cloud.AddMember(w.tenant, ref, p)
	}
	before := w.proxy.Count()
	shop.must(change("admins", ref, people, nil))
	if calls := w.proxy.Count() - before; calls != 2 {
		t.Errorf("took %d calls, want a PATCH and a batch", calls)
	}
	before = w.proxy.Count()
	shop.must(change("admins", ref, nil, people[5:]))
	shop.must(change("admins", ref, nil, people[4:10]))
	if calls := w.proxy.Count() - before; calls != 2 {
		t.Errorf("removing took %d calls, want two batches", calls)
	}
	want := slices.Sorted(slices.Values(people[:4]))
	if diff := cmp.Diff(want, memberRefs(shop.look("admins").Groups[0])); diff != "" {
		t.Error(diff)
	}
}

// TestLargeGroup: a list of groups shows 20 members, and not all of 20 and more.
func TestLargeGroup(t *testing.T) {
	for _, n := range []int{19, 20, 21, 1200} {
		w := newWorld(t, simulated.Options{Stale: -1})
		shop := w.newTenant(t, "prod")
		ref := shop.must(createGroup("admins"))
		people := w.users("p", n)
		for part := range slices.Chunk(people, 20) {
			shop.must(change("admins", ref, part, nil))
		}
		before := w.proxy.Count()
		got := memberRefs(shop.look("admins").Groups[0])
		if diff := cmp.Diff(slices.Sorted(slices.Values(people)), got); diff != "" {
			t.Errorf("of %d members: %s", n, diff)
		}
		calls := w.proxy.Count() - before
		if want := map[int]int{19: 2, 20: 3, 21: 3, 1200: 4}[n]; calls != want {
			t.Errorf("a group of %d members took %d calls, want %d", n, calls, want)
		}
	}
}

// TestLostLedger: a group that is ours by its mark is shown where it has a role,
// although nobody asks for it; somebody else's is shown by name, without members.
func TestLostLedger(t *testing.T) {
	w := newWorld(t, simulated.Options{Stale: -1})
	shop := w.newTenant(t, "prod")
	people := w.users("p", 30)
	ours := shop.must(createGroup("admins"))
	shop.must(change("admins", ours, people[:2], nil))
	shop.must(give(access.Binding{Role: "Reader", Group: "admins", GroupRef: ours}))
	others := w.cloud.PlantGroup(w.tenant, simulated.Group{DisplayName: "everybody"})
	for _, p := range people {
		w.cloud.AddMember(w.tenant, others, p)
	}
	w.cloud.PlantAssignment(simulated.Assignment{Scope: shop.scope.ID, Role: "Reader", Principal: others})
	before := w.proxy.Count()
	got := shop.look()
	if len(got.Groups) != 1 || got.Groups[0].Ref != ours || len(got.Groups[0].Members) != 2 {
		t.Errorf("the groups are %+v", got.Groups)
	}
	if len(got.Bindings) != 2 || got.Bindings[1].Group != "everybody" || got.Bindings[1].GroupRef != others {
		t.Errorf("the bindings are %+v", got.Bindings)
	}
	// The last one reads the names of roles, the first time.
	if calls := w.proxy.Count() - before; calls > 3 {
		t.Errorf("it took %d calls: were the members of others read?", calls)
	}
}

// TestAdministrativeUnit: a new group is in it, also when it is made twice.
func TestAdministrativeUnit(t *testing.T) {
	w := newWorld(t, simulated.Options{Stale: -1})
	unit := w.cloud.AddAdministrativeUnit(w.tenant, "Rollcall")
	w.settings["administrativeUnitId"] = unit
	shop := w.newTenant(t, "prod")
	ref := shop.must(createGroup("admins"))
	shop.must(createGroup("admins"))
	if diff := cmp.Diff([]string{ref}, w.cloud.UnitMembers(w.tenant, unit)); diff != "" {
		t.Error(diff)
	}
}

// TestThrottled: wherever it happens, also inside a batch, the wait is passed on.
func TestThrottled(t *testing.T) {
	w := newWorld(t, simulated.Options{Stale: -1})
	shop := w.newTenant(t, "prod")
	people := w.users("p", 3)
	ref := shop.must(createGroup("admins"))
	shop.must(change("admins", ref, people, nil))
	names := make([]string, 40)
	for i := range names {
		names[i] = "nobody" + string(rune('a'+i%26)) + string(rune('a'+i/26)) + "@example.com"
	}
	cases := map[string]struct {
		operation string
		do        func() error
	}{
		"creating a group": {"PATCH /groups(uniqueName)", func() error { _, err := shop.apply(createGroup("others")); return err }},
		"adding":           {"PATCH /groups/{id}", func() error { _, err := shop.apply(change("admins", ref, people, nil)); return err }},
		"removing in a batch": {"batch DELETE /groups/{id}/members/{id}/$ref", func() error {
			_, err := shop.apply(change("admins", ref, nil, people))
			return err
		}},
		"giving a role": {"PUT /roleAssignments/{name}", func() error {
			_, err := shop.apply(give(access.Binding{Role: "Reader", Group: "admins", GroupRef: ref}))
			return err
		}},
		"reading roles": {"GET /roleAssignments", func() error {
			_, err := shop.driver.Observe(t.Context(), []driver.Scope{shop.scope})
			return err
		}},
		"looking people up in a batch": {"batch GET /users", func() error {
			_, err := shop.driver.Resolve(t.Context(), names)
			return err
		}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w.cloud.Control().Fail(simulate.Rule{Operation: c.operation, Times: 1, Fault: simulate.Fault{Status: 429, RetryAfter: 11 * time.Second}})
			err := c.do()
			w.cloud.Control().Mend()
			if after, _ := fault.RetryAfter(err); !errors.Is(err, fault.ErrThrottled) || after != 11*time.Second {
				t.Errorf("got %v, to be tried after %s", err, after)
			}
			if err := c.do(); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// TestCalls: what a look and a change cost.
func TestCalls(t *testing.T) {
	const tenants, groups, people = 100, 3, 10
	w := newWorld(t, simulated.Options{Stale: -1})
	everybody := w.users("p", people+1)
	first := w.newTenant(t, "t0")
	var scopes []driver.Scope
	for i := range tenants {
		one := first
		if i > 0 {
			one = w.newTenant(t, "t"+string(rune('a'+i%26))+string(rune('a'+i/26)))
			one.driver = first.driver
		}
		for _, role := range []string{"Reader", "Contributor", "Owner"}[:groups] {
			name := one.scope.Tenant.Project + "-" + role
			ref := one.must(createGroup(name))
			one.must(change(name, ref, everybody[:people], nil))
			one.must(give(access.Binding{Role: role, Group: name, GroupRef: ref}))
			one.scope.Groups = append(one.scope.Groups, access.Group{Name: name, Ref: ref})
		}
		scopes = append(scopes, one.scope)
	}
	if _, err := first.driver.Observe(t.Context(), scopes[:1]); err != nil { // names of roles are read once
		t.Fatal(err)
	}
	count := func(what string, want int, do func()) {
		t.Helper()
		before := w.proxy.Count()
		if do(); w.proxy.Count()-before != want {
			t.Errorf("%s took %d calls, want %d", what, w.proxy.Count()-before, want)
		}
	}
	look := func(scopes []driver.Scope) {
		got, err := first.driver.Observe(t.Context(), scopes)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range got {
			if len(o.State.Groups) != groups || len(o.State.Bindings) != groups || len(o.State.Groups[0].Members) != people {
				t.Fatalf("a tenant looks like %+v", o)
			}
		}
	}
	count("verifying one tenant", 2, func() { look(scopes[:1]) })
	count("verifying 100 tenants", tenants+1, func() { look(scopes) })
	group := first.scope.Groups[0]
	count("adding one person", 1, func() { first.must(change(group.Name, group.Ref, everybody[people:], nil)) })
	count("removing one person", 1, func() { first.must(change(group.Name, group.Ref, nil, everybody[people:])) })
	count("looking one person up", 1, func() { first.resolve("p-1@example.com") })
	if n := w.proxy.CountIf(func(e faultproxy.Entry) bool { return e.Status >= 400 }); n > 0 {
		t.Errorf("%d calls were refused", n)
	}
}
