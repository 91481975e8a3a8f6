package aws

import (
	"fmt"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// WithProviders returns the trusts with what their issuers' providers add: STS accepts
// only tokens for a client ID of the provider. It reports audiences in trusts that no
// provider has (A07). Call it once, with the providers of all documents: a trust whose
// provider is not among them stays as it is.
func WithProviders(trusts []trust.Trust, providers []Provider) ([]trust.Trust, []trust.Finding) {
	clients, known := map[string][]string{}, map[string]map[string]bool{}
	for _, p := range providers {
		if known[p.URL] == nil {
			known[p.URL] = map[string]bool{}
			clients[p.URL] = []string{}
		}
		for _, id := range p.ClientIDs {
			if !known[p.URL][id] {
				known[p.URL][id] = true
				clients[p.URL] = append(clients[p.URL], id)
			}
		}
	}
	var findings []trust.Finding
	joined := slices.Clone(trusts)
	for i, t := range joined {
		ids, ok := clients[t.Issuer]
		if !ok || t.Kind != trust.AWSRole {
			continue
		}
		joined[i].Audiences = ids
		joined[i].Accepts = forClients(t.Accepts, known[t.Issuer])
		findings = append(findings, checkAudiences(t, ids, known[t.Issuer])...)
	}
	return joined, findings
}

func forClients(accepts func(trust.Token) trust.Decision, ids map[string]bool) func(trust.Token) trust.Decision {
	return func(t trust.Token) trust.Decision {
		if r, ok := newRequest(t); !ok || !ids[r.audience] {
			return trust.Decision{}
		}
		return accepts(t)
	}
}

// checkAudiences reports audiences that the issuer's provider does not have (A07).
func checkAudiences(t trust.Trust, ids []string, known map[string]bool) []trust.Finding {
	var findings []trust.Finding
	for _, c := range t.Comparisons {
		if c.Operator != trust.Equal || len(c.Claim) != 1 || c.Claim[0] != "aud" {
			continue
		}
		for _, v := range c.Values {
			if known[v] {
				continue
			}
			findings = append(findings, trust.Finding{
				File: t.At.File, Line: t.At.Line, Trust: t.Name, Rule: "A07", Severity: trust.Medium,
				Message: fmt.Sprintf("The audience %q is not a client ID of the provider %s, so STS refuses every token for it.",
					v, t.Issuer),
				Fix: fmt.Sprintf("Add %q to the client IDs of the provider, or name one of these: %s.", v, quoted(ids)),
			})
		}
	}
	return findings
}
