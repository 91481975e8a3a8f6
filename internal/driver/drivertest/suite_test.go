package drivertest_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest"
	"github.com/rollcall-iam/rollcall/internal/driver/memory/memorytest"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// A law that no driver can break says nothing. So here is a broken driver for
// each law, made from the memory driver by spoiling one method, and the law
// must find it.

// broken is a driver with some methods spoilt; nil leaves a method as it is.
type broken struct {
	driver.Driver
	profile func(driver.Profile) driver.Profile
	resolve func(context.Context, []string) ([]access.Resolution, error)
	observe func(context.Context, []driver.Scope) ([]driver.Observation, error)
	apply   func(context.Context, driver.Scope, []plan.Step) []driver.Result

	memberships func([]driver.Membership) []driver.Membership
}

// Memberships implements driver.MembershipLister.
func (b broken) Memberships(ctx context.Context, account string) ([]driver.Membership, error) {
	lister, lists := b.Driver.(driver.MembershipLister)
	if !lists {
		return nil, fmt.Errorf("%w: the driver lists no memberships", fault.ErrUnsupported)
	}
	found, err := lister.Memberships(ctx, account)
	if b.memberships != nil && err == nil {
		found = b.memberships(found)
	}
	return found, err
}

func (b broken) Profile() driver.Profile {
	if b.profile == nil {
		return b.Driver.Profile()
	}
	return b.profile(b.Driver.Profile())
}

func (b broken) Resolve(ctx context.Context, accounts []string) ([]access.Resolution, error) {
	if b.resolve == nil {
		return b.Driver.Resolve(ctx, accounts)
	}
	return b.resolve(ctx, accounts)
}

func (b broken) Observe(ctx context.Context, scopes []driver.Scope) ([]driver.Observation, error) {
	if b.observe == nil {
		return b.Driver.Observe(ctx, scopes)
	}
	return b.observe(ctx, scopes)
}

func (b broken) Apply(ctx context.Context, scope driver.Scope, steps []plan.Step) []driver.Result {
	if b.apply == nil {
		return b.Driver.Apply(ctx, scope, steps)
	}
	return b.apply(ctx, scope, steps)
}

// spoil returns a broken driver made of a good one.
type spoil func(good driver.Driver) broken

func TestEveryLawFindsItsBreaker(t *testing.T) {
	t.Parallel()
	spoilt := spoils()
	for _, law := range drivertest.AllLaws() {
		if law == drivertest.VersionsAreCompared {
			continue // the memory platform has no versions: see people_test.go
		}
		t.Run(string(law), func(t *testing.T) {
			t.Parallel()
			ruin, ok := spoilt[law]
			if !ok {
				t.Fatal("no broken driver shows that this law finds anything: add one to spoils")
			}
			suite := memorytest.Suite()
			suite.New = func(t testing.TB) drivertest.World {
				w := memorytest.New(t)
				open := w.Open
				w.Open = func(t testing.TB) driver.Driver {
					good := open(t)
					bad := ruin(good)
					bad.Driver = good
					return bad
				}
				return w
			}
			complaints := watch(t, suite, law)
			if len(complaints) == 0 {
				t.Error("the law is content with a driver that breaks it")
			}
			for _, c := range complaints[:min(1, len(complaints))] {
				t.Log(c)
			}
		})
	}
}

// TestProfileIsTotal_NeedsAnAccessEnd: a driver that states no figure, or one without a source,
// does not pass.
func TestProfileIsTotal_NeedsAnAccessEnd(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason string
		end    driver.AccessEnd
		passes bool
	}{
		"nothing":           {"nothing is stated", driver.AccessEnd{}, false},
		"without a source":  {"anyone can claim a figure", driver.AccessEnd{UpTo: time.Minute, Because: "sessions live on"}, false},
		"with a source":     {"a reader can check the figure", driver.AccessEnd{UpTo: time.Minute, Because: "sessions live on", Source: "page"}, true},
		"unknown":           {"the vendor states nothing", driver.AccessEnd{Unknown: true, Because: "tokens live on", Source: "no page"}, true},
		"unknown, but when": {"a figure contradicts it", driver.AccessEnd{Unknown: true, UpTo: 1, Because: "tokens", Source: "page"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			suite := memorytest.Suite()
			suite.New = func(t testing.TB) drivertest.World {
				w := memorytest.New(t)
				open := w.Open
				w.Open = func(t testing.TB) driver.Driver {
					bad := broken{profile: func(p driver.Profile) driver.Profile { p.AccessEnd = tc.end; return p }}
					bad.Driver = open(t)
					return bad
				}
				return w
			}
			complaints := watch(t, suite, drivertest.ProfileIsTotal)
			if passes := len(complaints) == 0; passes != tc.passes {
				t.Errorf("%s: passes = %t, want %t: %v", tc.reason, passes, tc.passes, complaints)
			}
		})
	}
}

