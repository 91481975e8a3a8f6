package google_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/simulate/google"
)

// lab is one simulated Google, and somebody who may do everything there.
type lab struct {
	testing.TB
	server *google.Server
	url    string
	token  string
}

func admin() google.Account {
	return google.Account{Email: "admin@r.iam.gserviceaccount.com", GroupsAdmin: true, UsersReader: true, PolicyAdmin: true}
}

func newLab(t testing.TB, options google.Options) *lab {
	t.Helper()
	server, err := google.New(options)
	if err != nil {
		t.Fatal(err)
	}
	behind := httptest.NewServer(server)
	t.Cleanup(behind.Close)
	return &lab{TB: t, server: server, url: behind.URL, token: server.Token(admin())}
}

// quick has no lags.
func quick() google.Options { return google.Options{Stale: -1, IAMLag: -1, WriteTime: -1} }

// do makes one call and returns the status and the answer.
func (l *lab) do(method, path string, query url.Values, body any) (int, map[string]any) {
	l.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		l.Fatal(err)
	}
	if body == nil {
		text = nil
	}
	r, err := http.NewRequestWithContext(l.Context(), method, l.url+path+"?"+query.Encode(), bytes.NewReader(text))
	if err != nil {
		l.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+l.token)
	return l.send(r)
}

func (l *lab) send(r *http.Request) (int, map[string]any) {
	l.Helper()
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		l.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		l.Fatal(err)
	}
	var answer map[string]any
	if err := json.Unmarshal(text, &answer); err != nil {
		l.Fatalf("%s %s answers no JSON: %s", r.Method, r.URL.Path, text)
	}
	return response.StatusCode, answer
}

// ok makes a call that has to succeed.
func (l *lab) ok(method, path string, query url.Values, body any) map[string]any {
	l.Helper()
	status, answer := l.do(method, path, query, body)
	if status != http.StatusOK {
		l.Fatalf("%s %s answers %d: %v", method, path, status, answer)
	}
	return answer
}

// refused makes a call that has to fail with that code word.
func (l *lab) refused(reason, word, method, path string, query url.Values, body any) {
	l.Helper()
	status, answer := l.do(method, path, query, body)
	failure, _ := answer["error"].(map[string]any)
	if failure == nil || failure["code"] != float64(status) || failure["message"] == "" || len(failure["errors"].([]any)) != 1 {
		l.Fatalf("%s: %s %s answers %d, not in Google's form: %v", reason, method, path, status, answer)
	}
	if got := failure["status"]; got != word && (word != "" || got != nil) {
		l.Errorf("%s: %s %s is refused with %v, want %s: %v", reason, method, path, got, word, failure["message"])
	}
}

func group(email string) map[string]any {
	return map[string]any{
		"parent": "customers/C01rollcall", "groupKey": map[string]any{"id": email}, "displayName": "A group",
		"labels": map[string]string{"cloudidentity.googleapis.com/groups.discussion_forum": ""},
	}
}

func with(o map[string]any, name string, value any) map[string]any {
	o = maps.Clone(o)
	o[name] = value
	return o
}

func q(pairs ...string) url.Values {
	values := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		values.Add(pairs[i], pairs[i+1])
	}
	return values
}

func member(email string) map[string]any {
	return map[string]any{"preferredMemberKey": map[string]any{"id": email}}
}

// make makes a group and returns its name.
func (l *lab) make(email string) string {
	l.Helper()
	answer := l.ok("POST", "/v1/groups", q("initialGroupConfig", "EMPTY"), group(email))
	return answer["response"].(map[string]any)["name"].(string)
}

