package gcp

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// Limits of a key of an inline key set.
const (
	// minRSA is the smallest RSA modulus, in bits. Source: RFC 7518, section 3.3: "A key of
	// size 2048 bits or larger MUST be used with these algorithms".
	minRSA = 2048
	// maxKeys bounds how many keys are judged. Issuers publish fewer than ten.
	maxKeys = 100
)

// keySet is a JWK Set. Source: RFC 7517, section 5.
type keySet struct {
	Keys []map[string]json.RawMessage `json:"keys"`
}

// checkKeys reports W11: mistakes in the inline key set of an OIDC provider, which replaces
// the keys that the issuer publishes.
func (p *provider) checkKeys(report *findings) {
	if p.OIDC == nil || p.OIDC.JWKS == "" {
		return
	}
	add := func(severity trust.Severity, message, fix string) {
		report.add(line(p.At, p.Lines, "oidc.jwksJson"), p.title(), "W11", severity, "jwksJson "+message, fix)
	}
	var set keySet
	if err := json.Unmarshal([]byte(p.OIDC.JWKS), &set); err != nil || len(set.Keys) == 0 {
		add(trust.Medium, "is no key set: it needs an object with a list \"keys\" that has a key, so no token is accepted",
			"Set it to the document at the issuer's jwks_uri, or remove it.")
		return
	}
	seen := map[string]bool{}
	for i, fields := range set.Keys[:min(len(set.Keys), maxKeys)] {
		key := newKey(fields)
		for _, m := range key.mistakes() {
			add(m.severity, fmt.Sprintf("has the key %s that %s", key.name(i), m.text), m.fix)
		}
		if key.id != "" && seen[key.id] {
			add(trust.Medium, fmt.Sprintf("has two keys with the kid %q, so it is not known which of them verifies a token", key.id),
				"Give each key a kid of its own.")
		}
		seen[key.id] = true
	}
}

// key is a JSON Web Key, without the values that may be secret.
type key struct {
	kind, algorithm, id string
	// bits is the size of an RSA modulus; 0 for other keys and for a modulus that is no
	// base64url.
	bits int
	// private is true if the key has a parameter of a private or symmetric key.
	private bool
}

// newKey reads the fields of a JSON Web Key.
func newKey(fields map[string]json.RawMessage) key {
	text := func(name string) string {
		var value string
		if err := json.Unmarshal(fields[name], &value); err != nil {
			return ""
		}
		return value
	}
	k := key{kind: text("kty"), algorithm: text("alg"), id: text("kid")}
	if modulus, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(text("n"), "=")); err == nil && k.kind == "RSA" {
		k.bits = new(big.Int).SetBytes(modulus).BitLen()
	}
	// Sources: RFC 7518, sections 6.2.2, 6.3.2 and 6.4.1; RFC 8037, section 2.
	k.private = slices.ContainsFunc([]string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}, func(name string) bool {
		_, found := fields[name]
		return found
	})
	return k
}

// name names a key in findings.
func (k key) name(index int) string {
	if k.id == "" {
		return fmt.Sprintf("keys[%d]", index)
	}
	return fmt.Sprintf("%.80q", k.id)
}

// mistake is what is wrong with a key, after "a key that".
type mistake struct {
	severity  trust.Severity
	text, fix string
}

// mistakes returns what is wrong with a key by itself.
func (k key) mistakes() []mistake {
	const publish = "Set jwksJson to the document at the issuer's jwks_uri, which has public keys of RSA or EC only."
	var all []mistake
	add := func(severity trust.Severity, text, fix string) { all = append(all, mistake{severity, text, fix}) }
	if k.private {
		add(trust.High, "has private key material: readers of this file sign tokens as any workload of the issuer",
			"Revoke the key at the issuer, and keep only the public parameters.")
	}
	switch {
	case k.kind == "oct":
		// RFC 7518, section 6.4. Google: "Currently, RSA and EC asymmetric keys are supported".
		add(trust.Medium, "is symmetric (kty oct): each system that can verify a token can also make one", publish)
	case k.kind != "RSA" && k.kind != "EC":
		// Google's reference of WorkloadIdentityPoolProvider, field oidc.jwksJson.
		add(trust.Medium, fmt.Sprintf("has the kty %.40q: Google supports RSA and EC", k.kind), publish)
	case k.kind == "RSA" && k.bits == 0:
		add(trust.Medium, "has no modulus n in base64url, so it verifies no token", publish)
	case k.kind == "RSA" && k.bits < minRSA:
		add(trust.Medium, fmt.Sprintf("has an RSA modulus of %d bits: RFC 7518 requires %d", k.bits, minRSA),
			"Rotate the key at the issuer to one of 2048 bits or more.")
	}
	// RFC 7518, sections 3.1, 3.2 and 3.6. A key without alg is used by its kty.
	if upper := strings.ToUpper(k.algorithm); upper == "NONE" || strings.HasPrefix(upper, "HS") {
		add(trust.Medium, fmt.Sprintf("has the alg %.40q, which no public key verifies", k.algorithm), publish)
	}
	if k.id == "" {
		// RFC 7517, section 4.5; OpenID Connect Core, section 10.1, requires it of sets with several keys.
		add(trust.Medium, "has no kid, so a rotation cannot say which key signed a token",
			"Add the kid that the issuer writes into tokens.")
	}
	return all
}