func spoils() map[drivertest.Law]spoil {
	laws := map[drivertest.Law]spoil{}
	for _, some := range []map[drivertest.Law]spoil{spoiltReads(), spoiltSteps(), spoiltFailures()} {
		maps.Copy(laws, some)
	}
	return laws
}

func spoiltReads() map[drivertest.Law]spoil {
	return map[drivertest.Law]spoil{
		drivertest.MembershipsAreWhole: func(driver.Driver) broken {
			return broken{memberships: func(all []driver.Membership) []driver.Membership { return all[:max(0, len(all)-1)] }}
		},
		drivertest.ProfileIsTotal: func(driver.Driver) broken {
			return broken{profile: func(p driver.Profile) driver.Profile { p.Parallel = 0; return p }}
		},
		drivertest.EmptyIsEmpty: observation(func(o *driver.Observation) {
			o.State.Groups = append(o.State.Groups, access.Group{Name: "ghost", Ref: "ghost"})
		}),
		drivertest.ResolveIsExact: func(good driver.Driver) broken {
			return broken{resolve: func(ctx context.Context, accounts []string) ([]access.Resolution, error) {
				lower := make([]string, len(accounts))
				for i, a := range accounts {
					lower[i] = strings.ToLower(a)
				}
				return good.Resolve(ctx, lower)
			}}
		},
		drivertest.AccountNamesAreCompared: lookup(access.FoldCase),
		drivertest.TwinsAreAmbiguous:       resolution(access.Ambiguous, access.Yes),
		drivertest.DisabledIsDisabled:      resolution(access.Disabled, access.No),
		drivertest.MissingScope:            observation(func(o *driver.Observation) { o.Missing = false }),
		drivertest.MissingKeepGroups: observation(func(o *driver.Observation) {
			if o.Missing {
				o.State = access.State{}
			}
		}),
		drivertest.Fixpoint: observation(func(o *driver.Observation) { o.State.Bindings = nil }),
		drivertest.ObserveChangesNothing: observation(func(o *driver.Observation) {
			slices.Reverse(o.State.Groups)
		}),
		drivertest.ManyPages: observation(func(o *driver.Observation) {
			o.State.Groups = o.State.Groups[:min(10, len(o.State.Groups))]
		}),
		drivertest.CallsAreCounted: func(good driver.Driver) broken {
			return broken{observe: func(_ context.Context, scopes []driver.Scope) ([]driver.Observation, error) {
				return good.Observe(context.Background(), scopes)
			}}
		},
	}
}

func spoiltSteps() map[drivertest.Law]spoil {
	return map[drivertest.Law]spoil{
		drivertest.TableMatchesProfile: result(func(_ plan.Step, r driver.Result) driver.Result {
			if errors.Is(r.Err, fault.ErrUnsupported) {
				r.Err = nil
			}
			return r
		}),
		drivertest.RoundTrip: step(func(s *plan.Step) { // forgets the last of those who join
			if m := s.Want.Members; m != nil {
				fewer := *m
				fewer.Accounts = m.Accounts[:len(m.Accounts)-1]
				s.Want.Members = &fewer
			}
		}),
		drivertest.ApplyTwice:           creation(func(taken bool, r *driver.Result) { r.Err = when(taken, fault.ErrConflict) }),
		drivertest.CreateExisting:       creation(func(taken bool, r *driver.Result) { r.Ref += strings.Repeat("'", count(taken)) }),
		drivertest.DeleteMissing:        deletion(),
		drivertest.UpdateOnlyThat:       replaceSet,
		drivertest.FitTellsTheTruth:     rename(strings.TrimSpace),
		drivertest.RefusedStaysRefused:  rename(func(name string) string { return name[:min(len(name), 8)] + "x" }),
		drivertest.ForeignIsSacred:      greedy,
		drivertest.ForeignNamesAreTaken: blind(access.KindMembers),
		drivertest.ConflictIsSeen:       blind(access.KindGroup),
		drivertest.RenamesInPlace:       madeAnew,
		drivertest.GroupsAreAdopted:     nothingDone,
		drivertest.CarriedRolesAreNobodys: observation(func(o *driver.Observation) {
			for i := range o.State.Bindings {
				o.State.Bindings[i].Name = strings.Repeat("carried", min(i, 1))
			}
		}),
		drivertest.WavesCommute:      oneAtATime,
		drivertest.ConditionsAreKept: observation(func(o *driver.Observation) { forget(o.State.Bindings) }),
		drivertest.NewcomersAreBroughtIn: result(func(s plan.Step, r driver.Result) driver.Result {
			if s.Kind == access.KindAccount {
				r.Ref += "'"
			}
			return r
		}),
		drivertest.TearDown: step(func(s *plan.Step) {
			if s.Op == plan.Delete {
				s.Have = plan.Object{Group: &access.Group{Name: "another", Ref: "another"}}
				s.Kind = access.KindGroup
			}
		}),
	}
}

