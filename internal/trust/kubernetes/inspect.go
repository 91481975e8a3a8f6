package kubernetes

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// inspect finds what is wrong with an entry that compiles.
func (a *authenticator) inspect() []trust.Finding {
	var findings []trust.Finding
	findings = append(findings, a.foreignAudiences()...)
	findings = append(findings, a.dashPrefixes()...)
	for _, check := range []func() (trust.Finding, bool){a.unverifiedEmail, a.mutableUsername, a.systemUser, a.systemGroup} {
		if f, found := check(); found {
			findings = append(findings, f)
		}
	}
	return findings
}

func (a *authenticator) finding(line int, rule string, severity trust.Severity, message, fix string) trust.Finding {
	if line == 0 {
		line = a.at.Line
	}
	return trust.Finding{File: a.at.File, Line: line, Trust: a.name, Rule: rule, Severity: severity, Message: message, Fix: fix}
}

// foreignAudiences finds audiences of other systems (W08): a token for them can be
// presented here.
func (a *authenticator) foreignAudiences() []trust.Finding {
	var findings []trust.Finding
	for _, audience := range a.audiences {
		if cloud := cloudOf(audience); cloud != "" {
			findings = append(findings, a.finding(0, "W08", trust.High,
				fmt.Sprintf("The audience %q is that of %s: a token that is made for it is accepted by this cluster, "+
					"too.", audience, cloud),
				"Use an audience that only this cluster has, and request tokens for it."))
		}
	}
	return findings
}

// dashPrefixes finds the prefix "-" (K14). It means no prefix as a flag of the API
// server, and itself here.
func (a *authenticator) dashPrefixes() []trust.Finding {
	var findings []trust.Finding
	for _, m := range []mapping{a.username, a.groups} {
		if m.prefix == "-" {
			findings = append(findings, a.finding(m.line, "K14", trust.Low,
				fmt.Sprintf("The prefix \"-\" is put before each value of claim %q; only the flag "+
					"--oidc-username-prefix reads it as none.", m.claim),
				"Write a prefix such as \"oidc:\"."))
		}
	}
	return findings
}

// unverifiedEmail finds a username of an unverified email address (K11). The
// API server checks email_verified only where the token has it.
func (a *authenticator) unverifiedEmail() (trust.Finding, bool) {
	if !slices.Contains(a.username.claims(), "email") {
		return trust.Finding{}, false
	}
	for _, t := range []trust.Token{a.witness().Without("email_verified"), a.witness().With("email_verified", false)} {
		if _, err := a.authenticate(t, true); err == nil {
			f := a.finding(a.username.line, "K11", trust.High,
				"The username is an email address that a user of the issuer may choose: a token is accepted without email_verified.",
				"Add a claim validation rule: has(claims.email_verified) && claims.email_verified == true; or use claim sub.")
			f.AcceptedToken = t
			return f, true
		}
	}
	return trust.Finding{}, false
}

// mutableUsername finds a username of a claim that users or administrators of the issuer
// change (K11).
func (a *authenticator) mutableUsername() (trust.Finding, bool) {
	for _, claim := range a.username.claims() {
		switch claim {
		case "preferred_username", "name", "nickname", "given_name", "unique_name", "upn", "user_login", "actor":
			return a.finding(a.username.line, "K11", trust.Medium,
				fmt.Sprintf("The username is of claim %q, which can change and be given to another user: the next one "+
					"has the old one's access.", claim),
				"Use claim sub, which an issuer does not reuse."), true
		}
	}
	return trust.Finding{}, false
}

// claims returns the claims that an attribute is made of.
func (m mapping) claims() []string {
	switch {
	case m.expression != nil:
		return topClaims(m.expression.tree)
	case m.claim != "":
		return []string{m.claim}
	default:
		return nil
	}
}

// systemUser finds a token that is taken for a user of Kubernetes itself (K12).
func (a *authenticator) systemUser() (trust.Finding, bool) {
	for _, name := range []string{"system:admin", "system:serviceaccount:kube-system:default"} {
		for _, t := range a.probes(a.username, name) {
			f, found := a.system(t, func(u user) string {
				if strings.HasPrefix(u.name, "system:") {
					return u.name
				}
				return ""
			})
			if found {
				f.Line = max(a.username.line, 1)
				f.Message = "A token can be user " + f.Message
				f.Fix = "Set claimMappings.username.prefix to \"oidc:\", or add the user validation rule " +
					"!user.username.startsWith('system:')."
				return f, true
			}
		}
	}
	return trust.Finding{}, false
}

