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
	TypeInvalid     = fault.NameInvalid
	TypeUnsupported = fault.NameUnsupported
	TypeDenied      = fault.NameDenied
	TypeForbidden   = fault.NameForbidden
	TypeNotFound    = fault.NameNotFound
	TypeConflict    = fault.NameConflict
	TypeThrottled   = fault.NameThrottled
	TypePending     = fault.NamePending
	TypeExhausted   = fault.NameExhausted
	TypeUnavailable = fault.NameUnavailable
)

// toTemporal decides what Temporal does about err: give up, come back when the
// platform asked to, or try again. Throttles, and writes that the platform is still carrying out,
// are no failures of ours and are counted as benign.
func toTemporal(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	var options temporal.ApplicationErrorOptions
	if errors.Is(err, store.ErrNotFound) {
		options.NonRetryable = true
		return temporal.NewApplicationErrorWithOptions(err.Error(), TypeNotFound, options)
	}
	options.NonRetryable = fault.Permanent(err)
	if errors.Is(err, fault.ErrThrottled) || errors.Is(err, fault.ErrPending) {
		options.Category = temporal.ApplicationErrorCategoryBenign
		options.NextRetryDelay, _ = fault.RetryAfter(err)
	}
	return temporal.NewApplicationErrorWithOptions(err.Error(), fault.Name(err), options)
}
