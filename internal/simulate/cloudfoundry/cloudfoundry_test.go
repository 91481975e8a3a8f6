package cloudfoundry_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/simulate"
	"github.com/rollcall-iam/rollcall/internal/simulate/cloudfoundry"
)

// caller calls a simulated Cloud Foundry.
type caller struct {
	*testing.T
	cloud *cloudfoundry.Server
	token string
}

func start(t *testing.T, options cloudfoundry.Options) *caller {
	t.Helper()
	cloud, err := cloudfoundry.New(options)
	if err != nil {
		t.Fatal(err)
	}
	c := &caller{T: t, cloud: cloud}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"admin"}, "client_secret": {"admin-secret"}}
	r := httptest.NewRequest(http.MethodPost, "/oauth/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer := c.do(r)
	c.token, _ = answer.body["access_token"].(string)
	if answer.status != http.StatusOK || c.token == "" {
		t.Fatalf("signing in: %+v", answer)
	}
	return c
}

type answer struct {
	status int
	header http.Header
	body   map[string]any
}

func (c *caller) do(r *http.Request) answer {
	c.Helper()
	if c.token != "" {
		r.Header.Set("Authorization", "bearer "+c.token)
	}
	w := httptest.NewRecorder()
	c.cloud.ServeHTTP(w, r)
	text, err := io.ReadAll(w.Result().Body)
	if err != nil {
		c.Fatal(err)
	}
	a := answer{status: w.Code, header: w.Header()}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &a.body); err != nil {
			c.Fatalf("%s: %v", text, err)
		}
	}
	return a
}

func (c *caller) call(method, target, body string) answer {
	c.Helper()
	return c.do(httptest.NewRequest(method, target, strings.NewReader(body)))
}

// detail is the text of the first error, as the Cloud Controller writes it.
func (a answer) detail() string {
	list, _ := a.body["errors"].([]any)
	if len(list) == 0 {
		return ""
	}
	first, _ := list[0].(map[string]any)
	text, _ := first["detail"].(string)
	return text
}

func newRole(kind, where, place, who string) string {
	return fmt.Sprintf(`{"type":%q,"relationships":{%q:{"data":{"guid":%q}},"user":{"data":{"guid":%q}}}}`, kind, where, place, who)
}

// TestRulesOfRoles walks through what the Cloud Controller refuses.
func TestRulesOfRoles(t *testing.T) {
	c := start(t, cloudfoundry.Options{})
	org := c.cloud.AddOrganization("acme")
	space := c.cloud.AddSpace(org, "shop")
	ada := c.cloud.AddAccount("ada@example.com", "sso")
	c.cloud.AddAccount("ADA@example.com", "ldap")
	byName := func(origin string) string {
		return `{"type":"organization_auditor","relationships":{"organization":{"data":{"guid":"` + org +
			`"}},"user":{"data":{"username":"ada@example.com"` + origin + `}}}}`
	}
	for _, step := range []struct {
		reason, method, target, body string
		status                       int
		detail                       string
	}{
		{"nobody is in a space before the organization", "POST", "/v3/roles", newRole("space_developer", "space", space, ada), 422,
			"Users cannot be assigned roles in a space if they do not have a role in that space's organization."},
		{"the Cloud Controller does not know them yet", "GET", "/v3/users?usernames=ada@example.com", "", 200, ""},
		{"a role in the organization makes them known", "POST", "/v3/roles", newRole("organization_user", "organization", org, ada), 201, ""},
		{"then comes the space", "POST", "/v3/roles", newRole("space_developer", "space", space, ada), 201, ""},
		{"nobody has a role twice", "POST", "/v3/roles", newRole("space_developer", "space", space, ada), 422,
			"User 'ada@example.com' already has 'space_developer' role in space 'shop'."},
		{"a role in a space is about a space", "POST", "/v3/roles", newRole("space_developer", "organization", org, ada), 422,
			`Relationships Role with type "space_developer" must be associated with a space.`},
		{"no such role", "POST", "/v3/roles", newRole("space_king", "space", space, ada), 422, "Type must be one of the allowed types"},
		{"no such space", "POST", "/v3/roles", newRole("space_auditor", "space", "none", ada), 422,
			"Invalid space. Ensure that the space exists and you have access to it."},
		{"no such organization", "POST", "/v3/roles", newRole("organization_user", "organization", "none", ada), 422,
			"Invalid organization. Ensure that the organization exists and you have access to it."},
		{"a name of two origins", "POST", "/v3/roles", byName(""), 422, "Ambiguous user."},
		{"one of them", "POST", "/v3/roles", byName(`,"origin":"sso"`), 201, ""},
		{"a field that nobody knows", "POST", "/v3/roles", `{"kind":"space_auditor"}`, 422, "Unknown field(s)"},
		{"no text of an object", "POST", "/v3/roles", `[`, 400, "Request invalid due to parse error"},
		{"a parameter that nobody knows", "GET", "/v3/roles?spaces=a", "", 400, "The query parameter is invalid: Unknown query parameter(s): 'spaces'"},
		{"a page that is too long", "GET", "/v3/roles?per_page=5001", "", 400, "The query parameter is invalid: Per page must be between 1 and 5000"},
		{"origins without names", "GET", "/v3/users?origins=sso", "", 422, "Origins filter cannot be provided without usernames filter."},
		{"a user by name of UAA's own", "POST", "/v3/users", `{"username":"x","origin":"uaa"}`, 422, "Origin cannot be 'uaa'"},
		{"a user again", "POST", "/v3/users", `{"guid":"` + ada + `"}`, 422, "User with guid '" + ada + "' already exists."},
		{"no such role to delete", "DELETE", "/v3/roles/none", "", 404, "Role not found"},
		{"no such call", "GET", "/v3/nonsense", "", 404, "Unknown request"},
	} {
		got := c.call(step.method, step.target, step.body)
		if got.status != step.status || !strings.HasPrefix(got.detail(), step.detail) {
			t.Errorf("%s: %d %q, want %d %q", step.reason, got.status, got.detail(), step.status, step.detail)
		}
	}
	for _, r := range c.cloud.Roles() {
		if r.Type != "organization_user" {
			continue
		}
		if got := c.call("DELETE", "/v3/roles/"+r.GUID, ""); got.status != 422 || !strings.Contains(got.detail(), "user has roles in spaces") {
			t.Errorf("organization_user was taken from under a role in a space: %d %q", got.status, got.detail())
		}
	}
}

