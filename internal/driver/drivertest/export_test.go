package drivertest

import (
	"context"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/reconcile"
)

// AllLaws lists the laws' names.
func AllLaws() []Law {
	var names []Law
	for _, e := range laws() {
		names = append(names, e.law)
	}
	return names
}

// Examine runs one law.
func Examine(t testing.TB, s Suite, law Law) {
	for _, e := range laws() {
		if e.law == law {
			examine(t, s, e)
		}
	}
}

// Executor runs the waves of a plan.
type Executor func(ctx context.Context, config reconcile.Config, waves [][]plan.Work) (reconcile.Report, error)

// ExecuteWith returns the suite with another executor.
func ExecuteWith(s Suite, e Executor) Suite {
	s.execute = e
	return s
}
