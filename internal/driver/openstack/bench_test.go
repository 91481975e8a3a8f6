package openstack_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// The size of the yardstick: 60 groups, 600 memberships, 60 role assignments.
const (
	benchTenants = 20
	benchRoles   = 3
	benchMembers = 10
)

// benchOpen is how many calls either client has open at once.
const benchOpen = 8

// cloud is the yardstick's tenants and people, with nothing given yet.
type cloud struct {
	*world
	projects []string
	people   []string
}

func newCloud(b *testing.B) cloud {
	c := cloud{world: newWorld(b)}
	for i := range benchTenants {
		c.projects = append(c.projects, c.tenant(b, fmt.Sprintf("bench-%02d", i)))
	}
	for i := range benchTenants * benchMembers {
		c.people = append(c.people, c.user(b, fmt.Sprintf("bench-%03d@example.com", i)))
	}
	return c
}

// members are those of one group.
func (c cloud) members(tenant, role int) []string {
	at := (tenant*benchRoles + role) * benchMembers % len(c.people)
	return c.people[at : at+benchMembers]
}

// scope is one tenant for the driver, which writes groups of that prefix.
func (c cloud) scope(tenant int) driver.Scope {
	of := access.TenantID{Workspace: "bench", Project: strconv.Itoa(tenant), Platform: "openstack.test"}
	return driver.Scope{Tenant: of, ID: c.projects[tenant], Mark: access.Mark{Installation: "bench", Tenant: of.String()}}
}

// BenchmarkFirstWrite writes the same 720 objects with the driver and with a bare
// client, both with as many calls open, and reports the ratio of their times. The
// bar is 1.15.
func BenchmarkFirstWrite(b *testing.B) {
	c := newCloud(b)
	direct := openAt(b, c.server.URL(), c.name, c.server.Admin().Environ("CLOUD"))
	if _, err := direct.Resolve(b.Context(), []string{"nobody@example.com"}); err != nil { // signs in
		b.Fatal(err)
	}
	var ours, bare time.Duration
	calls := 0
	for i := 0; b.Loop(); i++ {
		run := fmt.Sprintf("%s-%d", b.Name()[len("Benchmark"):], i)
		first := func() {
			began := time.Now()
			calls = c.writeWithDriver(b, direct, "driver-"+run)
			ours += time.Since(began)
		}
		second := func() {
			began := time.Now()
			c.writeBare(b, "bare-"+run)
			bare += time.Since(began)
		}
		if i%2 == 1 { // a Keystone that warms up favours who comes second
			first, second = second, first
		}
		first()
		second()
	}
	b.ReportMetric(ours.Seconds()/float64(b.N), "driver-s")
	b.ReportMetric(bare.Seconds()/float64(b.N), "bare-s")
	b.ReportMetric(ours.Seconds()/bare.Seconds(), "driver/bare")
	b.ReportMetric(float64(calls), "calls")
}

// writeWithDriver plans and applies all tenants from nothing, as a worker does,
// and returns the number of calls.
func (c cloud) writeWithDriver(b *testing.B, d driver.Driver, prefix string) int {
	b.Helper()
	ctx, meter := budget.WithMeter(b.Context())
	var running errgroup.Group
	running.SetLimit(benchOpen / 4) // a step of members has four calls open
	for i := range c.projects {
		running.Go(func() error { return c.replicate(ctx, d, prefix, i) })
	}
	if err := running.Wait(); err != nil {
		b.Fatal(err)
	}
	return meter.Calls()
}

