package keys

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// Keys that have the form of keys and open nothing. They are put together here, so that
// scanners of the repository do not take them for keys.
var (
	keyID  = "AKIA" + "Z7QWERTYUIOPASDF"
	secret = "q8Zr1TtYbN" + "c4Xv7LmPk2" + "Hs9Gd3Fj5W" + "a6Eu0RiOzQ"
	azKey  = "abc" + "8Q~" + "dEfGhIjKlMnOpQrStUvWxYz0123456789a"
	saJSON = `{"type": "service_account", "project_id": "p", "private_key": "-----BEGIN ` + `PRIVATE KEY-----\nMIIEvQIBADANBg\n-----END ` + `PRIVATE KEY-----\n"}`
)

func encoded(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

func rules(findings []trust.Finding) []string {
	var rules []string
	for _, f := range findings {
		rules = append(rules, f.Rule)
	}
	return rules
}

func check(t *testing.T, findings []trust.Finding, want []string) {
	t.Helper()
	if got := rules(findings); !slices.Equal(got, want) {
		t.Errorf("rules = %v, want %v: %+v", got, want, findings)
	}
	for _, f := range findings {
		if f.File == "" || f.Line == 0 || f.Trust == "" || f.Message == "" || f.Fix == "" || f.Severity == "" {
			t.Errorf("an incomplete finding: %+v", f)
		}
	}
	text := fmt.Sprintf("%+v", findings)
	for _, key := range []string{keyID, secret, azKey, "MIIEvQIBADANBg"} {
		if strings.Contains(text, key[:8]) {
			t.Errorf("a finding holds a part of a key: %s", text)
		}
	}
}

func TestParse_Objects(t *testing.T) {
	t.Parallel()
	object := func(kind, field string, pairs ...string) string {
		var b strings.Builder
		b.WriteString("kind: " + kind + "\nmetadata: {name: s, namespace: n}\n" + field + ":\n")
		for i := 0; i < len(pairs); i += 2 {
			fmt.Fprintf(&b, "  %s: %q\n", pairs[i], pairs[i+1])
		}
		return b.String()
	}
	kubeconfig := "kind: Config\nusers: [{name: u, user: {token: " + secret + "}}]"
	tests := []struct {
		reason, text string
		want         []string
	}{
		{"a key of AWS", object("Secret", "stringData", "id", keyID, "secret", secret), []string{"P01"}},
		{"a key of AWS in base64", object("Secret", "data", "id", encoded(keyID), "secret", encoded(secret)), []string{"P01"}},
		{"a key of AWS in a profile", object("ConfigMap", "data", "credentials", "[default]\naws_access_key_id = "+keyID+"\naws_secret_access_key = "+secret), []string{"P01"}},
		{"only the secret, by its name", object("Secret", "stringData", "AWS_SECRET_ACCESS_KEY", secret), []string{"P01"}},
		{"only the ID", object("Secret", "stringData", "id", keyID), nil},
		{"the ID with a SHA-1", object("ConfigMap", "data", "id", keyID, "commit", strings.Repeat("0a1b2c3d", 5)), nil},
		{"the key of AWS's documentation", object("Secret", "stringData", "id", "AKIAIOSFODNN7"+"EXAMPLE", "AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCY"+"EXAMPLEKEY"), nil},
		{"a template", object("Secret", "stringData", "AWS_SECRET_ACCESS_KEY", "{{ .Values.aws.secretAccessKey | quote  }}"), nil},
		{"a placeholder", object("Secret", "stringData", "AZURE_CLIENT_SECRET", "REPLACE_ME_PLEASE"), nil},
		{"a value that sops encrypted", object("Secret", "stringData", "AZURE_CLIENT_SECRET", "ENC[AES256_GCM,data:abcdefgh]"), nil},
		{"a key of Google", object("Secret", "stringData", "key.json", saJSON), []string{"P02"}},
		{"a key of Google in base64", object("Secret", "data", "key.json", encoded(saJSON)), []string{"P02"}},
		{"a key of Google in base64 twice", object("Secret", "data", "key.json", encoded(encoded(saJSON))), []string{"P02"}},
		{"a configuration for federation", object("ConfigMap", "data", "c", `{"type": "external_account", "audience": "x"}`), nil},
		{"a secret of Azure by its name", object("Secret", "stringData", "AZURE_CLIENT_SECRET", "some-secret-value"), []string{"P03"}},
		{"a secret of Azure by its form", object("Secret", "stringData", "x", azKey), []string{"P03"}},
		{"a client secret with a tenant", object("Secret", "stringData", "clientSecret", "some-secret-value", "tenantId", "t"), []string{"P03"}},
		{"a client secret of another issuer", object("Secret", "stringData", "clientSecret", "some-secret-value"), nil},
		{"credentials of azure/login", object("Secret", "stringData", "x", `{"clientId": "c", "clientSecret": "some-secret-value", "tenantId": "t"}`), []string{"P03"}},
		{"a kubeconfig with a token", object("Secret", "stringData", "config", kubeconfig), []string{"P04"}},
		{"a kubeconfig with a command", object("Secret", "stringData", "config", "kind: Config\nusers: [{name: u, user: {exec: {command: aws}}}]"), nil},
		{"a token of a service account", "kind: Secret\ntype: kubernetes.io/service-account-token\nmetadata: {name: s}\n", []string{"P04"}},
		{"keys of two clouds", object("Secret", "stringData", "id", keyID, "secret", secret, "g", saJSON), []string{"P01", "P02"}},
		{"a List", "kind: List\nitems:\n- kind: Secret\n  metadata: {name: s}\n  stringData: {x: " + azKey + "}\n", []string{"P03"}},
		{"a TLS certificate", object("Secret", "stringData", "tls.key", "-----BEGIN "+"PRIVATE KEY-----\nMIIE\n"), nil},
		{"a sealed secret", object("SealedSecret", "spec", "AWS_SECRET_ACCESS_KEY", secret), nil},
		{"a key of a name that is a key", object("Secret", "stringData", azKey, azKey), []string{"P03"}},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			findings, err := Parse("f.yaml", []byte(test.text))
			if err != nil {
				t.Fatal(err)
			}
			check(t, findings, test.want)
		})
	}
}

