package api_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/api"
	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/store/storetest"
)

const revoke = `{"user":"user000","reason":"left"}`

// counting is a service that counts the revocations, and waits in each.
type counting struct {
	control.Service
	calls   atomic.Int32
	started chan struct{}
	finish  chan error // what a revocation returns
}

func newCounting() *counting {
	return &counting{started: make(chan struct{}, 8), finish: make(chan error, 8)}
}

func (c *counting) Revoke(ctx context.Context, r control.RevokeRequest, _ func(control.Event)) (control.RevokeResult, error) {
	c.calls.Add(1)
	c.started <- struct{}{}
	select {
	case err := <-c.finish:
		return control.RevokeResult{Revocation: control.Revocation{User: r.User}}, err
	case <-ctx.Done():
		return control.RevokeResult{}, ctx.Err()
	}
}

// keyed sends a revocation with an idempotency key.
func (s *testServer) keyed(t *testing.T) (*http.Response, string) {
	t.Helper()
	return s.call(t, "/v1/revocations/revoke", revoke, func(r *http.Request) { r.Header.Set("Idempotency-Key", "one") })
}

// TestIdempotencyKey_OneEffect: a repeated request gets the first answer and changes nothing.
func TestIdempotencyKey_OneEffect(t *testing.T) {
	t.Parallel()
	i := install(t, 0)
	i.apply(t, users(2))
	const apply = `{"documents":[` + ben + `]}`
	first, text := i.as(t, "ada", "documents/apply", apply, "Idempotency-Key", `"0123-4567"`)
	if first.StatusCode != http.StatusOK {
		t.Fatalf("%s with %s", first.Status, text)
	}
	for name, tc := range map[string]struct {
		reason         string
		by, path, body string
		key            string
		status         int
		replayed       bool
	}{
		"the request":      {"it is the first one", "ada", "documents/apply", apply, `"0123-4567"`, http.StatusOK, true},
		"without quotes":   {"many clients send the key so", "ada", "documents/apply", apply, `0123-4567`, http.StatusOK, true},
		"another body":     {"it is another request", "ada", "documents/apply", strings.Replace(apply, "ben@", "b@", 1), "0123-4567", http.StatusUnprocessableEntity, false},
		"another endpoint": {"it is another request", "ada", "revocations/revoke", revoke, "0123-4567", http.StatusUnprocessableEntity, false},
		"another caller":   {"their keys are their own", "ben", "documents/apply", `{"documents":[` + strings.ReplaceAll(ben, "ben", "bea") + `]}`, "0123-4567", http.StatusOK, false},
		"no rights":        {"an answer is no right", "eva", "documents/apply", apply, "0123-4567", http.StatusForbidden, false},
		"a space":          {"it is no key", "ada", "documents/apply", apply, "a b", http.StatusBadRequest, false},
		"a long key":       {"keys are bounded", "ada", "documents/apply", apply, strings.Repeat("x", 256), http.StatusBadRequest, false},
	} {
		response, got := i.as(t, tc.by, tc.path, tc.body, "Idempotency-Key", tc.key)
		if response.StatusCode != tc.status || (response.Header.Get("Idempotency-Replayed") == "true") != tc.replayed {
			t.Errorf("%s: %s: %s with %s, want %d", name, tc.reason, response.Status, got, tc.status)
		}
		if tc.replayed && got != text {
			t.Errorf("%s: the answer differs (-first +repeated):\n%s", name, cmp.Diff(text, got))
		}
	}
	var answers [][]byte
	if err := i.store.Pool().QueryRow(t.Context(), "SELECT array_agg(answer) FROM idempotent_requests").Scan(&answers); err != nil {
		t.Fatal(err)
	}
	if stored := bytes.Join(answers, nil); len(stored) == 0 || bytes.Contains(stored, []byte("meshUser")) {
		t.Errorf("the stored answers are %q, want what the key alone decrypts", stored)
	}
	for _, change := range []string{"created_at = now() - interval '25 hours'", "answer = NULL, alive_until = now() - interval '1 minute'"} {
		if _, err := i.store.Pool().Exec(t.Context(), "UPDATE idempotent_requests SET "+change); err != nil {
			t.Fatal(err)
		}
		response, got := i.as(t, "ada", "documents/apply", apply, "Idempotency-Key", "0123-4567")
		if response.StatusCode != http.StatusOK || response.Header.Get("Idempotency-Replayed") != "" || !strings.Contains(got, `"stored":false`) {
			t.Errorf("after %s: %s with %s, want that the request runs again, which changes nothing", change, response.Status, got)
		}
	}
	if !strings.Contains(i.log.String(), "ended without an answer") {
		t.Errorf("the log does not tell of the crashed attempt:\n%s", i.log.String())
	}
}

