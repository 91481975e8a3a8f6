package aws

import (
	"strconv"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// The claims in which a token carries session tags and a source identity (id_session-tags
// and id_credentials_temp_control-access_monitor). The tags of the first form are an
// object; those of the second are claims of their own, named with the prefix.
const (
	tagsClaim        = "https://aws.amazon.com/tags"
	tagPrefix        = tagsClaim + "/principal_tags/"
	transitiveClaim  = tagsClaim + "/transitive_tag_keys"
	sourceClaim      = "https://aws.amazon.com/source_identity"
	principalTags    = "principal_tags"
	transitiveKeys   = "transitive_tag_keys"
	requestTagPrefix = "requesttag/"
)

// values are the values of one key in a request: none, one text or a list.
type values struct {
	text string
	list []any
	// count is how many there are. A list of none is as a missing key.
	count int
}

// at returns a value as a text.
func (v values) at(i int) (string, bool) {
	if v.list == nil {
		return v.text, true
	}
	return scalar(v.list[i])
}

// single returns the value of a key with one. "You cannot use a multivalued context key
// as a policy variable".
func (v values) single() (string, bool) {
	if v.count != 1 {
		return "", false
	}
	return v.at(0)
}

func oneValue(text string) values { return values{text: text, count: 1} }

// valuesOf returns the values of a claim. Objects and null are none.
func valuesOf(claim any) values {
	if list, ok := claim.([]any); ok {
		return values{list: list, count: len(list)}
	}
	if text, ok := scalar(claim); ok {
		return oneValue(text)
	}
	return values{}
}

func scalar(claim any) (string, bool) {
	switch v := claim.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	default:
		return "", false
	}
}

// sourceKind says where the values of a key come from.
type sourceKind uint8

const (
	notKnown sourceKind = iota // from the request, which a token does not decide
	missing                    // no request has the key
	claim
	audience // of the party that the token is for
	other
)

// source reads the values of a key. Most keys are claims; read is for others.
type source struct {
	kind  sourceKind
	claim string
	read  func(*request) values
	// issuer, if it is not empty, is the one whose tokens alone have the key.
	issuer string
}

// values returns the values of the key, and false if they are not known from the token.
func (s *source) values(r *request) (values, bool) {
	if s.issuer != "" && !strings.EqualFold(s.issuer, r.issuer) {
		return values{}, true
	}
	switch s.kind {
	case claim:
		return valuesOf(r.token[s.claim]), true
	case audience:
		return oneValue(r.audience), true
	case other:
		c := *r // so that only this copy is allocated
		return s.read(&c), true
	case missing:
		return values{}, true
	default:
		return values{}, false
	}
}

// sourceOf returns where the values of a key come from. The issuer is the one of the
// statement; empty, the key is there for the tokens of its own.
func sourceOf(key, issuer string) source {
	namespace, name := splitKey(key)
	if _, _, ok := issuerKey(key); ok {
		return issuerSource(namespace, name, issuer)
	}
	switch strings.ToLower(namespace) {
	case "aws":
		return globalSource(name)
	case "sts":
		return stsSource(name)
	case "saml":
		return source{kind: missing}
	default:
		return source{}
	}
}

// issuerSource reads a key of an issuer. Keys of other issuers than the token's are
// missing, as are claims that AWS does not map.
func issuerSource(namespace, name, issuer string) source {
	if issuer == "" {
		s := claimSource(strings.ToLower(namespace), name)
		s.issuer = namespace
		return s
	}
	if !strings.EqualFold(namespace, issuer) {
		return source{kind: missing}
	}
	return claimSource(issuer, name)
}

func claimSource(issuer, name string) source {
	path, ok := claimPath(issuer, name)
	if !ok {
		return source{kind: missing}
	}
	switch strings.ToLower(name) {
	case "aud", "app_id":
		return source{kind: audience}
	case "google/organization_number":
		// AWS writes the claim as google:organization_number; Google's reference has it
		// in the object google.
		return source{kind: other, read: func(r *request) values {
			if v, ok := r.token[path[0]]; ok {
				return valuesOf(v)
			}
			v, _ := r.token.Lookup("google", "organization_number")
			return valuesOf(v)
		}}
	default:
		return source{kind: claim, claim: path[0]}
	}
}

// globalSource reads the keys of AWS (reference_policies_condition-keys). STS has only TLS
// endpoints; a call with a web identity is not signed, so it has no user and no MFA.
func globalSource(name string) source {
	lower := strings.ToLower(name)
	switch lower {
	case "securetransport":
		return source{kind: other, read: func(*request) values { return oneValue("true") }}
	case "multifactorauthpresent", "multifactorauthage", "username":
		return source{kind: missing}
	case "tagkeys":
		return source{kind: other, read: func(r *request) values { return valuesOf(tagKeys(r.token)) }}
	}
	if strings.HasPrefix(lower, requestTagPrefix) {
		tag := name[len(requestTagPrefix):]
		return source{kind: other, read: func(r *request) values { return tagOf(r.token, tag) }}
	}
	return source{}
}

// stsSource reads the keys of STS. AssumeRoleWithWebIdentity has no external ID; its
// source identity and transitive tags come from the token.
func stsSource(name string) source {
	switch strings.ToLower(name) {
	case "externalid":
		return source{kind: missing}
	case "sourceidentity":
		return source{kind: claim, claim: sourceClaim}
	case "transitivetagkeys":
		return source{kind: other, read: func(r *request) values {
			if v, ok := r.token[transitiveClaim]; ok {
				return valuesOf(v)
			}
			v, _ := r.token.Lookup(tagsClaim, transitiveKeys)
			return valuesOf(v)
		}}
	default:
		return source{}
	}
}

// tagOf returns the value of a session tag. Tag keys are not case-sensitive.
func tagOf(t trust.Token, tag string) values {
	nested, _ := t.Lookup(tagsClaim, principalTags)
	if object, ok := nested.(map[string]any); ok {
		if v, ok := object[tag]; ok {
			return valuesOf(v)
		}
		for key, v := range object {
			if strings.EqualFold(key, tag) {
				return valuesOf(v)
			}
		}
	}
	for key, v := range t {
		if rest, ok := strings.CutPrefix(key, tagPrefix); ok && strings.EqualFold(rest, tag) {
			return valuesOf(v)
		}
	}
	return values{}
}

// tagKeys returns the keys of all session tags.
func tagKeys(t trust.Token) []any {
	keys := []any{}
	nested, _ := t.Lookup(tagsClaim, principalTags)
	if object, ok := nested.(map[string]any); ok {
		for key := range object {
			keys = append(keys, key)
		}
	}
	for key := range t {
		if rest, ok := strings.CutPrefix(key, tagPrefix); ok {
			keys = append(keys, rest)
		}
	}
	return keys
}

// tagged returns whether a token has session tags.
func tagged(t trust.Token) bool {
	nested, _ := t.Lookup(tagsClaim, principalTags)
	if object, ok := nested.(map[string]any); ok && len(object) > 0 {
		return true
	}
	for key := range t {
		if len(key) > len(tagPrefix) && key[:len(tagPrefix)] == tagPrefix {
			return true
		}
	}
	return false
}
