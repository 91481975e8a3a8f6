package calls_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-iam/rollcall/internal/calls"
	"github.com/rollcall-iam/rollcall/internal/progress"
)

// platform answers after head, and then with one byte after each of gaps.
type platform struct {
	head    time.Duration
	gaps    []time.Duration
	ignores bool // it does not notice that the caller left
	calls   int
}

func (p *platform) RoundTrip(r *http.Request) (*http.Response, error) {
	p.calls++
	if err := p.sleep(r.Context(), p.head); err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusOK, Request: r, Body: &drops{platform: p, ctx: r.Context()}}, nil
}

func (p *platform) sleep(ctx context.Context, d time.Duration) error {
	if p.ignores {
		time.Sleep(d)
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// drops is a body that arrives byte by byte.
type drops struct {
	platform *platform
	ctx      context.Context //nolint:containedctx // a body ends with its request
	read     int
}

func (d *drops) Read(p []byte) (int, error) {
	if d.read == len(d.platform.gaps) {
		return 0, io.EOF
	}
	if err := d.platform.sleep(d.ctx, d.platform.gaps[d.read]); err != nil {
		return 0, err
	}
	d.read++
	p[0] = '.'
	return 1, nil
}

func (d *drops) Close() error { return nil }

// slow is n gaps of a length.
func slow(n int, gap time.Duration) []time.Duration {
	gaps := make([]time.Duration, n)
	for i := range gaps {
		gaps[i] = gap
	}
	return gaps
}

// fetch makes one call and reads the answer.
func fetch(ctx context.Context, t *testing.T, next http.RoundTripper) (int, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://platform.example.com/", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := calls.Bounded(next).RoundTrip(r)
	if err != nil {
		return 0, err
	}
	text, err := io.ReadAll(response.Body)
	if err := response.Body.Close(); err != nil {
		t.Error(err)
	}
	return len(text), err
}

func TestDeadline(t *testing.T) {
	short := calls.Deadline{Silence: 10 * time.Second, Total: 30 * time.Second}
	tests := map[string]struct {
		reason   string
		platform platform
		without  bool // the call has no deadline of its own
		with     func(context.Context) context.Context
		want     *calls.TimeoutError
	}{
		"Answers":         {reason: "a call in time", platform: platform{head: 9 * time.Second, gaps: slow(3, 5*time.Second)}},
		"NeverAnswers":    {reason: "not a byte arrives", platform: platform{head: time.Hour}, want: &calls.TimeoutError{Silence: true, Limit: short.Silence}},
		"OnlyHeaders":     {reason: "nothing follows the headers", platform: platform{gaps: slow(1, time.Hour)}, want: &calls.TimeoutError{Silence: true, Limit: short.Silence}},
		"Drips":           {reason: "bytes arrive one by one without end", platform: platform{gaps: slow(1000, time.Second)}, want: &calls.TimeoutError{Limit: short.Total}},
		"DefaultDeadline": {reason: "no call is without a deadline", platform: platform{head: time.Hour}, without: true, want: &calls.TimeoutError{Silence: true, Limit: calls.Default().Silence}},
		"Most": {
			reason: "a caller that cannot wait shortens the deadline", platform: platform{head: time.Hour},
			with: func(ctx context.Context) context.Context {
				ctx = calls.WithMost(ctx, calls.Deadline{Silence: time.Second})
				return calls.WithMost(ctx, calls.Deadline{Silence: time.Minute})
			},
			want: &calls.TimeoutError{Silence: true, Limit: time.Second},
		},
		"MostIsNoExtension": {
			reason: "it makes none longer", platform: platform{head: time.Hour},
			with: func(ctx context.Context) context.Context { return calls.WithMost(ctx, calls.Long()) },
			want: &calls.TimeoutError{Silence: true, Limit: short.Silence},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				if !tc.without {
					ctx = calls.WithDeadline(ctx, "GET things", short)
				}
				if tc.with != nil {
					ctx = tc.with(ctx)
				}
				got, err := fetch(ctx, t, &tc.platform)
				if tc.want == nil {
					if err != nil || got != len(tc.platform.gaps) {
						t.Errorf("%s: got %d bytes, %v, want %d", tc.reason, got, err, len(tc.platform.gaps))
					}
					return
				}
				timeout, ok := errors.AsType[*calls.TimeoutError](err)
				if !ok || *timeout != *tc.want || calls.Cause(err) != tc.want.Error() {
					t.Errorf("%s: the error is %v, want %v", tc.reason, err, tc.want)
				}
			})
		})
	}
}

