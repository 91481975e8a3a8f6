package terraform

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// privilegesOf returns the trusts and lines of W16.
func privilegesOf(t *testing.T, r Result) string {
	t.Helper()
	var lines []string
	for _, f := range r.Findings {
		if f.Rule == "W16" {
			lines = append(lines, fmt.Sprintf("%s:%d", f.Trust, f.Line))
		}
	}
	return strings.Join(lines, " ")
}

const allActions = `jsonencode({ Statement = [{ Effect = "Allow", Action = "*", Resource = "*" }] })`

func TestRead_FindsPrivilegesOfRoles(t *testing.T) {
	t.Parallel()
	role := strings.TrimSpace(roleWith(`"repo:acme/app"`))
	inRole := func(attributes string) string { return strings.TrimSuffix(role, "}") + attributes + "\n}\n" }
	attached := func(attributes string) string {
		return role + "\nresource \"aws_iam_role_policy_attachment\" \"a\" {\n" + attributes + "\n}\n"
	}
	const admin = `"arn:aws:iam::aws:policy/AdministratorAccess"`
	tests := []struct{ reason, text, want string }{
		{"an attachment", attached("role = aws_iam_role.r.name\npolicy_arn = " + admin), "aws_iam_role.r:9"},
		{"an attachment by the ID", attached("role = aws_iam_role.r.id\npolicy_arn = " + admin), "aws_iam_role.r:9"},
		{"an attachment of a role with index", attached("role = aws_iam_role.r[0].name\npolicy_arn = " + admin), "aws_iam_role.r:9"},
		{"an attachment by name", strings.Replace(attached("role = \"deploy\"\npolicy_arn = "+admin), "  assume", "  name = \"deploy\"\n  assume", 1), "aws_iam_role.r:10"},
		{"an attachment of another role", attached("role = \"other\"\npolicy_arn = " + admin), ""},
		{"an attachment of another policy", attached("role = aws_iam_role.r.name\npolicy_arn = \"arn:aws:iam::aws:policy/ReadOnlyAccess\""), ""},
		{"an attachment for each of some policies", attached("for_each = toset([" + admin + "])\nrole = aws_iam_role.r.name\npolicy_arn = each.value"), "aws_iam_role.r:10"},
		{"a partition that is not known", attached("role = aws_iam_role.r.name\npolicy_arn = \"arn:${var.p}:iam::aws:policy/IAMFullAccess\""), "aws_iam_role.r:9"},
		{"a policy by data source", attached("role = aws_iam_role.r.name\npolicy_arn = data.aws_iam_policy.a.arn") + "data \"aws_iam_policy\" \"a\" {\n name = \"PowerUserAccess\"\n}", "aws_iam_role.r:9"},
		{"a policy of the directory", attached("role = aws_iam_role.r.name\npolicy_arn = aws_iam_policy.p.arn") + "resource \"aws_iam_policy\" \"p\" {\n policy = " + allActions + "\n}", "aws_iam_role.r:9"},
		{"a role policy", role + "\nresource \"aws_iam_role_policy\" \"p\" {\n role = aws_iam_role.r.id\n policy = " + allActions + "\n}", "aws_iam_role.r:9"},
		{"a policy attachment with several roles", role + "\nresource \"aws_iam_policy_attachment\" \"p\" {\n roles = [\"x\", aws_iam_role.r.name]\n policy_arn = " + admin + "\n}", "aws_iam_role.r:9"},
		{"ARNs in the role", inRole("\n  managed_policy_arns = [" + admin + "]"), "aws_iam_role.r:7"},
		{"a policy in the role", inRole("\n  inline_policy {\n   name = \"x\"\n   policy = " + allActions + "\n  }"), "aws_iam_role.r:9"},
		{"a document in the role", inRole("\n  inline_policy {\n   policy = data.aws_iam_policy_document.d.json\n  }") + "data \"aws_iam_policy_document\" \"d\" {\n statement {\n  actions = [\"iam:PassRole\"]\n  resources = [\"*\"]\n }\n}", "aws_iam_role.r:8"},
		{"a boundary", inRole("\n  permissions_boundary = var.b\n  managed_policy_arns = [" + admin + "]"), ""},
		{"a policy that is not known", attached("role = aws_iam_role.r.name\npolicy_arn = var.policy"), ""},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			r, err := Read([]File{{Name: "main.tf", Text: []byte(test.text)}})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, privilegesOf(t, r)); diff != "" {
				t.Errorf("(-want +got):\n%s\n%s", diff, test.text)
			}
		})
	}
}

