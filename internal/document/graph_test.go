package document_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/document/documenttest"
)

// company is an organisation with two workspaces. The group crew is in both, the group desk
// is global.
const company = `{apiVersion: v2, kind: meshWorkspace, metadata: {name: w}, spec: {displayName: W}}
--- {apiVersion: v2, kind: meshWorkspace, metadata: {name: x}, spec: {displayName: X}}
--- {apiVersion: v2, kind: meshUser, metadata: {name: ada}, spec: {euid: ada-1}}
--- {apiVersion: v2, kind: meshUser, metadata: {name: ben}, spec: {euid: ben-1}}
--- {apiVersion: v2, kind: meshUser, metadata: {name: cyd}, spec: {euid: cyd-1}}
--- {apiVersion: v2, kind: meshUser, metadata: {name: dan}, spec: {euid: dan-1}}
--- {apiVersion: v1, kind: meshWorkspaceUserGroup, metadata: {name: crew, ownedByWorkspace: w}, spec: {members: [ben]}}
--- {apiVersion: v1, kind: meshWorkspaceUserGroup, metadata: {name: crew, ownedByWorkspace: x}, spec: {members: [cyd]}}
--- {apiVersion: v1, kind: meshWorkspaceUserGroup, metadata: {name: spare, ownedByWorkspace: x}, spec: {members: [ben, dan]}}
--- {apiVersion: v1, kind: meshWorkspaceUserGroup, metadata: {name: desk}, spec: {members: [eve]}}
--- {apiVersion: v2, kind: meshUser, metadata: {name: eve}, spec: {euid: eve-1}}
--- {apiVersion: v2, kind: meshProject, metadata: {name: p, ownedByWorkspace: w}, spec: {displayName: P}}
--- {apiVersion: v2, kind: meshProject, metadata: {name: q, ownedByWorkspace: w}, spec: {displayName: Q}}
--- {apiVersion: v2, kind: meshProject, metadata: {name: p, ownedByWorkspace: x}, spec: {displayName: P of x}}
--- {apiVersion: v1, kind: meshProjectRole, metadata: {name: admin}, spec: {name: Admin, rank: 9}}
--- {apiVersion: v1, kind: meshPlatform, metadata: {name: m}, spec: {locationRef: {name: a}, config: {memory: {replication: {groupNamePattern: g-a}}}}}
--- {apiVersion: v1, kind: meshPlatform, metadata: {name: m}, spec: {locationRef: {name: b}, config: {memory: {replication: {groupNamePattern: g-b}}}}}
--- {apiVersion: v1, kind: meshLandingZone, metadata: {name: dev}, spec: {displayName: Dev, platformRef: {name: m.a}}}
--- {apiVersion: v1, kind: Guard, metadata: {name: of a}, spec: {platforms: [m.a], group: {most: 3}}}
--- {apiVersion: v1, kind: Guard, metadata: {name: rest}, spec: {group: {most: 4}}}
--- {apiVersion: v3, kind: meshTenant, metadata: {ownedByWorkspace: w, ownedByProject: p, platformIdentifier: m.a}, spec: {localId: wpa, landingZoneIdentifier: dev}}
--- {apiVersion: v3, kind: meshTenant, metadata: {ownedByWorkspace: w, ownedByProject: p, platformIdentifier: m.b}, spec: {localId: wpb}}
--- {apiVersion: v3, kind: meshTenant, metadata: {ownedByWorkspace: w, ownedByProject: q, platformIdentifier: m.b}, spec: {localId: wqb}}
--- {apiVersion: v3, kind: meshTenant, metadata: {ownedByWorkspace: x, ownedByProject: p, platformIdentifier: m.a}, spec: {localId: xpa}}
--- {apiVersion: v3, kind: meshProjectUserBinding, metadata: {name: ada-wp}, roleRef: {name: admin}, targetRef: {name: p, ownedByWorkspace: w}, subject: {name: ada}}
--- {apiVersion: v3, kind: meshProjectGroupBinding, metadata: {name: crew-wq}, roleRef: {name: admin}, targetRef: {name: q, ownedByWorkspace: w}, subject: {name: crew}}
--- {apiVersion: v3, kind: meshProjectGroupBinding, metadata: {name: crew-xp}, roleRef: {name: admin}, targetRef: {name: p, ownedByWorkspace: x}, subject: {name: crew}}
--- {apiVersion: v3, kind: meshProjectGroupBinding, metadata: {name: desk-xp}, roleRef: {name: admin}, targetRef: {name: p, ownedByWorkspace: x}, subject: {name: desk}}
--- {apiVersion: v3, kind: meshProjectGroupBinding, metadata: {name: desk-wq}, roleRef: {name: admin}, targetRef: {name: q, ownedByWorkspace: w}, subject: {name: desk}}
`

