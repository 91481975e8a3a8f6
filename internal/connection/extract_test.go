package connection_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/connection"
	"github.com/rollcall-iam/rollcall/internal/driver/types"
)

// extract returns what Extract gives for the platform p.here, as JSON by name.
func extract(t testing.TB, of, settings string) map[string]string {
	t.Helper()
	got, err := connection.Extract("p.here", of, json.RawMessage(settings), "", types.All())
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, c := range got {
		text, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprint(c["name"])
		if all[name] != "" {
			t.Errorf("two connections are named %q", name)
		}
		all[name] = string(text)
	}
	return all
}

// formerSettings are settings as documents held them before connections.
var formerSettings = map[string][]string{
	"aws": {
		`{"region": "eu-central-1", "replication": {"groupNamePattern": "x", "credentials": {"workloadIdentity": {}}, "budget": {"callsPerSecond": 20}}}`,
		`{"region": "eu-central-1", "instanceArn": "arn:aws:sso:::instance/ssoins-1234567890abcdef", "identityStoreId": "d-1234567890",
			"endpoint": "https://aws.example.com", "assumeRole": {"roleArn": "arn:aws:iam::111122223333:role/rollcall", "externalId": "x1"},
			"replication": {"credentials": {"environment": {"prefix": "AWS_PROD"}}}}`,
	},
	"azure": {
		`{"tenantId": "8a3f0c52-2d1e-4b6a-9f57-0e7c1b1d2a44", "administrativeUnitId": "5e3b7d2a-9c41-4f0e-8a6d-3b2c1d0e9f88",
			"endpoints": {"login": "https://login.microsoftonline.us"}, "replication": {"credentials": {"environment": {"prefix": "AZURE_PROD"}},
			"b2bUserInvitation": {"redirectUrl": "https://portal.azure.com"}}}`,
	},
	"cloudfoundry": {
		`{"apiUrl": "https://api.sys.example.com", "uaaUrl": "https://uaa.sys.example.com", "replication": {"credentials": {"environment": {"prefix": "CF"}}}}`,
	},
	"gcp": {
		`{"domain": "example.com", "customerId": "C01rollcall", "replication": {"credentials": {"file": {"path": "/run/secrets/google.json"}}}}`,
		`{"domain": "example.com", "customerId": "C01rollcall", "impersonate": "admin@example.com", "endpoint": "https://google.example.com",
			"endpoints": {"directory": "https://directory.example.com"}, "replication": {"credentials": {"file": {"path": "/run/secrets/google.json"}}}}`,
	},
	"kubernetes": {
		`{"server": "https://cluster.example.com:6443", "caFile": "/run/secrets/cluster-ca.crt", "replication": {"credentials": {"environment": {"prefix": "CLUSTER"}}}}`,
		`{"server": "https://cluster.example.com:6443", "caData": "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg==", "replication": {"credentials": {"file": {"path": "/run/secrets/kubeconfig"}}}}`,
	},
	"marketplace": {
		`{"tenantId": "8a3f0c52-2d1e-4b6a-9f57-0e7c1b1d2a44", "replication": {"credentials": {"environment": {"prefix": "AZURE_PROD"}}}}`,
	},
	"memory": {
		`{"file": "world.json", "replication": {"groupNamePattern": "#{projectIdentifier}-#{platformGroupAlias}", "budget": {"concurrent": 3}}}`,
	},
	"openshift": {
		`{"server": "https://api.openshift.example.com:6443", "caFile": "/run/secrets/cluster-ca.crt", "replication": {"credentials": {"workloadIdentity": {}}}}`,
	},
	"openstack": {
		`{"url": "https://keystone.example.com/v3", "domainName": "Default", "region": "RegionOne",
			"replication": {"credentials": {"environment": {"prefix": "OS"}}, "budget": {"callsPerSecond": 50, "concurrent": 8}}}`,
		`{"url": "https://keystone.example.com/v3", "domainId": "default", "replication": {"credentials": {"file": {"path": "/run/secrets/openstack.json"}}}}`,
	},
	"aks": {
		`{"tenantId": "8a3f0c52-2d1e-4b6a-9f57-0e7c1b1d2a44", "clusterResourceId": "` + clusterID + `", "server": "https://cluster.example.com:6443",
			"caFile": "/run/secrets/cluster-ca.crt", "administrativeUnitId": "5e3b7d2a-9c41-4f0e-8a6d-3b2c1d0e9f88", "endpoints": {"graph": "https://graph.microsoft.us"},
			"clusterCredentials": {"file": {"path": "/run/secrets/kubeconfig"}},
			"replication": {"credentials": {"environment": {"prefix": "AZURE_PROD"}}, "budget": {"concurrent": 3}}}`,
	},
}

