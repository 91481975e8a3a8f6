package lint

import (
	"bytes"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/trust/terraform"
)

// format is how a file is written.
type format int

const (
	noFormat format = iota
	hclFormat
	jsonFormat
	yamlFormat
	textFormat // profiles, scripts: only keys are found in them
)

// formatOf returns the format that a name suggests.
func formatOf(name string) format {
	base := filepath.Base(name)
	if terraform.IsFile(name) {
		return hclFormat
	}
	switch extension(name) {
	case ".json", ".tfstate":
		return jsonFormat
	case ".yaml", ".yml":
		return yamlFormat
	case ".tf", ".tfvars":
		return noFormat
	case ".ini", ".env", ".sh", ".properties", ".boto", ".groovy":
		return textFormat
	}
	switch {
	case strings.HasPrefix(base, ".env"), base == "credentials", base == "Jenkinsfile", strings.HasPrefix(base, "Dockerfile"):
		return textFormat
	case base == "config" && filepath.Base(filepath.Dir(name)) == ".kube", base == "kubeconfig":
		return yamlFormat
	}
	return noFormat
}

// hclBlock matches the beginning of a block of Terraform.
var hclBlock = regexp.MustCompile(`(?m)^\s*(?:(?:resource|data)\s+"[a-z0-9_]+"\s+"|` +
	`(?:provider|variable|module|output)\s+"[^"]+"\s*\{|(?:locals|terraform)\s*\{)`)

// recognise returns the format of a file by its name, else by its content.
func recognise(f File) format {
	if known := formatOf(f.Name); known != noFormat {
		return known
	}
	start := bytes.TrimLeft(f.Text[:min(len(f.Text), 4096)], " \t\r\n\ufeff")
	switch {
	case terraform.IsJSON(f.Text):
		return hclFormat
	case bytes.HasPrefix(start, []byte("{")) || bytes.HasPrefix(start, []byte("[")):
		return jsonFormat
	case hclBlock.Match(f.Text):
		return hclFormat
	default:
		return yamlFormat
	}
}

// topics are what a file may be about, by the words in it.
type topics struct {
	aws, gcp, entra, kubernetes, plan, keys, own bool
	// role is true for a trust policy of AWS, not one of permissions.
	role bool
	// template is true for a template of CloudFormation.
	template bool
}

// topicsOf looks for words without which a reader finds nothing.
func topicsOf(text []byte) topics {
	has := func(words ...string) bool {
		for _, word := range words {
			if bytes.Contains(text, []byte(word)) {
				return true
			}
		}
		return false
	}
	return topics{
		aws:        has("Statement", "ClientIDList", "AWS::IAM::"),
		role:       has("sts:AssumeRole"),
		template:   has("AWS::IAM::"),
		gcp:        has("attributeMapping", "attributeCondition", "workloadIdentityPools", "external_account", "includedPermissions"),
		entra:      has("audiences", "federatedIdentityCredentials", "claimsMatchingExpression") && has("issuer"),
		kubernetes: has("apiVersion", "kind"),
		plan:       has("format_version") && has("terraform_version", "root_module"),
		keys: has("secret", "Secret", "SECRET", "private_key", "AKIA", "ASIA", "password", "client-key", "credential", "CREDENTIAL") ||
			// The issuer of GitHub has the word in its name, which is no token.
			bytes.Count(text, []byte("token")) > bytes.Count(text, []byte("token.actions.")),
		own: has(waiverKind, intentionKind),
	}
}

// any reports whether a file is about anything that is judged.
func (t topics) any() bool {
	return t.aws || t.gcp || t.entra || t.kubernetes || t.plan || t.keys || t.own
}

// strict reports whether a file is about trust, so that it must be readable.
func (t topics) strict() bool { return t.gcp || t.plan || t.own || t.entra || t.role }
