package control_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/engine"
	"github.com/rollcall-iam/rollcall/internal/store"
)

func TestCodeOf(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason string
		err    error
		want   control.Code
	}{
		"none":      {"there is no failure", nil, ""},
		"own":       {"an error has its code", &control.Error{Code: control.Conflict}, control.Conflict},
		"documents": {"the input is wrong", document.Problems{{Text: "wrong"}}, control.Invalid},
		"invalid":   {"the input is wrong", document.ErrInvalid, control.Invalid},
		"database":  {"it may answer later", store.ErrUnreachable, control.Unavailable},
		"Temporal":  {"it may answer later", engine.ErrUnreachable, control.Unavailable},
		"schema":    {"the request is right", store.ErrSchema, control.Failed},
		"lost plan": {"the caller named nothing", store.ErrNotFound, control.Failed},
		"canceled":  {"the work is not done", context.Canceled, control.Failed},
		"another":   {"nothing is known of it", errors.New("broken"), control.Failed},
	} {
		err := tc.err
		if err != nil {
			err = fmt.Errorf("control: %w", err)
		}
		if got := control.CodeOf(err); got != tc.want {
			t.Errorf("%s: %s: code %q, want %q", name, tc.reason, got, tc.want)
		}
	}
}

// TestCode: the exit code tells a script whether the request is wrong, and so does the status.
func TestCode(t *testing.T) {
	t.Parallel()
	seen := map[int]bool{}
	for _, code := range control.Codes() {
		exit, status := code.ExitCode(), code.HTTPStatus()
		if exit < control.ExitFailed || exit > control.ExitWaiting {
			t.Errorf("%s: exit code %d, want that of a failure", code, exit)
		}
		if request := status >= http.StatusBadRequest && status < http.StatusInternalServerError; request != (exit == control.ExitInvalid) {
			t.Errorf("%s: status %d and exit code %d: one says that the request is wrong, the other does not", code, status, exit)
		}
		seen[exit] = true
	}
	if len(seen) != 3 {
		t.Errorf("the codes have the exit codes %v, want 1, 2 and 3", seen)
	}
	if unknown := control.Code("newer"); unknown.ExitCode() != control.ExitFailed || unknown.HTTPStatus() != http.StatusInternalServerError {
		t.Errorf("an unknown code has %d and %d, want those of a failure", unknown.ExitCode(), unknown.HTTPStatus())
	}
}

// TestError_ReadsItsJSON: an error that comes over a network is the one that was sent.
func TestError_ReadsItsJSON(t *testing.T) {
	t.Parallel()
	sent := control.AsError(fmt.Errorf("apply: %w", document.Problems{{File: "a.yaml", Line: 2, Object: "meshUser jane", Field: "spec.euid", Text: "empty"}}))
	body, err := json.Marshal(sent)
	if err != nil {
		t.Fatal(err)
	}
	var got control.Error
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(*sent, got, cmpopts.IgnoreUnexported(control.Error{})); diff != "" {
		t.Errorf("(-sent +received):\n%s", diff)
	}
	if !errors.Is(sent, document.ErrInvalid) {
		t.Error("the cause is lost in this process")
	}
}
