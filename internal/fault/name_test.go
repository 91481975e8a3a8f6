package fault_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/fault"
)

func TestPermanent(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		reason string
		err    error
		want   bool
	}{
		{"the request can never work", fmt.Errorf("a: %w", fault.ErrInvalid), true},
		{"the platform cannot", fault.ErrUnsupported, true},
		{"an administrator has to act", fault.ErrDenied, true},
		{"the operator forbids it", fault.ErrForbidden, true},
		{"another plan may help", fault.ErrNotFound, false},
		{"another plan may help", fault.ErrConflict, false},
		{"it passes", fault.ErrThrottled, false},
		{"a cancelled call says nothing", context.Canceled, false},
		{"an unknown failure is tried again", errors.New("what?"), false},
		{"no failure", nil, false},
	} {
		if got := fault.Permanent(c.err); got != c.want {
			t.Errorf("Permanent(%v) = %t: %s", c.err, got, c.reason)
		}
	}
}

// TestNamed_IsTheReverseOfName: the ledger keeps names, and later runs read classes from them.
func TestNamed_IsTheReverseOfName(t *testing.T) {
	t.Parallel()
	for _, class := range []error{
		fault.ErrInvalid, fault.ErrUnsupported, fault.ErrDenied, fault.ErrForbidden, fault.ErrNotFound, fault.ErrConflict,
		fault.ErrThrottled, fault.ErrPending, fault.ErrExhausted, fault.ErrUnavailable,
	} {
		if got := fault.Named(fault.Name(fmt.Errorf("of a call: %w", class))); !errors.Is(got, class) {
			t.Errorf("Named(Name(%v)) = %v", class, got)
		}
	}
	for _, c := range []struct {
		reason string
		err    error
	}{
		{"a refusal that no table has is tried again", fault.ErrUnknown},
		{"half an answer is tried again", fault.ErrTruncated},
		{"nobody classified it", errors.New("what?")},
	} {
		if got := fault.Name(c.err); got != fault.NameUnavailable {
			t.Errorf("%s: Name(%v) = %q, want %q", c.reason, c.err, got, fault.NameUnavailable)
		}
	}
	if got := fault.Named("Sideways"); !errors.Is(got, fault.ErrUnavailable) {
		t.Errorf("Named of a name of a later program = %v, want one that is tried again", got)
	}
}
