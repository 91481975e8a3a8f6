package aws

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/trust/placeholder"
)

const templateText = `AWSTemplateFormatVersion: "2010-09-09"
Parameters:
  Org: {Type: String, Default: acme}
  Repository: {Type: String}
  Subjects: {Type: CommaDelimitedList, Default: "repo:a/b, repo:c/d"}
  OIDCProviderArn: {Type: String}
  ClusterOIDCProvider: {Type: String}
Mappings:
  Branches: {prod: {name: main}}
Conditions:
  IsProd: !Equals [!Ref Org, acme]
Resources:
  Provider:
    Type: AWS::IAM::OIDCProvider
    Properties:
      Url: https://token.actions.githubusercontent.com
      ClientIdList: [sts.amazonaws.com]
  Deploy:
    Type: AWS::IAM::Role
    Properties:
      MaxSessionDuration: 7200
      AssumeRolePolicyDocument:
        Version: 2012-10-17
        Statement:
          - Effect: Allow
            Principal:
              Federated: PRINCIPAL
            Action: sts:AssumeRoleWithWebIdentity
            Condition:
              StringEquals:
                token.actions.githubusercontent.com:sub: SUBJECT
`

// describe writes the trusts of a document, with expressions for placeholders.
func describe(d Document) []string {
	var lines []string
	for _, t := range d.Trusts {
		parts := []string{fmt.Sprintf("%d %s %s", t.At.Line, t.Name, t.Issuer)}
		for _, c := range t.Comparisons {
			parts = append(parts, fmt.Sprintf("%s %s %v", strings.Join(c.Claim, "."), c.Operator, c.Values))
		}
		lines = append(lines, placeholder.Explain(strings.Join(parts, " "), d.Unknown))
	}
	return lines
}

