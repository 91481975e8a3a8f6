// Package token checks access tokens of users and identity tokens of workloads, without a
// call to the issuer for each token.
//
// A [Verifier] knows a list of issuers. The claim iss of a token selects the issuer, by the
// exact text; a token of another issuer is refused before anything is fetched. The token is
// accepted if the issuer's key signed it with an algorithm that the configuration, and the
// key, allow, and if one [Rule] of the issuer accepts its claims:
//
//	v, err := token.New(token.Config{
//		Issuers: []token.Issuer{{
//			URL:   "https://sso.example.org/realms/staff",
//			Rules: []token.Rule{{Kind: token.User, Audiences: []string{"https://rollcall.example.org"}}},
//		}},
//		Keys: store,
//	})
//	...
//	identity, err := v.Verify(ctx, bearer)
//
// # Limits
//
// A token is a JWT in the compact form of RFC 7515, signed, of at most 16 KiB, with JSON
// that nests at most 16 levels and has no duplicate names. Headers that bring a key (jwk,
// jku, x5u, x5c) or change the reading (crit, b64, zip) are refused. Encrypted tokens are
// refused, and so are opaque ones: there is no introspection (RFC 7662). Tokens are bearer
// tokens: cnf (RFC 8705, RFC 9449) is not looked at, and a token that its issuer revoked is
// valid until it expires.
//
// # Keys
//
// Keys come from the jwks_uri of the issuer's discovery document. They are fresh for as long
// as the answer's Cache-Control says, within 5 minutes and 24 hours. After four fifths of
// that time the next token has them fetched in the background. A token with an unknown key
// causes a fetch, at most one in [Config.Interval] for each issuer. If the issuer is down,
// the last keys stay in use for [Config.MaxStale], also after a restart if there is a
// [KeyStore]. A key that the issuer withdraws ends at the next fetch, and with it the cached
// tokens.
package token
