package token_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"github.com/rollcall-iam/rollcall/internal/token"
)

const audience = "https://rollcall.example.org"

// provider is an OpenID provider on a free port.
type provider struct {
	url, caFile string

	mu           sync.Mutex
	jwks         any
	cacheControl string
	down         bool
	// wait holds answers back until it is closed.
	wait chan struct{}
	// fetches are the requests for keys, and requests are all.
	fetches, requests int
}

func newProvider(t testing.TB, keys ...jose.JSONWebKey) *provider {
	t.Helper()
	p := &provider{jwks: jose.JSONWebKeySet{Keys: keys}, cacheControl: "public, max-age=600"}
	server := httptest.NewTLSServer(http.HandlerFunc(p.serve))
	t.Cleanup(server.Close)
	p.url = server.URL
	p.caFile = filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(p.caFile, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *provider) serve(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.requests++
	wait, down, jwks, cacheControl := p.wait, p.down, p.jwks, p.cacheControl
	if r.URL.Path == "/jwks" {
		p.fetches++
	}
	p.mu.Unlock()
	if wait != nil {
		<-wait
	}
	switch {
	case down:
		http.Error(w, "out of order", http.StatusServiceUnavailable)
	case r.URL.Path == "/.well-known/openid-configuration":
		p.answer(w, map[string]string{"issuer": p.url, "jwks_uri": p.url + "/jwks"})
	case r.URL.Path == "/jwks":
		w.Header().Set("Cache-Control", cacheControl)
		p.answer(w, jwks)
	default:
		http.NotFound(w, r)
	}
}

func (*provider) answer(w http.ResponseWriter, value any) {
	text, err := json.Marshal(value)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(text)
}

// with changes the provider.
func (p *provider) with(change func(p *provider)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(p)
}

func (p *provider) count() (fetches, requests int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fetches, p.requests
}

// issuer returns the provider's configuration for tokens of users.
func (p *provider) issuer() token.Issuer {
	return token.Issuer{
		URL: p.url, CAFile: p.caFile, Rules: []token.Rule{{Kind: token.User, Audiences: []string{audience}}},
	}
}

// clock is a clock that stands.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// signer is a private key with its identifier.
type signer struct {
	id, algorithm string
	private       crypto.Signer
}

func newSigner(t testing.TB, algorithm, id string) signer {
	t.Helper()
	var private crypto.Signer
	var err error
	switch algorithm {
	case "ES256":
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ES384":
		private, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "EdDSA":
		_, private, err = ed25519.GenerateKey(rand.Reader)
	default:
		private, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	return signer{id, algorithm, private}
}

func (s signer) public() jose.JSONWebKey {
	return jose.JSONWebKey{Key: s.private.Public(), KeyID: s.id, Algorithm: s.algorithm, Use: "sig"}
}

// sign returns a token with the claims.
func (s signer) sign(t testing.TB, claims map[string]any) string {
	t.Helper()
	return s.signWith(t, map[string]any{"alg": s.algorithm, "typ": "at+jwt", "kid": s.id}, claims)
}

func (s signer) signWith(t testing.TB, header, claims map[string]any) string {
	t.Helper()
	return s.signText(t, asJSON(t, header), asJSON(t, claims))
}

func (s signer) signText(t testing.TB, header, claims string) string {
	t.Helper()
	text := encode(header) + "." + encode(claims)
	signature, err := jwt.GetSigningMethod(s.algorithm).Sign(text, s.private)
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + encode(string(signature))
}

func encode(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

func asJSON(t testing.TB, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// claims returns those of a valid token of a user, changed: nil removes a claim.
func claims(issuer string, now time.Time, changes map[string]any) map[string]any {
	all := map[string]any{
		"iss": issuer, "sub": "8f14e45f-ceea-467f-a830-5d1c0b1a6d2e", "aud": audience, "azp": "rollcall-cli",
		"exp": now.Add(time.Hour).Unix(), "iat": now.Add(-time.Minute).Unix(), "nbf": now.Add(-time.Minute).Unix(),
		"jti": "5b2c9d7e-90a1-4f0b-8d3e-2f1c4b5a6978", "scope": "openid profile rollcall",
		"email": "mei.lin@example.org", "email_verified": true, "preferred_username": "mlin", "name": "Mei Lin",
		"groups":       []string{"platform-operators", "network-approvers"},
		"realm_access": map[string]any{"roles": []string{"offline_access", "uma_authorization"}},
	}
	maps.Copy(all, changes)
	maps.DeleteFunc(all, func(_ string, value any) bool { return value == nil })
	return all
}

func newVerifier(t testing.TB, config token.Config) *token.Verifier {
	t.Helper()
	v, err := token.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
