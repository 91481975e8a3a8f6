package activities_test

import (
	"fmt"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/testsuite"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/connection/connectiontest"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/cloudfoundry"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	simulated "github.com/rollcall-iam/rollcall/internal/simulate/cloudfoundry"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/internal/store/storetest"
)

// cloud is a simulated Cloud Foundry and the activities that serve it. The
// tenants acme.web and acme.shop are spaces of one organization, acme.far is a
// space of another.
type cloud struct {
	lab
	server  *simulated.Server
	address string
	spaces  map[string]string // by project
	orgs    map[string]string // by project
	users   map[string]string // ids by name
}

func newCloud(t *testing.T) *cloud {
	t.Helper()
	s := storetest.Open(t)
	server, err := simulated.New(simulated.Options{})
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(server)
	t.Cleanup(front.Close)
	t.Setenv("LAB_CLIENT_ID", "admin")
	t.Setenv("LAB_CLIENT_SECRET", "admin-secret")
	c := &cloud{server: server, address: front.URL, spaces: map[string]string{}, orgs: map[string]string{}, users: map[string]string{}}
	near, far := server.AddOrganization("near"), server.AddOrganization("far")
	c.orgs = map[string]string{"web": near, "shop": near, "far": far}
	for project, org := range c.orgs {
		c.spaces[project] = server.AddSpace(org, project)
	}
	for _, p := range people {
		c.users[p] = server.AddUser(p, "sso")
	}
	c.lab = lab{t: t, store: s, ledger: ledger.New(s)}
	c.platform = activities.NewPlatform(s, c.ledger, "lab", connectiontest.Drivers(t, s,
		map[string]driver.Open{"cloudfoundry": cloudfoundry.Open}, connectiontest.Of("cf.local", "cloudfoundry", map[string]string{
			"apiUrl": strconv.Quote(c.address), "auth": "{environment: {prefix: LAB}}",
		})))
	c.env = (&testsuite.WorkflowTestSuite{}).NewTestActivityEnvironment()
	c.platform.Register(c.env)
	return c
}

// ask stores documents in which these people have the role on each project; one
// that is not named is no tenant.
func (c *cloud) ask(projects map[string][]string) {
	c.t.Helper()
	var b strings.Builder
	write := func(format string, args ...any) { fmt.Fprintf(&b, "---\n"+format+"\n", args...) }
	write(`{apiVersion: v1, kind: meshWorkspace, metadata: {name: acme}, spec: {displayName: Acme}}`)
	write(`{apiVersion: v1, kind: meshProjectRole, metadata: {name: user}, spec: {name: User, rank: 1}}`)
	write(`{apiVersion: v1, kind: meshPlatform, metadata: {name: cf}, spec: {displayName: C, locationRef: {name: local}, config: {cloudfoundry: {
  origin: sso, replication: {roleMappings: [{projectRoleRef: {name: user}, roles: [space_developer]}]}}}}}`)
	for _, p := range people {
		write(`{apiVersion: v2, kind: meshUser, metadata: {name: %s}, spec: {email: %s@example.com, firstName: A, lastName: B, euid: %s}}`, p, p, p)
	}
	for project, members := range projects {
		write(`{apiVersion: v2, kind: meshProject, metadata: {name: %s, ownedByWorkspace: acme}, spec: {displayName: P}}`, project)
		write(`{apiVersion: v4, kind: meshTenant, metadata: {ownedByWorkspace: acme, ownedByProject: %s}, spec: {platformIdentifier: cf.local, platformTenantId: %s}}`,
			project, c.spaces[project])
		for _, p := range members {
			write(`{apiVersion: v3, kind: meshProjectUserBinding, metadata: {name: %s-%s}, roleRef: {name: user}, targetRef: {name: %s, ownedByWorkspace: acme}, subject: {name: %s}}`,
				project, p, project, p)
		}
	}
	docs, _, err := document.Decode(strings.NewReader(b.String()), "cloud")
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.store.Apply(c.t.Context(), store.ApplyRequest{Documents: docs, Prune: true}); err != nil {
		c.t.Fatal(err)
	}
}

