package drivertest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// lab is one world with a driver in it, and what the laws do there again and
// again.
type lab struct {
	testing.TB
	world   World
	driver  driver.Driver
	profile driver.Profile
	suite   Suite
}

func newLab(t testing.TB, s Suite) *lab {
	t.Helper()
	w := s.New(t)
	if len(w.Roles) < 3 {
		t.Fatal("drivertest: World.Roles needs three roles")
	}
	d := w.Open(t)
	return &lab{TB: t, world: w, driver: d, profile: d.Profile(), suite: s}
}

// people makes n accounts whose names start with prefix.
func (l *lab) people(prefix string, n int) []access.Member {
	l.Helper()
	people := make([]access.Member, n)
	for i := range people {
		name := fmt.Sprintf("%s-%d@example.com", prefix, i+1)
		people[i].Account = access.Account{Name: name, Ref: l.world.User(l, name)}
	}
	slices.SortFunc(people, access.CompareMembers)
	return people
}

// tenant is one scope, with the ledger that a real run would have of it.
type tenant struct {
	*lab
	scope driver.Scope
	owned map[access.Key]string
	// serves are what the groups of the ledger hold, by name.
	serves map[string]string
	mu     sync.Mutex
}

// tenant makes an empty tenant.
func (l *lab) tenant(name string) *tenant {
	l.Helper()
	return l.tenantAt(name, l.world.Tenant(l, name))
}

// tenantAt is a tenant whose id on the platform is known.
func (l *lab) tenantAt(name, id string) *tenant {
	of := access.TenantID{Workspace: "laws", Project: name, Platform: "platform.test"}
	return &tenant{
		lab: l,
		scope: driver.Scope{
			Tenant: of, ID: id, Marks: true,
			Mark: access.Mark{Installation: "laws", Tenant: of.String()},
		},
		owned: map[access.Key]string{}, serves: map[string]string{},
	}
}

// set names the n-th group of the tenant, or "" where bindings hold people.
func (t *tenant) set(n int) string {
	if !t.profile.Groups {
		return ""
	}
	return fmt.Sprintf("laws-%s-%d", t.scope.Tenant.Project, n+1)
}

// want is a desired state with one role for each set of people: the n-th role
// for the n-th set, through a group where the platform has groups. Roles that
// everybody, or every group, needs come with it.
func (t *tenant) want(sets ...[]access.Member) access.State {
	var state access.State
	for i, people := range sets {
		binding := access.Binding{Role: t.world.Roles[i], Group: t.set(i)}
		if t.profile.Groups {
			state.Groups = append(state.Groups, access.Group{Name: t.set(i), Members: people, Serves: "role " + t.world.Roles[i]})
			people = nil
		}
		binding.Subjects = people
		if t.profile.NoBindings {
			continue
		}
		state.Bindings = append(state.Bindings, binding)
		for _, role := range t.profile.EveryGroup {
			state.Bindings = append(state.Bindings, access.Binding{Role: role, Group: t.set(i)})
		}
	}
	for _, role := range t.profile.EveryPerson {
		everybody := slices.SortedFunc(slices.Values(slices.Concat(sets...)), access.CompareMembers)
		state.Bindings = append(state.Bindings, access.Binding{Role: role, Subjects: slices.Compact(everybody)})
	}
	state.Sort()
	return state
}

// know makes later reads look for groups of that name.
func (t *tenant) know(groups ...access.Group) {
	for _, g := range groups {
		if !slices.ContainsFunc(t.scope.Groups, func(h access.Group) bool { return h.Name == g.Name }) {
			t.scope.Groups = append(t.scope.Groups, access.Group{Name: g.Name})
		}
	}
}

// look reads the tenant once.
func (t *tenant) look() access.State {
	t.Helper()
	got, err := t.driver.Observe(t.Context(), []driver.Scope{t.scope})
	if err != nil {
		t.Fatalf("Observe failed: %v", err)
	}
	if len(got) != 1 {
		t.Fatalf("Observe of 1 scope answered for %d", len(got))
	}
	if got[0].Missing {
		t.Fatalf("Observe says that tenant %s, which exists, is missing", t.scope.ID)
	}
	return got[0].State
}

// plan is what a run would do now to reach what is desired.
func (t *tenant) plan(desired access.State) plan.Plan {
	t.Helper()
	t.know(desired.Groups...)
	return plan.Make(t.input(desired, t.look()))
}

func (t *tenant) input(desired, observed access.State) plan.Input {
	t.mu.Lock()
	defer t.mu.Unlock()
	in := plan.Input{
		Tenant: t.scope.Tenant, Desired: desired, Observed: observed,
		Rules: plan.Rules{
			Mark: t.scope.Mark, MemberChunk: t.profile.MemberChunk, Additional: plan.KeepAdditional,
			Cleanup: true, Guard: plan.Guard{Percent: 100},
			Rename: plan.InPlace, CanRename: t.profile.Renames, IgnoreCase: t.profile.GroupsIgnoreCase,
			Separate: t.profile.Separate, Shared: t.profile.SharedRoles, Base: t.profile.EveryPerson,
		},
	}
	for _, key := range slices.SortedFunc(maps.Keys(t.owned), access.Key.Compare) {
		owned := plan.Owned{Key: key, Ref: t.owned[key]}
		if key.Kind == access.KindGroup {
			owned.Serves = t.serves[key.Group]
		}
		in.Owned = append(in.Owned, owned)
	}
	return in
}

