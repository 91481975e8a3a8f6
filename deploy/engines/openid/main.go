// Command openid is an OpenID provider on 127.0.0.1, for tests and never for production:
// zitadel/oidc's provider with its example storage in memory, over TLS with a certificate of
// its own.
//
// It has one public client, "rollcall-cli", whose access tokens are JWTs, and one user with the
// subject "id1". A browser that a test plays signs in without a password: the login page takes
// the parameter deny=1 for a user who refuses, and POST /device/decide with user_code the same
// for device codes.
//
// When it serves it prints one line of JSON, a description, and then runs until SIGTERM or
// SIGINT.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// The one user, and the one client.
const (
	user     = "id1"
	clientID = "rollcall-cli"
)

// description is what the program prints once it serves.
type description struct {
	Issuer   string `json:"issuer"`
	ClientID string `json:"client_id"`
	Subject  string `json:"subject"`
	// CA is the certificate of the server, in PEM.
	CA string `json:"ca"`
}

func main() {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // the provider logs each request
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run serves until the context ends.
func run(ctx context.Context, out io.Writer) error {
	mux := http.NewServeMux()
	server := httptest.NewUnstartedServer(mux) // on a free port of 127.0.0.1
	issuer := "https://" + server.Listener.Addr().String()
	users := memory{storage.NewStorage(storage.NewUserStore(issuer))}
	storage.RegisterClients(storage.NativeClient(clientID, "http://127.0.0.1/callback"))
	config := &op.Config{
		CodeMethodS256: true, GrantTypeRefreshToken: true,
		DeviceAuthorization: op.DeviceAuthorizationConfig{
			Lifetime: time.Minute, PollInterval: time.Second, UserFormPath: "/device", UserCode: op.UserCodeBase20,
		},
	}
	if _, err := rand.Read(config.CryptoKey[:]); err != nil {
		return fmt.Errorf("openid: %w", err)
	}
	provider, err := op.NewProvider(config, users, op.StaticIssuer(issuer))
	if err != nil {
		return fmt.Errorf("openid: %w", err)
	}
	callback := op.AuthCallbackURL(provider)
	mux.Handle("/", provider)
	mux.HandleFunc("GET /login/username", func(w http.ResponseWriter, r *http.Request) { users.signIn(w, r, issuer, callback) })
	mux.HandleFunc("POST /device/decide", users.decide)
	server.StartTLS()
	defer server.Close()
	announced := description{Issuer: issuer, ClientID: clientID, Subject: user}
	announced.CA = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	if err := json.NewEncoder(out).Encode(announced); err != nil {
		return fmt.Errorf("openid: announce: %w", err)
	}
	<-ctx.Done()
	return nil
}

// memory is the example's storage with a client of JWTs and device codes.
type memory struct{ *storage.Storage }

// GetClientByClientID is that of op.Storage.
func (m memory) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	found, err := m.Storage.GetClientByClientID(ctx, id)
	if err != nil {
		return nil, err
	}
	return client{found}, nil
}

// GetPrivateClaimsFromScopes is that of op.Storage. The claim scope shows that a JWT is an access
// token: the provider gives both of its kinds of JWT one type.
func (memory) GetPrivateClaimsFromScopes(_ context.Context, _, _ string, scopes []string) (map[string]any, error) {
	return map[string]any{"scope": strings.Join(scopes, " ")}, nil
}

// client is a native client of the example with JWTs and device codes.
type client struct{ op.Client }

// AccessTokenType is that of op.Client.
func (client) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeJWT }

// GrantTypes is that of op.Client.
func (c client) GrantTypes() []oidc.GrantType {
	return append([]oidc.GrantType{oidc.GrantTypeDeviceCode}, c.Client.GrantTypes()...)
}

// signIn is the login page of a user who signs in, or refuses, at once.
func (m memory) signIn(w http.ResponseWriter, r *http.Request, issuer string, callback func(context.Context, string) string) {
	id := r.FormValue("authRequestID")
	request, err := m.AuthRequestByID(r.Context(), id)
	if err == nil && r.FormValue("deny") != "" {
		refusal := url.Values{"error": {"access_denied"}, "error_description": {"The user refused."}, "state": {request.GetState()}}
		http.Redirect(w, r, request.GetRedirectURI()+"?"+refusal.Encode(), http.StatusFound) //nolint:gosec // the provider has checked it
		return
	}
	if err == nil {
		host, _ := url.Parse(issuer)
		err = m.CheckUsernamePassword("test-user@"+host.Hostname(), "verysecure", id)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	http.Redirect(w, r, callback(op.ContextWithIssuer(r.Context(), issuer), id), http.StatusFound)
}

// decide is the decision of a user about a device code.
func (m memory) decide(w http.ResponseWriter, r *http.Request) {
	code := r.FormValue("user_code")
	_, err := m.GetDeviceAuthorizationByUserCode(r.Context(), code)
	switch {
	case err != nil:
	case r.FormValue("deny") != "":
		err = m.DenyDeviceAuthorization(r.Context(), code)
	default:
		err = m.CompleteDeviceAuthorization(r.Context(), code, user)
	}
	if err != nil {
		http.Error(w, errors.Join(errors.New("openid: decide"), err).Error(), http.StatusBadRequest)
	}
}
