package api_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"
)

// requestsOfCI and requestsOfLongRun are how many requests each endpoint gets.
const (
	requestsOfCI      = 25
	requestsOfLongRun = 2000
)

// node is a part of the description.
type node = map[string]any

// description is what a server says of itself.
type description struct {
	text    node
	schemas *jsonschema.Compiler
}

const specURL = "https://rollcall.example.com/openapi.json"

func describe(t *testing.T, s *testServer) *description {
	t.Helper()
	response, err := s.Client().Get(s.URL + "/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := jsonschema.UnmarshalJSON(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	d := &description{text: text.(node), schemas: jsonschema.NewCompiler()}
	d.schemas.DefaultDraft(jsonschema.Draft2020)
	d.schemas.AssertFormat()
	if err := d.schemas.AddResource(specURL, text); err != nil {
		t.Fatal(err)
	}
	return d
}

// at returns the part of the description at a path.
func (d *description) at(path ...string) any {
	var part any = d.text
	for _, name := range path {
		part = part.(node)[name]
	}
	return part
}

// validate compares a body with the schema of a response.
func (d *description) validate(operation, status, kind string, body any) error {
	escape := strings.NewReplacer("~", "~0", "/", "~1", "%", "%25")
	names := []string{"paths", operation, "post", "responses", status, "content", kind, "schema"}
	for i, name := range names {
		names[i] = escape.Replace(name)
	}
	schema, err := d.schemas.Compile(specURL + "#/" + strings.Join(names, "/"))
	if err != nil {
		return err
	}
	return schema.Validate(body)
}

// value draws a value of a schema, from names that are stored and from all texts.
func (d *description) value(t *rapid.T, schema node, depth int) any {
	if ref, ok := schema["$ref"].(string); ok {
		return d.value(t, d.at(strings.Split(strings.TrimPrefix(ref, "#/"), "/")...).(node), depth)
	}
	if values, ok := schema["enum"].([]any); ok {
		return rapid.SampledFrom(values).Draw(t, "enum")
	}
	kind := schema["type"]
	if kinds, ok := kind.([]any); ok {
		kind = rapid.SampledFrom(kinds).Draw(t, "type")
	}
	switch kind {
	case "object":
		return d.object(t, schema, depth)
	case "array":
		items, all := rapid.IntRange(0, 3).Draw(t, "items"), []any{}
		for range items {
			all = append(all, d.value(t, schema["items"].(node), depth+1))
		}
		return all
	case "string":
		stored := []string{"", "user000", "user001", "ben", "meshUser", "meshProject", "w1", "p", "w1.p/m.a", "approved", "left", "2026-01-02T15:04:05Z", "a\x00b", "a\u202eb", strings.Repeat("x", 9000)}
		return rapid.OneOf(rapid.SampledFrom(stored), rapid.String()).Draw(t, "string")
	case "integer":
		return rapid.OneOf(rapid.Int64Range(0, 3), rapid.Int64()).Draw(t, "integer")
	case "number":
		return rapid.Float64().Draw(t, "number")
	case "boolean":
		return rapid.Bool().Draw(t, "boolean")
	}
	return nil
}

func (d *description) object(t *rapid.T, schema node, depth int) node {
	properties, _ := schema["properties"].(node)
	if properties["apiVersion"] != nil && rapid.IntRange(0, 3).Draw(t, "document") > 0 {
		var document node
		name := rapid.SampledFrom([]string{"ben", "user000", "a\x00b"}).Draw(t, "name")
		if err := json.Unmarshal([]byte(ben), &document); err != nil {
			t.Fatal(err)
		}
		document["metadata"] = node{"name": name}
		return document
	}
	required, _ := schema["required"].([]any)
	object := node{}
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if !slices.Contains(required, any(name)) && (depth > 4 || !rapid.Bool().Draw(t, name)) || name == "$schema" {
			continue
		}
		object[name] = d.value(t, properties[name].(node), depth+1)
	}
	return object
}

// requestCase is a drawn request, and the status that it has to get; 0 for any that is described.
type requestCase struct {
	by, body, query, accept string
	headers                 map[string]string
	status                  int
}

