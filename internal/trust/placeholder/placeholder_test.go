package placeholder

import (
	"strings"
	"testing"
)

func TestSet_HasPlaceholdersOfTheFormOfTheirExpressions(t *testing.T) {
	t.Parallel()
	tests := []struct{ reason, expression, prefix string }{
		{"a name", "var.namespace", "tf-unknown-"},
		{"an account", "var.account_id", "9"},
		{"an issuer of EKS", "aws_eks_cluster.main.identity[0].oidc[0].issuer", "https://oidc.eks."},
		{"the issuer of a module", "module.eks.cluster_oidc_issuer_url", "https://oidc.eks."},
		{"the ARN of its provider", "module.eks.oidc_provider_arn", "arn:aws:iam::000000000000:oidc-provider/oidc.eks."},
		{"the host of its provider", "module.eks.oidc_provider", "oidc.eks."},
		{"an issuer of AKS", "azurerm_kubernetes_cluster.k.oidc_issuer_url", "https://unknown.oic.prod-aks.azure.com/"},
		{"an issuer elsewhere", "var.issuer", "https://"},
		{"the host of a provider in CloudFormation", "GithubOIDCProvider", "e3b0c44298fc.unknown.invalid"},
		{"the ARN of a provider in CloudFormation", "GithubOidcProviderArn", "arn:aws:iam::000000000000:oidc-provider/"},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			set := New()
			got := set.Of(test.expression)
			if !strings.HasPrefix(got, test.prefix) {
				t.Errorf("Of(%s) = %s, want a text that begins with %s", test.expression, got, test.prefix)
			}
			if want := "${" + test.expression + "}"; !strings.Contains(Explain("a "+got+" b", set.Expressions), want) {
				t.Errorf("Explain(%s) = %s, want %s in it", got, Explain(got, set.Expressions), want)
			}
		})
	}
}
