package document_test

import (
	gocmp "cmp"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/document"
)

// lines returns the lines of an error's text.
func lines(err error) []string {
	if err == nil {
		return nil
	}
	return strings.Split(err.Error(), "\n")
}

func TestDecodeRefuses(t *testing.T) {
	for _, tc := range []struct {
		name   string
		reason string
		file   string // "in.yaml" when empty
		input  string
		want   []string
	}{
		{
			name:   "everything at once",
			reason: "who fixes one problem per run gives up",
			input: `apiVersion: v2
kind: meshUser
metadata:
  name: anna
  shoeSize: 38
spec:
  eiud: anna
  email: 7
  tags:
    team: a
---
apiVersion: v1
kind: meshWorkspace
metadata: {}
`,
			want: []string{
				`in.yaml:5: meshUser anna: metadata.shoeSize: unknown field; known are name`,
				`in.yaml:7: meshUser anna: spec.eiud: unknown field (did you mean "euid"?); known are email, euid, firstName, lastName and tags`,
				`in.yaml:8: meshUser anna: spec.email: is a number, but must be a text: put it in quotes`,
				`in.yaml:10: meshUser anna: spec.tags.team: is a text, but must be a list`,
				`in.yaml:14: meshWorkspace: metadata.name: is missing`,
			},
		},
		{
			name:   "unknown kind",
			reason: "a typo in the kind would otherwise drop a document",
			input:  "apiVersion: v2\nkind: meshUsr\nmetadata: {name: a}\n",
			want: []string{`in.yaml:2: meshUsr: kind: unknown kind "meshUsr" (did you mean "meshUser"?); known are ` +
				`meshWorkspace, meshProjectRole, meshUser, meshWorkspaceUserGroup, meshProject, meshPlatform, ` +
				`Guard, meshLandingZone, meshTenant, meshProjectUserBinding, meshProjectGroupBinding, ` +
				`meshWorkspaceUserBinding, meshWorkspaceGroupBinding and AccessPolicy`},
		},
		{
			name:   "no kind, no version",
			reason: "both decide about the schema",
			input:  "metadata: {name: a}\n---\n\nkind: meshTenant\n",
			want: []string{
				`in.yaml:1: kind: is missing: write one of meshWorkspace, meshProjectRole, meshUser, meshWorkspaceUserGroup, ` +
					`meshProject, meshPlatform, Guard, meshLandingZone, meshTenant, meshProjectUserBinding, meshProjectGroupBinding, ` +
					`meshWorkspaceUserBinding, meshWorkspaceGroupBinding or AccessPolicy`,
				`in.yaml:4: meshTenant: apiVersion: is missing: write v3, v4-preview or v4`,
			},
		},
		{
			name:   "deleted",
			reason: "what an export says is gone gives nobody access again",
			input:  "apiVersion: v2\nkind: meshProject\nmetadata:\n  name: a\n  ownedByWorkspace: w\n  deletedOn: \"2026-01-02\"\nspec: {displayName: A}\n",
			want:   []string{`in.yaml:6: meshProject w.a: metadata.deletedOn: the export says that it was deleted on 2026-01-02: leave the document out`},
		},
		{
			name:   "unknown version",
			reason: "another version may mean other things",
			input:  "kind: meshProject\napiVersion: v7\nmetadata: {name: a, ownedByWorkspace: w}\n",
			want:   []string{`in.yaml:2: meshProject w.a: apiVersion: unknown version "v7" of meshProject: write v2`},
		},
		{
			name:   "not a mapping",
			reason: "a stray text is no document",
			input:  "just text\n",
			want:   []string{`in.yaml:1: a document is a mapping with apiVersion, kind and metadata`},
		},
		{
			name:   "duplicate key",
			reason: "two values cannot both count",
			input:  "apiVersion: v2\nkind: meshUser\nmetadata:\n  name: anna\n  name: bela\n",
			want:   []string{`in.yaml:5: meshUser anna: metadata.name: is there twice; the first is in line 4`},
		},
		{
			name:   "duplicate key in JSON",
			reason: "encoding/json would take the last without a word",
			input:  "{\n \"apiVersion\": \"v2\",\n \"kind\": \"meshUser\",\n \"kind\": \"meshUser\"\n}",
			want:   []string{`in.yaml:4: meshUser: kind: is there twice; the first is in line 3`},
		},
		{
			name:   "bad identifiers and names",
			reason: "identifiers end up in addresses and group names",
			input: `apiVersion: v2
kind: meshProject
metadata:
  name: App_Prod
  ownedByWorkspace: a123456789012345678901234567890123456789012345678901
---
apiVersion: v2
kind: meshUser
metadata: {name: " anna"}
`,
			want: []string{
				`in.yaml:4: meshProject a123456789012345678901234567890123456789012345678901.App_Prod: metadata.name: "App_Prod" is not allowed: write lower-case letters, digits and dashes, at most 50 of them, beginning and ending with a letter or digit`,
				`in.yaml:5: meshProject a123456789012345678901234567890123456789012345678901.App_Prod: metadata.ownedByWorkspace: "a123456789012345678901234567890123456789012345678901" is not allowed: write lower-case letters, digits and dashes, at most 50 of them, beginning and ending with a letter or digit`,
				`in.yaml:9: meshUser  anna: metadata.name: " anna" is not allowed: write a text without control characters that neither begins nor ends with a blank`,
			},
		},
		{
			name:   "bad tag name",
			reason: "patterns refer to tags by name",
			input:  "apiVersion: v2\nkind: meshUser\nmetadata: {name: anna}\nspec:\n  tags:\n    \"a \": [x]\n",
			want:   []string{`in.yaml:6: meshUser anna: spec.tags.a : unknown field: a tag's name is a text without control characters that neither begins nor ends with a blank`},
		},
		{
			name:   "secrets",
			reason: "a document never holds a secret, and a problem never repeats one",
			input: `apiVersion: v1
kind: meshPlatform
metadata: {name: os}
spec:
  locationRef: {name: eu-1}
  config:
    openstack:
      url: https://admin:hunter2@keystone.example.com/v3
      password: hunter2
      replication:
        groupNamePattern: "#{rand}"
        rename: never
        apiKey: hunter2
        credentials:
          clientSecret: hunter2
        budget: {callsPerSecond: 0, concurrent: 1.5}
        roleMappings:
        - projectRoleRef: {name: admin}
          roles: []
        - roles: [a, a]
`,
			want: []string{
				`in.yaml:8: meshPlatform os.eu-1: spec.config.openstack.url: is not allowed here: it belongs to a connection, which the operator of the workers writes: remove it here`,
				`in.yaml:9: meshPlatform os.eu-1: spec.config.openstack.password: unknown field: nothing here holds a secret; a connection's auth names the file with it`,
				`in.yaml:12: meshPlatform os.eu-1: spec.config.openstack.replication.rename: "never" is not allowed: write recreate, in-place or strict`,
				`in.yaml:13: meshPlatform os.eu-1: spec.config.openstack.replication.apiKey: unknown field: nothing here holds a secret; a connection's auth names the file with it`,
				`in.yaml:14: meshPlatform os.eu-1: spec.config.openstack.replication.credentials: is not allowed here: it belongs to a connection, which the operator of the workers writes: remove it here`,
				`in.yaml:16: meshPlatform os.eu-1: spec.config.openstack.replication.budget: is not allowed here: calls are limited by the account's connection, which the operator of the workers writes: remove it here`,
				`in.yaml:19: meshPlatform os.eu-1: spec.config.openstack.replication.roleMappings[0].roles: has 0 items, at least 1 are needed`,
				`in.yaml:20: meshPlatform os.eu-1: spec.config.openstack.replication.roleMappings[1].projectRoleRef: is missing`,
				`in.yaml:20: meshPlatform os.eu-1: spec.config.openstack.replication.roleMappings[1].roles: the items 1 and 2 are equal`,
			},
		},
		{
			name:   "platform without a pattern for groups",
			reason: "its groups would have no names; a connection may be left out",
			input: `apiVersion: v1
kind: meshPlatform
metadata: {name: os}
spec:
  locationRef: {name: eu-1}
  config:
    openstack:
      replication: {}
`,
			want: []string{
				`in.yaml:8: meshPlatform os.eu-1: spec.config.openstack.replication.groupNamePattern: is missing`,
			},
		},
		{
			name:   "names that no connection has",
			reason: "no worker could ever hold it, and a path or an address is no name",
			input: `{apiVersion: v1, kind: meshPlatform, metadata: {name: a},
spec: {locationRef: {name: x}, config: {memory: {connection: ../main.yaml, replication: {groupNamePattern: g}}}}}
---
{apiVersion: v1, kind: meshPlatform, metadata: {name: b},
spec: {locationRef: {name: x}, config: {memory: {connection: "https://admin:hunter2@example.com", replication: {groupNamePattern: g}}}}}
---
{apiVersion: v1, kind: meshPlatform, metadata: {name: c},
spec: {locationRef: {name: x}, config: {memory: {connection: "", replication: {groupNamePattern: g}}}}}
---
{apiVersion: v1, kind: meshPlatform, metadata: {name: d},
spec: {locationRef: {name: x}, config: {memory: {connection: {file: world.json}, replication: {groupNamePattern: g}}}}}
`,
			want: []string{
				`in.yaml:2: meshPlatform a.x: spec.config.memory.connection: "../main.yaml" is not allowed: write the name of a connection: lower-case letters, digits, dots and dashes`,
				`in.yaml:5: meshPlatform b.x: spec.config.memory.connection: is not allowed: write the name of a connection: lower-case letters, digits, dots and dashes`,
				`in.yaml:8: meshPlatform c.x: spec.config.memory.connection: "" is not allowed: write the name of a connection: lower-case letters, digits, dots and dashes`,
				`in.yaml:8: meshPlatform c.x: spec.config.memory.connection: is shorter than 1 characters`,
				`in.yaml:11: meshPlatform d.x: spec.config.memory.connection: is a mapping, but must be a text`,
			},
		},
		{
			name:   "platform type without a driver",
			reason: "it would never be replicated",
			input:  "apiVersion: v1\nkind: meshPlatform\nmetadata: {name: a}\nspec:\n  locationRef: {name: eu-1}\n  config:\n    mainframe: {region: eu-central-1}\n",
			want: []string{`in.yaml:7: meshPlatform a.eu-1: spec.config.mainframe: unknown field: name exactly one of the platform ` +
				`types that this version has drivers for: aks, aws, azure, cloudfoundry, gcp, kubernetes, marketplace, memory, openshift, openstack`},
		},
		{
			name:   "no platform type, two, another one than named",
			reason: "a platform is one thing",
			input: `apiVersion: v1
kind: meshPlatform
metadata: {name: a}
spec: {locationRef: {name: x}, config: {}}
---
apiVersion: v1
kind: meshPlatform
metadata: {name: b}
spec:
  locationRef: {name: x}
  config:
    memory: {replication: {groupNamePattern: g}}
    openstack: {replication: {groupNamePattern: g}}
---
apiVersion: v1
kind: meshPlatform
metadata: {name: c}
spec:
  locationRef: {name: x}
  config: {type: openstack, memory: {replication: {groupNamePattern: g}}}
`,
			want: []string{
				`in.yaml:4: meshPlatform a.x: spec.config: name exactly one of the platform types that this version has drivers for: aks, aws, azure, cloudfoundry, gcp, kubernetes, marketplace, memory, openshift, openstack`,
				`in.yaml:11: meshPlatform b.x: spec.config: name exactly one of the platform types that this version has drivers for: aks, aws, azure, cloudfoundry, gcp, kubernetes, marketplace, memory, openshift, openstack`,
				`in.yaml:20: meshPlatform c.x: spec.config.openstack: is missing`,
			},
		},
		{
			name:   "uuid in a reference",
			reason: "uuids are another server's; nobody here knows them",
			input:  "apiVersion: v1\nkind: meshLandingZone\nmetadata: {name: dev}\nspec:\n  platformRef: {uuid: 00000000-0000-4000-8000-000000000001, kind: meshPlatform}\n",
			want: []string{
				`in.yaml:5: meshLandingZone dev: spec.platformRef.name: is missing`,
				`in.yaml:5: meshLandingZone dev: spec.platformRef.uuid: unknown field: name the platform as <platform>.<location>; uuids mean nothing here`,
			},
		},
		{
			name:   "tenant fields of another version",
			reason: "a field that is not read would be lost",
			input: `apiVersion: v3
kind: meshTenant
metadata: {ownedByWorkspace: w, ownedByProject: p}
spec: {platformIdentifier: a.b, platformTenantId: x}
---
apiVersion: v4
kind: meshTenant
metadata: {ownedByWorkspace: w, ownedByProject: p, platformIdentifier: a.b}
spec:
  localId: x
  landingZoneRef: {name: z}
  landingZoneIdentifier: z
rollcall: {tenantPlatformNumber: 0, rand: abc}
`,
			want: []string{
				`in.yaml:3: meshTenant w.p/a.b: metadata.platformIdentifier: is missing`,
				`in.yaml:4: meshTenant w.p/a.b: spec.platformIdentifier: is not allowed here: v3 writes it in metadata`,
				`in.yaml:4: meshTenant w.p/a.b: spec.platformTenantId: is not allowed here: v3 writes spec.localId`,
				`in.yaml:8: meshTenant w.p/a.b: metadata.platformIdentifier: is not allowed here: v4 writes it in spec`,
				`in.yaml:9: meshTenant w.p/a.b: spec: is not allowed here: name the landing zone by landingZoneRef or by landingZoneIdentifier, not by both`,
				`in.yaml:9: meshTenant w.p/a.b: spec: name the platform by exactly one of platformRef and platformIdentifier`,
				`in.yaml:10: meshTenant w.p/a.b: spec.localId: is not allowed here: v4 writes spec.platformTenantId`,
				`in.yaml:13: meshTenant w.p/a.b: rollcall.rand: "abc" is not allowed: write the 100 characters a-z and 0-9 of the export`,
				`in.yaml:13: meshTenant w.p/a.b: rollcall.tenantPlatformNumber: 0 is less than 1`,
			},
		},
		{
			name:   "tags in both places",
			reason: "nobody could say which count",
			input:  "apiVersion: v2\nkind: meshWorkspace\nmetadata: {name: w, tags: {}}\nspec: {tags: {}}\n",
			want:   []string{`in.yaml:1: meshWorkspace w: is not allowed here: write tags in metadata (v2) or in spec (v1), not in both`},
		},
		{
			name:   "broken YAML",
			reason: "the line is what people need",
			input:  "apiVersion: v2\nkind: meshUser\nmetadata:\n  name: a\n bad: b\n",
			want:   []string{`in.yaml:5: is not YAML: did not find expected key`},
		},
		{
			name:   "broken JSON",
			reason: "the YAML parser would complain about the tab",
			file:   "in.json",
			input:  "{\n\t\"kind\": \"meshUser\",\n\t\"metadata\": {,}\n}",
			want:   []string{`in.json:3: is not JSON: `},
		},
		{
			name:   "cut off JSON",
			reason: "half a document is none",
			file:   "in.json",
			input:  "[{\"kind\": \"meshUser\"}",
			want:   []string{`in.json:1: is not JSON: `},
		},
		{
			name:   "not UTF-8",
			reason: "names would be mangled",
			input:  "kind: meshUser\nspec: {firstName: J\xfcrgen}\n",
			want:   []string{`in.yaml:2: is not UTF-8: save it in that encoding`},
		},
		{
			name:   "NUL, odd keys, tags, numbers",
			reason: "neither JSON nor a database can hold them, or they hide what is meant",
			input:  "kind: \"meshUser\\0\"\n7: x\na: !!binary aGk=\n<<: {b: c}\nd: .inf\n",
			want: []string{
				`in.yaml:1: meshUser�: kind: holds a NUL character`,
				`in.yaml:2: meshUser�: the key "7" is not a text: put it in quotes, without merge keys and NUL characters`,
				`in.yaml:3: meshUser�: a: the tag !!binary is not read: write a plain value`,
				`in.yaml:4: meshUser�: the key "<<" is not a text: put it in quotes, without merge keys and NUL characters`,
				`in.yaml:5: meshUser�: d: ".inf" is not a number that fits`,
			},
		},
		{
			name:   "what Cloud Foundry does not have",
			reason: "a setting that does nothing is worse than one that is refused",
			input: `{apiVersion: v1, kind: meshPlatform, metadata: {name: a},
spec: {displayName: A, locationRef: {name: x}, config: {cloudfoundry: {connection: cloudfoundry-main, origin: corporate-sso,
replication: {
  groupNamePattern: "a",
  additionalPermissions: remove,
  userCreation: {origin: uaa}}}}}}
`,
			want: []string{
				`in.yaml:4: meshPlatform a.x: spec.config.cloudfoundry.replication.groupNamePattern: is not allowed here: leave it out: Cloud Foundry has no groups, each person gets each role`,
				`in.yaml:5: meshPlatform a.x: spec.config.cloudfoundry.replication.additionalPermissions: is not allowed here: leave it out: what others gave to people is never removed here`,
				`in.yaml:6: meshPlatform a.x: spec.config.cloudfoundry.replication.userCreation.origin: is not allowed here: name the identity provider: accounts of UAA itself have a password, which nobody would know`,
			},
		},
		{
			name:   "Cloud Foundry without an origin",
			reason: "users of any identity provider would get the role",
			input: `{apiVersion: v1, kind: meshPlatform, metadata: {name: a},
spec: {displayName: A, locationRef: {name: x}, config: {
cloudfoundry: {replication: {}}}}}
`,
			want: []string{
				`in.yaml:3: meshPlatform a.x: spec.config.cloudfoundry.origin: is missing: write UAA's key of the identity provider whose users are looked up, as cf curl /v3/users shows it`,
			},
		},
		{
			name:   "alias bomb",
			reason: "a small file must not take all memory",
			input: "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n" +
				"d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n",
			want: []string{`in.yaml:1: d[7][1][0][6]: aliases stand for more than 10000 values: write them out`},
		},
		{
			name:   "alias of itself",
			reason: "it has no end",
			input:  "kind: meshUser\nspec: &a {tags: *a}\n",
			want:   []string{`in.yaml:2: meshUser: is nested deeper than 100 levels`},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			docs, _, err := document.Decode(strings.NewReader(tc.input), gocmp.Or(tc.file, "in.yaml"))
			if got := lines(err); !matches(got, tc.want) {
				t.Errorf("%s: problems (-want +got):\n%s", tc.reason, cmp.Diff(tc.want, got))
			}
			if !errors.Is(err, document.ErrInvalid) {
				t.Errorf("%s: error is not ErrInvalid: %v", tc.reason, err)
			}
			if docs != nil {
				t.Errorf("%s: got documents beside problems: %v", tc.reason, docs)
			}
		})
	}
}