func TestParse_Files(t *testing.T) {
	t.Parallel()
	tests := []struct {
		reason, text string
		want         []string
		line         int
	}{
		{"a kubeconfig with a token", "apiVersion: v1\nkind: Config\nusers:\n- name: u\n  user:\n    token: " + secret + "\n", []string{"P04"}, 6},
		{"a kubeconfig with a password", "kind: Config\nusers: [{user: {username: a, password: some-password}}]", []string{"P04"}, 2},
		{"a kubeconfig with a command", "kind: Config\nusers: [{user: {exec: {command: x}}}]", nil, 0},
		{"a key file of Google", saJSON, []string{"P02"}, 1},
		{"a key file of Azure", "{\"clientId\": \"c\",\n\"clientSecret\": \"some-secret-value\", \"tenantId\": \"t\"}", []string{"P03"}, 2},
		{"another document", "a: b", nil, 0},
		{"a list", "- a\n- b", nil, 0},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			findings, err := Parse("f.yaml", []byte(test.text))
			if err != nil {
				t.Fatal(err)
			}
			check(t, findings, test.want)
			if len(findings) > 0 && findings[0].Line != test.line {
				t.Errorf("line %d, want %d", findings[0].Line, test.line)
			}
		})
	}
}

func TestParse_Workloads(t *testing.T) {
	t.Parallel()
	pod := func(env, volumes string) string {
		return "kind: Deployment\nmetadata: {name: d}\nspec: {template: {spec: {containers: [{name: c, env: [" + env + "]}], volumes: [" + volumes + "]}}}"
	}
	reference := "{name: AWS_ACCESS_KEY_ID, valueFrom: {secretKeyRef: {name: s, key: i}}}, {name: AWS_SECRET_ACCESS_KEY, valueFrom: {secretKeyRef: {name: s, key: k}}}"
	tests := []struct {
		reason, text string
		want         []string
		message      string
	}{
		{"a key of a Secret", pod(reference, ""), []string{"W17"}, "would do"},
		{"a key beside federation", pod(reference, "{projected: {sources: [{serviceAccountToken: {path: t, audience: x}}]}}"), []string{"W17"}, "beside federation"},
		{"a key in the manifest", pod("{name: AWS_ACCESS_KEY_ID, value: "+keyID+"}, {name: AWS_SECRET_ACCESS_KEY, value: "+secret+"}", ""), []string{"P01"}, "holds an AWS access key"},
		{"no key", pod("{name: AWS_REGION, value: eu-west-1}", ""), nil, ""},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			findings, err := Parse("f.yaml", []byte(test.text))
			if err != nil {
				t.Fatal(err)
			}
			check(t, findings, test.want)
			if len(findings) > 0 && !strings.Contains(findings[0].Message, test.message) {
				t.Errorf("message = %s", findings[0].Message)
			}
		})
	}
}

