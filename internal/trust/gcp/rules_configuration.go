package gcp

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// Hosts to which a credential configuration may send a token. Sources:
// https://google.aip.dev/auth/4117 and the guide to validate configurations,
// https://cloud.google.com/docs/authentication/external/externally-sourced-credentials.
var (
	// googleHost matches sts and iamcredentials: global, regional, mTLS and Private
	// Service Connect.
	googleHost = regexp.MustCompile(
		`^(?:[a-z0-9-]+\.)?(?:sts|iamcredentials)(?:\.mtls)?(?:\.[a-z0-9-]+\.rep)?(?:\.[a-z0-9-]+)?\.googleapis\.com$|` +
			`^(?:[a-z0-9-]+-)?(?:sts|iamcredentials)(?:-[a-z0-9-]+)?(?:\.p)?\.googleapis\.com$`)
	// awsHost matches the STS of AWS; {region} is a placeholder.
	awsHost = regexp.MustCompile(`^sts(?:\.(?:[a-z0-9-]+|\{region\}))?\.amazonaws\.com(?:\.cn)?$`)
	// githubHost matches the token service of GitHub Actions.
	githubHost = regexp.MustCompile(`^[a-z0-9.-]+\.actions\.githubusercontent\.com$`)
)

// check reports C01 to C03.
func (c Configuration) check(p *pools, report *findings) {
	add := func(field, rule string, severity trust.Severity, message, fix string) {
		report.add(line(c.At, c.Lines, field), c.name(), rule, severity, message, fix)
	}
	for _, field := range slices.Sorted(maps.Keys(c.URLs)) {
		if !allowedURL(field, c.URLs[field]) {
			add(field, "C01", trust.High,
				fmt.Sprintf("%s is %q, which is no address of Google or of a token source; it receives tokens", field, c.URLs[field]),
				"Make the file again with gcloud iam workload-identity-pools create-cred-config, and restrict who can edit it.")
		}
	}
	if c.Executable != "" {
		add("credential_source.executable", "C02", trust.High,
			fmt.Sprintf("credential_source.executable runs %q: an editor of the file runs commands as the workload", shorten(c.Executable)),
			"Use credential_source.file or credential_source.url.")
	}
	if message := c.audienceMistake(p); message != "" {
		add("audience", "C03", trust.Medium, message,
			"Set audience to //iam.googleapis.com/projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER.")
	}
}

// name names the configuration in findings: the provider that it uses.
func (c Configuration) name() string {
	if c.Audience == "" {
		return "external_account"
	}
	return c.Audience
}

// audienceMistake says what is wrong with the audience, or "".
func (c Configuration) audienceMistake(p *pools) string {
	if strings.Contains(c.Audience, "/workforcePools/") {
		return ""
	}
	want, ok := parseResource(c.Audience)
	switch {
	case !ok || !strings.HasPrefix(c.Audience, "//iam.googleapis.com/"):
		return fmt.Sprintf("audience %q is not the name of a provider with its host, so the token exchange fails", c.Audience)
	case !isNumber(want.project):
		return fmt.Sprintf("audience has the project id %q instead of the project number, so the token exchange fails", want.project)
	case len(p.providers) == 0:
		return ""
	}
	for _, one := range p.providers {
		r := one.resource
		if r.pool == want.pool && r.id == want.id && (r.project == want.project || !isNumber(r.project)) {
			return ""
		}
	}
	return fmt.Sprintf("audience %q is not a provider of this input", c.Audience)
}

// allowedURL reports whether the host of a field may have tokens.
func allowedURL(field, raw string) bool {
	u, err := url.Parse(strings.ReplaceAll(raw, "{region}", "region"))
	if err != nil || u.User != nil || u.Port() != "" && u.Port() != "443" {
		return false
	}
	host := u.Hostname()
	switch {
	case !strings.HasPrefix(field, "credential_source."):
		return u.Scheme == "https" && googleHost.MatchString(host)
	case host == "169.254.169.254" || host == "fd00:ec2::254":
		return u.Scheme == "http"
	case field == "credential_source.regional_cred_verification_url":
		return u.Scheme == "https" && awsHost.MatchString(host)
	case field == "credential_source.url":
		return u.Scheme == "https" && githubHost.MatchString(host)
	default:
		return false
	}
}
