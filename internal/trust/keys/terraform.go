package keys

import (
	"fmt"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// BlockKind is the kind of a block of Terraform.
type BlockKind string

// The kinds of blocks that may hold or make keys.
const (
	Resource BlockKind = "resource"
	Provider BlockKind = "provider"
	Backend  BlockKind = "backend"
)

// Block is a block of Terraform, without the values of its attributes: they may be keys.
type Block struct {
	Kind BlockKind
	// Type is the first label: aws_iam_access_key, aws, s3.
	Type string
	// Name is the second label of a resource, or the alias of a provider.
	Name string
	At   trust.Position
	// Attributes are the names of the attributes that are set, and of nested blocks.
	Attributes []Attribute
}

// Attribute is an attribute of a block.
type Attribute struct {
	Name string
	// Line is where it is set; 0 for the line of the block.
	Line int
	// Literal is true if the value is a text that is written there and not empty; false
	// for a reference, a variable or a function.
	Literal bool
}

// Terraform finds keys that a block makes or holds: the key of a resource is readable in
// the state, that of a provider or a backend where it is written.
func Terraform(b Block) []trust.Finding {
	r := &reader{file: b.At.File}
	switch b.Kind {
	case Resource:
		if c, ok := b.makes(); ok {
			r.made(c, b)
		}
	case Provider, Backend:
		for _, a := range b.Attributes {
			c, ok := b.holds(a.Name)
			if !ok {
				continue
			}
			where := fmt.Sprintf("Attribute %s of %s", a.Name, b)
			if a.Line == 0 {
				a.Line = b.At.Line
			}
			if a.Literal {
				r.stored(c, a.Line, where, b.String())
			} else if c != google { // a file or variable may hold a configuration for federation
				r.used(c, a.Line, where, b.String(), false)
			}
		}
	}
	return r.findings
}

// String names the block as Terraform does: aws_iam_access_key.ci, provider aws.
func (b Block) String() string {
	switch {
	case b.Kind == Resource:
		return b.Type + "." + b.Name
	case b.Name != "":
		return string(b.Kind) + " " + b.Type + "." + b.Name
	default:
		return string(b.Kind) + " " + b.Type
	}
}

// made reports a resource that makes a key.
func (r *reader) made(c cloud, b Block) {
	r.findings = append(r.findings, trust.Finding{
		File: r.file, Line: b.At.Line, Trust: b.String(), Rule: c.rule(), Severity: trust.High,
		Message: b.String() + " makes " + c.key() + ", which everyone who can read the state has until it is revoked.",
		Fix:     "Remove the resource, and " + c.federate() + ".",
	})
}

// makes returns the cloud for which a resource makes a key.
func (b Block) makes() (cloud, bool) {
	switch b.Type {
	case "aws_iam_access_key":
		return aws, true
	case "google_service_account_key", "google_storage_hmac_key":
		return google, true
	case "azuread_application_password", "azuread_service_principal_password":
		return azure, true
	case "azuread_application":
		for _, a := range b.Attributes {
			if a.Name == "password" {
				return azure, true
			}
		}
	}
	return "", false
}

// holds returns the cloud whose key an attribute of a provider or backend is.
// Sources: registry.terraform.io, the arguments of each provider and backend.
func (b Block) holds(attribute string) (cloud, bool) {
	switch b.Type + " " + attribute {
	case "aws secret_key", "s3 secret_key", "awscc secret_key":
		return aws, true
	case "google credentials", "google-beta credentials", "gcs credentials":
		return google, true
	case "azurerm client_secret", "azuread client_secret", "azapi client_secret", "azurerm access_key", "azurerm sas_token",
		"azurerm client_certificate_password":
		return azure, true
	case "kubernetes token", "kubernetes password", "kubernetes client_key", "helm token", "helm password", "helm client_key",
		"kubectl token", "kubectl password", "kubectl client_key":
		return cluster, true
	default:
		return "", false
	}
}
