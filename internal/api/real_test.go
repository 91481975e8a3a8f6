package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/api"
	"github.com/rollcall-iam/rollcall/internal/authz"
	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/engine"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/internal/store/storetest"
)

// installation is a server of a real store, without Temporal and workers. A caller's credential
// is the subject by which an issuer knows them.
type installation struct {
	testServer
	store *store.Store
}

// verified is a caller whom the issuer of the tests knows.
func verified(name string) (access.Actor, error) {
	return access.VerifiedActor(access.VerifiedUser, "https://login.example.com", name)
}

// policies give the callers of the tests their rights.
const policies = `{apiVersion: v1, kind: AccessPolicy, metadata: {name: callers}, spec: {rules: [
	{callers: {issuer: https://login.example.com, subject: ada}, roles: [admin, operator, approver, security]},
	{callers: {issuer: https://login.example.com, subject: ben}, roles: [admin]},
	{callers: {issuer: https://login.example.com, subject: eva}, roles: [viewer], workspaces: [w1]}]}}`

// install returns a server with pages of so many items, and with the policies.
func install(t *testing.T, pageSize int) *installation {
	t.Helper()
	i := &installation{store: storetest.Open(t)}
	local := &control.Local{
		Store:    func(context.Context) (*store.Store, error) { return i.store, nil },
		Temporal: func(context.Context) (control.Temporal, error) { return control.Temporal{}, engine.ErrUnreachable },
		Platform: func(string) (control.Platform, bool) { return control.Platform{}, true },
		Now:      time.Now,
	}
	handler, err := api.NewHandler(api.Options{
		Service: func(r *http.Request) (control.Service, access.Actor, error) {
			name, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
			if !ok {
				return nil, access.Actor{}, &api.AuthError{Code: "missing", Message: "send a token"}
			}
			stored, err := i.store.Documents(r.Context(), store.Filter{Kind: document.KindAccessPolicy})
			if err != nil {
				return nil, access.Actor{}, err
			}
			compiled, err := authz.Compile(stored)
			if err != nil {
				return nil, access.Actor{}, err
			}
			by, err := verified(name)
			if err != nil {
				return nil, access.Actor{}, &api.AuthError{Code: "subject", Message: err.Error()}
			}
			return local.For(by, compiled.Rights(authz.Caller{Actor: by})), by, nil
		},
		State: i.store, PageSize: pageSize, Log: slog.New(slog.NewTextHandler(&i.log, nil)), Version: "1.2.3",
	})
	if err != nil {
		t.Fatal(err)
	}
	i.Server = httptest.NewServer(handler)
	t.Cleanup(i.Close)
	i.apply(t, policies)
	return i
}

// apply stores documents as an operator with the database.
func (i *installation) apply(t *testing.T, text string) store.Changes {
	t.Helper()
	documents, _, err := document.Decode(strings.NewReader(text), "test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	changes, err := i.store.Apply(t.Context(), store.ApplyRequest{Documents: documents, Checks: store.Checks{By: storetest.By("root")}})
	if err != nil {
		t.Fatal(err)
	}
	return changes
}

// as sends a request of a caller.
func (i *installation) as(t *testing.T, by, path, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	return i.call(t, "/v1/"+path, body, func(r *http.Request) {
		r.Header.Set("Authorization", "Bearer "+by)
		for n := 0; n < len(headers); n += 2 {
			r.Header.Set(headers[n], headers[n+1])
		}
	})
}

// page is a page of any list.
type page struct {
	Items     []json.RawMessage `json:"items"`
	Documents []json.RawMessage `json:"documents"`
	Next      string            `json:"nextPageToken"`
}

// page reads a page, whose status has to be 200.
func (i *installation) page(t *testing.T, by, path, body string) page {
	t.Helper()
	response, text := i.as(t, by, path, body)
	var p page
	if err := json.Unmarshal([]byte(text), &p); err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s with %s, %v", path, response.Status, text, err)
	}
	return p
}

// users are documents of so many users.
func users(count int) string {
	var all strings.Builder
	for n := range count {
		fmt.Fprintf(&all, "---\n{apiVersion: v2, kind: meshUser, metadata: {name: user%03d}, spec: {email: user%03d@example.com}}\n", n, n)
	}
	return all.String()
}
