package activities_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/internal/store/storetest"
)

// removed is a tenant whose project somebody deletes on the platform.
type removed struct{ *lab }

// zoned are the lab's documents with a landing zone for the tenant.
func (l removed) zoned(n int, automatic string) string {
	return strings.ReplaceAll(l.text(n), "platformIdentifier: sandbox.local,", "platformIdentifier: sandbox.local, landingZoneIdentifier: zone,") +
		"---\n{apiVersion: v1, kind: meshLandingZone, metadata: {name: zone}, spec: {displayName: Zone, " +
		"platformRef: {name: sandbox.local}, automateDeletionApproval: " + automatic + "}}\n"
}

// without are the documents but for the tenant's.
func without(text string) string {
	parts := slices.DeleteFunc(strings.Split(text, "---\n"), func(d string) bool { return strings.Contains(d, "kind: meshTenant,") })
	return strings.Join(parts, "---\n")
}

// vanish deletes the project on the platform, with the roles on it.
func (l removed) vanish() {
	l.t.Helper()
	l.edit(func(w *memory.World) { w.Tenants, w.Bindings = nil, nil })
}

func (l removed) tenants() int {
	l.t.Helper()
	ids, err := l.store.Tenants(l.t.Context(), store.TenantFilter{})
	if err != nil {
		l.t.Fatal(err)
	}
	return len(ids)
}

func (l removed) owned() []access.Key {
	l.t.Helper()
	owned, err := l.ledger.Owned(l.t.Context(), web)
	if err != nil {
		l.t.Fatal(err)
	}
	keys := []access.Key{}
	for _, o := range owned {
		keys = append(keys, o.Key)
	}
	return keys
}

// approve approves all that the plan holds.
func (l removed) approve(digest string) {
	l.t.Helper()
	p, _, err := l.store.Plan(l.t.Context(), digest)
	if err != nil {
		l.t.Fatal(err)
	}
	var decisions []store.Decision
	for _, r := range p.HeldRemovals() {
		decisions = append(decisions, store.Decision{
			Removal: r, Verdict: store.Approved, By: storetest.By("ada"), Reason: "left", Digest: p.HeldDigest(), Life: time.Hour,
		})
	}
	if err := l.store.Decide(l.t.Context(), p.Tenant, decisions); err != nil {
		l.t.Fatal(err)
	}
}

// runs plans and applies until nothing more happens.
func (l removed) runs() activities.PlanOutput {
	l.t.Helper()
	l.converge()
	p, err := l.plan(activities.PlanInput{})
	if err != nil {
		l.t.Fatal(err)
	}
	return p
}

func TestGroupsOfAVanishedTenantGoByTheRules(t *testing.T) {
	t.Parallel()
	group := access.Group{Name: "web-user"}.Key()
	for _, c := range []struct {
		reason    string
		automatic string
		members   int
		noID      bool
		waits     bool
	}{
		{reason: "people are in the group, so somebody has to approve", automatic: "false", members: 2, waits: true},
		{reason: "the landing zone approves beforehand", automatic: "true", members: 2},
		{reason: "nobody is in the group", automatic: "false"},
		{reason: "the id was taken from the document before, and people are in the group", automatic: "false", members: 2, noID: true, waits: true},
	} {
		t.Run(c.reason, func(t *testing.T) {
			l := removed{newLab(t)}
			l.put(l.zoned(c.members, c.automatic))
			l.converge()
			l.vanish()
			text := l.zoned(c.members, c.automatic)
			if c.noID {
				text = strings.ReplaceAll(text, ", platformTenantId: t1", "")
				l.put(text)
			}
			l.put(without(text))
			p := l.runs()
			if c.waits {
				if p.Outcome != activities.Waiting || p.Held != 1 || len(l.members()) != c.members || l.tenants() != 1 {
					t.Fatalf("%+v with %v in the group, and %d tenants; want it to wait, untouched", p, l.members(), l.tenants())
				}
				if diff := cmp.Diff([]access.Key{group}, onlyGroups(l.owned())); diff != "" {
					t.Errorf("owned while it waits (-want +got):\n%s", diff)
				}
				l.approve(p.Digest)
				l.runsDry()
			}
			w, err := memory.Read(l.file)
			if err != nil || len(w.Groups) > 0 || l.tenants() > 0 || len(l.owned()) > 0 {
				t.Errorf("left: groups %v, %d tenants, owned %v, %v; want nothing", w.Groups, l.tenants(), l.owned(), err)
			}
		})
	}
}

// runsDry is runs to the end of a tombstone, of which the last plan makes an end.
func (l removed) runsDry() {
	l.t.Helper()
	if p := l.runs(); p.Outcome != activities.Converged || p.Held > 0 {
		l.t.Fatalf("%+v, want the tenant to be done", p)
	}
}

func onlyGroups(keys []access.Key) []access.Key {
	return slices.DeleteFunc(keys, func(k access.Key) bool { return k.Kind != access.KindGroup })
}

// A project that is gone although its documents are there is a mistake on either
// side: nothing happens, and somebody has to look.
func TestAVanishedTenantThatIsWantedIsLeftAlone(t *testing.T) {
	t.Parallel()
	l := removed{newLab(t)}
	l.put(l.zoned(2, "true"))
	l.converge()
	l.vanish()
	before, owned := l.revision(), l.owned()
	p, err := l.plan(activities.PlanInput{})
	if err != nil || p.Outcome != activities.Failed || p.Steps+p.Held != 0 || p.Remarks != 1 {
		t.Errorf("%+v, %v; want it to fail with a remark and no steps", p, err)
	}
	status, err := l.store.Statuses(t.Context(), store.TenantFilter{})
	if err != nil || len(status) != 1 || len(status[0].Remarks) != 1 || status[0].Remarks[0].Code != access.TenantNotFound {
		t.Errorf("status %+v, %v; want the remark %s", status, err, access.TenantNotFound)
	}
	if diff := cmp.Diff([]string{"u-adaline", "u-benedict"}, l.members()); diff != "" || l.revision() != before {
		t.Errorf("the platform was changed (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(owned, l.owned()); diff != "" {
		t.Errorf("the ledger was changed (-want +got):\n%s", diff)
	}
}

// What stays on the platform although the tenant is forgotten stays in the ledger.
func TestTheLedgerKeepsWhatStillExists(t *testing.T) {
	t.Parallel()
	l := removed{newLab(t)}
	keep := strings.ReplaceAll(l.zoned(2, "true"), "replication: {", "replication: {skipUserGroupPermissionCleanup: true, ")
	l.put(keep)
	l.converge()
	l.vanish()
	l.put(without(keep))
	if p, err := l.plan(activities.PlanInput{}); err != nil || p.Outcome != activities.Converged || l.tenants() != 0 {
		t.Fatalf("%+v, %v, %d tenants; want it forgotten", p, err, l.tenants())
	}
	if diff := cmp.Diff([]access.Key{access.Group{Name: "web-user"}.Key()}, l.owned()); diff != "" {
		t.Errorf("owned (-want +got):\n%s", diff)
	}
}