func TestParse_Pipelines(t *testing.T) {
	t.Parallel()
	workflow := func(job string) string {
		return "on: push\njobs:\n  deploy:\n    runs-on: x\n" + job
	}
	step := func(step string) string { return workflow("    steps:\n    - " + step + "\n") }
	tests := []struct {
		reason, file, text string
		want               []string
	}{
		{"keys in the environment of a workflow", "w.yml", "env:\n  AWS_ACCESS_KEY_ID: ${{ secrets.ID }}\n  AWS_SECRET_ACCESS_KEY: ${{ secrets.KEY }}\n" + workflow(""), []string{"W17"}},
		{"keys in the environment of a job", "w.yml", workflow("    env: {ARM_CLIENT_SECRET: '${{ secrets.KEY }}'}\n"), []string{"W17"}},
		{"keys in the environment of a step", "w.yml", step("{run: x, env: {GOOGLE_CREDENTIALS: '${{ secrets.KEY }}'}}"), []string{"W17"}},
		{"temporary keys of another step", "w.yml", step("{run: x, env: {AWS_SECRET_ACCESS_KEY: '${{ steps.aws.outputs.aws-secret-access-key }}'}}"), nil},
		{"configure-aws-credentials with keys", "w.yml", step("{uses: aws-actions/configure-aws-credentials@v4, with: {aws-access-key-id: '${{ secrets.ID }}', aws-secret-access-key: '${{ secrets.KEY }}'}}"), []string{"W17"}},
		{"configure-aws-credentials with a role", "w.yml", step("{uses: aws-actions/configure-aws-credentials@v4, with: {role-to-assume: 'arn:aws:iam::1:role/r'}}"), nil},
		{"google-github-actions/auth with a key", "w.yml", step("{uses: google-github-actions/auth@v2, with: {credentials_json: '${{ secrets.KEY }}'}}"), []string{"W17"}},
		{"google-github-actions/auth with a provider", "w.yml", step("{uses: google-github-actions/auth@v2, with: {workload_identity_provider: projects/1}}"), nil},
		{"azure/login with a secret", "w.yml", step("{uses: azure/login@v2, with: {creds: '${{ secrets.KEY }}'}}"), []string{"W17"}},
		{"azure/login without a secret", "w.yml", step("{uses: azure/login@v2, with: {client-id: '${{ secrets.ID }}', tenant-id: t}}"), nil},
		{"a key in the workflow", "w.yml", step("{uses: aws-actions/configure-aws-credentials@v4, with: {aws-access-key-id: " + keyID + ", aws-secret-access-key: " + secret + "}}"), []string{"P01"}},
		{"a key in a command", "w.yml", step("{run: 'aws configure set aws_access_key_id " + keyID + "; aws configure set aws_secret_access_key " + secret + "'}"), []string{"P01", "W17"}},
		{"a command with a key", "w.yml", step("{run: 'gcloud auth activate-service-account --key-file k.json'}"), []string{"W17"}},
		{"a login with a token", "w.yml", step("{run: 'az login --service-principal -u a --federated-token $T'}"), nil},
		{"a login with a password", "w.yml", step("{run: 'az login --service-principal -u a -p $P --tenant t'}"), []string{"W17"}},
		{"a composite action", "action.yml", "runs:\n  using: composite\n  steps:\n  - {uses: azure/login@v2, with: {creds: '${{ secrets.KEY }}'}}\n", []string{"W17"}},
		{"GitLab: a key in the pipeline", ".gitlab-ci.yml", "variables:\n  AWS_ACCESS_KEY_ID: " + keyID + "\n  AWS_SECRET_ACCESS_KEY: {value: " + secret + ", description: x}\n", []string{"P01"}},
		{"GitLab: a variable of the project", "x.yml", "deploy:\n  variables: {ARM_CLIENT_SECRET: $PROD_SECRET}\n  script: [terraform apply]\n", []string{"W17"}},
		{"GitLab: a command with a key", "x.yml", "deploy:\n  script:\n  - gcloud auth activate-service-account --key-file $KEY\n", []string{"W17"}},
		{"GitLab: federation", "x.yml", "deploy:\n  id_tokens: {T: {aud: x}}\n  script: [aws sts assume-role-with-web-identity]\n", nil},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			findings, err := Parse(test.file, []byte(test.text))
			if err != nil {
				t.Fatal(err)
			}
			check(t, findings, test.want)
		})
	}
}

