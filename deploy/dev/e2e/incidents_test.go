package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/driver/drivertest/faultproxy"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	"github.com/rollcall-iam/rollcall/internal/engines/keystone"
)

// Incidents that take workflows, several programs or a real platform to happen.
// The table of all incidents is in activities/incident_test.go.

// TestIncidentEmptyInputDeletedEverything: an empty source made ssosync delete all
// there was (#194). Here the documents come from an export that failed and left
// nothing. It fails where an empty input, or one that lacks nearly everything,
// takes access from people without anybody's word.
func TestIncidentEmptyInputDeletedEverything(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	file, org := memoryWorld(s, 2, 3)
	s.worker()
	s.apply(org.documents())
	s.replicate(done)
	before := world(t, file)
	for reason, input := range map[string]string{"nothing": "", "no document": "---\n---\n", "a web page": "<html><body>Log in</body></html>\n"} {
		if code, out, errs := s.rollcall(input, "apply", "-", "--prune", "--yes"); code != invalid {
			t.Errorf("%s: apply --prune ended with %d, want %d\n%s%s", reason, code, invalid, out, errs)
		}
	}
	// An export that ends after the people: all bindings are missing.
	var names []string
	for i := range org.tenants {
		for _, role := range roles {
			for n := range org.people {
				names = append(names, bindingName(i, role, n))
			}
		}
	}
	s.apply(without(org.documents(), names...), "--prune", "--yes")
	if r := s.replicate(waiting); r.Waiting != 2 {
		t.Errorf("without any binding: %+v, want both tenants waiting", r)
	}
	s.apply(org.documents())
	if r := s.replicate(done); r.Converged != 2 || r.Steps != 0 {
		t.Errorf("with the bindings back: %+v, want both converged without a step", r)
	}
	if after := world(t, file); after.Revision != before.Revision {
		t.Errorf("%d write calls were made, want none", after.Revision-before.Revision)
	}
}

// TestIncidentRemovalsDelayedEveryone: removing users from a meshStack workspace
// with many projects built a queue in which everybody else waited (2024-07-10).
// Here a platform takes few calls a second, and one workspace has all of them to
// make. It fails where another workspace's change waits for the last of them.
func TestIncidentRemovalsDelayedEveryone(t *testing.T) {
	t.Parallel()
	const crowd = 100
	s := newStack(t)
	file, org := memoryWorld(s, crowd, 3)
	if err := memory.Seed(file, memory.World{Tenants: []memory.Tenant{{ID: "other"}}}); err != nil {
		t.Fatal(err)
	}
	const binding = `---
{apiVersion: v3, kind: meshProjectUserBinding, metadata: {name: %s}, roleRef: {name: reader}, targetRef: {name: other, ownedByWorkspace: beta}, subject: {name: %s}}
`
	other := `---
{apiVersion: v1, kind: meshWorkspace, metadata: {name: beta}, spec: {displayName: Beta}}
---
{apiVersion: v2, kind: meshProject, metadata: {name: other, ownedByWorkspace: beta}, spec: {displayName: O}}
---
{apiVersion: v4, kind: meshTenant, metadata: {ownedByWorkspace: beta, ownedByProject: other}, spec: {platformIdentifier: sandbox.local, landingZoneIdentifier: zone, platformTenantId: other}}
` + fmt.Sprintf(binding, "o-1", "reader-00")
	s.worker()
	s.apply(org.documents() + other)
	s.replicate(done)
	s.connect(limited(org.platform, file, 40))
	time.Sleep(2 * time.Second) // workers read connections again once a second

	var leavers []string
	for i := range crowd {
		leavers = append(leavers, bindingName(i, "admin", 0))
	}
	s.apply(without(org.documents(), leavers...)+other, "--prune", "--yes")
	s.must(done, "replicate", "--all")
	left := func() (n int) {
		for _, g := range world(t, file).Groups {
			if strings.HasSuffix(g.Name, "-admin") && strings.HasPrefix(g.Name, "project-") && len(g.Members) == 3 {
				n++
			}
		}
		return n
	}
	s.eventually("the first of the crowd", func() bool { return left() < crowd })
	s.apply(fmt.Sprintf(binding, "o-2", "reader-01"))
	s.must(done, "replicate", "beta.other/sandbox.local", "--wait")
	waits := left()
	t.Logf("%d of %d still wait when the other workspace's change is done", waits, crowd)
	if waits < crowd/5 {
		t.Errorf("%d of %d still wait: the other workspace waited for nearly all of them", waits, crowd)
	}
	for _, g := range world(t, file).Groups {
		if g.Name == "other-reader" && len(g.Members) != 2 {
			t.Errorf("the other workspace's group has the members %v, want 2", g.Members)
		}
	}
}

// incidentTruncatedAnswerTakenForAll: Keystone answers 200 with a part of a
// list and truncated: true where list_limit is set. It fails where a part is taken
// for all of it: people, groups or roles that are not in it would go.
func incidentTruncatedAnswerTakenForAll(t *testing.T) {
	server := keystone.ForTest(t, keystone.Options{})
	target, err := url.Parse(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	target.Path = ""
	proxy := faultproxy.New(t, target)
	s := newStack(t)
	c := newCloud(t, server, proxy.URL()+"/v3", 1, 4)
	s.connect(c.connection)
	s.worker(c.environ()...)
	s.apply(c.documents())
	s.replicate(done)

	hits := proxy.Add(faultproxy.Rule{
		Match: func(r *http.Request) bool { return r.Method == http.MethodGet && calls(r) }, Fault: faultproxy.Fault{Truncate: true},
	})
	s.apply(without(c.documents(), bindingName(0, "admin", 0)), "--prune", "--yes")
	s.must(done, "replicate", "--all")
	s.eventually("some lists that are cut", func() bool { return hits() > 3 })
	c.want(t, 3, 4)
	proxy.Clear()
	if r := s.replicate(done); r.Failed != 0 {
		t.Errorf("with whole lists: %+v, want no failure", r)
	}
	got := c.members(t.Context(), t)
	want := map[string]int{"project-00-admin": 3, "project-00-user": 4, "project-00-reader": 4}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("groups and members %v, want %v", got, want)
	}
}

// TestIncidentGroupNamesDifferInCaseOnly: two groups whose names differ in case
// only are one group where a platform ignores it: what one has, the other gets. It
// fails where such documents are stored, or where a platform that tells the names
// apart is refused them.
func TestIncidentGroupNamesDifferInCaseOnly(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	_, org := memoryWorld(s, 1, 1)
	org.config = strings.Replace(org.config, "groupAlias: user", "groupAlias: ADMIN", 1)
	s.apply(org.documents())

	org.platform = "gcp.local"
	_, replication, _ := strings.Cut(org.config, "replication: {")
	replication = "replication: {" + replication
	for _, role := range []string{"owner", "developer", "viewer"} {
		replication = strings.Replace(replication, "roles: ["+role, "roles: [roles/"+role, 1)
	}
	org.config = "{gcp: {" + replication
	code, out, errs := s.rollcall(org.documents(), "apply", "-", "--prune", "--yes")
	if code != invalid || !strings.Contains(errs, `"project-00-ADMIN"`) || strings.Count(errs, "\n") > 4 {
		t.Errorf("apply ended with %d, want %d and the name alone:\n%s%s", code, invalid, out, errs)
	}
}
