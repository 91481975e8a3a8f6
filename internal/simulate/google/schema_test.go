package google_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/simulate/google"
)

// schema is the part of a discovery document's schemas that answers are held
// against.
type schema struct {
	Ref        string             `json:"$ref"`
	Type       string             `json:"type"`
	Format     string             `json:"format"`
	Enum       []string           `json:"enum"`
	Properties map[string]*schema `json:"properties"`
	Items      *schema            `json:"items"`
	Additional *schema            `json:"additionalProperties"`
}

// method is one method of an API.
type method struct {
	ID         string `json:"id"`
	HTTPMethod string `json:"httpMethod"`
	Parameters map[string]struct {
		Location string `json:"location"`
	} `json:"parameters"`
	Response *schema  `json:"response"`
	Scopes   []string `json:"scopes"`
}

type resource struct {
	Methods   map[string]method   `json:"methods"`
	Resources map[string]resource `json:"resources"`
}

// document is a discovery document.
type document struct {
	resource
	Schemas map[string]*schema `json:"schemas"`
}

// discovery reads the documents that come with Google's client for Go.
func discovery(t *testing.T) (methods map[string]method, schemas map[string]map[string]*schema) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "google.golang.org/api").Output()
	if err != nil {
		t.Fatalf("the client's module is not to be found: %v", err)
	}
	methods, schemas = map[string]method{}, map[string]map[string]*schema{}
	for api, file := range map[string]string{
		"cloudidentity": "cloudidentity/v1/cloudidentity-api.json", "directory": "admin/directory/v1/admin-api.json",
		"cloudresourcemanager": "cloudresourcemanager/v3/cloudresourcemanager-api.json", "cloudasset": "cloudasset/v1/cloudasset-api.json",
	} {
		text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(out)), file))
		if err != nil {
			t.Fatal(err)
		}
		var d document
		if err := json.Unmarshal(text, &d); err != nil {
			t.Fatal(err)
		}
		schemas[api] = d.Schemas
		collect(d.resource, methods)
	}
	return methods, schemas
}

func collect(r resource, into map[string]method) {
	for _, m := range r.Methods {
		id := m.ID
		if id == "cloudasset.searchAllIamPolicies" || !strings.HasPrefix(id, "cloudasset") {
			into[id] = m
		}
	}
	for _, below := range r.Resources {
		collect(below, into)
	}
}

// check reports where a value is not as its schema has it.
func check(schemas map[string]*schema, s *schema, at string, value any) []string {
	if s == nil {
		return nil
	}
	if s.Ref != "" {
		return check(schemas, schemas[s.Ref], at, value)
	}
	wrong := []string{fmt.Sprintf("%s: %T is no %s", at, value, s.Type)}
	switch v := value.(type) {
	case string:
		if s.Type != "string" && s.Type != "any" || len(s.Enum) > 0 && !slices.Contains(s.Enum, v) {
			return wrong
		}
	case bool:
		if s.Type != "boolean" && s.Type != "any" {
			return wrong
		}
	case float64:
		if s.Type != "integer" && s.Type != "number" && s.Type != "any" {
			return wrong
		}
	case []any:
		if s.Type == "any" {
			return nil
		}
		if s.Type != "array" {
			return wrong
		}
		var all []string
		for i, item := range v {
			all = append(all, check(schemas, s.Items, at+"["+strconv.Itoa(i)+"]", item)...)
		}
		return all
	case map[string]any:
		return checkObject(schemas, s, at, v)
	default:
		return wrong
	}
	return nil
}

func checkObject(schemas map[string]*schema, s *schema, at string, object map[string]any) []string {
	if s.Type == "any" {
		return nil
	}
	var all []string
	for name, value := range object {
		property := s.Properties[name]
		if property == nil {
			property = s.Additional
		}
		if property == nil {
			all = append(all, at+"."+name+": there is no such field")
			continue
		}
		all = append(all, check(schemas, property, at+"."+name, value)...)
	}
	return all
}

// example is a call that succeeds.
type example struct {
	id, method, path string
	query            url.Values
	body             any
}

