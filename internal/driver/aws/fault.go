package aws

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	storetypes "github.com/aws/aws-sdk-go-v2/service/identitystore/types"
	orgtypes "github.com/aws/aws-sdk-go-v2/service/organizations/types"
	ssotypes "github.com/aws/aws-sdk-go-v2/service/ssoadmin/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/rollcall-iam/rollcall/internal/calls"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// Codes of the table that are none of AWS's: how a change of an assignment ended, and the
// state of an account, which follows the prefix.
const (
	codeFailed  = "FAILED"
	codeAccount = "account "
)

// refusals is the table of what AWS refuses and why.
func refusals() fault.Refusals {
	return slices.Concat(refusedKeys(), refusedNames(), refusedChanges(), refusedAccounts(), refusedStatuses())
}

// refusedKeys are about the key that encrypts Identity Center.
func refusedKeys() fault.Refusals {
	return fault.Refusals{
		{
			Codes: []string{string(storetypes.AccessDeniedExceptionReasonKmsAccessDenied)}, Class: fault.ErrDenied,
			Source: "Identity Store API Reference, AccessDeniedException",
			Advice: "give the role of the connection the use of the KMS key that encrypts IAM Identity Center",
		},
		{
			Codes: []string{
				string(storetypes.ValidationExceptionReasonKmsDisabled), string(storetypes.ValidationExceptionReasonKmsInvalidState),
				string(storetypes.ValidationExceptionReasonKmsInvalidArn), string(storetypes.ValidationExceptionReasonKmsInvalidKeyUsage),
				string(storetypes.ResourceNotFoundExceptionReasonKmsKeyNotFound),
			},
			Class: fault.ErrDenied, Source: "Identity Store API Reference, ValidationException",
			Advice: "enable the KMS key that encrypts IAM Identity Center",
		},
	}
}

// refusedNames are the errors that the services have names for.
func refusedNames() fault.Refusals {
	const common, quotas, delegated = "IAM Identity Center API Reference, Common Errors",
		"IAM Identity Center User Guide, Quotas", "IAM Identity Center User Guide, Delegated administration"
	return fault.Refusals{
		{
			Codes: []string{"ValidationException", "InvalidInputException", "ValidationError"}, Class: fault.ErrInvalid, Source: common,
			Advice: "AWS does not accept a name or an id of the request: correct the role mapping or the group name pattern",
		},
		{
			Codes: []string{"SerializationException", "UnknownOperationException"}, Class: fault.ErrInvalid, Source: common,
			Advice: "the endpoint does not offer this API: correct endpoint and region of the connection",
		},
		{
			Codes: []string{"ServiceQuotaExceededException"}, Class: fault.ErrInvalid, Source: quotas,
			Advice: "a quota of IAM Identity Center is used up: raise it, or delete what is not needed",
		},
		{
			Codes: []string{"AccessDeniedException", "AccessDenied"}, Class: fault.ErrDenied, Source: delegated,
			Advice: "give the role of the connection the permissions for IAM Identity Center; " +
				"a delegated administrator cannot change the management account",
		},
		{
			Codes: []string{
				"UnrecognizedClientException", "InvalidClientTokenId", "ExpiredTokenException", "ExpiredToken", "InvalidSignatureException",
				"SignatureDoesNotMatch", "IncompleteSignatureException", "IncompleteSignature", "MissingAuthenticationTokenException",
				"MissingAuthenticationToken", "RequestExpired",
			},
			Class: fault.ErrDenied, Source: common, Advice: "renew the access key of the connection, and check the clock of the workers",
		},
		{
			Codes: []string{"InvalidIdentityToken", "IDPRejectedClaim"}, Class: fault.ErrDenied, Source: "STS API Reference, Errors",
			Advice: "let the trust policy of the role accept the token of the worker",
		},
		{
			Codes: []string{"OptInRequired", "RegionDisabledException", "AWSOrganizationsNotInUseException"}, Class: fault.ErrDenied,
			Source: common, Advice: "enable the region and AWS Organizations for the account of the connection",
		},
		{Codes: []string{"ResourceNotFoundException", "AccountNotFoundException"}, Class: fault.ErrNotFound, Source: common},
		{Codes: []string{"ConflictException", "ConcurrentModificationException"}, Class: fault.ErrConflict, Source: common},
		{
			Codes: []string{
				"ThrottlingException", "TooManyRequestsException", "Throttling", "RequestLimitExceeded", "RequestThrottled", "SlowDown",
			},
			Class: fault.ErrThrottled, Until: "the rate is below the quota", Source: quotas,
		},
		{
			Codes: []string{
				"InternalServerException", "ServiceException", "InternalFailure", "ServiceUnavailable", "IDPCommunicationError",
			},
			Class: fault.ErrUnavailable, Until: "the service works again", Source: common,
		},
	}
}

