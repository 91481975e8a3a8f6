package kubernetes_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/engines/kubernetes"
)

// openshift is the front with somebody who may do everything.
type openshift struct{ url, token string }

func newOpenshift(t *testing.T) openshift {
	t.Helper()
	server := kubernetes.ForTest(t)
	for range 2 { // the types are there the second time
		if _, err := server.OpenShift(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	handler, err := server.OpenShift(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(handler)
	t.Cleanup(front.Close)
	token, err := server.Account(t.Context(), strings.ToLower(t.Name()), "cluster-admin", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return openshift{url: front.URL, token: token}
}

// ask makes one call and returns the answer's status, and its body as JSON.
func (o openshift) ask(t *testing.T, method, path, kind, body string) (int, map[string]any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, o.url+path, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+o.token)
	r.Header.Set("Content-Type", kind)
	r.Header.Set("Accept", "application/vnd.kubernetes.protobuf,application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	var object map[string]any
	if err := json.Unmarshal(text, &object); err != nil {
		t.Fatalf("%s %s answered %d %q", method, path, answer.StatusCode, text)
	}
	return answer.StatusCode, object
}

func nameOf(object map[string]any) string {
	metadata, _ := object["metadata"].(map[string]any)
	name, _ := metadata["name"].(string)
	return name
}

// TestOpenShiftNames keeps objects under names that custom resources do not have.
func TestOpenShiftNames(t *testing.T) {
	o := newOpenshift(t)
	const users, plain, merge = "/apis/user.openshift.io/v1/users", "application/json", "application/merge-patch+json"
	for _, name := range []string{"ada", "ada@example.com", "Ada Lovelace?", "ünï", "x-openshift-1", strings.Repeat("l", 300)} {
		body := `{"apiVersion":"user.openshift.io/v1","kind":"User","metadata":{"name":"` + name + `"}}`
		if status, made := o.ask(t, http.MethodPost, users, plain, body); status != http.StatusCreated || nameOf(made) != name {
			t.Errorf("making %q answered %d: %v", name, status, made)
		}
		if status, twin := o.ask(t, http.MethodPost, users, plain, body); status != http.StatusConflict || !strings.Contains(twin["message"].(string), name) {
			t.Errorf("making %q again answered %d: %v", name, status, twin)
		}
		path := users + "/" + url.PathEscape(name)
		if status, changed := o.ask(t, http.MethodPatch, path, merge, `{"fullName":"A"}`); status != http.StatusOK || nameOf(changed) != name {
			t.Errorf("changing %q answered %d: %v", name, status, changed)
		}
		_, list := o.ask(t, http.MethodGet, users+"?limit=500", plain, "")
		var found int
		for _, item := range list["items"].([]any) {
			if nameOf(item.(map[string]any)) == name {
				found++
			}
		}
		if found != 1 {
			t.Errorf("%q is %d times in the list", name, found)
		}
		if status, _ := o.ask(t, http.MethodDelete, path, plain, ""); status != http.StatusOK {
			t.Errorf("removing %q answered %d", name, status)
		}
		if status, _ := o.ask(t, http.MethodGet, path, plain, ""); status != http.StatusNotFound {
			t.Errorf("reading %q, who is gone, answered %d", name, status)
		}
	}
}

// TestOpenShiftRefuses what OpenShift refuses.
func TestOpenShiftRefuses(t *testing.T) {
	o := newOpenshift(t)
	const api, plain = "/apis/user.openshift.io/v1/", "application/json"
	group := func(name, users string) string {
		return `{"apiVersion":"user.openshift.io/v1","kind":"Group","metadata":{"name":"` + name + `"},"users":` + users + `}`
	}
	for reason, c := range map[string]struct {
		method, path, body string
		want               int
	}{
		"a colon in a group's name":      {http.MethodPost, "groups", group("system:x", "[]"), http.StatusUnprocessableEntity},
		"whoever asks as a group":        {http.MethodPost, "groups", group("~", "[]"), http.StatusUnprocessableEntity},
		"a member with a colon":          {http.MethodPost, "groups", group("g1", `["system:admin"]`), http.StatusUnprocessableEntity},
		"a member without a name":        {http.MethodPost, "groups", group("g2", `[""]`), http.StatusUnprocessableEntity},
		"a member who is whoever asks":   {http.MethodPost, "groups", group("g3", `["~"]`), http.StatusUnprocessableEntity},
		"members that are no list":       {http.MethodPost, "groups", group("g4", `"ada"`), http.StatusUnprocessableEntity},
		"nobody as members":              {http.MethodPost, "groups", group("g5", `null`), http.StatusCreated},
		"reading a name that cannot be":  {http.MethodGet, "users/a:b", "", http.StatusUnprocessableEntity},
		"reading oneself":                {http.MethodGet, "users/~", "", http.StatusOK},
		"a watch":                        {http.MethodGet, "users?watch=true", "", http.StatusMethodNotAllowed},
		"an identity, which has a colon": {http.MethodGet, "identities/idp:ada", "", http.StatusNotFound},
	} {
		if status, answer := o.ask(t, c.method, api+c.path, plain, c.body); status != c.want {
			t.Errorf("%s: answered %d %v, want %d", reason, status, answer, c.want)
		}
	}
}
