package aws

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// checkAccounts reports that principals of another account can assume the role with
// nothing that ties the call to this account (A11), the confused deputy problem. If the
// account of the role is not known, the finding is a lesser one.
func (c *checker) checkAccounts(s *statement) {
	if s.principals.inverse || !s.actions.matches(roleAction) || s.limited() {
		return
	}
	known := c.accounts()
	var others []string
	for _, principal := range s.principals.aws {
		if account := accountOf(principal); account != "" && !slices.Contains(known, account) {
			others = appendNew(others, account)
		}
	}
	if len(others) == 0 {
		return
	}
	severity, condition := trust.High, ""
	if len(known) == 0 {
		severity, condition = trust.Medium, ", if it is another account than the role's,"
	}
	c.add(c.at(s.offset), "A11", severity,
		fmt.Sprintf("The account %s%s can be made to assume the role for its other customers: "+
			"%s has no condition on sts:ExternalId.", quoted(others), condition, s.name),
		"Require the sts:ExternalId that the other party assigned, or aws:PrincipalOrgID if the account is of the same organization.")
}

// accounts returns the accounts that the role may be in: the one of its ARN, else those
// of the OIDC and SAML providers in its policy.
func (c *checker) accounts() []string {
	if c.role.account != "" {
		return []string{c.role.account}
	}
	var known []string
	for i := range c.policy.statements {
		for _, account := range c.policy.statements[i].principals.accounts {
			known = appendNew(known, account)
		}
	}
	return known
}

// limited returns whether a statement demands a key that ties a call to an account.
func (s *statement) limited() bool {
	return slices.ContainsFunc(s.conditions, func(t test) bool {
		switch strings.ToLower(t.key) {
		case "sts:externalid", "aws:sourcearn", "aws:sourceaccount", "aws:sourceorgid", "aws:sourceorgpaths",
			"aws:principalorgid", "aws:principalorgpaths":
			return t.operator.family != null && t.operator.missing() == isFalse
		}
		return false
	})
}

// checkGoogle reports trusts in Google that do not name the account, or that compare the
// wrong claim (A12): "If no value is set for azp, the aud condition key maps to the aud
// claim", and Google always sets azp.
func (c *checker) checkGoogle(s *statement) {
	if !slices.ContainsFunc(s.conditions, func(t test) bool {
		return strings.EqualFold(t.key, google+":sub") && !t.operator.inverse && t.operator.family != null && s.requires(t.key)
	}) {
		c.add(c.at(s.offset), "A12", trust.High,
			fmt.Sprintf("%s trusts Google without a condition on %s:sub: "+
				"any Google account can get a token for an audience.", s.name, google),
			fmt.Sprintf("Add \"StringEquals\" on %s:sub with the unique ID of the service account.", google))
	}
	for _, t := range s.conditions {
		if !strings.EqualFold(t.key, google+":aud") || t.operator.inverse || t.operator.family != stringEquals {
			continue
		}
		for _, v := range t.values {
			if isClientID(v) {
				continue
			}
			c.atTest(t, "A12", trust.High,
				fmt.Sprintf("%s compares the claim azp, which Google sets to a client ID: %q is an audience and never matches.", t.key, v),
				fmt.Sprintf("Use %s:oaud for the audience.", google))
		}
	}
}

// isClientID returns whether a text can be Google's azp: the unique ID of a service
// account, or the client ID of an application.
func isClientID(value string) bool {
	return value != "" && (strings.Trim(value, "0123456789") == "" ||
		strings.HasSuffix(value, ".apps.googleusercontent.com") || strings.ContainsAny(value, "*$"))
}