// TestExtract_IsLoaded: what Extract writes is what Load reads, for each type, and a
// platform that names no connection uses it.
func TestExtract_IsLoaded(t *testing.T) {
	for _, of := range types.All() {
		if len(formerSettings[of.Name()]) == 0 {
			t.Errorf("%s: there are no former settings", of.Name())
		}
		for _, settings := range formerSettings[of.Name()] {
			extracted := extract(t, of.Name(), settings)
			set := loadText(t, documents(slices.Collect(maps.Values(extracted))...))
			if set.Problems != nil {
				t.Errorf("%s: Load refuses %v: %v", of.Name(), extracted, set.Problems)
				continue
			}
			if _, err := set.For("p.here", "p.here", of); err != nil {
				t.Errorf("%s: the platform may not use its connection: %v", of.Name(), err)
			}
			for _, c := range set.Connections() {
				want := []string{"p.here"}
				if c.Name != "p.here" {
					want = []string{} // a part is nobody's but the whole's
				}
				if diff := cmp.Diff(want, c.UsedBy); diff != "" {
					t.Errorf("%s: usedBy of %s (-want +got):\n%s", of.Name(), c.Name, diff)
				}
			}
		}
	}
}

func TestExtract(t *testing.T) {
	for _, c := range []struct {
		reason, of, settings string
		want                 map[string]string
	}{
		{
			"all that is the operator's, and the roles to deny", "openstack", formerSettings["openstack"][0],
			map[string]string{"p.here": `{"auth":{"environment":{"prefix":"OS"}},"domainName":"Default","kind":"Connection","limits":{"callsPerSecond":50,"concurrent":8},` +
				`"name":"p.here","roles":{"deny":["admin"]},"type":"openstack","url":"https://keystone.example.com/v3","usedBy":["p.here"]}`},
		},
		{
			"a file by its path", "openstack", formerSettings["openstack"][1],
			map[string]string{"p.here": `{"auth":{"file":"/run/secrets/openstack.json"},"domainId":"default","kind":"Connection",` +
				`"name":"p.here","roles":{"deny":["admin"]},"type":"openstack","url":"https://keystone.example.com/v3","usedBy":["p.here"]}`},
		},
		{
			"the region of AWS is where it is", "aws", formerSettings["aws"][0],
			map[string]string{"p.here": `{"auth":{"workloadIdentity":{}},"kind":"Connection","limits":{"callsPerSecond":20},"name":"p.here",` +
				`"region":"eu-central-1","roles":{"deny":["AdministratorAccess"]},"type":"aws","usedBy":["p.here"]}`},
		},
		{
			"marketplaces have connections of type azure", "marketplace", formerSettings["marketplace"][0],
			map[string]string{"p.here": `{"auth":{"environment":{"prefix":"AZURE_PROD"}},"kind":"Connection","name":"p.here",` +
				`"tenantId":"8a3f0c52-2d1e-4b6a-9f57-0e7c1b1d2a44","type":"azure","usedBy":["p.here"]}`},
		},
		{
			"nothing is invented where there were no credentials", "kubernetes", `{"server": "https://k"}`,
			map[string]string{"p.here": `{"kind":"Connection","name":"p.here","roles":{"deny":["cluster-admin"]},"server":"https://k","type":"kubernetes","usedBy":["p.here"]}`},
		},
		{
			"nothing at all", "memory", `{}`,
			map[string]string{"p.here": `{"kind":"Connection","name":"p.here","type":"memory","usedBy":["p.here"]}`},
		},
		{
			"no settings", "memory", `null`,
			map[string]string{"p.here": `{"kind":"Connection","name":"p.here","type":"memory","usedBy":["p.here"]}`},
		},
	} {
		if diff := cmp.Diff(c.want, extract(t, c.of, c.settings)); diff != "" {
			t.Errorf("%s: connections (-want +got):\n%s", c.reason, diff)
		}
	}
}

// TestExtract_AKS: an AKS platform has two accounts, and so three connections.
func TestExtract_AKS(t *testing.T) {
	got := extract(t, "aks", formerSettings["aks"][0])
	if diff := cmp.Diff([]string{"p.here", "p.here-cluster", "p.here-directory"}, slices.Sorted(maps.Keys(got))); diff != "" {
		t.Fatalf("connections (-want +got):\n%s", diff)
	}
	fields := func(name string) map[string]any {
		var c map[string]any
		if err := json.Unmarshal([]byte(got[name]), &c); err != nil {
			t.Fatal(err)
		}
		return c
	}
	for name, want := range map[string]map[string]any{
		"p.here": {
			"type": "aks", "clusterResourceId": clusterID, "uses": map[string]any{"directory": "p.here-directory", "cluster": "p.here-cluster"},
		},
		"p.here-directory": {
			"limits": map[string]any{"concurrent": 3.0},
			"type":   "azure", "tenantId": "8a3f0c52-2d1e-4b6a-9f57-0e7c1b1d2a44", "administrativeUnitId": "5e3b7d2a-9c41-4f0e-8a6d-3b2c1d0e9f88",
			"endpoints": map[string]any{"graph": "https://graph.microsoft.us"}, "auth": map[string]any{"environment": map[string]any{"prefix": "AZURE_PROD"}},
		},
		"p.here-cluster": {
			"limits": map[string]any{"concurrent": 3.0},
			"type":   "kubernetes", "server": "https://cluster.example.com:6443", "caFile": "/run/secrets/cluster-ca.crt",
			"auth": map[string]any{"file": "/run/secrets/kubeconfig"},
		},
	} {
		c := fields(name)
		for field := range c {
			if want[field] == nil && !slices.Contains([]string{"kind", "name", "usedBy", "roles"}, field) {
				t.Errorf("%s has the field %s: %v", name, field, c[field])
			}
		}
		for field, value := range want {
			if diff := cmp.Diff(value, c[field]); diff != "" {
				t.Errorf("%s: %s (-want +got):\n%s", name, field, diff)
			}
		}
	}
}

