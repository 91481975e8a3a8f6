package e2e

import (
	"context"
	"os"
	"strings"
	"testing"

	assignments "github.com/gophercloud/gophercloud/v2/openstack/identity/v3/roles"

	"github.com/rollcall-iam/rollcall/internal/engines/keystone"
)

// keystonePlace is a place on a real Keystone. What its people may do, Keystone
// itself says, by the role assignments that are in effect.
type keystonePlace struct {
	t     *testing.T
	cloud *cloud
	who   map[string]string // name and role, by the ids of both
	all   []string          // the ids of person and role of those who always have it
}

func newKeystonePlace(t *testing.T) *keystonePlace {
	t.Helper()
	server := keystone.ForTest(t, keystone.Options{})
	p := &keystonePlace{t: t, cloud: newCloud(t, server, server.URL(), 1, 4), who: map[string]string{}}
	p.cloud.config = strings.Replace(p.cloud.config, "replication: {", "replication: {skipUserGroupPermissionCleanup: false, ", 1)
	seeder := p.cloud.seeder
	for role, of := range map[string]string{"operator": "admin", "member": "user", "reader": "reader"} {
		id, err := seeder.Role(t.Context(), role)
		if err != nil {
			t.Fatal(err)
		}
		for n := range 4 {
			who := person(of, n)
			user, err := seeder.User(t.Context(), who+"@example.com", true)
			if err != nil {
				t.Fatal(err)
			}
			p.who[user+" "+id] = who + " " + role
			if of != "reader" || n > 0 {
				p.all = append(p.all, user+" "+id)
			}
		}
	}
	return p
}

func (p *keystonePlace) wants() organisation    { return p.cloud.organisation }
func (p *keystonePlace) variables() []string    { return p.cloud.environ() }
func (p *keystonePlace) groups() map[string]int { return p.cloud.members(p.t.Context(), p.t) }

func (p *keystonePlace) without() []string {
	effective := true
	page, err := assignments.ListAssignments(p.cloud.seeder.Client, assignments.ListAssignmentsOpts{
		ScopeProjectID: p.cloud.tenants[0], Effective: &effective,
	}).AllPages(context.WithoutCancel(p.t.Context()))
	if err != nil {
		return []string{"nobody knows: " + err.Error()}
	}
	found, err := assignments.ExtractRoleAssignments(page)
	if err != nil {
		return []string{"nobody knows: " + err.Error()}
	}
	may := map[string]bool{}
	for _, a := range found {
		may[a.User.ID+" "+a.Role.ID] = true
	}
	var gone []string
	for _, id := range p.all {
		if !may[id] {
			gone = append(gone, p.who[id])
		}
	}
	return gone
}

// TestWorkerKilledInAReplacementOnKeystone is a sample of the crash matrix on a real
// Keystone: the boundaries around the point of no return, two of them without make soak.
func TestWorkerKilledInAReplacementOnKeystone(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts a real server: run without -short")
	}
	c := newCrashSite(t, newStack(t), newKeystonePlace(t), recreating())
	boundaries := []string{"before ConfirmReplacement 1", "before Apply 3"}
	if os.Getenv("ROLLCALL_SOAK") != "" {
		boundaries = append(boundaries, "after Apply 2", "after ConfirmReplacement 1", "after deciding RecreateGroup 3", "after Apply 3")
	}
	t.Logf("soak: worker killed at %d boundaries of a replacement on Keystone", len(boundaries))
	for _, boundary := range boundaries {
		t.Run(boundary, func(t *testing.T) { c.survive(t, atGate(boundary)) })
	}
}
