package azure_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/azure"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest/answers"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest/faultproxy"
	simulated "github.com/rollcall-iam/rollcall/internal/simulate/azure"
)

// principalName is what a userPrincipalName can be
// (https://learn.microsoft.com/graph/api/resources/user, userPrincipalName).
var principalName = regexp.MustCompile(`^[A-Za-z0-9'._!#^~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$`)

// pageSize keeps lists short, so that there are pages to turn.
const pageSize = 7

const (
	clientID = "11111111-2222-3333-4444-555555555555"
	secret   = "the-secret-of-the-client"
)

// world is a simulated cloud with one Entra tenant, and a proxy in front.
type world struct {
	cloud  *simulated.Server
	direct string // where to sign in
	proxy  *faultproxy.Proxy
	tenant string
	// settings are fields of the connection and of the document that replace those of
	// config.
	settings map[string]any
	mappings []map[string]any
	getenv   func(string) string
}

func newWorld(t testing.TB, options simulated.Options) *world {
	t.Helper()
	return newWorldBehind(t, options, func(cloud http.Handler) http.Handler { return cloud })
}

// newWorldBehind has something between the cloud and everybody.
func newWorldBehind(t testing.TB, options simulated.Options, front func(http.Handler) http.Handler) *world {
	t.Helper()
	cloud, err := simulated.New(options)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(front(cloud))
	t.Cleanup(server.Close)
	target, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		cloud: cloud, direct: server.URL, proxy: faultproxy.New(t, target), tenant: cloud.AddTenant("", "example.com"),
		settings: map[string]any{}, getenv: environment(map[string]string{"AZ_CLIENT_ID": clientID, "AZ_CLIENT_SECRET": secret}),
	}
	cloud.AddApp(w.tenant, clientID, secret)
	// A document may write a role as its id.
	w.mappings = []map[string]any{{"projectRoleRef": map[string]any{"name": "owner"}, "roles": []string{cloud.RoleID("Owner")}}}
	return w
}

func environment(variables map[string]string) func(string) string {
	return func(name string) string { return variables[name] }
}

// redirectURL is the address that the connection allows invitations to lead to.
const redirectURL = "https://portal.example.com"

// replication returns the document's field of that name, with changes.
func replication(changes map[string]any) map[string]any {
	r := map[string]any{"b2bUserInvitation": map[string]any{"redirectUrl": redirectURL}}
	maps.Copy(r, changes)
	return r
}

// config returns what a driver is opened with.
func (w *world) config(t testing.TB) driver.Config {
	t.Helper()
	settings := map[string]any{
		"tenantId":     w.tenant,
		"endpoints":    map[string]any{"login": w.direct, "graph": w.proxy.URL(), "resourceManager": w.proxy.URL()},
		"auth":         map[string]any{"environment": map[string]any{"prefix": "AZ"}},
		"redirectUrls": []string{"https://other.example.com", redirectURL},
		"replication":  replication(nil),
	}
	maps.Copy(settings, w.settings)
	settings["replication"].(map[string]any)["roleMappings"] = w.mappings
	body, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	return drivertest.Config("azure.test", body, budget.New(budget.Limits{}), w.getenv)
}

// open returns a new driver that goes through the proxy.
func (w *world) open(t testing.TB) driver.Driver {
	t.Helper()
	d, err := azure.Open(t.Context(), w.config(t))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// laws is the world as package drivertest needs it.
func (w *world) laws() drivertest.World {
	return drivertest.World{
		Open:       w.open,
		Roles:      []string{"Reader", "Contributor", w.cloud.RoleID("Owner")},
		Conditions: []string{"((!(ActionMatches{'Microsoft.Storage/a'})))", "((!(ActionMatches{'Microsoft.Storage/b'})))"},
		NoTenant:   uuid.NewString(),
		Secrets:    []string{secret},
		PageSize:   pageSize,
		Tenant:     func(testing.TB, string) string { return w.cloud.AddSubscription(w.tenant, "") },
		Remove:     func(_ testing.TB, tenant string) { w.cloud.RemoveSubscription(tenant) },
		User:       func(_ testing.TB, name string) string { return w.cloud.AddUser(w.tenant, name, name, true) },
		Holds:      principalName.MatchString,
		Twin: func(_ testing.TB, name string) string {
			return w.cloud.AddUser(w.tenant, "twin-of-"+name, name, true)
		},
		Disable: func(_ testing.TB, ref string) { w.cloud.DisableUser(w.tenant, ref) },
		Plant:   w.plant,
		Remark: func(_ testing.TB, ref string, mark access.Mark) {
			w.cloud.SetGroup(w.tenant, ref, func(g *simulated.Group) { g.Description = mark.Text() })
		},
		Describe: func(_ testing.TB, ref, text string) {
			w.cloud.SetGroup(w.tenant, ref, func(g *simulated.Group) { g.Description = text })
		},
		Description: func(_ testing.TB, ref string) string {
			g, _ := w.cloud.Group(w.tenant, ref)
			return g.Description
		},
		Breaker: breaker{drivertest.ThroughProxyWhere(w.proxy, func(*http.Request) bool { return false }, reads)},
		Refusals: &drivertest.Refusals{
			Proxy: w.proxy, Writes: func(r *http.Request) bool { return !reads(r) },
			Permanent: answers.Microsoft, Retryable: answers.MicrosoftThrottles,
		},
		Writes: func() int {
			return w.proxy.Count(http.MethodPut, http.MethodPatch, http.MethodDelete) +
				w.proxy.CountIf(func(e faultproxy.Entry) bool {
					return e.Method == http.MethodPost && !strings.HasSuffix(e.Path, "/$batch")
				})
		},
		Calls: func() int { return w.proxy.Count() },
	}
}

// reads tells batches of reads from batches of writes by a header.
func reads(r *http.Request) bool {
	return r.Method == http.MethodGet || strings.HasSuffix(r.URL.Path, "/$batch") && r.Header.Get("Prefer") == ""
}

// breaker knows that Microsoft does not say that a list is cut: it has pages.
type breaker struct{ drivertest.Breaker }

func (b breaker) Break(which drivertest.Match, how drivertest.Fault) func() int {
	if how.Truncated {
		return func() int { return 0 }
	}
	return b.Breaker.Break(which, how)
}

func (w *world) plant(_ testing.TB, tenant string, foreign access.State) access.State {
	ids := map[string]string{}
	for i, g := range foreign.Groups {
		id := w.cloud.PlantGroup(w.tenant, simulated.Group{DisplayName: g.Name, Description: g.Mark.Text()})
		for _, m := range g.Members {
			w.cloud.AddMember(w.tenant, id, m.Ref)
		}
		foreign.Groups[i].Ref, ids[g.Name] = id, id
	}
	for i, b := range foreign.Bindings {
		if b.GroupRef == "" {
			b.GroupRef = ids[b.Group]
		}
		scope := "/subscriptions/" + tenant
		name := w.cloud.PlantAssignment(simulated.Assignment{Scope: scope, Role: b.Role, Principal: b.GroupRef})
		foreign.Bindings[i].GroupRef = b.GroupRef
		foreign.Bindings[i].Ref = scope + "/providers/microsoft.authorization/roleassignments/" + name
	}
	return foreign
}
