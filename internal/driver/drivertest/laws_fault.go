package drivertest

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// These laws break the platform. What matters is never that a call fails, but
// that the failure is told from an answer, and that the workflow can tell
// whether to come back.

// populated is a tenant with something to read, on more than one page where
// there are pages.
func (l *lab) populated(name string) (*tenant, []access.Member) {
	l.Helper()
	t := l.tenant(name)
	people := l.people(name, 2)
	want := t.want(people, people[:1])
	t.sync(want)
	t.converges(want)
	if l.profile.Groups && l.world.PageSize > 0 && !l.profile.NoBindings {
		var more access.State
		for i := range l.world.PageSize + 1 {
			name := fmt.Sprintf("laws-more-%04d", i)
			more.Groups = append(more.Groups, access.Group{Name: name})
			more.Bindings = append(more.Bindings, access.Binding{Role: l.world.Roles[2], Group: name})
		}
		t.know(l.world.Plant(l, t.scope.ID, more).Groups...)
	}
	return t, people
}

// reads are the ways to ask. Each returns how much it was answered. Where
// the platform has no accounts to look up there is only one: Resolve asks nobody
// there, and has no way to fail.
func (t *tenant) reads(people []access.Member) map[string]func(context.Context) (int, error) {
	accounts := []string{}
	for _, p := range people {
		accounts = append(accounts, p.Name)
	}
	reads := map[string]func(context.Context) (int, error){
		"Observe": func(ctx context.Context) (int, error) {
			got, err := t.driver.Observe(ctx, []driver.Scope{t.scope})
			return len(got), err
		},
		"Resolve": func(ctx context.Context) (int, error) {
			got, err := t.driver.Resolve(ctx, accounts)
			return len(got), err
		},
	}
	if lister, lists := t.driver.(driver.MembershipLister); lists {
		reads["Memberships"] = func(ctx context.Context) (int, error) {
			got, err := lister.Memberships(ctx, people[0].Ref)
			return len(got), err
		}
	}
	if reason := t.suite.Impossible[ResolveIsExact]; reason != "" {
		t.Logf("Resolve asks nobody: %s", reason)
		delete(reads, "Resolve")
	}
	return reads
}

func allOrError(l *lab) {
	t, people := l.populated("part")
	for name, read := range t.reads(people) {
		for _, f := range []struct {
			name  string
			fault Fault
			class error
		}{
			{"failed", Fault{Status: http.StatusServiceUnavailable}, fault.ErrUnavailable},
			{"was cut off", Fault{Cut: true}, nil},
			{"was truncated", Fault{Truncated: true}, fault.ErrTruncated},
		} {
			if n := l.breakEach(name+", of which call %d "+f.name, read, f.fault, f.class); n == 0 {
				l.Logf("%s: no call of it %s: the platform cannot say so", name, f.name)
			}
		}
	}
}

// breakEach runs read with its first call broken, then its second, until there
// are no more, and returns how many there were.
func (l *lab) breakEach(what string, read func(context.Context) (int, error), how Fault, class error) int {
	l.Helper()
	broken := 0
	const most = 1000 // calls
	for i := range most {
		passed := l.world.Breaker.Break(Match{Calls: Reads, Skip: i, Times: 1}, how)
		answers, err := read(l.Context())
		hits := passed()
		l.world.Breaker.Mend()
		if hits == 0 {
			if err != nil {
				l.Fatalf(what+": it failed without a fault: %v", i+1, err)
			}
			if how.Truncated && i < most/100 {
				continue // this call may be no list; the next one may
			}
			return broken
		}
		broken++
		if err == nil || answers > 0 {
			l.Errorf(what+": got %d answers and the error %v, want none and an error", i+1, answers, err)
			continue
		}
		l.retried(fmt.Sprintf(what, i+1), err, class)
	}
	return broken
}

// retried checks that the error of a broken read is tried again and, where
// class is not nil, that it is of that class.
func (l *lab) retried(what string, err, class error) {
	l.Helper()
	if !fault.Retryable(err) {
		l.Errorf("%s: the error %v is not retried", what, err)
	}
	if class != nil {
		l.fails(what, err, class)
	}
}

// failure is one way to fail and the class it has.
type failure struct {
	name  string
	fault Fault
	class error
}

// failures that reads and writes share.
func failures() []failure {
	return []failure{
		{"401", Fault{Status: http.StatusUnauthorized}, fault.ErrDenied},
		{"403", Fault{Status: http.StatusForbidden}, fault.ErrDenied},
		{"429", Fault{Status: http.StatusTooManyRequests, RetryAfter: 7 * time.Second}, fault.ErrThrottled},
		{"500", Fault{Status: http.StatusInternalServerError}, fault.ErrUnavailable},
		{"502", Fault{Status: http.StatusBadGateway}, fault.ErrUnavailable},
		{"503", Fault{Status: http.StatusServiceUnavailable}, fault.ErrUnavailable},
		{"504", Fault{Status: http.StatusGatewayTimeout}, fault.ErrUnavailable},
	}
}

