package lint

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// poolOf is a provider of Google Cloud in JSON.
func poolOf(project, pool, issuer, condition string) string {
	return fmt.Sprintf(`{"name":"projects/%s/locations/global/workloadIdentityPools/%s/providers/x",
 "attributeMapping":{"google.subject":"assertion.sub"},"attributeCondition":%q,"oidc":{"issuerUri":%q}}`, project, pool, condition, issuer)
}

func TestLint_FindsIssuersThatAreFederatedTwice(t *testing.T) {
	t.Parallel()
	const (
		cluster = "https://oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE"
		hub     = "https://token.actions.githubusercontent.com"
		subject = "assertion.sub == 'system:serviceaccount:a:b'"
		pinned  = "assertion.repository_owner_id == '1' && assertion.repository_id == '2' && assertion.ref == 'refs/heads/main'"
	)
	provider := func(name, url string) string {
		return "resource \"aws_iam_openid_connect_provider\" \"" + name + "\" {\n url = " + url + "\n client_id_list = [\"sts.amazonaws.com\"]\n}\n"
	}
	json := func(texts ...string) []File {
		var files []File
		for i, text := range texts {
			files = append(files, File{Name: fmt.Sprintf("%d.json", i), Text: []byte(text)})
		}
		return files
	}
	hcl := func(names string, texts ...string) []File {
		var files []File
		for i, text := range texts {
			files = append(files, File{Name: strings.Fields(names)[i], Text: []byte(text)})
		}
		return files
	}
	template := func(issuer string) []File {
		provider := ":\n    Type: AWS::IAM::OIDCProvider\n    Properties: {Url: '" + issuer + "', ClientIdList: [sts.amazonaws.com]}\n"
		return []File{{Name: "t.yaml", Text: []byte("Resources:\n  A" + provider + "  B" + provider)}}
	}
	const onePool = `resource "google_iam_workload_identity_pool_provider" "NAME" {
  workload_identity_pool_id          = "NAME"
  workload_identity_pool_provider_id = "x"
  attribute_mapping                  = { "google.subject" = "assertion.sub" }
  attribute_condition                = "assertion.sub == 'system:serviceaccount:a:b'"
  oidc {
    issuer_uri = aws_eks_cluster.c.identity[0].oidc[0].issuer
  }
}
`
	tests := []struct {
		reason string
		files  []File
		want   []string
	}{
		{"a cluster in two pools of a project", json(poolOf("1", "a", cluster, subject), poolOf("1", "b", cluster, subject)), []string{"W12 medium 1.json:1"}},
		{"a cluster in pools of two projects", json(poolOf("1", "a", cluster, subject), poolOf("2", "b", cluster, subject)), []string{"W12 medium 1.json:1"}},
		{"one provider in two files", json(poolOf("1", "a", cluster, subject), poolOf("1", "a", cluster, subject)), nil},
		{"one provider with a number and with an ID", json(poolOf("1", "a", cluster, subject), poolOf("acme", "a", cluster, subject)), nil},
		{"two clusters", json(poolOf("1", "a", cluster, subject), poolOf("1", "b", cluster+"2", subject)), nil},
		{"a cluster with two conditions", json(poolOf("1", "a", cluster, subject), poolOf("1", "b", cluster, strings.Replace(subject, "a:b", "a:c", 1))), nil},
		{"a cluster with a condition and a narrower one", json(poolOf("1", "a", cluster, "assertion['kubernetes.io']['namespace'] == 'a'"), poolOf("1", "b", cluster, subject)), []string{"W12 medium 1.json:1"}},
		{"a cluster without and with a condition", json(poolOf("1", "a", cluster, "true"), poolOf("1", "b", cluster, subject)), []string{"W12 medium 1.json:1"}},
		{"GitHub with one condition", json(poolOf("1", "a", hub, pinned), poolOf("1", "b", hub, pinned)), []string{"W12 medium 1.json:1"}},
		{"GitHub with two conditions", json(poolOf("1", "a", hub, pinned), poolOf("1", "b", hub, strings.Replace(pinned, "'2'", "'3'", 1))), nil},
		{"GitHub in two projects", json(poolOf("1", "a", hub, pinned), poolOf("2", "b", hub, pinned)), nil},
		{"GitHub in AWS and in Google Cloud", append(json(poolOf("1", "a", hub, pinned)), hcl("m/x.tf", provider("a", `"`+hub+`"`))...), nil},
		{"three pools", json(poolOf("1", "a", cluster, subject), poolOf("1", "b", cluster, subject), poolOf("1", "c", cluster, subject)), []string{"W12 medium 1.json:1", "W12 medium 2.json:1"}},
		{"two OIDC providers of a directory", hcl("m/a.tf m/b.tf", provider("a", `"`+cluster+`"`), provider("b", `"`+cluster+`"`)), []string{"W12 medium b.tf:1"}},
		{"OIDC providers of two directories", hcl("m/a.tf n/b.tf", provider("a", `"`+cluster+`"`), provider("b", `"`+cluster+`"`)), nil},
		{"OIDC providers of two accounts", hcl("m/a.tf m/b.tf", provider("a", `"`+cluster+`"`), strings.Replace(provider("b", `"`+cluster+`"`), "url", "provider = aws.other\n url", 1)), nil},
		{"OIDC providers of which one is there", hcl("m/a.tf m/b.tf", provider("a", `"`+cluster+`"`), strings.Replace(provider("b", `"`+cluster+`"`), "url", "count = var.x ? 1 : 0\n url", 1)), nil},
		{"the issuer of one cluster", hcl("m/a.tf m/b.tf", provider("a", "aws_eks_cluster.c.identity[0].oidc[0].issuer"), provider("b", "aws_eks_cluster.c.identity[0].oidc[0].issuer")), []string{"W12 medium b.tf:1"}},
		{"issuers of two variables", hcl("m/a.tf m/b.tf", provider("a", "var.issuer_a"), provider("b", "var.issuer_b")), nil},
		{"a template with two OIDC providers", template(cluster), []string{"W12 medium t.yaml:7"}},
		{"a directory with two pools", hcl("m/a.tf", strings.ReplaceAll(onePool, "NAME", "a")+strings.ReplaceAll(onePool, "NAME", "b")), []string{"W12 medium a.tf:10"}},
		{"two OIDC providers of a plan", planned("aws", "aws"), []string{"W12 medium plan.json:2"}},
		{"OIDC providers of two accounts of a plan", planned("aws", "aws.other"), nil},
		{"OIDC providers of a state", planned("", ""), nil},
		{"an OIDC provider in the plan, too", append(hcl("m/a.tf", provider("a", `"`+cluster+`"`)), planned("aws", "aws.other")...), nil},
		{"a pool in the plan, too", append(hcl("m/a.tf", strings.ReplaceAll(onePool, "NAME", "a")), File{Name: "m/plan.json", Text: []byte(poolPlan)}), nil},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			report := lintAll(t, test.files, Options{Rules: []string{"W12"}})
			if diff := cmp.Diff(test.want, summaries(report.Findings)); diff != "" || len(report.Problems) > 0 {
				t.Errorf("problems %v (-want +got):\n%s\n%+v", report.Problems, diff, report.Findings)
			}
		})
	}
}