func tenantOf(project string) access.TenantID {
	return access.TenantID{Workspace: "acme", Project: project, Platform: "cf.local"}
}

// plans runs the Plan activity for one project.
func (c *cloud) plans(project string, prepared activities.Prepared) activities.PlanOutput {
	c.t.Helper()
	p, err := execute[activities.PlanOutput](&c.lab, activities.PlanActivity, activities.PlanInput{Tenant: tenantOf(project), Prepared: prepared})
	if err != nil {
		c.t.Fatal(err)
	}
	return p
}

// applies makes a whole plan true.
func (c *cloud) applies(project string, p activities.PlanOutput) (out activities.ApplyOutput) {
	c.t.Helper()
	for _, batch := range p.Batches {
		var err error
		out, err = execute[activities.ApplyOutput](&c.lab, activities.ApplyActivity, activities.ApplyInput{
			Tenant: tenantOf(project), Digest: p.Digest, Desired: p.Desired, Pass: 1, Batch: batch,
		})
		if err != nil {
			c.t.Fatal(err)
		}
	}
	return out
}

// run replicates one project until nothing is left to do.
func (c *cloud) run(projects ...string) {
	c.t.Helper()
	for _, project := range projects {
		for range 3 {
			p := c.plans(project, activities.Prepared{})
			if p.Steps == 0 {
				break
			}
			c.applies(project, p)
		}
		if p := c.plans(project, activities.Prepared{}); p.Steps+p.Held > 0 {
			c.t.Fatalf("%s does not converge: %+v", project, p)
		}
	}
}

// has returns who has the role in the project's space, or in its organization.
func (c *cloud) has(role, project string) []string {
	names := map[string]string{}
	for name, id := range c.users {
		names[id] = name
	}
	found := []string{}
	for _, r := range c.server.Roles() {
		if r.Type == role && (r.Space == c.spaces[project] || r.Org == c.orgs[project]) {
			found = append(found, names[r.User])
		}
	}
	slices.Sort(found)
	return found
}

func (c *cloud) expect(reason, role, project string, want ...string) {
	c.t.Helper()
	slices.Sort(want)
	if diff := cmp.Diff(append([]string{}, want...), c.has(role, project)); diff != "" {
		c.t.Errorf("%s: %s of %s (-want +got):\n%s", reason, role, project, diff)
	}
}

func TestSharedRoleGoesWithTheLastTenantThatWantsIt(t *testing.T) {
	c := newCloud(t)
	c.ask(map[string][]string{"web": people[:3], "shop": people[:3], "far": people[:3]})
	c.run("web", "shop", "far")
	c.expect("three tenants", "organization_user", "web", people[:3]...)

	c.ask(map[string][]string{"web": people[1:3], "shop": people[:3], "far": people[:3]})
	c.run("web", "shop")
	c.expect("one tenant lets go", "space_developer", "web", people[1:3]...)
	c.expect("and the other does not", "organization_user", "web", people[:3]...)

	c.ask(map[string][]string{"web": people[1:3], "shop": people[1:3], "far": people[:3]})
	c.run("shop", "far")
	c.expect("the last one lets go of what another one's run made", "organization_user", "shop", people[1:3]...)
	c.expect("another organization has its own", "organization_user", "far", people[:3]...)
	owned, err := c.ledger.OwnedMany(t.Context(), []access.TenantID{tenantOf("web"), tenantOf("shop")})
	if err != nil {
		t.Fatal(err)
	}
	for tenant, all := range owned {
		for _, o := range all {
			if o.Key.Name == c.users[people[0]] {
				t.Errorf("the ledger still has %s of the person who left, for %s", o.Key.Role, tenant)
			}
		}
	}
	c.run("web")
}

