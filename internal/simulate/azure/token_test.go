package azure_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/golang-jwt/jwt/v5"

	azure "github.com/rollcall-iam/rollcall/internal/simulate/azure"
)

func TestTheVendorsClientSignsIn(t *testing.T) {
	w := newWorld(t, azure.Options{})
	got, err := w.credential().GetToken(t.Context(), scopes("https://graph.microsoft.com/.default"))
	if err != nil {
		t.Fatal(err)
	}
	if got.Token == "" || time.Until(got.ExpiresOn) < 50*time.Minute {
		t.Errorf("the token is good until %v", got.ExpiresOn)
	}
}

// issuer is another identity provider, as a cluster is one.
type issuer struct{ key *rsa.PrivateKey }

func newIssuer(t *testing.T) issuer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return issuer{key}
}

func (i issuer) sign(t *testing.T, c jwt.RegisteredClaims) string {
	t.Helper()
	signed, err := jwt.NewWithClaims(jwt.SigningMethodRS256, c).SignedString(i.key)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func workload(now time.Time) jwt.RegisteredClaims {
	return jwt.RegisteredClaims{
		Issuer: "https://cluster.example", Subject: "system:serviceaccount:rollcall:worker",
		Audience: jwt.ClaimStrings{"api://AzureADTokenExchange"}, ExpiresAt: jwt.NewNumericDate(now.Add(time.Hour)),
	}
}

func TestAWorkloadSignsInWithItsOwnToken(t *testing.T) {
	w, cluster := newWorld(t, azure.Options{}), newIssuer(t)
	said := workload(w.clock.time())
	if err := w.AddFederatedCredential(w.tenant, clientID, azure.FederatedCredential{
		Issuer: said.Issuer, Subject: said.Subject, Key: &cluster.key.PublicKey,
	}); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(cluster.sign(t, said)), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
		ClientOptions: w.options(), ClientID: clientID, TenantID: w.tenant, TokenFilePath: file, DisableInstanceDiscovery: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.GetToken(t.Context(), scopes("https://management.azure.com/.default")); err != nil {
		t.Fatal(err)
	}
}

func TestACertificateSignsIn(t *testing.T) {
	w, mine := newWorld(t, azure.Options{}), newIssuer(t)
	w.clock.pass(time.Minute) // the client's own clock goes on, and ours stands still
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "rollcall"}, NotAfter: time.Now().Add(time.Hour),
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &mine.key.PublicKey, mine.key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	c, err := azidentity.NewClientCertificateCredential(w.tenant, clientID, []*x509.Certificate{certificate}, mine.key,
		&azidentity.ClientCertificateCredentialOptions{ClientOptions: w.options(), DisableInstanceDiscovery: true})
	if err != nil {
		t.Fatal(err)
	}
	want := "AADSTS700027"
	if _, err := c.GetToken(t.Context(), scopes("https://graph.microsoft.com/.default")); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("an unknown certificate is refused with %v, want %s", err, want)
	}
	w.AddCertificate(w.tenant, clientID, certificate)
	if _, err := c.GetToken(t.Context(), scopes("https://graph.microsoft.com/.default")); err != nil {
		t.Error(err)
	}
}

func TestRefusedSignIns(t *testing.T) {
	w, cluster, stranger := newWorld(t, azure.Options{}), newIssuer(t), newIssuer(t)
	now := w.clock.time()
	said := workload(now)
	if err := w.AddFederatedCredential(w.tenant, clientID, azure.FederatedCredential{
		Issuer: said.Issuer, Subject: said.Subject, Key: &cluster.key.PublicKey,
	}); err != nil {
		t.Fatal(err)
	}
	assert := func(i issuer, change func(*jwt.RegisteredClaims)) url.Values {
		c := said
		change(&c)
		return url.Values{
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {i.sign(t, c)},
			"client_secret": nil,
		}
	}
	for _, c := range []struct {
		reason string
		tenant string
		change url.Values
		status int
		code   string
		number int
	}{
		{"a wrong secret", w.tenant, url.Values{"client_secret": {"wrong"}}, 401, "invalid_client", 7000215},
		{"no secret", w.tenant, url.Values{"client_secret": nil}, 401, "invalid_client", 7000218},
		{"an unknown app", w.tenant, url.Values{"client_id": {guid()}}, 400, "unauthorized_client", 700016},
		{"an unknown tenant", guid(), nil, 400, "invalid_request", 90002},
		{"no tenant's name", "nothing", nil, 400, "invalid_request", 900023},
		{"another grant", w.tenant, url.Values{"grant_type": {"password"}}, 400, "unsupported_grant_type", 70003},
		{"no grant", w.tenant, url.Values{"grant_type": nil}, 400, "invalid_request", 900144},
		{"no scope", w.tenant, url.Values{"scope": nil}, 400, "invalid_request", 900144},
		{"a delegated scope", w.tenant, url.Values{"scope": {"https://graph.microsoft.com/User.Read"}}, 400, "invalid_scope", 1002012},
		{"an unknown resource", w.tenant, url.Values{"scope": {"https://graph.example/.default"}}, 400, "invalid_resource", 500011},
		{"an issuer nobody trusts", w.tenant, assert(cluster, func(c *jwt.RegisteredClaims) { c.Issuer = "https://other.example" }), 401, "invalid_client", 700211},
		{"another subject", w.tenant, assert(cluster, func(c *jwt.RegisteredClaims) { c.Subject = "somebody" }), 401, "invalid_client", 700213},
		{"another audience", w.tenant, assert(cluster, func(c *jwt.RegisteredClaims) { c.Audience = jwt.ClaimStrings{"other"} }), 401, "invalid_client", 700212},
		{"a foreign signature", w.tenant, assert(stranger, func(*jwt.RegisteredClaims) {}), 401, "invalid_client", 7000272},
		{"an old token", w.tenant, assert(cluster, func(c *jwt.RegisteredClaims) { c.ExpiresAt = jwt.NewNumericDate(now.Add(-time.Hour)) }), 401, "invalid_client", 700024},
		{"a token that never ends", w.tenant, assert(cluster, func(c *jwt.RegisteredClaims) { c.ExpiresAt = nil }), 401, "invalid_client", 700024},
		{"no token", w.tenant, url.Values{
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {"x"},
		}, 401, "invalid_client", 50027},
	} {
		t.Run(c.reason, func(t *testing.T) {
			form := url.Values{
				"grant_type": {"client_credentials"}, "client_id": {clientID}, "client_secret": {secret}, "scope": {"https://graph.microsoft.com/.default"},
			}
			maps.Copy(form, c.change)
			got := w.signIn(c.tenant, form)
			if got.status != c.status || got.body["error"] != c.code {
				t.Errorf("got %d %v, want %d %s: %v", got.status, got.body["error"], c.status, c.code, got.body["error_description"])
			}
			numbers, _ := got.body["error_codes"].([]any)
			if len(numbers) != 1 || numbers[0] != float64(c.number) {
				t.Errorf("got the numbers %v, want %d", numbers, c.number)
			}
			description, _ := got.body["error_description"].(string)
			if want := fmt.Sprintf("AADSTS%d: ", c.number); !strings.HasPrefix(description, want) {
				t.Errorf("the description is %q, want it to begin with %q", description, want)
			}
		})
	}
}