func TestParseYAML_ReadsShortForms(t *testing.T) {
	const provider = "!Ref Provider"
	for _, c := range []struct{ reason, principal, subject, want string }{
		{"Ref", provider, "!Ref Org", "[acme]"},
		{"Sub", provider, `!Sub "repo:${Org}/app:ref:refs/heads/main"`, "[repo:acme/app:ref:refs/heads/main]"},
		{"Sub with variables", provider, `!Sub ["repo:${Org}/${Name}", {Name: web}]`, "[repo:acme/web]"},
		{"Join", provider, `!Join [":", [repo, !Ref Org]]`, "[repo:acme]"},
		{"GetAtt of a text", "!GetAtt Provider.Arn", "x", "[x]"},
		{"GetAtt of a list", "!GetAtt [Provider, Arn]", "x", "[x]"},
		{"a long form in a short form", provider, `!Join ["", [{"Fn::Sub": "${Org}"}, "/x"]]`, "[acme/x]"},
		{"a parameter without default", provider, `!Sub "repo:${Org}/${Repository}"`, "[repo:acme/${Repository}]"},
		{"a parameter that is a list", provider, "!Ref Subjects", "[repo:a/b repo:c/d]"},
		{"FindInMap", provider, `!FindInMap [Branches, prod, name]`, "[main]"},
		{"FindInMap of an unknown key", provider, `!FindInMap [Branches, !Ref Repository, name]`, `[${{"Fn::FindInMap":["Branches",{"Ref":"Repository"},"name"]}}]`},
		{"If with equal branches", provider, "!If [IsProd, x, x]", "[x]"},
		{"If with one branch", provider, `!If [IsProd, x, !Ref "AWS::NoValue"]`, "[x]"},
		{"If with two branches", provider, "!If [IsProd, x, y]", `[${{"Fn::If":["IsProd","x","y"]}}]`},
		{"ImportValue", provider, "!ImportValue shared-subject", "[${Fn::ImportValue shared-subject}]"},
		{"Select", provider, "!Select [0, [x, y]]", `[${{"Fn::Select":[0,["x","y"]]}}]`},
		{"a provider that is a parameter", "!Ref Repository", "x", "[x]"},
		{"a provider of another stack", "!ImportValue github-provider", "x", "[x]"},
	} {
		t.Run(c.reason, func(t *testing.T) {
			text := strings.NewReplacer("PRINCIPAL", c.principal, "SUBJECT", c.subject).Replace(templateText)
			d, err := ParseYAML("t.yaml", []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			want := []string{"25 Deploy https://token.actions.githubusercontent.com sub equal " + c.want}
			if diff := cmp.Diff(want, describe(d)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if len(d.Providers) != 1 || d.Providers[0].URL != "https://"+github || d.Providers[0].At.Line != 16 {
				t.Errorf("providers %+v", d.Providers)
			}
			if len(d.Findings) != 1 || d.Findings[0].Rule != "A10" || d.Findings[0].Line != 21 {
				t.Errorf("findings %+v, want A10 in line 21", d.Findings)
			}
		})
	}
}

func TestParseYAML_ReadsAPolicyThatIsAText(t *testing.T) {
	text := `Resources:
  Deploy:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: !Sub |
        {"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
          "Principal": {"Federated": "arn:aws:iam::${AWS::AccountId}:oidc-provider/${ClusterOIDCProvider}"},
          "Condition": {"StringEquals": {"${ClusterOIDCProvider}:sub": "system:serviceaccount:a:b"}}}]}
`
	d, err := ParseYAML("t.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"5 Deploy ${ClusterOIDCProvider} sub equal [system:serviceaccount:a:b]"}
	if diff := cmp.Diff(want, describe(d)); diff != "" || len(d.Findings) > 0 {
		t.Errorf("%v (-want +got):\n%s", d.Findings, diff)
	}
}

func TestParseYAML_ReportsUnknownValues(t *testing.T) {
	const role = "Resources:\n  Deploy:\n    Type: AWS::IAM::Role\n    Properties:\n      AssumeRolePolicyDocument: "
	for _, c := range []struct{ reason, text, rule, err string }{
		{"a policy that is a parameter", role + "!Ref Policy\n", "U02", ""},
		{"a policy of another stack", role + "!ImportValue policy\n", "U02", ""},
		{"no YAML", "Resources: [\n", "", "t.yaml:"},
		{"a policy with a mistake", role + "{Statement: []}\n", "", "t.yaml:5: Deploy: Statement: missing"},
		{"a reference in a circle", "Resources:\n  P:\n    Type: AWS::IAM::OIDCProvider\n    Properties: {Url: !GetAtt P.Arn}\n", "", "circle"},
	} {
		t.Run(c.reason, func(t *testing.T) {
			d, err := ParseYAML("t.yaml", []byte(c.text))
			if c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) || c.err == "" && err != nil {
				t.Errorf("error %v, want %q", err, c.err)
			}
			if c.rule != "" && (len(d.Findings) != 1 || d.Findings[0].Rule != c.rule || d.Findings[0].Line != 5) {
				t.Errorf("findings %+v, want %s in line 5", d.Findings, c.rule)
			}
		})
	}
}

func TestParseYAML_BoundsWork(t *testing.T) {
	var b strings.Builder
	b.WriteString("Resources:\n")
	for i := range 60 {
		fmt.Fprintf(&b, "  P%d:\n    Type: AWS::IAM::OIDCProvider\n    Properties: {Url: !If [c, !GetAtt P%d.Arn, !GetAtt P%d.Arn]}\n", i, i+1, i+1)
	}
	if _, err := ParseYAML("t.yaml", []byte(b.String())); err == nil {
		t.Error("branches that double are resolved without bound")
	}
}

func TestParseYAML_RefusesOtherFiles(t *testing.T) {
	for _, text := range []string{"a: 1\n", "Resources: x\n", "kind: Pod\n", ""} {
		if _, err := ParseYAML("t.yaml", []byte(text)); !errors.Is(err, ErrNoTrust) {
			t.Errorf("%q: error %v, want ErrNoTrust", text, err)
		}
	}
}

// FuzzParseYAML looks for templates that make the reader panic, or write what is no JSON.
func FuzzParseYAML(f *testing.F) {
	f.Add(strings.NewReplacer("PRINCIPAL", "!Ref Provider", "SUBJECT", "!Sub ['${a}', {a: !Ref b}]").Replace(templateText))
	f.Add("Resources:\n  R:\n    Type: AWS::IAM::Role\n    Properties: {AssumeRolePolicyDocument: !If [a, !Ref b, {c: !Join [x, [1, .inf, 0x1f, 012, ~]]}]}\n")
	f.Add("Resources: !Ref x\n---\nResources: &a {b: *a}\n")
	f.Fuzz(func(t *testing.T, text string) {
		_, err := ParseYAML("t.yaml", []byte(text))
		if err != nil && strings.Contains(err.Error(), "no JSON") && !strings.Contains(text, "AssumeRolePolicyDocument") {
			t.Errorf("the JSON of a template is none: %v", err)
		}
	})
}
