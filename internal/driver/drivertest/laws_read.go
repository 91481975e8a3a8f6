package drivertest

import (
	"fmt"
	"slices"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/identity"
)

// These laws read. A wrong answer here removes people, so "nothing" must mean
// that there is nothing.

func emptyIsEmpty(l *lab) {
	t := l.tenant("empty")
	t.know(access.Group{Name: "laws-nobody"})
	state := t.look()
	if len(state.Groups) > 0 {
		l.Errorf("a new tenant has groups: %v", state.Groups)
	}
	for _, b := range state.Bindings {
		if !b.Mark.Unread && b.Mark.Agrees(t.scope.Mark) {
			l.Errorf("a new tenant has a binding with our mark: %v", b)
		}
	}
	if p := t.plan(access.State{}); len(p.Steps)+len(p.Held) > 0 {
		l.Errorf("turning a new tenant into nothing takes steps:\n%s", p)
	}
	if got, err := l.driver.Observe(l.Context(), nil); err != nil || len(got) > 0 {
		l.Errorf("Observe of no scopes = %v, %v", got, err)
	}
	if got, err := l.driver.Resolve(l.Context(), nil); err != nil || len(got) > 0 {
		l.Errorf("Resolve of no accounts = %v, %v", got, err)
	}
	if got := l.driver.Apply(l.Context(), t.scope, nil); len(got) > 0 {
		l.Errorf("Apply of no steps = %v", got)
	}
}

// A prefix or another spelling is another person. Asking twice for one account
// answers twice.
func resolveIsExact(l *lab) {
	ada, bob := l.world.User(l, "ada.laws@example.com"), l.world.User(l, "bob.laws@example.com")
	upper := access.Resolution{Found: access.No}
	if l.profile.AccountNames == identity.IgnoreCase {
		upper = found(ada)
	}
	cases := []struct {
		reason, account string
		want            access.Resolution
	}{
		{"the second one made", "bob.laws@example.com", found(bob)},
		{"nobody", "eve.laws@example.com", access.Resolution{Found: access.No}},
		{"the first one made", "ada.laws@example.com", found(ada)},
		{"a prefix", "ada.laws", access.Resolution{Found: access.No}},
		{"a suffix", "laws@example.com", access.Resolution{Found: access.No}},
		{"a name that goes on", "ada.laws@example.com.au", access.Resolution{Found: access.No}},
		{"another case", "ADA.laws@example.com", upper},
		{"a wildcard", "*", access.Resolution{Found: access.No}},
		{"text that ends a query", "' or '1'='1", access.Resolution{Found: access.No}},
		{"text that ends a parameter", "ada.laws@example.com&limit=1#", access.Resolution{Found: access.No}},
		{"asked again", "bob.laws@example.com", found(bob)},
	}
	accounts := make([]string, len(cases))
	for i, c := range cases {
		accounts[i] = c.account
	}
	l.settles(func() string {
		got := l.resolve(accounts...)
		for i, c := range cases {
			got[i].Similar = "" // see AccountNamesAreCompared
			if diff := cmp.Diff(c.want, got[i], cmpopts.EquateEmpty()); diff != "" {
				return fmt.Sprintf("Resolve of %s: %s", c.reason, diff)
			}
		}
		return ""
	})
}

func found(ref string) access.Resolution {
	return access.Resolution{Found: access.Yes, Refs: []string{ref}}
}

// resolve looks accounts up and expects an answer for each.
func (l *lab) resolve(accounts ...string) []access.Resolution {
	l.Helper()
	got, err := l.driver.Resolve(l.Context(), accounts)
	if err != nil {
		l.Fatalf("Resolve failed: %v", err)
	}
	if len(got) != len(accounts) {
		l.Fatalf("Resolve of %d accounts answered for %d", len(accounts), len(got))
	}
	return got
}

func twinsAreAmbiguous(l *lab) {
	const name = "twin.laws@example.com"
	want := []string{l.world.User(l, name), l.world.Twin(l, name)}
	slices.Sort(want)
	l.settles(func() string {
		got := l.resolve(name)[0]
		slices.Sort(got.Refs)
		return cmp.Diff(access.Resolution{Found: access.Ambiguous, Refs: want}, got)
	})
}

func disabledIsDisabled(l *lab) {
	const name = "gone.laws@example.com"
	ref := l.world.User(l, name)
	l.world.Disable(l, ref)
	l.settles(func() string {
		return cmp.Diff(access.Resolution{Found: access.Disabled, Refs: []string{ref}}, l.resolve(name)[0])
	})
}

// One project deleted by hand must not stop the other 999 of a sweep, and must
// not look like a project that everybody left.
func missingScope(l *lab) {
	a, b := l.tenant("a"), l.tenant("b")
	people := l.people("missing", 2)
	want := a.want(people)
	a.sync(want)
	a.converges(want)
	none := l.tenantAt("none", l.world.NoTenant)
	got, err := l.driver.Observe(l.Context(), []driver.Scope{b.scope, none.scope, a.scope})
	if err != nil {
		l.Fatalf("an unknown tenant among others is an error: %v", err)
	}
	if len(got) != 3 || got[0].Missing || !got[1].Missing || got[2].Missing {
		l.Fatalf("only the second of three tenants is missing; got %+v", got)
	}
	if diff := cmp.Diff(a.look(), got[2].State); diff != "" {
		l.Errorf("beside a missing tenant another one looks different: %s", diff)
	}
	if s := got[1].State; len(s.Groups)+len(s.Bindings) > 0 {
		l.Errorf("a missing tenant has objects: %+v", s)
	}
}

