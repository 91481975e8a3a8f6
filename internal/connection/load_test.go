package connection_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/connection"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/driver/types"
)

// platformTypes are the types of this version, compiled once.
var platformTypes = sync.OnceValues(func() (*connection.Types, error) { return connection.NewTypes(types.All()) })

func allTypes(t testing.TB) *connection.Types {
	t.Helper()
	all, err := platformTypes()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// write puts files into a directory, by name.
func write(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
}

func load(t testing.TB, dir string) *connection.Set {
	t.Helper()
	set, err := connection.Load(dir, allTypes(t))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// loadText loads one file with the text.
func loadText(t testing.TB, text string) *connection.Set {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, map[string]string{"c.yaml": text})
	return load(t, dir)
}

func names(set *connection.Set) []string {
	var all []string
	for _, c := range set.Connections() {
		all = append(all, c.Name)
	}
	return all
}

// problemsOf returns the problems of a set with the names of their files alone.
func problemsOf(t testing.TB, set *connection.Set) []string {
	t.Helper()
	if set.Problems == nil {
		return nil
	}
	problems, ok := errors.AsType[document.Problems](set.Problems)
	if !ok {
		t.Fatalf("the problems are %T, want document.Problems", set.Problems)
	}
	var texts []string
	for _, p := range problems {
		p.File = filepath.Base(p.File)
		texts = append(texts, p.String())
	}
	return texts
}

// memory is the text of a connection of type memory.
func memory(name string) string {
	return fmt.Sprintf("kind: Connection\nname: %s\ntype: memory\nusedBy: [%s.here]\nfile: world.json\n", name, name)
}

// The texts of connections that AKS platforms are composed of.
const (
	directoryText = "{kind: Connection, name: dir, type: azure, usedBy: [], tenantId: example.com, auth: {workloadIdentity: {}}}"
	clusterText   = "{kind: Connection, name: clu, type: kubernetes, usedBy: [], server: 'https://k', auth: {workloadIdentity: {}}}"
	clusterID     = "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/shared/providers/" +
		"Microsoft.ContainerService/managedClusters/prod"
)

// composed is the text of a connection of type aks with these parts.
func composed(uses string) string {
	return "{kind: Connection, name: aks, type: aks, usedBy: [aks.here], clusterResourceId: " + clusterID + ", uses: " + uses + "}"
}

func documents(texts ...string) string { return strings.Join(texts, "\n---\n") + "\n" }

func TestLoad(t *testing.T) {
	const rule = "write an https URL without a user name, query or fragment, or http to this machine"
	openstack := func(line string) string {
		return "kind: Connection\nname: os\ntype: openstack\nusedBy: [os.here]\nurl: https://k/v3\nauth: {file: os.json}\n" + line + "\n"
	}
	cases := map[string]struct {
		reason   string
		files    map[string]string
		want     []string
		problems []string
	}{
		"Empty": {"no connection is no problem", nil, nil, nil},
		"Documents": {
			"a file may hold several documents, and a stream of them may begin and end with nothing",
			map[string]string{"c.yaml": "---\n" + memory("b") + "---\n" + memory("a") + "---\n"},
			[]string{"a", "b"}, nil,
		},
		"Files": {
			"all files count, also those that end in yml", map[string]string{"1.yaml": memory("a"), "2.yml": memory("b")},
			[]string{"a", "b"}, nil,
		},
		"JSON": {
			"JSON is YAML", map[string]string{"c.yaml": `{"kind": "Connection", "name": "a", "type": "memory", "usedBy": ["a.b"], "file": "f"}`},
			[]string{"a"}, nil,
		},
		"Flow": {
			"a list of connections in JSON, and one connection after the other",
			map[string]string{
				"c.yaml": `[{"kind": "Connection", "name": "a", "type": "memory", "usedBy": ["a.b"], "file": "f"},
					{"kind": "Connection", "name": "b", "type": "memory", "usedBy": ["a.b"], "file": "f"}]`,
				"d.yaml": `{"kind":"Connection","name":"c","type":"memory","usedBy":["a.b"],"file":"f"}{"kind":"Connection","name":"d","type":"memory","usedBy":["a.b"],"file":"f"}`,
			},
			[]string{"a", "b", "c", "d"}, nil,
		},
		"OtherFiles": {
			"credentials lie beside connections: they are not read",
			map[string]string{
				"c.yaml": memory("a"), "kubeconfig": "kind: Config", "token.json": "{", "notes.txt": "x", "old.yaml~": "x",
				".hidden.yaml": "x", "..2026_01/c.yaml": "x", "sub/c.yaml": memory("b"), "C.YAML": memory("c"),
			},
			[]string{"a"}, nil,
		},
		"Blank": {"an empty file holds nothing", map[string]string{"c.yaml": "", "d.yaml": "# nothing\n"}, nil, nil},
		"UnknownField": {
			"a misspelt limit must not be ignored", map[string]string{"c.yaml": openstack("scope: {allow: [a]}")}, nil,
			[]string{`c.yaml:7: os: scope: unknown field (did you mean "scopes"?); known are auth, domainId, domainName, kind, ` +
				`limits, name, redirectUrls, roles, scopes, type, url and usedBy`},
		},
		"UnknownInside": {
			"fields inside are checked, too", map[string]string{"c.yaml": openstack("roles: {Deny: [admin]}")}, nil,
			[]string{`c.yaml:7: os: roles.Deny: unknown field (did you mean "deny"?); known are deny and secondPerson`},
		},
		"SecondDocument": {
			"lines are the file's, and a broken document does not take the others away",
			map[string]string{"c.yaml": documents(memory("a"), "kind: Connection\nname: b\ntype: memory\nusedBy: b.here\nfile: f", memory("c"))},
			[]string{"a", "c"},
			[]string{"c.yaml:11: b: usedBy: is a text, but must be a list"},
		},
		"WrongTypes": {
			"all that is wrong is said at once",
			map[string]string{"c.yaml": "kind: Connection\nname: os\ntype: openstack\nusedBy: [os.here]\nurl: 7\nauth: {file: x}\n" +
				"limits: {callsPerSecond: fast, concurrent: 0}\nscopes: {}\nroles: {deny: admin}\nredirectUrls: ['http://x']\n"},
			nil,
			[]string{
				"c.yaml:5: os: url: is a number, but must be a text: put it in quotes",
				"c.yaml:7: os: limits.callsPerSecond: is a text, but must be a number",
				"c.yaml:7: os: limits.concurrent: 0 is less than 1",
				"c.yaml:8: os: scopes.allow: is missing",
				"c.yaml:9: os: roles.deny: is a text, but must be a list",
				"c.yaml:10: os: redirectUrls[0]: is not allowed: write an https URL",
			},
		},
		"NoUsedBy": {
			"else every author could borrow the account",
			map[string]string{"c.yaml": "kind: Connection\nname: a\ntype: memory\nfile: f\n"}, nil,
			[]string{"c.yaml:1: a: usedBy: is missing"},
		},
		"UsedByNull": {
			"null is an absent field", map[string]string{"c.yaml": "kind: Connection\nname: a\ntype: memory\nfile: f\nusedBy: null\n"}, nil,
			[]string{"c.yaml:1: a: usedBy: is missing"},
		},
		"UsedByPattern": {
			"usedBy has no patterns", map[string]string{"c.yaml": "kind: Connection\nname: a\ntype: memory\nfile: f\nusedBy: ['*', '*.here', a.b.c]\n"}, nil,
			[]string{
				`c.yaml:5: a: usedBy[0]: the value is not allowed: write a platform's identifier: its name, a dot, its location`,
				`c.yaml:5: a: usedBy[1]: the value is not allowed: write a platform's identifier: its name, a dot, its location`,
				`c.yaml:5: a: usedBy[2]: the value is not allowed: write a platform's identifier: its name, a dot, its location`,
			},
		},
		"NoName": {
			"platforms refer to a connection by its name",
			map[string]string{"c.yaml": "kind: Connection\ntype: memory\nusedBy: [a.b]\nfile: f\n"}, nil,
			[]string{"c.yaml:1: name: is missing: write lower-case letters, digits, dots and dashes"},
		},
		"NoAuth": {
			"an account is somebody", map[string]string{"c.yaml": "kind: Connection\nname: os\ntype: openstack\nusedBy: []\nurl: https://k\n"}, nil,
			[]string{"c.yaml:1: os: auth: is missing"},
		},
		"TwoAuths": {
			"two places contradict one another",
			map[string]string{"c.yaml": "kind: Connection\nname: az\ntype: azure\nusedBy: []\ntenantId: x\nauth: {file: x, workloadIdentity: {}}\n"}, nil,
			[]string{"c.yaml:6: az: auth: write exactly one of file, tokenFile, environment and workloadIdentity"},
		},
		"OtherKind": {
			"a kubeconfig in the directory is no connection",
			map[string]string{"c.yaml": "apiVersion: v1\nkind: Config\nusers: [{name: x, user: {token: hush}}]\n"}, nil,
			[]string{"c.yaml:2: kind: write Connection: these files hold nothing else"},
		},
		"OtherType": {
			"nothing is guessed", map[string]string{"c.yaml": "kind: Connection\nname: a\ntype: vmware\nusedBy: []\n"}, nil,
			[]string{"c.yaml:3: a: type: write one of aks, aws, azure, cloudfoundry, gcp, kubernetes, memory, openshift, openstack"},
		},
		"TypeWithoutConnections": {
			"marketplaces use connections of type azure", map[string]string{"c.yaml": "kind: Connection\nname: a\ntype: marketplace\nusedBy: []\n"}, nil,
			[]string{"c.yaml:3: a: type: write one of aks, aws, azure, cloudfoundry, gcp, kubernetes, memory, openshift, openstack"},
		},
		"Twice": {
			"neither is used: nobody knows which was meant",
			map[string]string{"a.yaml": memory("a"), "b.yaml": documents(memory("b"), memory("a"))}, []string{"b"},
			[]string{"b.yaml:8: a: name: is also that of DIR/a.yaml:1: neither is used"},
		},
		"Thrice": {
			"nor is a third", map[string]string{"a.yaml": documents(memory("a"), memory("a"), memory("a"))}, nil,
			[]string{
				"a.yaml:8: a: name: is also that of DIR/a.yaml:1: neither is used",
				"a.yaml:15: a: name: is also that of DIR/a.yaml:1: neither is used",
			},
		},
		"TwiceOfTwoTypes": {
			"a name is one for all types", map[string]string{"a.yaml": documents(memory("dir"), directoryText)}, nil,
			[]string{"a.yaml:8: dir: name: is also that of DIR/a.yaml:1: neither is used"},
		},
		"FieldTwice": {
			"nobody knows which was meant", map[string]string{"a.yaml": memory("a") + "usedBy: [b.here]\n"}, nil,
			[]string{"a.yaml:6: a: usedBy: is there twice; the first is in line 4"},
		},
		"Syntax": {
			"a file that is not YAML does not take the others away",
			map[string]string{"a.yaml": "kind: [", "b.yaml": memory("b"), "c.yaml": "\xff"}, []string{"b"},
			[]string{
				"a.yaml:2: is not YAML",
				"c.yaml:1: is not UTF-8: save it in that encoding",
			},
		},
		"Scalars": {
			"only mappings are connections", map[string]string{"c.yaml": "hush\n", "d.yaml": "- [x]\n- 7\n"}, nil,
			[]string{"c.yaml:1: is not a mapping", "d.yaml:1: is not a mapping", "d.yaml:2: is not a mapping"},
		},
		"Composed": {
			"AKS platforms have a directory and a cluster", map[string]string{"c.yaml": documents(composed("{directory: dir, cluster: clu}"), directoryText, clusterText)},
			[]string{"aks", "clu", "dir"}, nil,
		},
		"ComposedAcrossFiles": {
			"parts may be in other files", map[string]string{"a.yaml": composed("{directory: dir, cluster: clu}"), "b.yaml": directoryText, "c.yaml": clusterText},
			[]string{"aks", "clu", "dir"}, nil,
		},
		"ComposedOfNothing": {
			"parts are mandatory", map[string]string{"c.yaml": documents(composed("{}"), directoryText, clusterText)}, []string{"clu", "dir"},
			[]string{"c.yaml:1: aks: uses.cluster: is missing", "c.yaml:1: aks: uses.directory: is missing"},
		},
		"ComposedOfMissing": {
			"a part that is missing takes away what uses it, and nothing else",
			map[string]string{"c.yaml": documents(composed("{directory: dir, cluster: nope}"), directoryText)}, []string{"dir"},
			[]string{`c.yaml:1: aks: uses.cluster: "nope" is no connection of type kubernetes`},
		},
		"ComposedOfBroken": {
			"a part that is broken does the same",
			map[string]string{"c.yaml": documents(composed("{directory: dir, cluster: clu}"), directoryText, strings.Replace(clusterText, "https", "http", 1))},
			[]string{"dir"},
			[]string{`c.yaml:1: aks: uses.cluster: "clu" is no connection of type kubernetes`, "c.yaml:5: clu: server: is not allowed: write an https URL without a user name, query or fragment"},
		},
		"ComposedOfTwice": {
			"so does one that is there twice",
			map[string]string{"c.yaml": documents(composed("{directory: dir, cluster: clu}"), directoryText, clusterText, clusterText)}, []string{"dir"},
			[]string{
				`c.yaml:1: aks: uses.cluster: "clu" is no connection of type kubernetes`,
				"c.yaml:7: clu: name: is also that of DIR/c.yaml:5: neither is used",
			},
		},
		"ComposedOfOtherType": {
			"a part has the type that is needed", map[string]string{"c.yaml": documents(composed("{directory: clu, cluster: dir}"), directoryText, clusterText)},
			[]string{"clu", "dir"},
			[]string{
				`c.yaml:1: aks: uses.cluster: "dir" is no connection of type kubernetes`,
				`c.yaml:1: aks: uses.directory: "clu" is no connection of type azure`,
			},
		},
		"ComposedOfItself": {
			"no connection is a part of itself", map[string]string{"c.yaml": documents(composed("{directory: aks, cluster: aks}"))}, nil,
			[]string{
				`c.yaml:1: aks: uses.cluster: "aks" is no connection of type kubernetes`,
				`c.yaml:1: aks: uses.directory: "aks" is no connection of type azure`,
			},
		},
		"UsesOfOtherType": {
			"other types are not composed", map[string]string{"c.yaml": openstack("uses: {directory: dir}")}, nil,
			[]string{"c.yaml:7: os: uses: unknown field; known are auth, domainId, domainName, kind, limits, name, redirectUrls, roles, scopes, type, url and usedBy"},
		},
		"PasswordInURL": {
			"the address is not repeated: it may hold a password",
			map[string]string{"c.yaml": strings.Replace(openstack(""), "https://k", "https://me:hush@k", 1)}, nil,
			[]string{"c.yaml:5: os: url: is not allowed: " + rule},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, c.files)
			set := load(t, dir)
			if diff := cmp.Diff(c.want, names(set)); diff != "" {
				t.Errorf("%s: connections (-want +got):\n%s", c.reason, diff)
			}
			got := problemsOf(t, set)
			for i := range got {
				got[i] = strings.ReplaceAll(got[i], dir, "DIR")
			}
			if diff := cmp.Diff(c.problems, got); diff != "" {
				t.Errorf("%s: problems (-want +got):\n%s", c.reason, diff)
			}
		})
	}
}

