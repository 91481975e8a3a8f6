package login_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/rollcall-iam/rollcall/internal/login"
)

const (
	issuer   = "https://login.example.com"
	clientID = "rollcall-cli"
)

// provider is a strict OpenID provider without a network: it is the transport of its clients.
type provider struct {
	t   *testing.T
	key *ecdsa.PrivateKey

	mu sync.Mutex
	// discovery changes the discovery document.
	discovery map[string]any
	// request is the last authorization request.
	request url.Values
	// refresh is the refresh token that counts; refreshes are all requests with one.
	refresh   string
	refreshes int
	// device are the answers to requests for the token of a device code, one after the other:
	// an error code, "lost" for a request without an answer, or "" for tokens.
	device []string
	// started changes the answer to the request for a device code.
	started map[string]any
	// polled is when tokens were requested.
	polled []time.Time
	// revoked are the tokens that were revoked.
	revoked []string
	// claims and token change the ID token and the answer with the tokens.
	claims, token map[string]any
	// down has requests for tokens fail.
	down bool
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &provider{t: t, key: key, refresh: "refresh-0"}
}

func (p *provider) client() *login.Client { return &login.Client{Transport: p} }

func (*provider) method() login.Method {
	return login.Method{Issuer: issuer, ClientID: clientID, Scopes: []string{"openid", "offline_access"}, Audience: "rollcall"}
}

// RoundTrip is that of http.RoundTripper.
func (p *provider) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	form := url.Values{}
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		if form, err = url.ParseQuery(string(body)); err != nil {
			return nil, err
		}
	}
	if r.Method == http.MethodPost && (form.Get("client_id") != clientID || r.Header.Get("Authorization") != "" || form.Has("client_secret")) {
		return respond(r, http.StatusUnauthorized, map[string]any{"error": "invalid_client"})
	}
	switch r.Method + " " + r.URL.Path {
	case "GET /.well-known/openid-configuration":
		document := map[string]any{
			"issuer": issuer, "authorization_endpoint": issuer + "/authorize", "token_endpoint": issuer + "/token",
			"device_authorization_endpoint": issuer + "/device", "revocation_endpoint": issuer + "/revoke", "jwks_uri": issuer + "/keys",
			"id_token_signing_alg_values_supported": []string{"ES256"}, "code_challenge_methods_supported": []string{"S256"},
			"authorization_response_iss_parameter_supported": true,
		}
		maps.Copy(document, p.discovery)
		return respond(r, http.StatusOK, document)
	case "GET /keys":
		return respond(r, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: p.key.Public(), KeyID: "k", Algorithm: "ES256", Use: "sig"}}})
	case "POST /device":
		started := map[string]any{
			"device_code": "d", "user_code": "ABCD-EFGH", "verification_uri": issuer + "/enter", "expires_in": 60, "interval": 2,
		}
		maps.Copy(started, p.started)
		return respond(r, http.StatusOK, started)
	case "POST /revoke":
		p.revoked = append(p.revoked, form.Get("token_type_hint")+" "+form.Get("token"))
		return respond(r, http.StatusOK, nil)
	case "POST /token":
		return p.tokens(r, form)
	default:
		return respond(r, http.StatusNotFound, nil)
	}
}

func (p *provider) tokens(r *http.Request, form url.Values) (*http.Response, error) {
	refuse := func(code string) (*http.Response, error) {
		return respond(r, http.StatusBadRequest, map[string]any{"error": code, "error_description": "a text\x1b[31m"})
	}
	if p.down {
		return nil, io.ErrUnexpectedEOF
	}
	switch form.Get("grant_type") {
	case "authorization_code":
		challenge := sha256.Sum256([]byte(form.Get("code_verifier")))
		if form.Get("code") != "code" || form.Get("redirect_uri") != p.request.Get("redirect_uri") ||
			base64.RawURLEncoding.EncodeToString(challenge[:]) != p.request.Get("code_challenge") {
			return refuse("invalid_grant")
		}
	case "refresh_token":
		p.refreshes++
		if form.Get("refresh_token") != p.refresh {
			return refuse("invalid_grant")
		}
		p.refresh = fmt.Sprintf("refresh-%d", p.refreshes)
	default:
		p.polled = append(p.polled, time.Now())
		answer := ""
		if len(p.device) > 0 {
			answer, p.device = p.device[0], p.device[1:]
		}
		if answer == "lost" {
			return nil, io.ErrUnexpectedEOF
		}
		if answer != "" {
			return refuse(answer)
		}
	}
	claims := map[string]any{
		"iss": issuer, "sub": "ada", "aud": clientID, "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
	}
	if nonce := p.request.Get("nonce"); nonce != "" {
		claims["nonce"] = nonce
	}
	maps.Copy(claims, p.claims)
	tokens := map[string]any{
		"access_token": "access-" + p.refresh, "token_type": "Bearer", "expires_in": 300, "refresh_token": p.refresh, "id_token": p.sign(claims),
	}
	maps.Copy(tokens, p.token)
	return respond(r, http.StatusOK, tokens)
}

func (p *provider) sign(claims map[string]any) string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: p.key}, (&jose.SignerOptions{}).WithHeader("kid", "k"))
	if err != nil {
		p.t.Error(err)
		return ""
	}
	body, err := json.Marshal(claims)
	if err != nil {
		p.t.Error(err)
		return ""
	}
	signed, err := signer.Sign(body)
	if err != nil {
		p.t.Error(err)
		return ""
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		p.t.Error(err)
	}
	return text
}

// respond returns an answer in JSON.
func respond(r *http.Request, status int, value any) (*http.Response, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: status, Status: fmt.Sprintf("%d %s", status, http.StatusText(status)), Request: r,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(string(text))),
	}, nil
}
