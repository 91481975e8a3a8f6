package meshapi_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/api"
	"github.com/rollcall-iam/rollcall/internal/authz"
	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/desired"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/driver/types"
	"github.com/rollcall-iam/rollcall/internal/engine"
	"github.com/rollcall-iam/rollcall/internal/meshapi"
	"github.com/rollcall-iam/rollcall/internal/reconcile"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/internal/store/storetest"
)

const issuer = "https://login.example.com"

// policy gives each caller of the tests its role.
const policy = `{apiVersion: v1, kind: AccessPolicy, metadata: {name: p}, spec: {rules: [
  {callers: {issuer: 'https://login.example.com', subject: admin}, roles: [admin]},
  {callers: {issuer: 'https://login.example.com', subject: pipeline}, roles: [operator, editor]},
  {callers: {issuer: 'https://login.example.com', subject: other}, roles: [operator, editor]},
  {callers: {issuer: 'https://login.example.com', subject: sales}, roles: [editor], workspaces: [sales]},
  {callers: {issuer: 'https://login.example.com', subject: reader}, roles: [viewer]}]}}
`

// server is a server of a new installation. The bearer of a request is the subject of its caller.
type server struct {
	*httptest.Server
	local *control.Local
}

func newServer(t *testing.T, docs string) *server {
	t.Helper()
	s := storetest.Open(t)
	local := &control.Local{
		Store:    func(context.Context) (*store.Store, error) { return s, nil },
		Temporal: func(context.Context) (control.Temporal, error) { return control.Temporal{}, engine.ErrUnreachable },
		Platform: func(name string) (control.Platform, bool) {
			for _, of := range types.All() {
				if of.Name() == name {
					return control.Platform{Profile: of.Profile, Rules: desired.Rules{
						Options: reconcile.DesiredOptions(of.Profile), GroupsIgnoreCase: of.Profile.GroupsIgnoreCase, Fit: of.Validate,
					}}, true
				}
			}
			return control.Platform{}, false
		},
		Now: time.Now,
	}
	decoded, _, err := document.Decode(strings.NewReader(policy+docs), "in.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := local.Apply(t.Context(), control.ApplyRequest{Documents: decoded}, nil); err != nil {
		t.Fatal(err)
	}
	handler, err := api.NewHandler(api.Options{
		Service: func(r *http.Request) (control.Service, access.Actor, error) {
			subject, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
			if !ok {
				return nil, access.Actor{}, &api.AuthError{Code: "missing", Message: "the request has no token"}
			}
			actor, err := access.VerifiedActor(access.VerifiedUser, issuer, subject)
			if err != nil {
				return nil, actor, err
			}
			rights, err := local.Rights(r.Context(), authz.Caller{Actor: actor})
			return local.For(actor, rights), actor, err
		},
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Mounts: meshapi.Endpoints(),
	})
	if err != nil {
		t.Fatal(err)
	}
	out := &server{httptest.NewServer(handler), local}
	t.Cleanup(out.Close)
	return out
}

// request is one request with its headers, as "Accept: ...".
type request struct {
	as, method, path, body string
	headers                []string
}

// do returns the status and the body of the answer.
func (s *server) do(t *testing.T, q request) (int, string, http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), q.method, s.URL+q.path, strings.NewReader(q.body))
	if err != nil {
		t.Fatal(err)
	}
	if q.as != "" {
		r.Header.Set("Authorization", "Bearer "+q.as)
	}
	for _, header := range q.headers {
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Set(name, value)
	}
	answer, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text), answer.Header
}

// outcome is one line of the answer to an import.
type outcome struct {
	MeshObject string
	Status     string
	ResultCode string
	Message    string
	Warnings   []string `json:"remarks"`
}

// put imports objects and returns the outcomes.
func (s *server) put(t *testing.T, as, query, body string) []outcome {
	t.Helper()
	status, text, _ := s.do(t, request{as: as, method: http.MethodPut, path: "/api/meshobjects" + query, body: body, headers: []string{
		"Content-Type: application/vnd.meshcloud.api.meshobjects.v1+yaml;charset=UTF-8", "Accept: application/vnd.meshcloud.api.meshobjects.v1+json",
	}})
	if status != http.StatusOK {
		t.Fatalf("the import answers %d: %s", status, text)
	}
	var outcomes []outcome
	if err := json.Unmarshal([]byte(text), &outcomes); err != nil {
		t.Fatal(err)
	}
	return outcomes
}
