package authz_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/document/documenttest"
)

func TestRights_Visible(t *testing.T) {
	t.Parallel()
	const ben = "{apiVersion: v2, kind: meshUser, metadata: {name: ben}, spec: {euid: ben, email: ben@example.com}, rollcall: {source: 'scim:corp'}}"
	const shared = "{apiVersion: v3, kind: meshProjectGroupBinding, metadata: {name: s}, roleRef: {name: admin}, " +
		"targetRef: {name: p, ownedByWorkspace: marketing}, subject: {name: all}}"
	const global = "{apiVersion: v1, kind: meshWorkspaceUserGroup, metadata: {name: all}, spec: {members: [ben]}}"
	const otherWorkspace = "{apiVersion: v1, kind: meshWorkspace, metadata: {name: sales}}"
	const otherUser = "{apiVersion: v2, kind: meshUser, metadata: {name: cyd}, spec: {euid: cyd}}"
	userBinding := strings.NewReplacer("name: b}", "name: c}", "name: ada", "name: cyd").Replace(otherBinding)
	otherPlatform := strings.Replace(platform, "{name: m}", "{name: n}", 1)
	docs := decode(t, strings.Join([]string{
		workspace, project, binding, group, zoned, zone, platform, role, euid, ben, shared, global,
		otherWorkspace, otherProject, userBinding, otherTenant, otherUser, otherPlatform, guard, policy,
	}, "\n--- "))
	for _, tt := range []struct {
		reason string
		roles  []string
		hidden []string // of all; nil for nothing visible
	}{
		{"a reader of one workspace", []string{"viewer of marketing"}, []string{
			"meshWorkspace sales", "meshProject sales.p", "meshProjectUserBinding c", "meshTenant sales.p/m.a", "meshUser cyd",
			"meshPlatform n.a", "Guard off", "AccessPolicy mine",
		}},
		{"a reader of all", []string{"viewer"}, []string{"AccessPolicy mine"}},
		{"an approver reads all", []string{"approver"}, []string{"AccessPolicy mine"}},
		{"a reader of policies", []string{"security"}, []string{"nothing"}},
		{"a caller without roles", nil, nil},
		{"a reader of a workspace that does not exist", []string{"viewer of none"}, append(names(docs[:7]), names(docs[8:])...)},
	} {
		visible, err := rights(t, tt.roles...).Visible(docs)
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		if tt.hidden != nil {
			for _, name := range names(docs) {
				if !slices.Contains(tt.hidden, name) {
					want = append(want, name)
				}
			}
		}
		if diff := cmp.Diff(want, names(visible)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.reason, diff)
		}
	}
	visible, err := rights(t, "editor of marketing").Visible(docs)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range visible {
		if d.ID.Name == "ben" && (string(d.Body) != `{"apiVersion":"v2","kind":"meshUser","metadata":{"name":"ben"}}` || d.Source != "") {
			t.Errorf("a user of whom the name is enough: %s, %s", d.Body, d.Source)
		}
		if err := d.Check(); err != nil {
			t.Errorf("%s is no document any more: %v", d.ID, err)
		}
	}
}

// TestRights_VisibleShowsNoOtherWorkspace: whatever refers to what, a reader of w sees no
// document of x and no attribute of a user.
func TestRights_VisibleShowsNoOtherWorkspace(t *testing.T) {
	t.Parallel()
	reader := rights(t, "viewer of w")
	rapid.Check(t, func(t *rapid.T) {
		docs := documenttest.Draw(t).List()
		visible, err := reader.Visible(docs)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[document.ID]bool{}
		for _, d := range visible {
			seen[d.ID] = true
			n, err := document.NewNode(d)
			if err != nil {
				t.Fatal(err)
			}
			if n.Workspace != "" && n.Workspace != "w" || d.ID.Kind == document.KindAccessPolicy || d.ID.Kind == document.KindGuard {
				t.Fatalf("%s is visible: %s", d.ID, d.Body)
			}
			if d.ID.Kind == document.KindUser && strings.Contains(string(d.Body), "euid") {
				t.Fatalf("%s has attributes: %s", d.ID, d.Body)
			}
		}
		for _, d := range docs {
			if n, err := document.NewNode(d); err == nil && n.Workspace == "w" && !seen[d.ID] {
				t.Fatalf("%s is not visible", d.ID)
			}
		}
	})
}
