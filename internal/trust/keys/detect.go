package keys

import (
	"encoding/base64"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/rollcall-iam/rollcall/internal/trust/kubernetes/manifest"
)

// The forms of keys. Sources: docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers
// (access key IDs), learn.microsoft.com/purview/sit-defn-client-secret-api-key.
var (
	accessKeyID   = regexp.MustCompile(`\b(?:AKIA|ASIA)[A-Z2-7]{16}\b`)
	secretKey     = regexp.MustCompile(`[A-Za-z0-9/+]{40,}`)
	clientSecret  = regexp.MustCompile(`[A-Za-z0-9_~.-]{3}[78]Q~[A-Za-z0-9_~.-]{31,34}`)
	serviceKey    = regexp.MustCompile(`"private_key"\s*:\s*"-----BEGIN [A-Z ]*PRIVATE KEY-----`)
	jsonSecret    = regexp.MustCompile(`"(?:clientSecret|client_secret)"\s*:\s*"([^"]+)"`)
	jsonTenant    = regexp.MustCompile(`"(?:tenantId|tenant_id|tenant)"\s*:`)
	separators    = regexp.MustCompile(`[^a-z0-9]+`)
	pseudoSecrets = regexp.MustCompile(
		`(?i)example|change.?me|replace|placeholder|dummy|your.|todo|x{4}|\*{3}|^enc\[|^vault:|^ref\+|^arn:|^test$`)
)

const (
	secretKeyLength = 40
	minSecret       = 8
	// maxDecoded is the size of the largest base64 that is decoded, in bytes.
	maxDecoded = 1 << 20
)

// detect returns the clouds whose keys a text holds, by the form of the keys.
func detect(text string) []cloud {
	var found []cloud
	if hasAccessKey(text) && hasSecretKey(text) {
		found = append(found, aws)
	}
	if serviceKey.MatchString(text) {
		found = append(found, google)
	}
	if clientSecret.MatchString(text) || hasJSONSecret(text) {
		found = append(found, azure)
	}
	return found
}

func hasJSONSecret(text string) bool {
	secret := jsonSecret.FindStringSubmatch(text)
	return secret != nil && genuine(secret[1]) && jsonTenant.MatchString(text)
}

// hasAccessKey reports whether a text holds the ID of an access key. That of AWS's
// documentation is none.
func hasAccessKey(text string) bool {
	return slices.ContainsFunc(accessKeyID.FindAllString(text, -1), func(id string) bool { return !strings.HasSuffix(id, "EXAMPLE") })
}

// hasSecretKey reports whether a text holds what may be the secret of an access key: 40
// characters of several kinds, unlike a SHA-1.
func hasSecretKey(text string) bool {
	for _, candidate := range secretKey.FindAllString(text, -1) {
		if len(candidate) == secretKeyLength && !strings.Contains(candidate, "EXAMPLE") && mixed(candidate) {
			return true
		}
	}
	return false
}

// mixed reports whether a text has capital letters, small letters and digits.
func mixed(text string) bool {
	return strings.ContainsFunc(text, unicode.IsUpper) && strings.ContainsFunc(text, unicode.IsLower) &&
		strings.ContainsFunc(text, unicode.IsDigit)
}

// genuine reports whether a text may be a secret, not a reference to one, a template or a
// placeholder.
func genuine(text string) bool {
	text = strings.TrimSpace(text)
	if len(text) < minSecret || strings.HasPrefix(text, "$") || strings.HasPrefix(text, "<") {
		return false
	}
	for _, template := range []string{"${", "{{", "$(", "<%"} {
		if strings.Contains(text, template) {
			return false
		}
	}
	return !pseudoSecrets.MatchString(text)
}

// lineOf returns the line of the first key for a cloud in a text, counted from 1.
func lineOf(c cloud, text string) int {
	pattern := map[cloud]*regexp.Regexp{aws: accessKeyID, google: serviceKey, azure: clientSecret}[c]
	at := pattern.FindStringIndex(text)
	if at == nil {
		at = jsonSecret.FindStringIndex(text)
	}
	if at == nil {
		return 1
	}
	return 1 + strings.Count(text[:at[0]], "\n")
}

// role is what a named value is for.
type role struct {
	cloud cloud
	// secret is true for the key itself, false for what comes with it.
	secret bool
}

// roleOf returns what a value is for by its name, in any spelling: AWS_SECRET_ACCESS_KEY,
// aws-secret-access-key, awsSecretAccessKey.
func roleOf(name string) (role, bool) {
	switch separators.ReplaceAllString(strings.ToLower(name), "") {
	case "awssecretaccesskey", "awssecretkey", "secretaccesskey":
		return role{aws, true}, true
	case "awsaccesskeyid", "awsaccesskey", "accesskeyid":
		return role{aws, false}, true
	case "googlecredentials", "googleapplicationcredentialsjson", "googlecloudkeyfilejson", "gcpsakey", "gcpcredentials",
		"gcloudservicekey", "gcpserviceaccountkey", "googleserviceaccountkey", "serviceaccountkey", "credentialsjson":
		return role{google, true}, true
	case "azureclientsecret", "armclientsecret", "azurecredentials", "aadclientsecret":
		return role{azure, true}, true
	case "azuretenantid", "armtenantid":
		return role{azure, false}, true
	default:
		return role{}, false
	}
}

// isClientSecret reports whether a name is that of a client secret at any issuer.
func isClientSecret(name string) bool {
	return separators.ReplaceAllString(strings.ToLower(name), "") == "clientsecret"
}

// isTenant reports whether a name is that of a tenant.
func isTenant(name string) bool {
	name = separators.ReplaceAllString(strings.ToLower(name), "")
	return name == "tenant" || strings.HasSuffix(name, "tenantid")
}

// decoded returns what base64 holds, and whether it is base64.
func decoded(text string) (string, bool) {
	if len(text) > maxDecoded {
		return "", false
	}
	plain, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	return string(plain), err == nil
}

// safe returns a name for a message. A name that looks like a key is not repeated.
func safe(name string) string {
	const longest = 63
	if len(name) > 2*longest || accessKeyID.MatchString(name) || secretKey.MatchString(name) || clientSecret.MatchString(name) {
		return "(withheld)"
	}
	return name
}

func isMap(v *manifest.Value) bool { return v != nil && v.Kind == manifest.Map }
