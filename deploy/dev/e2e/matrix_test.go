package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	enumspb "go.temporal.io/api/enums/v1"

	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/workflows"
)

// lanes is how many cases of the crash matrix are played at once. Most of their
// time goes by until Temporal notices that a worker is dead.
const lanes = 6

// place is a platform with one tenant on which the crash matrix is played.
type place interface {
	// wants has the tenant, with four people a role.
	wants() organisation
	// variables are those of the worker's environment.
	variables() []string
	// without are people of the roles admin and user, and of reader but the first,
	// who cannot do now what they always may.
	without() []string
	// groups are the members of the groups, by name.
	groups() map[string]int
}

// crashSite is a stack on which the tenant's group of users gets a new name again
// and again, while somebody comes to the readers or goes.
type crashSite struct {
	*stack
	place
	gate  *gate
	way   way
	turn  int
	began time.Time // of the turn
}

// way is how the group gets its name, and what the ledger then has: so many
// changes, one of them a reader's, and these states of a renaming.
type way struct {
	mode    string
	changes int
	states  []ledger.RenamingState
	// gap is true where people are without the role in between.
	gap bool
	// every is how many boundaries there are to one that is played, but for make soak,
	// which plays all.
	every int
}

// recreating builds a group with three changes and removes the other with two.
func recreating() way {
	return way{mode: "recreate", changes: 6, states: []ledger.RenamingState{ledger.Building, ledger.Passed, ledger.Finished}, every: 3}
}

// strictly does the same the other way round, without a way back.
func strictly() way {
	return way{mode: "strict", changes: 6, states: []ledger.RenamingState{ledger.Passed, ledger.Finished}, gap: true}
}

func newCrashSite(t *testing.T, s *stack, p place, how way) *crashSite {
	t.Helper()
	c := &crashSite{stack: s, place: p, way: how, gate: newGate(t, s.temporal.Address())}
	c.connect(p.wants().connection)
	w := c.worker(p.variables()...)
	c.ask()
	c.replicate(done)
	kill(w)
	return c
}

// in returns the site for the tests of a part.
func (c *crashSite) in(t testing.TB) *crashSite {
	inner, stack := *c, *c.stack
	stack.t = t
	inner.stack = &stack
	return &inner
}

// name is what the group of users is called in this turn.
func (c *crashSite) name() string { return fmt.Sprintf("user-%d", c.turn) }

// ask stores the documents of the turn.
func (c *crashSite) ask() {
	c.t.Helper()
	o := c.wants()
	o.config = strings.Replace(o.config, "groupAlias: user", "groupAlias: "+c.name(), 1)
	o.config = strings.Replace(o.config, "replication: {", "replication: {rename: "+c.way.mode+", ", 1)
	documents := o.documents()
	if c.turn%2 == 1 {
		documents = without(documents, bindingName(0, "reader", 0))
	}
	c.apply(documents, "--prune", "--yes")
	c.began = time.Now()
}

// begin asks for the next name, and starts the run.
func (c *crashSite) begin() {
	c.t.Helper()
	c.ask()
	c.must(done, "replicate", firstTenant(c.wants()).String())
}

// finish waits for the run's end, which has to be as desired.
func (c *crashSite) finish() {
	c.t.Helper()
	id := workflows.ReplicateTenantID(firstTenant(c.wants()))
	c.eventually("the run to end", func() bool { return c.status(id) != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING })
	if got := c.status(id); got != enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED {
		c.t.Errorf("the run ended %s", got)
	}
	readers := 4 - c.turn%2
	want := map[string]int{"project-00-admin": 4, "project-00-" + c.name(): 4, "project-00-reader": readers}
	if diff := cmp.Diff(want, c.groups()); diff != "" {
		c.t.Errorf("groups and members (-want +got):\n%s", diff)
	}
	c.onceEach()
}

