package gcp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"google.golang.org/api/googleapi"

	"github.com/rollcall-iam/rollcall/internal/calls"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// What an answer says beyond its class.
var (
	// errHidden: what does not exist, or what we may not see.
	errHidden = errors.New("hidden or missing")
	// errExists: what was to be made is there.
	errExists = errors.New("exists already")
	// errUnknownMember: a policy names a member that IAM does not know.
	errUnknownMember = errors.New("a member of the policy is unknown to IAM")
	// errOtherCustomer: the policy names a member that an organization policy does not
	// permit. IAM says so of groups that it does not know yet, too.
	errOtherCustomer = fmt.Errorf("%w, or of a customer that is not permitted", errUnknownMember)
)

// failure classifies the error of one call. The operation is a method's name
// without people in it; nothing else of the request and nothing of the answer's
// body gets into the text, because both may name people.
func failure(ctx context.Context, operation string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("gcp: %s: %w", operation, ctx.Err())
	}
	if inside, ok := errors.AsType[classified](err); ok {
		return inside.error
	}
	if answer, ok := errors.AsType[*googleapi.Error](err); ok {
		return refused(operation, answer)
	}
	return fmt.Errorf("gcp: %s: %w: %s", operation, fault.ErrUnavailable, calls.Cause(err))
}

// refused classifies an answer by its status and what Google says beside it.
func refused(operation string, answer *googleapi.Error) error {
	status := answer.Code
	text := fmt.Errorf("gcp: %s: answered %d %s", operation, status, http.StatusText(status))
	wrap := func(class error) error { return fmt.Errorf("%w: %w", text, class) }
	marked := func(class, mark error) error { return fmt.Errorf("%w: %w (%w)", text, class, mark) }
	after := calls.RetryAfter(answer.Header, time.Now())
	switch status {
	case http.StatusBadRequest:
		switch {
		case strings.Contains(answer.Message, "permitted customer"):
			return marked(fault.ErrInvalid, errOtherCustomer)
		case strings.Contains(answer.Message, "does not exist"):
			return marked(fault.ErrInvalid, errUnknownMember)
		}
		return fault.Advise(wrap(fault.ErrInvalid), remedy(answer.Message))
	case http.StatusUnauthorized:
		return wrap(fault.ErrDenied)
	case http.StatusForbidden:
		if quota(answer) {
			return fault.Throttled(text, after)
		}
		if strings.Contains(answer.Message, "or it may not exist") {
			return marked(fault.ErrDenied, errHidden)
		}
		return wrap(fault.ErrDenied)
	case http.StatusNotFound:
		return wrap(fault.ErrNotFound)
	case http.StatusConflict:
		if word(answer) == "ALREADY_EXISTS" {
			return marked(fault.ErrConflict, errExists)
		}
		return wrap(fault.ErrConflict)
	case http.StatusPreconditionFailed:
		return wrap(fault.ErrConflict)
	case http.StatusTooManyRequests:
		return fault.Throttled(text, after)
	default:
		return wrap(fault.ErrUnavailable)
	}
}

// remedy returns what to do about a policy that IAM refuses, or "". The message itself
// may name users. Limits: https://cloud.google.com/iam/quotas.
func remedy(message string) string {
	for _, known := range []struct{ text, remedy string }{
		{"number of members", "the project's policy is full: Google allows 1,500 principals; grant roles to groups instead of users"},
		{"policy size", "the project's policy is too large: remove bindings that are not needed"},
		{"is not supported for this resource", "the role cannot be granted on a project: correct the role mapping"},
		{"Role ", "Google does not know the role, or not for projects: correct the role mapping"},
	} {
		if strings.Contains(message, known.text) {
			return known.remedy
		}
	}
	return ""
}

// quota reports whether a 403 only means: not so fast. The Directory API says so
// (https://developers.google.com/workspace/admin/directory/v1/limits).
func quota(answer *googleapi.Error) bool {
	return slices.ContainsFunc(answer.Errors, func(item googleapi.ErrorItem) bool {
		return slices.Contains([]string{"rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded", "dailyLimitExceeded"}, item.Reason)
	})
}

// word is the code that an answer has beside its status, such as "ABORTED".
func word(answer *googleapi.Error) string {
	var body struct {
		Error struct {
			Status string `json:"status"`
		} `json:"error"`
	}
	if json.Unmarshal([]byte(answer.Body), &body) != nil {
		return ""
	}
	return body.Error.Status
}

// ended classifies the error with which an operation ended. Its code is one of
// gRPC's (https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto).
func ended(operation string, code int64) error {
	text := fmt.Errorf("gcp: %s: the operation ended with code %d", operation, code)
	switch code {
	case 3, 9, 11:
		return fmt.Errorf("%w: %w", text, fault.ErrInvalid)
	case 5:
		return fmt.Errorf("%w: %w", text, fault.ErrNotFound)
	case 6:
		return fmt.Errorf("%w: %w (%w)", text, fault.ErrConflict, errExists)
	case 7, 16:
		return fmt.Errorf("%w: %w", text, fault.ErrDenied)
	case 8:
		return fault.Throttled(text, 0)
	case 10:
		return fmt.Errorf("%w: %w", text, fault.ErrConflict)
	default:
		return fmt.Errorf("%w: %w", text, fault.ErrUnavailable)
	}
}
