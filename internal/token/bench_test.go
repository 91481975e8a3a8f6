package token_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/rollcall-iam/rollcall/internal/token"
)

// BenchmarkVerify compares checks with the bare one of the signature. Each round runs all of
// them, so that a busy machine slows all of them alike, and the metrics are medians:
// nanoseconds, and how many times the bare check that is.
//
// bare is SHA-256 of the signed text and the signature alone; digest is the SHA-256 that the
// cache needs; go-jose is that library's parse and check of the signature, without any claim.
func BenchmarkVerify(b *testing.B) {
	for _, algorithm := range []string{"RS256", "ES256"} {
		b.Run(algorithm, func(b *testing.B) {
			clock, key := newClock(), newSigner(b, algorithm, "k1")
			p := newProvider(b, key.public())
			text := key.sign(b, claims(p.url, clock.now(), nil))
			config := token.Config{Issuers: []token.Issuer{p.issuer()}, Now: clock.now}
			cached := newVerifier(b, config)
			// Of two tokens, the cache has the other one.
			config.CacheSize = 1
			uncached := newVerifier(b, config)
			two := []string{text, key.sign(b, claims(p.url, clock.now(), map[string]any{"jti": "5b2c9d7e-90a1-4f0b-8d3e-2f1c4b5a6979"}))}
			next := 0
			ways := []struct {
				name      string
				check     func() error
				durations []time.Duration
			}{
				{name: "bare", check: signatureCheck(b, key, text)},
				{name: "digest", check: func() error {
					sha256.Sum256([]byte(text))
					return nil
				}},
				{name: "uncached", check: func() error {
					next = 1 - next
					_, err := uncached.Verify(b.Context(), two[next])
					return err
				}},
				{name: "cached", check: func() error {
					_, err := cached.Verify(b.Context(), text)
					return err
				}},
				{name: "go-jose", check: func() error {
					parsed, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(algorithm)})
					if err == nil {
						_, err = parsed.Verify(key.private.Public())
					}
					return err
				}},
			}
			for b.Loop() {
				for i := range ways {
					start := time.Now()
					if err := ways[i].check(); err != nil {
						b.Fatal(err)
					}
					ways[i].durations = append(ways[i].durations, time.Since(start))
				}
			}
			var signature float64
			for _, way := range ways {
				slices.Sort(way.durations)
				half := float64(way.durations[len(way.durations)/2].Nanoseconds())
				if way.name == "bare" {
					signature = half
				}
				b.ReportMetric(half, way.name+"-ns")
				b.ReportMetric(half/signature, way.name+"-x")
			}
		})
	}
}

func signatureCheck(t testing.TB, key signer, text string) func() error {
	t.Helper()
	at := strings.LastIndexByte(text, '.')
	signed := []byte(text[:at])
	signature, err := base64.RawURLEncoding.DecodeString(text[at+1:])
	if err != nil {
		t.Fatal(err)
	}
	switch public := key.private.Public().(type) {
	case *rsa.PublicKey:
		return func() error {
			sum := sha256.Sum256(signed)
			return rsa.VerifyPKCS1v15(public, crypto.SHA256, sum[:], signature)
		}
	case *ecdsa.PublicKey:
		return func() error {
			sum := sha256.Sum256(signed)
			r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
			if !ecdsa.Verify(public, sum[:], r, s) {
				return jose.ErrCryptoFailure
			}
			return nil
		}
	default:
		t.Fatal("no such key")
		return nil
	}
}