// onceEach checks that the ledger has each change of the turn once, and done, and
// each state of the renaming.
func (c *crashSite) onceEach() {
	c.t.Helper()
	seen := map[string]int{}
	for _, r := range c.records() {
		if r.IntendedAt.Before(c.began) {
			continue
		}
		seen[r.Step.ID]++
		if r.DoneAt.IsZero() || r.Err != "" || seen[r.Step.ID] > 1 {
			c.t.Errorf("the ledger has %s %s %q %d times, done at %v, error %q",
				r.Step.Op, r.Step.Kind, r.Step.Object, seen[r.Step.ID], r.DoneAt, r.Err)
		}
	}
	if len(seen) != c.way.changes {
		c.t.Errorf("the ledger has %d changes, want %d", len(seen), c.way.changes)
	}
	var states []ledger.RenamingState
	for _, r := range c.renamings() {
		if r.To == "project-00-"+c.name() {
			for _, change := range r.Changes {
				states = append(states, change.State)
			}
		}
	}
	if diff := cmp.Diff(c.way.states, states); diff != "" {
		c.t.Errorf("the renaming's states (-want +got):\n%s", diff)
	}
}

// renamings are those of the tenant that the ledger has.
func (c *crashSite) renamings() []ledger.Renaming {
	c.t.Helper()
	db, err := store.Open(c.t.Context(), c.database)
	if err != nil {
		c.t.Fatal(err)
	}
	defer db.Close()
	all, err := ledger.New(db).Renamings(c.t.Context(), firstTenant(c.wants()))
	if err != nil {
		c.t.Fatal(err)
	}
	return all
}

