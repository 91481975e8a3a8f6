package aws

import (
	"slices"
	"strings"
)

// The hosts of the issuers that AWS knows without a provider object.
const (
	google   = "accounts.google.com"
	cognito  = "cognito-identity.amazonaws.com"
	amazon   = "www.amazon.com"
	facebook = "graph.facebook.com"
)

// splitKey splits a condition key into its namespace, an issuer or a service, and the
// name of a claim or key in it. An issuer has no port, so the first colon separates both,
// unless the key has a scheme or an ARN before the host, which IAM stores but never has
// in a request.
func splitKey(key string) (namespace, name string) {
	from := 0
	if i := strings.Index(key, "://"); i >= 0 {
		from = i + len("://")
	}
	if strings.HasPrefix(key, "arn:") {
		from = max(strings.LastIndexByte(key, ':'), 0)
	}
	i := strings.IndexByte(key[from:], ':')
	if i < 0 {
		return "", key
	}
	return key[:from+i], key[from+i+1:]
}

// issuerKey returns the parts of a key that names an issuer. Services such as aws, sts
// and saml have no dot in their names.
func issuerKey(key string) (issuer, claim string, ok bool) {
	namespace, name := splitKey(key)
	return namespace, name, strings.ContainsRune(namespace, '.') || strings.ContainsRune(namespace, '/')
}

// claimPath returns the path of the claim that AWS compares for a key of an issuer, and
// whether AWS maps such a key. Names of keys are not case-sensitive. The sources are
// reference_policies_iam-condition-keys#condition-keys-wif and the condition keys of
// AssumeRoleWithWebIdentity in the Service Authorization Reference.
func claimPath(issuer, name string) ([]string, bool) {
	name = strings.ToLower(name)
	switch issuer {
	case amazon:
		return legacyClaim(name, "user_id")
	case facebook:
		return legacyClaim(name, "id")
	case cognito:
		return []string{name}, name == "aud" || name == "sub" || name == "amr"
	}
	switch name {
	case "aud":
		if issuer == google {
			return []string{"azp"}, true
		}
		return []string{"aud"}, true
	case "oaud":
		return []string{"aud"}, true
	case "sub", "amr", "email":
		return []string{name}, true
	case "google/organization_number":
		return []string{"google:organization_number"}, issuer == google
	}
	return []string{name}, slices.Contains(extraClaims(issuer), name)
}

// legacyClaim maps the keys of the two issuers whose tokens are no JWTs. STS reports their
// application as the audience and their user as the subject.
func legacyClaim(name, user string) ([]string, bool) {
	switch name {
	case "app_id":
		return []string{"aud"}, true
	case user:
		return []string{"sub"}, true
	}
	return []string{name}, false
}

// extraClaims are the claims beside the default ones that AWS maps for an issuer.
func extraClaims(issuer string) []string {
	host, path, _ := strings.Cut(issuer, "/")
	switch {
	case host == "token.actions.githubusercontent.com",
		strings.HasPrefix(host, "token.actions.") && strings.HasSuffix(host, ".ghe.com"),
		host == "github.com" && strings.HasPrefix(path, "enterprises/"):
		return []string{
			"actor", "actor_id", "enterprise_id", "environment", "job_workflow_ref", "ref",
			"repository", "repository_id", "repository_owner_id", "workflow",
		}
	case issuer == "gitlab.com":
		return []string{
			"namespace_id", "pipeline_source", "project_id", "ref_protected", "runner_environment",
			"user_access_level", "user_email", "user_id", "user_login",
		}
	case host == "agent.buildkite.com", strings.HasPrefix(host, "agent.") &&
		(strings.HasSuffix(host, ".buildkite.dev") || strings.HasSuffix(host, ".buildkite.site")):
		return []string{
			"build_branch", "cluster_id", "cluster_name", "organization_id", "organization_slug",
			"pipeline_id", "pipeline_slug",
		}
	case host == "oidc.circleci.com":
		return []string{"oidc.circleci.com/project-id"}
	case strings.HasSuffix(host, ".identity.oraclecloud.com"):
		return []string{"rpst_id"}
	}
	return nil
}

// tenantClaim returns whether a claim says whose tokens they are. An audience does so
// only where it is the issuer that assigns it.
func tenantClaim(issuer, name string) bool {
	switch strings.ToLower(name) {
	case "aud", "app_id":
		switch issuer {
		case google, cognito, amazon, facebook, "api.pulumi.com/oidc", "sandboxes.cloud", "oidc.vercel.com":
			return true
		}
		return false
	case "oaud", "amr":
		return false
	}
	return true
}