// systemGroup finds a token that is taken for a member of a group of Kubernetes itself
// (K12).
func (a *authenticator) systemGroup() (trust.Finding, bool) {
	for _, value := range []any{[]any{"system:masters"}, "system:masters"} {
		for _, t := range a.probes(a.groups, value) {
			f, found := a.system(t, func(u user) string {
				if i := slices.IndexFunc(u.groups, func(g string) bool { return strings.HasPrefix(g, "system:") }); i >= 0 {
					return u.groups[i]
				}
				return ""
			})
			if found {
				f.Line = max(a.groups.line, 1)
				f.Message = "A token can be in group " + f.Message
				f.Fix = "Set claimMappings.groups.prefix to \"oidc:\", or add the user validation rule " +
					"user.groups.all(g, !g.startsWith('system:'))."
				return f, true
			}
		}
	}
	return trust.Finding{}, false
}

// probes returns tokens whose claims for an attribute have a value. Claims that the rules
// compare with texts keep those.
func (a *authenticator) probes(m mapping, value any) []trust.Token {
	var tokens []trust.Token
	for _, claim := range m.claims() {
		if claim == "email" || claim == "email_verified" || claim == "iss" || claim == "aud" || claim == "sub" && subjectHasForm(a.issuer) {
			continue
		}
		t := a.witness()
		if list, ok := t[claim].([]any); ok {
			// The rules may require what the list has.
			if values, ok := value.([]any); ok {
				tokens = append(tokens, t.With(claim, append(slices.Clone(list), values...)))
			}
		}
		tokens = append(tokens, t.With(claim, value))
	}
	return tokens
}

// subjectHasForm reports whether an issuer makes subjects in a form that no user of
// Kubernetes has.
func subjectHasForm(issuer string) bool {
	switch issuer {
	case "https://token.actions.githubusercontent.com", "https://gitlab.com", "https://app.terraform.io", "https://accounts.google.com":
		return true
	default:
		return strings.HasPrefix(issuer, "https://login.microsoftonline.com/")
	}
}

// system returns the finding that a token is taken for something of Kubernetes itself,
// which of returns. The token is the evidence if the predicate accepts it. Where the
// rules refuse each token that we can make, only the rules for users decide.
func (a *authenticator) system(t trust.Token, of func(user) string) (trust.Finding, bool) {
	u, err := a.authenticate(t, true)
	f := a.finding(0, "K12", trust.High, of(u)+", which has rights by that name.", "")
	if err == nil {
		f.AcceptedToken = t
		return f, of(u) != ""
	}
	if _, sound := a.authenticate(a.witness(), true); sound == nil && !errors.Is(err, errUndecided) {
		return f, false // the rules tell the two tokens apart
	}
	u, err = a.authenticate(t, false)
	f.Message = of(u) + ", which has rights by that name; no rule for users forbids it, and those for claims were not decided."
	return f, err == nil && of(u) != ""
}

// witness returns a token that the entry should accept: it has what the rules compare
// claims with.
func (a *authenticator) witness() trust.Token {
	t := trust.Token{
		"iss": a.issuer, "aud": []any{a.audiences[0]}, "sub": "user-1", "email": "user@example.org", "email_verified": true,
		"exp": float64(1_900_000_000), "iat": float64(1_899_996_400),
	}
	for _, claim := range append(a.username.claims(), a.uid.claims()...) {
		if _, present := t[claim]; !present {
			t[claim] = "user-1"
		}
	}
	for _, claim := range a.groups.claims() {
		if _, present := t[claim]; !present {
			t[claim] = []any{"group-1"}
		}
	}
	for _, c := range a.comparisons() {
		if value := meeting(c); value != "" && c.Claim[0] != "aud" && c.Claim[0] != "iss" {
			put(t, c.Claim, value)
		}
	}
	return t
}

// meeting returns a text for which a comparison holds, empty if it needs none.
func meeting(c trust.Comparison) string {
	if len(c.Values) == 0 {
		return ""
	}
	switch v := c.Values[0]; c.Operator {
	case trust.Equal, trust.EqualFold, trust.Contains:
		return v
	case trust.Prefix:
		return v + "x"
	case trust.Suffix:
		return "user" + v
	default:
		return ""
	}
}

// put sets a claim at a path. A list of texts stays one.
func put(object map[string]any, path []string, value string) {
	for _, name := range path[:len(path)-1] {
		inner, ok := object[name].(map[string]any)
		if !ok {
			inner = map[string]any{}
			object[name] = inner
		}
		object = inner
	}
	last := path[len(path)-1]
	if list, ok := object[last].([]any); ok {
		object[last] = append(slices.Clone(list), value)
		return
	}
	object[last] = value
}

// cloudOf returns the cloud whose token exchange takes an audience by default; empty if
// none does.
func cloudOf(audience string) string {
	switch {
	case audience == "sts.amazonaws.com" || audience == "sts.amazonaws.com.cn":
		return aws
	case strings.HasPrefix(audience, "api://AzureADTokenExchange"):
		return azure
	case strings.HasPrefix(strings.TrimPrefix(audience, "https:"), "//iam.googleapis.com/"):
		return gcp
	default:
		return ""
	}
}

// The clouds.
const (
	aws   = "AWS"
	azure = "Azure"
	gcp   = "Google Cloud"
)
