package fault

import (
	"cmp"
	"errors"
)

// Names of classes, as the ledger, Temporal and scripts have them. NameUnavailable is that of
// all failures that another attempt may end.
const (
	NameInvalid     = "Invalid"
	NameUnsupported = "Unsupported"
	NameDenied      = "Denied"
	NameForbidden   = "Forbidden"
	NameNotFound    = "NotFound"
	NameConflict    = "Conflict"
	NameThrottled   = "Throttled"
	NamePending     = "Pending"
	NameExhausted   = "Exhausted"
	NameUnavailable = "Unavailable"
)

// names are the classes with names of their own.
func names() map[error]string {
	return map[error]string{
		ErrInvalid: NameInvalid, ErrUnsupported: NameUnsupported, ErrDenied: NameDenied, ErrForbidden: NameForbidden,
		ErrNotFound: NameNotFound, ErrConflict: NameConflict, ErrThrottled: NameThrottled, ErrPending: NamePending,
		ErrExhausted: NameExhausted,
	}
}

// Name returns the name of an error's class.
func Name(err error) string { return cmp.Or(names()[Class(err)], NameUnavailable) }

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
