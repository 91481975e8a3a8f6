package document_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
)

func decode(t testing.TB, file, input string) []document.Document {
	t.Helper()
	docs, _, err := document.Decode(strings.NewReader(input), file)
	if err != nil {
		t.Fatalf("the test's own input: %v", err)
	}
	return docs
}

func newSet(t testing.TB, docs []document.Document) *document.Set {
	t.Helper()
	set, err := document.NewSet(docs)
	if err != nil {
		t.Fatalf("the test's own input: %v", err)
	}
	return set
}

// base is a valid organisation that the tables below add to.
const base = `{apiVersion: v1, kind: meshWorkspace, metadata: {name: w}}
--- {apiVersion: v2, kind: meshProject, metadata: {name: p, ownedByWorkspace: w}}
--- {apiVersion: v2, kind: meshProject, metadata: {name: q, ownedByWorkspace: w}}
--- {apiVersion: v2, kind: meshUser, metadata: {name: anna}, spec: {euid: anna.example}}
--- {apiVersion: v1, kind: meshProjectRole, metadata: {name: admin}, spec: {name: Project Admin}}
--- {apiVersion: v1, kind: meshProjectRole, metadata: {name: reader}, spec: {name: Same}}
--- {apiVersion: v1, kind: meshProjectRole, metadata: {name: writer}, spec: {name: Same}}
--- {apiVersion: v1, kind: meshPlatform, metadata: {name: mem}, spec: {locationRef: {name: a}, config: {memory: {replication: {groupNamePattern: g}}}}}
--- {apiVersion: v1, kind: meshPlatform, metadata: {name: mem}, spec: {locationRef: {name: b}, config: {memory: {replication: {groupNamePattern: g}}}}}
--- {apiVersion: v1, kind: meshLandingZone, metadata: {name: zone}, spec: {platformRef: {name: mem.a}}}
--- {apiVersion: v3, kind: meshTenant, metadata: {ownedByWorkspace: w, ownedByProject: p, platformIdentifier: mem.a}, spec: {localId: one}}
`

