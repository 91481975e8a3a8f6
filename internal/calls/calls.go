// Package calls is what drivers have in common when they call a platform: many
// calls at once, calls that many share, deadlines, the time that an answer asks to
// wait, words for a call that has no answer, and a memory of what was just made.
package calls

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// Each calls do for every item, at most so many at once, and starts no more when
// one has failed. It lets those that are under way end: a write that is given up
// may arrive after the write that follows it. It returns the first error.
func Each[T any](ctx context.Context, atOnce int, items []T, do func(context.Context, int, T) error) error {
	var running errgroup.Group
	running.SetLimit(atOnce)
	var failed atomic.Bool
	for i, item := range items {
		running.Go(func() error {
			if failed.Load() {
				return nil
			}
			err := do(ctx, i, item)
			if err != nil {
				failed.Store(true)
			}
			return err
		})
	}
	return running.Wait()
}

// longest is the most that any answer makes us wait.
const longest = 24 * time.Hour

// RetryAfter reads the two forms of the header Retry-After, seconds and a date
// (RFC 9110, 10.2.3). One that is missing, malformed or in the past is zero. A date
// counts from the answer's own Date, which the same clock wrote; without one, from
// now.
func RetryAfter(header http.Header, now time.Time) time.Duration {
	after := header.Get("Retry-After")
	if seconds, err := strconv.Atoi(after); err == nil {
		return time.Duration(min(max(0, seconds), int(longest/time.Second))) * time.Second
	}
	at, err := http.ParseTime(after)
	if err != nil {
		return 0
	}
	if sent, err := http.ParseTime(header.Get("Date")); err == nil {
		now = sent
	}
	return min(max(0, at.Sub(now)), longest)
}

// Cause says in words without addresses why there is no answer. The error's own
// text holds the request's address, and that may hold an account.
func Cause(err error) string {
	var system syscall.Errno
	var network net.Error
	var name *net.DNSError
	var timeout *TimeoutError
	switch {
	case errors.As(err, &timeout):
		return timeout.Error()
	case Distrusted(err):
		return "the server's certificate is not trusted"
	case errors.As(err, &name):
		return "the host's name cannot be resolved"
	case errors.As(err, &system):
		return system.Error()
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return "no answer in time"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection ended early"
	default:
		return "no answer that can be read"
	}
}

// Distrusted reports whether the server's certificate was refused.
func Distrusted(err error) bool {
	var certificate *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	return errors.As(err, &certificate) || errors.As(err, &authority)
}
