package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/connection/connectiontest"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
)

// roles are the project roles of the generated organisation, as many as asked for.
var roles = []string{"admin", "user", "reader"}

// organisation describes tenants x roles x people: every role of every project
// is held by the same number of people, each by others.
type organisation struct {
	platform   string // <name>.<location>
	config     string // spec.config, as JSON
	connection string // what the workers reach the platform by
	tenants    []string
	people     int // for each role
}

// tenantID names the i-th tenant's place on the platform.
func tenantID(i int) string { return fmt.Sprintf("project-%02d", i) }

// person names the holder of a role: the same people work on all projects.
func person(role string, n int) string { return fmt.Sprintf("%s-%02d", role, n) }

// documents writes the organisation as YAML.
func (o organisation) documents() string {
	name, location, _ := strings.Cut(o.platform, ".")
	var b strings.Builder
	write := func(format string, args ...any) { fmt.Fprintf(&b, "---\n"+format+"\n", args...) }
	write(`{apiVersion: v1, kind: meshWorkspace, metadata: {name: acme}, spec: {displayName: Acme}}`)
	for _, role := range roles {
		write(`{apiVersion: v1, kind: meshProjectRole, metadata: {name: %s}, spec: {name: Project %s, rank: 1}}`, role, role)
		for n := range o.people {
			p := person(role, n)
			write(`{apiVersion: v2, kind: meshUser, metadata: {name: %s}, spec: {email: %s@example.com, firstName: A, lastName: B, euid: %s@example.com}}`, p, p, p)
		}
	}
	write(`{apiVersion: v1, kind: meshPlatform, metadata: {name: %s}, spec: {displayName: P, locationRef: {name: %s}, config: %s}}`,
		name, location, o.config)
	write(`{apiVersion: v1, kind: meshLandingZone, metadata: {name: zone}, spec: {displayName: Z, platformRef: {name: %s}}}`, o.platform)
	for i, id := range o.tenants {
		project := tenantID(i)
		write(`{apiVersion: v2, kind: meshProject, metadata: {name: %s, ownedByWorkspace: acme}, spec: {displayName: %s}}`, project, project)
		write(`{apiVersion: v4, kind: meshTenant, metadata: {ownedByWorkspace: acme, ownedByProject: %s}, spec: {platformIdentifier: %s, landingZoneIdentifier: zone, platformTenantId: %s}}`,
			project, o.platform, id)
		for _, role := range roles {
			for n := range o.people {
				write(`{apiVersion: v3, kind: meshProjectUserBinding, metadata: {name: %s}, roleRef: {name: %s}, targetRef: {name: %s, ownedByWorkspace: acme}, subject: {name: %s}}`,
					bindingName(i, role, n), role, project, person(role, n))
			}
		}
	}
	return b.String()
}

// bindingName names the binding that gives the n-th holder of a role the i-th
// project.
func bindingName(i int, role string, n int) string { return fmt.Sprintf("b-%02d-%s-%02d", i, role, n) }

// without leaves documents out by name.
func without(documents string, names ...string) string {
	var kept []string
	for d := range strings.SplitSeq(documents, "---\n") {
		keep := d != ""
		for _, n := range names {
			keep = keep && !strings.Contains(d, "metadata: {name: "+n+"}")
		}
		if keep {
			kept = append(kept, d)
		}
	}
	return "---\n" + strings.Join(kept, "---\n")
}

// memoryWorld makes a memory platform with tenants and all people, which the stack's
// workers can reach, and the organisation that goes with it.
func memoryWorld(s *stack, tenants, people int) (file string, o organisation) {
	s.t.Helper()
	file, o = memoryOrganisation(s.t, "sandbox.local", tenants, people)
	s.connect(o.connection)
	return file, o
}

// memoryOrganisation makes a memory platform of that identifier with tenants and all
// people, and the organisation that goes with it.
func memoryOrganisation(t testing.TB, platform string, tenants, people int) (file string, o organisation) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "world.json")
	o = organisation{platform: platform, connection: connectiontest.Memory(platform, file), people: people}
	var w memory.World
	for i := range tenants {
		o.tenants = append(o.tenants, tenantID(i))
		w.Tenants = append(w.Tenants, memory.Tenant{ID: tenantID(i)})
	}
	for _, role := range roles {
		for n := range people {
			w.Users = append(w.Users, memory.User{ID: "u-" + person(role, n), Name: person(role, n) + "@example.com"})
		}
	}
	if err := memory.Seed(file, w); err != nil {
		t.Fatal(err)
	}
	o.config = `{memory: {replication: {groupNamePattern: "#{projectIdentifier}-#{platformGroupAlias}", roleMappings: ` +
		roleMappings("owner", "developer", "viewer") + `}}}`
	return file, o
}

// roleMappings maps the project roles to a platform's, as JSON.
func roleMappings(platformRoles ...string) string {
	var parts []string
	for i, role := range roles {
		parts = append(parts, fmt.Sprintf(`{projectRoleRef: {name: %s}, groupAlias: %s, roles: [%s]}`, role, role, platformRoles[i]))
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// world reads the platform behind Rollcall's back.
func world(t testing.TB, file string) memory.World {
	t.Helper()
	w, err := memory.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// breakPlatform makes calls to a memory platform fail from now on; without
// faults it mends it.
func breakPlatform(t testing.TB, file string, faults ...memory.Fault) {
	t.Helper()
	if faults == nil {
		faults = []memory.Fault{}
	}
	if err := memory.Seed(file, memory.World{Faults: faults}); err != nil {
		t.Fatal(err)
	}
}
