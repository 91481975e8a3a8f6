package drivertest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// UpdateCalls is the environment variable that has Run write the figures instead of
// comparing with them.
const UpdateCalls = "ROLLCALL_UPDATE_CALLS"

// figures are the calls that a driver makes for everyday work, in the order in which
// they are counted.
type figures struct {
	*lab
	lines []string
}

// compareCalls counts the calls of everyday work on a new platform and compares each
// count with the file. Fewer calls differ, too.
func compareCalls(t *testing.T, s Suite) {
	t.Helper()
	f := &figures{lab: newLab(t, s)}
	f.everyday()
	got := strings.Join(f.lines, "\n") + "\n"
	if os.Getenv(UpdateCalls) != "" {
		if err := os.MkdirAll(filepath.Dir(s.Calls), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(s.Calls, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(s.Calls)
	if err != nil {
		t.Fatalf("%v: write it with  %s=1 go test . -run Calls", err, UpdateCalls)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("the calls are not those of %s (-want +got); if that is meant, run  %s=1 go test . -run Calls\n%s",
			s.Calls, UpdateCalls, diff)
	}
}

// count adds the number of calls that do makes, signing in included.
func (f *figures) count(what string, do func(context.Context)) {
	f.Helper()
	ctx, meter := budget.WithMeter(f.Context())
	do(ctx)
	f.lines = append(f.lines, fmt.Sprintf("%4d  %s", meter.Calls(), what))
}

// everyday counts the life of some tenants: the first observation, the first
// replication, observations of converged tenants, one member added and removed.
func (f *figures) everyday() {
	const tenants = 10
	people := f.people("figures", 3)
	first := f.tenant("figures0")
	two, three := first.want(people[:2], people[:1]), first.want(people, people[:1])
	first.know(two.Groups...)
	if f.suite.Impossible[ResolveIsExact] == "" {
		f.resolve("resolve 1 account", people[:1])
		f.resolve("resolve 3 accounts", people)
	}
	f.observe("observe 1 empty tenant", first)
	f.apply("replicate 1 tenant first: 2 roles, 3 members", first, two)
	first.converges(two)
	f.observe("observe 1 converged tenant", first)
	f.apply("add 1 member", first, three)
	first.converges(three)
	f.apply("remove 1 member", first, two)
	first.converges(two)
	all := []*tenant{first}
	for i := 1; i < tenants; i++ {
		t := f.tenant(fmt.Sprintf("figures%d", i))
		want := t.want(people[:2], people[:1])
		t.sync(want)
		t.converges(want)
		all = append(all, t)
	}
	f.observe(fmt.Sprintf("observe %d converged tenants", tenants), all...)
	f.driver = f.world.Open(f)
	f.observe("observe them by a new process", all...)
	f.apply("remove everything: 2 roles, 3 members", first, access.State{})
}

func (f *figures) resolve(what string, people []access.Member) {
	f.Helper()
	names := make([]string, len(people))
	for i, p := range people {
		names[i] = p.Name
	}
	f.count(what, func(ctx context.Context) {
		if _, err := f.driver.Resolve(ctx, names); err != nil {
			f.Fatalf("Resolve failed: %v", err)
		}
	})
}

func (f *figures) observe(what string, tenants ...*tenant) {
	f.Helper()
	scopes := make([]driver.Scope, len(tenants))
	for i, t := range tenants {
		scopes[i] = t.scope
	}
	f.count(what, func(ctx context.Context) {
		if _, err := f.driver.Observe(ctx, scopes); err != nil {
			f.Fatalf("Observe failed: %v", err)
		}
	})
}

// apply counts the calls of applying one plan, without those of making it.
func (f *figures) apply(what string, t *tenant, desired access.State) {
	f.Helper()
	p := t.plan(desired)
	f.count(what, func(ctx context.Context) {
		for _, wave := range p.Waves(t.profile.Unit) {
			for _, work := range wave {
				f.done(ctx, t, t.steps(p, work)...)
			}
		}
		if len(p.Held) > 0 { // versions may have moved
			p.Held = t.plan(desired).Held //nolint:contextcheck // what planning costs is not counted
		}
		for _, step := range p.Held {
			f.done(ctx, t, step)
		}
	})
}

func (f *figures) done(ctx context.Context, t *tenant, steps ...plan.Step) {
	f.Helper()
	for i, r := range t.apply(ctx, steps...) {
		if r.Err != nil {
			f.Fatalf("%s %s %q failed: %v", steps[i].Op, steps[i].Kind, steps[i].Object, r.Err)
		}
	}
}
