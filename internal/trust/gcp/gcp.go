// Package gcp reads how Google Cloud trusts workloads of other identity providers: workload
// identity pool providers, the members of IAM policies, and the credential configuration
// files of clients. It turns providers and members into predicates over tokens, and reports
// the mistakes that need no token.
//
//	trusts, findings, err := gcp.Parse("provider.json", text)
//	for _, t := range trusts {
//		findings = append(findings, trust.Judge(t)...)
//	}
//
// A reader of another format fills an [Input] and calls [Input.Trusts].
//
// A provider first checks issuer and audience, then maps the claims of the token to
// attributes, then evaluates its condition; a member of a policy then selects mapped
// identities. Mappings and conditions are CEL with Google's function extract. An expression
// that fails, as it does for a missing claim, refuses the token.
//
// Source: https://cloud.google.com/iam/docs/workload-identity-federation and the
// comments of google.golang.org/api/iam/v1.WorkloadIdentityPoolProvider.
package gcp

import (
	"strings"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// Input is what is read together: the members of its policies are judged with the providers
// of its pools.
type Input struct {
	Providers      []Provider
	Policies       []Policy
	Roles          []Role
	Configurations []Configuration
}

// Merge returns the objects of inputs together, such as those of the files of a directory.
func Merge(inputs ...Input) Input {
	var all Input
	for _, in := range inputs {
		all.Providers = append(all.Providers, in.Providers...)
		all.Policies = append(all.Policies, in.Policies...)
		all.Roles = append(all.Roles, in.Roles...)
		all.Configurations = append(all.Configurations, in.Configurations...)
	}
	return all
}

// Provider is a workload identity pool provider. Exactly one of OIDC, AWS, SAML and X509 is
// set. Other credentials than JSON Web Tokens are tokens here, too: the claims are what
// Google calls assertion, and aud is the provider for which the credential is made.
type Provider struct {
	// Name is the resource name,
	// projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/ID.
	Name string
	// AttributeMapping has CEL expressions by google.subject, google.groups and
	// attribute.NAME. An AWS provider without one has Google's default.
	AttributeMapping map[string]string
	// AttributeCondition is CEL; empty accepts every token that the mapping accepts.
	AttributeCondition string
	OIDC               *OIDC
	AWS                *AWS
	SAML               bool
	X509               bool
	// Disabled is true for a disabled or soft-deleted provider: it accepts no token.
	Disabled bool
	// Deleted is true for a soft-deleted provider. Undeleting restores it for 30 days.
	Deleted bool
	// Scope tells apart providers whose project is not known: two of one scope are in one
	// project. Empty if nothing says it.
	Scope string
	// Undecided says why the provider is not known in full, such as a variable without a
	// value. Its mapping and condition are then not evaluated, and tokens of its issuer
	// are accepted as undecided.
	Undecided string
	At        trust.Position
	// Lines are the lines of fields, by their JSON names: "attributeCondition",
	// "attributeMapping.google.subject". The line of At stands for those that are missing.
	Lines map[string]int
}

// OIDC is the part of a provider that trusts an OpenID Connect issuer.
type OIDC struct {
	IssuerURI string
	// AllowedAudiences replace the provider's own name if there are any.
	AllowedAudiences []string
	// JWKS is an inline key set, which replaces the keys that the issuer publishes; empty
	// if there is none or it is not known.
	JWKS string
}

// AWS is the part of a provider that trusts an AWS account. Its tokens are answers of
// sts:GetCallerIdentity with the claims arn, account and userid, and with aud for the signed
// header x-goog-cloud-target-resource, which names the provider.
type AWS struct{ AccountID string }

// Policy is the IAM policy of a service account or of another resource.
type Policy struct {
	// Resource is the resource name, such as projects/P/serviceAccounts/EMAIL; empty if
	// the file does not say it.
	Resource string
	Bindings []Binding
	At       trust.Position
}

// Binding grants a role to members.
type Binding struct {
	Role    string
	Members []string
	// Condition is the CEL expression of an IAM condition, which is about the request.
	Condition string
	At        trust.Position
	// Lines are the lines of members. The line of At stands for those that are missing.
	Lines map[string]int
}

// Configuration is a credential configuration file of the type external_account.
// Source: https://google.aip.dev/auth/4117.
type Configuration struct {
	Audience string
	// URLs are the URLs that receive the subject token, a federated token or a request
	// for one, by the path of the field: "token_url", "credential_source.url".
	URLs map[string]string
	// File is credential_source.file.
	File string
	// Executable is credential_source.executable.command.
	Executable string
	At         trust.Position
	// Lines are the lines of fields by path. The line of At stands for those that are missing.
	Lines map[string]int
}

// Parse reads JSON files: providers, IAM policies, custom roles and credential configuration files, alone,
// in lists, or one after the other. Objects of other kinds yield nothing. Providers and
// policies of the file are judged together. An error names file, line and field.
func Parse(file string, text []byte) ([]trust.Trust, []trust.Finding, error) {
	in, err := Read(file, text)
	if err != nil {
		return nil, nil, err
	}
	trusts, findings := in.Trusts()
	return trusts, findings, nil
}

// Trusts returns a trust for each provider, a trust for each member of a policy and provider
// of the member's pool, and the findings that need no token.
func (in Input) Trusts() ([]trust.Trust, []trust.Finding) {
	report := &findings{}
	pools := newPools(in.Providers, report)
	var trusts []trust.Trust
	members := readMembers(in.Policies)
	byID := byPool(members)
	for _, p := range pools.providers {
		trusts = append(trusts, p.trust(subjectsOf(p, byID[p.resource.pool])))
	}
	for _, m := range members {
		trusts = append(trusts, m.trusts(pools)...)
	}
	checkAudiences(pools, report)
	checkMembers(members, pools, report)
	custom := newRoles(in.Roles)
	checkPrivileges(members, in.Policies, custom, report)
	checkShared(members, custom, report)
	for _, c := range in.Configurations {
		c.check(pools, report)
	}
	return trusts, report.list
}

// findings collects findings.
type findings struct{ list []trust.Finding }

// add appends a finding at a position.
func (f *findings) add(at trust.Position, name, rule string, severity trust.Severity, message, fix string) {
	f.list = append(f.list, trust.Finding{
		File: at.File, Line: at.Line, Trust: name, Rule: rule, Severity: severity, Message: message, Fix: fix,
	})
}

// line returns the position of a field, or at if it is not known.
func line(at trust.Position, lines map[string]int, field string) trust.Position {
	if n := lines[field]; n > 0 {
		at.Line = n
	}
	return at
}

// resource is the resource name of a provider.
type resource struct{ project, pool, id string }

// parseResource parses the resource name of a provider, with or without the host of the
// service; ok is false for any other text.
func parseResource(name string) (r resource, ok bool) {
	name = strings.TrimPrefix(strings.TrimPrefix(name, "https:"), "//iam.googleapis.com/")
	parts := strings.Split(name, "/")
	if len(parts) != 8 || parts[0] != "projects" || parts[2] != "locations" ||
		parts[4] != "workloadIdentityPools" || parts[6] != "providers" {
		return resource{}, false
	}
	return resource{project: parts[1], pool: parts[5], id: parts[7]}, true
}

// isNumber reports whether a project is named by its number.
func isNumber(project string) bool {
	return project != "" && strings.Trim(project, "0123456789") == ""
}
