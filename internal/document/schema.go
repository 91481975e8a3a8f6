package document

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/rollcall-iam/rollcall/internal/driver/types"
)

// ErrUnknownKind reports a kind that has no schema.
var ErrUnknownKind = errors.New("unknown kind")

//go:embed schema
var schemaFiles embed.FS

// schemaBase is what the $id of every schema begins with. It names schemas;
// nothing is ever fetched from it.
const schemaBase = "https://github.com/rollcall-iam/rollcall/schema/"

// platformsSchema is the one schema that is made from the list of files.
const platformsSchema = "platforms.json"

// schemas compiles the embedded schemas once.
var schemas = sync.OnceValues(compileSchemas) //nolint:gochecknoglobals // Compiled once, as a pattern is.

// catalog is the embedded schemas, compiled, and as they were read.
type catalog struct {
	compiled map[Kind]*jsonschema.Schema
	// source is every schema by its path, such as "platform/memory.json".
	source map[string]any
	// versions are the values of apiVersion that a kind has.
	versions map[Kind][]string
	// types are the platform types, sorted.
	types []string
}

// Schema returns the JSON Schema (draft 2020-12) of one kind, with all that it
// refers to inside.
func Schema(kind Kind) ([]byte, error) {
	c, err := schemas()
	if err != nil {
		return nil, err
	}
	root, ok := c.source[string(kind)+".json"].(map[string]any)
	if !ok {
		return nil, fmt.Errorf("document: %w: %q: write one of %s", ErrUnknownKind, kind, list(kindNames(), "or"))
	}
	bundle := make(map[string]any, len(root)+1)
	maps.Copy(bundle, root)
	parts, _ := bundle["$defs"].(map[string]any)
	all := make(map[string]any, len(parts)+len(c.source))
	maps.Copy(all, parts)
	for name, part := range c.source {
		if !slices.Contains(Kinds(), Kind(strings.TrimSuffix(name, ".json"))) {
			all[name] = part
		}
	}
	bundle["$defs"] = all
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(bundle); err != nil {
		return nil, fmt.Errorf("document: schema of %s: %w", kind, err)
	}
	return out.Bytes(), nil
}

func compileSchemas() (*catalog, error) {
	c := &catalog{compiled: map[Kind]*jsonschema.Schema{}, source: map[string]any{}, versions: map[Kind][]string{}}
	if err := c.read(); err != nil {
		return nil, fmt.Errorf("document: embedded schemas: %w", err)
	}
	if err := c.platformTypes(); err != nil {
		return nil, err
	}
	c.source[platformsSchema] = platforms(c.types)
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	for name, source := range c.source {
		if err := compiler.AddResource(schemaBase+name, source); err != nil {
			return nil, fmt.Errorf("document: schema %s: %w", name, err)
		}
	}
	for _, kind := range Kinds() {
		compiled, err := compiler.Compile(schemaBase + string(kind) + ".json")
		if err != nil {
			return nil, fmt.Errorf("document: schema of %s: %w", kind, err)
		}
		c.compiled[kind] = compiled
		enum, _ := c.at(schemaBase + string(kind) + ".json#/properties/apiVersion")["enum"].([]any)
		c.versions[kind] = words(enum)
	}
	return c, nil
}

func (c *catalog) read() error {
	return fs.WalkDir(schemaFiles, "schema", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := schemaFiles.ReadFile(file)
		if err != nil {
			return err
		}
		source, err := jsonschema.UnmarshalJSON(bytes.NewReader(content))
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		name := strings.TrimPrefix(file, "schema/")
		c.source[name] = source
		return nil
	})
}

// platformTypes adds the schema of each platform type.
func (c *catalog) platformTypes() error {
	for _, of := range types.All() {
		source, err := jsonschema.UnmarshalJSON(bytes.NewReader(of.Document))
		if err != nil {
			return fmt.Errorf("document: schema of platform type %s: %w", of.Name(), err)
		}
		c.source["platform/"+of.Name()+".json"] = source
		c.types = append(c.types, of.Name())
	}
	return nil
}

// platforms returns the schema of the places where a document chooses a
// platform type: one property for each type, and exactly one of them.
func platforms(types []string) map[string]any {
	choice := func(title string, of func(platformType string) string) map[string]any {
		properties := map[string]any{"type": map[string]any{
			"description": "The platform type; it may be left out.", "enum": anys(types),
		}}
		var one, same []any
		for _, t := range types {
			properties[t] = map[string]any{"$ref": of(t)}
			one = append(one, map[string]any{"required": []any{t}})
			same = append(same, map[string]any{
				"if": map[string]any{
					"required":   []any{"type"},
					"properties": map[string]any{"type": map[string]any{"const": t}},
				},
				"then": map[string]any{"required": []any{t}},
			})
		}
		return map[string]any{
			"title": title, "description": "Exactly one platform type.", "type": "object",
			"properties": properties, "additionalProperties": false, "oneOf": one, "allOf": same,
			"$comment": "name exactly one of the platform types that this version has drivers for: " + strings.Join(types, ", "),
		}
	}
	return map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": schemaBase + platformsSchema,
		"title": "Platform types", "description": "The platform types of this version.",
		"$defs": map[string]any{
			"config":     choice("Configuration", func(t string) string { return "platform/" + t + ".json" }),
			"properties": choice("Properties", func(string) string { return "replication.json#/$defs/landingZone" }),
		},
	}
}

// at returns the part of the schemas that an absolute location names, or nil.
func (c *catalog) at(location string) map[string]any {
	name, pointer, _ := strings.Cut(strings.TrimPrefix(location, schemaBase), "#")
	node := c.source[name]
	for token := range strings.SplitSeq(pointer, "/") {
		if token == "" {
			continue
		}
		if plain, err := url.PathUnescape(token); err == nil {
			token = plain
		}
		token = strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
		switch here := node.(type) {
		case map[string]any:
			node = here[token]
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i < 0 || i >= len(here) {
				return nil
			}
			node = here[i]
		}
	}
	part, _ := node.(map[string]any)
	return part
}

// rule returns what the schema at location says about itself, for people.
func (c *catalog) rule(location string) string {
	rule, _ := c.at(location)["$comment"].(string)
	return rule
}

// fields returns the names of the fields that the schema at location knows.
func (c *catalog) fields(location string) []string {
	properties, _ := c.at(location)["properties"].(map[string]any)
	names := make([]string, 0, len(properties))
	for name := range properties {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func anys(words []string) []any {
	out := make([]any, len(words))
	for i, word := range words {
		out[i] = word
	}
	return out
}
