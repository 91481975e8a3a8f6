package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/engines/postgres"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/internal/store/storetest"
)

// organisation is one project with one person on one platform. Its group's name
// depends on what apply draws.
const organisation = `---
{apiVersion: v1, kind: meshWorkspace, metadata: {name: marketing}, spec: {displayName: Marketing}}
---
{apiVersion: v2, kind: meshProject, metadata: {name: web, ownedByWorkspace: marketing}, spec: {displayName: Web}}
---
{apiVersion: v1, kind: meshProjectRole, metadata: {name: admin}, spec: {name: Project Admin, rank: 1}}
---
apiVersion: v2
kind: meshUser
metadata: {name: jane}
spec: {email: jane@example.com, firstName: Jane, lastName: Doe, euid: jane@example.com}
---
apiVersion: v1
kind: meshPlatform
metadata: {name: sandbox}
spec:
  displayName: Sandbox
  locationRef: {name: local}
  config: {memory: {replication: {
    groupNamePattern: "#{projectIdentifier}-#{rand:%.7s}-#{tenantPlatformNumber}-#{platformGroupAlias}",
    roleMappings: [{projectRoleRef: {name: admin}, groupAlias: admin, roles: [owner]}]}}}
---
{apiVersion: v1, kind: meshLandingZone, metadata: {name: zone}, spec: {displayName: Zone, platformRef: {name: sandbox.local}}}
---
apiVersion: v4
kind: meshTenant
metadata: {ownedByWorkspace: marketing, ownedByProject: web}
spec: {platformIdentifier: sandbox.local, landingZoneIdentifier: zone, platformTenantId: web-1}
---
apiVersion: v3
kind: meshProjectUserBinding
metadata: {name: b-jane-web}
roleRef: {name: admin}
targetRef: {name: web, ownedByWorkspace: marketing}
subject: {name: jane}
`

const documentsInOrganisation = 8

// tenant is the only one of the organisation.
func tenant() access.TenantID {
	return access.TenantID{Workspace: "marketing", Project: "web", Platform: "sandbox.local"}
}

// emptyDatabase returns the URL of a database with tables and nothing in them.
func emptyDatabase(t *testing.T) string {
	t.Helper()
	return storetest.URL(t)
}

// database returns the URL of a database that holds the organisation.
func database(t *testing.T) string {
	t.Helper()
	url := emptyDatabase(t)
	must(t, url, organisation, "apply", "-")
	return url
}

// without leaves out the documents that contain a text.
func without(text string) string {
	var kept []string
	for doc := range strings.SplitSeq(organisation, "---\n") {
		if doc != "" && !strings.Contains(doc, text) {
			kept = append(kept, doc)
		}
	}
	return strings.Join(kept, "---\n")
}

// fromJSON reads a command's JSON.
func fromJSON[T any](t *testing.T, text string) T {
	t.Helper()
	var value T
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
	return value
}

func TestApplyStoresOnceAndShowsWhat(t *testing.T) {
	t.Parallel()
	db := emptyDatabase(t)
	out := must(t, db, organisation, "apply", "-")
	for _, want := range []string{"+ meshUser jane\n", "Stored: 8 created, 0 changed, 0 removed, 0 unchanged. It touches 1 tenant.\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("the output lacks %q:\n%s", want, out)
		}
	}
	again := fromJSON[changeResult](t, must(t, db, organisation, "apply", "-", "-o", "json"))
	want := changeResult{
		Created: []document.ID{}, Changed: []document.ID{}, Removed: []document.ID{}, Tenants: []access.TenantID{},
		Unchanged: documentsInOrganisation, Generation: 1,
	}
	if diff := cmp.Diff(want, again); diff != "" {
		t.Errorf("the second apply (-want +got):\n%s", diff)
	}
	changed := strings.ReplaceAll(organisation, "displayName: Marketing", "displayName: The market")
	if out := must(t, db, changed, "apply", "-"); !strings.Contains(out, "~ meshWorkspace marketing") || !strings.Contains(out, "1 changed") {
		t.Errorf("a changed document is not shown:\n%s", out)
	}
}

func TestDryRunStoresNothing(t *testing.T) {
	t.Parallel()
	db := emptyDatabase(t)
	out := must(t, db, organisation, "apply", "--dry-run", "-")
	if !strings.Contains(out, "+ meshUser jane") || !strings.Contains(out, "Would store: 8 created") {
		t.Errorf("a dry run does not show what would change:\n%s", out)
	}
	result := fromJSON[changeResult](t, must(t, db, organisation, "apply", "--dry-run", "-", "-o", "json"))
	if result.Stored || len(result.Created) != documentsInOrganisation {
		t.Errorf("a dry run says %+v, want 8 documents created and nothing stored", result)
	}
	if stored := must(t, db, "", "get", "-o", "json"); strings.TrimSpace(stored) != "[]" {
		t.Errorf("a dry run stored:\n%s", stored)
	}
}