// TestExtract_WithoutCredentials: only what was not said is missing.
func TestExtract_WithoutCredentials(t *testing.T) {
	missing := regexp.MustCompile(`: auth: is missing$`)
	for _, of := range types.All() {
		if of.Name() == "memory" {
			continue // a file needs no account
		}
		var settings map[string]any
		if err := json.Unmarshal([]byte(formerSettings[of.Name()][0]), &settings); err != nil {
			t.Fatal(err)
		}
		delete(settings, "replication")
		delete(settings, "clusterCredentials")
		text, err := json.Marshal(settings)
		if err != nil {
			t.Fatal(err)
		}
		got := problemsOf(t, loadText(t, documents(slices.Collect(maps.Values(extract(t, of.Name(), string(text))))...)))
		for _, problem := range got {
			if !missing.MatchString(problem) && !strings.Contains(problem, ": uses.") {
				t.Errorf("%s: Load says %q, want that auth is missing alone", of.Name(), problem)
			}
		}
		if !slices.ContainsFunc(got, missing.MatchString) {
			t.Errorf("%s: Load says %q, want that auth is missing", of.Name(), got)
		}
	}
}

// TestExtract_DeniesPrivilegedRoles: each type's roles above a tenant are denied.
func TestExtract_DeniesPrivilegedRoles(t *testing.T) {
	for _, of := range types.All() {
		set := loadText(t, documents(slices.Collect(maps.Values(extract(t, of.Name(), formerSettings[of.Name()][0])))...))
		c, ok := set.Get("p.here")
		if !ok {
			t.Fatalf("%s: %v", of.Name(), set.Problems)
		}
		if diff := cmp.Diff(of.PrivilegedRoles, c.Roles.Deny); diff != "" {
			t.Errorf("%s: roles that are denied (-want +got):\n%s", of.Name(), diff)
		}
	}
}

// TestExtract_KeepsInvitations: they go on leading where the document says.
func TestExtract_KeepsInvitations(t *testing.T) {
	const address = "https://portal.azure.com"
	for _, of := range []string{"azure", "aks", "marketplace"} {
		got, err := connection.Extract("p.here", of, json.RawMessage(formerSettings[of][0]), address, types.All())
		if err != nil {
			t.Fatal(err)
		}
		var texts []string
		for _, c := range got {
			text, err := json.Marshal(c)
			if err != nil {
				t.Fatal(err)
			}
			texts = append(texts, string(text))
		}
		set := loadText(t, documents(texts...))
		c, _ := set.Get("p.here")
		if diff := cmp.Diff([]string{address}, c.RedirectURLs); diff != "" || set.Problems != nil {
			t.Errorf("%s: %v, addresses of invitations (-want +got):\n%s", of, set.Problems, diff)
		}
	}
}

func TestExtract_Refuses(t *testing.T) {
	for reason, c := range map[string]struct{ of, settings string }{
		"a type that this version does not know": {"vmware", `{}`},
		"no type":                                {"", `{}`},
		"a text":                                 {"memory", `"x"`},
		"a list":                                 {"memory", `[]`},
		"half of it":                             {"memory", `{`},
		"nothing":                                {"memory", ``},
	} {
		if got, err := connection.Extract("p.here", c.of, json.RawMessage(c.settings), "", types.All()); err == nil || !strings.Contains(err.Error(), "p.here") {
			t.Errorf("%s: Extract = %v, %v, want an error that names the platform", reason, got, err)
		}
	}
}

// TestExtract_LeavesFilesAlone: paths are copied and never read.
func TestExtract_LeavesFilesAlone(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"secret.json": `{"password": "hush"}`})
	path := filepath.Join(dir, "secret.json")
	got := extract(t, "openstack", `{"url": "https://k", "replication": {"credentials": {"file": {"path": "`+path+`"}}}}`)["p.here"]
	if !strings.Contains(got, `"auth":{"file":"`+path+`"}`) || strings.Contains(got, "hush") {
		t.Errorf("the connection is %s, want the path alone", got)
	}
}
