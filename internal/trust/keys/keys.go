// Package keys finds long-lived keys of clouds where they are stored or used: Kubernetes
// Secrets, ConfigMaps and pods, kubeconfigs, key files, pipelines of GitHub and GitLab,
// and Terraform.
//
//	findings, err := keys.Parse("secret.yaml", text)
//
// Rules P01 to P04 say that a key itself is stored: of AWS, Google Cloud, Azure, a
// cluster. Rule W17 says that a key is used where a workload could federate, or beside
// federation. No finding and no error holds a key, or a part of one.
package keys

import (
	"path"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/trust"
	"github.com/rollcall-iam/rollcall/internal/trust/kubernetes/manifest"
)

// cloud is a system that keys are for.
type cloud string

const (
	aws     cloud = "AWS"
	google  cloud = "Google Cloud"
	azure   cloud = "Azure"
	cluster cloud = "a Kubernetes cluster"
)

// rule returns the rule of a stored key.
func (c cloud) rule() string {
	switch c {
	case aws:
		return "P01"
	case google:
		return "P02"
	case azure:
		return "P03"
	case cluster:
		return "P04"
	default:
		return ""
	}
}

// key names the kind of key.
func (c cloud) key() string {
	switch c {
	case aws:
		return "an AWS access key"
	case google:
		return "a key of a Google service account"
	case azure:
		return "an Azure client secret"
	case cluster:
		return "a static credential of a Kubernetes cluster"
	default:
		return "a key"
	}
}

// reader collects the findings of a file.
type reader struct {
	file     string
	findings []trust.Finding
}

// maxLists is how deep Lists are read inside Lists.
const maxLists = 10

// Parse finds keys in a file of YAML or JSON: Kubernetes objects, kubeconfigs, key files
// of Google and Azure, workflows of GitHub, pipelines of GitLab. Other documents are
// ignored. What is readable is judged beside an error.
func Parse(file string, text []byte) ([]trust.Finding, error) {
	documents, err := manifest.Read(file, text)
	r := &reader{file: file}
	for _, d := range documents {
		r.document(d, 0)
	}
	return r.findings, err
}

// document judges a document by what it is.
func (r *reader) document(v *manifest.Value, depth int) {
	switch kind := v.Get("kind").Text(); {
	case kind == "Secret" || kind == "ConfigMap":
		r.object(v)
	case kind == "Config" && v.Get("users").Exists():
		r.kubeconfig(v)
	case v.Get("items").Exists() && v.Get("spec") == nil && depth < maxLists:
		for _, item := range v.Get("items").List() {
			r.document(item, depth+1)
		}
	case kind != "":
		r.workload(v)
	case isKeyFile(v):
		r.keyFile(v)
	case isMap(v.Get("jobs")) || v.Get("runs", "steps").Exists():
		r.workflow(v)
	case strings.Contains(path.Base(r.file), "gitlab-ci") || isPipeline(v):
		r.pipeline(v)
	}
}

// stored reports a key that is stored.
func (r *reader) stored(c cloud, line int, where, name string) {
	r.findings = append(r.findings, trust.Finding{
		File: r.file, Line: line, Trust: name, Rule: c.rule(), Severity: trust.High,
		Message: where + " holds " + c.key() + ": it is good until it is revoked, for everyone who can read this.",
		Fix:     "Revoke the key, remove it here and from the history, and " + c.federate() + ".",
	})
}

// used reports a key that is used although it need not be (W17).
func (r *reader) used(c cloud, line int, where, name string, beside bool) {
	message := where + " uses " + c.key() + ", where a short-lived token of the workload would do."
	if beside {
		message = where + " uses " + c.key() + " beside federation: the key stays good when the trust is removed."
	}
	r.findings = append(r.findings, trust.Finding{
		File: r.file, Line: line, Trust: name, Rule: "W17", Severity: trust.Medium,
		Message: message,
		Fix:     "Remove the key, and " + c.federate() + ".",
	})
}

// federate says how a workload gets on without the key.
func (c cloud) federate() string {
	switch c {
	case aws:
		return "let the workload assume a role with its own token (AssumeRoleWithWebIdentity)"
	case google:
		return "let the workload exchange its own token at a workload identity provider"
	case azure:
		return "let the workload exchange its own token by a federated identity credential"
	default:
		return "let clients authenticate with short-lived tokens (exec plugin, OIDC, projected service account tokens)"
	}
}

// Text finds keys in a file of any form, such as a profile of AWS or an environment file.
// It finds them by their form alone, so it overlooks some that Parse finds.
func Text(file string, text []byte) []trust.Finding {
	r := &reader{file: file}
	if len(text) > manifest.MaxSize {
		text = text[:manifest.MaxSize]
	}
	for _, c := range detect(string(text)) {
		r.stored(c, lineOf(c, string(text)), "The file", path.Base(file))
	}
	return r.findings
}
