package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/connection/connectiontest"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
)

// Authors of documents are not trusted with the accounts of the workers. These tests
// attack the border between the two: a document reaches no address, file, program,
// tenant or role that the operator of the workers does not allow.

// capture is the server of an attacker, which counts the calls that reach it and
// refuses them.
type capture struct {
	url   string
	calls atomic.Int64
}

func newCapture(t *testing.T) *capture {
	t.Helper()
	c := &capture{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c.calls.Add(1)
		w.WriteHeader(http.StatusForbidden)
	}))
	t.Cleanup(server.Close)
	c.url = server.URL
	return c
}

// wantNone checks that no call reached the server.
func (c *capture) wantNone(t *testing.T) {
	t.Helper()
	if n := c.calls.Load(); n > 0 {
		t.Errorf("%d calls reached the attacker's server, want none", n)
	}
}

// secrets are variables of the worker that the attacks are after.
func secrets() []string {
	var environ []string
	for _, name := range []string{
		"OPENSTACK_USERNAME", "OPENSTACK_PASSWORD", "OPENSTACK_PROJECT_NAME", "OPENSHIFT_TOKEN", "CF_CLIENT_ID", "CF_CLIENT_SECRET",
		"AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "GCP_CREDENTIALS",
	} {
		environ = append(environ, "ROLLCALL_"+name+"=secret-of-the-worker")
	}
	return environ
}

// attack writes a file of testdata/attack with some of its words replaced.
func attack(t *testing.T, name string, replace ...string) (path string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "attack", name))
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(strings.NewReplacer(replace...).Replace(string(text))), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestDocumentsNameNoAddressAndNoCredentials applies documents that name an address of
// their author and secrets of the worker. Each field is refused.
func TestDocumentsNameNoAddressAndNoCredentials(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	server, marker := newCapture(t), filepath.Join(t.TempDir(), "marker")
	_, org := memoryWorld(s, 1, 1)
	s.worker(secrets()...)
	s.apply(org.documents())
	s.replicate(done)
	stored := s.must(done, "get", "-o", "json")
	kubeconfig := attack(t, "evil-kubeconfig", "CAPTURE", server.url, "MARKER", marker)
	for file, fields := range map[string][]string{
		attack(t, "steal-worker-credentials.yaml", "CAPTURE", server.url): {
			"meshPlatform stealos.x: spec.config.openstack.url", "meshPlatform stealos.x: spec.config.openstack.replication.credentials",
			"meshPlatform stealk8s.x: spec.config.kubernetes.server", "meshPlatform stealk8s.x: spec.config.kubernetes.replication.credentials",
			"meshPlatform stealaz.x: spec.config.azure.tenantId", "meshPlatform stealaz.x: spec.config.azure.endpoints",
			"meshPlatform stealaz.x: spec.config.azure.replication.credentials",
			"meshPlatform stealcf.x: spec.config.cloudfoundry.apiUrl", "meshPlatform stealcf.x: spec.config.cloudfoundry.replication.credentials",
			"meshPlatform stealgcp.x: spec.config.gcp.endpoint", "meshPlatform stealgcp.x: spec.config.gcp.replication.credentials",
		},
		attack(t, "execplat.yaml", "CAPTURE", server.url, "KUBECONFIG", kubeconfig): {
			"meshPlatform stealk8s.x: spec.config.kubernetes.server", "meshPlatform stealk8s.x: spec.config.kubernetes.replication.credentials",
		},
		attack(t, "execplat.yaml", "CAPTURE", server.url, "KUBECONFIG", "/dev/zero"): {
			"meshPlatform stealk8s.x: spec.config.kubernetes.replication.credentials",
		},
	} {
		for _, flags := range [][]string{nil, {"--dry-run"}} {
			code, out, errs := s.rollcall("", append([]string{"apply", file}, flags...)...)
			if code != invalid {
				t.Errorf("apply %v %s ended with %d, want %d\n%s%s", flags, filepath.Base(file), code, invalid, out, errs)
			}
			for _, field := range fields {
				if !belongsToConnection(errs, file, field) {
					t.Errorf("apply %v does not say %s:<line>: %s and that it belongs to a connection:\n%s", flags, file, field, errs)
				}
			}
		}
	}
	if now := s.must(done, "get", "-o", "json"); now != stored {
		t.Errorf("a refused document was stored:\n%s", now)
	}
	s.must(done, "plan", "--all")
	s.replicate(done)
	server.wantNone(t)
	wantNoFile(t, marker)
}

