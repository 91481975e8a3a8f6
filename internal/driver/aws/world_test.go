package aws_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/aws"
	"github.com/rollcall-iam/rollcall/internal/driver/aws/rules"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest/faultproxy"
	simulated "github.com/rollcall-iam/rollcall/internal/simulate/aws"
)

// The administrator's key.
const (
	accessKey = "AKIAROLLCALLTEST0000"
	secretKey = "the-secret-key-of-the-test"
)

// lawRoles are permission sets that exist in every world.
var lawRoles = []string{"ReadOnlyAccess", "PowerUserAccess", "AdministratorAccess"}

// world is a simulated AWS with a proxy in front.
type world struct {
	cloud    *simulated.Server
	address  string // without the proxy
	proxy    *faultproxy.Proxy
	sets     map[string]string // ARNs by name
	stale    time.Duration
	accounts atomic.Int64
}

// newWorld makes an organization with the law's permission sets. Options that are
// left out make it quick: reads lag by 10 ms, assignments take 20 ms.
func newWorld(t testing.TB, options simulated.Options) *world {
	t.Helper()
	options.AccessKey, options.SecretKey = accessKey, secretKey
	options.Stale = cmp.Or(options.Stale, 10*time.Millisecond)
	options.Assignment = cmp.Or(options.Assignment, 20*time.Millisecond)
	w := &world{sets: map[string]string{}, stale: max(0, options.Stale)}
	// The proxy signs for nothing: the simulator has to know its name.
	front := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.cloud.ServeHTTP(rw, r) }))
	front.Start()
	t.Cleanup(front.Close)
	target, err := url.Parse(front.URL)
	if err != nil {
		t.Fatal(err)
	}
	w.address, w.proxy = front.URL, faultproxy.New(t, target)
	options.Hosts = append(options.Hosts, strings.TrimPrefix(w.proxy.URL(), "http://"))
	if w.cloud, err = simulated.New(options); err != nil {
		t.Fatal(err)
	}
	for _, name := range lawRoles {
		w.sets[name] = w.cloud.PermissionSet(name)
	}
	w.settle()
	return w
}

// settle waits until reads show all that was done.
func (w *world) settle() { time.Sleep(w.stale + time.Millisecond) }

// laws is the world as package drivertest needs it.
func (w *world) laws(page int) drivertest.World {
	return drivertest.World{
		Open:     func(t testing.TB) driver.Driver { return w.open(t) },
		Roles:    lawRoles,
		NoTenant: "999999999999",
		Secrets:  []string{secretKey},
		PageSize: page,
		Tenant:   w.tenant,
		Remove: func(_ testing.TB, tenant string) {
			w.cloud.RemoveAccount(tenant)
			w.settle()
		},
		User:  w.user,
		Holds: rules.UserName,
		Plant: w.plant,
		Remark: func(_ testing.TB, groupRef string, mark access.Mark) {
			w.cloud.Describe(groupRef, mark.Text())
			w.settle()
		},
		Describe: func(_ testing.TB, groupRef, text string) {
			w.cloud.Describe(groupRef, text)
			w.settle()
		},
		Description: func(_ testing.TB, groupRef string) string { return w.cloud.DescriptionOf(groupRef) },
		Disable: func(_ testing.TB, ref string) {
			w.cloud.SetUserStatus(ref, true)
			w.settle()
		},
		Breaker: breaker{drivertest.ThroughProxyWhere(w.proxy, signIn, reads)},
		Refusals: &drivertest.Refusals{
			Proxy: w.proxy, Writes: func(r *http.Request) bool { return !signIn(r) && !reads(r) },
			Permanent: answer(http.StatusBadRequest, "AccessDeniedException", "You do not have sufficient access to perform this action."),
			Retryable: answer(http.StatusBadRequest, "ThrottlingException", "Rate exceeded"),
		},
		Writes: func() int { return w.calls(func(operation string) bool { return !readsNamed(operation) }) },
		Calls:  func() int { return w.calls(func(string) bool { return true }) },
	}
}

