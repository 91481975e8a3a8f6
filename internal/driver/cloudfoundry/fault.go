package cloudfoundry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cloudfoundry/go-cfclient/v3/resource"

	"github.com/rollcall-iam/rollcall/internal/calls"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// refusal is an answer that says no. Its text holds the operation and the status
// and nothing of the answer's body, which may name people.
type refusal struct {
	operation string
	status    int
	after     time.Duration
	// detail is what the platform says, for decisions only.
	detail string
}

func (r *refusal) Error() string {
	return fmt.Sprintf("cloudfoundry: %s: answered %d %s", r.operation, r.status, http.StatusText(r.status))
}

// says reports whether the platform gives this reason. An error of the API v3
// has a text and one code for all that cannot be done.
func (r *refusal) says(reason string) bool { return strings.Contains(r.detail, reason) }

// Unwrap returns the class.
func (r *refusal) Unwrap() error {
	switch r.status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return fault.ErrInvalid
	case http.StatusUnauthorized, http.StatusForbidden:
		return fault.ErrDenied
	case http.StatusNotFound:
		return fault.ErrNotFound
	case http.StatusConflict:
		return fault.ErrConflict
	case http.StatusTooManyRequests:
		return fault.Throttled(nil, r.after)
	default:
		return fault.ErrUnavailable
	}
}

// refused makes a refusal of an answer.
func refused(operation string, answer *http.Response, body []byte, now time.Time) *refusal {
	var said resource.CloudFoundryErrors
	detail := ""
	if err := decode(operation, body, &said); err == nil && len(said.Errors) > 0 {
		detail = said.Errors[0].Detail
	}
	return &refusal{
		operation: operation, status: answer.StatusCode, detail: detail,
		after: retryAfter(answer.Header.Get("Retry-After"), now),
	}
}

// refusedWith reports whether err is a refusal of that status.
func refusedWith(err error, status int) (*refusal, bool) {
	r, ok := errors.AsType[*refusal](err)
	return r, ok && r.status == status
}

// retryAfter reads the header's three forms: seconds, a date, and what the Cloud
// Controller's rate limit writes, a point in time in seconds since 1970
// (middleware/rate_limiter.rb). A header that is missing, malformed or in the
// past is zero.
func retryAfter(header string, now time.Time) time.Duration {
	const (
		most  = 24 * 60 * 60  // beyond that nobody waits, and it would overflow
		epoch = 1_000_000_000 // no wait is that long: 2001 as a point in time
	)
	if seconds, err := strconv.ParseInt(header, 10, 64); err == nil {
		if seconds > epoch {
			seconds -= now.Unix()
		}
		return time.Duration(min(max(0, seconds), most)) * time.Second
	}
	at, err := http.ParseTime(header)
	if err != nil {
		return 0
	}
	return min(max(0, at.Sub(now)), most*time.Second)
}

// failure classifies an error that is no answer. The error's own text holds the
// request's address, and that may hold an account.
func failure(ctx context.Context, operation string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("cloudfoundry: %s: %w", operation, ctx.Err())
	}
	return fmt.Errorf("cloudfoundry: %s: %w: %s", operation, fault.ErrUnavailable, calls.Cause(err))
}

func unreadable(operation, what string) error {
	return fmt.Errorf("cloudfoundry: %s: %w: the answer has no %s that can be read", operation, fault.ErrUnavailable, what)
}