// belongsToConnection reports whether one line of a message names the file with a
// line, the field, and that the field belongs to a connection.
func belongsToConnection(message, file, field string) bool {
	for line := range strings.Lines(message) {
		_, rest, found := strings.Cut(line, file+":")
		at, rest, _ := strings.Cut(rest, ": ")
		number, err := strconv.Atoi(at)
		if found && err == nil && number > 1 && strings.HasPrefix(rest, field+": ") && strings.Contains(rest, "it belongs to a connection") {
			return true
		}
	}
	return false
}

// wantNoFile checks that the program of an attacker did not run.
func wantNoFile(t *testing.T, path string) {
	t.Helper()
	if text, err := os.ReadFile(path); err == nil {
		t.Errorf("a program of the attacker ran as the worker: %s", text)
	}
}

// TestConnectionServesOnlyPlatformsThatItLists has a document name a connection whose
// operator does not list the platform. The worker does not serve the platform until
// the operator lists it.
func TestConnectionServesOnlyPlatformsThatItLists(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	server := newCapture(t)
	connection := connectiontest.Of("openstack.lab", "openstack", map[string]string{
		"url": strconv.Quote(server.url + "/v3"), "auth": "{environment: {prefix: ROLLCALL_OPENSTACK}}",
	})
	s.connect(connection)
	thief := organisation{
		platform: "thief.x", tenants: []string{tenantID(0)}, people: 1,
		config: `{openstack: {connection: openstack.lab, replication: {groupNamePattern: "#{projectIdentifier}-#{platformGroupAlias}", roleMappings: ` +
			roleMappings("admin", "member", "reader") + `}}}`,
	}
	s.apply(thief.documents())
	s.worker(secrets()...)
	s.must(done, "replicate", "--all")
	s.eventually("a warning of the worker", func() bool {
		log := s.logs[0].text()
		return strings.Contains(log, "platform not served") && strings.Contains(log, "is not for platform thief.x: add the platform to its usedBy")
	})
	const says = "No worker serves thief.x: "
	s.eventually("rollcall to list the platform as not served", func() bool { return strings.Contains(s.must(done, "connection", "list"), says) })
	if code, out, errs := s.rollcall("", "replicate", "--all"); code != done || !strings.Contains(errs, says) {
		t.Errorf("replicate ended with %d, want %d and %q\n%s%s", code, done, says, out, errs)
	}
	time.Sleep(5 * time.Second) // the worker looks again
	server.wantNone(t)
	if log := s.logs[0].text(); strings.Contains(log, `msg="platform served"`) {
		t.Errorf("the worker serves the platform:\n%s", log)
	}

	s.connect(strings.Replace(connection, "usedBy: [openstack.lab]", "usedBy: [openstack.lab, thief.x]", 1))
	s.eventually("a call for a platform that is listed", func() bool { return server.calls.Load() > 0 })
}

