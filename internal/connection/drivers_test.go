package connection_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/connection"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/types"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// opener opens fake drivers of every type, and keeps what they were opened with.
type opener struct {
	mu     sync.Mutex
	opened []driver.Config
	err    error
}

func (o *opener) open(_ context.Context, config driver.Config) (driver.Driver, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.opened = append(o.opened, config)
	if o.err != nil {
		return nil, o.err
	}
	return &fake{}, nil
}

// last returns what the last driver was opened with, and how many were.
func (o *opener) last(t testing.TB) (driver.Config, int) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.opened) == 0 {
		t.Fatal("no driver was opened")
	}
	return o.opened[len(o.opened)-1], len(o.opened)
}

// fixture is a directory of connections with drivers that are opened with them.
type fixture struct {
	*connection.Drivers
	*opener
	dir       string
	directory *connection.Directory
}

func newFixture(t testing.TB, texts ...string) *fixture {
	t.Helper()
	f := &fixture{opener: &opener{}, dir: t.TempDir()}
	write(t, f.dir, map[string]string{"c.yaml": documents(texts...)})
	f.directory = open(t, f.dir)
	opens := map[string]driver.Open{}
	for _, of := range types.All() {
		opens[of.Name()] = f.open
	}
	f.Drivers = connection.NewDrivers(f.directory, opens, nil, func(string) string { return "from the worker" })
	t.Cleanup(func() { f.Close(context.Background()) })
	return f
}

// put replaces the connections.
func (f *fixture) put(t testing.TB, texts ...string) {
	t.Helper()
	replace(t, filepath.Join(f.dir, "c.yaml"), documents(texts...))
	f.directory.Expire()
}

