package gcp

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// modulus returns an RSA modulus of a size in bits.
func modulus(bits int) string {
	return base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{0xff}, bits/8))
}

func TestInput_FindingsOfKeySets(t *testing.T) {
	good := `{"kty":"RSA","alg":"RS256","use":"sig","kid":"a","n":"` + modulus(2048) + `","e":"AQAB"}`
	curve := `{"kty":"EC","alg":"ES256","use":"sig","kid":"b","crv":"P-256","x":"x","y":"y"}`
	set := func(keys ...string) string { return `{"keys":[` + strings.Join(keys, ",") + `]}` }
	with := func(old, replacement string) string { return set(strings.Replace(good, old, replacement, 1)) }
	cases := []struct {
		reason, set string
		want        []string
	}{
		{"no key set: the issuer's own counts", "", nil},
		{"public keys with a kid each", set(good, curve), nil},
		{"a key without alg, which is optional", with(`"alg":"RS256",`, ""), nil},
		{"padding, which decoders accept", with(modulus(2048), modulus(2048)+"=="), nil},
		{"no JSON", "keys", []string{"W11 medium"}},
		{"a JSON text of another form", `["x"]`, []string{"W11 medium"}},
		{"no keys", set(), []string{"W11 medium"}},
		{"alg none", with("RS256", "none"), []string{"W11 medium"}},
		{"alg of a shared secret", with("RS256", "HS256"), []string{"W11 medium"}},
		{"a symmetric key is also secret", set(`{"kty":"oct","kid":"a","k":"c2VjcmV0"}`), []string{"W11 high", "W11 medium"}},
		{"a kind that Google does not take", set(`{"kty":"OKP","kid":"a","crv":"Ed25519","x":"x"}`), []string{"W11 medium"}},
		{"a modulus of 1024 bits", with(modulus(2048), modulus(1024)), []string{"W11 medium"}},
		{"a modulus of 2047 bits", with(modulus(2048), "f"+modulus(2048)[1:]), []string{"W11 medium"}},
		{"no modulus", with(`"n":"`+modulus(2048)+`",`, ""), []string{"W11 medium"}},
		{"no kid", with(`"kid":"a",`, ""), []string{"W11 medium"}},
		{"a kid twice", set(good, good), []string{"W11 medium"}},
		{"a private key", with(`"e":"AQAB"`, `"e":"AQAB","d":"s3cret"`), []string{"W11 high"}},
		{"a private key of a curve", set(strings.Replace(curve, `"x":"x"`, `"x":"x","d":"s3cret"`, 1)), []string{"W11 high"}},
	}
	for _, c := range cases {
		t.Run(c.reason, func(t *testing.T) {
			p := githubProvider(nil, "assertion.repository_id == '2'")
			p.OIDC = &OIDC{IssuerURI: p.OIDC.IssuerURI, JWKS: c.set}
			p.Lines = map[string]int{"oidc.jwksJson": 9}
			_, found := Input{Providers: []Provider{p}}.Trusts()
			if diff := cmp.Diff(c.want, rules(found)); diff != "" {
				t.Errorf("findings (-want +got):\n%s\n%v", diff, found)
			}
			for _, f := range found {
				if f.Line != 9 || strings.Contains(f.Message, "s3cret") {
					t.Errorf("the finding is at another line or has key material: %+v", f)
				}
			}
		})
	}
}

func TestRead_ReadsTheKeySet(t *testing.T) {
	in, err := Read("p.json", []byte(`{"name":"projects/1/locations/global/workloadIdentityPools/p/providers/x",
 "attributeMapping":{"google.subject":"assertion.sub"},
 "oidc":{"issuerUri":"https://gitlab.com","jwksJson":"{\"keys\":[]}"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if p := in.Providers[0]; p.OIDC.JWKS != `{"keys":[]}` || p.Lines["oidc.jwksJson"] != 3 {
		t.Errorf("the key set is %q in line %d", p.OIDC.JWKS, p.Lines["oidc.jwksJson"])
	}
}

func FuzzCheckKeys(f *testing.F) {
	f.Add(`{"keys":[{"kty":"RSA","n":"` + modulus(2048) + `","kid":"a"},{"kty":"oct","k":"x"},null,{"kty":1}]}`)
	f.Add(`{"keys":{}}`)
	f.Add(`{"keys":[{"kid":"a"},{"kid":"a"}]}`)
	f.Fuzz(func(t *testing.T, set string) {
		p := &provider{Provider: Provider{OIDC: &OIDC{JWKS: set}}}
		report := &findings{}
		p.checkKeys(report)
		for _, one := range report.list {
			if one.Rule != "W11" || one.Severity != trust.High && one.Severity != trust.Medium {
				t.Errorf("another finding: %+v", one)
			}
		}
	})
}