// answer returns the error of a service with the JSON protocol.
func answer(status int, code, message string) func(*http.Request) faultproxy.Fault {
	return func(*http.Request) faultproxy.Fault {
		f := drivertest.Answer(status, fmt.Sprintf(`{"__type":%q,"Message":%q}`, code, message))
		f.Header = http.Header{"Content-Type": {"application/x-amz-json-1.1"}}
		return f
	}
}

// breaker leaves lists whole: AWS has no way to say that one is not.
type breaker struct{ drivertest.Breaker }

func (b breaker) Break(which drivertest.Match, how drivertest.Fault) func() int {
	if how.Truncated {
		return func() int { return 0 }
	}
	return b.Breaker.Break(which, how)
}

// signIn is a call of STS: all others say their target in a header.
func signIn(r *http.Request) bool { return r.Header.Get("X-Amz-Target") == "" }

func reads(r *http.Request) bool { return readsNamed(r.Header.Get("X-Amz-Target")) }

// readsNamed reports whether an operation, called "service.Operation", reads.
func readsNamed(operation string) bool {
	_, name, _ := strings.Cut(operation, ".")
	for _, prefix := range []string{"Get", "List", "Describe", "Is"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// calls counts the calls so far, signing in left out.
func (w *world) calls(counts func(operation string) bool) int {
	n := 0
	for operation, times := range w.cloud.Control().Calls() {
		if !strings.HasPrefix(operation, "sts.") && counts(operation) {
			n += times
		}
	}
	return n
}

// environment holds the administrator's credentials.
func environment() map[string]string {
	return map[string]string{"CLOUD_ACCESS_KEY_ID": accessKey, "CLOUD_SECRET_ACCESS_KEY": secretKey}
}

// open returns a new driver that goes through the proxy.
func (w *world) open(t testing.TB) *aws.Driver {
	t.Helper()
	return openWith(t, w.proxy.URL(), environment(), nil)
}

// openWith returns a driver with credentials from an environment, unless more
// names others. The fields of more replace those of the connection.
func openWith(t testing.TB, address string, environment map[string]string, more map[string]any) *aws.Driver {
	t.Helper()
	d, err := tryOpen(t, address, environment, more, budget.New(budget.Limits{}))
	if err != nil {
		t.Fatal(err)
	}
	return d.(*aws.Driver)
}

func tryOpen(
	t testing.TB, address string, environment map[string]string, more map[string]any, limits *budget.Budget,
) (driver.Driver, error) {
	t.Helper()
	settings := map[string]any{
		"region": "eu-central-1", "endpoint": address,
		"auth": map[string]any{"environment": map[string]any{"prefix": "CLOUD"}},
	}
	maps.Copy(settings, more)
	body, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	return aws.Open(t.Context(), drivertest.Config("aws.test", body, limits, func(name string) string { return environment[name] }))
}

func (w *world) tenant(_ testing.TB, name string) string {
	id := w.account(name)
	w.settle()
	return id
}

// account makes an account that reads do not show yet.
func (w *world) account(name string) string {
	id := fmt.Sprintf("%012d", 200000000000+w.accounts.Add(1))
	w.cloud.Account(id, name)
	return id
}

func (w *world) user(_ testing.TB, name string) string {
	id := w.cloud.User(name)
	w.settle()
	return id
}

func (w *world) plant(_ testing.TB, tenant string, foreign access.State) access.State {
	ids := map[string]string{}
	for i, g := range foreign.Groups {
		var members []string
		for _, m := range g.Members {
			members = append(members, m.Ref)
		}
		id := w.cloud.Group(g.Name, g.Mark.Text(), members...)
		foreign.Groups[i].Ref, ids[g.Name] = id, id
	}
	for i, b := range foreign.Bindings {
		group := cmp.Or(b.GroupRef, ids[b.Group])
		foreign.Bindings[i].GroupRef = group
		foreign.Bindings[i].Ref = group + ",GROUP," + tenant + ",AWS_ACCOUNT," + w.sets[b.Role]
		w.cloud.Assign(tenant, w.sets[b.Role], group)
	}
	w.settle()
	return foreign
}
