package drivertest

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/reconcile"
)

// These laws execute plans as a run does, by package reconcile, while the platform does
// not do one write after the other.

func refusalsAreContained(l *lab)        { l.failEach("refusal", permanent) }
func failedWritesAreRetried(l *lab)      { l.failEach("failure", retryable) }
func interruptedWritesAreRetried(l *lab) { l.failEach("loss", interrupted) }

// members is how many accounts a round has.
const members = 7

// failEach makes each write of three plans fail, one after the other: the plans fill a
// tenant, change all that can change, and empty it. Each round has a tenant of its own,
// and one failure in each plan.
func (l *lab) failEach(name string, mode failureMode) {
	l.Helper()
	m := l.people(name, members)
	f := &failing{name: name, mode: mode}
	f.count(l.tenant(name), m)
	if l.suite.SampleRefusals {
		for round := range f.rounds {
			f.run(l, m, round)
		}
	} else {
		l.inParallel(f)
	}
	l.Logf("%d writes were %s", f.failures, mode)
}

// failing makes writes of plans fail in rounds.
type failing struct {
	name string
	mode failureMode
	// writes are how many requests each step writes, for each plan.
	writes           []map[string]int
	rounds, failures int
}

// count executes the plans without a failure, and counts writes and rounds.
func (f *failing) count(t *tenant, m []access.Member) {
	t.Helper()
	seen := map[string]bool{}
	for _, want := range t.lifecycle(m) {
		p := t.approved(want)
		writes := t.countWrites(p, want, m)
		f.writes = append(f.writes, writes)
		positions := len(t.positions(p, m, writes, seen))
		f.rounds, f.failures = max(f.rounds, positions), f.failures+positions
	}
}

// run executes the plans, each with its failure of that round.
func (f *failing) run(l *lab, m []access.Member, round int) {
	l.Helper()
	t := l.tenant(fmt.Sprintf("%s-%d", f.name, round))
	seen := map[string]bool{}
	for n, want := range t.lifecycle(m) {
		p := t.approved(want)
		if positions := t.positions(p, m, f.writes[n], seen); round < len(positions) {
			// A run that failed for now is tried again; one whose worker died may also be
			// followed by another run, which makes a new plan.
			again := f.mode == retryable || f.mode == interrupted && round%2 == 0
			t.failAt(p, want, positions[round], f.mode, again)
		} else {
			t.complete(p, want)
		}
	}
}

// inParallel runs the rounds on several platforms at once: most of a round is waiting.
func (l *lab) inParallel(f *failing) {
	l.Helper()
	const platforms = 16
	var next atomic.Int64
	var running sync.WaitGroup
	for range min(platforms, f.rounds) {
		running.Go(func() {
			worker := newLab(goroutineTest{l.TB}, l.suite)
			m := worker.people(f.name, members)
			for round := int(next.Add(1)) - 1; round < f.rounds; round = int(next.Add(1)) - 1 {
				f.run(worker, m, round)
			}
		})
	}
	running.Wait()
}

// goroutineTest is a test in a goroutine of its own, which ends with a fatal error.
type goroutineTest struct{ testing.TB }

// Fatal implements testing.TB.
func (a goroutineTest) Fatal(args ...any) {
	a.Helper()
	a.Error(args...)
	runtime.Goexit()
}

// Fatalf implements testing.TB.
func (a goroutineTest) Fatalf(format string, args ...any) {
	a.Helper()
	a.Errorf(format, args...)
	runtime.Goexit()
}

// lifecycle returns states of a tenant, for so many members. From the first to the
// second one member leaves the first set, one joins it, two of it get another role
// instead, one comes to it from a role that has no members any more, and one leaves that.
func (t *tenant) lifecycle(m []access.Member) []access.State {
	states := []access.State{
		t.sets([]access.Member{m[0], m[1], m[2], m[6]}, m[3:5], nil),
		t.sets([]access.Member{m[1], m[3], m[5]}, nil, []access.Member{m[0], m[2]}),
	}
	if t.suite.SampleRefusals {
		return states // these have a step of each kind
	}
	return append(states, access.State{})
}

// sets is want without the sets that have no members.
func (t *tenant) sets(sets ...[]access.Member) access.State {
	state := t.want(sets...)
	for n, members := range sets {
		if len(members) > 0 {
			continue
		}
		state.Groups = slices.DeleteFunc(state.Groups, func(g access.Group) bool { return g.Name == t.set(n) })
		state.Bindings = slices.DeleteFunc(state.Bindings, func(b access.Binding) bool {
			return b.Group != "" && b.Group == t.set(n) || b.Group == "" && b.Role == t.world.Roles[n]
		})
	}
	return state
}

// countWrites applies the steps of a plan one by one, and returns how many requests each
// of them writes.
func (t *tenant) countWrites(p plan.Plan, want access.State, m []access.Member) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for _, wave := range p.Waves(t.profile.Unit) {
		for _, work := range wave {
			for _, s := range t.steps(p, work) {
				before := t.writes()
				t.must(s)
				counts[t.generic(s, m)] += t.writes() - before
			}
		}
	}
	t.converges(want)
	return counts
}