func TestAffected(t *testing.T) {
	const all = "w.p/m.a x.p/m.a w.p/m.b w.q/m.b"
	for name, tc := range map[string]struct {
		reason   string
		from, to string
		want     string
	}{
		"Workspace":          {"no access depends on what a workspace is called", "displayName: W}", "displayName: V}", ""},
		"UserDirect":         {"a binding of the user is on one project with two tenants", "ada-1", "ada-2", "w.p/m.a w.p/m.b"},
		"UserInGroup":        {"the group is bound in its own workspace only", "ben-1", "ben-2", "w.q/m.b"},
		"UserInOtherGroup":   {"a group of the same name is another group", "cyd-1", "cyd-2", "x.p/m.a"},
		"UserWithoutBinding": {"the user's only group is not bound", "dan-1", "dan-2", ""},
		"UserInGlobalGroup":  {"a global group may be bound in any workspace", "eve-1", "eve-2", "x.p/m.a w.q/m.b"},
		"GlobalGroup":        {"all projects where it is bound", "members: [eve]", "members: [dan]", "x.p/m.a w.q/m.b"},
		"GroupOfGlobalName":  {"it takes the place of the global group in its workspace", "name: spare, ownedByWorkspace: x", "name: desk, ownedByWorkspace: x", "x.p/m.a"},
		"UserOfSameAccount":  {"the bound user of the account gains nothing meanwhile, and the other one is bound nowhere", "dan-1", "ADA-1", "w.p/m.a w.p/m.b"},
		"GroupGainsMember":   {"the new member gains access", "members: [ben]}}", "members: [ben, dan]}}", "w.q/m.b"},
		"GroupLosesMember":   {"the former member loses access", "members: [ben]}}", "members: []}}", "w.q/m.b"},
		"GroupNotBound":      {"nobody has access through it", "members: [ben, dan]", "members: [dan]", ""},
		"Project":            {"all tenants of the project may have its name in groups", "displayName: P}", "displayName: R}", "w.p/m.a w.p/m.b"},
		"Role":               {"any mapping may name it", "rank: 9", "rank: 8", all},
		"Platform":           {"all its tenants", "g-b", "g-c", "w.p/m.b w.q/m.b"},
		"LandingZone":        {"its tenants only", "displayName: Dev", "displayName: Test", "w.p/m.a"},
		"GuardOfPlatform":    {"its platform only", "most: 3", "most: 2", "w.p/m.a x.p/m.a"},
		"GuardOfTheRest":     {"the platforms that no other guard names", "most: 4", "most: 2", "w.p/m.b w.q/m.b"},
		"GuardMoves":         {"one platform loses it, another one gains it", "platforms: [m.a]", "platforms: [m.b]", all},
		"Tenant":             {"itself", "localId: wqb", "localId: new", "w.q/m.b"},
		"TenantMoves":        {"it leaves its landing zone", ", landingZoneIdentifier: dev", "", "w.p/m.a"},
		"UserBindingMoves":   {"one project loses it, another one gains it", "targetRef: {name: p, ownedByWorkspace: w}", "targetRef: {name: q, ownedByWorkspace: w}", "w.p/m.a w.p/m.b w.q/m.b"},
		"GroupBindingRole":   {"its project", "crew-xp}, roleRef: {name: admin}", "crew-xp}, roleRef: {name: Admin}", "x.p/m.a"},
		"TenantRemoved": {
			"it has to be cleaned up",
			"--- {apiVersion: v3, kind: meshTenant, metadata: {ownedByWorkspace: w, ownedByProject: q, platformIdentifier: m.b}, spec: {localId: wqb}}\n", "",
			"w.q/m.b",
		},
		"GroupRemoved": {
			"its members lose access",
			"--- {apiVersion: v1, kind: meshWorkspaceUserGroup, metadata: {name: crew, ownedByWorkspace: x}, spec: {members: [cyd]}}\n", "",
			"x.p/m.a",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if strings.Count(company, tc.from) != 1 {
				t.Fatalf("the company has %d times %q, want once", strings.Count(company, tc.from), tc.from)
			}
			before := decode(t, "before.yaml", company)
			after := decode(t, "after.yaml", strings.Replace(company, tc.from, tc.to, 1))
			got := document.Affected(newSet(t, before).Graph(), newSet(t, after).Graph(), differing(before, after))
			if diff := cmp.Diff(tc.want, tenantNames(got)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// differing returns the IDs of documents that are in one list only or have another body.
func differing(before, after []document.Document) []document.ID {
	bodies := map[document.ID][2]string{}
	for i, docs := range [][]document.Document{before, after} {
		for _, d := range docs {
			pair := bodies[d.ID]
			pair[i] = string(d.Body)
			bodies[d.ID] = pair
		}
	}
	var ids []document.ID
	for id, pair := range bodies {
		if pair[0] != pair[1] {
			ids = append(ids, id)
		}
	}
	return ids
}

func tenantNames(tenants []access.TenantID) string {
	names := make([]string, len(tenants))
	for i, t := range tenants {
		names[i] = t.String()
	}
	return strings.Join(names, " ")
}

// TestAffected_RemovedTenants: the removal of a tenant obeys the present platform, landing
// zone and guard, and no binding.
func TestAffected_RemovedTenants(t *testing.T) {
	removed := access.TenantID{Workspace: "w", Project: "gone", Platform: "m.a"}
	node := document.Node{
		ID:      document.ID{Kind: document.KindTenant, Name: removed.String()},
		Links:   document.Links{Workspace: removed.Workspace, Project: removed.Project, Platform: removed.Platform, LandingZone: "dev"},
		Removed: true,
	}
	nodes := []*document.Node{&node}
	for _, d := range decode(t, "in.yaml", company+
		"--- {apiVersion: v3, kind: meshProjectUserBinding, metadata: {name: dan-gone}, roleRef: {name: admin}, targetRef: {name: gone, ownedByWorkspace: w}, subject: {name: dan}}\n") {
		n, err := document.NewNode(d)
		if err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, &n)
	}
	graph := document.NewGraph(nodes)
	for _, tc := range []struct {
		reason  string
		changed document.ID
		want    bool
	}{
		{"its connection may be another one", document.ID{Kind: document.KindPlatform, Name: "m.a"}, true},
		{"it may forbid removals", document.ID{Kind: document.KindLandingZone, Name: "dev"}, true},
		{"it limits removals", document.ID{Kind: document.KindGuard, Name: "of a"}, true},
		{"it is for other platforms", document.ID{Kind: document.KindGuard, Name: "rest"}, false},
		{"another platform", document.ID{Kind: document.KindPlatform, Name: "m.b"}, false},
		{"no binding grants anything there", document.ID{Kind: document.KindUser, Name: "dan"}, false},
		{"the document of then counts", document.ID{Kind: document.KindProject, Name: "w.gone"}, false},
	} {
		if got := slices.Contains(graph.Affected([]document.ID{tc.changed}), removed); got != tc.want {
			t.Errorf("%s: a change of %s affects it: %t, want %t", tc.reason, tc.changed, got, tc.want)
		}
	}
	if got := graph.TenantsOf("dan"); len(got) != 0 {
		t.Errorf("tenants of dan: %v, want none: the only one is removed", got)
	}
}

func TestGraph_TenantsOf(t *testing.T) {
	graph := newSet(t, decode(t, "in.yaml", company)).Graph()
	for _, tc := range []struct {
		reason string
		users  []string
		want   string
	}{
		{"bound directly, on a project with two tenants", []string{"ada"}, "w.p/m.a w.p/m.b"},
		{"in a group that is bound in its workspace; its other group is not bound", []string{"ben"}, "w.q/m.b"},
		{"a group of the same name is another group", []string{"cyd"}, "x.p/m.a"},
		{"in a global group that is bound in two workspaces", []string{"eve"}, "x.p/m.a w.q/m.b"},
		{"in no bound group", []string{"dan"}, ""},
		{"several users", []string{"ben", "cyd", "dan"}, "x.p/m.a w.q/m.b"},
		{"unknown", []string{"zoe"}, ""},
		{"none", nil, ""},
	} {
		if got := tenantNames(graph.TenantsOf(tc.users...)); got != tc.want {
			t.Errorf("%s: tenants of %v: %q, want %q", tc.reason, tc.users, got, tc.want)
		}
	}
}

func TestGraph_Inputs(t *testing.T) {
	graph := newSet(t, decode(t, "in.yaml", company)).Graph()
	for _, tc := range []struct {
		reason string
		tenant access.TenantID
		want   string
	}{
		{
			"a user is bound, the landing zone is named, the guard is that of the platform", access.TenantID{Workspace: "w", Project: "p", Platform: "m.a"},
			"Guard of a, meshLandingZone dev, meshPlatform m.a, meshProject w.p, meshProjectRole admin, meshProjectUserBinding ada-wp, meshTenant w.p/m.a, meshUser ada",
		},
		{
			"two groups are bound: its own workspace's and a global one", access.TenantID{Workspace: "w", Project: "q", Platform: "m.b"},
			"Guard rest, meshPlatform m.b, meshProject w.q, meshProjectGroupBinding crew-wq, meshProjectGroupBinding desk-wq, meshProjectRole admin, " +
				"meshTenant w.q/m.b, meshUser ben, meshUser eve, meshWorkspaceUserGroup .desk, meshWorkspaceUserGroup w.crew",
		},
		{"there is no such tenant", access.TenantID{Workspace: "x", Project: "p", Platform: "m.b"}, ""},
	} {
		ids := graph.Inputs(tc.tenant)
		names := make([]string, len(ids))
		for i, id := range ids {
			names[i] = id.String()
		}
		slices.Sort(names)
		if diff := cmp.Diff(tc.want, strings.Join(names, ", ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
		}
	}
}

func TestTenantInput_Grants(t *testing.T) {
	binding := func(name, subject string) document.Binding {
		return document.Binding{Name: name, Workspace: "w", Project: "p", Role: "admin", Subject: subject}
	}
	group := func(workspace, name string, members ...string) document.UserGroup {
		return document.UserGroup{Workspace: workspace, Name: name, Members: members}
	}
	for name, tc := range map[string]struct {
		reason  string
		in      document.TenantInput
		want    []string
		orphans []string
	}{
		"User": {
			reason: "the user of the binding",
			in:     document.TenantInput{UserBindings: []document.Binding{binding("b", "ada")}},
			want:   []string{"b: ada"},
		},
		"Own": {
			reason: "the workspace's group comes before the global one of the same name",
			in: document.TenantInput{
				GroupBindings: []document.Binding{binding("b", "crew")},
				UserGroups:    []document.UserGroup{group("", "crew", "cyd"), group("w", "crew", "ada", "ben"), group("x", "crew", "dan")},
			},
			want: []string{"b: ada by crew", "b: ben by crew"},
		},
		"Global": {
			reason: "a global group may be bound anywhere",
			in: document.TenantInput{
				GroupBindings: []document.Binding{binding("b", "crew")},
				UserGroups:    []document.UserGroup{group("", "crew", "cyd"), group("x", "crew", "dan")},
			},
			want: []string{"b: cyd by crew"},
		},
		"OfAnotherWorkspace": {
			reason: "a workspace's group can be bound in its own workspace only",
			in: document.TenantInput{
				GroupBindings: []document.Binding{binding("b", "crew")},
				UserGroups:    []document.UserGroup{group("x", "crew", "dan")},
			},
			orphans: []string{"b"},
		},
		"Empty": {
			reason: "a group without members reaches no user and is none the less there",
			in: document.TenantInput{
				GroupBindings: []document.Binding{binding("b", "crew")}, UserGroups: []document.UserGroup{group("w", "crew")},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			grants, orphans := tc.in.Grants()
			var got, without []string
			for _, r := range grants {
				text := r.Binding.Name + ": " + r.User
				if r.Group != "" {
					text += " by " + r.Group
				}
				got = append(got, text)
			}
			for _, b := range orphans {
				without = append(without, b.Name)
			}
			if diff := cmp.Diff([][]string{tc.want, tc.orphans}, [][]string{got, without}, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s: users, and bindings without a group (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// TestAffected_MissesNoTenant changes random organisations. Each tenant whose input differs
// is affected, and each that is affected has a changed document among its inputs.
func TestAffected_MissesNoTenant(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before := documenttest.Draw(t)
		after, changed := before.Change(t)
		sets := [2]*document.Set{setOf(t, before), setOf(t, after)}
		affected := document.Affected(sets[0].Graph(), sets[1].Graph(), changed)
		for _, tenant := range slices.Concat(sets[0].Tenants(), sets[1].Tenants()) {
			var inputs [2]document.TenantInput
			var exists [2]bool
			depends := false
			for i, set := range sets {
				inputs[i], exists[i] = set.Input(tenant, document.Drawn{}, time.Time{})
				for _, id := range set.Graph().Inputs(tenant) {
					depends = depends || slices.Contains(changed, id)
				}
			}
			is := slices.Contains(affected, tenant)
			if diff := cmp.Diff(inputs[0], inputs[1]); !is && (diff != "" || exists[0] != exists[1]) {
				t.Fatalf("%s is not affected by changes of %v, but its input differs (-before +after):\n%s", tenant, changed, diff)
			}
			if is != depends {
				t.Fatalf("%s is affected by changes of %v: %t, but it depends on one of them: %t", tenant, changed, is, depends)
			}
		}
	})
}

// TestGraph_TenantsOfHasGrants: the tenants of a user are those whose input reaches the user.
func TestGraph_TenantsOfHasGrants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		set := setOf(t, documenttest.Draw(t))
		for _, user := range []string{"ada", "ben", "cyd"} {
			var want []access.TenantID
			for _, tenant := range set.Tenants() {
				in, _ := set.Input(tenant, document.Drawn{}, time.Time{})
				grants, _ := in.Grants()
				if slices.ContainsFunc(grants, func(r document.Grant) bool { return r.User == user }) {
					want = append(want, tenant)
				}
			}
			if diff := cmp.Diff(want, set.Graph().TenantsOf(user), cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("tenants of %s (-reached +got):\n%s", user, diff)
			}
		}
	})
}

func setOf(t *rapid.T, all documenttest.Documents) *document.Set {
	set, err := document.NewSet(all.List())
	if err != nil {
		t.Fatalf("%v", err)
	}
	return set
}
