package lint

import (
	"fmt"
	"testing"
)

// manyFiles returns files with 10,000 trusts: roles in JSON and in Terraform, providers of
// Google Cloud with a member each, and credentials of Entra.
func manyFiles() []File {
	const each = 2000
	var files []File
	add := func(format string, i int, text string, args ...any) {
		files = append(files, File{Name: fmt.Sprintf(format, i), Text: fmt.Appendf(nil, text, args...)})
	}
	for i := range each {
		add("aws/role-%d.json", i, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
 "Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"},
 "Action":"sts:AssumeRoleWithWebIdentity",
 "Condition":{"StringEquals":{"token.actions.githubusercontent.com:sub":"repo:acme@1/app@%d:environment:prod",
  "token.actions.githubusercontent.com:aud":"sts.amazonaws.com"}}}]}`, i)
		add("tf/%d/main.tf", i, `locals {
  issuer = "token.actions.githubusercontent.com"
}
data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]
    principals {
      type        = "Federated"
      identifiers = ["arn:aws:iam::111122223333:oidc-provider/${local.issuer}"]
    }
    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:sub"
      values   = ["repo:acme@1/app@%d:ref:refs/heads/main"]
    }
    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:aud"
      values   = ["sts.amazonaws.com"]
    }
  }
}
resource "aws_iam_role" "deploy" {
  assume_role_policy = data.aws_iam_policy_document.trust.json
}
`, i)
		add("gcp/provider-%d.json", i, `{"name":"projects/123456789012/locations/global/workloadIdentityPools/pool-%d/providers/gh",
 "attributeMapping":{"google.subject":"assertion.sub","attribute.repository_id":"assertion.repository_id"},
 "attributeCondition":"assertion.repository_owner_id == '1' && assertion.ref == 'refs/heads/main'",
 "oidc":{"issuerUri":"https://token.actions.githubusercontent.com"}}`, i)
		add("gcp/policy-%d.json", i, `{"bindings":[{"role":"roles/iam.workloadIdentityUser",
 "members":["principalSet://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/pool-%d/attribute.repository_id/22"]}]}`, i)
		add("entra/credential-%d.json", i, `{"name":"c-%d","issuer":"https://oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE",
 "subject":"system:serviceaccount:data:writer-%d","audiences":["api://AzureADTokenExchange"]}`, i, i)
	}
	return files
}

// BenchmarkLint lints 10,000 trusts on one core. The budget is 5 s.
func BenchmarkLint(b *testing.B) {
	files := manyFiles()
	for b.Loop() {
		report := lintAll(b, files, Options{Workers: 1})
		if report.Trusts != 10_000 || len(report.Problems) > 0 {
			b.Fatalf("%d trusts, problems %v", report.Trusts, report.Problems)
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/10000-trusts")
}
