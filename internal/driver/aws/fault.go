package aws

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	storetypes "github.com/aws/aws-sdk-go-v2/service/identitystore/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/rollcall-iam/rollcall/internal/calls"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// failure classifies the error of one call. The operation is the API's name of
// it and ids; nothing else of the request and nothing of the answer's text gets
// into ours, because both may name people.
func failure(ctx context.Context, operation string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("aws: %s: %w", operation, ctx.Err())
	}
	status, header := 0, http.Header{}
	if response, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && response.HTTPResponse() != nil {
		status, header = response.HTTPStatusCode(), response.HTTPResponse().Header
	}
	answer, answered := errors.AsType[smithy.APIError](err)
	_, unread := errors.AsType[*smithy.DeserializationError](err)
	switch {
	case unread && !answered, status == http.StatusOK, status == 0 && !answered:
		return fmt.Errorf("aws: %s: %w: %s", operation, fault.ErrUnavailable, calls.Cause(err))
	case answered && known(answer.ErrorCode()) != nil:
		text := fmt.Errorf("aws: %s: answered %s", operation, answer.ErrorCode())
		class := classified(text, known(answer.ErrorCode()), delay(err, header))
		if errors.Is(class, fault.ErrNotFound) {
			said, _ := errors.AsType[*storetypes.ResourceNotFoundException](err)
			return absence{error: class, of: kindOf(said)}
		}
		if said, _ := errors.AsType[*storetypes.ConflictException](err); said != nil &&
			said.Reason == storetypes.ConflictExceptionReasonConcurrentModification {
			return fmt.Errorf("%w (%w)", class, errMoved)
		}
		return class
	default:
		text := fmt.Errorf("aws: %s: answered %d %s", operation, status, http.StatusText(status))
		return classified(text, byStatus(status), delay(err, header))
	}
}

// errMoved: what was to be changed has another revision than was expected.
var errMoved = errors.New("it was changed meanwhile")

// absence is an answer of AWS's own that something is not there, and what, where
// it says so. A 404 of some server in between is not.
type absence struct {
	error

	of storetypes.ResourceType
}

func (a absence) Unwrap() error { return a.error }

func kindOf(said *storetypes.ResourceNotFoundException) storetypes.ResourceType {
	if said == nil {
		return ""
	}
	return said.ResourceType
}

// gone reports whether AWS says that a thing of that kind is not there, or that
// something is not there without saying what. An Identity Store that is not there
// is no answer about what is in it.
func gone(err error, kind storetypes.ResourceType) bool {
	said, ok := errors.AsType[absence](err)
	return ok && (said.of == "" || said.of == kind)
}

// noGroup is the error of a group that was looked for and is not there.
func noGroup(nameOrID string) error {
	return absence{error: fmt.Errorf("aws: group %q: %w", nameOrID, fault.ErrNotFound), of: storetypes.ResourceTypeGroup}
}

func classified(text, class error, after time.Duration) error {
	if errors.Is(class, fault.ErrThrottled) {
		return fault.Throttled(text, after)
	}
	return fmt.Errorf("%w: %w", text, class)
}

// known is the class of an error that the services have a name for, or nil.
func known(code string) error {
	switch code {
	case "ValidationException", "InvalidInputException", "ValidationError", "SerializationException", "UnknownOperationException",
		"ServiceQuotaExceededException": // somebody has to raise the quota first
		return fault.ErrInvalid
	case "AccessDeniedException", "AccessDenied", "UnrecognizedClientException", "InvalidClientTokenId", "ExpiredTokenException",
		"ExpiredToken", "InvalidSignatureException", "SignatureDoesNotMatch", "IncompleteSignatureException", "IncompleteSignature",
		"MissingAuthenticationTokenException", "MissingAuthenticationToken", "InvalidIdentityToken", "IDPRejectedClaim",
		"OptInRequired", "RegionDisabledException", "AWSOrganizationsNotInUseException":
		return fault.ErrDenied
	case "ResourceNotFoundException", "AccountNotFoundException":
		return fault.ErrNotFound
	case "ConflictException", "ConcurrentModificationException":
		return fault.ErrConflict
	case "ThrottlingException", "TooManyRequestsException", "Throttling", "RequestLimitExceeded", "RequestThrottled", "SlowDown":
		return fault.ErrThrottled
	case "InternalServerException", "ServiceException", "InternalFailure", "ServiceUnavailable", "IDPCommunicationError":
		return fault.ErrUnavailable
	default:
		return nil
	}
}

func byStatus(status int) error {
	switch status {
	case http.StatusBadRequest:
		return fault.ErrInvalid
	case http.StatusUnauthorized, http.StatusForbidden:
		return fault.ErrDenied
	case http.StatusNotFound:
		return fault.ErrNotFound
	case http.StatusConflict:
		return fault.ErrConflict
	case http.StatusTooManyRequests:
		return fault.ErrThrottled
	default:
		return fault.ErrUnavailable
	}
}

// longest is beyond what anybody waits.
const longest = 24 * time.Hour

// delay is what the answer asks to wait: in its body, as Identity Store does, or
// in the header.
func delay(err error, header http.Header) time.Duration {
	if throttled, ok := errors.AsType[*storetypes.ThrottlingException](err); ok && throttled.RetryAfterSeconds > 0 {
		return min(time.Duration(throttled.RetryAfterSeconds)*time.Second, longest)
	}
	return calls.RetryAfter(header, time.Now())
}

// errFailed: AWS took on a change of an assignment and did not make it.
var errFailed = errors.New("ended FAILED")

// failed classifies a change of an assignment that ended FAILED by the reason
// that AWS gives. The reason itself may name people.
func failed(operation, reason string) error {
	text := fmt.Errorf("aws: %s: %w", operation, errFailed)
	reason = strings.ToLower(reason)
	for _, hint := range []struct {
		words []string
		class error
	}{
		{[]string{"rate exceeded", "throttl", "too many requests", "429"}, fault.ErrThrottled},
		{[]string{"404", "not found", "does not exist", "nosuchentity"}, fault.ErrNotFound},
		{[]string{"limitexceeded", "limit exceeded", "quota"}, fault.ErrInvalid},
		{[]string{"403", "access denied", "accessdenied", "not authorized", "forbidden"}, fault.ErrDenied},
		{[]string{"409", "conflict", "concurrent"}, fault.ErrConflict},
	} {
		for _, word := range hint.words {
			if strings.Contains(reason, word) {
				return classified(text, hint.class, 0)
			}
		}
	}
	return classified(text, fault.ErrUnavailable, 0)
}

func unreadable(operation string) error {
	return fmt.Errorf("aws: %s: %w: the answer is not what was asked for", operation, fault.ErrUnavailable)
}
