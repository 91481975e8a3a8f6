package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// issuerDir holds the key of the demo's issuer, its certificate and the users' tokens.
	issuerDir = "issuer"
	// issuerName is the name of the issuer. Policies compare it, so it has no port in it, which
	// would be another one after a restart.
	issuerName = "https://issuer.demo.invalid"
	// tokenLifetime is how long a token of the demo counts.
	tokenLifetime = 12 * time.Hour
)

// tokenUsers are the users who have a token: one changes, another decides.
func tokenUsers() []string { return []string{"ada", "ben"} }

// tokenFile is the file with the token of a user.
func tokenFile(dir, user string) string { return filepath.Join(dir, user+".token") }

// startIssuer publishes the keys of an issuer, and keeps the tokens of its users fresh. It has no
// page to sign in at: it writes the tokens to files, as a sign-in would. It returns the file that
// tells a server of the issuer.
func (s *stack) startIssuer(ctx context.Context) (issuers string, err error) {
	dir := s.home.path(issuerDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("issuer: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", fmt.Errorf("issuer: %w", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("issuer: %w", err)
	}
	certificate, err := selfSigned(key)
	if err != nil {
		return "", err
	}
	id := rand.Text()
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: id, Algorithm: string(jose.ES256), Use: "sig"}}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/jwk-set+json")
		_ = json.NewEncoder(w).Encode(set) // a caller who left misses nothing
	})
	server := &http.Server{
		Handler: mux, ReadHeaderTimeout: 10 * time.Second,
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}},
	}
	go func() { _ = server.ServeTLS(listener, "", "") }() // ends with Close
	s.onStop(server.Close)
	if err := writeTokens(dir, id, key); err != nil {
		return "", err
	}
	refreshing, stop := context.WithCancel(context.Background())
	s.onStop(func() error { stop(); return nil })
	go s.refreshTokens(refreshing, dir, id, key)
	ca := filepath.Join(dir, "ca.pem")
	issuers = filepath.Join(dir, "issuers.yaml")
	const entry = "issuers:\n  - url: %s\n    jwksURL: https://%s/keys\n    caFile: %s\n    rules: [{kind: user, audiences: [rollcall]}]\n"
	file := fmt.Sprintf(entry, issuerName, listener.Addr(), quote(ca))
	for name, text := range map[string][]byte{
		ca:      pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]}),
		issuers: []byte(file),
	} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			return "", fmt.Errorf("issuer: %w", err)
		}
	}
	return issuers, nil
}

// refreshTokens writes new tokens before the last ones expire.
func (s *stack) refreshTokens(ctx context.Context, dir, id string, key *ecdsa.PrivateKey) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(tokenLifetime / 4):
			if err := writeTokens(dir, id, key); err != nil {
				s.console.sayf("The tokens of the demo are not refreshed: %v", err)
			}
		}
	}
}

// writeTokens writes a token for each user, in place of the one before.
func writeTokens(dir, id string, key *ecdsa.PrivateKey) error {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key},
		(&jose.SignerOptions{}).WithHeader("kid", id).WithType("at+jwt"))
	if err != nil {
		return fmt.Errorf("issuer: %w", err)
	}
	for _, user := range tokenUsers() {
		now := time.Now()
		claims, err := json.Marshal(map[string]any{
			"iss": issuerName, "sub": user, "aud": "rollcall", "jti": rand.Text(),
			"iat": now.Unix(), "exp": now.Add(tokenLifetime).Unix(),
		})
		if err != nil {
			return fmt.Errorf("issuer: %w", err)
		}
		signed, err := signer.Sign(claims)
		if err != nil {
			return fmt.Errorf("issuer: %w", err)
		}
		text, err := signed.CompactSerialize()
		if err != nil {
			return fmt.Errorf("issuer: %w", err)
		}
		file := tokenFile(dir, user)
		if err := os.WriteFile(file+".new", []byte(text+"\n"), 0o600); err != nil {
			return fmt.Errorf("issuer: %w", err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			return fmt.Errorf("issuer: %w", err)
		}
	}
	return nil
}

// selfSigned returns a certificate for this machine.
func selfSigned(key *ecdsa.PrivateKey) (tls.Certificate, error) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "the issuer of the demo"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("issuer: certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{certificate}, PrivateKey: key}, nil
}
