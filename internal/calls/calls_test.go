package calls_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/calls"
)

func TestEachKeepsToItsLimit(t *testing.T) {
	var now, most atomic.Int64
	var mu sync.Mutex
	seen := map[int]int{}
	err := calls.Each(t.Context(), 3, make([]int, 50), func(_ context.Context, i, _ int) error {
		defer now.Add(-1)
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
		}
		mu.Lock()
		defer mu.Unlock()
		seen[i]++
		return nil
	})
	if err != nil || len(seen) != 50 || most.Load() > 3 {
		t.Errorf("error %v, %d of 50 items, %d at once, want at most 3", err, len(seen), most.Load())
	}
}

func TestEachStopsAtTheFirstFailure(t *testing.T) {
	broken := errors.New("broken")
	var done atomic.Int64
	err := calls.Each(t.Context(), 1, make([]int, 50), func(_ context.Context, i, _ int) error {
		done.Add(1)
		if i == 4 {
			return broken
		}
		return nil
	})
	if !errors.Is(err, broken) || done.Load() != 5 {
		t.Errorf("error %v after %d items, want the failure after 5", err, done.Load())
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		reason, header string
		want           time.Duration
	}{
		{"seconds", "7", 7 * time.Second},
		{"a date", "Sun, 01 Mar 2026 12:00:30 GMT", 30 * time.Second},
		{"missing", "", 0},
		{"malformed", "soon", 0},
		{"negative", "-3", 0},
		{"in the past", "Sun, 01 Mar 2026 11:00:00 GMT", 0},
		{"longer than anybody waits", "99999999999", 24 * time.Hour},
		{"a date longer than anybody waits", "Mon, 01 Mar 2027 12:00:00 GMT", 24 * time.Hour},
	} {
		if got := calls.RetryAfter(http.Header{"Retry-After": {test.header}}, now); got != test.want {
			t.Errorf("%s: RetryAfter(%q) = %v, want %v", test.reason, test.header, got, test.want)
		}
	}
}

// TestRetryAfterBesideAWrongClock: a platform whose clock is off means its own.
func TestRetryAfterBesideAWrongClock(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, off := range []time.Duration{0, 5 * time.Minute, -5 * time.Minute} {
		theirs := now.Add(off)
		header := http.Header{
			"Date":        {theirs.Format(http.TimeFormat)},
			"Retry-After": {theirs.Add(7 * time.Second).Format(http.TimeFormat)},
		}
		if got := calls.RetryAfter(header, now); got != 7*time.Second {
			t.Errorf("with a clock that is off by %v: RetryAfter = %v, want 7s", off, got)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	f.Add("7")
	f.Add("Sun, 01 Mar 2026 12:00:30 GMT")
	f.Fuzz(func(t *testing.T, header string) {
		if got := calls.RetryAfter(http.Header{"Retry-After": {header}}, time.Now()); got < 0 || got > 24*time.Hour {
			t.Errorf("RetryAfter(%q) = %v", header, got)
		}
	})
}

// TestCauseNamesNobody: the text of a failed request holds its address.
func TestCauseNamesNobody(t *testing.T) {
	for text, err := range map[string]error{
		"the host's name cannot be resolved":      &net.DNSError{Name: "jane.example.com"},
		syscall.ECONNREFUSED.Error():              &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED},
		"no answer in time":                       context.DeadlineExceeded,
		"the connection ended early":              io.ErrUnexpectedEOF,
		"the server's certificate is not trusted": x509.UnknownAuthorityError{},
		"no answer that can be read":              errors.New("jane@example.com"),
	} {
		asked := &url.Error{Op: "Get", URL: "https://cloud.example.com/users/jane@example.com", Err: err}
		if got := calls.Cause(fmt.Errorf("call: %w", asked)); got != text || strings.Contains(got, "jane") {
			t.Errorf("Cause of %T is %q, want %q", err, got, text)
		}
	}
}

func TestMade(t *testing.T) {
	var made calls.Made
	shop, zoo := access.Mark{Installation: "i", Tenant: "shop"}, access.Mark{Installation: "i", Tenant: "zoo"}
	made.Put(shop, "admins", "g-1")
	if got := made.Get(shop, "admins"); got != "g-1" {
		t.Errorf("the group that was made is %q, want g-1", got)
	}
	if got := made.Get(zoo, "admins"); got != "" {
		t.Errorf("another tenant's group of the name is %q, want none", got)
	}
	if got := made.By("g-1"); got != "admins" {
		t.Errorf("g-1 is called %q, want admins", got)
	}
	for i := range 5000 {
		made.Put(zoo, strconv.Itoa(i), "g")
	}
	made.Forget(shop, "admins")
	if got := made.Get(shop, "admins"); got != "" {
		t.Errorf("a group that is forgotten is %q", got)
	}
}
