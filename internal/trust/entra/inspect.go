package entra

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// Entra's limit of credentials of one application or identity, and the number at which
// the rest should be planned for.
const (
	maxCredentials  = 20
	manyCredentials = 16
)

// count finds applications whose credentials are near the limit (Z01).
func count(credentials []Credential) []trust.Finding {
	number := map[string]int{}
	for _, c := range credentials {
		if c.Application != "" {
			number[c.Application]++
		}
	}
	var findings []trust.Finding
	for _, c := range credentials {
		n := number[c.Application]
		if n < manyCredentials {
			continue
		}
		number[c.Application] = 0 // reported at the first credential only
		findings = append(findings, trust.Finding{
			File: c.At.File, Line: c.At.Line, Trust: c.Application, Rule: "Z01", Severity: trust.Medium,
			Message: fmt.Sprintf("The application or identity has %d federated credentials of at most %d.", n, maxCredentials),
			Fix: "Remove unused credentials, use a flexible credential, or spread workloads over several " +
				"identities before the next one is refused.",
		})
	}
	return findings
}

// inspect finds what shows without a token.
func (c Credential) inspect() []trust.Finding {
	var findings []trust.Finding
	for _, check := range []func() (trust.Finding, bool){c.shape, c.wildcard, c.audience, c.issuer, c.tenants} {
		if f, found := check(); found {
			findings = append(findings, f)
		}
	}
	return findings
}

// shape finds a credential that has both a subject and an expression, or neither (Z08).
func (c Credential) shape() (trust.Finding, bool) {
	switch subject := c.Subject != "" || c.unknown(Subject); {
	case subject && c.flexible():
		return c.finding("Z08", trust.Medium, "Entra refuses the credential: it has a subject and a claimsMatchingExpression.",
			"Remove the subject; the expression can compare claims['sub']."), true
	case !subject && !c.flexible():
		return c.finding("Z08", trust.Medium, "Entra refuses the credential: it has no subject and no claimsMatchingExpression.",
			"Set the subject to the sub of the intended workload's tokens."), true
	default:
		return trust.Finding{}, false
	}
}

// wildcard finds a subject that is a pattern (Z03): Entra compares it character by
// character, so that it accepts no token.
func (c Credential) wildcard() (trust.Finding, bool) {
	if c.flexible() || !strings.Contains(c.Subject, "*") {
		return trust.Finding{}, false
	}
	return c.finding("Z03", trust.Medium, fmt.Sprintf("The subject %q holds a *, which is no wildcard here: no token "+
		"is accepted.", c.Subject),
		"Write one credential for each subject, or a flexible credential with claimsMatchingExpression."), true
}

// audience finds an audience other than that of Entra's clouds (Z04).
func (c Credential) audience() (trust.Finding, bool) {
	if c.unknown(Audiences) || len(c.Audiences) == 1 && exchangeAudience(c.Audiences[0]) {
		return trust.Finding{}, false
	}
	fix := "Set audiences to [\"api://AzureADTokenExchange\"], or to the value of your national cloud, and request tokens for it."
	if len(c.Audiences) != 1 {
		return c.finding("Z04", trust.Medium, fmt.Sprintf("The credential has %d audiences; Entra takes exactly "+
			"one.", len(c.Audiences)), fix), true
	}
	return c.finding("Z04", trust.Medium,
		fmt.Sprintf("The audience %q is not Entra's: a token that is made for another system can be exchanged "+
			"here.", c.Audiences[0]), fix), true
}

// exchangeAudience reports whether an audience is that of a token exchange in one of
// Microsoft's clouds.
// Source: learn.microsoft.com/entra/workload-id/workload-identity-federation-config-app-trust-managed-identity.
func exchangeAudience(audience string) bool {
	switch audience {
	case "api://AzureADTokenExchange", "api://AzureADTokenExchangeUSGov", "api://AzureADTokenExchangeChina",
		"api://AzureADTokenExchangeUSNat", "api://AzureADTokenExchangeUSSec":
		return true
	default:
		return false
	}
}

// issuer finds an issuer that no token can have (Z05). Entra compares it exactly.
func (c Credential) issuer() (trust.Finding, bool) {
	if c.unknown(Issuer) {
		return trust.Finding{}, false
	}
	problem, fix := issuerProblem(c.Issuer)
	if problem == "" {
		return trust.Finding{}, false
	}
	return c.finding("Z05", trust.Medium, fmt.Sprintf("The issuer %q %s: no token is accepted.", c.Issuer, problem), fix), true
}