// TestLoad_ReadsEveryField has each field that connections of all types share.
func TestLoad_ReadsEveryField(t *testing.T) {
	const text = `kind: Connection
name: azure-main
type: azure
usedBy: [azure.harbour, marketplace.harbour]
tenantId: 5b2f6a0e-5f0b-4a43-9a38-6f1b7c9d2e10
auth: {tokenFile: /var/run/secrets/azure/token}
scopes: {allow: [/subscriptions/a]}
roles: {deny: [Owner], secondPerson: [Contributor]}
redirectUrls: [https://portal.azure.com]
limits: {callsPerSecond: 20, concurrent: 10}
`
	set := loadText(t, "# first\n"+text)
	want := connection.Connection{
		Name: "azure-main", Type: "azure", UsedBy: []string{"azure.harbour", "marketplace.harbour"},
		Scopes:       connection.Scopes{Allow: []string{"/subscriptions/a"}},
		Roles:        connection.Roles{Deny: []string{"Owner"}, SecondPerson: []string{"Contributor"}},
		RedirectURLs: []string{"https://portal.azure.com"}, Limits: budget.Limits{CallsPerSecond: 20, Concurrent: 10}, Line: 2,
	}
	got, ok := set.Get("azure-main")
	if !ok {
		t.Fatal(set.Problems)
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(connection.Connection{}, "Settings", "Digest", "File")); diff != "" {
		t.Errorf("connection (-want +got):\n%s", diff)
	}
	if filepath.Base(got.File) != "c.yaml" || !json.Valid(got.Settings) || len(got.Digest) != 16 {
		t.Errorf("File = %q, Settings = %s, Digest = %q", got.File, got.Settings, got.Digest)
	}
	if _, ok := set.Get("azure"); ok {
		t.Error("there is a connection under a part of its name")
	}
}

