package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	identityroles "github.com/gophercloud/gophercloud/v2/openstack/identity/v3/roles"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/users"
	"golang.org/x/sync/errgroup"

	"github.com/rollcall-iam/rollcall/internal/driver/drivertest/faultproxy"
	"github.com/rollcall-iam/rollcall/internal/engines/keystone"
	"github.com/rollcall-iam/rollcall/internal/engines/kubernetes"
)

// The size that the bars are set for.
const (
	benchTenants = 20
	benchPeople  = 10
	// bareParallel is how many calls the bare client has open at once: as many
	// as this Keystone has threads.
	bareParallel = 16
)

// row is one line of the benchmark's table.
type row struct {
	what  string
	took  time.Duration
	calls int
	bar   string
}

// BenchmarkKeystone replicates 20 tenants with 3 groups of 10 people each into
// a real Keystone, checks them, and takes one person out of every group. In the
// same run a bare client makes the same 720 writes with nothing around them.
func BenchmarkKeystone(b *testing.B) {
	server := keystone.ForTest(b, keystone.Options{})
	target, err := url.Parse(server.URL())
	if err != nil {
		b.Fatal(err)
	}
	target.Path = ""
	for b.Loop() {
		bare := bareWrites(b, newCloud(b, server, server.URL(), benchTenants, benchPeople))
		rows := replicated(b, server, faultproxy.New(b, target), bare)
		for _, r := range rows {
			b.Logf("%-28s %10s %6d calls   %s", r.what, r.took.Round(time.Millisecond), r.calls, r.bar)
		}
		b.ReportMetric(rows[1].took.Seconds(), "first-s")
		b.ReportMetric(rows[1].took.Seconds()/bare.took.Seconds(), "first/bare")
		b.ReportMetric(rows[2].took.Seconds(), "check-s")
		b.ReportMetric(float64(rows[2].calls), "check-calls")
		b.ReportMetric(rows[3].took.Seconds(), "change-s")
	}
}

// replicated lets Rollcall do the work, through a proxy that counts.
func replicated(b *testing.B, server *keystone.Server, proxy *faultproxy.Proxy, bare row) []row {
	s := newStack(b)
	c := newCloud(b, server, proxy.URL()+"/v3", benchTenants, benchPeople)
	s.connect(c.connection)
	s.worker(c.environ()...)
	s.apply(c.documents())
	s.eventually("a worker that serves the platform", func() bool {
		code, _, _ := s.rollcall("", "plan", "acme."+tenantID(0)+"/openstack.lab")
		return code == done
	})
	measure := func(what, bar string, do func()) row {
		before, began := len(proxy.Log()), time.Now()
		do()
		return row{what, time.Since(began), len(proxy.Log()) - before, bar}
	}
	first := measure("first replication", "bar: 2x below terraform apply (52 s), within 1.15x of the bare client", func() {
		if r := s.replicate(done); r.Changed != benchTenants {
			b.Fatalf("first replication: %+v", r)
		}
	})
	check := measure("check, nothing changed", "bar: 2 calls, 20x below terraform plan (19-27 s)", func() {
		if r := s.replicate(done); r.Converged != benchTenants {
			b.Fatalf("check: %+v", r)
		}
	})
	s.apply(without(c.documents(), leavers()...), "--prune", "--yes")
	change := measure("one person out of each group", "bar: one write a group, 60", func() {
		if r := s.replicate(done); r.Changed != benchTenants {
			b.Fatalf("change: %+v", r)
		}
	})
	return []row{bare, first, check, change}
}

// BenchmarkKubernetes does the same with a real kube-apiserver, where a role's
// people are written in one call. Calls are those that Rollcall counts itself.
func BenchmarkKubernetes(b *testing.B) {
	server := kubernetes.ForTest(b)
	for b.Loop() {
		s := newStack(b)
		c := newCluster(b, server, benchTenants, benchPeople)
		s.connect(c.connection)
		s.worker()
		s.apply(c.documents())
		s.eventually("a worker that serves the platform", func() bool {
			code, _, _ := s.rollcall("", "plan", "acme."+tenantID(0)+"/kubernetes.lab")
			return code == done
		})
		measure := func(what, bar string) row {
			began := time.Now()
			r := s.replicate(done)
			return row{what, time.Since(began), r.Calls, bar}
		}
		first := measure("first replication", "60 RoleBindings of 10 people")
		check := measure("check, nothing changed", "bar: one list")
		s.apply(without(c.documents(), leavers()...), "--prune", "--yes")
		change := measure("one person out of each role", "bar: one write a binding, 60")
		for _, r := range []row{first, check, change} {
			b.Logf("%-28s %10s %6d calls   %s", r.what, r.took.Round(time.Millisecond), r.calls, r.bar)
		}
		b.ReportMetric(first.took.Seconds(), "first-s")
		b.ReportMetric(check.took.Seconds(), "check-s")
		b.ReportMetric(float64(check.calls), "check-calls")
		b.ReportMetric(change.took.Seconds(), "change-s")
	}
}

