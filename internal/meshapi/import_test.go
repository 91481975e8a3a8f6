package meshapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/document"
)

// lines writes outcomes as "meshUser[anna] SUCCESS".
func lines(outcomes []outcome) []string {
	out := make([]string, len(outcomes))
	for i, o := range outcomes {
		out[i] = strings.TrimSpace(fmt.Sprintf("%s %s %s", o.MeshObject, o.Status, o.ResultCode))
	}
	return out
}

func TestImport_AnswersEachObject(t *testing.T) {
	t.Parallel()
	s := newServer(t, "")
	const workspace = "{apiVersion: v2, kind: meshWorkspace, metadata: {name: design}}"
	for _, tt := range []struct {
		reason, as, body string
		want             []string
		message          string // of the first failed object
	}{
		{"objects that refer to later ones", "pipeline", `
{apiVersion: v3, kind: meshProjectUserBinding, metadata: {name: b}, roleRef: {name: admin}, targetRef: {name: web, ownedByWorkspace: design}, subject: {name: anna}}
--- {apiVersion: v2, kind: meshProject, metadata: {name: web, ownedByWorkspace: design}}
--- {apiVersion: v1, kind: meshUser, metadata: {name: anna}, spec: {email: a@example.com, firstName: A, lastName: B, euid: anna-1}}
--- ` + workspace, []string{
			"meshProjectUserBinding[b] FAILED INVALID_MESH_OBJECT", "meshProject[design.web] SUCCESS",
			"meshUser[anna] SUCCESS", "meshWorkspace[design] SUCCESS",
		}, `roleRef.name: there is no meshProjectRole with the name "admin"`},
		{"a JSON list; what is valid is stored beside what is not", "pipeline", `[
{"apiVersion": "v2", "kind": "meshProject", "metadata": {"name": "app", "ownedByWorkspace": "none"}},
{"apiVersion": "v2", "kind": "meshUser", "metadata": {"name": "ben"}, "spec": {"euid": "anna-1"}},
{"apiVersion": "v2", "kind": "meshUser", "metadata": {"name": "cyd"}, "spec": {"euid": "cyd", "shoe": 43}},
{"apiVersion": "v2", "kind": "meshUser", "metadata": {"name": "dan"}, "spec": {"euid": "dan"}},
{"apiVersion": "v2", "kind": "meshThing", "metadata": {"name": "x"}}, 7]`, []string{
			"meshProject[none.app] FAILED WORKSPACE_NOT_FOUND", "meshUser[ben] FAILED INVALID_MESH_OBJECT",
			"meshUser[cyd] FAILED INVALID_MESH_OBJECT", "meshUser[dan] SUCCESS",
			"meshThing[] FAILED INVALID_MESH_OBJECT", "[] FAILED INVALID_MESH_OBJECT",
		}, `metadata.ownedByWorkspace: there is no meshWorkspace "none"`},
		{"one object", "pipeline", workspace, []string{"meshWorkspace[design] SUCCESS"}, ""},
		{"a project that is not there", "pipeline",
			"{apiVersion: v4, kind: meshTenant, metadata: {ownedByWorkspace: design, ownedByProject: none}, spec: {platformIdentifier: m.a}}",
			[]string{"meshTenant[design.none/m.a] FAILED PROJECT_NOT_FOUND"}, ""},
		{"a binding of v1 with two subjects", "pipeline",
			"{apiVersion: v1, kind: meshWorkspaceUserBinding, roleRef: {name: Workspace Owner}, targetRef: {name: design}, subjects: [{name: anna}, {name: dan}]}",
			[]string{"meshWorkspaceUserBinding[design.Workspace Owner.anna] SUCCESS"}, ""},
		{"the rights of the caller count for each object", "sales",
			"{apiVersion: v2, kind: meshProject, metadata: {name: crm, ownedByWorkspace: design}}",
			[]string{"meshProject[design.crm] FAILED INVALID_MESH_OBJECT"}, "a change of meshProject design.crm (a project belongs to its workspace) needs the role editor or admin, and the caller user:https://login.example.com#sales has no such role there: ask an administrator of Rollcall for it, to be given by an AccessPolicy"},
		{"policies are no meshObjects", "admin", strings.Replace(policy, "name: p}", "name: q}", 1),
			[]string{"AccessPolicy[q] FAILED INVALID_MESH_OBJECT"}, "the meshObject API has no such kind: store it by rollcall apply"},
		{"nothing", "pipeline", "[]", []string{}, ""},
	} {
		got := s.put(t, tt.as, "", tt.body)
		if diff := cmp.Diff(tt.want, lines(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s\n%+v", tt.reason, diff, got)
		}
		for _, o := range got {
			if o.Status == "FAILED" && tt.message != "" {
				if diff := cmp.Diff(tt.message, o.Message); diff != "" {
					t.Errorf("%s: message (-want +got):\n%s", tt.reason, diff)
				}
				break
			}
		}
	}
	stored, err := s.local.Get(t.Context(), control.GetRequest{Kind: document.KindUser, Name: "dan"})
	if err != nil || stored[0].Source.String() != document.DocumentsSource {
		t.Errorf("a valid object beside others is of the documents: %v", err)
	}
}

func TestImport_FindsTheFailedOfMany(t *testing.T) {
	t.Parallel()
	s := newServer(t, "")
	var body strings.Builder
	var want []string
	for i := range 60 {
		euid, result := fmt.Sprintf("e%d", i), "SUCCESS"
		if i%20 == 7 {
			euid, result = "e0", "FAILED INVALID_MESH_OBJECT" // that of the first user
		}
		fmt.Fprintf(&body, "--- {apiVersion: v2, kind: meshUser, metadata: {name: u%d}, spec: {euid: %s}}\n", i, euid)
		want = append(want, fmt.Sprintf("meshUser[u%d] %s", i, result))
	}
	if diff := cmp.Diff(want, lines(s.put(t, "pipeline", "", body.String()))); diff != "" {
		t.Errorf("three of sixty (-want +got):\n%s", diff)
	}
}

func TestImport_Refuses(t *testing.T) {
	t.Parallel()
	s := newServer(t, "")
	const yaml, json = "Content-Type: application/vnd.meshcloud.api.meshobjects.v1+yaml", "Content-Type: application/vnd.meshcloud.api.meshobjects.v1+json"
	for _, tt := range []struct {
		reason string
		request
		want int
		text string
	}{
		{"no token", request{body: "[]", headers: []string{json}}, http.StatusUnauthorized, "no token"},
		{"no rights", request{as: "reader", body: "[]", headers: []string{json}}, http.StatusForbidden, "editor, operator or admin"},
		{"plain JSON", request{as: "pipeline", body: "[]", headers: []string{"Content-Type: application/json"}}, http.StatusUnsupportedMediaType, "meshobjects.v1+json"},
		{"another charset", request{as: "pipeline", body: "[]", headers: []string{json + ";charset=latin1"}}, http.StatusUnsupportedMediaType, "UTF-8"},
		{"another answer", request{as: "pipeline", body: "[]", headers: []string{json, "Accept: text/html"}}, http.StatusNotAcceptable, "Accept"},
		{"any answer", request{as: "pipeline", body: "[]", headers: []string{json, "Accept: */*"}}, http.StatusOK, "[]"},
		{"no objects by mistake", request{as: "pipeline", body: " \n", headers: []string{yaml}}, http.StatusBadRequest, "empty"},
		{"no YAML", request{as: "pipeline", body: "{", headers: []string{yaml}}, http.StatusBadRequest, "is not YAML"},
		{"too much", request{as: "pipeline", body: strings.Repeat(" ", 33<<20), headers: []string{json}}, http.StatusRequestEntityTooLarge, "split it"},
		{"an unknown parameter", request{as: "pipeline", path: "?meshObjectCollektion=x", body: "[]", headers: []string{json}}, http.StatusBadRequest, "meshObjectCollection"},
		{"an owner of nothing", request{as: "pipeline", path: "?owner=x", body: "[]", headers: []string{json}}, http.StatusBadRequest, "add meshObjectCollection"},
		{"a collection that is not there", request{as: "pipeline", path: "?meshObjectCollection=x", body: "[]", headers: []string{json}}, http.StatusNotFound, "meshObjectCollection"},
	} {
		tt.method, tt.path = http.MethodPut, "/api/meshobjects"+tt.path
		status, text, header := s.do(t, tt.request)
		if status != tt.want || !strings.Contains(text, tt.text) {
			t.Errorf("%s: %d %s, want %d with %q", tt.reason, status, text, tt.want, tt.text)
		}
		if status >= http.StatusBadRequest && header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: the problem has the media type %s", tt.reason, header.Get("Content-Type"))
		}
	}
}

