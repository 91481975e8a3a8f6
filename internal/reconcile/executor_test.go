package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/reconcile"
)

func accounts(names ...string) []access.Member {
	var members []access.Member
	for _, name := range names {
		members = append(members, access.Member{Account: access.Account{Name: name, Ref: name}})
	}
	return members
}

// example is a plan in which dan, eve, fay and gus join the group admin and cem leaves
// it, ann goes from there to the new group dev, and the group old is deleted.
func example() plan.Plan {
	tenant := access.TenantID{Workspace: "acme", Project: "shop", Platform: "lab.here"}
	marker := access.Mark{Installation: "lab", Tenant: tenant.String()}
	owner := access.Binding{Role: "owner", Group: "admin"}
	observed := owner
	observed.GroupRef, observed.Ref, observed.Mark = "g-admin", "b-owner", access.Unread()
	return plan.Make(plan.Input{
		Tenant: tenant,
		Observed: access.State{
			Groups: []access.Group{
				{Name: "admin", Ref: "g-admin", Mark: marker, Members: accounts("ann", "bob", "cem")},
				{Name: "old", Ref: "g-old", Mark: marker},
			},
			Bindings: []access.Binding{observed},
		},
		Desired: access.State{
			Groups: []access.Group{
				{Name: "admin", Members: accounts("bob", "dan", "eve", "fay", "gus")}, {Name: "dev", Members: accounts("ann", "bob")},
			},
			Bindings: []access.Binding{owner, {Role: "writer", Group: "dev"}},
		},
		Owned: []plan.Owned{
			{Key: owner.Key(), Ref: "b-owner"}, {Key: access.Group{Name: "admin"}.Key(), Ref: "g-admin"},
			{Key: access.Group{Name: "old"}.Key(), Ref: "g-old"},
		},
		Rules: plan.Rules{Mark: marker, MemberChunk: 20, Additional: plan.KeepAdditional, Cleanup: true, Guard: plan.Guard{Percent: 100}},
	})
}

// name writes a step as the tests name it.
func name(s plan.Step) string {
	if s.Kind == access.KindMembers {
		words := []string{s.Object}
		for _, m := range s.Adds() {
			words = append(words, "+"+m.Ref)
		}
		for _, m := range s.Removes() {
			words = append(words, "-"+m.Ref)
		}
		return strings.Join(words, " ")
	}
	return string(s.Op) + " " + s.Object
}

// The steps of example, by name.
const (
	change  = "admin +dan +eve +fay +gus -cem"
	create  = "create dev"
	join    = "dev +ann +bob"
	grant   = "create writer → dev"
	removal = "admin -ann"
	remove  = "delete old"
)

// platform is a driver that fails steps, by name or by an account that they add.
type platform struct {
	driver.Driver // nil: the executor only applies

	mu    sync.Mutex
	fails map[string]error
	// times is how often a failure happens; 0 means always.
	times map[string]int
	calls []string
	steps []plan.Step
}

func (*platform) Profile() driver.Profile { return driver.Profile{Unit: plan.PerObject, Parallel: 4} }

func (p *platform) Apply(_ context.Context, _ driver.Scope, steps []plan.Step) []driver.Result {
	p.mu.Lock()
	defer p.mu.Unlock()
	results := make([]driver.Result, len(steps))
	for i, s := range steps {
		p.calls, p.steps = append(p.calls, name(s)), append(p.steps, s)
		results[i] = driver.Result{Ref: "ref of " + name(s), Err: p.failure(s)}
	}
	return results
}

func (p *platform) failure(s plan.Step) error {
	for _, m := range s.Adds() {
		if err := p.fails[m.Ref]; err != nil {
			return err
		}
	}
	err := p.fails[name(s)]
	if left, limited := p.times[name(s)]; limited {
		if left == 0 {
			return nil
		}
		p.times[name(s)]--
	}
	return err
}

// records is a ledger that keeps names.
type records struct {
	mu       sync.Mutex
	intended map[string]int
	outcomes map[string]string // the class of the failure, or "done"
	fails    error
}

func (r *records) Intend(_ context.Context, steps []plan.Step) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range steps {
		r.intended[name(s)]++
	}
	return r.fails
}

func (r *records) Record(ctx context.Context, outcomes []reconcile.Outcome) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, o := range outcomes {
		r.outcomes[name(o.Step)] = "done"
		if o.Err != nil {
			r.outcomes[name(o.Step)] = fault.Class(o.Err).Error()
		}
	}
	return ctx.Err()
}

