package azure

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/rollcall-iam/rollcall/internal/simulate"
)

// The resources that access tokens are for.
const (
	forGraph = "https://graph.microsoft.com"
	forARM   = "https://management.azure.com"
)

// claims are those of an access token.
type claims struct {
	jwt.RegisteredClaims
	App    string `json:"appid"`
	Object string `json:"oid"`
	Tenant string `json:"tid"`
}

// signInError is a refusal of the token endpoint.
type signInError struct {
	status  int
	code    string // as OAuth names it
	number  int    // as AADSTS numbers it
	message string
}

func (e *signInError) Error() string { return fmt.Sprintf("AADSTS%d: %s", e.number, e.message) }

func refuseClient(number int, format string, args ...any) error {
	return &signInError{http.StatusUnauthorized, "invalid_client", number, fmt.Sprintf(format, args...)}
}

func refuseSignIn(code string, number int, format string, args ...any) error {
	return &signInError{http.StatusBadRequest, code, number, fmt.Sprintf(format, args...)}
}

// login serves what the authority host serves.
func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	tenant, rest := parts[0], strings.Join(parts[1:], "/")
	var operation string
	var serve func(*http.Request, string) (any, error)
	switch {
	case r.Method == http.MethodPost && rest == "oauth2/v2.0/token":
		operation, serve = "POST /token", s.signIn
	case r.Method == http.MethodGet && rest == "v2.0/.well-known/openid-configuration":
		operation, serve = "GET /openid-configuration", s.openID
	case r.Method == http.MethodGet && tenant == "common" && rest == "discovery/instance":
		operation, serve = "GET /discovery/instance", s.instance
	default:
		http.NotFound(w, r)
		return
	}
	refuse := func(w http.ResponseWriter, f simulate.Fault) {
		s.refuseSignIn(w, r, &signInError{f.Status, cmp.Or(f.Code, "temporarily_unavailable"), 90033,
			f.Words("A transient error has occurred. Please try again.")})
	}
	s.control.Serve(w, r, operation, refuse, func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
		answer, err := serve(r, strings.ToLower(tenant))
		if err != nil {
			s.refuseSignIn(w, r, err)
			return
		}
		w.Header().Set("Cache-Control", "no-store, no-cache")
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		simulate.JSON(w, http.StatusOK, answer)
	})
}

// refuseSignIn answers with an error as the token endpoint words them.
func (s *Server) refuseSignIn(w http.ResponseWriter, r *http.Request, err error) {
	var refused *signInError
	if !errors.As(err, &refused) {
		refused = &signInError{http.StatusBadRequest, "invalid_request", 900144, err.Error()}
	}
	trace, now := uuid.NewString(), s.now().Format("2006-01-02 15:04:05Z")
	correlation := cmp.Or(r.Header.Get("Client-Request-Id"), uuid.NewString())
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	simulate.JSON(w, refused.status, map[string]any{
		"error": refused.code,
		"error_description": fmt.Sprintf("%s Trace ID: %s Correlation ID: %s Timestamp: %s",
			refused.Error(), trace, correlation, now),
		"error_codes": []int{refused.number}, "timestamp": now, "trace_id": trace, "correlation_id": correlation,
		"error_uri": fmt.Sprintf("%s/error?code=%d", base(r), refused.number),
	})
}

// openID is the discovery document of a tenant.
func (s *Server) openID(r *http.Request, tenant string) (any, error) {
	s.mu.Lock()
	d, err := s.tenant(tenant)
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	authority := base(r) + "/" + d.ID
	return map[string]any{
		"token_endpoint":                        authority + "/oauth2/v2.0/token",
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "private_key_jwt", "client_secret_basic"},
		"jwks_uri":                              authority + "/discovery/v2.0/keys",
		"response_modes_supported":              []string{"query", "fragment", "form_post"},
		"subject_types_supported":               []string{"pairwise"},
		"response_types_supported":              []string{"code", "id_token", "code id_token", "id_token token"},
		"scopes_supported":                      []string{"openid", "profile", "email", "offline_access"},
		"issuer":                                authority + "/v2.0",
		"authorization_endpoint":                authority + "/oauth2/v2.0/authorize",
	}, nil
}

// instance answers which authority a host belongs to.
func (s *Server) instance(r *http.Request, _ string) (any, error) {
	authority, err := url.Parse(r.URL.Query().Get("authorization_endpoint"))
	if err != nil || authority.Host == "" {
		return nil, refuseSignIn("invalid_request", 90002, "The authorization_endpoint is invalid.")
	}
	tenant, _, _ := strings.Cut(strings.Trim(authority.Path, "/"), "/")
	return map[string]any{
		"tenant_discovery_endpoint": "https://" + authority.Host + "/" + tenant + "/v2.0/.well-known/openid-configuration",
		"api-version":               "1.1",
		"metadata": []any{map[string]any{
			"preferred_network": authority.Host, "preferred_cache": authority.Host, "aliases": []string{authority.Host},
		}},
	}, nil
}

