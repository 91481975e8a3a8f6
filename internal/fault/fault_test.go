package fault_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/fault"
)

var errVendor = errors.New("vendor says no")

func TestClassAndRetryable(t *testing.T) {
	tests := []struct {
		reason string
		err    error
		class  error
		retry  bool
	}{
		{"no error has no class", nil, nil, false},
		{"our request is wrong", fault.ErrInvalid, fault.ErrInvalid, false},
		{"the platform cannot", fault.ErrUnsupported, fault.ErrUnsupported, false},
		{"our credentials may not", fault.ErrDenied, fault.ErrDenied, false},
		{"a thing is missing: plan again", fault.ErrNotFound, fault.ErrNotFound, false},
		{"the world moved: plan again", fault.ErrConflict, fault.ErrConflict, false},
		{"later", fault.ErrThrottled, fault.ErrThrottled, true},
		{"down", fault.ErrUnavailable, fault.ErrUnavailable, true},
		{"half an answer is none", fault.ErrTruncated, fault.ErrTruncated, true},
		{"wrapped twice", fmt.Errorf("b: %w", fmt.Errorf("a: %w: %w", fault.ErrDenied, errVendor)), fault.ErrDenied, false},
		{"an unknown failure is retried", errVendor, fault.ErrUnavailable, true},
		{"joined: what no retry helps against wins", errors.Join(fault.ErrThrottled, fault.ErrInvalid), fault.ErrInvalid, false},
		{"joined, in the other order", errors.Join(fault.ErrInvalid, fault.ErrThrottled), fault.ErrInvalid, false},
		{"joined with an unknown one", errors.Join(errVendor, fault.ErrConflict), fault.ErrConflict, false},
		{"throttled by a helper", fault.Throttled(errVendor, 0), fault.ErrThrottled, true},
		{"throttled without a cause", fault.Throttled(nil, time.Second), fault.ErrThrottled, true},
		{"the platform carries it out", fault.Pending(errVendor, time.Second), fault.ErrPending, true},
		{"no table has it: retried, and counted", fmt.Errorf("%w: %w", errVendor, fault.ErrUnknown), fault.ErrUnknown, true},
		{"no table has it, and it does not end", fmt.Errorf("%w: %w", fault.ErrExhausted, fault.ErrUnknown), fault.ErrExhausted, false},
		{"what no table has counts as down", fault.ErrUnknown, fault.ErrUnavailable, true},
		{"joined: what is carried out wins over a throttle", errors.Join(fault.ErrThrottled, fault.ErrPending), fault.ErrPending, true},
		{"we were told to stop", fmt.Errorf("call: %w", context.Canceled), context.Canceled, false},
		{"our time is up", fmt.Errorf("call: %w", context.DeadlineExceeded), context.DeadlineExceeded, false},
		{
			"one call's time was up, says the driver: the next may have more",
			fmt.Errorf("%w: %w", fault.ErrUnavailable, context.DeadlineExceeded), fault.ErrUnavailable, true,
		},
	}
	for _, test := range tests {
		if got := fault.Class(test.err); !errors.Is(got, test.class) || got == nil && test.class != nil {
			t.Errorf("%s: Class(%v) = %v, want %v", test.reason, test.err, got, test.class)
		}
		if got := fault.Retryable(test.err); got != test.retry {
			t.Errorf("%s: Retryable(%v) = %t, want %t", test.reason, test.err, got, test.retry)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	tests := []struct {
		reason string
		err    error
		want   time.Duration
		asked  bool
	}{
		{"no error", nil, 0, false},
		{"throttled, nothing named", fault.Throttled(errVendor, 0), 0, false},
		{"a delay in the past is none", fault.Throttled(errVendor, -time.Second), 0, false},
		{"pending", fault.Pending(errVendor, time.Minute), time.Minute, true},
		{"pending, nothing named", fault.Pending(errVendor, 0), 0, false},
		{"only the class", fault.ErrThrottled, 0, false},
		{"named", fault.Throttled(errVendor, time.Minute), time.Minute, true},
		{"named and wrapped", fmt.Errorf("list: %w", fault.Throttled(errVendor, time.Minute)), time.Minute, true},
		{"named below one that names none", fault.Throttled(fault.Throttled(errVendor, time.Minute), 0), time.Minute, true},
		{
			"named beside one that names none",
			errors.Join(fault.Throttled(errVendor, 0), fault.Throttled(errVendor, time.Minute)), time.Minute, true,
		},
	}
	for _, test := range tests {
		got, asked := fault.RetryAfter(test.err)
		if got != test.want || asked != test.asked {
			t.Errorf("%s: RetryAfter(%v) = %v, %t, want %v, %t", test.reason, test.err, got, asked, test.want, test.asked)
		}
	}
}

func TestThrottledKeepsItsCause(t *testing.T) {
	err := fault.Throttled(fmt.Errorf("list groups: %w", errVendor), time.Second)
	if !errors.Is(err, errVendor) || !errors.Is(err, fault.ErrThrottled) {
		t.Errorf("%v is not both what the vendor says and ErrThrottled", err)
	}
	if err.Error() != "list groups: vendor says no" {
		t.Errorf("the text is %q, want the cause's", err)
	}
}
