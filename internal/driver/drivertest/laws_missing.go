package drivertest

import (
	"context"
	"net/http"
	"slices"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// Somebody deletes a project before its documents are gone, or after. Our groups
// live beside it: whoever does not see them any more leaves them, and the people
// in them, behind for ever.
func missingScopesKeepTheirGroups(l *lab) {
	t, beside := l.tenant("removed"), l.tenant("beside")
	people := l.people("removed", 3)
	for _, t := range []*tenant{t, beside} {
		t.sync(t.want(people, people[:1]))
		t.converges(t.want(people, people[:1]))
	}
	groups, other := t.look().Groups, beside.look()
	l.world.Remove(l, t.scope.ID)
	l.driver = l.world.Open(l)
	id := t.scope.ID
	for _, scope := range t.removed() {
		t.scope = scope
		t.missing(groups)
	}
	t.scope.ID = id
	if l.world.Breaker != nil {
		l.breakEach("Observe of a missing tenant, of which call %d failed", func(ctx context.Context) (int, error) {
			got, err := t.driver.Observe(ctx, []driver.Scope{t.scope})
			return len(got), err
		}, Fault{Status: http.StatusServiceUnavailable}, fault.ErrUnavailable)
	}
	t.cleanedUp(groups)
	l.settles(func() string { return cmp.Diff(other, beside.look(), versions()) })
}

// removed are the ways to ask for the tenant: with the groups' names, with their
// ids too, and for one that never had an id.
func (t *tenant) removed() []driver.Scope {
	named, known := t.scope, t.scope
	known.Groups = nil
	for _, g := range named.Groups {
		known.Groups = append(known.Groups, access.Group{Name: g.Name, Ref: t.owned[g.Key()]})
	}
	never := known
	never.ID = ""
	return []driver.Scope{named, never, known}
}

// missing checks that the tenant is missing and that these are its groups.
func (t *tenant) missing(groups []access.Group) {
	t.Helper()
	t.settles(func() string {
		seen := t.watch(t.scope)
		if !seen.Missing {
			return "a tenant that somebody removed is not missing"
		}
		for _, b := range seen.State.Bindings {
			if !slices.ContainsFunc(groups, func(g access.Group) bool { return g.Ref == b.GroupRef }) {
				return "a missing tenant has the binding " + b.Key().String()
			}
		}
		if diff := cmp.Diff(groups, seen.State.Groups); diff != "" {
			return "a missing tenant has other groups than before: " + diff
		}
		return ""
	})
}

// watch reads one tenant, which may be missing.
func (t *tenant) watch(scope driver.Scope) driver.Observation {
	t.Helper()
	got, err := t.driver.Observe(t.Context(), []driver.Scope{scope})
	if err != nil || len(got) != 1 {
		t.Fatalf("Observe answered for %d scopes, not 1, with the error: %v", len(got), err)
	}
	return got[0]
}

// cleanedUp takes somebody out of a group, and then all groups away, each twice.
func (t *tenant) cleanedUp(groups []access.Group) {
	t.Helper()
	g, _ := groupNamed(access.State{Groups: groups}, t.set(0))
	leave := plan.Step{ID: "leave", Op: plan.Change, Kind: access.KindMembers, Object: g.Name}
	leave.Have.Members = &plan.Members{Group: g.Name, GroupRef: g.Ref, Accounts: g.Members[:1]}
	t.twice(leave)
	g.Members = g.Members[1:]
	t.settles(func() string {
		seen, _ := groupNamed(t.watch(t.scope).State, g.Name)
		return cmp.Diff(g, seen)
	})
	in := t.input(access.State{}, t.watch(t.scope).State)
	in.Rules.Gone, in.Rules.AutoDelete = true, true
	p := plan.Make(in)
	if len(p.Held) > 0 || len(p.Steps) < len(groups) {
		t.Fatalf("the plan for a tenant that is gone leaves something:\n%s", p)
	}
	for _, wave := range p.Waves(t.profile.Unit) {
		for _, work := range wave {
			t.twice(t.steps(p, work)...)
		}
	}
	t.settles(func() string {
		seen := t.watch(t.scope)
		return cmp.Diff([]any{true, 0, 0}, []any{seen.Missing, len(seen.State.Groups), len(seen.State.Bindings)})
	})
}

// twice applies steps by two drivers.
func (t *tenant) twice(steps ...plan.Step) {
	t.Helper()
	t.must(steps...)
	t.driver = t.world.Open(t)
	t.must(steps...)
}
