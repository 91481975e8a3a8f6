package openstack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	"github.com/rollcall-iam/rollcall/internal/fault"
)

// failure classifies the error of one call. The operation is a method and a
// path without people in it; nothing else of the request and nothing of the
// answer's body gets into the text, because both may name people.
func failure(ctx context.Context, operation string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("openstack: %s: %w", operation, ctx.Err())
	}
	if response, ok := errors.AsType[gophercloud.ErrUnexpectedResponseCode](err); ok {
		return refused(operation, response)
	}
	return fmt.Errorf("openstack: %s: %w: %s", operation, fault.ErrUnavailable, cause(err))
}

// refused classifies an answer by its status.
func refused(operation string, response gophercloud.ErrUnexpectedResponseCode) error {
	status := response.Actual
	text := fmt.Errorf("openstack: %s: answered %d %s", operation, status, http.StatusText(status))
	wrap := func(class error) error { return fmt.Errorf("%w: %w", text, class) }
	switch status {
	case http.StatusBadRequest:
		return wrap(fault.ErrInvalid)
	case http.StatusUnauthorized, http.StatusForbidden:
		return wrap(fault.ErrDenied)
	case http.StatusNotFound:
		return wrap(fault.ErrNotFound)
	case http.StatusConflict:
		return wrap(fault.ErrConflict)
	case http.StatusRequestEntityTooLarge, http.StatusTooManyRequests:
		header := response.ResponseHeader
		return fault.Throttled(text, retryAfter(header.Get("Retry-After"), sent(header, time.Now())))
	default:
		return wrap(fault.ErrUnavailable)
	}
}

// sent is when the answer was sent, by the clock of whoever sent it: dates in it
// count from there, because clocks differ. Without that it is now.
func sent(header http.Header, now time.Time) time.Time {
	if at, err := http.ParseTime(header.Get("Date")); err == nil {
		return at
	}
	return now
}

// retryAfter reads the header's two forms, seconds and a date. A header that is
// missing, malformed or in the past is zero.
func retryAfter(header string, now time.Time) time.Duration {
	const most = 24 * 60 * 60 // beyond that nobody waits, and it would overflow
	if seconds, err := strconv.Atoi(header); err == nil {
		return time.Duration(min(max(0, seconds), most)) * time.Second
	}
	at, err := http.ParseTime(header)
	if err != nil {
		return 0
	}
	return min(max(0, at.Sub(now)), most*time.Second)
}

// cause says in words without addresses why there is no answer. The error's own
// text holds the request's address, and that may hold an account.
func cause(err error) string {
	var system syscall.Errno
	var network net.Error
	var name *net.DNSError
	switch {
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