func (f *fixture) must(t testing.TB, p document.Platform) (driver.Driver, string) {
	t.Helper()
	d, digest, err := f.Driver(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	return d, digest
}

// platform is a platform "<name>.here" with the connection of its name.
func platform(of, name string) document.Platform {
	return document.Platform{Name: name, Location: "here", Type: of, Connection: name, Settings: json.RawMessage(`{"replication":{}}`)}
}

// fake is a driver that keeps what it is asked.
type fake struct {
	driver.Driver
	mu        sync.Mutex
	observed  []string
	applied   []plan.Step
	resolved  []string
	calls     int
	conflicts map[string]error // by the role of a step
	state     access.State     // of every tenant
	failing   error            // of Observe
}

func (f *fake) Observe(_ context.Context, scopes []driver.Scope) ([]driver.Observation, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	for _, s := range scopes {
		f.observed = append(f.observed, s.ID)
	}
	observations := make([]driver.Observation, len(scopes))
	for i := range observations {
		observations[i].State = f.state
	}
	return observations, f.failing
}

func (f *fake) Apply(_ context.Context, _ driver.Scope, steps []plan.Step) []driver.Result {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	f.applied = append(f.applied, steps...)
	results := make([]driver.Result, len(steps))
	for i, s := range steps {
		results[i] = driver.Result{Ref: "ref of " + s.ID, Err: f.conflicts[s.ID]}
	}
	return results
}

func (f *fake) Resolve(_ context.Context, accounts []string) ([]access.Resolution, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.resolved = append(f.resolved, accounts...)
	return make([]access.Resolution, len(accounts)), nil
}

func TestDrivers_OpensOnce(t *testing.T) {
	f := newFixture(t, memory("a"), memory("b"))
	first, digest := f.must(t, platform("memory", "a"))
	c, _ := load(t, f.dir).Get("a")
	if digest != c.Digest {
		t.Errorf("the digest is %q, want that of the connection, %q", digest, c.Digest)
	}
	for reason, change := range map[string]func(){
		"nothing changed":           func() {},
		"the file is written again": func() { f.put(t, memory("a"), memory("b")) },
		"another connection changed": func() {
			f.put(t, memory("a"), strings.Replace(memory("b"), "world", "other", 1))
		},
		"the connection moved to another line": func() { f.put(t, memory("c"), memory("a")) },
		"another platform was opened":          func() { f.put(t, memory("a"), memory("b")); f.must(t, platform("memory", "b")) },
	} {
		change()
		again, same := f.must(t, platform("memory", "a"))
		if again != first || same != digest {
			t.Errorf("%s: the driver is another one", reason)
		}
	}
	if _, n := f.last(t); n != 2 {
		t.Errorf("%d drivers were opened, want one for each of two platforms", n)
	}
}

func TestDrivers_OpensAgain(t *testing.T) {
	for reason, change := range map[string]func(t *testing.T, f *fixture, p *document.Platform){
		"the document's settings changed": func(_ *testing.T, _ *fixture, p *document.Platform) {
			p.Settings = json.RawMessage(`{"replication":{"euidPattern":"%S"}}`)
		},
		"the connection changed": func(t *testing.T, f *fixture, _ *document.Platform) {
			t.Helper()
			f.put(t, strings.Replace(memory("a"), "world", "other", 1), strings.Replace(memory("b"), "b.here", "a.here", 1))
		},
		"a limit of the connection changed": func(t *testing.T, f *fixture, _ *document.Platform) {
			t.Helper()
			f.put(t, memory("a")+"limits: {concurrent: 3}\n", strings.Replace(memory("b"), "b.here", "a.here", 1))
		},
		"the document names another connection": func(_ *testing.T, _ *fixture, p *document.Platform) { p.Connection = "b" },
	} {
		f := newFixture(t, memory("a"), strings.Replace(memory("b"), "b.here", "a.here", 1))
		p := platform("memory", "a")
		first, digest := f.must(t, p)
		change(t, f, &p)
		again, other := f.must(t, p)
		if again == first {
			t.Errorf("%s: the driver is the same", reason)
		}
		if named := reason == "the document's settings changed"; named != (digest == other) {
			t.Errorf("%s: the digest is the same: %t, want %t", reason, digest == other, named)
		}
		if same, _ := f.must(t, p); same != again {
			t.Errorf("%s: the driver is opened each time", reason)
		}
	}
}

// TestDrivers_OpensAgainForAPart: a change of a part is a change of the whole.
func TestDrivers_OpensAgainForAPart(t *testing.T) {
	whole := composed("{directory: dir, cluster: clu}")
	f := newFixture(t, whole, directoryText, clusterText)
	first, digest := f.must(t, platform("aks", "aks"))
	f.put(t, whole, directoryText, strings.Replace(clusterText, "https://k", "https://other", 1))
	again, other := f.must(t, platform("aks", "aks"))
	if again == first || digest == other {
		t.Error("the driver or the digest is the same after a part changed")
	}
}

func TestDrivers_ConfiguresDrivers(t *testing.T) {
	f := newFixture(t, composed("{directory: dir, cluster: clu}"), strings.Replace(directoryText, "usedBy", "redirectUrls: ['https://a'], usedBy", 1), clusterText)
	p := platform("aks", "aks")
	f.must(t, p)
	got, _ := f.last(t)
	held, _ := load(t, f.dir).Get("aks")
	if got.Platform != "aks.here" || string(got.Settings) != string(p.Settings) || got.Env()("ANY") != "from the worker" {
		t.Errorf("opened with %+v", got)
	}
	c := got.Connection
	if c.Name != "aks" || c.Dir != f.dir || string(c.Settings) != string(held.Settings) || len(c.Uses) != 2 || c.Budget == nil {
		t.Errorf("opened with the connection %+v", c)
	}
	for part, want := range map[string]string{"directory": "dir", "cluster": "clu"} {
		used, err := c.Part(part)
		if err != nil || used.Name != want || used.Dir != f.dir || used.Budget == nil || len(used.Uses) > 0 || !strings.Contains(string(used.Settings), want) {
			t.Errorf("the part %s is %+v, %v", part, used, err)
		}
	}
	if diff := cmp.Diff([]string{"https://a"}, c.Uses["directory"].RedirectURLs); diff != "" {
		t.Errorf("addresses of invitations (-want +got):\n%s", diff)
	}
}

// TestDrivers_SharesBudgets: an account has one, whoever uses it.
func TestDrivers_SharesBudgets(t *testing.T) {
	azure := "{kind: Connection, name: dir, type: azure, usedBy: [azure.here, market.here], tenantId: example.com, auth: {workloadIdentity: {}}}"
	other := strings.Replace(composed("{directory: dir, cluster: clu}"), "name: aks", "name: second", 1)
	f := newFixture(t, composed("{directory: dir, cluster: clu}"), strings.Replace(other, "aks.here", "second.here", 1), azure, clusterText)
	budgets := map[string]*budget.Budget{}
	for _, p := range []document.Platform{
		{Name: "azure", Location: "here", Type: "azure", Connection: "dir"}, {Name: "market", Location: "here", Type: "marketplace", Connection: "dir"},
		{Name: "aks", Location: "here", Type: "aks", Connection: "aks"}, {Name: "second", Location: "here", Type: "aks", Connection: "second"},
	} {
		f.must(t, p)
		got, _ := f.last(t)
		budgets[p.Name] = got.Connection.Budget
		for part, used := range got.Connection.Uses {
			budgets[p.Name+"/"+part] = used.Budget
		}
	}
	for _, c := range []struct {
		reason string
		a, b   string
		same   bool
	}{
		{"two platforms of one connection", "azure", "market", true},
		{"a platform of a connection that is a part, too", "azure", "aks/directory", true},
		{"two composed connections of the same part", "aks/directory", "second/directory", true},
		{"the same for another part", "aks/cluster", "second/cluster", true},
		{"two parts are two accounts", "aks/directory", "aks/cluster", false},
		{"two connections are two", "aks", "second", false},
	} {
		if a, b := budgets[c.a], budgets[c.b]; a == nil || b == nil || (a == b) != c.same {
			t.Errorf("%s: %s and %s have one budget: %t, want %t", c.reason, c.a, c.b, a == b, c.same)
		}
	}
	// A change of something else must not double what the account may do.
	f.put(t, composed("{directory: dir, cluster: clu}"), strings.Replace(azure, "example.com", "example.org", 1), clusterText)
	f.must(t, document.Platform{Name: "azure", Location: "here", Type: "azure", Connection: "dir"})
	if got, _ := f.last(t); got.Connection.Budget != budgets["azure"] {
		t.Error("the budget is another one after the address changed")
	}
	f.put(t, azure+"\n---\n", strings.Replace(clusterText, "usedBy", "limits: {concurrent: 2}, usedBy", 1), composed("{directory: dir, cluster: clu}"))
	f.must(t, document.Platform{Name: "aks", Location: "here", Type: "aks", Connection: "aks"})
	if got, _ := f.last(t); got.Connection.Uses["cluster"].Budget != budgets["aks/cluster"] || got.Connection.Uses["directory"].Budget != budgets["azure"] {
		t.Error("the budgets are others after limits changed: calls that wait keep to the old ones")
	}
	changed, _ := f.LimitsOf("clu")
	if same, _ := f.LimitsOf("dir"); changed.Concurrent != 2 || same.Concurrent == 2 {
		t.Errorf("the limits of a part changed to %+v, those of the other part to %+v", changed, same)
	}
}

// TestDrivers_WaitingCallsFollowLimits: nobody asks for the driver meanwhile, because all
// who would are waiting.
func TestDrivers_WaitingCallsFollowLimits(t *testing.T) {
	const text = "{kind: Connection, name: c, type: azure, usedBy: [p.here], tenantId: example.com, auth: {workloadIdentity: {}}, limits: %s}"
	f := newFixture(t, fmt.Sprintf(text, "{callsPerSecond: 0.0001}"))
	p := platform("azure", "p")
	p.Connection = "c"
	f.must(t, p)
	opened, _ := f.last(t)
	limit := opened.Connection.Budget
	if _, err := limit.Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	go f.WatchLimits(t.Context())
	passed := make(chan error)
	go func() {
		_, err := limit.Pass(t.Context())
		passed <- err
	}()
	replace(t, filepath.Join(f.dir, "c.yaml"), fmt.Sprintf(text, "{callsPerSecond: 1000}"))
	if err := <-passed; err != nil {
		t.Error(err)
	}
}

func TestDrivers_LimitsOfBudgets(t *testing.T) {
	of, _ := allTypes(t).Type("aws")
	if of.Profile.CallsPerSecond == 0 {
		t.Fatal("AWS has no limit of its own any more: choose another type")
	}
	documented := of.Profile.CallsPerSecond
	aws := "{kind: Connection, name: c, type: aws, usedBy: [p.here], region: eu-central-1, auth: {workloadIdentity: {}}, limits: %s}"
	azure := "{kind: Connection, name: c, type: azure, usedBy: [p.here], tenantId: example.com, auth: {workloadIdentity: {}}, limits: %s}"
	azureType, _ := allTypes(t).Type("azure")
	for _, c := range []struct {
		reason, of, text, limits string
		want                     budget.Limits
	}{
		{"the type's own", "aws", aws, "{}", budget.Limits{CallsPerSecond: documented, Concurrent: 10, Vendor: documented}},
		{"the operator's rate", "aws", aws, "{callsPerSecond: 0.5}", budget.Limits{CallsPerSecond: 0.5, Concurrent: 10, Vendor: documented}},
		{"the operator's calls at once", "aws", aws, "{concurrent: 3}", budget.Limits{CallsPerSecond: documented, Concurrent: 3, Vendor: documented}},
		{"the limit is that of the connection's type", "marketplace", azure, "{}", budget.Limits{CallsPerSecond: azureType.Profile.CallsPerSecond, Concurrent: 10}},
	} {
		f := newFixture(t, fmt.Sprintf(c.text, c.limits))
		p := platform(c.of, "p")
		p.Connection = "c"
		f.must(t, p)
		got, ok := f.LimitsOf("c")
		if diff := cmp.Diff(c.want, got); diff != "" || !ok {
			t.Errorf("%s: limits (-want +got):\n%s", c.reason, diff)
		}
	}
}

func TestDrivers_Errors(t *testing.T) {
	azure := "{kind: Connection, name: az, type: azure, usedBy: [az.here], tenantId: example.com, auth: {workloadIdentity: {}}}"
	with := func(p document.Platform, name string) document.Platform { p.Connection = name; return p }
	for _, c := range []struct {
		reason   string
		platform document.Platform
		class    error
		text     string
	}{
		{"the connection of its identifier", with(platform("memory", "a"), ""), nil, ""},
		{"the connection that it names", platform("azure", "az"), nil, ""},
		{"a marketplace with an azure connection", platform("marketplace", "az"), nil, ""},
		{"another platform's connection", with(platform("memory", "thief"), "a"), fault.ErrForbidden, `connection "a" is not for platform thief.here`},
		{
			"a platform of the same name elsewhere", document.Platform{Name: "a", Location: "there", Type: "memory", Connection: "a"},
			fault.ErrForbidden, "a.there",
		},
		{"a connection of another type", platform("openstack", "a"), fault.ErrForbidden, `needs a connection of type openstack, and "a" is of type memory`},
		{"a connection of the platform's type where another is needed", platform("aks", "az"), fault.ErrForbidden, "type aks"},
		{"a connection that is not held", with(platform("memory", "a"), "none"), fault.ErrUnavailable, connection.Variable},
		{"no connection of the platform's identifier", with(platform("memory", "b"), ""), fault.ErrUnavailable, `"b.here"`},
		{"a connection that is broken", with(platform("memory", "a"), "broken"), fault.ErrUnavailable, `"broken"`},
		{"an unknown type", platform("vmware", "a"), fault.ErrUnsupported, "vmware"},
	} {
		f := newFixture(t, strings.Replace(memory("a.here"), "[a.here.here]", "[a.here]", 1), memory("a"), azure,
			"{kind: Connection, name: broken, type: memory, usedBy: [a.here]}")
		d, digest, err := f.Driver(t.Context(), c.platform)
		if !errors.Is(err, c.class) || (err == nil) != (c.class == nil) || c.class != nil && fault.Class(err) != c.class { //nolint:errorlint // Class returns one of them.
			t.Errorf("%s: Driver: %v, want class %v", c.reason, err, c.class)
		}
		if (d == nil) != (c.class != nil) || (digest == "") != (c.class != nil) {
			t.Errorf("%s: Driver = %v, %q", c.reason, d, digest)
		}
		if c.class != nil && !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: the error is %q, want %q in it", c.reason, err, c.text)
		}
		if available := f.Available(c.platform); fault.Class(available) != c.class { //nolint:errorlint // As above.
			t.Errorf("%s: Available: %v, want class %v", c.reason, available, c.class)
		}
		if c.class != nil && len(f.opened) > 0 {
			t.Errorf("%s: a driver was opened", c.reason)
		}
	}
}

