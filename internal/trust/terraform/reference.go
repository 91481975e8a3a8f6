package terraform

import (
	"cmp"
	"maps"
	"slices"
	"strconv"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// sortedNames returns the names of attributes in the order of the file.
func sortedNames(attributes hclsyntax.Attributes) []string {
	return slices.SortedFunc(maps.Keys(attributes), func(a, b string) int {
		return cmp.Compare(attributes[a].NameRange.Start.Byte, attributes[b].NameRange.Start.Byte)
	})
}

// traverse evaluates a reference.
func (e *evaluator) traverse(x *hclsyntax.ScopeTraversalExpr, s *scope) any {
	root := x.Traversal.RootName()
	rest := x.Traversal[1:]
	written := e.source(x.Range())
	if v, ok := s.find(root); ok {
		return e.follow(v, rest, written)
	}
	name, after := attribute(rest)
	switch root {
	case "var":
		return e.follow(e.variable(name), after, written)
	case "local":
		if expr := e.locals[name]; expr != nil {
			return e.follow(e.once("local."+name, expr, nil), after, written)
		}
	case "path":
		return "."
	case "data":
		label, rest := attribute(after)
		return e.reference("data."+name+"."+label, rest, written)
	case "module", "each", "count", "self", "terraform":
	default:
		return e.reference(root+"."+name, after, written)
	}
	return unknown{written}
}

// attribute splits a step to an attribute from what follows.
func attribute(steps hcl.Traversal) (string, hcl.Traversal) {
	if len(steps) == 0 {
		return "", nil
	}
	step, _ := steps[0].(hcl.TraverseAttr)
	return step.Name, steps[1:]
}

// variable returns the value of a variable.
func (e *evaluator) variable(name string) any {
	if expr := e.values[name]; expr != nil {
		return e.once("var."+name, expr, nil)
	}
	if expr := e.defaults[name]; expr != nil {
		if v := e.once("var."+name, expr, nil); v != nil && v != "" {
			return v
		}
	}
	return unknown{"var." + name}
}

// instances is the value of a resource without an attribute.
type instances struct{ *resource }

// reference evaluates a reference to a resource. One with count or for_each has one body.
func (e *evaluator) reference(address string, rest hcl.Traversal, written string) any {
	r := e.directory.byAddress[address]
	if r == nil {
		return unknown{written}
	}
	for len(rest) > 0 {
		if _, isAttribute := rest[0].(hcl.TraverseAttr); isAttribute {
			break
		}
		rest = rest[1:]
	}
	if len(rest) == 0 {
		return instances{r}
	}
	name, after := attribute(rest)
	return e.follow(e.attribute(r, name, written), after, written)
}

// attribute returns an attribute of a resource, also one that the cloud computes.
func (e *evaluator) attribute(r *resource, name, written string) any {
	if v, ok := e.computed(r, name); ok {
		return v
	}
	if v, _, ok := r.source.get(name); ok && v != nil {
		return v
	}
	return unknown{written}
}

// follow applies the steps of a reference to a value.
func (e *evaluator) follow(v any, steps hcl.Traversal, written string) any {
	for _, step := range steps {
		switch step := step.(type) {
		case hcl.TraverseAttr:
			v = e.index(v, step.Name, written)
		case hcl.TraverseIndex:
			v = e.index(v, literal(step.Key), written)
		default:
			return unknown{written}
		}
	}
	return v
}

// index returns an item of a list, a field of an object, or an attribute of a resource.
func (e *evaluator) index(v, key any, written string) any {
	name, _ := e.text(key)
	switch v := v.(type) {
	case *object:
		if found, _, ok := v.get(name); ok {
			return found
		}
		return nil
	case []any:
		if i, err := strconv.Atoi(name); err == nil && i >= 0 && i < len(v) {
			return v[i]
		}
	case instances:
		if _, err := strconv.Atoi(name); err == nil {
			return v
		}
		if _, isKey := key.(string); !isKey {
			return v
		}
		return e.attribute(v.resource, name, v.address()+"."+name)
	}
	return unknown{written}
}