func TestParse_KnowsFederationBeside(t *testing.T) {
	t.Parallel()
	text := "permissions: {id-token: write}\njobs:\n  a:\n    steps:\n    - {uses: azure/login@v2, with: {creds: '${{ secrets.KEY }}'}}\n"
	findings, err := Parse("w.yml", []byte(text))
	if err != nil || len(findings) != 1 || !strings.Contains(findings[0].Message, "beside federation") {
		t.Errorf("findings = %+v, err = %v", findings, err)
	}
}

func TestTerraform(t *testing.T) {
	t.Parallel()
	at := trust.Position{File: "main.tf", Line: 4}
	attributes := func(literal bool, names ...string) []Attribute {
		var all []Attribute
		for _, name := range names {
			all = append(all, Attribute{Name: name, Literal: literal})
		}
		return all
	}
	tests := []struct {
		reason string
		block  Block
		want   []string
	}{
		{"an access key", Block{Kind: Resource, Type: "aws_iam_access_key", Name: "ci", At: at}, []string{"P01"}},
		{"a service account key", Block{Kind: Resource, Type: "google_service_account_key", Name: "ci", At: at}, []string{"P02"}},
		{"an application password", Block{Kind: Resource, Type: "azuread_application_password", Name: "ci", At: at}, []string{"P03"}},
		{"a password of a service principal", Block{Kind: Resource, Type: "azuread_service_principal_password", Name: "ci", At: at}, []string{"P03"}},
		{"an application with a password", Block{Kind: Resource, Type: "azuread_application", Name: "ci", At: at, Attributes: attributes(false, "password")}, []string{"P03"}},
		{"an application", Block{Kind: Resource, Type: "azuread_application", Name: "ci", At: at, Attributes: attributes(true, "display_name")}, nil},
		{"a role", Block{Kind: Resource, Type: "aws_iam_role", Name: "ci", At: at}, nil},
		{"a provider with a key", Block{Kind: Provider, Type: "aws", At: at, Attributes: attributes(true, "access_key", "secret_key")}, []string{"P01"}},
		{"a provider with a variable", Block{Kind: Provider, Type: "aws", At: at, Attributes: attributes(false, "access_key", "secret_key")}, []string{"W17"}},
		{"a provider with a client secret", Block{Kind: Provider, Type: "azurerm", At: at, Attributes: attributes(true, "client_secret")}, []string{"P03"}},
		{"a provider with credentials in a file", Block{Kind: Provider, Type: "google", At: at, Attributes: attributes(false, "credentials")}, nil},
		{"a provider with a token", Block{Kind: Provider, Type: "kubernetes", Name: "eks", At: at, Attributes: attributes(true, "token")}, []string{"P04"}},
		{"a backend with a key", Block{Kind: Backend, Type: "s3", At: at, Attributes: attributes(true, "secret_key", "bucket")}, []string{"P01"}},
		{"a provider without keys", Block{Kind: Provider, Type: "aws", At: at, Attributes: attributes(true, "region")}, nil},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			findings := Terraform(test.block)
			check(t, findings, test.want)
			for _, f := range findings {
				if f.File != "main.tf" || f.Line != 4 {
					t.Errorf("place = %s:%d", f.File, f.Line)
				}
			}
		})
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	tests := []struct {
		reason, text string
		want         []string
		line         int
	}{
		{"a profile", "[default]\naws_access_key_id = " + keyID + "\naws_secret_access_key = " + secret + "\n", []string{"P01"}, 2},
		{"an environment file", "A=b\nARM_CLIENT_SECRET=" + azKey + "\n", []string{"P03"}, 2},
		{"a key file inside a text", "x\n" + saJSON, []string{"P02"}, 2},
		{"no key", "aws_access_key_id = $ID", nil, 0},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			findings := Text("dir/.env", []byte(test.text))
			check(t, findings, test.want)
			if len(findings) > 0 && findings[0].Line != test.line {
				t.Errorf("line %d, want %d", findings[0].Line, test.line)
			}
		})
	}
}

