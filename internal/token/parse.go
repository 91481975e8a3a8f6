package token

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"time"
	"unicode/utf8"
)

const (
	// MaxSize is how long a token may be, in bytes.
	MaxSize = 16 << 10
	// maxHeader is how long an encoded header may be, in bytes.
	maxHeader = 4 << 10
	// maxKeyID is how long the identifier of a key may be, in bytes.
	maxKeyID = 256
	// maxSubject is how long a subject may be, in bytes. OpenID Connect says 255, and the
	// service accounts of Kubernetes have up to 338.
	maxSubject = 512
)

// parsed is a token before anything in it is verified. Its texts are parts of the token's
// copy and of other memory that the next token overwrites; claims has memory of its own.
type parsed struct {
	// algorithm is the zero value for a name that is not known.
	algorithm  algorithm
	keyID, typ []byte

	claims          Claims
	issuer, subject []byte
	audiences       [][]byte
	// expires, notBefore and issuedAt are zero if the token has no such claim.
	expires, notBefore, issuedAt time.Time
	types                        typeClaims

	// signed is the text that the signature covers, and sum its SHA-256.
	signed    []byte
	sum       digest
	signature []byte
}

// typeClaims are the claims that tell access tokens from others.
type typeClaims struct {
	accessHash, nonce, events, scope bool
	// typ is the claim, Keycloak's, and use is token_use, Cognito's.
	typ, use []byte
}

// parser reads tokens in the compact form of RFC 7515. It reuses its memory.
type parser struct {
	encoding *base64.Encoding
	scanner  scanner
	// text is a copy of the token.
	text         []byte
	header       object
	head, binary []byte
	t            parsed
}

func newParser() *parser { return &parser{encoding: base64.RawURLEncoding.Strict()} }

func tooLarge() *Error {
	return refuse(TooLarge, "the token has more than 16 KiB: have the issuer leave groups out of it")
}

// parse reads the token in text and verifies nothing but its form. The next call overwrites
// the result.
func (p *parser) parse() (*parsed, *Error) {
	head, rest, ok := bytes.Cut(p.text, []byte("."))
	body, sign, ok2 := bytes.Cut(rest, []byte("."))
	if bytes.Count(sign, []byte(".")) == 2 {
		return nil, refuse(Encrypted, "the token is encrypted (JWE): have the issuer sign it only")
	}
	if !ok || !ok2 || bytes.IndexByte(sign, '.') >= 0 {
		return nil, refuse(Malformed, "the text is no signed JWT: send an access token of a configured issuer, not an opaque one")
	}
	if len(head) > maxHeader {
		return nil, refuse(Malformed, "the header has more than 4 KiB: send a token of a configured issuer")
	}
	t := &p.t
	*t = parsed{audiences: t.audiences[:0], signed: p.text[:len(head)+1+len(body)]}
	var err error
	if p.head, err = p.decode(p.head, head); err == nil {
		p.header, err = p.scanner.scan(p.head, p.header.members[:0])
	}
	if err != nil {
		return nil, refuse(Malformed, "the header is no JSON object with unique names: send a token of a configured issuer")
	}
	if e := t.readHeader(p.header); e != nil {
		return nil, e
	}
	// The identity keeps the claims.
	payload, err := p.decode(nil, body)
	if err == nil {
		t.claims.object, err = p.scanner.scan(payload, make([]member, 0, 4+len(payload)/32))
	}
	if err != nil {
		return nil, refuse(Malformed, "the claims are no JSON object with unique names: send a token of a configured issuer")
	}
	if e := t.readClaims(); e != nil {
		return nil, e
	}
	p.binary, err = p.decode(p.binary, sign)
	if t.signature = p.binary; err != nil || len(t.signature) == 0 {
		return nil, refuse(Malformed, "the signature is no base64url text: send the token as the issuer gave it")
	}
	return t, nil
}

// decode reads base64url text without padding, into memory that it returns. Each value has
// one text: the last bits are zero, and line breaks, which package base64 skips, are refused.
func (p *parser) decode(into, segment []byte) ([]byte, error) {
	size := p.encoding.DecodedLen(len(segment))
	if cap(into) < size {
		into = make([]byte, size)
	}
	into = into[:size]
	if n, err := p.encoding.Decode(into, segment); err != nil || n != size {
		return into[:0], errJSON
	}
	return into, nil
}

func (t *parsed) readHeader(header object) *Error {
	var name []byte
	for _, m := range header.members {
		var into *[]byte
		switch key := string(header.name(m)); key {
		case "alg":
			into = &name
		case "kid":
			into = &t.keyID
		case "typ":
			into = &t.typ
		case "crit", "b64", "zip", "jku", "jwk", "x5u", "x5c":
			return refuse(UnsupportedHeader, "the header has "+key+", which no issuer of access tokens needs: reject its sender")
		case "enc":
			return refuse(Encrypted, "the token is encrypted (JWE): have the issuer sign it only")
		default:
			continue
		}
		var err error
		if *into, err = unquoted(header.value(m)); err != nil {
			return refuse(Malformed, "the header's "+string(header.name(m))+" is no string: send a token of a configured issuer")
		}
	}
	if len(name) == 0 || len(t.keyID) > maxKeyID {
		return refuse(Malformed, "the header has no alg, or a kid of more than 256 bytes: send a token of a configured issuer")
	}
	t.algorithm, _ = algorithmOf(string(name))
	return nil
}

// readClaims reads the claims of RFC 7519 that decide about the token, and those that tell its purpose.
func (t *parsed) readClaims() *Error {
	for _, m := range t.claims.object.members {
		var err error
		name, value := t.claims.object.name(m), t.claims.object.value(m)
		switch string(name) {
		case "iss":
			t.issuer, err = unquoted(value)
		case "sub":
			t.subject, err = unquoted(value)
		case "aud":
			t.audiences, err = appendTexts(t.audiences, value)
		case "exp":
			t.expires, err = date(value)
		case "nbf":
			t.notBefore, err = date(value)
		case "iat":
			t.issuedAt, err = date(value)
		case "at_hash", "c_hash":
			t.types.accessHash = true
		case "nonce":
			t.types.nonce = true
		case "events":
			t.types.events = true
		case "scope", "scp":
			t.types.scope = true
		case "typ":
			t.types.typ, err = unquoted(value)
		case "token_use":
			t.types.use, err = unquoted(value)
		}
		if err != nil {
			return refuse(Malformed, "the claim "+string(name)+" has the wrong type: compare the token with RFC 7519")
		}
	}
	if t.expires.IsZero() {
		return refuse(Malformed, "the token has no exp: have the issuer end its tokens")
	}
	return nil
}

// date reads a NumericDate: seconds since 1970, possibly with a fraction, which is dropped.
func date(value []byte) (time.Time, error) {
	const maxSeconds = 253402300799 // the end of the year 9999
	seconds, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil {
		// JSON text was scanned before: it has no NaN and no hexadecimal digits.
		f, err := strconv.ParseFloat(string(value), 64)
		if err != nil || f < 0 || f > maxSeconds {
			return time.Time{}, errJSON
		}
		seconds = int64(f)
	}
	if seconds < 0 || seconds > maxSeconds {
		return time.Time{}, errJSON
	}
	return time.Unix(seconds, 0), nil
}

// isName reports whether text can identify a user or a workload: stores and logs keep it.
func isName(text string) bool {
	if text == "" || len(text) > maxSubject {
		return false
	}
	for _, r := range text {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return false
		}
	}
	return true
}
