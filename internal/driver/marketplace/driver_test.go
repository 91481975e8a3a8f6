package marketplace_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest/answers"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest/faultproxy"
	"github.com/rollcall-iam/rollcall/internal/driver/marketplace"
	"github.com/rollcall-iam/rollcall/internal/driver/marketplace/rules"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
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

func TestLaws(t *testing.T) {
	drivertest.Run(t, drivertest.Suite{
		New: newWorld,
		// The pages of one list of groups.
		ConvergedCalls: func(scopes, groups int) int { return (scopes*groups + pageSize - 1) / pageSize },
		Calls:          filepath.Join("testdata", "calls.txt"),
		Impossible: map[drivertest.Law]string{
			drivertest.MissingScope:      "a broker's instance is a name that only the broker knows",
			drivertest.MissingKeepGroups: "nothing on the platform says whether an instance exists",
		},
	})
}

// newWorld is a simulated Entra tenant, and a proxy in front.
func newWorld(t testing.TB) drivertest.World {
	t.Helper()
	cloud, err := simulated.New(simulated.Options{Stale: -1, PageSize: pageSize})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(cloud)
	t.Cleanup(server.Close)
	target, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := faultproxy.New(t, target)
	tenant := cloud.AddTenant("", "example.com")
	cloud.AddApp(tenant, clientID, secret)
	return drivertest.World{
		Open:     func(t testing.TB) driver.Driver { return open(t, tenant, server.URL, proxy.URL()) },
		Roles:    []string{"none", "neither", "nor"}, // there are no roles to give
		NoTenant: "no-instance",
		Secrets:  []string{secret},
		PageSize: pageSize,
		Tenant:   func(_ testing.TB, name string) string { return "instance of " + name },
		User:     func(_ testing.TB, name string) string { return cloud.AddUser(tenant, name, name, true) },
		Holds:    principalName.MatchString,
		Twin:     func(_ testing.TB, name string) string { return cloud.AddUser(tenant, "twin-of-"+name, name, true) },
		Disable:  func(_ testing.TB, ref string) { cloud.DisableUser(tenant, ref) },
		Plant: func(_ testing.TB, _ string, foreign access.State) access.State {
			for i, g := range foreign.Groups {
				foreign.Groups[i].Ref = cloud.PlantGroup(tenant, simulated.Group{DisplayName: g.Name, Description: g.Mark.Text()})
				for _, m := range g.Members {
					cloud.AddMember(tenant, foreign.Groups[i].Ref, m.Ref)
				}
			}
			return foreign
		},
		Remark: func(_ testing.TB, ref string, mark access.Mark) {
			cloud.SetGroup(tenant, ref, func(g *simulated.Group) { g.Description = mark.Text() })
		},
		Describe: func(_ testing.TB, ref, text string) {
			cloud.SetGroup(tenant, ref, func(g *simulated.Group) { g.Description = text })
		},
		Description: func(_ testing.TB, ref string) string {
			g, _ := cloud.Group(tenant, ref)
			return g.Description
		},
		Breaker: breaker{drivertest.ThroughProxyWhere(proxy, func(*http.Request) bool { return false }, reads)},
		Refusals: &drivertest.Refusals{
			Proxy: proxy, Writes: func(r *http.Request) bool { return !reads(r) },
			Permanent: answers.Microsoft, Retryable: answers.MicrosoftThrottles,
		},
		Calls: func() int { return proxy.Count() },
		Writes: func() int {
			return proxy.Count(http.MethodPut, http.MethodPatch, http.MethodDelete) +
				proxy.CountIf(func(e faultproxy.Entry) bool {
					return e.Method == http.MethodPost && !strings.HasSuffix(e.Path, "/$batch")
				})
		},
	}
}

func open(t testing.TB, tenant, login, graph string) driver.Driver {
	t.Helper()
	settings, err := json.Marshal(map[string]any{
		"tenantId": tenant, "endpoints": map[string]any{"login": login, "graph": graph},
		"auth":         map[string]any{"environment": map[string]any{"prefix": "AZ"}},
		"redirectUrls": []string{"https://broker.example.com"},
		"replication": map[string]any{
			"userLookUpStrategy": "userByMail",
			"b2bUserInvitation":  map[string]any{"redirectUrl": "https://broker.example.com"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	variables := map[string]string{"AZ_CLIENT_ID": clientID, "AZ_CLIENT_SECRET": secret}
	d, err := marketplace.Open(t.Context(), drivertest.Config(
		"marketplace.test", settings, budget.New(budget.Limits{}), func(name string) string { return variables[name] }))
	if err != nil {
		t.Fatal(err)
	}
	return d
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

func TestThereAreNoRoles(t *testing.T) {
	o := plan.Object{Binding: &access.Binding{Role: "Reader", Group: "g"}}
	if err := rules.Fit(o); !errors.Is(err, fault.ErrUnsupported) {
		t.Errorf("a role fits: %v", err)
	}
	if !rules.Profile().NoBindings {
		t.Error("the profile says that there are roles")
	}
}