func spoiltFailures() map[drivertest.Law]spoil {
	return map[drivertest.Law]spoil{
		drivertest.AllOrError: func(good driver.Driver) broken {
			return broken{observe: func(ctx context.Context, scopes []driver.Scope) ([]driver.Observation, error) {
				got, err := good.Observe(ctx, scopes)
				if err != nil {
					got = make([]driver.Observation, len(scopes)) // "nothing there"
				}
				return got, nil
			}}
		},
		drivertest.FaultsAreNamed: result(func(_ plan.Step, r driver.Result) driver.Result {
			if r.Err != nil {
				r.Err = fmt.Errorf("something went wrong: %w", fault.ErrUnavailable)
			}
			return r
		}),
		drivertest.LostAnswers: result(func(_ plan.Step, r driver.Result) driver.Result {
			r.Err = nil // "it will have worked"
			return r
		}),
		drivertest.RefusalsAreContained: func(good driver.Driver) broken { // a part of a step takes nobody out
			return broken{apply: func(ctx context.Context, scope driver.Scope, steps []plan.Step) []driver.Result {
				if len(steps) == 1 && steps[0].PartOf != "" && len(steps[0].Removes()) > 0 {
					return make([]driver.Result, 1)
				}
				return good.Apply(ctx, scope, steps)
			}}
		},
		drivertest.FailedWritesAreRetried: step(func(s *plan.Step) { // the last of those who leave stays
			if m := s.Have.Members; m != nil {
				fewer := *m
				fewer.Accounts = m.Accounts[:len(m.Accounts)-1]
				s.Have.Members = &fewer
			}
		}),
		drivertest.InterruptedWritesAreRetried: creation(func(taken bool, r *driver.Result) { r.Err = when(taken, fault.ErrConflict) }),
		drivertest.CancelIsPrompt: result(func(_ plan.Step, r driver.Result) driver.Result {
			if r.Err != nil {
				r.Err = fault.ErrUnavailable
			}
			return r
		}),
		drivertest.CallsKeepDeadlines: result(func(_ plan.Step, r driver.Result) driver.Result {
			if r.Err != nil && strings.Contains(r.Err.Error(), "no answer in time") {
				r.Err = context.DeadlineExceeded
			}
			return r
		}),
		drivertest.SecretsStayOut: result(func(s plan.Step, r driver.Result) driver.Result {
			if r.Err != nil {
				r.Err = fmt.Errorf("adding %v: %w", s.Adds(), r.Err)
			}
			return r
		}),
	}
}

// lookup looks other names up than those that were asked for.
func lookup(name func(string) string) spoil {
	return func(good driver.Driver) broken {
		return broken{resolve: func(ctx context.Context, accounts []string) ([]access.Resolution, error) {
			others := make([]string, len(accounts))
			for i, a := range accounts {
				others[i] = name(a)
			}
			return good.Resolve(ctx, others)
		}}
	}
}

