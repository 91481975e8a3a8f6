package aws

import (
	"strings"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// comparisons returns how the policy compares the claims of an issuer's tokens. A Deny
// names what a token must not be, so its comparisons are turned around: a Deny with
// StringNotLike wants tokens that are like the values.
func comparisons(p *policy, issuer string) []trust.Comparison {
	var all []trust.Comparison
	for i := range p.statements {
		s := &p.statements[i]
		if !s.actions.matches(webActionName) || issuer != "" && !s.principals.matches(issuer) {
			continue
		}
		for _, t := range s.conditions {
			namespace, claim, ok := issuerKey(t.key)
			if !ok || issuer != "" && !strings.EqualFold(namespace, issuer) {
				continue
			}
			path, mapped := claimPath(strings.ToLower(namespace), claim)
			if !mapped {
				continue
			}
			all = append(all, newComparison(t, path, s.deny))
		}
	}
	return all
}

func newComparison(t test, path []string, deny bool) trust.Comparison {
	o := t.operator
	optional := o.missing() != isFalse
	if deny {
		optional = o.missing() != isTrue
	}
	c := trust.Comparison{Claim: path, Values: t.values, Optional: optional}
	inverse := o.inverse != deny
	switch o.family {
	case null:
		c.Values, c.Operator = nil, trust.Other
		isNull := newCondition(t, "", false).isNull
		if c.Optional = isNull != deny; !c.Optional {
			c.Operator = trust.Present
		}
	case stringEquals, stringFold:
		c.Operator = trust.Equal
		if o.family == stringFold {
			c.Operator = trust.EqualFold
		}
		if inverse {
			c.Operator = trust.NotEqual
		}
	case stringLike, arn:
		c.Operator = trust.Glob
		if inverse {
			c.Operator = trust.NotMatches
		}
	default:
		c.Operator = trust.Other
	}
	return c
}
