package e2e

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"text/template"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/connection/connectiontest"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest/faultproxy"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	"github.com/rollcall-iam/rollcall/internal/engines/keystone"
	"github.com/rollcall-iam/rollcall/internal/engines/postgres"
	"github.com/rollcall-iam/rollcall/internal/engines/temporal"
)

// TestNobodyIsNamedOutsideTheDatabase runs every path, failures among them, and
// looks for people in all that Temporal keeps and in all that the worker tells.
func TestNobodyIsNamedOutsideTheDatabase(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	file, org := memoryWorld(s, 2, 5)
	arguments := s.watchArguments()
	s.observed()
	s.apply(org.documents())
	s.must(done, "plan", "--all")
	s.replicate(done)
	leavers := []string{bindingName(0, "admin", 0)}
	for n := range 4 {
		leavers = append(leavers, bindingName(0, "user", n))
	}
	s.apply(without(org.documents(), leavers...), "--prune", "--yes")
	s.replicate(waiting)
	breakPlatform(t, file, memory.Fault{Op: "write:*", Class: "denied"})
	s.apply(org.documents())
	if r := s.replicate(failed); r.Failed != 1 || len(r.Items[0].Warnings) == 0 || r.Items[0].Warnings[0].Code != string(access.PlatformDenied) {
		t.Errorf("with all writes denied: %+v, want the tenant that differs to fail, with a remark", r)
	}
	// An outage leaves an open activity with its last failure.
	s.hold(file, memory.Fault{Op: "*", Class: "unavailable"})

	found := s.scan(arguments())
	found.lacks("person", peopleOf(org))
	found.covers("acme.project-00/sandbox.local", "RollcallOutcome", "rollcall_tenants", "rollcall-worker --log-level debug")
	// Every input of a workflow has a cause, and no people: it shows whether
	// payloads are encrypted at all.
	found.lacks("payload", []string{`"cause"`})
}

// peopleOf are the names, addresses and euids of all people.
func peopleOf(org organisation) []string {
	var people []string
	for _, role := range roles {
		for n := range org.people {
			people = append(people, person(role, n))
		}
	}
	return append(people, "@example.com")
}

// TestExampleNamesNoUser replicates the organisation of the demo to a real
// Keystone, and looks for its people, the administrator's password and every token
// in the files of Temporal's own database, too, and for both in ours: people stand
// in the tables that are about people, secrets in none.
//
// It is not in the lane of TestOnKeystone, as it searches for minutes once it is done
// with Keystone.
func TestExampleNamesNoUser(t *testing.T) {
	t.Parallel()
	server := keystone.ForTest(t, keystone.Options{})
	dir := t.TempDir()
	s := stackOn(t, postgres.ForTest(t), temporal.Options{Dir: dir, LogFile: filepath.Join(dir, "temporal.log")})
	tokens := &tokenCatcher{next: http.DefaultTransport, seen: map[string]bool{}}
	target, err := url.Parse(strings.TrimSuffix(server.URL(), "/v3"))
	if err != nil {
		t.Fatal(err)
	}
	proxy := faultproxy.New(t, target, faultproxy.Through(tokens))
	documents := exampleOrganisation(t, server)
	s.connect(connectiontest.Of("openstack.harbour", "openstack", map[string]string{
		"url": strconv.Quote(proxy.URL() + "/v3"), "auth": "{environment: {prefix: ROLLCALL_OPENSTACK}}",
	}))
	arguments := s.watchArguments()
	var environ []string
	for name, value := range server.Admin().Environ("ROLLCALL_OPENSTACK") {
		environ = append(environ, name+"="+value)
	}
	s.observed(environ...)
	s.apply(documents)
	s.must(done, "plan", "--all")
	if r := s.replicate(done); r.Changed == 0 || r.Failed != 0 || r.Warnings == 0 {
		t.Fatalf("the example: %+v, want changes and remarks, and no failure", r)
	}
	proxy.Add(faultproxy.Rule{Fault: faultproxy.Fault{Status: http.StatusForbidden}})
	s.replicate(failed)

	found := s.scan(arguments())
	kept := files(t, dir)
	scan{t: t, bytes: kept}.covers("SQLite format 3", "fleet.tracking-dev/openstack.harbour")
	maps.Copy(found.bytes, kept)
	people := peopleIn(t, documents)
	found.lacks("person", people)
	found.covers("fleet.tracking-dev/openstack.harbour", "RollcallOutcome", "rollcall_tenants", "rollcall-worker --log-level debug")
	secrets := tokens.all()
	if len(secrets) == 0 {
		t.Error("no token was seen: the search for tokens finds nothing at all")
	}
	secrets = append(secrets, server.Admin().Password)
	found.lacks("secret", secrets)
	s.databaseNames(people, secrets)
}

