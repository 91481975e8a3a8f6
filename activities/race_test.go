package activities_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/connection/connectiontest"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/internal/store/storetest"
	"github.com/rollcall-iam/rollcall/workflows"
)

const (
	// races is how often a user is removed while an older plan adds them.
	races = 1000
	// racesInCI is the same without make soak.
	racesInCI = 200
	// tracks is how many tenants race at once, on one database.
	tracks = 8
)

// TestWhoWasTakenOutStaysOut races removed bindings and revocations, half of each,
// against runs that add the user. In the end the user is in no group, and in none from
// the moment when the revocation, or the newer run, was done. No other user loses
// anything.
func TestWhoWasTakenOutStaysOut(t *testing.T) {
	t.Parallel()
	c := newCourse(t, tracks, 250*time.Millisecond, func(*activities.Platform) {})
	n := racesInCI
	if os.Getenv("ROLLCALL_SOAK") != "" {
		n = races
	}
	c.race(n / tracks)
	t.Logf("soak: %d races of removals and older plans: %d plans stopped, %d late additions undone",
		c.run.Load(), c.stopped.Load(), c.late.Load())
	for _, v := range c.violations() {
		t.Error(v)
	}
	if c.stopped.Load() == 0 || c.late.Load() == 0 {
		t.Error("the races miss each other: no older plan was stopped, or no addition came late")
	}
}

// TestTheRaceCanBeLost shows that the race needs both safeguards: without one, a run that
// waits at one point until the revocation is done adds the revoked user again.
func TestTheRaceCanBeLost(t *testing.T) {
	t.Parallel()
	intact := func(*activities.Platform) {}
	const (
		untilOut = time.Minute     // more than a revocation takes on a busy machine
		shortly  = 2 * time.Second // the revocation waits for this run
	)
	for _, c := range []struct {
		reason   string
		point    point
		patience time.Duration
		change   func(*activities.Platform)
		lost     bool
	}{
		{"a plan older than the revocation is stopped", beforeApply, untilOut, intact, false},
		{"plans are applied however old", beforeApply, untilOut, activities.Blind, true},
		{"a revocation waits for the call on its way", beforeCall, shortly, intact, false},
		{"revocations do not wait for what is on its way", beforeCall, untilOut, activities.Hasty, true},
	} {
		t.Run(c.reason, func(t *testing.T) {
			t.Parallel()
			course := newCourse(t, 1, 0, c.change)
			course.patience = c.patience
			course.tracks[0].stop = &stop{point: c.point, reached: make(chan struct{})}
			course.tracks[0].race(0)
			if lost := len(course.violations()) > 0; lost != c.lost {
				t.Errorf("the victim is there after the revocation: %t, want %t: %v", lost, c.lost, course.violations())
			}
		})
	}
}

// stop is where the first run of a track waits until the victim is out.
type stop struct {
	point   point
	reached chan struct{}
	once    sync.Once
}

type point int

const (
	beforeApply point = iota + 1 // between plan and Apply
	beforeCall                   // between Apply's check and the platform
)

// course is what all tracks share.
type course struct {
	t      *testing.T
	store  *store.Store
	ledger *ledger.Ledger
	tracks []*track
	// patience is how long a call may be held up: what waits for it waits as long.
	patience time.Duration

	run, stopped, late atomic.Int64
	mu                 sync.Mutex
	found              []string
}

func (c *course) violationf(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.found = append(c.found, fmt.Sprintf(format, args...))
}

func (c *course) violations() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.found)
}

func newCourse(t *testing.T, tracks int, patience time.Duration, change func(*activities.Platform)) *course {
	t.Helper()
	s := storetest.Open(t)
	c := &course{t: t, store: s, ledger: ledger.New(s), patience: patience}
	c.apply(`{apiVersion: v1, kind: meshWorkspace, metadata: {name: acme}, spec: {displayName: Acme}}`,
		`{apiVersion: v1, kind: meshProjectRole, metadata: {name: user}, spec: {name: User, rank: 1}}`)
	for i := range tracks {
		c.tracks = append(c.tracks, c.newTrack(i, change))
	}
	return c
}

