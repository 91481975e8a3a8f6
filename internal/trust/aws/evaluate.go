package aws

import (
	"strings"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// verdict is a truth value. A condition on what no token has is unknown.
type verdict uint8

const (
	isFalse verdict = iota
	unknown
	isTrue
)

func when(b bool) verdict {
	if b {
		return isTrue
	}
	return isFalse
}

func not(v verdict) verdict { return isTrue - v }

// request is what STS knows of a call from its token.
type request struct {
	token    trust.Token
	issuer   string // without https://, as AWS names issuers
	audience string // the party that the token is for
}

// decider decides about the tokens of one issuer, or of any if issuer is empty.
type decider struct {
	issuer string
	rules  []rule
}

// decide returns what STS answers to AssumeRoleWithWebIdentity with a token.
func (d *decider) decide(t trust.Token) trust.Decision {
	r, ok := newRequest(t)
	if !ok || d.issuer != "" && d.issuer != r.issuer {
		return trust.Decision{}
	}
	result := d.allows(&r, webAction)
	if result.verdict != isFalse && tagged(t) {
		result = both(result, d.allows(&r, tagAction))
	}
	if _, ok := t[sourceClaim]; ok && result.verdict != isFalse {
		result = both(result, d.allows(&r, sourceAction))
	}
	if result.verdict != unknown {
		result.reason = ""
	}
	return trust.Decision{Accepted: result.verdict != isFalse, Undecided: result.reason}
}

// newRequest reads the claims that STS demands of every token. A token for several
// audiences must name an authorized party, azp, which then is the audience that STS
// compares ("If no value is set for azp, the aud condition key maps to the aud claim").
func newRequest(t trust.Token) (r request, ok bool) {
	issuer, _ := t["iss"].(string)
	if subject, _ := t["sub"].(string); subject == "" || issuer == "" {
		return r, false
	}
	audiences := valuesOf(t["aud"])
	if audiences.count == 0 {
		return r, false
	}
	r = request{token: t, issuer: strings.TrimPrefix(issuer, "https://")}
	if client, exists := t["azp"]; exists {
		r.audience, ok = client.(string)
		return r, ok
	}
	r.audience, ok = audiences.single()
	return r, ok
}

// result is a verdict with the reason for which it is unknown.
type result struct {
	verdict verdict
	reason  string
}

// both returns whether two results hold.
func both(a, b result) result {
	if b.verdict < a.verdict {
		return b
	}
	return a
}

// allows evaluates all statements: one that denies wins over all that allow.
func (d *decider) allows(r *request, action int) result {
	var allowed, denied result
	for i := range d.rules {
		rule := &d.rules[i]
		if !rule.actions[action] || rule.principals != nil && !rule.principals.matches(r.issuer) {
			continue
		}
		one := rule.evaluate(r)
		switch {
		case rule.deny && one.verdict == isTrue:
			return result{}
		case rule.deny && one.verdict > denied.verdict:
			denied = one
		case !rule.deny && one.verdict > allowed.verdict:
			allowed = one
		}
	}
	return both(allowed, result{not(denied.verdict), denied.reason})
}

// evaluate returns whether all conditions of the statement hold.
func (ru *rule) evaluate(r *request) result {
	all := result{verdict: isTrue}
	for i := range ru.conditions {
		if all = both(all, ru.conditions[i].evaluate(r)); all.verdict == isFalse {
			break
		}
	}
	return all
}

// evaluate returns whether the condition holds. Values of the policy are alternatives; an
// inverse operator holds if none matches.
func (c *condition) evaluate(r *request) result {
	found, known := c.source.values(r)
	switch {
	case !known:
		return result{unknown, c.reason}
	case c.operator.family == null:
		return result{verdict: when((found.count == 0) == c.isNull)}
	case found.count == 0:
		return result{c.operator.missing(), anyIfExists}
	}
	switch c.operator.set {
	case forAll:
		return result{c.each(found, r), c.variableReason}
	case forAny:
		return result{c.any(found, r), c.variableReason}
	default:
		if found.count == 1 {
			return result{c.one(found, 0, r), c.variableReason}
		}
		if each := c.each(found, r); each == c.any(found, r) {
			return result{each, c.variableReason}
		}
		return result{unknown, noSetOperator}
	}
}

// missing is the result for a missing key. "If the key that you specify in a policy
// condition is not present in the request context, the values do not match". ForAllValues
// "also returns true if there are no context keys in the request"; for ForAnyValue "if
// the key does not exist, the condition returns false". IfExists: "If the key is not
// present, evaluate the condition element as true".
func (o operator) missing() verdict {
	switch {
	case o.set == forAny && o.ifExists:
		return unknown
	case o.set == forAny:
		return isFalse
	default:
		return when(o.set == forAll || o.ifExists || o.inverse)
	}
}

// each returns whether every value of the request satisfies the operator. ForAllValues
// disregards empty texts: it is true if the values "resolve to a null data set, such as
// an empty string".
func (c *condition) each(found values, r *request) verdict {
	result := isTrue
	for i := range found.count {
		if text, ok := found.at(i); ok && text == "" && c.operator.set == forAll {
			continue
		}
		result = min(result, c.one(found, i, r))
	}
	return result
}

// any returns whether one value of the request satisfies the operator.
func (c *condition) any(found values, r *request) verdict {
	result := isFalse
	for i := range found.count {
		result = max(result, c.one(found, i, r))
	}
	return result
}

// matches returns whether a text matches one of the values of the policy.
func (c *condition) matches(text string, r *request) verdict {
	for _, v := range c.values {
		if v.match(text) {
			return isTrue
		}
	}
	result := isFalse
	for _, v := range c.variables {
		result = max(result, v.match(text, r))
	}
	return result
}

// one compares a value of the request with all values of the policy.
func (c *condition) one(found values, i int, r *request) verdict {
	result := isFalse
	if text, ok := found.at(i); ok {
		result = c.matches(text, r)
	}
	if c.operator.inverse {
		return not(result)
	}
	return result
}
