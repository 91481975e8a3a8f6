package gcp

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// checkCollision reports W13: a subject that the tokens of two issuers map to, so that a
// workload of one issuer is the principal of the other's. The finding has the token of the
// second issuer.
func (m member) checkCollision(providers []*provider, report *findings) {
	if m.selection != bySubject || len(providers) < 2 {
		return
	}
	var first *provider
	for _, p := range providers {
		token, ok := p.example(m)
		if !ok || first != nil && first.issuer() == p.issuer() {
			continue
		}
		if first == nil {
			first = p
			continue
		}
		m.add(report, "W13", trust.High,
			fmt.Sprintf("two issuers make the subject %s: %s by %s, and %s by %s",
				m.value, first.issuer(), first.title(), p.issuer(), p.title()),
			"Use one pool for each issuer, or begin google.subject with a literal for each: \"'cluster-1::' + assertion.sub\".")
		report.list[len(report.list)-1].AcceptedToken = token
		return
	}
}

// example returns a token of the provider's issuer that is mapped to the member's subject,
// if one can be made from the literals of mappings and condition.
func (p *provider) example(m member) (trust.Token, bool) {
	if p.OIDC == nil || p.refuses || p.Undecided != "" {
		return nil, false
	}
	token := trust.Token{}
	for _, c := range slices.Concat(p.claimsOfMappings(), p.comparisons) {
		value := "x"
		if c.Operator == trust.Equal && len(c.Values) > 0 {
			value = c.Values[0]
		}
		set(token, c.Claim, value)
	}
	token["iss"], token["aud"] = p.OIDC.IssuerURI, p.audiences[0]
	matches, _ := p.mappings[0].matches(m.value)
	for _, parts := range append(matches, nil) {
		for _, one := range parts {
			if value, operator := one.claimed(one.value, trust.Equal); operator == trust.Equal {
				set(token, one.claim, value)
				kubernetesClaims(token, one.claim, value)
			}
		}
		id, decision := p.identify(token)
		if decision.Accepted && decision.Undecided == "" && id[0] == m.value {
			return token, true
		}
	}
	return token, false
}

// claimsOfMappings returns the claims that the mappings name.
func (p *provider) claimsOfMappings() []trust.Comparison {
	var claims []trust.Comparison
	for _, one := range p.mappings {
		for _, path := range (&scope{}).claims(one.expression) {
			claims = append(claims, trust.Comparison{Claim: path})
		}
	}
	return claims
}

// kubernetesClaims sets the claims of a Kubernetes token that follow from its subject.
func kubernetesClaims(token trust.Token, claim []string, subject string) {
	account, ok := strings.CutPrefix(subject, "system:serviceaccount:")
	if !ok || len(claim) != 1 || claim[0] != "sub" {
		return
	}
	namespace, name, _ := strings.Cut(account, ":")
	set(token, []string{"kubernetes.io", "namespace"}, namespace)
	set(token, []string{"kubernetes.io", "serviceaccount", "name"}, name)
}

// set sets a claim by its path. It leaves a claim alone that is in the way.
func set(token map[string]any, path []string, value string) {
	for _, key := range path[:len(path)-1] {
		child, ok := token[key].(map[string]any)
		if !ok {
			child = map[string]any{}
			token[key] = child
		}
		token = child
	}
	if _, isObject := token[path[len(path)-1]].(map[string]any); !isObject {
		token[path[len(path)-1]] = value
	}
}
