package e2e

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// What is removed from the documents leaves a tombstone, and goes from the platform
// by it. These tests follow that from the removal to the day it is forgotten.

// yard is a platform with an organisation, as its owner sees it.
type yard struct {
	*stack
	organisation
	// sizes are the numbers of members of all groups, given counts the roles that
	// groups have.
	sizes func() map[string]int
	given func() int
	// restart kills the worker and starts another one.
	restart func()
}

// memoryYard has two tenants with three roles of three people, and a foreign group
// with a role on the first tenant.
func memoryYard(t *testing.T) (y yard, file string) {
	t.Helper()
	s := newStack(t)
	file, org := memoryWorld(s, 2, 3)
	err := memory.Seed(file, memory.World{
		Groups:   []memory.Group{{ID: "g-foreign", Name: "platform-team", Members: []string{"u-admin-00"}}},
		Bindings: []memory.Binding{{ID: "b-foreign", Tenant: tenantID(1), Role: "owner", Group: "g-foreign"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	worker := s.worker()
	y = yard{stack: s, organisation: org}
	y.sizes = func() map[string]int {
		sizes := membersOf(t, file)
		if sizes["platform-team"] != 1 {
			t.Errorf("the foreign group has %d members, want its one", sizes["platform-team"])
		}
		delete(sizes, "platform-team")
		return sizes
	}
	y.given = func() int {
		all := world(t, file).Bindings
		if !slices.ContainsFunc(all, func(b memory.Binding) bool { return b.ID == "b-foreign" }) {
			t.Error("the foreign group lost its role")
		}
		return len(all) - 1
	}
	y.restart = func() {
		kill(worker)
		worker = s.worker()
	}
	return y, file
}

func openshiftYard(t *testing.T) yard {
	t.Helper()
	o := newOpenshift(t, 2, 3)
	s := newStack(t)
	s.connect(o.connection)
	worker := s.worker(o.environ...)
	y := yard{stack: s, organisation: o.organisation, sizes: func() map[string]int { return o.members(t) }}
	y.given = func() (n int) {
		for i := range o.tenants {
			n += len(o.subjects(t, i))
		}
		return n
	}
	y.restart = func() {
		kill(worker)
		worker = s.worker(o.environ...)
	}
	return y
}

// lacking leaves documents out that hold one of the texts.
func lacking(documents string, texts ...string) string {
	var kept []string
	for d := range strings.SplitSeq(documents, "---\n") {
		if d != "" && !slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(d, text) }) {
			kept = append(kept, d)
		}
	}
	return "---\n" + strings.Join(kept, "---\n")
}

// The documents of the second tenant, as lacking knows them.
func secondTenant() []string {
	return []string{"kind: meshTenant, metadata: {ownedByWorkspace: acme, ownedByProject: " + tenantID(1) + "}"}
}

// full is what the organisation's groups are when all is as desired.
func full(tenants ...int) map[string]int {
	sizes := map[string]int{}
	for _, i := range tenants {
		for _, role := range roles {
			sizes[tenantID(i)+"-"+role] = 3
		}
	}
	return sizes
}

// expect checks the platform.
func (y yard) expect(t *testing.T, reason string, sizes map[string]int, given int) {
	t.Helper()
	if diff := cmp.Diff(sizes, y.sizes()); diff != "" {
		t.Errorf("%s: groups and members (-want +got):\n%s", reason, diff)
	}
	if got := y.given(); got != given {
		t.Errorf("%s: groups have %d roles, want %d", reason, got, given)
	}
}

// approveAll approves whatever is held.
func (y yard) approveAll(t *testing.T, tenants int) {
	t.Helper()
	held := y.held()
	if len(held) != tenants {
		t.Fatalf("what waits is %+v, want removals on %d tenants", held, tenants)
	}
	for _, h := range held {
		tenant := h.Tenant
		if !strings.Contains(tenant, "/") {
			tenant += "/" + h.Platform
		}
		y.must(done, "approve", tenant, h.Digest, "--reason", "it ended", "--as", "ada", "--wait")
	}
}

// forgotten checks that nothing remembers the tenants any more.
func (y yard) forgotten(t *testing.T, left int) {
	t.Helper()
	db, err := store.Open(t.Context(), y.database)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tenants, err := db.Tenants(t.Context(), store.TenantFilter{})
	if err != nil || len(tenants) != left {
		t.Errorf("tenants %v, %v; want %d", tenants, err, left)
	}
	statuses, err := db.Statuses(t.Context(), store.TenantFilter{})
	if err != nil || len(statuses) != left {
		t.Errorf("%d statuses, %v; want %d", len(statuses), err, left)
	}
	var tombstones int
	if err := db.Pool().QueryRow(t.Context(), "SELECT count(*) FROM tombstones").Scan(&tombstones); err != nil || tombstones > 0 {
		t.Errorf("%d tombstones, %v; want none", tombstones, err)
	}
}

// yards are the platforms on which every removal is tried.
func yards() map[string]func(*testing.T) yard {
	return map[string]func(*testing.T) yard{
		"memory": func(t *testing.T) yard {
			y, _ := memoryYard(t)
			return y
		},
		"openshift": openshiftYard,
	}
}

// TestCleanupOfATenant: its roles are taken at once, its groups wait for a word,
// and nothing of it is left then. It fails where access outlives the tenant, or
// groups do not wait.
func TestCleanupOfATenant(t *testing.T) {
	t.Parallel()
	for name, build := range yards() {
		t.Run(name, func(t *testing.T) {
			y := build(t)
			y.apply(y.documents())
			y.replicate(done)
			y.apply(lacking(y.documents(), secondTenant()...), "--prune", "--yes")
			y.replicate(waiting)
			y.expect(t, "while its groups wait", full(0, 1), 3)
			y.restart()
			y.approveAll(t, 1)
			y.expect(t, "when that is approved", full(0), 3)
			y.forgotten(t, 1)
			if r := y.replicate(done); r.Converged != 1 || r.Steps != 0 {
				t.Errorf("afterwards: %+v, want the other tenant converged", r)
			}
			y.oneRecordAStep()
		})
	}
}

// zoneApproves gives the landing zone its word beforehand.
func zoneApproves(documents string) string {
	return strings.Replace(documents, "metadata: {name: zone}, spec: {", "metadata: {name: zone}, spec: {automateDeletionApproval: true, ", 1)
}

// TestCleanupTakesEverythingAway: whatever is removed takes what only it asked
// for, and nothing else. It fails where a tombstone lacks what the cleanup needs:
// the landing zone's word, the platform's document, the role's mapping.
func TestCleanupTakesEverythingAway(t *testing.T) {
	t.Parallel()
	second := full(0)
	cases := map[string]struct {
		reason string
		// edit removes something; held says on how many tenants that waits.
		edit  func(documents string) string
		zone  bool // the landing zone approves deletions
		held  int
		sizes map[string]int
		given int
		left  int
	}{
		"tenant, approved beforehand": {
			reason: "automateDeletionApproval is that",
			edit:   func(d string) string { return lacking(d, secondTenant()...) },
			zone:   true, sizes: second, given: 3, left: 1,
		},
		"landing zone and its tenants": {
			reason: "the tombstone has the zone's word",
			edit: func(d string) string {
				return lacking(d, "kind: meshTenant", "kind: meshLandingZone")
			},
			zone: true, sizes: map[string]int{},
		},
		"platform and its tenants": {
			reason: "the tombstone has the platform's document, and its queue is still served",
			edit: func(d string) string {
				return lacking(d, "kind: meshTenant", "kind: meshLandingZone", "kind: meshPlatform")
			},
			held: 2, sizes: map[string]int{},
		},
		"role mapping": {
			reason: "its groups hold people, who would lose access: that waits, and goes when approved",
			edit: func(d string) string {
				i := strings.Index(d, ", {projectRoleRef: {name: reader}")
				return d[:i] + d[i+strings.Index(d[i:], "]}")+2:]
			},
			held: 2, sizes: lessReaders(), given: 4, left: 2,
		},
		"project role": {
			reason: "with its mapping and its bindings",
			edit: func(d string) string {
				i := strings.Index(d, ", {projectRoleRef: {name: reader}")
				d = d[:i] + d[i+strings.Index(d[i:], "]}")+2:]
				return lacking(d, "roleRef: {name: reader}", "kind: meshProjectRole, metadata: {name: reader}")
			},
			held: 2, sizes: lessReaders(), given: 4, left: 2,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			y, _ := memoryYard(t)
			documents := y.documents()
			if c.zone {
				documents = zoneApproves(documents)
			}
			y.apply(documents)
			y.replicate(done)
			y.apply(c.edit(documents), "--prune", "--yes")
			if c.held > 0 {
				y.replicate(waiting)
				y.restart()
				y.approveAll(t, c.held)
			} else {
				y.restart()
				y.replicate(done)
			}
			y.expect(t, c.reason, c.sizes, c.given)
			y.forgotten(t, c.left)
			y.oneRecordAStep()
		})
	}
}

// lessReaders is full without the groups of readers.
func lessReaders() map[string]int {
	sizes := full(0, 1)
	maps.DeleteFunc(sizes, func(name string, _ int) bool { return strings.HasSuffix(name, "-reader") })
	return sizes
}

// TestCleanupSwitchedOff: with skipUserGroupPermissionCleanup the groups stay, and
// nobody has a role by them. It fails where they go, where the roles stay, or where
// the tenant is never forgotten because of them.
func TestCleanupSwitchedOff(t *testing.T) {
	t.Parallel()
	y, _ := memoryYard(t)
	y.config = strings.Replace(y.config, "replication: {", "replication: {skipUserGroupPermissionCleanup: true, ", 1)
	y.apply(y.documents())
	y.replicate(done)
	y.apply(lacking(y.documents(), secondTenant()...), "--prune", "--yes")
	y.replicate(done)
	y.expect(t, "groups stay and roles do not", full(0, 1), 3)
	y.forgotten(t, 1)

	y.apply(y.documents()) // and it is back, with the groups it had
	if r := y.replicate(done); r.Changed != 1 || r.Failed != 0 {
		t.Errorf("when the tenant is back: %+v, want it changed", r)
	}
	y.expect(t, "the tenant is back", full(0, 1), 6)
}

// TestCleanupWaitsForAPlatformThatIsDown: a removal while the platform is away, and
// a worker that dies meanwhile, end as any other. It fails where what cannot be
// reached counts as gone.
func TestCleanupWaitsForAPlatformThatIsDown(t *testing.T) {
	t.Parallel()
	y, file := memoryYard(t)
	documents := zoneApproves(y.documents())
	y.apply(documents)
	y.replicate(done)
	for what, edit := range map[string]func() string{
		"a tenant": func() string { return lacking(documents, secondTenant()...) },
		"everything": func() string {
			return lacking(documents, "kind: meshTenant", "kind: meshLandingZone", "kind: meshPlatform")
		},
	} {
		y.apply(documents)
		y.replicate(done)
		breakPlatform(t, file, memory.Fault{Op: "*", Class: "unavailable"})
		y.apply(edit(), "--prune", "--yes")
		y.must(done, "replicate", "--all")
		y.eventually("a failed call", func() bool { return world(t, file).Faults[0].Hits > 2 })
		y.restart()
		y.expect(t, what+", while the platform is down", full(0, 1), 6)
		breakPlatform(t, file)
		y.replicate(done)
		want, given, left := full(0), 3, 1
		if what == "everything" {
			want, given, left = map[string]int{}, 0, 0
		}
		y.expect(t, what+", when it is back", want, given)
		y.forgotten(t, left)
	}
}

// TestCleanupIsTakenBack: a tenant that is back before its groups went has its
// access again, with the very groups it had and what others gave them. It fails
// where the groups are made anew, or the tombstone takes them later.
func TestCleanupIsTakenBack(t *testing.T) {
	t.Parallel()
	y, file := memoryYard(t)
	y.apply(y.documents())
	y.replicate(done)
	theirs := slices.IndexFunc(world(t, file).Groups, func(g memory.Group) bool { return g.Name == tenantID(1)+"-admin" })
	before := world(t, file).Groups
	err := memory.Seed(file, memory.World{Bindings: []memory.Binding{
		{ID: "b-theirs", Tenant: tenantID(1), Role: "billing", Group: before[theirs].ID},
	}})
	if err != nil {
		t.Fatal(err)
	}
	y.apply(lacking(y.documents(), secondTenant()...), "--prune", "--yes")
	y.replicate(waiting)
	y.expect(t, "while its groups wait", full(0, 1), 3+1)

	y.apply(y.documents())
	if r := y.replicate(done); r.Failed != 0 || r.Waiting != 0 {
		t.Errorf("when the tenant is back: %+v, want nothing waiting", r)
	}
	y.expect(t, "the tenant is back", full(0, 1), 6+1)
	if diff := cmp.Diff(before, world(t, file).Groups); diff != "" {
		t.Errorf("the groups are not those that were there (-before +after):\n%s", diff)
	}
	if held := y.held(); len(held) > 0 {
		t.Errorf("something still waits: %+v", held)
	}
	y.restart()
	if r := y.replicate(done); r.Converged != 2 {
		t.Errorf("afterwards: %+v, want both converged", r)
	}
}

// TestForeignThingsThroughACleanup: what others gave to our groups, and whom they
// put there, is named in a remark whatever becomes of it; their own groups are left
// alone all along (the yard looks at that each time).
func TestForeignThingsThroughACleanup(t *testing.T) {
	t.Parallel()
	for setting, kept := range map[string]bool{"keep": true, "remove": false} {
		t.Run(setting, func(t *testing.T) {
			y, file := memoryYard(t)
			y.config = strings.Replace(y.config, "replication: {", "replication: {additionalPermissions: "+setting+", ", 1)
			y.apply(y.documents())
			y.replicate(done)
			y.plant(t, file)
			y.replicate(done)
			code, given := access.ForeignPermissionRemoved, 6
			if kept {
				code, given = access.ForeignPermissionKept, 7
			}
			y.expect(t, "with what others did", full(0, 1), given)
			remarks := y.must(done, "status", "--warnings", "-o", "json")
			for _, want := range []string{string(code), "billing", string(access.ForeignMemberRemoved), "stranger@example.com"} {
				if !strings.Contains(remarks, want) {
					t.Errorf("the remarks do not name %s:\n%s", want, remarks)
				}
			}
			y.apply(lacking(y.documents(), secondTenant()...), "--prune", "--yes")
			y.replicate(waiting)
			y.approveAll(t, 1)
			y.expect(t, "when the tenant is gone", full(0), 3)
			y.forgotten(t, 1)
		})
	}
}

// plant gives a group of ours another role, and puts a stranger into it.
func (y yard) plant(t *testing.T, file string) {
	t.Helper()
	err := memory.Edit(file, func(w *memory.World) error {
		i := slices.IndexFunc(w.Groups, func(g memory.Group) bool { return g.Name == tenantID(1)+"-admin" })
		w.Users = append(w.Users, memory.User{ID: "u-stranger", Name: "stranger@example.com"})
		w.Groups[i].Members = append(w.Groups[i].Members, "u-stranger")
		w.Bindings = append(w.Bindings, memory.Binding{ID: "b-theirs", Tenant: tenantID(1), Role: "billing", Group: w.Groups[i].ID})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