func (*records) GroupRefs(context.Context) (map[string]string, error) {
	return map[string]string{"dev": "g-dev"}, nil
}

func newRecords() *records {
	return &records{intended: map[string]int{}, outcomes: map[string]string{}}
}

// ids returns the IDs of steps of a plan, by name.
func ids(p plan.Plan) map[string]string {
	named := map[string]string{}
	for _, s := range p.Steps {
		named[name(s)] = s.ID
	}
	return named
}

// all returns the outcomes of the example: done, except for changes.
func all(changes map[string]string) map[string]string {
	outcomes := map[string]string{}
	for _, s := range example().Steps {
		outcomes[name(s)] = "done"
	}
	maps.Copy(outcomes, changes)
	maps.DeleteFunc(outcomes, func(_, outcome string) bool { return outcome == "" })
	return outcomes
}

func TestExecutor(t *testing.T) {
	t.Parallel()
	p := example()
	cases := map[string]struct {
		reason string
		fails  map[string]error
		times  map[string]int
		config reconcile.Config
		want   map[string]string // outcomes; "" for none
		report reconcile.Report
		err    error
		// calls is how often the driver applied a step; 0 does not compare.
		calls int
	}{
		"Works": {reason: "each step is applied once", report: reconcile.Report{Done: 6}, calls: 6},
		"RefusedAddition": {
			reason: "a user who cannot join the new group leaves the old one all the same",
			fails:  map[string]error{"ann": fault.ErrInvalid},
			want:   map[string]string{join: "invalid", "dev +ann": "invalid", "dev +bob": "done"},
			report: reconcile.Report{Done: 5, Refused: 1},
		},
		"RefusedGroup": {
			reason: "a group that cannot be made gets neither members nor roles, and stops nothing else",
			fails:  map[string]error{create: fault.ErrDenied},
			want:   map[string]string{create: "denied", join: "", grant: ""},
			report: reconcile.Report{Done: 3, Refused: 1, Blocked: 2},
		},
		"RefusedAccount": {
			reason: "one account of five is refused: the member who leaves goes first, and three join",
			fails:  map[string]error{"fay": fault.ErrInvalid},
			want: map[string]string{
				change: "invalid", "admin -cem": "done", "admin +dan +eve +fay +gus": "invalid",
				"admin +dan +eve": "done", "admin +fay +gus": "invalid", "admin +fay": "invalid", "admin +gus": "done",
			},
			report: reconcile.Report{Done: 5, Refused: 1},
		},
		"RefusedTogether": {
			reason: "the platform refuses to add and remove in one call, and does both in two",
			fails:  map[string]error{change: fault.ErrUnsupported},
			want:   map[string]string{"admin -cem": "done", "admin +dan +eve +fay +gus": "done"},
			report: reconcile.Report{Done: 6},
		},
		"ThrottledPart": {
			reason: "a part that fails for now makes its step one that is tried again",
			fails:  map[string]error{"fay": fault.ErrInvalid, "admin +dan +eve": fault.ErrThrottled},
			want: map[string]string{
				change: "throttled", "admin -cem": "done", "admin +dan +eve +fay +gus": "throttled", "admin +dan +eve": "throttled",
				"admin +fay +gus": "invalid", "admin +fay": "invalid", "admin +gus": "done",
			},
			report: reconcile.Report{Done: 5, Unfinished: 1},
			err:    fault.ErrThrottled,
		},
		"Unavailable": {
			reason: "a removal waits while the addition is tried again; all others are applied",
			fails:  map[string]error{join: fault.ErrUnavailable},
			want:   map[string]string{join: "unavailable", removal: ""},
			report: reconcile.Report{Done: 4, Unfinished: 1},
			err:    fault.ErrUnavailable,
		},
		"Conflict": {
			reason: "no later wave is applied after the platform changed",
			fails:  map[string]error{create: fault.ErrConflict},
			want:   map[string]string{create: "conflict", join: "", grant: "", removal: ""},
			report: reconcile.Report{Done: 2, Replan: true},
		},
		"NotFound": {
			reason: "an object that is missing needs another plan",
			fails:  map[string]error{remove: fault.ErrNotFound},
			want:   map[string]string{remove: "not found", join: "", grant: "", removal: ""},
			report: reconcile.Report{Done: 2, Replan: true},
		},
		"Undesired": {
			reason: "a unit that is no longer desired is not applied",
			config: reconcile.Config{Check: func(context.Context) error { return fault.ErrConflict }},
			want:   map[string]string{change: "conflict", create: "conflict", remove: "conflict", join: "", grant: "", removal: ""},
			report: reconcile.Report{Replan: true},
		},
		"Limited": {
			reason: "a limit stops a wave before its intent is recorded",
			config: reconcile.Config{Limit: func(_ context.Context, units [][]plan.Step) (bool, error) {
				return !slices.ContainsFunc(units, func(steps []plan.Step) bool { return name(steps[0]) == join }), nil
			}},
			want:   map[string]string{join: "", grant: "", removal: ""},
			report: reconcile.Report{Done: 3, Replan: true},
		},
		"Repeated": {
			reason: "steps that are done or refused are not applied again",
			config: reconcile.Config{
				Done:    map[string]bool{ids(p)[change]: true, ids(p)[remove]: true},
				Refused: map[string]error{ids(p)[create]: fault.ErrDenied},
			},
			want:   map[string]string{change: "", remove: "", create: "denied", join: "", grant: ""},
			report: reconcile.Report{Done: 3, Refused: 1, Blocked: 2},
			calls:  1,
		},
		"StopAtRefusal": {
			reason: "a group replacement ends where a step of it is refused",
			fails:  map[string]error{create: fault.ErrDenied},
			config: reconcile.Config{StopAtRefusal: true},
			want:   map[string]string{create: "denied", join: "", grant: "", removal: ""},
			report: reconcile.Report{Done: 2, Refused: 1},
		},
		"IgnoreNeeds": {
			reason: "a revocation tries each step",
			fails:  map[string]error{create: fault.ErrDenied},
			config: reconcile.Config{IgnoreNeeds: true},
			want:   map[string]string{create: "denied"},
			report: reconcile.Report{Done: 5, Refused: 1},
		},
	}
	for title, c := range cases {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			d, l := &platform{fails: c.fails, times: c.times}, newRecords()
			config := c.config
			config.Plan, config.Driver, config.Ledger = p, d, l
			e := reconcile.New(config)
			err := e.Execute(t.Context(), p.Waves(plan.PerObject))
			if (err != nil) != (c.err != nil) || !errors.Is(err, c.err) {
				t.Errorf("%s: the error is %v, want %v", c.reason, err, c.err)
			}
			if diff := cmp.Diff(all(c.want), l.outcomes); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.reason, diff)
			}
			if diff := cmp.Diff(c.report, e.Report()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.reason, diff)
			}
			if c.calls > 0 && len(d.calls) != c.calls {
				t.Errorf("%s: the driver applied %q, want %d steps", c.reason, d.calls, c.calls)
			}
		})
	}
}