func TestGroupsThatAreRefused(t *testing.T) {
	l := newLab(t, quick())
	l.make("here@example.com")
	l.server.AddUser(google.User{PrimaryEmail: "ada@example.com", Aliases: []string{"countess@example.com"}})
	good := group("x@example.com")
	for reason, c := range map[string]struct {
		word string
		body map[string]any
	}{
		"the address is taken":           {"ALREADY_EXISTS", group("Here@Example.com")},
		"a user has the address":         {"ALREADY_EXISTS", group("ada@example.com")},
		"a user has it as an alias":      {"ALREADY_EXISTS", group("countess@example.com")},
		"another domain":                 {"INVALID_ARGUMENT", group("x@example.org")},
		"no such address":                {"INVALID_ARGUMENT", group("x y@example.com")},
		"two dots":                       {"INVALID_ARGUMENT", group("x..y@example.com")},
		"too long":                       {"INVALID_ARGUMENT", group(strings.Repeat("x", 65) + "@example.com")},
		"a reserved address":             {"INVALID_ARGUMENT", group("abuse@example.com")},
		"no forum":                       {"INVALID_ARGUMENT", with(good, "labels", map[string]string{})},
		"a label of one's own":           {"INVALID_ARGUMENT", with(good, "labels", map[string]string{"cloudidentity.googleapis.com/groups.discussion_forum": "", "mine": ""})},
		"another customer":               {"PERMISSION_DENIED", with(good, "parent", "customers/C02other")},
		"a field that nobody knows":      {"INVALID_ARGUMENT", with(good, "color", "red")},
		"a description that is too long": {"INVALID_ARGUMENT", with(good, "description", strings.Repeat("x", 4097))},
		"a name that is too long":        {"INVALID_ARGUMENT", with(good, "displayName", strings.Repeat("x", 74))},
		"no key":                         {"INVALID_ARGUMENT", with(good, "groupKey", nil)},
	} {
		l.refused(reason, c.word, "POST", "/v1/groups", q("initialGroupConfig", "EMPTY"), c.body)
	}
	l.refused("a parameter that nobody knows", "INVALID_ARGUMENT", "POST", "/v1/groups", q("dryRun", "1"), good)
	l.refused("no such group", "PERMISSION_DENIED", "GET", "/v1/groups/0nothing", nil, nil)
	l.refused("no such group by address", "PERMISSION_DENIED", "GET", "/v1/groups:lookup", q("groupKey.id", "y@example.com"), nil)
	l.refused("members of no group", "PERMISSION_DENIED", "GET", "/v1/groups/0nothing/memberships", nil, nil)
	l.refused("a search without a parent", "INVALID_ARGUMENT", "GET", "/v1/groups:search", q("query", "group_key == 'x'"), nil)
	l.refused("a search that is no CEL", "INVALID_ARGUMENT", "GET", "/v1/groups:search", q("query", "parent == 'customers/C01rollcall' && color == 'red'"), nil)
	l.refused("a page that is too long", "INVALID_ARGUMENT", "GET", "/v1/groups", q("parent", "customers/C01rollcall", "view", "FULL", "pageSize", "501"), nil)
	l.refused("a token of another list", "INVALID_ARGUMENT", "GET", "/v1/groups", q("parent", "customers/C01rollcall", "pageToken", "eDB"), nil)
}

func TestAddressesNeverChange(t *testing.T) {
	l := newLab(t, quick())
	name := l.make("here@example.com")
	l.refused("the key is immutable", "INVALID_ARGUMENT", "PATCH", "/v1/"+name, q("updateMask", "groupKey"), group("there@example.com"))
	l.ok("PATCH", "/v1/"+name, q("updateMask", "description"), map[string]any{"description": "new"})
	if got := l.ok("GET", "/v1/"+name, nil, nil); got["description"] != "new" || got["groupKey"].(map[string]any)["id"] != "here@example.com" {
		t.Errorf("the group is now %v", got)
	}
}

func TestMembershipsThatAreRefused(t *testing.T) {
	l := newLab(t, quick())
	name := l.make("here@example.com")
	l.server.AddUser(google.User{PrimaryEmail: "ada@example.com"})
	made := l.ok("POST", "/v1/"+name+"/memberships", nil, member("Ada@example.com"))["response"].(map[string]any)
	for reason, c := range map[string]struct {
		word string
		body map[string]any
	}{
		"there already":         {"ALREADY_EXISTS", member("ada@example.com")},
		"nobody":                {"NOT_FOUND", member("eve@example.com")},
		"owners are members":    {"INVALID_ARGUMENT", with(member("x@example.org"), "roles", []any{map[string]any{"name": "OWNER"}})},
		"no such role":          {"INVALID_ARGUMENT", with(member("x@example.org"), "roles", []any{map[string]any{"name": "KING"}})},
		"a field of the past":   {"INVALID_ARGUMENT", with(member("x@example.org"), "memberKey", map[string]any{"id": "x"})},
		"no key":                {"INVALID_ARGUMENT", map[string]any{}},
		"a key of another sort": {"INVALID_ARGUMENT", map[string]any{"preferredMemberKey": map[string]any{"id": "x", "namespace": "identitysources/1"}}},
	} {
		l.refused(reason, c.word, "POST", "/v1/"+name+"/memberships", nil, c.body)
	}
	l.ok("DELETE", "/v1/"+made["name"].(string), nil, nil)
	l.refused("gone already", "PERMISSION_DENIED", "DELETE", "/v1/"+made["name"].(string), nil, nil)
}

