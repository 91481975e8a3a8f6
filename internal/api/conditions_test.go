package api_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestIfMatch: a change is made on the state that its caller has seen, or not at all.
func TestIfMatch(t *testing.T) {
	t.Parallel()
	const (
		read   = `{"kind":"meshUser","name":"user000"}`
		remove = `{"id":{"Kind":"meshUser","Name":"user000"},"allow_removals":true}`
	)
	for name, tc := range map[string]struct {
		reason string
		tag    func(document, revision string) string
		change string // of the documents, between reading and removing
		status int
	}{
		"the document":         {"it is as it was read", func(d, _ string) string { return d }, "", http.StatusOK},
		"another one changes":  {"the tag is the document's", func(d, _ string) string { return d }, "user001", http.StatusOK},
		"the document changes": {"it is another one", func(d, _ string) string { return d }, "user000", http.StatusPreconditionFailed},
		"all documents":        {"they are as they were read", func(_, r string) string { return r }, "", http.StatusOK},
		"one of all changes":   {"they are others", func(_, r string) string { return r }, "user001", http.StatusPreconditionFailed},
		"one of several":       {"one tag is enough", func(d, r string) string { return `"x", ` + r + "," + d }, "user001", http.StatusOK},
		"a weak tag":           {"the comparison is strong", func(d, _ string) string { return "W/" + d }, "", http.StatusPreconditionFailed},
		"any":                  {"it is stored", func(_, _ string) string { return "*" }, "user000", http.StatusOK},
		"no quotes":            {"it is no tag", func(d, _ string) string { return strings.Trim(d, `"`) }, "", http.StatusBadRequest},
		"an open quote":        {"it is no tag", func(d, _ string) string { return d[:5] }, "", http.StatusBadRequest},
		"nothing":              {"it is no tag", func(_, _ string) string { return " , " }, "", http.StatusBadRequest},
		"any and a tag":        {"* stands alone", func(d, _ string) string { return "*, " + d }, "", http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := install(t, 0)
			i.apply(t, users(2))
			one, _ := i.as(t, "ada", "documents/get", read)
			all, _ := i.as(t, "ada", "documents/get", `{"kind":"meshUser"}`)
			if tc.change != "" {
				i.apply(t, "{apiVersion: v2, kind: meshUser, metadata: {name: "+tc.change+"}, spec: {email: new@example.com}}")
			}
			response, text := i.as(t, "ada", "documents/delete", remove, "If-Match", tc.tag(one.Header.Get("ETag"), all.Header.Get("ETag")))
			if response.StatusCode != tc.status {
				t.Errorf("%s: %s with %s, want %d", tc.reason, response.Status, text, tc.status)
			}
			if kind := response.Header.Get("Content-Type"); tc.status != http.StatusOK && kind != "application/problem+json" {
				t.Errorf("the failure is %s, want problem details", kind)
			}
			after, _ := i.as(t, "ada", "documents/get", read)
			if deleted := after.StatusCode == http.StatusNotFound; deleted != (tc.status == http.StatusOK) {
				t.Errorf("%s: deleted is %t after %s", tc.reason, deleted, response.Status)
			}
		})
	}
}

// TestIfMatch_Methods have conditions of their own, or refuse them.
func TestIfMatch_Methods(t *testing.T) {
	t.Parallel()
	i := install(t, 0)
	i.apply(t, users(2))
	by, err := verified("ben") // ada lifts
	if err != nil {
		t.Fatal(err)
	}
	if _, err := i.store.Revoke(t.Context(), "user000", "left", by, nil); err != nil {
		t.Fatal(err)
	}
	revocation, _ := i.as(t, "ada", "revocations/get", `{"user":"user000"}`)
	if _, err := i.store.Revoke(t.Context(), "user000", "left for good", by, nil); err != nil {
		t.Fatal(err)
	}
	after, _ := i.as(t, "ada", "revocations/get", `{"user":"user000"}`)
	const (
		lift  = `{"user":"user000","reason":"came back"}`
		apply = `{"documents":[` + ben + `]}`
	)
	for _, tc := range []struct {
		reason           string
		path, body, tags string
		status           int
	}{
		{"the caller has not read the second request to revoke", "revocations/lift", lift, revocation.Header.Get("ETag"), http.StatusPreconditionFailed},
		{"a new document is no state", "documents/apply", apply, "*", http.StatusPreconditionFailed},
		{"a digest in the body is a condition, too", "documents/apply", `{"documents":[` + ben + `],"digest":"0123"}`, "", http.StatusPreconditionFailed},
		{"what is not tested is not ignored", "revocations/revoke", lift, "*", http.StatusBadRequest},
		{"nor where nothing changes", "documents/get", `{}`, `"x"`, http.StatusBadRequest},
		{"the caller has read both", "revocations/lift", lift, after.Header.Get("ETag"), http.StatusOK},
	} {
		var headers []string
		if tc.tags != "" {
			headers = []string{"If-Match", tc.tags}
		}
		if response, text := i.as(t, "ada", tc.path, tc.body, headers...); response.StatusCode != tc.status {
			t.Errorf("%s: %s: %s with %s, want %d", tc.path, tc.reason, response.Status, text, tc.status)
		}
	}
}
