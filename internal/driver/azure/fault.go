package azure

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/rollcall-iam/rollcall/internal/calls"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// unknownFor is how long Azure may not know a new group. Microsoft names no time for
// replication; assignments that have not appeared after 30 minutes never do.
const unknownFor = 30 * time.Minute

// refusals is the table of what Microsoft refuses and why.
func refusals() fault.Refusals {
	return slices.Concat(refusedTokens(), refusedScopes(), refusedAssignments(), refusedObjects(), refusedStatuses())
}

// refusedTokens are the reasons for which Entra gives no token.
func refusedTokens() fault.Refusals {
	const source = "Entra, Authentication and authorization error codes"
	return fault.Refusals{
		{
			Codes: []string{"AADSTS7000215", "AADSTS7000222"}, Class: fault.ErrDenied, Source: source,
			Advice: "the client secret of the connection is wrong or has expired: make a new one",
		},
		{
			Codes: []string{"AADSTS700016", "AADSTS90002"}, Class: fault.ErrDenied, Source: source,
			Advice: "the Entra tenant does not have the app of the connection: correct tenantId and the client id",
		},
		{
			Codes: []string{"AADSTS70021", "AADSTS700213", "AADSTS700027"}, Class: fault.ErrDenied, Source: source,
			Advice: "the app of the connection does not trust the token or the certificate: correct its credentials in Entra",
		},
		{
			Codes: []string{"AADSTS53003"}, Class: fault.ErrDenied, Source: source,
			Advice: "a Conditional Access policy blocks the app of the connection: exclude it from the policy",
		},
	}
}

// refusedScopes are what the Resource Manager refuses for the scope, whatever the role.
func refusedScopes() fault.Refusals {
	return fault.Refusals{
		{
			Codes: []string{"ScopeLocked"}, Class: fault.ErrDenied, Source: "Azure Resource Manager, Lock your resources",
			Advice: "a lock on the scope keeps its role assignments: remove the lock, then replicate again",
		},
		{
			Codes: []string{"RequestDisallowedByPolicy"}, Class: fault.ErrDenied, Source: "Azure Policy, Troubleshoot errors",
			Advice: "an Azure Policy assignment forbids it: change the policy or exempt the scope",
		},
		{
			Codes: []string{"ReadOnlyDisabledSubscription"}, Class: fault.ErrDenied, Source: "Azure subscription states",
			Advice: "the subscription is disabled and read-only: enable it again",
		},
		{
			Codes: []string{"DenyAssignmentAuthorizationFailed"}, Class: fault.ErrDenied, Source: "Azure RBAC, Deny assignments",
			Advice: "a deny assignment at the scope forbids it: exclude the app of the connection from it",
		},
		{
			Codes: []string{"AuthorizationFailed", "LinkedAuthorizationFailed"}, Class: fault.ErrDenied, Source: "Azure RBAC, Troubleshoot",
			Advice: "give the app of the connection a role at the scope that allows roleAssignments/read, write and delete",
		},
	}
}

// refusedAssignments are what the Resource Manager refuses for the role or the principal.
func refusedAssignments() fault.Refusals {
	const source = "Azure RBAC, Troubleshoot"
	return fault.Refusals{
		{
			Codes: []string{"RoleAssignmentLimitExceeded"}, Class: fault.ErrDenied, Source: "Azure RBAC, Troubleshoot limits",
			Advice: "the subscription is at its limit of role assignments: remove some that are not needed",
		},
		{
			Codes: []string{"PrincipalNotFound"}, Class: fault.ErrUnavailable, Source: source,
			Until: "Azure knows the new group", MaxAge: unknownFor,
			Advice: "Azure does not find the group: check that the subscription trusts the Entra tenant of the connection",
		},
		{
			Codes: []string{"RoleDefinitionDoesNotExist"}, Class: fault.ErrInvalid, Source: source,
			Advice: "there is no such role at the scope: correct the role mapping",
		},
		{
			Codes: []string{"PrincipalTypeNotSupported", "UnmatchedPrincipalType", "InvalidPrincipalId"}, Class: fault.ErrInvalid,
			Source: source, Advice: "the id of the group is one of another object: let Rollcall make the group again",
		},
		{
			Codes: []string{"InvalidConditionVersion", "RoleAssignmentConditionNotValid"}, Class: fault.ErrInvalid,
			Source: "Azure RBAC, Troubleshoot conditions", Advice: "Azure does not accept the condition: correct the role mapping",
		},
		{
			Codes: []string{"CannotDeleteLastRbacAdminAssignment"}, Class: fault.ErrDenied, Source: source,
			Advice: "it is the last assignment of an administrator at the scope: make another user Owner first",
		},
		{Codes: []string{"RoleAssignmentExists"}, Class: fault.ErrConflict, Source: source},
	}
}

