package reconcile

import (
	"errors"
	"fmt"

	"github.com/rollcall-iam/rollcall/internal/fault"
)

// MaxRetryAfter returns the error of errs that asks for the longest wait before the next
// attempt; the first one where none asks for any. It needs at least one error.
func MaxRetryAfter(errs []error) error {
	found := errs[0]
	delay, _ := fault.RetryAfter(found)
	for _, err := range errs[1:] {
		if after, ok := fault.RetryAfter(err); ok && after > delay {
			found, delay = err, after
		}
	}
	return found
}

// unfinished is the failure of steps that another attempt may do, when all that does not
// need them is applied.
type unfinished struct{ error }

// Unwrap implements errors.Unwrap.
func (u *unfinished) Unwrap() error { return u.error }

// IsUnfinished reports whether an error of Executor.Execute is that of steps which fail for
// now: all that does not need them is applied.
func IsUnfinished(err error) bool {
	_, ok := errors.AsType[*unfinished](err)
	return ok
}

// maxUnknown is how many attempts an answer gets that no driver knows, before it is taken
// for a refusal.
const maxUnknown = 10

// exhausted returns err as a refusal, if it is an answer that no driver knows and attempts
// enough were made.
func exhausted(err error, attempt int) error {
	if attempt < maxUnknown || !errors.Is(err, fault.ErrUnknown) {
		return err
	}
	return fmt.Errorf("%w after %d attempts: %w", fault.ErrExhausted, attempt, err)
}
