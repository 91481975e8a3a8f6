package lint

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// testTime is the time of all tests.
func testTime() time.Time { return time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC) }

// lintAll lints files, and fails if it cannot.
func lintAll(t testing.TB, files []File, o Options) Report {
	t.Helper()
	o.Now = testTime()
	report, err := Lint(t.Context(), files, o)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// lintPath lints what is at a path.
func lintPath(t *testing.T, path string) Report {
	t.Helper()
	files, problems, _ := Files(t.Context(), []string{path}, nil)
	if len(problems) > 0 {
		t.Fatalf("problems: %+v", problems)
	}
	return lintAll(t, files, Options{})
}

// summaries writes findings as "RULE severity file:line", with * for those with a token.
func summaries(findings []trust.Finding) []string {
	var lines []string
	for _, f := range findings {
		text := fmt.Sprintf("%s %s %s:%d", f.Rule, f.Severity, filepath.Base(f.File), f.Line)
		if f.AcceptedToken != nil {
			text += " *"
		}
		lines = append(lines, text)
	}
	slices.Sort(lines)
	return lines
}

func TestLint_FindsTheMistakesOfTheArticle(t *testing.T) {
	t.Parallel()
	const noCondition = "W02 medium main.tf:22 *"
	const audience = "K01 high pod.yaml:41"
	both, terraformOnly := []string{"main.tf", "pod.yaml"}, []string{"main.tf"}
	tests := []struct {
		reason  string
		files   []string
		changes []change
		want    []string
	}{
		{"the article as it is: the audience of AWS, and no attribute condition", both, nil, []string{audience, noCondition}},
		{
			"google.subject of assertion.aud", terraformOnly, []change{{"main.tf", `= "assertion.sub"`, `= "assertion.aud"`}},
			[]string{"G03 high main.tf:28"},
		},
		{
			"the tempting fix: the provider of Google Cloud accepts the audience of AWS", both,
			[]change{
				{"main.tf", "    issuer_uri = ", "    allowed_audiences = [\"sts.amazonaws.com\"]\n    issuer_uri = "},
				{"main.tf", "", awsRole},
			},
			[]string{"G08 medium main.tf:33", audience, noCondition, "W08 high main.tf:22 *"},
		},
		{
			"a second cluster in the pool", terraformOnly, []change{{"main.tf", "", secondProvider}},
			[]string{noCondition, "W02 medium main.tf:57 *", "W13 high main.tf:54 *"},
		},
		{
			"a configuration with another path than the token", both,
			[]change{{"pod.yaml", "", configMap("sts.googleapis.com", "/var/run/secrets/google/token")}},
			[]string{"C04 medium pod.yaml:12", audience, noCondition},
		},
		{
			"a configuration that sends tokens to another host", both,
			[]change{{"pod.yaml", "", configMap("sts.googleapis.com.attacker.example", "/var/run/secrets/tokens/oidc-token")}},
			[]string{"C01 high pod.yaml:54", audience, noCondition},
		},
		{
			"the project's ID instead of its number", terraformOnly,
			[]change{{"main.tf", "${google_iam_workload_identity_pool.aws_pool.name}", "projects/my-project/locations/global/workloadIdentityPools/aws-eks-pool"}},
			[]string{"G07 medium main.tf:54", noCondition},
		},
		{
			"the whole pool as member", terraformOnly,
			[]change{
				{"main.tf", `"principal://iam.googleapis.com/${`, `"principalSet://iam.googleapis.com/${`},
				{"main.tf", "/subject/system:serviceaccount:data-ingest:bq-writer", "/*"},
			},
			[]string{"G05 high main.tf:54", "W02 critical main.tf:54 *", noCondition},
		},
		{
			"the article without its mistakes", both,
			[]change{
				{"main.tf", "  oidc {", "  attribute_condition = \"assertion.sub == 'system:serviceaccount:data-ingest:bq-writer'\"\n\n  oidc {"},
				{"pod.yaml", "sts.amazonaws.com # Or your GCP audience", poolAudience},
				{"pod.yaml", "", configMap("sts.googleapis.com", "/var/run/secrets/tokens/oidc-token")},
			},
			nil,
		},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			report := lintAll(t, published(t, test.files, test.changes), Options{})
			if diff := cmp.Diff(test.want, summaries(report.Findings)); diff != "" {
				t.Errorf("(-want +got):\n%s\n%+v", diff, report.Findings)
			}
		})
	}
}

