package document_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/document/documenttest"
)

// workspaceSubjects is what the workspace bindings of the tests refer to.
const workspaceSubjects = `--- {apiVersion: v2, kind: meshWorkspace, metadata: {name: mobile}}
--- {apiVersion: v2, kind: meshWorkspace, metadata: {name: sales}}
--- {apiVersion: v2, kind: meshUser, metadata: {name: anna}}
--- {apiVersion: v1, kind: meshWorkspaceUserGroup, metadata: {name: crew, ownedByWorkspace: sales}}
--- {apiVersion: v1, kind: meshWorkspaceUserGroup, metadata: {name: all}}
`

func TestWorkspaceBinding_Validates(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	begin := func(kind string) string { return "{apiVersion: v2, kind: " + kind + ", metadata: {name: b}, " }
	user, group := begin("meshWorkspaceUserBinding"), begin("meshWorkspaceGroupBinding")
	const old = "{apiVersion: v1, kind: meshWorkspaceUserBinding, "
	for _, tt := range []struct {
		reason, input string
		want          []string
	}{
		{"a manager", user + "roleRef: {name: Workspace Manager}, targetRef: {name: mobile}, subject: {name: anna}}", nil},
		{"kinds of references may be written", user + "roleRef: {name: Workspace Owner, kind: meshWorkspaceRole}, " +
			"targetRef: {name: mobile, kind: meshWorkspace}, subject: {name: anna, kind: meshUser}}", nil},
		{"a global group", group + "roleRef: {name: Workspace Member}, targetRef: {name: mobile}, subject: {name: all}}", nil},
		{"no rights follow from other roles", user + "roleRef: {name: admin}, targetRef: {name: mobile}, subject: {name: anna}}", []string{
			`x.yaml:1: meshWorkspaceUserBinding b: roleRef.name: "admin" is not allowed: write Workspace Owner, Workspace Manager or Workspace Member`}},
		{"a user that is not stored", user + "roleRef: {name: Workspace Owner}, targetRef: {name: mobile}, subject: {name: unknown}}", []string{
			`x.yaml:1: meshWorkspaceUserBinding b: subject.name: there is no meshUser "unknown"`}},
		{"a workspace that is not stored", user + "roleRef: {name: Workspace Owner}, targetRef: {name: none}, subject: {name: anna}}", []string{
			`x.yaml:1: meshWorkspaceUserBinding b: targetRef.name: there is no meshWorkspace "none"`}},
		{"the group of another workspace", group + "roleRef: {name: Workspace Owner}, targetRef: {name: mobile}, subject: {name: crew}}", []string{
			`x.yaml:1: meshWorkspaceGroupBinding b: subject.name: the user group "crew" is of the workspace "sales", but the binding is for "mobile": ` +
				`a workspace's group can be bound in its own workspace only; create the group in "mobile", or bind a global group`}},
		{"v1 has subjects", old + "roleRef: {name: Workspace Owner}, targetRef: {name: mobile}, subjects: [{name: anna}]}", nil},
		{"v1 without subjects", old + "roleRef: {name: Workspace Owner}, targetRef: {name: mobile}}", []string{
			"x.yaml:1: meshWorkspaceUserBinding: subjects: is missing"}},
		{"v1 with a name", old + "metadata: {name: b}, roleRef: {name: Workspace Owner}, targetRef: {name: mobile}, subjects: [{name: anna}]}", []string{
			"x.yaml:1: meshWorkspaceUserBinding b: is not allowed here: write subjects, without metadata and subject, in v1"}},
		{"v2 with subjects", user + "roleRef: {name: Workspace Owner}, targetRef: {name: mobile}, subject: {name: anna}, subjects: [{name: anna}]}", []string{
			"x.yaml:1: meshWorkspaceUserBinding b: is not allowed here: write metadata.name and one subject, without subjects, in v2"}},
		{"v1 subjects are checked one by one", old + "roleRef: {name: Workspace Owner}, targetRef: {name: mobile}, subjects: [{name: anna}, {name: eve}]}", []string{
			`x.yaml:1: meshWorkspaceUserBinding mobile.Workspace Owner.eve: subject.name: there is no meshUser "eve"`}},
		{"an end", user + `roleRef: {name: Workspace Owner}, targetRef: {name: mobile}, subject: {name: anna}, expiryDate: "2026-12-31"}`, nil},
		{"an end that stands for never", user + `roleRef: {name: Workspace Owner}, targetRef: {name: mobile}, subject: {name: anna}, expiryDate: "9999-12-31"}`,
			[]string{"x.yaml:1: meshWorkspaceUserBinding b: expiryDate: the end is more than 10 years ahead: correct the year, " +
				"or leave the field out for a binding without an end"}},
		{"two ends", user + `roleRef: {name: Workspace Owner}, targetRef: {name: mobile}, subject: {name: anna}, expiryDate: "2026-12-31", expirationDate: "2026-12-31"}`,
			[]string{"x.yaml:1: meshWorkspaceUserBinding b: expiryDate: the binding has an expirationDate, too: write one of them"}},
	} {
		docs, _, err := document.Decode(strings.NewReader(tt.input+"\n"+workspaceSubjects), "x.yaml")
		if err == nil {
			var set *document.Set
			if set, err = document.NewSet(docs); err == nil {
				err = set.Validate(now)
			}
		}
		var got []string
		if err != nil {
			got = strings.Split(err.Error(), "\n")
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.reason, diff)
		}
	}
}

