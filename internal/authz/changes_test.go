package authz_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/authz"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/document/documenttest"
)

func containsText(text, part string) bool { return strings.Contains(text, part) }

// The documents of the tables below.
const (
	project      = "{apiVersion: v2, kind: meshProject, metadata: {name: p, ownedByWorkspace: marketing}}"
	otherProject = "{apiVersion: v2, kind: meshProject, metadata: {name: p, ownedByWorkspace: sales}}"
	binding      = "{apiVersion: v3, kind: meshProjectUserBinding, metadata: {name: b}, roleRef: {name: admin}, targetRef: {name: p, ownedByWorkspace: marketing}, subject: {name: ada}}"
	otherBinding = "{apiVersion: v3, kind: meshProjectUserBinding, metadata: {name: b}, roleRef: {name: admin}, targetRef: {name: p, ownedByWorkspace: sales}, subject: {name: ada}}"
	groupBind    = "{apiVersion: v3, kind: meshProjectGroupBinding, metadata: {name: g}, roleRef: {name: admin}, targetRef: {name: p, ownedByWorkspace: sales}, subject: {name: crew}}"
	manager      = "{apiVersion: v2, kind: meshWorkspaceUserBinding, metadata: {name: b}, roleRef: {name: Workspace Manager}, targetRef: {name: marketing}, subject: {name: ada}}"
	otherManager = "{apiVersion: v2, kind: meshWorkspaceUserBinding, metadata: {name: b}, roleRef: {name: Workspace Manager}, targetRef: {name: sales}, subject: {name: ada}}"
	group        = "{apiVersion: v1, kind: meshWorkspaceUserGroup, metadata: {name: crew, ownedByWorkspace: marketing}, spec: {members: [ada]}}"
	globalGroup  = "{apiVersion: v1, kind: meshWorkspaceUserGroup, metadata: {name: crew}, spec: {members: [ada]}}"
	dotted       = "{apiVersion: v1, kind: meshWorkspaceUserGroup, metadata: {name: marketing.crew}, spec: {members: [ada]}}"
	tenant       = "{apiVersion: v4, kind: meshTenant, metadata: {ownedByWorkspace: marketing, ownedByProject: p}, spec: {platformIdentifier: m.a}}"
	placed       = "{apiVersion: v4, kind: meshTenant, metadata: {ownedByWorkspace: marketing, ownedByProject: p}, spec: {platformIdentifier: m.a, platformTenantId: one}}"
	elsewhere    = "{apiVersion: v4, kind: meshTenant, metadata: {ownedByWorkspace: marketing, ownedByProject: p}, spec: {platformIdentifier: m.a, platformTenantId: ADMINPROJECT}}"
	zoned        = "{apiVersion: v4, kind: meshTenant, metadata: {ownedByWorkspace: marketing, ownedByProject: p}, spec: {platformIdentifier: m.a, platformTenantId: one, landingZoneIdentifier: z}}"
	quota        = "{apiVersion: v4, kind: meshTenant, metadata: {ownedByWorkspace: marketing, ownedByProject: p}, spec: {platformIdentifier: m.a, platformTenantId: one, quotas: [{key: cpu, value: 1}]}}"
	otherTenant  = "{apiVersion: v4, kind: meshTenant, metadata: {ownedByWorkspace: sales, ownedByProject: p}, spec: {platformIdentifier: m.a}}"
	euid         = "{apiVersion: v2, kind: meshUser, metadata: {name: ada}, spec: {euid: ada}}"
	workspace    = "{apiVersion: v1, kind: meshWorkspace, metadata: {name: marketing}}"
	role         = "{apiVersion: v1, kind: meshProjectRole, metadata: {name: admin}, spec: {name: Reader}}"
	zone         = "{apiVersion: v1, kind: meshLandingZone, metadata: {name: z}, spec: {platformRef: {name: m.a}, platformProperties: {memory: {roleMappings: [{projectRoleRef: {name: admin}, roles: [owner]}]}}}}"
	platform     = "{apiVersion: v1, kind: meshPlatform, metadata: {name: m}, spec: {locationRef: {name: a}, config: {memory: {replication: {groupNamePattern: g}}}}}"
	policy       = "{apiVersion: v1, kind: AccessPolicy, metadata: {name: mine}, spec: {rules: [{callers: {osUser: ada@ops}, roles: [admin]}]}}"
	guard        = "{apiVersion: v1, kind: Guard, metadata: {name: 'off'}, spec: {group: {most: 1000000000, percent: 100}, change: {most: 1000000000}, hour: {most: 1000000000}}}"
)

