package activities

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/store"
)

func TestToTemporal(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason    string
		err       error
		kind      string
		permanent bool
		delay     time.Duration
		benign    bool
	}{
		"denied":      {"missing permissions need people", fault.ErrDenied, TypeDenied, true, 0, false},
		"invalid":     {"a wrong request stays wrong", fault.ErrInvalid, TypeInvalid, true, 0, false},
		"unsupported": {"what a platform cannot do, it cannot do later", fault.ErrUnsupported, TypeUnsupported, true, 0, false},
		"forbidden":   {"what the operator of the workers rules out stays so until they or the documents change", fault.ErrForbidden, TypeForbidden, true, 0, false},
		"missing":     {"another worker may hold the connection, or this one soon", fault.ErrUnavailable, TypeUnavailable, false, 0, false},
		"conflict":    {"a conflict may be gone at the next try", fault.ErrConflict, TypeConflict, false, 0, false},
		"truncated":   {"a part of an answer is asked for again", fault.ErrTruncated, TypeUnavailable, false, 0, false},
		"unknown":     {"an error nobody classified is no answer", errors.New("what"), TypeUnavailable, false, 0, false},
		"throttled": {
			"Retry-After decides when to come back, and nobody is alarmed",
			fault.Throttled(errors.New("slow down"), 9*time.Second), TypeThrottled, false, 9 * time.Second, true,
		},
		"gone": {"a tenant that nobody stores is not waited for", store.ErrNotFound, TypeNotFound, true, 0, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, ok := errors.AsType[*temporal.ApplicationError](toTemporal(fmt.Errorf("activities: %w", c.err)))
			if !ok {
				t.Fatalf("%s: no application error", c.reason)
			}
			benign := got.Category() == temporal.ApplicationErrorCategoryBenign
			if got.Type() != c.kind || got.NonRetryable() != c.permanent || got.NextRetryDelay() != c.delay || benign != c.benign {
				t.Errorf("%s: type %s, permanent %v, delay %s, benign %v", c.reason, got.Type(), got.NonRetryable(), got.NextRetryDelay(), benign)
			}
		})
	}
	if err := toTemporal(fmt.Errorf("activities: %w", context.Canceled)); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled context became %v: Temporal must see the cancellation", err)
	}
}
