package calls

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/rollcall-iam/rollcall/internal/progress"
)

// Deadline bounds one call to a platform. It counts from when the rate limit lets the
// call pass: calls that queue are not late.
type Deadline struct {
	// Silence is the longest time without a byte of the answer.
	Silence time.Duration
	// Total is the longest time until the last byte of the answer.
	Total time.Duration
}

// Default bounds calls whose context has no other deadline.
func Default() Deadline { return Deadline{Silence: 45 * time.Second, Total: time.Minute} }

// Long bounds calls whose answers arrive in parts for minutes, such as lists.
func Long() Deadline { return Deadline{Silence: 45 * time.Second, Total: 5 * time.Minute} }

// within returns the shorter of two deadlines; 0 is none.
func (d Deadline) within(most Deadline) Deadline {
	shorter := func(a, b time.Duration) time.Duration { return min(cmp.Or(a, b), cmp.Or(b, a)) }
	return Deadline{Silence: shorter(d.Silence, most.Silence), Total: shorter(d.Total, most.Total)}
}

type (
	operationKey struct{}
	mostKey      struct{}
)

// operation is what calls of a context do, and their deadline.
type operation struct {
	name     string
	deadline Deadline
}

// WithDeadline returns a context whose calls have the deadline. The operation, which
// names no user, is for reports of progress.
func WithDeadline(ctx context.Context, name string, deadline Deadline) context.Context {
	return context.WithValue(ctx, operationKey{}, operation{name, deadline})
}

// WithMost returns a context whose calls have no longer than most, whatever deadlines
// they get: for callers that cannot wait.
func WithMost(ctx context.Context, most Deadline) context.Context {
	known, _ := ctx.Value(mostKey{}).(Deadline)
	return context.WithValue(ctx, mostKey{}, most.within(known))
}

// operationOf returns what calls of the context do; name is for those that have none.
func operationOf(ctx context.Context, name string) operation {
	o, named := ctx.Value(operationKey{}).(operation)
	if !named {
		o = operation{name: name, deadline: Default()}
	}
	most, _ := ctx.Value(mostKey{}).(Deadline)
	o.deadline = o.deadline.within(most)
	return o
}

// TimeoutError reports a call that did not keep its deadline.
type TimeoutError struct {
	// Silence is true where no byte arrived for Limit, and false where the answer did not
	// end within it.
	Silence bool
	Limit   time.Duration
}

// Error implements error.
func (e *TimeoutError) Error() string {
	if e.Silence {
		return fmt.Sprintf("no answer in time: not a byte for %s", e.Limit)
	}
	return fmt.Sprintf("no answer in time: it did not end within %s", e.Limit)
}

// Timeout implements net.Error.
func (e *TimeoutError) Timeout() bool { return true }

// Temporary implements net.Error.
func (e *TimeoutError) Temporary() bool { return true }

// NewTransport returns a transport for calls to platforms. Callers put Bounded and the
// rate limit before it.
func NewTransport() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		MaxIdleConns:          64,
		MaxIdleConnsPerHost:   64,
		IdleConnTimeout:       30 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
		ForceAttemptHTTP2:     true,
	}
}

// Do makes a call that is no HTTP request, with the deadline of its context, and reports
// its progress. A call that does not keep its deadline fails with a TimeoutError.
func Do(ctx context.Context, name string, do func(context.Context) error) error {
	c := begin(ctx, operationOf(ctx, name))
	defer c.end()
	return c.wait(func() error { return do(c.ctx) })
}

// Bounded returns next with a deadline for every call, from its start to the last
// byte of the answer, and reports its progress. A call that does not keep its deadline
// fails with a TimeoutError.
func Bounded(next http.RoundTripper) http.RoundTripper { return bounded{next} }

type bounded struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	c := begin(r.Context(), operationOf(r.Context(), r.Method+" of a platform"))
	var response *http.Response
	err := c.wait(func() (err error) {
		response, err = b.next.RoundTrip(r.WithContext(c.ctx)) //nolint:bodyclose // the caller closes it
		return err
	})
	if err != nil {
		c.end()
		return nil, err
	}
	response.Body = &body{ReadCloser: response.Body, call: c}
	return response, nil
}

// call is one call on its way.
type call struct {
	operation

	parent, ctx context.Context //nolint:containedctx // the answer's body outlives the function
	cancel      context.CancelCauseFunc
	total       *time.Timer
}

func begin(ctx context.Context, o operation) *call {
	c := &call{operation: o, parent: ctx}
	c.ctx, c.cancel = context.WithCancelCause(c.parent)
	c.total = time.AfterFunc(c.deadline.Total, func() { c.cancel(&TimeoutError{Limit: c.deadline.Total}) })
	return c
}

// wait does what waits for the platform, which must not take longer than the silence
// allowed.
func (c *call) wait(do func() error) error {
	o := progress.Start(c.parent, c.name, c.deadline.Silence)
	defer o.End()
	silence := time.AfterFunc(c.deadline.Silence, func() {
		c.cancel(&TimeoutError{Silence: true, Limit: c.deadline.Silence})
	})
	defer silence.Stop()
	err := do()
	timeout, timedOut := errors.AsType[*TimeoutError](context.Cause(c.ctx))
	if err != nil && !errors.Is(err, io.EOF) && timedOut && c.parent.Err() == nil {
		return timeout
	}
	return err
}

// end releases what the call holds.
func (c *call) end() {
	c.total.Stop()
	c.cancel(context.Canceled)
}

// body is the body of an answer whose call has a deadline.
type body struct {
	io.ReadCloser

	call *call
	once sync.Once
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (n int, err error) {
	err = b.call.wait(func() error {
		n, err = b.ReadCloser.Read(p)
		return err
	})
	if err != nil {
		b.once.Do(b.call.end)
	}
	return n, err
}

// Close implements io.Closer.
func (b *body) Close() error {
	defer b.once.Do(b.call.end)
	return b.ReadCloser.Close()
}