// sync is one whole run: plan, apply, and another one for what was held, as if
// it was approved. It returns all that was done as one plan.
func (t *tenant) sync(desired access.State) plan.Plan {
	t.Helper()
	p := t.plan(desired)
	for _, wave := range p.Waves(t.profile.Unit) {
		for _, work := range wave {
			t.must(t.steps(p, work)...)
		}
	}
	if len(p.Held) > 0 { // versions may have moved
		p.Held = t.plan(desired).Held
	}
	for _, step := range p.Held {
		t.must(step)
	}
	return p
}

// steps are the steps of one write unit.
func (t *tenant) steps(p plan.Plan, work plan.Work) []plan.Step {
	t.Helper()
	steps := make([]plan.Step, len(work.Steps))
	for i, id := range work.Steps {
		step, ok := p.Step(id)
		if !ok {
			t.Fatalf("the plan has no step %s", id)
		}
		steps[i] = step
	}
	return steps
}

// must applies steps that have to succeed and returns their results.
func (t *tenant) must(steps ...plan.Step) []driver.Result {
	t.Helper()
	results := t.apply(t.Context(), steps...)
	for i, r := range results {
		if r.Err != nil {
			t.Fatalf("%s %s %q failed: %v", steps[i].Op, steps[i].Kind, steps[i].Object, r.Err)
		}
		if steps[i].Op == plan.Create && r.Ref == "" {
			t.Fatalf("create %s %q answered without the platform's id of it", steps[i].Kind, steps[i].Object)
		}
	}
	return results
}

// apply applies the steps of one unit and keeps the ledger.
func (t *tenant) apply(ctx context.Context, steps ...plan.Step) []driver.Result {
	t.Helper()
	results := t.driver.Apply(ctx, t.scope, steps)
	if len(results) != len(steps) {
		t.Fatalf("Apply of %d steps answered for %d", len(steps), len(results))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, r := range results {
		if r.Err == nil {
			t.recordDone(steps[i], r.Ref)
		}
	}
	return results
}

// recordDone changes the ledger by a step that is done.
func (t *tenant) recordDone(step plan.Step, ref string) {
	if g := step.Want.Group; g != nil {
		t.serves[g.Name] = g.Serves
	}
	switch {
	case step.Op == plan.Create && step.Want.Binding != nil && step.Want.Binding.Carried:
	case step.Op == plan.Create:
		t.owned[step.Key()] = ref
	case step.Op == plan.Delete:
		delete(t.owned, step.Key())
	case step.Kind == access.KindGroup:
		t.renamed(step.Have.Group.Name, step.Want.Group.Name, ref)
	}
}

// renamed books a group of ours, and what it has, under the name it has now.
func (t *tenant) renamed(from, to, ref string) {
	for key, of := range maps.Clone(t.owned) {
		if key.Group == from {
			delete(t.owned, key)
			key.Group = to
			t.owned[key] = of
		}
	}
	t.owned[access.Group{Name: to}.Key()] = ref
}

// one applies a step that is expected to fail and returns its error.
func (t *tenant) one(step plan.Step) error {
	t.Helper()
	return t.apply(t.Context(), step)[0].Err
}

// converges fails unless there is nothing left to do, as soon as the platform
// shows what was written.
func (t *tenant) converges(desired access.State) {
	t.Helper()
	t.settles(func() string {
		if p := t.plan(desired); len(p.Steps)+len(p.Held) > 0 {
			return "there is still something to do:\n" + p.String()
		}
		return ""
	})
}

// settles asks until there is no complaint, for as long as the profile says
// that writes may stay invisible.
func (l *lab) settles(complaint func() string) {
	l.Helper()
	deadline := time.Now().Add(l.profile.Settle)
	for wait := time.Millisecond; ; wait = min(2*wait, time.Second) {
		text := complaint()
		if text == "" {
			return
		}
		if time.Now().After(deadline) {
			l.Fatal(text)
		}
		time.Sleep(wait)
	}
}

// fails checks that err is of the class.
func (l *lab) fails(what string, err, class error) {
	l.Helper()
	if !errors.Is(err, class) {
		l.Errorf("%s: got the error %v, want one that wraps %q", what, err, class)
	}
}

// created is the step of the plan that creates an object of the kind.
func (l *lab) created(p plan.Plan, kind access.Kind) plan.Step {
	l.Helper()
	for _, s := range p.Steps {
		if s.Op == plan.Create && s.Kind == kind {
			return s
		}
	}
	l.Fatalf("the plan creates no %s:\n%s", kind, p)
	return plan.Step{}
}

// groupNamed finds a group in a state.
func groupNamed(s access.State, name string) (access.Group, bool) {
	i := slices.IndexFunc(s.Groups, func(g access.Group) bool { return g.Name == name })
	if i < 0 {
		return access.Group{}, false
	}
	return s.Groups[i], true
}

// bindingOf finds a binding in a state.
func bindingOf(s access.State, role, group string) (access.Binding, bool) {
	i := slices.IndexFunc(s.Bindings, func(b access.Binding) bool { return b.Role == role && b.Group == group })
	if i < 0 {
		return access.Binding{}, false
	}
	return s.Bindings[i], true
}

// members returns the people's ids of a group, or of a binding that holds them.
func (t *tenant) members(s access.State, n int) []string {
	t.Helper()
	var people []access.Member
	if t.profile.Groups {
		g, _ := groupNamed(s, t.set(n))
		people = g.Members
	} else {
		for _, b := range s.Bindings { // several where each subject has its own
			if b.Role == t.world.Roles[n] && b.Group == "" {
				people = append(people, b.Subjects...)
			}
		}
	}
	return refsOf(people)
}

func refsOf(people []access.Member) []string {
	refs := []string{}
	for _, m := range people {
		refs = append(refs, m.Ref)
	}
	slices.Sort(refs)
	return refs
}

// seconds writes a delay as Retry-After does.
func seconds(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }
