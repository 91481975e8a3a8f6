package token_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/rollcall-iam/rollcall/internal/token"
)

func jwks(keys ...jose.JSONWebKey) jose.JSONWebKeySet { return jose.JSONWebKeySet{Keys: keys} }

// memoryStore is a KeyStore.
type memoryStore struct {
	mu                    sync.Mutex
	jwks                  map[string][]byte
	fetchedAt, freshUntil map[string]time.Time
	err                   error
	loads                 int
}

func newMemoryStore() *memoryStore {
	return &memoryStore{jwks: map[string][]byte{}, fetchedAt: map[string]time.Time{}, freshUntil: map[string]time.Time{}}
}

func (m *memoryStore) LoadIssuerKeys(_ context.Context, issuer string) (jwks []byte, fetchedAt, freshUntil time.Time, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.loads++
	return m.jwks[issuer], m.fetchedAt[issuer], m.freshUntil[issuer], m.err
}

func (m *memoryStore) StoreIssuerKeys(_ context.Context, issuer string, jwks []byte, fetchedAt, freshUntil time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err == nil {
		m.jwks[issuer], m.fetchedAt[issuer], m.freshUntil[issuer] = jwks, fetchedAt, freshUntil
	}
	return m.err
}

func requireCode(t *testing.T, v *token.Verifier, text string, want token.Code, reason string) {
	t.Helper()
	if _, err := v.Verify(t.Context(), text); token.CodeOf(err) != want {
		t.Errorf("%s: code %q (%v), want %q", reason, token.CodeOf(err), err, want)
	}
}

func requireFetches(t *testing.T, p *provider, want int, reason string) {
	t.Helper()
	if got, _ := p.count(); got != want {
		t.Errorf("%s: %d fetches, want %d", reason, got, want)
	}
}

// waitFetches waits until the provider has answered a fetch in the background.
func waitFetches(t *testing.T, p *provider, want int) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if got, _ := p.count(); got >= want {
			return
		}
	}
	t.Fatalf("no fetch in the background")
}

// TestKeys_HotPath: tokens of known keys cause no request, with the cache and without.
func TestKeys_HotPath(t *testing.T) {
	for _, size := range []int{0, -1} {
		t.Run(fmt.Sprint("cache ", size), func(t *testing.T) {
			clock, key := newClock(), newSigner(t, "ES256", "k1")
			p := newProvider(t, key.public())
			v := newVerifier(t, token.Config{Issuers: []token.Issuer{p.issuer()}, Now: clock.now, CacheSize: size})
			if err := v.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			_, before := p.count()
			for i := range 50 {
				requireCode(t, v, key.sign(t, claims(p.url, clock.now(), map[string]any{"jti": i})), "", "a token of a known key")
			}
			requireCode(t, v, key.sign(t, claims("https://attacker.example", clock.now(), nil)), token.UnknownIssuer, "an unknown issuer")
			requireCode(t, v, key.sign(t, claims(p.url, clock.now().Add(-2*time.Hour), nil)), token.Expired, "an expired token")
			if _, after := p.count(); after != before {
				t.Errorf("%d requests", after-before)
			}
		})
	}
}

// TestKeys_ProviderDown: an hour without the provider stops no caller whose key is known, also
// after a restart.
func TestKeys_ProviderDown(t *testing.T) {
	clock, key := newClock(), newSigner(t, "RS256", "k1")
	p := newProvider(t, key.public())
	p.with(func(p *provider) { p.cacheControl = "max-age=300" })
	config := token.Config{Issuers: []token.Issuer{p.issuer()}, Now: clock.now, Keys: newMemoryStore()}
	v := newVerifier(t, config)
	if err := v.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.with(func(p *provider) { p.down = true })
	for minute := range 61 {
		requireCode(t, v, key.sign(t, claims(p.url, clock.now(), nil)), "", fmt.Sprintf("minute %d", minute))
		clock.advance(time.Minute)
	}
	requireCode(t, v, newSigner(t, "RS256", "k2").sign(t, claims(p.url, clock.now(), nil)), token.KeysUnavailable, "a new key while the provider is down")

	restarted := newVerifier(t, config)
	requireCode(t, restarted, key.sign(t, claims(p.url, clock.now(), nil)), "", "after a restart")

	config.Keys = nil
	memoryless := newVerifier(t, config)
	requireCode(t, memoryless, key.sign(t, claims(p.url, clock.now(), nil)), token.KeysUnavailable, "after a restart without stored keys")
	if err := memoryless.Refresh(t.Context()); token.CodeOf(err) != token.KeysUnavailable {
		t.Errorf("Refresh: %v", err)
	}
	clock.advance(token.DefaultMaxStale)
	requireCode(t, restarted, key.sign(t, claims(p.url, clock.now(), nil)), token.KeysUnavailable, "a day later")

	p.with(func(p *provider) { p.down = false })
	clock.advance(time.Hour)
	requireCode(t, memoryless, key.sign(t, claims(p.url, clock.now(), nil)), "", "the provider is back")
}

