package meshapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// organization has one object of each kind that is read.
const organization = `
--- {apiVersion: v1, kind: meshWorkspace, metadata: {name: design}, spec: {displayName: Design, tags: {env: [dev]}}}
--- {apiVersion: v2, kind: meshWorkspace, metadata: {name: sales}}
--- {apiVersion: v2, kind: meshUser, metadata: {name: anna}, spec: {email: a@example.com, firstName: Anna, lastName: A, euid: anna-1}}
--- {apiVersion: v2, kind: meshUser, metadata: {name: bela}, spec: {email: b@example.com, firstName: Bela, lastName: B, euid: bela-1}}
--- {apiVersion: v1, kind: meshWorkspaceUserGroup, metadata: {name: crew, ownedByWorkspace: design}, spec: {members: [bela]}}
--- {apiVersion: v1, kind: meshWorkspaceUserGroup, metadata: {name: all}, spec: {members: [bela]}}
--- {apiVersion: v1, kind: meshProjectRole, metadata: {name: admin}, spec: {name: Project Admin}}
--- {apiVersion: v2, kind: meshProject, metadata: {name: web, ownedByWorkspace: design}, spec: {displayName: Web, tags: {}}}
--- {apiVersion: v2, kind: meshProject, metadata: {name: crm, ownedByWorkspace: sales}}
--- {apiVersion: v1, kind: meshPlatform, metadata: {name: m}, spec: {locationRef: {name: a}, config: {memory: {replication: {groupNamePattern: "#{workspaceIdentifier}-#{projectIdentifier}-#{platformGroupAlias}"}}}}}
--- {apiVersion: v1, kind: meshLandingZone, metadata: {name: z}, spec: {platformRef: {name: m.a}}}
--- {apiVersion: v4, kind: meshTenant, metadata: {ownedByWorkspace: design, ownedByProject: web}, spec: {platformIdentifier: m.a, landingZoneIdentifier: z, platformTenantId: t-1}}
--- {apiVersion: v3, kind: meshProjectUserBinding, metadata: {name: anna-web}, roleRef: {name: admin}, targetRef: {name: web, ownedByWorkspace: design}, subject: {name: anna}}
--- {apiVersion: v3, kind: meshProjectGroupBinding, metadata: {name: crew-web}, roleRef: {name: Project Admin}, targetRef: {name: web, ownedByWorkspace: design}, subject: {name: crew}}
--- {apiVersion: v2, kind: meshWorkspaceUserBinding, metadata: {name: anna-design}, roleRef: {name: Workspace Manager}, targetRef: {name: design}, subject: {name: anna}, expiryDate: "2030-12-31"}
--- {apiVersion: v2, kind: meshWorkspaceGroupBinding, metadata: {name: crew-design}, roleRef: {name: Workspace Member}, targetRef: {name: design}, subject: {name: crew}}
`

func accept(kind, version string) string {
	return "Accept: application/vnd.meshcloud.api." + strings.ToLower(kind) + "." + version + ".hal+json"
}

// at returns a value of JSON by its path, as metadata.name or _embedded.meshUsers.0.
func at(t *testing.T, text, path string) any {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	for name := range strings.SplitSeq(path, "/") {
		switch v := value.(type) {
		case map[string]any:
			value = v[name]
		case []any:
			var i int
			if _, err := fmt.Sscan(name, &i); err != nil || i >= len(v) {
				return nil
			}
			value = v[i]
		}
	}
	return value
}