// planned returns a plan with an OIDC provider in the module at the top and one in another,
// by the configurations that they use.
func planned(first, second string) []File {
	const resource = `{"address":"%saws_iam_openid_connect_provider.a","mode":"managed","type":"aws_iam_openid_connect_provider","name":"a",` +
		`"values":{"url":"https://oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE","client_id_list":["sts.amazonaws.com"]}}`
	text := `{"format_version":"1.2","terraform_version":"1.9","planned_values":{"root_module":{"resources":[` + fmt.Sprintf(resource, "") +
		"],\n" + `"child_modules":[{"address":"module.m[\"x.y\"]","resources":[` + fmt.Sprintf(resource, `module.m[\"x.y\"].`) + `]}]}}`
	if first != "" {
		text += fmt.Sprintf(`,"configuration":{"root_module":{"resources":[
  {"address":"aws_iam_openid_connect_provider.a","mode":"managed","provider_config_key":%q}],
 "module_calls":{"m":{"module":{"resources":[
  {"address":"aws_iam_openid_connect_provider.a","mode":"managed","provider_config_key":%q}]}}}}}`, first, second)
	}
	return []File{{Name: "m/plan.json", Text: []byte(text + "}")}}
}

// poolPlan is a plan with a provider that a directory has, too.
const poolPlan = `{"format_version":"1.2","terraform_version":"1.9","planned_values":{"root_module":{"resources":[
 {"address":"google_iam_workload_identity_pool_provider.a","mode":"managed","type":"google_iam_workload_identity_pool_provider","name":"a",
  "values":{"project":"acme","workload_identity_pool_id":"a","workload_identity_pool_provider_id":"x","attribute_mapping":{"google.subject":"assertion.sub"},
   "attribute_condition":"assertion.sub == 'system:serviceaccount:a:b'","oidc":[{"issuer_uri":"https://oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE"}]}}]}}}`