// refusedChanges are the reasons for which AWS does not make a change of an assignment that
// it has accepted.
func refusedChanges() fault.Refusals {
	const status = "IAM Identity Center API Reference, AccountAssignmentOperationStatus"
	failed := func(row fault.Refusal, messages ...string) (rows fault.Refusals) {
		for _, row.Message = range messages {
			row.Codes, row.Source = []string{codeFailed}, status
			rows = append(rows, row)
		}
		return rows
	}
	return slices.Concat(
		failed(fault.Refusal{Class: fault.ErrUnavailable, Until: "the account is active"}, "longer than usual"),
		failed(fault.Refusal{Class: fault.ErrThrottled, Until: "the rate is below the quota"},
			"rate exceeded", "throttl", "too many requests", "429"),
		failed(fault.Refusal{Class: fault.ErrNotFound}, "not found", "does not exist", "nosuchentity", "404"),
		failed(fault.Refusal{Class: fault.ErrInvalid, Advice: "a quota of the account is used up: " +
			"raise it, or delete roles that are not needed"},
			"limitexceeded", "limit exceeded", "quota"),
		failed(fault.Refusal{Class: fault.ErrDenied, Advice: "let IAM Identity Center change roles in the account: " +
			"a policy of the organization, or the permissions of the connection's role, forbid it"},
			"access denied", "accessdenied", "not authorized", "forbidden", "403"),
		failed(fault.Refusal{Class: fault.ErrConflict}, "conflict", "concurrent", "409"),
	)
}

// refusedAccounts are the states of accounts that take no changes of assignments.
func refusedAccounts() fault.Refusals {
	const states = "AWS Organizations User Guide, Account states"
	return fault.Refusals{
		{
			Codes: []string{codeAccount + string(orgtypes.AccountStatePendingActivation)}, Class: fault.ErrUnavailable,
			Until: "the account is active", Source: states, Advice: "wait until AWS has activated the account",
		},
		{
			Codes: []string{
				codeAccount + string(orgtypes.AccountStateSuspended), codeAccount + string(orgtypes.AccountStatePendingClosure),
				codeAccount + string(orgtypes.AccountStateClosed),
			},
			Class: fault.ErrDenied, Source: states,
			Advice: "AWS changes no assignments on it: reactivate the account, or remove the tenant from the documents",
		},
	}
}

// refusedStatuses are answers without a name that the table has: those of proxies.
func refusedStatuses() fault.Refusals {
	const source = "RFC 9110, Status Codes"
	return fault.Refusals{
		{Status: http.StatusBadRequest, Class: fault.ErrInvalid, Source: source},
		{Status: http.StatusUnauthorized, Class: fault.ErrDenied, Source: source},
		{Status: http.StatusForbidden, Class: fault.ErrDenied, Source: source},
		{Status: http.StatusNotFound, Class: fault.ErrNotFound, Source: source},
		{Status: http.StatusConflict, Class: fault.ErrConflict, Source: source},
		{Status: http.StatusTooManyRequests, Class: fault.ErrThrottled, Until: "the rate is below the quota", Source: source},
		{Status: http.StatusInternalServerError, Class: fault.ErrUnavailable, Until: "the service works again", Source: source},
		{Status: http.StatusBadGateway, Class: fault.ErrUnavailable, Until: "the service works again", Source: source},
		{Status: http.StatusServiceUnavailable, Class: fault.ErrUnavailable, Until: "the service works again", Source: source},
		{Status: http.StatusGatewayTimeout, Class: fault.ErrUnavailable, Until: "the service works again", Source: source},
	}
}

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
	if unread && !answered || status == http.StatusOK || status == 0 && !answered {
		return fmt.Errorf("aws: %s: %w: %s", operation, fault.ErrUnavailable, calls.Cause(err))
	}
	code := ""
	if answered {
		code = answer.ErrorCode()
	}
	class := refused(operation, fault.Answer{Status: status, Code: code, After: delay(err, header)}, reasonOf(err))
	if errors.Is(class, fault.ErrNotFound) && named(code) {
		said, _ := errors.AsType[*storetypes.ResourceNotFoundException](err)
		return absence{error: class, of: kindOf(said)}
	}
	if said, _ := errors.AsType[*storetypes.ConflictException](err); said != nil &&
		said.Reason == storetypes.ConflictExceptionReasonConcurrentModification {
		return fmt.Errorf("%w (%w)", class, errMoved)
	}
	return class
}

