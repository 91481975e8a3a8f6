package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/rollcall-iam/rollcall/internal/driver/types"
)

func mustCatalog(t testing.TB) *catalog {
	t.Helper()
	c, err := schemas()
	if err != nil {
		t.Fatalf("the embedded schemas do not compile: %v", err)
	}
	return c
}

// TestSchemaAgreesWithWire holds every property of a schema against the fields
// of the struct that reads it, both ways.
func TestSchemaAgreesWithWire(t *testing.T) {
	c := mustCatalog(t)
	for _, kind := range Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			location := schemaBase + string(kind) + ".json"
			agree(t, c, location, reflect.TypeOf(newWire(kind)).Elem(), string(kind))
		})
	}
	t.Run("replication", func(t *testing.T) {
		agree(t, c, schemaBase+"replication.json", reflect.TypeFor[wireReplication](), "replication")
	})
	t.Run("landing zone", func(t *testing.T) {
		agree(t, c, schemaBase+"replication.json#/$defs/landingZone", reflect.TypeFor[wireProperties](), "properties")
	})
}

func agree(t *testing.T, c *catalog, location string, typ reflect.Type, at string) {
	t.Helper()
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	if typ == reflect.TypeFor[json.RawMessage]() || typ.Kind() == reflect.Map {
		return // Only passed on, or chosen from by name.
	}
	location, node := follow(c, location)
	if typ.Kind() == reflect.Slice {
		agree(t, c, pointer(location, "items"), typ.Elem(), at+"[]")
		return
	}
	properties, _ := node["properties"].(map[string]any)
	if typ.Kind() != reflect.Struct {
		if len(properties) > 0 {
			t.Errorf("%s: the schema has properties, %s has none", at, typ)
		}
		return
	}
	fields := fieldsOf(typ)
	var inSchema, inStruct []string
	for name, property := range properties {
		if refused(property) {
			continue // Nothing reads it.
		}
		inSchema = append(inSchema, name)
		if field, ok := fields[name]; ok {
			agree(t, c, pointer(location, "properties", name), field, at+"."+name)
		}
	}
	for name := range fields {
		inStruct = append(inStruct, name)
	}
	slices.Sort(inSchema)
	slices.Sort(inStruct)
	if diff := cmp.Diff(inSchema, inStruct); diff != "" {
		t.Errorf("%s: properties of the schema and fields of %s differ (-schema +struct):\n%s", at, typ, diff)
	}
}

// refused reports whether a property is known only to say where it belongs.
func refused(property any) bool {
	p, _ := property.(map[string]any)
	not, isNot := p["not"].(map[string]any)
	return isNot && len(not) == 0
}

func fieldsOf(typ reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for field := range typ.Fields() {
		if field.Anonymous {
			maps.Copy(fields, fieldsOf(field.Type))
			continue
		}
		fields[field.Tag.Get("json")] = field.Type
	}
	return fields
}

// follow resolves references until something else comes.
func follow(c *catalog, location string) (string, map[string]any) {
	node := c.at(location)
	for {
		ref, ok := node["$ref"].(string)
		if !ok {
			return location, node
		}
		file, _, _ := strings.Cut(location, "#")
		switch {
		case strings.HasPrefix(ref, "#"):
			location = file + ref
		case strings.HasPrefix(ref, "../"):
			location = schemaBase + strings.TrimPrefix(ref, "../")
		default:
			location = schemaBase + ref
		}
		node = c.at(location)
	}
}

func pointer(location string, tokens ...string) string {
	if !strings.Contains(location, "#") {
		location += "#"
	}
	return location + "/" + strings.Join(tokens, "/")
}

// TestSchemaStyle holds all schemas, those of every platform type among them, to what
// makes them useful to people.
func TestSchemaStyle(t *testing.T) {
	c := mustCatalog(t)
	for _, of := range types.All() {
		name := "platform/" + of.Name() + ".json"
		root, _ := c.source[name].(map[string]any)
		if root["examples"] == nil {
			t.Errorf("%s has no examples", name)
		}
		if root["$id"] != schemaBase+name {
			t.Errorf("%s calls itself %v", name, root["$id"])
		}
	}
	for name, source := range c.source {
		root, _ := source.(map[string]any)
		for _, key := range []string{"$schema", "$id", "title", "description"} {
			if root[key] == nil {
				t.Errorf("%s has no %s", name, key)
			}
		}
		if slices.Contains(Kinds(), Kind(strings.TrimSuffix(name, ".json"))) && root["examples"] == nil {
			t.Errorf("%s has no examples", name)
		}
		style(t, name, root)
	}
}

func style(t *testing.T, at string, node any) {
	t.Helper()
	switch v := node.(type) {
	case map[string]any:
		if v["type"] == "object" && v["additionalProperties"] == nil {
			t.Errorf("%s: objects need additionalProperties", at)
		}
		if properties, ok := v["properties"].(map[string]any); ok && v["type"] == "object" {
			for name, property := range properties {
				described(t, at+"."+name, property)
			}
		}
		for key, child := range v {
			if key != "examples" {
				style(t, at+"/"+key, child)
			}
		}
	case []any:
		for _, child := range v {
			style(t, at, child)
		}
	}
}