// TestProvider replays the requests of the Terraform provider's client for its data sources and
// its refreshes: paths, query and headers, and what the client reads of the answers.
func TestProvider(t *testing.T) {
	t.Parallel()
	s := newServer(t, organization)
	const platform, tenant = "/api/meshobjects/meshplatforms/", "/api/meshobjects/meshtenants/"
	uuid := func(path, kind, version string) string {
		t.Helper()
		_, text, _ := s.do(t, request{as: "reader", method: http.MethodGet, path: path, headers: []string{accept(kind, version)}})
		id, _ := at(t, text, "metadata/uuid").(string)
		if len(id) != 36 || id[14] != '8' {
			t.Errorf("%s has the uuid %q", path, id)
		}
		return id
	}
	ofPlatform, ofTenant := uuid(platform+"m.a", "meshPlatform", "v2-preview"), uuid(tenant+"design.web.m.a", "meshTenant", "v4")
	for _, tt := range []struct {
		reason, path, kind, version string
		want                        map[string]any
	}{
		{"the workspace data source", "/api/meshobjects/meshworkspaces/design", "meshWorkspace", "v2", map[string]any{
			"metadata/name": "design", "metadata/tags/env/0": "dev", "spec/displayName": "Design", "spec/tags": nil, "kind": "meshWorkspace", "apiVersion": "v2"}},
		{"an older client reads tags where v1 has them", "/api/meshobjects/meshworkspaces/design", "meshWorkspace", "v1", map[string]any{
			"metadata/tags": nil, "spec/tags/env/0": "dev", "apiVersion": "v1"}},
		{"the project resource", "/api/meshobjects/meshprojects/design.web", "meshProject", "v2", map[string]any{
			"metadata/name": "web", "metadata/ownedByWorkspace": "design", "spec/displayName": "Web"}},
		{"the projects data source", "/api/meshobjects/meshprojects?workspaceIdentifier=design&page=0", "meshProject", "v2", map[string]any{
			"_embedded/meshProjects/0/metadata/name": "web", "_embedded/meshProjects/1": nil, "page/totalPages": 1.0, "page/number": 0.0, "page/totalElements": 1.0}},
		{"a list without items has the key", "/api/meshobjects/meshprojects?workspaceIdentifier=none&page=0", "meshProject", "v2", map[string]any{
			"_embedded/meshProjects": []any{}, "page/totalPages": 0.0}},
		{"the tenant resource of v3", "/api/meshobjects/meshtenants/design.web.m.a", "meshTenant", "v3", map[string]any{
			"metadata/platformIdentifier": "m.a", "metadata/ownedByProject": "web", "spec/localId": "t-1", "spec/landingZoneIdentifier": "z", "spec/quotas": []any{}}},
		{"the tenant resource of v4", tenant + ofTenant, "meshTenant", "v4-preview", map[string]any{
			"metadata/uuid": ofTenant, "metadata/ownedByWorkspace": "design", "spec/platformIdentifier": "m.a", "spec/platformTenantId": "t-1",
			"status/platformTypeIdentifier": "memory", "spec/platformRef/uuid": ofPlatform, "spec/landingZoneRef/name": "z"}},
		{"the tenants data source", "/api/meshobjects/meshtenants?landingZoneIdentifier=z&page=0&platformIdentifier=m.a&platformTenantId=t-1&projectIdentifier=web&workspaceIdentifier=design",
			"meshTenant", "v4-preview", map[string]any{"_embedded/meshTenants/0/metadata/uuid": ofTenant}},
		{"the project user binding", "/api/meshobjects/meshprojectbindings/userbindings/anna-web", "meshProjectUserBinding", "v3", map[string]any{
			"metadata/name": "anna-web", "roleRef/name": "admin", "targetRef/name": "web", "targetRef/ownedByWorkspace": "design", "subject/name": "anna"}},
		{"the project group binding", "/api/meshobjects/meshprojectbindings/groupbindings/crew-web", "meshProjectGroupBinding", "v3", map[string]any{
			"subject/name": "crew"}},
		{"the workspace user binding", "/api/meshobjects/meshworkspacebindings/userbindings/anna-design", "meshWorkspaceUserBinding", "v2", map[string]any{
			"roleRef/name": "Workspace Manager", "targetRef/name": "design", "subject/name": "anna", "expiryDate": "2030-12-31"}},
		{"the workspace group binding", "/api/meshobjects/meshworkspacebindings/groupbindings/crew-design", "meshWorkspaceGroupBinding", "v2", map[string]any{
			"subject/name": "crew"}},
		{"the platform data source", platform + ofPlatform, "meshPlatform", "v2-preview", map[string]any{
			"metadata/name": "m", "metadata/uuid": ofPlatform, "spec/locationRef/name": "a"}},
		{"the landing zone data source", "/api/meshobjects/meshlandingzones/z", "meshLandingZone", "v1", map[string]any{
			"metadata/name": "z", "spec/platformRef/uuid": ofPlatform, "spec/platformRef/kind": "meshPlatform", "status/disabled": false}},
		{"an older landing zone client", "/api/meshobjects/meshlandingzones/z", "meshLandingZone", "v1-preview", map[string]any{"apiVersion": "v1-preview"}},
		{"a user group", "/api/meshobjects/meshworkspaceusergroups/design.crew", "meshWorkspaceUserGroup", "v1", map[string]any{"spec/members/0": "bela"}},
		{"a global user group", "/api/meshobjects/meshworkspaceusergroups/all", "meshWorkspaceUserGroup", "v1", map[string]any{"metadata/name": "all"}},
	} {
		status, text, header := s.do(t, request{as: "reader", method: http.MethodGet, path: tt.path, headers: []string{accept(tt.kind, tt.version)}})
		if status != http.StatusOK || "Accept: "+header.Get("Content-Type") != accept(tt.kind, tt.version) {
			t.Errorf("%s: %d %s %s", tt.reason, status, header.Get("Content-Type"), text)
			continue
		}
		for path, want := range tt.want {
			if diff := cmp.Diff(want, at(t, text, path)); diff != "" {
				t.Errorf("%s: %s (-want +got):\n%s\n%s", tt.reason, path, diff, text)
			}
		}
	}
	status, text, _ := s.do(t, request{method: http.MethodGet, path: "/mesh/info"})
	if version, _ := at(t, text, "version").(string); status != http.StatusOK || len(strings.Split(version, ".")) != 3 {
		t.Errorf("the provider checks the version first: %d %s", status, text)
	}
	status, text, _ = s.do(t, request{
		method: http.MethodPost, path: "/api/login", body: `{"clientId": "a", "clientSecret": "b"}`, headers: []string{"Content-Type: application/json"},
	})
	if status != http.StatusUnauthorized || !strings.Contains(text, "OpenID Connect") || !strings.Contains(text, "apitoken") {
		t.Errorf("a login with an API key: %d %s", status, text)
	}
	// The client takes a missing object as removed.
	status, _, _ = s.do(t, request{as: "reader", method: http.MethodGet, path: tenant + strings.Repeat("0", 36), headers: []string{accept("meshTenant", "v4-preview")}})
	if status != http.StatusNotFound {
		t.Errorf("a tenant that is not there: %d", status)
	}
}

