package token

import (
	"slices"
	"strings"
	"time"
)

// accept returns the identity in a token whose signature is verified, if a rule accepts it.
// Otherwise it returns the error of the first rule with the token's audience.
func (i *issuer) accept(t *parsed, now time.Time) (*Identity, *Error) {
	if refused := t.checkTimes(now, i.Leeway); refused != nil {
		return nil, refused
	}
	subject := string(t.subject)
	if i.SubjectClaim != "sub" {
		subject, _ = t.claims.String(i.SubjectClaim)
	}
	if !isName(subject) {
		return nil, refuse(WrongClaim, "the token has no "+i.SubjectClaim+", or one with control characters or more than 512 bytes: "+
			"have the issuer add it")
	}
	var first *Error
	for _, rule := range i.Rules {
		refused := rule.check(t, now, i.Leeway)
		if refused == nil {
			return &Identity{Issuer: i.Namespace, Subject: subject, Kind: rule.Kind, Claims: t.claims, Expires: t.expires}, nil
		}
		if first == nil || first.Code == WrongAudience {
			first = refused
		}
	}
	return nil, first
}

func (t *parsed) checkTimes(now time.Time, leeway time.Duration) *Error {
	switch {
	case !now.Before(t.expires.Add(leeway)):
		return refuse(Expired, "the token expired "+now.Sub(t.expires).Truncate(time.Second).String()+
			" ago: get a new one; if it is new, compare the clocks")
	case now.Add(leeway).Before(t.notBefore):
		return refuse(NotYetValid, "the token is valid in "+t.notBefore.Sub(now).Truncate(time.Second).String()+": compare the clocks")
	case now.Add(leeway).Before(t.issuedAt):
		return refuse(NotYetValid, "the token is issued in "+t.issuedAt.Sub(now).Truncate(time.Second).String()+": compare the clocks")
	default:
		return nil
	}
}

func (r Rule) check(t *parsed, now time.Time, leeway time.Duration) *Error {
	if refused := r.checkAudience(t); refused != nil {
		return refused
	}
	if refused := r.checkType(t); refused != nil {
		return refused
	}
	start := now.Add(-leeway)
	if !t.issuedAt.IsZero() && t.issuedAt.Before(start) {
		start = t.issuedAt
	}
	if t.expires.Sub(start) > r.MaxLifetime+2*leeway {
		return refuse(LifetimeTooLong, "the token is valid for more than "+r.MaxLifetime.String()+
			": have the issuer shorten its tokens, or raise the rule's MaxLifetime")
	}
	for path, values := range r.RequiredClaims {
		if !matchesClaim(t.claims, path, values) {
			return refuse(WrongClaim, "the token has no claim "+path+" with an allowed value: compare it with the rule's RequiredClaims")
		}
	}
	return nil
}

// checkAudience follows RFC 7519, 4.1.3, and OpenID Connect Core 1.0, 3.1.3.7: a token for
// several systems could be used here by another one of them, unless azp says who got it.
func (r Rule) checkAudience(t *parsed) *Error {
	match, others := false, false
	for _, audience := range t.audiences {
		if slices.Contains(r.Audiences, string(audience)) {
			match = true
		} else {
			others = true
		}
	}
	if !match {
		return refuse(WrongAudience, "the token is for another system: request it for one of the rule's Audiences")
	}
	if len(r.AuthorizedParties) == 0 && !others {
		return nil
	}
	allowed := r.AuthorizedParties
	if len(allowed) == 0 {
		allowed = r.Audiences
	}
	if party, _ := t.claims.String("azp"); !slices.Contains(allowed, party) {
		return refuse(WrongAudience, "the token is for several systems or clients, and its azp is none that may use it here: "+
			"request it for this system only, or add the client to the rule's AuthorizedParties")
	}
	return nil
}

// checkType tells access tokens from others that the same key signs (ASVS 5.0 9.2.2).
//
// A token with the typ at+jwt is an access token (RFC 9068). Others must not look like an ID
// token, a logout token or a refresh token, and those of users must have what only access
// tokens have. Tokens of workloads often are ID tokens in form, such as Google's, but have
// none of the signs of a login.
func (r Rule) checkType(t *parsed) *Error {
	const advice = ": send the access token, and have the issuer mark it (typ at+jwt)"
	if !r.acceptsType(string(t.typ)) {
		return refuse(WrongType, "the token's typ is not accepted"+advice)
	}
	m, typ, use := t.types, string(t.types.typ), string(t.types.use)
	access := isType(string(t.typ), accessType) || typ == "Bearer" || use == "access"
	switch {
	case m.accessHash, m.nonce && !access, typ == "ID", use == "id":
		return refuse(WrongType, "the token is an ID token"+advice)
	case m.events, typ != "" && typ != "Bearer" && typ != "JWT":
		return refuse(WrongType, "the token is no access token"+advice)
	case r.Kind == User && !access && !m.scope:
		return refuse(WrongType, "nothing shows that the token is an access token, such as typ at+jwt or a scope"+advice)
	default:
		return nil
	}
}

// accessType is the header typ of access tokens (RFC 9068, 2.1).
const accessType = "at+jwt"

func (r Rule) acceptsType(typ string) bool {
	if len(r.Types) == 0 {
		return typ == "" || isType(typ, "jwt") || isType(typ, accessType)
	}
	return slices.ContainsFunc(r.Types, func(accepted string) bool { return isType(typ, accepted) })
}

// isType compares media types as RFC 7515, 4.1.9, says: without regard to case, and
// "application/" may be left out.
func isType(typ, other string) bool {
	const prefix = "application/"
	if len(typ) > len(prefix) && strings.EqualFold(typ[:len(prefix)], prefix) {
		typ = typ[len(prefix):]
	}
	return strings.EqualFold(typ, other)
}

// matchesClaim reports whether the claim has one of the values, or any if there are none.
func matchesClaim(claims Claims, path string, values []string) bool {
	if len(values) == 0 {
		return claims.Has(path)
	}
	found, _ := claims.Strings(path)
	return slices.ContainsFunc(found, func(value string) bool { return slices.Contains(values, value) })
}
