package login_test

import (
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/login"
)

const server = "https://rollcall.example.com"

// session returns the session of a command, with a login whose access token ends in a time.
func (p *provider) session(store *login.Store) *login.Session {
	return &login.Session{Client: p.client(), Store: store, Server: server}
}

// storeFor returns a store with a login whose access token ends in a time.
func storeFor(t *testing.T, expires time.Duration) *login.Store {
	t.Helper()
	store := &login.Store{Dir: filepath.Join(t.TempDir(), "logins")}
	_, err := store.Put(login.Login{
		Server: server, Issuer: issuer, ClientID: clientID, AccessToken: "access", RefreshToken: "refresh-0", Expires: time.Now().Add(expires),
	})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func TestSession(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		reason  string
		expires time.Duration
		change  func(*provider)
		want    string
		failure string
	}{
		{reason: "the token counts", expires: time.Hour, want: "access"},
		{reason: "it ends within a minute", expires: 30 * time.Second, want: "access-refresh-1"},
		{reason: "it has ended", expires: -time.Hour, want: "access-refresh-1"},
		{reason: "the provider is down, and the token counts", expires: 30 * time.Second, change: func(p *provider) { p.down = true }, want: "access"},
		{reason: "the provider is down", expires: -time.Hour, change: func(p *provider) { p.down = true }, failure: "unexpected EOF"},
		{reason: "the login was revoked", expires: -time.Hour, change: func(p *provider) { p.refresh = "another" }, failure: "rollcall login"},
		{reason: "the provider keeps refresh tokens", expires: -time.Hour, change: func(p *provider) { p.token = map[string]any{"refresh_token": nil} }, want: "access-refresh-1"},
	} {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t)
			if test.change != nil {
				test.change(p)
			}
			store := storeFor(t, test.expires)
			got, err := p.session(store).Token(t.Context())
			if got != test.want || (err == nil) != (test.failure == "") {
				t.Fatalf("Token = %q, %v", got, err)
			}
			if err != nil {
				for _, secret := range []string{"refresh-0", "access-"} {
					if !strings.Contains(err.Error(), test.failure) || strings.Contains(err.Error(), secret) {
						t.Errorf("Token: %v, want an error with %q and without tokens", err, test.failure)
					}
				}
				return
			}
			if l, err := store.Get(server); err != nil || l.AccessToken != test.want || l.RefreshToken == "" {
				t.Errorf("stored: %+v, %v", l, err)
			}
		})
	}
}

// TestSession_UsesARefreshTokenOnce: a provider that rotates them takes a second use for theft.
func TestSession_UsesARefreshTokenOnce(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	dir := storeFor(t, -time.Hour).Dir
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() { // as a command of its own: nothing but the directory is shared
			if got, err := p.session(&login.Store{Dir: dir}).Token(t.Context()); err != nil || got != "access-refresh-1" {
				t.Errorf("Token = %q, %v", got, err)
			}
		})
	}
	group.Wait()
	if p.refreshes != 1 {
		t.Errorf("%d requests for a refresh, want 1", p.refreshes)
	}
}

func TestSession_WithoutLogin(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	if _, err := p.session(&login.Store{Dir: t.TempDir()}).Token(t.Context()); !errors.Is(err, login.ErrNone) {
		t.Errorf("Token = %v, want ErrNone", err)
	}
	store := storeFor(t, -time.Hour)
	l, err := store.Get(server)
	if err != nil {
		t.Fatal(err)
	}
	l.RefreshToken = ""
	if _, err := store.Put(l); err != nil {
		t.Fatal(err)
	}
	if _, err := p.session(store).Token(t.Context()); err == nil || !strings.Contains(err.Error(), "rollcall login") {
		t.Errorf("Token = %v, want what to do after the end of a token that cannot be refreshed", err)
	}
}

func TestRevoke(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		reason    string
		refresh   string
		discovery map[string]any
		supported bool
		want      string
	}{
		{reason: "a refresh token takes its access tokens along", refresh: "r", supported: true, want: "refresh_token r"},
		{reason: "an access token alone", supported: true, want: "access_token a"},
		{reason: "the provider has no endpoint", refresh: "r", discovery: map[string]any{"revocation_endpoint": nil}},
	} {
		p := newProvider(t)
		p.discovery = test.discovery
		supported, err := p.client().Revoke(t.Context(), login.Login{Issuer: issuer, ClientID: clientID, AccessToken: "a", RefreshToken: test.refresh})
		if err != nil || supported != test.supported || strings.Join(p.revoked, ",") != test.want {
			t.Errorf("%s: Revoke = %v, %v, and %v was revoked", test.reason, supported, err, p.revoked)
		}
	}
}