func TestList_Pages(t *testing.T) {
	t.Parallel()
	var many strings.Builder
	for i := range 7 {
		fmt.Fprintf(&many, "--- {apiVersion: v2, kind: meshUser, metadata: {name: u%d}}\n", i)
	}
	s := newServer(t, many.String())
	for _, tt := range []struct {
		reason, query string
		items         int
		links         string
		number, pages float64
	}{
		{"the first page", "?size=3", 3, "first last next self", 0, 3},
		{"a page between", "?page=1&size=3", 3, "first last next prev self", 1, 3},
		{"the last page", "?page=2&size=3", 1, "first last prev self", 2, 3},
		{"after the last page", "?page=9&size=3", 0, "first last prev self", 9, 3},
		{"far after it", "?page=9223372036854775807&size=3", 0, "first last prev self", 9223372036854775807, 3},
		{"all", "", 7, "first last self", 0, 1},
		{"more than the most", "?size=5000", 7, "first last self", 0, 1},
	} {
		status, text, _ := s.do(t, request{as: "reader", method: http.MethodGet, path: "/api/meshobjects/meshusers" + tt.query, headers: []string{accept("meshUser", "v2")}})
		items, _ := at(t, text, "_embedded/meshUsers").([]any)
		var links []string
		for name := range strings.FieldsSeq("first last next prev self") {
			if at(t, text, "_links/"+name+"/href") != nil {
				links = append(links, name)
			}
		}
		got := []any{status, len(items), strings.Join(links, " "), at(t, text, "page/number"), at(t, text, "page/totalPages"), at(t, text, "page/totalElements")}
		if diff := cmp.Diff([]any{http.StatusOK, tt.items, tt.links, tt.number, tt.pages, 7.0}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.reason, diff)
		}
	}
}