// apply stores documents beside those that are there.
func (c *course) apply(texts ...string) {
	c.t.Helper()
	docs, _, err := document.Decode(strings.NewReader("---\n"+strings.Join(texts, "\n---\n")), "course")
	if err == nil {
		_, err = c.store.Apply(c.t.Context(), store.ApplyRequest{Documents: docs})
	}
	if err != nil {
		c.t.Error(err)
	}
}

// race lets every track race n times.
func (c *course) race(n int) {
	var group sync.WaitGroup
	for _, tr := range c.tracks {
		group.Go(func() {
			for k := range n {
				if c.t.Failed() {
					return
				}
				tr.race(k)
				c.run.Add(1)
			}
		})
	}
	group.Wait()
}

// track is one tenant, with a platform of its own.
type track struct {
	*course
	tenant      access.TenantID
	file        string
	platform    *activities.Platform
	revocations *activities.Revocations
	random      *rand.Rand
	randomMu    sync.Mutex
	stop        *stop // nil for races left to chance

	runs sync.Mutex     // the workflow ID that makes runs of one tenant exclusive
	open sync.WaitGroup // runs that others started
	pass atomic.Int64
	// taken is true from when the documents, or a revocation, take the person out;
	// out from when that is verified.
	taken, out atomic.Bool
}

// The people of each track: the one who is taken out, one who stays, and one who
// comes and goes with the same plans.
const (
	victim = iota
	stayer
	friend
)

func (tr *track) name(who int) string {
	return fmt.Sprintf("%s-%s", []string{"victim", "stayer", "friend"}[who], tr.tenant.Project)
}

func (c *course) newTrack(i int, change func(*activities.Platform)) *track {
	c.t.Helper()
	name := fmt.Sprintf("track%d", i)
	tr := &track{
		course: c, tenant: access.TenantID{Workspace: "acme", Project: name, Platform: name + ".local"},
		file: filepath.Join(c.t.TempDir(), "world.json"), random: rand.New(rand.NewPCG(uint64(i), 1)),
	}
	w := memory.World{Tenants: []memory.Tenant{{ID: name}}}
	var people []string
	for who := victim; who <= friend; who++ {
		p := tr.name(who)
		w.Users = append(w.Users, memory.User{ID: "u-" + p, Name: p})
		people = append(people, fmt.Sprintf(
			`{apiVersion: v2, kind: meshUser, metadata: {name: %s}, spec: {email: %s@example.com, firstName: A, lastName: B, euid: %s}}`, p, p, p))
	}
	if err := memory.Seed(tr.file, w); err != nil {
		c.t.Fatal(err)
	}
	c.apply(append(people,
		fmt.Sprintf(`{apiVersion: v2, kind: meshProject, metadata: {name: %s, ownedByWorkspace: acme}, spec: {displayName: P}}`, name),
		fmt.Sprintf(`{apiVersion: v1, kind: meshPlatform, metadata: {name: %s}, spec: {displayName: S, locationRef: {name: local}, config: {memory: {
  replication: {groupNamePattern: "#{projectIdentifier}-#{platformGroupAlias}", roleMappings: [{projectRoleRef: {name: user}, groupAlias: user, roles: [developer]}]}}}}}`,
			name),
		fmt.Sprintf(`{apiVersion: v4, kind: meshTenant, metadata: {ownedByWorkspace: acme, ownedByProject: %s}, spec: {platformIdentifier: %s.local, platformTenantId: %s}}`,
			name, name, name),
		tr.binding(stayer))...)
	tr.platform = activities.NewPlatform(c.store, c.ledger, "lab", connectiontest.Drivers(c.t, c.store,
		map[string]driver.Open{"memory": tr.openSlowly}, connectiontest.Memory(tr.tenant.Platform, tr.file)))
	change(tr.platform)
	activities.WatchChecks(tr.platform, tr.delay, func(err error) {
		if errors.Is(err, fault.ErrConflict) {
			c.stopped.Add(1)
		}
	})
	tr.revocations = activities.NewRevocations()
	tr.revocations.Serve(tr.tenant.Platform, tr.platform)
	tr.replicate()
	return tr
}

func (tr *track) bindingName(who int) string { return "b-" + tr.name(who) }

