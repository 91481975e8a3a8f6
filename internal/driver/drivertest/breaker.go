package drivertest

import (
	"net/http"
	"time"

	"github.com/rollcall-iam/rollcall/internal/driver/drivertest/faultproxy"
)

// Breaker makes the calls between a driver and its platform fail.
type Breaker interface {
	// Break makes calls fail as how says until Mend. The function it returns
	// counts the calls that have failed so far.
	Break(which Match, how Fault) (hits func() int)
	// Mend lets every call through again.
	Mend()
}

// Calls is a sort of call. Signing in is neither a read nor a write and is
// never broken.
type Calls string

// The sorts of calls.
const (
	AllCalls Calls = "all"
	Reads    Calls = "reads"
	Writes   Calls = "writes"
)

// Match says which calls fail.
type Match struct {
	Calls Calls
	// Skip is how many of them go through first.
	Skip int
	// Times is how many fail after that; 0 means all.
	Times int
}

// Fault says how a call fails. Exactly one field is set, but for RetryAfter and
// Status, which go together.
type Fault struct {
	// Status is the HTTP status that the platform answers with.
	Status int
	// RetryAfter is what it asks to wait, in whole seconds.
	RetryAfter time.Duration
	// Cut ends the connection in the middle of the answer.
	Cut bool
	// Garbage answers with success and something that is no answer.
	Garbage bool
	// Truncated leaves out a part of a list and says so as the platform does. A
	// breaker whose platform cannot say so leaves the call alone: no hit.
	Truncated bool
	// Lost lets the platform do what it is asked, and loses the answer.
	Lost bool
	// Hang answers only when the caller has gone.
	Hang bool
	// HeadersOnly sends the headers of an answer, and Slow an answer byte by byte, until the
	// caller has gone. A breaker whose platform sends answers in one piece leaves the call
	// alone: no hit.
	HeadersOnly, Slow bool
}

// ThroughProxy is the Breaker of every platform that speaks HTTP. A request for
// which signIn returns true is never broken. Requests read that have the method
// GET or HEAD.
func ThroughProxy(p *faultproxy.Proxy, signIn func(*http.Request) bool) Breaker {
	return ThroughProxyWhere(p, signIn, func(r *http.Request) bool {
		return r.Method == http.MethodGet || r.Method == http.MethodHead
	})
}

// ThroughProxyWhere is ThroughProxy for platforms whose methods do not say which
// requests read: there reads tells. Neither function may read the body.
func ThroughProxyWhere(p *faultproxy.Proxy, signIn, reads func(*http.Request) bool) Breaker {
	return proxyBreaker{proxy: p, signIn: signIn, reads: reads}
}

type proxyBreaker struct {
	proxy         *faultproxy.Proxy
	signIn, reads func(*http.Request) bool
}

func (b proxyBreaker) Break(which Match, how Fault) func() int {
	header := http.Header{}
	if how.RetryAfter > 0 {
		header.Set("Retry-After", seconds(how.RetryAfter))
	}
	return b.proxy.Add(faultproxy.Rule{
		Match: func(r *http.Request) bool { return !b.signIn(r) && which.Calls.has(b.reads(r)) },
		Skip:  which.Skip,
		Times: which.Times,
		Fault: faultproxy.Fault{
			Status: how.Status, Header: header, Cut: how.Cut, Garbage: how.Garbage,
			Truncate: how.Truncated, Lose: how.Lost, Hang: how.Hang, HeadersOnly: how.HeadersOnly, Slow: how.Slow,
		},
	})
}

func (b proxyBreaker) Mend() { b.proxy.Clear() }

// has reports whether a request that reads, or one that does not, is such a call.
func (c Calls) has(reads bool) bool {
	return c == AllCalls || reads == (c == Reads)
}
