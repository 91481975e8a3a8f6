package budget_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-iam/rollcall/internal/budget"
)

// pass makes calls, each over at once, until the budget refuses one.
func pass(ctx context.Context, b *budget.Budget, most int) (int, error) {
	for n := range most {
		done, err := b.Pass(ctx)
		if err != nil {
			return n, err
		}
		done()
	}
	return most, nil
}

// TestRate counts the calls of ten seconds on a clock that stands still but
// for waiting.
func TestRate(t *testing.T) {
	tests := []struct {
		reason string
		rate   float64
		urgent bool
		want   int
	}{
		{"a burst of one second, then the rate, but for the part of urgent calls", 5, false, 4 + 10*4},
		{"urgent calls may use all of it", 5, true, 5 + 10*5},
		{"one a second leaves nothing to reserve", 1, false, 1 + 10},
		{"less than one a second", 0.5, false, 1 + 5},
		{"urgent calls have one a second besides", 0.5, true, 2 + 10*1.5},
		{"no limit", 0, false, 1000},
	}
	for _, test := range tests {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second+time.Millisecond)
			defer cancel()
			if test.urgent {
				ctx = budget.Urgent(ctx)
			}
			got, err := pass(ctx, budget.New(budget.Limits{CallsPerSecond: test.rate}), 1000)
			if got != test.want {
				t.Errorf("%s: %d calls in ten seconds at %v a second, want %d", test.reason, got, test.rate, test.want)
			}
			if got < 1000 && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: the error is %v, want the context's", test.reason, err)
			}
		})
	}
}

func TestConcurrent(t *testing.T) {
	tests := []struct {
		reason           string
		limit            int
		ordinary, urgent int // how many of either are open when all ask
	}{
		{"one place is for ordinary calls, and one more for urgent ones", 1, 1, 2},
		{"of two, one is left to urgent calls", 2, 1, 2},
		{"four fifths are for ordinary calls", 8, 6, 8},
		{"no limit", 0, 20, 20},
	}
	for _, test := range tests {
		synctest.Test(t, func(t *testing.T) {
			b := budget.New(budget.Limits{Concurrent: test.limit})
			ordinary := open(t.Context(), t, b, 20)
			if got := ordinary.Load(); got != int64(test.ordinary) {
				t.Errorf("%s: %d ordinary calls are open, want %d", test.reason, got, test.ordinary)
			}
			more := open(budget.Urgent(t.Context()), t, b, 20)
			if got := more.Load() + ordinary.Load(); test.limit > 0 && got != int64(test.urgent) {
				t.Errorf("%s: %d calls are open, want %d", test.reason, got, test.urgent)
			}
		})
	}
}

// open makes n calls that stay open until the test ends, and counts those that
// began.
func open(ctx context.Context, t *testing.T, b *budget.Budget, n int) *atomic.Int64 {
	t.Helper()
	var begun atomic.Int64
	ctx, cancel := context.WithCancel(ctx)
	var calls sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		calls.Wait()
	})
	for range n {
		calls.Go(func() {
			done, err := b.Pass(ctx)
			if err != nil {
				return
			}
			begun.Add(1)
			<-ctx.Done()
			done()
		})
	}
	synctest.Wait()
	return &begun
}

// TestOrder: who came first goes first, but for urgent calls.
func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := budget.New(budget.Limits{Concurrent: 1})
		done, err := b.Pass(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var order []string
		var calls sync.WaitGroup
		for name, ctx := range map[string]context.Context{"1": t.Context(), "2": t.Context(), "urgent": budget.Urgent(t.Context())} {
			calls.Go(func() {
				time.Sleep(map[string]time.Duration{"1": 1, "2": 2, "urgent": 3}[name])
				done, err := b.Pass(ctx)
				if err != nil {
					t.Error(err)
					return
				}
				order = append(order, name)
				done()
			})
		}
		time.Sleep(time.Second)
		done()
		calls.Wait()
		if got := strings.Join(order, " "); got != "urgent 1 2" {
			t.Errorf("the order is %s, want urgent 1 2", got)
		}
	})
}

func TestCancellation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tests := []struct {
			reason string
			limits budget.Limits
		}{
			{"while it waits for others to end", budget.Limits{Concurrent: 1}},
			{"while it waits for its turn", budget.Limits{CallsPerSecond: 0.001}},
			{"both", budget.Limits{Concurrent: 1, CallsPerSecond: 0.001}},
		}
		for _, test := range tests {
			b := budget.New(test.limits)
			done, err := b.Pass(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			ctx, meter := budget.WithMeter(ctx)
			failed := make(chan error, 1)
			go func() {
				_, err := b.Pass(ctx)
				failed <- err
			}()
			synctest.Wait()
			cancel()
			if err := <-failed; !errors.Is(err, context.Canceled) {
				t.Errorf("%s: the error is %v, want context.Canceled", test.reason, err)
			}
			if meter.Calls() != 0 {
				t.Errorf("%s: a call that was never made is counted", test.reason)
			}
			done()
		}
	})
}

