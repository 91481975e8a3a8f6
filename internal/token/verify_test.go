package token_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/token"
)

func TestVerify_Accepts(t *testing.T) {
	clock := newClock()
	for _, algorithm := range []string{"RS256", "RS384", "PS256", "ES256", "ES384", "EdDSA"} {
		t.Run(algorithm, func(t *testing.T) {
			key := newSigner(t, algorithm, "k1")
			p := newProvider(t, key.public())
			issuer := p.issuer()
			issuer.Algorithms = []string{algorithm}
			v := newVerifier(t, token.Config{Issuers: []token.Issuer{issuer}, Now: clock.now})
			for range 2 { // the second time from the cache
				got, err := v.Verify(t.Context(), key.sign(t, claims(p.url, clock.now(), nil)))
				if err != nil {
					t.Fatal(err)
				}
				if got.Issuer != p.url || got.Subject != "8f14e45f-ceea-467f-a830-5d1c0b1a6d2e" || got.Kind != token.User ||
					!got.Expires.Equal(clock.now().Add(time.Hour)) {
					t.Errorf("got %+v", got)
				}
				roles, _ := got.Claims.Strings("realm_access.roles")
				if diff := cmp.Diff([]string{"offline_access", "uma_authorization"}, roles); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

// TestVerify_AcceptsVariants: what providers do differently, and no rule forbids.
func TestVerify_AcceptsVariants(t *testing.T) {
	clock, key := newClock(), newSigner(t, "RS256", "k1")
	p := newProvider(t, key.public())
	v := newVerifier(t, token.Config{Issuers: []token.Issuer{p.issuer()}, Now: clock.now})
	tests := []struct {
		reason          string
		header, changes map[string]any
	}{
		{"no identifier of a key, and one key", map[string]any{"alg": "RS256"}, nil},
		{"the type as a media type", map[string]any{"alg": "RS256", "kid": "k1", "typ": "application/AT+JWT"}, map[string]any{"scope": nil}},
		{"an access token of Keycloak before version 25", map[string]any{"alg": "RS256", "kid": "k1", "typ": "JWT"}, map[string]any{"typ": "Bearer", "nonce": "n", "scope": nil}},
		{"for several systems, and azp is this one", map[string]any{"alg": "RS256", "kid": "k1"}, map[string]any{"aud": []string{audience, "account"}, "azp": audience}},
		{"within the leeway", map[string]any{"alg": "RS256", "kid": "k1"}, map[string]any{"exp": clock.now().Add(-50 * time.Second).Unix(), "nbf": clock.now().Add(50 * time.Second).Unix()}},
		{"times with fractions", map[string]any{"alg": "RS256", "kid": "k1"}, map[string]any{"exp": float64(clock.now().Unix()) + 60.5}},
		{"x5t names a certificate and brings none", map[string]any{"alg": "RS256", "kid": "k1", "x5t": "nOo3ZDrODXEK1jKWhXslHR_KXEg"}, nil},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			if _, err := v.Verify(t.Context(), key.signWith(t, test.header, claims(p.url, clock.now(), test.changes))); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestVerify_RefusesMutations: a token with any other byte, one less or one more is another
// token, which nobody signed.
func TestVerify_RefusesMutations(t *testing.T) {
	clock := newClock()
	rsaKey, ecKey := newSigner(t, "RS256", "r"), newSigner(t, "ES256", "e")
	p := newProvider(t, rsaKey.public(), ecKey.public())
	v := newVerifier(t, token.Config{Issuers: []token.Issuer{p.issuer()}, Now: clock.now})
	tokens := []string{rsaKey.sign(t, claims(p.url, clock.now(), nil)), ecKey.sign(t, claims(p.url, clock.now(), nil))}
	for _, text := range tokens {
		if _, err := v.Verify(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SampledFrom(tokens).Draw(t, "token")
		at := rapid.IntRange(0, len(text)-1).Draw(t, "at")
		changed := text
		switch rapid.IntRange(0, 3).Draw(t, "mutation") {
		case 0:
			changed = text[:at] + string(rapid.Byte().Draw(t, "byte")) + text[at+1:]
		case 1:
			changed = text[:at] + text[at+1:]
		case 2:
			changed = text[:at] + string(rapid.Byte().Draw(t, "byte")) + text[at:]
		case 3:
			changed = text[:at] + strings.ToUpper(text[at:])
		}
		if changed == text {
			t.Skip("the same token")
		}
		if _, err := v.Verify(t.Context(), changed); token.CodeOf(err) == "" {
			t.Errorf("a mutation is accepted: %v", err)
		}
	})
}

// TestVerify_Concurrently: goroutines verify while the issuer rotates its keys.
func TestVerify_Concurrently(t *testing.T) {
	clock, old, replaced := newClock(), newSigner(t, "ES256", "old"), newSigner(t, "ES256", "new")
	p := newProvider(t, old.public())
	v := newVerifier(t, token.Config{Issuers: []token.Issuer{p.issuer()}, Now: clock.now, CacheSize: 8})
	var tokens []string
	for i := range 16 {
		tokens = append(tokens, old.sign(t, claims(p.url, clock.now(), map[string]any{"jti": i})))
	}
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			for i := range 100 {
				if _, err := v.Verify(t.Context(), tokens[(worker+i)%len(tokens)]); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Go(func() {
		p.with(func(p *provider) { p.jwks = jwks(old.public(), replaced.public()) })
		for range 10 {
			clock.advance(time.Minute)
		}
		if _, err := v.Verify(t.Context(), replaced.sign(t, claims(p.url, clock.now(), nil))); err != nil {
			t.Error(err)
		}
	})
	group.Wait()
}

// TestVerify_CachedAllocates: a token that was verified costs a digest and a look-up.
func TestVerify_CachedAllocates(t *testing.T) {
	clock, key := newClock(), newSigner(t, "RS256", "k1")
	p := newProvider(t, key.public())
	v := newVerifier(t, token.Config{Issuers: []token.Issuer{p.issuer()}, Now: clock.now})
	text := key.sign(t, claims(p.url, clock.now(), nil))
	ctx := t.Context()
	allocs := testing.AllocsPerRun(100, func() {
		if _, err := v.Verify(ctx, text); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 1 {
		t.Errorf("a cached check allocates %v times", allocs)
	}
}

// FuzzVerify looks for panics, and for identities that nobody signed.
func FuzzVerify(f *testing.F) {
	clock, key := newClock(), newSigner(f, "ES256", "k1")
	p := newProvider(f, key.public())
	v := newVerifier(f, token.Config{Issuers: []token.Issuer{p.issuer()}, Now: clock.now})
	signed := key.sign(f, claims(p.url, clock.now(), nil))
	for _, text := range []string{
		"", ".", "..", "....", signed[:len(signed)-1], encode(`{"alg":"none"}`) + "." + encode(`{"iss":"x"}`) + ".", signed + ".",
		encode(`{"alg":"ES256","kid":"k1"}`) + "." + encode(`{"iss":"`+p.url+`","exp":1e9,"aud":[]}`) + "." + encode("s"),
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		identity, err := v.Verify(t.Context(), text)
		if err == nil && text != signed {
			t.Errorf("accepted %q", identity.Subject)
		}
	})
}