func TestList_FiltersUsers(t *testing.T) {
	t.Parallel()
	s := newServer(t, organization)
	for _, tt := range []struct{ reason, query, want string }{
		{"by euid", "euid=anna-1", "anna"},
		{"by address", "email=b@example.com", "bela"},
		{"by two names", "firstName=Anna&lastName=B", ""},
		{"in a workspace, directly or by a group", "workspaceIdentifier=design", "anna bela"},
		{"managers", "workspaceIdentifier=design&workspaceRole=Workspace+Manager", "anna"},
		{"managers of another workspace", "workspaceIdentifier=sales&workspaceRole=Workspace+Manager", ""},
		{"on a project, by the role as the binding writes it", "projectIdentifier=web&projectRole=Project+Admin", "bela"},
		{"on a platform", "platformIdentifier=m.a", "anna bela"},
		{"with two filters of two memberships", "platformIdentifier=m.a&workspaceRole=Workspace+Manager", ""},
	} {
		_, text, _ := s.do(t, request{as: "reader", method: http.MethodGet, path: "/api/meshobjects/meshusers?" + tt.query, headers: []string{accept("meshUser", "v2")}})
		items, _ := at(t, text, "_embedded/meshUsers").([]any)
		var names []string
		for i := range items {
			names = append(names, fmt.Sprint(at(t, text, fmt.Sprintf("_embedded/meshUsers/%d/metadata/name", i))))
		}
		if got := strings.Join(names, " "); got != tt.want {
			t.Errorf("%s: %q, want %q: %s", tt.reason, got, tt.want, text)
		}
	}
}

