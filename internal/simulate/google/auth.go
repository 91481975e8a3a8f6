package google

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/rollcall-iam/rollcall/internal/simulate"
)

// Account is a service account that calls the APIs.
type Account struct {
	Email string `json:"email"`
	// PublicKey is the PEM of the key that its assertions are signed with.
	PublicKey string `json:"publicKey,omitempty"`
	// GroupsAdmin may read and write groups, UsersReader read users, PolicyAdmin
	// read and write policies of all projects.
	GroupsAdmin bool `json:"groupsAdmin,omitempty"`
	UsersReader bool `json:"usersReader,omitempty"`
	PolicyAdmin bool `json:"policyAdmin,omitempty"`
	// Delegated may act for users of the domain, who may what an admin may.
	Delegated bool `json:"delegated,omitempty"`
	// Becomes is the address of a service account whose tokens it may have.
	Becomes string `json:"becomes,omitempty"`
}

// Provider is a provider of a pool for workload identities: whose tokens are
// taken, and which service account their bearers may become.
type Provider struct {
	// Audience is "//iam.googleapis.com/projects/N/locations/global/workloadIdentityPools/P/providers/X".
	Audience string `json:"audience"`
	Issuer   string `json:"issuer"`
	// TokenAudience is the audience that the tokens must have.
	TokenAudience string `json:"tokenAudience"`
	PublicKey     string `json:"publicKey"`
	// Subject is the only one who may come, Account what they may.
	Subject string  `json:"subject"`
	Account Account `json:"account"`
}

// grant is an access token.
type grant struct {
	Account Account   `json:"account"`
	Scopes  []string  `json:"scopes"`
	Expires time.Time `json:"expires"`
}

// authenticate finds out who calls, and refuses whoever may not.
func (s *Server) authenticate(c *call, to route) (Account, error) {
	token, bearer := strings.CutPrefix(c.r.Header.Get("Authorization"), "Bearer ")
	s.mu.Lock()
	held, known := s.state.Tokens[token]
	s.mu.Unlock()
	if !bearer || !known || !c.now.Before(held.Expires) {
		f := refusal("UNAUTHENTICATED", "Request had invalid authentication credentials. Expected OAuth 2 access token, "+
			"login cookie or other valid authentication credential.").with(errorInfo("ACCESS_TOKEN_EXPIRED", service(to)))
		if to.quota == "directory" {
			f.message = "Invalid Credentials"
		}
		return Account{}, f
	}
	if !slices.ContainsFunc(to.scopes, func(scope string) bool { return slices.Contains(held.Scopes, scope) }) {
		return Account{}, refusal("PERMISSION_DENIED", "Request had insufficient authentication scopes.").
			with(errorInfo("ACCESS_TOKEN_SCOPE_INSUFFICIENT", service(to)))
	}
	who := held.Account
	if to.quota == "directory" && !who.UsersReader {
		return who, refusal("PERMISSION_DENIED", "Not Authorized to access this resource/api")
	}
	if to.quota == "cloudidentity" && !who.GroupsAdmin {
		return who, refusal("PERMISSION_DENIED", "Error(2015): The caller does not have permission")
	}
	return who, nil
}

// signIn serves the token endpoints, which have errors of their own form.
func (s *Server) signIn(w http.ResponseWriter, r *http.Request) bool {
	var operation string
	var handle http.HandlerFunc
	switch r.URL.Path {
	case "/token":
		operation, handle = "oauth2.token", s.jwtBearer
	case "/v1/token":
		operation, handle = "sts.token", s.exchange
	default:
		return false
	}
	refuse := func(w http.ResponseWriter, f simulate.Fault) {
		oauthError(w, f.Status, "internal_failure", f.Words("on demand"))
	}
	s.control.Serve(w, r, operation, refuse, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.ParseForm() != nil {
			oauthError(w, http.StatusBadRequest, "invalid_request", "Bad Request")
			return
		}
		handle(w, r)
	})
	return true
}

func oauthError(w http.ResponseWriter, status int, code, text string) {
	simulate.JSON(w, status, map[string]string{"error": code, "error_description": text})
}

// jwtBearer gives a token for an assertion that a service account signed.
func (s *Server) jwtBearer(w http.ResponseWriter, r *http.Request) {
	if r.PostForm.Get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
		oauthError(w, http.StatusBadRequest, "unsupported_grant_type", "Invalid grant_type: "+r.PostForm.Get("grant_type"))
		return
	}
	claims := jwt.MapClaims{}
	_, err := jwt.ParseWithClaims(r.PostForm.Get("assertion"), claims, func(token *jwt.Token) (any, error) {
		issuer, err := token.Claims.GetIssuer()
		if err != nil {
			return nil, err
		}
		return s.keyOf(issuer)
	}, jwt.WithValidMethods([]string{"RS256"}), jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(time.Minute),
		jwt.WithTimeFunc(s.options.Clock))
	issuer, _ := claims.GetIssuer()
	audience, _ := claims.GetAudience()
	switch {
	case errors.Is(err, errUnknown):
		oauthError(w, http.StatusBadRequest, "invalid_grant", "Invalid grant: account not found")
		return
	case err != nil:
		oauthError(w, http.StatusBadRequest, "invalid_grant", "Invalid JWT Signature.")
		return
	case !slices.ContainsFunc(audience, endsInToken):
		oauthError(w, http.StatusBadRequest, "invalid_grant", "Invalid JWT: Failed audience check.")
		return
	}
	s.mu.Lock()
	who := s.state.Accounts[issuer]
	s.mu.Unlock()
	if subject, _ := claims.GetSubject(); subject != "" && subject != issuer {
		if who, err = s.delegate(who, subject); err != nil {
			oauthError(w, http.StatusUnauthorized, "unauthorized_client", err.Error())
			return
		}
	}
	scope, _ := claims["scope"].(string)
	if scope == "" {
		oauthError(w, http.StatusBadRequest, "invalid_scope", "Empty or missing scope not allowed.")
		return
	}
	s.giveToken(w, who, strings.Fields(scope), "")
}

