package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// tailLines is how much of a log is shown after a failure.
const tailLines = 15

// loggedError is a failure about which a log says more.
type loggedError struct {
	err  error
	file string
}

func (e *loggedError) Error() string { return e.err.Error() }
func (e *loggedError) Unwrap() error { return e.err }

// withLog says in which file to look, if there is an error.
func withLog(err error, file string) error {
	if err == nil {
		return nil
	}
	return &loggedError{err: err, file: file}
}

// openLog opens a log to append to. Logs may name people: they are for the
// owner's eyes.
func openLog(file string) (*os.File, error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	return f, nil
}

// printLog prints the last lines of the log that belongs to the error.
func printLog(out io.Writer, err error) {
	var logged *loggedError
	if !errors.As(err, &logged) {
		return
	}
	lines, errRead := tail(logged.file)
	if errRead != nil || len(lines) == 0 {
		return
	}
	fmt.Fprintf(out, "\nThe end of %s:\n", logged.file)
	for _, line := range lines {
		fmt.Fprintf(out, "  %s\n", line)
	}
}

func tail(file string) ([][]byte, error) {
	body, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	body = bytes.TrimSpace(body)
	if len(body) == 0 {
		return nil, nil
	}
	lines := bytes.Split(body, []byte("\n"))
	return lines[max(0, len(lines)-tailLines):], nil
}
