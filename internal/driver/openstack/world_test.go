package openstack_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/projects"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/roles"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/users"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest/faultproxy"
	"github.com/rollcall-iam/rollcall/internal/driver/openstack"
	"github.com/rollcall-iam/rollcall/internal/engines/keystone"
)

// lawRoles exist in every world and do not imply one another, as Keystone's own
// do.
var lawRoles = []string{"laws-reader", "laws-operator", "laws-owner"}

// worlds counts them, so that each has a name of its own.
var worlds atomic.Int64

// world is a domain of its own on a real Keystone, with a proxy in front.
type world struct {
	server *keystone.Server
	seed   *keystone.Seeder
	proxy  *faultproxy.Proxy
	name   string
	roles  map[string]string // ids by name
}

// newWorld makes an empty domain on the Keystone of all tests.
func newWorld(t testing.TB) *world {
	t.Helper()
	server := keystone.ForTest(t, keystone.Options{})
	seed, err := server.Seed(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		server: server, seed: seed, proxy: proxyTo(t, server),
		name: fmt.Sprintf("world-%d", worlds.Add(1)), roles: map[string]string{},
	}
	if seed.Domain, err = seed.DomainNamed(t.Context(), w.name); err != nil {
		t.Fatal(err)
	}
	for _, name := range lawRoles {
		if w.roles[name], err = seed.Role(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func proxyTo(t testing.TB, server *keystone.Server) *faultproxy.Proxy {
	t.Helper()
	target, err := url.Parse(strings.TrimSuffix(server.URL(), "/v3"))
	if err != nil {
		t.Fatal(err)
	}
	return faultproxy.New(t, target)
}

// laws is the world as package drivertest needs it.
func (w *world) laws() drivertest.World {
	return drivertest.World{
		Open:     func(t testing.TB) driver.Driver { return w.open(t) },
		Roles:    lawRoles,
		NoTenant: "0123456789abcdef0123456789abcdef",
		Secrets:  []string{w.server.Admin().Password, w.seed.Client.Token()},
		Tenant:   w.tenant,
		Remove: func(t testing.TB, tenant string) {
			if err := projects.Delete(t.Context(), w.seed.Client, tenant).ExtractErr(); err != nil {
				t.Fatal(err)
			}
		},
		User:     w.user,
		Holds:    func(name string) bool { return len(name) <= 255 }, // keystone/identity/schema.py
		Plant:    w.plant,
		Remark:   w.remark,
		Describe: w.describe, Description: w.description,
		Disable: w.disable,
		Breaker: drivertest.ThroughProxy(w.proxy, func(r *http.Request) bool { return signIn(r.URL.Path) }),
		Refusals: &drivertest.Refusals{
			Proxy: w.proxy,
			Writes: func(r *http.Request) bool {
				return r.Method != http.MethodGet && r.Method != http.MethodHead && !signIn(r.URL.Path)
			},
			Permanent: forbidden, Retryable: unavailable,
		},
		Writes: func() int { return w.calls(http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete) },
		Calls: func() int {
			return w.calls(http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete)
		},
	}
}

// forbidden is the answer of Keystone to a call that its policy does not allow.
func forbidden(*http.Request) faultproxy.Fault {
	return drivertest.Answer(http.StatusForbidden,
		`{"error":{"code":403,"message":"You are not authorized to perform the requested action.","title":"Forbidden"}}`)
}

// unavailable is the answer of a load balancer whose servers are all busy.
func unavailable(*http.Request) faultproxy.Fault {
	f := drivertest.Answer(http.StatusServiceUnavailable,
		"<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request.\n</body></html>\n")
	f.Header = http.Header{"Content-Type": {"text/html"}}
	return f
}

func signIn(path string) bool { return path == "/v3/auth/tokens" }

// calls counts the driver's calls with one of the methods, signing in left out.
func (w *world) calls(methods ...string) int {
	counted := map[string]bool{}
	for _, m := range methods {
		counted[m] = true
	}
	return w.proxy.CountIf(func(e faultproxy.Entry) bool { return counted[e.Method] && !signIn(e.Path) })
}

// open returns a new driver that goes through the proxy.
func (w *world) open(t testing.TB) *openstack.Driver {
	t.Helper()
	return openAt(t, w.proxy.URL(), w.name, w.server.Admin().Environ("CLOUD"))
}

// openAt returns a driver with credentials from an environment.
func openAt(t testing.TB, address, domain string, environment map[string]string) *openstack.Driver {
	t.Helper()
	settings, err := json.Marshal(map[string]any{
		"url": address, "domainName": domain,
		"auth": map[string]any{"environment": map[string]any{"prefix": "CLOUD"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	d, err := openstack.Open(t.Context(), drivertest.Config("openstack.test", settings, budget.New(budget.Limits{}),
		func(name string) string { return environment[name] }))
	if err != nil {
		t.Fatal(err)
	}
	return d.(*openstack.Driver)
}

func (w *world) tenant(t testing.TB, name string) string {
	t.Helper()
	id, err := w.seed.Project(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func (w *world) user(t testing.TB, name string) string {
	t.Helper()
	id, err := w.seed.User(t.Context(), name, true)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func (w *world) disable(t testing.TB, ref string) {
	t.Helper()
	off := false
	if _, err := users.Update(t.Context(), w.seed.Client, ref, users.UpdateOpts{Enabled: &off}).Extract(); err != nil {
		t.Fatal(err)
	}
}

func (w *world) remark(t testing.TB, groupRef string, mark access.Mark) {
	t.Helper()
	w.describe(t, groupRef, mark.Text())
}

// describe writes a group's description, as an admin would.
func (w *world) describe(t testing.TB, groupRef, text string) {
	t.Helper()
	if _, err := groups.Update(t.Context(), w.seed.Client, groupRef, groups.UpdateOpts{Description: &text}).Extract(); err != nil {
		t.Fatal(err)
	}
}

func (w *world) description(t testing.TB, groupRef string) string {
	t.Helper()
	found, err := groups.Get(t.Context(), w.seed.Client, groupRef).Extract()
	if err != nil {
		t.Fatal(err)
	}
	return found.Description
}

func (w *world) plant(t testing.TB, tenant string, foreign access.State) access.State {
	t.Helper()
	ids := map[string]string{}
	for i, g := range foreign.Groups {
		id, err := w.seed.Group(t.Context(), g.Name, g.Mark.Text())
		if err != nil {
			t.Fatal(err)
		}
		foreign.Groups[i].Ref, ids[g.Name] = id, id
		for _, m := range g.Members {
			w.join(t, id, m.Ref)
		}
	}
	for i, b := range foreign.Bindings {
		group := cmp.Or(b.GroupRef, ids[b.Group])
		foreign.Bindings[i].GroupRef = group
		if group != "" {
			foreign.Bindings[i].Ref = "projects/" + tenant + "/groups/" + group + "/roles/" + w.roles[b.Role]
			w.assign(t, b.Role, roles.AssignOpts{ProjectID: tenant, GroupID: group})
		}
		for _, m := range b.Subjects {
			w.assign(t, b.Role, roles.AssignOpts{ProjectID: tenant, UserID: m.Ref})
		}
	}
	return foreign
}

// join puts a user into a group.
func (w *world) join(t testing.TB, group, user string) {
	t.Helper()
	if err := users.AddToGroup(t.Context(), w.seed.Client, group, user).ExtractErr(); err != nil {
		t.Fatal(err)
	}
}

// assign gives a role of the world.
func (w *world) assign(t testing.TB, role string, to roles.AssignOpts) {
	t.Helper()
	if err := roles.Assign(t.Context(), w.seed.Client, w.roles[role], to).ExtractErr(); err != nil {
		t.Fatal(err)
	}
}