// change replaces a text of one of the article's files; no old text means the end.
type change struct{ file, old, new string }

// published returns files of the article with changes.
func published(t *testing.T, names []string, changes []change) []File {
	t.Helper()
	var files []File
	for _, name := range names {
		body, err := os.ReadFile(filepath.Join("testdata", "article", name))
		if err != nil {
			t.Fatal(err)
		}
		text := string(body)
		for _, e := range changes {
			switch {
			case e.file != name:
			case e.old == "":
				text += e.new
			case strings.Count(text, e.old) != 1:
				t.Fatalf("%s has %q %d times, want once", name, e.old, strings.Count(text, e.old))
			default:
				text = strings.Replace(text, e.old, e.new, 1)
			}
		}
		files = append(files, File{Name: name, Text: []byte(text)})
	}
	return files
}

const poolAudience = "//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/aws-eks-pool/providers/aws-eks-provider"

// configMap is the article's missing ConfigMap, with a host of the token exchange and a
// file with the token.
func configMap(host, file string) string {
	return `---
apiVersion: v1
kind: ConfigMap
metadata:
  name: workload-identity-config
  namespace: data-ingest
data:
  credentials.json: |
    {
      "type": "external_account",
      "audience": "` + poolAudience + `",
      "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
      "token_url": "https://` + host + `/v1/token",
      "credential_source": {"file": "` + file + `"}
    }
`
}

const awsRole = `
resource "aws_iam_role" "bq_writer" {
  name = "bq-writer-role"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRoleWithWebIdentity"
      Principal = { Federated = aws_iam_openid_connect_provider.eks.arn }
      Condition = { StringEquals = {
        "${aws_iam_openid_connect_provider.eks.url}:aud" = "sts.amazonaws.com"
        "${aws_iam_openid_connect_provider.eks.url}:sub" = "system:serviceaccount:data-ingest:bq-writer"
      } }
    }]
  })
}
`

const secondProvider = `
resource "google_iam_workload_identity_pool_provider" "second" {
  workload_identity_pool_id          = google_iam_workload_identity_pool.aws_pool.workload_identity_pool_id
  workload_identity_pool_provider_id = "aws-eks-second"

  attribute_mapping = {
    "google.subject" = "assertion.sub"
  }

  oidc {
    issuer_uri = aws_eks_cluster.second.identity[0].oidc[0].issuer
  }
}
`