// TestDrivers_WithoutADriver: a worker may know a type and have no driver for it.
func TestDrivers_WithoutADriver(t *testing.T) {
	f := newFixture(t, memory("a"))
	d := connection.NewDrivers(f.directory, nil, nil, os.Getenv)
	p := platform("memory", "a")
	if _, _, err := d.Driver(t.Context(), p); !errors.Is(err, fault.ErrUnsupported) {
		t.Errorf("Driver: %v, want ErrUnsupported", err)
	}
}

// TestDrivers_OpenFails: the reason stays what the driver says, and a later try opens.
func TestDrivers_OpenFails(t *testing.T) {
	f := newFixture(t, memory("a"))
	p := platform("memory", "a")
	f.err = fmt.Errorf("%w: no credentials", fault.ErrDenied)
	if d, _, err := f.Driver(t.Context(), p); !errors.Is(err, fault.ErrDenied) || d != nil || !strings.Contains(err.Error(), "a.here") {
		t.Errorf("Driver = %v, %v, want ErrDenied that names the platform", d, err)
	}
	f.err = nil
	f.must(t, p)
}

// TestDrivers_LosesConnections: what the operator takes away is not used any longer,
// also by a driver that is open.
func TestDrivers_LosesConnections(t *testing.T) {
	p := platform("memory", "a")
	for reason, c := range map[string]struct {
		text  string
		class error
	}{
		"the platform may not use it any more": {strings.Replace(memory("a"), "a.here", "b.here", 1), fault.ErrForbidden},
		"the connection is gone":               {memory("b"), fault.ErrUnavailable},
		"the connection is broken":             {"{kind: Connection, name: a, type: memory, usedBy: [a.here]}", fault.ErrUnavailable},
		"there are two of the name":            {memory("a") + "---\n" + memory("a"), fault.ErrUnavailable},
	} {
		f := newFixture(t, memory("a"))
		f.must(t, p)
		f.put(t, c.text)
		if _, _, err := f.Driver(t.Context(), p); !errors.Is(err, c.class) {
			t.Errorf("%s: Driver: %v, want %v", reason, err, c.class)
		}
	}
	f := newFixture(t, memory("a"))
	f.must(t, p)
	if err := os.RemoveAll(f.dir); err != nil {
		t.Fatal(err)
	}
	f.directory.Expire()
	if _, _, err := f.Driver(t.Context(), p); !errors.Is(err, fault.ErrUnavailable) {
		t.Errorf("the directory is gone: Driver: %v, want ErrUnavailable", err)
	}
	if err := f.Available(p); !errors.Is(err, fault.ErrUnavailable) {
		t.Errorf("the directory is gone: Available: %v, want ErrUnavailable", err)
	}
	if set, err := f.Current(); err == nil {
		t.Errorf("the directory is gone: Current = %v", set)
	}
}