func TestRead_FindsPrivilegesOfApplications(t *testing.T) {
	t.Parallel()
	const app = `resource "azuread_application_federated_identity_credential" "c" {
  application_id = azuread_application.a.id
  audiences      = ["api://AzureADTokenExchange"]
  issuer         = "https://gitlab.com"
  subject        = "project_path:a/b:ref_type:branch:ref:main"
}
resource "azuread_service_principal" "s" {
  client_id = azuread_application.a.client_id
}
resource "azuread_application" "a" {
`
	const identity = `resource "azurerm_federated_identity_credential" "c" {
  parent_id = azurerm_user_assigned_identity.u.id
  audience  = ["api://AzureADTokenExchange"]
  issuer    = "https://gitlab.com"
  subject   = "project_path:a/b:ref_type:branch:ref:main"
}
resource "azurerm_user_assigned_identity" "u" {
}
`
	const graph = `"9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8"`
	const credential = "azuread_application_federated_identity_credential.c"
	assigned := func(attributes string) string {
		return app + "}\nresource \"azurerm_role_assignment\" \"r\" {\n" + attributes + "\n}\n"
	}
	tests := []struct{ reason, text, want string }{
		{"an owner", assigned("principal_id = azuread_service_principal.s.object_id\nrole_definition_name = \"Owner\""), credential + ":14"},
		{"an owner by ID", assigned("principal_id = azuread_service_principal.s.id\nrole_definition_id = \"/subscriptions/x/providers/Microsoft.Authorization/roleDefinitions/8e3af657-a8ff-443c-a75c-2fe8c4bcb635\""), credential + ":14"},
		{"an owner by data source", assigned("principal_id = azuread_service_principal.s.object_id\nrole_definition_id = data.azurerm_role_definition.o.id") + "data \"azurerm_role_definition\" \"o\" {\n name = \"Owner\"\n}", credential + ":14"},
		{"a reader", assigned("principal_id = azuread_service_principal.s.object_id\nrole_definition_name = \"Reader\""), ""},
		{"an owner with a condition", assigned("principal_id = azuread_service_principal.s.object_id\nrole_definition_name = \"Owner\"\ncondition = \"x\""), ""},
		{"another owner", assigned("principal_id = var.admins\nrole_definition_name = \"Owner\""), ""},
		{"a role of Graph", app + "}\nresource \"azuread_app_role_assignment\" \"r\" {\nprincipal_object_id = azuread_service_principal.s.object_id\napp_role_id = " + graph + "\n}", credential + ":14"},
		{"a role of Graph by name", app + "}\nresource \"azuread_app_role_assignment\" \"r\" {\nprincipal_object_id = azuread_service_principal.s.object_id\napp_role_id = data.azuread_service_principal.graph.app_role_ids[\"Application.ReadWrite.All\"]\n}", credential + ":14"},
		{"a role that the application requests", app + "  required_resource_access {\n    resource_access {\n      id = " + graph + "\n      type = \"Role\"\n    }\n  }\n}", credential + ":13"},
		{"a scope that the application requests", app + "  required_resource_access {\n    resource_access {\n      id = " + graph + "\n      type = \"Scope\"\n    }\n  }\n}", ""},
		{"access to an API", app + "}\nresource \"azuread_application_api_access\" \"x\" {\napplication_id = azuread_application.a.id\nrole_ids = [" + graph + "]\n}", credential + ":14"},
		{"an identity", identity + "resource \"azurerm_role_assignment\" \"r\" {\nprincipal_id = azurerm_user_assigned_identity.u.principal_id\nrole_definition_name = \"User Access Administrator\"\n}", "azurerm_federated_identity_credential.c:11"},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			r, err := Read([]File{{Name: "main.tf", Text: []byte(test.text)}})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, privilegesOf(t, r)); diff != "" {
				t.Errorf("(-want +got):\n%s\n%s", diff, test.text)
			}
		})
	}
}

func TestRead_ReadsInlineKeySets(t *testing.T) {
	t.Parallel()
	for reason, test := range map[string]struct{ value, want string }{
		"a literal":        {`"{}"`, "{}"},
		"an object":        {`jsonencode({ keys = [] })`, `{"keys":[]}`},
		"a file":           {`file("jwks.json")`, ""},
		"a key in a value": {`jsonencode({ keys = [{ n = var.n }] })`, ""},
	} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			text := googlePool + "resource \"google_iam_workload_identity_pool_provider\" \"x\" {\n oidc {\n  issuer_uri = \"https://gitlab.com\"\n  jwks_json = " + test.value + "\n }\n}"
			r, err := Read([]File{{Name: "main.tf", Text: []byte(text)}})
			if err != nil {
				t.Fatal(err)
			}
			if got := r.Google.Providers[0].OIDC.JWKS; got != test.want {
				t.Errorf("the key set is %q, want %q", got, test.want)
			}
		})
	}
}