// TestExecutor_CompletesWhatFailedForNow: the next executor has what the first one did.
func TestExecutor_CompletesWhatFailedForNow(t *testing.T) {
	t.Parallel()
	p, l := example(), newRecords()
	d := &platform{fails: map[string]error{create: fault.ErrUnavailable}, times: map[string]int{create: 1}}
	config := reconcile.Config{Plan: p, Driver: d, Ledger: l}
	first := reconcile.New(config)
	if err := first.Execute(t.Context(), p.Waves(plan.PerObject)); !errors.Is(err, fault.ErrUnavailable) {
		t.Errorf("the first attempt returns %v, want the failure", err)
	}
	config.Done = first.Done()
	second := reconcile.New(config)
	if err := second.Execute(t.Context(), p.Waves(plan.PerObject)); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(reconcile.Report{Done: len(p.Steps)}, second.Report()); diff != "" {
		t.Errorf("after the second attempt (-want +got):\n%s", diff)
	}
	if n := len(d.calls); n != len(p.Steps)+1 {
		t.Errorf("both attempts applied %d steps, want the failed one twice and the others once: %q", n, d.calls)
	}
}

// TestExecutor_KnowsNewGroups: the plan was made before the group had an id.
func TestExecutor_KnowsNewGroups(t *testing.T) {
	t.Parallel()
	p, d := example(), &platform{}
	if err := reconcile.New(reconcile.Config{Plan: p, Driver: d, Ledger: newRecords()}).Execute(t.Context(), p.Waves(plan.PerObject)); err != nil {
		t.Fatal(err)
	}
	for _, s := range d.steps {
		if ref := s.Want.Members; ref != nil && ref.Group == "dev" && ref.GroupRef != "g-dev" {
			t.Errorf("%s has the group's id %q, want that of the ledger", name(s), ref.GroupRef)
		}
	}
}

