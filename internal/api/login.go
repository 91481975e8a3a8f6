package api

import (
	"context"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/document"
)

// LoginMethod is how users sign in at one issuer, with a public client of it.
type LoginMethod struct {
	Issuer   string `json:"issuer"`
	ClientID string `json:"client_id"`
	// Scopes are those to request.
	Scopes []string `json:"scopes"`
	// Audience is the parameter audience of the requests; empty for none.
	Audience string `json:"audience,omitempty"`
	// Flows are code (the authorization code flow with PKCE, on a loopback address) and device
	// (the device authorization grant).
	Flows []string `json:"flows"`
}

// Whoami is who the server takes a caller for.
type Whoami struct {
	Issuer  string `json:"issuer,omitempty"`
	Subject string `json:"subject"`
	// Kind is user, workload or bootstrap.
	Kind  string       `json:"kind"`
	Roles []CallerRole `json:"roles"`
	// Expires is when the token does.
	Expires time.Time `json:"expires,omitzero"`
}

// CallerRole is a role that policies give to a caller.
type CallerRole struct {
	Role document.PolicyRole `json:"role"`
	// Workspaces are those in which the caller has the role; empty for all.
	Workspaces []string `json:"workspaces,omitempty"`
}

const (
	loginPath  = "login"
	whoamiPath = "whoami"
)

// loginRoutes serves what callers need before they call methods.
func (s *server) loginRoutes() {
	methods := List[LoginMethod]{Items: s.Login}
	if methods.Items == nil {
		methods.Items = []LoginMethod{}
	}
	describeGet[List[LoginMethod]](s.spec, loginPath, "List how callers sign in; it needs no token", false)
	s.mux.HandleFunc("GET /v1/"+loginPath, func(w http.ResponseWriter, r *http.Request) {
		if err := noQuery(r); err != nil {
			s.fail(w, r, err, nil)
			return
		}
		writeJSON(w, http.StatusOK, "application/json", methods)
	})
	describeGet[Whoami](s.spec, whoamiPath, "Get who the server takes the caller for, with the roles", true)
	s.mux.HandleFunc("GET /v1/"+whoamiPath, s.whoami)
}

func (s *server) whoami(w http.ResponseWriter, r *http.Request) {
	found, by, err := s.Whoami(r)
	if err != nil {
		s.unauthenticated(w, r, err)
		return
	}
	call := control.Call{Request: requestOf(r.Context()), Remote: remoteOf(r, s.Proxies), Method: "Whoami", By: by}
	release, err := s.accept(w, r, nil, call.Method, nil)
	if err == nil {
		defer release()
		err = noQuery(r)
	}
	if err != nil {
		s.fail(w, r, s.refused(r, call, err), nil)
		return
	}
	result, err := audited(s, r, call, None{}, func() (Whoami, error) { return found, nil })
	if err != nil {
		s.fail(w, r, err, nil)
		return
	}
	writeJSON(w, http.StatusOK, "application/json", result)
}

// noQuery refuses query parameters: one that is not read may have been meant as a limit.
func noQuery(r *http.Request) error {
	if r.URL.RawQuery == "" {
		return nil
	}
	return &control.Error{Code: control.Invalid, Message: "the endpoint takes no query parameters: leave them out"}
}

// describeGet adds an endpoint that is read with GET to the description.
func describeGet[Out any](spec *huma.OpenAPI, name, summary string, token bool) {
	schema := func(t reflect.Type) *huma.Schema { return spec.Components.Schemas.Schema(t, true, "") }
	operation := &huma.Operation{
		OperationID: name, Method: http.MethodGet, Path: "/v1/" + name, Tags: []string{"login"}, Summary: summary,
		Responses: map[string]*huma.Response{
			"200": {Description: "The result", Content: map[string]*huma.MediaType{
				"application/json": {Schema: schema(reflect.TypeFor[Out]())},
			}},
			"default": {Description: "A failure", Content: map[string]*huma.MediaType{
				"application/problem+json": {Schema: schema(reflect.TypeFor[Problem]())},
			}},
		},
	}
	if !token {
		operation.Security = []map[string][]string{}
	}
	spec.AddOperation(operation)
}

// Address returns the address of the server.
func (c *Client) Address() string { return c.base.String() }

// LoginMethods returns how callers sign in. It sends no token.
func (c *Client) LoginMethods(ctx context.Context) ([]LoginMethod, error) {
	return items(get[List[LoginMethod]](ctx, c, loginPath, func(context.Context) (string, error) { return "", nil }))
}

// Whoami returns who the server takes the caller for. A token is sent in place of the client's;
// an empty one is the client's.
func (c *Client) Whoami(ctx context.Context, token string) (Whoami, error) {
	of := c.token
	if token != "" {
		of = func(context.Context) (string, error) { return token, nil }
	}
	return get[Whoami](ctx, c, whoamiPath, of)
}

// get reads an endpoint.
func get[Out any](ctx context.Context, c *Client, name string, token func(context.Context) (string, error)) (Out, error) {
	var none Out
	r, err := c.request(ctx, http.MethodGet, name, http.NoBody, token)
	if err != nil {
		return none, err
	}
	response, err := c.http.Do(r) //nolint:bodyclose // answer closes it
	if err != nil {
		return none, c.broken(ctx, err)
	}
	return answer[Out](ctx, c, response, nil)
}