// examples are calls of every method that is simulated.
func (l *lab) examples() []example {
	l.Helper()
	l.server.AddProject("rollcall-test")
	l.server.AddUser(google.User{
		PrimaryEmail: "ada@example.com", GivenName: "Ada", FamilyName: "L", Aliases: []string{"c@example.com"},
		ExternalIDs: []string{"7"}, Suspended: true,
	})
	name := l.make("here@example.com")
	gone := l.make("gone@example.com")
	first := l.ok("POST", "/v1/"+name+"/memberships", nil, member("x@example.org"))["response"].(map[string]any)["name"].(string)
	second := l.ok("POST", "/v1/"+name+"/memberships", nil, member("here2@example.org"))["response"].(map[string]any)["name"].(string)
	l.server.Bind("rollcall-test", google.Binding{Role: "roles/browser", Members: []string{"group:here@example.com"},
		Condition: `{"expression":"true","title":"always","description":"d"}`})
	parent := q("parent", "customers/C01rollcall", "view", "FULL")
	ci, rm := "cloudidentity.groups.", "cloudresourcemanager.projects."
	three := map[string]any{"options": map[string]any{"requestedPolicyVersion": 3}}
	return []example{
		{ci + "create", "POST", "/v1/groups", q("initialGroupConfig", "WITH_INITIAL_OWNER"), group("new@example.com")},
		{ci + "list", "GET", "/v1/groups", parent, nil},
		{ci + "search", "GET", "/v1/groups:search", q("query", "parent == 'customers/C01rollcall' && group_key.startsWith('her')", "pageSize", "1"), nil},
		{ci + "lookup", "GET", "/v1/groups:lookup", q("groupKey.id", "here@example.com"), nil},
		{ci + "get", "GET", "/v1/" + name, nil, nil},
		{ci + "patch", "PATCH", "/v1/" + name, q("updateMask", "description"), map[string]any{"description": "d"}},
		{ci + "delete", "DELETE", "/v1/" + gone, nil, nil},
		{ci + "memberships.create", "POST", "/v1/" + name + "/memberships", nil, member("ada@example.com")},
		{ci + "memberships.list", "GET", "/v1/" + name + "/memberships", q("view", "FULL", "pageSize", "1"), nil},
		{ci + "memberships.lookup", "GET", "/v1/" + name + "/memberships:lookup", q("memberKey.id", "x@example.org"), nil},
		{ci + "memberships.get", "GET", "/v1/" + first, nil, nil},
		{ci + "memberships.modifyMembershipRoles", "POST", "/v1/" + first + ":modifyMembershipRoles", nil,
			map[string]any{"addRoles": []any{map[string]any{"name": "OWNER"}}}},
		{ci + "memberships.delete", "DELETE", "/v1/" + second, nil, nil},
		{"directory.users.list", "GET", "/admin/directory/v1/users", q("customer", "my_customer", "query", "externalId='7' isSuspended=true"), nil},
		{"directory.users.get", "GET", "/admin/directory/v1/users/ada@example.com", nil, nil},
		{rm + "get", "GET", "/v3/projects/rollcall-test", nil, nil},
		{rm + "search", "GET", "/v3/projects:search", q("query", "projectId:rollcall*"), nil},
		{rm + "getIamPolicy", "POST", "/v3/projects/rollcall-test:getIamPolicy", nil, three},
		{rm + "setIamPolicy", "POST", "/v3/projects/rollcall-test:setIamPolicy", nil, map[string]any{"policy": map[string]any{
			"version": 3, "bindings": []any{binding("roles/viewer", "group:here@example.com")}, "auditConfigs": []any{},
		}, "updateMask": "bindings,etag,auditConfigs"}},
		{"cloudasset.searchAllIamPolicies", "GET", "/v1/organizations/384756100293:searchAllIamPolicies", q("query", "policy:group", "pageSize", "9"), nil},
	}
}

// TestAnswersAreAsDescribed holds the answer of every method against Google's own
// description of it, and its parameters too.
func TestAnswersAreAsDescribed(t *testing.T) {
	methods, schemas := discovery(t)
	l := newLab(t, quick())
	called := l.examples()
	for _, e := range called {
		m, known := methods[e.id]
		if !known || m.HTTPMethod != e.method {
			t.Errorf("%s: Google has no such method, or not by %s", e.id, e.method)
			continue
		}
		for name := range e.query {
			if m.Parameters[name].Location != "query" {
				t.Errorf("%s has no parameter %q", e.id, name)
			}
		}
		status, answer := l.do(e.method, e.path, e.query, e.body)
		if status != http.StatusOK || len(answer) == 0 {
			t.Errorf("%s answers %d: %v", e.id, status, answer)
			continue
		}
		api, _, _ := strings.Cut(e.id, ".")
		for _, wrong := range check(schemas[api], m.Response, e.id, answer) {
			t.Error(wrong)
		}
		if response, is := answer["response"].(map[string]any); is { // what the operation is about
			sort, _ := response["@type"].(string)
			delete(response, "@type")
			for _, wrong := range check(schemas[api], schemas[api][sort[strings.LastIndex(sort, ".")+1:]], e.id+".response", response) {
				t.Error(wrong)
			}
		}
	}
	calls := l.server.Control().Calls()
	for _, e := range called {
		if calls[e.id] == 0 {
			t.Errorf("the call of %s is not counted as such: %v", e.id, calls)
		}
	}
}

// FuzzSearches sends any text as a search of groups and of users: it is read or
// refused, and never more.
func FuzzSearches(f *testing.F) {
	for _, seed := range []string{
		"parent == 'customers/C01rollcall' && group_key == 'x'", "email='a\\'b' externalId:x*", "'x' in labels && parent == \"\"", "&&", "email=''", "=",
	} {
		f.Add(seed)
	}
	server, err := google.New(quick())
	if err != nil {
		f.Fatal(err)
	}
	token := server.Token(admin())
	f.Fuzz(func(t *testing.T, text string) {
		for path, query := range map[string]url.Values{
			"/v1/groups:search":         q("query", text),
			"/admin/directory/v1/users": q("customer", "my_customer", "query", text),
			"/v3/projects:search":       q("query", text),
		} {
			if status := serve(t, server, token, path+"?"+query.Encode()); status >= http.StatusInternalServerError {
				t.Errorf("%s of %q answers %d", path, text, status)
			}
		}
	})
}

// serve calls the server without a network, and returns the status.
func serve(t *testing.T, server http.Handler, token, address string) int {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	server.ServeHTTP(w, r)
	return w.Code
}