// leavers are the bindings of one person in every role of every tenant.
func leavers() []string {
	var names []string
	for i := range benchTenants {
		for _, role := range roles {
			names = append(names, bindingName(i, role, 0))
		}
	}
	return names
}

// bareWrites makes the same groups, members and roles with nothing but HTTP.
func bareWrites(b *testing.B, c *cloud) row {
	ctx := b.Context()
	people, roleIDs := c.ids(ctx, b)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: bareParallel}}
	began, calls := time.Now(), 0
	groupIDs := make([]string, len(c.tenants)*len(platformRoles))
	var wave errgroup.Group
	wave.SetLimit(bareParallel)
	for i := range groupIDs {
		calls++
		wave.Go(func() error {
			var out struct{ Group struct{ ID string } }
			err := c.call(ctx, client, http.MethodPost, "/groups", map[string]any{"group": map[string]string{
				"name": fmt.Sprintf("bare-%d", i), "domain_id": c.seeder.Domain, "description": "bare",
			}}, &out)
			groupIDs[i] = out.Group.ID
			return err
		})
	}
	if err := wave.Wait(); err != nil {
		b.Fatal(err)
	}
	for i, group := range groupIDs {
		role, tenant := platformRoles[i%len(platformRoles)], c.tenants[i/len(platformRoles)]
		calls += 1 + c.people
		wave.Go(func() error {
			return c.call(ctx, client, http.MethodPut, "/projects/"+tenant+"/groups/"+group+"/roles/"+roleIDs[role], nil, nil)
		})
		for n := range c.people {
			wave.Go(func() error {
				user := people[person(projectRole(role), n)+"@example.com"]
				return c.call(ctx, client, http.MethodPut, "/groups/"+group+"/users/"+user, nil, nil)
			})
		}
	}
	if err := wave.Wait(); err != nil {
		b.Fatal(err)
	}
	return row{"bare client, writes only", time.Since(began), calls, ""}
}

// platformRoles are the platform's roles, in the order of the project roles.
var platformRoles = []string{"operator", "member", "reader"}

// projectRole returns the project role that a platform role stands for.
func projectRole(platformRole string) string {
	for i, r := range platformRoles {
		if r == platformRole {
			return roles[i]
		}
	}
	return ""
}

// ids returns the ids of all people and roles, by name.
func (c *cloud) ids(ctx context.Context, b *testing.B) (people, roleIDs map[string]string) {
	people, roleIDs = map[string]string{}, map[string]string{}
	page, err := users.List(c.seeder.Client, users.ListOpts{DomainID: c.seeder.Domain}).AllPages(ctx)
	if err != nil {
		b.Fatal(err)
	}
	found, err := users.ExtractUsers(page)
	if err != nil {
		b.Fatal(err)
	}
	for _, u := range found {
		people[u.Name] = u.ID
	}
	if page, err = identityroles.List(c.seeder.Client, identityroles.ListOpts{}).AllPages(ctx); err != nil {
		b.Fatal(err)
	}
	known, err := identityroles.ExtractRoles(page)
	if err != nil {
		b.Fatal(err)
	}
	for _, r := range known {
		roleIDs[r.Name] = r.ID
	}
	return people, roleIDs
}

// call makes one request as the admin.
func (c *cloud) call(ctx context.Context, client *http.Client, method, path string, body, into any) error {
	payload, err := json.Marshal(body)
	if err != nil {
		return err
	}
	if body == nil {
		payload = nil
	}
	r, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.server.URL(), "/")+path, bytes.NewReader(payload))
	if err != nil {
		return err
	}
	r.Header.Set("X-Auth-Token", c.seeder.Client.TokenID)
	r.Header.Set("Content-Type", "application/json")
	response, err := client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("%s %s: %s: %s: %w", method, path, response.Status, answer, err)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}
