package lint

import (
	"fmt"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/trust"
	"github.com/rollcall-iam/rollcall/internal/trust/aws"
	"github.com/rollcall-iam/rollcall/internal/trust/gcp"
)

// federation is one provider of a cloud that trusts an issuer.
type federation struct {
	cloud, issuer string
	// name is unique in the scope: an address of Terraform, a pool and a provider.
	name, title string
	// scope is the account or project; known is true if it has its name, false if it is only
	// the directory of Terraform that makes the provider.
	scope string
	known bool
	// condition says which tokens the provider takes; empty for all. accepts is the
	// provider as a trust, nil if the cloud limits tokens elsewhere.
	condition string
	accepts   *trust.Trust
	at        trust.Position
}

// maxFederations bounds how many providers of one issuer are compared with each other.
const maxFederations = 20

// federatedTwice reports W12: an issuer that two providers of one cloud trust, so that
// access remains when one of them is removed. There is one finding for each provider but
// the first, which it names.
//
// Shared issuers, such as GitHub, are often federated in several places for several tenants:
// two providers are reported only if they are in one account or project and take the same
// tokens. A private issuer, such as a cluster, is reported also across projects. Providers
// that may be one and the same in two files are not.
func federatedTwice(all []federation) []trust.Finding {
	type group struct{ cloud, issuer, scope, condition string }
	groups := map[group][]federation{}
	var findings []trust.Finding
	for _, f := range all {
		key := group{cloud: f.cloud, issuer: f.issuer}
		if trust.IsShared(f.issuer) {
			key.scope, key.condition = f.scope, f.condition
		}
		for _, earlier := range groups[key] {
			if f.isDuplicate(earlier) {
				findings = append(findings, f.finding(earlier))
				break
			}
		}
		if len(groups[key]) < maxFederations {
			groups[key] = append(groups[key], f)
		}
	}
	return findings
}

// isDuplicate reports whether two providers of an issuer are different ones that take the same
// tokens.
func (f federation) isDuplicate(other federation) bool {
	if f.name == other.name && (f.scope == other.scope || f.cloud == googleCloud) {
		return false
	}
	if f.scope != other.scope && (!f.known || !other.known) {
		return false
	}
	return f.condition == other.condition || f.accepts != nil && other.accepts != nil && trust.Overlap(*f.accepts, *other.accepts)
}

func (f federation) finding(other federation) trust.Finding {
	return trust.Finding{
		File: f.at.File, Line: f.at.Line, Trust: f.title, Rule: "W12", Severity: trust.Medium,
		Message: fmt.Sprintf("The issuer %s is also federated by %s (%s:%d): when one of them is removed to revoke access, "+
			"its tokens still get in by the other.", f.issuer, other.title, other.at.File, other.at.Line),
		Fix: "Keep one of them, or limit each by a condition of its own.",
	}
}

// The clouds in which issuers are federated by objects of their own. An Entra credential is
// of one application.
const (
	amazonCloud = "AWS"
	googleCloud = "Google Cloud"
)

// amazonFederations returns the OIDC providers of AWS whose account can be told apart.
func (c *collection) amazonFederations(providers []aws.Provider) []federation {
	var all []federation
	for _, p := range providers {
		if p.Scope == "" || !c.isCertain(p.URL) {
			continue
		}
		all = append(all, federation{
			cloud: amazonCloud, issuer: p.URL, name: p.Name, title: p.Name, scope: p.Scope, at: p.At,
		})
	}
	return all
}

// googleFederations returns the providers of pools whose project can be told apart.
func (c *collection) googleFederations(providers []gcp.Provider) []federation {
	trusts := map[trust.Position]*trust.Trust{}
	for i := range c.trusts {
		if t := &c.trusts[i]; t.Kind == trust.GCPProvider {
			trusts[t.At] = t
		}
	}
	var all []federation
	for _, p := range providers {
		if p.OIDC == nil || p.Disabled || p.Deleted || p.Undecided != "" || !c.isCertain(p.OIDC.IssuerURI) {
			continue
		}
		if f, ok := c.googleFederation(p); ok {
			if t := trusts[p.At]; t != nil && t.Name == p.Name {
				f.accepts = t
			}
			all = append(all, f)
		}
	}
	return all
}

// googleFederation returns a provider of a pool; false if its project cannot be told apart
// from others.
func (c *collection) googleFederation(p gcp.Provider) (federation, bool) {
	project, name, found := strings.Cut(strings.TrimPrefix(p.Name, "projects/"), "/locations/global/workloadIdentityPools/")
	f := federation{
		cloud: googleCloud, issuer: p.OIDC.IssuerURI, name: name, title: p.Name, scope: "project " + project, known: true,
		condition: strings.Join(strings.Fields(p.AttributeCondition), " "), at: p.At,
	}
	if project == "PROJECT_NUMBER" || c.unknown[project] != "" {
		f.scope, f.known = p.Scope+" "+project, false
	}
	return f, found && (f.known || p.Scope != "")
}

// isCertain reports whether an issuer is known, or is the attribute of one cluster:
// placeholders of other expressions may be of several issuers.
func (c *collection) isCertain(issuer string) bool {
	expression, isUnknown := c.unknown[strings.TrimSuffix(strings.TrimPrefix(issuer, "https://"), "/")]
	if !isUnknown {
		return issuer != ""
	}
	for _, kind := range []string{"aws_eks_cluster.", "azurerm_kubernetes_cluster.", "module."} {
		if strings.HasPrefix(expression, kind) {
			return true
		}
	}
	return false
}
