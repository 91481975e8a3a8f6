package connection

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/driver"
)

// Variable names the environment variable with the directory of the connections.
const Variable = "ROLLCALL_CONNECTIONS"

// maxFile is how many bytes one file of connections may have.
const maxFile = 1 << 20

// source is one file as it was read.
type source struct {
	name string
	text []byte
}

// read returns the *.yaml and *.yml files of a directory, sorted. Symbolic links are
// followed inside the directory only.
func read(dir string) ([]source, document.Problems, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("connection: %s: %w", Variable, err)
	}
	defer func() { _ = root.Close() }() // nothing was written
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return nil, nil, fmt.Errorf("connection: %s: %w", Variable, err)
	}
	var files []source
	var problems document.Problems
	for _, entry := range entries {
		name := entry.Name()
		if strings.HasPrefix(name, ".") || !slices.Contains([]string{".yaml", ".yml"}, filepath.Ext(name)) {
			continue
		}
		text, err := readFile(root, name)
		if err != nil {
			problems = append(problems, document.Problem{File: filepath.Join(dir, name), Text: err.Error()})
			continue
		}
		files = append(files, source{name: filepath.Join(dir, name), text: text})
	}
	return files, problems, nil
}

func readFile(root *os.Root, name string) ([]byte, error) {
	info, err := root.Stat(name)
	if err != nil {
		return nil, errors.New("cannot be read: a link may not lead out of the directory")
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("is not a regular file")
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("has more than %d MiB", maxFile>>20)
	}
	return text, nil
}

// Types are the platform types, ready to read connections of them.
type Types struct {
	byName  map[string]driver.Type
	schemas *document.Schemas
}

// NewTypes compiles the connection schemas of the platform types.
func NewTypes(types []driver.Type) (*Types, error) {
	t := &Types{byName: map[string]driver.Type{}}
	schemas := map[string]map[string]any{}
	for _, of := range types {
		t.byName[of.Name()] = of
		if len(of.Connection) == 0 {
			continue
		}
		schema, err := Schema(of)
		if err != nil {
			return nil, err
		}
		schemas[of.Name()] = schema
	}
	var err error
	t.schemas, err = document.NewSchemas(schemas)
	return t, err
}

// Type returns a platform type by its name.
func (t *Types) Type(name string) (driver.Type, bool) {
	of, ok := t.byName[name]
	return of, ok
}

