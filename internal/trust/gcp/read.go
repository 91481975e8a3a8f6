package gcp

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// Read reads the objects of a JSON file. It accepts what these print:
//
//	gcloud iam workload-identity-pools providers describe|list --format json
//	gcloud iam service-accounts get-iam-policy --format json
//	gcloud asset search-all-iam-policies --format json
//	gcloud iam workload-identity-pools create-cred-config
//	gcloud iam roles describe|list --format json
//
// and the answers of the REST methods. Objects of other kinds are left out.
func Read(file string, text []byte) (Input, error) {
	nodes, badLine, err := readNodes(text)
	if err != nil {
		return Input{}, fmt.Errorf("gcp: read %s:%d: %w: make it JSON", file, badLine, err)
	}
	r := &reader{file: file}
	for _, n := range nodes {
		r.value(n)
	}
	if r.err != nil {
		return Input{}, r.err
	}
	return r.input, nil
}

// reader turns nodes into an input and keeps the first error.
type reader struct {
	file  string
	input Input
	err   error
}

// value reads an object, or the objects of a list.
func (r *reader) value(n node) {
	switch v := n.value.(type) {
	case object:
		r.object(n, v)
	case []node:
		for _, item := range v {
			r.value(item)
		}
	}
}

// object reads a provider, a policy, a credential configuration, or an object that contains
// them: a response of a list method.
func (r *reader) object(n node, o object) {
	switch {
	case o["type"].value == "external_account":
		r.input.Configurations = append(r.input.Configurations, r.configuration(n, o))
	case isProvider(o):
		r.input.Providers = append(r.input.Providers, r.provider(n, o))
	case has(o, "includedPermissions"):
		r.input.Roles = append(r.input.Roles, Role{
			Name: r.text(o, "name", "name"), Permissions: r.texts(o, "includedPermissions", "includedPermissions"),
		})
	case isPolicy(o):
		r.input.Policies = append(r.input.Policies, r.policy(n, o, ""))
	case has(o, "policy"):
		if policy, ok := o["policy"].value.(object); ok && isPolicy(policy) {
			r.input.Policies = append(r.input.Policies, r.policy(n, policy, r.text(o, "resource", "resource")))
		}
	default:
		for _, field := range []string{"workloadIdentityPoolProviders", "providers", "policies", "results", "configurations", "roles"} {
			if list, ok := o[field].value.([]node); ok {
				r.value(node{value: list})
			}
		}
	}
}

// isProvider reports whether an object is a provider.
func isProvider(o object) bool {
	if has(o, "attributeMapping") || has(o, "attributeCondition") {
		return true
	}
	name, _ := o["name"].value.(string)
	_, ok := parseResource(name)
	return ok && slices.ContainsFunc([]string{"oidc", "aws", "saml", "x509"}, func(field string) bool { return has(o, field) })
}

// isPolicy reports whether an object is an IAM policy: it has bindings with roles.
func isPolicy(o object) bool {
	bindings, ok := o["bindings"].value.([]node)
	if !ok || len(bindings) == 0 {
		return false
	}
	first, ok := bindings[0].value.(object)
	return ok && has(first, "role")
}

// has reports whether an object has a field.
func has(o object, field string) bool {
	_, ok := o[field]
	return ok
}

func (r *reader) provider(n node, o object) Provider {
	state := r.text(o, "state", "state")
	p := Provider{
		Name:               r.text(o, "name", "name"),
		AttributeMapping:   map[string]string{},
		AttributeCondition: r.text(o, "attributeCondition", "attributeCondition"),
		SAML:               has(o, "saml"),
		X509:               has(o, "x509"),
		Disabled:           r.flag(o, "disabled") || state == "DELETED",
		Deleted:            state == "DELETED",
		At:                 trust.Position{File: r.file, Line: n.line},
		Lines:              map[string]int{"attributeCondition": o["attributeCondition"].line},
	}
	mapping := r.child(o, "attributeMapping")
	for key := range mapping {
		p.AttributeMapping[key] = r.text(mapping, key, "attributeMapping."+key)
		p.Lines["attributeMapping."+key] = mapping[key].line
	}
	if has(o, "oidc") {
		oidc := r.child(o, "oidc")
		p.OIDC = &OIDC{
			IssuerURI:        r.text(oidc, "issuerUri", "oidc.issuerUri"),
			AllowedAudiences: r.texts(oidc, "allowedAudiences", "oidc.allowedAudiences"),
			JWKS:             r.text(oidc, "jwksJson", "oidc.jwksJson"),
		}
		p.Lines["oidc.jwksJson"] = oidc["jwksJson"].line
		p.Lines["oidc.issuerUri"] = oidc["issuerUri"].line
		p.Lines["oidc.allowedAudiences"] = oidc["allowedAudiences"].line
	}
	if has(o, "aws") {
		p.AWS = &AWS{AccountID: r.text(r.child(o, "aws"), "accountId", "aws.accountId")}
	}
	return p
}