func described(t *testing.T, at string, property any) {
	t.Helper()
	p, _ := property.(map[string]any)
	if p["description"] == nil && p["$ref"] == nil && !refused(property) { // TestEveryRuleHasWords wants a rule of those
		t.Errorf("%s has no description", at)
	}
}

func TestSchemaExamplesAreValid(t *testing.T) {
	c := mustCatalog(t)
	for _, kind := range Kinds() {
		examples, _ := c.at(schemaBase + string(kind) + ".json")["examples"].([]any)
		for i, example := range examples {
			content, err := json.Marshal(example)
			if err != nil {
				t.Fatal(err)
			}
			docs, dropped, err := Decode(bytes.NewReader(content), string(kind))
			if err != nil || len(docs) != 1 || len(dropped) != 0 {
				t.Errorf("example %d of %s: %d documents, dropped %v, error %v; want one document", i, kind, len(docs), dropped, err)
				continue
			}
			if _, err := Parse(docs[0]); err != nil {
				t.Errorf("example %d of %s does not parse: %v", i, kind, err)
			}
		}
	}
}

// TestPlatformTypeExamplesAreValid holds every platform type to the examples of its
// own part of a document.
func TestPlatformTypeExamplesAreValid(t *testing.T) {
	c := mustCatalog(t)
	for _, of := range types.All() {
		examples, _ := c.at(schemaBase + "platform/" + of.Name() + ".json")["examples"].([]any)
		for i, example := range examples {
			content, err := json.Marshal(map[string]any{
				"apiVersion": "v1", "kind": "meshPlatform", "metadata": map[string]any{"name": "a"},
				"spec": map[string]any{"locationRef": map[string]any{"name": "x"}, "config": map[string]any{of.Name(): example}},
			})
			if err != nil {
				t.Fatal(err)
			}
			docs, _, err := Decode(bytes.NewReader(content), of.Name())
			if err != nil || len(docs) != 1 {
				t.Errorf("example %d of %s: %d documents, error %v; want one document", i, of.Name(), len(docs), err)
				continue
			}
			typed, err := Parse(docs[0])
			platform, ok := typed.(Platform)
			if err != nil || !ok || platform.Type != of.Name() || platform.Connection == "" {
				t.Errorf("example %d of %s: %+v, error %v; want a platform that names its connection", i, of.Name(), typed, err)
			}
		}
	}
}

// TestPublishedSchemas compiles each published schema alone and lets it judge
// the good documents.
func TestPublishedSchemas(t *testing.T) {
	docs, _, err := Load([]string{"testdata/good"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range Kinds() {
		published, err := Schema(kind)
		if err != nil {
			t.Fatal(err)
		}
		source, err := jsonschema.UnmarshalJSON(bytes.NewReader(published))
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		compiler := jsonschema.NewCompiler()
		if err := compiler.AddResource("https://example.com/one.json", source); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		alone, err := compiler.Compile("https://example.com/one.json")
		if err != nil {
			t.Errorf("%s needs more than itself: %v", kind, err)
			continue
		}
		for _, doc := range docs {
			body, err := jsonschema.UnmarshalJSON(bytes.NewReader(doc.Body))
			if err != nil {
				t.Fatal(err)
			}
			valid := alone.Validate(body) == nil
			if valid != (doc.ID.Kind == kind) {
				t.Errorf("the schema of %s calls %s valid: %v", kind, doc.ID, valid)
			}
		}
	}
}

func TestSchemaOfUnknownKind(t *testing.T) {
	if _, err := Schema("meshFoo"); !errors.Is(err, ErrUnknownKind) {
		t.Errorf("got %v, want ErrUnknownKind", err)
	}
	if _, err := Parse(Document{ID: ID{Kind: "meshFoo"}}); !errors.Is(err, ErrUnknownKind) {
		t.Errorf("got %v, want ErrUnknownKind", err)
	}
}

// TestEveryRuleHasWords finds keywords whose failure would be worded by the
// validator instead of us.
func TestEveryRuleHasWords(t *testing.T) {
	var walk func(at string, node any)
	walk = func(at string, node any) {
		if list, ok := node.([]any); ok {
			for _, item := range list {
				walk(at, item)
			}
		}
		object, ok := node.(map[string]any)
		if !ok {
			return
		}
		_, isText := object["pattern"].(string)
		_, isChoice := object["oneOf"].([]any)
		_, isNot := object["not"].(map[string]any)
		if (isText || isChoice || isNot) && object["$comment"] == nil {
			t.Errorf("%s: a pattern, oneOf or not needs a $comment that says what to write", at)
		}
		for key, child := range object {
			walk(at+"/"+key, child)
		}
	}
	for name, source := range mustCatalog(t).source {
		walk(name, source)
	}
}