// TestKeys_StoreFails: the store is a help, and no condition.
func TestKeys_StoreFails(t *testing.T) {
	clock, key, store := newClock(), newSigner(t, "RS256", "k1"), newMemoryStore()
	p := newProvider(t, key.public())
	config := token.Config{Issuers: []token.Issuer{p.issuer()}, Now: clock.now, Keys: store}
	store.err = errors.New("out of order")
	requireCode(t, newVerifier(t, config), key.sign(t, claims(p.url, clock.now(), nil)), "", "the store is down")

	store.err = nil
	text := key.sign(t, claims(p.url, clock.now(), nil))
	p.with(func(p *provider) { p.down = true })
	for reason, stored := range map[string]struct {
		jwks       string
		fetchedAt  time.Time
		freshUntil time.Time
	}{
		"stored keys are no JWKS":                {"{", clock.now(), clock.now().Add(time.Hour)},
		"stored keys are from the future":        {asJSON(t, jwks(key.public())), clock.now().Add(time.Hour), clock.now().Add(2 * time.Hour)},
		"stored keys claim to be fresh for ever": {asJSON(t, jwks(key.public())), clock.now(), clock.now().AddDate(10, 0, 0)},
		"stored keys are too old":                {asJSON(t, jwks(key.public())), clock.now().AddDate(0, 0, -9), clock.now().AddDate(0, 0, -8)},
	} {
		store.jwks[p.url], store.fetchedAt[p.url], store.freshUntil[p.url] = []byte(stored.jwks), stored.fetchedAt, stored.freshUntil
		requireCode(t, newVerifier(t, config), text, token.KeysUnavailable, reason)
	}

	v := newVerifier(t, config)
	store.jwks[p.url] = nil
	store.loads = 0
	for range 20 {
		requireCode(t, v, text, token.KeysUnavailable, "no keys at all")
	}
	if store.loads > 1 {
		t.Errorf("%d loads within one interval", store.loads)
	}
}

// TestKeys_Removed: a key that is gone from the JWKS is refused from the next fetch on,
// also for tokens in the cache.
func TestKeys_Removed(t *testing.T) {
	clock, removed, remaining := newClock(), newSigner(t, "RS256", "removed"), newSigner(t, "RS256", "remaining")
	p := newProvider(t, removed.public(), remaining.public())
	v := newVerifier(t, token.Config{Issuers: []token.Issuer{p.issuer()}, Now: clock.now, CacheFor: time.Hour})
	text := removed.sign(t, claims(p.url, clock.now(), nil))
	valid := remaining.sign(t, claims(p.url, clock.now(), nil))
	requireCode(t, v, text, "", "before")
	p.with(func(p *provider) { p.jwks = jwks(remaining.public()) })
	clock.advance(11 * time.Minute) // the keys are stale, so the next check waits for new ones
	requireCode(t, v, remaining.sign(t, claims(p.url, clock.now(), nil)), "", "another token has the keys fetched")
	requireCode(t, v, text, token.UnknownKey, "the cached token of the key that is gone")
	requireCode(t, v, valid, "", "a cached token of a key that stays")

	p.with(func(p *provider) { p.jwks = jwks() })
	clock.advance(11 * time.Minute)
	requireCode(t, v, valid, "", "a JWKS without keys is a failure of the issuer, and withdraws none")
}

