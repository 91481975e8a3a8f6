package cloudfoundry_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/cloudfoundry"
	"github.com/rollcall-iam/rollcall/internal/driver/cloudfoundry/rules"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest/faultproxy"
	simulated "github.com/rollcall-iam/rollcall/internal/simulate/cloudfoundry"
)

// sso is where people come from.
const sso = "corporate-sso"

// page is how many entries the worlds' pages have, whatever is asked for.
const page = 7

// world is a simulated Cloud Foundry with one organization, and a proxy in front.
type world struct {
	cloud *simulated.Server
	proxy *faultproxy.Proxy
	org   string
}

func newWorld(t testing.TB, options simulated.Options) *world {
	t.Helper()
	if options.PageCap == 0 {
		options.PageCap = page
	}
	if options.JobTime == 0 {
		options.JobTime = time.Millisecond
	}
	cloud, err := simulated.New(options)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(cloud)
	t.Cleanup(server.Close)
	target, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return &world{cloud: cloud, proxy: faultproxy.New(t, target), org: cloud.AddOrganization("acme")}
}

// laws is the world as package drivertest needs it.
func (w *world) laws() drivertest.World {
	return drivertest.World{
		Open:        func(t testing.TB) driver.Driver { return w.open(t) },
		Roles:       []string{"space_developer", "space_auditor", "space_manager"},
		NoTenant:    "01234567-89ab-cdef-0123-456789abcdef",
		Secrets:     []string{"admin-secret"},
		PageSize:    page,
		Tenant:      func(_ testing.TB, name string) string { return w.cloud.AddSpace(w.org, name) },
		User:        func(_ testing.TB, name string) string { return w.cloud.AddUser(name, sso) },
		Holds:       func(name string) bool { return len(name) <= rules.MaxUsername && !strings.Contains(name, ",") },
		OtherOrigin: func(_ testing.TB, name string) string { return w.cloud.AddUser(name, "uaa") },
		Plant:       w.plant,
		Disable:     func(_ testing.TB, ref string) { w.cloud.Disable(ref) },
		Breaker:     drivertest.ThroughProxy(w.proxy, signIn),
		Refusals: &drivertest.Refusals{
			Proxy: w.proxy, Writes: func(r *http.Request) bool { return r.Method != http.MethodGet && !signIn(r) },
			Permanent: func(*http.Request) faultproxy.Fault {
				return drivertest.Answer(http.StatusForbidden,
					`{"errors":[{"detail":"You are not authorized to perform the requested action","title":"CF-NotAuthorized","code":10003}]}`)
			},
			Retryable: func(*http.Request) faultproxy.Fault {
				f := drivertest.Answer(http.StatusTooManyRequests,
					`{"errors":[{"detail":"Rate Limit Exceeded","title":"CF-RateLimitExceeded","code":10013}]}`)
				f.Header = http.Header{"Retry-After": {strconv.FormatInt(time.Now().Add(time.Minute).Unix(), 10)}}
				return f
			},
		},
		Writes: func() int { return w.calls(http.MethodPost, http.MethodDelete) },
		Calls:  func() int { return w.calls(http.MethodGet, http.MethodPost, http.MethodDelete) },
	}
}

// signIn is how the driver finds UAA, and the call to it.
func signIn(r *http.Request) bool { return r.URL.Path == "/" || r.URL.Path == "/oauth/token" }

// calls counts the driver's calls with one of the methods, signing in left out.
func (w *world) calls(methods ...string) int {
	return w.proxy.CountIf(func(e faultproxy.Entry) bool {
		return slices.Contains(methods, e.Method) && e.Path != "/" && e.Path != "/oauth/token"
	})
}

// plant gives roles as somebody else would.
func (w *world) plant(_ testing.TB, tenant string, foreign access.State) access.State {
	var planted access.State
	for _, b := range foreign.Bindings {
		for _, who := range b.Subjects {
			if slices.Contains(rules.OrganizationRoles(), b.Role) {
				continue // comes with the role in the space
			}
			one := b
			one.Name, one.Subjects, one.Mark = who.Ref, []access.Member{who}, access.Unread()
			one.Ref = w.cloud.GiveRole(b.Role, tenant, "", who.Ref)
			planted.Bindings = append(planted.Bindings, one)
		}
	}
	return planted
}

// open returns a new driver that goes through the proxy.
func (w *world) open(t testing.TB, change ...func(map[string]any)) *cloudfoundry.Driver {
	t.Helper()
	settings := map[string]any{
		"apiUrl":      w.proxy.URL(),
		"auth":        map[string]any{"environment": map[string]any{"prefix": "CF"}},
		"origin":      sso,
		"replication": map[string]any{"userCreation": map[string]any{"origin": sso}},
	}
	for _, f := range change {
		f(settings)
	}
	return openWith(t, settings, map[string]string{"CF_CLIENT_ID": "admin", "CF_CLIENT_SECRET": "admin-secret"})
}

func openWith(t testing.TB, settings map[string]any, environment map[string]string) *cloudfoundry.Driver {
	t.Helper()
	d, err := tryOpen(t, settings, environment)
	if err != nil {
		t.Fatal(err)
	}
	return d.(*cloudfoundry.Driver)
}

func tryOpen(t testing.TB, settings map[string]any, environment map[string]string) (driver.Driver, error) {
	t.Helper()
	text, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	return cloudfoundry.Open(t.Context(), drivertest.Config("cloudfoundry.test", text, budget.New(budget.Limits{}),
		func(name string) string { return environment[name] }))
}
