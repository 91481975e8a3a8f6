package token

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

func TestFreshness(t *testing.T) {
	tests := []struct {
		reason, cacheControl, age string
		want                      time.Duration
	}{
		{"no header", "", "", minFresh},
		{"within the bounds", "public, max-age=3600", "", time.Hour},
		{"some of it has passed at a proxy", "max-age=3600", "600", 50 * time.Minute},
		{"all of it has passed", "max-age=3600", "7200", minFresh},
		{"an age that is no number", "max-age=3600", "old", time.Hour},
		{"too short", "max-age=1", "", minFresh},
		{"too long", "max-age=31536000", "", maxFresh},
		{"more than a duration holds", "max-age=9223372036854775807", "", maxFresh},
		{"negative", "max-age=-1", "", minFresh},
		{"not to be stored", "max-age=3600, no-store", "", minFresh},
		{"in quotes and capitals", `Max-Age="3600"`, "", time.Hour},
	}
	for _, test := range tests {
		header := http.Header{}
		header.Set("Cache-Control", test.cacheControl)
		header.Set("Age", test.age)
		if got := freshness(header); got != test.want {
			t.Errorf("%s: %s, want %s", test.reason, got, test.want)
		}
	}
}

func TestCheckURL(t *testing.T) {
	tests := []struct {
		reason, address string
		want            bool
	}{
		{"a host", "https://sso.example.org/realms/staff", true},
		{"a private network", "https://10.0.0.1:6443", true},
		{"this machine", "https://127.0.0.1:8443", true},
		{"not encrypted", "http://sso.example.org", false},
		{"a file", "file:///etc/passwd", false},
		{"no host", "https:///jwks", false},
		{"no URL", "https://[::1", false},
		{"a user", "https://sso@attacker.example", false},
		{"a fragment", "https://sso.example.org/#x", false},
		{"the metadata service", "https://169.254.169.254/latest", false},
		{"AWS's by IPv6", "https://[fd00:ec2::254]/latest", false},
		{"Alibaba Cloud's", "https://100.100.100.200/latest", false},
		{"by a mapped address", "https://[::ffff:169.254.169.254]/", false},
		{"Google's by name", "https://METADATA.google.internal/", false},
		{"a link-local address with a zone", "https://[fe80::1%25eth0]/", false},
		{"no address", "https://0.0.0.0/", false},
	}
	for _, test := range tests {
		if err := checkURL(test.address); (err == nil) != test.want {
			t.Errorf("%s: %v", test.reason, err)
		}
	}
	for address, want := range map[string]bool{"169.254.169.254:443": false, "[fe80::1%eth0]:443": false, "192.0.2.1:443": true, "x": false} {
		if err := checkAddress("tcp", address, nil); (err == nil) != want {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// TestFetch_Refuses: answers that say nothing about keys, with a text that says why.
func TestFetch_Refuses(t *testing.T) {
	elsewhere := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(elsewhere.Close)
	const secret = "mei.lin@example.org"
	tests := []struct {
		reason string
		serve  func(w http.ResponseWriter, r *http.Request, url string)
		want   string
	}{
		{"an error", func(w http.ResponseWriter, _ *http.Request, _ string) { http.Error(w, secret, http.StatusBadGateway) }, "status 502"},
		{"a page", func(w http.ResponseWriter, _ *http.Request, _ string) { fmt.Fprint(w, "<html>"+secret) }, "not JSON"},
		{"another issuer", func(w http.ResponseWriter, _ *http.Request, url string) {
			fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, url+"/", url+"/jwks")
		}, "another issuer"},
		{"keys without encryption", func(w http.ResponseWriter, _ *http.Request, url string) {
			fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":"http://127.0.0.1/jwks"}`, url)
		}, "no https URL"},
		{"keys of the metadata service", func(w http.ResponseWriter, _ *http.Request, url string) {
			fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":"https://169.254.169.254/jwks"}`, url)
		}, "metadata service"},
		{"a redirect to another origin", func(w http.ResponseWriter, r *http.Request, _ string) {
			http.Redirect(w, r, elsewhere.URL+"/", http.StatusFound)
		}, "another origin"},
		{"a redirect without encryption", func(w http.ResponseWriter, r *http.Request, url string) {
			http.Redirect(w, r, "http"+strings.TrimPrefix(url, "https"), http.StatusFound)
		}, "another origin"},
		{"a circle of redirects", func(w http.ResponseWriter, r *http.Request, url string) {
			http.Redirect(w, r, url+"/again", http.StatusFound)
		}, "too many redirects"},
		{"more than 1 MiB", func(w http.ResponseWriter, _ *http.Request, _ string) {
			fmt.Fprint(w, strings.Repeat(" ", maxBody+1))
		}, "more than 1 MiB"},
		{"a long header", func(w http.ResponseWriter, _ *http.Request, _ string) {
			w.Header().Set("X", strings.Repeat("x", 2*maxResponseHeader))
		}, "GET"},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			var url string
			server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { test.serve(w, r, url) }))
			defer server.Close()
			url = server.URL
			f, err := newFetcher(url, "", "")
			if err != nil {
				t.Fatal(err)
			}
			trust(t, f, server)
			_, _, err = f.fetch(t.Context())
			if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), "Get ", "GET "), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("the error repeats the answer: %v", err)
			}
		})
	}
}

// TestFetch_FollowsRedirects within the origin.
func TestFetch_FollowsRedirects(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/jwks", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/keys", http.StatusMovedPermanently)
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}") })
	server := httptest.NewTLSServer(mux)
	defer server.Close()
	f, err := newFetcher(server.URL, server.URL+"/jwks", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.fetch(t.Context()); err == nil {
		t.Error("an untrusted certificate is accepted")
	}
	trust(t, f, server)
	if body, _, err := f.fetch(t.Context()); err != nil || string(body) != "{}" {
		t.Errorf("%q, %v", body, err)
	}
}

