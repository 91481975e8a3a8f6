package login_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/login"
)

// signIn plays the browser of a user: it answers the authorization request with a changed
// answer, and returns the status of the last page.
func (p *provider) signIn(page login.Page, change func(url.Values)) int {
	u, err := url.Parse(page.URL)
	if err != nil {
		p.t.Error(err)
		return 0
	}
	p.mu.Lock()
	p.request = u.Query()
	p.mu.Unlock()
	answer := url.Values{"code": {"code"}, "state": {u.Query().Get("state")}, "iss": {issuer}}
	if change != nil {
		change(answer)
	}
	return p.get(u.Query().Get("redirect_uri")+"?"+answer.Encode(), "")
}

// get opens an address on this machine, under another name if one is given.
func (p *provider) get(address, host string) int {
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		p.t.Error(err)
		return 0
	}
	r.Host = host
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(r)
	if err != nil {
		p.t.Error(err)
		return 0
	}
	_ = response.Body.Close()
	return response.StatusCode
}

func TestCode(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	l, err := p.client().Code(t.Context(), p.method(), func(page login.Page) {
		query, _ := url.Parse(page.URL)
		for name, want := range map[string]string{
			"response_type": "code", "client_id": clientID, "scope": "openid offline_access", "audience": "rollcall", "code_challenge_method": "S256",
		} {
			if got := query.Query().Get(name); got != want {
				t.Errorf("the request has %s=%q, want %q", name, got, want)
			}
		}
		if u, _ := url.Parse(query.Query().Get("redirect_uri")); u.Hostname() != "127.0.0.1" || u.Path != "/callback" {
			t.Errorf("the redirect goes to %s", u)
		}
		if strings.Contains(page.Local, query.Query().Get("state")) {
			t.Error("the page for arguments of programs has the state")
		}
		if first, second := p.get(page.Local, ""), p.get(page.Local, ""); first != http.StatusFound || second != http.StatusGone {
			t.Errorf("the page leads to the provider once: %d, %d", first, second)
		}
		if status := p.get(page.Local, "rebound.example.com"); status != http.StatusNotFound {
			t.Errorf("another name of this machine: %d", status)
		}
		if status := p.signIn(page, func(v url.Values) { v.Set("state", "another") }); status != http.StatusBadRequest {
			t.Errorf("another state: %d", status)
		}
		if status := p.signIn(page, func(v url.Values) { v.Add("state", "another") }); status != http.StatusBadRequest {
			t.Errorf("two states: %d", status)
		}
		if status := p.signIn(page, nil); status != http.StatusOK {
			t.Errorf("the answer: %d", status)
		}
	})
	if err != nil || l.AccessToken != "access-refresh-0" || l.RefreshToken != "refresh-0" || l.Issuer != issuer || l.ClientID != clientID || l.Expires.IsZero() {
		t.Errorf("Code = %+v, %v", l, err)
	}
}

// TestCode_RefusesAnswers: the tests of answers that belong to no sign-in, or to another one.
func TestCode_RefusesAnswers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		reason string
		change func(*provider)
		answer func(url.Values)
		want   string
	}{
		{reason: "RFC 9207: another issuer", answer: func(v url.Values) { v.Set("iss", "https://evil.example.com") }, want: "evil.example.com"},
		{reason: "RFC 9207: the provider sends its issuer always", answer: func(v url.Values) { v.Del("iss") }, want: "another provider"},
		{reason: "two issuers", answer: func(v url.Values) { v.Add("iss", issuer) }, want: "another provider"},
		{reason: "the user refuses", answer: func(v url.Values) { v.Set("error", "access_denied"); v.Del("code") }, want: "access_denied"},
		{reason: "control characters of a terminal", answer: func(v url.Values) { v.Set("error", "x\x1b]0;y") }, want: "refuses: x ]0;y"},
		{reason: "neither code nor error", answer: func(v url.Values) { v.Del("code") }, want: "no code"},
		{reason: "two codes", answer: func(v url.Values) { v.Add("code", "code") }, want: "no code"},
		{reason: "an unknown code", answer: func(v url.Values) { v.Set("code", "stolen") }, want: "invalid_grant"},
		{reason: "the ID token of another sign-in", change: func(p *provider) { p.claims = map[string]any{"nonce": "another"} }, want: "another sign-in"},
		{reason: "an ID token without a nonce", change: func(p *provider) { p.claims = map[string]any{"nonce": nil} }, want: "another sign-in"},
		{reason: "the ID token of another client", change: func(p *provider) { p.claims = map[string]any{"aud": "another"} }, want: "audience"},
		{reason: "an ID token of another issuer", change: func(p *provider) { p.claims = map[string]any{"iss": "https://evil.example.com"} }, want: "issue"},
		{reason: "an expired ID token", change: func(p *provider) { p.claims = map[string]any{"exp": 1} }, want: "expired"},
		{reason: "no ID token", change: func(p *provider) { p.token = map[string]any{"id_token": ""} }, want: "no ID token"},
		{reason: "a token that needs a proof", change: func(p *provider) { p.token = map[string]any{"token_type": "DPoP"} }, want: "DPoP"},
	} {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t)
			if test.change != nil {
				test.change(p)
			}
			_, err := p.client().Code(t.Context(), p.method(), func(page login.Page) { p.signIn(page, test.answer) })
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.ContainsRune(err.Error(), '\x1b') {
				t.Errorf("Code = %v, want an error with %q", err, test.want)
			}
		})
	}
}

// TestCode_RefusesProviders: no user is sent to a provider whose answers cannot be trusted.
func TestCode_RefusesProviders(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		reason    string
		discovery map[string]any
		issuer    string
		want      string
	}{
		{reason: "PKCE without S256", discovery: map[string]any{"code_challenge_methods_supported": []string{"plain"}}, want: "S256"},
		{reason: "another issuer's document", discovery: map[string]any{"issuer": issuer + "/"}, want: "issuer"},
		{reason: "tokens in plain text", discovery: map[string]any{"token_endpoint": "http://login.example.com/token"}, want: "https"},
		{reason: "a page in plain text", discovery: map[string]any{"authorization_endpoint": "http://login.example.com/"}, want: "https"},
		{reason: "no such flow", discovery: map[string]any{"authorization_endpoint": ""}, want: "--device"},
		{reason: "an issuer in plain text", issuer: "http://login.example.com", want: "https"},
		{reason: "no issuer", issuer: "login.example.com", want: "no address"},
	} {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t)
			p.discovery = test.discovery
			method := p.method()
			if test.issuer != "" {
				method.Issuer = test.issuer
			}
			_, err := p.client().Code(t.Context(), method, func(login.Page) { t.Error("the user is asked to sign in") })
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Code = %v, want an error with %q", err, test.want)
			}
		})
	}
}

func TestCode_EndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	p := newProvider(t)
	if _, err := p.client().Code(ctx, p.method(), func(login.Page) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("Code = %v, want the context's error", err)
	}
}