func faultsAreNamed(l *lab) {
	t, people := l.populated("named")
	unreadable := []failure{{"cut off", Fault{Cut: true}, nil}, {"garbage", Fault{Garbage: true}, nil}}
	for name, read := range t.reads(people) {
		for _, f := range append(failures(), unreadable...) {
			l.world.Breaker.Break(Match{Calls: Reads}, f.fault)
			_, err := read(l.Context())
			l.world.Breaker.Mend()
			l.named(name+" answered with "+f.name, err, f)
		}
	}
	write := l.newObject(t, people)
	refusals := []failure{
		{"400", Fault{Status: http.StatusBadRequest}, fault.ErrInvalid},
		{"409", Fault{Status: http.StatusConflict}, fault.ErrConflict},
	}
	for _, f := range append(failures(), refusals...) {
		l.breakWrite(t, write, f)
	}
	t.must(write)
	if l.profile.Groups {
		add := plan.Step{ID: "add", Op: plan.Change, Kind: access.KindMembers, Object: t.set(2)}
		add.Want.Members = &plan.Members{Group: t.set(2), Accounts: people}
		l.breakWrite(t, add, failure{"404", Fault{Status: http.StatusNotFound}, fault.ErrNotFound})
		t.must(add)
	}
	l.breakChange(t, append(failures(), append(refusals, failure{"404", Fault{Status: http.StatusNotFound}, fault.ErrNotFound})...))
	// Whatever happened to this driver, it works when the platform does.
	for name, read := range t.reads(people) {
		if _, err := read(l.Context()); err != nil {
			l.Errorf("%s fails although the platform works again: %v", name, err)
		}
	}
}

// newObject is a step that creates something: the tenant's third group or role.
func (l *lab) newObject(t *tenant, people []access.Member) plan.Step {
	l.Helper()
	kind := access.KindBinding
	if l.profile.Groups {
		kind = access.KindGroup
	}
	return l.created(t.plan(t.want(people, people[:1], people)), kind)
}

// breakChange takes over a group, where groups can be taken over, while writes
// fail.
func (l *lab) breakChange(t *tenant, ways []failure) {
	l.Helper()
	if withoutMarks(l.profile) != "" {
		return
	}
	group := l.world.Plant(l, t.scope.ID, access.State{Groups: []access.Group{{Name: "laws-named-theirs"}}}).Groups[0]
	for _, f := range ways {
		l.breakWrite(t, t.change(group, group.Name), f)
	}
	t.must(t.change(group, group.Name))
}

// breakWrite applies one step while writes fail.
func (l *lab) breakWrite(t *tenant, step plan.Step, f failure) {
	l.Helper()
	l.world.Breaker.Break(Match{Calls: Writes}, f.fault)
	err := t.one(step)
	l.world.Breaker.Mend()
	l.named(fmt.Sprintf("%s %s answered with %s", step.Op, step.Kind, f.name), err, f)
}

// named checks the class of a failure, and what it says about when to retry.
func (l *lab) named(what string, err error, f failure) {
	l.Helper()
	if f.class == nil {
		if err == nil || !fault.Retryable(err) {
			l.Errorf("%s: got the error %v, want one that is retried", what, err)
		}
		return
	}
	l.fails(what, err, f.class)
	if after, _ := fault.RetryAfter(err); after != f.fault.RetryAfter {
		l.Errorf("%s: the error says to retry after %s, the platform said %s", what, after, f.fault.RetryAfter)
	}
}

// The connection breaks after the platform did what it was asked. This is the
// crash between call and record, seen from inside.
func lostAnswers(l *lab) {
	t := l.tenant("lost")
	people := l.people("lost", 2)
	for _, want := range []access.State{t.want(people), t.want(people[1:], people), {}} {
		p := t.plan(want)
		for _, step := range append(p.Steps, p.Held...) {
			lost := l.world.Breaker.Break(Match{Calls: Writes, Times: 1}, Fault{Lost: true})
			err := t.one(step)
			hits := lost()
			l.world.Breaker.Mend()
			if hits > 0 && !fault.Retryable(err) {
				l.Errorf("%s %s: its answer was lost, and the error is %v: want one that is retried", step.Op, step.Kind, err)
			}
			l.driver = l.world.Open(l)
			t.must(step)
		}
		t.converges(want)
		t.noTwins()
	}
	if l.profile.Groups && l.profile.Renames {
		t.losesRenames(people)
	}
}

