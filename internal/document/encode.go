package document

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Encode writes docs as YAML, in the order of Kinds and by name, so that apply
// accepts it and equal documents give equal bytes. The drawn numbers of tenants
// and the sources of objects and fields go with them.
func Encode(w io.Writer, docs []Document) error {
	enc := yaml.NewEncoder(w)
	enc.SetIndent(2)
	for _, doc := range sorted(docs) {
		tree, err := doc.tree()
		if err != nil {
			return fmt.Errorf("document: %s: %w", doc.ID, err)
		}
		if err := enc.Encode(tree); err != nil {
			return fmt.Errorf("document: write %s: %w", doc.ID, err)
		}
	}
	if len(docs) == 0 {
		return nil
	}
	if err := enc.Close(); err != nil {
		return fmt.Errorf("document: write: %w", err)
	}
	return nil
}

// tree returns the whole document, drawn numbers included.
func (d Document) tree() (map[string]any, error) {
	var tree map[string]any
	if err := unmarshalNumbers(d.Body, &tree); err != nil {
		return nil, err
	}
	forYAML(tree)
	if section := d.rollcall(); len(section) > 0 {
		tree["rollcall"] = section
	}
	return tree, nil
}

// forYAML replaces the values that the YAML encoder writes wrong: json.Number, which it
// writes as a text, and texts that begin with a tab and have several lines, which it
// writes as a block that no parser accepts.
func forYAML(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for key, field := range v {
			v[key] = forYAML(field)
		}
	case []any:
		for i, item := range v {
			v[i] = forYAML(item)
		}
	case string:
		if strings.HasPrefix(v, "\t") {
			return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Style: yaml.DoubleQuotedStyle, Value: v}
		}
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		if f, err := v.Float64(); err == nil {
			return f
		}
	}
	return value
}