// unnamed is the code that the SDK gives to an answer that has none.
const unnamed = "UnknownError"

func named(code string) bool { return code != "" && code != unnamed }

// refused classifies an answer by the table. The services answer 400 for nearly all: of a
// code that the table does not have, that status says nothing.
func refused(operation string, a fault.Answer, reason string) error {
	text := fmt.Errorf("aws: %s: answered %d %s", operation, a.Status, http.StatusText(a.Status))
	switch {
	case !named(a.Code):
		a.Code = ""
	case reason != "":
		text = fmt.Errorf("aws: %s: answered %s (%s)", operation, shown(a.Code), shown(reason))
		a.Code = reason
	default:
		text = fmt.Errorf("aws: %s: answered %s", operation, shown(a.Code))
	}
	if a.Code != "" && a.Status == http.StatusBadRequest {
		a.Status = 0
	}
	return refusals().Wrap(text, a)
}

// apiWord is one word of an API. What stands in the place of one and is none may name users.
var apiWord = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.]{0,63}$`)

func shown(code string) string {
	if apiWord.MatchString(code) {
		return code
	}
	return "an error without a name"
}

// reasonOf returns the reason beside the code where it is about the key that encrypts
// Identity Center, which decides the class, or "".
func reasonOf(err error) string {
	reason := ""
	for _, text := range []string{
		reasonIn(err, func(e *storetypes.AccessDeniedException) string { return string(e.Reason) }),
		reasonIn(err, func(e *storetypes.ValidationException) string { return string(e.Reason) }),
		reasonIn(err, func(e *storetypes.ResourceNotFoundException) string { return string(e.Reason) }),
		reasonIn(err, func(e *ssotypes.AccessDeniedException) string { return string(e.Reason) }),
		reasonIn(err, func(e *ssotypes.ValidationException) string { return string(e.Reason) }),
		reasonIn(err, func(e *ssotypes.ResourceNotFoundException) string { return string(e.Reason) }),
	} {
		reason = cmp.Or(reason, text)
	}
	if strings.HasPrefix(reason, "KMS_") {
		return reason
	}
	return ""
}

// reasonIn returns the reason of an error of type E, or "".
func reasonIn[E error](err error, of func(E) string) string {
	if said, ok := errors.AsType[E](err); ok {
		return of(said)
	}
	return ""
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

// failed classifies a change of an assignment that ended FAILED by the reason that AWS
// gives. The reason itself may name users: the error has the words that the table knows.
func failed(operation, reason string) error {
	answer := fault.Answer{Code: codeFailed, Message: reason}
	text := fmt.Errorf("aws: %s: %w", operation, errFailed)
	if row, known := refusals().Find(answer); known {
		text = fmt.Errorf("%w (%s)", text, row.Message)
	}
	return refusals().Wrap(text, answer)
}

// accountRefused is the error of a change on an account of that state.
func accountRefused(account, state string) error {
	text := fmt.Errorf("aws: account %s is %s", account, shown(state))
	return refusals().Wrap(text, fault.Answer{Code: codeAccount + state})
}

func unreadable(operation string) error {
	return fmt.Errorf("aws: %s: %w: the answer is not what was asked for", operation, fault.ErrUnavailable)
}
