package terraform

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
)

// unknowns makes placeholders for unknown values. A placeholder has the form that its expression
// suggests, so that what contains it can be judged: an account ID has twelve number, an
// issuer is a URL. It has a hash of the expression, so that it equals no other text.
type unknowns struct {
	// expressions are the expressions by placeholder.
	expressions map[string]string
}

// account stands for the account of the provider, which the files rarely say.
const account = "000000000000"

// projectNumber stands for the number of the project of the provider.
const projectNumber = "100000000000"

// placeholder returns the placeholder for an expression.
func (u *unknowns) placeholder(expression string) string {
	sum := sha256.Sum256([]byte(expression))
	last := expression[strings.LastIndexByte(expression, '.')+1:]
	switch {
	case oidcAttribute.MatchString(expression):
		return u.issuer(expression)
	case strings.HasSuffix(last, "account_id"), strings.HasSuffix(last, "project_number"),
		last == "number", strings.HasSuffix(last, "account"):
		number := fmt.Sprintf("9%011d", binary.BigEndian.Uint64(sum[:])%1e11)
		return u.remember(number, expression)
	default:
		return u.remember("tf-unknown-"+hex.EncodeToString(sum[:5]), expression)
	}
}

func (u *unknowns) remember(placeholder, expression string) string {
	isARN := strings.HasSuffix(expression, "arn")
	known, ok := u.expressions[placeholder]
	if knownARN := strings.HasSuffix(known, "arn"); !ok || knownARN && !isARN || knownARN == isARN && expression < known {
		u.expressions[placeholder] = expression
	}
	return placeholder
}

// oidcAttribute matches the names of issuers, and of the objects that stand for them:
// module.eks.oidc_provider_arn, aws_eks_cluster.main.identity[0].oidc[0].issuer.
var oidcAttribute = regexp.MustCompile(`(?i)(?:\bidentity\b.*\bissuer|[a-z0-9_]*(?:oidc|issuer|openid)[a-z0-9_]*)$`)

// issuer returns a placeholder for the URL, the host or the ARN of an issuer. Expressions that
// differ only in the kind of attribute are of one issuer.
func (u *unknowns) issuer(expression string) string {
	last := strings.ToLower(expression[strings.LastIndexByte(expression, '.')+1:])
	base := oidcAttribute.ReplaceAllString(expression, "")
	sum := sha256.Sum256([]byte(base))
	id := hex.EncodeToString(sum[:16])
	lower, suffix := strings.ToLower(base), ""
	host := id[:12] + ".unknown.invalid"
	switch {
	case strings.Contains(lower, "eks"):
		host = "oidc.eks.xx-unknown-1.amazonaws.com/id/" + strings.ToUpper(id)
	case strings.Contains(lower, "azurerm_kubernetes_cluster"):
		host = "unknown.oic.prod-aks.azure.com/00000000-0000-0000-0000-000000000000/" + uuid(id)
		suffix = "/"
	}
	u.remember(host, expression)
	switch {
	case strings.HasSuffix(last, "arn"):
		return "arn:aws:iam::" + account + ":oidc-provider/" + host
	case strings.HasSuffix(last, "oidc_provider"), strings.HasSuffix(last, "host"):
		return host
	default:
		return "https://" + host + suffix
	}
}

// uuid writes 32 hexadecimal number as a UUID.
func uuid(id string) string {
	return strings.Join([]string{id[:8], id[8:12], id[12:16], id[16:20], id[20:]}, "-")
}

// placeholders matches placeholders, with the scheme if they are of an issuer.
var placeholders = regexp.MustCompile(`(?:https://)?(oidc\.eks\.xx-unknown-1\.amazonaws\.com/id/[0-9A-F]{32}|` +
	`unknown\.oic\.prod-aks\.azure\.com/[0-9a-f-]{36}/[0-9a-f-]{36}|[0-9a-f]{12}\.unknown\.invalid|` +
	`tf-unknown-[0-9a-f]{10}(?:\.invalid)?|9[0-9]{11}|` + projectNumber + `)`)

// Explain replaces the placeholders in a text by their expressions: ${var.name}.
func Explain(text string, unknown map[string]string) string {
	if len(unknown) == 0 || !strings.Contains(text, "unknown") && !strings.ContainsAny(text, "19") {
		return text
	}
	return placeholders.ReplaceAllStringFunc(text, func(found string) string {
		expression, ok := unknown[strings.TrimPrefix(found, "https://")]
		if !ok {
			return found
		}
		return "${" + expression + "}"
	})
}
