package token

import (
	"bytes"
	"crypto/sha256"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// digest is the SHA-256 of a token: the cache has no tokens.
type digest [sha256.Size]byte

// cache has the identities of verified tokens, the last used ones.
type cache struct {
	identities *lru.Cache[digest, cached]
}

type cached struct {
	identity *Identity
	// until is when the token has to be verified again.
	until time.Time
	// keys are those of the issuer, and version the set that the token was verified with.
	keys    *keySource
	version uint64
}

// digests returns the digest of a token, and that of the text before its last dot, which is
// the text that the signature covers. Hashing the text once is most of the work.
func digests(token []byte) (whole, signed digest) {
	at := max(bytes.LastIndexByte(token, '.'), 0)
	h := sha256.New()
	h.Write(token[:at])
	h.Sum(signed[:0])
	h.Write(token[at:])
	h.Sum(whole[:0])
	return whole, signed
}

// get returns the identity of a token that was verified and is still valid.
func (c *cache) get(of digest, now time.Time) (*Identity, bool) {
	if c == nil {
		return nil, false
	}
	hit, ok := c.identities.Get(of)
	if !ok {
		return nil, false
	}
	if set := hit.keys.set.Load(); !now.Before(hit.until) || set == nil || set.version != hit.version {
		c.identities.Remove(of)
		return nil, false
	}
	return hit.identity, true
}

func (c *cache) add(of digest, entry cached) {
	if c != nil {
		c.identities.Add(of, entry)
	}
}
