package azure_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/azure"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
	simulated "github.com/rollcall-iam/rollcall/internal/simulate/azure"
)

// TestTokenExpires: a token that the API refuses is replaced, once for all who find
// it so at the same time, and what was asked is done.
func TestTokenExpires(t *testing.T) {
	at := newClock()
	w := newWorld(t, simulated.Options{Stale: -1, Clock: at.read})
	shop := w.newTenant(t, "prod")
	shop.look("admins")
	signIns := w.cloud.Control().Calls()["POST /token"]
	at.advance(2 * time.Hour)
	var running sync.WaitGroup
	for range 8 {
		running.Go(func() {
			if _, err := shop.driver.Resolve(t.Context(), []string{"a@example.com"}); err != nil {
				t.Errorf("with an expired token: %v", err)
			}
		})
	}
	running.Wait()
	ref := shop.must(createGroup("admins")) // has a body
	shop.must(give(access.Binding{Role: "Reader", Group: "admins", GroupRef: ref}))
	// One for Graph and one for ARM; a late comer may ask for another.
	if again := w.cloud.Control().Calls()["POST /token"] - signIns; again < 2 || again > 4 {
		t.Errorf("signed in %d times more, want 2", again)
	}
}

// TestRefusedToken: what refuses every token is denied after one new one.
func TestRefusedToken(t *testing.T) {
	w := newWorldBehind(t, simulated.Options{Stale: -1}, func(cloud http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/v1.0/") {
				rw.Header().Set("WWW-Authenticate", `Bearer realm="", claims="abc", error="insufficient_claims"`)
				rw.WriteHeader(http.StatusUnauthorized)
				return
			}
			cloud.ServeHTTP(rw, r)
		})
	})
	_, err := w.open(t).Resolve(t.Context(), []string{"a@example.com"})
	if calls := w.proxy.Count(); !errors.Is(err, fault.ErrDenied) || calls != 2 {
		t.Errorf("got %v after %d calls", err, calls)
	}
}

// TestOpen_ReadsChangedCredentialFile: the driver notices new content in a file whose
// modification time and size stay the same.
func TestOpen_ReadsChangedCredentialFile(t *testing.T) {
	w := newWorld(t, simulated.Options{Stale: -1})
	file := filepath.Join(t.TempDir(), "credentials.json")
	at := time.Now().Add(-time.Hour)
	write := func(secret string) os.FileInfo {
		t.Helper()
		body, err := json.Marshal(map[string]string{"client_id": clientID, "client_secret": secret})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, body, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, at, at); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	before := write(secret)
	w.settings["auth"] = map[string]any{"file": file}
	d := w.open(t)
	if _, err := d.Resolve(t.Context(), []string{"a@example.com"}); err != nil {
		t.Fatalf("with the right secret: %v", err)
	}
	// The token that the driver holds would do for an hour.
	wrong := strings.Repeat("x", len(secret))
	if after := write(wrong); !after.ModTime().Equal(before.ModTime()) || after.Size() != before.Size() {
		t.Fatalf("the file's time or size changed: %v, %d bytes; before %v, %d bytes",
			after.ModTime(), after.Size(), before.ModTime(), before.Size())
	}
	_, err := d.Resolve(t.Context(), []string{"a@example.com"})
	if !errors.Is(err, fault.ErrDenied) || !strings.Contains(err.Error(), "AADSTS7000215") || strings.Contains(err.Error(), wrong) {
		t.Fatalf("with a wrong secret: %v", err)
	}
	write(secret)
	if _, err := d.Resolve(t.Context(), []string{"a@example.com"}); err != nil {
		t.Errorf("with the right one again: %v", err)
	}
}

// TestFederatedToken: a pod signs in with the token that its cluster gives it.
func TestFederatedToken(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, simulated.Options{Stale: -1})
	w.cloud.RemoveSecrets(w.tenant, clientID)
	const issuer, subject = "https://issuer.example.com", "system:serviceaccount:rollcall:worker"
	if err := w.cloud.AddFederatedCredential(w.tenant, clientID, simulated.FederatedCredential{Issuer: issuer, Subject: subject, Key: &key.PublicKey}); err != nil {
		t.Fatal(err)
	}
	text, err := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.RegisteredClaims{
		Issuer: issuer, Subject: subject, Audience: jwt.ClaimStrings{"api://AzureADTokenExchange"},
		IssuedAt: jwt.NewNumericDate(time.Now()), ExpiresAt: jwt.NewNumericDate(time.Now().Add(time.Hour)),
	}).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "token")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	w.settings["auth"] = map[string]any{"workloadIdentity": map[string]any{}}
	w.getenv = environment(map[string]string{"AZURE_CLIENT_ID": clientID, "AZURE_FEDERATED_TOKEN_FILE": file})
	if _, err := w.open(t).Resolve(t.Context(), []string{"a@example.com"}); err != nil {
		t.Error(err)
	}
	w.getenv = environment(map[string]string{"AZURE_CLIENT_ID": clientID, "AZURE_FEDERATED_TOKEN_FILE": file + ".gone"})
	if _, err := azure.Open(t.Context(), w.config(t)); !errors.Is(err, fault.ErrDenied) {
		t.Errorf("without the file: %v", err)
	}
	// The connection may name both itself. A relative name starts from its directory.
	w.getenv = environment(nil)
	w.settings["auth"] = map[string]any{"tokenFile": "token"}
	config := w.config(t)
	config.Connection.Dir = dir
	if _, err := azure.Open(t.Context(), config); !errors.Is(err, fault.ErrDenied) || !strings.Contains(err.Error(), "clientId") {
		t.Errorf("without the application: %v", err)
	}
	w.settings["clientId"] = clientID
	config = w.config(t)
	config.Connection.Dir = dir
	d, err := azure.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Resolve(t.Context(), []string{"a@example.com"}); err != nil {
		t.Errorf("with a token's file: %v", err)
	}
}

