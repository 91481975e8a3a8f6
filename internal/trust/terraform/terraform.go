// Package terraform reads the trusts that Terraform declares: in HCL and its JSON syntax, and
// in the plans and states that terraform show -json prints. It runs no provider and uses no network.
//
//	result, err := terraform.Read([]terraform.File{{Name: "main.tf", Text: text}})
//	trusts, findings := result.Google.Trusts()
//
// It evaluates literals, templates, common functions, and references between the objects
// of one directory. A value that the files do not say, such as a variable without default,
// becomes a placeholder: a text that no token has. [Result.Unknown] maps placeholders to their
// expressions. Each directory is judged by itself, and the body of a block with count or
// for_each once.
package terraform

import (
	"errors"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/rollcall-iam/rollcall/internal/trust"
	"github.com/rollcall-iam/rollcall/internal/trust/aws"
	"github.com/rollcall-iam/rollcall/internal/trust/entra"
	"github.com/rollcall-iam/rollcall/internal/trust/gcp"
	"github.com/rollcall-iam/rollcall/internal/trust/keys"
	"github.com/rollcall-iam/rollcall/internal/trust/kubernetes"
	"github.com/rollcall-iam/rollcall/internal/trust/placeholder"
)

// File is a file with configuration (.tf, .tf.json) or values of variables (.tfvars,
// .tfvars.json).
type File struct {
	Name string
	Text []byte
}

// Result is what a directory or a plan says about trust.
type Result struct {
	// Trusts are those of AWS roles and Entra credentials. Those of Google Cloud come
	// from Google, together with the policies of other files.
	Trusts    []trust.Trust
	Providers []aws.Provider
	Google    gcp.Input
	Manifests []kubernetes.Manifests
	Findings  []trust.Finding
	// Unknown has the expression for each placeholder that trusts and findings may contain.
	Unknown map[string]string
}

// directory is a directory or a plan that is read.
type directory struct {
	evaluator

	resources, providers, backends []*resource

	byAddress map[string]*resource
	errs      []error
	result    Result
	// used are the policy documents that others refer to: they are judged there.
	used map[*resource]bool
	// plan is true for a module of a plan: its roles have the documents' texts.
	plan        bool
	credentials []entra.Credential
	lookup      resourceIndex
}

// resource is a resource or a data source.
type resource struct {
	data       bool
	kind, name string
	at         trust.Position
	// source gives the attributes: a body of HCL or an object of a plan.
	source attributes
	// planned is the address in a plan, with that of the module, and config the configuration
	// of its provider, which is one of an account; empty if it is not known.
	planned, config string
}

// attributes are the attributes and nested blocks of a resource. A nested block is a list
// of objects.
type attributes interface {
	get(name string) (v any, line int, ok bool)
	names() []keys.Attribute
}

// address names a resource as Terraform does.
func (r *resource) address() string {
	if r.data {
		return "data." + r.kind + "." + r.name
	}
	return r.kind + "." + r.name
}

// line returns the position of an attribute, or of the resource if it is not set.
func (r *resource) line(name string) trust.Position {
	at := r.at
	if _, line, ok := r.source.get(name); ok && line > 0 {
		at.Line = line
	}
	return at
}

// value returns an attribute, nil if it is not set.
func (r *resource) value(name string) any {
	v, _, _ := r.source.get(name)
	return v
}

// Read reads the files of one directory. What is readable is returned beside an error,
// which names file, line and column.
func Read(files []File) (Result, error) {
	d := newDirectory()
	for _, f := range sorted(files) {
		d.parse(f)
	}
	d.read()
	return d.result, errors.Join(d.errs...)
}

// sorted orders files as Terraform does: a later file of values wins.
func sorted(files []File) []File {
	files = slices.Clone(files)
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	return files
}

func newDirectory() *directory {
	d := &directory{byAddress: map[string]*resource{}, used: map[*resource]bool{}}
	d.evaluator = evaluator{
		directory: d, memory: map[string]any{}, unknown: placeholder.New(),
		sources: map[string][]byte{}, values: map[string]hclsyntax.Expression{}, defaults: map[string]hclsyntax.Expression{},
		locals: map[string]hclsyntax.Expression{},
	}
	return d
}

// add adds a resource. Terraform refuses two with one address; the first counts.
func (d *directory) add(r *resource) {
	d.resources = append(d.resources, r)
	if _, twice := d.byAddress[r.address()]; !twice {
		d.byAddress[r.address()] = r
	}
}

// read reads the trusts of all resources.
func (d *directory) read() {
	for _, r := range d.providers {
		if alias, _, ok := r.source.get("alias"); ok {
			r.name = d.string(alias)
		}
		d.keys(keys.Provider, r)
	}
	for _, r := range d.backends {
		d.keys(keys.Backend, r)
	}
	for _, r := range d.resources {
		if r.data {
			continue
		}
		switch {
		case r.kind == "aws_iam_role":
			d.role(r)
		case r.kind == "aws_iam_openid_connect_provider":
			d.provider(r)
		case r.kind == "google_iam_workload_identity_pool_provider":
			d.poolProvider(r)
		case r.kind == projectRole || r.kind == organizationRole:
			d.customRole(r)
		case grant.MatchString(r.kind):
			d.grant(r)
		case strings.Contains(r.kind, "federated_identity_credential"):
			d.credential(r)
		case strings.HasPrefix(r.kind, "kubernetes_") || r.kind == "kubectl_manifest":
			d.manifest(r)
		}
		d.keys(keys.Resource, r)
	}
	for _, r := range d.resources {
		if r.data && r.kind == policyDocument && !d.used[r] && !d.plan {
			d.unusedDocument(r)
		}
	}
	d.permissions()
	trusts, findings := entra.New(d.credentials)
	d.result.Trusts = append(d.result.Trusts, trusts...)
	d.result.Findings = append(d.result.Findings, findings...)
	d.result.Unknown = d.unknown.Expressions
}

// keys adds findings of stored keys.
func (d *directory) keys(kind keys.BlockKind, r *resource) {
	d.result.Findings = append(d.result.Findings,
		keys.Terraform(keys.Block{Kind: kind, Type: r.kind, Name: r.name, At: r.at, Attributes: r.source.names()})...)
}

// unjudged reports a trust that cannot be judged because a value is not known (U02).
func (d *directory) unjudged(r *resource, attribute string, v any) {
	at := trust.Position{File: r.at.File, Line: r.line(attribute).Line}
	d.result.Findings = append(d.result.Findings, trust.UnknownFinding(r.address(), at, attribute+" is "+describe(v)))
}

// describe says what an unknown value is.
func describe(v any) string {
	if u, ok := v.(unknown); ok {
		return "${" + u.expression + "}"
	}
	return "of another form"
}
