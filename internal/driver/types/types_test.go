package types_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/rollcall-iam/rollcall/internal/connection"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/types"
)

// ownSettings are the fields besides connection and replication that the authors of
// documents may write, by type. Whoever adds one says why it is no address, file,
// command, secret, scope or role.
var ownSettings = map[string][]string{
	"cloudfoundry": {"origin"}, // whose users are looked up: the name of an identity provider
}

func find(t *testing.T, name string) driver.Type {
	t.Helper()
	i := slices.IndexFunc(types.All(), func(of driver.Type) bool { return of.Name() == name })
	if i < 0 {
		t.Fatalf("there is no type %q", name)
	}
	return types.All()[i]
}

func TestAll_IsSortedAndComplete(t *testing.T) {
	var got []string
	for _, of := range types.All() {
		got = append(got, of.Name())
	}
	files, err := filepath.Glob(filepath.Join("..", "*", "rules", "type.go"))
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, file := range files {
		want = append(want, filepath.Base(filepath.Dir(filepath.Dir(file))))
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" || len(want) == 0 {
		t.Errorf("run go generate ./internal/driver/types; types (-directories +All):\n%s", diff)
	}
}

func TestAll_DescribesEachType(t *testing.T) {
	for _, of := range types.All() {
		t.Run(of.Name(), func(t *testing.T) {
			if of.Validate == nil || len(of.Document) == 0 {
				t.Error("Validate or Document is missing")
			}
			if (len(of.Connection) == 0) != (of.Connects != "") {
				t.Errorf("Connects = %q and a schema of %d bytes: a type has connections of its own, or uses those of another", of.Connects, len(of.Connection))
			}
			if connects := find(t, of.ConnectionType()); len(connects.Connection) == 0 {
				t.Errorf("its connections are of type %q, which has none", connects.Name())
			}
			for part, name := range of.Uses {
				if used := find(t, name); len(used.Connection) == 0 || len(used.Uses) > 0 {
					t.Errorf("the part %q is of type %q, which has no connections or is composed itself", part, name)
				}
			}
			if of.Connects != "" && len(of.Uses) > 0 {
				t.Error("only the type of a connection says what it is composed of")
			}
			if slices.Contains(of.PrivilegedRoles, "") {
				t.Error("it proposes to deny a role without a name")
			}
		})
	}
}

// TestSchemas_OverrideNothing: a type's own fields must not replace those that all
// connections have.
func TestSchemas_OverrideNothing(t *testing.T) {
	common := []string{"kind", "name", "type", "usedBy", "uses", "scopes", "roles", "redirectUrls", "limits"}
	for _, of := range types.All() {
		if len(of.Connection) == 0 {
			continue
		}
		var own struct {
			Properties map[string]any `json:"properties"`
			Required   []string       `json:"required"`
		}
		if err := json.Unmarshal(of.Connection, &own); err != nil {
			t.Fatal(err)
		}
		for _, name := range common {
			if _, exists := own.Properties[name]; exists {
				t.Errorf("%s: the field %q belongs to all connections", of.Name(), name)
			}
		}
		for _, name := range own.Required {
			if _, exists := own.Properties[name]; !exists {
				t.Errorf("%s: the field %q is needed and unknown", of.Name(), name)
			}
		}
	}
}

// TestConnectionSchemas compiles each schema and checks its examples.
func TestConnectionSchemas(t *testing.T) {
	for _, of := range types.All() {
		if len(of.Connection) == 0 {
			continue
		}
		t.Run(of.Name(), func(t *testing.T) {
			const at = "https://example.com/connection.json"
			schema := connectionSchema(t, of)
			compiler := jsonschema.NewCompiler()
			compiler.DefaultDraft(jsonschema.Draft2020)
			if err := compiler.AddResource(at, schema); err != nil {
				t.Fatal(err)
			}
			if _, err := compiler.Compile(at); err != nil {
				t.Fatal(err)
			}
			checked := 0
			walk(schema, "", func(pointer string, part map[string]any) {
				examples, _ := part["examples"].([]any)
				for _, example := range examples {
					checked++
					compiled, err := compiler.Compile(at + "#" + pointer)
					if err != nil {
						t.Fatalf("%s: %v", pointer, err)
					}
					if err := compiled.Validate(example); err != nil {
						t.Errorf("%s: the example %v: %v", pointer, example, err)
					}
				}
			})
			if checked < 10 {
				t.Errorf("%d examples were checked, want those of all common fields", checked)
			}
		})
	}
}

// connectionSchema returns a type's schema as a JSON decoder gives it.
func connectionSchema(t *testing.T, of driver.Type) map[string]any {
	t.Helper()
	made, err := connection.Schema(of)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(made)
	if err != nil {
		t.Fatal(err)
	}
	schema, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return schema.(map[string]any)
}