func TestUsers_AreStoredAndRemoved(t *testing.T) {
	t.Parallel()
	s := newServer(t, organization)
	const media = "application/vnd.meshcloud.api.meshuser.v2.hal+json"
	both := []string{"Accept: " + media, "Content-Type: " + media}
	user := func(name, euid string) string {
		return `{"apiVersion": "v2", "kind": "meshUser", "metadata": {"name": "` + name + `"}, "spec": {"email": "c@example.com", "firstName": "C", "lastName": "D", "euid": "` + euid + `", "tags": null}}`
	}
	for _, tt := range []struct {
		reason string
		request
		status int
		text   string
	}{
		{"a new user", request{as: "pipeline", method: "POST", body: user("cyd", "c-1"), headers: both}, http.StatusCreated, `"name":"cyd"`},
		{"it again", request{as: "pipeline", method: "POST", body: user("cyd", "c-1"), headers: both}, http.StatusConflict, "change it by PUT"},
		{"a change", request{as: "pipeline", method: "PUT", path: "/cyd", body: user("cyd", "c-2"), headers: both}, http.StatusOK, `"euid":"c-2"`},
		{"a new user by PUT", request{as: "pipeline", method: "PUT", path: "/dan", body: user("dan", "d-1"), headers: both}, http.StatusOK, `"name":"dan"`},
		{"another name than the path's", request{as: "pipeline", method: "PUT", path: "/eve", body: user("dan", "d-1"), headers: both}, http.StatusBadRequest, "path"},
		{"the euid of another", request{as: "pipeline", method: "PUT", path: "/dan", body: user("dan", "c-2"), headers: both}, http.StatusBadRequest, "an euid is one person's"},
		{"another kind", request{as: "pipeline", method: "PUT", path: "/w", body: `{"apiVersion": "v2", "kind": "meshWorkspace", "metadata": {"name": "w"}}`, headers: both},
			http.StatusBadRequest, "meshUser"},
		{"an editor of one workspace", request{as: "sales", method: "PUT", path: "/eve", body: user("eve", "e-1"), headers: both}, http.StatusForbidden, "operator"},
		{"a reader", request{as: "reader", method: "DELETE", path: "/cyd"}, http.StatusForbidden, "Delete"},
		{"no Accept", request{as: "pipeline", method: "PUT", path: "/cyd", body: user("cyd", "c-2"), headers: both[1:]}, http.StatusNotAcceptable, media},
		{"a read without Accept", request{as: "pipeline", method: "GET", path: "/cyd"}, http.StatusNotAcceptable, media},
		{"a read in another version", request{as: "pipeline", method: "GET", path: "/cyd", headers: []string{accept("meshUser", "v9")}}, http.StatusNotAcceptable, media},
		{"plain JSON", request{as: "pipeline", method: "PUT", path: "/cyd", body: user("cyd", "c-2"), headers: []string{both[0], "Content-Type: application/json"}},
			http.StatusUnsupportedMediaType, media},
		{"an unknown filter", request{as: "pipeline", method: "GET", path: "?name=cyd", headers: both[:1]}, http.StatusBadRequest, "username"},
		{"a filter twice", request{as: "pipeline", method: "GET", path: "?euid=a&euid=b", headers: both[:1]}, http.StatusBadRequest, "twice"},
		{"a page that is no number", request{as: "pipeline", method: "GET", path: "?page=-1", headers: both[:1]}, http.StatusBadRequest, "page"},
		{"a removal, without Accept", request{as: "pipeline", method: "DELETE", path: "/cyd"}, http.StatusNoContent, ""},
		{"it again", request{as: "pipeline", method: "DELETE", path: "/cyd", headers: both[:1]}, http.StatusNotFound, "cyd"},
		{"a user with bindings stays", request{as: "pipeline", method: "DELETE", path: "/anna", headers: both[:1]}, http.StatusConflict, "referred to"},
		{"a method that there is not", request{as: "pipeline", method: "PATCH", path: "/dan"}, http.StatusMethodNotAllowed, "PUT /api/meshobjects"},
	} {
		tt.path = "/api/meshobjects/meshusers" + tt.path
		status, text, _ := s.do(t, tt.request)
		if status != tt.status || !strings.Contains(text, tt.text) {
			t.Errorf("%s: %d %s, want %d with %q", tt.reason, status, text, tt.status, tt.text)
		}
	}
}

// TestReads_AreLimitedToTheCaller: a reader of one workspace sees its objects, and of users the
// names.
func TestReads_AreLimitedToTheCaller(t *testing.T) {
	t.Parallel()
	s := newServer(t, organization)
	for _, tt := range []struct {
		reason, path, kind, version string
		status                      int
	}{
		{"its project", "meshprojects/sales.crm", "meshProject", "v2", http.StatusOK},
		{"another's project", "meshprojects/design.web", "meshProject", "v2", http.StatusNotFound},
		{"another's binding", "meshworkspacebindings/userbindings/anna-design", "meshWorkspaceUserBinding", "v2", http.StatusNotFound},
		{"a user of others", "meshusers/anna", "meshUser", "v2", http.StatusNotFound},
	} {
		status, text, _ := s.do(t, request{as: "sales", method: http.MethodGet, path: "/api/meshobjects/" + tt.path, headers: []string{accept(tt.kind, tt.version)}})
		if status != tt.status {
			t.Errorf("%s: %d %s", tt.reason, status, text)
		}
	}
	if status, _, _ := s.do(t, request{as: "guest", method: http.MethodGet, path: "/api/meshobjects/meshusers", headers: []string{accept("meshUser", "v2")}}); status != http.StatusForbidden {
		t.Errorf("a caller without roles: %d", status)
	}
}
