package document

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/driver/types"
)

// TestDecode_RefusesWhatBelongsToConnections holds every platform type to this: a
// document chooses no address, file, command, account or limit, and its author reads
// where they belong. No problem repeats a value: hunter2 stands for a secret.
func TestDecode_RefusesWhatBelongsToConnections(t *testing.T) {
	for _, tc := range []struct {
		of     string
		reason string
		fields []string
		// allowed is what stays in documents of the type.
		allowed string
	}{
		{
			of: "aks", reason: "an author could send the tokens of the cluster and of Entra to an address of their own",
			fields: []string{
				"tenantId: example.onmicrosoft.com",
				"clusterResourceId: /subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/shared/providers/Microsoft.ContainerService/managedClusters/prod",
				"server: https://hunter2@cluster.example.com",
				"caFile: /etc/hunter2",
				"caData: aHVudGVyMg==",
				"clusterCredentials: {file: {path: /etc/hunter2}}",
				"administrativeUnitId: 5e3b7d2a-9c41-4f0e-8a6d-3b2c1d0e9f88",
				"endpoints: {graph: https://hunter2@graph.example.com}",
			},
		},
		{
			of: "aws", reason: "an author could assume any role that the worker may assume",
			fields: []string{
				"region: eu-central-1",
				"instanceArn: arn:aws:sso:::instance/ssoins-hunter2",
				"identityStoreId: d-hunter2",
				"endpoint: https://hunter2@aws.example.com",
				"assumeRole: {roleArn: arn:aws:iam::111122223333:role/hunter2}",
			},
		},
		{
			of: "azure", reason: "an author could send the client secret to an address of their own",
			fields: []string{
				"tenantId: example.onmicrosoft.com",
				"administrativeUnitId: 5e3b7d2a-9c41-4f0e-8a6d-3b2c1d0e9f88",
				"endpoints: {login: https://hunter2@login.example.com}",
			},
		},
		{
			of: "cloudfoundry", reason: "an author could send the password to a UAA of their own; whose accounts count is theirs to say",
			fields:  []string{"apiUrl: https://hunter2@api.example.com", "uaaUrl: https://hunter2@uaa.example.com"},
			allowed: "origin: corporate-sso",
		},
		{
			of: "gcp", reason: "an author could act as any account that the worker may impersonate",
			fields: []string{
				"domain: example.com",
				"customerId: C01hunter2",
				"impersonate: hunter2@example.iam.gserviceaccount.com",
				"endpoint: https://hunter2@google.example.com",
				"endpoints: {directory: https://hunter2@google.example.com}",
			},
		},
		{
			of: "kubernetes", reason: "an author could read a file of the worker and send a token to a server of their own",
			fields: []string{"server: https://hunter2@cluster.example.com", "caFile: /etc/hunter2", "caData: aHVudGVyMg=="},
		},
		{
			of: "marketplace", reason: "it uses connections of the type azure, whose fields belong there too",
			fields: []string{
				"tenantId: example.onmicrosoft.com",
				"administrativeUnitId: 5e3b7d2a-9c41-4f0e-8a6d-3b2c1d0e9f88",
				"endpoints: {login: https://hunter2@login.example.com}",
			},
		},
		{
			of: "memory", reason: "an author could have the worker write any file",
			fields: []string{"file: /etc/hunter2"},
		},
		{
			of: "openshift", reason: "an author could read a file of the worker and send a token to a server of their own",
			fields: []string{"server: https://hunter2@cluster.example.com", "caFile: /etc/hunter2", "caData: aHVudGVyMg=="},
		},
		{
			of: "openstack", reason: "an author could send the password to a Keystone of their own, or work in another domain",
			fields: []string{"url: https://admin:hunter2@keystone.example.com/v3", "region: eu-1", "domainName: hunter2", "domainId: hunter2"},
		},
	} {
		t.Run(tc.of, func(t *testing.T) {
			at := "meshPlatform a.x: spec.config." + tc.of + "."
			input := "{apiVersion: v1, kind: meshPlatform, metadata: {name: a}, spec: {locationRef: {name: x}, config: {" + tc.of + ": {\n"
			var want, names []string
			input += strings.Join(append(slices.Clone(tc.fields), ""), ",\n")
			for i, field := range tc.fields {
				name, _, _ := strings.Cut(field, ":")
				names = append(names, name)
				want = append(want, fmt.Sprintf(
					"in.yaml:%d: %s%s: is not allowed here: it belongs to a connection, which the operator of the workers writes: remove it here", i+2, at, name))
			}
			line := len(tc.fields) + 2
			input += "replication: {\ncredentials: {file: {path: /etc/hunter2}},\nbudget: {callsPerSecond: 5},\n"
			want = append(want,
				fmt.Sprintf("in.yaml:%d: %sreplication.credentials: is not allowed here: it belongs to a connection, which the operator of the workers writes: remove it here", line+1, at),
				fmt.Sprintf("in.yaml:%d: %sreplication.budget: is not allowed here: calls are limited by the account's connection, which the operator of the workers writes: remove it here", line+2, at))
			if properties, _ := replicationOf(t, tc.of)["groupNamePattern"].(map[string]any); !refused(properties) {
				input += "groupNamePattern: g,\n"
			}
			input += "}, " + tc.allowed + "}}}}\n"
			_, _, err := Decode(strings.NewReader(input), "in.yaml")
			if err == nil {
				t.Fatalf("%s: nothing is refused of\n%s", tc.reason, input)
			}
			if diff := cmp.Diff(want, strings.Split(err.Error(), "\n")); diff != "" {
				t.Errorf("%s: problems (-want +got):\n%s", tc.reason, diff)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("a problem repeats a secret:\n%v", err)
			}
			if diff := cmp.Diff(refusedFields(t, tc.of), names, cmpSorted); diff != "" {
				t.Errorf("the fields that the type refuses have a case each (-schema +case):\n%s", diff)
			}
		})
	}
}

