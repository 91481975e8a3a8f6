package lint

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// The kinds of documents of this package.
const (
	waiverKind    = "TrustWaiver"
	intentionKind = "WorkloadTrust"
)

// WorkloadTrust is a document that says which workloads trusts are meant for. Then the
// literals of the trusts do not say it.
//
//	kind: WorkloadTrust
//	metadata: {name: deploy}
//	spec:
//	  issuer: https://token.actions.githubusercontent.com
//	  subjects: [repo:acme/app:environment:prod]
//	  trusts: [aws_iam_role.deploy, infrastructure/prod/*]
type WorkloadTrust struct {
	APIVersion string            `yaml:"apiVersion"`
	Kind       string            `yaml:"kind"`
	Metadata   Metadata          `yaml:"metadata"`
	Spec       WorkloadTrustSpec `yaml:"spec"`
}

// Metadata names a document.
type Metadata struct {
	Name string `yaml:"name"`
}

// WorkloadTrustSpec says which tokens a workload has, and which trusts are meant for it.
// It has subjects or claims.
type WorkloadTrustSpec struct {
	// Issuer is the URL of the issuer. Trusts of other issuers are not meant; any if empty.
	Issuer string `yaml:"issuer"`
	// Subjects are values of the claim sub, one workload each.
	Subjects []string `yaml:"subjects"`
	// Claims are claims that every token of the workloads has.
	Claims map[string]any `yaml:"claims"`
	// Trusts are names of trusts, or files. * stands for any text. All trusts if empty.
	Trusts []string `yaml:"trusts"`
}

// TrustWaiver is a document that accepts findings for a time.
//
//	kind: TrustWaiver
//	spec: {trust: aws_iam_role.deploy, rule: W05, reason: "branches are protected", until: 2027-03-01}
type TrustWaiver struct {
	APIVersion string          `yaml:"apiVersion"`
	Kind       string          `yaml:"kind"`
	Metadata   Metadata        `yaml:"metadata"`
	Spec       TrustWaiverSpec `yaml:"spec"`
}

// TrustWaiverSpec says which findings are accepted.
type TrustWaiverSpec struct {
	// Trust and File name the findings; one of them may be empty. * stands for any text.
	Trust string `yaml:"trust"`
	File  string `yaml:"file"`
	Rule  string `yaml:"rule"`
	// Reason and Until, the last day, must be there.
	Reason string `yaml:"reason"`
	Until  string `yaml:"until"`
}

// intention is a WorkloadTrust that is read.
type intention struct {
	WorkloadTrust

	at     trust.Position
	tokens []trust.Token
}

// matches reports whether a trust is meant for the workloads.
func (in *intention) matches(t trust.Trust) bool {
	if in.Spec.Issuer != "" && t.Issuer != "" && t.Issuer != in.Spec.Issuer {
		return false
	}
	return len(in.Spec.Trusts) == 0 || slices.ContainsFunc(in.Spec.Trusts, func(pattern string) bool {
		return glob(pattern, t.Name) || glob(pattern, t.At.File)
	})
}

// unused is the finding that no trust is meant for the workloads (X03).
func (in *intention) unused() trust.Finding {
	return trust.Finding{
		File: in.at.File, Line: in.at.Line, Trust: in.Metadata.Name, Rule: "X03", Severity: trust.Low,
		Message: "The WorkloadTrust names no trust of the files, so the workload gets in nowhere.",
		Fix:     "Correct spec.trusts and spec.issuer, or remove the document.",
	}
}

// documents reads the documents of this package in a file of YAML or JSON.
func (p *part) documents(f File) {
	decoder := yaml.NewDecoder(bytes.NewReader(f.Text))
	for {
		var node yaml.Node
		if decoder.Decode(&node) != nil {
			return // the end, or an error that the reader of Kubernetes objects reports
		}
		if len(node.Content) != 1 {
			continue
		}
		if err := p.ownDocument(f.Name, node.Content[0]); err != nil {
			p.problems = append(p.problems, Problem{f.Name, fmt.Sprintf("lint: read %s:%d: %v", f.Name, node.Content[0].Line, err)})
		}
	}
}

// ownDocument reads a WorkloadTrust or a TrustWaiver.
func (p *part) ownDocument(file string, node *yaml.Node) error {
	at := trust.Position{File: file, Line: node.Line}
	switch kindOf(node) {
	case intentionKind:
		in := intention{at: at}
		if err := decodeStrict(node, &in.WorkloadTrust); err != nil {
			return err
		}
		if err := in.read(); err != nil {
			return err
		}
		p.intents = append(p.intents, in)
	case waiverKind:
		var w TrustWaiver
		if err := decodeStrict(node, &w); err != nil {
			return err
		}
		one, err := w.read(at)
		if err != nil {
			return err
		}
		p.waivers = append(p.waivers, *one)
	}
	return nil
}

// kindOf returns the kind of a document, "" if it has none.
func kindOf(node *yaml.Node) string {
	if node.Kind != yaml.MappingNode {
		return ""
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == "kind" {
			return node.Content[i+1].Value
		}
	}
	return ""
}

// decodeStrict decodes a document and refuses fields that it does not know.
func decodeStrict(node *yaml.Node, into any) error {
	text, err := yaml.Marshal(node)
	if err != nil {
		return errors.New("it is no document: correct the YAML")
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(into); err != nil {
		message, _, _ := strings.Cut(strings.TrimPrefix(err.Error(), "yaml: unmarshal errors:\n  "), "\n")
		if _, rest, found := strings.Cut(message, ": "); found {
			message = rest
		}
		return fmt.Errorf("%s: correct the document", message)
	}
	return nil
}

// read makes the tokens of a WorkloadTrust.
func (in *intention) read() error {
	if len(in.Spec.Subjects) == 0 && len(in.Spec.Claims) == 0 {
		return errors.New("spec has neither subjects nor claims: write one of them")
	}
	claims := trust.Token{}
	for name, value := range in.Spec.Claims {
		claims[name] = asJSON(value)
	}
	if len(in.Spec.Subjects) == 0 {
		in.tokens = []trust.Token{claims}
	}
	for _, subject := range in.Spec.Subjects {
		in.tokens = append(in.tokens, claims.With("sub", subject))
	}
	return nil
}

// asJSON converts a value of YAML to one of JSON.
func asJSON(v any) any {
	switch v := v.(type) {
	case int:
		return float64(v)
	case int64:
		return float64(v)
	case uint64:
		return float64(v)
	case time.Time:
		return v.Format(time.DateOnly)
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			list[i] = asJSON(item)
		}
		return list
	case map[string]any:
		object := make(map[string]any, len(v))
		for name, item := range v {
			object[name] = asJSON(item)
		}
		return object
	default:
		return v
	}
}

// glob reports whether a pattern matches a text. * stands for any text, also with slashes.
func glob(pattern, text string) bool {
	first, rest, found := strings.Cut(pattern, "*")
	if !found {
		return pattern == text
	}
	text, found = strings.CutPrefix(text, first)
	if !found {
		return false
	}
	parts := strings.Split(rest, "*")
	for _, part := range parts[:len(parts)-1] {
		at := strings.Index(text, part)
		if at < 0 {
			return false
		}
		text = text[at+len(part):]
	}
	return strings.HasSuffix(text, parts[len(parts)-1])
}