// TestDrivers_Limits: what a connection forbids is enforced by each driver that is
// opened with it.
func TestDrivers_Limits(t *testing.T) {
	scoped := memory("a") + "scopes: {allow: [team-*]}\nroles: {deny: [owner]}\n"
	f := newFixture(t, scoped)
	p := platform("memory", "a")
	d, _ := f.must(t, p)
	if _, err := d.Observe(t.Context(), []driver.Scope{{ID: "kube-system"}}); !errors.Is(err, fault.ErrForbidden) || !strings.Contains(err.Error(), `"a"`) {
		t.Errorf("Observe outside the scopes: %v, want ErrForbidden that names the connection", err)
	}
	if _, err := d.Observe(t.Context(), []driver.Scope{{ID: "team-a"}}); err != nil {
		t.Errorf("Observe inside the scopes: %v", err)
	}
	if r := d.Apply(t.Context(), driver.Scope{ID: "team-a"}, []plan.Step{give("1", "owner"), give("2", "viewer")}); !errors.Is(r[0].Err, fault.ErrForbidden) || r[1].Err != nil {
		t.Errorf("Apply: %v, want the role owner refused alone", r)
	}
	f.put(t, memory("a"))
	if d, _ := f.must(t, p); d.Apply(t.Context(), driver.Scope{ID: "kube-system"}, []plan.Step{give("1", "owner")})[0].Err != nil {
		t.Error("the limits are enforced after the operator took them back")
	}
}

