package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/api"
	"github.com/rollcall-iam/rollcall/internal/control"
)

// calls counts the records of calls.
type calls struct {
	methods []string
	err     error
}

func (c *calls) Begin(_ context.Context, call control.Call) (int64, error) {
	c.methods = append(c.methods, call.Method+" by "+call.By.ID())
	return 1, c.err
}
func (*calls) End(context.Context, int64, string, json.RawMessage) error        { return nil }
func (*calls) Refuse(context.Context, control.Call, control.Code) error         { return nil }
func (*calls) CountRefused(context.Context, map[control.Credential]int64) error { return nil }

// TestLogin: everyone may read how to sign in, and only a caller who it is.
func TestLogin(t *testing.T) {
	t.Parallel()
	methods := []api.LoginMethod{{Issuer: "https://login.example.com", ClientID: "cli", Scopes: []string{"openid"}, Flows: []string{"code"}}}
	known := api.Whoami{
		Issuer: "https://login.example.com", Subject: "ada", Kind: "user", Expires: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		Roles: []api.CallerRole{{Role: "editor", Workspaces: []string{"marketing"}}},
	}
	records := &calls{}
	handler, err := api.NewHandler(api.Options{
		Login: methods, Audit: records, Log: slog.New(slog.DiscardHandler),
		Whoami: func(r *http.Request) (api.Whoami, access.Actor, error) {
			if r.Header.Get("Authorization") != "Bearer "+credential {
				return api.Whoami{}, access.Actor{}, &api.AuthError{Code: "missing", Message: "send a token"}
			}
			return known, ada(), nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	client := func(token string) *api.Client {
		c, err := api.NewClient(server.URL, nil, func(context.Context) (string, error) { return token, nil })
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	got, err := client("").LoginMethods(t.Context())
	if diff := cmp.Diff(methods, got); diff != "" || err != nil {
		t.Errorf("LoginMethods, %v (-want +got):\n%s", err, diff)
	}
	for reason, of := range map[string]func() (api.Whoami, error){
		"the client's token":   func() (api.Whoami, error) { return client(credential).Whoami(t.Context(), "") },
		"a token in its place": func() (api.Whoami, error) { return client("old").Whoami(t.Context(), credential) },
	} {
		got, err := of()
		if diff := cmp.Diff(known, got); diff != "" || err != nil {
			t.Errorf("%s: Whoami, %v (-want +got):\n%s", reason, err, diff)
		}
	}
	if diff := cmp.Diff([]string{"Whoami by os:ada@host", "Whoami by os:ada@host"}, records.methods); diff != "" {
		t.Errorf("recorded (-want +got):\n%s", diff)
	}
	if _, err := client("old").Whoami(t.Context(), ""); control.CodeOf(err) != control.Unauthenticated {
		t.Errorf("another token: %v", err)
	}
	records.err = errors.New("no database")
	if _, err := client(credential).Whoami(t.Context(), ""); control.CodeOf(err) != control.Unavailable {
		t.Errorf("a call that cannot be recorded: %v", err)
	}
	for _, path := range []string{"/v1/login?issuer=x", "/v1/whoami?as=ben"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+credential)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if response.StatusCode != http.StatusBadRequest || err != nil || !strings.Contains(string(text), "query parameters") {
			t.Errorf("%s: a parameter that is not read: %s %s, %v", path, response.Status, text, err)
		}
	}
}
