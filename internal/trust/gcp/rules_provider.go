package gcp

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// Limits of a provider. Source: the comments of iam/v1.WorkloadIdentityPoolProvider.
const (
	maxCustomAttributes = 50
	maxAttributeKey     = 100
	maxAudiences        = 10
	maxAudience         = 256
)

// attributePattern matches the keys of custom attributes.
var attributePattern = regexp.MustCompile(`^attribute\.[a-z0-9_]+$`)

// check reports the mistakes of a provider that no token shows.
func (p *provider) check(report *findings) {
	p.checkLimits(report)
	p.checkKeys(report)
	if p.Undecided != "" {
		return
	}
	p.checkCondition(report)
	p.checkSubject(report)
}

// checkLimits reports G04: sizes that Google refuses.
func (p *provider) checkLimits(report *findings) {
	add := func(field, message, fix string) {
		report.add(line(p.At, p.Lines, field), p.title(), "G04", trust.Medium, message, fix)
	}
	custom := 0
	for _, key := range slices.Sorted(maps.Keys(p.AttributeMapping)) {
		if key == subjectKey || key == groupsKey {
			continue
		}
		custom++
		if len(key) > maxAttributeKey || !attributePattern.MatchString(key) {
			add("attributeMapping."+key,
				fmt.Sprintf("the key %.120q is not attribute.NAME with a name of [a-z0-9_], or it has more than 100 characters", key),
				"Rename the attribute, also in the members of policies.")
		}
	}
	if custom > maxCustomAttributes {
		add("attributeMapping", fmt.Sprintf("the mapping has %d custom attributes of at most 50", custom),
			"Remove attributes that no condition and no member uses.")
	}
	if p.OIDC == nil {
		return
	}
	if n := len(p.OIDC.AllowedAudiences); n > maxAudiences {
		add("oidc.allowedAudiences", fmt.Sprintf("the provider has %d allowed audiences of at most 10", n),
			"Remove audiences, best all of them: the provider's own name is then the audience.")
	}
	for _, audience := range p.OIDC.AllowedAudiences {
		if len(audience) > maxAudience {
			add("oidc.allowedAudiences", fmt.Sprintf("the audience %.40q... has %d characters of at most 256", audience, len(audience)),
				"Use a shorter audience, best the provider's own name.")
		}
	}
}

// checkCondition reports G02: a condition that names no claim of the workload, so that it
// accepts every workload of the issuer or none. It is left to the judge if the tokens of the
// judge pass the condition: those of an OIDC issuer with the claims iss, sub and aud.
func (p *provider) checkCondition(report *findings) {
	if p.condition == nil || p.refuses {
		return
	}
	if slices.ContainsFunc(p.claims(), func(path []string) bool { return !isEnvelope(path[0]) }) {
		return
	}
	if p.OIDC != nil {
		token := trust.Token{"iss": p.OIDC.IssuerURI, "aud": p.audiences[0], "sub": "x"}
		if p.admits(&activation{claims: token, provider: p, identity: make(identity, len(p.mappings))}) {
			return
		}
	}
	report.add(line(p.At, p.Lines, "attributeCondition"), p.title(), "G02", trust.High,
		fmt.Sprintf("attributeCondition %q names no claim of the workload, so it accepts every workload of the issuer or none",
			shorten(p.AttributeCondition)),
		"Compare a claim that only your workloads have, or remove the condition if every workload of the issuer is trusted.")
}

// claims returns the claims that the condition names, also through attributes.
func (p *provider) claims() [][]string {
	s := &scope{attributes: map[string][]term{}, locals: map[string][]term{}}
	for _, m := range p.mappings {
		s.attributes[m.key] = claimTerms(m.expression)
	}
	return s.claims(p.condition)
}

// isEnvelope reports whether a claim says nothing of the workload: the provider checks it
// for every token, or it is different in each.
func isEnvelope(claim string) bool {
	switch claim {
	case "iss", "aud", "exp", "iat", "nbf", "jti":
		return true
	default:
		return false
	}
}