// refusedObjects are what Graph refuses.
func refusedObjects() fault.Refusals {
	const invitations = "Entra External ID, Troubleshoot B2B collaboration"
	return fault.Refusals{
		{
			Codes: []string{"Request_BadRequest"}, Message: sourceUnknown, Class: fault.ErrUnavailable, MaxAge: unknownFor,
			Expired: fault.ErrUnknown, Until: "every replica knows the group and the member", Source: "Graph, Add members",
		},
		{
			Message: "invitations not allowed", Class: fault.ErrDenied, Source: invitations,
			Advice: "allow guest invitations in the external collaboration settings of the Entra tenant",
		},
		{
			Message: "cross-tenant access settings", Class: fault.ErrDenied, Source: invitations,
			Advice: "allow the organization of the invited user in the cross-tenant access settings of the Entra tenant",
		},
		{
			Message: "domain of the invited user", Class: fault.ErrDenied, Source: "Entra External ID, Allow or block invitations",
			Advice: "allow the domain of the invited user in the collaboration restrictions of the Entra tenant",
		},
		{
			Codes: []string{"Directory_QuotaExceeded"}, Class: fault.ErrDenied, Source: "Entra, Service limits and restrictions",
			Advice: "a quota of the directory is used up: raise it, or delete objects that are not needed",
		},
		{
			Codes: []string{"Authorization_RequestDenied"}, Class: fault.ErrDenied, Source: "Graph, Resolve authorization errors",
			Advice: "give the app of the connection the application permissions of Graph; " +
				"in a restricted administrative unit it needs a role at that unit",
		},
		{Codes: []string{"Request_ResourceNotFound"}, Class: fault.ErrNotFound, Source: "Graph, Error responses"},
	}
}

// sourceUnknown is how Graph refuses members for a group, or a member, that a replica does
// not know.
const sourceUnknown = "source resource object"

// refusedStatuses are the statuses of Graph and the Resource Manager.
func refusedStatuses() fault.Refusals {
	const source, again = "Graph, Error responses", "the service works again"
	var rows fault.Refusals
	add := func(class error, until string, statuses ...int) {
		for _, status := range statuses {
			rows = append(rows, fault.Refusal{Status: status, Class: class, Until: until, Source: source})
		}
	}
	add(fault.ErrInvalid, "", http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusMethodNotAllowed,
		http.StatusNotAcceptable, http.StatusLengthRequired, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity)
	add(fault.ErrDenied, "", http.StatusUnauthorized, http.StatusForbidden, http.StatusInsufficientStorage)
	add(fault.ErrNotFound, "", http.StatusNotFound, http.StatusGone)
	add(fault.ErrConflict, "", http.StatusConflict, http.StatusPreconditionFailed)
	add(fault.ErrUnsupported, "", http.StatusNotImplemented)
	add(fault.ErrThrottled, "the rate is below the limit", http.StatusTooManyRequests)
	add(fault.ErrUnavailable, again, http.StatusRequestTimeout, http.StatusLocked, http.StatusFailedDependency,
		http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout)
	return rows
}

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
		return refusal(operation, fault.Answer{
			Status: response.StatusCode, Code: response.ErrorCode, Message: response.Error(), After: calls.RetryAfter(header, time.Now()),
		})
	}
	return fmt.Errorf("azure: %s: %w: %s", operation, fault.ErrUnavailable, calls.Cause(err))
}

// classified reports whether the error is one of ours.
func classified(err error) bool {
	for _, class := range []error{
		fault.ErrInvalid, fault.ErrUnsupported, fault.ErrDenied, fault.ErrNotFound, fault.ErrConflict,
		fault.ErrThrottled, fault.ErrUnavailable, fault.ErrTruncated, fault.ErrPending,
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

// refusal classifies an answer by the table.
func refusal(operation string, a fault.Answer) error {
	text := fmt.Errorf("azure: %s: answered %d %s", operation, a.Status, http.StatusText(a.Status))
	if safeCode.MatchString(a.Code) {
		text = fmt.Errorf("%w (%s)", text, a.Code)
	}
	if a.Status == http.StatusServiceUnavailable && a.After > 0 { // that is how Graph throttles, too
		return refused{fault.Throttled(text, a.After), a.Code}
	}
	return refused{refusals().Wrap(text, a), a.Code}
}

// ageError classifies an answer about an object that was made at that time. Without a time the
// object may be new.
func ageError(text error, a fault.Answer, made time.Time) error {
	row, known := refusals().Find(a)
	if !known {
		return refusals().Wrap(text, a)
	}
	if !made.IsZero() {
		row = row.At(time.Since(made))
	}
	if fault.Retryable(row.Class) {
		row.Advice = "" // waiting helps
	}
	return row.Wrap(text, a.After)
}

func unreadable(operation, field string) error {
	return fmt.Errorf("azure: %s: %w: the answer has no %q that can be read", operation, fault.ErrUnavailable, field)
}