// TestWorkspaceBinding_V1IsOneBindingOfEachSubject: the list is read as bindings of v2, which
// have the same names each time.
func TestWorkspaceBinding_V1IsOneBindingOfEachSubject(t *testing.T) {
	t.Parallel()
	docs, _, err := document.Decode(strings.NewReader("{apiVersion: v1, kind: meshWorkspaceGroupBinding, "+
		"roleRef: {name: Workspace Owner}, targetRef: {name: mobile}, subjects: [{name: all}, {name: crew}], expirationDate: '2026-12-31'}"), "x.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var got []document.WorkspaceBinding
	for _, d := range docs {
		typed, err := document.Parse(d)
		if err != nil || d.CheckID() != nil || d.APIVersion != "v2" {
			t.Fatalf("%s %s: %v, %v", d.ID, d.APIVersion, err, d.CheckID())
		}
		if b, ok := typed.(document.WorkspaceBinding); ok {
			got = append(got, b)
		}
	}
	ends := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	want := []document.WorkspaceBinding{
		{Name: "mobile.Workspace Owner.all", Role: document.WorkspaceOwner, Workspace: "mobile", Subject: "all", Ends: ends},
		{Name: "mobile.Workspace Owner.crew", Role: document.WorkspaceOwner, Workspace: "mobile", Subject: "crew", Ends: ends},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("two subjects (-want +got):\n%s", diff)
	}
	if !got[0].HasEnded(ends) || got[0].HasEnded(ends.Add(-time.Second)) {
		t.Error("the binding ends with the last day in UTC")
	}
}

// TestWorkspaceBinding_AffectsNoTenant: rights in Rollcall are no access on platforms.
func TestWorkspaceBinding_AffectsNoTenant(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var changed []document.ID
		var all, without []*document.Node
		for _, d := range documenttest.Draw(t).List() {
			n, err := document.NewNode(d)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, &n)
			if d.ID.Kind == document.KindWorkspaceUserBinding || d.ID.Kind == document.KindWorkspaceGroupBinding {
				changed = append(changed, d.ID)
			} else {
				without = append(without, &n)
			}
		}
		if tenants := document.Affected(document.NewGraph(all), document.NewGraph(without), changed); len(tenants) > 0 {
			t.Fatalf("without workspace bindings %v are affected", tenants)
		}
	})
}