func (tr *track) binding(who int) string {
	return fmt.Sprintf(`{apiVersion: v3, kind: meshProjectUserBinding, metadata: {name: %s}, roleRef: {name: user}, targetRef: {name: %s, ownedByWorkspace: acme}, subject: {name: %s}}`,
		tr.bindingName(who), tr.tenant.Project, tr.name(who))
}

func (tr *track) remove(who int) {
	ids := []document.ID{{Kind: document.KindUserBinding, Name: tr.bindingName(who)}}
	if _, err := tr.store.Delete(tr.t.Context(), ids, store.Checks{}); err != nil {
		tr.t.Error(err)
	}
}

// upTo returns a random time.
func (tr *track) upTo(d time.Duration) time.Duration {
	tr.randomMu.Lock()
	defer tr.randomMu.Unlock()
	return time.Duration(tr.random.Int64N(int64(d)))
}

// delay is how long anything may take between two points.
func (tr *track) delay() { time.Sleep(tr.upTo(4 * time.Millisecond)) }

// hold lets a run wait at a point for what takes the victim out: always at the track's
// stop, and else now and then at a call.
func (tr *track) hold(at point) {
	switch {
	case tr.stop != nil:
		if at != tr.stop.point {
			return
		}
		tr.stop.once.Do(func() { close(tr.stop.reached) })
	case at != beforeCall || tr.upTo(12) > 0:
		return
	}
	for deadline := time.Now().Add(tr.patience); !tr.out.Load() && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
}

// race puts the victim in and takes them out at once.
func (tr *track) race(k int) {
	tr.taken.Store(false)
	tr.out.Store(false)
	come, revoked := k%2 == 0, k%4 < 2
	if come {
		tr.apply(tr.binding(victim), tr.binding(friend))
	} else {
		tr.remove(friend)
		tr.apply(tr.binding(victim))
	}
	tr.open.Go(tr.replicate)
	if tr.stop != nil {
		<-tr.stop.reached
	} else {
		time.Sleep(tr.upTo(30 * time.Millisecond))
	}
	if revoked {
		tr.revoke()
	} else {
		tr.remove(victim)
		tr.taken.Store(true)
		tr.replicate() // waits for the one before, as a signalled run does
		tr.out.Store(true)
	}
	tr.look("as soon as it is done")
	tr.open.Wait()
	tr.look("in the end")
	members := tr.members()
	if slices.Contains(members, "u-"+tr.name(friend)) != come || !slices.Contains(members, "u-"+tr.name(stayer)) {
		tr.violationf("%s, race %d: members %v, want %s, and %s: %v", tr.tenant, k, members, tr.name(stayer), tr.name(friend), come)
	}
	if revoked {
		tr.remove(victim)
		if err := tr.store.Lift(tr.t.Context(), tr.name(victim), "back", storetest.By("hr")); err != nil {
			tr.t.Error(err)
		}
	}
}

// look notes a victim who is there although they are out.
func (tr *track) look(when string) {
	out := tr.out.Load() // before the look
	if out && slices.Contains(tr.members(), "u-"+tr.name(victim)) {
		tr.violationf("%s: %s is there %s", tr.tenant, tr.name(victim), when)
	}
}

func (tr *track) members() []string {
	w, err := memory.Read(tr.file)
	if err != nil {
		tr.t.Error(err)
	}
	for _, g := range w.Groups {
		return g.Members
	}
	return nil
}

// replicate is one run of the tenant, by the real workflow and activities.
func (tr *track) replicate() {
	tr.runs.Lock()
	defer tr.runs.Unlock()
	env := tr.environment()
	pass := int(tr.pass.Add(1)) * 100 // the environment gives all runs one id
	tr.platform.Register(otherApply{env, func(ctx context.Context, in activities.ApplyInput) (activities.ApplyOutput, error) {
		in.Pass += pass
		tr.hold(beforeApply)
		return tr.platform.Apply(ctx, in)
	}})
	workflows.Register(env)
	env.ExecuteWorkflow(workflows.ReplicateTenantWorkflow, workflows.ReplicateInput{Tenant: tr.tenant, Cause: "race"})
	if err := env.GetWorkflowError(); err != nil {
		tr.t.Errorf("%s: %v", tr.tenant, err)
	}
}