func restored(text, section string) string {
	return strings.TrimSuffix(text, "}") + ", rollcall: " + section + "}"
}

func TestRights_Changes(t *testing.T) {
	t.Parallel()
	const editor, both = "editor of marketing", "editor of marketing|editor of sales"
	random := "{tenantPlatformNumber: 7, rand: " + strings.Repeat("a", 100) + "}"
	for _, tt := range []struct {
		reason, roles, before, after string
		want                         bool
	}{
		{"a project of one's own", editor, "", project, true},
		{"its removal", editor, project, "", true},
		{"another's project", editor, "", otherProject, false},
		{"its removal, by pruning", editor, otherProject, "", false},
		{"a binding of one's own", editor, "", binding, true},
		{"a binding of another's project", editor, "", otherBinding, false},
		{"a binding moves to another workspace", editor, binding, otherBinding, false},
		{"another's binding has the name", editor, otherBinding, binding, false},
		{"an editor of both moves it", both, otherBinding, binding, true},
		{"a group of one's own, bound in another workspace's project", editor, "", groupBind, false},
		{"a manager of one's own workspace", editor, "", manager, true},
		{"a manager of another's", editor, "", otherManager, false},
		{"a manager's binding moves to another workspace", editor, manager, otherManager, false},
		{"an operator makes no manager, not of themselves either", "operator", "", manager, false},
		{"a group of one's own", editor, "", group, true},
		{"a global group is bound in other workspaces", editor, "", globalGroup, false},
		{"an editor of all is no operator", "editor", "", globalGroup, false},
		{"an operator changes a global group", "operator", "", globalGroup, true},
		{"a global group whose name looks like one of the workspace", editor, "", dotted, false},
		{"an operator does not join a workspace's group", "operator", "", group, false},
		{"a tenant of one's own", editor, "", tenant, true},
		{"another's tenant", editor, "", otherTenant, false},
		{"a tenant in another's place on the platform", editor, "", elsewhere, false},
		{"a tenant moves there", editor, placed, elsewhere, false},
		{"a tenant gets its first place", editor, tenant, placed, false},
		{"an operator places it", "operator", tenant, placed, true},
		{"a tenant's roles mean what another landing zone says", editor, placed, zoned, false},
		{"and without one what the platform says", editor, zoned, placed, false},
		{"anything else of a tenant", editor, placed, quota, true},
		{"its removal", editor, placed, "", true},
		{"an editor of all does not place tenants either", "editor", tenant, placed, false},
		{"a user's euid", editor, "", euid, false},
		{"a user's euid by an editor of all", "editor", "", euid, false},
		{"a user's euid by an operator", "operator", "", euid, true},
		{"a workspace of one's own", editor, "", workspace, false},
		{"a workspace by an operator", "operator", "", workspace, true},
		{"a display name that bindings use", "editor|operator|approver|security", "", role, false},
		{"a mapping of a landing zone", "editor|operator|approver|security", "", zone, false},
		{"a mapping of a platform", "editor|operator|approver|security", platform, "", false},
		{"a policy that makes one an administrator", "editor|operator|approver|security", "", policy, false},
		{"the removal of a policy", "operator", policy, "", false},
		{"a guard", "editor|operator|approver|security", "", guard, false},
		{"an administrator", "admin", "", policy, true},
		{"an administrator is an editor, too", "admin", otherProject, "", true},
		{"a group that no apply of others changes any more", editor, "", restored(group, "{source: 'scim:corp'}"), false},
		{"a tenant with a chosen number", editor, "", restored(tenant, random), false},
		{"a tenant that is stored, with a chosen number", editor, tenant, restored(tenant, random), false},
		{"a tenant that is stored, with its own number", editor, restored(tenant, random), restored(quota, random), false},
		{"an administrator restores", "admin", "", restored(group, "{source: 'scim:corp'}"), true},
		{"a user of a directory, by an operator", "operator", restored(euid, "{source: 'scim:corp'}"), "", true},
		{"a group of a directory needs its editor as well", "operator", restored(group, "{source: 'scim:corp'}"), "", false},
		{"a user whose euid no apply changes any more", "operator", "",
			restored(euid, "{fields: {spec.euid: {source: 'sign-in:corp', since: '2026-05-04T10:00:00Z'}}}"), false},
		{"a group of a directory, by its editor", editor, restored(group, "{source: 'scim:corp'}"), "", false},
	} {
		d := rights(t, strings.Split(tt.roles, "|")...).AllowChanges("Apply", changed(t, tt.before, tt.after))
		if d.Allowed != tt.want || d.Reason == "" {
			t.Errorf("%s: %+v, want allowed: %t", tt.reason, d, tt.want)
		}
	}
}

