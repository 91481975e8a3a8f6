package cloudfoundry

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/rollcall-iam/rollcall/internal/simulate"
)

// uaaError answers as UAA does.
func uaaError(w http.ResponseWriter, status int, code, text string) {
	if code == "" {
		code = strings.ReplaceAll(strings.ToLower(http.StatusText(status)), " ", "_")
	}
	simulate.JSON(w, status, map[string]string{"error": code, "error_description": text})
}

// token signs a client in, or a user through a client.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		uaaError(w, http.StatusBadRequest, "invalid_request", "The request is malformed")
		return
	}
	client, secret, given := r.BasicAuth()
	if !given {
		client, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	grant := r.PostForm.Get("grant_type")
	scopes, ok := s.signIn(grant, client, secret, r)
	switch {
	case grant != "client_credentials" && grant != "password":
		uaaError(w, http.StatusBadRequest, "unsupported_grant_type", "Unsupported grant type: "+grant)
		return
	case !ok:
		uaaError(w, http.StatusUnauthorized, "unauthorized", "Bad credentials")
		return
	}
	now := s.options.Clock()
	claims := jwt.MapClaims{
		"client_id": client, "scope": scopes, "iat": now.Unix(), "exp": now.Add(s.options.TokenTime).Unix(),
		"iss": address(r) + "/oauth/token", "aud": []string{"cloud_controller", "scim", client}, "grant_type": grant,
	}
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(s.state.Key)
	if err != nil {
		uaaError(w, http.StatusInternalServerError, "server_error", "the token cannot be signed")
		return
	}
	simulate.JSON(w, http.StatusOK, map[string]any{
		"access_token": signed, "token_type": "bearer", "scope": strings.Join(scopes, " "), "jti": now.UnixNano(),
		"expires_in": int(s.options.TokenTime / time.Second),
	})
}

// signIn checks credentials and returns what they may do.
func (s *Server) signIn(grant, client, secret string, r *http.Request) ([]string, bool) {
	admin := []string{"cloud_controller.admin", "cloud_controller.read", "scim.read", "scim.write"}
	if grant == "password" {
		name, password := r.PostForm.Get("username"), r.PostForm.Get("password")
		return admin, client == "cf" && secret == "" && password != "" && s.options.Passwords[name] == password
	}
	if known, ok := s.options.Readers[client]; ok {
		return []string{"cloud_controller.admin_read_only"}, secret == known
	}
	known, ok := s.options.Clients[client]
	return admin, ok && secret == known
}

// scopes reads the caller's token, unless it is expired or not ours.
func (s *Server) scopes(r *http.Request) (map[string]bool, bool) {
	text, found := strings.CutPrefix(r.Header.Get("Authorization"), "bearer ")
	if !found {
		text, found = strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	}
	if !found {
		return nil, false
	}
	var claims struct {
		jwt.RegisteredClaims
		Scope []string `json:"scope"`
	}
	_, err := jwt.ParseWithClaims(text, &claims, func(*jwt.Token) (any, error) { return s.state.Key, nil },
		jwt.WithValidMethods([]string{"HS256"}), jwt.WithTimeFunc(s.options.Clock), jwt.WithExpirationRequired())
	scopes := map[string]bool{}
	for _, scope := range claims.Scope {
		scopes[scope] = true
	}
	return scopes, err == nil
}

// may answers unless the caller's token has the scope.
func (s *Server) may(w http.ResponseWriter, r *http.Request, scope string) bool {
	scopes, ok := s.scopes(r)
	switch {
	case !ok:
		uaaError(w, http.StatusUnauthorized, "invalid_token", "The token expired, was revoked, or the token ID is incorrect")
	case !scopes[scope]:
		uaaError(w, http.StatusForbidden, "insufficient_scope", "Insufficient scope for this resource")
	}
	return ok && scopes[scope]
}

func (a account) scim() any {
	return map[string]any{
		"id": a.ID, "userName": a.Username, "origin": a.Origin, "active": a.Active, "verified": true, "zoneId": "uaa",
		"meta":    map[string]any{"version": 0, "created": a.Created.UTC(), "lastModified": a.Created.UTC()},
		"schemas": []string{"urn:scim:schemas:core:1.0"}, "emails": []any{},
	}
}