// otherApply registers all activities as they are, but for Apply.
type otherApply struct {
	*testsuite.TestWorkflowEnvironment
	apply any
}

func (r otherApply) RegisterActivityWithOptions(run any, o activity.RegisterOptions) {
	if o.Name == activities.ApplyActivity {
		run = r.apply
	}
	r.TestWorkflowEnvironment.RegisterActivityWithOptions(run, o)
}

func (tr *track) environment() *testsuite.TestWorkflowEnvironment {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(time.Minute)
	// A busy machine is no deadlock.
	env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: time.Minute})
	return env
}

// revoke revokes the victim's access, by the real workflows and activities. Runs that
// they start wait for their turn. What was about to be added goes on after the platform has
// accepted the removals: the verification finds it.
func (tr *track) revoke() {
	r, err := tr.store.Revoke(tr.t.Context(), tr.name(victim), "left", storetest.By("hr"), nil)
	if err != nil {
		tr.t.Error(err)
		return
	}
	tr.taken.Store(true)
	tr.revocation(workflows.RevokeUserWorkflow, workflows.RevokeUserInput{ID: r.ID, Platforms: []string{tr.tenant.Platform}},
		func(env *testsuite.TestWorkflowEnvironment) {
			env.RegisterWorkflowWithOptions(workflows.RevokeUser, workflow.RegisterOptions{Name: workflows.RevokeUserWorkflow})
			env.RegisterWorkflowWithOptions(func(workflow.Context, workflows.VerifyRevocationInput) (workflows.VerifyRevocationResult, error) {
				return workflows.VerifyRevocationResult{}, nil // it follows
			}, workflow.RegisterOptions{Name: workflows.VerifyRevocationWorkflow})
			env.RegisterActivityWithOptions(tr.revocations.RemoveUser, activity.RegisterOptions{Name: activities.RemoveUserActivity})
		})
	tr.revocation(workflows.VerifyRevocationWorkflow, workflows.VerifyRevocationInput{
		VerifyRemovalInput: activities.VerifyRemovalInput{ID: r.ID, Platform: tr.tenant.Platform},
	},
		func(env *testsuite.TestWorkflowEnvironment) {
			env.RegisterWorkflowWithOptions(workflows.VerifyRevocation, workflow.RegisterOptions{Name: workflows.VerifyRevocationWorkflow})
			env.RegisterActivityWithOptions(tr.revocations.VerifyRemoval, activity.RegisterOptions{Name: activities.VerifyRemovalActivity})
		})
	tr.out.Store(true)
	tr.look("as soon as the revocation is verified")
}

// revocation executes a workflow of a revocation.
func (tr *track) revocation(name string, in any, register func(*testsuite.TestWorkflowEnvironment)) {
	env := tr.environment()
	env.RegisterWorkflowWithOptions(func(workflow.Context, workflows.ReplicateInput) (workflows.ReplicateResult, error) {
		tr.open.Go(tr.replicate)
		return workflows.ReplicateResult{}, nil
	}, workflow.RegisterOptions{Name: workflows.ReplicateTenantWorkflow})
	register(env)
	env.ExecuteWorkflow(name, in)
	if err := env.GetWorkflowError(); err != nil {
		tr.t.Errorf("%s: %s: %v", tr.tenant, name, err)
	}
}

// openSlowly opens the track's platform, whose calls take their time.
func (tr *track) openSlowly(ctx context.Context, config driver.Config) (driver.Driver, error) {
	inner, err := memory.Open(ctx, config)
	return slow{inner, tr}, err
}

type slow struct {
	driver.Driver
	track *track
}

// Apply looks at the platform after each change: nothing else changes it.
func (s slow) Apply(ctx context.Context, scope driver.Scope, steps []plan.Step) []driver.Result {
	s.track.delay()
	s.track.hold(beforeCall)
	results := s.Driver.Apply(ctx, scope, steps)
	s.track.look("after a change")
	for i, step := range steps {
		adds := slices.ContainsFunc(step.Adds(), func(m access.Member) bool { return m.Person == s.track.name(victim) })
		if adds && results[i].Err == nil && s.track.taken.Load() {
			s.track.late.Add(1)
		}
	}
	s.track.delay()
	return results
}