// TestLoad_Digest: a digest says whether two workers hold the same connection.
func TestLoad_Digest(t *testing.T) {
	digestOf := func(name, text string) string {
		set := loadText(t, text)
		c, ok := set.Get(name)
		if !ok {
			t.Fatalf("%s: %v", text, set.Problems)
		}
		return c.Digest
	}
	whole := documents(composed("{directory: dir, cluster: clu}"), directoryText, clusterText)
	for _, c := range []struct {
		reason       string
		name         string
		before, then string
		same         bool
	}{
		{"the order of fields means nothing", "a", "{kind: Connection, name: a, type: memory, usedBy: [a.b], file: f}",
			"usedBy:\n- a.b\nfile: \"f\"\nname: a\ntype: memory\nkind: Connection\n", true},
		{"other connections mean nothing", "a", memory("a"), documents(memory("b"), memory("a")), true},
		{"the file counts", "a", memory("a"), strings.Replace(memory("a"), "world", "other", 1), false},
		{"who may use it counts", "a", memory("a"), strings.Replace(memory("a"), "a.here", "b.here", 1), false},
		{"a limit counts", "a", memory("a"), memory("a") + "roles: {deny: [x]}\n", false},
		{"a part counts", "aks", whole, strings.Replace(whole, "https://k", "https://other", 1), false},
		{"another part counts", "aks", whole, strings.Replace(whole, "example.com", "example.org", 1), false},
		{"what is composed of it does not count", "dir", whole, directoryText, true},
	} {
		if same := digestOf(c.name, c.before) == digestOf(c.name, c.then); same != c.same {
			t.Errorf("%s: the same digest: %t, want %t", c.reason, same, c.same)
		}
	}
}

