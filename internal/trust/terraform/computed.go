package terraform

import (
	"strings"

	"github.com/rollcall-iam/rollcall/internal/trust/placeholder"
)

// computed returns an attribute that a cloud computes from others.
func (e *evaluator) computed(r *resource, name string) (any, bool) {
	switch r.kind {
	case policyDocument:
		if name == "json" || name == "minified_json" {
			e.directory.used[r] = true
			return e.directory.policyDocument(r), true
		}
	case "aws_iam_openid_connect_provider":
		return e.openIDProvider(r, name)
	case "aws_caller_identity":
		return placeholder.Account, name == "account_id"
	case "aws_partition":
		text, ok := map[string]string{"partition": "aws", "dns_suffix": "amazonaws.com"}[name]
		return text, ok
	case "aws_iam_role":
		if name == "arn" {
			return "arn:aws:iam::" + placeholder.Account + ":role/" + e.nameOf(r, "name"), true
		}
	case "google_iam_workload_identity_pool", "google_iam_workload_identity_pool_provider":
		return e.pool(r, name)
	case "google_service_account":
		return e.serviceAccount(r, name)
	case projectRole, organizationRole:
		return e.customRoleName(r, name)
	case "google_project":
		return e.project(r, name)
	case "google_iam_policy":
		if name == "policy_data" {
			return e.policyData(r), true
		}
	}
	return nil, false
}

// nameOf returns an attribute as a text, or the name of the resource if it is not set.
func (e *evaluator) nameOf(r *resource, attribute string) string {
	if text := e.string(r.value(attribute)); text != "" {
		return text
	}
	return r.name
}

// openIDProvider computes the attributes of an OIDC provider of AWS. AWS returns the URL
// without its scheme.
func (e *evaluator) openIDProvider(r *resource, name string) (any, bool) {
	host := ""
	if v := r.value("url"); v != nil {
		host = strings.TrimPrefix(e.string(v), "https://")
	} else if _, after, found := strings.Cut(e.string(r.value("arn")), ":oidc-provider/"); found {
		host = after
	}
	if host == "" {
		host = e.unknown.Of(r.address() + ".oidc_provider")
	}
	switch name {
	case "arn", "id":
		return "arn:aws:iam::" + placeholder.Account + ":oidc-provider/" + host, true
	case "url":
		return host, true
	}
	return nil, false
}

// pool computes the names of pools and providers of Google Cloud. A name has the number of
// the project, which the files rarely say.
func (e *evaluator) pool(r *resource, name string) (any, bool) {
	if name != "name" && name != "id" {
		return nil, false
	}
	number := e.string(r.value("project"))
	if strings.Trim(number, "0123456789") != "" || number == "" {
		number = e.unknown.Remember(placeholder.ProjectNumber, "PROJECT_NUMBER")
	}
	path := "projects/" + number + "/locations/global/workloadIdentityPools/" + e.nameOf(r, "workload_identity_pool_id")
	if r.kind == "google_iam_workload_identity_pool_provider" {
		path += "/providers/" + e.nameOf(r, "workload_identity_pool_provider_id")
	}
	return path, true
}

// projectOf returns the project of a resource, or of the provider of Google Cloud.
func (e *evaluator) projectOf(r *resource) string {
	if v := r.value("project"); v != nil {
		return e.string(v)
	}
	for _, p := range e.directory.providers {
		if v := p.value("project"); v != nil && strings.HasPrefix(p.kind, "google") && p.value("alias") == nil {
			return e.string(v)
		}
	}
	return "PROJECT"
}

func (e *evaluator) serviceAccount(r *resource, name string) (any, bool) {
	project := e.projectOf(r)
	email := e.nameOf(r, "account_id")
	if !strings.Contains(email, "@") {
		email += "@" + project + ".iam.gserviceaccount.com"
	}
	switch name {
	case "email":
		return email, true
	case "member":
		return "serviceAccount:" + email, true
	case "name", "id":
		return "projects/" + project + "/serviceAccounts/" + email, true
	}
	return nil, false
}

func (e *evaluator) project(r *resource, name string) (any, bool) {
	switch name {
	case "number":
		return e.unknown.Remember(placeholder.ProjectNumber, "PROJECT_NUMBER"), r.value("number") == nil
	case "project_id":
		return e.projectOf(r), r.value("project_id") == nil
	}
	return nil, false
}
