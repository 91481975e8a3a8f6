// Package placeholder makes texts that stand for values that files do not say, such as a
// variable without default. A trust with placeholders can be judged: no token has one.
//
//	set := placeholder.New()
//	subject := "repo:" + set.Of("var.organization") + "/app"
//	fmt.Println(placeholder.Explain(subject, set.Expressions)) // repo:${var.organization}/app
package placeholder

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
)

// Set makes placeholders. A placeholder has the form that its expression suggests: an
// account ID has twelve digits, an issuer is a URL. It has a hash of the expression, so that
// it equals no other text.
type Set struct {
	// Expressions are the expressions by placeholder.
	Expressions map[string]string
}

// New returns an empty set.
func New() Set { return Set{Expressions: map[string]string{}} }

// Account stands for the account of the provider, which the files rarely say.
const Account = "000000000000"

// ProjectNumber stands for the number of the project of the provider.
const ProjectNumber = "100000000000"

// Of returns the placeholder for an expression.
func (s Set) Of(expression string) string {
	sum := sha256.Sum256([]byte(expression))
	last := expression[strings.LastIndexByte(expression, '.')+1:]
	switch {
	case oidcAttribute.MatchString(expression):
		return s.issuer(expression)
	case strings.HasSuffix(last, "account_id"), strings.HasSuffix(last, "project_number"),
		last == "number", strings.HasSuffix(last, "account"):
		number := fmt.Sprintf("9%011d", binary.BigEndian.Uint64(sum[:])%1e11)
		return s.Remember(number, expression)
	default:
		return s.Remember(prefix+hex.EncodeToString(sum[:5]), expression)
	}
}

// prefix begins placeholders that have no form of their own.
const prefix = "tf-unknown-"

// Is reports whether a text is the placeholder of an expression that suggests no form.
func Is(text string) bool { return len(text) == len(prefix)+10 && strings.HasPrefix(text, prefix) }

// anyIssuer ends the placeholders of issuers of which only is known that they are some.
const anyIssuer = ".unknown.invalid"

// IsIssuer reports whether a text is the placeholder of an issuer of which nothing is known.
func IsIssuer(text string) bool { return strings.HasSuffix(text, anyIssuer) }

// Remember adds a placeholder that another package makes. Of two expressions it keeps the
// one that is no ARN, then the first in the order of texts.
func (s Set) Remember(placeholder, expression string) string {
	isARN := strings.HasSuffix(expression, "arn")
	known, ok := s.Expressions[placeholder]
	if knownARN := strings.HasSuffix(known, "arn"); !ok || knownARN && !isARN || knownARN == isARN && expression < known {
		s.Expressions[placeholder] = expression
	}
	return placeholder
}

// oidcAttribute matches the names of issuers, and of the objects that stand for them:
// module.eks.oidc_provider_arn, aws_eks_cluster.main.identity[0].oidc[0].issuer.
var oidcAttribute = regexp.MustCompile(`(?i)(?:\bidentity\b.*\bissuer|[a-z0-9_]*(?:oidc|issuer|openid)[a-z0-9_]*)$`)

// issuer returns a placeholder for the URL, the host or the ARN of an issuer. Expressions
// that differ only in the kind of attribute are of one issuer. Names of CloudFormation have
// no underscores.
func (s Set) issuer(expression string) string {
	last := strings.ReplaceAll(strings.ToLower(expression[strings.LastIndexByte(expression, '.')+1:]), "_", "")
	base := oidcAttribute.ReplaceAllString(expression, "")
	sum := sha256.Sum256([]byte(base))
	id := hex.EncodeToString(sum[:16])
	lower, suffix := strings.ToLower(base), ""
	host := id[:12] + anyIssuer
	switch {
	case strings.Contains(lower, "eks"):
		host = "oidc.eks.xx-unknown-1.amazonaws.com/id/" + strings.ToUpper(id)
	case strings.Contains(lower, "azurerm_kubernetes_cluster"):
		host = "unknown.oic.prod-aks.azure.com/00000000-0000-0000-0000-000000000000/" + uuid(id)
		suffix = "/"
	}
	s.Remember(host, expression)
	switch {
	case strings.HasSuffix(last, "arn"):
		return "arn:aws:iam::" + Account + ":oidc-provider/" + host
	case strings.HasSuffix(last, "oidcprovider"), strings.HasSuffix(last, "host"):
		return host
	default:
		return "https://" + host + suffix
	}
}

// uuid writes 32 hexadecimal digits as a UUID.
func uuid(id string) string {
	return strings.Join([]string{id[:8], id[8:12], id[12:16], id[16:20], id[20:]}, "-")
}

// placeholders matches placeholders, with the scheme if they are of an issuer.
var placeholders = regexp.MustCompile(`(?:https://)?(oidc\.eks\.xx-unknown-1\.amazonaws\.com/id/[0-9A-F]{32}|` +
	`unknown\.oic\.prod-aks\.azure\.com/[0-9a-f-]{36}/[0-9a-f-]{36}|[0-9a-f]{12}\.unknown\.invalid|` +
	prefix + `[0-9a-f]{10}(?:\.invalid)?|9[0-9]{11}|` + ProjectNumber + `)`)

// Find returns the texts that look like placeholders.
func Find(text string) []string {
	if !mayHave(text) {
		return nil
	}
	return placeholders.FindAllString(text, -1)
}

// mayHave reports whether a text has what every placeholder has.
func mayHave(text string) bool {
	return strings.Contains(text, "unknown") || strings.ContainsAny(text, "19")
}

// Explain replaces the placeholders in a text by their expressions: ${var.name}.
func Explain(text string, expressions map[string]string) string {
	if len(expressions) == 0 || !mayHave(text) {
		return text
	}
	return placeholders.ReplaceAllStringFunc(text, func(found string) string {
		expression, ok := expressions[strings.TrimPrefix(found, "https://")]
		if !ok {
			return found
		}
		return "${" + expression + "}"
	})
}