// replicate plans one tenant from nothing and applies it.
func (c cloud) replicate(ctx context.Context, d driver.Driver, prefix string, tenant int) error {
	scope := c.scope(tenant)
	var want access.State
	for r := range benchRoles {
		g := access.Group{Name: fmt.Sprintf("%s-%d-%d", prefix, tenant, r)}
		for _, ref := range c.members(tenant, r) {
			g.Members = append(g.Members, access.Member{Account: access.Account{Ref: ref}})
		}
		want.Groups = append(want.Groups, g)
		want.Bindings = append(want.Bindings, access.Binding{Role: lawRoles[r], Group: g.Name})
	}
	p := plan.Make(plan.Input{
		Tenant: scope.Tenant, Desired: want,
		Rules: plan.Rules{Mark: scope.Mark, MemberChunk: d.Profile().MemberChunk, Guard: plan.DefaultGuard()},
	})
	for _, wave := range p.Waves(d.Profile().Unit) {
		var running errgroup.Group
		running.SetLimit(d.Profile().Parallel)
		for _, work := range wave {
			running.Go(func() error { return applyWork(ctx, d, scope, p, work) })
		}
		if err := running.Wait(); err != nil {
			return err
		}
	}
	return nil
}

func applyWork(ctx context.Context, d driver.Driver, scope driver.Scope, p plan.Plan, work plan.Work) error {
	var steps []plan.Step
	for _, id := range work.Steps {
		step, _ := p.Step(id)
		steps = append(steps, step)
	}
	for _, r := range d.Apply(ctx, scope, steps) {
		if r.Err != nil {
			return r.Err
		}
	}
	return nil
}

// writeBare makes the same writes with nothing around them.
func (c cloud) writeBare(b *testing.B, prefix string) {
	b.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	free := make(chan struct{}, benchOpen)
	call := func(method, path string, body, into any) error {
		free <- struct{}{}
		defer func() { <-free }()
		return c.bareCall(b.Context(), client, method, path, body, into)
	}
	var running errgroup.Group
	for i := range c.projects {
		for r := range benchRoles {
			running.Go(func() error {
				var made struct{ Group struct{ ID string } }
				body := map[string]any{"group": map[string]any{"name": fmt.Sprintf("%s-%d-%d", prefix, i, r), "domain_id": c.seed.Domain}}
				if err := call(http.MethodPost, "/groups", body, &made); err != nil {
					return err
				}
				id := made.Group.ID
				for _, user := range c.members(i, r) {
					running.Go(func() error { return call(http.MethodPut, "/groups/"+id+"/users/"+user, nil, nil) })
				}
				path := "/projects/" + c.projects[i] + "/groups/" + id + "/roles/" + c.roles[lawRoles[r]]
				running.Go(func() error { return call(http.MethodPut, path, nil, nil) })
				return nil
			})
		}
	}
	if err := running.Wait(); err != nil {
		b.Fatal(err)
	}
}

func (c cloud) bareCall(ctx context.Context, client *http.Client, method, path string, body, into any) error {
	var text io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return err
		}
		text = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.server.URL()+path, text)
	if err != nil {
		return err
	}
	request.Header.Set("X-Auth-Token", c.seed.Client.Token())
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("%s %s: %s, %w", method, path, response.Status, err)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}

// BenchmarkConverged checks the yardstick's tenants when all is as it should be.
// The bar is two calls, and under a second.
func BenchmarkConverged(b *testing.B) {
	c := newCloud(b)
	d := openAt(b, c.server.URL(), c.name, c.server.Admin().Environ("CLOUD"))
	c.writeWithDriver(b, d, "converged")
	var scopes []driver.Scope
	for i := range c.projects {
		scopes = append(scopes, c.scope(i))
	}
	observe := func(ctx context.Context) []driver.Observation {
		got, err := d.Observe(ctx, scopes)
		if err != nil {
			b.Fatal(err)
		}
		return got
	}
	for i, seen := range observe(b.Context()) {
		scopes[i].Groups = seen.State.Groups
	}
	var calls int
	for b.Loop() {
		ctx, meter := budget.WithMeter(b.Context())
		for _, seen := range observe(ctx) {
			if len(seen.State.Groups) != benchRoles || len(seen.State.Groups[0].Members) != benchMembers {
				b.Fatalf("a tenant shows %+v", seen.State)
			}
		}
		calls = meter.Calls()
	}
	b.ReportMetric(float64(calls), "calls")
}