// TestOneWriteAtATime aborts one of two writes to the members of a group.
func TestOneWriteAtATime(t *testing.T) {
	options := quick()
	options.WriteTime = 100 * time.Millisecond
	l := newLab(t, options)
	name := l.make("here@example.com")
	statuses := make([]int, 2)
	var running sync.WaitGroup
	for i := range statuses {
		running.Go(func() {
			statuses[i], _ = l.do("POST", "/v1/"+name+"/memberships", nil, member(fmt.Sprintf("x%d@example.org", i)))
		})
	}
	running.Wait()
	slices.Sort(statuses)
	if want := []int{http.StatusOK, http.StatusConflict}; !slices.Equal(want, statuses) {
		t.Errorf("two writes at once are answered %v, want %v", statuses, want)
	}
}

// policyOf reads the test's project's policy of that version.
func (l *lab) policyOf(version int) map[string]any {
	l.Helper()
	return l.ok("POST", "/v3/projects/rollcall-test:getIamPolicy", nil,
		map[string]any{"options": map[string]any{"requestedPolicyVersion": version}})
}

func binding(role string, members ...string) map[string]any {
	return map[string]any{"role": role, "members": members}
}

func TestPoliciesThatAreRefused(t *testing.T) {
	l := newLab(t, quick())
	l.server.AddProject("rollcall-test")
	l.make("here@example.com")
	l.server.Bind("rollcall-test", google.Binding{Role: "roles/browser", Members: []string{"domain:example.com"}, Condition: `{"expression":"true","title":"always"}`})
	set := "/v3/projects/rollcall-test:setIamPolicy"
	now := l.policyOf(3)
	many := make([]any, 251)
	for i := range many {
		many[i] = binding("roles/viewer", fmt.Sprintf("group:g%d@example.org", i))
	}
	for reason, c := range map[string]struct {
		word   string
		policy map[string]any
	}{
		"it has moved":               {"ABORTED", with(now, "etag", "AAAA")},
		"conditions need version 3":  {"INVALID_ARGUMENT", with(now, "version", 1)},
		"nobody knows the group":     {"INVALID_ARGUMENT", with(now, "bindings", []any{binding("roles/viewer", "group:there@example.com")})},
		"nobody knows the user":      {"INVALID_ARGUMENT", with(now, "bindings", []any{binding("roles/viewer", "user:eve@example.com")})},
		"not for projects":           {"INVALID_ARGUMENT", with(now, "bindings", []any{binding("roles/viewer", "allUsers")})},
		"no such role":               {"INVALID_ARGUMENT", with(now, "bindings", []any{binding("viewer", "domain:example.com")})},
		"nobody":                     {"INVALID_ARGUMENT", with(now, "bindings", []any{binding("roles/viewer")})},
		"too many groups":            {"INVALID_ARGUMENT", with(now, "bindings", many)},
		"a field that nobody knows":  {"INVALID_ARGUMENT", with(now, "color", "red")},
		"deleted, but never there":   {"INVALID_ARGUMENT", with(now, "bindings", []any{binding("roles/viewer", "deleted:group:x@example.com?uid=1")})},
		"a basic role":               {"INVALID_ARGUMENT", with(now, "bindings", []any{with(binding("roles/viewer", "domain:x.org"), "condition", map[string]any{"expression": "true"})})},
		"no such version":            {"INVALID_ARGUMENT", with(now, "version", 2)},
		"a binding's unknown field":  {"INVALID_ARGUMENT", with(now, "bindings", []any{with(binding("roles/viewer", "domain:x.org"), "color", "red")})},
		"a condition without a text": {"INVALID_ARGUMENT", with(now, "bindings", []any{with(binding("roles/viewer", "domain:x.org"), "condition", map[string]any{"title": "t"})})},
	} {
		l.refused(reason, c.word, "POST", set, nil, map[string]any{"policy": c.policy})
	}
	l.refused("no such project", "PERMISSION_DENIED", "POST", "/v3/projects/nothing-here:getIamPolicy", nil, map[string]any{})
	if diff := cmp.Diff(now, l.policyOf(3)); diff != "" {
		t.Errorf("what was refused has changed something: %s", diff)
	}
	old := fmt.Sprint(l.policyOf(1))
	if !strings.Contains(old, "roles/browser_withcond_") || strings.Contains(old, "always") {
		t.Errorf("a caller of version 1 sees conditions, or a role that it takes for one without: %s", old)
	}
}

