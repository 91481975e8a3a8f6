package entra

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// found returns "trust:line" of the findings of W16.
func found(findings []trust.Finding) string {
	var lines []string
	for _, f := range findings {
		if f.Rule == "W16" {
			lines = append(lines, fmt.Sprintf("%s:%d", f.Trust, f.Line))
		}
	}
	return strings.Join(lines, " ")
}

func TestNew_FindsPrivileges(t *testing.T) {
	t.Parallel()
	holds := func(roles ...string) Credential {
		c := classic()
		for i, role := range roles {
			c.Privileges = append(c.Privileges, Privilege{Role: role, At: trust.Position{File: "f", Line: 10 + i}})
		}
		return c
	}
	tests := []struct {
		reason      string
		credentials []Credential
		want        string
	}{
		{"an owner", []Credential{holds("Owner")}, "deploy:10"},
		{"an owner by ID", []Credential{holds("/providers/Microsoft.Authorization/roleDefinitions/8E3AF657-a8ff-443c-a75c-2fe8c4bcb635")}, "deploy:10"},
		{"an administrator of access", []Credential{holds("User Access Administrator")}, "deploy:10"},
		{"roles of the directory", []Credential{holds("9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8", "1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9")}, "deploy:10 deploy:11"},
		{"a reader", []Credential{holds("Reader", "acdd72a7-3385-48ef-bd42-f606fba81ae7", "")}, ""},
		{"two credentials of one application", []Credential{holds("Owner"), holds("Owner")}, "deploy:10"},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			_, findings := New(test.credentials)
			if diff := cmp.Diff(test.want, found(findings)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestParse_FindsPrivileges(t *testing.T) {
	t.Parallel()
	const credential = `"issuer":"https://gitlab.com","subject":"project_path:a/b:ref_type:branch:ref:main","audiences":["api://AzureADTokenExchange"]`
	app := func(access string) string {
		return `{"displayName":"ci","federatedIdentityCredentials":[{"name":"c",` + credential + "}],\n" + `"requiredResourceAccess":[{"resourceAppId":"00000003-0000-0000-c000-000000000000","resourceAccess":[` + access + `]}]}`
	}
	template := func(assignment string) string {
		return `{"resources":[{"type":"Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials","name":"ci/c","properties":{` + credential + "}},\n" +
			`{"type":"Microsoft.Authorization/roleAssignments","properties":{` + assignment + `}}]}`
	}
	const (
		owner     = `"roleDefinitionId":"[subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '8e3af657-a8ff-443c-a75c-2fe8c4bcb635')]"`
		reader    = `"roleDefinitionId":"[subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'acdd72a7-3385-48ef-bd42-f606fba81ae7')]"`
		principal = `"principalId":"[reference(resourceId('Microsoft.ManagedIdentity/userAssignedIdentities', 'ci')).principalId]"`
	)
	tests := []struct{ reason, text, want string }{
		{"a role that the application requests", app(`{"id":"9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8","type":"Role"}`), "c:2"},
		{"a scope that the application requests", app(`{"id":"9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8","type":"Scope"}`), ""},
		{"another role", app(`{"id":"7ab1d382-f21e-4acd-a863-ba3e13f7da61","type":"Role"}`), ""},
		{"an assignment to the identity", template(owner + "," + principal), "ci/c:2"},
		{"an assignment of another role", template(reader + "," + principal), ""},
		{"an assignment to another identity", template(owner + "," + strings.Replace(principal, "'ci'", "'cd'", 1)), ""},
		{"an assignment with a condition", template(owner + "," + principal + `,"condition":"x"`), ""},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			_, findings, err := Parse("f.json", []byte(test.text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, found(findings)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestPrivilege_Actions(t *testing.T) {
	t.Parallel()
	tests := []struct {
		reason       string
		actions, not []string
		want         string
	}{
		{reason: "no actions"},
		{reason: "everything", actions: []string{"*"}, want: "Microsoft.Authorization/roleAssignments/write"},
		{reason: "everything but authorization", actions: []string{"*"}, not: []string{"Microsoft.Authorization/*/Write", "Microsoft.Authorization/elevateAccess/Action"}},
		{reason: "everything but assignments", actions: []string{"*"}, not: []string{"Microsoft.Authorization/roleAssignments/*"},
			want: "Microsoft.Authorization/roleDefinitions/write"},
		{reason: "assignments in small letters", actions: []string{"microsoft.authorization/roleassignments/write"},
			want: "Microsoft.Authorization/roleAssignments/write"},
		{reason: "a star within", actions: []string{"Microsoft.*/roleAssignments/write"}, want: "Microsoft.Authorization/roleAssignments/write"},
		{reason: "a read", actions: []string{"Microsoft.Authorization/*/read", "*/read"}},
		{reason: "another service", actions: []string{"Microsoft.Storage/*"}},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			if got := (Privilege{Actions: test.actions, NotActions: test.not}).privilegedAction(); got != test.want {
				t.Errorf("privilegedAction() = %q, want %q", got, test.want)
			}
		})
	}
}
