package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/api"
	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/document"
)

// credential is what the caller of the tests shows.
const credential = "the-token-of-the-tests"

// ada is that caller.
func ada() access.Actor { return access.Actor{Kind: access.OSUser, Name: "ada@host"} }

// fake is a service that answers with what a test gave it.
type fake struct {
	control.Service
	applied   []control.ApplyRequest
	revoked   []control.RevokeRequest
	documents []document.Document
	err       error
	events    []control.Event
	wait      chan struct{}
}

func (f *fake) Apply(_ context.Context, r control.ApplyRequest, report func(control.Event)) (control.ChangeResult, error) {
	f.applied = append(f.applied, r)
	for _, e := range f.events {
		if report != nil {
			report(e)
		}
	}
	return control.ChangeResult{Stored: f.err == nil}, f.err
}

func (f *fake) Revoke(_ context.Context, r control.RevokeRequest, _ func(control.Event)) (control.RevokeResult, error) {
	f.revoked = append(f.revoked, r)
	return control.RevokeResult{}, f.err
}

func (f *fake) Export(ctx context.Context) ([]document.Document, error) {
	if f.wait != nil {
		select {
		case <-f.wait:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return f.documents, f.err
}

// testServer is a server of a service, with what it logs.
type testServer struct {
	*httptest.Server
	log strings.Builder
}

func serve(t *testing.T, service control.Service) *testServer {
	t.Helper()
	return serveState(t, service, nil)
}

// serveState is serve with what servers share.
func serveState(t *testing.T, service control.Service, state api.State) *testServer {
	t.Helper()
	s := &testServer{}
	handler, err := api.NewHandler(api.Options{
		Service: func(r *http.Request) (control.Service, access.Actor, error) {
			switch r.Header.Get("Authorization") {
			case "Bearer " + credential:
				return service, ada(), nil
			case "Bearer unknown":
				return nil, access.Actor{}, errors.New("the keys of the issuer are at 10.0.0.7")
			default:
				return nil, access.Actor{}, &api.AuthError{Code: "malformed", Message: "send a token: rollcall login gets one"}
			}
		},
		State:   state,
		Log:     slog.New(slog.NewTextHandler(&s.log, nil)),
		Version: "1.2.3",
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Server = httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s
}

// call sends a request and returns the status and the body.
func (s *testServer) call(t *testing.T, path, body string, change func(*http.Request)) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+credential)
	if change != nil {
		change(r)
	}
	response, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(text)
}

const ben = `{"apiVersion":"v2","kind":"meshUser","metadata":{"name":"ben"},"spec":{"email":"ben@example.com"}}`

// TestServer_Refuses: what a server refuses has no effect, and a problem that says what to do.
func TestServer_Refuses(t *testing.T) {
	t.Parallel()
	service := &fake{}
	s := serve(t, service)
	apply := `{"documents":[` + ben + `]}`
	for name, tc := range map[string]struct {
		reason     string
		path, body string
		change     func(*http.Request)
		status     int
		message    string
	}{
		"no credential": {
			"a caller without a credential has no rights", "/v1/documents/apply", apply,
			func(r *http.Request) { r.Header.Del("Authorization") }, http.StatusUnauthorized, "rollcall login",
		},
		"a credential that cannot be checked": {
			"an outage is no refusal, and its cause is not the caller's", "/v1/documents/apply", apply,
			func(r *http.Request) { r.Header.Set("Authorization", "Bearer unknown") }, http.StatusServiceUnavailable, "repeat the request",
		},
		"an actor of one's own": {
			"the caller is the credential's", "/v1/revocations/revoke", `{"user":"ben","reason":"left","by":{"Kind":"os","Name":"root@db"}}`,
			nil, http.StatusBadRequest, `unknown field \"by\"`,
		},
		"an unknown field": {
			"a misspelt option is not ignored", "/v1/documents/apply", `{"documents":[` + ben + `],"dryrun":true}`,
			nil, http.StatusBadRequest, `unknown field \"dryrun\"`,
		},
		"a query parameter": {
			"an option in the wrong place is not ignored", "/v1/documents/apply?dry_run=true", apply, nil, http.StatusBadRequest, "query",
		},
		"two values": {"one request, one change", "/v1/documents/apply", apply + apply, nil, http.StatusBadRequest, "more than one"},
		"no JSON":    {"the body is cut", "/v1/documents/apply", `{"documents":[`, nil, http.StatusBadRequest, "no such request"},
		"a form": {
			"a page of another origin can send a form without asking", "/v1/documents/apply", apply,
			func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, http.StatusBadRequest, "Content-Type: application/json",
		},
		"a wrong type": {"the field is named", "/v1/documents/apply", `{"documents":[` + ben + `],"prune":"yes"}`, nil, http.StatusBadRequest, "prune"},
		"a wrong document": {
			"the schema of the kind holds", "/v1/documents/apply", `{"documents":[` + strings.Replace(ben, "email", "mail", 1) + `]}`,
			nil, http.StatusBadRequest, "spec.mail",
		},
		"origins of other documents": {
			"a message would name another file", "/v1/documents/apply", `{"documents":[` + ben + `],"origins":[{},{}]}`,
			nil, http.StatusBadRequest, "2 origins for 1 documents",
		},
		"a zero character": {
			"the database cannot store it", "/v1/revocations/revoke", `{"user":"a\\\u0000"}`, nil, http.StatusBadRequest, "U+0000",
		},
		"a large body": {
			"memory is bounded", "/v1/revocations/revoke", `{"user":"` + strings.Repeat("x", 2<<20) + `"}`, nil, http.StatusBadRequest, "more than 1048576 bytes",
		},
		"an unknown endpoint": {"there is a list", "/v1/documents/truncate", `{}`, nil, http.StatusNotFound, "openapi.json"},
	} {
		response, body := s.call(t, tc.path, tc.body, tc.change)
		if response.StatusCode != tc.status || !strings.Contains(body, tc.message) {
			t.Errorf("%s: %s: %d with %s, want %d with %q", name, tc.reason, response.StatusCode, body, tc.status, tc.message)
		}
		if kind := response.Header.Get("Content-Type"); kind != "application/problem+json" {
			t.Errorf("%s: the content type is %q, want problem details", name, kind)
		}
		if strings.Contains(body, "10.0.0.7") {
			t.Errorf("%s: the answer names the cause: %s", name, body)
		}
	}
	if len(service.applied)+len(service.revoked) > 0 {
		t.Errorf("refused requests reached the service: %+v %+v", service.applied, service.revoked)
	}
	if log := s.log.String(); !strings.Contains(log, "10.0.0.7") || strings.Contains(log, credential) || strings.Contains(log, "ben") {
		t.Errorf("the log has to have the cause of the outage, no token and no user:\n%s", log)
	}
}

// forbidding is a service that refuses an operation by its name.
type forbidding struct{ fake }

func (*forbidding) AllowsOperation(name string) error {
	return &control.Error{Code: control.Forbidden, Message: name + " needs the role editor"}
}

// TestServer_DecidesBeforeItReads: a caller without rights costs no memory and no slot.
func TestServer_DecidesBeforeItReads(t *testing.T) {
	t.Parallel()
	s := serve(t, &forbidding{})
	for path, name := range map[string]string{"documents/apply": "Apply", "documents/delete": "Delete", "tenants/explain": "Explain"} {
		response, body := s.call(t, "/v1/"+path, "no JSON", nil)
		if response.StatusCode != http.StatusForbidden || !strings.Contains(body, name+" needs") {
			t.Errorf("%s: %d with %s, want a refusal of %s before the body is read", path, response.StatusCode, body, name)
		}
	}
}

// TestServer_HidesCauses: the cause of an unexpected failure stands in the log alone.
func TestServer_HidesCauses(t *testing.T) {
	t.Parallel()
	s := serve(t, &fake{err: errors.New("store: password authentication failed for user rollcall at 10.0.0.5")})
	response, body := s.call(t, "/v1/documents/apply", `{"documents":[`+ben+`]}`, func(r *http.Request) { r.Header.Set("X-Request-ID", "trace-0001") })
	if response.StatusCode != http.StatusInternalServerError || strings.Contains(body, "10.0.0.5") || !strings.Contains(body, "trace-0001") {
		t.Errorf("%d with %s, want a failure that names the request alone", response.StatusCode, body)
	}
	if !strings.Contains(s.log.String(), "10.0.0.5") || !strings.Contains(s.log.String(), "request=trace-0001") {
		t.Errorf("the log lacks the cause of the request:\n%s", s.log.String())
	}
	response, _ = s.call(t, "/v1/documents/apply", `{}`, func(r *http.Request) { r.Header.Set("X-Request-ID", `x" level=ERROR msg="forged`) })
	if id := response.Header.Get("X-Request-ID"); strings.Contains(id, "forged") || len(id) < 8 {
		t.Errorf("the request has the ID %q, want one that forges no line of the log", id)
	}
}

// TestServer_KnowsTheCallerByTheCredential also for documents, with their origins.
func TestServer_KnowsTheCallerByTheCredential(t *testing.T) {
	t.Parallel()
	service := &fake{}
	s := serve(t, service)
	body := `{"documents":[` + ben + `,` + ben + `],"origins":[{"file":"users.yaml","line":7},{}],"dry_run":true}`
	if response, text := s.call(t, "/v1/documents/apply", body, nil); response.StatusCode != http.StatusOK {
		t.Fatalf("%d with %s", response.StatusCode, text)
	}
	r := service.applied[0]
	if r.By != ada() || !r.DryRun || len(r.Documents) != 2 {
		t.Errorf("the service got %+v, want a dry run by %s", r, ada())
	}
	places := []string{r.Documents[0].File, r.Documents[1].File}
	if diff := cmp.Diff([]string{"users.yaml", "documents[1]"}, places); diff != "" || r.Documents[0].Line != 7 {
		t.Errorf("where the documents were read (-want +got):\n%s", diff)
	}
}

// TestServer_Streams: events come before the result, and a failure after them as a line.
func TestServer_Streams(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		reason string
		err    error
		want   []string
	}{
		{"the result is last", nil, []string{"event", "event", "result"}},
		{"so is a failure, with the result", &control.Error{Code: control.Conflict, Message: "changed"}, []string{"event", "event", "error,result"}},
	} {
		s := serve(t, &fake{events: []control.Event{{Type: control.EventStarted, Total: 1}, {Type: control.EventProgress, Done: 1}}, err: tc.err})
		_, body := s.call(t, "/v1/documents/apply", `{"documents":[`+ben+`]}`, func(r *http.Request) { r.Header.Set("Accept", "application/x-ndjson") })
		var got []string
		for lines := bufio.NewScanner(strings.NewReader(body)); lines.Scan(); {
			var fields map[string]json.RawMessage
			if err := json.Unmarshal(lines.Bytes(), &fields); err != nil {
				t.Fatalf("%s: %q: %v", tc.reason, lines.Text(), err)
			}
			var names []string
			for _, name := range []string{"event", "error", "result"} {
				if fields[name] != nil {
					names = append(names, name)
				}
			}
			got = append(got, strings.Join(names, ","))
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
		}
	}
}

// TestServer_EndsCallsOfCallersWhoLeft: a call ends with its connection.
func TestServer_EndsCallsOfCallersWhoLeft(t *testing.T) {
	t.Parallel()
	service := &fake{wait: make(chan struct{})}
	s := serve(t, service)
	client := newClient(t, s, credential)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := client.Export(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want the end of the context", err)
	}
	s.Close() // waits for the handlers: one that goes on hangs the test
}

func newClient(t *testing.T, s *testServer, token string) *api.Client {
	t.Helper()
	client, err := api.NewClient(s.URL, s.Client().Transport, func(context.Context) (string, error) { return token, nil })
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// TestClient_ReportsFailures as the service in process does.
func TestClient_ReportsFailures(t *testing.T) {
	t.Parallel()
	problems := document.Problems{{File: "users.yaml", Line: 7, Object: "meshUser ben", Field: "spec.euid", Text: "is taken"}}
	for _, tc := range []struct {
		reason string
		err    error
		code   control.Code
		text   string
	}{
		{"problems of documents keep their places", problems, control.Invalid, "users.yaml:7: meshUser ben: spec.euid: is taken"},
		{"a failure keeps its code", &control.Error{Code: control.Conflict, Kind: "tenant", Message: "changed"}, control.Conflict, "changed"},
	} {
		client := newClient(t, serve(t, &fake{err: tc.err}), credential)
		_, err := client.Apply(t.Context(), control.ApplyRequest{}, nil)
		if control.CodeOf(err) != tc.code || err.Error() != tc.text {
			t.Errorf("%s: %v of the code %s, want %s of %s", tc.reason, err, control.CodeOf(err), tc.text, tc.code)
		}
	}
	client := newClient(t, serve(t, &fake{}), "expired")
	if _, err := client.Export(t.Context()); control.CodeOf(err) != control.Unauthenticated || !strings.Contains(err.Error(), "rollcall login") {
		t.Errorf("a refused credential: %v", err)
	}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://elsewhere.example.com/", http.StatusTemporaryRedirect)
	}))
	defer proxy.Close()
	other, err := api.NewClient(proxy.URL, nil, func(context.Context) (string, error) { return credential, nil })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Export(t.Context()); control.CodeOf(err) != control.Unavailable || !strings.Contains(err.Error(), "ROLLCALL_SERVER") {
		t.Errorf("a redirect: %v, want that the token goes nowhere else", err)
	}
	proxy.Close()
	if _, err := other.Export(t.Context()); control.CodeOf(err) != control.Unavailable {
		t.Errorf("no server: %v", err)
	}
}

