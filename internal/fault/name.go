package fault

import (
	"cmp"
	"errors"
)

// names are the classes with names of their own, as the ledger and Temporal have them.
func names() map[error]string {
	return map[error]string{
		ErrInvalid: "Invalid", ErrUnsupported: "Unsupported", ErrDenied: "Denied", ErrForbidden: "Forbidden", ErrNotFound: "NotFound",
		ErrConflict: "Conflict", ErrThrottled: "Throttled", ErrPending: "Pending", ErrExhausted: "Exhausted",
	}
}

// Name returns the name of an error's class, such as "Denied"; "Unavailable" for all that
// another attempt may do. The ledger, Temporal and scripts know classes by these names.
func Name(err error) string { return cmp.Or(names()[Class(err)], "Unavailable") }

// Named returns the class of a name that Name returned, ErrUnavailable for any other.
func Named(name string) error {
	for class, known := range names() {
		if known == name {
			return class
		}
	}
	return ErrUnavailable
}

// Permanent reports whether a failure stays until a user or an operator acts: no
// attempt of the same call succeeds before.
func Permanent(err error) bool {
	for _, class := range []error{ErrInvalid, ErrUnsupported, ErrDenied, ErrForbidden, ErrExhausted} {
		if errors.Is(err, class) {
			return true
		}
	}
	return false
}