// TestAccountNamesAreCompared_FindsBreakers: each way to compare names too loosely, or to fail
// because of one name, is found.
func TestAccountNamesAreCompared_FindsBreakers(t *testing.T) {
	t.Parallel()
	without := func(what string) func(string) string {
		return func(name string) string { return strings.ReplaceAll(name, what, "") }
	}
	for name, tc := range map[string]struct {
		reason string
		ruin   spoil
	}{
		"full case mapping":     {"U+017F becomes s", lookup(func(name string) string { return strings.ToLower(strings.ToUpper(name)) })},
		"ASCII case":            {"the platform distinguishes case", lookup(strings.ToLower)},
		"compatibility":         {"a fullwidth letter becomes a", lookup(norm.NFKC.String)},
		"accents":               {"U+00E9 becomes e", lookup(func(name string) string { return without("\u0301")(norm.NFD.String(name)) })},
		"zero width characters": {"they are removed", lookup(without("\u200b"))},
		"a list":                {"the first of two users is taken", lookup(func(name string) string { first, _, _ := strings.Cut(name, ","); return first })},
		"an escape":             {"it is decoded", lookup(func(name string) string { return strings.ReplaceAll(name, "%61", "a") })},
		"an error for all": {"one name stops the others", func(good driver.Driver) broken {
			return broken{resolve: func(ctx context.Context, accounts []string) ([]access.Resolution, error) {
				if slices.Contains(accounts, "..") {
					return nil, fmt.Errorf("memory: GET /users/..: %w", fault.ErrNotFound)
				}
				return good.Resolve(ctx, accounts)
			}}
		}},
		"an unfounded hint": {"no account is similar", func(good driver.Driver) broken {
			return broken{resolve: func(ctx context.Context, accounts []string) ([]access.Resolution, error) {
				got, err := good.Resolve(ctx, accounts)
				for i := range got {
					if got[i].Found == access.No {
						got[i].Similar = access.DiffersByOrigin
					}
				}
				return got, err
			}}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			suite := memorytest.Suite()
			suite.New = func(t testing.TB) drivertest.World {
				w := memorytest.New(t)
				open := w.Open
				w.Open = func(t testing.TB) driver.Driver {
					good := open(t)
					bad := tc.ruin(good)
					bad.Driver = good
					return bad
				}
				return w
			}
			if len(watch(t, suite, drivertest.AccountNamesAreCompared)) == 0 {
				t.Errorf("the test passes although %s", tc.reason)
			}
		})
	}
}

// forget loses the conditions of bindings.
func forget(bindings []access.Binding) {
	for i := range bindings {
		bindings[i].Condition = ""
	}
}

// observation spoils what is observed at each scope.
func observation(ruin func(*driver.Observation)) spoil {
	return func(good driver.Driver) broken {
		return broken{observe: func(ctx context.Context, scopes []driver.Scope) ([]driver.Observation, error) {
			got, err := good.Observe(ctx, scopes)
			for i := range got {
				ruin(&got[i])
			}
			return got, err
		}}
	}
}

// resolution mistakes one answer for another.
func resolution(from, to access.Found) spoil {
	return func(good driver.Driver) broken {
		return broken{resolve: func(ctx context.Context, accounts []string) ([]access.Resolution, error) {
			got, err := good.Resolve(ctx, accounts)
			for i := range got {
				if got[i].Found == from {
					got[i].Found = to
				}
			}
			return got, err
		}}
	}
}

// step spoils each step before it is applied.
func step(ruin func(*plan.Step)) spoil {
	return func(good driver.Driver) broken {
		return broken{apply: func(ctx context.Context, scope driver.Scope, steps []plan.Step) []driver.Result {
			steps = slices.Clone(steps)
			for i := range steps {
				ruin(&steps[i])
			}
			return good.Apply(ctx, scope, steps)
		}}
	}
}

// result spoils what became of each step.
func result(ruin func(plan.Step, driver.Result) driver.Result) spoil {
	return func(good driver.Driver) broken {
		return broken{apply: func(ctx context.Context, scope driver.Scope, steps []plan.Step) []driver.Result {
			results := good.Apply(ctx, scope, steps)
			for i, r := range results {
				results[i] = ruin(steps[i], r)
			}
			return results
		}}
	}
}

// creation spoils the answer to the creation of a group that was there before.
func creation(ruin func(taken bool, r *driver.Result)) spoil {
	return func(good driver.Driver) broken {
		return broken{apply: func(ctx context.Context, scope driver.Scope, steps []plan.Step) []driver.Result {
			taken := make([]bool, len(steps))
			for i, s := range steps {
				taken[i] = s.Op == plan.Create && s.Kind == access.KindGroup && exists(ctx, good, scope, s.Want.Group.Name)
			}
			results := good.Apply(ctx, scope, steps)
			for i := range results {
				if steps[i].Kind == access.KindGroup {
					ruin(taken[i], &results[i])
				}
			}
			return results
		}}
	}
}

