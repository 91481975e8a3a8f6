package token

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// Kind is what a token identifies.
type Kind string

// The kinds.
const (
	// User is a user who signed in.
	User Kind = "user"
	// Workload is a program, which its platform identifies.
	Workload Kind = "workload"
)

// Defaults of a Config, an Issuer or a Rule.
const (
	DefaultLeeway      = time.Minute
	DefaultMaxLifetime = 24 * time.Hour
	DefaultInterval    = 30 * time.Second
	DefaultMaxStale    = 24 * time.Hour
	DefaultCacheSize   = 10_000
	DefaultCacheFor    = 5 * time.Minute

	maxLeeway = 5 * time.Minute
)

// Config says which tokens a Verifier accepts.
type Config struct {
	Issuers []Issuer
	// Keys keeps the issuers' keys; nil keeps them in memory only.
	Keys KeyStore
	// Interval is the least time between two fetches of an issuer's keys. The default is
	// DefaultInterval.
	Interval time.Duration
	// MaxStale is how long keys are used after they should have been fetched again. The
	// default is DefaultMaxStale. It also bounds how long an issuer that cannot be reached
	// cannot withdraw a key.
	MaxStale time.Duration
	// CacheSize is how many verified tokens are remembered, and CacheFor for how long at
	// most. The defaults are DefaultCacheSize and DefaultCacheFor; a negative CacheSize
	// turns the cache off.
	CacheSize int
	CacheFor  time.Duration
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Log gets failed fetches and changed keys; nil discards them.
	Log *slog.Logger
}

// Issuer is a system whose tokens are accepted.
type Issuer struct {
	// URL is the claim iss of its tokens, byte for byte, and the base of its discovery
	// document. "https://accounts.google.com" also accepts Google's form without scheme
	// (OpenID Connect Core 1.0, 15.6.2).
	URL string
	// Namespace identifies the subjects of the issuer, together with their names, in place
	// of URL. Two issuers have one namespace if they give the same users the same subjects.
	Namespace string
	// SubjectClaim has the subject; the default is "sub".
	SubjectClaim string
	// JWKSURL is where the keys are; empty for the jwks_uri of the discovery document.
	JWKSURL string
	// CAFile has the certificates (PEM) that sign the issuer's, in place of the system's.
	// It is read once.
	CAFile string
	// Algorithms may sign tokens. The default is RS256, ES256 and EdDSA. Algorithms with a
	// shared secret, and none, cannot be allowed.
	Algorithms []string
	// Leeway is how far the issuer's clock may be from ours. The default is DefaultLeeway,
	// and five minutes are the most.
	Leeway time.Duration
	// Rules accept tokens: a token needs one. They are tried in order.
	Rules []Rule
}

// Rule is what a token of an issuer must be like.
type Rule struct {
	Kind Kind
	// Audiences are the names that the issuer has for this system: the token must be for one
	// of them (ASVS 5.0 9.2.3).
	Audiences []string
	// AuthorizedParties are the clients that may use tokens: the claim azp must be one of
	// them. If there are none, the claim matters only for tokens that are for other systems
	// too: it must be one of Audiences.
	AuthorizedParties []string
	// Types are values of the header typ, without "application/", such as "at+jwt"; an empty
	// one accepts tokens without. The default accepts "at+jwt", "JWT" and none.
	Types []string
	// RequiredClaims are claims, by path as in Claims, that the token must have with one of
	// the values: as a string, or in a list. A claim without values may have any.
	RequiredClaims map[string][]string
	// MaxLifetime is how long a token may be valid. The default is DefaultMaxLifetime.
	MaxLifetime time.Duration
}

// validate reports all that is wrong with the configuration.
func (c Config) validate() error {
	var problems []error
	if len(c.Issuers) == 0 {
		problems = append(problems, errors.New("token: no issuers: configure at least one"))
	}
	seen := map[string]bool{}
	for _, issuer := range c.Issuers {
		for _, problem := range issuer.problems() {
			problems = append(problems, fmt.Errorf("token: issuer %q: %w", issuer.URL, problem))
		}
		if seen[issuer.URL] {
			problems = append(problems, fmt.Errorf("token: issuer %q: it is configured twice: give one entry both rules", issuer.URL))
		}
		seen[issuer.URL] = true
	}
	if c.Interval < 0 || c.MaxStale < 0 || c.CacheFor < 0 {
		problems = append(problems, errors.New("token: Interval, MaxStale and CacheFor must not be negative"))
	}
	return errors.Join(problems...)
}

func (i Issuer) problems() []error {
	var problems []error
	if err := checkURL(i.URL); err != nil {
		problems = append(problems, fmt.Errorf("%w: name its URL as its tokens do", err))
	}
	for _, name := range i.Algorithms {
		if _, ok := algorithmOf(name); !ok {
			problems = append(problems,
				fmt.Errorf("algorithm %q: choose from RS256, PS256, ES256, their forms with 384 and 512, and EdDSA", name))
		}
	}
	if i.Leeway < 0 || i.Leeway > maxLeeway {
		problems = append(problems, fmt.Errorf("leeway %s: choose from 0s to %s", i.Leeway, maxLeeway))
	}
	if len(i.Rules) == 0 {
		problems = append(problems, errors.New("no rules: add one with kind and audiences"))
	}
	for n, rule := range i.Rules {
		if err := rule.problem(); err != nil {
			problems = append(problems, fmt.Errorf("rule %d: %w", n+1, err))
		}
	}
	return problems
}

func (r Rule) problem() error {
	switch {
	case r.Kind != User && r.Kind != Workload:
		return fmt.Errorf("kind %q: choose user or workload", r.Kind)
	case len(r.Audiences) == 0, slices.Contains(r.Audiences, ""):
		return errors.New("no audiences: name this system as the issuer does")
	case r.MaxLifetime < 0:
		return errors.New("negative MaxLifetime")
	}
	for path, values := range r.RequiredClaims {
		if path == "" || slices.Contains(values, "") {
			return fmt.Errorf("required claim %q: its name or one of its values is empty", path)
		}
	}
	return nil
}

// orDefault returns value unless it is zero.
func orDefault[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}