// TestIAMIsLate refuses a group that is too young, and takes it later.
func TestIAMIsLate(t *testing.T) {
	now := time.Now()
	l := newLab(t, google.Options{Stale: -1, WriteTime: -1, Clock: func() time.Time { return now }})
	l.server.AddProject("rollcall-test")
	l.make("young@example.com")
	policy := with(l.policyOf(3), "bindings", []any{binding("roles/viewer", "group:young@example.com")})
	l.refused("IAM has not heard of it", "INVALID_ARGUMENT", "POST", "/v3/projects/rollcall-test:setIamPolicy", nil, map[string]any{"policy": policy})
	now = now.Add(2 * time.Second)
	l.ok("POST", "/v3/projects/rollcall-test:setIamPolicy", nil, map[string]any{"policy": policy})
}

// TestReadsAreLate shows a group and its members only after a while, by a clock
// that the test moves.
func TestReadsAreLate(t *testing.T) {
	now := time.Now()
	l := newLab(t, google.Options{Clock: func() time.Time { return now }, WriteTime: -1})
	name := l.make("late@example.com")
	l.refused("nobody sees it yet", "PERMISSION_DENIED", "GET", "/v1/"+name, nil, nil)
	l.refused("but the address is taken", "ALREADY_EXISTS", "POST", "/v1/groups", nil, group("late@example.com"))
	now = now.Add(2 * time.Second)
	l.ok("POST", "/v1/"+name+"/memberships", nil, member("x@example.org"))
	if got := l.ok("GET", "/v1/"+name+"/memberships", nil, nil); len(got) > 0 {
		t.Errorf("a member is seen at once: %v", got)
	}
	now = now.Add(2 * time.Second)
	if got := l.ok("GET", "/v1/"+name+"/memberships", nil, nil); len(got["memberships"].([]any)) != 1 {
		t.Errorf("a member is not seen after the lag: %v", got)
	}
	l.ok("DELETE", "/v1/"+name, nil, nil)
	l.ok("GET", "/v1/"+name, nil, nil)
	now = now.Add(2 * time.Second)
	l.refused("in the end it is gone", "PERMISSION_DENIED", "GET", "/v1/"+name, nil, nil)
}

// TestWhoMayCall refuses tokens that nobody knows, that have expired, and that are
// for something else.
func TestWhoMayCall(t *testing.T) {
	now := time.Now()
	l := newLab(t, google.Options{Stale: -1, Clock: func() time.Time { return now }})
	full := l.token
	const scope = "https://www.googleapis.com/auth/"
	for _, c := range []struct{ reason, token, word string }{
		{"unknown", "hello", "UNAUTHENTICATED"},
		{"none", "", "UNAUTHENTICATED"},
		{"of another API", l.server.Token(admin(), scope+"admin.directory.user"), "PERMISSION_DENIED"},
		{"of somebody who may not", l.server.Token(google.Account{Email: "x"}), "PERMISSION_DENIED"},
	} {
		l.token = c.token
		l.refused(c.reason, c.word, "GET", "/v1/groups", q("parent", "customers/C01rollcall"), nil)
	}
	l.token = l.server.Token(admin(), scope+"cloud-identity.groups.readonly")
	l.ok("GET", "/v1/groups", q("parent", "customers/C01rollcall"), nil)
	l.refused("only for reading", "PERMISSION_DENIED", "POST", "/v1/groups", nil, group("x@example.com"))
	l.token, now = full, now.Add(time.Hour)
	l.refused("expired", "UNAUTHENTICATED", "GET", "/v1/groups", q("parent", "customers/C01rollcall"), nil)
}

// TestDirectoryQuotas are refused with 403, without a code word.
func TestDirectoryQuotas(t *testing.T) {
	options := quick()
	options.Quotas = map[string]float64{"directory": 1, "policyWrite": -1}
	l := newLab(t, options)
	l.ok("GET", "/admin/directory/v1/users", q("customer", "my_customer"), nil)
	l.refused("one a minute", "", "GET", "/admin/directory/v1/users", q("customer", "my_customer"), nil)
}

// TestTheStateSurvives a restart, from the file.
func TestTheStateSurvives(t *testing.T) {
	options := quick()
	options.File = filepath.Join(t.TempDir(), "state.json")
	l := newLab(t, options)
	l.server.AddProject("rollcall-test")
	l.server.AddUser(google.User{PrimaryEmail: "ada@example.com"})
	name := l.make("here@example.com")
	l.ok("POST", "/v1/"+name+"/memberships", nil, member("ada@example.com"))
	l.server.Bind("rollcall-test", google.Binding{Role: "roles/viewer", Members: []string{"group:here@example.com"}})
	all := func(l *lab) []any {
		return []any{
			l.ok("GET", "/v1/"+name, nil, nil), l.ok("GET", "/v1/"+name+"/memberships", nil, nil),
			l.policyOf(3), l.ok("GET", "/admin/directory/v1/users/ada@example.com", nil, nil),
		}
	}
	before := all(l)
	if diff := cmp.Diff(before, all(newLab(t, options))); diff != "" {
		t.Errorf("after a restart: %s", diff)
	}
	if other := newLab(t, options).make("next@example.com"); other == name {
		t.Error("after a restart ids are given again")
	}
}