// TestRights_OneForbiddenChangeForbidsAll: a change is stored whole or not at all.
func TestRights_OneForbiddenChangeForbidsAll(t *testing.T) {
	t.Parallel()
	r := rights(t, "editor of marketing")
	changes := creates(decode(t, strings.Join([]string{project, binding, otherProject, otherBinding, group}, "\n--- ")))
	d := r.AllowChanges("ApplyPlan", changes)
	contains(t, "the first is named, the others are counted", d.Reason, "meshProject sales.p", "1 more", "editor or admin")
	if d.Allowed {
		t.Errorf("two documents of sales: %+v", d)
	}
	if d := r.AllowChanges("ApplyPlan", changes[:2]); !d.Allowed {
		t.Errorf("documents of marketing: %+v", d)
	}
	if d := r.AllowChanges("Replicate", changes[:1]); d.Allowed {
		t.Errorf("replicate changes documents: %+v", d)
	}
}

// TestRights_RejectsOtherIDs: a caller may send a body under another document's ID.
func TestRights_RejectsOtherIDs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		reason, body string
		id           document.ID
	}{
		{"another workspace's project under one's own ID", otherProject, document.ID{Kind: document.KindProject, Name: "marketing.p"}},
		{"one's own project under another's ID", project, document.ID{Kind: document.KindProject, Name: "sales.p"}},
		{"a policy under the ID of a project", policy, document.ID{Kind: document.KindProject, Name: "marketing.p"}},
		{"one's own binding under the ID of another", binding, document.ID{Kind: document.KindUserBinding, Name: "a"}},
		{"a user binding under that of a group's", binding, document.ID{Kind: document.KindGroupBinding, Name: "b"}},
		{"a kind that nothing knows", project, document.ID{Kind: "meshFoo", Name: "marketing.p"}},
	} {
		doc := decode(t, tt.body)[0]
		doc.ID = tt.id
		for _, roles := range []string{"editor of marketing", "admin"} {
			if d := rights(t, roles).AllowChanges("Apply", []authz.Change{{After: &doc}}); d.Allowed {
				t.Errorf("%s, by %s: %+v", tt.reason, roles, d)
			}
		}
	}
	one, other := decode(t, project)[0], decode(t, otherProject)[0]
	if d := rights(t, "admin").AllowChanges("Apply", []authz.Change{{Before: &one, After: &other}}); d.Allowed {
		t.Errorf("one document becomes another: %+v", d)
	}
}