// TestKeys_Background: after four fifths of their time, keys are fetched while tokens are
// checked with the known ones.
func TestKeys_Background(t *testing.T) {
	clock, key := newClock(), newSigner(t, "RS256", "k1")
	p := newProvider(t, key.public())
	v := newVerifier(t, token.Config{Issuers: []token.Issuer{p.issuer()}, Now: clock.now})
	sign := func() string { return key.sign(t, claims(p.url, clock.now(), nil)) }
	requireCode(t, v, sign(), "", "first")
	clock.advance(7 * time.Minute)
	requireCode(t, v, sign(), "", "fresh")
	requireFetches(t, p, 1, "the keys are fresh for ten minutes")

	release := make(chan struct{})
	p.with(func(p *provider) { p.wait = release })
	clock.advance(2 * time.Minute)
	for range 5 {
		requireCode(t, v, sign(), "", "the provider hangs, and no caller waits for it")
	}
	close(release)
	waitFetches(t, p, 2)
	requireFetches(t, p, 2, "one fetch for all of them")
}

// TestKeys_Rotated: a token with a key that is not known yet has the keys fetched once.
func TestKeys_Rotated(t *testing.T) {
	clock, old, replaced := newClock(), newSigner(t, "RS256", "old"), newSigner(t, "RS256", "new")
	p := newProvider(t, old.public())
	v := newVerifier(t, token.Config{Issuers: []token.Issuer{p.issuer()}, Now: clock.now})
	requireCode(t, v, old.sign(t, claims(p.url, clock.now(), nil)), "", "before")
	p.with(func(p *provider) { p.jwks = jwks(old.public(), replaced.public()) })
	clock.advance(token.DefaultInterval)
	var group sync.WaitGroup
	for i := range 10 {
		text := replaced.sign(t, claims(p.url, clock.now(), map[string]any{"jti": i}))
		group.Go(func() { requireCode(t, v, text, "", "the new key") })
	}
	group.Wait()
	requireFetches(t, p, 2, "ten tokens, one fetch")
}

// TestKeys_ManyUnknown: tokens with random keys cause one fetch in each interval.
func TestKeys_ManyUnknown(t *testing.T) {
	clock, key := newClock(), newSigner(t, "ES256", "k1")
	p := newProvider(t, key.public())
	p.with(func(p *provider) { p.cacheControl = "max-age=86400" })
	v := newVerifier(t, token.Config{Issuers: []token.Issuer{p.issuer()}, Now: clock.now})
	if err := v.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	burst := func(prefix string) {
		var group sync.WaitGroup
		for worker := range 4 {
			group.Go(func() {
				for i := range 50 {
					header := map[string]any{"alg": "ES256", "kid": fmt.Sprintf("%s-%d-%d", prefix, worker, i)}
					requireCode(t, v, key.signWith(t, header, claims(p.url, clock.now(), nil)), token.UnknownKey, "a random key")
				}
			})
		}
		group.Wait()
	}
	burst("a")
	requireFetches(t, p, 1, "within the first interval")
	for interval := range 3 {
		clock.advance(token.DefaultInterval)
		burst(strconv.Itoa(interval))
		requireFetches(t, p, 2+interval, "one for each interval")
	}
	clock.advance(token.DefaultInterval)
	same := key.signWith(t, map[string]any{"alg": "ES256", "kid": "2-0-0"}, claims(p.url, clock.now(), nil))
	requireCode(t, v, same, token.UnknownKey, "a key that was missing lately")
	requireFetches(t, p, 4, "no other fetch for the same missing key")
	requireCode(t, v, key.sign(t, claims(p.url, clock.now(), nil)), "", "the known key all along")
}

// TestKeys_Cancelled: a caller that gives up does not stop the fetch for others.
func TestKeys_Cancelled(t *testing.T) {
	clock, key := newClock(), newSigner(t, "RS256", "k1")
	p := newProvider(t, key.public())
	release := make(chan struct{})
	p.with(func(p *provider) { p.wait = release })
	v := newVerifier(t, token.Config{Issuers: []token.Issuer{p.issuer()}, Now: clock.now})
	text := key.sign(t, claims(p.url, clock.now(), nil))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := v.Verify(ctx, text); !errors.Is(err, context.Canceled) || token.CodeOf(err) != token.KeysUnavailable {
		t.Errorf("cancelled: %v", err)
	}
	close(release)
	requireCode(t, v, text, "", "the next caller")
	requireFetches(t, p, 1, "one fetch for both")
}
