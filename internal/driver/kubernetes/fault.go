package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollcall-iam/rollcall/internal/calls"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// errExpired reports a list whose snapshot is gone.
var errExpired = fmt.Errorf("the list changed too much while it was read: %w", fault.ErrTruncated)

// errNotTheirs reports a "not found" that no API server has said, but something in
// front of it, or that is about the API and not about the object.
var errNotTheirs = errors.New("something else than the object is not there: check server")

// failure classifies the error of one call. The operation is a method and a
// path without people in it; nothing else of the request and nothing of the
// answer's text gets into ours, because both may name people.
// after is what the answer's Retry-After header asked for; zero without one.
func failure(ctx context.Context, operation string, err error, after time.Duration) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("kubernetes: %s: %w", operation, ctx.Err())
	}
	var answer apierrors.APIStatus
	if errors.As(err, &answer) {
		return refused(operation, answer.Status(), after)
	}
	if !errors.Is(fault.Class(err), fault.ErrUnavailable) {
		return err // classified already, by our own code
	}
	return fmt.Errorf("kubernetes: %s: %w: %s", operation, fault.ErrUnavailable, cause(err))
}

// refused classifies an answer by its status.
func refused(operation string, status metav1.Status, after time.Duration) error {
	code := int(status.Code)
	text := fmt.Errorf("kubernetes: %s: answered %d %s", operation, code, http.StatusText(code))
	wrap := func(class error) error { return fmt.Errorf("%w: %w", text, class) }
	switch code {
	case http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusRequestEntityTooLarge:
		return wrap(fault.ErrInvalid)
	case http.StatusForbidden:
		if terminating(status) {
			return fmt.Errorf("%w: the namespace is being deleted: %w", text, fault.ErrNotFound)
		}
		return wrap(fault.ErrDenied)
	case http.StatusUnauthorized:
		return wrap(fault.ErrDenied)
	case http.StatusNotFound:
		if strange(status) {
			return fmt.Errorf("%w: %w", wrap(fault.ErrNotFound), errNotTheirs)
		}
		return wrap(fault.ErrNotFound)
	case http.StatusConflict:
		return wrap(fault.ErrConflict)
	case http.StatusGone:
		return wrap(errExpired)
	case http.StatusTooManyRequests:
		return fault.Throttled(text, max(after, retryAfter(status)))
	default:
		return wrap(fault.ErrUnavailable)
	}
}

// terminating reports whether the answer refuses to put something new into a
// namespace that is going.
func terminating(status metav1.Status) bool {
	return status.Details != nil && slices.ContainsFunc(status.Details.Causes, func(c metav1.StatusCause) bool {
		return c.Type == corev1.NamespaceTerminatingCause
	})
}

// strange reports whether the status names no object, or whether the client made it
// up because the answer had none.
func strange(status metav1.Status) bool {
	if status.Details == nil || status.Details.Name == "" {
		return true
	}
	return slices.ContainsFunc(status.Details.Causes, func(c metav1.StatusCause) bool {
		return c.Type == metav1.CauseTypeUnexpectedServerResponse
	})
}

// longest is how long an answer may ask to wait: beyond that nobody does.
const longest = 24 * time.Hour

// retryAfter is what the answer's body asks to wait; zero where it says nothing.
func retryAfter(status metav1.Status) time.Duration {
	if status.Details == nil {
		return 0
	}
	seconds := min(max(0, int64(status.Details.RetryAfterSeconds)), int64(longest/time.Second))
	return time.Duration(seconds) * time.Second
}

// delayKey is where a call's context has the place for the delay that the answer's
// header asks for.
type delayKey struct{}

// attentive notes what the Retry-After header of an answer asks for: the client
// itself knows seconds only, and forgets them where the answer has a body.
type attentive struct{ next http.RoundTripper }

func (t attentive) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := t.next.RoundTrip(r)
	if place, ok := r.Context().Value(delayKey{}).(*time.Duration); ok && err == nil {
		*place = delay(answer.Header, time.Now())
	}
	return answer, err
}

// delay reads the two forms of Retry-After, seconds and a date, which counts from
// the answer's own date: clocks differ. A header that is missing, malformed or in
// the past is zero.
func delay(header http.Header, now time.Time) time.Duration {
	text := header.Get("Retry-After")
	if seconds, err := strconv.Atoi(text); err == nil {
		return time.Duration(min(max(0, seconds), int(longest/time.Second))) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	if sent, err := http.ParseTime(header.Get("Date")); err == nil {
		now = sent
	}
	return min(max(0, at.Sub(now)), longest)
}

// Unreadable is the error of an answer that says success and is not what was asked
// for.
func Unreadable(operation string) error {
	return fmt.Errorf("kubernetes: %s: %w: the answer is not what was asked for", operation, fault.ErrUnavailable)
}

// cause says in words without addresses why there is no answer.
func cause(err error) string {
	if calls.Distrusted(err) {
		return "the server's certificate is not trusted: check server, and caFile or caData"
	}
	return calls.Cause(err)
}
