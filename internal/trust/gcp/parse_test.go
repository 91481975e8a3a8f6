package gcp

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// article is the provider and the binding of a published article, as gcloud prints them.
const article = `[
  {
    "name": "projects/123456789012/locations/global/workloadIdentityPools/ci/providers/eks",
    "state": "ACTIVE",
    "attributeMapping": {
      "google.subject": "assertion.sub"
    },
    "oidc": {
      "issuerUri": "https://oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE"
    }
  },
  {
    "resource": "//iam.googleapis.com/projects/acme-prod/serviceAccounts/bq@acme-prod.iam.gserviceaccount.com",
    "policy": {
      "bindings": [
        {
          "role": "roles/iam.workloadIdentityUser",
          "members": [
            "user:alice@acme.example",
            "principal://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/ci/subject/system:serviceaccount:data-ingest:bq-writer"
          ]
        }
      ]
    }
  }
]`

func TestParse_Article(t *testing.T) {
	trusts, found, err := Parse("article.json", []byte(article))
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 0 || len(trusts) != 2 {
		t.Fatalf("got %d trusts and %v, want 2 and no findings", len(trusts), found)
	}
	name := "//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/ci/providers/eks"
	subjects := []string{"system:serviceaccount:data-ingest:bq-writer"}
	provider, binding := trusts[0], trusts[1]
	if diff := cmp.Diff([]string{name, "https:" + name}, provider.Audiences); diff != "" {
		t.Errorf("audiences (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([][]string{subjects, subjects}, [][]string{provider.Subjects, binding.Subjects}); diff != "" {
		t.Errorf("subjects (-want +got):\n%s", diff)
	}
	if want := (trust.Position{File: "article.json", Line: 2}); provider.At != want || provider.Issuer != eks {
		t.Errorf("the provider is at %v of %q, want %v of %q", provider.At, provider.Issuer, want, eks)
	}
	if want := (trust.Position{File: "article.json", Line: 20}); binding.At != want {
		t.Errorf("the binding is at %v, want %v", binding.At, want)
	}
	token := eksToken().With("aud", []any{"https:" + name})
	other := token.With("sub", "system:serviceaccount:data-ingest:other")
	if !binding.Accepts(token).Accepted || binding.Accepts(other).Accepted || !provider.Accepts(other).Accepted {
		t.Error("want the binding to accept its subject alone, and the provider to accept each")
	}
	if binding.Accepts(token.With("aud", []any{"sts.amazonaws.com"})).Accepted {
		t.Error("want the token for AWS to be refused")
	}
}

func TestParse_PositionsOfFindings(t *testing.T) {
	text := `{
  "name": "projects/1/locations/global/workloadIdentityPools/p/providers/x",
  "attributeCondition":
    "assertion.sub == 'a' &&\n assertio.ref == 'b'",
  "attributeMapping": {
    "google.subject": "'all'"
  },
  "oidc": {
    "issuerUri": "https://issuer.example",
    "allowedAudiences": ["sts.amazonaws.com"]
  }
}`
	_, found, err := Parse("p.json", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	lines := map[string]int{}
	for _, f := range found {
		lines[f.Rule] = f.Line
	}
	if diff := cmp.Diff(map[string]int{"G00": 4, "G03": 6, "G08": 10}, lines); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	if message := found[0].Message; !strings.Contains(message, "2:2: undeclared reference to 'assertio'") {
		t.Errorf("got %q, want the compiler's message with line and column", message)
	}
}

func TestParse_Forms(t *testing.T) {
	const provider = `{"name":"projects/1/locations/global/workloadIdentityPools/p/providers/x","attributeMapping":{"google.subject":"assertion.sub"},"oidc":{"issuerUri":"https://i.example"}}`
	const policy = `{"bindings":[{"role":"r","members":["principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/subject/s"]}],"etag":"x"}`
	cases := []struct {
		reason, text string
		want         int
	}{
		{"a provider", provider, 1},
		{"a list", "[" + provider + "," + provider + "]", 2},
		{"a response of the list method", `{"workloadIdentityPoolProviders":[` + provider + `]}`, 1},
		{"values that follow each other", provider + "\n" + policy, 2},
		{"a soft-deleted provider", strings.Replace(provider, `"name"`, `"state":"DELETED","name"`, 1), 1},
		{"aws", `{"name":"projects/1/locations/global/workloadIdentityPools/p/providers/x","aws":{"accountId":"1"}}`, 1},
		{"saml", `{"attributeMapping":{"google.subject":"assertion.subject"},"saml":{"idpMetadataXml":"x"}}`, 1},
		{"a policy alone", policy, 0},
		{"another object", `{"Version":"2012-10-17","Statement":[]}`, 0},
		{"another object with bindings", `{"bindings":{"a":1},"policy":"x"}`, 0},
		{"a number", `1`, 0},
		{"nothing", ``, 0},
	}
	for _, c := range cases {
		t.Run(c.reason, func(t *testing.T) {
			trusts, _, err := Parse("f.json", []byte(c.text))
			if err != nil || len(trusts) != c.want {
				t.Errorf("got %d trusts and %v, want %d", len(trusts), err, c.want)
			}
		})
	}
}

func TestParse_Configuration(t *testing.T) {
	_, found, err := Parse("c.json", []byte(`{
  "type": "external_account",
  "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x",
  "token_url": "https://evil.example/token",
  "credential_source": {
    "executable": {"command": "/bin/sh -c id"}
  }
}`))
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 2 || found[0].Rule != "C01" || found[0].Line != 4 || found[1].Rule != "C02" || found[1].Line != 6 {
		t.Errorf("got %v, want C01 at line 4 and C02 at line 6", found)
	}
}

func TestParse_Errors(t *testing.T) {
	cases := []struct{ reason, text, want string }{
		{"no JSON", "{\n\"a\": x}", "gcp: read f.json:2: invalid character 'x' looking for beginning of value: make it JSON"},
		{"a cut file", "{\n\"a\": [1", "gcp: read f.json:2: unexpected EOF: make it JSON"},
		{"deep nesting", strings.Repeat("[", 200), "gcp: read f.json:1: nested too deep, reduce it to 100 levels: make it JSON"},
		{"a mapping that is no object", "{\n\"attributeMapping\": 1}", "gcp: read f.json:2: attributeMapping: make it an object"},
		{"a condition that is no text", "{\n\n\"attributeCondition\": true}", "gcp: read f.json:3: attributeCondition: make it a text"},
		{"a mapping value that is no text", `{"attributeMapping": {"google.subject": []}}`, "gcp: read f.json:1: attributeMapping.google.subject: make it a text"},
		{"members that are no texts", `{"bindings": [{"role": "r", "members": [1]}]}`, "gcp: read f.json:1: bindings[0].members[0]: make it a text"},
		{"a flag that is a text", `{"attributeMapping": {}, "disabled": "no"}`, "gcp: read f.json:1: disabled: make it true or false"},
	}
	for _, c := range cases {
		t.Run(c.reason, func(t *testing.T) {
			if _, _, err := Parse("f.json", []byte(c.text)); err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}
