package azure

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/rollcall-iam/rollcall/internal/calls"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// failure classifies the error of one call. The operation is a method and a
// path without people in it; nothing else of the request and nothing of the
// answer's body but its code gets into the text, because both may name people.
func failure(ctx context.Context, operation string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("azure: %s: %w", operation, ctx.Err())
	}
	// What our own transport says is wrapped in the request's address.
	if address, ok := errors.AsType[*url.Error](err); ok {
		err = address.Err
	}
	if classified(err) {
		return err
	}
	if response, ok := errors.AsType[*azcore.ResponseError](err); ok {
		var header http.Header
		if response.RawResponse != nil {
			header = response.RawResponse.Header
		}
		return refusal(operation, response.StatusCode, response.ErrorCode, header)
	}
	return fmt.Errorf("azure: %s: %w: %s", operation, fault.ErrUnavailable, calls.Cause(err))
}

// classified reports whether the error is one of ours.
func classified(err error) bool {
	for _, class := range []error{
		fault.ErrInvalid, fault.ErrUnsupported, fault.ErrDenied, fault.ErrNotFound, fault.ErrConflict,
		fault.ErrThrottled, fault.ErrUnavailable, fault.ErrTruncated,
	} {
		if errors.Is(err, class) {
			return true
		}
	}
	return false
}

// refused is an answer that says no, with the platform's own code of why.
type refused struct {
	error
	code string
}

// Unwrap implements errors.Unwrap.
func (r refused) Unwrap() error { return r.error }

// codeOf returns the platform's code of why it refused, or "".
func codeOf(err error) string {
	r, _ := errors.AsType[refused](err)
	return r.code
}

// safeCode is a code that can be shown: one word of an API.
var safeCode = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.]{0,63}$`)

// refusal classifies an answer by its status.
func refusal(operation string, status int, code string, header http.Header) error {
	text := fmt.Errorf("azure: %s: answered %d %s", operation, status, http.StatusText(status))
	if safeCode.MatchString(code) {
		text = fmt.Errorf("%w (%s)", text, code)
	}
	after := calls.RetryAfter(header, time.Now())
	wrap := func(class error) error { return refused{fmt.Errorf("%w: %w", text, class), code} }
	if advice := lasting(code); advice != "" {
		return fault.Advise(wrap(fault.ErrDenied), advice)
	}
	switch status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusMethodNotAllowed:
		return wrap(fault.ErrInvalid)
	case http.StatusUnauthorized, http.StatusForbidden:
		return wrap(fault.ErrDenied)
	case http.StatusNotFound:
		return wrap(fault.ErrNotFound)
	case http.StatusConflict, http.StatusPreconditionFailed:
		return wrap(fault.ErrConflict)
	case http.StatusTooManyRequests:
		return refused{fault.Throttled(text, after), code}
	case http.StatusServiceUnavailable:
		if after > 0 { // that is how Graph throttles, too
			return refused{fault.Throttled(text, after), code}
		}
		return wrap(fault.ErrUnavailable)
	default:
		return wrap(fault.ErrUnavailable)
	}
}

// lasting returns what to do about a refusal that no second attempt changes, whatever
// its status, or "" for any other.
func lasting(code string) string {
	switch code {
	case "ScopeLocked": // https://learn.microsoft.com/azure/azure-resource-manager/management/lock-resources
		return "a lock on the scope keeps its role assignments: remove the lock, then replicate again"
	case "RequestDisallowedByPolicy": // https://learn.microsoft.com/azure/governance/policy/troubleshoot/general
		return "an Azure Policy assignment forbids it: change the policy or exempt the scope"
	case "RoleAssignmentLimitExceeded": // https://learn.microsoft.com/azure/role-based-access-control/troubleshoot-limits
		return "the subscription is at its limit of role assignments: remove some that are not needed"
	case "ReadOnlyDisabledSubscription":
		return "the subscription is disabled and read-only: enable it again"
	default:
		return ""
	}
}

func unreadable(operation, field string) error {
	return fmt.Errorf("azure: %s: %w: the answer has no %q that can be read", operation, fault.ErrUnavailable, field)
}
