package main

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var errDisk = errors.New("the disk is full")

func TestSideBySide_ReportsTheCauseOnly(t *testing.T) {
	var out bytes.Buffer
	c := newConsole(&out)
	started := make(chan struct{})
	err := c.sideBySide(t.Context(), []job{
		{what: "one that fails", do: func(context.Context) (string, error) {
			<-started
			return "", errDisk
		}},
		{what: "one that is ended", do: func(ctx context.Context) (string, error) {
			close(started)
			<-ctx.Done()
			return "", ctx.Err()
		}},
		{what: "one that is done", do: func(context.Context) (string, error) { return "at once", nil }},
	})
	if !errors.Is(err, errDisk) || errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the cause alone", err)
	}
	if text := out.String(); strings.Count(text, "failed") != 1 || !strings.Contains(text, "at once") {
		t.Errorf("want one failure and what was done:\n%s", text)
	}
}

func TestSideBySide_EndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	err := newConsole(&bytes.Buffer{}).sideBySide(ctx, []job{{what: "a build", do: func(ctx context.Context) (string, error) {
		cancel()
		<-ctx.Done()
		return "", ctx.Err()
	}}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was canceled", err)
	}
}

func TestTimes_AreThoseOfTheLastWork(t *testing.T) {
	file := filepath.Join(t.TempDir(), "times.json")
	first := openTimes(file)
	for what, took := range map[string]time.Duration{"a build": 94 * time.Second, "a look": time.Second} {
		if err := first.note(what, took); err != nil {
			t.Fatal(err)
		}
	}
	second := openTimes(file)
	if err := second.note("a build", time.Second); err != nil { // it found the program built
		t.Fatal(err)
	}
	for what, want := range map[string]string{"a build": " (last time 1m34s)", "a look": "", "another": ""} {
		if got := openTimes(file).last(what); got != want {
			t.Errorf("%s: got %q, want %q", what, got, want)
		}
	}
}
