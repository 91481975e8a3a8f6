package gcp_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest/faultproxy"
	"github.com/rollcall-iam/rollcall/internal/driver/gcp"
	"github.com/rollcall-iam/rollcall/internal/simulate/google"
)

const (
	domain   = "example.com"
	customer = "C01rollcall"
	robot    = "rollcall@rollcall.iam.gserviceaccount.com"
)

// lawRoles exist on every project and do not imply one another here.
func lawRoles() []string { return []string{"roles/viewer", "roles/editor", "roles/logging.admin"} }

// key makes the one key pair of all tests: that takes a while.
var key = sync.OnceValues(google.NewKey)

// world is one simulated Google with a proxy in front.
type world struct {
	server *google.Server
	proxy  *faultproxy.Proxy
	file   string // the service account's key
}

// calm are lags that a test can wait out. IAM knows new groups at once: the laws
// do not come back.
func calm() google.Options {
	return google.Options{Stale: 20 * time.Millisecond, IAMLag: -1}
}

func newWorld(t testing.TB, options google.Options) *world {
	t.Helper()
	server, err := google.New(options)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := key()
	if err != nil {
		t.Fatal(err)
	}
	server.AddAccount(google.Account{Email: robot, PublicKey: pair.Public, GroupsAdmin: true, UsersReader: true, PolicyAdmin: true})
	behind := httptest.NewServer(server)
	t.Cleanup(func() { behind.CloseClientConnections(); behind.Close() })
	target, err := url.Parse(behind.URL)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{server: server, proxy: faultproxy.New(t, target), file: filepath.Join(t.TempDir(), "key.json")}
	text, err := pair.File(robot, w.proxy.URL()+"/token")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return w
}

// laws is the world as package drivertest needs it.
func (w *world) laws(t testing.TB) drivertest.World {
	t.Helper()
	text, err := os.ReadFile(w.file)
	if err != nil {
		t.Fatal(err)
	}
	secret := bytes.Split(text, []byte(`\n`))[1] // a line of the key
	return drivertest.World{
		Open:     func(t testing.TB) driver.Driver { return w.open(t) },
		Roles:    lawRoles(),
		NoTenant: "no-such-project",
		Secrets:  []string{string(secret), "ya29."},
		PageSize: pageSize,
		Tenant:   func(_ testing.TB, name string) string { return w.project(name) },
		Remove:   func(_ testing.TB, tenant string) { w.server.CloseProject(tenant) },
		User:     func(_ testing.TB, name string) string { return w.user(name) },
		// https://support.google.com/a/answer/9193374
		Holds: regexp.MustCompile(`^[A-Za-z0-9._'-]{1,64}@[a-z.]+$`).MatchString,
		Plant: w.plant,
		Remark: func(_ testing.TB, ref string, mark access.Mark) {
			w.server.Describe(strings.TrimPrefix(ref, "groups/"), mark.Text())
		},
		Describe: func(_ testing.TB, ref, text string) {
			w.server.Describe(strings.TrimPrefix(ref, "groups/"), text)
		},
		Description: func(_ testing.TB, ref string) string {
			return w.server.DescriptionOf(strings.TrimPrefix(ref, "groups/"))
		},
		Disable: func(_ testing.TB, ref string) {
			u, _ := w.server.User(ref)
			u.Suspended = true
			w.server.AddUser(u)
		},
		Breaker: breaker{drivertest.ThroughProxyWhere(w.proxy,
			func(r *http.Request) bool { return signIn(r.URL.Path) },
			func(r *http.Request) bool { return reads(r.Method, r.URL.Path) })},
		Refusals: &drivertest.Refusals{
			Proxy:     w.proxy,
			Writes:    func(r *http.Request) bool { return !signIn(r.URL.Path) && !reads(r.Method, r.URL.Path) },
			Permanent: refused, Retryable: exhausted,
		},
		Writes: func() int {
			return w.proxy.CountIf(func(e faultproxy.Entry) bool { return !signIn(e.Path) && !reads(e.Method, e.Path) })
		},
		Calls: w.calls,
	}
}

