package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
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

// refused classifies an answer by the table.
func refused(operation string, status metav1.Status, after time.Duration) error {
	a := fault.Answer{
		Status: int(status.Code), Code: string(status.Reason), Message: status.Message, After: max(after, retryAfter(status)),
	}
	if terminating(status) {
		a.Code = string(corev1.NamespaceTerminatingCause)
	}
	text := fmt.Errorf("kubernetes: %s: answered %d %s", operation, a.Status, http.StatusText(a.Status))
	if reason.MatchString(a.Code) && a.Code != string(metav1.StatusReasonUnknown) {
		text = fmt.Errorf("%w (%s)", text, a.Code)
	}
	err := refusals().Wrap(text, a)
	switch {
	case a.Status == http.StatusNotFound && strange(status):
		return fmt.Errorf("%w: %w", err, errNotTheirs)
	case a.Status == http.StatusGone:
		return fmt.Errorf("%w: %w", text, errExpired)
	default:
		return err
	}
}

// reason is a reason that can be shown: one word of the API.
var reason = regexp.MustCompile(`^[A-Za-z]{1,64}$`)

// refusals is the table of what an API server refuses and why.
func refusals() fault.Refusals { return slices.Concat(refusedObjects(), refusedStatuses()) }

// refusedObjects are refusals that the message or the cause tells from others of the status.
func refusedObjects() fault.Refusals {
	const rbac, admission = "Kubernetes, Using RBAC Authorization", "Kubernetes, Dynamic Admission Control"
	return fault.Refusals{
		{Codes: []string{string(corev1.NamespaceTerminatingCause)}, Class: fault.ErrNotFound, Source: "Kubernetes API, StatusCause"},
		{
			Status: http.StatusForbidden, Message: "attempting to grant RBAC permissions", Class: fault.ErrDenied,
			Source: rbac,
			Advice: "let the account of the connection bind the cluster role (verb bind), or give it all that the role allows",
		},
		{
			Status: http.StatusForbidden, Message: "exceeded quota", Class: fault.ErrDenied, Source: "Kubernetes, Resource Quotas",
			Advice: "the quota of the namespace is used up: raise it, or delete objects that are not needed",
		},
		{
			Message: "denied the request", Class: fault.ErrDenied, Source: admission,
			Advice: "an admission webhook of the cluster forbids it: change its policy or exempt the connection's account",
		},
		{
			Message: "denied request", Class: fault.ErrDenied, Source: "Kubernetes, Validating Admission Policy",
			Advice: "a validating admission policy of the cluster forbids it: change it or exempt the connection's account",
		},
		{
			Message: "failed calling webhook", Class: fault.ErrUnavailable, Source: admission, Until: "the webhook answers",
			Advice: "an admission webhook of the cluster does not answer: repair it, or let it fail open",
		},
		{
			Message: "request is too large", Class: fault.ErrInvalid, Source: "etcd, System limits",
			Advice: "the object is too large for the cluster: bind a group instead of its members",
		},
	}
}

// refusedStatuses are the statuses of the API. Its reasons say no more.
func refusedStatuses() fault.Refusals {
	const source = "Kubernetes API Conventions, HTTP Status codes"
	var rows fault.Refusals
	add := func(class error, until string, statuses ...int) {
		for _, status := range statuses {
			rows = append(rows, fault.Refusal{Status: status, Class: class, Until: until, Source: source})
		}
	}
	add(fault.ErrInvalid, "", http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusRequestEntityTooLarge,
		http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusUnsupportedMediaType)
	add(fault.ErrDenied, "", http.StatusUnauthorized, http.StatusForbidden)
	add(fault.ErrNotFound, "", http.StatusNotFound)
	add(fault.ErrConflict, "", http.StatusConflict)
	add(fault.ErrTruncated, "the list is read again", http.StatusGone)
	add(fault.ErrThrottled, "the server has room", http.StatusTooManyRequests)
	add(fault.ErrUnavailable, "the service works again", http.StatusRequestTimeout, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout)
	return rows
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
