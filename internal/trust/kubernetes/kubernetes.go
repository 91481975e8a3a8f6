// Package kubernetes reads what Kubernetes objects say about trust between workloads and
// clouds: AuthenticationConfigurations as trusts; pods with projected tokens, service
// accounts and roles as findings.
//
//	m, err := kubernetes.Parse("pod.yaml", text)
//	findings := kubernetes.Relate([]kubernetes.Manifests{m}, trusts)
//
// Parse judges each object alone; [Relate] judges them together, and with the trusts of
// the clouds. Objects may come one by one, as several documents, or in a List; other
// kinds are ignored.
package kubernetes

import (
	"errors"
	"fmt"

	"github.com/rollcall-iam/rollcall/internal/trust"
	"github.com/rollcall-iam/rollcall/internal/trust/kubernetes/manifest"
)

// Manifests is what the Kubernetes objects of one file say.
type Manifests struct {
	// Trusts are the jwt entries of AuthenticationConfigurations.
	Trusts []trust.Trust
	// Findings are the mistakes that one object shows alone.
	Findings []trust.Finding
	// Configurations are the credential configurations that ConfigMaps and Secrets hold:
	// input of a reader of such files.
	Configurations []Configuration

	workloads []workload
	objects   []object
	roles     []role
	bindings  []binding
}

// Configuration is a credential configuration inside a ConfigMap or Secret: JSON of type
// external_account, or an AWS profile with web_identity_token_file.
type Configuration struct {
	// At is where the text is written.
	At trust.Position
	// Name is the object and its key: "ConfigMap data-ingest/config, credentials.json".
	Name string
	Text []byte
}

// maxLists is how deep Lists are read inside Lists.
const maxLists = 10

// parser collects what the objects of a file say.
type parser struct {
	file string
	Manifests
	errs []error
}

// Parse reads the objects of a file, YAML or JSON. What is readable is returned beside an
// error.
func Parse(file string, text []byte) (Manifests, error) {
	documents, err := manifest.Read(file, text)
	p := &parser{file: file}
	if err != nil {
		p.errs = append(p.errs, err)
	}
	for _, d := range documents {
		p.object(d, 0)
	}
	return p.Manifests, errors.Join(p.errs...)
}

// object reads one object, or the objects of a List.
func (p *parser) object(v *manifest.Value, depth int) {
	if v.Get("items").Exists() && v.Get("spec") == nil && depth < maxLists {
		for _, item := range v.Get("items").List() {
			p.object(item, depth+1)
		}
		return
	}
	switch v.Get("kind").Text() {
	case "AuthenticationConfiguration":
		p.authentication(v)
	case "ConfigMap", "Secret":
		p.holder(v)
	case "Role", "ClusterRole":
		p.role(v)
	case "RoleBinding", "ClusterRoleBinding":
		p.binding(v)
	default:
		p.workload(v)
	}
}

func (p *parser) at(v *manifest.Value, line int) trust.Position {
	return trust.Position{File: p.file, Line: v.LineOr(line)}
}

// id names an object.
type id struct{ kind, namespace, name string }

func idOf(v *manifest.Value) id {
	return id{kind: v.Get("kind").Text(), namespace: v.Get("metadata", "namespace").Text(), name: v.Get("metadata", "name").Text()}
}

// String returns the name as users write it: "Pod data-ingest/writer".
func (i id) String() string {
	name := i.name
	if name == "" {
		name = "without name"
	}
	if i.namespace != "" {
		name = i.namespace + "/" + name
	}
	return fmt.Sprintf("%s %s", i.kind, name)
}

// sameNamespace reports whether two objects may be in one namespace. An object without
// one goes where it is applied.
func sameNamespace(a, b string) bool { return a == "" || b == "" || a == b }