// TestLoad_DigestLeavesFilesOut: what a secret is must not be guessed by its digest.
func TestLoad_DigestLeavesFilesOut(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"c.yaml": memory("a"), "world.json": "one"})
	before, _ := load(t, dir).Get("a")
	write(t, dir, map[string]string{"world.json": "two"})
	after, _ := load(t, dir).Get("a")
	if before.Digest != after.Digest {
		t.Error("the digest changed with the content of a file that the connection names")
	}
}

// TestLoad_Links: a cluster mounts files as links into a directory whose name it
// changes, and nothing outside is read.
func TestLoad_Links(t *testing.T) {
	outside := t.TempDir()
	write(t, outside, map[string]string{"c.yaml": memory("outside"), "d/c.yaml": memory("outside")})
	const leads = "cannot be read: a link may not lead out of the directory"
	cases := map[string]struct {
		reason string
		link   string // from c.yaml
		want   []string
		text   string
	}{
		"Beside":       {"a file beside", "real", []string{"inside"}, ""},
		"Data":         {"as a cluster mounts it", "..data/c.yaml", []string{"inside"}, ""},
		"BackInside":   {"out of a folder and in again", "sub/../real", []string{"inside"}, ""},
		"Chain":        {"a link to a link", "link", []string{"inside"}, ""},
		"Absolute":     {"a path of the machine", filepath.Join(outside, "c.yaml"), nil, leads},
		"Up":           {"a path upwards", "../" + filepath.Base(outside) + "/c.yaml", nil, leads},
		"FarUp":        {"a file of the machine", strings.Repeat("../", 20) + "etc/passwd", nil, leads},
		"ThroughLink":  {"a folder that is elsewhere", "elsewhere/c.yaml", nil, leads},
		"ChainOutside": {"a link to a link that leads out", "out", nil, leads},
		"Loop":         {"a link to itself", "c.yaml", nil, "c.yaml"},
		"Missing":      {"a link to nothing", "nothing", nil, "c.yaml"},
		"Folder":       {"a link to a folder", "sub", nil, "is not a regular file"},
		"Device":       {"a device of the machine", "/dev/zero", nil, leads},
		"Pipe":         {"a pipe inside", "pipe", nil, "is not a regular file"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(filepath.Dir(outside), filepath.Base(t.TempDir())+"-"+name)
			write(t, dir, map[string]string{"real": memory("inside"), "..2026_11/c.yaml": memory("inside"), "sub/x": "", "d.yaml": memory("other")})
			in := func(name string) string { return filepath.Join(dir, name) }
			if err := errors.Join(
				os.Symlink("..2026_11", in("..data")), os.Symlink("real", in("link")), os.Symlink(filepath.Join(outside, "d"), in("elsewhere")),
				os.Symlink(filepath.Join(outside, "c.yaml"), in("out")), syscall.Mkfifo(in("pipe"), 0o600), os.Symlink(c.link, in("c.yaml")),
			); err != nil {
				t.Fatal(err)
			}
			set := load(t, dir)
			if diff := cmp.Diff(append(c.want, "other"), names(set)); diff != "" {
				t.Errorf("%s: connections (-want +got):\n%s", c.reason, diff)
			}
			got := strings.Join(problemsOf(t, set), "\n")
			if (got == "") != (c.text == "") || !strings.Contains(got, c.text) {
				t.Errorf("%s: the problems are %q, want %q", c.reason, got, c.text)
			}
		})
	}
}

