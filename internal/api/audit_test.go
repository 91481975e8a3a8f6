package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/api"
	"github.com/rollcall-iam/rollcall/internal/control"
)

// auditLog is an audit in memory.
type auditLog struct {
	mu      sync.Mutex
	lines   []string
	last    control.Call
	refused map[control.Credential]int64
	err     error
}

func (j *auditLog) add(line string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err == nil {
		j.lines = append(j.lines, line)
	}
	return j.err
}

func (j *auditLog) Begin(_ context.Context, c control.Call) (int64, error) {
	j.last = c
	return 7, j.add("begin " + c.Method + " by " + c.By.ID())
}

func (j *auditLog) Refuse(_ context.Context, c control.Call, code control.Code) error {
	return j.add("refuse " + c.Method + " by " + c.By.ID() + ": " + string(code))
}

func (j *auditLog) End(_ context.Context, id int64, code string, effect json.RawMessage) error {
	if id != 7 {
		return errors.New("another call ends")
	}
	return j.add("end: " + code + " " + string(effect))
}

func (j *auditLog) CountRefused(_ context.Context, counts map[control.Credential]int64) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for c, n := range counts {
		j.refused[c] += n
	}
	return nil
}

func audit(t *testing.T, service control.Service, j *auditLog, log *strings.Builder) *testServer {
	t.Helper()
	handler, err := api.NewHandler(api.Options{
		Service: func(r *http.Request) (control.Service, access.Actor, error) {
			if r.Header.Get("Authorization") != "Bearer "+credential {
				return nil, access.Actor{}, &api.AuthError{Code: "expired", Message: "sign in again"}
			}
			return service, ada(), nil
		},
		Audit: j, Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")},
		Log: slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	s := &testServer{Server: httptest.NewServer(handler)}
	t.Cleanup(s.Close)
	return s
}

// recorded is a service whose calls stand in the auditLog, too.
type recorded struct {
	fake

	auditLog *auditLog
	denied   error
	panics   bool
}

func (r *recorded) Apply(ctx context.Context, request control.ApplyRequest, report func(control.Event)) (control.ChangeResult, error) {
	if r.panics {
		panic("the disk is full")
	}
	_ = r.auditLog.add("apply")
	return r.fake.Apply(ctx, request, report)
}

func (r *recorded) AllowsOperation(string) error { return r.denied }

// TestAudit: a call is recorded before it is made and after it, a refused one as such, and one
// that cannot be recorded is not made.
func TestAudit(t *testing.T) {
	t.Parallel()
	apply := `{"documents": [` + ben + `], "dry_run": true}`
	forbidden := &control.Error{Code: control.Forbidden, Message: "no"}
	for _, tt := range []struct {
		reason, body string
		change       func(*recorded, *http.Request)
		status       int
		want         []string
	}{
		{"a call that is done", apply, func(*recorded, *http.Request) {}, http.StatusOK, []string{
			"begin Apply by os:ada@host", "apply", `end: done {"digest":"","revision":0,"tenants":0}`,
		}},
		{"a stream", apply, func(_ *recorded, r *http.Request) { r.Header.Set("Accept", "application/x-ndjson") }, http.StatusOK, []string{
			"begin Apply by os:ada@host", "apply", `end: done {"digest":"","revision":0,"tenants":0}`,
		}},
		{"a call that fails", apply, func(s *recorded, _ *http.Request) { s.err = forbidden }, http.StatusForbidden, []string{
			"begin Apply by os:ada@host", "apply", "end: forbidden ",
		}},
		{"a call that panics", apply, func(s *recorded, _ *http.Request) { s.panics = true }, http.StatusInternalServerError, []string{
			"begin Apply by os:ada@host", "end: failed ",
		}},
		{"a caller without the right to the method", apply, func(s *recorded, _ *http.Request) { s.denied = forbidden }, http.StatusForbidden, []string{
			"refuse Apply by os:ada@host: forbidden",
		}},
		{"a body that is no request", `{"unknown": 1}`, func(*recorded, *http.Request) {}, http.StatusBadRequest, []string{
			"refuse Apply by os:ada@host: invalid",
		}},
		{"a call that cannot be recorded", apply, func(s *recorded, _ *http.Request) { s.auditLog.err = errors.New("the disk is full") },
			http.StatusServiceUnavailable, nil},
		{"a refusal that cannot be recorded", `{"unknown": 1}`, func(s *recorded, _ *http.Request) { s.auditLog.err = errors.New("the disk is full") },
			http.StatusServiceUnavailable, nil},
	} {
		j, log := &auditLog{}, &strings.Builder{}
		service := &recorded{auditLog: j}
		s := audit(t, service, j, log)
		response, body := s.call(t, "/v1/documents/apply", tt.body, func(r *http.Request) {
			r.Header.Set("X-Forwarded-For", "192.0.2.1, 198.51.100.4, 10.1.1.1")
			tt.change(service, r)
		})
		if response.StatusCode != tt.status || strings.Contains(body, "disk") {
			t.Errorf("%s: %d %s, want %d", tt.reason, response.StatusCode, body, tt.status)
		}
		if diff := cmp.Diff(tt.want, j.lines); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.reason, diff)
		}
		if j.err != nil && (!strings.Contains(log.String(), "the disk is full") || len(service.applied) > 0) {
			t.Errorf("%s: made without a record, or the log lacks the cause:\n%s", tt.reason, log)
		}
		if len(j.lines) > 1 && (j.last.Remote != "198.51.100.4" || len(j.last.Request) < 8) {
			t.Errorf("%s: %+v, want the address before the trusted proxies and the request", tt.reason, j.last)
		}
		if parameters := string(j.last.Parameters); strings.Contains(parameters, "example.com") || len(j.lines) > 1 && !strings.Contains(parameters, "meshUser ben") {
			t.Errorf("%s: %s, want the names of documents without their bodies", tt.reason, parameters)
		}
	}
}

