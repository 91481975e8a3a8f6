package terraform

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/trust"
	"github.com/rollcall-iam/rollcall/internal/trust/placeholder"
)

// describeAll writes what a result says, one line each, with expressions for placeholders.
func describeAll(r Result) []string {
	var lines []string
	add := func(format string, args ...any) {
		lines = append(lines, placeholder.Explain(fmt.Sprintf(format, args...), r.Unknown))
	}
	for _, t := range r.Trusts {
		add("%d %s %s%s", t.At.Line, t.Name, t.Issuer, comparisons(t))
	}
	for _, p := range r.Providers {
		add("%d provider %s %v", p.At.Line, p.URL, p.ClientIDs)
	}
	for _, p := range r.Google.Providers {
		text := p.Undecided
		if p.OIDC != nil {
			text = p.OIDC.IssuerURI + " " + text
		}
		add("%d %s %v if %q: %s", p.At.Line, p.Name, p.AttributeMapping, p.AttributeCondition, strings.TrimSpace(text))
	}
	for _, p := range r.Google.Policies {
		for _, b := range p.Bindings {
			add("%d %s %s %v", b.At.Line, p.Resource, b.Role, b.Members)
		}
	}
	for _, f := range r.Findings {
		add("%d %s %s", f.Line, f.Trust, f.Rule)
	}
	for _, m := range r.Manifests {
		for _, f := range m.Findings {
			add("%d %s %s", f.Line, f.Trust, f.Rule)
		}
	}
	return lines
}

func comparisons(t trust.Trust) string {
	var b strings.Builder
	for _, c := range t.Comparisons {
		fmt.Fprintf(&b, " %s %s %v", strings.Join(c.Claim, "."), c.Operator, c.Values)
	}
	return b.String()
}

// roleWith is a role that trusts GitHub, with an expression as the subject.
func roleWith(subject string) string {
	return `resource "aws_iam_role" "r" {
  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [{
    Effect = "Allow", Action = "sts:AssumeRoleWithWebIdentity"
    Principal = { Federated = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com" }
    Condition = { StringEquals = { "token.actions.githubusercontent.com:sub" = ` + subject + ` } } }] })
}
`
}