// databaseNames checks that people stand only in the tables that are about people,
// by design, and secrets in none, nor in what commands write.
func (s *stack) databaseNames(people, secrets []string) {
	s.t.Helper()
	about := []string{"documents", "allocations", "accounts", "lookups", "places", "plans", "statuses", "records", "decisions", "tombstones"}
	others, all := scan{t: s.t, texts: map[string]string{}}, scan{t: s.t, texts: map[string]string{"commands' output": s.said.text()}}
	for name, text := range s.tables() {
		all.texts["table "+name] = text
		if !slices.Contains(about, name) {
			others.texts["table "+name] = text
		}
	}
	others.lacks("person", people)
	all.lacks("secret", secrets)
	all.covers(people[0]) // the documents name everybody
}

// exampleOrganisation returns the documents of the demo, with OpenStack and
// without the other platforms, and makes what they name on the server.
func exampleOrganisation(t *testing.T, server *keystone.Server) string {
	t.Helper()
	ctx := t.Context()
	seeder, err := server.Seed(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, role := range []string{"member", "reader", "load-balancer_admin"} {
		if _, err := seeder.Role(ctx, role); err != nil {
			t.Fatal(err)
		}
	}
	var all bytes.Buffer
	example := filepath.Join("..", "example")
	parts, err := filepath.Glob(filepath.Join(example, "[1-5]-*.yaml"))
	if err != nil || len(parts) == 0 {
		t.Fatalf("the example has %d files, %v", len(parts), err)
	}
	for _, part := range append(parts, filepath.Join(example, "7-openstack.yaml.tmpl")) {
		text, err := os.ReadFile(part)
		if err != nil {
			t.Fatal(err)
		}
		quoted := func(v string) (string, error) {
			body, err := json.Marshal(v)
			return string(body), err
		}
		project := func(name string) (string, error) { return seeder.Project(ctx, name) }
		rendered := template.Must(template.New(part).Funcs(template.FuncMap{"json": quoted, "project": project}).Parse(string(text)))
		if err := rendered.Execute(&all, nil); err != nil {
			t.Fatal(err)
		}
		all.WriteString("\n")
	}
	for i, user := range usersIn(t, all.String()) {
		if user.EUID == "" || i%10 == 9 {
			continue // some have no account
		}
		if _, err := seeder.User(ctx, user.EUID+"@example.com", true); err != nil {
			t.Fatal(err)
		}
	}
	return all.String()
}

func usersIn(t *testing.T, documents string) []document.User {
	t.Helper()
	docs, _, err := document.Decode(strings.NewReader(documents), "example")
	if err != nil {
		t.Fatal(err)
	}
	var users []document.User
	for _, d := range docs {
		typed, err := document.Parse(d)
		if err != nil {
			t.Fatal(err)
		}
		if user, ok := typed.(document.User); ok {
			users = append(users, user)
		}
	}
	return users
}

// peopleIn are the names, addresses and euids of all people in the documents.
func peopleIn(t *testing.T, documents string) []string {
	t.Helper()
	var people []string
	for _, user := range usersIn(t, documents) {
		for _, word := range []string{user.Name, user.Email, user.EUID, user.FirstName, user.LastName} {
			if word != "" {
				people = append(people, word)
			}
		}
	}
	if len(people) < 100 {
		t.Fatalf("the example has %d words for people, want those of forty", len(people))
	}
	return append(people, "@example.com")
}

// tokenCatcher notes the tokens that are given and shown.
type tokenCatcher struct {
	next http.RoundTripper
	mu   sync.Mutex
	seen map[string]bool
}

func (c *tokenCatcher) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := c.next.RoundTrip(r)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[r.Header.Get("X-Auth-Token")] = true
	if err == nil {
		c.seen[answer.Header.Get("X-Subject-Token")] = true
	}
	return answer, err
}

func (c *tokenCatcher) all() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var tokens []string
	for token := range c.seen {
		if token != "" {
			tokens = append(tokens, token)
		}
	}
	return tokens
}
