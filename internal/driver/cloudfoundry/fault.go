package cloudfoundry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/cloudfoundry/go-cfclient/v3/resource"

	"github.com/rollcall-iam/rollcall/internal/calls"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// refusals is the table of what the Cloud Controller and UAA refuse and why. An error of
// the API v3 has one code for all that cannot be done: its detail tells them apart.
func refusals() fault.Refusals {
	return slices.Concat(refusedRoles(), refusedCallers(), refusedStatuses())
}

// refusedRoles are roles and users that the platform does not change.
func refusedRoles() fault.Refusals {
	const roles, users, scim = "CAPI v3, Roles", "CAPI v3, Create a user", "UAA API, Users"
	return fault.Refusals{
		{
			Status: http.StatusUnprocessableEntity, Message: "already has", Class: fault.ErrUnavailable,
			Until: "lists show the role", Source: roles,
		},
		{Status: http.StatusUnprocessableEntity, Message: "role in that space's organization", Class: fault.ErrConflict, Source: roles},
		{Status: http.StatusUnprocessableEntity, Message: "user has roles in spaces", Class: fault.ErrConflict, Source: roles},
		{Status: http.StatusUnprocessableEntity, Message: "Invalid space", Class: fault.ErrNotFound, Source: roles},
		{Status: http.StatusUnprocessableEntity, Message: "Invalid organization", Class: fault.ErrNotFound, Source: roles},
		{Status: http.StatusUnprocessableEntity, Message: "Invalid user", Class: fault.ErrNotFound, Source: roles},
		{
			Status: http.StatusUnprocessableEntity, Message: "No user exists", Class: fault.ErrInvalid, Source: roles,
			Advice: "the identity provider does not know the user: correct the user's name or origin",
		},
		{
			Status: http.StatusUnprocessableEntity, Message: "Ambiguous user", Class: fault.ErrInvalid, Source: roles,
			Advice: "several origins have a user of that name: set the origin of the platform",
		},
		{
			Codes: []string{"CF-OrgSuspended"}, Class: fault.ErrDenied, Source: "Cloud Controller, errors/v2.yml",
			Advice: "the organization is suspended: have it activated again",
		},
		{
			Codes: []string{"CF-UnprocessableEntity"}, Message: "Username", Class: fault.ErrInvalid, Source: users,
			Advice: "the Cloud Controller does not make users by name: give the connection scim.write",
		},
		{
			Codes: []string{"invalid_scim_resource", "invalid_password"}, Class: fault.ErrInvalid, Source: scim,
			Advice: "correct the user's name and address in the documents",
		},
		{Codes: []string{"scim_resource_already_exists"}, Class: fault.ErrConflict, Source: scim},
	}
}

// refusedCallers are refusals of the connection's client, and of all callers.
func refusedCallers() fault.Refusals {
	return fault.Refusals{
		{
			Codes: []string{"CF-NotAuthorized"}, Class: fault.ErrDenied, Source: "Cloud Controller, errors/v2.yml",
			Advice: "give the client of the connection the authority cloud_controller.admin",
		},
		{
			Codes: []string{"insufficient_scope"}, Class: fault.ErrDenied, Source: "UAA API, Authorization",
			Advice: "give the client of the connection the authorities scim.read, and scim.write where it creates users",
		},
		{
			Codes: []string{
				"CF-NotAuthenticated", "CF-InvalidAuthToken", "invalid_token", "unauthorized", "invalid_client", "unauthorized_client",
			},
			Class: fault.ErrDenied, Source: "UAA API, Token", Advice: "renew the secret of the connection's client",
		},
		{
			Codes: []string{"CF-RateLimitExceeded", "CF-IPBasedRateLimitExceeded"}, Class: fault.ErrThrottled,
			Until: "the interval of the limit is over", Source: "CAPI v3, Rate limiting",
		},
		{
			Codes: []string{"CF-UaaUnavailable", "CF-ServiceUnavailable", "UnknownError"}, Class: fault.ErrUnavailable,
			Until: "the service works again", Source: "Cloud Controller, errors/v2.yml",
		},
	}
}

func refusedStatuses() fault.Refusals {
	const source = "RFC 9110, Status Codes"
	var rows fault.Refusals
	add := func(class error, until string, statuses ...int) {
		for _, status := range statuses {
			rows = append(rows, fault.Refusal{Status: status, Class: class, Until: until, Source: source})
		}
	}
	add(fault.ErrInvalid, "", http.StatusBadRequest, http.StatusUnprocessableEntity)
	add(fault.ErrDenied, "", http.StatusUnauthorized, http.StatusForbidden)
	add(fault.ErrNotFound, "", http.StatusNotFound)
	add(fault.ErrConflict, "", http.StatusConflict)
	add(fault.ErrThrottled, "the rate is below the limit", http.StatusTooManyRequests)
	add(fault.ErrUnavailable, "the service works again", http.StatusRequestTimeout, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout)
	return rows
}

// refusal is an answer that says no, with its class. Its text holds the operation, the
// status and the code, and nothing else of the answer, which may name users.
type refusal struct {
	error

	status int
}

// Unwrap returns the classified error.
func (r *refusal) Unwrap() error { return r.error }

// refused makes a refusal of an answer.
func refused(operation string, answer *http.Response, body []byte, now time.Time) *refusal {
	code, message := explained(operation, body)
	return refuse(operation, fault.Answer{
		Status: answer.StatusCode, Code: code, Message: message, After: retryAfter(answer.Header.Get("Retry-After"), now),
	})
}

func refuse(operation string, a fault.Answer) *refusal {
	text := fmt.Errorf("cloudfoundry: %s: answered %d %s", operation, a.Status, http.StatusText(a.Status))
	if apiWord.MatchString(a.Code) {
		text = fmt.Errorf("%w (%s)", text, a.Code)
	}
	return &refusal{refusals().Wrap(text, a), a.Status}
}

// apiWord is a code that can be shown: one word of an API.
var apiWord = regexp.MustCompile(`^[A-Za-z][A-Za-z_-]{0,63}$`)

// explained returns the code of a refusal and what it says: the Cloud Controller has a
// list of errors, and UAA has one.
func explained(operation string, body []byte) (code, message string) {
	var said struct {
		resource.CloudFoundryErrors

		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if err := decode(operation, body, &said); err != nil {
		return "", ""
	}
	if len(said.Errors) > 0 {
		return said.Errors[0].Title, said.Errors[0].Detail
	}
	return said.Error, said.Description
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
