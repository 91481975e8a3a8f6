// Package entra reads the federated identity credentials of Microsoft Entra applications
// and of Azure's user-assigned identities, exact and flexible ones, as trusts.
//
//	trusts, findings, err := entra.Parse("credentials.json", text)
//
// A credential accepts a token whose iss, aud and sub are the texts that it names. A
// flexible credential has an [Expression] instead of a subject.
//
// Sources: learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations,
// .../workload-identities-flexible-federated-identity-credentials.
package entra

import (
	"cmp"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// Credential is a federated identity credential, as an API or Terraform describes it.
type Credential struct {
	// Name is the credential's name.
	Name string
	// Application names the application or identity that has the credential; credentials
	// of one application are counted together. Empty if it is not known.
	Application string
	At          trust.Position
	// Issuer is the URL that a token's iss must be.
	Issuer string
	// Subject is the text that a token's sub must be; empty for a flexible credential.
	Subject string
	// Audiences are texts of which a token's aud must hold one. Entra takes exactly one.
	Audiences []string
	// Expression is the value of claimsMatchingExpression; empty for a classic credential.
	Expression string
	// Language is the languageVersion of the expression; 0 if there is none.
	Language int64
	// MultiTenant is true if the application signs in accounts of other tenants.
	MultiTenant bool
	// Privileges are roles of the application or identity.
	Privileges []Privilege
	// Unknown are the attributes whose values the file does not say, such as a reference
	// in Terraform.
	Unknown []Attribute
}

// Attribute is an attribute of a credential.
type Attribute string

// The attributes that may be unknown.
const (
	Issuer     Attribute = "issuer"
	Subject    Attribute = "subject"
	Audiences  Attribute = "audiences"
	Expression Attribute = "claimsMatchingExpression"
)

// New returns the trusts of credentials, and what is wrong with them that shows without
// a token. A credential that Entra refuses has a finding and no trust.
func New(credentials []Credential) ([]trust.Trust, []trust.Finding) {
	var trusts []trust.Trust
	findings := append(count(credentials), privileged(credentials)...)
	for _, c := range credentials {
		findings = append(findings, c.inspect()...)
		if !c.flexible() {
			trusts = append(trusts, c.trust(nil))
			continue
		}
		expression, err := c.parse()
		if err != nil {
			findings = append(findings, c.finding("Z08", trust.Medium,
				"Entra refuses the credential: "+err.Error(),
				"Correct the expression. Its form is: claims['sub'] eq 'text', claims['sub'] matches 'text with * and ?', joined by and."))
			continue
		}
		findings = append(findings, c.support(expression)...)
		trusts = append(trusts, c.trust(expression))
	}
	return trusts, findings
}

func (c Credential) unknown(a Attribute) bool { return slices.Contains(c.Unknown, a) }

func (c Credential) flexible() bool { return c.Expression != "" || c.unknown(Expression) }

func (c Credential) parse() (expression, error) {
	if c.unknown(Expression) {
		return nil, nil
	}
	return parseExpression(c.Expression)
}

// trust returns the trust of a credential. e is its expression, nil if it has none.
func (c Credential) trust(e expression) trust.Trust {
	t := trust.Trust{Name: c.Name, Kind: trust.EntraCredential, At: c.At, Accepts: c.accepts(e)}
	if !c.unknown(Issuer) {
		t.Issuer = c.Issuer
	}
	switch {
	case c.unknown(Expression):
		t.Unknown = "the claims matching expression is " + cmp.Or(c.Expression, "a value")
	case c.unknown(Subject) && !c.flexible():
		t.Unknown = "the subject is " + cmp.Or(c.Subject, "a value")
	}
	if len(c.Audiences) > 0 && !c.unknown(Audiences) {
		t.Comparisons = append(t.Comparisons, trust.Comparison{Claim: []string{"aud"}, Operator: trust.Equal, Values: c.Audiences})
	}
	if c.Subject != "" && !c.flexible() && !c.unknown(Subject) {
		t.Comparisons = append(t.Comparisons, trust.Comparison{Claim: []string{"sub"}, Operator: trust.Equal, Values: []string{c.Subject}})
	}
	for _, one := range e {
		t.Comparisons = append(t.Comparisons, one.comparison())
	}
	return t
}

// accepts returns the predicate of a credential. A value that the file does not say is
// some text: an unknown issuer or audience is taken for the token's, an unknown subject
// for another than the token's. An unknown expression may accept anything.
func (c Credential) accepts(e expression) func(trust.Token) trust.Decision {
	return func(t trust.Token) trust.Decision {
		switch {
		case !c.unknown(Issuer) && (c.Issuer == "" || t.Text("iss") != c.Issuer),
			!c.unknown(Audiences) && !slices.ContainsFunc(t.Texts("aud"), c.hasAudience):
			return trust.Decision{}
		case c.unknown(Expression):
			return trust.Decision{Accepted: true, Undecided: "the file does not say the claims matching expression"}
		case c.flexible():
			return trust.Decision{Accepted: e.accepts(t)}
		default:
			return trust.Decision{Accepted: c.Subject != "" && t.Text("sub") == c.Subject}
		}
	}
}

func (c Credential) hasAudience(audience string) bool { return slices.Contains(c.Audiences, audience) }

func (c Credential) finding(rule string, severity trust.Severity, message, fix string) trust.Finding {
	return trust.Finding{
		File: c.At.File, Line: c.At.Line, Trust: c.Name,
		Rule: rule, Severity: severity, Message: message, Fix: fix,
	}
}