// TestLoad_LinkToTheDirectory: the directory itself may be a link.
func TestLoad_LinkToTheDirectory(t *testing.T) {
	dir, link := t.TempDir(), filepath.Join(t.TempDir(), "link")
	write(t, dir, map[string]string{"c.yaml": memory("a")})
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a"}, names(load(t, link))); diff != "" {
		t.Errorf("connections (-want +got):\n%s", diff)
	}
}

// TestLoad_RefusesAtOnce: what is no file of a bounded size is not read, and the
// others are.
func TestLoad_RefusesAtOnce(t *testing.T) {
	const most = 1 << 20
	for name, c := range map[string]struct {
		reason string
		make   func(path string) error
		text   string
	}{
		"Pipe":      {"a pipe that nobody writes to", func(path string) error { return syscall.Mkfifo(path, 0o600) }, "is not a regular file"},
		"Directory": {"a folder", func(path string) error { return os.Mkdir(path, 0o700) }, "is not a regular file"},
		"Device": {"an endless device", func(path string) error {
			return syscall.Mknod(path, syscall.S_IFCHR|0o600, 1<<8|5) // /dev/zero
		}, "is not a regular file"},
		"TooLarge": {"a byte too many", func(path string) error {
			return os.WriteFile(path, []byte(memory("large")+"#"+strings.Repeat("x", most-len(memory("large")))), 0o600)
		}, "has more than 1 MiB"},
		"Huge": {"a terabyte of nothing", func(path string) error {
			return errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, 1<<40))
		}, "has more than 1 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, map[string]string{"good.yaml": memory("good")})
			if err := c.make(filepath.Join(dir, "bad.yaml")); errors.Is(err, syscall.EPERM) {
				t.Skip("only root makes devices")
			} else if err != nil {
				t.Fatal(err)
			}
			done := make(chan *connection.Set, 1)
			all := allTypes(t)
			go func() {
				set, err := connection.Load(dir, all)
				if err != nil {
					t.Error(err)
				}
				done <- set
			}()
			select {
			case set := <-done:
				if diff := cmp.Diff([]string{"bad.yaml: " + c.text}, problemsOf(t, set)); diff != "" {
					t.Errorf("%s: problems (-want +got):\n%s", c.reason, diff)
				}
				if diff := cmp.Diff([]string{"good"}, names(set)); diff != "" {
					t.Errorf("%s: connections (-want +got):\n%s", c.reason, diff)
				}
			case <-time.After(20 * time.Second):
				t.Fatal("Load does not return")
			}
		})
	}
}