// TestRefusedCallFreesItsPlace cancels calls that hold a place and wait for
// their turn: the place must not be lost.
func TestRefusedCallFreesItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := budget.New(budget.Limits{Concurrent: 1, CallsPerSecond: 1})
		for range 3 {
			short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			_, _ = pass(short, b, 2)
			cancel()
		}
		if got, err := pass(t.Context(), b, 2); got != 2 {
			t.Errorf("%d of 2 calls passed after three were refused: %v", got, err)
		}
	})
}

// TestMeter_Nested: an activity measures what a package below it counts for itself.
func TestMeter_Nested(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := budget.New(budget.Limits{CallsPerSecond: 1})
		ctx, outer := budget.WithMeter(t.Context())
		inner, meter := budget.WithMeter(ctx)
		for _, of := range []context.Context{ctx, inner, inner} {
			done, err := b.Pass(of)
			if err != nil {
				t.Fatal(err)
			}
			done()
		}
		if outer.Calls() != 3 || meter.Calls() != 2 {
			t.Errorf("counted %d and %d calls, want 3 and 2", outer.Calls(), meter.Calls())
		}
		if meter.Waited() < time.Second || outer.Waited() != meter.Waited() {
			t.Errorf("counted waits of %s and %s, want the same, and a second at least", outer.Waited(), meter.Waited())
		}
	})
}

func TestMeter(t *testing.T) {
	var none *budget.Budget
	ctx, meter := budget.WithMeter(t.Context())
	_, other := budget.WithMeter(t.Context())
	for _, b := range []*budget.Budget{none, budget.New(budget.Limits{}), budget.New(budget.Limits{Concurrent: 1})} {
		if got, err := pass(ctx, b, 2); got != 2 {
			t.Fatalf("%d of 2 calls passed: %v", got, err)
		}
	}
	if _, err := pass(t.Context(), none, 1); err != nil {
		t.Errorf("a call that nobody counts fails: %v", err)
	}
	if meter.Calls() != 6 || other.Calls() != 0 {
		t.Errorf("counted %d and %d calls, want 6 and 0", meter.Calls(), other.Calls())
	}
}

// roundTrip adapts a function to http.RoundTripper.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestTransport(t *testing.T) {
	errDown := errors.New("down")
	b := budget.New(budget.Limits{Concurrent: 1})
	client := b.Transport(roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.URL.Path == "/down" {
			return nil, errDown
		}
		return &http.Response{StatusCode: http.StatusTeapot, Body: http.NoBody, Request: r}, nil
	}))
	ctx, meter := budget.WithMeter(t.Context())
	for range 2 { // a failed call frees its place too
		if _, err := client.RoundTrip(request(ctx, t, "/down", nil)); !errors.Is(err, errDown) {
			t.Errorf("the error is %v, want the transport's own", err)
		}
		response, err := client.RoundTrip(request(ctx, t, "/up", nil))
		if err != nil || response.StatusCode != http.StatusTeapot {
			t.Fatalf("got %v, %v, want the response of the next transport", response, err)
		}
		if err := response.Body.Close(); err != nil {
			t.Error(err)
		}
	}
	if meter.Calls() != 4 {
		t.Errorf("counted %d calls, want 4", meter.Calls())
	}
}

// body notices that it was closed.
type body struct {
	io.Reader
	closed bool
}

func (b *body) Close() error { b.closed = true; return nil }

func TestTransportClosesTheBodyOfARefusedCall(t *testing.T) {
	b := budget.New(budget.Limits{Concurrent: 1})
	client := b.Transport(roundTrip(func(*http.Request) (*http.Response, error) {
		t.Error("a call passed although its context is over")
		return nil, errors.ErrUnsupported
	}))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	sent := &body{Reader: strings.NewReader("{}")}
	response, err := client.RoundTrip(request(ctx, t, "/", sent))
	if response != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, %v, want no response and context.Canceled", response, err)
	}
	if !sent.closed {
		t.Error("the request's body is left open")
	}
}

func request(ctx context.Context, t *testing.T, path string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://platform.example.com"+path, body)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