func TestValidate(t *testing.T) {
	for _, tc := range []struct {
		name   string
		reason string
		input  string
		want   []string
	}{
		{
			name:   "nothing",
			reason: "the base is valid",
		},
		{
			name:   "project without workspace",
			reason: "every project belongs to one",
			input:  `{apiVersion: v2, kind: meshProject, metadata: {name: p, ownedByWorkspace: none}}`,
			want:   []string{`new.yaml:1: meshProject none.p: metadata.ownedByWorkspace: there is no meshWorkspace "none"`},
		},
		{
			name:   "binding to nobody",
			reason: "it would grant nothing, silently",
			input: `{apiVersion: v3, kind: meshProjectUserBinding, metadata: {name: b}, roleRef: {name: boss}, targetRef: {name: x, ownedByWorkspace: w}, subject: {name: nobody}}
--- {apiVersion: v3, kind: meshProjectUserBinding, metadata: {name: c}, roleRef: {name: admin}, targetRef: {name: x, ownedByWorkspace: v}, subject: {name: anna}}
--- {apiVersion: v3, kind: meshProjectGroupBinding, metadata: {name: b}, roleRef: {name: Project Admin}, targetRef: {name: p, ownedByWorkspace: w}, subject: {name: anna}}`,
			want: []string{
				`new.yaml:1: meshProjectUserBinding b: roleRef.name: there is no meshProjectRole with the name "boss"`,
				`new.yaml:1: meshProjectUserBinding b: subject.name: there is no meshUser "nobody"`,
				`new.yaml:1: meshProjectUserBinding b: targetRef.name: there is no meshProject "w.x"`,
				`new.yaml:2: meshProjectUserBinding c: targetRef.ownedByWorkspace: there is no meshWorkspace "v"`,
				`new.yaml:3: meshProjectGroupBinding b: subject.name: there is no meshWorkspaceUserGroup "anna"`,
			},
		},
		{
			name:   "a role that means two",
			reason: "which of them is a guess, and guesses grant",
			input:  `{apiVersion: v3, kind: meshProjectUserBinding, metadata: {name: b}, roleRef: {name: Same}, targetRef: {name: p, ownedByWorkspace: w}, subject: {name: anna}}`,
			want:   []string{`new.yaml:1: meshProjectUserBinding b: roleRef.name: "Same" means several: meshProjectRole reader and meshProjectRole writer; rename one of them`},
		},
		{
			name:   "a group of another workspace",
			reason: "a workspace's group is for its own projects: its manager decides about access there only",
			input: `{apiVersion: v1, kind: meshWorkspace, metadata: {name: x}}
--- {apiVersion: v1, kind: meshWorkspaceUserGroup, metadata: {name: devs, ownedByWorkspace: x}}
--- {apiVersion: v3, kind: meshProjectGroupBinding, metadata: {name: b}, roleRef: {name: admin}, targetRef: {name: p, ownedByWorkspace: w}, subject: {name: devs}}`,
			want: []string{`new.yaml:3: meshProjectGroupBinding b: subject.name: the user group "devs" is of the workspace "x", but the project is of "w": ` +
				`a workspace's group can be bound in its own workspace only; create the group in "w", or bind a global group`},
		},
		{
			name:   "a group of two other workspaces",
			reason: "which of them is a guess, and guesses grant",
			input: `{apiVersion: v1, kind: meshWorkspace, metadata: {name: x}}
--- {apiVersion: v1, kind: meshWorkspace, metadata: {name: y}}
--- {apiVersion: v1, kind: meshWorkspaceUserGroup, metadata: {name: devs, ownedByWorkspace: x}}
--- {apiVersion: v1, kind: meshWorkspaceUserGroup, metadata: {name: devs, ownedByWorkspace: y}}
--- {apiVersion: v3, kind: meshProjectGroupBinding, metadata: {name: b}, roleRef: {name: admin}, targetRef: {name: p, ownedByWorkspace: w}, subject: {name: devs}}`,
			want: []string{`new.yaml:5: meshProjectGroupBinding b: subject.name: the user group "devs" is of the workspace "x" or "y", but the project is of "w": ` +
				`a workspace's group can be bound in its own workspace only; create the group in "w", or bind a global group`},
		},
		{
			name:   "a group of another workspace beside the own one",
			reason: "names are unique in a workspace only",
			input: `{apiVersion: v1, kind: meshWorkspace, metadata: {name: x}}
--- {apiVersion: v1, kind: meshWorkspaceUserGroup, metadata: {name: devs, ownedByWorkspace: x}}
--- {apiVersion: v1, kind: meshWorkspaceUserGroup, metadata: {name: devs, ownedByWorkspace: w}}
--- {apiVersion: v3, kind: meshProjectGroupBinding, metadata: {name: b}, roleRef: {name: admin}, targetRef: {name: p, ownedByWorkspace: w}, subject: {name: devs}}`,
		},
		{
			name:   "a global group",
			reason: "it may be bound in any workspace; a group of another workspace with its name does not matter",
			input: `{apiVersion: v1, kind: meshWorkspace, metadata: {name: x}}
--- {apiVersion: v1, kind: meshWorkspaceUserGroup, metadata: {name: devs}, spec: {members: [anna]}}
--- {apiVersion: v1, kind: meshWorkspaceUserGroup, metadata: {name: devs, ownedByWorkspace: x}}
--- {apiVersion: v3, kind: meshProjectGroupBinding, metadata: {name: b}, roleRef: {name: admin}, targetRef: {name: p, ownedByWorkspace: w}, subject: {name: devs}}`,
		},
		{
			name:   "a global group's member missing",
			reason: "the member's access would be silently missing",
			input:  `{apiVersion: v1, kind: meshWorkspaceUserGroup, metadata: {name: devs}, spec: {members: [gone]}}`,
			want:   []string{`new.yaml:1: meshWorkspaceUserGroup .devs: spec.members[0]: there is no meshUser "gone"`},
		},
		{
			name:   "a global group and one of the workspace with its name",
			reason: "if one of them were removed, the binding would grant the role to the members of the other",
			input: `{apiVersion: v1, kind: meshWorkspaceUserGroup, metadata: {name: devs}, spec: {members: [anna]}}
--- {apiVersion: v1, kind: meshWorkspaceUserGroup, metadata: {name: devs, ownedByWorkspace: w}}
--- {apiVersion: v3, kind: meshProjectGroupBinding, metadata: {name: b}, roleRef: {name: admin}, targetRef: {name: p, ownedByWorkspace: w}, subject: {name: devs}}`,
			want: []string{`new.yaml:3: meshProjectGroupBinding b: subject.name: "devs" means two user groups: that of the workspace "w" and the global one; rename one of them`},
		},
		{
			name:   "a group's member missing",
			reason: "a leaver who is gone must be taken out of groups too",
			input:  `{apiVersion: v1, kind: meshWorkspaceUserGroup, metadata: {name: devs, ownedByWorkspace: w}, spec: {members: [anna, gone]}}`,
			want:   []string{`new.yaml:1: meshWorkspaceUserGroup w.devs: spec.members[1]: there is no meshUser "gone"`},
		},
		{
			name:   "an euid with what cannot be seen, and one that is another way to write a letter",
			reason: "no user tells it from the one without",
			input: `{apiVersion: v2, kind: meshUser, metadata: {name: zoe}, spec: {euid: "zo\u200be"}}
--- {apiVersion: v2, kind: meshUser, metadata: {name: kim}, spec: {euid: "\u212aim"}}
`,
			want: []string{
				`new.yaml:1: meshUser zoe: spec.euid: unusable name: at byte 3 is U+200B ZERO WIDTH SPACE, a format character, which is not shown: remove it`,
				`new.yaml:2: meshUser kim: spec.euid: unusable name: at byte 1 is U+212A KELVIN SIGN, which is another way to write U+004B LATIN CAPITAL LETTER K: write that one`,
			},
		},
		{
			name:   "euids that differ by composition",
			reason: "they are one text to Unicode, and one account to platforms",
			input: `{apiVersion: v2, kind: meshUser, metadata: {name: zoe}, spec: {euid: "zo\u00eb"}}
--- {apiVersion: v2, kind: meshUser, metadata: {name: zoey}, spec: {euid: "zoe\u0308"}}
`,
			want: []string{"new.yaml:2: meshUser zoey: spec.euid: \"zoe\u0308\" is also that of meshUser zoe (new.yaml:1): an euid is one person's; " +
				"the two differ by composition only, as an accented letter can be one character or two"},
		},
		{
			name:   "two people with one euid",
			reason: "one would get the other's access; only exact equality counts",
			input: `{apiVersion: v2, kind: meshUser, metadata: {name: zoe}, spec: {euid: " anna.example "}}
--- {apiVersion: v2, kind: meshUser, metadata: {name: abe}, spec: {euid: ANNA.example}}
--- {apiVersion: v2, kind: meshUser, metadata: {name: bob}, spec: {euid: "  "}}
--- {apiVersion: v2, kind: meshUser, metadata: {name: bea}}`,
			want: []string{`new.yaml:1: meshUser zoe: spec.euid: "anna.example" is also that of meshUser anna (the store): an euid is one person's`},
		},
		{
			name:   "patterns and mappings of a platform",
			reason: "they would fail every tenant of it",
			input: `{apiVersion: v1, kind: meshPlatform, metadata: {name: bad}, spec: {locationRef: {name: a}, config: {memory: {replication: {
  euidPattern: "%x", groupNamePattern: "#{what}", roleMappings: [
    {projectRoleRef: {name: admin}, roles: [r]}, {projectRoleRef: {name: Project Admin}, roles: [r]}, {projectRoleRef: {name: none}, roles: [r]}]}}}}}`,
			want: []string{
				`new.yaml:1: meshPlatform bad.a: spec.config.memory.replication.euidPattern: `,
				`new.yaml:1: meshPlatform bad.a: spec.config.memory.replication.groupNamePattern: `,
				`new.yaml:1: meshPlatform bad.a: spec.config.memory.replication.roleMappings[1].projectRoleRef.name: "Project Admin" has a mapping already, the 1. of the list: join the two`,
				`new.yaml:1: meshPlatform bad.a: spec.config.memory.replication.roleMappings[2].projectRoleRef.name: there is no meshProjectRole with the name "none"`,
			},
		},
		{
			name:   "landing zones",
			reason: "its mappings are for a platform of its type",
			input: `{apiVersion: v1, kind: meshLandingZone, metadata: {name: y}, spec: {platformRef: {name: no.where}}}
--- {apiVersion: v1, kind: meshLandingZone, metadata: {name: z}, spec: {platformRef: {name: mem.a}, platformProperties: {openstack: {roleMappings: [{projectRoleRef: {name: none}, roles: [r]}]}}}}`,
			want: []string{
				`new.yaml:1: meshLandingZone y: spec.platformRef.name: there is no meshPlatform "no.where"`,
				`new.yaml:2: meshLandingZone z: spec.platformProperties: is for openstack, but mem.a is memory`,
				`new.yaml:2: meshLandingZone z: spec.platformProperties.openstack.roleMappings[0].projectRoleRef.name: there is no meshProjectRole with the name "none"`,
			},
		},
		{
			name:   "tenants",
			reason: "two tenants in one place would undo each other",
			input: `{apiVersion: v4, kind: meshTenant, metadata: {ownedByWorkspace: w, ownedByProject: q}, spec: {platformRef: {name: mem.a}, platformTenantId: one}}
--- {apiVersion: v4, kind: meshTenant, metadata: {ownedByWorkspace: w, ownedByProject: q}, spec: {platformRef: {name: mem.b}, platformTenantId: one, landingZoneRef: {name: zone}}}
--- {apiVersion: v3, kind: meshTenant, metadata: {ownedByWorkspace: w, ownedByProject: none, platformIdentifier: no.where}, spec: {landingZoneIdentifier: none}}`,
			want: []string{
				`new.yaml:1: meshTenant w.q/mem.a: spec.platformTenantId: "one" is also that of meshTenant w.p/mem.a (the store)`,
				`new.yaml:2: meshTenant w.q/mem.b: spec.landingZoneRef: "zone" is of platform mem.a, but the tenant is on mem.b`,
				`new.yaml:3: meshTenant w.none/no.where: metadata.ownedByProject: there is no meshProject "w.none"`,
				`new.yaml:3: meshTenant w.none/no.where: metadata.platformIdentifier: there is no meshPlatform "no.where"`,
				`new.yaml:3: meshTenant w.none/no.where: spec.landingZoneIdentifier: there is no meshLandingZone "none"`,
			},
		},
		{
			name:   "one tenant written in two ways",
			reason: "each platform says which ids are one: Azure ignores case, a space is the same without its organization, others are exact",
			input: `{apiVersion: v1, kind: meshPlatform, metadata: {name: az}, spec: {locationRef: {name: a}, config: {azure: {replication: {groupNamePattern: "#{tenantPlatformNumber}"}}}}}
--- {apiVersion: v1, kind: meshPlatform, metadata: {name: cf}, spec: {locationRef: {name: a}, config: {cloudfoundry: {origin: sso, replication: {}}}}}
--- {apiVersion: v4, kind: meshTenant, metadata: {ownedByWorkspace: w, ownedByProject: p}, spec: {platformRef: {name: az.a}, platformTenantId: /subscriptions/C1D6F1B2-0f43-4a6e-8a11-2f9c7e5b4d20}}
--- {apiVersion: v4, kind: meshTenant, metadata: {ownedByWorkspace: w, ownedByProject: q}, spec: {platformRef: {name: az.a}, platformTenantId: c1d6f1b2-0f43-4a6e-8a11-2f9c7e5b4d20}}
--- {apiVersion: v4, kind: meshTenant, metadata: {ownedByWorkspace: w, ownedByProject: p}, spec: {platformRef: {name: cf.a}, platformTenantId: 0a1b/2c3d}}
--- {apiVersion: v4, kind: meshTenant, metadata: {ownedByWorkspace: w, ownedByProject: q}, spec: {platformRef: {name: cf.a}, platformTenantId: 2c3d}}
--- {apiVersion: v4, kind: meshTenant, metadata: {ownedByWorkspace: w, ownedByProject: q}, spec: {platformRef: {name: mem.a}, platformTenantId: ONE}}`,
			want: []string{
				`new.yaml:4: meshTenant w.q/az.a: spec.platformTenantId: "c1d6f1b2-0f43-4a6e-8a11-2f9c7e5b4d20" is also that of meshTenant w.p/az.a (new.yaml:3)`,
				`new.yaml:6: meshTenant w.q/cf.a: spec.platformTenantId: "2c3d" is also that of meshTenant w.p/cf.a (new.yaml:5)`,
			},
		},
		{
			name:   "created accounts that lookups do not find",
			reason: "no schema compares two fields",
			input: `{apiVersion: v1, kind: meshPlatform, metadata: {name: cf}, spec: {locationRef: {name: a}, config: {cloudfoundry: {
  origin: ldap, replication: {userCreation: {origin: sso}}}}}}`,
			want: []string{`new.yaml:1: meshPlatform cf.a: spec.config.cloudfoundry.replication.userCreation.origin: "sso" is not the platform's origin "ldap", so that lookups would not find the accounts: write one of them for both`},
		},
		{
			name:   "drawn numbers that clash",
			reason: "two groups could get one name",
			input: `{apiVersion: v3, kind: meshTenant, metadata: {ownedByWorkspace: w, ownedByProject: p, platformIdentifier: mem.b}, rollcall: {tenantPlatformNumber: 4, rand: ` + strings.Repeat("a", 100) + `}}
--- {apiVersion: v3, kind: meshTenant, metadata: {ownedByWorkspace: w, ownedByProject: q, platformIdentifier: mem.b}, rollcall: {tenantPlatformNumber: 4, rand: ` + strings.Repeat("b", 100) + `}}`,
			want: []string{`new.yaml:2: meshTenant w.q/mem.b: rollcall.tenantPlatformNumber: "4" is also that of meshTenant w.p/mem.b (new.yaml:1)`},
		},
		{
			name:   "guards",
			reason: "of two limits for one platform nobody could say which holds",
			input: `{apiVersion: v1, kind: Guard, metadata: {name: one}, spec: {platforms: [mem.a, no.where]}}
--- {apiVersion: v1, kind: Guard, metadata: {name: rest}}
--- {apiVersion: v1, kind: Guard, metadata: {name: rest too}, spec: {group: {most: 1}}}
--- {apiVersion: v1, kind: Guard, metadata: {name: two}, spec: {platforms: [mem.b, mem.a]}}`,
			want: []string{
				`new.yaml:1: Guard one: spec.platforms[1]: there is no meshPlatform "no.where"`,
				`new.yaml:3: Guard rest too: spec.platforms: is missing, as in Guard rest (new.yaml:2): only one guard is for all platforms that no other names`,
				`new.yaml:4: Guard two: spec.platforms[1]: "mem.a" has the limits of Guard one (new.yaml:1) already: name it in one guard only`,
			},
		},
		{
			name:   "a guard that lets nothing go",
			reason: "who wants to approve everything may",
			input:  `{apiVersion: v1, kind: Guard, metadata: {name: none}, spec: {group: {most: 0, percent: 0}, change: {most: 0}, hour: {most: 0}}}`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			stored := decode(t, "", base)
			set := newSet(t, append(stored, decode(t, "new.yaml", tc.input)...))
			err := set.Validate(time.Now())
			if got := lines(err); !matches(got, tc.want) {
				t.Errorf("%s: problems (-want +got):\n%s", tc.reason, cmp.Diff(tc.want, got))
			}
			if err != nil && !errors.Is(err, document.ErrInvalid) {
				t.Errorf("%s: error is not ErrInvalid: %v", tc.reason, err)
			}
		})
	}
}