// TestIdempotencyKey_OfARunningRequest: it runs once, also when its caller has left.
func TestIdempotencyKey_OfARunningRequest(t *testing.T) {
	t.Parallel()
	service := newCounting()
	s := serveState(t, service, storetest.Open(t))
	left, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		r, err := http.NewRequestWithContext(left, http.MethodPost, s.URL+"/v1/revocations/revoke", strings.NewReader(revoke))
		if err == nil {
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Authorization", "Bearer "+credential)
			r.Header.Set("Idempotency-Key", "one")
			var response *http.Response
			if response, err = s.Client().Do(r); err == nil {
				_ = response.Body.Close()
			}
		}
		ended <- err
	}()
	<-service.started
	if response, text := s.keyed(t); response.StatusCode != http.StatusConflict || response.Header.Get("Retry-After") == "" {
		t.Errorf("while it runs: %s with %s, want 409 and when to repeat it", response.Status, text)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the first caller: %v, want that they have left", err)
	}
	service.finish <- nil
	response, text := s.keyed(t)
	for response.StatusCode == http.StatusConflict { // until the answer is stored
		response, text = s.keyed(t)
	}
	if response.StatusCode != http.StatusOK || !strings.Contains(text, "user000") || service.calls.Load() != 1 {
		t.Errorf("%s with %s after %d calls, want the answer of the one call", response.Status, text, service.calls.Load())
	}
}

// TestIdempotencyKey_OfAFailure: a refusal is an answer, a failure of the server is none.
func TestIdempotencyKey_OfAFailure(t *testing.T) {
	t.Parallel()
	service := newCounting()
	s := serveState(t, service, storetest.Open(t))
	for _, tc := range []struct {
		reason string
		err    error
		status int
		calls  int32
	}{
		{"the server may succeed the next time", errors.New("broken"), http.StatusInternalServerError, 1},
		{"a refusal is the answer", &control.Error{Code: control.NotFound, Kind: "user", Message: "unknown"}, http.StatusNotFound, 2},
		{"it is repeated", nil, http.StatusNotFound, 2},
	} {
		if service.calls.Load() < tc.calls {
			service.finish <- tc.err
		}
		response, text := s.keyed(t)
		if response.StatusCode != tc.status || service.calls.Load() != tc.calls {
			t.Errorf("%s: %s with %s after %d calls, want %d after %d", tc.reason, response.Status, text, service.calls.Load(), tc.status, tc.calls)
		}
	}
}

// TestClient_RepeatsBrokenChanges with their key.
func TestClient_RepeatsBrokenChanges(t *testing.T) {
	t.Parallel()
	service := newCounting()
	s := serveState(t, service, storetest.Open(t))
	var keys []string
	breaking := roundTripper(func(r *http.Request) (*http.Response, error) {
		keys = append(keys, r.Header.Get("Idempotency-Key"))
		response, err := s.Client().Transport.RoundTrip(r)
		if len(keys) == 1 && err == nil { // the answer is lost
			_ = response.Body.Close()
			return nil, io.ErrUnexpectedEOF
		}
		return response, err
	})
	client, err := api.NewClient(s.URL, breaking, func(context.Context) (string, error) { return credential, nil })
	if err != nil {
		t.Fatal(err)
	}
	service.finish <- nil
	result, err := client.Revoke(t.Context(), control.RevokeRequest{User: "user000", Reason: "left", By: access.Actor{}}, nil)
	if err != nil || result.Revocation.User != "user000" || service.calls.Load() != 1 {
		t.Errorf("%+v, %v after %d calls, want the answer of one call", result, err, service.calls.Load())
	}
	if len(keys) < 2 || keys[0] == "" || keys[0] != keys[1] {
		t.Errorf("the keys %q, want one key in all requests", keys)
	}
}