func TestLoad_LargestFile(t *testing.T) {
	text := memory("large") + "#"
	set := loadText(t, text+strings.Repeat("x", 1<<20-len(text)))
	if diff := cmp.Diff([]string{"large"}, names(set)); diff != "" {
		t.Errorf("connections (-want +got):\n%s", diff)
	}
}

func TestLoad_Directory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	write(t, filepath.Dir(file), map[string]string{"file": ""})
	for reason, dir := range map[string]string{
		"a missing directory": filepath.Join(t.TempDir(), "missing"), "a file": file, "no name": "",
	} {
		set, err := connection.Load(dir, allTypes(t))
		if err == nil || set != nil || !strings.Contains(err.Error(), connection.Variable) {
			t.Errorf("%s: Load = %v, %v, want an error that names %s", reason, set, err, connection.Variable)
		}
	}
}

// TestLoad_KeepsSecretsOut: operators put secrets where they do not belong, and
// problems are logged and published.
func TestLoad_KeepsSecretsOut(t *testing.T) {
	const secret = "hunter2hunter2"
	base := "kind: Connection\nname: os\ntype: openstack\nusedBy: []\nurl: https://k/v3\nauth: {file: os.json}\n"
	for reason, text := range map[string]string{
		"an unknown field":                       base + "password: " + secret,
		"an unknown field with another name":     base + "pw: " + secret,
		"a field of another type":                base + "clientSecret: " + secret,
		"an unknown list":                        base + "tokens: [" + secret + "]",
		"an unknown mapping":                     base + "credentials: {token: {value: " + secret + "}}",
		"a number":                               base + "pin: 4711" + secret,
		"a block":                                base + "privateKey: |\n  " + secret + "\n  " + secret,
		"a field of auth":                        strings.Replace(base, "{file: os.json}", "{password: "+secret+"}", 1),
		"in place of auth":                       strings.Replace(base, "{file: os.json}", secret, 1),
		"in place of a file":                     strings.Replace(base, "os.json", "{content: "+secret+"}", 1),
		"in place of a list":                     strings.Replace(base, "usedBy: []", "usedBy: "+secret, 1),
		"in place of a number":                   base + "limits: {concurrent: " + secret + "}",
		"in an address":                          strings.Replace(base, "https://k", "https://me:"+secret+"@k", 1),
		"in a query":                             strings.Replace(base, "/v3", "/v3?token="+secret, 1),
		"in an address without TLS":              strings.Replace(base, "https://k", "http://"+secret+".example.com", 1),
		"in an address of an invitation":         base + "redirectUrls: [\"http://k?token=" + secret + "\"]",
		"in a kind":                              "kind: " + secret,
		"in a type":                              "kind: Connection\ntype: " + secret,
		"a token in place of a file":             secret,
		"a kubeconfig in place of a file":        "kind: Config\nusers: [{name: x, user: {token: " + secret + "}}]",
		"a file of credentials":                  `{"client_secret": "` + secret + `"}`,
		"a list of secrets":                      "[" + secret + "]",
		"half a file":                            base + "password: \"" + secret,
		"a tab":                                  base + "password:\n\t" + secret,
		"twice":                                  base + "password: " + secret + "\npassword: " + secret,
		"a secret that is no scalar of YAML":     base + "password: @" + secret,
		"a secret that begins with an indicator": base + "password: %" + secret,
	} {
		set := loadText(t, text)
		if len(set.Connections()) > 0 || set.Problems == nil {
			t.Errorf("%s: the connection is used: %v", reason, names(set))
		}
		if text := fmt.Sprint(set.Problems); strings.Contains(text, secret) {
			t.Errorf("%s: the problems repeat the secret: %s", reason, text)
		}
	}
}