// TestSignInFails by its reason.
func TestSignInFails(t *testing.T) {
	for status, class := range map[int]error{
		http.StatusBadRequest: fault.ErrDenied, http.StatusUnauthorized: fault.ErrDenied,
		http.StatusTooManyRequests: fault.ErrThrottled, http.StatusServiceUnavailable: fault.ErrUnavailable,
	} {
		w := newWorldBehind(t, simulated.Options{Stale: -1}, func(cloud http.Handler) http.Handler {
			return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/token") {
					rw.WriteHeader(status)
					return
				}
				cloud.ServeHTTP(rw, r)
			})
		})
		if _, err := w.open(t).Resolve(t.Context(), []string{"a@example.com"}); !errors.Is(err, class) || strings.Contains(err.Error(), secret) {
			t.Errorf("signing in answered with %d: %v", status, err)
		}
	}
}

// TestPagesLeadNowhereElse: a token goes to the platform's own hosts only.
func TestPagesLeadNowhereElse(t *testing.T) {
	stranger := newWorld(t, simulated.Options{Stale: -1})
	w := newWorldBehind(t, simulated.Options{Stale: -1}, func(cloud http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("Content-Type", "application/json")
			switch {
			case strings.HasPrefix(r.URL.Path, "/v1.0/"):
				_, _ = rw.Write([]byte(`{"value":[],"@odata.nextLink":"` + stranger.direct + `/v1.0/users?$skiptoken=x"}`))
			case strings.HasSuffix(strings.ToLower(r.URL.Path), "/roleassignments"):
				_, _ = rw.Write([]byte(`{"value":[],"nextLink":"` + stranger.direct + `/subscriptions/x/roleAssignments"}`))
			default:
				cloud.ServeHTTP(rw, r)
			}
		})
	})
	shop := w.newTenant(t, "prod")
	if _, err := shop.driver.Resolve(t.Context(), []string{"a@example.com"}); !errors.Is(err, fault.ErrUnavailable) {
		t.Errorf("Graph leads elsewhere: %v", err)
	}
	if _, err := shop.driver.Observe(t.Context(), []driver.Scope{shop.scope}); !errors.Is(err, fault.ErrUnavailable) {
		t.Errorf("ARM leads elsewhere: %v", err)
	}
	if calls := stranger.cloud.Control().Calls(); len(calls) > 0 {
		t.Errorf("the stranger was called: %v", calls)
	}
}

// TestRedirectIsRefused: a token does not follow a redirect, wherever it leads.
func TestRedirectIsRefused(t *testing.T) {
	for _, status := range []int{http.StatusFound, http.StatusTemporaryRedirect} {
		w := newWorldBehind(t, simulated.Options{Stale: -1}, func(cloud http.Handler) http.Handler {
			return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(r.URL.Path, "/v1.0/") {
					http.Redirect(rw, r, "/elsewhere"+r.URL.Path, status)
					return
				}
				cloud.ServeHTTP(rw, r)
			})
		})
		shop := w.newTenant(t, "prod")
		for what, step := range map[string]plan.Step{"a read": createGroup("admins"), "a write": change("admins", uuid.NewString(), w.users("p", 1), nil)} {
			before := w.proxy.Count()
			_, err := shop.apply(step)
			if calls := w.proxy.Count() - before; !errors.Is(err, fault.ErrUnavailable) || calls != 1 {
				t.Errorf("%s that is redirected by %d: %v, after %d calls", what, status, err, calls)
			}
		}
	}
}

