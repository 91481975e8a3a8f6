package openstack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	"github.com/rollcall-iam/rollcall/internal/calls"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// failure classifies the error of one call. The operation is a method and a
// path without people in it; nothing else of the request and nothing of the
// answer's body gets into the text, because both may name people.
func failure(ctx context.Context, operation string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("openstack: %s: %w", operation, ctx.Err())
	}
	if response, ok := errors.AsType[gophercloud.ErrUnexpectedResponseCode](err); ok {
		return refused(operation, response)
	}
	return fmt.Errorf("openstack: %s: %w: %s", operation, fault.ErrUnavailable, calls.Cause(err))
}

// refused classifies an answer by the table.
func refused(operation string, response gophercloud.ErrUnexpectedResponseCode) error {
	a := fault.Answer{
		Status: response.Actual, Message: message(response.Body), After: calls.RetryAfter(response.ResponseHeader, time.Now()),
	}
	return refusals().Wrap(fmt.Errorf("openstack: %s: answered %d %s", operation, a.Status, http.StatusText(a.Status)), a)
}

// message returns what Keystone says about a refusal, or "".
func message(body []byte) string {
	var answer struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return ""
	}
	return answer.Error.Message
}

// refusals is the table of what Keystone refuses and why. Keystone has no codes but the
// HTTP status: its message tells refusals apart. Without insecure_debug a 403 for a read-only
// LDAP has the words of any other.
func refusals() fault.Refusals {
	const source = "Identity API v3, HTTP Status Codes"
	rows := fault.Refusals{
		{
			Status: http.StatusForbidden, Message: "LDAP does not support write operations", Class: fault.ErrDenied,
			Source: "Keystone, Integrate Identity with LDAP",
			Advice: "the domain's users and groups are in a read-only LDAP: use a domain that Keystone keeps itself",
		},
		{
			Status: http.StatusForbidden, Message: "not authorized to perform the requested action", Class: fault.ErrDenied,
			Source: "Keystone, Policy configuration",
			Advice: "give the account of the connection the role admin on the domain; " +
				"a domain whose users are in a read-only LDAP takes no groups",
		},
		{
			Status: http.StatusUnauthorized, Message: "account is locked", Class: fault.ErrDenied,
			Source: "Keystone, Security compliance and PCI-DSS",
			Advice: "the account of the connection is locked after failed attempts: wait for the end of lockout_duration",
		},
		{
			Status: http.StatusUnauthorized, Message: "password is expired", Class: fault.ErrDenied,
			Source: "Keystone, Security compliance and PCI-DSS", Advice: "the password of the connection's account has expired: change it",
		},
		{
			Status: http.StatusUnauthorized, Message: "account is disabled", Class: fault.ErrDenied,
			Source: "Identity API v3, Authentication and token management", Advice: "enable the account of the connection",
		},
		{
			Status: http.StatusUnauthorized, Message: "requires authentication", Class: fault.ErrDenied,
			Source: "Identity API v3, Authentication and token management", Advice: "correct the credentials of the connection",
		},
		{
			Status: http.StatusUnauthorized, Message: "domain is disabled", Class: fault.ErrDenied,
			Source: "Identity API v3, Domains", Advice: "enable the domain",
		},
		// Older OpenStacks say "too large" for "too many requests".
		{Status: http.StatusRequestEntityTooLarge, Class: fault.ErrThrottled, Until: "the rate is below the limit", Source: source},
		{Status: http.StatusTooManyRequests, Class: fault.ErrThrottled, Until: "the rate is below the limit", Source: source},
		{Status: http.StatusNotImplemented, Class: fault.ErrUnsupported, Source: source},
	}
	add := func(class error, until string, statuses ...int) {
		for _, status := range statuses {
			rows = append(rows, fault.Refusal{Status: status, Class: class, Until: until, Source: source})
		}
	}
	add(fault.ErrInvalid, "", http.StatusBadRequest, http.StatusMethodNotAllowed)
	add(fault.ErrDenied, "", http.StatusUnauthorized, http.StatusForbidden)
	add(fault.ErrNotFound, "", http.StatusNotFound)
	add(fault.ErrConflict, "", http.StatusConflict)
	add(fault.ErrUnavailable, "the service works again", http.StatusRequestTimeout, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout)
	return rows
}