func TestPruneAsks(t *testing.T) {
	t.Parallel()
	db := database(t)
	before := must(t, db, "", "export")
	input := without("b-jane-web")
	o := run(t, db, input, "apply", "--prune", "-")
	o.ends(t, "nobody can answer without a terminal", exitInvalid, "1 document would be removed", "--yes", "--dry-run")
	if !strings.Contains(o.out, "- meshProjectUserBinding b-jane-web") {
		t.Errorf("what would be removed is not shown:\n%s", o.out)
	}
	if diff := cmp.Diff(before, must(t, db, "", "export")); diff != "" {
		t.Errorf("something was stored (-before +after):\n%s", diff)
	}
	must(t, db, input, "apply", "--prune", "--dry-run", "-")
	if diff := cmp.Diff(before, must(t, db, "", "export")); diff != "" {
		t.Errorf("a dry run stored (-before +after):\n%s", diff)
	}
	if out := must(t, db, input, "apply", "--prune", "--yes", "-"); !strings.Contains(out, "1 removed") {
		t.Errorf("--yes removes nothing:\n%s", out)
	}
	o = run(t, db, "", "get", "userbinding", "b-jane-web")
	o.ends(t, "what is removed is gone", exitInvalid, "b-jane-web", "rollcall get meshProjectUserBinding")
}

func TestEmptyInputIsNoOrderToRemoveEverything(t *testing.T) {
	t.Parallel()
	db := database(t)
	before := must(t, db, "", "export")
	run(t, db, "# whatever wrote this failed\n", "apply", "--prune", "--yes", "-").
		ends(t, "a truncated input is no empty world", exitInvalid, "no document")
	if diff := cmp.Diff(before, must(t, db, "", "export")); diff != "" {
		t.Errorf("documents are gone (-before +after):\n%s", diff)
	}
}

func TestServerOwnedFieldsAreDroppedAndCounted(t *testing.T) {
	t.Parallel()
	db := emptyDatabase(t)
	input := strings.ReplaceAll(organisation, "kind: meshUser\n", "kind: meshUser\nstatus: {active: true}\n_links: {self: {href: x}}\n")
	if out := must(t, db, input, "apply", "-"); !strings.Contains(out, "Dropped fields that only a server owns: _links 1, status 1.") {
		t.Errorf("dropped fields are not counted:\n%s", out)
	}
	result := fromJSON[changeResult](t, must(t, db, input, "apply", "-", "-o", "json"))
	if diff := cmp.Diff(map[string]int{"_links": 1, "status": 1}, result.Dropped); diff != "" {
		t.Errorf("dropped fields (-want +got):\n%s", diff)
	}
}

func TestProblemsNameFileAndLineAllAtOnce(t *testing.T) {
	t.Parallel()
	db := emptyDatabase(t)
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a.yaml": strings.ReplaceAll(organisation, "firstName: Jane", "frstName: Jane"),
		"b.yaml": "apiVersion: v1\nkind: meshWorkspace\nmetadata:\n  name: x\nspec:\n  displayName: [1]\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run(t, db, "", "apply", dir).ends(t, "everything that is wrong is told at once", exitInvalid,
		filepath.Join(dir, "a.yaml")+":11: meshUser jane: spec.frstName", filepath.Join(dir, "b.yaml")+":6: meshWorkspace x: spec.displayName")
	run(t, db, without("kind: meshUser\n"), "apply", "-").ends(t, "what refers to nothing is told where it stands", exitInvalid,
		"<stdin>:", "meshProjectUserBinding b-jane-web", "subject.name", `"jane"`)
	if stored := must(t, db, "", "get", "-o", "json"); strings.TrimSpace(stored) != "[]" {
		t.Errorf("something was stored:\n%s", stored)
	}
}