// tenant finds a tenant by id or by domain. s.mu is held.
func (s *Server) tenant(name string) (*directory, error) {
	if d := s.state.Directories[strings.ToLower(name)]; d != nil {
		return d, nil
	}
	for _, d := range s.state.Directories {
		if d.Domain != "" && strings.EqualFold(d.Domain, name) {
			return d, nil
		}
	}
	if uuid.Validate(name) != nil && !strings.Contains(name, ".") {
		return nil, refuseSignIn("invalid_request", 900023,
			"Specified tenant identifier '%s' is neither a valid DNS name, nor a valid external domain.", name)
	}
	return nil, refuseSignIn("invalid_request", 90002,
		"Tenant '%s' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud.", name)
}

// signIn hands out an access token for an app.
func (s *Server) signIn(r *http.Request, tenant string) (any, error) {
	if err := r.ParseForm(); err != nil {
		return nil, refuseSignIn("invalid_request", 90014, "The request body is malformed.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	d, err := s.tenant(tenant)
	if err != nil {
		return nil, err
	}
	form := r.PostForm
	for _, name := range []string{"grant_type", "client_id", "scope"} {
		if form.Get(name) == "" {
			return nil, refuseSignIn("invalid_request", 900144,
				"The request body must contain the following parameter: '%s'.", name)
		}
	}
	if grant := form.Get("grant_type"); grant != "client_credentials" {
		return nil, refuseSignIn("unsupported_grant_type", 70003, "The app requested an unsupported grant type '%s'.", grant)
	}
	app := d.Apps[strings.ToLower(form.Get("client_id"))]
	if app == nil {
		return nil, refuseSignIn("unauthorized_client", 700016,
			"Application with identifier '%s' was not found in the directory '%s'.", form.Get("client_id"), d.ID)
	}
	audience, err := resource(form.Get("scope"), d.ID)
	if err != nil {
		return nil, err
	}
	if err := s.prove(app, form, base(r)+"/"+d.ID+"/oauth2/v2.0/token"); err != nil {
		return nil, err
	}
	token, err := s.issue(r, d, app, audience)
	if err != nil {
		return nil, err
	}
	seconds := int(s.options.TokenLifetime / time.Second)
	return map[string]any{"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": token}, nil
}

// resource is what an app asks a token for. MSAL adds scopes that mean nothing to
// an app.
func resource(scope, tenant string) (string, error) {
	var asked []string
	for one := range strings.FieldsSeq(scope) {
		if one != "openid" && one != "offline_access" && one != "profile" {
			asked = append(asked, one)
		}
	}
	name, suffixed := strings.CutSuffix(strings.Join(asked, " "), "/.default")
	if !suffixed || len(asked) != 1 {
		return "", refuseSignIn("invalid_scope", 1002012, "The provided value for scope %s is not valid. Client credential flows "+
			"must have a scope value with /.default suffixed to the resource identifier (application ID URI).", scope)
	}
	switch strings.TrimSuffix(name, "/") {
	case forGraph, "00000003-0000-0000-c000-000000000000":
		return forGraph, nil
	case forARM, "https://management.core.windows.net":
		return forARM, nil
	}
	return "", refuseSignIn("invalid_resource", 500011,
		"The resource principal named %s was not found in the tenant named %s.", name, tenant)
}

// issue signs an access token.
func (s *Server) issue(r *http.Request, d *directory, app *application, audience string) (string, error) {
	now := s.now()
	token := jwt.NewWithClaims(jwt.SigningMethodES256, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: base(r) + "/" + d.ID + "/", Audience: jwt.ClaimStrings{audience}, Subject: app.Principal,
			IssuedAt: jwt.NewNumericDate(now), NotBefore: jwt.NewNumericDate(now),
			ExpiresAt: jwt.NewNumericDate(now.Add(s.options.TokenLifetime)), ID: uuid.NewString(),
		},
		App: app.ClientID, Object: app.Principal, Tenant: d.ID,
	})
	return token.SignedString(s.state.key)
}

// What can be wrong with an access token.
var (
	errNoToken       = errors.New("no token")
	errTokenExpired  = errors.New("the token expired")
	errWrongAudience = errors.New("the token is for something else")
	errBadToken      = errors.New("no token of ours")
)

// caller returns who calls, or one of the errors above. s.mu is held.
func (s *Server) caller(r *http.Request, audience string) (*directory, *application, error) {
	raw, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || raw == "" {
		return nil, nil, errNoToken
	}
	var said claims
	_, err := jwt.ParseWithClaims(raw, &said, func(*jwt.Token) (any, error) { return &s.state.key.PublicKey, nil },
		jwt.WithTimeFunc(s.now), jwt.WithValidMethods([]string{"ES256"}), jwt.WithExpirationRequired())
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return nil, nil, errTokenExpired
	case err != nil:
		return nil, nil, errBadToken
	case !slices.Contains(said.Audience, audience):
		return nil, nil, errWrongAudience
	}
	d := s.state.Directories[said.Tenant]
	if d == nil || d.Apps[said.App] == nil {
		return nil, nil, errBadToken
	}
	return d, d.Apps[said.App], nil
}