// TestDeletedGroupsInPolicies are marked as Google marks them.
func TestDeletedGroupsInPolicies(t *testing.T) {
	l := newLab(t, quick())
	l.server.AddProject("rollcall-test")
	name := l.make("here@example.com")
	l.server.Bind("rollcall-test", google.Binding{Role: "roles/viewer", Members: []string{"group:here@example.com"}})
	l.ok("DELETE", "/v1/"+name, nil, nil)
	now := l.policyOf(3)
	if !strings.Contains(fmt.Sprint(now), "deleted:group:here@example.com?uid=") {
		t.Errorf("the policy names the group as if it were there: %v", now)
	}
	l.ok("POST", "/v3/projects/rollcall-test:setIamPolicy", nil, map[string]any{"policy": now})
}

// TestGroupsArePatched by a mask, which names what can change.
func TestGroupsArePatched(t *testing.T) {
	l := newLab(t, quick())
	name := "/v1/" + l.make("patched@example.com")
	const forum, security = "cloudidentity.googleapis.com/groups.discussion_forum", "cloudidentity.googleapis.com/groups.security"
	l.ok("PATCH", name, q("updateMask", "labels"), map[string]any{"labels": map[string]string{forum: "", security: ""}})
	before := l.ok("GET", name, nil, nil)
	for reason, c := range map[string]struct {
		mask string
		body map[string]any
	}{
		"nothing is named":             {"", map[string]any{"description": "d"}},
		"the key never changes":        {"groupKey", map[string]any{"groupKey": map[string]any{"id": "other@example.com"}}},
		"one of two is no field":       {"description,name", map[string]any{"description": "d"}},
		"a description has a limit":    {"description", map[string]any{"description": strings.Repeat("d", 4097)}},
		"a security group remains one": {"labels", map[string]any{"labels": map[string]string{forum: ""}}},
		"a field that no group has":    {"description", map[string]any{"text": "d"}},
	} {
		l.refused(reason, "INVALID_ARGUMENT", "PATCH", name, q("updateMask", c.mask), c.body)
	}
	l.refused("there is none", "PERMISSION_DENIED", "PATCH", "/v1/groups/none", q("updateMask", "description"), map[string]any{"description": "d"})
	if diff := cmp.Diff(before, l.ok("GET", name, nil, nil)); diff != "" {
		t.Errorf("what was refused changed the group: %s", diff)
	}
	l.ok("PATCH", name, q("updateMask", "description"), map[string]any{"description": "d", "displayName": "not named"})
	now := l.ok("GET", name, nil, nil)
	if now["description"] != "d" || now["displayName"] != before["displayName"] {
		t.Errorf("the mask names the description, and there is %v", now)
	}
}

// TestAddresses_LettersBeyondASCII: users whose addresses differ by more than the case of the
// letters a to z are different users, wherever an address is read.
func TestAddresses_LettersBeyondASCII(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		reason, other string
		same          bool
	}{
		{"a capital letter is the small one", "KIM@example.com", true},
		{"the Kelvin sign is no k", "\u212aim@example.com", false},
		{"a dotted capital I is no i", "k\u0130m@example.com", false},
	} {
		t.Run(tc.reason, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, quick())
			user := l.server.AddUser(google.User{PrimaryEmail: "kim@example.com"})
			want := user.ID
			if !tc.same {
				want = l.server.AddUser(google.User{PrimaryEmail: tc.other}).ID
			}
			if got := l.ok("GET", "/admin/directory/v1/users/"+url.PathEscape(tc.other), nil, nil); got["id"] != want {
				t.Errorf("the address means the user %v, want %s", got["id"], want)
			}
			found := l.ok("GET", "/admin/directory/v1/users", q("customer", "my_customer", "query", "email='"+tc.other+"'"), nil)
			if users, _ := found["users"].([]any); len(users) != 1 || users[0].(map[string]any)["id"] != want {
				t.Errorf("the search finds %v, want the user %s alone", found["users"], want)
			}
			at := "/v1/" + l.make("crew@example.com") + "/memberships"
			l.ok("POST", at, nil, member("kim@example.com"))
			if !tc.same {
				l.ok("POST", at, nil, member(tc.other))
			} else {
				l.refused("the user is a member", "ALREADY_EXISTS", "POST", at, nil, member(tc.other))
			}
		})
	}
}