func TestDelete(t *testing.T) {
	t.Parallel()
	db := database(t)
	before := must(t, db, "", "export")
	refused := map[string]struct {
		reason string
		args   []string
		says   []string
	}{
		"unknown": {"nobody is called so", []string{"user", "nobody", "--yes"}, []string{`meshUser "nobody"`, "rollcall get meshUser"}},
		"referenced": {
			"who refers to it is named, and how to go on", []string{"user", "jane", "--yes"},
			[]string{"meshUser jane is still referred to by", "meshProjectUserBinding b-jane-web (subject.name)", "Delete or change those first"},
		},
		"referenced by two": {
			"all that refer to it are named", []string{"project", "marketing.web", "--yes"},
			[]string{"meshTenant marketing.web/sandbox.local", "meshProjectUserBinding b-jane-web"},
		},
		"unasked": {"nobody can answer without a terminal", []string{"userbinding", "b-jane-web"}, []string{"--yes"}},
	}
	for name, tc := range refused {
		t.Run(name, func(t *testing.T) {
			run(t, db, "", append([]string{"delete"}, tc.args...)...).ends(t, tc.reason, exitInvalid, tc.says...)
			if diff := cmp.Diff(before, must(t, db, "", "export")); diff != "" {
				t.Errorf("%s, and yet documents changed (-before +after):\n%s", tc.reason, diff)
			}
		})
	}
	must(t, db, "", "delete", "userbinding", "b-jane-web", "--yes")
	must(t, db, "", "delete", "user", "jane", "--yes")
	run(t, db, "", "get", "user", "jane").ends(t, "what is deleted is gone", exitInvalid)
}

// TestSources: an export restores what belongs to another source, and that is neither changed
// nor removed by documents.
func TestSources(t *testing.T) {
	t.Parallel()
	db := database(t)
	before := must(t, db, "", "export")
	const eve = `{apiVersion: v2, kind: meshUser, metadata: {name: eve}, spec: {euid: eve-1, email: %s},
  rollcall: {source: "scim:corp", fields: {spec.euid: {source: "sign-in:corp", since: "2026-05-04T10:00:00Z"}}}}`
	must(t, db, fmt.Sprintf(eve, "eve@example.com"), "apply", "-")
	if out := must(t, db, "", "get", "user"); !strings.Contains(out, "scim:corp (spec.euid: sign-in:corp)") || !strings.Contains(out, "documents\n") {
		t.Errorf("the users do not show what they belong to:\n%s", out)
	}
	if out := must(t, db, before, "apply", "--prune", "--yes", "-"); !strings.Contains(out, "0 created, 0 changed, 0 removed") {
		t.Errorf("documents remove the directory's user:\n%s", out)
	}
	run(t, db, fmt.Sprintf(eve, "eva@example.com"), "apply", "-").ends(t, "documents change the directory's user", exitInvalid,
		`<stdin>:1: meshUser eve: belongs to the source "scim:corp": change it there, or take it out of the input`)
	run(t, db, "", "delete", "user", "eve", "--yes").ends(t, "the user is the directory's", exitInvalid,
		`meshUser eve belongs to the source "scim:corp"`, "rollcall delete --source")
	run(t, db, "", "delete", "user", "eve", "--yes", "--source", "nobody").ends(t, "there is no such kind of source", exitInvalid,
		`--source "nobody"`, "scim:corp")
	must(t, db, "", "delete", "user", "eve", "--yes", "--source", "scim:corp")
	if diff := cmp.Diff(before, must(t, db, "", "export")); diff != "" {
		t.Errorf("other documents changed (-before +after):\n%s", diff)
	}
}

func TestExportRestoresEverything(t *testing.T) {
	t.Parallel()
	db := database(t)
	exported := must(t, db, "", "export")
	for format, text := range map[string]string{"yaml": exported, "json": must(t, db, "", "export", "-o", "json")} {
		t.Run(format, func(t *testing.T) {
			fresh := emptyDatabase(t)
			must(t, fresh, text, "apply", "-")
			if diff := cmp.Diff(exported, must(t, fresh, "", "export")); diff != "" {
				t.Errorf("the restored documents differ, drawn numbers included (-want +got):\n%s", diff)
			}
			if out := must(t, fresh, text, "apply", "-"); !strings.Contains(out, "0 created, 0 changed, 0 removed, 8 unchanged") {
				t.Errorf("the same again changes something:\n%s", out)
			}
		})
	}
}

func TestWhatGetWritesCanBeApplied(t *testing.T) {
	t.Parallel()
	db := database(t)
	for _, doc := range fromJSON[[]struct {
		Kind     string
		Metadata struct{ Name string }
	}](t, must(t, db, "", "get", "-o", "json")) {
		for _, format := range []string{formatYAML, formatJSON} {
			args := []string{"get", doc.Kind}
			if doc.Kind == string(document.KindUser) {
				args = append(args, doc.Metadata.Name)
			}
			text := must(t, db, "", append(args, "-o", format)...)
			result := fromJSON[changeResult](t, must(t, db, text, "apply", "-", "-o", "json"))
			if result.Unchanged != 1 || len(result.Changed)+len(result.Created) != 0 {
				t.Errorf("rollcall %s -o %s, applied again: %+v, want 1 unchanged", strings.Join(args, " "), format, result)
			}
		}
	}
}

