package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// Schemas checks objects of other files than documents as documents are checked: with
// the file, the line and the field of everything that is wrong.
type Schemas struct{ catalog *catalog }

// NewSchemas compiles JSON Schemas (draft 2020-12), one for each kind of object.
func NewSchemas(sources map[string]map[string]any) (*Schemas, error) {
	c := &catalog{compiled: map[Kind]*jsonschema.Schema{}, source: map[string]any{}}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	for kind, source := range sources {
		c.source[kind+".json"] = source
		if err := compiler.AddResource(schemaBase+kind+".json", source); err != nil {
			return nil, fmt.Errorf("document: schema of %s: %w", kind, err)
		}
	}
	for kind := range sources {
		compiled, err := compiler.Compile(schemaBase + kind + ".json")
		if err != nil {
			return nil, fmt.Errorf("document: schema of %s: %w", kind, err)
		}
		c.compiled[Kind(kind)] = compiled
	}
	return &Schemas{catalog: c}, nil
}

// Object is one object that its schema accepts.
type Object struct {
	Kind string
	// Body is the object as JSON, with sorted keys.
	Body json.RawMessage
	// Line is where it begins in its file.
	Line int
}

// maxObjectName is how long the name of an object may be to be shown in messages.
const maxObjectName = 253

// notInName reports whether a rune cannot be in the name of an object.
func notInName(r rune) bool {
	return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '.' && r != '-'
}

// Read returns the objects of a YAML or JSON text that are as their schemas want
// them, and what is wrong with the others. kindOf says which kind an object is of, or
// which of its fields is wrong and why. file is what problems call the text.
func (s *Schemas) Read(
	text []byte, file string, kindOf func(tree map[string]any) (kind, field, problem string),
) ([]Object, Problems) {
	d := &decoder{catalog: s.catalog, file: file, dropped: Dropped{}}
	d.read = func(d *decoder, n *yaml.Node) {
		b := &builder{}
		tree, ok := b.value(n, nil, 0, false).(map[string]any)
		name, _ := tree["name"].(string)
		object, flaws := s.object(tree, n, b.flaws, kindOf)
		if !ok && len(flaws) == 0 {
			flaws = []flaw{{line: n.Line, text: "is not a mapping"}}
		}
		if len(name) > maxObjectName || strings.IndexFunc(name, notInName) >= 0 {
			name = "" // what is no name may be anything
		}
		for _, f := range flaws {
			d.problem(name, f)
		}
		if len(flaws) == 0 {
			d.objects = append(d.objects, object)
		}
	}
	d.stream(text)
	problems, _ := errors.AsType[Problems](d.problems.err())
	for i, p := range problems {
		problems[i].Text = withoutValues(p.Text)
	}
	return d.objects, problems
}

// values finds what a message quotes of an input: texts in quotes, tags, and what the
// parser of YAML says, which may be anything.
var values = regexp.MustCompile(`is not YAML: .*|the tag \S+|"(?:[^"\\]|\\.)*"( is not allowed)`)

// withoutValues returns a message without the values that it quotes: in these files
// somebody may have written a secret where only its file's name belongs.
func withoutValues(text string) string {
	return values.ReplaceAllStringFunc(text, func(found string) string {
		switch {
		case strings.HasPrefix(found, "is not YAML"):
			return "is not YAML"
		case strings.HasPrefix(found, "the tag"):
			return "the tag"
		default:
			return "the value is not allowed"
		}
	})
}

func (s *Schemas) object(
	tree map[string]any, n *yaml.Node, flaws []flaw, kindOf func(map[string]any) (kind, field, problem string),
) (Object, []flaw) {
	if tree == nil || len(flaws) > 0 {
		return Object{}, flaws
	}
	kind, field, problem := kindOf(tree)
	if problem != "" {
		_, line := locate(n, []string{field})
		return Object{}, []flaw{{line: line, field: field, text: problem}}
	}
	if flaws := s.catalog.check(Kind(kind), tree, n); len(flaws) > 0 {
		return Object{}, flaws
	}
	body, err := canonical(tree)
	if err != nil {
		return Object{}, []flaw{{line: n.Line, text: err.Error()}}
	}
	return Object{Kind: kind, Body: bytes.Clone(body), Line: n.Line}, nil
}
