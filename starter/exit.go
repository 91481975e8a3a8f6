package main

import (
	"errors"

	"github.com/rollcall-iam/rollcall/internal/document"
)

// The exit codes that scripts depend on.
const (
	exitDone    = 0 // done; remarks are allowed
	exitFailed  = 1
	exitInvalid = 2 // the input, or the command line
	exitWaiting = 3 // something waits for an approval
	exitChanges = 4 // plan --exit-code found changes
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
	if errors.Is(err, document.ErrInvalid) {
		return exitInvalid
	}
	return exitFailed
}