func TestRead_EvaluatesExpressions(t *testing.T) {
	t.Parallel()
	tests := []struct{ reason, subject, rest, want string }{
		{"a literal", `"repo:a/b"`, ``, "[repo:a/b]"},
		{"a list", `["x", "y"]`, ``, "[x y]"},
		{"a variable with default", `"repo:${var.org}/b"`, "variable \"org\" {\n default = \"acme\"\n}", "[repo:acme/b]"},
		{"a variable without default", `"repo:${var.org}/b"`, `variable "org" {}`, "[repo:${var.org}/b]"},
		{"a variable that is declared elsewhere", `"repo:${var.org}/b"`, ``, "[repo:${var.org}/b]"},
		{"a local that refers to a local", `local.a`, "locals {\n a = \"x-${local.b}\"\n b = \"y\"\n}", "[x-y]"},
		{"locals in a circle", `local.a`, "locals {\n a = local.b\n b = local.a\n}", "[${local.a}]"},
		{"format", `format("repo:%s/%s:%d%%", "a", "b", 3)`, ``, "[repo:a/b:3%]"},
		{"join", `join(":", ["repo", "a/b", "ref"])`, ``, "[repo:a/b:ref]"},
		{"replace and lower", `lower(replace("REPO_A", "_", ":"))`, ``, "[repo:a]"},
		{"trimprefix", `trimprefix("https://x", "https://")`, ``, "[x]"},
		{"concat", `concat(["a"], ["b", "c"])`, ``, "[a b c]"},
		{"a for expression", `[for r in ["a", "b"] : "repo:acme/${r}" if r != "b"]`, ``, "[repo:acme/a]"},
		{"a for expression over a map", `[for k, v in { a = "x" } : "${k}:${v}"]`, ``, "[a:x]"},
		{"formatlist", `formatlist("repo:%s/%s", "acme", ["a", "b"])`, ``, "[repo:acme/a repo:acme/b]"},
		{"a condition that is known", `var.prod ? "x" : "y"`, "variable \"prod\" {\n default = false\n}", "[y]"},
		{"a condition that is not known", `var.prod ? "x" : "y"`, ``, `[${var.prod ? "x" : "y"}]`},
		{"an object's field", `local.o.sub`, "locals {\n o = { sub = \"s\" }\n}", "[s]"},
		{"an index", `local.l[1]`, "locals {\n l = [\"a\", \"b\"]\n}", "[b]"},
		{"lookup", `lookup({ a = "x" }, "a", "y")`, ``, "[x]"},
		{"merge", `merge({ a = "x" }, { a = "z" }).a`, ``, "[z]"},
		{"try", `try(local.none, "x")`, ``, "[x]"},
		{"coalesce", `coalesce(null, "x")`, ``, "[x]"},
		{"a function that is not modelled", `sha256("x")`, ``, `[${sha256("x")}]`},
		{"each of for_each", `"repo:a/${each.key}"`, ``, "[repo:a/${each.key}]"},
		{"an attribute that the cloud computes", `aws_thing.x.id`, `resource "aws_thing" "x" {}`, "[${aws_thing.x.id}]"},
		{"an attribute of a resource", `thing.x.name`, "resource \"thing\" \"x\" {\n name = \"n\"\n}", "[n]"},
		{"an attribute of a resource with count", `thing.x[0].name`, "resource \"thing\" \"x\" {\n count = 1\n name = \"n\"\n}", "[n]"},
		{"an attribute of a nested block", `thing.x.metadata[0].name`, "resource \"thing\" \"x\" {\n metadata {\n  name = \"n\"\n }\n}", "[n]"},
		{"a splat", `thing.x[*].name`, "resource \"thing\" \"x\" {\n name = \"n\"\n}", "[n]"},
		{"a data source", `data.thing.x.name`, "data \"thing\" \"x\" {\n name = \"n\"\n}", "[n]"},
		{"a text with a policy variable", `"$${aws:username}"`, ``, "[${aws:username}]"},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			r, err := Read([]File{{Name: "main.tf", Text: []byte(roleWith(test.subject) + test.rest)}})
			if err != nil {
				t.Fatal(err)
			}
			want := []string{"2 aws_iam_role.r https://token.actions.githubusercontent.com sub equal " + test.want}
			if diff := cmp.Diff(want, describeAll(r)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestRead_ReadsValuesOfVariables(t *testing.T) {
	t.Parallel()
	r, err := Read([]File{
		{Name: "main.tf", Text: []byte(roleWith(`"repo:${var.org}/b"`))},
		{Name: "terraform.tfvars", Text: []byte(`org = "acme"`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Trusts[0].Comparisons[0].Values[0]; got != "repo:acme/b" {
		t.Errorf("subject = %q, want repo:acme/b", got)
	}
}

const googlePool = `resource "google_iam_workload_identity_pool" "p" {
  workload_identity_pool_id = "pool"
}
`

func TestRead_ReadsResources(t *testing.T) {
	t.Parallel()
	tests := []struct {
		reason, text string
		want         []string
	}{
		{
			"a trust policy in a heredoc", `resource "aws_iam_role" "r" {
  assume_role_policy = <<EOT
{"Statement": {"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity", "Principal": {"Federated": "${aws_iam_openid_connect_provider.o.arn}"},
 "Condition": {"StringEquals": {"${aws_iam_openid_connect_provider.o.url}:sub": "x"}}}}
EOT
}
resource "aws_iam_openid_connect_provider" "o" {
  url            = "https://gitlab.com"
  client_id_list = ["https://gitlab.com"]
}`,
			[]string{"2 aws_iam_role.r https://gitlab.com sub equal [x]", "7 provider https://gitlab.com [https://gitlab.com]"},
		},
		{
			"a policy document with a source and a dynamic block", `data "aws_iam_policy_document" "base" {
  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]
    principals {
      type        = "Federated"
      identifiers = ["arn:aws:iam::111122223333:oidc-provider/gitlab.com"]
    }
    dynamic "condition" {
      for_each = ["a", "b"]
      content {
        test     = "StringLike"
        variable = "gitlab.com:sub"
        values   = ["project_path:${condition.value}/*"]
      }
    }
  }
}
data "aws_iam_policy_document" "all" {
  source_policy_documents = [data.aws_iam_policy_document.base.json]
}
resource "aws_iam_role" "r" {
  assume_role_policy = data.aws_iam_policy_document.all.json
}`,
			[]string{"22 aws_iam_role.r https://gitlab.com sub glob [project_path:a/* project_path:b/*]"},
		},
		{
			"a policy document that no role uses", `data "aws_iam_policy_document" "d" {
  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]
    principals {
      type        = "Federated"
      identifiers = ["arn:aws:iam::111122223333:oidc-provider/gitlab.com"]
    }
  }
}`, []string{"1 data.aws_iam_policy_document.d https://gitlab.com"},
		},
		{
			"a policy document of permissions", `data "aws_iam_policy_document" "d" {
  statement {
    actions   = ["s3:*"]
    resources = ["*"]
  }
}`, nil,
		},
		{
			"an issuer that only apply knows", `resource "aws_iam_role" "r" {
  assume_role_policy = jsonencode({ Statement = [{ Effect = "Allow", Action = "sts:AssumeRoleWithWebIdentity",
    Principal = { Federated = module.eks.oidc_provider_arn },
    Condition = { StringEquals = { "${module.eks.oidc_provider}:sub" = "system:serviceaccount:a:b" } } }] })
}`, []string{"2 aws_iam_role.r ${module.eks.oidc_provider} sub equal [system:serviceaccount:a:b]"},
		},
		{"a policy that is a variable", "resource \"aws_iam_role\" \"r\" {\n  assume_role_policy = var.p\n}", []string{"2 aws_iam_role.r U02"}},
		{
			"a provider of a pool", googlePool + `resource "google_iam_workload_identity_pool_provider" "x" {
  workload_identity_pool_id          = google_iam_workload_identity_pool.p.workload_identity_pool_id
  workload_identity_pool_provider_id = "gh"
  attribute_mapping                  = { "google.subject" = "assertion.sub" }
  attribute_condition                = "assertion.repository_owner == '${var.org}'"
  oidc {
    issuer_uri = "https://token.actions.githubusercontent.com"
  }
}`,
			[]string{`4 projects/PROJECT_NUMBER/locations/global/workloadIdentityPools/pool/providers/gh map[google.subject:assertion.sub] if "assertion.repository_owner == '${var.org}'": https://token.actions.githubusercontent.com`},
		},
		{
			"a provider with an unknown condition", googlePool + `resource "google_iam_workload_identity_pool_provider" "x" {
  workload_identity_pool_id          = google_iam_workload_identity_pool.p.workload_identity_pool_id
  workload_identity_pool_provider_id = "gh"
  attribute_mapping                  = { "google.subject" = "assertion.sub" }
  attribute_condition                = var.condition
}`,
			[]string{`4 projects/PROJECT_NUMBER/locations/global/workloadIdentityPools/pool/providers/gh map[google.subject:assertion.sub] if "${var.condition}": attribute_condition is not known from the files`},
		},
		{
			"members", googlePool + `resource "google_service_account" "s" {
  account_id = "sa"
}
resource "google_service_account_iam_binding" "b" {
  service_account_id = google_service_account.s.name
  role               = "roles/iam.workloadIdentityUser"
  members            = ["principal://iam.googleapis.com/${google_iam_workload_identity_pool.p.name}/subject/x"]
}
resource "google_project_iam_member" "m" {
  project = "p"
  role    = "roles/viewer"
  member  = "principalSet://iam.googleapis.com/${google_iam_workload_identity_pool.p.name}/*"
}`,
			[]string{
				"7 projects/PROJECT/serviceAccounts/sa@PROJECT.iam.gserviceaccount.com roles/iam.workloadIdentityUser [principal://iam.googleapis.com/projects/${PROJECT_NUMBER}/locations/global/workloadIdentityPools/pool/subject/x]",
				"12 projects/p roles/viewer [principalSet://iam.googleapis.com/projects/${PROJECT_NUMBER}/locations/global/workloadIdentityPools/pool/*]",
			},
		},
		{
			"a whole policy", `data "google_iam_policy" "d" {
  binding {
    role    = "roles/iam.workloadIdentityUser"
    members = ["principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/*"]
  }
}
resource "google_service_account_iam_policy" "s" {
  service_account_id = "projects/p/serviceAccounts/a@p.iam.gserviceaccount.com"
  policy_data        = data.google_iam_policy.d.policy_data
}`,
			[]string{"9 projects/p/serviceAccounts/a@p.iam.gserviceaccount.com roles/iam.workloadIdentityUser [principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/*]"},
		},
		{
			"credentials of Entra", `resource "azuread_application" "a" {
  sign_in_audience = "AzureADMultipleOrgs"
}
resource "azuread_application_federated_identity_credential" "c" {
  application_id = azuread_application.a.id
  audiences      = ["api://AzureADTokenExchange"]
  issuer         = "https://gitlab.com"
  subject        = "project_path:a/b:ref_type:branch:ref:main"
}
resource "azurerm_federated_identity_credential" "u" {
  audience = ["api://AzureADTokenExchange"]
  issuer   = azurerm_kubernetes_cluster.k.oidc_issuer_url
  subject  = var.subject
}`,
			[]string{
				"4 azuread_application_federated_identity_credential.c https://gitlab.com aud equal [api://AzureADTokenExchange] sub equal [project_path:a/b:ref_type:branch:ref:main]",
				"10 azurerm_federated_identity_credential.u  aud equal [api://AzureADTokenExchange]",
				"4 azuread_application_federated_identity_credential.c Z06",
			},
		},
		{"a key", `resource "aws_iam_access_key" "k" {}`, []string{"1 aws_iam_access_key.k P01"}},
		{"a key of a provider", "provider \"aws\" {\n  secret_key = var.secret\n}", []string{"2 provider aws W17"}},
		{
			"a manifest", `resource "kubernetes_manifest" "m" {
  manifest = { kind = "Pod", metadata = { name = "x", namespace = "y" }, spec = {
    containers = [{ name = "c" }]
    volumes = [{ name = "t", projected = { sources = [{ serviceAccountToken = { path = "t", audience = "x" } }] } }]
  } }
}`, []string{"2 Pod y/x K04"},
		},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			r, err := Read([]File{{Name: "main.tf", Text: []byte(test.text)}})
			if err != nil {
				t.Fatal(err)
			}
			got := describeAll(r)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestRead_NamesPlaceOfErrors(t *testing.T) {
	t.Parallel()
	tests := []struct{ reason, text, want string }{
		{"a block that does not end", "resource \"x\" \"y\" {\n  a = \"s3cret\"\n", "main.tf:1,18: Unclosed configuration block"},
		{"a value that is missing", "locals {\n  a =\n}\n", "main.tf:2,6: Invalid expression"},
		{"deep nesting", "locals {\n a = " + strings.Repeat("[", 500) + strings.Repeat("]", 500) + "\n}", "main.tf:2,"},
		{"many operators", "locals {\n a = " + strings.Repeat("!", 30_000) + "true\n}", "main.tf:2,"},
		{"a policy that is no JSON", "resource \"aws_iam_role\" \"r\" {\n  assume_role_policy = \"{\"\n}", "main.tf:2: aws_iam_role.r: "},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			_, err := Read([]File{{Name: "main.tf", Text: []byte(test.text)}})
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("err = %v, want %q and no content", err, test.want)
			}
		})
	}
}

func TestRead_ReadsTheRestBesideAnError(t *testing.T) {
	t.Parallel()
	r, err := Read([]File{{Name: "a.tf", Text: []byte("locals {")}, {Name: "b.tf", Text: []byte(roleWith(`"x"`))}})
	if err == nil || len(r.Trusts) != 1 {
		t.Errorf("%d trusts, err = %v; want one and an error", len(r.Trusts), err)
	}
}

func TestRead_BoundsEvaluation(t *testing.T) {
	t.Parallel()
	var doubling strings.Builder
	doubling.WriteString("locals {\n a0 = \"xxxxxxxxxxxxxxxx\"\n")
	for i := range 80 {
		fmt.Fprintf(&doubling, " a%d = \"${local.a%d}${local.a%d}\"\n", i+1, i, i)
		fmt.Fprintf(&doubling, " l%d = [local.l%d, local.l%d, for_x]\n", i+1, i, i)
	}
	doubling.WriteString("}\n")
	loops := "locals {\n l = [" + strings.Repeat("1,", 1000) + "]\n n = [for a in local.l : [for b in local.l : [for c in local.l : \"x\"]]]\n}\n"
	for reason, text := range map[string]string{"texts that double": doubling.String() + roleWith("local.a80"), "loops in loops": loops + roleWith("local.n")} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			if _, err := Read([]File{{Name: "main.tf", Text: []byte(text)}}); err != nil && len(err.Error()) > 10_000 {
				t.Error("the error is as large as the value")
			}
		})
	}
}

func TestIsFile(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"a/main.tf": true, "terraform.tfvars": true, "x.auto.tfvars": true, "prod.tfvars": false, "main.tf.json": true, "terraform.tfvars.json": true, "prod.tfvars.json": false, "plan.json": false, "tf": false,
	} {
		if got := IsFile(name); got != want {
			t.Errorf("IsFile(%s) = %v, want %v", name, got, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(roleWith(`[for r in var.x : "a${r}"]`)))
	f.Add([]byte(googlePool + "resource \"google_iam_workload_identity_pool_provider\" \"x\" {\n attribute_mapping = { a = 1 }\n oidc {\n }\n}"))
	f.Add([]byte("data \"aws_iam_policy_document\" \"d\" {\n dynamic \"statement\" {\n for_each = var.x\n content {\n }\n }\n}\nresource \"aws_iam_role\" \"r\" {\n assume_role_policy = data.aws_iam_policy_document.d.json\n}"))
	f.Add([]byte("locals {\n a = \"%{ for x in [1] }${x}%{ endfor }\"\n b = a.b[0][*].c ? !1 : -x\n}"))
	f.Add([]byte("resource \"kubernetes_config_map\" \"c\" {\n metadata {\n name = local.x\n }\n data = { \"a\" = jsonencode({type = \"external_account\"}) }\n}"))
	f.Fuzz(func(_ *testing.T, text []byte) {
		if r, err := Read([]File{{Name: "main.tf", Text: text}}); err == nil {
			for _, t := range r.Trusts {
				t.Accepts(trust.Token{"iss": t.Issuer, "sub": "x", "aud": "y"})
			}
			r.Google.Trusts()
		}
	})
}
