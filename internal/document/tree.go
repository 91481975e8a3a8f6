package document

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxAliased is how many nodes of a document may come from aliases: enough for
// a shared list, too few to blow a small file up.
const maxAliased = 10_000

// flaw is a Problem before its document is known.
type flaw struct {
	line  int
	field string
	text  string
}

// step is one field or item on the way to a node.
type step struct {
	up   *step
	name string
}

func (s *step) child(name string) *step { return &step{up: s, name: name} }

func (s *step) item(i int) *step { return &step{up: s, name: "[" + strconv.Itoa(i) + "]"} }

// String returns the way as people write it: "spec.members[3]".
func (s *step) String() string {
	if s == nil {
		return ""
	}
	up := s.up.String()
	if up == "" || strings.HasPrefix(s.name, "[") {
		return up + s.name
	}
	return up + "." + s.name
}

// builder turns nodes into the values that encoding/json would give: maps,
// slices, strings, bools, int64, uint64, float64. A null is an absent field.
type builder struct {
	flaws   []flaw
	aliased int
}

func (b *builder) flawf(n *yaml.Node, at *step, format string, args ...any) {
	b.flaws = append(b.flaws, flaw{line: n.Line, field: at.String(), text: fmt.Sprintf(format, args...)})
}

func (b *builder) value(n *yaml.Node, at *step, depth int, aliased bool) any {
	if aliased {
		b.aliased++
	}
	if depth > maxDepth || b.aliased > maxAliased {
		return b.tooMuch(n, at, depth)
	}
	switch n.Kind {
	case yaml.AliasNode:
		return b.value(n.Alias, at, depth+1, true)
	case yaml.MappingNode:
		return b.mapping(n, at, depth, aliased)
	case yaml.SequenceNode:
		items := make([]any, 0, len(n.Content))
		for i, item := range n.Content {
			items = append(items, b.value(item, at.item(i), depth+1, aliased))
		}
		return items
	default:
		return b.scalar(n, at)
	}
}

// tooMuch says so once: a bomb would say it without end.
func (b *builder) tooMuch(n *yaml.Node, at *step, depth int) any {
	if len(b.flaws) > 0 {
		return nil
	}
	if depth > maxDepth {
		b.flawf(n, nil, "is nested deeper than %d levels", maxDepth)
		return nil
	}
	b.flawf(n, at, "aliases stand for more than %d values: write them out", maxAliased)
	return nil
}

func (b *builder) mapping(n *yaml.Node, at *step, depth int, aliased bool) map[string]any {
	fields := make(map[string]any, len(n.Content)/2)
	lines := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.ShortTag() != "!!str" || strings.ContainsRune(key.Value, 0) {
			b.flawf(key, at, "the key %s is not a text: put it in quotes, without merge keys and NUL characters", quoted(key.Value))
			continue
		}
		if first, twice := lines[key.Value]; twice {
			b.flawf(key, at.child(key.Value), "is there twice; the first is in line %d", first)
			continue
		}
		lines[key.Value] = key.Line
		if v := b.value(value, at.child(key.Value), depth+1, aliased); v != nil {
			fields[key.Value] = v
		}
	}
	return fields
}

func (b *builder) scalar(n *yaml.Node, at *step) any {
	switch tag := n.ShortTag(); tag {
	case "!!null":
		return nil
	case "!!str", "!!timestamp":
		if strings.ContainsRune(n.Value, 0) {
			b.flawf(n, at, "holds a NUL character")
		}
		return n.Value
	case "!!bool", "!!int", "!!float":
		return b.plain(n, at)
	default:
		b.flawf(n, at, "the tag %s is not read: write a plain value", tag)
		return nil
	}
}

func (b *builder) plain(n *yaml.Node, at *step) any {
	var value any
	if err := n.Decode(&value); err != nil {
		b.flawf(n, at, "%s is not a number that fits", quoted(n.Value))
		return nil
	}
	switch v := value.(type) {
	case int:
		return int64(v)
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			b.flawf(n, at, "%s is not a number that fits", quoted(n.Value))
			return nil
		}
	}
	return value
}

// locate follows the tokens of a JSON pointer from n and returns the way as
// people write it, and the line of its last part that exists.
func locate(n *yaml.Node, tokens []string) (*step, int) {
	var at *step
	line := n.Line
	for _, token := range tokens {
		for n != nil && n.Kind == yaml.AliasNode {
			n = n.Alias
		}
		key, value := find(n, token)
		if n != nil && n.Kind == yaml.SequenceNode {
			i, _ := strconv.Atoi(token)
			at = at.item(i)
		} else {
			at = at.child(token)
		}
		if key != nil {
			line = key.Line
		}
		n = value
	}
	return at, line
}

// find returns the key and the value of a field, or an item twice, or nils.
func find(n *yaml.Node, token string) (key, value *yaml.Node) {
	if n == nil {
		return nil, nil
	}
	if n.Kind == yaml.SequenceNode {
		if i, err := strconv.Atoi(token); err == nil && i >= 0 && i < len(n.Content) {
			return n.Content[i], n.Content[i]
		}
		return nil, nil
	}
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == token {
			return n.Content[i], n.Content[i+1]
		}
	}
	return nil, nil
}