// deletion calls it a failure when there is nothing to delete.
func deletion() spoil {
	return func(good driver.Driver) broken {
		return broken{apply: func(ctx context.Context, scope driver.Scope, steps []plan.Step) []driver.Result {
			for _, s := range steps {
				if s.Op == plan.Delete && s.Kind == access.KindGroup && !exists(ctx, good, scope, s.Have.Group.Name) {
					return slices.Repeat([]driver.Result{{Err: fault.ErrNotFound}}, len(steps))
				}
			}
			return good.Apply(ctx, scope, steps)
		}}
	}
}

// replaceSet writes a group's members whole, whoever joined meanwhile.
func replaceSet(good driver.Driver) broken {
	return broken{apply: func(ctx context.Context, scope driver.Scope, steps []plan.Step) []driver.Result {
		for i, s := range steps {
			if s.Kind != access.KindMembers || s.Have.Members == nil {
				continue
			}
			everybody := *s.Have.Members
			seen, _ := good.Observe(ctx, []driver.Scope{scope})
			for _, g := range seen[0].State.Groups {
				if g.Name == everybody.Group {
					everybody.Accounts = g.Members
				}
			}
			steps[i].Have.Members = &everybody
		}
		return good.Apply(ctx, scope, steps)
	}}
}

// rename bends the names of new groups.
func rename(bend func(string) string) spoil {
	return step(func(s *plan.Step) {
		if s.Op == plan.Create && s.Kind == access.KindGroup {
			bent := *s.Want.Group
			bent.Name = bend(bent.Name)
			s.Want.Group = &bent
		}
	})
}

// greedy deletes all roles at the scope when it is to delete one.
func greedy(good driver.Driver) broken {
	return broken{apply: func(ctx context.Context, scope driver.Scope, steps []plan.Step) []driver.Result {
		for _, s := range steps {
			if s.Op != plan.Delete {
				continue
			}
			seen, _ := good.Observe(ctx, []driver.Scope{scope})
			for _, b := range seen[0].State.Bindings {
				good.Apply(ctx, scope, []plan.Step{{Op: plan.Delete, Kind: access.KindBinding, Have: plan.Object{Binding: &b}}})
			}
		}
		return good.Apply(ctx, scope, steps)
	}}
}

// blind takes a group's own mark for ours, in steps of one kind.
func blind(kind access.Kind) spoil {
	return func(good driver.Driver) broken {
		return broken{apply: func(ctx context.Context, scope driver.Scope, steps []plan.Step) []driver.Result {
			seen, _ := good.Observe(ctx, []driver.Scope{scope})
			for _, g := range seen[0].State.Groups {
				if steps[0].Kind == kind && g.Name == steps[0].Key().Group {
					scope.Mark = g.Mark
				}
			}
			return good.Apply(ctx, scope, steps)
		}}
	}
}

// oneAtATime drops units that come while another one is under way.
func oneAtATime(good driver.Driver) broken {
	var busy sync.Mutex
	return broken{apply: func(ctx context.Context, scope driver.Scope, steps []plan.Step) []driver.Result {
		if !busy.TryLock() {
			return make([]driver.Result, len(steps))
		}
		defer busy.Unlock()
		time.Sleep(20 * time.Millisecond)
		return good.Apply(ctx, scope, steps)
	}}
}

func exists(ctx context.Context, d driver.Driver, scope driver.Scope, group string) bool {
	scope.Groups = []access.Group{{Name: group}}
	seen, err := d.Observe(ctx, []driver.Scope{scope})
	return err == nil && slices.ContainsFunc(seen[0].State.Groups, func(g access.Group) bool { return g.Name == group })
}

func when(yes bool, err error) error {
	if yes {
		return err
	}
	return nil
}

func count(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// watch runs a law and returns its complaints instead of failing t.
func watch(t *testing.T, s drivertest.Suite, law drivertest.Law) []string {
	t.Helper()
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() { // of its own, because Fatal ends the goroutine it is called on
		defer close(done)
		drivertest.Examine(r, s, law)
	}()
	<-done
	return r.complaints
}

// recorder is a test that writes down why it fails.
type recorder struct {
	testing.TB
	mu         sync.Mutex
	complaints []string
}

func (r *recorder) complain(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.complaints = append(r.complaints, text)
}

func (r *recorder) Error(args ...any)                 { r.complain(fmt.Sprint(args...)) }
func (r *recorder) Errorf(format string, args ...any) { r.complain(fmt.Sprintf(format, args...)) }
func (r *recorder) Fatal(args ...any)                 { r.Error(args...); runtime.Goexit() }
func (r *recorder) Fatalf(format string, args ...any) { r.Errorf(format, args...); runtime.Goexit() }