// generic names a step by what is the same in all rounds.
func (t *tenant) generic(s plan.Step, m []access.Member) string {
	text := strings.ReplaceAll(named(s), t.scope.Tenant.Project, "")
	for i, member := range m {
		text = strings.ReplaceAll(text, member.Ref, fmt.Sprintf("member %d", i))
	}
	return text
}

// named names a step.
func named(s plan.Step) string {
	return strings.TrimSpace(fmt.Sprintf("%s %s %q (+%d -%d) %s", s.Op, s.Kind, s.Object, len(s.Adds()), len(s.Removes()), s.Key().Name))
}

// positions returns the writes of a plan: one for each account that a step adds to a set
// or removes from it, and as many as were counted for each other step. A suite that
// samples gets one of each kind that is not among the seen ones.
func (t *tenant) positions(p plan.Plan, m []access.Member, writes map[string]int, seen map[string]bool) []position {
	t.Helper()
	var all []position
	add := func(kind string, at position) {
		if !t.suite.SampleRefusals || !seen[kind] {
			all = append(all, at)
		}
		seen[kind] = true
	}
	for _, s := range p.Steps {
		if s.Kind == access.KindMembers || p.Parts(s) != nil {
			for _, m := range s.Adds() {
				add(fmt.Sprintf("add to %s, others removed: %t", s.Kind, len(s.Removes()) > 0), position{step: s, account: m.Ref})
			}
			for _, m := range s.Removes() {
				add(fmt.Sprintf("remove from %s", s.Kind), position{step: s, account: m.Ref})
			}
			continue
		}
		for k := range t.writesOf(p, s, m, writes) {
			everyGroup := slices.Contains(t.profile.EveryGroup, s.Key().Role)
			kind := fmt.Sprintf("%s %s, write %d, for every group: %t", s.Op, s.Kind, k, everyGroup)
			add(kind, position{step: s, write: k})
		}
	}
	return all
}

// writesOf returns how many requests a step writes; one where none passes a proxy.
func (t *tenant) writesOf(p plan.Plan, s plan.Step, m []access.Member, writes map[string]int) int {
	t.Helper()
	n, counted := writes[t.generic(s, m)]
	if !counted {
		t.Fatalf("the plan has the step %s, and had not when its writes were counted:\n%s", named(s), p)
	}
	if t.world.Refusals == nil {
		return 1
	}
	return n
}

// complete executes a plan of which nothing fails.
func (t *tenant) complete(p plan.Plan, want access.State) {
	t.Helper()
	t.finish(p, want, t.records())
}

// finish executes the rest of a plan, of which nothing fails any more.
func (t *tenant) finish(p plan.Plan, want access.State, r *records) {
	t.Helper()
	report, err := t.execute(p, t.driver, r)
	if diff := cmp.Diff(reconcile.Report{Done: len(p.Steps)}, report); err != nil || diff != "" {
		t.Fatalf("the platform refuses nothing any more, and the run returns %v and reports (-want +got):\n%s\n%s\n%s",
			err, diff, r.failures(), p)
	}
	t.converges(want)
	t.settles(func() string {
		if diff := cmp.Diff(t.contents(want), t.contents(t.look())); diff != "" {
			return "the platform is not as desired, and the planner has nothing to do (-want +got):\n" + diff
		}
		return ""
	})
	t.noTwins()
}

// contents returns the accounts, by id, that are in each set of the tenant or have its
// role themselves; a role of a group has none.
func (t *tenant) contents(s access.State) map[string][]string {
	contents := map[string][]string{}
	for n, role := range t.world.Roles[:3] {
		if g, there := groupNamed(s, t.set(n)); there {
			contents["members of "+g.Name] = refsOf(g.Members)
		}
		var subjects []access.Member
		for _, b := range s.Bindings { // several where each subject has its own
			if b.Role == role && b.Group == t.set(n) {
				subjects = append(subjects, b.Subjects...)
				contents["role "+role] = refsOf(subjects)
			}
		}
	}
	return contents
}

// failAt executes a plan while a write fails, checks what became of each step, and
// reaches the desired state by a new process when nothing fails any more: by the same
// plan again, or by another one.
func (t *tenant) failAt(p plan.Plan, want access.State, at position, mode failureMode, again bool) {
	t.Helper()
	i, end := t.inject(at, mode)
	run := &failedRun{tenant: t, plan: p, injector: i, records: t.records()}
	run.report, run.err = t.execute(p, i, run.records)
	end()
	for _, complaint := range run.violations() {
		t.Errorf("%s was %s: %s", at, mode, complaint)
	}
	t.driver = t.world.Open(t)
	if again {
		t.finish(p, want, run.records)
		return
	}
	var rest plan.Plan
	t.settles(func() string {
		rest = t.approved(want)
		if complaint := run.notDone(rest); complaint != "" {
			return fmt.Sprintf("%s was %s: %s", at, mode, complaint)
		}
		return ""
	})
	t.complete(rest, want)
}