// connectionTypes returns the names of the types that connections have, sorted.
func (t *Types) connectionTypes() []string {
	var names []string
	for name, of := range t.byName {
		if len(of.Connection) > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Load reads the connections of a directory. Connections that are wrong are left
// out, with all that are composed of them, and Set.Problems says why. A directory
// that cannot be read is an error.
func Load(dir string, types *Types) (*Set, error) {
	files, problems, err := read(dir)
	if err != nil {
		return nil, err
	}
	return types.set(dir, files, problems), nil
}

// set makes a Set of what was read.
func (t *Types) set(dir string, files []source, problems document.Problems) *Set {
	s := &Set{dir: dir, byName: map[string]Connection{}}
	twice := map[string]bool{}
	for _, file := range files {
		objects, wrong := t.schemas.Read(file.text, file.name, t.kindOf)
		problems = append(problems, wrong...)
		for _, object := range objects {
			c, err := parse(object.Body, file.name, object.Line)
			if err != nil {
				problems = append(problems, document.Problem{File: file.name, Line: object.Line, Text: err.Error()})
				continue
			}
			if first, exists := s.byName[c.Name]; exists {
				twice[c.Name] = true
				text := fmt.Sprintf("is also that of %s:%d: neither is used", first.File, first.Line)
				problems = append(problems, c.invalid("name", text))
				continue
			}
			s.byName[c.Name] = c
		}
	}
	maps.DeleteFunc(s.byName, func(name string, _ Connection) bool { return twice[name] })
	problems = append(problems, t.resolveUses(s)...)
	if len(problems) > 0 {
		slices.SortStableFunc(problems, func(a, b document.Problem) int {
			return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
		})
		s.Problems = problems
	}
	return s
}

func (c Connection) invalid(field, text string) document.Problem {
	return document.Problem{File: c.File, Line: c.Line, Object: c.Name, Field: field, Text: text}
}

// kindOf returns the type of a connection, or what is wrong.
func (t *Types) kindOf(tree map[string]any) (kind, field, text string) {
	if tree["kind"] != "Connection" {
		return "", "kind", "write Connection: these files hold nothing else"
	}
	name, _ := tree["type"].(string)
	if !slices.Contains(t.connectionTypes(), name) {
		return "", "type", "write one of " + strings.Join(t.connectionTypes(), ", ")
	}
	return name, "", ""
}

// resolveUses checks what connections are composed of, and gives all a digest. A part is
// never composed itself.
func (t *Types) resolveUses(s *Set) document.Problems {
	var problems document.Problems
	broken := map[string]bool{}
	for name, c := range s.byName {
		texts := []string{string(c.Settings)}
		for _, part := range slices.Sorted(maps.Keys(t.byName[c.Type].Uses)) {
			want, used := t.byName[c.Type].Uses[part], c.Uses[part]
			found, ok := s.byName[used]
			if !ok || found.Type != want {
				broken[name] = true
				problems = append(problems, c.invalid("uses."+part, fmt.Sprintf("%q is no connection of type %s", used, want)))
				continue
			}
			texts = append(texts, string(found.Settings))
		}
		c.Digest = digest(texts...)
		s.byName[name] = c
	}
	maps.DeleteFunc(s.byName, func(name string, _ Connection) bool { return broken[name] })
	return problems
}

// Driver returns the connection as a driver needs it, without a budget.
func (s *Set) Driver(c Connection) driver.Connection {
	out := driver.Connection{Name: c.Name, Settings: c.Settings, Dir: s.dir, RedirectURLs: c.RedirectURLs}
	for part, name := range c.Uses {
		if out.Uses == nil {
			out.Uses = map[string]driver.Connection{}
		}
		out.Uses[part] = s.Driver(s.byName[name])
	}
	return out
}

// Schema returns the JSON Schema of the connections of a type: the fields that all
// have, and the type's own.
func Schema(of driver.Type) (map[string]any, error) {
	var schema, typeSchema map[string]any
	if err := errors.Join(json.Unmarshal(common, &schema), json.Unmarshal(of.Connection, &typeSchema)); err != nil {
		return nil, fmt.Errorf("connection: schema of %s: %w", of.Name(), err)
	}
	properties, _ := schema["properties"].(map[string]any)
	typeProperties, _ := typeSchema["properties"].(map[string]any)
	maps.Copy(properties, typeProperties)
	required, _ := schema["required"].([]any)
	needed, _ := typeSchema["required"].([]any)
	required = append(required, needed...)
	for _, key := range []string{"allOf", "title", "description", "examples"} {
		if typeSchema[key] != nil {
			schema[key] = typeSchema[key]
		}
	}
	defs, _ := schema["$defs"].(map[string]any)
	typeDefs, _ := typeSchema["$defs"].(map[string]any)
	maps.Copy(defs, typeDefs)
	if len(of.Uses) == 0 {
		delete(properties, "uses")
	} else {
		parts := map[string]any{}
		for part, of := range of.Uses {
			parts[part] = map[string]any{"type": "string", "description": "The name of a connection of type " + of + "."}
		}
		properties["uses"] = map[string]any{
			"type": "object", "description": "The connections that this one is composed of.", "properties": parts,
			"required": anys(slices.Sorted(maps.Keys(of.Uses))), "additionalProperties": false,
		}
		required = append(required, "uses")
		delete(properties, "limits") // the parts' accounts make the calls
	}
	schema["required"] = required
	return schema, nil
}

func anys(words []string) []any {
	out := make([]any, len(words))
	for i, word := range words {
		out[i] = word
	}
	return out
}