// TestOpenRefuses settings and connections that cannot work, without a call.
func TestOpenRefuses(t *testing.T) {
	leadingTo := func(to string) map[string]any {
		return replication(map[string]any{"b2bUserInvitation": map[string]any{"redirectUrl": to}})
	}
	variables := map[string]any{"environment": map[string]any{"prefix": "AZ"}}
	cases := map[string]struct {
		reason   string
		settings map[string]any
		class    error
		says     string
	}{
		"Tenant":   {"a tenant is one segment of a path", map[string]any{"tenantId": "a/b"}, fault.ErrInvalid, "tenantId"},
		"NoTenant": {"there is no default", map[string]any{"tenantId": ""}, fault.ErrInvalid, "tenantId"},
		"Unit":     {"a unit is named by its id", map[string]any{"administrativeUnitId": "Rollcall"}, fault.ErrInvalid, "administrativeUnitId"},
		"HTTP":     {"a token is not sent in the clear", map[string]any{"endpoints": map[string]any{"graph": "http://graph.example.com"}}, fault.ErrInvalid, "endpoints.graph"},
		"Password": {"an address has no password", map[string]any{"endpoints": map[string]any{"login": "https://a:hidden@login.example.com"}}, fault.ErrInvalid, "endpoints.login"},
		"Strategy": {"there are two ways", map[string]any{"replication": replication(map[string]any{"userLookUpStrategy": "email"})}, fault.ErrInvalid, "userByMail"},
		"Auth":     {"there has to be one", map[string]any{"auth": map[string]any{}}, fault.ErrInvalid, "auth"},
		"TwoAuths": {
			"there has to be only one",
			map[string]any{"auth": map[string]any{"file": "a.json", "workloadIdentity": map[string]any{}}}, fault.ErrInvalid, "auth",
		},
		"Document": {
			"a document has no credentials",
			map[string]any{"auth": nil, "replication": replication(map[string]any{"credentials": variables})}, fault.ErrInvalid, "auth",
		},
		"Variables": {
			"a missing one is named",
			map[string]any{"auth": map[string]any{"environment": map[string]any{"prefix": "OTHER"}}}, fault.ErrDenied, "OTHER_CLIENT_ID",
		},
		"Redirect": {
			"invitations lead where the connection's operator allows",
			map[string]any{"replication": leadingTo("https://evil.example")}, fault.ErrDenied, `"https://evil.example" is not among the redirectUrls`,
		},
		"RedirectLonger": {
			"a prefix allows nothing",
			map[string]any{"replication": leadingTo(redirectURL + ".evil.example")}, fault.ErrDenied, "redirectUrls",
		},
		"NoRedirect": {"none are allowed by default", map[string]any{"redirectUrls": nil}, fault.ErrDenied, "redirectUrls"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, simulated.Options{Stale: -1})
			w.settings = c.settings
			_, err := azure.Open(t.Context(), w.config(t))
			if !errors.Is(err, c.class) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "hidden") {
				t.Errorf("%s: %v", c.reason, err)
			}
		})
	}
	config := newWorld(t, simulated.Options{Stale: -1}).config(t)
	config.Settings = []byte("{")
	if _, err := azure.Open(t.Context(), config); !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), "settings") {
		t.Errorf("settings that are no JSON: %v", err)
	}
	config = drivertest.Config("azure.test", []byte("{"), nil, nil)
	if _, err := azure.Open(t.Context(), config); !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), `connection "test"`) {
		t.Errorf("a connection that is no JSON: %v", err)
	}
}

// TestBadCertificate is said without a word of what is in the file.
func TestBadCertificate(t *testing.T) {
	w := newWorld(t, simulated.Options{Stale: -1})
	dir := t.TempDir()
	file, large := filepath.Join(dir, "client.pem"), filepath.Join(dir, "large.pem")
	err := errors.Join(os.WriteFile(file, []byte("hidden"), 0o600), os.WriteFile(large, []byte(strings.Repeat("hidden", 1<<18)), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	for path, says := range map[string]string{
		file: "holds no certificate", file + ".gone": "no such file", dir: "not a regular file", large: "more than 1048576 bytes",
	} {
		w.getenv = environment(map[string]string{"AZ_CLIENT_ID": clientID, "AZ_CLIENT_CERTIFICATE_PATH": path})
		_, err := azure.Open(t.Context(), w.config(t))
		if !errors.Is(err, fault.ErrDenied) || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestCertificate: a certificate with its key is as good as a secret, and is looked
// for first.
func TestCertificate(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, simulated.Options{Stale: -1})
	for name, c := range map[string]struct {
		key  crypto.Signer
		good bool
	}{"RSA": {rsaKey, true}, "elliptic": {key, false}} { // Entra takes RSA only
		template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
		certificate, err := x509.CreateCertificate(rand.Reader, template, template, c.key.Public(), c.key)
		if err != nil {
			t.Fatal(err)
		}
		private, err := x509.MarshalPKCS8PrivateKey(c.key)
		if err != nil {
			t.Fatal(err)
		}
		text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}),
			pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})...)
		file := filepath.Join(t.TempDir(), "client.pem")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		w.getenv = environment(map[string]string{"AZ_CLIENT_ID": clientID, "AZ_CLIENT_CERTIFICATE_PATH": file})
		if _, err := azure.Open(t.Context(), w.config(t)); (err == nil) != c.good || err != nil && !errors.Is(err, fault.ErrInvalid) {
			t.Errorf("with a key of the sort %s: %v", name, err)
		}
	}
}
