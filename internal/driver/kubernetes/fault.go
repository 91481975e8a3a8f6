package kubernetes

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollcall-iam/rollcall/internal/fault"
)

// errExpired reports a list whose snapshot is gone.
var errExpired = fmt.Errorf("the list changed too much while it was read: %w", fault.ErrTruncated)

// failure classifies the error of one call. The operation is a method and a
// path without people in it; nothing else of the request and nothing of the
// answer's text gets into ours, because both may name people.
func failure(ctx context.Context, operation string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("kubernetes: %s: %w", operation, ctx.Err())
	}
	var answer apierrors.APIStatus
	if errors.As(err, &answer) {
		return refused(operation, answer.Status())
	}
	if !errors.Is(fault.Class(err), fault.ErrUnavailable) {
		return err // classified already, by our own code
	}
	return fmt.Errorf("kubernetes: %s: %w: %s", operation, fault.ErrUnavailable, cause(err))
}

// refused classifies an answer by its status.
func refused(operation string, status metav1.Status) error {
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
		return wrap(fault.ErrNotFound)
	case http.StatusConflict:
		return wrap(fault.ErrConflict)
	case http.StatusGone:
		return wrap(errExpired)
	case http.StatusTooManyRequests:
		return fault.Throttled(text, retryAfter(status))
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

// retryAfter is what the answer asks to wait; zero where it says nothing.
func retryAfter(status metav1.Status) time.Duration {
	const most = 24 * 60 * 60 // beyond that nobody waits
	if status.Details == nil {
		return 0
	}
	return time.Duration(min(max(0, status.Details.RetryAfterSeconds), most)) * time.Second
}

// cause says in words without addresses why there is no answer.
func cause(err error) string {
	var system syscall.Errno
	var network net.Error
	var name *net.DNSError
	var certificate *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	switch {
	case errors.As(err, &certificate), errors.As(err, &authority):
		return "the server's certificate is not trusted: check server, and caFile or caData"
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

func unreadable(operation string) error {
	return fmt.Errorf("kubernetes: %s: %w: the answer is not what was asked for", operation, fault.ErrUnavailable)
}