// filters are those that findAccounts understands: by name and origin, and by
// ids.
type filters struct{ named, ids, id *regexp.Regexp }

func newFilters() filters {
	return filters{
		named: regexp.MustCompile(`(?i)^userName eq ("(?:[^"\\]|\\.)*")(?: and origin eq ("(?:[^"\\]|\\.)*"))?$`),
		ids:   regexp.MustCompile(`(?i)^id eq "[^"\\]+"(?: or id eq "[^"\\]+")*$`),
		id:    regexp.MustCompile(`(?i)id eq "([^"]+)"`),
	}
}

// matcher returns what the filter lets through, or false for one that is not
// understood here.
func (f filters) matcher(filter string) (func(account) bool, bool) {
	if filter == "" {
		return func(account) bool { return true }, true
	}
	if f.ids.MatchString(filter) {
		ids := map[string]bool{}
		for _, id := range f.id.FindAllStringSubmatch(filter, -1) {
			ids[id[1]] = true
		}
		return func(a account) bool { return ids[a.ID] }, true
	}
	parts := f.named.FindStringSubmatch(filter)
	var name, origin string
	if parts == nil || json.Unmarshal([]byte(parts[1]), &name) != nil {
		return nil, false
	}
	if parts[2] != "" && json.Unmarshal([]byte(parts[2]), &origin) != nil {
		return nil, false
	}
	return func(a account) bool {
		return strings.EqualFold(a.Username, name) && (origin == "" || a.Origin == origin)
	}, true
}

// findAccounts lists accounts by the only filters there are here.
func (s *Server) findAccounts(w http.ResponseWriter, r *http.Request) {
	if !s.may(w, r, "scim.read") {
		return
	}
	matches, ok := newFilters().matcher(r.URL.Query().Get("filter"))
	if !ok {
		uaaError(w, http.StatusBadRequest, "scim", "Invalid filter expression")
		return
	}
	count := 100
	if text := r.URL.Query().Get("count"); text != "" {
		if n, err := strconv.Atoi(text); err == nil && n >= 0 {
			count = min(n, 500) // UAA's userMaxCount
		}
	}
	found := []any{}
	for _, a := range s.state.Accounts.AllAt(s.seen()) {
		if matches(a) {
			found = append(found, a.scim())
		}
	}
	simulate.JSON(w, http.StatusOK, map[string]any{
		"resources": found[:min(len(found), count)], "startIndex": 1, "itemsPerPage": count, "totalResults": len(found),
		"schemas": []string{"urn:scim:schemas:core:1.0"},
	})
}

func (s *Server) postAccount(w http.ResponseWriter, r *http.Request) {
	if !s.may(w, r, "scim.write") {
		return
	}
	var body struct {
		UserName string `json:"userName"`
		Origin   string `json:"origin"`
		Password string `json:"password"`
		Emails   []struct {
			Value string `json:"value"`
		} `json:"emails"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		uaaError(w, http.StatusBadRequest, "scim", "The request body is no user")
		return
	}
	if body.Origin == "" {
		body.Origin = "uaa"
	}
	switch {
	case body.UserName == "":
		uaaError(w, http.StatusBadRequest, "invalid_scim_resource", "A username must be provided.")
		return
	case len(body.Emails) != 1 || !strings.Contains(body.Emails[0].Value, "@"):
		uaaError(w, http.StatusBadRequest, "invalid_scim_resource", "Exactly one email must be provided.")
		return
	case body.Origin == "uaa" && body.Password == "":
		uaaError(w, http.StatusBadRequest, "invalid_password", "Password must be at least 1 characters in length.")
		return
	}
	if a, taken := s.account(body.UserName, body.Origin); taken {
		simulate.JSON(w, http.StatusConflict, map[string]any{
			"error": "scim_resource_already_exists", "error_description": "Username already in use: " + a.Username,
			"message": "Username already in use: " + a.Username, "user_id": a.ID, "active": a.Active, "verified": true,
		})
		return
	}
	simulate.JSON(w, http.StatusCreated, s.newAccount(body.UserName, body.Origin).scim())
}
