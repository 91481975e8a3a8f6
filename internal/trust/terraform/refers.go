package terraform

import "slices"

// resourceIndex has the resources of a directory by what others refer to. They are made when they
// are first needed, so that their time is linear in the resources.
type resourceIndex struct {
	byKind map[string][]*resource
	// byText are resources by kind, attribute and its text.
	byText map[textKey][]*resource
	// indexed are the kinds and attributes of which byText has all texts; the text is empty.
	indexed map[textKey]bool
	// byAttribute are resources by the one that an attribute of theirs refers to.
	byAttribute map[attributeKey]map[*resource][]*resource
}

type textKey struct{ kind, attribute, text string }

// attributeKey is an attribute of resources of a kind.
type attributeKey struct{ kind, attribute string }

// of returns the resources of some kinds, data sources included.
func (d *directory) of(kinds ...string) []*resource {
	if d.lookup.byKind == nil {
		d.lookup.byKind = map[string][]*resource{}
		for _, r := range d.resources {
			d.lookup.byKind[r.kind] = append(d.lookup.byKind[r.kind], r)
		}
	}
	if len(kinds) == 1 {
		return d.lookup.byKind[kinds[0]]
	}
	var all []*resource
	for _, kind := range kinds {
		all = append(all, d.lookup.byKind[kind]...)
	}
	return all
}

// resourcesOf returns the resources of some kinds to which a value refers: by a reference, or by
// the same text as that of one of some attributes.
func (d *directory) resourcesOf(v any, attributes []string, kinds ...string) []*resource {
	text := d.string(v)
	if text == "" {
		return nil
	}
	var all []*resource
	add := func(r *resource) {
		if r != nil && slices.Contains(kinds, r.kind) && !slices.Contains(all, r) {
			all = append(all, r)
		}
	}
	for _, kind := range kinds {
		for _, attribute := range attributes {
			for _, r := range d.withText(textKey{kind, attribute, text}) {
				add(r)
			}
		}
	}
	expression := d.unknown.Expressions[text]
	for i, c := range expression {
		if c == '.' || c == '[' {
			add(d.byAddress[expression[:i]])
		}
	}
	return all
}

// withText returns the resources of a kind of which an attribute is a text.
func (d *directory) withText(key textKey) []*resource {
	index := &d.lookup
	if index.byText == nil {
		index.byText, index.indexed = map[textKey][]*resource{}, map[textKey]bool{}
	}
	all := textKey{kind: key.kind, attribute: key.attribute}
	if !index.indexed[all] {
		index.indexed[all] = true
		for _, r := range d.of(key.kind) {
			if text := d.string(r.value(key.attribute)); text != "" {
				one := textKey{key.kind, key.attribute, text}
				index.byText[one] = append(index.byText[one], r)
			}
		}
	}
	return index.byText[key]
}

// resourcesBy returns the resources of a kind of which an attribute refers to a resource.
func (d *directory) resourcesBy(to *resource, kind, attribute string, by []string, kinds ...string) []*resource {
	key := attributeKey{kind, attribute}
	index := d.lookup.byAttribute[key]
	if index == nil {
		index = map[*resource][]*resource{}
		for _, r := range d.of(kind) {
			for _, found := range d.resourcesOf(r.value(attribute), by, kinds...) {
				index[found] = append(index[found], r)
			}
		}
		if d.lookup.byAttribute == nil {
			d.lookup.byAttribute = map[attributeKey]map[*resource][]*resource{}
		}
		d.lookup.byAttribute[key] = index
	}
	return index[to]
}
