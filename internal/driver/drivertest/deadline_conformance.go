package drivertest

import (
	"context"
	"strings"
	"time"

	"github.com/rollcall-iam/rollcall/internal/calls"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// timeouts are the ways in which a platform accepts a call and does not end it.
func timeouts() []failure {
	return []failure{
		{"no answer", Fault{Hang: true}, nil},
		{"headers alone", Fault{HeadersOnly: true}, nil},
		{"one byte after another", Fault{Slow: true}, nil},
	}
}

// callsKeepDeadlines timeouts calls, whose deadlines are short for the test.
func callsKeepDeadlines(l *lab) {
	t, people := l.populated("deadline")
	write := l.newObject(t, people)
	all := t.reads(people)
	all["Apply"] = func(ctx context.Context) (int, error) { return 0, t.apply(ctx, write)[0].Err }
	for name, call := range all {
		which := Match{Calls: Reads}
		if name == "Apply" {
			which.Calls = Writes
		}
		for _, way := range timeouts() {
			l.timesOut(name+" answered with "+way.name, which, way.fault, call)
		}
	}
	t.must(write)
}

// shortDeadline is one that no test has to wait for.
func shortDeadline() calls.Deadline {
	return calls.Deadline{Silence: 300 * time.Millisecond, Total: 600 * time.Millisecond}
}

// timesOut makes the call until one that it consists of timeouts: before that, a busy machine
// may miss the short deadline elsewhere.
func (l *lab) timesOut(what string, which Match, how Fault, call func(context.Context) (int, error)) {
	l.Helper()
	const (
		attempts = 20
		patience = time.Minute // only so that a call that never ends is named
	)
	ctx, cancel := context.WithTimeout(calls.WithMost(l.Context(), shortDeadline()), patience)
	defer cancel()
	hits := l.world.Breaker.Break(which, how)
	defer l.world.Breaker.Mend()
	for range attempts {
		_, err := call(ctx)
		if hits() == 0 && err == nil {
			l.Logf("%s: the breaker cannot do that here", what)
			return
		}
		l.fails(what, err, fault.ErrUnavailable)
		if err != nil && !strings.Contains(err.Error(), "no answer in time") {
			l.Errorf("%s: the error %q does not say that the answer is late", what, err)
		}
		if hits() > 0 {
			return
		}
	}
	l.Errorf("%s: no call hung in %d attempts", what, attempts)
}
