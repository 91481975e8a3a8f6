package openstack

import (
	"context"
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

// refused classifies an answer by its status.
func refused(operation string, response gophercloud.ErrUnexpectedResponseCode) error {
	status := response.Actual
	text := fmt.Errorf("openstack: %s: answered %d %s", operation, status, http.StatusText(status))
	wrap := func(class error) error { return fmt.Errorf("%w: %w", text, class) }
	switch status {
	case http.StatusBadRequest:
		return wrap(fault.ErrInvalid)
	case http.StatusUnauthorized, http.StatusForbidden:
		return wrap(fault.ErrDenied)
	case http.StatusNotFound:
		return wrap(fault.ErrNotFound)
	case http.StatusConflict:
		return wrap(fault.ErrConflict)
	case http.StatusRequestEntityTooLarge, http.StatusTooManyRequests:
		header := response.ResponseHeader
		return fault.Throttled(text, calls.RetryAfter(header, time.Now()))
	default:
		return wrap(fault.ErrUnavailable)
	}
}
