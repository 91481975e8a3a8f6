package token_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/rollcall-iam/rollcall/internal/token"
)

// TestVerify_Attacks: every token is refused, with the code of its reason, and no error
// repeats a claim.
func TestVerify_Attacks(t *testing.T) {
	clock := newClock()
	rsaKey, ecKey, edKey := newSigner(t, "RS256", "r1"), newSigner(t, "ES256", "e1"), newSigner(t, "EdDSA", "d1")
	external := newSigner(t, "RS256", "r1")
	other := newProvider(t, external.public())
	weak := rsaKey
	weak.algorithm = "RS512"
	p := newProvider(t, rsaKey.public(), ecKey.public(), edKey.public())
	v := newVerifier(t, token.Config{Issuers: []token.Issuer{p.issuer(), other.issuer()}, Now: clock.now})

	valid := func(changes map[string]any) map[string]any { return claims(p.url, clock.now(), changes) }
	header := func(changes map[string]any) map[string]any {
		all := map[string]any{"alg": "RS256", "typ": "at+jwt", "kid": "r1"}
		maps.Copy(all, changes)
		return all
	}
	signed := rsaKey.sign(t, valid(nil))
	head, rest, _ := strings.Cut(signed, ".")
	body, signature, _ := strings.Cut(rest, ".")
	hmacSigned := func(secret []byte) string {
		text := encode(asJSON(t, header(map[string]any{"alg": "HS256"}))) + "." + body
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(text))
		return text + "." + encode(string(mac.Sum(nil)))
	}
	encoded, err := x509.MarshalPKIXPublicKey(rsaKey.private.Public())
	if err != nil {
		t.Fatal(err)
	}
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: encoded})
	attackerKey := map[string]any{"kty": "RSA", "n": "AQAB", "e": "AQAB"}
	duplicate := strings.Replace(asJSON(t, valid(nil)), "{", `{"sub":"admin",`, 1)

	tests := []struct {
		reason string
		text   string
		want   token.Code
	}{
		{"no signature is asked for", encode(`{"alg":"none"}`) + "." + body + ".", token.Malformed},
		{"none with a signature", encode(`{"alg":"none","kid":"r1"}`) + "." + body + "." + signature, token.WrongAlgorithm},
		{"none in other letters", encode(`{"alg":"NoNe","kid":"r1"}`) + "." + body + "." + signature, token.WrongAlgorithm},
		{"HMAC with the public key (PEM) as its secret", hmacSigned(publicPEM), token.WrongAlgorithm},
		{"HMAC with the public key (DER) as its secret", hmacSigned(encoded), token.WrongAlgorithm},
		{"HMAC without a secret", hmacSigned(nil), token.WrongAlgorithm},
		{"an algorithm that the issuer may not use", weak.signWith(t, header(map[string]any{"alg": "RS512"}), valid(nil)), token.WrongAlgorithm},
		{"an EC signature with an RSA key's identifier", ecKey.signWith(t, header(map[string]any{"alg": "ES256"}), valid(nil)), token.WrongAlgorithm},
		{"an RSA signature with an EC key's identifier", rsaKey.signWith(t, header(map[string]any{"kid": "e1"}), valid(nil)), token.WrongAlgorithm},
		{"an Ed25519 signature with an EC key's identifier", edKey.signWith(t, header(map[string]any{"alg": "EdDSA", "kid": "e1"}), valid(nil)), token.WrongAlgorithm},
		{"a path as the key's identifier", rsaKey.signWith(t, header(map[string]any{"kid": "../../../../dev/null"}), valid(nil)), token.UnknownKey},
		{"SQL as the key's identifier", rsaKey.signWith(t, header(map[string]any{"kid": "r1' UNION SELECT 'secret"}), valid(nil)), token.UnknownKey},
		{"a long identifier", rsaKey.signWith(t, header(map[string]any{"kid": strings.Repeat("k", 257)}), valid(nil)), token.Malformed},
		{"the identifier is no string", rsaKey.signWith(t, header(map[string]any{"kid": []string{"r1"}}), valid(nil)), token.Malformed},
		{"a key in the header", external.signWith(t, header(map[string]any{"jwk": attackerKey}), valid(nil)), token.UnsupportedHeader},
		{"an address of keys in the header", external.signWith(t, header(map[string]any{"jku": "https://attacker.example"}), valid(nil)), token.UnsupportedHeader},
		{"an address of certificates in the header", external.signWith(t, header(map[string]any{"x5u": "https://attacker.example"}), valid(nil)), token.UnsupportedHeader},
		{"certificates in the header", external.signWith(t, header(map[string]any{"x5c": []string{"MIIB"}}), valid(nil)), token.UnsupportedHeader},
		{"an extension that must be understood", rsaKey.signWith(t, header(map[string]any{"crit": []string{"exp"}}), valid(nil)), token.UnsupportedHeader},
		{"a payload that is not encoded", rsaKey.signWith(t, header(map[string]any{"b64": false, "crit": []string{"b64"}}), valid(nil)), token.UnsupportedHeader},
		{"a payload that is not encoded, and nothing critical", rsaKey.signWith(t, header(map[string]any{"b64": false}), valid(nil)), token.UnsupportedHeader},
		{"a compressed payload", rsaKey.signWith(t, header(map[string]any{"zip": "DEF"}), valid(nil)), token.UnsupportedHeader},

		{"for another system", rsaKey.sign(t, valid(map[string]any{"aud": "https://other.example.org"})), token.WrongAudience},
		{"for a system with a longer name", rsaKey.sign(t, valid(map[string]any{"aud": audience + ".evil.example"})), token.WrongAudience},
		{"for none", rsaKey.sign(t, valid(map[string]any{"aud": nil})), token.WrongAudience},
		{"for none, in a list", rsaKey.sign(t, valid(map[string]any{"aud": []string{}})), token.WrongAudience},
		{"for several, without azp", rsaKey.sign(t, valid(map[string]any{"aud": []string{audience, "https://other.example.org"}, "azp": nil})), token.WrongAudience},
		{"for several, to another", rsaKey.sign(t, valid(map[string]any{"aud": []string{audience, "https://other.example.org"}, "azp": "https://other.example.org"})), token.WrongAudience},
		{"audiences that are no strings", rsaKey.sign(t, valid(map[string]any{"aud": []any{audience, 1}})), token.Malformed},

		{"expired", rsaKey.sign(t, valid(map[string]any{"exp": clock.now().Add(-2 * time.Minute).Unix()})), token.Expired},
		{"expired at the end of the leeway", rsaKey.sign(t, valid(map[string]any{"exp": clock.now().Add(-token.DefaultLeeway).Unix()})), token.Expired},
		{"without an end", rsaKey.sign(t, valid(map[string]any{"exp": nil})), token.Malformed},
		{"an end that is a string", rsaKey.sign(t, valid(map[string]any{"exp": "99999999999"})), token.Malformed},
		{"an end beyond all calendars", rsaKey.signText(t, asJSON(t, header(nil)), strings.Replace(asJSON(t, valid(nil)), `"exp":`, `"exp":1e400,"was":`, 1)), token.Malformed},
		{"a negative end", rsaKey.sign(t, valid(map[string]any{"exp": -1})), token.Malformed},
		{"not valid yet", rsaKey.sign(t, valid(map[string]any{"nbf": clock.now().Add(2 * time.Minute).Unix()})), token.NotYetValid},
		{"issued in the future", rsaKey.sign(t, valid(map[string]any{"iat": clock.now().Add(2 * time.Minute).Unix()})), token.NotYetValid},
		{"valid for years", rsaKey.sign(t, valid(map[string]any{"exp": clock.now().AddDate(3, 0, 0).Unix()})), token.LifetimeTooLong},
		{"valid for years, without iat", rsaKey.sign(t, valid(map[string]any{"exp": clock.now().AddDate(3, 0, 0).Unix(), "iat": nil})), token.LifetimeTooLong},
		{"was valid for years", rsaKey.sign(t, valid(map[string]any{"iat": clock.now().AddDate(-3, 0, 0).Unix()})), token.LifetimeTooLong},

		{"an ID token: nonce", rsaKey.signWith(t, header(map[string]any{"typ": "JWT"}), valid(map[string]any{"nonce": "n-0S6_WzA2Mj"})), token.WrongType},
		{"an ID token: at_hash", rsaKey.sign(t, valid(map[string]any{"at_hash": "77QmUPtjPfzWtF2AnpK9RQ"})), token.WrongType},
		{"an ID token: c_hash", rsaKey.sign(t, valid(map[string]any{"c_hash": "LDktKdoQak3Pk0cnXxCltA"})), token.WrongType},
		{"an ID token without any mark", rsaKey.signWith(t, header(map[string]any{"typ": "JWT"}), valid(map[string]any{"scope": nil})), token.WrongType},
		{"an ID token of Keycloak", rsaKey.signWith(t, header(map[string]any{"typ": "JWT"}), valid(map[string]any{"typ": "ID"})), token.WrongType},
		{"a refresh token of Keycloak", rsaKey.signWith(t, header(map[string]any{"typ": "JWT"}), valid(map[string]any{"typ": "Refresh"})), token.WrongType},
		{"an ID token of Cognito", rsaKey.signWith(t, header(map[string]any{"typ": "JWT"}), valid(map[string]any{"token_use": "id"})), token.WrongType},
		{"a logout token", rsaKey.signWith(t, header(map[string]any{"typ": "logout+jwt"}), valid(nil)), token.WrongType},
		{"a logout token without a type", rsaKey.signWith(t, header(map[string]any{"typ": "JWT"}), valid(map[string]any{"events": map[string]any{}})), token.WrongType},
		{"a DPoP proof", rsaKey.signWith(t, header(map[string]any{"typ": "dpop+jwt"}), valid(nil)), token.WrongType},

		{"an issuer that is not configured", rsaKey.sign(t, valid(map[string]any{"iss": "https://attacker.example"})), token.UnknownIssuer},
		{"the issuer with a slash", rsaKey.sign(t, valid(map[string]any{"iss": p.url + "/"})), token.UnknownIssuer},
		{"the issuer in other letters", rsaKey.sign(t, valid(map[string]any{"iss": strings.ToUpper(p.url)})), token.UnknownIssuer},
		{"without an issuer", rsaKey.sign(t, valid(map[string]any{"iss": nil})), token.UnknownIssuer},
		{"issuers in a list", rsaKey.sign(t, valid(map[string]any{"iss": []string{p.url}})), token.Malformed},
		{"the key of another issuer", external.sign(t, valid(nil)), token.BadSignature},
		{"another issuer with this one's key", rsaKey.sign(t, claims(other.url, clock.now(), nil)), token.BadSignature},
		{"without a subject", rsaKey.sign(t, valid(map[string]any{"sub": nil})), token.WrongClaim},
		{"an empty subject", rsaKey.sign(t, valid(map[string]any{"sub": ""})), token.WrongClaim},
		{"a subject with a line break", rsaKey.sign(t, valid(map[string]any{"sub": "mei\nadmin"})), token.WrongClaim},
		{"a long subject", rsaKey.sign(t, valid(map[string]any{"sub": strings.Repeat("s", 513)})), token.WrongClaim},
		{"half a surrogate pair in the subject", rsaKey.signText(t, asJSON(t, header(nil)), strings.Replace(asJSON(t, valid(nil)), `"sub":"`, `"sub":"\ud800`, 1)), token.Malformed},

		{"duplicate claims", rsaKey.signText(t, asJSON(t, header(nil)), duplicate), token.Malformed},
		{"duplicate claims, one escaped", rsaKey.signText(t, asJSON(t, header(nil)), strings.Replace(duplicate, `"sub"`, `"\u0073ub"`, 1)), token.Malformed},
		{"duplicate claims below", rsaKey.signText(t, asJSON(t, header(nil)), strings.Replace(asJSON(t, valid(nil)), "{", `{"x":[{"a":1,"a":2}],`, 1)), token.Malformed},
		{"duplicate headers", rsaKey.signText(t, `{"alg":"RS256","kid":"r1","alg":"none"}`, asJSON(t, valid(nil))), token.Malformed},
		{"names in other letters are other names", rsaKey.signText(t, `{"ALG":"RS256","kid":"r1"}`, asJSON(t, valid(nil))), token.Malformed},
		{"more than 16 KiB", rsaKey.sign(t, valid(map[string]any{"groups": strings.Repeat("g", 16<<10)})), token.TooLarge},
		{"a header of more than 4 KiB", rsaKey.signWith(t, header(map[string]any{"x": strings.Repeat("g", 4<<10)}), valid(nil)), token.Malformed},
		{"deep lists", rsaKey.signText(t, asJSON(t, header(nil)), strings.Replace(asJSON(t, valid(nil)), "{", `{"x":`+strings.Repeat("[", 5000)+strings.Repeat("]", 5000)+",", 1)), token.Malformed},
		{"deep objects", rsaKey.signText(t, asJSON(t, header(nil)), strings.Replace(asJSON(t, valid(nil)), "{", `{"x":`+strings.Repeat(`{"a":`, 16)+"1"+strings.Repeat("}", 16)+",", 1)), token.Malformed},
		{"not UTF-8", rsaKey.signText(t, asJSON(t, header(nil)), strings.Replace(asJSON(t, valid(nil)), "Mei", "\xff", 1)), token.Malformed},
		{"text after the claims", rsaKey.signText(t, asJSON(t, header(nil)), asJSON(t, valid(nil))+"{}"), token.Malformed},
		{"claims that are a list", rsaKey.signText(t, asJSON(t, header(nil)), "["+asJSON(t, valid(nil))+"]"), token.Malformed},

		{"psychic signature", encode(`{"alg":"ES256","kid":"e1"}`) + "." + body + "." + encode(strings.Repeat("\x00", 64)), token.BadSignature},
		{"a signature in ASN.1", encode(`{"alg":"ES256","kid":"e1"}`) + "." + body + "." + encode("\x30\x06\x02\x01\x00\x02\x01\x00"), token.BadSignature},
		{"no bytes in the signature", head + "." + body + ".", token.Malformed},
		{"padding after the signature", signed + "==", token.Malformed},
		{"a line break in the signature", signed[:len(signed)-4] + "\n" + signed[len(signed)-4:], token.Malformed},
		{"a line break in the claims", head + "." + body[:8] + "\r\n" + body[8:] + "." + signature, token.Malformed},
		{"other claims with the signature", head + "." + encode(asJSON(t, valid(map[string]any{"sub": "admin"}))) + "." + signature, token.BadSignature},
		{"encrypted", encrypted(t, rsaKey, asJSON(t, valid(nil))), token.Encrypted},
		{"a header of encryption in three parts", encode(`{"alg":"RSA-OAEP","enc":"A256GCM"}`) + "." + body + "." + signature, token.Encrypted},
		{"JSON serialisation", `{"payload":"` + body + `","protected":"` + head + `","signature":"` + signature + `"}`, token.Malformed},
		{"two parts", head + "." + body, token.Malformed},
		{"four parts", signed + "." + signature, token.Malformed},
		{"opaque", "gho_16C7e42F292c6912E7710c838347Ae178B4a", token.Malformed},
		{"nothing", "", token.Malformed},
	}
	if _, err := v.Verify(t.Context(), signed); err != nil {
		t.Fatalf("the token that others are made from: %v", err)
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			got, err := v.Verify(t.Context(), test.text)
			if token.CodeOf(err) != test.want {
				t.Fatalf("code %q (%v), want %q", token.CodeOf(err), err, test.want)
			}
			if got.Subject != "" || got.Claims.Has("sub") {
				t.Error("a refused token has an identity")
			}
			for _, secret := range []string{"8f14e45f", "mei", "Mei", "mlin", "platform-operators", "admin", "attacker", "n-0S6", body[:12]} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error repeats %q from the token: %v", secret, err)
				}
			}
			if !strings.HasPrefix(err.Error(), "token: "+string(test.want)) || !strings.Contains(strings.TrimPrefix(err.Error(), "token: "), ": ") {
				t.Errorf("the error does not say code and remedy: %v", err)
			}
		})
	}
}

func encrypted(t *testing.T, key signer, text string) string {
	t.Helper()
	encrypter, err := jose.NewEncrypter(jose.A256GCM, jose.Recipient{Algorithm: jose.RSA_OAEP_256, Key: key.private.Public()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	object, err := encrypter.Encrypt([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	compact, err := object.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return compact
}