// TestKubeconfigRunsNoProgram: a connection whose kubeconfig has an exec plugin is
// refused.
func TestKubeconfigRunsNoProgram(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	server, marker := newCapture(t), filepath.Join(t.TempDir(), "marker")
	kubeconfig := attack(t, "evil-kubeconfig", "CAPTURE", server.url, "MARKER", marker)
	org := organisation{
		platform: "kubernetes.lab", tenants: []string{tenantID(0)}, people: 1,
		config: `{kubernetes: {replication: {roleMappings: ` + roleMappings("admin", "edit", "view") + `}}}`,
	}
	s.connect(connectiontest.Of(org.platform, "kubernetes", map[string]string{
		"server": strconv.Quote(server.url), "auth": fmt.Sprintf("{file: %q}", kubeconfig),
	}))
	s.worker(secrets()...)
	s.apply(org.documents())
	s.refused(s.replicate(failed), access.PlatformDenied, map[string]string{tenantID(0): "exec"})
	if code, out, errs := s.rollcall("", "plan", "--all"); code != failed {
		t.Errorf("plan ended with %d, want %d\n%s%s", code, failed, out, errs)
	}
	server.wantNone(t)
	wantNoFile(t, marker)
}

// refused checks that the tenants of some projects of acme failed, and no others, each
// with a warning of that code that says the project's text.
func (s *stack) refused(r report, code access.Code, says map[string]string) {
	s.t.Helper()
	if r.Failed != len(says) {
		s.t.Errorf("%+v, want %d tenants failed", r, len(says))
	}
	for project, text := range says {
		found := slices.ContainsFunc(r.Items, func(i item) bool {
			return i.Tenant == "acme."+project && i.Outcome == "failed" && slices.ContainsFunc(i.Warnings, func(w struct{ Code, Object, Text string }) bool {
				return w.Code == string(code) && strings.Contains(w.Text, text)
			})
		})
		if !found {
			s.t.Errorf("the report has no warning %s about %s that says %q: %+v", code, project, text, r.Items)
		}
	}
}

// TestEndlessCredentialFileIsRefused: /dev/zero in place of a credential file is
// refused before a byte of it is read.
func TestEndlessCredentialFileIsRefused(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	server := newCapture(t)
	worker := s.worker(secrets()...)
	address := strconv.Quote(server.url)
	for i, c := range []struct {
		of, reason string
		fields     map[string]string
	}{
		{"openstack", "named values", map[string]string{"url": address, "auth": "{file: /dev/zero}"}},
		{"kubernetes", "a kubeconfig", map[string]string{"server": address, "auth": "{file: /dev/zero}"}},
		{"openshift", "a token", map[string]string{"server": address, "auth": "{tokenFile: /dev/zero}"}},
		{"kubernetes", "certificates", map[string]string{"server": address, "auth": "{environment: {prefix: ROLLCALL_OPENSHIFT}}", "caFile": "/dev/zero"}},
	} {
		org := organisation{platform: fmt.Sprintf("endless-%d.lab", i), tenants: []string{tenantID(0)}, people: 1}
		org.config = `{` + c.of + `: {replication: {groupNamePattern: "#{projectIdentifier}-#{platformGroupAlias}", roleMappings: ` +
			roleMappings("admin", "edit", "view") + `}}}`
		s.connect(connectiontest.Of(org.platform, c.of, c.fields))
		s.apply(org.documents(), "--prune", "--yes")
		began := time.Now()
		r := s.replicate(failed, firstTenant(org).String())
		s.refused(r, access.PlatformDenied, map[string]string{tenantID(0): "/dev/zero: it is not a regular file"})
		t.Logf("%s, %s: refused after %s", c.of, c.reason, time.Since(began).Round(time.Millisecond))
	}
	server.wantNone(t)
	if used := peak(worker.Process.Pid); used == 0 || used > sizeMemory {
		t.Errorf("the worker used up to %d MiB, want at most %d", used, sizeMemory)
	}
}