// losesRenames loses the answer of each of two renames, there and back.
func (t *tenant) losesRenames(people []access.Member) {
	t.Helper()
	want := t.want(people)
	t.sync(want)
	t.converges(want)
	group := t.group(0)
	for _, name := range []string{"laws-lost-renamed", group.Name} {
		step := t.change(group, name)
		t.world.Breaker.Break(Match{Calls: Writes, Times: 1}, Fault{Lost: true})
		err := t.one(step)
		t.world.Breaker.Mend()
		if !fault.Retryable(err) {
			t.Errorf("renaming a group: its answer was lost, and the error is %v: want one that is retried", err)
		}
		t.driver = t.world.Open(t)
		t.must(step)
		group.Name = name
	}
	t.converges(want)
	t.noTwins()
}

func cancelIsPrompt(l *lab) {
	t, people := l.populated("cancel")
	write := l.newObject(t, people)
	before := t.look()
	calls := t.reads(people)
	calls["Apply"] = func(ctx context.Context) (int, error) { return 0, t.apply(ctx, write)[0].Err }
	for name, call := range calls {
		ctx, cancel := context.WithCancel(l.Context())
		cancel()
		_, err := call(ctx)
		l.fails(name+" with a cancelled context", err, context.Canceled)

		// A read of the call before may arrive only now. It must not be taken for the
		// write, which would then arrive when the platform answers again.
		hangs := Match{Calls: Reads}
		if name == "Apply" {
			hangs.Calls = Writes
		}
		hung := l.world.Breaker.Break(hangs, Fault{Hang: true})
		l.fails(name+" cancelled while the platform hangs", l.interrupt(call, hung), context.Canceled)
		l.world.Breaker.Mend()
	}
	if diff := cmp.Diff(before, t.look()); diff != "" {
		l.Errorf("cancelled calls changed something: %s", diff)
	}
}

// interrupt cancels the call once it hangs, and returns its error.
func (l *lab) interrupt(call func(context.Context) (int, error), hung func() int) error {
	l.Helper()
	ctx, cancel := context.WithCancel(l.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := call(ctx)
		ended <- err
	}()
	const patience = time.Minute // only so that a driver that never returns is named
	giveUp := time.After(patience)
	for {
		select {
		case err := <-ended:
			return err
		case <-giveUp:
			l.Fatal("the call did not return after its context was cancelled")
		case <-time.After(time.Millisecond):
			if hung() > 0 {
				cancel()
			}
		}
	}
}

// Errors end up in workflow histories, logs and tickets.
func secretsStayOut(l *lab) {
	t, people := l.populated("secret")
	write := l.newObject(t, people)
	add := plan.Step{ID: "add", Op: plan.Change, Kind: access.KindMembers, Object: t.set(0)}
	add.Want.Members = &plan.Members{Group: t.set(0), Accounts: people}
	calls := t.reads(people)
	calls["Apply"] = func(ctx context.Context) (int, error) { return 0, t.apply(ctx, write)[0].Err }
	calls["Apply of members"] = func(ctx context.Context) (int, error) { return 0, t.apply(ctx, add)[0].Err }
	faults := append(failures(),
		failure{"400", Fault{Status: http.StatusBadRequest}, nil}, failure{"404", Fault{Status: http.StatusNotFound}, nil},
		failure{"409", Fault{Status: http.StatusConflict}, nil}, failure{"cut off", Fault{Cut: true}, nil},
		failure{"garbage", Fault{Garbage: true}, nil}, failure{"truncated", Fault{Truncated: true}, nil})
	for name, call := range calls {
		for _, f := range faults {
			l.world.Breaker.Break(Match{Calls: AllCalls}, f.fault)
			_, err := call(l.Context())
			l.world.Breaker.Mend()
			if err != nil {
				l.discreet(name+" answered with "+f.name, err.Error(), people)
			}
		}
	}
	l.discreet("the driver, printed", fmt.Sprintf("%v %+v", l.driver, l.driver), nil)
	refused := t.one(plan.Step{Op: "nonsense", Kind: access.KindMembers, Want: add.Want})
	l.discreet("a refused step", fmt.Sprint(refused), people)
}

// discreet checks that a text names neither people nor secrets.
func (l *lab) discreet(what, text string, people []access.Member) {
	l.Helper()
	for _, secret := range l.world.Secrets {
		if strings.Contains(text, secret) {
			l.Errorf("%s: the text holds a credential", what)
		}
	}
	for _, p := range people {
		for _, form := range []string{p.Name, strings.ReplaceAll(p.Name, "@", "%40")} {
			if strings.Contains(text, form) {
				l.Errorf("%s: the text names an account: %s", what, text)
			}
		}
	}
}