// endsInToken accepts an audience that is this endpoint under any host: a proxy
// may stand in front.
func endsInToken(audience string) bool {
	u, err := url.Parse(audience)
	return err == nil && u.Path == "/token"
}

var errUnknown = errors.New("google: no such account")

// keyOf returns the public key of an account.
func (s *Server) keyOf(email string) (*rsa.PublicKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok := s.state.Accounts[email]
	if !ok {
		return nil, errUnknown
	}
	return publicKey(known.PublicKey)
}

func publicKey(text string) (*rsa.PublicKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errUnknown
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	rsaKey, ok := key.(*rsa.PublicKey)
	if !ok {
		return nil, errUnknown
	}
	return rsaKey, nil
}

// impersonate gives a token of another account's: IAM Credentials'
// generateAccessToken, as far as federated workloads need it.
func (s *Server) impersonate(c *call) (any, error) {
	var body struct {
		Scope     []string `json:"scope"`
		Lifetime  string   `json:"lifetime"`
		Delegates []string `json:"delegates"`
	}
	if err := c.decode(&body); err != nil {
		return nil, err
	}
	s.mu.Lock()
	other, known := s.state.Accounts[c.vars[0]]
	s.mu.Unlock()
	if !known || c.who.Becomes != other.Email {
		return nil, refusal("PERMISSION_DENIED",
			"Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).").
			with(errorInfo("IAM_PERMISSION_DENIED", "iamcredentials"))
	}
	if len(body.Scope) == 0 {
		return nil, refusal("INVALID_ARGUMENT", "Request contains an invalid argument: scope.")
	}
	return map[string]any{
		"accessToken": s.Token(other, body.Scope...), "expireTime": c.now.Add(s.options.TokenLife).UTC().Format(time.RFC3339),
	}, nil
}

// delegate is the account acting for a user of the domain.
func (s *Server) delegate(who Account, subject string) (Account, error) {
	s.mu.Lock()
	user, known := s.userNamed(subject)
	s.mu.Unlock()
	switch {
	case !who.Delegated:
		return who, refusal("PERMISSION_DENIED", "Client is unauthorized to retrieve access tokens using this method, "+
			"or client not authorized for any of the scopes requested.")
	case !known:
		return who, refusal("PERMISSION_DENIED", "Invalid email or User ID")
	}
	return Account{Email: user.PrimaryEmail, GroupsAdmin: user.Admin, UsersReader: user.Admin}, nil
}

// exchange gives a token for one that a trusted issuer signed.
func (s *Server) exchange(w http.ResponseWriter, r *http.Request) {
	form := r.PostForm
	s.mu.Lock()
	provider, known := s.state.Pools[form.Get("audience")]
	s.mu.Unlock()
	switch {
	case form.Get("grant_type") != "urn:ietf:params:oauth:grant-type:token-exchange":
		oauthError(w, http.StatusBadRequest, "unsupported_grant_type", "Unsupported grant type")
		return
	case !known:
		oauthError(w, http.StatusBadRequest, "invalid_target", "The target service indicated by the \"audience\" parameters is invalid.")
		return
	}
	claims := jwt.MapClaims{}
	_, err := jwt.ParseWithClaims(form.Get("subject_token"), claims, func(*jwt.Token) (any, error) {
		return publicKey(provider.PublicKey)
	}, jwt.WithValidMethods([]string{"RS256"}), jwt.WithExpirationRequired(), jwt.WithTimeFunc(s.options.Clock),
		jwt.WithIssuer(provider.Issuer), jwt.WithAudience(provider.TokenAudience), jwt.WithSubject(provider.Subject))
	if err != nil {
		oauthError(w, http.StatusBadRequest, "invalid_grant", "The given credential is rejected by the attribute condition, "+
			"or it is expired or not signed by the provider.")
		return
	}
	s.giveToken(w, provider.Account, strings.Fields(form.Get("scope")), "urn:ietf:params:oauth:token-type:access_token")
}

// giveToken answers with a new token.
func (s *Server) giveToken(w http.ResponseWriter, who Account, scopes []string, issued string) {
	token := s.Token(who, scopes...)
	simulate.JSON(w, http.StatusOK, object(map[string]any{
		"access_token": token, "token_type": "Bearer", "expires_in": int(s.options.TokenLife / time.Second), "issued_token_type": issued,
	}))
}

// Token gives an access token to an account, past the token endpoints. Without
// scopes it has those of the whole cloud platform and of the directory.
func (s *Server) Token(who Account, scopes ...string) string {
	if len(scopes) == 0 {
		scopes = []string{scopePrefix + "cloud-platform", scopePrefix + "admin.directory.user.readonly"}
	}
	token := "ya29.sim-" + uuid.NewString()
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.options.Clock()
	for old, held := range s.state.Tokens {
		if !now.Before(held.Expires) {
			delete(s.state.Tokens, old)
		}
	}
	s.state.Tokens[token] = grant{Account: who, Scopes: scopes, Expires: now.Add(s.options.TokenLife)}
	return token
}

// Revoke makes every access token invalid, as if all had expired.
func (s *Server) Revoke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Tokens = map[string]grant{}
}
