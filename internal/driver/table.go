package driver

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// Change is a sort of step.
type Change struct {
	Kind access.Kind
	Op   plan.Op
}

// Handler makes one step true and returns the id of what it made or changed.
type Handler func(ctx context.Context, scope Scope, step plan.Step) (ref string, err error)

// Table is all that a driver can do. What is not in it is refused, so that what
// a driver declares and what it does cannot drift apart.
type Table map[Change]Handler

// Apply makes the steps true, in order, each by its handler. A step that fails
// does not stop the next: what depends on it is in a later wave. What fit refuses,
// and a step about nothing, never reaches a handler. platform begins the errors.
func (t Table) Apply(ctx context.Context, platform string, fit func(plan.Object) error, scope Scope, steps []plan.Step) []Result {
	results := make([]Result, len(steps))
	for i, step := range steps {
		results[i].Ref, results[i].Err = t.apply(ctx, platform, fit, scope, step)
	}
	return results
}

func (t Table) apply(
	ctx context.Context, platform string, fit func(plan.Object) error, scope Scope, step plan.Step,
) (string, error) {
	handle, ok := t[Change{step.Kind, step.Op}]
	if !ok {
		return "", fmt.Errorf("%s: %w: to %s a %s", platform, fault.ErrUnsupported, step.Op, step.Kind)
	}
	if err := errors.Join(fit(step.Want), fit(step.Have)); err != nil {
		return "", err
	}
	if !complete(step) {
		return "", fmt.Errorf("%s: %w: a step on a %s that names none", platform, fault.ErrInvalid, step.Kind)
	}
	return handle(ctx, scope, step)
}

// complete reports whether the step holds what its operation is about.
func complete(s plan.Step) bool {
	want, have := plan.Step{Want: s.Want}.Key().Kind, plan.Step{Have: s.Have}.Key().Kind
	switch {
	case s.Op == plan.Create:
		return want == s.Kind
	case s.Op == plan.Delete:
		return have == s.Kind
	case s.Kind == access.KindGroup: // one that is there is named by its id
		return s.Want.Group != nil && s.Have.Group != nil && s.Have.Group.Ref != ""
	default:
		return want == s.Kind || have == s.Kind
	}
}

// TakesFromGroups reports whether all steps only delete groups or take members
// out of them. Groups live beside the tenant, so these steps need none.
func TakesFromGroups(steps []plan.Step) bool {
	return !slices.ContainsFunc(steps, func(s plan.Step) bool {
		deletes := s.Kind == access.KindGroup && s.Op == plan.Delete
		return !deletes && (s.Kind != access.KindMembers || len(s.Adds()) > 0)
	})
}

// Refuse answers every step with the same error.
func Refuse(steps []plan.Step, err error) []Result {
	results := make([]Result, len(steps))
	for i := range results {
		results[i].Err = err
	}
	return results
}