// matches compares problems. A wanted line that ends in a colon leaves the text
// to the package that words it.
func matches(got, want []string) bool {
	if len(got) != len(want) {
		return false
	}
	for i := range want {
		if got[i] != want[i] && (!strings.HasSuffix(want[i], ": ") || !strings.HasPrefix(got[i], want[i])) {
			return false
		}
	}
	return true
}

func TestNewSetRefusesDuplicates(t *testing.T) {
	const user = "{apiVersion: v2, kind: meshUser, metadata: {name: anna}}\n"
	docs := append(decode(t, "a.yaml", user), decode(t, "b.yaml", "\n"+user)...)
	_, err := document.NewSet(docs)
	want := []string{"b.yaml:2: meshUser anna: is there twice; the other is in a.yaml:1"}
	if diff := cmp.Diff(want, lines(err)); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

func TestInput(t *testing.T) {
	docs, _, err := document.Load([]string{"testdata/good"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	set := newSet(t, docs)
	if err := set.Validate(time.Now()); err != nil {
		t.Fatalf("testdata/good is not valid: %v", err)
	}
	memory := access.TenantID{Workspace: "mobile", Project: "app-prod", Platform: "memory.local"}
	openstack := access.TenantID{Workspace: "mobile", Project: "app-prod", Platform: "openstack.eu-1"}
	if diff := cmp.Diff([]access.TenantID{memory, openstack}, set.Tenants()); diff != "" {
		t.Errorf("tenants by platform (-want +got):\n%s", diff)
	}
	drawn := document.Drawn{Number: 3, Random: "abc"}
	got, ok := set.Input(openstack, drawn, time.Time{})
	if !ok {
		t.Fatalf("there is no %s", openstack)
	}
	if diff := cmp.Diff(wantInput(openstack, drawn), got, cmpopts.IgnoreFields(document.Platform{}, "Settings")); diff != "" {
		t.Errorf("input (-want +got):\n%s", diff)
	}
	if !strings.Contains(string(got.Platform.Settings), `"connection":"openstack-main","replication":{`) {
		t.Errorf("settings are not the driver's part of the document: %s", got.Platform.Settings)
	}
	if _, ok := set.Input(access.TenantID{Workspace: "mobile"}, drawn, time.Time{}); ok {
		t.Error("got input for a tenant that is not there")
	}
}

func wantInput(id access.TenantID, drawn document.Drawn) document.TenantInput {
	skip := true
	return document.TenantInput{
		Tenant: document.Tenant{TenantID: id, LandingZone: "dev", LocalID: "bfb96178ea6f4648a6cc22f4f5d130af"},
		Project: document.Project{
			Workspace: "mobile", Name: "app-prod", DisplayName: "App, production",
			Tags: map[string][]string{"environment": {"prod"}, "stage": {"prod"}},
		},
		Platform: document.Platform{
			Name: "openstack", Location: "eu-1", Type: "openstack", Connection: "openstack-main",
			Replication: document.Replication{
				EUIDPattern: "%s@example.com", GroupNamePattern: "#{workspaceIdentifier}.#{projectIdentifier}-#{platformGroupAlias}",
				RoleMappings: []document.RoleMapping{
					{Role: "project-admin", GroupAlias: "admin", Roles: []string{"admin", "member"}},
					{Role: "project-reader", GroupAlias: "project-reader", Roles: []string{"reader"}},
				},
				AdditionalPermissions: "keep", SkipCleanup: &skip, Rename: "in-place",
			},
		},
		LandingZone: &document.LandingZone{
			Name: "dev", Platform: "openstack.eu-1", Type: "openstack",
			RoleMappings: []document.RoleMapping{{Role: "project-admin", GroupAlias: "dev", Roles: []string{"member"}}},
		},
		Roles: []document.ProjectRole{
			{Name: "project-admin", DisplayName: "Project Admin", Rank: 100},
			{Name: "project-reader", DisplayName: "Project Reader", Rank: 10},
		},
		UserBindings: []document.Binding{
			{Name: "anna-admin", Role: "project-admin", Workspace: "mobile", Project: "app-prod", Subject: "anna"},
		},
		GroupBindings: []document.Binding{
			{Name: "developers-reader", Role: "project-reader", Workspace: "mobile", Project: "app-prod", Subject: "developers"},
		},
		UserGroups: []document.UserGroup{
			{Workspace: "mobile", Name: "developers", DisplayName: "Developers", Members: []string{"anna", "bela"}},
		},
		Users: []document.User{
			{Name: "anna", Email: "anna@example.com", FirstName: "Anna", LastName: "Ex😀mple", EUID: "anna.example", Tags: map[string][]string{}},
			{Name: "bela"},
		},
		Drawn: drawn,
		Guard: document.Guard{
			Name: "careful", Platforms: []string{"openstack.eu-1"}, GroupMost: 1, GroupPercent: 20, ChangeMost: 200, HourMost: 50,
		},
	}
}

// TestInput_LeavesOutGroupsOfOtherWorkspaces reads what an earlier program stored: it
// accepted such bindings.
func TestInput_LeavesOutGroupsOfOtherWorkspaces(t *testing.T) {
	set := newSet(t, decode(t, "in.yaml", base+`--- {apiVersion: v1, kind: meshWorkspace, metadata: {name: x}}
--- {apiVersion: v1, kind: meshWorkspaceUserGroup, metadata: {name: devs, ownedByWorkspace: w}, spec: {members: [anna]}}
--- {apiVersion: v1, kind: meshWorkspaceUserGroup, metadata: {name: devs, ownedByWorkspace: x}}
--- {apiVersion: v1, kind: meshWorkspaceUserGroup, metadata: {name: guests, ownedByWorkspace: x}}
--- {apiVersion: v3, kind: meshProjectGroupBinding, metadata: {name: a}, roleRef: {name: admin}, targetRef: {name: p, ownedByWorkspace: w}, subject: {name: devs}}
--- {apiVersion: v3, kind: meshProjectGroupBinding, metadata: {name: b}, roleRef: {name: admin}, targetRef: {name: p, ownedByWorkspace: w}, subject: {name: guests}}
`))
	in, _ := set.Input(access.TenantID{Workspace: "w", Project: "p", Platform: "mem.a"}, document.Drawn{}, time.Time{})
	var got []string
	for _, group := range in.UserGroups {
		got = append(got, group.Workspace+"."+group.Name)
	}
	if diff := cmp.Diff([]string{"w.devs"}, got); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
	if _, orphans := in.Grants(); len(orphans) != 1 || orphans[0].Name != "b" {
		t.Errorf("bindings without a group: %+v, want that of the other workspace's", orphans)
	}
}