func TestNewClient_RefusesAddresses(t *testing.T) {
	t.Parallel()
	for address, reason := range map[string]string{
		"http://rollcall.example.com":       "a token would be readable on the way",
		"http://127.0.0.1.example.com":      "a name is not this machine",
		"rollcall.example.com":              "the scheme is missing",
		"https://ada:secret@example.com":    "a password in an address is not used",
		"ftp://example.com":                 "another protocol",
		"https://rollcall.example.com?x=1":  "parameters are not used",
		"https://":                          "the host is missing",
		"unix:///run/rollcall/server.sock2": "another protocol",
	} {
		if _, err := api.NewClient(address, nil, nil); control.CodeOf(err) != control.Invalid {
			t.Errorf("%s: %s: %v, want a refusal", address, reason, err)
		} else if strings.Contains(err.Error(), "secret") && !strings.Contains(address, "ada") {
			t.Errorf("%s: the message has the password: %v", address, err)
		}
	}
	for _, address := range []string{"http://127.0.0.1:8088", "http://[::1]:8088", "http://localhost:1", "https://rollcall.example.com/"} {
		if _, err := api.NewClient(address, nil, nil); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// TestSpec_DescribesEveryMethod of the service.
func TestSpec_DescribesEveryMethod(t *testing.T) {
	t.Parallel()
	s := serve(t, &fake{})
	response, err := s.Client().Get(s.URL + "/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var spec struct {
		OpenAPI string                    `json:"openapi"`
		Paths   map[string]map[string]any `json:"paths"`
	}
	if err := json.NewDecoder(response.Body).Decode(&spec); err != nil {
		t.Fatal(err)
	}
	methods := reflect.TypeFor[control.Service]().NumMethod()
	if spec.OpenAPI != "3.1.0" || len(spec.Paths) != methods {
		t.Errorf("OpenAPI %s with %d endpoints, want 3.1.0 with one for each of the %d methods", spec.OpenAPI, len(spec.Paths), methods)
	}
	for path, operations := range spec.Paths {
		// An endpoint without a credential answers nothing else.
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+path, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusUnauthorized || operations["post"] == nil {
			t.Errorf("%s without a credential: %s, described as %v", path, answer.Status, operations)
		}
	}
}