// refused is how Google refuses a write: IAM a role that no project can have, Cloud
// Identity a caller without the permission, as if the resource did not exist.
func refused(r *http.Request) faultproxy.Fault {
	if strings.HasSuffix(r.URL.Path, ":setIamPolicy") {
		return drivertest.Answer(http.StatusBadRequest,
			`{"error":{"code":400,"message":"Role roles/example is not supported for this resource.","status":"INVALID_ARGUMENT"}}`)
	}
	return drivertest.Answer(http.StatusForbidden, `{"error":{"code":403,`+
		`"message":"Error(2028): Permission denied for resource (or it may not exist).","status":"PERMISSION_DENIED"}}`)
}

// exhausted is the answer to one call too many in a minute.
func exhausted(*http.Request) faultproxy.Fault {
	return drivertest.Answer(http.StatusTooManyRequests, `{"error":{"code":429,`+
		`"message":"Quota exceeded for quota metric 'Requests' and limit 'Requests per minute'.","status":"RESOURCE_EXHAUSTED"}}`)
}

// pageSize is how long the longest page of the laws' worlds is.
const pageSize = 4

// breaker is the proxy's but for truncated lists: Google has no word for them. A
// page comes with a token for the rest.
type breaker struct{ drivertest.Breaker }

func (b breaker) Break(which drivertest.Match, how drivertest.Fault) func() int {
	if how.Truncated {
		return func() int { return 0 }
	}
	return b.Breaker.Break(which, how)
}

func signIn(path string) bool { return path == "/token" || path == "/v1/token" }

func reads(method, path string) bool {
	return method == http.MethodGet || method == http.MethodHead || strings.HasSuffix(path, ":getIamPolicy")
}

// calls counts the driver's calls, signing in left out.
func (w *world) calls() int {
	return w.proxy.CountIf(func(e faultproxy.Entry) bool { return !signIn(e.Path) })
}

// open returns a new driver that goes through the proxy.
func (w *world) open(t testing.TB) *gcp.Driver {
	t.Helper()
	return w.openWith(t, nil)
}

// openWith returns one with other settings too.
func (w *world) openWith(t testing.TB, more map[string]any) *gcp.Driver {
	t.Helper()
	settings := map[string]any{
		"domain": domain, "customerId": customer, "endpoint": w.proxy.URL(),
		"auth": file(w.file),
	}
	maps.Copy(settings, more)
	d, err := tryOpen(t, settings, nil)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func tryOpen(t testing.TB, settings map[string]any, environment map[string]string) (*gcp.Driver, error) {
	t.Helper()
	text, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	d, err := gcp.Open(t.Context(), drivertest.Config("gcp.test", text, budget.New(budget.Limits{}),
		func(name string) string { return environment[name] }))
	if err != nil {
		return nil, err
	}
	return d.(*gcp.Driver), nil
}

// project makes a project and returns its id.
func (w *world) project(name string) string {
	id := "laws-" + name
	w.server.AddProject(id)
	return id
}

// user makes a user and returns the id that the driver knows it by.
func (w *world) user(name string) string {
	return strings.ToLower(w.server.AddUser(google.User{PrimaryEmail: name, GivenName: "Some", FamilyName: "Body"}).PrimaryEmail)
}

func email(group string) string { return group + "@" + domain }

func (w *world) plant(_ testing.TB, tenant string, foreign access.State) access.State {
	refs := map[string]string{}
	for i, g := range foreign.Groups {
		people := []string{}
		for _, m := range g.Members {
			people = append(people, m.Ref)
		}
		ref := "groups/" + w.server.AddGroup(email(g.Name), g.Mark.Text(), people...)
		foreign.Groups[i].Ref, refs[g.Name] = ref, ref
	}
	for i, b := range foreign.Bindings {
		foreign.Bindings[i].GroupRef = cmp.Or(b.GroupRef, refs[b.Group])
		members := []string{}
		if b.Group != "" {
			members = append(members, "group:"+email(b.Group))
			foreign.Bindings[i].Ref = "projects/" + tenant + " " + b.Role + " group:" + email(b.Group)
		}
		for _, m := range b.Subjects {
			members = append(members, "user:"+m.Ref)
		}
		w.server.Bind(tenant, google.Binding{Role: b.Role, Members: members})
	}
	return foreign
}