func TestRights_Planning(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		reason, roles, before, after string
		want                         bool
	}{
		{"a pipeline plans the projects that it may change", "editor of marketing", "", project, true},
		{"a plan would show the accounts of any user", "viewer of marketing", "", project, false},
		{"a plan would show another's members", "viewer of marketing", "", otherProject, false},
		{"a plan would show the members at another place", "editor of marketing", placed, elsewhere, false},
		{"a plan of a tenant at its place", "editor of marketing", placed, quota, true},
		{"so would a change of all tenants of a platform", "viewer of marketing", "", platform, false},
		{"a reader of all plans it", "viewer", "", platform, true},
		{"the comparison would show a policy", "viewer", policy, "", false},
		{"a reader of policies", "security", policy, "", true},
	} {
		d := rights(t, tt.roles).AllowChanges("PlanDocuments", changed(t, tt.before, tt.after))
		if d.Allowed != tt.want || d.Reason == "" {
			t.Errorf("%s: %+v, want allowed: %t", tt.reason, d, tt.want)
		}
	}
}

// TestRights_ChangesOfAnOrganization compares the table with a second, shorter statement of it.
func TestRights_ChangesOfAnOrganization(t *testing.T) {
	t.Parallel()
	none, editor, operator, admin := rights(t), rights(t, "editor of w"), rights(t, "operator"), rights(t, "admin")
	ofWorkspace := func(d *document.Document) bool {
		if d == nil {
			return true
		}
		n, err := document.NewNode(*d)
		if err != nil {
			t.Error(err)
		}
		return d.ID.Kind != document.KindWorkspace && n.Workspace == "w"
	}
	rapid.Check(t, func(t *rapid.T) {
		before := documenttest.Draw(t)
		after, ids := before.Change(t)
		for _, id := range ids {
			var c authz.Change
			if d, ok := before[id]; ok {
				c.Before = &d
			}
			if d, ok := after[id]; ok {
				c.After = &d
			}
			one := []authz.Change{c}
			if none.AllowChanges("Apply", one).Allowed || !admin.AllowChanges("Apply", one).Allowed {
				t.Fatalf("%s: a caller without roles may change it, or an administrator may not", id)
			}
			allowedToEdit := ofWorkspace(c.Before) && ofWorkspace(c.After) && (id.Kind != document.KindTenant || c.After == nil)
			if got := editor.AllowChanges("Apply", one); got.Allowed != allowedToEdit {
				t.Fatalf("%s by an editor of w: %+v, want allowed: %t\nbefore %v\nafter %v", id, got, allowedToEdit, c.Before, c.After)
			}
			global := id.Kind == document.KindUserGroup && strings.HasPrefix(id.Name, ".")
			allowedToOperator := global || id.Kind == document.KindUser || id.Kind == document.KindWorkspace || id.Kind == document.KindTenant
			if got := operator.AllowChanges("Apply", one); got.Allowed != allowedToOperator {
				t.Fatalf("%s by an operator: %+v, want allowed: %t", id, got, allowedToOperator)
			}
		}
	})
}

// TestChanges_HaveEveryKind: a kind without a rule could be changed by no caller.
func TestChanges_HaveEveryKind(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for _, rule := range authz.Changes() {
		if rule.Reason == "" {
			t.Errorf("%s has no reason", rule.Change)
		}
		text.WriteString(rule.Change + "\n")
	}
	for _, kind := range document.Kinds() {
		contains(t, "every kind has a line", text.String(), string(kind))
	}
}

