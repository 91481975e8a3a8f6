package aws

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/trust"
	"github.com/rollcall-iam/rollcall/internal/trust/placeholder"
)

// Permissions are what roles may do, as far as an input says it.
type Permissions struct {
	Grants []Grant
	// Bounded are the roles with a permissions boundary, which limits what their policies
	// grant in a way that is not judged.
	Bounded map[string]bool
}

// Grant is one policy of permissions of a role.
type Grant struct {
	// Role is the name of the role, as its trusts have it.
	Role string
	// ARN is the ARN of a managed policy; empty for a document.
	ARN string
	// Document is a policy in JSON; nil if only its ARN is known.
	Document json.RawMessage
	At       trust.Position
}

// NoBoundary reports whether a policy as a permissions boundary limits nothing.
func NoBoundary(arn string) bool { return arn == "" || managedPolicy(arn) == "AdministratorAccess" }

// Findings reports W16: roles that tokens of workloads can assume and that have a policy
// with which they can get any other access in the account. The finding is at the grant.
func (p Permissions) Findings(trusts []trust.Trust) []trust.Finding {
	issuers := map[string]string{}
	for _, t := range trusts {
		if _, found := issuers[t.Name]; t.Kind == trust.AWSRole && !found {
			issuers[t.Name] = t.Issuer
		}
	}
	var findings []trust.Finding
	for _, g := range p.Grants {
		issuer, federated := issuers[g.Role]
		if !federated || p.Bounded[g.Role] {
			continue
		}
		if issuer == "" {
			issuer = "any issuer"
		}
		if privilege := g.privilege(); privilege != "" {
			findings = append(findings, trust.Finding{
				File: g.At.File, Line: g.At.Line, Trust: g.Role, Rule: "W16", Severity: trust.High,
				Message: fmt.Sprintf("A token of %s is enough to use the role, which has %s.", issuer, privilege),
				Fix: "Grant the actions and resources that the workload needs, or set a permissions boundary. " +
					"Leave administration to a role that no outside issuer reaches.",
			})
		}
	}
	return findings
}

// managedPolicy returns the name of a policy that AWS manages, "" for another ARN.
func managedPolicy(arn string) string {
	_, name, _ := strings.Cut(arn, ":iam::aws:policy/")
	return name
}

// privilege says what a grant lets a role do that leads to any other access; "" if nothing.
func (g Grant) privilege() string {
	// Source: docs.aws.amazon.com/aws-managed-policy/latest/reference.
	switch managedPolicy(g.ARN) {
	case "AdministratorAccess":
		return "the policy AdministratorAccess: it may do everything in the account"
	case "IAMFullAccess":
		return "the policy IAMFullAccess: it may give itself any permission"
	case "PowerUserAccess":
		return "the policy PowerUserAccess: it may do everything but manage users and roles"
	}
	if len(g.Document) == 0 {
		return ""
	}
	root, err := readJSON(g.Document)
	if err != nil {
		return "" // a text that is no policy is an error of AWS
	}
	return privilegeOf(root)
}

// privilegeOf says what a policy of permissions allows that leads to any other access.
func privilegeOf(policy *node) string {
	statement := policy.get("Statement")
	if statement == nil {
		return ""
	}
	statements := statement.items
	if statement.kind == objectKind {
		statements = []*node{statement}
	}
	var allowed, denied []permission
	for _, s := range statements {
		p, ok := newPermission(s)
		switch {
		case !ok:
		case s.get("Effect").string() == "Deny":
			denied = append(denied, p)
		case s.get("Effect").string() == "Allow":
			allowed = append(allowed, p)
		}
	}
	for _, action := range []string{"iam:PassRole", "sts:AssumeRole"} {
		lower := strings.ToLower(action)
		isAbout := func(p permission) bool { return p.actions.matches(lower) }
		i := slices.IndexFunc(allowed, isAbout)
		if i < 0 || slices.ContainsFunc(denied, isAbout) {
			continue
		}
		if slices.Contains(allowed[i].actions.patterns, "*") && !allowed[i].actions.inverse {
			return "a policy that allows every action: it may do everything in the account"
		}
		return "a policy that allows " + action + " on every role: it may use the permissions of each"
	}
	return ""
}

// permission is a statement of a policy of permissions that is about every role.
type permission struct{ actions actions }

// newPermission reads a statement; false if it is limited to some roles or by a condition. A
// condition on iam:PassedToService is no limit: each service has some role's permissions.
func newPermission(s *node) (permission, bool) {
	for _, operator := range operatorsOf(s) {
		for _, key := range operator.value.members {
			if !strings.EqualFold(key.key, "iam:PassedToService") {
				return permission{}, false
			}
		}
	}
	if resource := s.get("Resource"); resource != nil {
		patterns, err := texts(resource, "")
		if err != nil || !slices.ContainsFunc(patterns, everyRole) {
			return permission{}, false
		}
	} else if s.get("NotResource") == nil {
		return permission{}, false
	}
	element := s.get("Action")
	inverse := element == nil
	if inverse {
		element = s.get("NotAction")
	}
	if element == nil {
		return permission{}, false
	}
	patterns, err := texts(element, "")
	for i, p := range patterns {
		patterns[i] = strings.ToLower(p)
	}
	return permission{actions{inverse: inverse, patterns: patterns}}, err == nil
}

// operatorsOf returns the operators of a statement's Condition.
func operatorsOf(s *node) []member {
	if c := s.get("Condition"); c != nil {
		return c.members
	}
	return nil
}

// everyRole reports whether a pattern of resources is about every role of an account.
func everyRole(pattern string) bool {
	account, partition := accountOf(pattern), "aws"
	if account == "" {
		account = placeholder.Account
	}
	if parts := strings.SplitN(pattern, ":", 3); len(parts) == 3 && !strings.ContainsAny(parts[1], "*?") {
		partition = parts[1]
	}
	return wildcard(pattern, "arn:"+partition+":iam::"+account+":role/any-other-role")
}
