package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/users"

	"github.com/rollcall-iam/rollcall/internal/connection/connectiontest"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest/faultproxy"
	"github.com/rollcall-iam/rollcall/internal/engines/keystone"
	"github.com/rollcall-iam/rollcall/internal/engines/postgres"
)

// cloud is a real Keystone with tenants and people in it.
type cloud struct {
	organisation
	server *keystone.Server
	seeder *keystone.Seeder
	domain string
}

// credentials is the prefix of the variables with the admin's credentials.
const credentials = "E2E_OPENSTACK"

// newCloud fills a domain of its own with projects, people and roles. Rollcall
// reaches the server at url.
func newCloud(t testing.TB, server *keystone.Server, at string, tenants, people int) *cloud {
	t.Helper()
	ctx := t.Context()
	seeder, err := server.Seed(ctx)
	if err != nil {
		t.Fatal(err)
	}
	c := &cloud{server: server, seeder: seeder, domain: fmt.Sprintf("e2e-%d", time.Now().UnixNano())}
	c.organisation = organisation{platform: "openstack.lab", people: people}
	if seeder.Domain, err = seeder.DomainNamed(ctx, c.domain); err != nil {
		t.Fatal(err)
	}
	for i := range tenants {
		id, err := seeder.Project(ctx, tenantID(i))
		if err != nil {
			t.Fatal(err)
		}
		c.tenants = append(c.tenants, id)
	}
	for _, role := range []string{"member", "reader", "operator"} {
		if _, err := seeder.Role(ctx, role); err != nil {
			t.Fatal(err)
		}
	}
	for _, role := range roles {
		for n := range people {
			if _, err := seeder.User(ctx, person(role, n)+"@example.com", true); err != nil {
				t.Fatal(err)
			}
		}
	}
	c.config = `{openstack: {replication: {groupNamePattern: "#{projectIdentifier}-#{platformGroupAlias}", roleMappings: ` +
		roleMappings("operator", "member", "reader") + `}}}`
	c.connection = connectiontest.Of(c.platform, "openstack", map[string]string{
		"url": strconv.Quote(at), "domainName": c.domain, "auth": "{environment: {prefix: " + credentials + "}}",
	})
	return c
}

// environ is what the worker signs in to the cloud with.
func (c *cloud) environ() []string {
	var environ []string
	for name, value := range c.server.Admin().Environ(credentials) {
		environ = append(environ, name+"="+value)
	}
	return environ
}

// members counts the members of every group of the cloud's domain, by name.
func (c *cloud) members(ctx context.Context, t testing.TB) map[string]int {
	t.Helper()
	page, err := groups.List(c.seeder.Client, groups.ListOpts{DomainID: c.seeder.Domain}).AllPages(ctx)
	if err != nil {
		t.Fatal(err)
	}
	found, err := groups.ExtractGroups(page)
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, g := range found {
		page, err := users.ListInGroup(c.seeder.Client, g.ID, users.ListOpts{}).AllPages(ctx)
		if err != nil {
			t.Fatal(err)
		}
		people, err := users.ExtractUsers(page)
		if err != nil {
			t.Fatal(err)
		}
		counts[g.Name] += len(people)
	}
	return counts
}

// want checks that every group has so many members.
func (c *cloud) want(t testing.TB, groups, members int) {
	t.Helper()
	got := c.members(t.Context(), t)
	if len(got) != groups {
		t.Errorf("the cloud has %d groups, want %d: %v", len(got), groups, got)
	}
	for name, n := range got {
		if n != members {
			t.Errorf("group %s has %d members, want %d", name, n, members)
		}
	}
}

// isWrite reports whether a logged call changes something. Signing in does not.
func isWrite(e faultproxy.Entry) bool {
	return e.Method != http.MethodGet && !strings.HasSuffix(e.Path, "/auth/tokens")
}

// TestOnKeystone runs what is tested on the real Keystone, one after the other: it
// is slow enough alone, and one test's load would be another's outage.
func TestOnKeystone(t *testing.T) {
	t.Parallel()
	t.Run("Converges", keystoneConverges)
	t.Run("FaultsTakeNothing", keystoneFaultsTakeNothing)
	t.Run("IncidentTruncatedAnswerTakenForAll", incidentTruncatedAnswerTakenForAll)
	t.Run("LeaverIsRemoved", leaverIsRemoved)
	t.Run("RemovesLeaverFromFormerTenants", removesLeaverFromFormerTenants)
	t.Run("Probe", keystoneProbe)
	t.Run("OutageIsWaitedFor", keystoneOutageIsWaitedFor)
}

func keystoneConverges(t *testing.T) {
	s := newStack(t)
	server := keystone.ForTest(t, keystone.Options{})
	target, err := url.Parse(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	target.Path = ""
	proxy := faultproxy.New(t, target)
	c := newCloud(t, server, proxy.URL()+"/v3", 3, 2)
	s.connect(c.connection)
	s.worker(c.environ()...)
	s.apply(c.documents())

	if r := s.replicate(done); r.Changed != 3 || r.Warnings != 0 {
		t.Fatalf("first replication: %+v, want 3 tenants changed and no remarks", r)
	}
	c.want(t, 9, 2)
	if n := proxy.CountIf(isWrite); n != 9+9+18 {
		t.Errorf("the first replication made %d write calls, want 36: 9 groups, 9 roles, 18 members", n)
	}

	calls := len(proxy.Log())
	if r := s.replicate(done); r.Converged != 3 || r.Steps != 0 {
		t.Errorf("second replication: %+v, want 3 tenants converged", r)
	}
	if n := proxy.CountIf(isWrite); n != 36 {
		t.Errorf("the second replication made %d write calls, want none", n-36)
	}
	if n := len(proxy.Log()) - calls; n > 2 {
		t.Errorf("checking 3 converged tenants took %d calls, want the 2 that the API allows", n)
	}
}

// reachable returns a directory that an unprivileged server can enter.
func reachable(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

func keystoneOutageIsWaitedFor(t *testing.T) {
	s := newStack(t)
	if err := keystone.Available(); err != nil {
		keystone.ForTest(t, keystone.Options{}) // skips or fails, as everywhere
	}
	options := keystone.Options{Dir: reachable(t), DatabaseURL: postgres.ForTest(t)}
	server, err := keystone.Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	stop := func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	}
	c := newCloud(t, server, server.URL(), 1, 3)
	s.connect(c.connection)
	s.worker(c.environ()...)
	s.apply(c.documents())
	s.replicate(done)
	c.want(t, 3, 3)

	stop()
	s.apply(without(c.documents(), bindingName(0, "admin", 0), bindingName(0, "user", 0), bindingName(0, "reader", 0)), "--prune", "--yes")
	s.must(done, "replicate", "--all")
	time.Sleep(5 * time.Second) // long enough for several tries to fail
	if server, err = keystone.Start(t.Context(), options); err != nil {
		t.Fatal(err)
	}
	defer stop()
	if r := s.replicate(done); r.Failed != 0 {
		t.Errorf("after the outage: %+v, want no failure", r)
	}
	c.want(t, 3, 2)
}