func TestTokens(t *testing.T) {
	now := time.Now()
	c := start(t, cloudfoundry.Options{Clock: func() time.Time { return now }})
	good := c.token
	for _, test := range []struct {
		reason, token string
		after         time.Duration
		status        int
	}{
		{"a token", good, 0, 200},
		{"no token", "", 0, 401},
		{"somebody else's", "eyJhbGciOiJIUzI1NiJ9.e30.AAAA", 0, 401},
		{"an expired one", good, time.Hour, 401},
	} {
		c.token = test.token
		now = now.Add(test.after)
		if got := c.call("GET", "/v3/spaces", ""); got.status != test.status {
			t.Errorf("%s: %d, want %d", test.reason, got.status, test.status)
		}
		want := test.status
		if got := c.call("GET", "/Users", ""); got.status != want {
			t.Errorf("%s, for UAA: %d, want %d", test.reason, got.status, want)
		}
	}
}

func TestPagesAndJobsAndLimits(t *testing.T) {
	now := time.Now()
	c := start(t, cloudfoundry.Options{
		Clock: func() time.Time { return now }, JobTime: time.Minute, Stale: time.Second,
		Throttle: &simulate.Throttle{PerSecond: 1, Burst: 8},
	})
	org := c.cloud.AddOrganization("acme")
	for i := range 3 {
		c.cloud.AddSpace(org, fmt.Sprintf("space-%d", i))
	}
	if got := c.call("GET", "/v3/spaces", ""); fmt.Sprint(got.body["resources"]) != "[]" {
		t.Errorf("a stale list shows %v", got.body["resources"])
	}
	now = now.Add(2 * time.Second)
	seen := 0
	for target := "/v3/spaces?per_page=2&organization_guids=" + org; target != ""; {
		got := c.call("GET", target, "")
		pages, _ := got.body["pagination"].(map[string]any)
		resources, _ := got.body["resources"].([]any)
		seen += len(resources)
		target = ""
		if next, ok := pages["next"].(map[string]any); ok {
			target, _ = next["href"].(string)
		}
	}
	if seen != 3 {
		t.Errorf("the pages have %d spaces, want 3", seen)
	}
	role := c.cloud.GiveRole("organization_user", "", org, c.cloud.AddUser("ada@example.com", "sso"))
	begun := c.call("DELETE", "/v3/roles/"+role, "")
	job := begun.header.Get("Location")
	if got := c.call("GET", job, ""); begun.status != 202 || got.body["state"] != "PROCESSING" {
		t.Errorf("the job: %d, %v", begun.status, got.body)
	}
	now = now.Add(time.Minute)
	if got := c.call("GET", job, ""); got.body["state"] != "COMPLETE" || len(c.cloud.Roles()) != 0 {
		t.Errorf("the job: %v, roles %v", got.body, c.cloud.Roles())
	}
	var last answer
	for range 9 {
		last = c.call("GET", "/v3/spaces", "")
	}
	if last.status != 429 || last.header.Get("Retry-After") != last.header.Get("X-Ratelimit-Reset") || last.header.Get("X-Ratelimit-Remaining") != "0" {
		t.Errorf("above the limit: %d, %v", last.status, last.header)
	}
}

func TestStateSurvivesARestart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cloud.json")
	c := start(t, cloudfoundry.Options{File: file})
	org := c.cloud.AddOrganization("acme")
	c.cloud.GiveRole("organization_manager", "", org, c.cloud.AddUser("ada@example.com", "sso"))
	again, err := cloudfoundry.New(cloudfoundry.Options{File: file})
	if err != nil {
		t.Fatal(err)
	}
	c.cloud = again // the token is still good
	got := c.call("GET", "/v3/roles?include=user,organization&organization_guids="+org, "")
	if text := fmt.Sprint(got.body); got.status != 200 || !strings.Contains(text, "organization_manager") || !strings.Contains(text, "ada@example.com") {
		t.Errorf("after a restart: %d %s", got.status, text)
	}
}
