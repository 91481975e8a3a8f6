package memory

import (
	"context"
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/rollcall-iam/rollcall/internal/calls"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// Fault makes calls to the platform fail. It is part of the world, so that a
// test can break the platform under a worker that runs elsewhere.
type Fault struct {
	// Op is a pattern, as path.Match reads it, of the calls that fail:
	// "read:*", "write:groups.create", "*".
	Op string `json:"op"`
	// Contains limits the fault to writes that name an account, a group, a role or a
	// tenant so: by id, and what is created by name. Empty means all calls.
	Contains string `json:"contains,omitempty"`
	// Skip is how many calls that match go through first.
	Skip int `json:"skip,omitempty"`
	// Times is how many fail after that, before calls work again. 0 means all.
	Times int `json:"times,omitempty"`
	// Class is the text of one of package fault's errors: "unavailable",
	// "throttled", "denied", "pending", "unknown refusal: unavailable"... Empty for a call that is slow but works.
	Class string `json:"class,omitempty"`
	// RetryAfter is what a throttled call says, such as "3s".
	RetryAfter Duration `json:"retryAfter,omitempty"`
	// Delay is how long the call takes.
	Delay Duration `json:"delay,omitempty"`
	// Hang is true for a call that is not answered at all.
	Hang bool `json:"hang,omitempty"`
	// Lost is true for a write that takes effect and whose answer is lost.
	Lost bool `json:"lost,omitempty"`
	// Hits counts the calls that have failed.
	Hits int `json:"hits,omitempty"`
}

// Duration is a time.Duration that is written like "1.5s".
type Duration time.Duration

// MarshalText writes the duration as time.Duration does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what time.ParseDuration reads.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("memory: %w: %w", fault.ErrInvalid, err)
	}
	*d = Duration(parsed)
	return nil
}

// strike returns what fails the call, or nil, and counts it. names are the ids and names
// that a write mentions.
func (w *World) strike(op string, names []string) *Fault {
	for i := range w.Faults {
		f := &w.Faults[i]
		if matched, err := path.Match(f.Op, op); err != nil || !matched {
			continue
		}
		if f.Contains != "" && !slices.Contains(names, f.Contains) {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		if f.Times > 0 && f.Hits >= f.Times {
			continue
		}
		f.Hits++
		hit := *f
		return &hit
	}
	return nil
}

// wait is the fault's delay; a cancelled context ends it.
func (f *Fault) wait(ctx context.Context, op string) error {
	if f == nil {
		return ctx.Err()
	}
	err := calls.Do(ctx, op, func(ctx context.Context) error {
		if f.Hang {
			<-ctx.Done()
		}
		return sleep(ctx, time.Duration(f.Delay))
	})
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("memory: %s: %w: %s", op, fault.ErrUnavailable, calls.Cause(err))
	}
	return err
}

// err is the failure the fault stands for, nil for one that only delays.
func (f *Fault) err(op string) error {
	if f == nil || f.Class == "" && !f.Lost {
		return nil
	}
	for _, class := range []error{
		fault.ErrInvalid, fault.ErrUnsupported, fault.ErrDenied, fault.ErrNotFound,
		fault.ErrConflict, fault.ErrTruncated, fault.ErrUnknown,
	} {
		if class.Error() == f.Class {
			return fmt.Errorf("memory: %s: %w", op, class)
		}
	}
	if f.Class == fault.ErrPending.Error() {
		return fault.Pending(fmt.Errorf("memory: %s: the platform is still at it", op), time.Duration(f.RetryAfter))
	}
	if f.Class == fault.ErrThrottled.Error() {
		return fault.Throttled(fmt.Errorf("memory: %s: too many calls", op), time.Duration(f.RetryAfter))
	}
	return fmt.Errorf("memory: %s: %w", op, fault.ErrUnavailable)
}

// sleep waits for d or until ctx ends, whose error it returns.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