// github is a trust policy of AWS for a pattern of subjects.
func github(subject string) []byte {
	condition := fmt.Sprintf(`{"StringEquals":{"token.actions.githubusercontent.com:sub":%q,"token.actions.githubusercontent.com:aud":"sts.amazonaws.com"}}`, subject)
	if strings.Contains(subject, "*") {
		condition = fmt.Sprintf(`{"StringLike":{"token.actions.githubusercontent.com:sub":%q},"StringEquals":{"token.actions.githubusercontent.com:aud":"sts.amazonaws.com"}}`, subject)
	}
	return fmt.Appendf(nil, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
 "Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"},
 "Action":"sts:AssumeRoleWithWebIdentity",
 "Condition":%s}]}`, condition)
}

const poolProvider = `{"name":"projects/123456789012/locations/global/workloadIdentityPools/pool/providers/gh",
 "attributeMapping":{"google.subject":"assertion.sub","attribute.repository":"assertion.repository"},
 "attributeCondition":"assertion.repository_owner_id == '1' && assertion.repository_id == '2' && assertion.ref == 'refs/heads/main'",
 "oidc":{"issuerUri":"https://token.actions.githubusercontent.com"}}`

func TestLint_ReadsEachForm(t *testing.T) {
	t.Parallel()
	tests := []struct {
		reason, name, text string
		want               []string
	}{
		{"a trust policy of AWS", "role.json", string(github("repo:acme/*")), []string{"W04 high role.json:1 *"}},
		{
			"a provider of Google Cloud", "provider.json",
			`{"name":"projects/1/locations/global/workloadIdentityPools/p/providers/x","attributeMapping":{"google.subject":"assertion.sub"},"oidc":{"issuerUri":"https://token.actions.githubusercontent.com"}}`,
			[]string{"W02 critical provider.json:1 *"},
		},
		{
			"a policy of Google Cloud", "policy.json",
			`{"bindings":[{"role":"roles/viewer","members":["principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/*"]}]}`,
			[]string{"G05 high policy.json:1"},
		},
		{
			"a credential of Entra", "credential.json",
			`{"name":"x","issuer":"https://token.actions.githubusercontent.com","subject":"repo:acme/app:pull_request","audiences":["api://AzureADTokenExchange"]}`,
			[]string{"W05 high credential.json:1 *"},
		},
		{
			"a credential configuration", "config.json",
			`{"type":"external_account","audience":"//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x","token_url":"https://sts.example/v1/token","credential_source":{"file":"/t"}}`,
			[]string{"C01 high config.json:1"},
		},
		{
			"an AuthenticationConfiguration", "auth.yaml",
			"apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\njwt:\n- issuer: {url: 'https://token.actions.githubusercontent.com', audiences: [kubernetes]}\n  claimMappings:\n    username: {claim: sub, prefix: 'gh:'}\n",
			[]string{"W02 critical auth.yaml:4 *"},
		},
		{
			"a pod", "pod.yaml", "kind: Pod\nmetadata: {name: x, namespace: y}\nspec:\n  containers: [{name: c}]\n  volumes:\n  - name: t\n    projected: {sources: [{serviceAccountToken: {path: t, audience: x}}]}\n",
			[]string{"K04 high pod.yaml:4"},
		},
		{"a role of Kubernetes in JSON", "role.json", `{"kind":"ClusterRole","apiVersion":"rbac.authorization.k8s.io/v1","metadata":{"name":"x"},"rules":[]}`, nil},
		{
			"a pipeline with a key", ".github/workflows/ci.yml",
			"on: push\njobs:\n  a:\n    steps:\n    - run: aws s3 ls\n      env:\n        AWS_ACCESS_KEY_ID: ${{ secrets.KEY_ID }}\n        AWS_SECRET_ACCESS_KEY: ${{ secrets.KEY }}\n",
			[]string{"W17 medium ci.yml:8"},
		},
		{"stdin with HCL", "stdin", "resource \"aws_iam_access_key\" \"k\" {}\n", []string{"P01 high stdin:1"}},
		{"stdin with JSON", "stdin", string(github("repo:acme/*")), []string{"W04 high stdin:1 *"}},
		{"stdin with YAML", "stdin", "kind: Pod\nspec:\n  serviceAccountName: default\n  containers: [{name: c}]\n  volumes: [{name: t, projected: {sources: [{serviceAccountToken: {path: t, audience: x}}]}}]\n", []string{"K04 high stdin:3"}},
		{"a plan", "plan.json", `{"format_version":"1.2","terraform_version":"1.9","planned_values":{"root_module":{"resources":[{"address":"aws_iam_access_key.k","mode":"managed","type":"aws_iam_access_key","name":"k","values":{}}]}}}`, []string{"P01 high plan.json:1"}},
		{
			"CloudFormation in YAML", "template.yaml",
			"Resources:\n  R:\n    Type: AWS::IAM::Role\n    Properties:\n      ManagedPolicyArns: [!Sub 'arn:${AWS::Partition}:iam::aws:policy/AdministratorAccess']\n      AssumeRolePolicyDocument:\n        Statement:\n        - Effect: Allow\n          Principal: {Federated: !Sub 'arn:aws:iam::${AWS::AccountId}:oidc-provider/token.actions.githubusercontent.com'}\n          Action: sts:AssumeRoleWithWebIdentity\n          Condition:\n            StringEquals: {'token.actions.githubusercontent.com:aud': sts.amazonaws.com}\n            StringLike: {'token.actions.githubusercontent.com:sub': !Sub 'repo:${Org}/*'}\nParameters: {Org: {Default: acme}}\n",
			[]string{"W04 high template.yaml:8 *", "W16 high template.yaml:5"},
		},
		{
			"CloudFormation with a subject that is a parameter", "stdin",
			"Resources:\n  R:\n    Type: AWS::IAM::Role\n    Properties:\n      AssumeRolePolicyDocument:\n        Statement:\n        - Effect: Allow\n          Principal: {Federated: !Ref Provider}\n          Action: sts:AssumeRoleWithWebIdentity\n          Condition:\n            StringEquals:\n              'token.actions.githubusercontent.com:aud': sts.amazonaws.com\n              'token.actions.githubusercontent.com:sub': !Ref Subject\n",
			[]string{"U02 low stdin:7"},
		},
		{
			"a template with a dynamic reference", "template.yaml",
			"Resources:\n  R:\n    Type: AWS::IAM::Role\n    Properties: {AssumeRolePolicyDocument: '{{resolve:ssm:policy}}'}\n", []string{"U02 low template.yaml:4"},
		},
		{
			"Terraform in JSON", "main.tf.json",
			`{"resource":{"aws_iam_access_key":{"k":{"user":"u"}}}}`, []string{"P01 high main.tf.json:1"},
		},
		{
			"stdin with Terraform in JSON", "stdin",
			`{"resource":{"aws_iam_access_key":{"k":{"user":"u"}}}}`, []string{"P01 high stdin:1"},
		},
		{"JSON of another form", "package.json", `{"name":"x","scripts":{"kind":"y"}}`, nil},
		{"YAML of another form", "values.yaml", "a: 1\n", nil},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			report := lintAll(t, []File{{Name: test.name, Text: []byte(test.text), Named: true}}, Options{})
			if diff := cmp.Diff(test.want, summaries(report.Findings)); diff != "" || len(report.Problems) > 0 {
				t.Errorf("problems %v (-want +got):\n%s", report.Problems, diff)
			}
		})
	}
}

func TestLint_JoinsWhatBelongsTogether(t *testing.T) {
	t.Parallel()
	provider := `{"Url":"token.actions.githubusercontent.com","ClientIDList":["other"]}`
	member := `{"bindings":[{"role":"roles/viewer","members":["principalSet://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/pool/attribute.missing/x"]}]}`
	hclPool := strings.ReplaceAll(`resource "google_iam_workload_identity_pool_provider" "x" {
  workload_identity_pool_id          = "pool"
  workload_identity_pool_provider_id = "NAME"
  attribute_mapping                  = { "google.subject" = "assertion.sub" }
  attribute_condition                = "assertion.repository_owner_id == '1' && assertion.repository_id == '2' && assertion.ref == 'refs/heads/main'"
  oidc {
    issuer_uri = "https://token.actions.githubusercontent.com"
  }
}`, "NAME", "gh")
	tests := []struct {
		reason string
		files  []File
		want   []string
	}{
		{
			"a role and its provider, which does not have the audience",
			[]File{{Name: "role.json", Text: github("repo:acme@1/app@2:environment:prod")}, {Name: "provider.json", Text: []byte(provider)}},
			[]string{"A07 medium role.json:1", "W15 medium role.json:1"},
		},
		{
			"a policy and the provider of its pool",
			[]File{{Name: "provider.json", Text: []byte(poolProvider)}, {Name: "policy.json", Text: []byte(member)}},
			[]string{"G06 medium policy.json:1"},
		},
		{
			"a policy and a provider of Terraform",
			[]File{{Name: "tf/main.tf", Text: []byte(hclPool)}, {Name: "policy.json", Text: []byte(member)}},
			[]string{"G06 medium policy.json:1"},
		},
		{
			"directories of Terraform with a pool of the same name",
			[]File{{Name: "a/main.tf", Text: []byte(hclPool)}, {Name: "b/main.tf", Text: []byte(hclPool)}},
			nil,
		},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			report := lintAll(t, test.files, Options{})
			if diff := cmp.Diff(test.want, summaries(report.Findings)); diff != "" {
				t.Errorf("(-want +got):\n%s\n%+v", diff, report.Findings)
			}
		})
	}
}

func TestLint_ReportsUnreadableFiles(t *testing.T) {
	t.Parallel()
	tests := []struct {
		reason          string
		file            File
		problems, notes int
	}{
		{"a named file that is no JSON", File{Name: "x.json", Text: []byte("{"), Named: true}, 1, 0},
		{"a file of a directory that is no JSON and about something else", File{Name: "x.json", Text: []byte("{ // comment\n")}, 0, 0},
		{"a file of a directory that is no JSON and about trust", File{Name: "x.json", Text: []byte(`{"attributeCondition": `)}, 1, 0},
		{"a trust policy of a directory that is no JSON", File{Name: "x.json", Text: []byte(`{"Statement": [{"Action": "sts:AssumeRoleWithWebIdentity"`)}, 1, 0},
		{"HCL that does not parse", File{Name: "x.tf", Text: []byte("resource {")}, 1, 0},
		{"HCL in JSON that does not parse", File{Name: "x.tf.json", Text: []byte("{")}, 1, 0},
		{"a template of CloudFormation that does not parse", File{Name: "x.yaml", Text: []byte("Type: AWS::IAM::Role\nAction: [sts:AssumeRoleWithWebIdentity\n")}, 1, 0},
		{"a template of Helm", File{Name: "x.yaml", Text: []byte("kind: {{ .Values.kind }}\n")}, 0, 1},
		{"a WorkloadTrust with an unknown field", File{Name: "x.yaml", Text: []byte("kind: WorkloadTrust\nspec: {subject: x}\n")}, 1, 0},
		{"a WorkloadTrust without workloads", File{Name: "x.yaml", Text: []byte("kind: WorkloadTrust\nspec: {issuer: x}\n")}, 1, 0},
		{"a TrustWaiver for everything", File{Name: "x.yaml", Text: []byte("kind: TrustWaiver\nspec: {rule: W05}\n")}, 1, 0},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			report := lintAll(t, []File{test.file, {Name: "role.json", Text: github("repo:acme/*")}}, Options{})
			if len(report.Problems) != test.problems || len(report.Notes) != test.notes {
				t.Errorf("problems %v, notes %v; want %d and %d", report.Problems, report.Notes, test.problems, test.notes)
			}
			if got := summaries(report.Findings); !slices.Equal(got, []string{"W04 high role.json:1 *"}) {
				t.Errorf("the rest is not judged: %v", got)
			}
		})
	}
}

func TestLint_ReadsIntentions(t *testing.T) {
	t.Parallel()
	role := File{Name: "roles/deploy.json", Text: github("repo:acme@1/app@2:environment:prod")}
	document := func(spec string) File {
		return File{Name: "intent.yaml", Text: []byte("kind: WorkloadTrust\nmetadata: {name: deploy}\nspec: " + spec + "\n")}
	}
	tests := []struct {
		reason, spec string
		want         []string
	}{
		{"the workload that the trust names", `{subjects: ["repo:acme@1/app@2:environment:prod"]}`, nil},
		{"another workload", `{subjects: ["repo:acme@1/web@3:environment:prod"], trusts: [deploy]}`, []string{"W14 medium deploy.json:1 *", "W15 medium deploy.json:1"}},
		{"another workload for another trust", `{subjects: ["repo:acme@1/web@3:environment:prod"], trusts: ["other/*"]}`, []string{"X03 low intent.yaml:1"}},
		{"a trust by its file", `{subjects: ["repo:acme@1/app@2:environment:prod"], trusts: ["roles/*"]}`, nil},
		{"another issuer", `{issuer: "https://gitlab.com", subjects: ["x"]}`, []string{"X03 low intent.yaml:1"}},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			report := lintAll(t, []File{role, document(test.spec)}, Options{})
			if diff := cmp.Diff(test.want, summaries(report.Findings)); diff != "" || len(report.Problems) > 0 {
				t.Errorf("%v (-want +got):\n%s\n%+v", report.Problems, diff, report.Findings)
			}
		})
	}
}

func TestLint_IsDeterministic(t *testing.T) {
	t.Parallel()
	var files []File
	for i := range 60 {
		files = append(files, File{Name: fmt.Sprintf("role-%d.json", i), Text: github(fmt.Sprintf("repo:acme/app-%d*", i))})
	}
	one := lintAll(t, files, Options{Workers: 1})
	many := lintAll(t, files, Options{Workers: 8})
	if diff := cmp.Diff(one, many); diff != "" {
		t.Errorf("(-one worker +many):\n%s", diff)
	}
	if !slices.IsSortedFunc(one.Findings, func(a, b trust.Finding) int { return Rank(a.Severity) - Rank(b.Severity) }) {
		t.Error("findings are not sorted by severity")
	}
}

func TestLint_FiltersRules(t *testing.T) {
	t.Parallel()
	files := []File{{Name: "role.json", Text: github("repo:acme/*")}, {Name: "k.tf", Text: []byte("resource \"aws_iam_access_key\" \"k\" {}\n")}}
	if got := summaries(lintAll(t, files, Options{Rules: []string{"P01"}}).Findings); !slices.Equal(got, []string{"P01 high k.tf:1"}) {
		t.Errorf("findings = %v, want P01 only", got)
	}
}

func TestFiles_LeavesOutWhatIsNoInput(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	write := func(name string, text []byte) {
		file := filepath.Join(directory, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("role.json", github("x"))
	write(".terraform/modules/x/main.tf", []byte("x"))
	write("node_modules/x/package.json", []byte("{}"))
	write(".git/config.yaml", nil)
	write("plan.tfstate", []byte("a\x00b"))
	write("main.go", []byte("package main"))
	write("large.json", bytes.Repeat([]byte(" "), maxFile+1))
	files, problems, notes := Files(t.Context(), []string{directory, Stdin, filepath.Join(directory, "none.json")}, strings.NewReader("{}"))
	var names []string
	for _, f := range files {
		names = append(names, filepath.Base(f.Name))
	}
	if !slices.Equal(names, []string{"role.json", "stdin"}) || len(problems) != 1 || len(notes) != 1 {
		t.Errorf("files %v, problems %v, notes %v", names, problems, notes)
	}
}

func TestWriteSARIF_HasTheRequiredFields(t *testing.T) {
	t.Parallel()
	report := lintPath(t, "testdata/article")
	report.Waived = report.Findings[:1]
	report.Problems = []Problem{{"a b.json", "is broken"}}
	var out bytes.Buffer
	if err := WriteSARIF(&out, report); err != nil {
		t.Fatal(err)
	}
	var log struct {
		Version string
		Runs    []struct {
			Tool struct {
				Driver struct {
					Name  string
					Rules []struct {
						ID                   string
						ShortDescription     struct{ Text string }
						Help                 struct{ Text string }
						DefaultConfiguration struct{ Level string }
					}
				}
			}
			Invocations []struct{ ExecutionSuccessful *bool }
			Results     []struct {
				RuleID              string
				RuleIndex           int
				Level               string
				Message             struct{ Text string }
				PartialFingerprints map[string]string
				Suppressions        []struct{ Kind string }
				Locations           []struct {
					PhysicalLocation struct {
						ArtifactLocation struct{ URI string }
						Region           struct{ StartLine int }
					}
				}
			}
		}
	}
	if err := json.Unmarshal(out.Bytes(), &log); err != nil {
		t.Fatal(err)
	}
	run := log.Runs[0]
	if log.Version != "2.1.0" || run.Tool.Driver.Name == "" || len(run.Results) != len(report.Findings)+1 || *run.Invocations[0].ExecutionSuccessful {
		t.Fatalf("the log lacks what the schema requires:\n%.2000s", out.String())
	}
	for _, r := range run.Results {
		rule := run.Tool.Driver.Rules[r.RuleIndex]
		at := r.Locations[0].PhysicalLocation
		if rule.ID != r.RuleID || r.Message.Text == "" || r.PartialFingerprints["rollcall/v1"] == "" || at.Region.StartLine < 1 ||
			!strings.HasPrefix(at.ArtifactLocation.URI, "testdata/") || !slices.Contains([]string{"error", "warning", "note"}, r.Level) {
			t.Errorf("the result lacks what the schema requires: %+v", r)
		}
	}
	if len(run.Results[len(run.Results)-1].Suppressions) != 1 {
		t.Error("the waived finding is not suppressed")
	}
	for _, rule := range run.Tool.Driver.Rules {
		if rule.ShortDescription.Text == "" || rule.Help.Text == "" || rule.DefaultConfiguration.Level == "" {
			t.Errorf("rule %s has no text or level", rule.ID)
		}
	}
}

func FuzzLint(f *testing.F) {
	f.Add("x.json", github("repo:acme/*"))
	f.Add("x.json", []byte(poolProvider))
	f.Add("stdin", []byte("kind: TrustWaiver\nspec: {trust: x, rule: W05, reason: y, until: 2027-01-01}\n---\nkind: WorkloadTrust\nspec: {claims: {a: [1, {b: 2}]}}\n"))
	f.Add("x.tf", []byte("# rollcall:ignore W05 until 2027-01-01 x\nresource \"aws_iam_role\" \"r\" {\n}\n"))
	f.Add("x.yaml", []byte("apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\njwt: [{issuer: {url: x}}]\n"))
	f.Add("stdin", []byte(`{"resource":{"aws_iam_role":{"r":{"assume_role_policy":"${jsonencode({})}"}}}}`))
	f.Add("x.yaml", []byte("Resources:\n  R: {Type: AWS::IAM::Role, Properties: {AssumeRolePolicyDocument: !Sub '${x}'}}\n"))
	f.Add(".env", []byte("AWS_SECRET_ACCESS_KEY=x\n"))
	f.Fuzz(func(t *testing.T, name string, text []byte) {
		report, err := Lint(t.Context(), []File{{Name: name, Text: text, Named: true}}, Options{Now: testTime(), Workers: 1})
		if err != nil {
			t.Fatal(err)
		}
		if err := WriteSARIF(&bytes.Buffer{}, report); err != nil {
			t.Fatal(err)
		}
	})
}
