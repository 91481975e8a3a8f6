package terraform

import (
	"strings"

	"github.com/rollcall-iam/rollcall/internal/trust/kubernetes"
)

// manifest reads an object of Kubernetes: a manifest, a ConfigMap or a Secret.
func (d *directory) manifest(r *resource) {
	var v any
	name := "manifest"
	switch r.kind {
	case "kubernetes_manifest":
		v = r.value(name)
	case "kubectl_manifest":
		name = "yaml_body"
		v = r.value(name)
	case "kubernetes_config_map", "kubernetes_config_map_v1":
		v = d.objectOf(r, "ConfigMap", "data")
	case "kubernetes_secret", "kubernetes_secret_v1":
		v = d.objectOf(r, "Secret", "stringData")
	}
	text, ok := v.(string)
	if o, isObject := v.(*object); isObject {
		encoded, err := d.encode(o)
		text, ok = encoded, err == nil
	}
	if !ok {
		return
	}
	at := r.line(name)
	// The lines before the text make its lines those of the file.
	m, err := kubernetes.Parse(at.File, []byte(strings.Repeat("\n", max(at.Line-1, 0))+text))
	if err != nil {
		d.errs = append(d.errs, err)
	}
	d.result.Manifests = append(d.result.Manifests, m)
}

// objectOf writes a resource with the fields metadata and data as an object of Kubernetes.
func (d *directory) objectOf(r *resource, kind, data string) *object {
	o := &object{fields: []field{{name: "kind", value: kind}}}
	if metadata := block(r.value("metadata")); metadata != nil {
		o.put("metadata", 0, metadata)
	}
	if values := block(r.value("data")); values != nil {
		o.put(data, 0, values)
	}
	return o
}
