package aws

import (
	"strings"

	"github.com/rollcall-iam/rollcall/internal/trust/placeholder"
)

// principals are the callers that a statement is about.
type principals struct {
	inverse bool // NotPrincipal
	// all is true for "*" and {"AWS": "*"}, which IAM treats alike.
	all bool
	// providers are the issuers of OIDC providers and of web identities, as AWS names
	// them: without https://. One may have wildcards, which IAM refuses.
	providers []string
	// unresolved is true if a provider is a reference that the file does not resolve.
	unresolved bool
	aws        []string // ARNs and account IDs
	accounts   []string // of the OIDC and SAML providers: the role's own
}

// read reads Principal or NotPrincipal.
func (p *principals) read(n *node, field string) error {
	if n.kind == textKind {
		if n.text != "*" {
			return fail(n, field, `the text %q is no principal: write "*", or an object with Federated, AWS or Service`, n.text)
		}
		p.all = true
		return nil
	}
	if n.kind != objectKind {
		return fail(n, field, `write "*", or an object with Federated, AWS or Service`)
	}
	for _, m := range n.members {
		values, err := texts(m.value, join(field, m.key))
		if err != nil {
			return err
		}
		switch m.key {
		case "Federated":
			for _, v := range values {
				p.addProvider(v)
			}
		case "AWS":
			p.addAWS(values)
		case "Service", "CanonicalUser":
		default:
			return fail(m.value, join(field, m.key), "unknown type of principal: write Federated, AWS or Service")
		}
	}
	return nil
}

func (p *principals) addAWS(values []string) {
	for _, v := range values {
		if v == "*" {
			p.all = true
		} else {
			p.aws = append(p.aws, v)
		}
	}
}

// addProvider adds an OIDC provider by its ARN, or a web identity provider by its host.
// SAML providers accept no tokens, so only their account is kept.
func (p *principals) addProvider(value string) {
	_, host, oidc := strings.Cut(value, ":oidc-provider/")
	saml := strings.Contains(value, ":saml-provider/")
	if account := accountOf(value); account != "" && (oidc || saml) {
		p.accounts = appendNew(p.accounts, account)
	}
	switch {
	case saml:
	case oidc && !strings.Contains(host, "${"):
		p.providers = appendNew(p.providers, host)
	case strings.Contains(value, "${"), placeholder.Is(value):
		p.unresolved = true
	case strings.ContainsAny(value, "*?"):
		p.providers = appendNew(p.providers, "*")
	default:
		p.providers = appendNew(p.providers, value)
	}
}

// accountOf returns the account ID in an ARN, or in a principal that is one.
func accountOf(principal string) string {
	if isNumber(principal, 12) {
		return principal
	}
	parts := strings.SplitN(principal, ":", 6)
	if len(parts) == 6 && parts[0] == "arn" && isNumber(parts[4], 12) {
		return parts[4]
	}
	return ""
}

func isNumber(text string, count int) bool {
	return len(text) == count && strings.Trim(text, "0123456789") == ""
}

// wildcards returns whether a principal stands for any issuer that it does not name.
func (p *principals) wildcards() bool {
	if p.inverse || p.all {
		return true
	}
	for _, issuer := range p.providers {
		if strings.ContainsAny(issuer, "*?") {
			return true
		}
	}
	return false
}

// issuers returns the issuers that the statement names.
func (p *principals) issuers() []string {
	if p.inverse {
		return nil
	}
	var named []string
	for _, issuer := range p.providers {
		if !strings.ContainsAny(issuer, "*?") {
			named = append(named, issuer)
		}
	}
	return named
}

// matches returns whether the statement is about an issuer's tokens.
func (p *principals) matches(issuer string) bool {
	if p.all {
		return !p.inverse
	}
	for _, pattern := range p.providers {
		if pattern == issuer || strings.ContainsAny(pattern, "*?") && wildcard(pattern, issuer) {
			return !p.inverse
		}
	}
	return p.inverse
}
