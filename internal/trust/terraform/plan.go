package terraform

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/trust"
	"github.com/rollcall-iam/rollcall/internal/trust/keys"
	"github.com/rollcall-iam/rollcall/internal/trust/kubernetes/manifest"
)

// ErrNoPlan is what ReadPlan returns for JSON of another form.
var ErrNoPlan = errors.New("no plan or state of terraform show -json")

// ReadPlan reads a plan or a state as terraform show -json prints it. Each module of it is
// judged by itself.
func ReadPlan(file string, text []byte) (Result, error) {
	values, err := manifest.ReadJSON(file, text)
	if err != nil {
		return Result{}, fmt.Errorf("terraform: %w", err)
	}
	if len(values) == 0 || !IsPlan(values[0]) {
		return Result{}, fmt.Errorf("terraform: read %s: %w", file, ErrNoPlan)
	}
	root := values[0].Get("planned_values", "root_module")
	if !root.Exists() {
		root = values[0].Get("values", "root_module")
	}
	p := plan{file: file, unknown: map[string]*manifest.Value{}, configs: map[string]string{}}
	for _, change := range values[0].Get("resource_changes").List() {
		p.unknown[change.Get("address").Text()] = change.Get("change", "after_unknown")
	}
	p.result.Unknown = map[string]string{}
	p.configuration(values[0].Get("configuration", "root_module"), "", 0)
	p.data(values[0].Get("prior_state", "values", "root_module"), 0)
	p.module(root, 0)
	return p.result, errors.Join(p.errs...)
}

// IsPlan reports whether a document is a plan or a state.
func IsPlan(v *manifest.Value) bool {
	return v.Get("format_version").Exists() && (v.Get("planned_values").Exists() || v.Get("values").Exists())
}

// plan is a plan that is read.
type plan struct {
	file string
	// unknown has the values that are known after apply, by address.
	unknown map[string]*manifest.Value
	// configs are the configurations of providers that resources use, by address without
	// indices. A state does not say them.
	configs map[string]string
	// read are the data sources that the plan has read, by the address of their module.
	read   map[string][]*manifest.Value
	result Result
	errs   []error
}

// maxModules is how deep modules are read in modules.
const maxModules = 50

// configuration collects the configurations of providers that the resources of a module use,
// and of the modules in it.
func (p *plan) configuration(module *manifest.Value, path string, depth int) {
	for _, v := range module.Get("resources").List() {
		p.configs[path+v.Get("address").Text()] = v.Get("provider_config_key").Text()
	}
	if depth == maxModules {
		return
	}
	for _, call := range module.Get("module_calls").Fields() {
		p.configuration(call.Value.Get("module"), path+"module."+call.Name+".", depth+1)
	}
}

// instanceKey matches the key of an instance in an address.
var instanceKey = regexp.MustCompile(`\[(?:[0-9]+|"(?:[^"\\]|\\.)*")\]`)

// data collects the data sources of the prior state.
func (p *plan) data(module *manifest.Value, depth int) {
	if p.read == nil {
		p.read = map[string][]*manifest.Value{}
	}
	for _, v := range module.Get("resources").List() {
		if v.Get("mode").Text() == "data" {
			p.read[module.Get("address").Text()] = append(p.read[module.Get("address").Text()], v)
		}
	}
	if depth < maxModules {
		for _, child := range module.Get("child_modules").List() {
			p.data(child, depth+1)
		}
	}
}

// module reads the resources of a module and of the modules in it.
func (p *plan) module(module *manifest.Value, depth int) {
	d := newDirectory()
	d.plan = true
	for _, v := range slices.Concat(p.read[module.Get("address").Text()], module.Get("resources").List()) {
		d.add(p.resource(v))
	}
	d.read()
	p.add(d)
	if depth < maxModules {
		for _, child := range module.Get("child_modules").List() {
			p.module(child, depth+1)
		}
	}
}

// resource returns a resource of a module.
func (p *plan) resource(v *manifest.Value) *resource {
	address := v.Get("address").Text()
	values, ok := fromJSON(v.Get("values")).(*object)
	if !ok {
		values = &object{}
	}
	setUnknown(values, p.unknown[address], address, 0)
	return &resource{
		data: v.Get("mode").Text() == "data", kind: v.Get("type").Text(), name: nameIn(v),
		at: trust.Position{File: p.file, Line: v.Line}, source: planned{values},
		planned: address, config: p.configs[instanceKey.ReplaceAllString(address, "")],
	}
}

// nameIn returns the name of a resource with its index.
func nameIn(v *manifest.Value) string {
	name := v.Get("name").Text()
	if index := v.Get("index"); index.Exists() {
		name += "[" + index.Scalar() + "]"
	}
	return name
}

// setUnknown sets the values of an object that are known only after apply.
func setUnknown(o *object, unknownAfter *manifest.Value, path string, depth int) {
	if depth > maxModules {
		return
	}
	for _, f := range unknownAfter.Fields() {
		at := path + "." + f.Name
		if f.Value.True() {
			o.put(f.Name, 0, unknown{at})
			continue
		}
		v, _, _ := o.get(f.Name)
		switch v := v.(type) {
		case *object:
			setUnknown(v, f.Value, at, depth+1)
		case []any:
			setUnknownItems(v, f.Value, at, depth+1)
		}
	}
}

// setUnknownItems sets the items of a list that are known only after apply, and values in them.
func setUnknownItems(list []any, unknownAfter *manifest.Value, path string, depth int) {
	for i, inner := range unknownAfter.List() {
		if i >= len(list) {
			return
		}
		if inner.True() {
			list[i] = unknown{path}
		} else if nested, ok := list[i].(*object); ok {
			setUnknown(nested, inner, path, depth)
		}
	}
}

// add adds the result of a module.
func (p *plan) add(d *directory) {
	r := d.result
	p.result.Trusts = append(p.result.Trusts, r.Trusts...)
	p.result.Providers = append(p.result.Providers, r.Providers...)
	p.result.Google.Providers = append(p.result.Google.Providers, r.Google.Providers...)
	p.result.Google.Policies = append(p.result.Google.Policies, r.Google.Policies...)
	p.result.Google.Roles = append(p.result.Google.Roles, r.Google.Roles...)
	p.result.Manifests = append(p.result.Manifests, r.Manifests...)
	p.result.Findings = append(p.result.Findings, r.Findings...)
	maps.Copy(p.result.Unknown, r.Unknown)
	p.errs = append(p.errs, d.errs...)
}

// planned are the attributes of a resource in a plan.
type planned struct{ *object }

func (p planned) get(name string) (any, int, bool) {
	v, line, ok := p.object.get(name)
	if l, isList := v.([]any); isList && len(l) == 0 {
		return nil, line, false
	}
	return v, line, ok
}

// names returns the attributes that are set. A plan has those that are null, too.
func (p planned) names() []keys.Attribute {
	var names []keys.Attribute
	for _, f := range p.fields {
		text, isText := f.value.(string)
		if l, isList := f.value.([]any); f.value != nil && (!isList || len(l) > 0) {
			names = append(names, keys.Attribute{Name: f.name, Line: f.line, Literal: isText && strings.TrimSpace(text) != ""})
		}
	}
	return names
}