// TestExecutor_GivesUpOnAPlatform: a reason that is none of the accounts' is not looked
// for in each of them.
func TestExecutor_GivesUpOnAPlatform(t *testing.T) {
	t.Parallel()
	const members = 64
	var refs []string
	for i := range members {
		refs = append(refs, fmt.Sprintf("user-%02d", i))
	}
	group := access.Group{Name: "g", Ref: "g-1", Mark: access.Mark{Installation: "lab", Tenant: "a.b/c.d"}}
	in := plan.Input{
		Observed: access.State{Groups: []access.Group{group}}, Owned: []plan.Owned{{Key: group.Key(), Ref: "g-1"}},
		Desired: access.State{Groups: []access.Group{{Name: "g", Members: accounts(refs...)}}},
		Rules:   plan.Rules{Mark: group.Mark, Guard: plan.DefaultGuard()},
	}
	in.Desired.Bindings = []access.Binding{}
	p := plan.Make(in)
	if len(p.Steps) != 1 {
		t.Fatalf("the plan has other steps:\n%s", p)
	}
	d, l := &platform{fails: map[string]error{refs[0]: fault.ErrDenied}}, newRecords()
	for _, ref := range refs {
		d.fails[ref] = fault.ErrDenied
	}
	e := reconcile.New(reconcile.Config{Plan: p, Driver: d, Ledger: l})
	if err := e.Execute(t.Context(), p.Waves(plan.PerObject)); err != nil || e.Report().Refused != 1 {
		t.Errorf("%+v, %v; want one step refused", e.Report(), err)
	}
	if n := len(d.calls); n > 24 {
		t.Errorf("the driver was asked %d times about %d accounts that it refuses", n, members)
	}
}

// TestExecutor_RecordsBeforeAndAfter: no call without an intent, no lost outcome.
func TestExecutor_RecordsBeforeAndAfter(t *testing.T) {
	t.Parallel()
	p := example()
	t.Run("NoIntent", func(t *testing.T) {
		t.Parallel()
		d, l := &platform{}, newRecords()
		l.fails = errors.New("the database is down")
		err := reconcile.New(reconcile.Config{Plan: p, Driver: d, Ledger: l}).Execute(t.Context(), p.Waves(plan.PerObject))
		if !errors.Is(err, l.fails) || len(d.calls) > 0 {
			t.Errorf("without a ledger: %v and the calls %q, want the ledger's error and none", err, d.calls)
		}
	})
	t.Run("Cancelled", func(t *testing.T) {
		t.Parallel()
		d, l := &platform{}, newRecords()
		ctx, cancel := context.WithCancel(t.Context())
		config := reconcile.Config{Plan: p, Driver: d, Ledger: l, Check: func(context.Context) error { cancel(); return nil }}
		if err := reconcile.New(config).Wave(ctx, p.Waves(plan.PerObject)[0]); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]string{change: "done", create: "done", remove: "done"}, l.outcomes); diff != "" {
			t.Errorf("a cancelled run records what it did (-want +got):\n%s", diff)
		}
	})
	t.Run("Parts", func(t *testing.T) {
		t.Parallel()
		d, l := &platform{fails: map[string]error{"fay": fault.ErrInvalid}}, newRecords()
		if err := reconcile.New(reconcile.Config{Plan: p, Driver: d, Ledger: l}).Execute(t.Context(), p.Waves(plan.PerObject)); err != nil {
			t.Fatal(err)
		}
		for _, call := range d.calls {
			if l.intended[call] == 0 {
				t.Errorf("%s was applied without an intent", call)
			}
		}
	})
}

func TestMaxRetryAfter(t *testing.T) {
	t.Parallel()
	plain, short, long := fault.ErrUnavailable, fault.Throttled(nil, time.Second), fault.Throttled(nil, time.Minute)
	for _, c := range []struct {
		reason string
		errs   []error
		want   error
	}{
		{"the longest wait counts", []error{plain, short, long, short}, long},
		{"the first one where none asks to wait", []error{plain, fault.ErrTruncated}, plain},
	} {
		if got := reconcile.MaxRetryAfter(c.errs); !errors.Is(got, c.want) || got.Error() != c.want.Error() {
			t.Errorf("%s: got %v", c.reason, got)
		}
	}
}