func TestFormatsAgree(t *testing.T) {
	t.Parallel()
	db := database(t)
	for _, args := range [][]string{
		{"status"}, {"version"}, {"migrate"}, {"apply", "-"}, {"export"}, {"get"}, {"get", "user", "jane"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			fromJSON := fromJSON[any](t, must(t, db, organisation, append(args, "-o", "json")...))
			var documents []any
			for decoder := yaml.NewDecoder(strings.NewReader(must(t, db, organisation, append(args, "-o", "yaml")...))); ; {
				var doc any
				if decoder.Decode(&doc) != nil {
					break
				}
				documents = append(documents, doc)
			}
			var fromYAML any = documents
			if _, list := fromJSON.([]any); !list && len(documents) == 1 {
				fromYAML = documents[0]
			}
			if diff := cmp.Diff(asJSON(t, fromJSON), asJSON(t, fromYAML)); diff != "" {
				t.Errorf("YAML says something else than JSON (-json +yaml):\n%s", diff)
			}
		})
	}
}

// asJSON makes values of both decoders comparable.
func asJSON(t *testing.T, value any) string {
	t.Helper()
	body, err := json.MarshalIndent(value, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestOldTablesAreNoticed(t *testing.T) {
	t.Parallel()
	run(t, postgres.ForTest(t), "", "status").ends(t, "an empty database", exitFailed, "rollcall migrate")
}

func TestGetListsForPeople(t *testing.T) {
	t.Parallel()
	empty := run(t, emptyDatabase(t), "", "get")
	empty.ends(t, "a newcomer is told what to do", exitDone, "rollcall apply")
	out := must(t, database(t), "", "get", "tenants")
	want := "KIND        NAME                         VERSION\nmeshTenant  marketing.web/sandbox.local  v4\n"
	if diff := cmp.Diff(want, out); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// opened returns a connection to a test's database.
func opened(t *testing.T, url string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func TestUndeletable(t *testing.T) {
	t.Parallel()
	many := make(document.Problems, shownAtMost+2)
	for i := range many {
		many[i] = document.Problem{Object: "meshProjectUserBinding b", Field: "subject.name", Text: "there is no meshUser"}
	}
	cases := map[string]struct {
		reason string
		err    error
		says   string
	}{
		"nothing":   {"it is deleted", nil, ""},
		"no answer": {"a failure stays what it is", store.ErrUnreachable, "cannot be reached"},
		"a name":    {"a name that does not fit refers to nothing", document.Problems{{Object: "meshTenant x", Text: "the name is taken"}}, "the name is taken"},
		"many":      {"a screen is enough", &control.Error{Code: control.Conflict, Kind: "meshUser", Name: "jane", Problems: many}, "... and 2 more"},
	}
	for name, tc := range cases {
		got := undeletable(tc.err)
		if (got == nil) != (tc.err == nil) || got != nil && !strings.Contains(got.Error(), tc.says) {
			t.Errorf("%s: %s: %v, want %q", name, tc.reason, got, tc.says)
		}
		if exitCode(got) != exitCode(tc.err) {
			t.Errorf("%s: %s: exit code %d, want %d", name, tc.reason, exitCode(got), exitCode(tc.err))
		}
	}
}

func TestTheShellCompletesNames(t *testing.T) {
	t.Parallel()
	db := database(t)
	cases := map[string]struct {
		args []string
		want string
	}{
		"kinds":     {[]string{"get", ""}, "meshUser"},
		"names":     {[]string{"delete", "users", ""}, "jane"},
		"tenants":   {[]string{"plan", ""}, "marketing.web/sandbox.local"},
		"schemas":   {[]string{"schema", ""}, "meshPlatform"},
		"formats":   {[]string{"get", "-o", ""}, "yaml"},
		"a command": {[]string{"repl"}, "replicate"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			out := must(t, db, "", append([]string{"__complete"}, tc.args...)...)
			if !strings.Contains(out, tc.want+"\n") && !strings.Contains(out, tc.want+"\t") {
				t.Errorf("rollcall %s<tab> does not offer %q:\n%s", strings.Join(tc.args, " "), tc.want, out)
			}
		})
	}
}
