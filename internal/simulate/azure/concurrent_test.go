package azure

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// TestManyAtOnce lets many callers change one group at the same time, while the
// state is saved: none of their changes gets lost.
func TestManyAtOnce(t *testing.T) {
	s, err := New(Options{Stale: -1, File: filepath.Join(t.TempDir(), "state.json")})
	if err != nil {
		t.Fatal(err)
	}
	tenant := s.AddTenant("", "contoso.example")
	s.AddApp(tenant, "app", "secret")
	group := s.PlantGroup(tenant, Group{DisplayName: "team"})
	do := func(method, path, token, kind, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", kind)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		return w
	}
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {"app"}, "client_secret": {"secret"}, "scope": {"https://graph.microsoft.com/.default"},
	}
	var signedIn struct {
		Token string `json:"access_token"`
	}
	got := do(http.MethodPost, "/"+tenant+"/oauth2/v2.0/token", "", "application/x-www-form-urlencoded", form.Encode())
	if err := json.Unmarshal(got.Body.Bytes(), &signedIn); err != nil {
		t.Fatal(err)
	}
	const callers = 40
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			id := s.AddUser(tenant, fmt.Sprintf("p%d@contoso.example", i), "", true)
			body := `{"@odata.id":"https://example.com/v1.0/directoryObjects/` + id + `"}`
			if w := do(http.MethodPost, "/v1.0/groups/"+group+"/members/$ref", signedIn.Token, "application/json", body); w.Code != http.StatusNoContent {
				t.Errorf("adding is answered with %d %s", w.Code, w.Body)
			}
			if w := do(http.MethodGet, "/v1.0/groups/delta", signedIn.Token, "", ""); w.Code != http.StatusOK {
				t.Errorf("a delta is answered with %d", w.Code)
			}
		})
	}
	all.Wait()
	if g, _ := s.Group(tenant, group); len(g.Members) != callers {
		t.Errorf("the group has %d members, want %d", len(g.Members), callers)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