func trust(t *testing.T, f *fetcher, server *httptest.Server) {
	t.Helper()
	transport, ok := f.client.Transport.(*http.Transport)
	if !ok {
		t.Fatal("no transport")
	}
	transport.TLSClientConfig.RootCAs = x509.NewCertPool()
	transport.TLSClientConfig.RootCAs.AddCert(server.Certificate())
}

func TestNewKeySet(t *testing.T) {
	generate := func(bits int) *rsa.PrivateKey {
		t.Helper()
		key, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	t.Setenv("GODEBUG", "rsa1024min=0")
	rsa2048, rsa1024 := generate(2048), generate(1024)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ed, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	jwk := func(key any, changes map[string]any) map[string]any {
		text, err := json.Marshal(jose.JSONWebKey{Key: key, KeyID: "k"})
		if err != nil {
			t.Fatal(err)
		}
		all := map[string]any{}
		if err := json.Unmarshal(text, &all); err != nil {
			t.Fatal(err)
		}
		maps.Copy(all, changes)
		return all
	}
	many := make([]any, maxKeys+1)
	for i := range many {
		many[i] = jwk(&ec.PublicKey, map[string]any{"kid": fmt.Sprint("k", i)})
	}
	tests := []struct {
		reason, algorithm string
		keys              []any
		// want is how many keys suit a token with the identifier "k".
		want int
	}{
		{"an RSA key", "RS256", []any{jwk(&rsa2048.PublicKey, nil)}, 1},
		{"an RSA key for PSS", "PS256", []any{jwk(&rsa2048.PublicKey, nil)}, 1},
		{"an EC key", "ES256", []any{jwk(&ec.PublicKey, nil)}, 1},
		{"an Ed25519 key", "EdDSA", []any{jwk(ed, nil)}, 1},
		{"its newer name", "EdDSA", []any{jwk(ed, map[string]any{"alg": "Ed25519"})}, 1},
		{"another curve", "ES384", []any{jwk(&ec.PublicKey, nil)}, 0},
		{"another type", "RS256", []any{jwk(&ec.PublicKey, nil)}, 0},
		{"for another algorithm", "RS256", []any{jwk(&rsa2048.PublicKey, map[string]any{"alg": "RS512"})}, 0},
		{"for encryption, by its algorithm", "RS256", []any{jwk(&rsa2048.PublicKey, map[string]any{"alg": "RSA-OAEP"})}, 0},
		{"for encryption", "RS256", []any{jwk(&rsa2048.PublicKey, map[string]any{"use": "enc"})}, 0},
		{"for signatures", "RS256", []any{jwk(&rsa2048.PublicKey, map[string]any{"use": "sig"})}, 1},
		{"to verify", "RS256", []any{jwk(&rsa2048.PublicKey, map[string]any{"key_ops": []string{"verify"}})}, 1},
		{"to wrap keys", "RS256", []any{jwk(&rsa2048.PublicKey, map[string]any{"key_ops": []string{"wrapKey"}})}, 0},
		{"too short", "RS256", []any{jwk(&rsa1024.PublicKey, nil)}, 0},
		{"a point beside the curve", "ES256", []any{jwk(&ec.PublicKey, map[string]any{"x": "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"})}, 0},
		{"a shared secret", "RS256", []any{map[string]any{"kty": "oct", "k": "c2VjcmV0", "kid": "k"}}, 0},
		{"a private key", "RS256", []any{jwk(rsa2048, nil)}, 0},
		{"a type of the future", "RS256", []any{map[string]any{"kty": "LATTICE", "kid": "k"}, jwk(&rsa2048.PublicKey, nil)}, 1},
		{"no object", "RS256", []any{"key", jwk(&rsa2048.PublicKey, nil)}, 1},
		{"two keys with one identifier", "RS256", []any{jwk(&rsa2048.PublicKey, nil), jwk(&ec.PublicKey, nil)}, 1},
		{"twice the same", "RS256", []any{jwk(&rsa2048.PublicKey, nil), jwk(&rsa2048.PublicKey, nil)}, 2},
		{"five with one identifier", "ES256", []any{jwk(&ec.PublicKey, nil), jwk(&ec.PublicKey, nil), jwk(&ec.PublicKey, nil), jwk(&ec.PublicKey, nil), jwk(&ec.PublicKey, nil)}, 4},
		{"no identifier", "RS256", []any{jwk(&rsa2048.PublicKey, map[string]any{"kid": ""})}, 0},
		{"too many keys", "ES256", many, 0},
		{"no keys", "RS256", []any{}, 0},
	}
	for _, test := range tests {
		text, err := json.Marshal(map[string]any{"keys": test.keys})
		if err != nil {
			t.Fatal(err)
		}
		a, ok := algorithmOf(test.algorithm)
		if !ok {
			t.Fatal(test.algorithm)
		}
		var found []key
		set, err := newKeySet(text, time.Time{}, time.Time{})
		if err == nil {
			found, _ = set.find([]byte("k"), a)
		}
		if len(found) != test.want {
			t.Errorf("%s: %d keys (%v), want %d", test.reason, len(found), err, test.want)
		}
	}

	// A token without an identifier may be signed with any of a few keys.
	for n, want := range map[int]int{1: 1, 4: 4, 5: 0} {
		text, err := json.Marshal(map[string]any{"keys": many[:n]})
		if err != nil {
			t.Fatal(err)
		}
		set, err := newKeySet(text, time.Time{}, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		es256, _ := algorithmOf("ES256")
		if found, _ := set.find(nil, es256); len(found) != want {
			t.Errorf("%d keys without an identifier: %d, want %d", n, len(found), want)
		}
	}
}