func (r *reader) policy(n node, o object, resource string) Policy {
	p := Policy{Resource: resource, At: trust.Position{File: r.file, Line: n.line}}
	bindings, _ := o["bindings"].value.([]node)
	for i, item := range bindings {
		field := fmt.Sprintf("bindings[%d]", i)
		binding, ok := item.value.(object)
		if !ok {
			r.fail(item, field, "an object")
			return p
		}
		b := Binding{
			Role:      r.text(binding, "role", field+".role"),
			Members:   r.texts(binding, "members", field+".members"),
			Condition: r.text(r.child(binding, "condition"), "expression", field+".condition.expression"),
			At:        trust.Position{File: r.file, Line: item.line},
			Lines:     map[string]int{},
		}
		members, _ := binding["members"].value.([]node)
		for _, member := range members {
			if name, ok := member.value.(string); ok {
				b.Lines[name] = member.line
			}
		}
		p.Bindings = append(p.Bindings, b)
	}
	return p
}

func (r *reader) configuration(n node, o object) Configuration {
	source := r.child(o, "credential_source")
	c := Configuration{
		Audience:   r.text(o, "audience", "audience"),
		URLs:       map[string]string{},
		File:       r.text(source, "file", "credential_source.file"),
		Executable: r.text(r.child(source, "executable"), "command", "credential_source.executable.command"),
		At:         trust.Position{File: r.file, Line: n.line},
		Lines: map[string]int{
			"audience":                     o["audience"].line,
			"credential_source.file":       source["file"].line,
			"credential_source.executable": source["executable"].line,
		},
	}
	for _, field := range configurationURLs() {
		from := o
		name, inSource := strings.CutPrefix(field, "credential_source.")
		if inSource {
			from = source
		}
		if has(from, name) {
			c.URLs[field] = r.text(from, name, field)
			c.Lines[field] = from[name].line
		}
	}
	return c
}

// configurationURLs returns the fields of a credential configuration that have URLs.
func configurationURLs() []string {
	return []string{
		"token_url", "token_info_url", "service_account_impersonation_url", "credential_source.url",
		"credential_source.region_url", "credential_source.regional_cred_verification_url",
		"credential_source.imdsv2_session_token_url",
	}
}

// text returns a text of an object, "" if it is absent or null. path names it in errors.
func (r *reader) text(o object, field, path string) string {
	n := o[field]
	text, ok := n.value.(string)
	if !ok && n.value != nil {
		r.fail(n, path, "a text")
	}
	return text
}

// texts returns a list of texts of an object.
func (r *reader) texts(o object, field, path string) []string {
	n := o[field]
	items, ok := n.value.([]node)
	if !ok && n.value != nil {
		r.fail(n, path, "a list of texts")
	}
	texts := make([]string, 0, len(items))
	for i, item := range items {
		text, ok := item.value.(string)
		if !ok {
			r.fail(item, fmt.Sprintf("%s[%d]", path, i), "a text")
		}
		texts = append(texts, text)
	}
	return texts
}

// flag returns a bool of an object, false if it is absent or null.
func (r *reader) flag(o object, field string) bool {
	n := o[field]
	flag, ok := n.value.(bool)
	if !ok && n.value != nil {
		r.fail(n, field, "true or false")
	}
	return flag
}

// child returns an object of an object, nil if it is absent or null.
func (r *reader) child(o object, field string) object {
	n := o[field]
	child, ok := n.value.(object)
	if !ok && n.value != nil {
		r.fail(n, field, "an object")
	}
	return child
}

// fail keeps the first error.
func (r *reader) fail(n node, path, want string) {
	if r.err == nil {
		r.err = fmt.Errorf("gcp: read %s:%d: %s: make it %s", r.file, n.line, path, want)
	}
}