// TestConnectionLimitsScopesAndRoles: documents ask for a tenant that the connection
// may not touch, and for roles that it may not give. Both are refused and named, and
// the rest is replicated.
func TestConnectionLimitsScopesAndRoles(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	file, org := memoryWorld(s, 3, 2)
	s.connect(strings.TrimSuffix(org.connection, "}") + `, scopes: {allow: ["project-0[12]"]}, roles: {deny: [OWNER], secondPerson: [developer]}}`)
	s.worker()
	s.apply(org.documents())
	s.refused(s.replicate(failed), access.ForbiddenByConnection, map[string]string{
		tenantID(0): `may not touch the tenant "project-00": its operator lists tenants in scopes.allow`,
		tenantID(1): `may not give the role "owner": its operator lists the role in roles.deny`,
		tenantID(2): `gives the role "developer" with the consent of a second person only`,
	})
	after := world(t, file)
	for _, g := range after.Groups {
		if strings.HasPrefix(g.Name, tenantID(0)) {
			t.Errorf("the group %s of a tenant that is not allowed was made", g.Name)
		}
	}
	for _, b := range after.Bindings {
		if b.Role != "viewer" || b.Tenant == tenantID(0) {
			t.Errorf("the role %s on %s was given", b.Role, b.Tenant)
		}
	}
	if len(after.Bindings) != 2 {
		t.Errorf("the platform has %d bindings, want the two that are allowed", len(after.Bindings))
	}
	s.replicate(failed)
	if again := world(t, file); again.Revision != after.Revision {
		t.Errorf("a second run made %d writes, want none", again.Revision-after.Revision)
	}

	s.connect(org.connection)
	time.Sleep(2 * time.Second) // workers read connections again once a second
	s.replicate(done)
	if allowed := world(t, file); len(allowed.Groups) != 9 || len(allowed.Bindings) != 9 {
		t.Errorf("without limits the platform has %d groups and %d bindings, want 9 of each", len(allowed.Groups), len(allowed.Bindings))
	}
}

// TestOperatorEndsCallsToRemovedPlatform: a platform that no document describes any
// more is still called while its groups wait for an approval. Calls end when the
// operator removes the connection, and for good when the platform is forgotten.
func TestOperatorEndsCallsToRemovedPlatform(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	file, org := memoryWorld(s, 1, 3)
	s.worker()
	s.apply(org.documents())
	s.replicate(done)
	s.apply(lacking(org.documents(), "kind: meshTenant", "kind: meshLandingZone", "kind: meshPlatform"), "--prune", "--yes")
	s.replicate(waiting)
	breakPlatform(t, file, memory.Fault{Op: "*", Delay: memory.Duration(time.Millisecond)}) // which counts calls
	s.replicate(waiting)
	calls := func() int { return world(t, file).Faults[0].Hits }
	if calls() == 0 {
		t.Fatal("the removed platform was not called: the count of calls shows nothing")
	}

	s.disconnect(org.platform)
	s.eventually("the platform to be no longer served", func() bool { return strings.Contains(s.logs[0].text(), "platform no longer served") })
	before := calls()
	s.must(done, "replicate", "--all")
	time.Sleep(5 * time.Second) // the worker looks again
	if now := calls(); now != before {
		t.Errorf("%d calls were made without a connection, want none", now-before)
	}
	s.connect(org.connection)
	s.eventually("the run to go on with the connection", func() bool { return calls() > before })
	s.replicate(waiting)

	before = calls()
	s.must(invalid, "forget", org.platform, "--as", "ada", "--yes")
	if out := s.must(done, "forget", org.platform, "--reason", "decommissioned, OPS-77", "--as", "ada", "--yes"); !strings.Contains(out, org.platform) {
		t.Errorf("forget says %q, want the platform named", out)
	}
	if out := s.must(done, "status"); strings.Contains(out, tenantID(0)) {
		t.Errorf("the tenant of the forgotten platform has a status:\n%s", out)
	}
	time.Sleep(5 * time.Second) // the worker looks again
	if now := calls(); now != before {
		t.Errorf("%d calls were made to a forgotten platform, want none", now-before)
	}
	if n := len(world(t, file).Groups); n != 3 {
		t.Errorf("the forgotten platform has %d groups, want the 3 that were there", n)
	}
}