// cmpSorted compares lists whose order means nothing.
var cmpSorted = cmp.Transformer("sorted", func(s []string) []string {
	return slices.Sorted(slices.Values(s))
})

func refusedFields(t *testing.T, of string) []string {
	t.Helper()
	properties, _ := mustCatalog(t).at(schemaBase + "platform/" + of + ".json")["properties"].(map[string]any)
	var names []string
	for name, property := range properties {
		if refused(property) {
			names = append(names, name)
		}
	}
	return names
}

// replicationOf returns what a type says of the properties of replication.
func replicationOf(t *testing.T, of string) map[string]any {
	t.Helper()
	properties, _ := mustCatalog(t).at(schemaBase + "platform/" + of + ".json#/properties/replication")["properties"].(map[string]any)
	return properties
}

// TestPlatformTypes_ReadOnlyKnownFields holds every platform type to the fields that
// documents keep. Another one would be one more thing that an author decides.
func TestPlatformTypes_ReadOnlyKnownFields(t *testing.T) {
	for _, of := range types.All() {
		want := []string{"connection", "replication"}
		if of.Name() == "cloudfoundry" {
			want = append(want, "origin")
		}
		properties, _ := mustCatalog(t).at(schemaBase + "platform/" + of.Name() + ".json")["properties"].(map[string]any)
		var got []string
		for name, property := range properties {
			if !refused(property) {
				got = append(got, name)
			}
		}
		if diff := cmp.Diff(want, got, cmpSorted); diff != "" {
			t.Errorf("fields of %s (-want +got):\n%s", of.Name(), diff)
		}
	}
}

func TestPlatform_ConnectionName(t *testing.T) {
	for _, tc := range []struct{ reason, connection, want string }{
		{"a document may name its connection", "main", "main"},
		{"one that names none uses the connection of its own name", "", "sandbox.local"},
	} {
		p := Platform{Name: "sandbox", Location: "local", Connection: tc.connection}
		if got := p.ConnectionName(); got != tc.want {
			t.Errorf("%s: got %q, want %q", tc.reason, got, tc.want)
		}
	}
}