// TestAudit_Mounts: calls of other interfaces on the server are recorded, too.
func TestAudit_Mounts(t *testing.T) {
	t.Parallel()
	j := &auditLog{}
	handler, err := api.NewHandler(api.Options{
		Service: func(*http.Request) (control.Service, access.Actor, error) { return &fake{}, ada(), nil },
		Audit:   j, Log: slog.New(slog.DiscardHandler),
		Mounts: []api.Mount{{Pattern: "GET /other/{name}", Method: "Get", Handle: func(http.ResponseWriter, *http.Request, control.Service, access.Actor) error {
			return j.add("handle")
		}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/other/jane?x=1", nil)
	handler.ServeHTTP(httptest.NewRecorder(), r)
	if diff := cmp.Diff([]string{"begin Get by os:ada@host", "handle", "end: done "}, j.lines); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if got := string(j.last.Parameters); !strings.Contains(got, "/other/jane?x=1") {
		t.Errorf("%s: want the target of the request", got)
	}
}

// TestMount_RefusesZeroCharacters: no name in the database has the character, and a question for it fails.
func TestMount_RefusesZeroCharacters(t *testing.T) {
	t.Parallel()
	handler, err := api.NewHandler(api.Options{
		Service: func(*http.Request) (control.Service, access.Actor, error) { return &fake{}, ada(), nil },
		Log:     slog.New(slog.DiscardHandler),
		Mounts: []api.Mount{{Pattern: "GET /other/{name}", Method: "Get", Handle: func(http.ResponseWriter, *http.Request, control.Service, access.Actor) error {
			t.Error("the call is made")
			return nil
		}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{"/other/a%00b", "/other/a?name=%00"} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil))
		if w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d %s, want 400", target, w.Code, w.Body)
		}
	}
}

// TestAudit_CountsRefusedCredentials: many requests without a valid token are counted together.
func TestAudit_CountsRefusedCredentials(t *testing.T) {
	t.Parallel()
	j := &auditLog{refused: map[control.Credential]int64{}}
	s := audit(t, &fake{}, j, &strings.Builder{})
	for _, from := range []string{"192.0.2.1", "192.0.2.1", "2001:db8::1", "2001:db8::2", "no address"} {
		s.call(t, "/v1/documents/get", "{}", func(r *http.Request) {
			r.Header.Set("Authorization", "Bearer old")
			r.Header.Set("X-Forwarded-For", from)
		})
	}
	want := map[control.Credential]int64{
		{Remote: "192.0.2.1", Code: "expired"}: 2, {Remote: "2001:db8::/64", Code: "expired"}: 2, {Remote: "127.0.0.1", Code: "expired"}: 1,
	}
	deadline := time.After(time.Minute)
	for {
		j.mu.Lock()
		diff := cmp.Diff(want, j.refused)
		j.mu.Unlock()
		if diff == "" {
			break
		}
		select {
		case <-deadline:
			t.Fatalf("refused credentials (-want +got):\n%s", diff)
		case <-time.After(20 * time.Millisecond):
		}
	}
	if len(j.lines) > 0 {
		t.Errorf("%q: want no record for each", j.lines)
	}
}
