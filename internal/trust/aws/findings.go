package aws

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// The quotas of a trust policy in characters without white space (reference_iam-quotas):
// by default, and after a request.
const (
	defaultQuota = 2048
	maxQuota     = 4096
	// quotaPercent is the share of the quota above which there is a finding, in percent.
	quotaPercent = 80
	// longSession is the longest session without a finding, in seconds.
	longSession = 3600
)

// checker reports the mistakes of a role's trust policy that need no token.
type checker struct {
	role     role
	policy   *policy
	at       func(offset int) trust.Position // in the policy
	outer    func(offset int) trust.Position // in the document that has the role
	document *node
	findings []trust.Finding
}

func (c *checker) check() []trust.Finding {
	providers := false
	for i := range c.policy.statements {
		s := &c.policy.statements[i]
		c.checkWildcards(s)
		if s.deny {
			c.checkKeys(s)
			continue
		}
		c.checkPrincipal(s)
		c.checkKeys(s)
		c.checkAccounts(s)
		if s.actions.matches(webActionName) {
			issuers := s.principals.issuers()
			providers = providers || len(issuers) > 0 || s.principals.wildcards()
			c.checkOptional(s)
			for _, issuer := range issuers {
				c.checkInverse(s, issuer)
			}
			if slices.Contains(issuers, google) {
				c.checkGoogle(s)
			}
		}
	}
	c.checkQuota()
	if providers {
		c.findings = append(c.findings, CheckSession(c.role.name, c.role.maxSession, c.outer(c.role.maxSessionOffset))...)
	}
	return c.findings
}

// CheckSession reports sessions of a role with trusts in issuers that last too long (A10).
// The position is that of their length in seconds.
func CheckSession(role string, seconds int, at trust.Position) []trust.Finding {
	if seconds <= longSession {
		return nil
	}
	return []trust.Finding{{
		File: at.File, Line: at.Line, Trust: role, Rule: "A10", Severity: trust.Medium,
		Message: fmt.Sprintf("Sessions of workloads last up to %d seconds: a token that leaks once is good for that long.", seconds),
		Fix:     fmt.Sprintf("Set MaxSessionDuration (max_session_duration) to %d; a workload can exchange a new token.", longSession),
	}}
}

func (c *checker) add(at trust.Position, rule string, severity trust.Severity, message, fix string) {
	c.findings = append(c.findings, trust.Finding{
		File: at.File, Line: at.Line, Trust: c.role.name, Rule: rule, Severity: severity, Message: message, Fix: fix,
	})
}

func (c *checker) atTest(t test, rule string, severity trust.Severity, message, fix string) {
	c.add(c.at(t.offset), rule, severity, message, fix)
}

// checkPrincipal reports statements that allow every principal (A01).
func (c *checker) checkPrincipal(s *statement) {
	if !s.principals.wildcards() {
		return
	}
	web := s.actions.matches(webActionName)
	switch {
	case web:
		c.add(c.at(s.offset), "A01", trust.Critical,
			s.name+" allows the tokens of every issuer: its principal is a wildcard.",
			"Name the OIDC provider: \"Principal\": {\"Federated\": \"arn:aws:iam::ACCOUNT:oidc-provider/HOST\"}.")
	case s.actions.matches(roleAction) && !s.limited():
		c.add(c.at(s.offset), "A01", trust.Critical,
			s.name+" allows every AWS account: its principal is a wildcard.",
			"Name the accounts or roles, or require aws:PrincipalOrgID.")
	}
}

// checkWildcards reports StringLike without a wildcard, and a wildcard where it is a
// character like others (A02).
func (c *checker) checkWildcards(s *statement) {
	for _, t := range s.conditions {
		patterns := t.wildcards(c.policy.variables)
		switch {
		case t.operator.family == stringLike && len(patterns) == 0 && len(t.values) > 0:
			c.atTest(t, "A02", trust.Low,
				fmt.Sprintf("%s compares %s with values that have no wildcard.", t.operator.name, t.key),
				"Use "+strings.Replace(t.operator.name, "Like", "Equals", 1)+", which stays exact if a value gets a * or ?.")
		case (t.operator.family == stringEquals || t.operator.family == stringFold) && len(patterns) > 0:
			effect := "no token matches"
			if t.operator.inverse {
				effect = "every token passes"
			}
			c.atTest(t, "A02", trust.Medium,
				fmt.Sprintf("%s has no wildcards: in %s the * of %s is a character, so %s.",
					t.operator.name, t.key, quoted(patterns), effect),
				"Write the whole value, or use "+strings.Replace(t.operator.name, "Equals", "Like", 1)+".")
		}
	}
}

// wildcards returns the values that have a wildcard: a *, and for StringLike a ? or a
// policy variable, too.
func (t test) wildcards(variables bool) []string {
	like := t.operator.family == stringLike
	var patterns []string
	for _, v := range t.values {
		parts := splitParts(v)
		if variables {
			parts = withVariables(v, "")
		}
		for _, p := range parts {
			if p.kind == starPart || like && p.kind != textPart {
				patterns = append(patterns, v)
				break
			}
		}
	}
	return patterns
}