// checkSubject reports G03: a google.subject that does not tell workloads apart.
func (p *provider) checkSubject(report *findings) {
	if len(p.mappings) == 0 || p.mappings[0].key != subjectKey {
		return
	}
	expression := p.AttributeMapping[subjectKey]
	add := func(message string) {
		report.add(line(p.At, p.Lines, "attributeMapping."+subjectKey), p.title(), "G03", trust.High,
			fmt.Sprintf("google.subject is %q: %s", shorten(expression), message),
			"Map google.subject from a claim that is unique and never reassigned, such as assertion.sub.")
	}
	claims := (&scope{}).claims(p.mappings[0].expression)
	last := func(test func(string) bool) func([]string) bool {
		return func(path []string) bool { return test(path[len(path)-1]) }
	}
	all := func(test func([]string) bool) bool {
		return !slices.ContainsFunc(claims, func(path []string) bool { return !test(path) })
	}
	switch {
	case len(claims) == 0:
		add("it is one value for all tokens, so all workloads are one principal")
	case all(last(isEnvelope)):
		add("the claim does not name the workload, so workloads are one principal; a list is refused")
	case all(last(isListClaim)):
		add("the claim is a list, which google.subject cannot be, so tokens are refused")
	case all(isUserClaim):
		add("it names a user and not the workload, and the user can change it or pass it on")
	}
}

// isListClaim reports whether a claim is a list in the tokens of common issuers.
func isListClaim(claim string) bool {
	return claim == "groups" || claim == "roles" || claim == "amr"
}

// isUserClaim reports whether a claim names the user behind a workload by a name that can
// change. The name in an object is that of a user only if the object is one.
func isUserClaim(path []string) bool {
	switch path[len(path)-1] {
	case "actor", "email", "user_email", "user_login", "username", "preferred_username", "nickname", "upn", "unique_name":
		return true
	case "name", "login":
		return len(path) == 1 || path[len(path)-2] == "user" || path[len(path)-2] == "actor"
	default:
		return false
	}
}

// shorten cuts an expression for a message.
func shorten(expression string) string {
	expression = strings.Join(strings.Fields(expression), " ")
	if len(expression) > 80 {
		return strings.ToValidUTF8(expression[:77], "") + "..."
	}
	return expression
}

// checkAudiences reports G08: an allowed audience that other relying parties accept, too,
// so that each of them can use the token at the others.
func checkAudiences(p *pools, report *findings) {
	users := map[string]int{}
	for _, one := range p.providers {
		for _, audience := range one.allowedAudiences() {
			users[audience]++
		}
	}
	for _, one := range p.providers {
		for _, audience := range one.allowedAudiences() {
			other := relyingParty(audience)
			if other == "" && users[audience] > 1 {
				other = "another provider of this input"
			}
			if other == "" {
				continue
			}
			report.add(line(one.At, one.Lines, "oidc.allowedAudiences"), one.title(), "G08", trust.Medium,
				fmt.Sprintf("the allowed audience %q is also that of %s, which can use the workload's token here", audience, other),
				"Remove allowedAudiences, and let the workload ask for a token with the provider's own name as audience.")
		}
	}
}

// allowedAudiences returns the audiences that replace the provider's own name.
func (p *provider) allowedAudiences() []string {
	if p.OIDC == nil {
		return nil
	}
	return p.OIDC.AllowedAudiences
}

// relyingParty returns the relying party whose default audience it is, or "".
func relyingParty(audience string) string {
	switch strings.TrimSuffix(audience, "/") {
	case "sts.amazonaws.com":
		return "AWS"
	case "api://AzureADTokenExchange", "api://AzureADTokenExchangeUSGov", "api://AzureADTokenExchangeChina":
		return "Microsoft Entra"
	case "sigstore":
		return "Sigstore"
	case "vault":
		return "HashiCorp Vault"
	case "https://kubernetes.default.svc", "https://kubernetes.default.svc.cluster.local", "kubernetes.default.svc":
		return "the Kubernetes API server"
	default:
		return ""
	}
}