// probe asks the platform itself, several times a second, who cannot do what they
// always may: nobody, but where the way has a gap. The function it returns ends that,
// and says how often it asked, and how often somebody was without a role.
func (c *crashSite) probe(t testing.TB) (end func() (probes, gaps int)) {
	gaps := 0
	stop, probes := make(chan struct{}), 0
	var running sync.WaitGroup
	running.Go(func() {
		for {
			if gone := c.without(); len(gone) > 0 {
				gaps++
				if !c.way.gap {
					t.Errorf("probe %d: without the role they are to have: %v", probes, gone)
				}
			}
			probes++
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	})
	end = sync.OnceValues(func() (int, int) {
		close(stop)
		running.Wait()
		return probes, gaps
	})
	t.Cleanup(func() { end() })
	return end
}

// crash is one case of the matrix: where the worker is killed.
type crash struct {
	name string
	// play begins the turn and returns once the worker is dead; false where the
	// boundary was not met.
	play func(c *crashSite) bool
}

// atGate kills the worker at a boundary that the gate knows.
func atGate(boundary string) crash {
	return crash{name: boundary, play: func(c *crashSite) bool {
		var w *exec.Cmd
		var started sync.Mutex
		started.Lock()
		c.gate.open(boundary, func() { started.Lock(); kill(w) })
		w = c.worker(append(c.variables(), "TEMPORAL_ADDRESS="+c.gate.address)...)
		started.Unlock()
		c.begin()
		defer kill(w)
		id := workflows.ReplicateTenantID(firstTenant(c.wants()))
		c.eventually("the worker's death", func() bool {
			return c.gate.hasStruck() || c.status(id) != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
		})
		return c.gate.hasStruck()
	}}
}

// beforeCall kills the worker when the ledger has the intent of the n-th write,
// before the platform has the call.
func beforeCall(n int) crash {
	return crash{name: fmt.Sprintf("between intent and call %d", n), play: func(c *crashSite) bool {
		file := c.place.(*memoryPlace).file
		breakPlatform(c.t, file, memory.Fault{Op: "write:*", Skip: n - 1, Delay: memory.Duration(time.Hour)})
		w := c.worker()
		c.begin()
		c.eventually("the write to die in", func() bool { return world(c.t, file).Faults[0].Hits > 0 })
		kill(w)
		breakPlatform(c.t, file)
		return true
	}}
}

// beforeRecord kills the worker when the platform has done the n-th write, before
// the ledger has its answer.
func beforeRecord(n int) crash {
	return crash{name: fmt.Sprintf("between call and record %d", n), play: func(c *crashSite) bool {
		file := c.place.(*memoryPlace).file
		breakPlatform(c.t, file, memory.Fault{Op: "write:*", Skip: n - 1, Times: 1, Delay: memory.Duration(2 * time.Second)})
		w := c.worker()
		c.begin()
		c.eventually("the write to die after", func() bool { return world(c.t, file).Faults[0].Hits > 0 })
		before := world(c.t, file).Revision
		unlock := c.lockLedger()
		c.eventually("the write", func() bool { return world(c.t, file).Revision > before })
		time.Sleep(200 * time.Millisecond) // the answer is on its way to the ledger
		kill(w)
		open := slices.ContainsFunc(c.records(), func(r ledger.Record) bool { return !r.IntendedAt.Before(c.began) && r.DoneAt.IsZero() })
		unlock()
		breakPlatform(c.t, file)
		return open
	}}
}

// lockLedger has nobody write into the ledger until it is unlocked.
func (c *crashSite) lockLedger() (unlock func()) {
	c.t.Helper()
	ctx := c.t.Context()
	db, err := pgx.Connect(ctx, c.database)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, q := range []string{"BEGIN", "LOCK TABLE records IN SHARE ROW EXCLUSIVE MODE"} {
		if _, err := db.Exec(ctx, q); err != nil {
			c.t.Fatal(err)
		}
	}
	return func() {
		// Whoever waits is dead, and must not write when it is their turn.
		_, err := db.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock'`)
		if err != nil {
			c.t.Error(err)
		}
		_ = db.Close(ctx)
	}
}

// survive plays one case, and has another worker go on.
func (c *crashSite) survive(t *testing.T, one crash) {
	in := c.in(t)
	end := in.probe(t)
	defer func() { c.turn = in.turn }()
	met := false
	for range 2 { // how many decisions it takes depends on what comes together
		in.turn++
		if met = one.play(in); met {
			break
		}
		w := in.worker(in.variables()...)
		in.finish()
		kill(w)
	}
	if !met {
		t.Errorf("the boundary was not met; these were: %v", in.gate.boundaries())
		return
	}
	w := in.worker(in.variables()...)
	in.finish()
	kill(w)
	if n, _ := end(); n < 10 {
		t.Errorf("the platform was asked %d times who may do what, which shows nothing", n)
	}
}

// boundariesOf has one turn go by without a crash, and returns its boundaries.
func (c *crashSite) boundariesOf() []string {
	c.t.Helper()
	c.gate.open("", nil)
	w := c.worker(append(c.variables(), "TEMPORAL_ADDRESS="+c.gate.address)...)
	defer kill(w)
	c.turn++
	c.begin()
	c.finish()
	return c.gate.boundaries()
}

// memoryPlace is a place on a memory platform.
type memoryPlace struct {
	t    *testing.T
	file string
	organisation
}

func newMemoryPlace(t *testing.T) *memoryPlace {
	t.Helper()
	file, org := memoryOrganisation(t, "sandbox.local", 1, 4)
	return &memoryPlace{t: t, file: file, organisation: org}
}

func (p *memoryPlace) wants() organisation { return p.organisation }
func (p *memoryPlace) variables() []string { return nil }

func (p *memoryPlace) groups() map[string]int { return membersOf(p.t, p.file) }

func (p *memoryPlace) without() []string {
	w := world(p.t, p.file)
	may := map[string]bool{} // person and role
	for _, b := range w.Bindings {
		for _, g := range w.Groups {
			if g.ID == b.Group {
				for _, m := range g.Members {
					may[m+" "+b.Role] = true
				}
			}
		}
	}
	var gone []string
	for i, role := range []string{"owner", "developer", "viewer"} {
		for n := range 4 {
			always := roles[i] != "reader" || n > 0
			if who := "u-" + person(roles[i], n) + " " + role; always && !may[who] {
				gone = append(gone, who)
			}
		}
	}
	return gone
}

// TestWorkerKilledAtEveryBoundaryOfARename kills the worker at each boundary of a
// run in which a group gets another name: before and after each activity, before
// and after each decision of ReplicateTenant and of RecreateGroup reaches Temporal,
// between the ledger's intent and each call to the platform, and between the call
// and the ledger's record. Each time another worker goes on. In the end all is as
// desired, the old group is gone, and the ledger has each change once; and all
// along nobody was without what they are to have.
func TestWorkerKilledAtEveryBoundaryOfARename(t *testing.T) {
	t.Parallel()
	matrix(t, recreating(), 40)
}

// TestWorkerKilledAtEveryBoundaryOfARenameInPlace is the same where the platform
// renames the group itself.
func TestWorkerKilledAtEveryBoundaryOfARenameInPlace(t *testing.T) {
	t.Parallel()
	matrix(t, way{mode: "in-place", changes: 2, every: 3}, 14)
}

// TestWorkerKilledInAStrictRename is the same where the old group goes first, at fewer
// boundaries, as the steps are those of the others in another order: users are
// without the role for a while, and get it back whatever dies.
func TestWorkerKilledInAStrictRename(t *testing.T) {
	t.Parallel()
	how := strictly()
	how.every = 8
	matrix(t, how, 40)
}

// TestMatrixProbeSeesAGap: the probe of the crash matrix can fail. A strict rename
// leaves people without their role for as long as its writes take.
func TestMatrixProbeSeesAGap(t *testing.T) {
	t.Parallel()
	c := newCrashSite(t, newStack(t), newMemoryPlace(t), strictly())
	breakPlatform(t, c.place.(*memoryPlace).file, memory.Fault{Op: "write:*", Delay: memory.Duration(300 * time.Millisecond)})
	end := c.probe(t)
	c.worker()
	c.turn++
	c.begin()
	c.finish()
	if probes, gaps := end(); gaps == 0 || gaps == probes {
		t.Errorf("%d of %d probes saw a gap, want some", gaps, probes)
	}
}

// matrix plays all cases of a way, which are at least so many.
func matrix(t *testing.T, how way, least int) {
	t.Helper()
	if testing.Short() {
		t.Skip("takes minutes: run without -short")
	}
	var cases []crash
	t.Run("boundaries", func(t *testing.T) {
		first := newCrashSite(t, newStack(t), newMemoryPlace(t), how)
		before := world(t, first.place.(*memoryPlace).file).Revision
		for _, boundary := range first.boundariesOf() {
			cases = append(cases, atGate(boundary))
		}
		writes := int(world(t, first.place.(*memoryPlace).file).Revision - before)
		for n := 1; n <= writes; n++ {
			cases = append(cases, beforeCall(n), beforeRecord(n))
		}
	})
	all := len(cases)
	if len(cases) < least {
		t.Fatalf("%d boundaries, want at least %d", len(cases), least)
	}
	if how.every > 1 && os.Getenv("ROLLCALL_SOAK") == "" {
		kept := 0
		cases = slices.DeleteFunc(cases, func(crash) bool { kept++; return kept%how.every != 0 })
	}
	t.Logf("soak: worker killed at %d of %d boundaries of a replacement, %s", len(cases), all, how.mode)
	for lane := range lanes {
		t.Run(fmt.Sprintf("lane %d", lane), func(t *testing.T) {
			t.Parallel()
			c := newCrashSite(t, newStack(t), newMemoryPlace(t), how)
			for i := lane; i < len(cases); i += lanes {
				t.Run(cases[i].name, func(t *testing.T) { c.survive(t, cases[i]) })
			}
		})
	}
}
