package manifest

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// yamlLine finds the line in an error of the YAML parser.
var yamlLine = regexp.MustCompile(`line (\d+)`)

func readYAML(file string, text []byte) ([]*Value, error) {
	c := &counter{file: file}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var documents []*Value
	for {
		var node yaml.Node
		if err := decoder.Decode(&node); errors.Is(err, io.EOF) {
			return documents, nil
		} else if err != nil {
			return documents, c.syntax(lineOf(err), "correct the YAML, and render templates first")
		}
		if len(documents) == maxDocuments {
			return documents, c.tooLarge(node.Line, "it has more than "+strconv.Itoa(maxDocuments)+" documents; split it")
		}
		if node.Kind != yaml.DocumentNode || len(node.Content) != 1 {
			continue
		}
		document, err := c.yaml(node.Content[0], 0, false)
		if err != nil {
			return documents, err
		}
		documents = append(documents, document)
	}
}

// lineOf returns the line that an error names. The rest of the text stays unread: it may
// quote the file.
func lineOf(err error) int {
	found := yamlLine.FindStringSubmatch(err.Error())
	if found == nil {
		return 1
	}
	line, err := strconv.Atoi(found[1])
	if err != nil {
		return 1
	}
	return line
}

// yaml converts a node, with its aliases written out.
func (c *counter) yaml(n *yaml.Node, depth int, aliased bool) (*Value, error) {
	if err := c.add(n.Line, depth, len(n.Value), aliased); err != nil {
		return nil, err
	}
	switch n.Kind {
	case yaml.AliasNode:
		return c.yaml(n.Alias, depth+1, true)
	case yaml.MappingNode:
		return c.yamlMap(n, depth, aliased)
	case yaml.SequenceNode:
		v := &Value{Kind: List, Line: n.Line, Tag: tagOf(n)}
		for _, item := range n.Content {
			one, err := c.yaml(item, depth+1, aliased)
			if err != nil {
				return nil, err
			}
			v.items = append(v.items, one)
		}
		return v, nil
	default:
		return yamlScalar(n), nil
	}
}

// tagOf returns a tag that is not one of YAML itself.
func tagOf(n *yaml.Node) string {
	if strings.HasPrefix(n.Tag, "!!") || n.Tag == "!" {
		return ""
	}
	return n.Tag
}

func yamlScalar(n *yaml.Node) *Value {
	v := &Value{Kind: Text, Line: n.Line, Tag: tagOf(n), scalar: n.Value}
	switch n.ShortTag() {
	case "!!null":
		v.Kind, v.scalar = Null, ""
	case "!!int", "!!float":
		v.Kind = Number
	case "!!bool":
		v.Kind = Bool
	}
	return v
}

// yamlMap converts a mapping. Fields of its own win over those of merged maps.
func (c *counter) yamlMap(n *yaml.Node, depth int, aliased bool) (*Value, error) {
	v := &Value{Kind: Map, Line: n.Line, Tag: tagOf(n)}
	names := make(map[string]int, len(n.Content)/2)
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, node := n.Content[i], n.Content[i+1]
		if name.Kind == yaml.ScalarNode && name.ShortTag() == "!!merge" {
			merged = append(merged, node)
			continue
		}
		field, err := c.yamlField(name, node, depth, aliased)
		if err != nil {
			return nil, err
		}
		if err := c.put(v, names, field); err != nil {
			return nil, err
		}
	}
	for _, node := range merged {
		value, err := c.yaml(node, depth+1, aliased)
		if err != nil {
			return nil, err
		}
		v.merge(value, names)
	}
	return v, nil
}

// yamlField converts a field of a mapping.
func (c *counter) yamlField(name, node *yaml.Node, depth int, aliased bool) (Field, error) {
	if name.Kind == yaml.AliasNode && name.Alias != nil {
		name = name.Alias
	}
	if name.Kind != yaml.ScalarNode {
		return Field{}, c.syntax(name.Line, "the name of a field is not a text; write one")
	}
	value, err := c.yaml(node, depth+1, aliased)
	return Field{Name: name.Value, Line: name.Line, Value: value}, err
}

// merge adds the fields of a map, or of a list of maps, that v does not have.
func (v *Value) merge(from *Value, names map[string]int) {
	sources := []*Value{from}
	if from.Kind == List {
		sources = from.items
	}
	for _, source := range sources {
		for _, f := range source.Fields() {
			if _, own := names[f.Name]; !own {
				names[f.Name] = f.Line
				v.fields = append(v.fields, f)
			}
		}
	}
}