func TestTheVendorsClientUnderstandsARefusal(t *testing.T) {
	w := newWorld(t, azure.Options{})
	w.RemoveSecrets(w.tenant, clientID)
	_, err := w.credential().GetToken(t.Context(), scopes("https://graph.microsoft.com/.default"))
	var refused *azidentity.AuthenticationFailedError
	if !errors.As(err, &refused) || refused.RawResponse.StatusCode != http.StatusUnauthorized {
		t.Errorf("got %v", err)
	}
}

func TestTokens(t *testing.T) {
	w := newWorld(t, azure.Options{TokenLifetime: 10 * time.Minute})
	sub := w.AddSubscription(w.tenant, "")
	graph, arm := w.token("https://graph.microsoft.com/.default"), w.token("https://management.azure.com/.default")
	other := newWorld(t, azure.Options{})
	foreign := other.token("https://graph.microsoft.com/.default")
	armPath := "/subscriptions/" + sub + "?api-version=2022-12-01"
	for _, c := range []struct {
		reason, path, header string
		later                time.Duration
		status               int
		code, message        string
	}{
		{"Graph takes its own", "/v1.0/users", "Bearer " + graph, 0, 200, "", ""},
		{"ARM takes its own", armPath, "Bearer " + arm, 0, 200, "", ""},
		{"Graph takes none for ARM", "/v1.0/users", "Bearer " + arm, 0, 401, "InvalidAuthenticationToken", "audience"},
		{"ARM takes none for Graph", armPath, "Bearer " + graph, 0, 401, "InvalidAuthenticationToken", "audience"},
		{"Graph takes none of another cloud", "/v1.0/users", "Bearer " + foreign, 0, 401, "InvalidAuthenticationToken", "signature"},
		{"Graph wants a token", "/v1.0/users", "", 0, 401, "InvalidAuthenticationToken", "empty"},
		{"ARM wants a token", armPath, "", 0, 401, "AuthenticationFailed", "missing"},
		{"what is no token", "/v1.0/users", "Bearer x", 0, 401, "InvalidAuthenticationToken", ""},
		{"Graph's token ends", "/v1.0/users", "Bearer " + graph, 11 * time.Minute, 401, "InvalidAuthenticationToken", "expired"},
		{"ARM's token ends", armPath, "Bearer " + arm, 0, 401, "ExpiredAuthenticationToken", "expiry"},
	} {
		t.Run(c.reason, func(t *testing.T) {
			w.clock.pass(c.later)
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url+c.path, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			if c.header != "" {
				r.Header.Set("Authorization", c.header)
			}
			got := w.send(r)
			if got.status != c.status || got.code() != c.code || !strings.Contains(got.message(), c.message) {
				t.Errorf("got %d %s (%s), want %d %s (%s)", got.status, got.code(), got.message(), c.status, c.code, c.message)
			}
			if got.status == http.StatusUnauthorized && got.header.Get("WWW-Authenticate") == "" {
				t.Error("a refusal has no WWW-Authenticate")
			}
		})
	}
}

func TestInstanceDiscovery(t *testing.T) {
	w := newWorld(t, azure.Options{})
	got := w.send(mustRequest(t, w.url+"/common/discovery/instance?api-version=1.1&authorization_endpoint="+
		url.QueryEscape(w.url+"/"+w.tenant+"/oauth2/v2.0/authorize")))
	want := w.url + "/" + w.tenant + "/v2.0/.well-known/openid-configuration"
	if got.body["tenant_discovery_endpoint"] != want {
		t.Errorf("got %v, want %s", got.body["tenant_discovery_endpoint"], want)
	}
	if byDomain := w.send(mustRequest(t, w.url+"/"+domain+"/v2.0/.well-known/openid-configuration")); byDomain.status != http.StatusOK {
		t.Errorf("a tenant's domain is answered with %d", byDomain.status)
	}
}

func mustRequest(t *testing.T, address string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