// TestLoad_AliasBomb: a small file stays small.
func TestLoad_AliasBomb(t *testing.T) {
	var nested strings.Builder
	nested.WriteString("a: &a [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]\n")
	for from := 'a'; from < 'i'; from++ {
		fmt.Fprintf(&nested, "%c: &%c [%s*%c]\n", from+1, from+1, strings.Repeat(fmt.Sprintf("*%c, ", from), 9), from)
	}
	for reason, text := range map[string]string{
		"a billion items":   nested.String(),
		"a list of itself":  "kind: &a [*a]\n",
		"too many aliases":  "kind: Connection\nname: &a x\nusedBy: [" + strings.Repeat("*a, ", 10_001) + "]\n",
		"too many levels":   strings.Repeat("[", 100_000),
		"too many mappings": strings.Repeat("{a: ", 100_000),
	} {
		start := time.Now()
		set := loadText(t, text)
		if len(set.Connections()) > 0 || set.Problems == nil || len(set.Problems.Error()) > 1<<12 {
			t.Errorf("%s: connections %v, problems %.500v", reason, names(set), set.Problems)
		}
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%s: Load took %s", reason, took)
		}
	}
}

// TestLoad_AliasesCount: a few aliases are a convenience.
func TestLoad_AliasesCount(t *testing.T) {
	set := loadText(t, "kind: Connection\nname: a\ntype: memory\nusedBy: &all [a.b, b.c]\nfile: f\nroles: {deny: *all}\n")
	c, ok := set.Get("a")
	if diff := cmp.Diff([]string{"a.b", "b.c"}, c.Roles.Deny); !ok || diff != "" {
		t.Errorf("%v, roles that are denied (-want +got):\n%s", set.Problems, diff)
	}
}

