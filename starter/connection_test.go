package main

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/connection"
	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/driver/types"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// sandboxConnection is what a worker reports that serves the organisation's platform.
func sandboxConnection(digest, refusal string) store.ConnectionReport {
	return store.ConnectionReport{
		Name: "sandbox.local", Type: "memory", UsedBy: []string{"sandbox.local"}, Digest: digest, Error: refusal,
		Checked: time.Now().Add(-90 * time.Second),
	}
}

// reported stores what workers report, in place of everything before.
func reported(t *testing.T, s *store.Store, workers map[string]workerReport) {
	t.Helper()
	if _, err := s.Pool().Exec(t.Context(), "DELETE FROM connections"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Pool().Exec(t.Context(), "DELETE FROM unserved_platforms"); err != nil {
		t.Fatal(err)
	}
	for worker, r := range workers {
		if _, err := s.ReportConnections(t.Context(), worker, r.connections, r.unserved); err != nil {
			t.Fatal(err)
		}
	}
}

type workerReport struct {
	connections []store.ConnectionReport
	unserved    []store.UnservedPlatform
}

func holds(connections ...store.ConnectionReport) workerReport {
	return workerReport{connections: connections}
}

// without adds a platform that the worker does not serve.
func (r workerReport) without(platform, reason string) workerReport {
	r.unserved = append(r.unserved, store.UnservedPlatform{Platform: platform, Reason: reason})
	return r
}

func TestConnectionList(t *testing.T) {
	t.Parallel()
	url := database(t)
	s := opened(t, url)
	unchecked := sandboxConnection("d1", "")
	unchecked.Name, unchecked.UsedBy, unchecked.Checked = "spare", []string{}, time.Time{}
	two := sandboxConnection("d1", "")
	two.UsedBy = []string{"sandbox.local", "annex.north"}
	broken := store.ConnectionReport{Name: "/etc/rollcall/z.yaml", Error: "/etc/rollcall/z.yaml:3: is not YAML"}
	const missing = `unavailable: platform sandbox.local uses connection "sandbox.local", which this worker does not hold`
	header := "CONNECTION     TYPE    USED BY        WORKERS  DIGEST  CHECK\n"
	for _, tc := range []struct {
		name, reason string
		workers      map[string]workerReport
		want         string
	}{
		{
			"nothing reported", "who sets up a worker reads where connections go, and that nobody serves the platform", nil,
			"No worker reports a connection. Workers read them from the directory that ROLLCALL_CONNECTIONS names.\n" +
				"\nNo worker serves sandbox.local: no worker has reported: start one (rollcall-worker)\nNext:  rollcall-worker\n",
		},
		{
			"equal digests", "workers that hold the same share a line",
			map[string]workerReport{"1@a": holds(sandboxConnection("d1", "")), "2@b": holds(sandboxConnection("d1", ""))},
			header + "sandbox.local  memory  sandbox.local  2        d1      accepted 1m30s ago\n",
		},
		{
			"different digests", "a worker with an old file shows: it applies no plan of the other",
			map[string]workerReport{"1@a": holds(sandboxConnection("d1", "")), "2@b": holds(sandboxConnection("d2", ""))},
			header + "sandbox.local  memory  sandbox.local  1        d1      accepted 1m30s ago\n" +
				"sandbox.local  memory  sandbox.local  1        d2      accepted 1m30s ago\n",
		},
		{
			"refused by one", "one worker may be cut off from the platform while another is not",
			map[string]workerReport{"1@a": holds(sandboxConnection("d1", "")), "2@b": holds(sandboxConnection("d1", "denied: wrong password"))},
			header + "sandbox.local  memory  sandbox.local  1        d1      accepted 1m30s ago\n" +
				"sandbox.local  memory  sandbox.local  1        d1      refused\n\nsandbox.local: denied: wrong password\n",
		},
		{
			"a file that cannot be used", "its line says where it is wrong", map[string]workerReport{"1@a": holds(broken, sandboxConnection("d1", ""))},
			"CONNECTION            TYPE    USED BY        WORKERS  DIGEST  CHECK\n" +
				"/etc/rollcall/z.yaml                         1                cannot be used\n" +
				"sandbox.local         memory  sandbox.local  1        d1      accepted 1m30s ago\n" +
				"\n/etc/rollcall/z.yaml: /etc/rollcall/z.yaml:3: is not YAML\n",
		},
		{
			"never checked", "nothing is known of it, which is not a refusal", map[string]workerReport{"1@a": holds(unchecked, two)},
			"CONNECTION     TYPE    USED BY                    WORKERS  DIGEST  CHECK\n" +
				"sandbox.local  memory  sandbox.local,annex.north  1        d1      accepted 1m30s ago\n" +
				"spare          memory                             1        d1      not checked: no platform uses it\n",
		},
		{
			"unserved by one of two", "the other serves it: pools of workers hold different connections",
			map[string]workerReport{"1@a": holds(sandboxConnection("d1", "")), "2@b": holds(unchecked).without("sandbox.local", missing)},
			header + "sandbox.local  memory  sandbox.local  1        d1      accepted 1m30s ago\n" +
				"spare          memory                 1        d1      not checked: no platform uses it\n",
		},
		{
			"unserved by one that holds nothing", "a worker without any connection counts, and the other still serves it",
			map[string]workerReport{"1@a": holds(sandboxConnection("d1", "")), "2@b": holds().without("sandbox.local", missing)},
			header + "sandbox.local  memory  sandbox.local  1        d1      accepted 1m30s ago\n",
		},
		{
			"unserved by all", "its documents have no effect, and the reason says what to do",
			map[string]workerReport{"1@a": holds(unchecked).without("sandbox.local", missing), "2@b": holds().without("sandbox.local", missing)},
			"CONNECTION  TYPE    USED BY  WORKERS  DIGEST  CHECK\n" +
				"spare       memory           1        d1      not checked: no platform uses it\n\nNo worker serves sandbox.local: " + missing +
				"\nNext:  rollcall connection check sandbox.local\n",
		},
		{
			"not served and unknown", "a platform that is no longer stored is nobody's concern",
			map[string]workerReport{"1@a": holds(sandboxConnection("d1", "")).without("gone.local", missing)},
			header + "sandbox.local  memory  sandbox.local  1        d1      accepted 1m30s ago\n",
		},
		{
			"what a terminal obeys", "texts come from platforms and from files",
			map[string]workerReport{"1@a": holds(sandboxConnection("d1", "denied: \x1b[2J")).without("gone.local", missing)},
			header + "sandbox.local  memory  sandbox.local  1        d1      refused\n\nsandbox.local: denied: \uFFFD[2J\n",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			reported(t, s, tc.workers)
			out := must(t, url, "", "connection", "list")
			if diff := cmp.Diff(tc.want, settled(out)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// settled takes the seconds that a test took out of a table.
func settled(out string) string {
	for _, slow := range []string{"1m31s", "1m32s", "1m33s", "1m34s", "1m35s", "1m36s"} {
		out = strings.ReplaceAll(out, slow+" ago", "1m30s ago")
	}
	return out
}

// TestConnectionList_JSONIsStable: fields are added, never renamed.
func TestConnectionList_JSONIsStable(t *testing.T) {
	t.Parallel()
	url := database(t)
	s := opened(t, url)
	list := func() map[string]any {
		t.Helper()
		return fromJSON[map[string]any](t, must(t, url, "", "connection", "list", "-o", "json"))
	}
	want := map[string]any{"connections": []any{}, "unserved": []any{map[string]any{
		"platform": "sandbox.local", "connection": "sandbox.local", "reason": "no worker has reported: start one (rollcall-worker)",
	}}}
	if diff := cmp.Diff(want, list()); diff != "" {
		t.Errorf("without a worker (-want +got):\n%s", diff)
	}

	checked := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	good, bad := sandboxConnection("d1", ""), sandboxConnection("d1", "denied")
	good.Checked, bad.Checked = checked, checked
	spare := store.ConnectionReport{Name: "spare", Type: "memory", Digest: "d2"}
	reported(t, s, map[string]workerReport{"1@a": holds(good, spare), "2@b": holds(good), "3@c": holds(bad)})
	got := list()
	for _, one := range got["connections"].([]any) {
		if at, ok := one.(map[string]any)["checked"].(string); ok {
			one.(map[string]any)["checked"] = utc(t, at)
		}
	}
	line := func(more map[string]any) map[string]any {
		all := map[string]any{"name": "sandbox.local", "type": "memory", "used_by": []any{"sandbox.local"}, "digest": "d1", "checked": "2026-03-04T05:06:07Z"}
		maps.Copy(all, more)
		return all
	}
	want = map[string]any{"unserved": []any{}, "connections": []any{
		line(map[string]any{"workers": []any{"1@a", "2@b"}}),
		line(map[string]any{"workers": []any{"3@c"}, "error": "denied"}),
		line(map[string]any{"name": "spare", "used_by": []any{}, "digest": "d2", "checked": nil, "workers": []any{"1@a"}}),
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("with three workers (-want +got):\n%s", diff)
	}
}

func utc(t *testing.T, text string) string {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return at.UTC().Format(time.RFC3339)
}

// simulated is a worker that reports and checks until the test ends.
type simulated struct {
	name string
	// takes is how long a check takes.
	takes time.Duration
	// silent are the connections that it never checks.
	silent []string
	// report is what it reports; refusals are what checks find, by connection.
	report   workerReport
	refusals map[string]string
}

// work has workers report every 50 ms until the returned function is called.
func work(t *testing.T, s *store.Store, workers ...simulated) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for _, w := range workers {
		if _, err := s.ReportConnections(ctx, w.name, w.report.connections, w.report.unserved); err != nil {
			t.Fatal(err)
		}
		running.Go(func() {
			var seen, began time.Time
			for ctx.Err() == nil {
				requested, err := s.ReportConnections(ctx, w.name, w.report.connections, w.report.unserved)
				if err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
				if !requested.Equal(seen) {
					seen, began = requested, time.Now()
				}
				if time.Since(began) >= w.takes && !seen.IsZero() {
					w.check(seen)
				}
				time.Sleep(50 * time.Millisecond)
			}
		})
	}
	return func() {
		cancel()
		running.Wait()
	}
}

// check answers a request.
func (w *simulated) check(requested time.Time) {
	for i, c := range w.report.connections {
		if c.Type != "" && !slices.Contains(w.silent, c.Name) {
			w.report.connections[i].Error = w.refusals[c.Name]
			w.report.connections[i].Checked, w.report.connections[i].Answers = time.Now(), requested
		}
	}
}

func TestConnectionCheck(t *testing.T) {
	t.Parallel()
	url := database(t)
	s := opened(t, url)
	spare := store.ConnectionReport{Name: "spare", Type: "memory", Digest: "d2"}
	broken := store.ConnectionReport{Name: "z.yaml", Error: "z.yaml:3: is not YAML"}
	stale := sandboxConnection("d1", "denied")
	for _, tc := range []struct {
		name, reason string
		workers      []simulated
		args         []string
		code         int
		out, says    []string
		not          string
	}{
		{
			name: "accepted", reason: "a refusal of before the check counts no more",
			workers: []simulated{{name: "1@a", report: holds(stale)}},
			code:    exitDone, out: []string{"accepted 0s ago"},
		},
		{
			name: "refused", reason: "a script that deploys a worker has to notice",
			workers: []simulated{{name: "1@a", report: holds(sandboxConnection("d1", "")), refusals: map[string]string{"sandbox.local": "denied: wrong password"}}},
			code:    exitFailed, out: []string{"refused", "sandbox.local: denied: wrong password"}, says: []string{"not usable: sandbox.local"},
		},
		{
			name: "a file that cannot be used", reason: "what is in it is held by nobody",
			workers: []simulated{{name: "1@a", report: holds(broken, sandboxConnection("d1", ""))}},
			code:    exitFailed, out: []string{"cannot be used", "z.yaml:3: is not YAML"}, says: []string{"not usable: z.yaml"},
		},
		{
			name: "named, and held by no worker", reason: "a typo must not look like a success",
			workers: []simulated{{name: "1@a", report: holds(sandboxConnection("d1", ""))}}, args: []string{"sandbox.local", "sandbx.local"},
			code: exitFailed, out: []string{"accepted"}, says: []string{"sandbx.local (no worker has it)\nNext:  rollcall connection list\n"},
		},
		{
			name: "named, and another is refused", reason: "only what is named is asked for",
			workers: []simulated{{name: "1@a", report: holds(sandboxConnection("d1", ""), broken)}}, args: []string{"sandbox.local"},
			code: exitDone, out: []string{"accepted"}, not: "z.yaml",
		},
		{
			name: "used by no platform", reason: "nobody checks it, so that nobody waits for it",
			workers: []simulated{{name: "1@a", report: holds(spare, sandboxConnection("d1", "")), silent: []string{"spare"}}},
			code:    exitDone, out: []string{"not checked: no platform uses it", "accepted"},
		},
		{
			name: "used by a platform that no worker serves", reason: "nobody checks it either",
			workers: []simulated{{
				name: "1@a", report: holds(sandboxConnection("d1", "")).without("sandbox.local", "not for it"), silent: []string{"sandbox.local"},
			}},
			code: exitDone, out: []string{"No worker serves sandbox.local: not for it"},
		},
		{
			name: "named, and no worker serves another's platform", reason: "only what is named is asked for",
			workers: []simulated{{
				name: "1@a", report: holds(spare, sandboxConnection("d1", "")).without("sandbox.local", "not for it"), silent: []string{"spare"},
			}},
			args: []string{"spare"}, code: exitDone, out: []string{"not checked: no platform uses it"}, not: "sandbox.local",
		},
		{
			name: "the second worker is slower", reason: "every worker has to answer: each may have files of its own",
			workers: []simulated{
				{name: "1@a", report: holds(sandboxConnection("d1", ""))},
				{name: "2@b", report: holds(sandboxConnection("d1", "")), takes: 2 * time.Second, refusals: map[string]string{"sandbox.local": "denied"}},
			},
			code: exitFailed, out: []string{"accepted", "refused"}, says: []string{"not usable: sandbox.local"},
		},
		{
			name: "the first worker is slower", reason: "every worker has to answer, whatever its name",
			workers: []simulated{
				{name: "1@a", report: holds(sandboxConnection("d1", "")), takes: 2 * time.Second, refusals: map[string]string{"sandbox.local": "denied"}},
				{name: "2@b", report: holds(sandboxConnection("d1", ""))},
			},
			code: exitFailed, out: []string{"accepted", "refused"}, says: []string{"not usable: sandbox.local"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			reported(t, s, nil)
			defer work(t, s, tc.workers...)()
			o := run(t, url, "", append([]string{"connection", "check"}, tc.args...)...)
			o.ends(t, tc.reason, tc.code, tc.says...)
			for _, want := range tc.out {
				if !strings.Contains(o.out, want) {
					t.Errorf("%s: the output lacks %q:\n%s", tc.reason, want, o.out)
				}
			}
			if tc.not != "" && strings.Contains(o.out+o.errs, tc.not) {
				t.Errorf("%s: there is %q:\n%s%s", tc.reason, tc.not, o.out, o.errs)
			}
		})
	}
}

func TestConnectionCheck_JSON(t *testing.T) {
	t.Parallel()
	url := database(t)
	s := opened(t, url)
	defer work(t, s, simulated{name: "1@a", report: holds(sandboxConnection("d1", "")), refusals: map[string]string{"sandbox.local": "denied"}})()
	o := run(t, url, "", "connection", "check", "-o", "json")
	o.ends(t, "the report is written before the exit code tells", exitFailed)
	report := fromJSON[control.ConnectionsReport](t, o.out)
	if len(report.Connections) != 1 || report.Connections[0].Error != "denied" || report.Connections[0].Checked == nil || len(report.Unserved) != 0 {
		t.Errorf("report %+v, want the refusal and when it was", report)
	}
}

// former are the settings of every type as documents of version 0.9 held them, without
// what documents still hold.
func former() map[string]string {
	const entra = `"tenantId": "8a3f0c52-2d1e-4b6a-9f57-0e7c1b1d2a44"`
	const prefix = `"credentials": {"environment": {"prefix": "LAB"}}`
	const cluster = `"server": "https://cluster.example.com:6443", "caFile": "/run/secrets/cluster-ca.crt"`
	return map[string]string{
		"aks": `{` + entra + `, "clusterResourceId": "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/shared/providers/Microsoft.ContainerService/managedClusters/prod",
			` + cluster + `, "clusterCredentials": {"file": {"path": "/run/secrets/kubeconfig"}}, "replication": {` + prefix + `}}`,
		"aws": `{"region": "eu-central-1", "assumeRole": {"roleArn": "arn:aws:iam::111122223333:role/rollcall"},
			"replication": {"credentials": {"workloadIdentity": {}}, "budget": {"callsPerSecond": 20}}}`,
		"azure":        `{` + entra + `, "endpoints": {"login": "https://login.microsoftonline.us"}, "replication": {` + prefix + `}}`,
		"cloudfoundry": `{"apiUrl": "https://api.sys.example.com", "uaaUrl": "https://uaa.sys.example.com", "replication": {` + prefix + `}}`,
		"gcp":          `{"domain": "example.com", "customerId": "C01rollcall", "replication": {"credentials": {"file": {"path": "/run/secrets/google.json"}}}}`,
		"kubernetes":   `{` + cluster + `, "replication": {` + prefix + `}}`,
		"marketplace":  `{` + entra + `, "replication": {` + prefix + `}}`,
		"memory":       `{"file": "world.json"}`,
		"openshift":    `{` + cluster + `, "replication": {` + prefix + `}}`,
		"openstack": `{"url": "https://keystone.example.com/v3", "region": "eu-1", "domainName": "Default",
			"replication": {` + prefix + `, "budget": {"callsPerSecond": 2.5, "concurrent": 4}}}`,
	}
}

// extracted stores former connections and returns what extract writes.
func extracted(t *testing.T, former map[string]string) string {
	t.Helper()
	url := emptyDatabase(t)
	s := opened(t, url)
	for of, settings := range former {
		_, err := s.Pool().Exec(t.Context(), "INSERT INTO former_connections (platform, type, settings) VALUES ($1, $2, $3)", of+".lab", of, json.RawMessage(settings))
		if err != nil {
			t.Fatal(err)
		}
	}
	return must(t, url, "", "connection", "extract")
}

func TestConnectionExtract_WritesWhatDocumentsSaid(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ of, reason, want string }{
		{"memory", "nothing but its file", `file: world.json
kind: Connection
name: memory.lab
type: memory
usedBy:
  - memory.lab
`},
		{"openstack", "credentials and a budget have other names, roles to deny are proposed, and its region never counted", `auth:
  environment:
    prefix: LAB
domainName: Default
kind: Connection
limits:
  callsPerSecond: 2.5
  concurrent: 4
name: openstack.lab
roles:
  deny:
    - admin
type: openstack
url: https://keystone.example.com/v3
usedBy:
  - openstack.lab
`},
		{"aws", "its region counts", `assumeRole:
  roleArn: arn:aws:iam::111122223333:role/rollcall
auth:
  workloadIdentity: {}
kind: Connection
limits:
  callsPerSecond: 20
name: aws.lab
region: eu-central-1
roles:
  deny:
    - AdministratorAccess
type: aws
usedBy:
  - aws.lab
`},
		{"marketplace", "its connections are of another type", `auth:
  environment:
    prefix: LAB
kind: Connection
name: marketplace.lab
tenantId: 8a3f0c52-2d1e-4b6a-9f57-0e7c1b1d2a44
type: azure
usedBy:
  - marketplace.lab
`},
		{"aks", "it is composed of two, which no platform may use alone", `auth:
  file: /run/secrets/kubeconfig
caFile: /run/secrets/cluster-ca.crt
kind: Connection
name: aks.lab-cluster
server: https://cluster.example.com:6443
type: kubernetes
usedBy: []
---
auth:
  environment:
    prefix: LAB
kind: Connection
name: aks.lab-directory
tenantId: 8a3f0c52-2d1e-4b6a-9f57-0e7c1b1d2a44
type: azure
usedBy: []
---
clusterResourceId: /subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/shared/providers/Microsoft.ContainerService/managedClusters/prod
kind: Connection
name: aks.lab
roles:
  deny:
    - cluster-admin
    - azure:Owner
    - azure:User Access Administrator
    - azure:Role Based Access Control Administrator
    - azure:Azure Kubernetes Service Cluster Admin Role
    - azure:Azure Kubernetes Service RBAC Cluster Admin
type: aks
usedBy:
  - aks.lab
uses:
  cluster: aks.lab-cluster
  directory: aks.lab-directory
`},
	} {
		t.Run(tc.of, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, extracted(t, map[string]string{tc.of: former()[tc.of]})); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// TestConnectionExtract_WritesWhatWorkersRead: what is printed for all types together
// goes into a file as it is, and every platform may use its connection.
func TestConnectionExtract_WritesWhatWorkersRead(t *testing.T) {
	t.Parallel()
	all := former()
	out := extracted(t, all)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "connections.yaml"), []byte(out), 0o600); err != nil {
		t.Fatal(err)
	}
	known, err := connection.NewTypes(types.All())
	if err != nil {
		t.Fatal(err)
	}
	set, err := connection.Load(dir, known)
	if err != nil || set.Problems != nil {
		t.Fatalf("a worker cannot use what was extracted: %v, %v\n%s", err, set.Problems, out)
	}
	for _, of := range types.All() {
		if all[of.Name()] == "" {
			t.Errorf("there is no former document of type %s here: add one", of.Name())
			continue
		}
		p := document.Platform{Name: of.Name(), Location: "lab", Type: of.Name()}
		c, err := set.For(p.Identifier(), p.ConnectionName(), of)
		if err != nil {
			t.Errorf("platform %s: %v", p.Identifier(), err)
		}
		for _, role := range of.PrivilegedRoles {
			if !slices.Contains(c.Roles.Deny, role) {
				t.Errorf("the connection of %s does not deny %q", p.Identifier(), role)
			}
		}
	}
}

func TestConnectionExtract_WithoutFormerPlatforms(t *testing.T) {
	t.Parallel()
	run(t, database(t), "", "connection", "extract").
		ends(t, "an empty file would look like the connections of nothing", exitFailed, "there is nothing to extract")
}

func TestConnection_Mistakes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		reason string
		args   []string
		says   string
	}{
		{"there is nothing to choose", []string{"connection", "list", "main"}, `"main"`},
		{"nor here", []string{"connection", "extract", "main"}, `"main"`},
		{"a typing error is no help text", []string{"connection", "lst"}, `"lst"`},
		{"all formats are named", []string{"connection", "list", "-o", "xml"}, "table, json, yaml"},
	} {
		run(t, "", "", tc.args...).ends(t, tc.reason, exitInvalid, tc.says)
	}
}
