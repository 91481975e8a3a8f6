package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// minRSA and maxRSA bound RSA keys, in bits: shorter ones can be broken, and longer ones
	// make a check expensive.
	minRSA = 2048
	maxRSA = 8192
	// maxKeys is how many keys an issuer may publish.
	maxKeys = 256
	// maxSameID is how many keys with one identifier are tried.
	maxSameID = 4
)

// key is a public key of an issuer.
type key struct {
	id     string
	public crypto.PublicKey
	// only is the algorithm that the key may be used with, zero for any that suits it.
	only algorithm
}

// keySet is what an issuer publishes. It does not change.
type keySet struct {
	// version is the same for sets with the same keys.
	version uint64
	// byID has the keys by identifier; the empty identifier has those without.
	byID map[string][]key
	all  []key
	// body is the JWKS as JSON.
	body []byte
	// fetchedAt is when the issuer answered; from refreshAt on another answer is due, and at
	// freshUntil this one is stale.
	fetchedAt, refreshAt, freshUntil time.Time
}

// newKeySet reads a JWKS (RFC 7517). Keys that are no public keys for signatures, or too
// weak, are left out; a set without any other key is an error.
func newKeySet(body []byte, fetchedAt, freshUntil time.Time) (*keySet, error) {
	var document struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &document); err != nil {
		return nil, errors.New("the JWKS is not JSON: check the issuer's jwks_uri")
	}
	if len(document.Keys) > maxKeys {
		return nil, fmt.Errorf("the JWKS has more than %d keys: check the issuer's jwks_uri", maxKeys)
	}
	set := &keySet{
		byID: map[string][]key{}, body: body,
		fetchedAt: fetchedAt, freshUntil: freshUntil, refreshAt: fetchedAt.Add(freshUntil.Sub(fetchedAt) * 4 / 5),
	}
	for _, raw := range document.Keys {
		k, ok := readKey(raw)
		if !ok || len(set.byID[k.id]) == maxSameID {
			continue
		}
		set.byID[k.id] = append(set.byID[k.id], k)
		set.all = append(set.all, k)
	}
	if len(set.all) == 0 {
		return nil, errors.New("the JWKS has no usable key: it needs public ones for signatures, RSA of 2048 bits or more, EC or Ed25519")
	}
	return set, nil
}

// readKey reads a JWK, and reports whether it can verify signatures.
func readKey(raw json.RawMessage) (key, bool) {
	var operations struct {
		KeyOps []string `json:"key_ops"`
	}
	var jwk jose.JSONWebKey
	if json.Unmarshal(raw, &operations) != nil || json.Unmarshal(raw, &jwk) != nil || !jwk.Valid() {
		return key{}, false
	}
	if jwk.Use != "" && jwk.Use != "sig" || len(operations.KeyOps) > 0 && !slices.Contains(operations.KeyOps, "verify") {
		return key{}, false
	}
	only, known := algorithmOf(jwk.Algorithm)
	if len(jwk.KeyID) > maxKeyID || jwk.Algorithm != "" && !known {
		return key{}, false
	}
	return key{id: jwk.KeyID, public: jwk.Key, only: only}, isAccepted(jwk.Key)
}

// isAccepted reports whether a key is a public one that is hard to break. Private and
// symmetric keys are not.
func isAccepted(public any) bool {
	switch k := public.(type) {
	case *rsa.PublicKey:
		bits := k.N.BitLen()
		return minRSA <= bits && bits <= maxRSA
	case *ecdsa.PublicKey:
		_, err := k.ECDH() // fails for a point that is not on the curve
		return err == nil
	case ed25519.PublicKey:
		return true
	default:
		return false
	}
}

// find returns the keys that a token with the identifier and the algorithm may be signed
// with. known reports whether there are any with the identifier. A token without an
// identifier may be signed with any of the keys that suit it, unless there are too many.
func (s *keySet) find(id []byte, a algorithm) (found []key, known bool) {
	candidates := s.byID[string(id)]
	if len(id) == 0 {
		candidates = s.all
	}
	for i, k := range candidates {
		if a.suits(k.public) && (k.only == algorithm{} || k.only == a) {
			if len(candidates) == 1 {
				return candidates[i:], true // without an allocation
			}
			found = append(found, k)
		}
	}
	if len(id) == 0 && len(found) > maxSameID {
		return nil, false
	}
	return found, len(candidates) > 0
}

// same reports whether two sets have the same keys.
func (s *keySet) same(other *keySet) bool {
	if len(s.all) != len(other.all) {
		return false
	}
	for _, k := range s.all {
		if !slices.ContainsFunc(other.byID[k.id], func(o key) bool {
			public, ok := k.public.(interface {
				Equal(key crypto.PublicKey) bool
			})
			return ok && o.only == k.only && public.Equal(o.public)
		}) {
			return false
		}
	}
	return true
}