// collectionObjects are a collection of one group and its bindings.
const collectionObjects = `{apiVersion: v1, kind: meshWorkspaceUserGroup, metadata: {name: crew, ownedByWorkspace: design}, spec: {members: [anna]}}
--- {apiVersion: v2, kind: meshWorkspaceGroupBinding, metadata: {name: g}, roleRef: {name: Workspace Member}, targetRef: {name: design}, subject: {name: crew}}
--- {apiVersion: v2, kind: meshWorkspaceUserBinding, metadata: {name: u}, roleRef: {name: Workspace Owner}, targetRef: {name: design}, subject: {name: anna}}
--- {apiVersion: v2, kind: meshProject, metadata: {name: web, ownedByWorkspace: design}}
`

const collectionNeeds = `--- {apiVersion: v2, kind: meshWorkspace, metadata: {name: design}}
--- {apiVersion: v2, kind: meshUser, metadata: {name: anna}}
--- {apiVersion: v2, kind: meshWorkspaceUserBinding, metadata: {name: by-hand}, roleRef: {name: Workspace Owner}, targetRef: {name: design}, subject: {name: anna}}
`

func TestImport_RemovesWhatACollectionOmits(t *testing.T) {
	t.Parallel()
	s := newServer(t, collectionNeeds)
	collection := func(as, method, body string) (int, string) {
		t.Helper()
		status, text, _ := s.do(t, request{as: as, method: method, path: "/api/meshobjectcollections", body: body, headers: []string{
			"Content-Type: application/vnd.meshcloud.api.meshobjectcollection.v1+json;charset=UTF-8",
		}})
		return status, text
	}
	const named = `{"name": "c", "owner": "team", "description": "a test"}`
	if status, text := collection("pipeline", http.MethodPost, named); status != http.StatusCreated {
		t.Fatalf("creating the collection: %d %s", status, text)
	}
	if status, text := collection("other", http.MethodPost, named); status != http.StatusConflict {
		t.Errorf("the name is taken: %d %s", status, text)
	}
	const into = "?meshObjectCollection=c&owner=team"
	objects := strings.Split(collectionObjects, "--- ")
	for _, tt := range []struct {
		reason, body string
		want         []string
	}{
		{"the first import", collectionObjects, []string{
			"meshWorkspaceUserGroup[design.crew] SUCCESS", "meshWorkspaceGroupBinding[g] SUCCESS", "meshWorkspaceUserBinding[u] SUCCESS",
			"meshProject[design.web] SUCCESS"}},
		{"it again", collectionObjects, []string{
			"meshWorkspaceUserGroup[design.crew] SUCCESS", "meshWorkspaceGroupBinding[g] SUCCESS", "meshWorkspaceUserBinding[u] SUCCESS",
			"meshProject[design.web] SUCCESS"}},
		{"with an object that cannot be read, nothing is removed", objects[0] + "--- {kind: meshWorkspaceUserBinding}", []string{
			"meshWorkspaceUserGroup[design.crew] SUCCESS", "meshWorkspaceUserBinding[] FAILED INVALID_MESH_OBJECT"}},
		{"an object that fails is not omitted", strings.Replace(objects[2], "anna", "eve", 1) + "--- " + objects[0] + "--- " + objects[1], []string{
			"meshWorkspaceUserBinding[u] FAILED INVALID_MESH_OBJECT", "meshWorkspaceUserGroup[design.crew] SUCCESS", "meshWorkspaceGroupBinding[g] SUCCESS"}},
		{"without a binding", objects[0] + "--- " + objects[1], []string{
			"meshWorkspaceUserGroup[design.crew] SUCCESS", "meshWorkspaceGroupBinding[g] SUCCESS", "meshWorkspaceUserBinding[u] SUCCESS"}},
		{"without all: what refers to others goes first, and projects stay", "[]", []string{
			"meshWorkspaceGroupBinding[g] SUCCESS", "meshWorkspaceUserGroup[design.crew] SUCCESS"}},
	} {
		got := s.put(t, "pipeline", into, tt.body)
		if diff := cmp.Diff(tt.want, lines(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s\n%+v", tt.reason, diff, got)
		}
		if tt.reason == "the first import" {
			if status, text := collection("pipeline", http.MethodDelete, named); status != http.StatusBadRequest {
				t.Errorf("a collection with objects is removed: %d %s", status, text)
			}
		}
	}
	for _, id := range []document.ID{{Kind: document.KindWorkspaceUserBinding, Name: "by-hand"}, {Kind: document.KindProject, Name: "design.web"}} {
		if _, err := s.local.Get(t.Context(), control.GetRequest(id)); err != nil {
			t.Errorf("%s is gone: %v", id, err)
		}
	}
	for _, tt := range []struct{ reason, as, query string }{
		{"the collection of another caller", "other", into},
		{"another owner", "pipeline", "?meshObjectCollection=c&owner=others"},
	} {
		status, text, _ := s.do(t, request{as: tt.as, method: http.MethodPut, path: "/api/meshobjects" + tt.query, body: "[]", headers: []string{
			"Content-Type: application/vnd.meshcloud.api.meshobjects.v1+json"}})
		if status != http.StatusForbidden {
			t.Errorf("%s: %d %s", tt.reason, status, text)
		}
	}
	if status, text := collection("other", http.MethodDelete, named); status != http.StatusForbidden {
		t.Errorf("another caller removes it: %d %s", status, text)
	}
	if status, text := collection("pipeline", http.MethodDelete, named); status != http.StatusOK {
		t.Errorf("an empty collection: %d %s", status, text)
	}
}