// TestParse_NeverRepeatsSecret puts a random secret everywhere that a file has room for
// one, and breaks the file now and then.
func TestParse_NeverRepeatsSecret(t *testing.T) {
	t.Parallel()
	places := []string{
		"kind: Secret\nmetadata: {name: %[1]q}\nstringData: {AWS_SECRET_ACCESS_KEY: %[2]q, x: %[2]q}\n",
		"kind: Secret\nmetadata: {name: n}\nstringData: {%[1]q: %[2]q, tenantId: t, clientSecret: %[2]q}\n",
		"kind: Config\nusers: [{name: %[1]q, user: {token: %[2]q}}]\n",
		"kind: Pod\nmetadata: {name: n}\nspec: {containers: [{name: %[1]q, env: [{name: AZURE_CLIENT_SECRET, value: %[2]q}]}]}\n",
		"jobs:\n  %[1]q:\n    env: {AZURE_CLIENT_SECRET: %[2]q}\n    steps:\n    - {name: %[1]q, run: %[2]q}\n",
		"deploy:\n  variables: {ARM_CLIENT_SECRET: %[2]q}\n  script: [%[2]q]\n",
		"a: &x\n  b: *%[2]s\n", "a: %[2]q\na: [%[2]q\n", "{\"a\": %[2]q, %[2]s}",
	}
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.StringMatching(`[a-z][A-Z][0-9][A-Za-z0-9]{37}`).Draw(t, "secret")
		name := rapid.SampledFrom([]string{"name", key}).Draw(t, "name")
		text := fmt.Sprintf(rapid.SampledFrom(places).Draw(t, "place"), name, key)
		findings, err := Parse("f.yaml", []byte(text[:len(text)-rapid.IntRange(0, 3).Draw(t, "cut")]))
		output, marshalErr := json.Marshal(findings)
		if marshalErr != nil {
			t.Fatal(marshalErr)
		}
		for i := 0; i+8 <= len(key); i++ {
			if part := key[i : i+8]; strings.Contains(string(output), part) || err != nil && strings.Contains(err.Error(), part) {
				t.Fatalf("a part of the secret is in %s, err %v", output, err)
			}
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add("s.yaml", []byte("kind: Secret\ndata: {a: "+encoded(saJSON)+"}"))
	f.Add("w.yml", []byte("jobs: {a: {steps: [{uses: azure/login@v2, with: {creds: x}, run: y, env: {A: b}}]}}"))
	f.Add(".gitlab-ci.yml", []byte("a: {script: [b], variables: {AWS_SECRET_ACCESS_KEY: {value: c}}}"))
	f.Add("k", []byte("kind: Config\nusers: [{user: {token: abcdefghij}}]"))
	f.Fuzz(func(t *testing.T, file string, text []byte) {
		findings, _ := Parse(file, text)
		for _, finding := range append(findings, Text(file, text)...) {
			if finding.Line <= 0 || finding.Rule == "" {
				t.Fatalf("an incomplete finding: %+v", finding)
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	text := []byte(strings.Repeat("kind: Secret\nmetadata: {name: s}\ndata: {id: "+encoded(keyID)+", secret: "+encoded(secret)+"}\n---\n", 100))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if findings, err := Parse("f", text); err != nil || len(findings) != 100 {
			b.Fatal(len(findings), err)
		}
	}
}