// checkKeys reports keys that no token of the statement's issuers has (A05, A06).
func (c *checker) checkKeys(s *statement) {
	issuers := s.principals.issuers()
	if len(issuers) == 0 || !s.actions.matches(webActionName) {
		return
	}
	for _, t := range s.conditions {
		namespace, claim, ok := issuerKey(t.key)
		if !ok {
			continue
		}
		effect := t.whenMissing(s.deny)
		i := slices.IndexFunc(issuers, func(issuer string) bool { return strings.EqualFold(issuer, namespace) })
		switch {
		case i < 0:
			c.atTest(t, "A05", trust.Medium,
				fmt.Sprintf("The key %s belongs to another issuer than %s: tokens never have it, so %s.", t.key, quoted(issuers), effect),
				fmt.Sprintf("Write %s:%s.", issuers[0], claim))
		case len(issuers) > 1:
			c.atTest(t, "A05", trust.Medium,
				fmt.Sprintf("The key %s belongs to one of the issuers %s: for tokens of the others %s.", t.key, quoted(issuers), effect),
				"Write one statement for each issuer.")
		}
		if i < 0 {
			continue
		}
		if _, mapped := claimPath(issuers[i], claim); !mapped {
			c.atTest(t, "A06", trust.Medium,
				fmt.Sprintf("AWS has no key for the claim %q of %s, so %s.", claim, issuers[i], effect),
				"Use a key that AWS has: "+strings.Join(knownClaims(issuers[i]), ", ")+".")
		}
	}
}

// whenMissing says what a condition does with tokens that do not have its key.
func (t test) whenMissing(deny bool) string {
	evaluate := t.operator.missing() == isTrue
	if t.operator.family == null {
		evaluate = newCondition(t, "", false).isNull
	}
	switch {
	case evaluate && deny:
		return "the statement denies them all"
	case deny:
		return "the statement denies none of them"
	case evaluate:
		return "the condition restricts nothing"
	default:
		return "the statement allows none of them"
	}
}

// knownClaims returns the keys that AWS has for an issuer.
func knownClaims(issuer string) []string {
	switch issuer {
	case amazon:
		return []string{"app_id", "user_id"}
	case facebook:
		return []string{"app_id", "id"}
	case cognito:
		return []string{"amr", "aud", "sub"}
	case google:
		return []string{"amr", "aud", "email", "google/organization_number", "oaud", "sub"}
	}
	return append([]string{"amr", "aud", "email", "oaud", "sub"}, extraClaims(issuer)...)
}

// checkOptional reports conditions on claims that hold for a token without the claim
// (A03), unless another condition of the statement demands the claim.
func (c *checker) checkOptional(s *statement) {
	for _, t := range s.conditions {
		o := t.operator
		if _, _, ok := issuerKey(t.key); !ok || o.inverse || o.set != forAll && !o.ifExists || s.requires(t.key) {
			continue
		}
		c.atTest(t, "A03", trust.High,
			fmt.Sprintf("%s holds for tokens without the claim of %s.", o.name, t.key),
			fmt.Sprintf("Use %s, or add \"Null\": {%q: \"false\"}.", o.required(), t.key))
	}
}

// required returns the name of an operator without ForAllValues and IfExists.
func (o operator) required() string {
	name := o.name
	if o.set == forAll {
		_, name, _ = strings.Cut(name, ":")
	}
	if o.ifExists {
		name = name[:len(name)-len("IfExists")]
	}
	return name
}

// requires returns whether the statement refuses requests without a key.
func (s *statement) requires(key string) bool {
	return slices.ContainsFunc(s.conditions, func(t test) bool {
		if !strings.EqualFold(t.key, key) {
			return false
		}
		if t.operator.family == null {
			return !newCondition(t, "", false).isNull
		}
		return t.operator.missing() == isFalse
	})
}

// checkInverse reports statements that only name what they refuse (A04).
func (c *checker) checkInverse(s *statement, issuer string) {
	inverse := ""
	for _, t := range s.conditions {
		namespace, claim, _ := issuerKey(t.key)
		if !strings.EqualFold(namespace, issuer) || !tenantClaim(issuer, claim) || t.operator.family == null {
			continue
		}
		if !t.operator.inverse {
			return
		}
		inverse = t.key
	}
	if inverse == "" || c.limitedByDeny(issuer) {
		return
	}
	c.add(c.at(s.offset), "A04", trust.High,
		fmt.Sprintf("%s only names tokens that it does not allow, by %s: it allows all others of %s.", s.name, inverse, issuer),
		fmt.Sprintf("Add \"StringEquals\" on %s:sub with the subjects that it should allow.", issuer))
}

// limitedByDeny returns whether a statement denies all tokens of an issuer but those
// with certain claims.
func (c *checker) limitedByDeny(issuer string) bool {
	return slices.ContainsFunc(c.policy.statements, func(s statement) bool {
		if !s.deny || !s.principals.matches(issuer) || !s.actions.matches(webActionName) || len(s.conditions) != 1 {
			return false
		}
		t := s.conditions[0]
		namespace, claim, _ := issuerKey(t.key)
		return t.operator.inverse && strings.EqualFold(namespace, issuer) && tenantClaim(issuer, claim)
	})
}

// checkQuota reports long policies (A09).
func (c *checker) checkQuota() {
	n := c.policy.length
	if n*100 <= defaultQuota*quotaPercent {
		return
	}
	message := fmt.Sprintf("The trust policy has %d of the %d characters that IAM allows by default.", n, defaultQuota)
	if n > defaultQuota {
		message = fmt.Sprintf("The trust policy has %d characters: IAM allows %d by default and up to %d on request.",
			n, defaultQuota, maxQuota)
	}
	c.add(c.at(c.document.start), "A09", trust.Medium, message,
		"Use more than one role, or request a higher quota for the length of trust policies.")
}