func TestDecodeNames(t *testing.T) {
	docs, dropped, err := document.Load([]string{"testdata/good"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, doc := range docs {
		got = append(got, doc.ID.String()+" "+doc.APIVersion)
	}
	want := []string{
		"meshProjectUserBinding anna-admin v3",
		"meshProjectGroupBinding developers-reader v3",
		"meshWorkspace mobile v1",
		"meshProject mobile.app-prod v2",
		"meshProjectRole project-admin v1",
		"meshProjectRole project-reader v1",
		"meshWorkspaceUserGroup mobile.developers v1",
		"meshPlatform openstack.eu-1 v2-preview",
		"meshPlatform memory.local v1",
		"meshLandingZone dev v1",
		"meshTenant mobile.app-prod/openstack.eu-1 v4",
		"Guard careful v1",
		"AccessPolicy platform-team v1",
		"meshWorkspaceUserBinding anna-manages-mobile v2",
		"meshWorkspaceUserBinding mobile.Workspace Member.bela v2",
		"meshWorkspaceGroupBinding developers-of-mobile v2",
		"meshUser anna v2",
		"meshUser bela v2",
		"meshTenant mobile.app-prod/memory.local v3",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("documents in the order of files and lines (-want +got):\n%s", diff)
	}
	counts := document.Dropped{
		"_links": 1, "status": 1, "metadata.uuid": 2, "metadata.createdOn": 1,
		"metadata.assignedTags": 1, "metadata.tenantIdentifier": 1,
	}
	if diff := cmp.Diff(counts, dropped); diff != "" {
		t.Errorf("server-owned fields, those that are null not counted (-want +got):\n%s", diff)
	}
}

func TestBodyIsCanonical(t *testing.T) {
	const want = `{"apiVersion":"v2","kind":"meshUser","metadata":{"name":"anna"},"spec":{"email":"a<b>@example.com","tags":{"x":["1"]}}}`
	for name, input := range map[string]string{
		"block":     "kind: meshUser\nspec:\n  tags: {x: ['1']}\n  email: a<b>@example.com\nmetadata: {name: anna, uuid: u}\napiVersion: v2\n",
		"flow":      `{kind: meshUser, apiVersion: v2, metadata: {name: anna}, spec: {email: a<b>@example.com, tags: {x: ["1"]}}, status: {}}`,
		"JSON":      `{"spec":{"tags":{"x":["1"]},"email":"a\u003cb\u003e@example.com","euid":null},"kind":"meshUser","apiVersion":"v2","metadata":{"name":"anna"}}`,
		"JSON list": `[{"spec":{"tags":{"x":["1"]},"email":"a<b>@example.com"},"kind":"meshUser","apiVersion":"v2","metadata":{"name":"anna"}}]`,
		"mark":      "\ufeffapiVersion: v2\nkind: meshUser\nmetadata: {name: anna}\nspec: {email: a<b>@example.com, tags: {x: ['1']}}\n",
	} {
		t.Run(name, func(t *testing.T) {
			docs, _, err := document.Decode(strings.NewReader(input), "in")
			if err != nil || len(docs) != 1 {
				t.Fatalf("got %d documents, error %v; want one", len(docs), err)
			}
			if got := string(docs[0].Body); got != want {
				t.Errorf("equal documents have equal bodies:\n got %s\nwant %s", got, want)
			}
		})
	}
}

// TestDecode_ReadsJSONOnceOrNot: documents of a JSON stream are read one after the other. Those
// before the place where it stops being JSON do not count twice, or at all.
func TestDecode_ReadsJSONOnceOrNot(t *testing.T) {
	user := func(name string) string {
		return `{"apiVersion":"v2","kind":"meshUser","metadata":{"name":"` + name + `","uuid":"u"}}`
	}
	for name, tc := range map[string]struct {
		reason, input string
		want          []string
		dropped       int
		wantErr       string
	}{
		"list":        {"an export is one list", "[" + user("a") + ",\n" + user("b") + "]", []string{"a 1", "b 2"}, 2, ""},
		"values":      {"values may follow each other", user("a") + "\n" + user("b"), []string{"a 1", "b 2"}, 2, ""},
		"lists":       {"lists may follow each other", "[" + user("a") + "]\n[" + user("b") + "]", []string{"a 1", "b 2"}, 2, ""},
		"empty list":  {"it holds nothing", "[]", nil, 0, ""},
		"then YAML":   {"a stream of YAML may begin with JSON", user("a") + "\n---\n{apiVersion: v2, kind: meshUser, metadata: {name: b}}", []string{"a 1", "b 3"}, 1, ""},
		"cut off":     {"a part of the documents is none", "[" + user("a") + ",\n" + user("b"), nil, 1, "in.json:2: is not JSON: unexpected EOF"},
		"nested list": {"a document is a mapping", "[[" + user("a") + "]]", nil, 0, "in.json:1: a document is a mapping with apiVersion, kind and metadata"},
		"null item":   {"a list has documents only", "[null]", nil, 0, "in.json:1: a document is a mapping with apiVersion, kind and metadata"},
	} {
		t.Run(name, func(t *testing.T) {
			docs, dropped, err := document.Decode(strings.NewReader(tc.input), "in.json")
			var got []string
			for _, d := range docs {
				got = append(got, fmt.Sprint(d.ID.Name, " ", d.Line))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: documents and lines (-want +got):\n%s", tc.reason, diff)
			}
			text := ""
			if err != nil {
				text = err.Error()
			}
			if text != tc.wantErr {
				t.Errorf("%s: error %q, want %q", tc.reason, text, tc.wantErr)
			}
			if err == nil && dropped["metadata.uuid"] != tc.dropped {
				t.Errorf("%s: %d fields were dropped, want %d", tc.reason, dropped["metadata.uuid"], tc.dropped)
			}
		})
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/b.yml", "apiVersion: v2\nkind: meshUser\nmetadata: {name: b}\n")
	write(t, dir+"/a/a.json", `{"apiVersion":"v2","kind":"meshUser","metadata":{"name":"a"}}`)
	write(t, dir+"/.git/c.yaml", "not ours")
	write(t, dir+"/.hidden.yaml", "not ours")
	write(t, dir+"/notes.txt", "not ours")
	write(t, dir+"/d", "apiVersion: v2\nkind: meshUser\nmetadata: {name: d}\n")

	stdin := strings.NewReader("apiVersion: v2\nkind: meshUser\nmetadata: {name: in}\n")
	docs, _, err := document.Load([]string{dir, "-", dir + "/d"}, stdin)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, doc := range docs {
		got = append(got, strings.TrimPrefix(doc.File, dir)+" "+doc.ID.Name)
	}
	if diff := cmp.Diff([]string{"/a/a.json a", "/b.yml b", "<stdin> in", "/d d"}, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestLoadReportsAllFiles(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/a.yaml", "kind: x\n")
	write(t, dir+"/b.yaml", "apiVersion: v2\nkind: meshUser\nmetadata: {}\n")
	if err := os.Mkdir(dir+"/empty", 0o700); err != nil {
		t.Fatal(err)
	}
	_, _, err := document.Load([]string{dir + "/missing.yaml", dir + "/b.yaml", dir + "/a.yaml", dir + "/empty"}, nil)
	var problems document.Problems
	if !errors.As(err, &problems) || !errors.Is(err, document.ErrInvalid) {
		t.Fatalf("got %v, want Problems", err)
	}
	var got []string
	for _, p := range problems {
		got = append(got, strings.TrimPrefix(p.File, dir)+" "+p.Field)
	}
	if diff := cmp.Diff([]string{"/a.yaml kind", "/b.yaml metadata.name", "/empty ", "/missing.yaml "}, got); diff != "" {
		t.Errorf("problems of all files, sorted (-want +got):\n%s", diff)
	}
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.MkdirAll(file[:strings.LastIndex(file, "/")], 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