// TestAttack_GrantCloudAdmin: documents that give their author the administrator's role of a
// whole cloud, by a landing zone and by the place of a tenant.
func TestAttack_GrantCloudAdmin(t *testing.T) {
	t.Parallel()
	docs := decode(t, `{apiVersion: v1, kind: meshWorkspace, metadata: {name: esc}}
--- {apiVersion: v2, kind: meshProject, metadata: {name: p, ownedByWorkspace: esc}}
---
apiVersion: v1
kind: meshLandingZone
metadata: {name: esc-lz}
spec:
  displayName: x
  platformRef: {name: openstack.harbour}
  platformProperties: {type: openstack, openstack: {roleMappings: [{projectRoleRef: {name: project-admin}, groupAlias: admin, roles: [admin]}]}}
--- {apiVersion: v4, kind: meshTenant, metadata: {ownedByWorkspace: esc, ownedByProject: p}, spec: {platformIdentifier: openstack.harbour, landingZoneIdentifier: esc-lz, platformTenantId: ADMINPROJECT}}
--- {apiVersion: v4, kind: meshTenant, metadata: {ownedByWorkspace: esc, ownedByProject: p}, spec: {platformIdentifier: kubernetes.harbour, landingZoneIdentifier: esc-k8s, platformTenantId: kube-system}}
---
apiVersion: v1
kind: meshLandingZone
metadata: {name: esc-k8s}
spec:
  displayName: x
  platformRef: {name: kubernetes.harbour}
  platformProperties: {type: kubernetes, kubernetes: {roleMappings: [{projectRoleRef: {name: project-admin}, roles: [cluster-admin]}]}}
--- {apiVersion: v3, kind: meshProjectUserBinding, metadata: {name: esc1}, roleRef: {name: project-admin}, targetRef: {name: p, ownedByWorkspace: esc}, subject: {name: mei-tanaka}}
`)
	for _, roles := range [][]string{{"editor of esc"}, {"editor"}, {"operator"}, {"editor", "operator", "approver", "security"}} {
		if d := rights(t, roles...).AllowChanges("Apply", creates(docs)); d.Allowed {
			t.Errorf("all documents, by %v: %+v", roles, d)
		}
	}
	var denied []string
	for _, c := range creates(docs) {
		if d := rights(t, "editor of esc").AllowChanges("Apply", []authz.Change{c}); !d.Allowed {
			denied = append(denied, c.After.ID.String())
		}
	}
	contains(t, "each document that raises rights is denied alone, too", strings.Join(denied, "\n"),
		"meshWorkspace esc", "meshLandingZone esc-lz", "meshLandingZone esc-k8s",
		"meshTenant esc.p/openstack.harbour", "meshTenant esc.p/kubernetes.harbour")
	if len(denied) != 5 {
		t.Errorf("denied are %q", denied)
	}
}

// TestAttack_GuardOffInSameApply: the author of removals also removes the limits on them.
func TestAttack_GuardOffInSameApply(t *testing.T) {
	t.Parallel()
	changes := append(creates(decode(t, guard)), changed(t, binding, "")...)
	for _, roles := range []string{"editor of marketing", "editor", "operator", "approver"} {
		if d := rights(t, "editor of marketing", roles).AllowChanges("Apply", changes); d.Allowed {
			t.Errorf("by an editor who is %s: %+v", roles, d)
		}
	}
	if d := rights(t, "admin").AllowChanges("Apply", changes); !d.Allowed {
		t.Errorf("an administrator may ask for it: %+v", d)
	}
	actions := authz.ActionsOf(changes)
	if len(actions) != 1 || actions[0] != authz.ChangeGuard {
		t.Fatalf("actions that need a second user: %v", actions)
	}
	ada := user(t, "ada")
	if d := (authz.FourEyes{}).Check(actions[0], ada, causes(ada)); d.Allowed {
		t.Errorf("the author is the second user: %+v", d)
	}
	if got := authz.ActionsOf(changed(t, guard, "")); len(got) != 1 {
		t.Errorf("the removal of a guard needs a second user, too: %v", got)
	}
	if got := authz.ActionsOf(changed(t, binding, "")); len(got) != 0 {
		t.Errorf("the removal of a binding needs none by itself: %v", got)
	}
}