func observeChangesNothing(l *lab) {
	a, b := l.tenant("a"), l.tenant("b")
	people := l.people("observe", 3)
	want := a.want(people, people[:1])
	a.sync(want)
	a.converges(want)
	before := l.writes()
	first := a.look()
	sorted := access.State{Groups: slices.Clone(first.Groups), Bindings: slices.Clone(first.Bindings)}
	sorted.Sort()
	if diff := cmp.Diff(sorted, first); diff != "" {
		l.Errorf("what Observe returns is not in the order of access.State.Sort: %s", diff)
	}
	l.complete(first)
	if diff := cmp.Diff(first, a.look()); diff != "" {
		l.Errorf("the same read again shows something else: %s", diff)
	}
	l.driver = l.world.Open(l)
	got, err := l.driver.Observe(l.Context(), []driver.Scope{b.scope, a.scope})
	if err != nil || len(got) != 2 {
		l.Fatalf("Observe of two tenants = %v, %v", got, err)
	}
	if diff := cmp.Diff(first, got[1].State); diff != "" {
		l.Errorf("another driver, asked for two tenants, shows something else: %s", diff)
	}
	l.resolve(people[0].Name)
	if after := l.writes(); after != before {
		l.Errorf("reading made %d calls that write", after-before)
	}
}

// complete checks that all ids are there that later steps need.
func (l *lab) complete(s access.State) {
	l.Helper()
	for _, g := range s.Groups {
		if g.Ref == "" {
			l.Errorf("group %q was observed without an id", g.Name)
		}
		if l.profile.Marks && g.Mark.Unread {
			l.Errorf("group %q was observed without its mark, although the scope asks for marks", g.Name)
		}
	}
	for _, b := range s.Bindings {
		if b.Ref == "" || b.Group != "" && b.GroupRef == "" {
			l.Errorf("binding %q was observed without its own id or its group's", b.Key())
		}
	}
}

// writes counts the calls so far that could change anything; 0 where nobody
// can count them.
func (l *lab) writes() int {
	if l.world.Writes == nil {
		l.Log("World.Writes is not there: calls that write are not counted")
		return 0
	}
	return l.world.Writes()
}

// The bugs this finds have made every sync tool remove everybody behind the
// first page at least once.
func manyPages(l *lab) {
	if l.world.PageSize == 0 {
		l.Skip("by the world: lists do not come in pages")
	}
	n := 3*l.world.PageSize + 1
	t := l.tenant("pages")
	people := l.people("pages", n)
	names := make([]string, n)
	for i, p := range people {
		names[i] = p.Name
	}
	for i, r := range l.resolve(names...) {
		if r.Found != access.Yes || r.Refs[0] != people[i].Ref {
			l.Fatalf("account %d of %d resolves to %v", i+1, n, r)
		}
	}
	foreign := t.want(people)
	if l.profile.Groups {
		for i := range n {
			name := fmt.Sprintf("laws-page-%04d", i)
			foreign.Groups = append(foreign.Groups, access.Group{Name: name})
			if l.profile.NoBindings {
				continue
			}
			foreign.Bindings = append(foreign.Bindings, access.Binding{Role: l.world.Roles[1], Group: name})
		}
	}
	foreign = l.world.Plant(l, t.scope.ID, foreign)
	t.know(foreign.Groups...)
	l.settles(func() string {
		got := t.look()
		if len(got.Bindings) < len(foreign.Bindings) || len(got.Groups) < len(foreign.Groups) {
			return fmt.Sprintf("of %d groups %d and of %d bindings %d are seen",
				len(foreign.Groups), len(got.Groups), len(foreign.Bindings), len(got.Bindings))
		}
		return cmp.Diff(refsOf(people), t.members(got, 0))
	})
}

// Quotas are shared with everybody else on the platform.
func callsAreCounted(l *lab) {
	const n, groups = 4, 2
	people := l.people("calls", 2)
	var tenants []*tenant
	var scopes []driver.Scope
	for i := range n {
		t := l.tenant(fmt.Sprintf("calls%d", i+1))
		want := t.want(people, people[:1])
		ctx, meter := budget.WithMeter(l.Context())
		p := t.plan(want)
		t.apply(ctx, p.Steps[0])
		if meter.Calls() == 0 {
			l.Fatal("Apply made a call that did not pass the budget")
		}
		t.sync(want)
		t.converges(want)
		tenants, scopes = append(tenants, t), append(scopes, t.scope)
	}
	ctx, meter := budget.WithMeter(l.Context())
	calls := l.calls()
	if _, err := l.driver.Observe(ctx, scopes); err != nil {
		l.Fatalf("Observe of %d tenants failed: %v", len(tenants), err)
	}
	if most := l.suite.ConvergedCalls(n, groups); meter.Calls() == 0 || meter.Calls() > most {
		l.Errorf("Observe of %d tenants with %d groups each made %d calls, want 1 to %d", n, groups, meter.Calls(), most)
	}
	if _, err := l.driver.Resolve(ctx, []string{people[0].Name}); err != nil {
		l.Fatalf("Resolve failed: %v", err)
	}
	if calls >= 0 && meter.Calls() < l.calls()-calls {
		l.Errorf("the platform was called %d times, but only %d calls passed the budget", l.calls()-calls, meter.Calls())
	}
}

// calls counts the calls so far; -1 where nobody can count them.
func (l *lab) calls() int {
	if l.world.Calls == nil {
		return -1
	}
	return l.world.Calls()
}
