// Package fault names the ways a platform can fail. Drivers wrap one of these
// errors; package activities turns it into a Temporal error; nobody else
// decides about retries.
//
// An error that reaches this far may be stored in a workflow history, so its
// text names platforms, groups, roles and the platform's own ids, never people,
// accounts or credentials.
package fault

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// The classes of failure every layer agrees on.
//
// ErrPending is a write that the platform has accepted and is still carrying out: the
// same step, applied later, finds it instead of starting another one. ErrUnknown is a
// refusal that no driver's table has. It is an ErrUnavailable, so that it is tried
// again; callers count it, because a permanent refusal may look the same: ErrExhausted is
// what they make of it in the end.
var (
	ErrInvalid     = errors.New("invalid")      // our request is wrong: never retry
	ErrUnsupported = errors.New("unsupported")  // the platform cannot: never retry
	ErrDenied      = errors.New("denied")       // our credentials may not: never retry
	ErrForbidden   = errors.New("forbidden")    // the connection does not allow it: never retry
	ErrExhausted   = errors.New("exhausted")    // an unknown refusal, too often: do not retry
	ErrNotFound    = errors.New("not found")    // a thing it needs is missing: plan again
	ErrConflict    = errors.New("conflict")     // the world moved: plan again
	ErrThrottled   = errors.New("throttled")    // retry later
	ErrUnavailable = errors.New("unavailable")  // retry
	ErrTruncated   = errors.New("partial read") // part of an answer is no answer: retry
	ErrPending     = errors.New("pending")      // the platform carries it out: look again later

	ErrUnknown = fmt.Errorf("unknown refusal: %w", ErrUnavailable) // retry a limited number of times
)

// Class returns the first of this package's errors that err wraps, or
// ErrUnavailable for an error nobody classified: an unknown failure is retried
// and never mistaken for an answer. A context's own error is returned as it is.
// Class(nil) is nil.
func Class(err error) error {
	if err == nil {
		return nil
	}
	for _, class := range []error{
		ErrInvalid, ErrUnsupported, ErrForbidden, ErrDenied, ErrExhausted, ErrNotFound, ErrConflict, ErrPending, ErrThrottled, ErrTruncated,
		ErrUnknown, ErrUnavailable, context.Canceled, context.DeadlineExceeded,
	} {
		if errors.Is(err, class) {
			return class
		}
	}
	return ErrUnavailable
}

// Retryable reports whether trying the same call again can succeed.
func Retryable(err error) bool {
	class := Class(err)
	for _, retried := range []error{ErrThrottled, ErrUnavailable, ErrTruncated, ErrPending} {
		if errors.Is(class, retried) {
			return true
		}
	}
	return false
}

// throttled is an ErrThrottled, and delayed one that knows when to come back.
type (
	throttled struct{ error }
	delayed   struct {
		error
		after time.Duration
	}
)

func (t throttled) Unwrap() []error { return []error{ErrThrottled, t.error} }
func (d delayed) Unwrap() error     { return d.error }

// Throttled marks err as ErrThrottled with the delay the platform asked for,
// as in HTTP's Retry-After. Zero means that it named none.
func Throttled(err error, after time.Duration) error {
	if err == nil {
		err = ErrThrottled
	}
	if after <= 0 {
		return throttled{err}
	}
	return delayed{throttled{err}, after}
}

// Pending marks err as ErrPending, and after as the delay before the next look. Zero
// means that there is none.
func Pending(err error, after time.Duration) error {
	err = fmt.Errorf("%w: %w", err, ErrPending)
	if after <= 0 {
		return err
	}
	return delayed{err, after}
}

// RetryAfter returns the delay the platform asked for, and whether it did. Of
// several that err wraps it is the first.
func RetryAfter(err error) (time.Duration, bool) {
	d, ok := errors.AsType[delayed](err)
	return d.after, ok
}

// advised is an error whose cause the driver knows well enough to say what to do.
type advised struct {
	error
	advice string
}

func (a advised) Unwrap() error { return a.error }

// Advise returns err with what a user can do about it, such as "remove the lock on the
// resource group". Like the error's text, advice names no users. It is no part of that
// text. Without an error or without advice it returns err.
func Advise(err error, advice string) error {
	if err == nil || advice == "" {
		return err
	}
	return advised{err, advice}
}

// Advice returns what a user can do about err, or "" where no driver said it.
func Advice(err error) string {
	a, _ := errors.AsType[advised](err)
	return a.advice
}
