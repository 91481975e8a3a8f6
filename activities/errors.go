package activities

import (
	"context"
	"errors"

	"go.temporal.io/sdk/temporal"

	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// Types of the application errors that activities return; people filter by
// them in the Temporal UI.
const (
	TypeInvalid     = "Invalid"
	TypeUnsupported = "Unsupported"
	TypeDenied      = "Denied"
	TypeNotFound    = "NotFound"
	TypeConflict    = "Conflict"
	TypeThrottled   = "Throttled"
	TypeUnavailable = "Unavailable"
)

// toTemporal decides what Temporal does about err: give up, come back when the
// platform asked to, or try again. Throttles are no failures of ours and are
// counted as benign.
func toTemporal(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	options := temporal.ApplicationErrorOptions{Cause: err}
	if errors.Is(err, store.ErrNotFound) {
		options.NonRetryable = true
		return temporal.NewApplicationErrorWithOptions(err.Error(), TypeNotFound, options)
	}
	options.NonRetryable = permanent(err)
	if errors.Is(err, fault.ErrThrottled) {
		options.Category = temporal.ApplicationErrorCategoryBenign
		options.NextRetryDelay, _ = fault.RetryAfter(err)
	}
	return temporal.NewApplicationErrorWithOptions(err.Error(), typeOf(err), options)
}

// permanent reports whether only people can mend what err says.
func permanent(err error) bool {
	switch fault.Class(err) {
	case fault.ErrInvalid, fault.ErrUnsupported, fault.ErrDenied:
		return true
	default:
		return false
	}
}

func typeOf(err error) string {
	switch fault.Class(err) {
	case fault.ErrInvalid:
		return TypeInvalid
	case fault.ErrUnsupported:
		return TypeUnsupported
	case fault.ErrDenied:
		return TypeDenied
	case fault.ErrNotFound:
		return TypeNotFound
	case fault.ErrConflict:
		return TypeConflict
	case fault.ErrThrottled:
		return TypeThrottled
	default:
		return TypeUnavailable
	}
}