// walk calls visit with each mapping of a schema and its JSON pointer.
func walk(node any, pointer string, visit func(pointer string, part map[string]any)) {
	switch node := node.(type) {
	case map[string]any:
		visit(pointer, node)
		for _, key := range slices.Sorted(maps.Keys(node)) {
			if key != "examples" {
				walk(node[key], pointer+"/"+strings.NewReplacer("~", "~0", "/", "~1", "$", "%24").Replace(key), visit)
			}
		}
	case []any:
		for i, item := range node {
			walk(item, pointer+"/"+strconv.Itoa(i), visit)
		}
	}
}

// platform is the text of a platform document with these settings.
func platform(t *testing.T, of string, settings any) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "meshPlatform", "metadata": map[string]any{"name": "p"},
		"spec": map[string]any{
			"displayName": "P", "locationRef": map[string]any{"name": "here"}, "config": map[string]any{of: settings},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func decode(text string) error {
	_, _, err := document.Decode(strings.NewReader(text), "p.json")
	return err
}

func documentSchema(t *testing.T, of driver.Type) (properties map[string]any, example map[string]any) {
	t.Helper()
	var schema struct {
		Properties map[string]any   `json:"properties"`
		Examples   []map[string]any `json:"examples"`
	}
	if err := json.Unmarshal(of.Document, &schema); err != nil {
		t.Fatal(err)
	}
	if len(schema.Examples) == 0 {
		t.Fatalf("%s: document.json has no example", of.Name())
	}
	return schema.Properties, schema.Examples[0]
}

// TestDocumentSchemas checks the examples of each document.json in a document.
func TestDocumentSchemas(t *testing.T) {
	for _, of := range types.All() {
		var schema struct {
			Examples []any `json:"examples"`
		}
		if err := json.Unmarshal(of.Document, &schema); err != nil {
			t.Fatal(err)
		}
		if len(schema.Examples) == 0 {
			t.Errorf("%s: document.json has no example", of.Name())
		}
		for _, example := range schema.Examples {
			if err := decode(platform(t, of.Name(), example)); err != nil {
				t.Errorf("%s: the example is refused: %v", of.Name(), err)
			}
		}
	}
}

// TestDocuments_ChooseNoSettingOfConnections: an author chooses no address, file,
// command, secret, scope or role that belongs to the operator of the workers.
func TestDocuments_ChooseNoSettingOfConnections(t *testing.T) {
	for _, of := range types.All() {
		t.Run(of.Name(), func(t *testing.T) {
			properties, example := documentSchema(t, of)
			allowed := append([]string{"connection", "replication"}, ownSettings[of.Name()]...)
			for name, rule := range properties {
				if _, refused := rule.(map[string]any)["not"]; !refused && !slices.Contains(allowed, name) {
					t.Errorf("authors may write %q", name)
				}
			}
			refused := []string{
				"auth", "uses", "usedBy", "scopes", "roles", "redirectUrls", "limits", "clientId", "file", "url", "endpoint", "endpoints",
				"server", "apiUrl", "uaaUrl", "caFile", "caData", "proxy", "proxyUrl", "tenantId", "region", "assumeRole", "impersonate",
				"credentials", "clusterCredentials", "budget", "Replication", "Connection",
			}
			for parts := []string{of.ConnectionType()}; len(parts) > 0; parts = parts[1:] {
				connects := find(t, parts[0])
				walkProperties(t, connects, func(name string) { refused = append(refused, name) })
				parts = append(parts, slices.Collect(maps.Values(connects.Uses))...)
			}
			for _, name := range refused {
				for place, settings := range map[string]map[string]any{
					name:                  with(example, name),
					"replication." + name: with(example, "replication", name),
				} {
					if slices.Contains(allowed, name) {
						continue
					}
					for _, value := range []any{"/etc/passwd", map[string]any{"file": "/etc/passwd"}, []any{"*"}} {
						last := settings
						if strings.HasPrefix(place, "replication.") {
							last = settings["replication"].(map[string]any)
						}
						last[name] = value
						if err := decode(platform(t, of.Name(), settings)); err == nil {
							t.Errorf("authors may write %s: %v", place, value)
						}
					}
				}
			}
		})
	}
}

// with returns a deep copy of a tree that has a mapping at each name but the last.
func with(tree map[string]any, names ...string) map[string]any {
	text, err := json.Marshal(tree)
	if err != nil {
		panic(err) // it came from JSON
	}
	var copied map[string]any
	if err := json.Unmarshal(text, &copied); err != nil {
		panic(err)
	}
	for at := copied; len(names) > 1; names = names[1:] {
		inner, ok := at[names[0]].(map[string]any)
		if !ok {
			inner = map[string]any{}
			at[names[0]] = inner
		}
		at = inner
	}
	return copied
}

func walkProperties(t *testing.T, of driver.Type, visit func(name string)) {
	t.Helper()
	var schema struct {
		Properties map[string]any `json:"properties"`
	}
	if len(of.Connection) == 0 {
		return
	}
	if err := json.Unmarshal(of.Connection, &schema); err != nil {
		t.Fatal(err)
	}
	for name := range schema.Properties {
		visit(name)
	}
}

// TestDocuments_NameConnections: only the name of a connection is written, and it
// leads nowhere else.
func TestDocuments_NameConnections(t *testing.T) {
	for _, of := range types.All() {
		_, example := documentSchema(t, of)
		for name, want := range map[any]bool{
			"openstack-main": true, "openstack.harbour": true, "a": true,
			"": false, "../a": false, "/etc/passwd": false, "a/b": false, "A": false, ".a": false, "a ": false, "a\n": false, "*": false, 7: false,
			"https://example.com": false, strings.Repeat("a", 253): true, strings.Repeat("a", 254): false,
		} {
			settings := with(example)
			settings["connection"] = name
			if err := decode(platform(t, of.Name(), settings)); (err == nil) != want {
				t.Errorf("%s: connection %.40q: %v, want it accepted: %t", of.Name(), fmt.Sprint(name), err, want)
			}
		}
	}
}

// TestConnectionSchemas_RefusePlainHTTP: secrets are sent to each address of a
// connection, so only this machine's goes without TLS.
func TestConnectionSchemas_RefusePlainHTTP(t *testing.T) {
	all, err := connection.NewTypes(types.All())
	if err != nil {
		t.Fatal(err)
	}
	for _, of := range types.All() {
		if len(of.Connection) == 0 || len(of.Uses) > 0 || requires(t, of, "file") {
			continue // they name no address
		}
		t.Run(of.Name(), func(t *testing.T) {
			found := 0
			for _, path := range addresses(connectionSchema(t, of), nil) {
				found++
				for address, want := range map[string]bool{
					"https://api.example.com": true, "https://10.0.0.1:6443/base": true, "http://localhost": true, "http://localhost:8080/base": true,
					"http://127.0.0.1:8080": true, "http://[::1]:8080": true,
					"http://api.example.com": false, "http://10.0.0.1": false, "http://169.254.169.254": false, "http://[::]": false, "http://0.0.0.0": false,
					"http://localhost.example.com": false, "http://127.0.0.1.example.com": false, "http://localhost@example.com": false,
					"http://localhost:80@example.com": false, "http://example.com#localhost": false, "http://localhost\\@example.com": false,
					"HTTP://api.example.com": false, "https://me@api.example.com": false, "https://me:x@api.example.com": false,
					"https://api.example.com?a=b": false, "https://api.example.com#a": false, "https://": false, "//api.example.com": false,
					"api.example.com": false, "file:///etc/passwd": false, "unix:///run/x.sock": false, "ftp://localhost": false,
					"http://localhost\nhttp://example.com": false, "https://api.example.com\n": false, "\thttps://api.example.com": false, "": false,
				} {
					if got := loads(t, all, minimal(t, of), path, address); (got == nil) != want {
						t.Errorf("%s: %q: %v, want it accepted: %t", strings.Join(path, "."), address, got, want)
					}
				}
			}
			if found == 0 {
				t.Error("the schema has no address")
			}
		})
	}
}

// requires reports whether the connections of a type need a field.
func requires(t *testing.T, of driver.Type, field string) bool {
	t.Helper()
	required, _ := connectionSchema(t, of)["required"].([]any)
	return slices.Contains(required, any(field))
}

// addresses returns the paths of the properties that are addresses.
func addresses(schema map[string]any, at []string) [][]string {
	var all [][]string
	properties, _ := schema["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		part, _ := properties[name].(map[string]any)
		path := append(slices.Clone(at), name)
		examples, _ := part["examples"].([]any)
		pattern, _ := part["pattern"].(string)
		ref, _ := part["$ref"].(string)
		if strings.HasSuffix(ref, "/endpoint") || strings.Contains(pattern, "https") ||
			slices.ContainsFunc(examples, func(e any) bool { return strings.HasPrefix(fmt.Sprint(e), "http") }) {
			all = append(all, path)
		}
		all = append(all, addresses(part, path)...)
	}
	return all
}

// minimal is a connection of the type with the fields that it needs.
func minimal(t *testing.T, of driver.Type) map[string]any {
	t.Helper()
	c := map[string]any{"kind": "Connection", "name": "c", "type": of.Name(), "usedBy": []any{"p.here"}}
	schema := connectionSchema(t, of)
	for _, name := range schema["required"].([]any) {
		name, _ := name.(string)
		if c[name] != nil {
			continue
		}
		if name == "auth" {
			c[name] = map[string]any{"environment": map[string]any{"prefix": "C"}}
			continue
		}
		part := schema["properties"].(map[string]any)[name].(map[string]any)
		c[name] = part["examples"].([]any)[0]
	}
	return c
}

// loads returns the problems of a connection whose field at the path has the value.
func loads(t *testing.T, all *connection.Types, c map[string]any, path []string, value any) error {
	t.Helper()
	c = with(c, path...)
	at := c
	for _, name := range path[:len(path)-1] {
		at = at[name].(map[string]any)
	}
	at[path[len(path)-1]] = value
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "c.yaml"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	set, err := connection.Load(dir, all)
	if err != nil {
		t.Fatal(err)
	}
	return set.Problems
}