// TestDeadline_CallerLeaves: who cancels a call gets no story of the platform's.
func TestDeadline_CallerLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := fetch(ctx, t, &platform{head: time.Hour}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the error is %v, want the context's", err)
		}
	})
}

// TestProgressOfCalls asks a reporter, while a call is on its way, whether work goes on.
func TestProgressOfCalls(t *testing.T) {
	tests := map[string]struct {
		reason   string
		platform platform
		at       time.Duration
		want     string
	}{
		"Within":        {reason: "the deadline of the call counts, not the limit of phases", platform: platform{head: 40 * time.Second}, at: 39 * time.Second},
		"Ignores":       {reason: "a call that ignores its deadline is named", platform: platform{head: time.Hour, ignores: true}, at: 51 * time.Second, want: "GET things"},
		"IgnoresInBody": {reason: "so is one whose body hangs", platform: platform{gaps: slow(1, time.Hour), ignores: true}, at: 51 * time.Second, want: "GET things"},
		"BytesArrive":   {reason: "each byte is progress", platform: platform{gaps: slow(100, 30*time.Second)}, at: 100 * time.Second},
		"Disappointed":  {reason: "a call that ends by its deadline has not hung", platform: platform{head: time.Hour}, at: 50 * time.Second},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, reporter := progress.With(t.Context())
				ctx = calls.WithDeadline(ctx, "GET things", calls.Long())
				go func() { _, _ = fetch(ctx, t, &tc.platform) }()
				time.Sleep(tc.at)
				stall := reporter.Stalled(time.Now(), progress.Limits{Phase: 10 * time.Second, Grace: 5 * time.Second})
				got := ""
				if stall != nil {
					got = stall.Operation
				}
				if got != tc.want {
					t.Errorf("%s: stalled at %q (%v), want %q", tc.reason, got, stall, tc.want)
				}
				time.Sleep(2 * time.Hour) // the ignores ones end
			})
		})
	}
}

func TestShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var shared calls.Shared[int]
		fetched := 0
		fetch := func(ctx context.Context) (int, error) {
			fetched++
			defer progress.Start(ctx, "sign in", time.Hour).End()
			time.Sleep(time.Minute)
			return 7, ctx.Err()
		}
		canceled, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		first := make(chan error, 1)
		go func() {
			_, err := shared.Do(canceled, "", fetch)
			first <- err
		}()
		synctest.Wait()
		ctx, reporter := progress.With(t.Context())
		second := make(chan int, 1)
		go func() {
			got, _ := shared.Do(ctx, "", fetch)
			second <- got
		}()
		time.Sleep(30 * time.Second)
		if stall := reporter.Stalled(time.Now(), progress.Limits{Phase: time.Second}); stall != nil {
			t.Errorf("who waits for another's call has stalled: %v", stall)
		}
		if err := <-first; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the caller that left got %v, want its context's error", err)
		}
		if got := <-second; got != 7 || fetched != 1 {
			t.Errorf("the other got %d after %d calls, want 7 after one", got, fetched)
		}
	})
}

// TestShared_HungCallIsNoticed by those who only wait for it.
func TestShared_HungCallIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var shared calls.Shared[int]
		ctx, reporter := progress.With(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = shared.Do(ctx, "", func(ctx context.Context) (int, error) {
				defer progress.Start(ctx, "sign in", time.Second).End()
				time.Sleep(time.Hour)
				return 0, nil
			})
		}()
		time.Sleep(time.Minute)
		stall := reporter.Stalled(time.Now(), progress.Limits{Phase: time.Second})
		if stall == nil || stall.Operation != "sign in" || !stall.Running {
			t.Errorf("stalled at %v, want the call that hangs", stall)
		}
		<-done
	})
}