// request draws a request of an endpoint: by its schema, or with one mistake.
func (d *description) request(path string) *rapid.Generator[requestCase] {
	schema := d.at("paths", path, "post", "requestBody", "content", "application/json", "schema").(node)
	return rapid.Custom(func(t *rapid.T) requestCase {
		r := requestCase{
			by: rapid.SampledFrom([]string{"ada", "ada", "ben", "eva", "guest"}).Draw(t, "caller"), headers: map[string]string{},
			accept: rapid.SampledFrom([]string{"application/json", "application/x-ndjson", "*/*", "text/html"}).Draw(t, "accept"),
		}
		value := d.value(t, schema, 0)
		object, _ := value.(node)
		switch rapid.IntRange(0, 14).Draw(t, "mistake") {
		case 0:
			object["unknown field"] = true
			r.by, r.status = "ada", http.StatusBadRequest
		case 1:
			r.query = "?dry_run=true"
			r.by, r.status = "ada", http.StatusBadRequest
		case 2:
			r.headers["If-Match"] = rapid.OneOf(rapid.SampledFrom([]string{"*", `"revision-1"`, `W/"x"`}), rapid.StringMatching(`[ -~]{0,12}`)).Draw(t, "tag")
		case 3:
			r.headers["Idempotency-Key"] = rapid.OneOf(rapid.SampledFrom([]string{"a", `"b"`}), rapid.StringMatching(`[ -~]{1,12}`)).Draw(t, "key")
		case 4:
			if names := slices.Sorted(maps.Keys(object)); len(names) > 0 { // of another type
				name := rapid.SampledFrom(names).Draw(t, "member")
				object[name] = rapid.SampledFrom([]any{nil, true, -1, "x", []any{1}, node{"a": 1}, 1e300}).Draw(t, "wrong")
			}
		case 5:
			r.body = rapid.OneOf(rapid.SampledFrom([]string{"", "null", "[]", "{", `{}{}`, `"x"`, "\x00"}), rapid.String()).Draw(t, "text")
			return r
		}
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		r.body = string(text)
		return r
	})
}

// TestSpec_HoldsForRequests: no request makes the server fail, and each answer is one that
// GET /openapi.json describes: its status, its media type and its body.
func TestSpec_HoldsForRequests(t *testing.T) {
	t.Parallel()
	count := requestsOfCI
	if os.Getenv("ROLLCALL_SOAK") != "" {
		count = requestsOfLongRun
	}
	i := install(t, 2)
	i.apply(t, users(5))
	i.apply(t, "{apiVersion: v1, kind: meshWorkspace, metadata: {name: w1}, spec: {displayName: W}}")
	d := describe(t, &i.testServer)
	seen, total := map[string]int{}, 0
	for _, path := range slices.Sorted(maps.Keys(d.at("paths").(node))) {
		requests := d.request(path)
		for seed := range count {
			r := requests.Example(seed*1000 + len(path)) // other ones for each endpoint
			response, text, err := i.send(t, path, r)
			if err != nil {
				continue // net/http refuses to send such a header
			}
			status := strconv.Itoa(response.StatusCode)
			seen[status]++
			total++
			name := fmt.Sprintf("%s, request %d of %s: %s %v", path, seed, r.by, r.query+r.body, r.headers)
			if strings.Contains(text, `"status":500`) {
				t.Errorf("%s: a stream with %s", name, text)
			}
			withoutTemporal := response.StatusCode == http.StatusServiceUnavailable && strings.Contains(text, "Temporal")
			if response.StatusCode >= 500 && !withoutTemporal {
				t.Errorf("%s: %s with %s", name, status, text)
			}
			if r.status != 0 && response.StatusCode != r.status {
				t.Errorf("%s: %s with %s, want %d", name, status, text, r.status)
			}
			if err := d.check(path, response, text); err != nil {
				t.Errorf("%s: %s with %s: %v", name, status, text, err)
			}
		}
	}
	t.Logf("soak: %d drawn requests got answers as described, by status %v", total, seen)
	for _, status := range []string{"200", "400", "403", "404"} {
		if seen[status] == 0 {
			t.Errorf("the requests got the statuses %v: draw some that get %s", seen, status)
		}
	}
}

// send sends a drawn request.
func (i *installation) send(t *testing.T, path string, r requestCase) (*http.Response, string, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, i.URL+path+r.query, strings.NewReader(r.body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", r.accept)
	request.Header.Set("Authorization", "Bearer "+r.by)
	for name, value := range r.headers {
		request.Header.Set(name, value)
	}
	response, err := i.Client().Do(request)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	return response, string(text), err
}

// check compares an answer with the description.
func (d *description) check(path string, response *http.Response, text string) error {
	status, kind := strconv.Itoa(response.StatusCode), response.Header.Get("Content-Type")
	described, ok := d.at("paths", path, "post", "responses").(node)[status].(node)
	if !ok {
		return errors.New("the status is not described")
	}
	if content := described["content"].(node); content[kind] == nil {
		return fmt.Errorf("the media type %q is not described", kind)
	}
	if response.Header.Get("X-Request-ID") == "" {
		return errors.New("the answer has no request ID")
	}
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		body, err := jsonschema.UnmarshalJSON(strings.NewReader(line))
		if err == nil {
			err = d.validate(path, status, kind, body)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
