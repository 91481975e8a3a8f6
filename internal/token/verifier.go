package token

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// Identity is what a verified token says. Issuer and Subject together identify a user or a
// workload and never change; names and addresses in claims do.
type Identity struct {
	// Issuer is the namespace of Subject: the issuer's URL, unless it is configured.
	Issuer  string
	Subject string
	Kind    Kind
	Claims  Claims
	Expires time.Time
}

// Verifier checks tokens. Goroutines may share it.
type Verifier struct {
	// issuers has them by the claim iss.
	issuers map[string]*issuer
	// parsers are *parser.
	parsers  sync.Pool
	cache    *cache
	cacheFor time.Duration
	now      func() time.Time
}

// issuer is a configured issuer with its keys.
type issuer struct {
	Issuer

	algorithms []algorithm
	keys       *keySource
}

// New returns a Verifier. It reads the CA files and fetches nothing.
func New(config Config) (*Verifier, error) {
	if err := config.validate(); err != nil {
		return nil, err
	}
	v := &Verifier{
		issuers: map[string]*issuer{}, parsers: sync.Pool{New: func() any { return newParser() }},
		cacheFor: orDefault(config.CacheFor, DefaultCacheFor), now: config.Now,
	}
	if v.now == nil {
		v.now = time.Now
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	if config.CacheSize >= 0 {
		identities, err := lru.New[digest, cached](orDefault(config.CacheSize, DefaultCacheSize))
		if err != nil {
			return nil, fmt.Errorf("token: cache: %w", err)
		}
		v.cache = &cache{identities}
	}
	for _, configured := range config.Issuers {
		added, err := newIssuer(configured, config, v.now)
		if err != nil {
			return nil, fmt.Errorf("token: issuer %q: %w", configured.URL, err)
		}
		v.issuers[configured.URL] = added
		if configured.URL == googleIssuer {
			v.issuers[strings.TrimPrefix(googleIssuer, "https://")] = added
		}
	}
	return v, nil
}

func newIssuer(configured Issuer, config Config, now func() time.Time) (*issuer, error) {
	configured.Namespace = orDefault(configured.Namespace, configured.URL)
	configured.SubjectClaim = orDefault(configured.SubjectClaim, "sub")
	configured.Leeway = orDefault(configured.Leeway, DefaultLeeway)
	if len(configured.Algorithms) == 0 {
		configured.Algorithms = defaultAlgorithms()
	}
	configured.Rules = slices.Clone(configured.Rules)
	for n := range configured.Rules {
		rule := &configured.Rules[n]
		rule.MaxLifetime = orDefault(rule.MaxLifetime, DefaultMaxLifetime)
	}
	fetcher, err := newFetcher(configured.URL, configured.JWKSURL, configured.CAFile)
	if err != nil {
		return nil, err
	}
	missing, err := lru.New[string, time.Time](maxMissing)
	if err != nil {
		return nil, err
	}
	var algorithms []algorithm
	for _, name := range configured.Algorithms {
		if a, ok := algorithmOf(name); ok {
			algorithms = append(algorithms, a)
		}
	}
	return &issuer{configured, algorithms, &keySource{
		fetcher: fetcher, store: config.Keys, missing: missing, now: now, log: config.Log,
		interval: orDefault(config.Interval, DefaultInterval), maxStale: orDefault(config.MaxStale, DefaultMaxStale),
	}}, nil
}

// Refresh fetches the keys of each issuer unless they are fresh. A server calls it when it
// starts, so that the first tokens do not wait, and may ignore the error: an *Error with the
// code KeysUnavailable for each issuer without keys.
func (v *Verifier) Refresh(ctx context.Context) error {
	var failures []error
	for iss, of := range v.issuers {
		if iss != of.URL {
			continue // another name of the same issuer
		}
		if _, err := of.keys.current(ctx); err != nil {
			failures = append(failures, of.named(of.keys.unavailable(err)))
		}
	}
	return errors.Join(failures...)
}

// Verify checks a token and returns what it says, or an *Error. It waits for the issuer only
// if the issuer's keys are not known or stale, or do not have the token's; ctx bounds that
// wait.
func (v *Verifier) Verify(ctx context.Context, token string) (Identity, error) {
	if len(token) > MaxSize {
		return Identity{}, tooLarge()
	}
	p, ok := v.parsers.Get().(*parser)
	if !ok {
		p = newParser()
	}
	defer v.parsers.Put(p)
	p.text = append(p.text[:0], token...)
	now := v.now()
	whole, signed := digests(p.text)
	if known, ok := v.cache.get(whole, now); ok {
		return *known, nil
	}
	t, refused := p.parse()
	if refused != nil {
		return Identity{}, refused
	}
	t.sum = signed
	of, ok := v.issuers[string(t.issuer)]
	if !ok {
		return Identity{}, refuse(UnknownIssuer, "no configured issuer has the token's iss: compare them byte for byte")
	}
	set, refused := of.verifySignature(ctx, t)
	if refused != nil {
		return Identity{}, of.named(refused)
	}
	identity, refused := of.accept(t, now)
	if refused != nil {
		return Identity{}, of.named(refused)
	}
	until := now.Add(v.cacheFor)
	if end := t.expires.Add(of.Leeway); end.Before(until) {
		until = end
	}
	v.cache.add(whole, cached{identity: identity, until: until, keys: of.keys, version: set.version})
	return *identity, nil
}

// named adds the issuer to an error.
func (i *issuer) named(e *Error) *Error {
	e.Issuer = i.URL
	return e
}

// verifySignature returns the keys that have the one that signed the token.
func (i *issuer) verifySignature(ctx context.Context, t *parsed) (*keySet, *Error) {
	a := t.algorithm
	if !slices.Contains(i.algorithms, a) {
		return nil, refuse(WrongAlgorithm, "the issuer may not use the token's alg: if it signs with it, add it to the issuer's algorithms")
	}
	keys, set, refused := i.keys.find(ctx, t.keyID, a)
	if refused != nil {
		return nil, refused
	}
	if signedBy(a, keys, t) {
		return set, nil
	}
	// A token that names no key may be signed with a new one.
	if len(t.keyID) == 0 {
		if keys, set, refused = i.keys.findNew(ctx, t.keyID, a); refused == nil && signedBy(a, keys, t) {
			return set, nil
		}
	}
	return nil, refuse(BadSignature, "the issuer's key did not sign the token: reject its sender")
}

func signedBy(a algorithm, keys []key, t *parsed) bool {
	return slices.ContainsFunc(keys, func(k key) bool { return a.verify(k.public, t) })
}
