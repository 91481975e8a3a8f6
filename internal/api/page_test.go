package api_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/api"
	"github.com/rollcall-iam/rollcall/internal/store/storetest"
)

// TestPages_JoinToTheWhole: pages of any size have every item once, in order.
func TestPages_JoinToTheWhole(t *testing.T) {
	t.Parallel()
	i := install(t, 0)
	i.apply(t, users(23))
	for _, user := range []string{"user001", "user003", "user007", "user009", "user011"} {
		if _, err := i.store.Revoke(t.Context(), user, "left", storetest.By("root"), nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{"documents/get", "documents/export", "revocations/list"} {
		whole := i.page(t, "ada", path, `{}`)
		if whole.Next != "" || len(whole.Documents)+len(whole.Items) < 5 {
			t.Fatalf("%s: %d items and the next page %q, want one page", path, len(whole.Documents)+len(whole.Items), whole.Next)
		}
		for _, size := range []int{1, 2, 3, 4, 5, 6, 22, 23, 24, 25} {
			var joined page
			for token, read := "", 0; read == 0 || token != ""; read++ {
				p := i.page(t, "ada", path, fmt.Sprintf(`{"pageSize":%d,"pageToken":%q}`, size, token))
				if len(p.Items)+len(p.Documents) > size {
					t.Errorf("%s: a page of %d has %d items", path, size, len(p.Items)+len(p.Documents))
				}
				joined.Items, joined.Documents, token = append(joined.Items, p.Items...), append(joined.Documents, p.Documents...), p.Next
			}
			if diff := cmp.Diff(whole, joined); diff != "" {
				t.Errorf("%s in pages of %d (-whole +joined):\n%s", path, size, diff)
			}
		}
	}
}

// TestPages_OfOneState: a change between two pages is in no page.
func TestPages_OfOneState(t *testing.T) {
	t.Parallel()
	i := install(t, 0)
	i.apply(t, users(9))
	for _, user := range []string{"user001", "user002", "user003"} {
		if _, err := i.store.Revoke(t.Context(), user, "left", storetest.By("root"), nil); err != nil {
			t.Fatal(err)
		}
	}
	documents := i.page(t, "ada", "documents/get", `{"kind":"meshUser","pageSize":4}`)
	revoked := i.page(t, "ada", "revocations/list", `{"pageSize":2}`)
	if err := i.store.Lift(t.Context(), "user001", "came back", storetest.By("root")); err != nil {
		t.Fatal(err)
	}
	// The states of lists are kept; former states of documents are not stored.
	rest := i.page(t, "ada", "revocations/list", fmt.Sprintf(`{"pageToken":%q}`, revoked.Next))
	if len(rest.Items) != 1 || !strings.Contains(string(rest.Items[0]), "user001") {
		t.Errorf("the second page has %s, want the revocation that was lifted since", rest.Items)
	}
	response, text := i.as(t, "ada", "documents/get", fmt.Sprintf(`{"kind":"meshUser","pageToken":%q}`, documents.Next))
	if response.StatusCode != http.StatusGone || !strings.Contains(text, "begin again") {
		t.Errorf("documents of another revision: %s with %s, want 410", response.Status, text)
	}
}

// TestPages_TokensAreBound to a caller with their rights, and to a request.
func TestPages_TokensAreBound(t *testing.T) {
	t.Parallel()
	i := install(t, 0)
	i.apply(t, users(9))
	for _, user := range []string{"user001", "user002", "user003"} {
		if _, err := i.store.Revoke(t.Context(), user, "left", storetest.By("root"), nil); err != nil {
			t.Fatal(err)
		}
	}
	token := i.page(t, "ada", "documents/get", `{"kind":"meshUser","pageSize":4}`).Next
	stored := i.page(t, "ada", "revocations/list", `{"pageSize":2}`).Next
	if strings.Contains(token, "user") {
		t.Errorf("the token names users: %s", token)
	}
	for name, tc := range map[string]struct {
		reason         string
		by, path, body string
		status         int
	}{
		"its request":       {"it is valid", "ada", "documents/get", `{"kind":"meshUser","pageToken":%q}`, http.StatusOK},
		"twice":             {"a page can be read again", "ada", "documents/get", `{"kind":"meshUser","pageSize":1,"pageToken":%q}`, http.StatusOK},
		"another caller":    {"a token is no right", "ben", "documents/get", `{"kind":"meshUser","pageToken":%q}`, http.StatusBadRequest},
		"no rights":         {"a token is no right", "eve", "documents/get", `{"kind":"meshUser","pageToken":%q}`, http.StatusForbidden},
		"another filter":    {"pages of two lists would be mixed", "ada", "documents/get", `{"kind":"meshProject","pageToken":%q}`, http.StatusBadRequest},
		"another method":    {"pages of two lists would be mixed", "ada", "documents/export", `{"pageToken":%q}`, http.StatusBadRequest},
		"a list":            {"pages of two lists would be mixed", "ada", "revocations/list", `{"pageToken":%q}`, http.StatusBadRequest},
		"a negative size":   {"it means nothing", "ada", "documents/get", `{"kind":"meshUser","pageSize":-1,"pageToken":%q}`, http.StatusBadRequest},
		"a larger size":     {"the size may change", "ada", "documents/get", `{"kind":"meshUser","pageSize":1000000,"pageToken":%q}`, http.StatusOK},
		"the kept list":     {"it is valid", "ada", "revocations/list", `{"pageToken":STORED}`, http.StatusOK},
		"its other request": {"with lifted ones it is another list", "ada", "revocations/list", `{"lifted":true,"pageToken":STORED}`, http.StatusBadRequest},
	} {
		body := strings.ReplaceAll(strings.ReplaceAll(tc.body, "%q", `"`+token+`"`), "STORED", `"`+stored+`"`)
		if response, text := i.as(t, tc.by, tc.path, body); response.StatusCode != tc.status {
			t.Errorf("%s: %s: %s with %s, want %d", name, tc.reason, response.Status, text, tc.status)
		}
	}
	for at := 0; at < len(token); at += 7 { // forged
		other := token[:at] + string(rune('A'+(token[at]+1)%26)) + token[at+1:]
		if other == token {
			continue
		}
		if response, text := i.as(t, "ada", "documents/get", fmt.Sprintf(`{"kind":"meshUser","pageToken":%q}`, other)); response.StatusCode != http.StatusBadRequest {
			t.Errorf("a forged token: %s with %s, want a refusal", response.Status, text)
		}
	}
	// A token of a former set of rights.
	i.apply(t, strings.Replace(policies, "operator, approver, security", "operator, security", 1))
	if response, text := i.as(t, "ada", "revocations/list", fmt.Sprintf(`{"pageToken":%q}`, stored)); response.StatusCode != http.StatusGone {
		t.Errorf("after a change of rights: %s with %s, want 410", response.Status, text)
	}
}

// TestPages_KeepFewLists of a caller, so that no caller fills the database.
func TestPages_KeepFewLists(t *testing.T) {
	t.Parallel()
	i := install(t, 0)
	i.apply(t, users(3))
	for _, user := range []string{"user000", "user001", "user002"} {
		if _, err := i.store.Revoke(t.Context(), user, "left", storetest.By("root"), nil); err != nil {
			t.Fatal(err)
		}
	}
	first := i.page(t, "ada", "revocations/list", `{"pageSize":1}`).Next
	other := i.page(t, "ben", "revocations/list", `{"pageSize":1}`).Next
	for range 4 {
		i.page(t, "ada", "revocations/list", `{"pageSize":1}`)
	}
	if response, text := i.as(t, "ada", "revocations/list", fmt.Sprintf(`{"pageToken":%q}`, first)); response.StatusCode != http.StatusGone {
		t.Errorf("the oldest list: %s with %s, want 410", response.Status, text)
	}
	i.page(t, "ben", "revocations/list", fmt.Sprintf(`{"pageToken":%q}`, other)) // those of others stay
	var lists int
	if err := i.store.Pool().QueryRow(t.Context(), "SELECT count(*) FROM lists").Scan(&lists); err != nil || lists != 5 {
		t.Errorf("%d lists are kept, %v, want four of ada and one of ben", lists, err)
	}
}

// TestPages_OfReadersOfSomeWorkspaces have what these read only.
func TestPages_OfReadersOfSomeWorkspaces(t *testing.T) {
	t.Parallel()
	i := install(t, 0)
	i.apply(t, users(5))
	for n := range 3 {
		i.apply(t, fmt.Sprintf("{apiVersion: v1, kind: meshWorkspace, metadata: {name: w%d}, spec: {displayName: W}}", n))
		for p := range 3 {
			i.apply(t, fmt.Sprintf("{apiVersion: v2, kind: meshProject, metadata: {name: p%d, ownedByWorkspace: w%d}, spec: {displayName: P}}", p, n))
		}
	}
	var all []string
	for token, read := "", 0; read == 0 || token != ""; read++ {
		p := i.page(t, "eva", "documents/get", fmt.Sprintf(`{"pageSize":2,"pageToken":%q}`, token))
		for _, d := range p.Documents {
			all = append(all, string(d))
		}
		token = p.Next
	}
	if len(all) != 4 || strings.Contains(strings.Join(all, ""), "user0") || strings.Contains(strings.Join(all, ""), "w2") {
		t.Errorf("the pages have %s, want the workspace w1 and its three projects", all)
	}
}

// TestClient_FollowsPages and begins again when the documents change in between.
func TestClient_FollowsPages(t *testing.T) {
	t.Parallel()
	i := install(t, 3)
	i.apply(t, users(20))
	requests := 0
	change := roundTripper(func(r *http.Request) (*http.Response, error) {
		if requests++; requests == 3 {
			i.apply(t, "{apiVersion: v2, kind: meshUser, metadata: {name: late}, spec: {email: late@example.com}}")
		}
		return i.Client().Transport.RoundTrip(r)
	})
	client, err := api.NewClient(i.URL, change, func(context.Context) (string, error) { return "ada", nil })
	if err != nil {
		t.Fatal(err)
	}
	found, err := client.Export(t.Context())
	if err != nil || len(found) != 22 {
		t.Errorf("%d documents, %v, want the 20 users, the late one and the policies", len(found), err)
	}
}

// roundTripper is a transport of one function.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
