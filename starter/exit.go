package main

import (
	"errors"

	"github.com/rollcall-iam/rollcall/internal/control"
)

// The exit codes that scripts depend on.
const (
	exitDone    = control.ExitDone
	exitFailed  = control.ExitFailed
	exitInvalid = control.ExitInvalid
	exitWaiting = control.ExitWaiting
	exitChanges = control.ExitChanges
)

// exitError ends a command with a certain code. One without a text ends it
// silently: everything has been said.
type exitError struct {
	code int
	err  error
}

func (e exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e exitError) Unwrap() error { return e.err }

// invalid marks err as a mistake in the input or on the command line.
func invalid(err error) error { return exitError{code: exitInvalid, err: err} }

func exitCode(err error) int {
	if err == nil {
		return exitDone
	}
	if exit, ok := errors.AsType[exitError](err); ok {
		return exit.code
	}
	return control.CodeOf(err).ExitCode()
}