// TestLoad_Order: neither the order of files nor that of documents means anything.
func TestLoad_Order(t *testing.T) {
	texts := []string{
		memory("a"), memory("b"), memory("b"), composed("{directory: dir, cluster: clu}"), directoryText, clusterText,
		"kind: Connection\nname: broken\n", memory("c"),
	}
	want := load(t, inFiles(t, texts, []string{"x.yaml"}))
	rapid.Check(t, func(rt *rapid.T) {
		shuffled := rapid.Permutation(texts).Draw(rt, "order")
		files := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"1.yaml", "2.yml", "3.yaml"}), 1, 3, rapid.ID).Draw(rt, "files")
		got := load(t, inFiles(t, shuffled, files))
		ignore := cmpopts.IgnoreFields(connection.Connection{}, "File", "Line")
		if diff := cmp.Diff(want.Connections(), got.Connections(), ignore); diff != "" {
			rt.Fatalf("connections (-want +got):\n%s", diff)
		}
		if n, m := len(problemsOf(t, want)), len(problemsOf(t, got)); n != m {
			rt.Fatalf("there are %d problems, want %d:\n%v", m, n, got.Problems)
		}
	})
}

// inFiles deals the texts out to files.
func inFiles(t testing.TB, texts, files []string) string {
	t.Helper()
	dir := t.TempDir()
	dealt := map[string][]string{}
	for i, text := range texts {
		name := files[i%len(files)]
		dealt[name] = append(dealt[name], text)
	}
	for name, texts := range dealt {
		write(t, dir, map[string]string{name: documents(texts...)})
	}
	return dir
}

// FuzzLoad: whatever a file holds, nothing panics, each connection is whole, and each
// problem names the file.
func FuzzLoad(f *testing.F) {
	for _, text := range []string{
		"", "---", memory("a"), documents(memory("a"), memory("a")), composed("{directory: dir, cluster: clu}"),
		documents(composed("{directory: dir, cluster: clu}"), directoryText, clusterText), "[" + directoryText + ", " + clusterText + "]",
		`{"kind": "Connection", "name": "a", "type": "memory", "usedBy": ["a.b"], "file": "f"}`, "kind: &a [*a]", "{a: {b: [}", "\xff\xfe",
		"kind: Connection\nname: a\ntype: memory\nusedBy: null\nfile: f\n", "kind: Connection\nname: \"\"\ntype: memory\nusedBy: []\nfile: f\n",
		"? [a]\n: b\n", "<<: {kind: Connection}\n", "kind: !!binary Q29ubmVjdGlvbg==\n", "kind: Connection\nname: a\ntype: memory\nusedBy: [a.b]\nfile: 1e999\n",
	} {
		f.Add([]byte(text))
	}
	all := allTypes(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := t.TempDir()
		path := filepath.Join(dir, "c.yaml")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		set, err := connection.Load(dir, all)
		if err != nil {
			t.Fatalf("Load of a directory that can be read: %v", err)
		}
		for _, c := range set.Connections() {
			if _, known := all.Type(c.Type); !known || c.Name == "" || c.UsedBy == nil || c.File != path || c.Line < 1 || len(c.Digest) != 16 || !json.Valid(c.Settings) {
				t.Errorf("a connection that is not whole: %+v", c)
			}
			for part := range c.Uses {
				if _, held := set.Get(c.Uses[part]); !held {
					t.Errorf("%s uses %q, which is not held", c.Name, c.Uses[part])
				}
			}
		}
		problems, _ := errors.AsType[document.Problems](set.Problems)
		for _, p := range problems {
			if p.File != path || p.Text == "" {
				t.Errorf("the problem %+v does not name the file", p)
			}
		}
		if set.Problems != nil && len(problems) == 0 {
			t.Errorf("the problems are %T of no problem", set.Problems)
		}
	})
}