// TestDrivers_LimitsOfParts: a composed connection forbids what any of its parts does.
func TestDrivers_LimitsOfParts(t *testing.T) {
	limited := func(text, limits string) string { return strings.Replace(text, "usedBy", limits+", usedBy", 1) }
	f := newFixture(t,
		limited(composed("{directory: dir, cluster: clu}"), "scopes: {allow: ['a*']}, roles: {deny: [whole]}"),
		limited(directoryText, "scopes: {allow: [/subscriptions/x]}, roles: {deny: [directory], secondPerson: [asked]}"),
		limited(clusterText, "scopes: {allow: ['*b']}, roles: {deny: [cluster]}"),
	)
	p := platform("aks", "aks")
	d, _ := f.must(t, p)
	for id, want := range map[string]bool{"ab": true, "a": false, "b": false, "/subscriptions/x": false} {
		if _, err := d.Observe(t.Context(), []driver.Scope{{ID: id}}); errors.Is(err, fault.ErrForbidden) == want || want && err != nil {
			t.Errorf("Observe of %q: %v, want it allowed: %t", id, err, want)
		}
	}
	steps := []plan.Step{give("1", "whole"), give("2", "directory"), give("3", "cluster"), give("4", "asked"), give("5", "view")}
	for i, r := range d.Apply(t.Context(), driver.Scope{ID: "ab"}, steps) {
		if want := i == 4; errors.Is(r.Err, fault.ErrForbidden) == want || want && r.Err != nil {
			t.Errorf("the role %q: %v, want it given: %t", steps[i].Want.Binding.Role, r.Err, want)
		}
	}
}

// TestDrivers_IsSafe for use by many goroutines.
func TestDrivers_IsSafe(t *testing.T) {
	f := newFixture(t, memory("a"), strings.Replace(memory("b"), "b.here", "a.here", 1))
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			for j := range 25 {
				p := platform("memory", "a")
				p.Connection = []string{"a", "b"}[(i+j)%2]
				d, digest, err := f.Driver(context.Background(), p)
				if err != nil || d == nil || digest == "" {
					t.Errorf("Driver = %v, %q, %v", d, digest, err)
				}
				_ = f.Available(p)
				f.directory.Expire()
			}
		})
	}
	for i := range 10 {
		f.put(t, memory("a")+fmt.Sprintf("limits: {concurrent: %d}\n", i+1), strings.Replace(memory("b"), "b.here", "a.here", 1))
	}
	wait.Wait()
}