func issuerProblem(issuer string) (problem, fix string) {
	u, err := url.Parse(strings.TrimSpace(issuer))
	switch {
	case strings.TrimSpace(issuer) != issuer:
		return "begins or ends with white space", "Remove the white space."
	case err != nil || u.Scheme != "https" || u.Host == "":
		return "is no https URL", "Write the iss of the tokens, an https URL."
	case u.Host != strings.ToLower(u.Host):
		return "has capital letters in its host", "Write the host in small letters, as the tokens' iss does."
	case strings.HasSuffix(u.Path, "/") && endsWithoutSlash(u.Host):
		return "ends with a slash, which the issuer's tokens do not", "Remove the slash."
	case !strings.HasSuffix(u.Path, "/") && endsWithSlash(u.Host):
		return "ends without a slash, which the issuer's tokens have", "Add a slash at the end."
	default:
		return "", ""
	}
}

// endsWithoutSlash reports whether the issuer at a host is known to sign its URL without
// a slash at the end.
func endsWithoutSlash(host string) bool {
	switch host {
	case "token.actions.githubusercontent.com", "gitlab.com", "app.terraform.io", "app.eu.terraform.io", "accounts.google.com",
		"login.microsoftonline.com", "api.pulumi.com", "agent.buildkite.com":
		return true
	default:
		return strings.HasPrefix(host, "oidc.eks.") || host == "container.googleapis.com"
	}
}

// endsWithSlash reports whether the issuer at a host is known to sign its URL with a
// slash at the end: AKS clusters, and Entra's tokens of version 1.
// Source: learn.microsoft.com/azure/aks/use-oidc-issuer.
func endsWithSlash(host string) bool {
	return host == "sts.windows.net" || strings.HasSuffix(host, ".oic.prod-aks.azure.com")
}

// tenants finds a credential of an application that other tenants use (Z06).
func (c Credential) tenants() (trust.Finding, bool) {
	if !c.MultiTenant {
		return trust.Finding{}, false
	}
	return c.finding("Z06", trust.High, "The application is multi-tenant: the workload acts in every tenant that consented to it.",
		"Use an application of this tenant only (signInAudience AzureADMyOrg), or a user-assigned identity."), true
}

// support finds what Entra does not take of an expression at this issuer (Z08).
func (c Credential) support(e expression) []trust.Finding {
	refused := func(message, fix string) trust.Finding {
		return c.finding("Z08", trust.Medium, "Entra refuses the credential: "+message, fix)
	}
	var findings []trust.Finding
	if c.Language > 1 || c.Language < 0 {
		findings = append(findings, refused(fmt.Sprintf("languageVersion is %d.", c.Language), "Set languageVersion to 1."))
	}
	if c.unknown(Issuer) || c.unknown(Expression) {
		return findings
	}
	platform := platformOf(c.Issuer)
	if platform == none {
		return append(findings, refused(fmt.Sprintf("flexible credentials are supported for GitHub, GitLab and HCP "+
			"Terraform, not for the issuer %q.", c.Issuer),
			"Write one classic credential for each subject."))
	}
	for _, one := range e {
		if !platform.supports(one) {
			findings = append(findings, refused(fmt.Sprintf("claim %q with this operator is not supported for %s.", one.claim, platform),
				"Compare claims['sub']; for GitHub also repository_id and repository_owner_id with eq, and job_workflow_ref."))
		}
	}
	if platform == github && !e.compares("repository_id") && !e.compares("repository_owner_id") {
		findings = append(findings, c.finding("Z08", trust.Medium,
			"The expression names the repository by names only: Entra refuses new credentials like it, and a later "+
				"owner of the name is accepted.",
			"Add and claims['repository_id'] eq '<id>' to the expression."))
	}
	return findings
}

// platform is an issuer for which flexible credentials exist.
type platform string

const (
	none      platform = ""
	github    platform = "GitHub"
	gitlab    platform = "GitLab"
	terraform platform = "HCP Terraform"
)

// platformOf returns the platform of an issuer. Source:
// learn.microsoft.com/entra/workload-id/workload-identities-flexible-federated-identity-credentials.
func platformOf(issuer string) platform {
	switch host := strings.TrimPrefix(issuer, "https://"); {
	case host == issuer:
		return none
	case host == "token.actions.githubusercontent.com":
		return github
	case host == "app.terraform.io" || host == "app.eu.terraform.io":
		return terraform
	case strings.HasPrefix(host, "gitlab.") && !strings.Contains(host, "/"):
		return gitlab
	default:
		return none
	}
}

func (p platform) supports(c comparison) bool {
	switch c.claim {
	case "sub":
		return true
	case "job_workflow_ref":
		return p == github
	case "repository_id", "repository_owner_id":
		return p == github && c.operator == trust.Equal
	default:
		return false
	}
}

func (e expression) compares(claim string) bool {
	return slices.ContainsFunc(e, func(c comparison) bool { return c.claim == claim })
}