func TestBothTenantsLetGoAtOnce(t *testing.T) {
	c := newCloud(t)
	c.ask(map[string][]string{"web": people[:3], "shop": people[:3]})
	c.run("web", "shop")
	c.ask(map[string][]string{"web": people[1:3], "shop": people[1:3]})
	c.run("web")
	c.expect("a role in the other space rests on it", "organization_user", "web", people[:3]...)
	c.run("shop")
	c.expect("the second one takes it", "organization_user", "web", people[1:3]...)
}

func TestSharedRoleOutlivesTheTenantThatMadeIt(t *testing.T) {
	c := newCloud(t)
	c.ask(map[string][]string{"web": people[:1], "shop": people[1:3]})
	c.run("web", "shop")
	c.ask(map[string][]string{"web": people[:1], "shop": people[:3]})
	c.run("shop")
	for _, r := range c.server.Roles() { // an administrator empties the space and it is given up
		if r.Space == c.spaces["web"] {
			c.server.RemoveRole(r.GUID)
		}
	}
	c.ask(map[string][]string{"shop": people[:3]})
	if p := c.plans("web", activities.Prepared{}); p.Steps+p.Held > 0 {
		t.Fatalf("the removed tenant's run has something to do: %+v", p)
	}
	if left, err := c.store.Tenants(t.Context(), store.TenantFilter{}); err != nil || len(left) != 1 {
		t.Errorf("the tenants are %v, %v; want the removed one forgotten", left, err)
	}
	c.expect("the removed tenant's run leaves what others want", "organization_user", "shop", people[:3]...)
	c.ask(map[string][]string{"shop": people[1:3]})
	c.run("shop")
	c.expect("what the removed tenant's run made is not orphaned", "organization_user", "shop", people[1:3]...)
}

func TestAgedPlanTakesNothingThatAnotherTenantWantsByNow(t *testing.T) {
	c := newCloud(t)
	c.ask(map[string][]string{"web": people[:3], "shop": people[1:3]})
	c.run("web", "shop")
	c.ask(map[string][]string{"web": people[1:3], "shop": people[1:3]})
	survey, err := execute[activities.DetectDriftOutput](&c.lab, activities.DetectDriftActivity, activities.DetectDriftInput{Platform: "cf.local", Limit: 10})
	if err != nil || len(survey.Drifted) != 1 {
		t.Fatalf("survey %+v, %v; want one drifted tenant", survey, err)
	}
	aged := c.plans("web", survey.Drifted[0].Plan)
	if aged.Calls != 0 || aged.Steps != 2 {
		t.Fatalf("plan %+v, want the survey's two steps without a call", aged)
	}
	c.ask(map[string][]string{"web": people[1:3], "shop": people[:3]})
	if out := c.applies("web", aged); !out.Replan || out.Done != 0 {
		t.Errorf("applying the aged plan: %+v; want it to be made again", out)
	}
	if again := c.plans("web", survey.Drifted[0].Plan); again.Calls == 0 || again.Steps != 1 {
		t.Errorf("plan %+v, want a new look that takes the role in the space alone", again)
	}
	c.expect("the aged plan took nothing", "organization_user", "web", people[:3]...)
	c.run("web", "shop")
	c.expect("who moved is still in the organization", "organization_user", "web", people[:3]...)
	c.expect("who moved has the role there", "space_developer", "shop", people[:3]...)
}

// TestSeparateTenantIsSurveyedInFewCalls looks at all three tenants together.
func TestSeparateTenantIsSurveyedInFewCalls(t *testing.T) {
	c := newCloud(t)
	c.ask(map[string][]string{"web": people[:3], "shop": people[:2], "far": people[:3]})
	c.run("web", "shop", "far")
	survey, err := execute[activities.DetectDriftOutput](&c.lab, activities.DetectDriftActivity, activities.DetectDriftInput{Platform: "cf.local", Limit: 10})
	if err != nil || survey.Totals.Converged != 3 || survey.Totals.Calls > 2 {
		t.Errorf("survey %+v, %v; want three converged tenants in two calls", survey, err)
	}
}
