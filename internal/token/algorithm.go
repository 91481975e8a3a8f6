package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	_ "crypto/sha512" // for crypto.SHA384 and crypto.SHA512
	"math/big"
)

// defaultAlgorithms are those that an issuer may use if its configuration names none.
func defaultAlgorithms() []string { return []string{"RS256", "ES256", "EdDSA"} }

// algorithm is how a signature is made (RFC 7518, 3.1; RFC 8037).
type algorithm struct {
	family family
	hash   crypto.Hash
}

type family int

const (
	pkcs1 family = iota + 1
	pss
	ecdsaP256
	ecdsaP384
	ecdsaP521
	eddsa
)

// algorithmOf returns the algorithm of a name. The list has no HMAC and no "none", whatever
// the configuration says.
func algorithmOf(name string) (algorithm, bool) {
	switch name {
	case "RS256":
		return algorithm{pkcs1, crypto.SHA256}, true
	case "RS384":
		return algorithm{pkcs1, crypto.SHA384}, true
	case "RS512":
		return algorithm{pkcs1, crypto.SHA512}, true
	case "PS256":
		return algorithm{pss, crypto.SHA256}, true
	case "PS384":
		return algorithm{pss, crypto.SHA384}, true
	case "PS512":
		return algorithm{pss, crypto.SHA512}, true
	case "ES256":
		return algorithm{ecdsaP256, crypto.SHA256}, true
	case "ES384":
		return algorithm{ecdsaP384, crypto.SHA384}, true
	case "ES512":
		return algorithm{ecdsaP521, crypto.SHA512}, true
	case "EdDSA", "Ed25519": // RFC 8037 and RFC 9864
		return algorithm{family: eddsa}, true
	default:
		return algorithm{}, false
	}
}

// suits reports whether a key is of the type, and on the curve, that the algorithm needs.
func (a algorithm) suits(public crypto.PublicKey) bool {
	switch k := public.(type) {
	case *rsa.PublicKey:
		return a.family == pkcs1 || a.family == pss
	case *ecdsa.PublicKey:
		return a.family == ecdsaP256 && k.Curve == elliptic.P256() ||
			a.family == ecdsaP384 && k.Curve == elliptic.P384() ||
			a.family == ecdsaP521 && k.Curve == elliptic.P521()
	case ed25519.PublicKey:
		return a.family == eddsa
	default:
		return false
	}
}

// verify reports whether the key that suits the algorithm signed the text.
func (a algorithm) verify(public crypto.PublicKey, t *parsed) bool {
	if !a.suits(public) {
		return false
	}
	switch k := public.(type) {
	case *rsa.PublicKey:
		if a.family == pss {
			return rsa.VerifyPSS(k, a.hash, a.sum(t), t.signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
		}
		return rsa.VerifyPKCS1v15(k, a.hash, a.sum(t), t.signature) == nil
	case *ecdsa.PublicKey:
		// RFC 7518, 3.4: both numbers have the length of the curve's order.
		size := (k.Curve.Params().BitSize + 7) / 8
		if len(t.signature) != 2*size {
			return false
		}
		// ecdsa.Verify refuses zeros (CVE-2022-21449 of another library).
		return ecdsa.Verify(k, a.sum(t), new(big.Int).SetBytes(t.signature[:size]), new(big.Int).SetBytes(t.signature[size:]))
	case ed25519.PublicKey:
		return ed25519.Verify(k, t.signed, t.signature)
	default:
		return false
	}
}

// sum returns the hash of the signed text.
func (a algorithm) sum(t *parsed) []byte {
	if a.hash == crypto.SHA256 {
		return t.sum[:]
	}
	h := a.hash.New()
	h.Write(t.signed)
	return h.Sum(nil)
}
